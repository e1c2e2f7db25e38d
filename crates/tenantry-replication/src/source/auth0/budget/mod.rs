//! The one gate that every request passes: paced by what the tenant's rate limits leave us, bounded in number.
//!
//! [`governor`] decides, as a function of time and of the headers seen; this file only waits as it says. Nothing goes around it.

mod bucket;
mod governor;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

pub(super) use governor::Group;
use governor::Standing;
use governor::{Governor, Ticket, Verdict};

use super::settings::{LEAVE_MAX, Settings};
use super::transport::Headers;
use crate::clock::Clock;
use crate::defects::{Defect, planted};

const TOO_MANY_REQUESTS: u16 = 429;

/// Shared by all requests to one tenant.
pub(super) struct Budget {
    clock: Arc<dyn Clock>,
    governor: Mutex<Governor>,
    /// Told whenever an answer has taught the governor something.
    news: Notify,
    /// One queue for each group: requests go in the order in which they asked.
    queues: [tokio::sync::Mutex<()>; Group::COUNT],
    under_way: Arc<Semaphore>,
}

/// Leave to send one request. Tell the answer with [`Permit::answered`]; dropping it says that none came.
pub(super) struct Permit<'a> {
    budget: &'a Budget,
    ticket: Option<Ticket>,
    slot: Option<OwnedSemaphorePermit>,
}

impl Budget {
    pub(super) fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Self {
        let share = 1.0 - settings.leave.clamp(0.0, LEAVE_MAX);
        Self {
            clock,
            governor: Mutex::new(Governor::new(share, settings.max_rps)),
            news: Notify::new(),
            queues: std::array::from_fn(|_| tokio::sync::Mutex::new(())),
            under_way: Arc::new(Semaphore::new(settings.in_flight.max(1))),
        }
    }

    /// Waits until a request of this group may be sent.
    pub(super) async fn admit(&self, group: Group) -> Permit<'_> {
        let turn = self.queues[group as usize].lock().await;
        let (ticket, wait) = loop {
            let news = self.news.notified();
            let verdict = self.governor().request(group, self.clock.monotonic());
            match verdict {
                Verdict::Go(ticket, _) if planted(Defect::LimitsIgnored) => break (ticket, Duration::ZERO),
                Verdict::Go(ticket, wait) => break (ticket, wait),
                Verdict::WaitForNews => news.await,
            }
        };
        // From here on dropping gives the place back.
        let mut permit = Permit { budget: self, ticket: Some(ticket), slot: None };
        if wait > Duration::ZERO {
            self.clock.sleep(wait).await;
        }
        loop {
            let blocked = self.governor().blocked(group, self.clock.monotonic());
            let Some(wait) = blocked else { break };
            self.clock.sleep(wait).await;
        }
        drop(turn);
        // Fails only when the semaphore is closed, and nothing closes it.
        permit.slot = Arc::clone(&self.under_way).acquire_owned().await.ok();
        if let Some(ticket) = &mut permit.ticket {
            self.governor().goes(ticket, self.clock.monotonic());
        }
        permit
    }

    /// How long so many requests of each group take at the least, by the limits known so far; `None` where none is known.
    pub(super) fn pace(&self, requests: impl Iterator<Item = (Group, u64)>) -> Option<Duration> {
        self.governor().pace(requests, self.clock.monotonic())
    }

    /// After a 429: nothing that draws on the same bucket goes out before `wait` is over.
    pub(super) fn refused(&self, group: Group, headers: &Headers, wait: Duration) {
        let now = self.clock.monotonic();
        self.governor().refused(group, standing(headers), now, now + wait);
        self.news.notify_waiters();
    }

    fn governor(&self) -> MutexGuard<'_, Governor> {
        self.governor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    /// The answer came. What the limits are is learned from good ones alone: a refusal may show any limit, also of somebody on the way.
    pub(super) fn answered(mut self, status: u16, headers: &Headers) {
        drop(self.slot.take());
        if let Some(ticket) = self.ticket.take_if(|_| status != TOO_MANY_REQUESTS) {
            self.budget.governor().answered(&ticket, standing(headers), self.budget.clock.monotonic());
            self.budget.news.notify_waiters();
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.budget.governor().unanswered(&ticket);
            self.budget.news.notify_waiters();
        }
    }
}

fn standing(headers: &Headers) -> Option<Standing> {
    let limit = headers.number("x-ratelimit-limit").filter(|limit| *limit > 0)?;
    let remaining = headers.number("x-ratelimit-remaining")?.clamp(0, limit);
    Some(Standing { limit: limit as f64, remaining: remaining as f64 })
}
