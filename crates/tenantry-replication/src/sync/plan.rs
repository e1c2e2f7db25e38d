//! What to do for each stream of a run: pure decisions from catalog, selection, scopes, checkpoints and what the log told.

use crate::catalog::{Catalog, Replication, Stream};
use crate::clock::{Micros, micros};
use crate::defects::{Defect, planted};
use crate::destination::Expected;
use crate::normalize::parse_timestamp;
use crate::source::Access;
use crate::state::{Checkpoint, Parked, State};

use super::changes::{Changes, Told};
use super::{Options, Outcome};

/// How far before the last applied change users are asked for again: their search index trails behind, and clocks differ.
pub(super) const USERS_OVERLAP: Micros = 60 * crate::clock::MICROS_PER_SECOND;
/// How far before the last applied change its events are applied again: lists trail behind too.
pub(super) const LISTS_OVERLAP: Micros = USERS_OVERLAP;
/// How far before the last applied change events are listened to: others may still become readable, and clocks differ.
pub(super) const LOG_OVERLAP: Micros = 120 * crate::clock::MICROS_PER_SECOND;

/// What a run does for one stream.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Task {
    pub(super) stream: &'static Stream,
    /// The stream's tables that are written; none for a parent that is read for its fan-out alone.
    pub(super) tables: Vec<&'static str>,
    pub(super) action: Action,
    /// How much of the stream is read.
    pub(super) reach: Reach,
    /// The name that its checkpoint is kept by.
    pub(super) checkpoint_name: String,
    /// Where the last run stopped.
    pub(super) from: Option<Checkpoint>,
    /// A read that an earlier run has broken off, and this one goes on with.
    pub(super) parked: Option<Parked>,
    /// Whether a parked read is of no use, and is forgotten first.
    pub(super) forgets: bool,
    /// Whether a fan-out waits for this stream's keys.
    pub(super) is_parent: bool,
}

impl PartialEq for Stream {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// Whether a stream is read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    /// Read it.
    Read,
    /// Leave its tables as they are, and say why.
    Leave { outcome: Outcome, message: Option<String> },
}

/// How much of a stream is read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reach {
    /// All of it; for events and daily figures: from the checkpoint on.
    Whole,
    /// What the log told, and nothing else.
    Told(Told),
    /// What changed at this time (by the tenant's clock) or later, and what the log told.
    Since(Micros, Told),
}

/// One task for each stream that a selected table needs, in catalog order, each with its whole reach.
pub(super) fn tasks(
    catalog: &'static Catalog,
    options: &Options,
    access: &Access,
    state: &State,
) -> Vec<Task> {
    let selected = |stream: &Stream| stream.tables.iter().any(|table| options.tables.contains(table.name));
    let needed_by_fan_out = |stream: &Stream| {
        catalog.streams.iter().any(|other| {
            selected(other) && other.parent.as_ref().is_some_and(|parent| parent.stream == stream.name)
        })
    };
    let task = |stream: &'static Stream| {
        let tables: Vec<_> = stream
            .tables
            .iter()
            .map(|table| table.name)
            .filter(|name| options.tables.contains(name))
            .collect();
        let checkpoint_name = checkpoint_name(stream, &tables);
        let is_log = stream.replication == Replication::Log;
        Task {
            stream,
            action: action(stream, access),
            // A log that is read again has to tell a gap behind its old position all the same.
            reach: if is_log && options.full { Reach::Since(0, Told::default()) } else { Reach::Whole },
            from: state.checkpoints.get(&checkpoint_name).filter(|_| is_log || !options.full).cloned(),
            parked: None,
            forgets: false,
            checkpoint_name,
            tables,
            is_parent: needed_by_fan_out(stream),
        }
    };
    catalog.streams.iter().filter(|stream| selected(stream) || needed_by_fan_out(stream)).map(task).collect()
}

/// Takes up reads that an earlier run has broken off, where they are of the same tables and not too old: what a list held when its first
/// page came must not be further back than any other run would leave it.
pub(super) fn take_up(catalog: &Catalog, options: &Options, tasks: &mut [Task], state: &State, now: Micros) {
    for task in tasks.iter_mut().filter(|task| task.action == Action::Read) {
        let Some(parked) = state.parked.get(task.stream.name) else { continue };
        let superseded = match task.from {
            Some(Checkpoint::Full { read_at, .. }) => parked.begun_at <= read_at,
            _ => false,
        };
        let is_same = parked.checkpoint == task.checkpoint_name;
        task.forgets =
            options.full || !is_same || superseded || is_due(catalog, options, task, parked.begun_at, now);
        task.parked = (!task.forgets).then(|| parked.clone());
    }
}

