//! The log, from the oldest event that the tenant keeps or from where an earlier read stopped.
//!
//! Nothing that the tenant no longer keeps is passed over in silence, also where it expired while the log was being read: it becomes a
//! gap. Links are read for their position alone; no other host is ever followed.

use async_trait::async_trait;

use super::calendar::MICROS_PER_DAY;
use super::client::{Call, Reader};
use super::log_id;
use super::log_page::{Events, events};
use super::log_proof::{KEPT_ALWAYS, Proof};
use super::record;
use crate::catalog::Endpoint;
use crate::clock::{MICROS_PER_SECOND, Micros};
use crate::defects::{Defect, planted};
use crate::error::{SourceError, SourceErrorKind, SourceResult};
use crate::source::{Gap, Page, Pages};
use crate::state::Checkpoint;

/// Where a first read begins: longer ago than any plan keeps events (30 days).
pub(super) const BEGIN_AGO: Micros = 40 * MICROS_PER_DAY;
/// How much is read again before the checkpoint, for events that became readable late. Ids follow the time of indexing, so this is short.
const OVERLAP: Micros = 2 * 60 * MICROS_PER_SECOND;
/// How long ago everything must have become readable for a position without an event to be trusted.
const SETTLED_AGO: Micros = 5 * 60 * MICROS_PER_SECOND;
/// Sizes that a server may cut pages to without saying so.
const CUTS: [u64; 4] = [10, 20, 25, 50];
/// Younger events than this may be the newest there are without proof: the next read asks again long before anything expires.
const RECENT: Micros = 3_600 * MICROS_PER_SECOND;
/// Pages of one read, at most: 200 million events.
const PAGES_MAX: u64 = 2_000_000;

/// A read of the log.
pub(super) struct Logs {
    reader: Reader,
    endpoint: &'static Endpoint,
    /// Where an earlier read stopped, and up to where that is known to be without a hole.
    checkpoint: Option<Position>,
    /// Events from here on are wanted, even if they were read before.
    since: Option<Micros>,
    phase: Phase,
    /// Furthest position that was read, and the newest time of an event.
    reached: Option<String>,
    newest: Option<Micros>,
    /// Whether everything from `since` on is still kept.
    reaches_back: bool,
    /// Whether the checkpoint's own event is still known: then nothing after it can be gone.
    seen_before: bool,
    /// Up to where this read is known to be without a hole.
    proof: Proof,
    /// What the last page said of the position: a page without events that says the same is none.
    told: Option<Checkpoint>,
    /// Events of the largest page so far.
    largest: u64,
    /// Last event of the page before, where both were asked for by position.
    passed: Option<String>,
    /// When the read began, by the tenant's clock: what comes later is for the next read.
    began: Micros,
    pages: u64,
    gaps: Vec<Gap>,
}

/// A checkpoint of the log.
#[derive(Debug, Clone)]
struct Position {
    id: String,
    newest: Option<Micros>,
    /// The position up to which nothing is missing but what gaps tell.
    whole_until: String,
    /// When the read that came here began.
    read_at: Option<Micros>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Begin,
    /// The next request is `from` this position.
    Reading(String),
    Ended,
}

impl Logs {
    pub(super) fn new(
        reader: Reader,
        endpoint: &'static Endpoint,
        from: Option<Checkpoint>,
        since: Option<Micros>,
    ) -> Self {
        let told = from.clone();
        let checkpoint = match from {
            Some(Checkpoint::Log { log_id, newest, whole_until, read_at }) => Some(Position {
                whole_until: whole_until.unwrap_or_else(|| log_id.clone()),
                id: log_id,
                newest,
                read_at,
            }),
            _ => None,
        };
        Self {
            reader,
            endpoint,
            reached: checkpoint.as_ref().map(|from| from.id.clone()),
            newest: checkpoint.as_ref().and_then(|from| from.newest),
            checkpoint,
            since,
            phase: Phase::Begin,
            reaches_back: true,
            seen_before: false,
            proof: Proof::default(),
            told,
            largest: 0,
            passed: None,
            began: 0,
            pages: 0,
            gaps: Vec::new(),
        }
    }

