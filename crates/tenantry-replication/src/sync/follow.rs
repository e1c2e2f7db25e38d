//! Following a tenant: listens to what its feed tells of changes, and lets a run look only at that and at what the log tells.
//!
//! What the feed tells makes tables fresher, and is never all there is: the log is read in every round. Nothing here decides when a round
//! begins but for the moment that events are given to gather.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{Either, select};

use super::changes::Changes;
use super::{Edges, Options, Report, SyncError, once};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::error::{Retry, SourceError, retry};
use crate::json::Json;
use crate::source::{Feed, Heard, Source};
use crate::state::{Checkpoint, State};

/// Name of the checkpoint of the feed.
const CHECKPOINT: &str = "events feed";
/// How long events gather before a round begins with the first of them.
const GATHER: Duration = Duration::from_secs(1);
/// After how long a feed that could not be had is asked for again, where that may help.
const LISTEN_AGAIN: Duration = Duration::from_mins(5);
/// Records of a stream known to be there still that one round asks for one by one; of more of them the search by time tells soon enough.
const RENEWED_MAX: usize = 20;
/// Keys kept of one stream; with more of them the whole list is read.
const KEYS_MAX: usize = 1_000;
/// Pieces of news kept until somebody asks for them.
const NEWS_MAX: usize = 8;

/// What was heard and is not applied yet.
#[derive(Debug, Clone, Default)]
pub struct Hints {
    changes: Changes,
    /// Records that changed and are there still, by stream.
    renewed: BTreeMap<&'static str, BTreeSet<String>>,
    /// Where the feed goes on behind all of this.
    checkpoint: Option<Checkpoint>,
}

/// Something that whoever follows wants to know.
#[derive(Debug)]
pub enum News {
    /// The feed cannot be had: from now on the log alone tells of changes.
    Silent {
        /// Why.
        why: SourceError,
        /// Whether it is not asked for again.
        for_good: bool,
    },
    /// The feed is heard again.
    Heard,
    /// What happened for a while the feed no longer tells; the log does.
    Lost,
}

/// Listens to a tenant while runs come and go.
pub struct Follower {
    feed: Box<dyn Feed>,
    catalog: &'static Catalog,
    clock: Arc<dyn Clock>,
    hints: Hints,
    /// When the oldest of the hints that a round is due for was heard, on the monotonic clock.
    heard_at: Option<Duration>,
    hearing: Hearing,
    news: VecDeque<News>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hearing {
    Well,
    /// Until this time of the monotonic clock, then it tries again.
    NotUntil(Duration),
    Never,
}

impl Follower {
    /// Goes on where an earlier run stopped by its `state`, or begins with what happens from now on.
    pub fn new(source: &dyn Source, clock: Arc<dyn Clock>, catalog: &'static Catalog, state: &State) -> Self {
        let feed = source.follow(state.checkpoints.get(CHECKPOINT).cloned());
        let (hints, hearing, news) = (Hints::default(), Hearing::Well, VecDeque::new());
        Self { feed, catalog, clock, hints, heard_at: None, hearing, news }
    }

