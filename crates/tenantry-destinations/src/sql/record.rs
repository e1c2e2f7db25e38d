//! How rows of a table find the record that they belong to: by the columns that hold the key of the stream's root.
//!
//! Knows nothing of scopes: what follows from a record being named is in [`super::merge`] and [`super::settle`].

use tenantry_replication::catalog::{Column, Stream, Table};

use super::{Dialect, Keys, Staged, comparable, equal};

/// The record's key, as far as a table tells it.
pub(crate) struct RecordKey {
    /// Position in the root's key, the root's column, this table's column of the same value.
    parts: Vec<(usize, &'static Column, &'static Column)>,
    whole: bool,
}

impl RecordKey {
    pub(crate) fn of(stream: &'static Stream, table: &Table) -> Self {
        let root = stream.root();
        let position = |column: &Column| root.key.iter().position(|name| *name == column.name);
        let pairs = if table.name == root.name {
            root.key_columns().map(|column| (column, column)).collect()
        } else {
            stream.parent_key(table)
        };
        let parts: Vec<_> =
            pairs.into_iter().filter_map(|(of_root, own)| Some((position(of_root)?, of_root, own))).collect();
        Self { whole: parts.len() == root.key.len(), parts }
    }

    /// Whether the table holds the record's whole key: then, and only then, its rows may be deleted for what is said of the record.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole
    }

    /// The table's columns of the key, each with the root's.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&'static Column, &'static Column)> {
        self.parts.iter().map(|(_, of_root, own)| (*own, *of_root))
    }

    /// Condition: the record of `row` is the key `k` of `keys`. Where the row tells only a part of the key, that part decides.
    pub(crate) fn matches(&self, dialect: &dyn Dialect, row: &str, keys: &Keys) -> String {
        self.matches_by(|own| comparable(dialect, own, row, keys.blank))
    }

    /// The same, with the row's columns as `text` compares them with a part of a key.
    pub(crate) fn matches_by(&self, text: impl Fn(&Column) -> String) -> String {
        let part = |(position, _, own): &(usize, &Column, &Column)| format!("{} = k.k{position}", text(own));
        let parts: Vec<String> = self.parts.iter().map(part).collect();
        if parts.is_empty() { "true".to_owned() } else { parts.join(" AND ") }
    }

    /// Positions in the root's key that the table's rows tell.
    pub(crate) fn positions(&self) -> impl Iterator<Item = usize> {
        self.parts.iter().map(|(position, ..)| *position)
    }

    /// Condition: `row` of this table belongs to the staged record `record` of `root`.
    pub(crate) fn equals(&self, dialect: &dyn Dialect, row: &str, record: &str, root: &Staged) -> String {
        equal(dialect, self.pairs(), (row, record), &root.null_keys)
    }
}
