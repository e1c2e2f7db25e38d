//! The tenant's clock, as far as its answers tell it.
//!
//! Never ours, which may be set at any moment: changes that were timed by a clock that is ahead would be taken for ones that are applied.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;

use super::{Client, Method, TOKEN_BYTES_MAX, Tries};
use crate::clock::{MICROS_PER_SECOND, Micros, micros};
use crate::defects::{Defect, planted};
use crate::error::{Retry, SourceError, SourceErrorKind, SourceResult, retry};
use crate::source::auth0::calendar;
use crate::source::auth0::transport::Headers;

/// What a tenant tells everybody, and no limit of the Management API counts.
const OPEN_TO_ALL: &str = "/.well-known/openid-configuration";
const ACTION: &str = "ask the tenant for its time";
/// After so many answers that do not tell the time none will: then there is our own clock alone.
const SILENT_MAX: u32 = 3;

impl Client {
    /// Now by the tenant's clock, as far as its answers tell. Too early, never too late, where the machine has slept since the last answer.
    pub(in crate::source::auth0) fn tenant_now(&self) -> Micros {
        match self.epoch.load(Ordering::Relaxed) {
            i64::MIN => self.clock.now(),
            epoch => epoch.saturating_add(micros(self.clock.monotonic())),
        }
    }

    /// Now by that answer since [`Client::begin`] which puts it latest.
    pub(in crate::source::auth0) fn tenant_now_at_most(&self) -> Option<Micros> {
        let epoch = self.latest_epoch.load(Ordering::Relaxed);
        (epoch != i64::MIN).then(|| epoch.saturating_add(micros(self.clock.monotonic())))
    }

    /// How far the tenant's clock is ahead of ours, in microseconds and good to about a second.
    pub(in crate::source::auth0) fn ahead(&self) -> Option<Micros> {
        let is_known = self.epoch.load(Ordering::Relaxed) != i64::MIN;
        is_known.then(|| self.tenant_now().saturating_sub(self.clock.now()))
    }

    /// Compares the `Date` of an answer, which is cut to seconds, with the middle of the time that the exchange took.
    pub(super) fn learn_clock(&self, headers: &Headers, sent: Duration) {
        if let Some(date) = headers.get("date").and_then(calendar::parse_http) {
            let ours = micros(sent).midpoint(micros(self.clock.monotonic()));
            let theirs = date + MICROS_PER_SECOND / 2;
            let epoch = theirs.saturating_sub(ours);
            self.epoch.store(epoch, Ordering::Relaxed);
            self.latest_epoch.fetch_max(epoch, Ordering::Relaxed);
        }
    }

    /// Sees to it that an answer has told the tenant's time. A token that was given needs no request before the first one of a read, and that
    /// would be too late: the read is timed by when it begins.
    pub(in crate::source::auth0) async fn know_clock(&self) -> SourceResult<()> {
        if self.ahead().is_some() || planted(Defect::OwnClockForGivenToken) {
            return Ok(());
        }
        let (mut tries, mut silent) = (Tries::default(), 0);
        loop {
            let url = self.settings.domain.origin().url(OPEN_TO_ALL, "");
            let accept = vec![("accept", "application/json".to_owned())];
            // Whatever the tenant's answer is, its head tells the time; what answers in its stead, with whatever status, may not.
            let error = match self.send(ACTION, Method::Get, url, accept, Bytes::new(), TOKEN_BYTES_MAX).await
            {
                Err(error) if retry(error.kind) == Retry::Backoff => error,
                Ok(answer) if self.ahead().is_none() => {
                    silent += 1;
                    if silent >= SILENT_MAX && answer.status < 500 {
                        return Ok(());
                    }
                    let reason = format!("an answer with status {} does not tell it", answer.status);
                    SourceError::new(SourceErrorKind::Unavailable, ACTION, reason)
                }
                _ => return Ok(()),
            };
            self.before_retry(error, &mut tries).await?;
        }
    }
}
