//! The engine: drives source, normalize and destination until every selected table is up to date, and reports what happened.
//!
//! Holds no HTTP, no SQL and no terminal. What goes wrong in one stream stays in that stream; what goes wrong at the destination ends
//! the run, since it would meet every stream.

mod absence;
mod cascades;
mod changes;
mod collect;
mod drift;
mod follow;
mod forecast;
mod narrow;
mod parents;
mod parking;
mod plan;
mod replicate;
mod report;
mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream;

pub use follow::{Follower, Hints, News, round};
pub use forecast::{Forecast, How, StreamForecast, forecast};
pub use report::{Outcome, Report};
pub use verify::{Depth, KEYS_MAX, Verification, Verified, verify};

use crate::catalog::Catalog;
use crate::clock::{Clock, MICROS_PER_SECOND, Micros, micros};
use crate::defects::{Defect, planted};
use crate::destination::Destination;
use crate::error::{DestinationError, DestinationResult, SourceError};
use crate::source::Source;
use crate::state::{RunRecord, State};

use changes::{Changes, Told};
use collect::Collector;
use drift::Later;
use narrow::narrow;
use parents::{NoParents, Parents};
use plan::{Action, Reach, Task};
use report::StreamReport;

/// What a run works with.
#[derive(Clone)]
pub struct Edges {
    /// Where records come from.
    pub source: Arc<dyn Source>,
    /// Where rows go.
    pub destination: Arc<dyn Destination>,
    /// Time and chance.
    pub clock: Arc<dyn Clock>,
    /// Who wants to know how far it is.
    pub observer: Arc<dyn Observer>,
}

/// What a run is asked to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// Name of the tenant that is read: its domain. A destination holds one tenant's tables.
    pub tenant: String,
    /// Names of the tables to bring up to date; a table that is not among them is left as it is.
    pub tables: BTreeSet<&'static str>,
    /// Read everything again, as if no run had been before. Nothing is dropped.
    pub full: bool,
    /// Streams read at the same time, at most.
    pub streams_at_once: usize,
    /// How long after a complete read a stream is read completely again; until then it follows the log.
    pub full_every: Duration,
    /// The same for streams that change without an event.
    pub untold_every: Duration,
}

/// The default for [`Options::full_every`].
pub const FULL_EVERY: Duration = Duration::from_hours(24);
/// The default for [`Options::untold_every`].
pub const UNTOLD_EVERY: Duration = Duration::from_hours(1);

/// Something that a progress display wants to know.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A stream's first request is about to be sent.
    Started {
        /// The stream.
        stream: &'static str,
    },
    /// Another page was read.
    Progress {
        /// The stream.
        stream: &'static str,
        /// Records read so far.
        records: u64,
        /// Requests sent so far.
        requests: u64,
    },
    /// A stream ended, well or not; the report has the details.
    Finished {
        /// The stream.
        stream: &'static str,
        /// How.
        outcome: Outcome,
    },
}

/// Hears how far a run is. Must return at once.
pub trait Observer: Send + Sync {
    /// Called from the run's own tasks, in order within a stream.
    fn event(&self, event: &Event);
}

/// A run that could not begin, or could not be recorded. Failures of single streams are in the [`Report`] instead.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The tenant could not be reached or refused the credentials.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The destination could not be opened, prepared or written.
    #[error(transparent)]
    Destination(#[from] DestinationError),
}

/// One run, as its streams see it.
struct Run {
    edges: Edges,
    catalog: &'static Catalog,
    number: u64,
    /// When the run began, by the clock that only goes forward.
    begun: Duration,
    /// When the run began: the sync time of every row it writes.
    started_at: Micros,
    /// The same by the tenant's clock: what was changed before is seen by this run.
    tenant_time: Micros,
    parents: Parents,
    /// Whether the log narrows what is read.
    follows_log: bool,
    /// What the log told before everything else was read.
    told: Option<Changes>,
    /// What it told after that.
    later: Later,
    /// Compares rows instead of publishing them, and keeps this many keys of each kind of difference.
    compares: Option<usize>,
    /// Streams that this run could not bring up to date.
    unfinished: Mutex<BTreeSet<&'static str>>,
    /// Root keys that ended in this run, by stream.
    ended: Mutex<BTreeMap<&'static str, BTreeSet<String>>>,
}

/// Brings the selected tables up to date with the tenant: connect, prepare, plan, replicate each stream, record the run.
pub async fn sync(edges: &Edges, catalog: &'static Catalog, options: &Options) -> Result<Report, SyncError> {
    let (report, record) = once(edges, catalog, options, None).await?;
    edges.destination.record(&record).await?;
    Ok(report)
}