/// Whether a complete read of a stream that began at `read_at` is too old to rely on.
pub(super) fn is_due(
    catalog: &Catalog,
    options: &Options,
    task: &Task,
    read_at: Micros,
    now: Micros,
) -> bool {
    let untold = catalog.feed.untold.contains(&task.stream.name);
    let every = if untold { options.untold_every } else { options.full_every };
    now.saturating_sub(read_at) >= micros(every) || is_ahead(read_at, now)
}

/// Whether a time that an earlier run noted has not come yet: its clock was wrong, and nothing is known of what happened since.
pub(super) fn is_ahead(noted: Micros, now: Micros) -> bool {
    noted > now.saturating_add(LOG_OVERLAP) && !planted(Defect::FutureBelieved)
}

/// A checkpoint stands for the tables that were written with it, and for no others.
fn checkpoint_name(stream: &Stream, tables: &[&str]) -> String {
    if tables.len() == stream.tables.len() {
        stream.name.to_owned()
    } else {
        format!("{}: {}", stream.name, tables.join(", "))
    }
}

fn action(stream: &Stream, access: &Access) -> Action {
    let Some(endpoint) = &stream.endpoint else {
        return Action::Leave { outcome: Outcome::Frozen, message: None };
    };
    if is_granted(access, endpoint.scope) {
        Action::Read
    } else {
        Action::Leave { outcome: Outcome::Skipped, message: Some(missing_scope(endpoint.scope)) }
    }
}

/// Whether the token has a scope, as far as it tells.
pub(super) fn is_granted(access: &Access, scope: &str) -> bool {
    access.scopes.as_ref().is_none_or(|granted| granted.iter().any(|one| one == scope))
}

/// What the report says of a table whose scope the token lacks.
pub(super) fn missing_scope(scope: &str) -> String {
    format!("the token lacks `{scope}`")
}

/// Which events tell of changes that are not applied yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unapplied {
    /// The time from which events must be read.
    pub(super) since: Micros,
    /// Events from before were applied by complete reads, although they may become readable only now.
    pub(super) read_since: Micros,
    /// Whether events that the destination already holds were applied by the run that wrote them.
    pub(super) known_are_applied: bool,
}

/// Which events tell of changes that are not applied yet; `None` where nothing would be spared.
pub(super) fn told_since(catalog: &Catalog, tasks: &[Task], state: &State) -> Option<Unapplied> {
    let feed = tasks.iter().find(|task| task.stream.name == catalog.feed.stream)?;
    if feed.action != Action::Read {
        return None;
    }
    unapplied_since(tasks, &feed.checkpoint_name, state)
}

/// The same, whether or not the log is among the tasks; `feed` is the name that its checkpoint is kept by.
pub(super) fn unapplied_since(tasks: &[Task], feed: &str, state: &State) -> Option<Unapplied> {
    let narrowable = || {
        tasks
            .iter()
            .filter(|task| task.action == Action::Read)
            .filter_map(|task| Some((task, applied_at(task)?)))
    };
    let since = narrowable().map(|(_, at)| at).min()?;
    let read_at = |task: &Task| match task.from {
        Some(Checkpoint::Full { read_at, .. }) => Some(read_at),
        _ => None,
    };
    let read_since = narrowable().filter_map(|(task, _)| read_at(task)).min()?;
    // Events that an earlier run has written were applied by it, unless it ended between writing them and applying them, or wrote them
    // while a list was read.
    let run_of = |name: &str| state.checkpoint_runs.get(name).copied();
    let is_behind = |task: &Task| matches!(task.from, Some(Checkpoint::Full { behind_log: true, .. }));
    let known_are_applied = run_of(feed).is_some_and(|run| {
        narrowable().all(|(task, _)| run_of(&task.checkpoint_name) >= Some(run) && !is_behind(task))
            || planted(Defect::WrittenMeansApplied)
    });
    // The tenant's clock is known to a second or so, and events become readable late.
    Some(Unapplied { since: since - LOG_OVERLAP, read_since: read_since - LOG_OVERLAP, known_are_applied })
}

