//! The virtual clocks of these tests: all begin at the same time of day.

use std::sync::Arc;

use tenantry_replication::clock::{Micros, VirtualClock};

/// Time of day at the start: Monday, 2 November 2026, 08:00 UTC, as the simulator has it.
pub(crate) const START: Micros = 1_793_606_400_000_000;

pub(crate) fn clock() -> Arc<VirtualClock> {
    VirtualClock::new(START, 1)
}

/// A clock whose time of day is wrong by so many microseconds.
pub(crate) fn skewed(skew: Micros) -> Arc<VirtualClock> {
    let clock = clock();
    clock.skew(skew);
    clock
}
