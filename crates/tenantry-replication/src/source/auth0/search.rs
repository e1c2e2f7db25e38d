//! All users by search, in the order in which they were last changed, where an export is not allowed.
//!
//! The API shows 1,000 results of a query and no more, and users move while we read: each login changes `updated_at`. So no second page
//! is ever asked for. Every request begins at the last change seen, and takes the first page from there: who moves, moves ahead of the
//! reader and is met again; nobody can slip from an unread page to a read one. Users that share one instant are told apart by their id.

use std::borrow::Cow;
use std::collections::BTreeSet;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::calendar;
use super::client::{Call, Reader};
use super::paging::{self, Head, PAGES_MAX};
use crate::catalog::{Endpoint, Stream};
use crate::clock::Micros;
use crate::defects::{Defect, planted};
use crate::error::{SourceError, SourceErrorKind, SourceResult};
use crate::json::Json;
use crate::source::{Page, Pages, Records};

/// No user was changed before.
const EARLIEST: &str = "1970-01-01T00:00:00.000Z";
/// A change lasts one millisecond: the next one that can be told apart begins after it.
const MILLISECOND: i64 = 1_000;
/// The member that orders the walk, and the one that tells users apart.
const CHANGED: &str = "updated_at";
const ID: &str = "user_id";

/// A walk over all users.
pub(super) struct Search {
    reader: Reader,
    endpoint: Option<&'static Endpoint>,
    phase: Phase,
    pages: u64,
    /// Users met for the first time, those that moved counted again.
    met: u64,
    /// Users that the tenant had when the walk began, and when it ended.
    totals: Vec<u64>,
    /// Whether only changed users are walked over.
    partial: bool,
    complete: bool,
}

/// A walk as a later run goes on with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct At {
    phase: Phase,
    pages: u64,
    met: u64,
    totals: Vec<u64>,
}

/// Where the walk is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Phase {
    /// At users changed at `from` or later; of those at exactly `from`, these were met (hashes of their ids).
    Changed {
        from: String,
        met: BTreeSet<u64>,
    },
    /// At users changed at exactly this time, with ids after `after`; they fill more than a page.
    Tied {
        at: String,
        after: Option<String>,
    },
    /// At users that have no time of change, with ids after `after`.
    Unchanged {
        after: Option<String>,
    },
    /// Comparing the number of users met with the number there is.
    Count,
    Ended,
}

/// What a page of users tells about the next one.
struct Seen {
    head: Head,
    /// Time of change and id of each user, as far as they have them.
    users: Vec<(Option<String>, String)>,
}

impl Search {
    pub(super) fn new(reader: Reader, stream: &'static Stream) -> Self {
        let phase = Phase::Changed { from: EARLIEST.into(), met: BTreeSet::new() };
        Self {
            reader,
            endpoint: stream.endpoint.as_ref(),
            phase,
            pages: 0,
            met: 0,
            totals: Vec::new(),
            partial: false,
            complete: false,
        }
    }

    /// A walk over the users that changed at `since` or later.
    pub(super) fn since(reader: Reader, stream: &'static Stream, since: Micros) -> Self {
        let phase = Phase::Changed { from: calendar::iso_millis(since), met: BTreeSet::new() };
        Self { phase, partial: true, ..Self::new(reader, stream) }
    }

    /// A walk over all users that goes on where another one was; `None` where that one had ended without all of them.
    pub(super) fn resumed(reader: Reader, stream: &'static Stream, at: At) -> Option<Self> {
        let At { phase, pages, met, totals } = at;
        let mut walk = Self { pages, met, totals, ..Self::new(reader, stream) };
        walk.phase = walk.settle(phase);
        (!walk.has_ended() || walk.complete).then_some(walk)
    }

    /// Where a walk over all users is; `None` for one over changed users, which is short.
    pub(super) fn at(&self) -> Option<At> {
        let Self { phase, pages, met, totals, .. } = self;
        let (phase, totals) = (phase.clone(), totals.clone());
        (!self.partial).then_some(At { phase, pages: *pages, met: *met, totals })
    }

