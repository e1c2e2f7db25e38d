//! What the destinations promise, shown on real files and servers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(feature = "bigquery")]
mod bigquery;
mod commit;
mod crash;
mod duckdb;
mod postgres;
mod rows;
#[cfg(feature = "snowflake")]
mod snowflake;
#[cfg(feature = "snowflake")]
mod snowflake_protocol;
