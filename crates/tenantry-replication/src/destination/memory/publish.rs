//! What a publish means: which staged rows count, which rows are swept, which are written.
//!
//! Nothing here can fail but for a table that is not there, which is found out before the first change.

use std::collections::{BTreeMap, BTreeSet};

use super::{Kept, Row, Staged, StagedRow, Stored, Value};
use crate::catalog::{Column, Origin, Stream, Table};
use crate::defects::{Defect, planted};
use crate::destination::{Commit, Counts, Expected, Key, Published, Scope};
use crate::error::DestinationResult;

/// Values of a row, by column name.
pub(super) type Values = BTreeMap<&'static str, Value>;

/// Staged rows that count, in what they say of a commit.
pub(super) struct Came {
    /// By table, then by merge key.
    pub(super) tables: BTreeMap<&'static str, BTreeMap<Vec<Value>, Values>>,
    /// Keys of the records that came.
    records: BTreeSet<Vec<Value>>,
    /// Keys of the records that [`Expected`] names.
    expected: Vec<Key>,
}

impl Kept {
    /// Publishes. Everything that can fail comes before the first change.
    pub(super) fn publish(&mut self, staged: Staged, commit: &Commit) -> DestinationResult<Published> {
        let mut came = self.came(staged, commit, "publish")?;
        let mut published = Published::default();
        for table in written(commit) {
            let Some(stored) = self.tables.get_mut(table.name) else { continue };
            let mut counts = Counts::default();
            stored.sweep(commit, &came, &mut counts);
            let rows = came.tables.remove(table.name).unwrap_or_default();
            stored.upsert(rows, commit, &came, &mut counts);
            published.tables.push((table.name, counts));
        }
        self.keep_state(commit);
        Ok(published)
    }

    /// Sorts out which staged rows count. Fails where a table is not there.
    pub(super) fn came(&self, mut staged: Staged, commit: &Commit, action: &str) -> DestinationResult<Came> {
        let stream = commit.stream;
        for table in written(commit) {
            self.table(table, &format!("{action} stream {}", stream.name))?;
        }
        for table in stream.tables {
            let rows = staged.entry(table.name).or_default();
            rows.retain(|row| !Record::of(stream, table, &row.values).is_wholly_in(&commit.gone));
        }
        keep_last_pages(stream, &mut staged);
        let mut rows = |table: &Table| last_by_key(table, staged.remove(table.name).unwrap_or_default());
        let tables: BTreeMap<_, _> = stream.tables.iter().map(|table| (table.name, rows(table))).collect();
        let records = tables[stream.root().name].keys().cloned().collect();
        let mut came = Came { tables, records, expected: Vec::new() };
        if let Some(expected) = &commit.expected {
            came.expected = self.expected_records(stream, expected, &came);
        }
        Ok(came)
    }

    /// Keys of the records that were told of, by what came and what is stored.
    fn expected_records(&self, stream: &'static Stream, expected: &Expected, came: &Came) -> Vec<Key> {
        let root = stream.root();
        let key = |values: &Values| key_of(root, values).iter().map(Value::key_text).collect::<Key>();
        let staged = || came.tables[root.name].values();
        let stored = self.tables.get(root.name).into_iter().flat_map(|stored| stored.rows.values());
        let all: Vec<&Values> = staged().chain(stored.map(|row| &row.values)).collect();
        let mut keys = Vec::new();
        for (column, told) in &expected.told {
            if root.key == [*column] {
                keys.extend(told.iter().map(|value| vec![value.clone()]));
            }
            let is_told =
                |values: &&&Values| values.get(column).is_some_and(|value| told.contains(&value.key_text()));
            keys.extend(all.iter().filter(is_told).map(|values| key(values)));
        }
        if let Some((column, since)) = expected.since {
            let changed = staged().filter(|values| values.get(column) >= Some(&Value::Timestamp(since)));
            keys.extend(changed.map(key));
        }
        keys
    }
}

/// The tables that a commit is about, in the stream's order.
pub(super) fn written(commit: &Commit) -> impl Iterator<Item = &'static Table> {
    commit.stream.tables.iter().filter(|table| commit.tables.contains(&table.name))
}

impl Came {
    /// Whether a difference in this row was to be expected.
    pub(super) fn expects(&self, commit: &Commit, table: &Table, values: &Values) -> bool {
        let Some(expected) = &commit.expected else { return false };
        expected.anything || Record::of(commit.stream, table, values).is_told(&self.expected)
    }

    /// 1 for a difference that has to be counted as drift.
    fn drift(&self, commit: &Commit, table: &Table, values: &Values) -> u64 {
        u64::from(commit.expected.is_some() && !self.expects(commit, table, values))
    }
}

impl Stored {
    /// Whether the commit says that a row, which did not come, is gone.
    fn is_gone(&self, commit: &Commit, came: &Came, row: &Row) -> bool {
        let is_root = self.table.name == commit.stream.root().name;
        let is_kept = planted(Defect::ChildrenUpserted) && !is_root
            || planted(Defect::ClockUsedForDeletes) && row.synced_at >= commit.synced_at;
        let record = Record::of(commit.stream, self.table, &row.values);
        let absent = match &commit.scope {
            Scope::Rows => false,
            Scope::Records { spared } => {
                !is_root && record.whole && came.records.contains(&record.key()) && !record.is_in(spared)
            }
            Scope::Table { spared } => !record.is_in(spared),
        };
        !is_kept && (absent || record.is_wholly_in(&commit.gone))
    }

