//! Rows as Parquet, the way they travel: in files on this machine's disk until they are sent, with few of them in memory.
//!
//! Columns are called `c0`, `c1`, …, whatever they are in the table. Times travel as text, since what a Parquet time becomes depends on settings.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array as _, ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use tenantry_replication::catalog::{Table, Type};
use tenantry_replication::error::DestinationErrorKind;

use super::connection::{Attempt, Failure};
use super::types::{sql_type, time_text};
use crate::sql::server::held;

/// Bytes of a file after which another is begun: what Snowflake's guide calls a good size for loading, and fits memory when it is sent.
const FILE_BYTES_MAX: usize = 64 << 20;
/// Bytes of rows in memory for one file.
pub(super) const MEMORY_BYTES_MAX: usize = 4 << 20;
/// Bytes of a text that a column takes.
const TEXT_BYTES_MAX: usize = 16 << 20;

/// Rows of one table in files.
#[derive(Default)]
pub(super) struct Pieces {
    open: Option<ArrowWriter<File>>,
    /// Whole files, with the number of their rows.
    closed: Vec<(File, u64)>,
    rows_open: u64,
}

impl Pieces {
    /// Bytes of rows in memory.
    pub(super) fn in_memory(&self) -> usize {
        self.open.as_ref().map_or(0, ArrowWriter::memory_size)
    }

    /// Adds rows, each with its number behind its own columns, counted from `first`.
    pub(super) fn add(&mut self, batch: &RecordBatch, first: u64) -> Attempt<()> {
        let numbers = (first.cast_signed()..).take(batch.num_rows());
        let mut columns = batch.columns().iter().map(column).collect::<Attempt<Vec<_>>>()?;
        columns.push(Arc::new(Int64Array::from_iter_values(numbers)));
        self.write(&columns)
    }

    fn write(&mut self, columns: &[ArrayRef]) -> Attempt<()> {
        let rows = of_columns(columns)?;
        let open = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(writer(tempfile::tempfile()?, &rows)?),
        };
        open.write(&rows)?;
        self.rows_open += rows.num_rows() as u64;
        if open.memory_size() >= MEMORY_BYTES_MAX {
            open.flush()?;
        }
        if open.bytes_written() >= FILE_BYTES_MAX {
            self.close()?;
        }
        Ok(())
    }

    /// Writes what is in memory to the disk.
    pub(super) fn spill(&mut self) -> Attempt<()> {
        Ok(self.open.as_mut().map_or(Ok(()), ArrowWriter::flush)?)
    }

    /// Ends the file that is written, if there is one.
    pub(super) fn close(&mut self) -> Attempt<()> {
        if let Some(open) = self.open.take() {
            self.closed.push((open.into_inner()?, std::mem::take(&mut self.rows_open)));
        }
        Ok(())
    }

    /// How many whole files there are.
    pub(super) fn files(&self) -> usize {
        self.closed.len()
    }

    /// The bytes of a whole file, and how many rows it has.
    pub(super) fn read(&mut self, at: usize) -> Attempt<(Vec<u8>, u64)> {
        let (file, rows) = &mut self.closed[at];
        file.rewind()?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok((bytes, *rows))
    }
}

fn writer(file: File, rows: &RecordBatch) -> Attempt<ArrowWriter<File>> {
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    Ok(ArrowWriter::try_new(file, rows.schema(), Some(properties))?)
}

fn of_columns(columns: &[ArrayRef]) -> Attempt<RecordBatch> {
    let fields: Vec<Field> = columns
        .iter()
        .enumerate()
        .map(|(at, column)| Field::new(format!("c{at}"), column.data_type().clone(), true))
        .collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.to_vec())?)
}

/// A column as it travels.
fn column(column: &ArrayRef) -> Attempt<ArrayRef> {
    if let Some(texts) = column.as_string_opt::<i32>() {
        if texts.iter().flatten().any(|text| text.len() > TEXT_BYTES_MAX) {
            return Err(Failure::new(
                DestinationErrorKind::Failed,
                "a value has more than the 16 MB that Snowflake takes",
            ));
        }
        if !texts.value_data().contains(&0) {
            return Ok(Arc::clone(column));
        }
        return Ok(Arc::new(texts.iter().map(|text| text.map(held)).collect::<StringArray>()));
    }
    if let Some(times) = column.as_primitive_opt::<TimestampMicrosecondType>() {
        return Ok(Arc::new(times.iter().map(|time| time.map(time_text)).collect::<StringArray>()));
    }
    match column.data_type() {
        DataType::Boolean | DataType::Int64 => Ok(Arc::clone(column)),
        _ => Err(Failure::new(DestinationErrorKind::Failed, "a column is of a type that no column here has")),
    }
}

/// What a table of staged rows is made of, in SQL on a row `$1` of a file.
pub(super) fn loaded(table: &Table) -> Vec<String> {
    let kinds = table.data_columns().map(|column| column.kind).chain([Type::Integer, Type::Integer]);
    let made = |(at, kind): (usize, Type)| match kind {
        Type::Timestamp => format!("$1:c{at}::VARCHAR::{}", sql_type(kind)),
        _ => format!("$1:c{at}::{}", sql_type(kind)),
    };
    kinds.enumerate().map(made).collect()
}

/// A file of texts, by column.
pub(super) fn of_texts(columns: Vec<Vec<String>>) -> Attempt<Vec<u8>> {
    let columns: Vec<ArrayRef> =
        columns.into_iter().map(|column| Arc::new(StringArray::from(column)) as ArrayRef).collect();
    let mut pieces = Pieces::default();
    pieces.write(&columns)?;
    pieces.close()?;
    Ok(pieces.read(0)?.0)
}

/// What a table of texts is made of.
pub(super) fn loaded_texts(parts: usize) -> Vec<String> {
    (0..parts).map(|at| format!("$1:c{at}::VARCHAR")).collect()
}

#[cfg(test)]
mod tests {
    use arrow_array::{BooleanArray, TimestampMicrosecondArray};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;

    #[test]
    fn rows_come_back_from_the_files_as_they_went() {
        let columns: [(&str, ArrayRef); 4] = [
            ("text", Arc::new(StringArray::from(vec![Some("a\0é"), None]))),
            ("flag", Arc::new(BooleanArray::from(vec![Some(true), None]))),
            ("number", Arc::new(Int64Array::from(vec![Some(i64::MIN), None]))),
            ("time", Arc::new(TimestampMicrosecondArray::from(vec![Some(-1), None]))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut pieces = Pieces::default();
        pieces.add(&batch, 7).unwrap();
        pieces.spill().unwrap();
        pieces.add(&batch, 9).unwrap();
        pieces.close().unwrap();
        assert_eq!((pieces.files(), pieces.in_memory()), (1, 0));
        for _ in 0..2 {
            let (bytes, count) = pieces.read(0).unwrap();
            let rows: Vec<RecordBatch> = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes))
                .unwrap()
                .build()
                .unwrap()
                .map(Result::unwrap)
                .collect();
            assert_eq!(count, rows.iter().map(|rows| rows.num_rows() as u64).sum::<u64>());
            let first = &rows[0];
            let text = |at: usize| first.column(at).as_string::<i32>().value(0).to_owned();
            assert_eq!(
                (text(0), text(3)),
                ("a\u{fffd}é".to_owned(), "1969-12-31 23:59:59.999999+00:00".to_owned())
            );
            assert!((0..4).all(|at| first.column(at).is_null(1)));
            assert_eq!(first.schema().field(4).name(), "c4");
        }
    }
}
