//! The invariants, judged by the tenant's history and the oracle.
//!
//! Shares nothing with the replicator but the shape of its tables and the order of its merge keys. What is checked where:
//!
//! | invariant | where |
//! |---|---|
//! | I1 no lost event, no false gap | [`log_is_whole`] at the end, [`gaps_are_true`] at each publish |
//! | I2 no key twice | [`keys_are_unique`] after each run |
//! | I3 state behind data | [`position_is_not_ahead`] after each run, killed ones above all |
//! | I4 no false delete | `warehouse`, at each publish that marks rows deleted |
//! | I5 converges | [`equals_tenant`] after the run that must find everything; then a verification must agree (`life::aside`) |
//! | I6 idempotent | a run over an unchanged tenant (`life`), and each verification (`life::aside`), must change nothing |
//! | I7 bounded | requests (`world`), time (`life`), tokens (`conduct`) of each run |
//! | I8 limits | `conduct`, at the end: own refusals of the whole trial |
//! | I9 secrets | where the token goes (`network`), what runs say (`life`) |
//! | I10 named failures | no panic (`life`), no failure by what passes, nothing dropped silently (`conduct`), a reason for each table (`conduct`) |
//! | whole records, run numbers | `records` and `warehouse`, at each publish: no record of two moments, no number of two runs |
//! | one writer | `life::rival`: who has lost the lease writes nothing |

use std::collections::{BTreeMap, BTreeSet};

use tenantry_oracle::{Cell, Row, Rows, Tables, show_micros};
use tenantry_replication::catalog::{CATALOG, Replication, Table};
use tenantry_replication::clock::Micros;
use tenantry_replication::destination::{Commit, MemoryDestination, Value};
use tenantry_replication::source::Gap;

use crate::history;
use crate::sightings::Sighting;
use crate::warehouse::Warehouse;
use crate::world::World;

/// Differences of one table that are told; more say nothing new.
const TOLD_MAX: usize = 3;
/// What a log id begins with, before its time.
const ID_PREFIX: usize = 3;
/// How late an event may become readable, in seconds.
const LATE_MAX: i64 = 120;
/// How exactly the time of a position is known.
const POSITION_SLACK: Micros = 2 * 60 * 1_000_000;

/// A row as the oracle writes it.
pub(crate) fn cells(row: &tenantry_replication::destination::Row) -> Row {
    row.values.iter().map(|(name, value)| (*name, cell(value))).collect()
}

fn cell(value: &Value) -> Cell {
    match value {
        Value::Null => None,
        Value::Text(text) => Some(text.clone()),
        Value::Boolean(boolean) => Some(boolean.to_string()),
        Value::Integer(integer) => Some(integer.to_string()),
        Value::Timestamp(micros) => Some(show_micros(*micros)),
    }
}

/// A row's merge key, as the oracle writes it.
pub(crate) fn key(table: &Table, row: &tenantry_replication::destination::Row) -> Vec<String> {
    let of_key = row.values.iter().filter(|(name, _)| table.key.contains(name));
    history::key(table, &of_key.map(|(name, value)| (*name, cell(value))).collect())
}

/// Rows of a table by key: cells, and whether they are marked deleted.
fn held(memory: &MemoryDestination, table: &Table) -> BTreeMap<Vec<String>, (Row, bool)> {
    let rows = memory.rows(table.name);
    rows.iter().map(|row| (key(table, row), (cells(row), row.deleted))).collect()
}

/// I2: no two rows of a table have one merge key, as the oracle writes keys.
pub(crate) fn keys_are_unique(world: &World, memory: &MemoryDestination) {
    for table in CATALOG.tables() {
        let rows = memory.rows(table.name);
        let keys: BTreeSet<_> = rows.iter().map(|row| key(table, row)).collect();
        if keys.len() < rows.len() {
            let found = format!("{} has {} rows with {} keys", table.name, rows.len(), keys.len());
            world.violated("I2 no duplicates", found);
        }
    }
}

/// I5: every table is the tenant: every live row equal, everything else marked deleted. Daily figures may also be those of `before` the
/// run: they move by themselves.
pub(crate) fn equals_tenant(world: &World, memory: &MemoryDestination, before: &Tables) {
    let truth = world.state().history.now();
    for stream in CATALOG.streams {
        if matches!(stream.replication, Replication::Log | Replication::Frozen) {
            continue;
        }
        for table in stream.tables {
            let nothing = Rows::new();
            let mut expected = truth.get(table.name).unwrap_or(&nothing);
            let only_grows = stream.replication == Replication::Daily;
            let held = held(memory, table);
            let earlier = before.get(table.name).unwrap_or(&nothing);
            if only_grows
                && earlier.iter().all(|(key, row)| held.get(key).is_some_and(|(cells, _)| cells == row))
            {
                expected = earlier;
            }
            compare(world, table, expected, &held, only_grows);
        }
    }
}

fn compare(
    world: &World,
    table: &Table,
    expected: &Rows,
    held: &BTreeMap<Vec<String>, (Row, bool)>,
    only_grows: bool,
) {
    let mut found = Vec::new();
    for (key, row) in expected {
        let what = match held.get(key) {
            None => "is missing".to_owned(),
            Some((_, true)) => "lives and is marked deleted".to_owned(),
            Some((cells, false)) if cells != row => {
                let differs: Vec<String> = row
                    .iter()
                    .filter(|(name, cell)| cells.get(*name) != Some(cell))
                    .map(|(name, cell)| format!("{name}: tenant {cell:?}, table {:?}", cells.get(name)))
                    .collect();
                format!("differs: {}", differs.join("; "))
            }
            Some(_) => continue,
        };
        found.push((key, what));
    }
    for (key, (_, deleted)) in held {
        if !expected.contains_key(key) && !deleted && !only_grows {
            found.push((key, "is gone from the tenant and not marked deleted".to_owned()));
        }
    }
    let more = found.len().saturating_sub(TOLD_MAX);
    for (key, what) in found.into_iter().take(TOLD_MAX) {
        let when = world.state().history.describe(table.name, key);
        world.violated("I5 converges", format!("{} {key:?} {what} ({when}); {more} more", table.name));
    }
}

