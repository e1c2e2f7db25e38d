//! Reads the tenant again and compares it with the destination: what is equal, and which rows are not.
//!
//! Changes nothing: no row, no checkpoint, no record of a run. Everything is read and staged first and the log last, so that what changed at
//! the tenant since the last run, this reading included, is told apart from what is wrong.

use futures::StreamExt as _;
use futures::stream;

use crate::catalog::{Catalog, Replication};
use crate::clock::{MICROS_PER_SECOND, Micros};
use crate::destination::{Comparison, Expected};
use crate::error::{DestinationError, DestinationErrorKind, DestinationResult};
use crate::source::{Access, Read};
use crate::state::State;

use super::changes::{Changes, Told};
use super::collect::{Collector, listen};
use super::drift::Later;
use super::parents::{NoParents, Parents};
use super::plan::{self, Action, Reach, Task};
use super::replicate::{Reading, StreamError, ended};
use super::{Edges, Event, Mutex, Options, Outcome, Run, SyncError, absence};

/// Keys that are kept of each kind of difference in a table; all are counted.
pub const KEYS_MAX: usize = 1_000;
/// Every plan keeps events for at least this long: a sample of the log is a stretch of it.
const STRETCH: Micros = 24 * 3_600 * MICROS_PER_SECOND;

/// How much of the tenant is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Everything that the tenant holds.
    Full,
    /// About this many records of each stream, drawn by chance from what the destination holds; where the API gives no single records, the
    /// first ones of the list.
    Sample(u64),
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq)]
pub struct Verification {
    /// One entry for each selected table, in catalog order.
    pub tables: Vec<Verified>,
    /// What to know for reading it, in sentences.
    pub notes: Vec<String>,
    /// Requests sent in all.
    pub requests: u64,
    /// Seconds from begin to end.
    pub seconds: f64,
}

/// What was found of one table.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// The table.
    pub table: &'static str,
    /// Columns of its merge key, which keys are values of.
    pub key: &'static [&'static str],
    /// Whether it was compared.
    pub outcome: Outcome,
    /// Why not, or what to know.
    pub message: Option<String>,
    /// How its rows relate.
    pub comparison: Comparison,
}

impl Verification {
    /// Rows that are not as they should be, in all tables.
    pub fn drifted(&self) -> u64 {
        self.tables.iter().map(|table| table.comparison.drifted()).sum()
    }

    /// Whether every selected table was compared.
    pub fn all_compared(&self) -> bool {
        self.tables.iter().all(|table| matches!(table.outcome, Outcome::Done | Outcome::Frozen))
    }
}

/// A stream that is looked at: as an earlier run left it, and as it is read now.
struct Check {
    known: Task,
    read: Task,
}

/// Compares the selected tables with the tenant. Needs a destination that a run has filled; reading access to it is enough.
pub async fn verify(
    edges: &Edges,
    catalog: &'static Catalog,
    options: &Options,
    depth: Depth,
) -> Result<Verification, SyncError> {
    let begun = edges.clock.monotonic();
    edges.source.begin();
    let state = edges.destination.state().await?;
    if state.last_run == 0 {
        return Err(never_filled().into());
    }
    edges.destination.claim(&options.tenant).await?;
    let access = edges.source.connect().await?;
    let checks = checks(catalog, options, &access, &state, depth);
    let reads: Vec<Task> = checks.iter().map(|check| check.read.clone()).collect();
    let started_at = edges.clock.now();
    let tenant_time = started_at + access.clock_ahead_seconds.unwrap_or(0) * MICROS_PER_SECOND;
    let run = Run {
        edges: edges.clone(),
        catalog,
        number: state.last_run,
        begun: edges.clock.monotonic(),
        started_at,
        tenant_time,
        parents: Parents::of(&reads),
        follows_log: false,
        told: None,
        later: Later::new(tenant_time),
        compares: Some(KEYS_MAX),
        unfinished: Mutex::default(),
        ended: Mutex::default(),
    };
    let mut found = gathered(&run, &checks, options, depth).await?;
    let mut notes = Vec::new();
    let changes = told(&run, &checks, &access, &state, &mut notes).await?;
    let mut tables = Vec::new();
    found.sort_by_key(|(at, ..)| *at);
    for (at, reading, result) in found {
        let check = &checks[at];
        let result = match (reading, result) {
            (Some(reading), Ok(complete)) => {
                compared(&run, check, changes.as_ref(), reading, complete, &mut tables).await?;
                continue;
            }
            (_, result) => result,
        };
        let (outcome, message) = match &check.read.action {
            Action::Leave { .. } if has_nothing_to_read(&run, check).await => (Outcome::Done, None),
            Action::Leave { outcome, message } => (*outcome, message.clone()),
            Action::Read => ended(&check.read, result)?,
        };
        tables.extend(left(&check.read, outcome, message.as_deref()));
    }
    let seconds = edges.clock.monotonic().saturating_sub(begun).as_secs_f64();
    Ok(Verification { tables, notes, requests: edges.source.requests(), seconds })
}

