//! Where a run dies: counts the points at which the engine waits for the outside, and never comes back from the chosen one.
//!
//! Drops nothing itself: whoever drives the run asks [`Fate::struck`] after each step, and drops the future as a kill would.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What happens at which point of a run.
#[derive(Debug, Default)]
pub(crate) struct Fate(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    passed: u64,
    crash_at: Option<u64>,
    struck: Option<String>,
}

impl Fate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins another run, which dies at this point if at any.
    pub(crate) fn begin(&self, crash_at: Option<u64>) {
        *self.state() = State { passed: 0, crash_at, struck: None };
    }

    /// Whether the run has died, and at what.
    pub(crate) fn struck(&self) -> Option<String> {
        self.state().struck.clone()
    }

    /// Ends the run from outside, for a reason that is no crash.
    pub(crate) fn strike(&self, why: &str) {
        self.state().struck.get_or_insert_with(|| why.to_owned());
    }

    /// Passes a point, or never returns.
    pub(crate) async fn point(&self, place: &str) {
        let dies = {
            let mut state = self.state();
            state.passed += 1;
            if state.struck.is_none() && state.crash_at == Some(state.passed) {
                state.struck = Some(place.to_owned());
            }
            state.struck.is_some()
        };
        if dies {
            futures::future::pending::<()>().await;
        }
    }
}
