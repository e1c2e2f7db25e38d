//! What must hold of single records and runs at every publish: no record is torn, nothing is quarantined in silence, no run's number comes
//! twice.
//!
//! Like `check`, it knows of the replicator the shape of its tables and the order of their keys alone.

use std::collections::{BTreeMap, BTreeSet};

use tenantry_oracle::{Row, Tables};
use tenantry_replication::catalog::{Column, Replication, Table};
use tenantry_replication::destination::{Commit, MemoryDestination, Published, Scope};
use tenantry_replication::sync::{Outcome, Report};

use crate::check::cells;
use crate::history;
use crate::sightings::Sighting;
use crate::world::World;

/// Keys of a table's rows, by the record that they belong to.
type ByRecord = BTreeMap<Vec<String>, BTreeSet<Vec<String>>>;

fn by_record<'a>(
    table: &Table,
    columns: &[&'static Column],
    rows: impl Iterator<Item = &'a Row>,
) -> ByRecord {
    let mut found = ByRecord::new();
    for row in rows {
        let text = |column: &&'static Column| row.get(column.name).cloned().flatten().unwrap_or_default();
        found.entry(columns.iter().map(text).collect()).or_default().insert(history::key(table, row));
    }
    found
}

/// A record's rows in a child table are those that it had at one moment, never some of one and some of another. A record of
/// which a part did not fit keeps its old rows beside the new ones, until it is read whole again.
pub(crate) fn are_whole(world: &World, memory: &MemoryDestination, commit: &Commit, published: &Published) {
    let stream = commit.stream;
    if !matches!(stream.replication, Replication::FullTable | Replication::Export) {
        return;
    }
    let is_spared = |record: &Vec<String>| match &commit.scope {
        Scope::Records { spared } | Scope::Table { spared } => spared.contains(record),
        // A record came whose key could not be read: it may have been a part of any.
        Scope::Rows => true,
    };
    for (name, counts) in &published.tables {
        let Some(table) = stream.children().iter().find(|table| table.name == *name) else { continue };
        let columns: Vec<_> = stream.parent_key(table).into_iter().map(|(_, own)| own).collect();
        if columns.is_empty() || counts.inserted + counts.updated + counts.deleted == 0 {
            continue;
        }
        let rows = memory.rows(table.name);
        let rows: Vec<Row> = rows.iter().filter(|row| !row.deleted).map(cells).collect();
        let held = by_record(table, &columns, rows.iter());
        let mut torn: BTreeSet<_> = held.keys().collect();
        let told = |truth: &Tables| {
            let rows = truth.get(table.name);
            by_record(table, &columns, rows.into_iter().flat_map(|rows| rows.values()))
        };
        let found = {
            let state = &mut *world.state();
            state.history.until(|truth| {
                let told = told(truth);
                torn.retain(|record| held.get(*record) != told.get(*record));
                torn.is_empty()
            });
            let before = state.torn.remove(table.name).unwrap_or_default();
            let (known, found): (BTreeSet<_>, BTreeSet<_>) =
                torn.into_iter().partition(|record| is_spared(record) || before.contains(*record));
            state.torn.insert(table.name, known.into_iter().cloned().collect());
            found
        };
        if let Some(record) = found.first() {
            let found = format!("{} of {record:?} are those of no moment: {:?}", table.name, held[*record]);
            world.violated("whole records", found);
        }
    }
}

/// What a report counts as quarantined is kept.
pub(crate) fn quarantine_is_kept(world: &World, memory: &MemoryDestination, report: &Report) {
    let kept = memory.quarantined();
    for table in report.tables.iter().filter(|table| table.quarantined > 0) {
        let is_kept = |kept: &&tenantry_replication::destination::KeptQuarantine| {
            kept.quarantine.table == table.table && kept.run == report.run
        };
        if table.outcome == Outcome::Done.word() && kept.iter().find(is_kept).is_none() {
            let found =
                format!("{} records of {} did not fit, and none is kept", table.quarantined, table.table);
            world.violated("I10 nothing dropped silently", found);
        }
    }
}

/// Notes a quarantined record that others depend on.
pub(crate) fn note_quarantined(world: &World, commit: &Commit) {
    let catalog = &tenantry_replication::catalog::CATALOG;
    let is_parent = |stream: &tenantry_replication::catalog::Stream| {
        stream.parent.as_ref().is_some_and(|parent| parent.stream == commit.stream.name)
    };
    let root = commit.stream.root().name;
    let is_known = |key: &str| !key.is_empty() && !key.contains("null");
    let by_key = commit.quarantined.iter().any(|one| one.table == root && is_known(&one.key));
    if by_key && catalog.streams.iter().any(is_parent) {
        world.saw(Sighting::ParentQuarantined);
    }
}
