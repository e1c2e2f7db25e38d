//! How a row of a table finds the record that it belongs to, and whether something was said of that record.

use std::collections::HashSet;

use arrow_array::RecordBatch;
use tenantry_replication::catalog::{Column, Stream, Table};
use tenantry_replication::destination::Key;

use crate::cells::{Columns, Hash, Hasher};
use crate::failure::Attempt;

/// What a table's rows tell of the key of their record.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// The table's columns that hold parts of the key, in the order of the key.
    pub(crate) columns: Vec<&'static Column>,
    /// Their positions in the key.
    positions: Vec<usize>,
    /// Whether that is the whole key: then, and only then, rows may be deleted for what is said of their record.
    pub(crate) whole: bool,
}

impl Record {
    pub(crate) fn of(stream: &'static Stream, table: &'static Table) -> Self {
        let root = stream.root();
        let pairs: Vec<(&Column, &'static Column)> = if table.name == root.name {
            root.key_columns().map(|column| (column, column)).collect()
        } else {
            stream.parent_key(table)
        };
        let position = |column: &Column| root.key.iter().position(|name| *name == column.name);
        let parts: Vec<_> =
            pairs.into_iter().filter_map(|(of_root, own)| Some((position(of_root)?, own))).collect();
        Self {
            whole: parts.len() == root.key.len(),
            positions: parts.iter().map(|(position, _)| *position).collect(),
            columns: parts.into_iter().map(|(_, own)| own).collect(),
        }
    }

    /// These columns of a batch.
    pub(crate) fn in_batch<'a>(&self, batch: &'a RecordBatch, hasher: Hasher) -> Attempt<Columns<'a>> {
        Columns::of(batch, self.columns.iter().copied(), hasher)
    }

    /// Keys of records, as far as the table's rows tell them.
    pub(crate) fn keys<'a>(&self, keys: impl IntoIterator<Item = &'a Key>, hasher: Hasher) -> Keys {
        let told = |key: &'a Key| {
            let parts: Option<Vec<&str>> =
                self.positions.iter().map(|position| key.get(*position).map(String::as_str)).collect();
            parts.map(|parts| hasher.texts(parts.into_iter()))
        };
        Keys { hashes: keys.into_iter().filter_map(told).collect(), told: !self.positions.is_empty() }
    }

    /// The values of the first of these columns that some keys ask for.
    pub(crate) fn first<'a>(&self, keys: &'a [Key]) -> impl Iterator<Item = &'a str> {
        let position = self.positions.first().copied();
        keys.iter().filter_map(move |key| key.get(position?).map(String::as_str))
    }
}

/// Keys of records as the rows of one table tell them.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    hashes: HashSet<Hash>,
    told: bool,
}

impl Keys {
    /// Whether a row's record is one of them, as far as the row tells.
    pub(crate) fn hold(&self, record: &mut Columns<'_>, row: usize) -> bool {
        !self.hashes.is_empty() && self.hashes.contains(&record.texts(row))
    }

    /// The same, if the row tells some of the key: a row that tells nothing of its record is never told of.
    pub(crate) fn tell_of(&self, record: &mut Columns<'_>, row: usize) -> bool {
        self.told && self.hold(record, row)
    }
}
