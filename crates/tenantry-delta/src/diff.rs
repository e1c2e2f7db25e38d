//! How staged rows relate to the stored ones, in one pass over those of the stored that can matter. A publish writes what this finds, a
//! comparison tells of it.

use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, BooleanArray, RecordBatch, StringArray};
use arrow_select::filter::filter_record_batch;
use deltalake::DeltaTable;
use deltalake::datafusion::logical_expr::Expr;
use tenantry_replication::catalog::{Column, Table, Type, system};
use tenantry_replication::destination::{Commit, Counts, Key, Scope};

use crate::cells::Columns;
use crate::engine::Engine;
use crate::failure::{Attempt, Failure};
use crate::narrow::Values;
use crate::record::{Keys, Record};
use crate::settle::{Came, Settled, Stored};

/// What a pass found beside the relations of the staged rows, which it notes with them.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Live rows that the commit says are gone: key columns and those that tell the record.
    pub(crate) swept: Vec<RecordBatch>,
}

impl Found {
    pub(crate) fn swept_rows(&self) -> usize {
        self.swept.iter().map(RecordBatch::num_rows).sum()
    }
}

/// What a commit says of the rows of one table.
pub(crate) struct Said<'a> {
    commit: &'a Commit,
    pub(crate) table: &'static Table,
    pub(crate) record: Record,
    is_root: bool,
    gone: Keys,
    spared: Keys,
    expected: Keys,
}

impl<'a> Said<'a> {
    pub(crate) fn of(commit: &'a Commit, settled: &Settled, table: &'static Table) -> Self {
        let record = Record::of(commit.stream, table);
        let spared: &[Key] = match &commit.scope {
            Scope::Rows => &[],
            Scope::Records { spared } | Scope::Table { spared } => spared,
        };
        Self {
            commit,
            table,
            is_root: table.name == commit.stream.root().name,
            gone: record.keys(&commit.gone, settled.hasher),
            spared: record.keys(spared, settled.hasher),
            expected: settled.expected_of(&record),
            record,
        }
    }

    /// Whether the commit says that a live row, which did not come, is gone.
    fn is_gone(&self, settled: &Settled, record: &mut Columns<'_>, row: usize) -> bool {
        let absent = match &self.commit.scope {
            Scope::Rows => false,
            Scope::Records { .. } => {
                let came = |record: &mut Columns<'_>| {
                    settled.root().is_some_and(|root| root.rows.contains_key(&record.values(row)))
                };
                !self.is_root && self.record.whole && came(record) && !self.spared.hold(record, row)
            }
            Scope::Table { .. } => !self.spared.hold(record, row),
        };
        absent || self.record.whole && self.gone.hold(record, row)
    }

    /// Whether a difference in this row was to be expected.
    pub(crate) fn expects(&self, record: &mut Columns<'_>, row: usize) -> bool {
        let Some(expected) = &self.commit.expected else { return false };
        expected.anything || self.expected.tell_of(record, row)
    }

    /// Rows that the commit, or what was staged for it, can be about; `None` for all. False where there can be none.
    fn condition(&self, settled: &Settled) -> Attempt<Option<Expr>> {
        if matches!(self.commit.scope, Scope::Table { .. }) {
            return Ok(None);
        }
        let Some(key) = self.table.key_columns().next() else { return Ok(None) };
        let keys = staged_values(settled, self.table, key)?;
        let (Some(of_record), Some(own)) =
            (self.commit.stream.root().key_columns().next(), self.record.columns.first())
        else {
            return Ok(keys.condition(key));
        };
        let mut records = match &self.commit.scope {
            Scope::Records { .. } if !self.is_root => {
                staged_values(settled, self.commit.stream.root(), of_record)?
            }
            _ => Values::default(),
        };
        for gone in self.record.first(&self.commit.gone) {
            records.add_told(gone);
        }
        Ok(keys.condition(key).zip(records.condition(own)).map(|(keys, records)| keys.or(records)))
    }
}

/// Values of a column among the rows that were staged for a table and count.
fn staged_values(settled: &Settled, table: &'static Table, column: &Column) -> Attempt<Values> {
    let mut values = Values::default();
    if let Some(staged) = settled.table(table).filter(|_| column.kind == Type::String) {
        for piece in &staged.staged.pieces {
            let batch = piece.read()?;
            let texts = batch.column_by_name(column.name).and_then(|array| array.as_string_opt::<i32>());
            let texts: &StringArray =
                texts.ok_or_else(|| Failure::failed("a key column is of an unforeseen type"))?;
            texts.iter().for_each(|text| values.add(text));
        }
    }
    Ok(values)
}

