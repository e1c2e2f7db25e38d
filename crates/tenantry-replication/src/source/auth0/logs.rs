//! The log, from the oldest event that the tenant keeps or from where an earlier read stopped.
//!
//! Nothing that the tenant no longer keeps is passed over in silence: it becomes a gap. Links are read for their position alone; no other
//! host is ever followed.

use async_trait::async_trait;
use bytes::Bytes;

use super::client::{Call, Reader};
use super::log_id;
use super::paging::{self, Head};
use super::transport::{Collected, Headers};
use super::url;
use super::{calendar, calendar::MICROS_PER_DAY};
use crate::catalog::Endpoint;
use crate::clock::{MICROS_PER_SECOND, Micros};
use crate::error::{SourceError, SourceErrorKind, SourceResult};
use crate::json::Json;
use crate::source::{Gap, Page, Pages, Records};
use crate::state::Checkpoint;

/// Where a first read begins: longer ago than any plan keeps events (30 days).
pub(super) const BEGIN_AGO: Micros = 40 * MICROS_PER_DAY;
/// How much is read again before the checkpoint, for events that became readable late. Ids follow the time of indexing, so this is short.
const OVERLAP: Micros = 2 * 60 * MICROS_PER_SECOND;
/// How long ago everything must have become readable for a position without an event to be trusted.
const SETTLED_AGO: Micros = 5 * 60 * MICROS_PER_SECOND;
/// No plan keeps events for less than a day: a younger checkpoint cannot have been outlived. Less an hour for clocks.
const KEPT_ALWAYS: Micros = 23 * 3600 * MICROS_PER_SECOND;
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
    /// Where an earlier read stopped.
    checkpoint: Option<(String, Option<Micros>)>,
    /// Events from here on are wanted, even if they were read before.
    since: Option<Micros>,
    phase: Phase,
    /// Furthest position that was read, and the newest time of an event.
    reached: Option<String>,
    newest: Option<Micros>,
    /// Whether everything from `since` on is still kept.
    reaches_back: bool,
    /// Whether an event at or before the checkpoint was seen: then nothing after it can be gone.
    seen_before: bool,
    /// Whether any event was seen.
    seen_any: bool,
    /// Events of the largest page so far.
    largest: u64,
    /// When the read began, by the tenant's clock: what comes later is for the next read.
    began: Micros,
    pages: u64,
    gaps: Vec<Gap>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Begin,
    /// The next request is `from` this position.
    Reading(String),
    Ended,
}

/// What an answer holds.
pub(super) struct Events {
    head: Head,
    body: Bytes,
    /// Ids of the events, in the order of the answer.
    pub(super) ids: Vec<String>,
    newest: Option<Micros>,
    /// Position that the answer's `Link` names.
    next: Option<String>,
}