    /// Whether nothing more will come.
    pub(super) fn has_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// How many users the first answer counted.
    pub(super) fn first_total(&self) -> Option<u64> {
        self.totals.first().copied()
    }

    fn call(&self, endpoint: &Endpoint) -> Call {
        let (q, sort) = self.phase.query();
        let per_page = if self.phase == Phase::Count { 1 } else { endpoint.page_size };
        let fixed = endpoint.query.iter().filter(|(name, _)| *name != "include_totals");
        let fixed = fixed.map(|(name, value)| (*name, (*value).to_owned()));
        Call::get(
            format!("read page {} of {} by time of change", self.pages + 1, endpoint.path),
            endpoint.path,
        )
        .with(fixed)
        .with([
            ("search_engine", "v3".to_owned()),
            ("q", q),
            ("sort", sort.to_owned()),
            ("page", "0".to_owned()),
            ("per_page", per_page.to_string()),
            ("include_totals", "true".to_owned()),
        ])
    }

    /// The next page with records, or `None` at the end.
    async fn step(&mut self) -> SourceResult<Option<Page>> {
        let Some(endpoint) = self.endpoint else { return Ok(None) };
        while self.phase != Phase::Ended {
            let call = self.call(endpoint);
            if self.pages >= PAGES_MAX {
                let reason = format!("the walk took more than {PAGES_MAX} pages");
                return Err(SourceError::new(SourceErrorKind::LimitExceeded, call.action, reason));
            }
            let collection = endpoint.collection;
            let (seen, body) = self
                .reader
                .call(&call, |answer| Ok((look(&answer.body, collection)?, answer.body.clone())))
                .await?;
            self.pages += 1;
            let counting = self.phase == Phase::Count;
            let begins = matches!(self.phase, Phase::Unchanged { after: None }) || self.pages == 1;
            if begins || counting {
                self.totals.push(seen.head.total.unwrap_or(0));
            }
            let records = seen.head.records;
            let (phase, new) = self
                .phase
                .after(&seen)
                .map_err(|reason| SourceError::new(SourceErrorKind::Malformed, call.action, reason))?;
            self.met += new;
            self.phase = self.settle(phase);
            if new > 0 {
                return Ok(Some(page(body, records)));
            }
        }
        Ok(None)
    }

    /// Skips counting where nothing is missing anyway, and judges at the end.
    fn settle(&mut self, next: Phase) -> Phase {
        let at_the_begin: u64 = self.totals.iter().take(2).sum();
        match next {
            // Those without a time of change cannot have changed since.
            Phase::Unchanged { .. } if self.partial => {
                self.complete = true;
                Phase::Ended
            }
            Phase::Count if self.met >= at_the_begin => {
                self.complete = true;
                Phase::Ended
            }
            Phase::Ended => {
                // Users that were deleted meanwhile are missing from both sides.
                let at_the_end = self.totals.get(2).copied().unwrap_or(0);
                self.complete = self.met >= at_the_end;
                Phase::Ended
            }
            next => next,
        }
    }
}

fn page(body: Bytes, records: Records) -> Page {
    Page { body, records, parent: None, checkpoint: None }
}

fn look(body: &[u8], collection: &'static str) -> Result<Seen, String> {
    let head = paging::head(body, collection)?;
    let answer = Json::document(body).map_err(|error| error.to_string())?;
    let array = if head.records == Records::Array("") { Some(answer) } else { answer.get(collection) };
    let mut users = Vec::new();
    for user in array.into_iter().flat_map(Json::elements) {
        let user = user.map_err(|error| error.to_string())?;
        let text = |name| user.get(name).and_then(Json::text).map(Cow::into_owned);
        let changed = text(CHANGED).filter(|text| calendar::parse_iso(text).is_some());
        users.push((changed, text(ID).unwrap_or_default()));
    }
    Ok(Seen { head, users })
}

/// The search for all users, or for those that changed at `since` or later.
pub(super) fn everyone(since: Option<Micros>) -> String {
    let phase = since.map_or(Phase::Count, |since| Phase::Changed {
        from: calendar::iso_millis(since),
        met: BTreeSet::new(),
    });
    phase.query().0
}