/// One run but for its record; as a round of a [`Follower`] where there are hints.
async fn once(
    edges: &Edges,
    catalog: &'static Catalog,
    options: &Options,
    hints: Option<&Hints>,
) -> Result<(Report, RunRecord), SyncError> {
    let begun = edges.clock.monotonic();
    edges.source.begin();
    let access = edges.source.connect().await?;
    edges.destination.prepare(catalog).await?;
    edges.destination.claim(&options.tenant).await?;
    let state = edges.destination.state().await?;
    let mut tasks = plan::tasks(catalog, options, &access, &state);
    let started_at = edges.clock.now();
    let ahead = access.clock_ahead_seconds.filter(|_| !planted(Defect::OwnClockTrusted)).unwrap_or(0);
    let tenant_time = started_at + ahead * MICROS_PER_SECOND;
    let mut run = Run {
        edges: edges.clone(),
        catalog,
        number: state.next_run(),
        begun,
        started_at,
        tenant_time,
        parents: Parents::of(&tasks),
        follows_log: false,
        told: None,
        later: Later::new(tenant_time),
        compares: None,
        unfinished: Mutex::default(),
        ended: Mutex::default(),
    };
    plan::take_up(catalog, options, &mut tasks, &state, run.tenant_time);
    let mut reports = run.follow_log(options, &mut tasks, &state, hints).await?;

    let (dependent, first): (Vec<Task>, Vec<Task>) =
        tasks.into_iter().partition(|task| cascades::depends(catalog, task));
    for tasks in [first, dependent] {
        // Parents come before their fan-outs in the catalog, and streams begin in that order: a fan-out that waits never keeps its parent
        // out.
        let at_once = options.streams_at_once.max(1);
        let mut running =
            stream::iter(tasks.iter().map(|task| run.stream(task, None))).buffer_unordered(at_once);
        while let Some(report) = running.next().await {
            reports.push(report?);
        }
    }
    reports.sort_by_key(|report| catalog.streams.iter().position(|stream| stream.name == report.stream.name));

    let seconds = edges.clock.monotonic().saturating_sub(begun).as_secs_f64();
    let report = Report::new(run.number, reports, edges.source.requests(), seconds);
    let record = run.record(&report);
    Ok((report, record))
}

impl Run {
    /// Reads the log before everything else where that spares more than it costs, and narrows the other tasks to what it told.
    async fn follow_log(
        &mut self,
        options: &Options,
        tasks: &mut Vec<Task>,
        state: &State,
        hints: Option<&Hints>,
    ) -> DestinationResult<Vec<StreamReport>> {
        let Some(unapplied) = plan::told_since(self.catalog, tasks, state) else {
            return Ok(Vec::new());
        };
        let Some(at) = tasks.iter().position(|task| task.stream.name == self.catalog.feed.stream) else {
            return Ok(Vec::new());
        };
        let since = unapplied.since;
        let mut log = tasks.remove(at);
        // A log that was never read is read from its beginning: starting at `since` would lose what came before.
        if log.from.is_some() {
            log.reach = Reach::Since(since, Told::default());
        }
        let mut collector = Collector::new(unapplied);
        // One that was never read has no position whose loss would show: only its age tells that nothing is missing.
        collector.reaches_back =
            log.from.is_some() || self.tenant_time - since < self.catalog.feed.kept_at_least;
        let report = self.stream(&log, Some(&mut collector)).await?;
        // A hole in the log, now or since a stream was last up to date, or a log that could not be read, tells nothing of what it hides.
        let has_hole = report.gaps > 0;
        let reaches_back = collector.reaches_back || !has_hole && planted(Defect::ShortLogNarrows);
        let tells_all = !has_hole && reaches_back || has_hole && planted(Defect::GapNarrows);
        if report.outcome == Outcome::Done && tells_all {
            self.follows_log = true;
            collector.changes.extend(hints.map(Hints::told).unwrap_or_default());
            narrow(self.catalog, options, tasks, &collector.changes, self.tenant_time);
            self.told = Some(collector.changes);
        } else if hints.is_some() && report.outcome != Outcome::Done {
            // The next round comes soon: no reason to read everything for want of the log.
            let message = Some("left to the next round: the log could not be read".to_owned());
            tasks.retain(|task| matches!(task.action, Action::Read));
            let left = |task: &mut Task| {
                task.action = Action::Leave { outcome: Outcome::Failed, message: message.clone() };
            };
            tasks.iter_mut().for_each(left);
        }
        Ok(vec![report])
    }

    /// The present time by the tenant's clock, or somewhat later.
    fn tenant_now(&self) -> Micros {
        let reckoned = self.tenant_time + micros(self.edges.clock.monotonic().saturating_sub(self.begun));
        self.edges.source.now().map_or(reckoned, |now| now.max(reckoned))
    }

    /// Notes root keys that ended, for what ends with them.
    fn note_ended(&self, stream: &'static str, keys: impl IntoIterator<Item = String>) {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).entry(stream).or_default().extend(keys);
    }

    /// One stream from begin to end. Fails only where the destination does.
    async fn stream(
        &self,
        task: &Task,
        collector: Option<&mut Collector>,
    ) -> DestinationResult<StreamReport> {
        let name = task.stream.name;
        let begun = self.edges.clock.monotonic();
        let mut report = match &task.action {
            Action::Leave { outcome, message } => StreamReport::left(task, *outcome, message.clone()),
            Action::Read => {
                self.edges.observer.event(&Event::Started { stream: name });
                replicate::replicate(self, task, collector).await?
            }
        };
        // Whoever still waits for this stream's keys gets to know that there are none.
        self.parents.give(
            name,
            &Err(NoParents { outcome: report.outcome, message: report.message.clone().unwrap_or_default() }),
        );
        // What was tried and refused may come in the next run; what is known to be out of reach is nothing to wait for.
        let out_of_reach =
            matches!(task.action, Action::Leave { outcome: Outcome::Skipped | Outcome::Frozen, .. });
        if report.outcome != Outcome::Done && !out_of_reach {
            self.unfinished.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
        }
        report.began = begun.saturating_sub(self.begun).as_secs_f64();
        report.delays = self.edges.source.delays(task.stream);
        report.seconds = self.edges.clock.monotonic().saturating_sub(begun).as_secs_f64();
        self.edges.observer.event(&Event::Finished { stream: name, outcome: report.outcome });
        Ok(report)
    }

    fn record(&self, report: &Report) -> RunRecord {
        RunRecord {
            run: self.number,
            started_at: self.started_at,
            finished_at: self.started_at + (report.seconds * MICROS_PER_SECOND as f64) as Micros,
            outcome: report.outcome_word().to_owned(),
            requests: report.requests,
            tables: report.tables.clone(),
        }
    }
}