/// Whether a stream without a checkpoint is a log in which nothing ever happened: a read of it has no position to keep, and is up to date.
async fn has_nothing_to_read(run: &Run, check: &Check) -> bool {
    let stream = check.read.stream;
    if stream.replication != Replication::Log
        || check.known.from.is_some()
        || check.known.action != Action::Read
    {
        return false;
    }
    let read = Read { stream, parents: Vec::new(), from: None, since: None };
    matches!(run.edges.source.open(read).next().await, Ok(None))
}

fn never_filled() -> DestinationError {
    let message = "no finished run has filled it: there is nothing to compare";
    DestinationError::new(DestinationErrorKind::Unavailable, "verify the tables", message)
}

/// The streams to look at, in catalog order.
fn checks(
    catalog: &'static Catalog,
    options: &Options,
    access: &Access,
    state: &State,
    depth: Depth,
) -> Vec<Check> {
    let check = |mut known: Task| {
        known.from = None;
        if let Some((name, checkpoint)) = plan::covering(known.stream, &known.tables, state) {
            known.checkpoint_name = name;
            known.from = Some(checkpoint);
        }
        // What a run has parked is that run's.
        known.parked = None;
        let mut read = Task { from: None, ..known.clone() };
        if known.from.is_none() && !known.tables.is_empty() && known.action == Action::Read {
            let message = Some("no run has brought it up to date yet".to_owned());
            read.action = Action::Leave { outcome: Outcome::Skipped, message };
        }
        if matches!(depth, Depth::Sample(_)) && known.stream.replication != Replication::Daily {
            read.reach = Reach::Told(Told::default());
        }
        Check { known, read }
    };
    let tasks = plan::tasks(catalog, options, access, state).into_iter();
    // A sample of a fan-out takes its parents from the destination.
    let is_needed = |task: &Task| depth == Depth::Full || !task.tables.is_empty();
    tasks.filter(is_needed).map(check).collect()
}

/// What became of reading each stream: its place, what was read, and whether it was complete.
type Gathered<'a> = (usize, Option<Reading<'a>>, Result<bool, StreamError>);

/// Reads and stages every stream.
async fn gathered<'a>(
    run: &Run,
    checks: &'a [Check],
    options: &Options,
    depth: Depth,
) -> DestinationResult<Vec<Gathered<'a>>> {
    let gather = async |at: usize| {
        let Check { known, read } = &checks[at];
        let name = read.stream.name;
        if read.action != Action::Read {
            give_none(run, read, "it is not read");
            return Ok((at, None, Ok(true)));
        }
        run.edges.observer.event(&Event::Started { stream: name });
        let mut reading = Reading::new(run, read, None);
        if known.stream.replication == Replication::Log || known.stream.replication == Replication::Daily {
            // These are compared as they come, and go by their records' own times.
            reading.expected = Some(plan::expected(run.catalog, known, &Changes::default()));
        }
        let result = match depth {
            Depth::Full => reading.gather(run, read).await,
            Depth::Sample(records) => gather_some(run, read, &mut reading, records).await,
        };
        let outcome = if result.is_ok() { Outcome::Done } else { Outcome::Failed };
        run.edges.observer.event(&Event::Finished { stream: name, outcome });
        if let Err(error) = &result {
            give_none(run, read, &error.to_string());
            run.edges.destination.unstage(read.stream).await?;
        }
        reading.give_parents(run);
        Ok((at, Some(reading), result))
    };
    let at_once = options.streams_at_once.max(1);
    let mut running = stream::iter((0..checks.len()).map(gather)).buffer_unordered(at_once);
    let mut found = Vec::new();
    while let Some(gathered) = running.next().await {
        found.push(gathered?);
    }
    Ok(found)
}

/// Whoever waits for this stream's keys gets to know that there are none.
fn give_none(run: &Run, task: &Task, why: &str) {
    let none = NoParents { outcome: Outcome::Failed, message: why.to_owned() };
    run.parents.give(task.stream.name, &Err(none));
}

