//! Time and waiting as ports, so that the engine runs on virtual time in simulations.
//!
//! Nothing else in this crate asks the operating system for the time, sleeps, or draws random numbers.

mod virtual_time;

use std::time::Duration;

use async_trait::async_trait;

pub use virtual_time::VirtualClock;

/// An instant in microseconds since 1970-01-01T00:00:00Z: the resolution that every destination keeps.
pub type Micros = i64;

/// Microseconds in a second.
pub const MICROS_PER_SECOND: i64 = 1_000_000;

/// A length of time in microseconds; the longest there is where it does not fit.
pub fn micros(duration: Duration) -> Micros {
    Micros::try_from(duration.as_micros()).unwrap_or(Micros::MAX)
}

/// The engine's only access to time and chance.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Wall-clock time, UTC. May jump; never used to decide on deletes.
    fn now(&self) -> Micros;

    /// Time since an arbitrary start that never goes back. Measures durations and waits.
    fn monotonic(&self) -> Duration;

    /// Waits for `duration`.
    async fn sleep(&self, duration: Duration);

    /// A number in `0.0..1.0`, for jitter.
    fn jitter(&self) -> f64;
}
