//! One stream: read pages, normalize, stage, and publish rows and checkpoint together.

use std::collections::BTreeMap;
use std::time::Duration;

use arrow_array::cast::AsArray as _;

use crate::catalog::{Replication, Stream};
use crate::destination::{Batch, Commit, Counts, Published, Scope};
use crate::error::{DestinationError, DestinationErrorKind, DestinationResult, SourceError, SourceErrorKind};
use crate::json::JsonError;
use crate::normalize::Normalizer;
use crate::source::{Gap, Page, Pages, Read};
use crate::state::{Checkpoint, Quarantine};

use super::parents::{NoParents, ParentKeys};
use super::plan::{Task, missing_scope};
use super::report::StreamReport;
use super::{Event, Outcome, Run, absence};

/// Quarantined records that one publish keeps; all are counted.
const QUARANTINED_KEPT_MAX: usize = 10_000;
/// A stream that publishes as it goes spends at most one part in this many of its time on publishing.
const PUBLISH_SHARE: u32 = 10;

/// What ends a stream early.
#[derive(Debug, thiserror::Error)]
pub(super) enum StreamError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Destination(#[from] DestinationError),
    #[error("read an answer: {0}")]
    Malformed(#[from] JsonError),
    #[error(transparent)]
    NoParents(#[from] NoParents),
}

/// Replicates one stream. Fails only where the destination does; everything else is in the report.
pub(super) async fn replicate(run: &Run, task: &Task) -> DestinationResult<StreamReport> {
    let mut reading = Reading::new(run, task);
    let result = reading.run(run, task).await;
    if result.is_err() {
        run.edges.destination.discard(task.stream).await?;
    }
    let report = |outcome, message| reading.report(task, outcome, message);
    match result {
        Ok(true) => Ok(report(Outcome::Done, None)),
        Ok(false) => Ok(report(Outcome::Failed, Some(INCOMPLETE.to_owned()))),
        Err(StreamError::Destination(error)) if error.kind != DestinationErrorKind::Query => Err(error),
        Err(StreamError::Source(error)) if error.kind == SourceErrorKind::ScopeMissing => {
            let scope = task.stream.endpoint.as_ref().map_or("", |endpoint| endpoint.scope);
            Ok(report(Outcome::Skipped, Some(missing_scope(scope))))
        }
        Err(StreamError::Source(error)) if error.kind == SourceErrorKind::NotOffered => {
            Ok(report(Outcome::Skipped, Some(error.to_string())))
        }
        Err(StreamError::NoParents(why)) => Ok(report(why.outcome, Some(why.to_string()))),
        Err(error) => Ok(report(Outcome::Failed, Some(error.to_string()))),
    }
}

const INCOMPLETE: &str = "the read did not reach the end of the list: what came was written, nothing was marked deleted";

/// A stream on its way.
pub(super) struct Reading<'a> {
    stream: &'static Stream,
    tables: &'a [&'static str],
    normalizer: Normalizer,
    read_at: i64,
    pub(super) requests: u64,
    complete: bool,
    checkpoint: Option<Checkpoint>,
    gaps: Vec<Gap>,
    gaps_published: usize,
    quarantined: Vec<Quarantine>,
    quarantined_by_table: BTreeMap<&'static str, u64>,
    counts: BTreeMap<&'static str, Counts>,
    parent_keys: Option<ParentKeys>,
    published: Option<(Duration, Duration)>,
}

impl<'a> Reading<'a> {
    fn new(run: &Run, task: &'a Task) -> Self {
        Self {
            stream: task.stream,
            tables: &task.tables,
            normalizer: Normalizer::new(run.catalog, task.stream),
            read_at: run.edges.clock.now(),
            requests: 0,
            complete: false,
            checkpoint: None,
            gaps: Vec::new(),
            gaps_published: 0,
            quarantined: Vec::new(),
            quarantined_by_table: BTreeMap::new(),
            counts: BTreeMap::new(),
            parent_keys: task.is_parent.then(|| ParentKeys { keys: Vec::new(), complete: false }),
            published: None,
        }
    }