    /// Does `work` and listens meanwhile.
    pub async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            match select(work.as_mut(), pin!(self.hear())).await {
                Either::Left((done, _)) => return done,
                Either::Right(_) => {}
            }
        }
    }

    /// Listens for so long, or until something was heard and a moment has passed for more of it. True where something was.
    pub async fn wait(&mut self, longest: Duration) -> bool {
        let clock = Arc::clone(&self.clock);
        let end = clock.monotonic() + longest;
        loop {
            let until = self.heard_at.map_or(end, |at| end.min(at + GATHER));
            let left = until.saturating_sub(clock.monotonic());
            if left == Duration::ZERO {
                return self.heard_at.is_some();
            }
            select(pin!(clock.sleep(left)), pin!(self.hear())).await;
        }
    }

    /// Takes what was heard, for one round.
    pub fn take(&mut self) -> Hints {
        self.heard_at = None;
        let checkpoint = self.hints.checkpoint.clone();
        std::mem::replace(&mut self.hints, Hints { checkpoint, ..Hints::default() })
    }

    /// Takes hints back that a round could not apply. They wait for the next one, and make none due.
    pub fn give_back(&mut self, hints: Hints) {
        self.hints.changes.extend(hints.changes);
        for (stream, keys) in hints.renewed {
            self.hints.renewed.entry(stream).or_default().extend(keys);
        }
        self.hints.settle();
    }

    /// What there is to know, oldest first, each piece once.
    pub fn news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    /// Waits for the next thing that the feed tells, and takes it in. Ends never where there is no feed.
    async fn hear(&mut self) {
        match self.hearing {
            Hearing::Well => {}
            Hearing::Never => pending().await,
            Hearing::NotUntil(time) => {
                let wait = time.saturating_sub(self.clock.monotonic());
                if wait > Duration::ZERO {
                    self.clock.sleep(wait).await;
                }
            }
        }
        match self.feed.next().await {
            Ok(heard) => self.heard(heard),
            Err(why) => self.silent(why),
        }
    }

    fn heard(&mut self, heard: Heard) {
        match heard {
            Heard::Open => {
                if self.hearing != Hearing::Well {
                    self.tell(News::Heard);
                }
                self.hearing = Hearing::Well;
            }
            Heard::Event { event, checkpoint } => {
                if self.hints.event(self.catalog, &event) {
                    self.heard_at.get_or_insert(self.clock.monotonic());
                }
                self.hints.checkpoint = Some(checkpoint);
            }
            Heard::Passed { checkpoint } => self.hints.checkpoint = Some(checkpoint),
            Heard::Lost => self.tell(News::Lost),
        }
    }

    fn silent(&mut self, why: SourceError) {
        let for_good = retry(why.kind) == Retry::Never;
        if self.hearing == Hearing::Well || for_good {
            self.tell(News::Silent { why, for_good });
        }
        let again = self.clock.monotonic() + LISTEN_AGAIN;
        self.hearing = if for_good { Hearing::Never } else { Hearing::NotUntil(again) };
    }

    fn tell(&mut self, news: News) {
        if self.news.len() == NEWS_MAX {
            self.news.pop_front();
        }
        self.news.push_back(news);
    }
}

impl Hints {
    /// Takes an event in. False where it tells of nothing that is replicated.
    fn event(&mut self, catalog: &Catalog, event: &Bytes) -> bool {
        let Ok(event) = Json::document(event) else { return false };
        let told = self.changes.hear(catalog, event, &mut self.renewed);
        self.settle();
        told
    }

    /// Keeps what is kept within its limits.
    fn settle(&mut self) {
        for told in self.changes.streams.values_mut() {
            if told.records.len() + told.parents.len() > KEYS_MAX {
                told.anything = true;
                told.records.clear();
                told.parents.clear();
            }
        }
        for keys in self.renewed.values_mut() {
            // So many, and no longer which.
            while keys.len() > RENEWED_MAX + 1 {
                keys.pop_last();
            }
        }
    }

    /// What a round has to look at.
    pub(super) fn told(&self) -> Changes {
        let mut changes = self.changes.clone();
        for (stream, keys) in self.renewed.iter().filter(|(_, keys)| keys.len() <= RENEWED_MAX) {
            changes.streams.entry(stream).or_default().records.extend(keys.iter().cloned());
        }
        changes
    }
}

/// Brings the selected tables up to date as [`super::sync`] does, looking at what was heard as well. A round that cannot read the log leaves
/// all else to the next one.
///
/// Only a run that did something is put on record, with the tables that it did it to, unless `on_record` asks for all of it. The position of
/// the feed is kept once everything that it told is applied; hints that a failed stream could not apply are to be given back.
pub async fn round(
    edges: &Edges,
    catalog: &'static Catalog,
    options: &Options,
    hints: &Hints,
    on_record: bool,
) -> Result<Report, SyncError> {
    let (report, mut record) = once(edges, catalog, options, Some(hints)).await?;
    if !on_record {
        record.tables.retain(super::report::did_something);
    }
    if on_record || !record.tables.is_empty() {
        edges.destination.record(&record).await?;
    }
    if let Some(checkpoint) = hints.checkpoint.as_ref().filter(|_| !report.is_unfinished()) {
        edges.destination.keep(CHECKPOINT, checkpoint, record.run, record.started_at).await?;
    }
    Ok(report)
}
