//! One stream: read pages, normalize, stage, and publish rows and checkpoint together.

mod publishing;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use arrow_array::cast::AsArray as _;

use crate::catalog::{Origin, Replication, Stream};
use crate::clock::Micros;
use crate::defects::{Defect, planted};
use crate::destination::{Batch, Comparison, Counts, Expected, Key};
use crate::error::{
    DestinationError, DestinationErrorKind, DestinationResult, SourceError, SourceErrorKind, is_resumable,
};
use crate::json::JsonError;
use crate::normalize::Normalizer;
use crate::source::{Delays, Gap, Page, Pages, Read};
use crate::state::{Checkpoint, Quarantine};

use super::collect::Collector;
use super::parents::{NoParents, ParentKeys};
use super::parking::Parking;
use super::plan::{Reach, Task, missing_scope};
use super::report::StreamReport;
use super::{Event, Outcome, Run, absence, cascades, drift};

/// Quarantined records that one publish keeps; all are counted.
const QUARANTINED_KEPT_MAX: usize = 10_000;
/// Ended records that one sweep follows into other streams; beyond that those see it when they are read in full.
const SWEPT_MAX: usize = 1_000_000;

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
pub(super) async fn replicate(
    run: &Run,
    task: &Task,
    collector: Option<&mut Collector>,
) -> DestinationResult<StreamReport> {
    if task.forgets {
        run.edges.destination.discard(task.stream).await?;
    }
    let mut reading = Reading::new(run, task, collector);
    let mut result = reading.run(run, task).await;
    if let Err(error) = &result {
        let kept = match error {
            StreamError::Source(error) if is_resumable(error.kind) => reading.break_off(run).await,
            StreamError::NoParents(_) => run.edges.destination.unstage(task.stream).await.map_err(Into::into),
            _ => run.edges.destination.discard(task.stream).await.map_err(Into::into),
        };
        if let Err(worse) = kept {
            result = Err(worse);
        }
    }
    let (outcome, message) = ended(task, result)?;
    Ok(reading.report(task, outcome, message))
}

/// How a stream ended, given whether its read was complete. Fails only where the destination did.
pub(super) fn ended(
    task: &Task,
    result: Result<bool, StreamError>,
) -> DestinationResult<(Outcome, Option<String>)> {
    match result {
        Ok(true) => Ok((Outcome::Done, None)),
        Ok(false) => Ok((Outcome::Failed, Some(INCOMPLETE.to_owned()))),
        Err(StreamError::Destination(error)) if error.kind != DestinationErrorKind::Query => Err(error),
        Err(StreamError::Source(error)) if error.kind == SourceErrorKind::ScopeMissing => {
            let scope = task.stream.endpoint.as_ref().map_or("", |endpoint| endpoint.scope);
            Ok((Outcome::Skipped, Some(missing_scope(scope))))
        }
        Err(StreamError::Source(error)) if error.kind == SourceErrorKind::NotOffered => {
            Ok((Outcome::Skipped, Some(error.to_string())))
        }
        Err(StreamError::Source(error)) if error.kind == SourceErrorKind::AllowanceSpent => {
            Ok((Outcome::Stopped, Some(error.to_string())))
        }
        Err(StreamError::NoParents(why)) => Ok((why.outcome, Some(why.to_string()))),
        Err(error) => Ok((Outcome::Failed, Some(error.to_string()))),
    }
}

const INCOMPLETE: &str =
    "the read did not reach the end of the list: what came was written, nothing was marked deleted";