    /// The whole way of a stream: read everything, confirm what is absent, publish. True when the read was complete.
    async fn run(&mut self, run: &Run, task: &Task) -> Result<bool, StreamError> {
        self.complete = true;
        self.read_all(run, task).await?;
        self.stage(run, true).await?;
        if self.sweeps() && !self.tables.is_empty() {
            absence::confirm(run, task, self).await?;
            self.stage(run, true).await?;
        }
        self.publish(run).await?;
        if let Some(mut parents) = self.parent_keys.take() {
            parents.complete = self.complete && !self.normalizer.nameless();
            run.parents.give(task.stream.name, &Ok(parents));
        }
        Ok(self.complete)
    }

    /// Reads the stream from its begin (or checkpoint) to its end.
    pub(super) async fn read_all(&mut self, run: &Run, task: &Task) -> Result<(), StreamError> {
        let mut parents_complete = true;
        let mut parents = Vec::new();
        if task.stream.parent.is_some() {
            let taken = run.parents.take(task.stream.name).await?;
            parents_complete = taken.complete;
            parents = taken.keys;
        }
        let mut pages = run.edges.source.open(Read { stream: task.stream, parents, from: task.from.clone() });
        let mut next = pages.next().await;
        self.heard(run, pages.as_ref());
        while let Some(page) = next? {
            // A gap is published with the first rows behind it, or a crash after them would hide it.
            self.gaps = pages.gaps().to_vec();
            // The next page is under way while this one is normalized and staged.
            let (following, taken) = futures::join!(pages.next(), self.take_page(run, &page));
            taken?;
            self.heard(run, pages.as_ref());
            next = following;
        }
        self.requests += pages.requests();
        self.gaps = pages.gaps().to_vec();
        self.complete &= pages.complete() && parents_complete;
        Ok(())
    }

    /// Normalizes one page, and stages or publishes what has gathered.
    pub(super) async fn take_page(&mut self, run: &Run, page: &Page) -> Result<(), StreamError> {
        self.normalizer.page(page)?;
        self.keep_quarantined();
        if let Some(checkpoint) = &page.checkpoint {
            self.checkpoint = Some(checkpoint.clone());
        }
        let publish = self.publishes_as_it_goes() && self.is_due(run);
        self.stage(run, publish).await?;
        if publish {
            self.publish(run).await?;
        }
        Ok(())
    }

    fn heard(&self, run: &Run, pages: &dyn Pages) {
        run.edges.observer.event(&Event::Progress {
            stream: self.stream.name,
            records: self.normalizer.records(),
            requests: pages.requests(),
        });
    }

    async fn stage(&mut self, run: &Run, all: bool) -> Result<(), StreamError> {
        for batch in self.normalizer.take(all) {
            self.note_parent_keys(run, &batch);
            // The root is staged even where it is not written: its rows tell which children belong to what was read.
            let root = batch.table.name == self.stream.root().name;
            if !self.tables.is_empty() && (root || self.tables.contains(&batch.table.name)) {
                run.edges.destination.stage(batch).await?;
            }
        }
        Ok(())
    }

    /// Keeps the keys that a fan-out will go over.
    fn note_parent_keys(&mut self, run: &Run, batch: &Batch) {
        let Some(parents) = self.parent_keys.as_mut().filter(|_| batch.table.name == self.stream.root().name) else { return };
        let fan_out = run.catalog.streams.iter().filter_map(|stream| stream.parent.as_ref());
        let Some(column) = fan_out.filter(|parent| parent.stream == self.stream.name).map(|parent| parent.column).next() else {
            return;
        };
        if let Some(keys) = batch.rows.column_by_name(column).and_then(|array| array.as_string_opt::<i32>()) {
            parents.keys.extend(keys.iter().flatten().map(str::to_owned));
        }
    }