/// Reads some records of a stream.
async fn gather_some(
    run: &Run,
    task: &Task,
    reading: &mut Reading<'_>,
    records: u64,
) -> Result<bool, StreamError> {
    let (stream, root) = (task.stream, task.stream.root());
    if stream.replication == Replication::Daily {
        return reading.gather(run, task).await;
    }
    if stream.replication == Replication::Log {
        let since = run.tenant_time - (run.edges.clock.jitter() * STRETCH as f64) as Micros;
        read_some(run, task, reading, Some(since), records).await?;
        reading.stage(run, true).await?;
        return Ok(true);
    }
    let has_record_path = stream.endpoint.as_ref().is_some_and(|endpoint| endpoint.record_path.is_some());
    let parent = root.parent_column().and_then(|column| root.key.iter().position(|key| *key == column.name));
    if parent.is_none() && !(has_record_path && root.key.len() == 1) {
        if read_some(run, task, reading, None, records).await? {
            reading.came_whole();
            reading.stage(run, true).await?;
            absence::confirm(run, task, reading).await?;
        }
        reading.stage(run, true).await?;
        return Ok(true);
    }
    let seed = (run.edges.clock.jitter() * (1_u64 << 53) as f64) as u64;
    let rows = usize::try_from(records).unwrap_or(usize::MAX);
    let drawn = run.edges.destination.sample(stream, rows, seed).await?;
    let keys = drawn.into_iter().filter_map(|key| key.into_iter().nth(parent.unwrap_or(0))).collect();
    match parent {
        Some(_) => reading.read_children(run, task, &keys).await?,
        None => reading.look_at(run, &keys).await?,
    }
    reading.stage(run, true).await?;
    Ok(true)
}

/// Reads pages until this many records came, or to the end of the list; whether that is where it ended.
async fn read_some(
    run: &Run,
    task: &Task,
    reading: &mut Reading<'_>,
    since: Option<Micros>,
    records: u64,
) -> Result<bool, StreamError> {
    let read = Read { stream: task.stream, parents: Vec::new(), from: None, since };
    let mut pages = run.edges.source.open(read);
    let mut ended = false;
    while reading.records() < records {
        let Some(page) = pages.next().await? else {
            ended = pages.complete();
            break;
        };
        reading.take_page(run, &page).await?;
        reading.heard(run, pages.as_ref());
    }
    reading.requests += pages.requests();
    Ok(ended)
}

/// What the log tells of changes that no run has applied; `None` where it could not be read.
async fn told(
    run: &Run,
    checks: &[Check],
    access: &Access,
    state: &State,
    notes: &mut Vec<String>,
) -> DestinationResult<Option<Changes>> {
    let catalog = run.catalog;
    let known: Vec<Task> = checks.iter().map(|check| check.known.clone()).collect();
    let feed = catalog.stream(catalog.feed.stream);
    let feed_name = feed.and_then(|feed| plan::covering(feed, &[feed.root().name], state));
    let feed_name = feed_name.map(|(name, _)| name).unwrap_or_default();
    let Some(unapplied) = plan::unapplied_since(&known, &feed_name, state) else {
        return Ok(Some(Changes::default()));
    };
    let mut collector = Collector::new(unapplied).trusting();
    let why = match feed.and_then(|feed| feed.endpoint.as_ref()) {
        Some(endpoint) if !plan::is_granted(access, endpoint.scope) => plan::missing_scope(endpoint.scope),
        _ => match listen(&run.edges, catalog, unapplied.since, &mut collector).await {
            Ok(true) => return Ok(Some(collector.changes)),
            Ok(false) => "it could not be read to its end".to_owned(),
            Err(StreamError::Destination(error)) => return Err(error),
            Err(error) => error.to_string(),
        },
    };
    notes.push(format!(
        "the log did not tell what changed since the last run, so that such changes count as drift: {why}"
    ));
    Ok(None)
}

/// Compares what was read of one stream.
async fn compared(
    run: &Run,
    check: &Check,
    changes: Option<&Changes>,
    mut reading: Reading<'_>,
    complete: bool,
    tables: &mut Vec<Verified>,
) -> DestinationResult<()> {
    let task = &check.read;
    let expected = changes.map(|changes| plan::expected(run.catalog, &check.known, changes));
    // What the records' own times tell needs no log.
    reading.expected = reading.expected.take().or(expected);
    let anything = reading.expected.as_ref().is_some_and(|expected: &Expected| expected.anything);
    let result = reading.publish_as(run, None).await.map(|()| complete);
    let (outcome, mut message) = ended(task, result)?;
    let mut comparisons = std::mem::take(&mut reading.compared);
    if anything && comparisons.values().any(|comparison| comparison.unsynced.rows > 0) {
        message.get_or_insert_with(|| CHANGES_UNTOLD.to_owned());
    }
    for mut verified in left(task, outcome, message.as_deref()) {
        verified.comparison = comparisons.remove(verified.table).unwrap_or_default();
        tables.push(verified);
    }
    Ok(())
}

const CHANGES_UNTOLD: &str = "the log does not tell which rows changed since the last full read: what differs counts as not synced yet";

/// The tables of a stream, before anything is known of their rows.
fn left(task: &Task, outcome: Outcome, message: Option<&str>) -> Vec<Verified> {
    let verified = |table: &&'static str| {
        let key = task.stream.table(table)?.key;
        let message = message.map(str::to_owned);
        Some(Verified { table, key, outcome, message, comparison: Comparison::default() })
    };
    task.tables.iter().filter_map(verified).collect()
}
