//! What the Delta Lake destination promises, shown on real tables.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conformance;
mod crash;
mod merged;
mod place;
#[cfg(feature = "s3")]
mod s3;
mod tables;
