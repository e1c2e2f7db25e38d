//! What is to be written to one table: staged rows that are new or differ, and keys of rows to mark deleted, as a stream of batches that
//! can be read again and again.

use std::fmt;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int32Type, TimestampMicrosecondType};
use arrow_array::{
    Array as _, ArrayRef, BooleanArray, Date32Array, Int32Array, RecordBatch, TimestampMicrosecondArray,
    UInt32Array, new_null_array,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::take::take;
use deltalake::datafusion::catalog::streaming::StreamingTable;
use deltalake::datafusion::error::DataFusionError;
use deltalake::datafusion::execution::{SendableRecordBatchStream, TaskContext};
use deltalake::datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use deltalake::datafusion::physical_plan::streaming::PartitionStream;
use tenantry_replication::catalog::{Origin, Table, system};
use tenantry_replication::clock::{MICROS_PER_SECOND, Micros};
use tenantry_replication::destination::arrow_type;

use crate::cells::Hasher;
use crate::diff::Found;
use crate::failure::{Attempt, Failure};
use crate::settle::{Settled, SettledTable, Stored};
use crate::tables::Day;

/// Column of the stream that says what becomes of a row.
pub(crate) const CHANGE: &str = "_change";
/// In [`CHANGE`]: the row is written in place of the stored one.
pub(crate) const WRITTEN: i32 = 1;
/// In [`CHANGE`]: of the row only its key counts; the stored one is marked deleted.
pub(crate) const SWEPT: i32 = 2;
/// In [`CHANGE`]: no row with its key is stored.
pub(crate) const NEW: i32 = 3;

/// Changes of one table.
pub(crate) struct Changes {
    table: &'static Table,
    schema: SchemaRef,
    /// The column that rows are partitioned by, and the one that it is taken from.
    day: Option<Day>,
    synced_at: Micros,
    hasher: Hasher,
    staged: Option<Arc<SettledTable>>,
    swept: Vec<RecordBatch>,
    /// Rows of these, and whether all of them are new.
    pub(crate) rows: usize,
    pub(crate) are_new: bool,
}

impl fmt::Debug for Changes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} changes of {}", self.rows, self.table.name)
    }
}

impl Changes {
    /// What a pass over the stored rows came to.
    pub(crate) fn of(
        table: &'static Table,
        settled: &Settled,
        found: Found,
        day: Option<Day>,
        synced_at: Micros,
    ) -> Self {
        let mut fields: Vec<Field> = table
            .columns
            .iter()
            .map(|column| Field::new(column.name, arrow_type(column.kind), true))
            .collect();
        if let Some(day) = &day {
            fields.push(Field::new(day.name, DataType::Date32, true));
        }
        fields.push(Field::new(CHANGE, DataType::Int32, false));
        let staged = settled.table(table).cloned();
        let differ = |staged: &SettledTable, which: fn(Stored) -> bool| {
            staged.rows.values().filter(|came| which(came.stored)).count()
        };
        let count = |which: fn(Stored) -> bool| staged.as_ref().map_or(0, |staged| differ(staged, which));
        let (written, missing) =
            (count(|stored| stored != Stored::Equal), count(|stored| stored == Stored::Missing));
        let swept = found.swept_rows();
        Self {
            table,
            schema: Arc::new(Schema::new(fields)),
            day,
            synced_at,
            hasher: settled.hasher,
            staged,
            swept: found.swept,
            rows: written + swept,
            are_new: swept == 0 && written == missing,
        }
    }

    /// As a table to read.
    pub(crate) fn provider(self: &Arc<Self>) -> Attempt<Arc<StreamingTable>> {
        let stream: Arc<dyn PartitionStream> = Arc::new(Source(Arc::clone(self)));
        Ok(Arc::new(StreamingTable::try_new(Arc::clone(&self.schema), vec![stream])?))
    }

    /// The batches: of the staged pieces first, then of what is swept.
    fn batches(self: Arc<Self>) -> impl Iterator<Item = Attempt<RecordBatch>> + Send {
        let pieces = self.staged.as_ref().map_or(0, |staged| staged.staged.pieces.len());
        let mut ordinal = 0;
        (0..pieces + self.swept.len()).map(move |index| match self.swept.get(index.wrapping_sub(pieces)) {
            Some(swept) => self.swept(swept),
            None => self.written(index, &mut ordinal),
        })
    }

