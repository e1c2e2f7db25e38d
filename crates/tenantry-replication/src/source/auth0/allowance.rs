//! What the operator allows one run to ask of a tenant: so many requests, so much time.
//!
//! Counts before a request is sent, so that never one more goes out. Knows nothing of rate limits: those are the tenant's.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::settings::Settings;

/// What is left for one run.
pub(super) struct Allowance {
    requests: Option<u64>,
    taken: AtomicU64,
    time: Option<Duration>,
    /// When the run began, in microseconds of the monotonic clock.
    begun: AtomicU64,
}

/// One request out of the allowance. Dropping it gives it back.
pub(super) struct Taken<'a> {
    allowance: Option<&'a Allowance>,
}

impl Allowance {
    pub(super) fn new(settings: &Settings, now: Duration) -> Self {
        let (requests, time) = (settings.max_requests, settings.max_time);
        let allowance = Self { requests, taken: AtomicU64::new(0), time, begun: AtomicU64::new(0) };
        allowance.renew(now);
        allowance
    }

    /// Begins anew, for the next run.
    pub(super) fn renew(&self, now: Duration) {
        self.taken.store(0, Ordering::Relaxed);
        self.begun.store(u64::try_from(now.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Takes one request; says why there is none.
    pub(super) fn take(&self) -> Result<Taken<'_>, String> {
        let most = self.requests.unwrap_or(u64::MAX);
        let more = |taken: u64| (taken < most).then_some(taken + 1);
        match self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(_) => Ok(Taken { allowance: Some(self) }),
            Err(_) => Err(format!("the {most} requests that this run may send are used up")),
        }
    }

    /// How long there is time for; `None` for ever.
    pub(super) fn ends_in(&self, now: Duration) -> Option<Duration> {
        let begun = Duration::from_micros(self.begun.load(Ordering::Relaxed));
        self.time.map(|time| time.saturating_sub(now.saturating_sub(begun)))
    }

    /// Why there is no more time.
    pub(super) fn over(&self) -> String {
        let minutes = self.time.unwrap_or_default().as_secs_f64() / 60.0;
        format!("the {minutes} minutes that this run may take are over")
    }
}

impl Taken<'_> {
    /// The request is on its way.
    pub(super) fn sent(mut self) {
        self.allowance = None;
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if let Some(allowance) = self.allowance {
            let back = |taken: u64| Some(taken.saturating_sub(1));
            let _ = allowance.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, back);
        }
    }
}