/// Looks through the stored rows of a table.
pub(crate) async fn diff(
    engine: &Engine,
    stored: &DeltaTable,
    settled: &mut Settled,
    said: &Said<'_>,
) -> Attempt<Found> {
    let table = said.table;
    let is_staged = settled.table(table).is_some_and(|staged| !staged.rows.is_empty());
    if !is_staged && said.commit.gone.is_empty() && said.commit.scope == Scope::Rows {
        return Ok(Found::default());
    }
    let condition = said.condition(settled)?;
    if let Some(staged) = settled.table_mut(table) {
        staged.rows.values_mut().for_each(|came| came.stored = Stored::Missing);
    }
    let mut found = Found::default();
    let columns = table.data_columns().map(|column| column.name).chain([system::DELETED]);
    let show = |batch: RecordBatch| found.look(&batch, settled, said);
    engine.visit(stored, columns, condition, show).await?;
    Ok(found)
}

impl Found {
    fn look(&mut self, batch: &RecordBatch, settled: &mut Settled, said: &Said<'_>) -> Attempt<()> {
        let table = said.table;
        let deleted = batch.column_by_name(system::DELETED).and_then(|column| column.as_boolean_opt());
        let deleted = deleted.ok_or_else(|| Failure::failed("the soft-delete flag is no boolean"))?;
        let mut keys = Columns::of(batch, table.key_columns(), settled.hasher)?;
        let mut values = Columns::of(batch, table.data_columns(), settled.hasher)?;
        let mut record = said.record.in_batch(batch, settled.hasher)?;
        let mut swept = vec![false; batch.num_rows()];
        for (row, swept) in swept.iter_mut().enumerate() {
            let is_deleted = deleted.is_valid(row) && deleted.value(row);
            let key = keys.values(row);
            match settled.table_mut(table).and_then(|staged| staged.rows.get_mut(&key)) {
                Some(came) => came.meet_stored(is_deleted, || values.values(row))?,
                None => *swept = !is_deleted && said.is_gone(settled, &mut record, row),
            }
        }
        if swept.contains(&true) {
            self.swept.push(swept_rows(batch, table, &said.record, swept)?);
        }
        Ok(())
    }
}

impl Came {
    fn meet_stored(&mut self, is_deleted: bool, values: impl FnOnce() -> u128) -> Attempt<()> {
        if self.stored != Stored::Missing {
            return Err(Failure::failed("the table holds several rows with one merge key"));
        }
        self.stored = if is_deleted {
            Stored::Deleted
        } else if self.values == values() {
            Stored::Equal
        } else {
            Stored::Stale
        };
        Ok(())
    }
}

fn swept_rows(
    batch: &RecordBatch,
    table: &'static Table,
    record: &Record,
    swept: Vec<bool>,
) -> Attempt<RecordBatch> {
    let is_told =
        |name: &str| table.key.contains(&name) || record.columns.iter().any(|column| column.name == name);
    let fields = batch.schema();
    let told: Vec<usize> =
        (0..batch.num_columns()).filter(|index| is_told(fields.field(*index).name())).collect();
    Ok(filter_record_batch(&batch.project(&told)?, &BooleanArray::from(swept))?)
}

/// Counts what a pass found.
pub(crate) fn counts(settled: &Settled, said: &Said<'_>, found: &Found) -> Attempt<Counts> {
    let mut counts = Counts { deleted: found.swept_rows() as u64, ..Counts::default() };
    let Some(staged) = settled.table(said.table) else {
        return Ok(Counts { drifted: drifted(settled, said, found)?, ..counts });
    };
    for came in staged.rows.values() {
        match came.stored {
            Stored::Missing => counts.inserted += 1,
            Stored::Equal => counts.unchanged += 1,
            Stored::Stale | Stored::Deleted => counts.updated += 1,
        }
    }
    counts.drifted = drifted(settled, said, found)?;
    Ok(counts)
}

/// Rows that differ although nothing was told of their record; 0 where that is not to be measured.
fn drifted(settled: &Settled, said: &Said<'_>, found: &Found) -> Attempt<u64> {
    if said.commit.expected.as_ref().is_none_or(|expected| expected.anything) {
        return Ok(0);
    }
    let mut drifted = 0;
    for batch in &found.swept {
        let mut record = said.record.in_batch(batch, settled.hasher)?;
        drifted += (0..batch.num_rows()).filter(|row| !said.expects(&mut record, *row)).count() as u64;
    }
    if let Some(staged) = settled.table(said.table) {
        staged.visit(settled.hasher, |batch, counting| {
            let mut record = said.record.in_batch(batch, settled.hasher)?;
            let differ = counting.iter().filter(|(_, came)| came.stored != Stored::Equal);
            drifted += differ.filter(|(row, _)| !said.expects(&mut record, *row)).count() as u64;
            Ok(())
        })?;
    }
    Ok(drifted)
}