    async fn publish(&mut self, run: &Run) -> Result<(), StreamError> {
        let begun = run.edges.clock.monotonic();
        if let Some(parents) = &mut self.parent_keys {
            // A quarantined parent is still there: what belongs to it must be read, or it would seem gone.
            parents.keys.extend(self.normalizer.spared().iter().filter_map(|key| key.first().cloned()));
            let mut seen = std::collections::HashSet::new();
            parents.keys.retain(|key| seen.insert(key.clone()));
        }
        if self.tables.is_empty() {
            return Ok(());
        }
        let published = run.edges.destination.publish(self.commit(run)).await?;
        self.gaps_published = self.gaps.len();
        self.count(&published);
        let ended = run.edges.clock.monotonic();
        self.published = Some((ended, ended.saturating_sub(begun)));
        Ok(())
    }

    fn commit(&mut self, run: &Run) -> Commit {
        Commit {
            stream: self.stream,
            tables: self.tables.to_vec(),
            scope: self.scope(),
            gone: Vec::new(),
            checkpoint: self.checkpoint(),
            synced_at: run.started_at,
            run: run.number,
            quarantined: std::mem::take(&mut self.quarantined),
            gaps: self.gaps[self.gaps_published..].to_vec(),
        }
    }

    /// What the rows that came say about rows that did not.
    fn scope(&self) -> Scope {
        let spared = || self.normalizer.spared().iter().cloned().collect();
        if self.sweeps() {
            Scope::Table { spared: spared() }
        } else if self.publishes_as_it_goes() || self.stream.parent.is_some() || self.normalizer.nameless() {
            Scope::Rows
        } else {
            Scope::Records { spared: spared() }
        }
    }

    /// Whether absence from what was read means anything.
    fn sweeps(&self) -> bool {
        let whole_list = matches!(self.stream.replication, Replication::FullTable | Replication::Export);
        whole_list && self.complete && !self.normalizer.nameless()
    }

    fn publishes_as_it_goes(&self) -> bool {
        matches!(self.stream.replication, Replication::Log | Replication::Daily)
    }

    /// Whether so much time has passed since the last publish that another is worth its cost.
    fn is_due(&self, run: &Run) -> bool {
        self.published.is_none_or(|(ended, took)| run.edges.clock.monotonic().saturating_sub(ended) >= took * (PUBLISH_SHARE - 1))
    }

    fn checkpoint(&self) -> Option<Checkpoint> {
        match self.stream.replication {
            Replication::FullTable | Replication::Export => {
                self.complete.then_some(Checkpoint::Full { read_at: self.read_at })
            }
            Replication::Log | Replication::Daily => self.checkpoint.clone(),
            Replication::Frozen => None,
        }
    }

    fn keep_quarantined(&mut self) {
        for quarantined in self.normalizer.take_quarantined() {
            *self.quarantined_by_table.entry(quarantined.table).or_default() += 1;
            if self.quarantined.len() < QUARANTINED_KEPT_MAX {
                self.quarantined.push(quarantined);
            }
        }
    }

    fn count(&mut self, published: &Published) {
        for (table, counts) in &published.tables {
            let sum = self.counts.entry(table).or_default();
            sum.inserted += counts.inserted;
            sum.updated += counts.updated;
            sum.deleted += counts.deleted;
            sum.unchanged += counts.unchanged;
        }
    }

    fn report(&self, task: &Task, outcome: Outcome, message: Option<String>) -> StreamReport {
        StreamReport {
            stream: task.stream,
            tables: task.tables.clone(),
            outcome,
            message,
            counts: self.counts.clone(),
            quarantined: self.quarantined_by_table.clone(),
            requests: self.requests,
            gaps: self.gaps.len() as u64,
            seconds: 0.0,
        }
    }
}
