//! Whole lists and fan-outs over parents, page by page.
//!
//! A list that goes on for ever, in circles or beyond what the API lets through never counts as complete.

use std::collections::{BTreeSet, VecDeque};
use std::pin::Pin;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde::{Deserialize, Serialize};

use super::client::{Call, Reader};
use super::paging::{self, PAGES_MAX, Refusal, Step, Walk};
use super::url;
use crate::catalog::Endpoint;
use crate::defects::{Defect, planted};
use crate::error::{SourceError, SourceErrorKind, SourceResult};
use crate::source::{Page, Pages, Position};

/// A list as a later run goes on with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct ListAt {
    walk: Walk,
    pages: u64,
    ended: bool,
    ceiling: bool,
}

/// A fan-out as a later run goes on with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct FanOutAt {
    done: BTreeSet<String>,
}

/// A walk over one list, with what it takes to ask for it.
pub(super) struct Walker {
    reader: Reader,
    endpoint: &'static Endpoint,
    parent: Option<String>,
    walk: Walk,
    pages: u64,
    ended: bool,
    /// The list went no further; what came counts.
    ceiling: bool,
    /// The parent is not there any more: it has no children.
    gone: bool,
}

impl Walker {
    pub(super) fn new(reader: Reader, endpoint: &'static Endpoint, parent: Option<String>) -> Self {
        Self {
            reader,
            endpoint,
            parent,
            walk: Walk::new(endpoint),
            pages: 0,
            ended: false,
            ceiling: false,
            gone: false,
        }
    }

    fn call(&self) -> SourceResult<Call> {
        let action = format!("read page {} of {}", self.pages + 1, self.endpoint.path);
        let path = match &self.parent {
            Some(parent) => url::fill(self.endpoint.path, "{parent}", parent).ok_or_else(|| {
                SourceError::new(
                    SourceErrorKind::NotFound,
                    action.as_str(),
                    "the parent's key cannot stand in a path",
                )
            })?,
            None => self.endpoint.path.to_owned(),
        };
        let fixed = self.endpoint.query.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let call = Call::get(action, path).with(fixed).with(self.walk.query());
        Ok(if self.parent.is_some() { call.of_record() } else { call })
    }

    /// The next page that holds records; `None` after the last.
    pub(super) async fn next(&mut self) -> SourceResult<Option<Page>> {
        while !self.ended {
            let call = self.call()?;
            if self.pages >= PAGES_MAX {
                let reason = format!("the list has more than {PAGES_MAX} pages");
                return Err(SourceError::new(SourceErrorKind::LimitExceeded, call.action, reason));
            }
            let collection = self.endpoint.collection;
            let answer = self
                .reader
                .call(&call, |answer| Ok((paging::head(&answer.body, collection)?, answer.body.clone())))
                .await;
            let (head, body) = match answer {
                Ok(answer) => answer,
                Err(error) => {
                    self.refused(error)?;
                    continue;
                }
            };
            self.pages += 1;
            let step = self.walk.advance(&head);
            let step =
                step.map_err(|reason| SourceError::new(SourceErrorKind::Malformed, call.action, reason))?;
            self.ended = step == Step::End;
            let is_dropped = planted(Defect::LastPageDropped) && self.ended && self.pages > 1;
            if head.count > 0 && !is_dropped {
                return Ok(Some(Page {
                    body,
                    records: head.records,
                    parent: self.parent.clone(),
                    checkpoint: None,
                }));
            }
        }
        Ok(None)
    }

    /// Sees whether an error is one that the walk can live with.
    fn refused(&mut self, error: SourceError) -> SourceResult<()> {
        match error.kind {
            // A parent that went away since its own list was read has no children.
            SourceErrorKind::NotFound if self.parent.is_some() => (self.ended, self.gone) = (true, true),
            SourceErrorKind::Refused | SourceErrorKind::LimitExceeded if error.status == Some(400) => {
                match self.walk.refused(error.kind == SourceErrorKind::LimitExceeded) {
                    Refusal::Error => return Err(error),
                    Refusal::Restart => {}
                    Refusal::Ceiling => (self.ended, self.ceiling) = (true, true),
                }
            }
            _ => return Err(error),
        }
        Ok(())
    }

    fn complete(&self) -> bool {
        self.ended && !self.ceiling && (self.walk.complete() || self.gone)
    }
}

/// One list.
pub(super) struct List {
    walker: Walker,
    failed: bool,
}

impl List {
    pub(super) fn new(walker: Walker) -> Self {
        Self { walker, failed: false }
    }

