//! Rows on their way to a load, in a Parquet file on this machine: what memory holds is bounded, what waits is on the disk.
//!
//! The file has no name that another process could open, and is gone when this process ends.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::sync::Arc;

use arrow_array::{Array as _, ArrayRef, Int64Array, RecordBatch, StringArray, cast::AsArray as _};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::client::Attempt;
use crate::sql::ARRIVAL;
use crate::sql::server::held;

/// Rows of a group at most: as many as are encoded together.
const GROUP_ROWS_MAX: usize = 100_000;

/// A file that takes rows.
pub(super) struct Spool {
    writer: ArrowWriter<File>,
    schema: SchemaRef,
}

/// A file that holds rows, to be read from its beginning.
pub(super) struct Spooled {
    file: File,
    pub(super) bytes: u64,
}

impl Spool {
    /// An empty one for rows of these columns; each row gets a number as well.
    pub(super) fn new(columns: &Schema) -> Attempt<Self> {
        let mut fields: Vec<_> = columns.fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new(ARRIVAL, DataType::Int64, false)));
        let schema = Arc::new(Schema::new(fields));
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(GROUP_ROWS_MAX))
            .build();
        let writer = ArrowWriter::try_new(tempfile::tempfile()?, Arc::clone(&schema), Some(properties))?;
        Ok(Self { writer, schema })
    }

    /// Adds rows, which are numbered from `first` on.
    pub(super) fn add(&mut self, rows: &RecordBatch, first: u64) -> Attempt<()> {
        let mut columns: Vec<ArrayRef> = rows.columns().iter().map(without_nul).collect();
        let (from, count) = (i64::try_from(first).unwrap_or(i64::MAX), rows.num_rows() as i64);
        columns.push(Arc::new(Int64Array::from_iter_values(from..from + count)));
        self.writer.write(&RecordBatch::try_new(Arc::clone(&self.schema), columns)?)?;
        Ok(())
    }

    /// Bytes that it holds in memory.
    pub(super) fn held(&self) -> usize {
        self.writer.in_progress_size()
    }

    /// Puts what is in memory on the disk.
    pub(super) fn flush(&mut self) -> Attempt<()> {
        Ok(self.writer.flush()?)
    }

    /// The whole file.
    pub(super) fn end(self) -> Attempt<Spooled> {
        let mut file = self.writer.into_inner()?;
        let bytes = file.stream_position()?;
        file.rewind()?;
        Ok(Spooled { file, bytes })
    }
}

impl Spooled {
    /// The bytes from `from` on, `most` of them or as many as there are.
    pub(super) fn piece(&mut self, from: u64, most: usize) -> Attempt<Vec<u8>> {
        self.file.seek(std::io::SeekFrom::Start(from))?;
        let mut piece = Vec::new();
        (&self.file).take(most as u64).read_to_end(&mut piece)?;
        Ok(piece)
    }
}

/// A column as it is held here: text without U+0000.
fn without_nul(column: &ArrayRef) -> ArrayRef {
    let Some(texts) = column.as_string_opt::<i32>() else { return Arc::clone(column) };
    let (from, to) = (texts.value_offsets()[0], texts.value_offsets()[texts.len()]);
    let bytes = &texts.value_data()[from.unsigned_abs() as usize..to.unsigned_abs() as usize];
    if !bytes.contains(&0) {
        return Arc::clone(column);
    }
    Arc::new(texts.iter().map(|text| text.map(|text| held(text).into_owned())).collect::<StringArray>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_loses_its_nul_and_keeps_its_nulls() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("\0"), None, Some("a\0b"), Some("c")]));
        let sliced = without_nul(&texts.slice(1, 3));
        assert_eq!(
            sliced.as_string::<i32>().iter().collect::<Vec<_>>(),
            [None, Some("a\u{fffd}b"), Some("c")]
        );
    }
}