impl Logs {
    pub(super) fn new(
        reader: Reader,
        endpoint: &'static Endpoint,
        from: Option<Checkpoint>,
        since: Option<Micros>,
    ) -> Self {
        let checkpoint = match from {
            Some(Checkpoint::Log { log_id, newest }) => Some((log_id, newest)),
            _ => None,
        };
        Self {
            reader,
            endpoint,
            reached: checkpoint.as_ref().map(|(id, _)| id.clone()),
            newest: checkpoint.as_ref().and_then(|(_, newest)| *newest),
            checkpoint,
            since,
            phase: Phase::Begin,
            reaches_back: true,
            seen_before: false,
            seen_any: false,
            largest: 0,
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
        self.reader.call(&call, |answer| events(answer, self.endpoint.collection)).await
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
    async fn begin(&mut self) -> SourceResult<Option<Events>> {
        let earliest = self.reader.client.tenant_now() - BEGIN_AGO;
        let asked = self.since.filter(|since| *since > earliest);
        self.since = self.since.map(|since| since.max(earliest));
        let first = if let Some((id, _)) = self.checkpoint.clone() {
            self.resume(&id).await?
        } else {
            let begin = self.since.unwrap_or(earliest);
            let start = log_id::at(log_id::PREFIX, begin);
            match self.after(&start).await {
                // Nothing at all: perhaps this tenant's ids do not compare with ours.
                Ok(events) if events.ids.is_empty() && self.since.is_none() => {
                    self.begin_with_oldest().await?
                }
                Ok(events) => Some(events),
                Err(error) if is_refusal(&error) => self.begin_with_oldest().await?,
                Err(error) => return Err(error),
            }
        };
        // The first answer has told the tenant's clock.
        self.began = self.reader.client.tenant_now();
        if let Some(since) = asked.filter(|since| self.began - since >= KEPT_ALWAYS) {
            let oldest = self.oldest().await?;
            let oldest = oldest.ids.iter().filter_map(|id| log_id::time_of(id)).min();
            self.reaches_back = oldest.is_some_and(|oldest| oldest <= since);
        }
        Ok(first)
    }

    /// Begins with the oldest events kept, the oldest included; `None` when there are none.
    async fn begin_with_oldest(&mut self) -> SourceResult<Option<Events>> {
        let mut oldest = self.oldest().await?;
        // Sorted by date, the page may lack events between its ids: go on from its first id, not its last.
        oldest.next = oldest.ids.iter().min_by(|a, b| (a.len(), a).cmp(&(b.len(), b))).cloned();
        Ok((!oldest.ids.is_empty()).then_some(oldest))
    }

    /// Goes on from a checkpoint, a little before it. Tries the checkpoint itself where made positions are refused, and the oldest event
    /// where that is refused as well.
    async fn resume(&mut self, id: &str) -> SourceResult<Option<Events>> {
        if let (Some(time), Some(prefix)) = (log_id::time_of(id), log_id::prefix_of(id)) {
            let begin = self.since.map_or(time - OVERLAP, |since| since.min(time - OVERLAP));
            match self.after(&log_id::at(prefix, begin)).await {
                Ok(events) => return Ok(Some(events)),
                Err(error) if is_refusal(&error) => {}
                Err(error) => return Err(error),
            }
        }
        match self.after(id).await {
            Ok(events) => {
                // The id itself is still known, so that nothing behind it is gone.
                self.seen_before = true;
                Ok(Some(events))
            }
            Err(error) if is_refusal(&error) => {
                let oldest = self.begin_with_oldest().await?;
                if oldest.is_none() {
                    self.gap(id, "", "checkpoint is no longer known, and no event is kept");
                }
                Ok(oldest)
            }
            Err(error) => Err(error),
        }
    }

    /// Sees whether events between the checkpoint and the first event read may be gone.
    async fn look_for_gap(&mut self, first: Option<&str>) -> SourceResult<()> {
        let Some((checkpoint, _)) = self.checkpoint.clone() else { return Ok(()) };
        if self.seen_before || self.seen_any || !self.gaps.is_empty() {
            return Ok(());
        }
        if first.is_some_and(|first| !log_id::is_after(first, &checkpoint)) {
            self.seen_before = true;
            return Ok(());
        }
        let age = log_id::time_of(&checkpoint).map(|time| self.reader.client.tenant_now() - time);
        if age.is_some_and(|age| age < KEPT_ALWAYS) {
            return Ok(());
        }
        let oldest = self.oldest().await?;
        let oldest = oldest.ids.iter().min_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        if oldest.is_some_and(|oldest| !log_id::is_after(oldest, &checkpoint)) {
            return Ok(());
        }
        let to = first.or(oldest.map(String::as_str)).unwrap_or_default().to_owned();
        self.gap(&checkpoint, &to, "checkpoint is older than what the tenant keeps");
        Ok(())
    }

    fn gap(&mut self, from: &str, to: &str, reason: &str) {
        self.gaps.push(Gap { from: from.into(), to: to.into(), reason: reason.into() });
    }

    /// Takes an answer in: moves the position, and makes a page of it.
    async fn take(&mut self, from: Option<&str>, events: Events) -> SourceResult<Option<Page>> {
        let first = events.ids.iter().min_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        self.look_for_gap(first.map(String::as_str)).await?;
        let last = events.ids.iter().max_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        self.newest = self.newest.max(events.newest);
        if let Some(last) = last {
            self.seen_any = true;
            if self.reached.as_deref().is_none_or(|reached| log_id::is_after(last, reached)) {
                self.reached = Some(last.clone());
            }
        }
        let ended = self.is_last(events.head.count, last.and_then(|last| log_id::time_of(last)));
        if ended {
            if events.head.count == 0 {
                self.settle();
            }
            self.phase = Phase::Ended;
        } else {
            let next = events.next.clone().filter(|next| from != Some(next)).or_else(|| last.cloned());
            let next = next.filter(|next| from.is_none_or(|from| next != from)).ok_or_else(|| {
                let action = format!("read page {} of {}", self.pages, self.endpoint.path);
                SourceError::new(SourceErrorKind::Malformed, action, "the log gives the same position again")
            })?;
            self.phase = Phase::Reading(next);
        }
        let checkpoint = self.reached.clone().map(|log_id| Checkpoint::Log { log_id, newest: self.newest });
        if events.head.count == 0 && checkpoint == self.began_with() {
            return Ok(None);
        }
        Ok(Some(Page { body: events.body, records: events.head.records, parent: None, checkpoint }))
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

    fn began_with(&self) -> Option<Checkpoint> {
        self.checkpoint.clone().map(|(log_id, newest)| Checkpoint::Log { log_id, newest })
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

pub(super) fn events(answer: &Collected, collection: &'static str) -> Result<Events, String> {
    let head = paging::head(&answer.body, collection)?;
    let document = Json::document(&answer.body).map_err(|error| error.to_string())?;
    let array = if head.records == Records::Array("") { Some(document) } else { document.get(collection) };
    let (mut ids, mut newest) = (Vec::new(), None);
    for event in array.into_iter().flat_map(Json::elements) {
        let event = event.map_err(|error| error.to_string())?;
        let text = |name| event.get(name).and_then(Json::text);
        if let Some(id) = text("log_id").or_else(|| text("_id")) {
            ids.push(id.into_owned());
        }
        newest = newest.max(text("date").and_then(|date| calendar::parse_iso(&date)));
    }
    if head.count > 0 && ids.is_empty() {
        return Err("the events have no log_id".into());
    }
    Ok(Events { head, body: answer.body.clone(), ids, newest, next: next_position(&answer.headers) })
}

/// The `from` of the link to the next page. Whatever else the link holds is of no interest.
fn next_position(headers: &Headers) -> Option<String> {
    let mut links = headers.all("link").flat_map(|value| value.split(", <"));
    let target = links.find_map(|link| {
        let (target, parameters) = link.trim_start_matches('<').split_once('>')?;
        let next = parameters
            .split(';')
            .any(|parameter| parameter.trim().trim_end_matches(',').replace('"', "") == "rel=next");
        next.then_some(target)
    })?;
    let (_, query) = target.split_once('?')?;
    let from = query.split('&').find_map(|pair| pair.strip_prefix("from="))?;
    Some(url::decode(from)).filter(|from| !from.is_empty())
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
                Phase::Begin => {
                    let Some(events) = self.begin().await? else {
                        self.settle();
                        self.phase = Phase::Ended;
                        continue;
                    };
                    (None, events)
                }
                Phase::Reading(from) => {
                    let events = self.after(&from).await?;
                    (Some(from), events)
                }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn position(link: &str) -> Option<String> {
        next_position(&Headers::new([("Link".to_owned(), link.to_owned())]))
    }

    #[test]
    fn links_are_read_for_their_position_alone() {
        assert_eq!(
            position("<https://tenant.us.auth0.com/api/v2/logs?from=900&take=100>; rel=\"next\"").as_deref(),
            Some("900")
        );
        assert_eq!(
            position("<http://elsewhere.example.com/?take=1&from=9%300>; rel=next").as_deref(),
            Some("900")
        );
        assert_eq!(position("<https://a.example.com/?page=0>; rel=\"first\", <https://a.example.com/?from=7>; rel=\"next\"").as_deref(), Some("7"));
        for none in [
            "",
            "<https://a.example.com/?from=7>; rel=\"last\"",
            "https://a.example.com/?from=7; rel=\"next\"",
            "<https://a.example.com/?from=>; rel=\"next\"",
        ] {
            assert_eq!(position(none), None, "{none}");
        }
    }
}
