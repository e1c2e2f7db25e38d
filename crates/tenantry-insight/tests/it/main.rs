//! The texts of this crate on the catalog's own tables, in DuckDB.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod checks;
mod database;
mod detections;
mod prepared;
mod questions;
