//! What a publish means: which staged rows count, which rows are swept, which are written.
//!
//! Nothing here can fail but for a table that is not there, which is found out before the first change.

use std::collections::{BTreeMap, BTreeSet};

use super::{Kept, Row, StagedRow, Stored, Value};
use crate::catalog::{Column, Stream, Table};
use crate::clock::Micros;
use crate::destination::{Commit, Counts, Key, Published, Scope};
use crate::error::DestinationResult;

impl Kept {
    /// Publishes. Everything that can fail comes before the first change.
    pub(super) fn publish(
        &mut self,
        mut staged: BTreeMap<&'static str, Vec<StagedRow>>,
        commit: &Commit,
    ) -> DestinationResult<Published> {
        let stream = commit.stream;
        let tables = || stream.tables.iter().filter(|table| commit.tables.contains(&table.name));
        for table in tables() {
            self.table(table, &format!("publish stream {}", stream.name))?;
        }
        for table in stream.tables {
            let rows = staged.entry(table.name).or_default();
            rows.retain(|row| !Record::of(stream, table, &row.values).is_wholly_in(&commit.gone));
        }
        keep_last_pages(stream, &mut staged);
        let records: BTreeSet<Vec<Value>> =
            staged[stream.root().name].iter().map(|row| key_of(stream.root(), &row.values)).collect();
        let mut published = Published::default();
        for table in tables() {
            let came = last_by_key(table, staged.remove(table.name).unwrap_or_default());
            let Some(stored) = self.tables.get_mut(table.name) else { continue };
            let mut counts = Counts { deleted: stored.sweep(commit, &records, &came), ..Counts::default() };
            stored.upsert(came, commit.synced_at, &mut counts);
            published.tables.push((table.name, counts));
        }
        self.keep_state(commit);
        Ok(published)
    }
}

impl Stored {
    /// Marks deleted what the commit says is gone, and gives the number of rows that were not marked before.
    fn sweep(
        &mut self,
        commit: &Commit,
        records: &BTreeSet<Vec<Value>>,
        came: &BTreeMap<Vec<Value>, BTreeMap<&'static str, Value>>,
    ) -> u64 {
        let is_root = self.table.name == commit.stream.root().name;
        let mut swept = 0;
        for (key, row) in self.rows.iter_mut().filter(|(key, row)| !row.deleted && !came.contains_key(*key)) {
            let record = Record::of(commit.stream, self.table, &row.values);
            let absent = match &commit.scope {
                Scope::Rows => false,
                Scope::Records { spared } => {
                    !is_root && record.whole && records.contains(&record.key()) && !record.is_in(spared)
                }
                Scope::Table { spared } => !record.is_in(spared),
            };
            if absent || record.is_wholly_in(&commit.gone) {
                debug_assert!(!came.contains_key(key), "a row that came is never swept");
                row.deleted = true;
                row.synced_at = commit.synced_at;
                swept += 1;
            }
        }
        swept
    }

    /// Writes new rows, and those whose values changed or that were marked deleted.
    fn upsert(
        &mut self,
        came: BTreeMap<Vec<Value>, BTreeMap<&'static str, Value>>,
        synced_at: Micros,
        counts: &mut Counts,
    ) {
        for (key, values) in came {
            let Some(row) = self.rows.get_mut(&key) else {
                self.rows.insert(key, Row { values, deleted: false, synced_at });
                counts.inserted += 1;
                continue;
            };
            if !row.deleted && values.iter().all(|(name, value)| row.values.get(name) == Some(value)) {
                counts.unchanged += 1;
                continue;
            }
            row.values.extend(values);
            row.deleted = false;
            row.synced_at = synced_at;
            counts.updated += 1;
        }
    }
}

/// The record that a row belongs to: positions in the root's key, and the values there.
struct Record {
    parts: Vec<(usize, Value)>,
    whole: bool,
}

impl Record {
    fn of(stream: &'static Stream, table: &Table, values: &BTreeMap<&'static str, Value>) -> Self {
        let root = stream.root();
        let pairs = if table.name == root.name {
            root.key_columns().map(|column| (column, column)).collect()
        } else {
            stream.parent_key(table)
        };
        let part = |(of_root, own): (&'static Column, &'static Column)| {
            let position = root.key.iter().position(|name| *name == of_root.name)?;
            Some((position, values.get(own.name).cloned().unwrap_or(Value::Null)))
        };
        let parts: Vec<_> = pairs.into_iter().filter_map(part).collect();
        Self { whole: parts.len() == root.key.len(), parts }
    }

    fn key(&self) -> Vec<Value> {
        self.parts.iter().map(|(_, value)| value.clone()).collect()
    }

    /// Whether the record is one of `keys`, as far as the row tells.
    fn is_in(&self, keys: &[Key]) -> bool {
        let same = |key: &Key| {
            self.parts
                .iter()
                .all(|(position, value)| key.get(*position).is_some_and(|text| *text == value.key_text()))
        };
        keys.iter().any(same)
    }

    /// The same, and the row tells the whole key: then rows may be deleted for it.
    fn is_wholly_in(&self, keys: &[Key]) -> bool {
        self.whole && self.is_in(keys)
    }
}

/// The row's merge key.
pub(super) fn key_of(table: &Table, values: &BTreeMap<&'static str, Value>) -> Vec<Value> {
    table.key.iter().map(|name| values.get(name).cloned().unwrap_or(Value::Null)).collect()
}

/// Of a record that came on several pages, drops the children that came before the last of them.
fn keep_last_pages(stream: &'static Stream, staged: &mut BTreeMap<&'static str, Vec<StagedRow>>) {
    let mut pages: BTreeMap<Vec<Value>, BTreeSet<i64>> = BTreeMap::new();
    for row in &staged[stream.root().name] {
        pages.entry(key_of(stream.root(), &row.values)).or_default().insert(row.page);
    }
    pages.retain(|_, pages| pages.len() > 1);
    for table in stream.children() {
        let is_last = |row: &StagedRow| {
            let record = Record::of(stream, table, &row.values);
            let last = pages.get(&record.key()).and_then(BTreeSet::last).filter(|_| record.whole);
            last.is_none_or(|last| row.page >= *last)
        };
        staged.entry(table.name).or_default().retain(is_last);
    }
}

/// Of rows with one key keeps that of the last page, and of that page the last.
fn last_by_key(table: &Table, rows: Vec<StagedRow>) -> BTreeMap<Vec<Value>, BTreeMap<&'static str, Value>> {
    let mut last: BTreeMap<Vec<Value>, StagedRow> = BTreeMap::new();
    for row in rows {
        let key = key_of(table, &row.values);
        if last.get(&key).is_none_or(|earlier| row.page >= earlier.page) {
            last.insert(key, row);
        }
    }
    last.into_iter().map(|(key, row)| (key, row.values)).collect()
}
