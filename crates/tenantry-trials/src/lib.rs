//! Deterministic trials: the real engine in one thread, on virtual time, against a simulated tenant, into a destination that fails.
//!
//! - [`Trial`]: what a seed picks (`trial`, `chance`, `faults`);
//! - [`run`]: its course (`life`), in a `world` of tenant and time, through a `network` and a `warehouse` that go wrong (`answers`, `pages`, `files`, `fate`);
//! - `history` and `check`: what the tenant held, and whether the tables agree, by the oracle alone;
//! - [`Sightings`]: which interesting states were reached;
//! - [`shrink`]: the smallest part of a trial that still fails.
//!
//! Shows what the engine does under faults; how real sockets and files behave is shown elsewhere.

mod answers;
mod catalog;
mod chance;
mod check;
mod conduct;
mod fate;
mod faults;
mod files;
mod history;
mod life;
mod network;
mod pages;
#[cfg(feature = "planted-defects")]
pub mod planted;
mod records;
mod shrink;
mod sightings;
mod trace;
mod trial;
mod warehouse;
mod world;

pub use faults::Group;
pub use life::{Verdict, run};
pub use shrink::shrink;
pub use sightings::{Sighting, Sightings};
pub use trial::Trial;
pub use world::Violation;

/// The command that runs a trial again.
pub fn replay(seed: u64, without: &std::collections::BTreeSet<String>) -> String {
    let mut command = format!("cargo xtask simulate --seed {seed}");
    if !without.is_empty() {
        let parts: Vec<&str> = without.iter().map(String::as_str).collect();
        command.push_str(" --without ");
        command.push_str(&parts.join(","));
    }
    command
}
