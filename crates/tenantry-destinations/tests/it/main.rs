//! What the destinations promise, shown on real files.

mod duckdb;
