//! From an answer to the next request: how lists are walked. Pure.
//!
//! Believes no promise about page sizes: a walk ends where the answer says so, never because fewer records came than were asked for.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::catalog::{Endpoint, Paging};
use crate::defects::{Defect, planted};
use crate::json::{Json, Kind};
use crate::source::Records;

/// Pages of one list, at most: 10 million records by 100. Guards against a list without end.
pub(super) const PAGES_MAX: u64 = 100_000;
/// Times that an offset walk begins when the list moves under it. Lists paged by offset are short, so this is cheap.
const WALKS_MAX: u32 = 3;
/// Pages in a row that hold nothing and name a next one, at most.
const EMPTY_MAX: u32 = 100;

const REPEATED: &str = "the list gives the same page again";

/// What paging needs to know of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) records: Records,
    pub(super) count: u64,
    pub(super) total: Option<u64>,
    pub(super) next: Option<String>,
    /// Tells whether two answers hold the same records.
    pub(super) hash: u64,
}

/// What to do after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Send the next request.
    Again,
    /// That was all.
    End,
}

/// What a refusal (400) means for a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The request is wrong.
    Error,
    /// The list goes no further this way: what came counts, absence does not.
    Ceiling,
    /// The position is no longer known: begin from the start.
    Restart,
}

/// Reads the head of an answer: a bare array, or an object that holds the records in `collection`.
pub(super) fn head(body: &[u8], collection: &'static str) -> Result<Head, String> {
    let body = if planted(Defect::MalformedIsEmpty) && Json::document(body).is_err() { b"[]" } else { body };
    let answer = Json::document(body).map_err(|error| error.to_string())?;
    let (records, array) = match answer.kind() {
        Kind::Array => (Records::Array(""), answer),
        Kind::Object if !collection.is_empty() => {
            let array =
                answer.get(collection).ok_or_else(|| format!("the answer has no member {collection}"))?;
            (Records::Array(collection), array)
        }
        _ => return Err("the answer is not a list".into()),
    };
    if array.kind() != Kind::Array {
        return Err(format!("the answer's member {collection} is not a list"));
    }
    let mut count = 0;
    for element in array.elements() {
        element.map_err(|error| error.to_string())?;
        count += 1;
    }
    let total = answer.get("total").and_then(Json::as_i64).and_then(|total| u64::try_from(total).ok());
    let next = answer.get("next").and_then(Json::text).filter(|next| !next.is_empty()).map(Cow::into_owned);
    Ok(Head { records, count, total, next, hash: xxh3_64(array.bytes()) })
}

/// A walk over one list. What it becomes as text is a position that a later run goes on from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Walk {
    Whole {
        ended: bool,
    },
    Offset(Offset),
    Checkpoint(Checkpoint),
    /// One page that may be all, by its total.
    Counted {
        take: u32,
        ended: bool,
    },
}

/// By `page` and `per_page`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Offset {
    per_page: u32,
    page: u64,
    seen: u64,
    /// Total by the first answer of this walk.
    total: Option<u64>,
    moved: bool,
    walks: u32,
    last: Option<u64>,
    complete: bool,
}

/// By `from` and `take`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    take: u32,
    from: Option<String>,
    /// Hashes of the positions that we have been at, and of the pages that held records.
    been: BTreeSet<u64>,
    restarted: bool,
    complete: bool,
    /// Pages in a row that held nothing.
    #[serde(default)]
    empty: u32,
}

impl Walk {
    /// A walk at its beginning. Lists of log events are not walked this way.
    pub(super) fn new(endpoint: &Endpoint) -> Self {
        match endpoint.paging {
            Paging::None | Paging::LogCheckpoint => Self::Whole { ended: false },
            Paging::Offset => Self::Offset(Offset::new(endpoint.page_size)),
            Paging::Checkpoint => Self::Checkpoint(Checkpoint::new(endpoint.page_size)),
            Paging::CountedCheckpoint => Self::Counted { take: endpoint.page_size, ended: false },
        }
    }

    /// Query parameters of the next request.
    pub(super) fn query(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Whole { .. } => Vec::new(),
            Self::Offset(walk) => {
                vec![("page", walk.page.to_string()), ("per_page", walk.per_page.to_string())]
            }
            Self::Counted { take, .. } => {
                vec![
                    ("page", "0".to_owned()),
                    ("per_page", take.to_string()),
                    ("include_totals", "true".to_owned()),
                ]
            }
            Self::Checkpoint(walk) => {
                let take = ("take", walk.take.to_string());
                walk.from.iter().map(|from| ("from", from.clone())).chain([take]).collect()
            }
        }
    }

    /// Moves on after an answer. Fails when the answers go in a circle.
    pub(super) fn advance(&mut self, head: &Head) -> Result<Step, &'static str> {
        match self {
            Self::Whole { ended } => {
                *ended = true;
                Ok(Step::End)
            }
            Self::Offset(walk) => walk.advance(head),
            Self::Checkpoint(walk) => walk.advance(head),
            Self::Counted { ended, .. } if head.total.is_some_and(|total| total <= head.count) => {
                *ended = true;
                Ok(Step::End)
            }
            Self::Counted { take, .. } => {
                *self = Self::Checkpoint(Checkpoint::new(*take));
                Ok(Step::Again)
            }
        }
    }

    /// What a 400 to the next request means.
    pub(super) fn refused(&mut self, is_paging_cap: bool) -> Refusal {
        match self {
            Self::Offset(walk) if is_paging_cap && walk.page > 0 => Refusal::Ceiling,
            Self::Checkpoint(walk) if walk.from.is_some() && !walk.restarted => {
                walk.restarted = true;
                walk.from = None;
                walk.been.clear();
                Refusal::Restart
            }
            _ => Refusal::Error,
        }
    }

    /// The walk as a later run goes on with it: what an earlier one used up of its tries does not count against this one, which may meet the
    /// tenant in peace.
    pub(super) fn resumed(mut self) -> Self {
        match &mut self {
            Self::Offset(walk) => walk.walks = 1,
            Self::Checkpoint(walk) => walk.restarted = false,
            Self::Whole { .. } | Self::Counted { .. } => {}
        }
        self
    }

    /// Whether the end that was reached is the end of a complete list.
    pub(super) fn complete(&self) -> bool {
        match self {
            Self::Whole { ended } | Self::Counted { ended, .. } => *ended,
            Self::Offset(walk) => walk.complete,
            Self::Checkpoint(walk) => walk.complete,
        }
    }
}