    /// Events after a position.
    async fn after(&self, from: &str) -> SourceResult<Events> {
        let call =
            Call::get(format!("read page {} of {}", self.pages + 1, self.endpoint.path), self.endpoint.path)
                .with([("from", from.to_owned()), ("take", self.endpoint.page_size.to_string())]);
        // What begins before the position answers another question, as a cache may do. A made position says nothing of the tenant's ids.
        let is_told = self.pages > 0;
        self.reader
            .call(&call, |answer| {
                let events = events(answer, self.endpoint.collection)?;
                let is_before = |first: &str| log_id::is_after(from, first);
                if is_told && log_id::time_of(from).is_some() && events.first().is_some_and(is_before) {
                    return Err("it holds events from before the position that was asked for".to_owned());
                }
                Ok(events)
            })
            .await
    }

    /// The oldest events that the tenant keeps, by search.
    async fn oldest(&self) -> SourceResult<Events> {
        let call = Call::get(format!("find the oldest event of {}", self.endpoint.path), self.endpoint.path)
            .with([
                ("sort", "date:1".to_owned()),
                ("page", "0".to_owned()),
                ("per_page", self.endpoint.page_size.to_string()),
            ]);
        self.reader.call(&call, |answer| events(answer, self.endpoint.collection)).await
    }

    /// Sends the first request. Gives its events, or those that a search found where no position was taken.
    async fn begin(&mut self) -> SourceResult<Events> {
        let earliest = self.reader.client.tenant_now() - BEGIN_AGO;
        let asked = self.since.filter(|since| *since > earliest);
        self.since = self.since.map(|since| since.max(earliest));
        let first = if let Some(checkpoint) = self.checkpoint.clone() {
            self.resume(&checkpoint).await?
        } else {
            let begin = self.since.unwrap_or(earliest);
            let start = log_id::at(log_id::PREFIX, begin);
            match self.after(&start).await {
                // Nothing at all: perhaps this tenant's ids do not compare with ours.
                Ok(events) if events.ids.is_empty() && self.since.is_none() => {
                    self.begin_with_oldest().await?
                }
                Ok(events) => events,
                Err(error) if is_refusal(&error) => self.begin_with_oldest().await?,
                Err(error) => return Err(error),
            }
        };
        // The first answer has told the tenant's clock.
        self.began = self.reader.client.tenant_now();
        if let Some(since) = asked.filter(|since| self.began - since >= KEPT_ALWAYS) {
            let oldest = self.oldest().await?.first().and_then(log_id::time_of);
            self.reaches_back = oldest.is_some_and(|oldest| oldest <= since);
        }
        Ok(first)
    }

