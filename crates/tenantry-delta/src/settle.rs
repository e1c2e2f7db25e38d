//! Which staged rows count, as an index by merge key: of several with one key that of the last page, of a record that came on several
//! pages only the children of the last, and nothing of a record that is gone.
//!
//! Holds hashes alone, so that it fits where the rows do not; the rows stay where they are staged.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use arrow_array::{Int64Array, RecordBatch};
use tenantry_replication::catalog::{Stream, Table, system};
use tenantry_replication::destination::{Commit, Expected, Key, Value};

use crate::cells::{Columns, Hash, Hasher};
use crate::failure::{Attempt, Failure};
use crate::record::{Keys, Record};
use crate::stage::Staged;

/// What was staged for a stream, in what counts.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) stream: &'static Stream,
    pub(crate) hasher: Hasher,
    tables: Vec<Arc<SettledTable>>,
    /// Keys of records that were told of, by what is staged; what is stored adds to them.
    pub(crate) expected: Vec<Key>,
}

/// The same of one table.
#[derive(Debug, Clone)]
pub(crate) struct SettledTable {
    pub(crate) staged: Staged,
    /// By the hash of the merge key.
    pub(crate) rows: HashMap<Hash, Came>,
}

/// A staged row that counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Came {
    /// Which of the staged rows it is.
    pub(crate) ordinal: usize,
    page: i64,
    first_page: i64,
    /// Hash of its values.
    pub(crate) values: Hash,
    /// How it relates to what is stored.
    pub(crate) stored: Stored,
}

/// How a staged row relates to the stored one of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    /// There is none, as far as was looked.
    Missing,
    /// It is the same.
    Equal,
    /// It has other values.
    Stale,
    /// It is marked deleted.
    Deleted,
}

impl Settled {
    /// Sorts out what counts.
    pub(crate) fn of(stream: &'static Stream, staged: &[Staged], commit: Option<&Commit>) -> Attempt<Self> {
        let hasher = Hasher::new();
        let mut settled = Self { stream, hasher, tables: Vec::new(), expected: Vec::new() };
        let gone = commit.map_or(&[][..], |commit| &commit.gone);
        // The root comes first among a stream's tables: its pages decide on the children.
        for table in stream.tables {
            let Some(staged) = staged.iter().find(|staged| staged.table.name == table.name) else { continue };
            let settled_table = settled.settle(staged.clone(), gone)?;
            settled.tables.push(Arc::new(settled_table));
        }
        if let Some(expected) = commit.and_then(|commit| commit.expected.as_ref()) {
            settled.expected = settled.expected_by_staged(expected)?;
        }
        Ok(settled)
    }

    fn settle(&self, staged: Staged, gone: &[Key]) -> Attempt<SettledTable> {
        let table = staged.table;
        let record = Record::of(self.stream, table);
        let gone = record.keys(gone, self.hasher);
        let root = self.root().filter(|_| record.whole && table.name != self.stream.root().name);
        let mut rows: HashMap<Hash, Came> = HashMap::with_capacity(staged.rows());
        let mut ordinal = 0;
        for piece in &staged.pieces {
            let batch = piece.read()?;
            let pages = pages(&batch)?;
            let mut keys = Columns::of(&batch, table.key_columns(), self.hasher)?;
            let mut values = Columns::of(&batch, table.data_columns(), self.hasher)?;
            let mut records = record.in_batch(&batch, self.hasher)?;
            for row in 0..batch.num_rows() {
                let page = pages.value(row);
                let is_gone = record.whole && gone.hold(&mut records, row);
                let is_earlier = root.is_some_and(|root| {
                    let root = root.rows.get(&records.values(row));
                    root.is_some_and(|root| root.first_page < root.page && page < root.page)
                });
                if !is_gone && !is_earlier {
                    let came = Came {
                        ordinal: ordinal + row,
                        page,
                        first_page: page,
                        values: values.values(row),
                        stored: Stored::Missing,
                    };
                    rows.entry(keys.values(row)).and_modify(|before| before.meet(came)).or_insert(came);
                }
            }
            ordinal += batch.num_rows();
        }
        Ok(SettledTable { staged, rows })
    }