impl Offset {
    fn new(per_page: u32) -> Self {
        Self { per_page, page: 0, seen: 0, total: None, moved: false, walks: 1, last: None, complete: false }
    }

    fn advance(&mut self, head: &Head) -> Result<Step, &'static str> {
        if head.count > 0 && self.last == Some(head.hash) {
            // As many records as a page holds may have come before it since, most of all where the read was broken off for long.
            return if self.begin_again() { Ok(Step::Again) } else { Err(REPEATED) };
        }
        let holds_all = self.page == 0 && head.total.is_some_and(|total| head.count >= total);
        if head.count > u64::from(self.per_page) && !holds_all && !planted(Defect::LargerPageBelieved) {
            // Whatever page numbers mean to such a server: records between them might never come.
            return Err("the page holds more records than were asked for");
        }
        self.last = Some(head.hash);
        self.seen += head.count;
        if self.page == 0 {
            self.total = head.total;
        }
        // Answers without a total (empty ones leave it out) tell nothing about a move.
        self.moved |= head.total.is_some() && head.total != self.total && !planted(Defect::MovedTotalIgnored);
        let reached = head.total.is_some_and(|total| self.seen >= total);
        if head.count > 0 && !reached {
            self.page += 1;
            return Ok(Step::Again);
        }
        // Where what came before has gone, pages end before the total that the first one told.
        let is_short = self.total.is_some_and(|total| self.seen < total);
        self.moved |= is_short && !planted(Defect::MovedTotalIgnored);
        if self.moved && self.begin_again() {
            return Ok(Step::Again);
        }
        self.complete = !self.moved && !is_short;
        Ok(Step::End)
    }

    /// Begins the walk again, where that may still help.
    fn begin_again(&mut self) -> bool {
        let may = self.walks < WALKS_MAX;
        if may {
            *self = Self { walks: self.walks + 1, ..Self::new(self.per_page) };
        }
        may
    }
}

impl Checkpoint {
    fn new(take: u32) -> Self {
        let been = BTreeSet::new();
        Self { take, from: None, been, restarted: false, complete: false, empty: 0 }
    }

    fn advance(&mut self, head: &Head) -> Result<Step, &'static str> {
        // A next position that is new each time would lead on for ever, and one that is not in a circle.
        let place = head.next.as_ref().map(|next| xxh3_64(next.as_bytes()));
        let has_been = |hash: &u64| self.been.contains(hash) && !planted(Defect::CircleFollowed);
        if head.count > 0 && has_been(&head.hash) {
            return Err(REPEATED);
        }
        if place.as_ref().is_some_and(has_been) {
            return Err("the list's next position is one that it had before");
        }
        self.been.extend(place);
        self.been.extend((head.count > 0).then_some(head.hash));
        self.empty = if head.count == 0 { self.empty + 1 } else { 0 };
        if self.empty > EMPTY_MAX && !planted(Defect::EmptyPagesFollowed) {
            return Err("the list goes on and on with pages that hold nothing");
        }
        let Some(next) = &head.next else {
            self.complete = true;
            return Ok(Step::End);
        };
        self.from = Some(next.clone());
        Ok(Step::Again)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_all_shapes_are_read() {
        let of = |body: &str| {
            head(body.as_bytes(), "roles").map(|head| (head.records, head.count, head.total, head.next))
        };
        let object = Records::Array("roles");
        assert_eq!(of(r#"[{"id":1},{"id":2}]"#), Ok((Records::Array(""), 2, None, None)));
        assert_eq!(of(r#"{"start":0,"limit":50,"total":7,"roles":[{}]}"#), Ok((object, 1, Some(7), None)));
        assert_eq!(of(r#"{"roles":[],"next":"abc"}"#), Ok((object, 0, None, Some("abc".into()))));
        assert_eq!(of(r#"{"roles":[],"next":""}"#), Ok((object, 0, None, None)));
        assert_eq!(of(r#"{"roles":[],"next":null,"total":-1}"#), Ok((object, 0, None, None)));
        assert_eq!(of("\u{feff} [] "), Ok((Records::Array(""), 0, None, None)));
        for wrong in [
            "",
            "{}",
            "null",
            r#"{"roles":{}}"#,
            r#"{"roles":[{}"#,
            r#"[{"id":1}"#,
            r#"[{"id":1}]]"#,
            "[1 2]",
            "<html>",
        ] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
        assert!(head(br#"{"roles":[]}"#, "").is_err(), "a bare array was promised");
    }
}