/// Quotes a value of a search.
fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

impl Phase {
    /// The search and its order.
    fn query(&self) -> (String, &'static str) {
        const BY_CHANGE: &str = "updated_at:1";
        const BY_ID: &str = "user_id:1";
        let after = |after: &Option<String>| {
            after.as_ref().map(|after| format!(" AND {ID}:{{{} TO *]", quoted(after))).unwrap_or_default()
        };
        match self {
            Self::Changed { from, .. } => {
                let begin = if planted(Defect::ExclusiveLowerBound) { '{' } else { '[' };
                (format!("{CHANGED}:{begin}{} TO *]", quoted(from)), BY_CHANGE)
            }
            Self::Tied { at, after: id } => {
                let at = quoted(at);
                (format!("{CHANGED}:[{at} TO {at}]{}", after(id)), BY_ID)
            }
            Self::Unchanged { after: id } => (format!("NOT _exists_:{CHANGED}{}", after(id)), BY_ID),
            Self::Count | Self::Ended => (format!("{ID}:*"), BY_ID),
        }
    }

    /// Where to go on after a page, and how many of its users had not been met.
    fn after(&self, seen: &Seen) -> Result<(Self, u64), &'static str> {
        let count = seen.users.len() as u64;
        // What the answer says to be left, not what we asked for, tells whether this was all.
        let all = count == 0 || seen.head.total.is_some_and(|total| total <= count);
        let last_id = || seen.users.last().map(|(_, id)| id.clone()).filter(|id| !id.is_empty());
        match self {
            Self::Changed { from, met } => {
                let new =
                    seen.users.iter().filter(|(_, id)| !met.contains(&xxh3_64(id.as_bytes()))).count() as u64;
                if all {
                    return Ok((Self::Unchanged { after: None }, new));
                }
                let last = seen.users.iter().filter_map(|(changed, _)| changed.as_deref()).max();
                let last = last.ok_or("the users of a page have no time of change")?;
                let is_one_instant = seen.users.iter().all(|(changed, _)| changed.as_deref() == Some(last));
                if is_one_instant && planted(Defect::TiesSkipped) {
                    let next = calendar::parse_iso(last).ok_or("a time of change is no time")? + MILLISECOND;
                    let met = BTreeSet::new();
                    return Ok((Self::Changed { from: calendar::iso_millis(next), met }, new));
                }
                if is_one_instant {
                    // Nothing but this instant on the whole page, and more to come. What was met is met again, harmlessly.
                    return Ok((Self::Tied { at: last.to_owned(), after: None }, 0));
                }
                if last < from.as_str() {
                    return Err("the users of a page are not in order of change");
                }
                let at_last = seen.users.iter().filter(|(changed, _)| changed.as_deref() == Some(last));
                let met = at_last.map(|(_, id)| xxh3_64(id.as_bytes())).collect();
                Ok((Self::Changed { from: last.to_owned(), met }, new))
            }
            Self::Tied { at, .. } if all => {
                let next = calendar::parse_iso(at).ok_or("a time of change is no time")? + MILLISECOND;
                Ok((Self::Changed { from: calendar::iso_millis(next), met: BTreeSet::new() }, count))
            }
            Self::Unchanged { .. } if all => Ok((Self::Count, count)),
            Self::Tied { at, after } => {
                let id = last_id()
                    .filter(|id| Some(id) > after.as_ref())
                    .ok_or("the users of a page are not in order of id")?;
                Ok((Self::Tied { at: at.clone(), after: Some(id) }, count))
            }
            Self::Unchanged { after } => {
                let id = last_id()
                    .filter(|id| Some(id) > after.as_ref())
                    .ok_or("the users of a page are not in order of id")?;
                Ok((Self::Unchanged { after: Some(id) }, count))
            }
            Self::Count | Self::Ended => Ok((Self::Ended, 0)),
        }
    }
}

#[async_trait]
impl Pages for Search {
    async fn next(&mut self) -> SourceResult<Option<Page>> {
        self.step().await
    }

    fn complete(&self) -> bool {
        self.complete
    }

    fn requests(&self) -> u64 {
        self.reader.requests()
    }
}