    /// Live rows that the commit says are gone.
    pub(super) fn swept<'a>(
        &'a self,
        commit: &'a Commit,
        came: &'a Came,
    ) -> impl Iterator<Item = &'a Vec<Value>> {
        let rows = &came.tables[self.table.name];
        let swept = self.rows.iter().filter(move |(key, row)| {
            !row.deleted && !rows.contains_key(*key) && self.is_gone(commit, came, row)
        });
        swept.map(|(key, _)| key)
    }

    /// Marks deleted what the commit says is gone, and counts it.
    fn sweep(&mut self, commit: &Commit, came: &Came, counts: &mut Counts) {
        let swept: Vec<Vec<Value>> = self.swept(commit, came).cloned().collect();
        for key in swept {
            let Some(row) = self.rows.get_mut(&key) else { continue };
            row.deleted = true;
            row.synced_at = commit.synced_at;
            counts.deleted += 1;
            counts.drifted += came.drift(commit, self.table, &row.values);
        }
    }

    /// Writes new rows, and those whose values changed or that were marked deleted.
    fn upsert(
        &mut self,
        rows: BTreeMap<Vec<Value>, Values>,
        commit: &Commit,
        came: &Came,
        counts: &mut Counts,
    ) {
        for (key, values) in rows {
            let drift = came.drift(commit, self.table, &values);
            let synced_at = commit.synced_at;
            let Some(row) = self.rows.get_mut(&key) else {
                self.rows.insert(key, Row { values, deleted: false, synced_at });
                counts.inserted += 1;
                counts.drifted += drift;
                continue;
            };
            if (!row.deleted || planted(Defect::TombstoneForever)) && row.holds(&values) {
                counts.unchanged += 1;
                continue;
            }
            row.values.extend(values);
            row.deleted = false;
            row.synced_at = synced_at;
            counts.updated += 1;
            counts.drifted += drift;
        }
    }
}

impl Row {
    /// Whether all of these values are the row's.
    pub(super) fn holds(&self, values: &Values) -> bool {
        values.iter().all(|(name, value)| self.values.get(name) == Some(value))
    }
}

/// The record that a row belongs to: positions in the root's key, and the values there.
struct Record {
    parts: Vec<(usize, Value)>,
    whole: bool,
}

impl Record {
    fn of(stream: &'static Stream, table: &Table, values: &Values) -> Self {
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

    /// Like [`Self::is_in`], if the row tells some of the key: a row that tells nothing of its record is never told of.
    fn is_told(&self, keys: &[Key]) -> bool {
        !self.parts.is_empty() && self.is_in(keys)
    }

    /// Like [`Self::is_in`], if the row tells the whole key: then rows may be deleted for it.
    fn is_wholly_in(&self, keys: &[Key]) -> bool {
        self.whole && self.is_in(keys)
    }
}

/// The row's merge key.
pub(super) fn key_of(table: &Table, values: &Values) -> Vec<Value> {
    let is_own = |name: &str| {
        let of_parent = |column: &Column| column.name == name && column.origin == Origin::Parent;
        !planted(Defect::KeyWithoutParent) || !table.columns.iter().any(of_parent)
    };
    let value = |name: &&'static str| match values.get(name) {
        Some(value) if is_own(name) => value.clone(),
        _ => Value::Null,
    };
    table.key.iter().map(value).collect()
}

/// Of a record that came on several pages, drops the children that came before the last of them.
fn keep_last_pages(stream: &'static Stream, staged: &mut Staged) {
    let mut pages: BTreeMap<Vec<Value>, BTreeSet<i64>> = BTreeMap::new();
    for row in &staged[stream.root().name] {
        pages.entry(key_of(stream.root(), &row.values)).or_default().insert(row.page);
    }
    pages.retain(|_, pages| pages.len() > 1);
    for table in stream.children() {
        let is_last = |row: &StagedRow| {
            let record = Record::of(stream, table, &row.values);
            let last = pages.get(&record.key()).and_then(BTreeSet::last).filter(|_| record.whole);
            last.is_none_or(|last| row.page >= *last || planted(Defect::EarlierPagesKept))
        };
        staged.entry(table.name).or_default().retain(is_last);
    }
}

/// Of rows with one key keeps that of the last page, and of that page the last.
fn last_by_key(table: &Table, rows: Vec<StagedRow>) -> BTreeMap<Vec<Value>, Values> {
    let mut last: BTreeMap<Vec<Value>, StagedRow> = BTreeMap::new();
    for row in rows {
        let key = key_of(table, &row.values);
        if last.get(&key).is_none_or(|earlier| row.page >= earlier.page) {
            last.insert(key, row);
        }
    }
    last.into_iter().map(|(key, row)| (key, row.values)).collect()
}
