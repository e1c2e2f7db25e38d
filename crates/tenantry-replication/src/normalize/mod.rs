//! One JSON record becomes rows.
