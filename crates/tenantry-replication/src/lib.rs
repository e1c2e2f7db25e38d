//! The whole data flow of Tenantry, in the order in which a row takes it:
//!
//! - [`source`]: where records come from. A [`source::Source`] hands out pages of JSON records; [`source::auth0`] is the one we have.
//! - [`catalog`]: what is replicated. One declarative list of streams, tables and columns; everything else is derived from it.
//! - [`normalize`]: one JSON record becomes rows of a parent table and its children, straight into Arrow builders.
//! - [`destination`]: where rows go. Rows are staged invisibly, then published together with their checkpoint.
//! - [`state`]: what a destination remembers: checkpoints, runs, gaps, quarantined records.
//! - [`sync`]: the engine that drives the five above.
//! - [`error`]: what can go wrong, and the only place that decides on a retry.
//! - [`clock`] and [`json`]: time as a port, and the one reader of JSON bytes.
//! - [`defects`]: mistakes that can be planted in builds of tests, to show that these find them.
//!
//! This crate prints nothing, reads no environment and knows time and randomness only through its ports.

pub mod catalog;
pub mod clock;
pub mod defects;
pub mod destination;
pub mod error;
pub mod json;
pub mod normalize;
pub mod source;
pub mod state;
pub mod sync;