/// The name of a checkpoint that stands for these tables of a stream, and perhaps for others: where there are several, the one that
/// knows of the latest changes.
pub(super) fn covering(stream: &Stream, tables: &[&str], state: &State) -> Option<(String, Checkpoint)> {
    let covers = |name: &str| match name.strip_prefix(stream.name) {
        Some("") => true,
        Some(rest) => rest.strip_prefix(": ").is_some_and(|names| {
            let names: Vec<&str> = names.split(", ").collect();
            tables.iter().all(|table| names.contains(table))
        }),
        None => false,
    };
    let candidates = state.checkpoints.iter().filter(|(name, _)| covers(name));
    let latest = candidates.max_by_key(|(_, checkpoint)| known_until(checkpoint));
    latest.map(|(name, checkpoint)| (name.clone(), checkpoint.clone()))
}

/// The time up to which a checkpoint's rows are known to be those of the tenant.
fn known_until(checkpoint: &Checkpoint) -> Option<Micros> {
    match checkpoint {
        Checkpoint::Full { read_at, applied_at, .. } => Some(applied_at.unwrap_or(*read_at)),
        Checkpoint::Log { newest, .. } => *newest,
        Checkpoint::Daily { date } => parse_timestamp(date),
        Checkpoint::Events { .. } => None,
    }
}

/// Where the tenant is known to have changed since a stream was last brought up to date, by what the log told and by the records' own
/// times.
pub(super) fn expected(catalog: &Catalog, task: &Task, changes: &Changes) -> Expected {
    let (stream, feed) = (task.stream, &catalog.feed);
    let root = stream.root();
    let mut told = changes.of(catalog, stream.name);
    let anything = told.anything || feed.untold.contains(&stream.name);
    let mut expected = Expected { anything, ..Expected::default() };
    if let [key] = root.key {
        expected.told.push((*key, told.records));
    }
    if let (Some(parent), Some(column)) = (&stream.parent, root.parent_column()) {
        let above = changes.of(catalog, parent.stream);
        expected.anything |= above.anything;
        told.parents.extend(above.records);
        expected.told.push((column.name, told.parents));
    }
    for cascade in feed.cascades.iter().filter(|cascade| cascade.stream == stream.name) {
        let ended = changes.of(catalog, cascade.of);
        expected.anything |= ended.anything;
        expected.told.push((cascade.column, ended.records));
    }
    expected.told.retain(|(_, values)| !values.is_empty());
    let timed = feed.timed.iter().find(|timed| timed.stream == stream.name);
    let known = task.from.as_ref().and_then(known_until);
    expected.since = timed.zip(known).map(|(timed, known)| {
        let overlap = match stream.replication {
            Replication::Export => USERS_OVERLAP,
            Replication::Log => LOG_OVERLAP,
            Replication::FullTable | Replication::Daily | Replication::Frozen => 0,
        };
        (timed.column, known - overlap)
    });
    expected
}

/// Up to when changes of a stream are applied; `None` for streams that are read in full or go on by themselves.
pub(super) fn applied_at(task: &Task) -> Option<Micros> {
    match task.from {
        Some(ref checkpoint @ Checkpoint::Full { .. }) => known_until(checkpoint),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::narrow::tests::options;
    use super::*;
    use crate::catalog::CATALOG;

    #[test]
    fn a_checkpoint_stands_for_its_tables_alone() {
        let mut state = State::default();
        state.checkpoints.insert(
            "clients".into(),
            Checkpoint::Full { read_at: 0, applied_at: None, behind_log: false, read_until: None },
        );
        let some = Options { tables: ["client_callback"].into(), ..options() };
        assert_eq!(tasks(&CATALOG, &some, &Access::default(), &state)[0].from, None);
    }

    #[test]
    fn a_log_that_is_read_again_keeps_the_position_that_a_gap_is_told_by() {
        let mut state = State::default();
        let at = Checkpoint::Log { log_id: "1".into(), newest: None, whole_until: None, read_at: None };
        state.checkpoints.insert("logs".into(), at.clone());
        let tasks = tasks(&CATALOG, &Options { full: true, ..options() }, &Access::default(), &state);
        let log = tasks.iter().find(|task| task.stream.name == "logs").unwrap();
        assert_eq!((&log.from, &log.reach), (&Some(at), &Reach::Since(0, Told::default())));
    }
}