/// I1: every event that could be read since the first checkpoint is there, once and as it was, unless a gap says so.
pub(crate) fn log_is_whole(world: &World, memory: &MemoryDestination, owed: &BTreeSet<String>) {
    let Some(stream) = CATALOG.stream(CATALOG.feed.stream) else { return };
    let truth = world.state().history.events();
    let gaps = memory.gaps();
    let in_gap = |id: &str| gaps.iter().any(|kept| is_within(&kept.gap, id));
    let root = held(memory, stream.root());
    let (mut lost, mut told) = (0, 0);
    for id in owed {
        if root.contains_key(&vec![id.clone()]) {
            continue;
        }
        if in_gap(id) {
            world.saw(Sighting::EventsLost);
        } else {
            lost += 1;
            if told < TOLD_MAX {
                told += 1;
                world.violated("I1 no lost event", format!("event {id} is missing, and in no gap"));
            }
        }
    }
    if lost > told {
        world.violated("I1 no lost event", format!("{lost} events are missing in all"));
    }
    for table in stream.tables {
        let expected = truth.get(table.name).cloned().unwrap_or_default();
        let held = held(memory, table);
        for (key, (cells, deleted)) in &held {
            if *deleted {
                world.violated("I4 no false delete", format!("{} {key:?} is marked deleted", table.name));
            }
            if expected.get(key) != Some(cells) {
                let found = format!("{} {key:?} is not what the tenant told", table.name);
                world.violated("I1 no lost event", found);
            }
        }
        let whole = |key: &&Vec<String>| root.contains_key(&vec![key[0].clone()]);
        for key in expected.keys().filter(whole) {
            if !held.contains_key(key) {
                world.violated("I1 no lost event", format!("{} {key:?} is missing", table.name));
            }
        }
    }
}

/// I3: the log's position is not ahead of its rows.
pub(crate) fn position_is_not_ahead(world: &World, warehouse: &Warehouse) {
    let Some((position, heard)) = warehouse.seen().position.clone() else { return };
    let Some(stream) = CATALOG.stream(CATALOG.feed.stream) else { return };
    let id = |row: &tenantry_replication::destination::Row| key(stream.root(), row).pop();
    let rows: BTreeSet<String> = warehouse.memory().rows(stream.root().name).iter().filter_map(id).collect();
    let gaps = warehouse.memory().gaps();
    let in_gap = |id: &str| gaps.iter().any(|kept| is_within(&kept.gap, id));
    let owed = world.state().history.owed().clone();
    let missing: Vec<_> = heard
        .iter()
        .filter(|id| **id <= position && owed.contains(*id) && !rows.contains(*id) && !in_gap(id))
        .collect();
    if let Some(first) = missing.first() {
        let found = format!(
            "{} events up to the position {position} are not in the table, {first} first",
            missing.len()
        );
        world.violated("I3 state behind data", found);
    }
}

/// Whether an event is one that a gap stands for: what came late, just before the position, is among them.
fn is_within(gap: &Gap, id: &str) -> bool {
    let begins = time_in(&gap.from).is_none_or(|from| time_in(id).is_some_and(|at| at >= from - LATE_MAX));
    begins && (gap.to.is_empty() || id < gap.to.as_str())
}

/// Seconds since midnight of day 0, in months of 31 days: good enough to tell how far apart two ids of about one time are.
fn time_in(id: &str) -> Option<i64> {
    let number = |at: std::ops::Range<usize>| id.get(at)?.parse::<i64>().ok();
    let days = (number(3..7)? * 12 + number(7..9)?) * 31 + number(9..11)?;
    Some(((days * 24 + number(11..13)?) * 60 + number(13..15)?) * 60 + number(15..17)?)
}

/// I1: a gap is told only where the position is older than what the tenant keeps.
pub(crate) fn gaps_are_true(world: &World, commit: &Commit) {
    world.listen();
    let kept_from = world.state().history.kept_from;
    for gap in &commit.gaps {
        let digits: String =
            show_micros(kept_from + POSITION_SLACK).chars().filter(char::is_ascii_digit).take(14).collect();
        let position = gap.from.get(ID_PREFIX..ID_PREFIX + digits.len()).unwrap_or_default();
        // Where nothing that old is left, nobody can know whether there was anything: then a gap is told in doubt.
        let proven = world.state().history.held.first().is_some_and(|oldest| oldest <= &gap.from);
        if position > digits.as_str() && proven {
            let found =
                format!("a gap from {} is told, and the tenant keeps everything from {digits}", gap.from);
            world.violated("I1 no false gap", found);
        }
    }
}

/// Everything that a destination holds, to tell whether a run changed it; what only grows is left out.
pub(crate) fn rows_that_may_not_move(
    memory: &MemoryDestination,
) -> BTreeMap<&'static str, Vec<tenantry_replication::destination::Row>> {
    let lists = CATALOG
        .streams
        .iter()
        .filter(|stream| matches!(stream.replication, Replication::FullTable | Replication::Export));
    lists.flat_map(|stream| stream.tables).map(|table| (table.name, memory.rows(table.name))).collect()
}