    /// What was staged for a table.
    pub(crate) fn table(&self, table: &Table) -> Option<&Arc<SettledTable>> {
        self.tables.iter().find(|settled| settled.staged.table.name == table.name)
    }

    /// The same to note how its rows relate to the stored ones.
    pub(crate) fn table_mut(&mut self, table: &Table) -> Option<&mut SettledTable> {
        let settled = self.tables.iter_mut().find(|settled| settled.staged.table.name == table.name);
        settled.map(Arc::make_mut)
    }

    /// What was staged for the root table.
    pub(crate) fn root(&self) -> Option<&Arc<SettledTable>> {
        self.table(self.stream.root())
    }

    /// Keys of the records that were told of, by what is staged.
    fn expected_by_staged(&self, expected: &Expected) -> Attempt<Vec<Key>> {
        let root = self.stream.root();
        let mut told = Vec::new();
        for (column, values) in &expected.told {
            if root.key == [*column] {
                told.extend(values.iter().map(|value| vec![value.clone()]));
            }
        }
        let Some(staged) = self.root() else { return Ok(told) };
        staged.visit(self.hasher, |batch, counting| {
            let keys = Columns::of(batch, root.key_columns(), self.hasher)?;
            let rows = counting.iter().map(|(row, _)| *row);
            let is_meant = |row: &usize| is_told(expected, batch, *row) || is_since(expected, batch, *row);
            told.extend(rows.filter(is_meant).map(|row| keys.key(row)));
            Ok(())
        })?;
        Ok(told)
    }

    /// The keys that were told of, as a table's rows tell them.
    pub(crate) fn expected_of(&self, record: &Record) -> Keys {
        record.keys(&self.expected, self.hasher)
    }
}

/// Whether a row of the root holds a value that was told of.
pub(crate) fn is_told(expected: &Expected, batch: &RecordBatch, row: usize) -> bool {
    expected.told.iter().any(|(column, told)| {
        let value = batch.column_by_name(column).and_then(|array| Value::at(array, row));
        value.is_some_and(|value| told.contains(&value.key_text()))
    })
}

fn is_since(expected: &Expected, batch: &RecordBatch, row: usize) -> bool {
    expected.since.is_some_and(|(column, since)| {
        let value = batch.column_by_name(column).and_then(|array| Value::at(array, row));
        value >= Some(Value::Timestamp(since))
    })
}

impl SettledTable {
    /// Shows the rows that count, piece by piece, in the order in which they were staged.
    pub(crate) fn visit(
        &self,
        hasher: Hasher,
        mut show: impl FnMut(&RecordBatch, &[(usize, Came)]) -> Attempt<()>,
    ) -> Attempt<()> {
        let mut ordinal = 0;
        for piece in &self.staged.pieces {
            let batch = piece.read()?;
            let counting = self.counting(&batch, ordinal, hasher)?;
            show(&batch, &counting)?;
            ordinal += batch.num_rows();
        }
        Ok(())
    }

    /// The rows of a piece that count, where its first row is the one of this ordinal.
    pub(crate) fn counting(
        &self,
        batch: &RecordBatch,
        ordinal: usize,
        hasher: Hasher,
    ) -> Attempt<Vec<(usize, Came)>> {
        let mut keys = Columns::of(batch, self.staged.table.key_columns(), hasher)?;
        let counts = |row: usize| {
            let came = self.rows.get(&keys.values(row)).filter(|came| came.ordinal == ordinal + row);
            came.map(|came| (row, *came))
        };
        Ok((0..batch.num_rows()).filter_map(counts).collect())
    }
}

impl Came {
    /// Of two rows with one key the one of the later page counts, within a page the later row.
    fn meet(&mut self, later: Self) {
        let first_page = self.first_page.min(later.first_page);
        if later.page >= self.page {
            *self = later;
        }
        self.first_page = first_page;
    }
}

fn pages(batch: &RecordBatch) -> Attempt<&Int64Array> {
    batch
        .column_by_name(system::PAGE)
        .and_then(|pages| pages.as_primitive_opt::<Int64Type>())
        .ok_or_else(|| Failure::failed("staged rows without their page"))
}