    fn written(&self, piece: usize, ordinal: &mut usize) -> Attempt<RecordBatch> {
        let staged = self.staged.as_ref().ok_or_else(|| Failure::failed("nothing was staged"))?;
        let batch = staged.staged.pieces[piece].read()?;
        let counting = staged.counting(&batch, *ordinal, self.hasher)?;
        *ordinal += batch.num_rows();
        let differ = || counting.iter().filter(|(_, came)| came.stored != Stored::Equal);
        let change = |stored| if stored == Stored::Missing { NEW } else { WRITTEN };
        let changes = Int32Array::from_iter_values(differ().map(|(_, came)| change(came.stored)));
        let differ = UInt32Array::from_iter_values(differ().map(|(row, _)| *row as u32));
        let rows = differ.len();
        let array = |name: &str| -> Attempt<Option<ArrayRef>> {
            batch.column_by_name(name).map(|array| Ok(take(array, &differ, None)?)).transpose()
        };
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for column in self.table.columns {
            arrays.push(match column.origin {
                Origin::Deleted => Arc::new(BooleanArray::from(vec![false; rows])),
                Origin::Synced => self.times(rows),
                _ => array(column.name)?
                    .ok_or_else(|| Failure::failed(format!("column {} is not staged", column.name)))?,
            });
        }
        if let Some(day) = &self.day {
            let times =
                array(day.of)?.ok_or_else(|| Failure::failed("the time of an event is not staged"))?;
            arrays.push(Arc::new(days(&times)?));
        }
        arrays.push(Arc::new(changes));
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), arrays)?)
    }

    /// The time of the sync, for so many rows.
    fn times(&self, rows: usize) -> ArrayRef {
        let times = TimestampMicrosecondArray::from(vec![self.synced_at; rows]);
        Arc::new(times.with_timezone("UTC"))
    }

    fn swept(&self, keys: &RecordBatch) -> Attempt<RecordBatch> {
        let rows = keys.num_rows();
        let array = |field: &Arc<Field>| -> ArrayRef {
            match keys.column_by_name(field.name()) {
                Some(array) => Arc::clone(array),
                None if field.name() == CHANGE => Arc::new(Int32Array::from(vec![SWEPT; rows])),
                None if field.name() == system::SYNCED => self.times(rows),
                None => new_null_array(field.data_type(), rows),
            }
        };
        let arrays = self.schema.fields().iter().map(array).collect();
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), arrays)?)
    }

    /// Whether any value of the key's columns is NULL in what is written: then keys have to be compared with care.
    pub(crate) fn null_keys(self: &Arc<Self>) -> Attempt<bool> {
        for batch in Arc::clone(self).batches() {
            let batch = batch?;
            let has_null =
                |name: &&str| batch.column_by_name(name).is_some_and(|array| array.null_count() > 0);
            if self.table.key.iter().any(has_null) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Shows the texts of a key column of those rows that are stored.
    pub(crate) fn texts(self: &Arc<Self>, column: &str, mut show: impl FnMut(Option<&str>)) -> Attempt<()> {
        for batch in Arc::clone(self).batches() {
            let batch = batch?;
            let changes =
                batch.column_by_name(CHANGE).and_then(|array| array.as_primitive_opt::<Int32Type>());
            let texts = batch.column_by_name(column).and_then(|array| array.as_string_opt::<i32>());
            let Some((changes, texts)) = changes.zip(texts) else { continue };
            let stored = changes.values().iter().zip(texts).filter(|(change, _)| **change != NEW);
            stored.for_each(|(_, text)| show(text));
        }
        Ok(())
    }
}

/// The days of some instants.
fn days(times: &ArrayRef) -> Attempt<Date32Array> {
    const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
    let times = times.as_primitive_opt::<TimestampMicrosecondType>();
    let times = times.ok_or_else(|| Failure::failed("the time of an event is of an unforeseen type"))?;
    // Within the years 1 to 9999 a day fits 32 bits.
    Ok(times.unary(|micros| micros.div_euclid(MICROS_PER_DAY) as i32))
}

#[derive(Debug)]
struct Source(Arc<Changes>);

impl PartitionStream for Source {
    fn schema(&self) -> &SchemaRef {
        &self.0.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batches = Arc::clone(&self.0)
            .batches()
            .map(|batch| batch.map_err(|failure| DataFusionError::Execution(failure.message)));
        let batches = futures::stream::iter(batches);
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.0.schema), batches))
    }
}
