//! What holds up a run's requests, stream by stream: refusals for the rate limit, and waits.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::catalog::Stream;
use crate::source::Delays;

/// Delays of all streams since a run began.
#[derive(Default)]
pub(super) struct OfStreams(Mutex<BTreeMap<&'static str, Arc<Delayed>>>);

/// Delays of one stream.
#[derive(Default)]
pub(super) struct Delayed {
    limited: AtomicU64,
    waited_micros: AtomicU64,
}

impl OfStreams {
    /// Those of a stream, shared by everything that reads for it.
    pub(super) fn of(&self, stream: &'static Stream) -> Arc<Delayed> {
        let mut streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(streams.entry(stream.name).or_default())
    }

    /// Begins anew. A read that outlives its run counts for nobody.
    pub(super) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Delayed {
    /// A request was refused for the rate limit.
    pub(super) fn limited(&self) {
        self.limited.fetch_add(1, Ordering::Relaxed);
    }

    /// A request has waited so long.
    pub(super) fn waited(&self, wait: Duration) {
        self.waited_micros.fetch_add(u64::try_from(wait.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn told(&self) -> Delays {
        let waited = Duration::from_micros(self.waited_micros.load(Ordering::Relaxed));
        Delays { limited: self.limited.load(Ordering::Relaxed), waited }
    }
}