/// A stream on its way.
pub(super) struct Reading<'a> {
    pub(super) stream: &'static Stream,
    tables: &'a [&'static str],
    pub(super) normalizer: Normalizer,
    collector: Option<&'a mut Collector>,
    /// Whether everything was asked for, or came although it was not.
    pub(super) whole: bool,
    /// Root keys that came, where only a part was asked for.
    came: BTreeSet<Key>,
    /// Root keys that the log told of and that have not come, in a whole read of a stream that others depend on.
    unseen: BTreeSet<String>,
    /// Root keys that a second read of the list has to hold, until they come.
    pub(super) awaited: BTreeSet<String>,
    /// Root keys that the tenant was asked for and no longer has.
    pub(super) gone: BTreeSet<Key>,
    /// Whether the list has been read to its end, and is read once more to see what is really absent.
    pub(super) again: bool,
    pub(super) parking: Parking,
    pub(super) requests: u64,
    complete: bool,
    checkpoint: Option<Checkpoint>,
    pub(super) checkpoint_name: String,
    gaps: Vec<Gap>,
    gaps_published: usize,
    pub(super) quarantined: Vec<Quarantine>,
    quarantined_by_table: BTreeMap<&'static str, u64>,
    counts: BTreeMap<&'static str, Counts>,
    pub(super) parent_keys: Option<ParentKeys>,
    published: Option<(Duration, Duration)>,
    /// Which changes are known of, where that is worth telling apart from others.
    pub(super) expected: Option<Expected>,
    /// How the tables compare, in a run that compares.
    pub(super) compared: BTreeMap<&'static str, Comparison>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(run: &Run, task: &'a Task, collector: Option<&'a mut Collector>) -> Self {
        Self {
            stream: task.stream,
            tables: &task.tables,
            normalizer: Normalizer::new(run.catalog, task.stream),
            collector,
            whole: task.reach == Reach::Whole,
            came: BTreeSet::new(),
            // A part that was asked for may come as the whole list.
            unseen: if matches!(task.reach, Reach::Told(_)) {
                BTreeSet::new()
            } else {
                cascades::told(run, task)
            },
            awaited: BTreeSet::new(),
            gone: BTreeSet::new(),
            again: false,
            parking: Parking::new(task.parked.clone(), run.tenant_time, !run.follows_log),
            requests: 0,
            complete: true,
            checkpoint: None,
            checkpoint_name: task.checkpoint_name.clone(),
            gaps: Vec::new(),
            gaps_published: 0,
            quarantined: Vec::new(),
            quarantined_by_table: BTreeMap::new(),
            counts: BTreeMap::new(),
            parent_keys: task.is_parent.then(|| ParentKeys { keys: Vec::new(), complete: false }),
            published: None,
            expected: None,
            compared: BTreeMap::new(),
        }
    }

    /// The whole way of a stream: read, confirm what is absent, publish. True when the read was complete.
    async fn run(&mut self, run: &Run, task: &Task) -> Result<bool, StreamError> {
        self.gather(run, task).await?;
        self.expected = drift::expected(run, task, self).await?;
        self.publish(run, task).await?;
        self.give_parents(run);
        Ok(self.complete)
    }

    /// Reads and stages, and confirms what is absent. True when the read was complete.
    pub(super) async fn gather(&mut self, run: &Run, task: &Task) -> Result<bool, StreamError> {
        // A run of this process that ended early may have left rows behind: they are as old as it is.
        if !planted(Defect::StaleStageKept) {
            run.edges.destination.unstage(self.stream).await?;
        }
        match &task.reach {
            Reach::Whole => self.read_all(run, task).await?,
            Reach::Since(since, told) => {
                self.read(run, task, Vec::new(), Some(*since)).await?;
                self.stage(run, true).await?;
                if !self.whole {
                    self.look_at(run, &told.records).await?;
                }
            }
            // A parent that only its fan-out needs, and the fan-out needs no keys.
            Reach::Told(_) if self.tables.is_empty() => {}
            Reach::Told(told) => {
                self.look_at(run, &told.records).await?;
                self.read_children(run, task, &told.parents).await?;
            }
        }
        self.stage(run, true).await?;
        if self.sweeps() && !self.tables.is_empty() {
            absence::confirm(run, task, self).await?;
            self.stage(run, true).await?;
            self.note_swept(run).await?;
        }
        Ok(self.complete)
    }

    /// Hands the keys that were read to the fan-outs that wait for them.
    pub(super) fn give_parents(&mut self, run: &Run) {
        let Some(mut parents) = self.parent_keys.take() else { return };
        // A quarantined parent is still there: what belongs to it must be read, or it would seem gone.
        if !self.normalizer.spared().is_empty() && !planted(Defect::QuarantinedParentDropped) {
            parents.keys.extend(self.normalizer.spared().iter().filter_map(|key| key.first().cloned()));
        }
        let mut seen = HashSet::new();
        parents.keys.retain(|key| seen.insert(key.clone()));
        parents.complete = self.complete && !self.normalizer.nameless();
        run.parents.give(self.stream.name, &Ok(parents));
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
        self.read(run, task, parents, None).await?;
        self.complete &= parents_complete;
        Ok(())
    }

    /// Reads pages to their end.
    async fn read(
        &mut self,
        run: &Run,
        task: &Task,
        parents: Vec<String>,
        since: Option<Micros>,
    ) -> Result<(), StreamError> {
        let from = self.publishes_as_it_goes().then(|| task.from.clone()).flatten();
        let read = Read { stream: task.stream, parents, from, since };
        let mut pages = self.open(run, read).await?;
        let ended = self.read_pages(run, pages.as_mut()).await;
        self.requests += pages.requests();
        self.parking.stands_at = if self.whole { pages.position() } else { None };
        ended?;
        self.gaps = pages.gaps().to_vec();
        self.complete &= pages.complete();
        Ok(())
    }

    /// Records that came so far.
    pub(super) fn records(&self) -> u64 {
        self.normalizer.records()
    }

    /// Notes that what was read is the whole list.
    pub(super) fn came_whole(&mut self) {
        (self.whole, self.complete) = (true, true);
    }

    /// Notes that what was read is not the whole list after all.
    pub(super) fn came_short(&mut self) {
        self.complete = false;
    }

    async fn read_pages(&mut self, run: &Run, pages: &mut dyn Pages) -> Result<(), StreamError> {
        let mut next = pages.next().await;
        self.whole |= pages.covers_everything();
        self.heard(run, pages);
        while let Some(page) = next? {
            // A gap is published with the first rows behind it, or a crash after them would hide it.
            self.gaps = pages.gaps().to_vec();
            let position = if self.parks(run, &page) { pages.position() } else { None };
            // The next page is under way while this one is normalized, staged and maybe parked.
            let taken = async {
                self.take_page(run, &page).await?;
                self.park(run, position, false).await
            };
            let (following, taken) = futures::join!(pages.next(), taken);
            taken?;
            self.heard(run, pages);
            next = following;
        }
        if let Some(collector) = &mut self.collector {
            collector.reaches_back &= pages.reaches_back();
        }
        Ok(())
    }

    /// Asks for records by their keys: each is staged, or gone. Also those that came by search, which trails behind: only this answer is
    /// up to the moment.
    pub(super) async fn look_at(&mut self, run: &Run, keys: &BTreeSet<String>) -> Result<(), StreamError> {
        for key in keys {
            self.requests += 1;
            match run.edges.source.record(self.stream, key).await? {
                Some(page) => self.take_page(run, &page).await?,
                None if planted(Defect::GoneIsFailure) => {
                    let action = format!("read one record of {}", self.stream.name);
                    return Err(SourceError::new(SourceErrorKind::NotFound, action, "it is not there").into());
                }
                None => drop(self.gone.insert(vec![key.clone()])),
            }
        }
        Ok(())
    }

    /// Reads the children of these parents again: those that no longer come are gone.
    pub(super) async fn read_children(
        &mut self,
        run: &Run,
        task: &Task,
        parents: &BTreeSet<String>,
    ) -> Result<(), StreamError> {
        let root = self.stream.root();
        let Some(column) = root
            .columns
            .iter()
            .find(|column| column.origin == Origin::Parent)
            .filter(|_| !parents.is_empty())
        else {
            return Ok(());
        };
        self.read(run, task, parents.iter().cloned().collect(), None).await?;
        self.stage(run, true).await?;
        if self.complete && !self.normalizer.nameless() {
            let held = run.edges.destination.find(self.stream, column.name, parents).await?;
            let stays = |key: &Key| self.came.contains(key) || self.normalizer.spared().contains(key);
            self.gone.extend(held.into_iter().filter(|key| !stays(key)));
        }
        Ok(())
    }

    /// Notes what a sweep will end, where other streams are not read whole and depend on it.
    async fn note_swept(&mut self, run: &Run) -> Result<(), StreamError> {
        let is_cause = run.catalog.feed.cascades.iter().any(|cascade| cascade.of == self.stream.name);
        if !run.follows_log || !is_cause {
            return Ok(());
        }
        let absent = run.edges.destination.absent(self.stream, SWEPT_MAX).await?;
        let swept = absent.into_iter().filter(|key| !self.normalizer.spared().contains(key));
        let swept: BTreeSet<String> = swept.filter_map(|key| key.into_iter().next()).collect();
        // What came and went since the last read is missing from no table, and yet what depended on it may be there.
        let unseen: BTreeSet<String> = std::mem::take(&mut self.unseen).difference(&swept).cloned().collect();
        run.note_ended(self.stream.name, swept);
        self.look_at(run, &unseen).await?;
        self.stage(run, true).await
    }

    /// Normalizes one page, and stages or publishes what has gathered.
    pub(super) async fn take_page(&mut self, run: &Run, page: &Page) -> Result<(), StreamError> {
        self.parking.children_of.extend(page.parent.clone());
        if let Some(collector) = &mut self.collector {
            collector.take(run.catalog, self.stream, run.edges.destination.as_ref(), page).await?;
        }
        if page.body.is_empty() {
            return Ok(());
        }
        self.normalizer.page(page)?;
        self.keep_quarantined();
        if let Some(checkpoint) = &page.checkpoint {
            self.checkpoint = Some(checkpoint.clone());
        }
        let publish = self.publishes_as_it_goes() && self.is_due(run);
        self.stage(run, publish).await?;
        if publish {
            self.publish_as(run, self.checkpoint.clone()).await?;
        }
        Ok(())
    }

    pub(super) fn heard(&self, run: &Run, pages: &dyn Pages) {
        run.edges.observer.event(&Event::Progress {
            stream: self.stream.name,
            records: self.normalizer.records(),
            requests: pages.requests(),
        });
    }

    pub(super) async fn stage(&mut self, run: &Run, all: bool) -> Result<(), StreamError> {
        for batch in self.normalizer.take(all) {
            self.note_parent_keys(run, &batch);
            self.note_came(&batch);
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
        let Some(parents) = self.parent_keys.as_mut().filter(|_| batch.table.name == self.stream.root().name)
        else {
            return;
        };
        let fan_out = run.catalog.streams.iter().filter_map(|stream| stream.parent.as_ref());
        let Some(column) =
            fan_out.filter(|parent| parent.stream == self.stream.name).map(|parent| parent.column).next()
        else {
            return;
        };
        if let Some(keys) = batch.rows.column_by_name(column).and_then(|array| array.as_string_opt::<i32>()) {
            parents.keys.extend(keys.iter().flatten().map(str::to_owned));
        }
    }

    /// Keeps the root keys that came, where absence is judged key by key; in a whole read only those that are looked out for.
    fn note_came(&mut self, batch: &Batch) {
        let root = self.stream.root();
        let is_judged = !self.whole || !self.unseen.is_empty() || !self.awaited.is_empty();
        if self.publishes_as_it_goes() || batch.table.name != root.name || !is_judged {
            return;
        }
        let columns: Vec<_> = root
            .key
            .iter()
            .filter_map(|name| batch.rows.column_by_name(name)?.as_string_opt::<i32>())
            .collect();
        if columns.len() == root.key.len() {
            let key =
                |row: usize| -> Key { columns.iter().map(|column| column.value(row).to_owned()).collect() };
            for key in (0..batch.rows.num_rows()).map(key) {
                self.unseen.remove(&key[0]);
                self.awaited.remove(&key[0]);
                if !self.whole {
                    self.came.insert(key);
                }
            }
        }
    }

    /// Whether absence from what was read means anything.
    pub(super) fn sweeps(&self) -> bool {
        let is_list = matches!(self.stream.replication, Replication::FullTable | Replication::Export);
        let complete = self.complete || planted(Defect::PartialReadSwept);
        let nameless = self.normalizer.nameless() && !planted(Defect::NamelessSwept);
        is_list && self.whole && complete && !nameless
    }

    pub(super) fn publishes_as_it_goes(&self) -> bool {
        matches!(self.stream.replication, Replication::Log | Replication::Daily)
    }

    fn keep_quarantined(&mut self) {
        for quarantined in self.normalizer.take_quarantined() {
            *self.quarantined_by_table.entry(quarantined.table).or_default() += 1;
            if self.quarantined.len() < QUARANTINED_KEPT_MAX && !planted(Defect::QuarantineUnwritten) {
                self.quarantined.push(quarantined);
            }
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
            delays: Delays::default(),
            gaps: self.gaps.len() as u64,
            began: 0.0,
            seconds: 0.0,
        }
    }
}