    /// Whether the tenant still keeps an event by its id, then everything behind it as well. The oldest by date cannot tell that it does
    /// not: among many that became readable late, one with a lower id may be behind the first page.
    async fn keeps(&self, id: &str) -> SourceResult<bool> {
        let Some(template) = self.endpoint.record_path else { return Ok(false) };
        match record::read(&self.reader, self.endpoint, template, id).await {
            Ok(event) => Ok(event.is_some()),
            Err(error) if is_refusal(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Begins with the oldest events kept, the oldest included.
    async fn begin_with_oldest(&mut self) -> SourceResult<Events> {
        let mut oldest = self.oldest().await?;
        // Sorted by date, the page may lack events between its ids: go on from its first id, not its last.
        oldest.next = oldest.first().map(str::to_owned);
        Ok(oldest)
    }

    /// Goes on from a checkpoint, a little before it. Tries the checkpoint itself where made positions are refused, and the oldest event
    /// where that is refused as well.
    async fn resume(&mut self, checkpoint: &Position) -> SourceResult<Events> {
        let id = checkpoint.id.as_str();
        if let (Some(time), Some(prefix)) = (log_id::time_of(id), log_id::prefix_of(id)) {
            let overlap = if planted(Defect::LogOverlapDropped) { 0 } else { OVERLAP };
            let settled = checkpoint.read_at.map_or(time, |read_at| read_at.min(time)) - overlap;
            let begin = self.since.map_or(settled, |since| since.min(settled));
            match self.after(&log_id::at(prefix, begin)).await {
                Ok(events) => return Ok(events),
                Err(error) if is_refusal(&error) => {}
                Err(error) => return Err(error),
            }
        }
        match self.after(id).await {
            Ok(events) => {
                // The id itself is still known, so that nothing behind it is gone.
                self.seen_before = true;
                Ok(events)
            }
            Err(error) if is_refusal(&error) => {
                let oldest = self.begin_with_oldest().await?;
                if oldest.ids.is_empty() {
                    self.gap(
                        &checkpoint.whole_until,
                        "",
                        "checkpoint is no longer known, and no event is kept",
                    );
                }
                Ok(oldest)
            }
            Err(error) => Err(error),
        }
    }

    /// Sees whether events between the checkpoint and the first event read may be gone.
    async fn look_for_gap(&mut self, first: Option<&str>) -> SourceResult<()> {
        let Some(Position { id, whole_until, .. }) = self.checkpoint.clone() else { return Ok(()) };
        let is_kept = |id: &str| !log_id::is_after(id, &whole_until);
        let is_known = self.seen_before && whole_until == id || first.is_some_and(is_kept);
        if is_known
            || planted(Defect::GapOverlooked)
            || !self.gaps.is_empty()
            || !Proof::may_expire(&whole_until, self.reader.client.tenant_now())
        {
            return Ok(());
        }
        let oldest = self.oldest().await?;
        if !oldest.first().is_some_and(is_kept) && !self.keeps(&whole_until).await? {
            let to = first.or(oldest.first()).unwrap_or_default();
            self.gap(&whole_until, to, "checkpoint is older than what the tenant keeps");
        }
        Ok(())
    }

    /// Sees whether events may have expired unread since the position that was proven last. `position` is where this read stands now.
    async fn prove(&mut self, position: &str, ended: bool) -> SourceResult<()> {
        if !self.proof.asks(position, self.pages, ended, self.reader.client.tenant_now()) {
            return Ok(());
        }
        let oldest = self.oldest().await?;
        let is_whole = match self.whole_until() {
            Some(until) => Proof::shown_by(oldest.first(), until) || self.keeps(until).await?,
            None => true,
        };
        if let Some(lost) = self.proof.take(position, oldest.first(), is_whole) {
            self.lose(&lost, oldest.first());
        }
        Ok(())
    }

    /// The position up to which nothing is missing: what is proven, or the checkpoint, since what that stands for was read before.
    fn whole_until(&self) -> Option<&str> {
        let begun = self.checkpoint.as_ref().map(|checkpoint| checkpoint.id.as_str());
        self.proof.until().into_iter().chain(begun).max_by_key(|id| log_id::rank(id))
    }

    /// Notes that events behind `from` and before `to` may have expired before they were read.
    fn lose(&mut self, from: &str, to: Option<&str>) {
        self.reaches_back = false;
        // What the checkpoint stands for was read before.
        let known = self.checkpoint.as_ref().map(|checkpoint| checkpoint.id.as_str());
        let from = known.filter(|known| log_id::is_after(known, from)).unwrap_or(from).to_owned();
        if to.is_none_or(|to| log_id::is_after(to, &from)) {
            self.gap(&from, to.unwrap_or_default(), "events expired while the log was being read");
        }
    }

    /// Goes on from the oldest event where the position that this read stands at is refused, because its event has expired.
    async fn go_on(&mut self, refused: &str, error: SourceError) -> SourceResult<Events> {
        let oldest = self.begin_with_oldest().await?;
        let first = oldest.first();
        if first.is_some_and(|first| !log_id::is_after(first, refused)) {
            return Err(error);
        }
        let from = self.proof.until().unwrap_or(refused).to_owned();
        self.lose(&from, first);
        self.proof = Proof::default();
        Ok(oldest)
    }

    fn gap(&mut self, from: &str, to: &str, reason: &str) {
        self.gaps.push(Gap { from: from.into(), to: to.into(), reason: reason.into() });
    }

    /// Takes an answer in: moves the position, and makes a page of it.
    async fn take(&mut self, from: Option<&str>, events: Events) -> SourceResult<Option<Page>> {
        if self.pages == 1 {
            self.look_for_gap(events.first()).await?;
        }
        let last = events.last().map(str::to_owned);
        self.newest = self.newest.max(events.newest);
        if let Some(last) = &last
            && self.reached.as_deref().is_none_or(|reached| log_id::is_after(last, reached))
        {
            self.reached = Some(last.clone());
        }
        if self.is_last(events.count, last.as_deref().and_then(log_id::time_of)) {
            if let Some(stands_at) = last.as_deref().or(from) {
                self.prove(stands_at, true).await?;
            }
            if events.count == 0 {
                self.settle();
            }
            self.phase = Phase::Ended;
        } else {
            if !self.goes_further(from, last.as_deref()) {
                return Err(self.turned_back());
            }
            let next = events.next.clone().filter(|next| from != Some(next)).or(last);
            let next = next.filter(|next| from.is_none_or(|from| next != from));
            let next = next.ok_or_else(|| self.turned_back())?;
            self.prove(&next, false).await?;
            self.phase = Phase::Reading(next);
        }
        let checkpoint = self.checkpoint();
        if events.count == 0 && checkpoint == self.told {
            return Ok(None);
        }
        self.told.clone_from(&checkpoint);
        Ok(Some(Page { body: events.body, records: events.records, parent: None, checkpoint }))
    }

    /// Whether a page holds events behind those of the page before it: else positions that are new for ever, or go in a circle, would
    /// lead on without an end.
    fn goes_further(&mut self, from: Option<&str>, last: Option<&str>) -> bool {
        let passed = self.passed.take();
        self.passed = last.filter(|_| from.is_some()).map(str::to_owned);
        let is_further = |passed: &str| last.is_none_or(|last| log_id::is_after(last, passed));
        passed.filter(|_| from.is_some()).is_none_or(|passed| is_further(&passed))
            || planted(Defect::LogCircleFollowed)
    }

    fn turned_back(&self) -> SourceError {
        let action = format!("read page {} of {}", self.pages, self.endpoint.path);
        SourceError::new(SourceErrorKind::Malformed, action, "the log gives the same position again")
    }

    /// Where the next read goes on, and what of it is not proven yet.
    fn checkpoint(&self) -> Option<Checkpoint> {
        let log_id = self.reached.clone()?;
        let is_open = |proven: &&str| self.phase != Phase::Ended && *proven != log_id;
        let whole_until = self.whole_until().filter(is_open);
        let whole_until = whole_until.map(str::to_owned);
        // One that says the same but for its time is the same.
        let read_at = match &self.told {
            Some(Checkpoint::Log { log_id: id, newest, whole_until: until, read_at })
                if (id, newest, until) == (&log_id, &self.newest, &whole_until) =>
            {
                *read_at
            }
            _ => Some(self.began),
        };
        Some(Checkpoint::Log { log_id, newest: self.newest, whole_until, read_at })
    }

    /// Whether a page of so many events, the last of them recorded at `newest`, is the last one.
    ///
    /// An empty page always is. A page with fewer events than asked for saves the request for the empty one, but only where it can be
    /// nothing else: not of a size that a server may have cut it to, and not while its events are old.
    fn is_last(&mut self, count: u64, newest: Option<Micros>) -> bool {
        let asked = u64::from(self.endpoint.page_size);
        self.largest = self.largest.max(count);
        let short = count < asked && (self.largest >= asked || !CUTS.contains(&count));
        let recent = newest.is_some_and(|newest| newest > self.began - RECENT);
        let later = newest.is_some_and(|newest| newest > self.began);
        count == 0 || (short && recent) || later
    }

    /// At the end of the log: everything up to a few minutes ago was read, events or none. Moves the position there, so that a quiet
    /// tenant's position does not grow older than what it keeps.
    fn settle(&mut self) {
        let Some(reached) = &self.reached else { return };
        let Some(prefix) = log_id::prefix_of(reached) else { return };
        let settled = log_id::at(prefix, self.began - SETTLED_AGO);
        if log_id::is_after(&settled, reached) {
            self.reached = Some(settled);
        }
    }
}

/// Whether a position was refused, or something else is wrong.
fn is_refusal(error: &SourceError) -> bool {
    error.status == Some(400) || error.status == Some(404)
}

#[async_trait]
impl Pages for Logs {
    async fn next(&mut self) -> SourceResult<Option<Page>> {
        loop {
            if self.pages >= PAGES_MAX {
                let action = format!("read {}", self.endpoint.path);
                return Err(SourceError::new(
                    SourceErrorKind::LimitExceeded,
                    action,
                    format!("more than {PAGES_MAX} pages"),
                ));
            }
            let (from, events) = match self.phase.clone() {
                Phase::Ended => return Ok(None),
                Phase::Begin => (None, self.begin().await?),
                Phase::Reading(from) => match self.after(&from).await {
                    Ok(events) => (Some(from), events),
                    Err(error) if is_refusal(&error) => (None, self.go_on(&from, error).await?),
                    Err(error) => return Err(error),
                },
            };
            self.pages += 1;
            if let Some(page) = self.take(from.as_deref(), events).await? {
                return Ok(Some(page));
            }
        }
    }

    fn complete(&self) -> bool {
        self.phase == Phase::Ended
    }

    fn reaches_back(&self) -> bool {
        self.reaches_back
    }

    fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    fn requests(&self) -> u64 {
        self.reader.requests()
    }
}