    /// A list that goes on where another read of it was; `None` where that cannot be told, or where that read had ended without all of it.
    pub(super) fn resumed(reader: Reader, endpoint: &'static Endpoint, position: &str) -> Option<Self> {
        let ListAt { walk, pages, ended, ceiling } = serde_json::from_str(position).ok()?;
        let walk = walk.resumed();
        let walker = Walker { walk, pages, ended, ceiling, ..Walker::new(reader, endpoint, None) };
        (!ended || walker.complete()).then(|| Self::new(walker))
    }
}

#[async_trait]
impl Pages for List {
    async fn next(&mut self) -> SourceResult<Option<Page>> {
        let page = self.walker.next().await;
        self.failed |= page.is_err();
        page
    }

    fn position(&self) -> Option<Position> {
        let Walker { walk, pages, ended, ceiling, .. } = &self.walker;
        let at = ListAt { walk: walk.clone(), pages: *pages, ended: *ended, ceiling: *ceiling };
        Some(Position { text: serde_json::to_string(&at).ok()?, keeps_rows: true, ended: *ended })
    }

    fn complete(&self) -> bool {
        !self.failed && self.walker.complete()
    }

    fn requests(&self) -> u64 {
        self.walker.reader.requests()
    }
}

type Stepping = Pin<Box<dyn Future<Output = (Walker, SourceResult<Option<Page>>)> + Send>>;

/// One list for each parent, several at the same time.
pub(super) struct FanOut {
    reader: Reader,
    endpoint: &'static Endpoint,
    parents: VecDeque<String>,
    under_way: FuturesUnordered<Stepping>,
    at_once: usize,
    /// Parents whose children all came, or that are gone.
    done: BTreeSet<String>,
    complete: bool,
    failed: bool,
    /// Why no more requests are sent, while those under way are still waited for.
    stopped: Option<SourceError>,
}

impl FanOut {
    /// Reads the list of each parent, `at_once` of them at the same time. Pages come as they arrive, those of one parent in order.
    pub(super) fn new(
        reader: Reader,
        endpoint: &'static Endpoint,
        parents: Vec<String>,
        at_once: usize,
    ) -> Self {
        Self {
            reader,
            endpoint,
            parents: parents.into(),
            under_way: FuturesUnordered::new(),
            at_once: at_once.max(1),
            done: BTreeSet::new(),
            complete: true,
            failed: false,
            stopped: None,
        }
    }

    /// The same for the parents that another read had not done yet; `None` where that cannot be told.
    pub(super) fn resumed(mut self, position: &str) -> Option<Self> {
        let FanOutAt { done } = serde_json::from_str(position).ok()?;
        self.parents.retain(|parent| !done.contains(parent));
        Some(Self { done, ..self })
    }

    fn go_on(&mut self, mut walker: Walker) {
        self.under_way.push(Box::pin(async move {
            let page = walker.next().await;
            (walker, page)
        }));
    }
}

#[async_trait]
impl Pages for FanOut {
    async fn next(&mut self) -> SourceResult<Option<Page>> {
        loop {
            while !self.failed && self.under_way.len() < self.at_once {
                let Some(parent) = self.parents.pop_front() else { break };
                self.go_on(Walker::new(self.reader.clone(), self.endpoint, Some(parent)));
            }
            match self.under_way.next().await {
                Some((walker, Ok(page))) => {
                    if walker.ended {
                        let complete = walker.complete();
                        self.complete &= complete;
                        self.done.extend(walker.parent.filter(|_| complete));
                    } else {
                        self.go_on(walker);
                    }
                    if page.is_some() {
                        return Ok(page);
                    }
                }
                // Requests under way are paid for: their answers are still taken.
                Some((_, Err(error))) if error.kind == SourceErrorKind::AllowanceSpent => {
                    self.failed = true;
                    self.stopped = Some(error);
                }
                Some((_, Err(error))) => {
                    self.failed = true;
                    self.under_way.clear();
                    return Err(error);
                }
                None => return self.stopped.take().map_or(Ok(None), Err),
            }
        }
    }

    fn position(&self) -> Option<Position> {
        let at = FanOutAt { done: self.done.clone() };
        let ended = !self.failed && self.parents.is_empty() && self.under_way.is_empty();
        Some(Position { text: serde_json::to_string(&at).ok()?, keeps_rows: true, ended })
    }

    fn complete(&self) -> bool {
        !self.failed && self.complete && self.parents.is_empty() && self.under_way.is_empty()
    }

    fn requests(&self) -> u64 {
        self.reader.requests()
    }
}
