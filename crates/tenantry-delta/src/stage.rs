//! Rows on their way: in memory, and in files of our own beside it once they are many. A crash leaves nothing of them but what was parked.
//!
//! The files are Parquet in a folder that goes with the process. Looks at no value.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchReader as _};
use arrow_select::concat::concat_batches;
use bytes::Bytes;
use deltalake::parquet::arrow::ArrowWriter;
use deltalake::parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use deltalake::parquet::basic::Compression;
use deltalake::parquet::file::properties::WriterProperties;
use tempfile::{TempDir, TempPath};
use tenantry_replication::catalog::{Stream, Table};
use tenantry_replication::destination::{Batch, staged_schema};

use crate::failure::{Attempt, Failure};

/// Staged rows of all streams.
#[derive(Debug)]
pub(crate) struct Stage {
    tables: BTreeMap<&'static str, Staged>,
    /// Bytes of rows in memory, at most.
    memory_max: usize,
    folder: Option<TempDir>,
}

/// Staged rows of one table, in the order in which they came.
#[derive(Debug, Clone)]
pub(crate) struct Staged {
    pub(crate) table: &'static Table,
    pub(crate) pieces: Vec<Piece>,
}

/// Rows that came together.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub(crate) rows: usize,
    content: Content,
    /// The object that holds them, where they are parked.
    pub(crate) parked: Option<String>,
}

#[derive(Debug, Clone)]
enum Content {
    Memory(RecordBatch),
    File(Arc<TempPath>),
}

impl Stage {
    pub(crate) fn new(memory_max: usize) -> Self {
        Self { tables: BTreeMap::new(), memory_max, folder: None }
    }

    /// Takes rows.
    pub(crate) fn add(&mut self, batch: Batch) -> Attempt<()> {
        let Batch { table, rows } = batch;
        if *rows.schema() != *staged_schema(table) {
            let message = "the rows do not have the columns that the catalog gives the table";
            return Err(Failure::failed(message));
        }
        self.push(table, rows, None);
        self.fit()
    }

    /// Takes rows that are parked in an object, or come from there and are not as they are parked any more.
    pub(crate) fn restage(
        &mut self,
        table: &'static Table,
        rows: RecordBatch,
        parked: Option<String>,
    ) -> Attempt<()> {
        self.push(table, rows, parked);
        self.fit()
    }

    fn push(&mut self, table: &'static Table, rows: RecordBatch, parked: Option<String>) {
        let staged = self.tables.entry(table.name).or_insert_with(|| Staged { table, pieces: Vec::new() });
        staged.table = table;
        if rows.num_rows() > 0 {
            staged.pieces.push(Piece { rows: rows.num_rows(), content: Content::Memory(rows), parked });
        }
    }

    /// Hands over everything that is staged for a stream.
    pub(crate) fn take(&mut self, stream: &'static Stream) -> Vec<Staged> {
        stream.tables.iter().filter_map(|table| self.tables.remove(table.name)).collect()
    }

    /// What is staged for a table.
    pub(crate) fn of(&self, table: &Table) -> Option<Staged> {
        self.tables.get(table.name).cloned()
    }

    /// Notes in which object the first pieces of a table are parked: those that were there when they were written.
    pub(crate) fn note_parked(&mut self, table: &Table, pieces: usize, object: &str) {
        let Some(staged) = self.tables.get_mut(table.name) else { return };
        for piece in staged.pieces.iter_mut().take(pieces).filter(|piece| piece.parked.is_none()) {
            piece.parked = Some(object.to_owned());
        }
    }

    /// Notes that nothing of what is staged for a stream is parked any more.
    pub(crate) fn note_unparked(&mut self, stream: &'static Stream) {
        for table in stream.tables {
            let pieces = self.tables.get_mut(table.name).map(|staged| &mut staged.pieces);
            pieces.into_iter().flatten().for_each(|piece| piece.parked = None);
        }
    }

    /// Writes the rows of the largest tables to files until the others fit into memory.
    fn fit(&mut self) -> Attempt<()> {
        while self.tables.values().map(Staged::memory).sum::<usize>() > self.memory_max {
            if self.folder.is_none() {
                self.folder = Some(tempfile::Builder::new().prefix("tenantry-stage-").tempdir()?);
            }
            let largest = self.tables.values_mut().max_by_key(|staged| staged.memory());
            let (Some(folder), Some(largest)) = (&self.folder, largest) else { break };
            largest.spill(folder)?;
        }
        Ok(())
    }
}

impl Staged {
    fn memory(&self) -> usize {
        let memory = |piece: &Piece| match &piece.content {
            Content::Memory(rows) => rows.get_array_memory_size(),
            Content::File(_) => 0,
        };
        self.pieces.iter().map(memory).sum()
    }

    fn spill(&mut self, folder: &TempDir) -> Attempt<()> {
        for piece in &mut self.pieces {
            if let Content::Memory(rows) = &piece.content {
                let mut file = tempfile::NamedTempFile::new_in(folder)?;
                file.write_all(&encode(std::slice::from_ref(rows))?)?;
                piece.content = Content::File(Arc::new(file.into_temp_path()));
            }
        }
        Ok(())
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.pieces.iter().map(|piece| piece.rows).sum()
    }
}

impl Piece {
    /// The rows, wherever they are.
    pub(crate) fn read(&self) -> Attempt<RecordBatch> {
        match &self.content {
            Content::Memory(rows) => Ok(rows.clone()),
            Content::File(path) => {
                let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path.as_ref())?)?;
                joined(reader.with_batch_size(self.rows).build()?)
            }
        }
    }
}

/// Rows as a Parquet file.
pub(crate) fn encode(rows: &[RecordBatch]) -> Attempt<Vec<u8>> {
    let Some(first) = rows.first() else { return Err(Failure::failed("there are no rows to write")) };
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), first.schema(), Some(properties))?;
    for rows in rows {
        writer.write(rows)?;
    }
    Ok(writer.into_inner()?)
}

/// Rows out of a Parquet file.
pub(crate) fn decode(file: Bytes) -> Attempt<RecordBatch> {
    joined(ParquetRecordBatchReaderBuilder::try_new(file)?.build()?)
}

fn joined(reader: ParquetRecordBatchReader) -> Attempt<RecordBatch> {
    // Metadata of the file is none of the rows'.
    let schema = Arc::new(reader.schema().as_ref().clone().with_metadata(HashMap::new()));
    let batches = reader.map(|rows| rows?.with_schema(Arc::clone(&schema))).collect::<Result<Vec<_>, _>>()?;
    Ok(concat_batches(&schema, &batches)?)
}

#[cfg(test)]
mod tests {
    use tenantry_replication::destination::conformance::tables::events;

    use super::*;

    fn rows(count: usize, page: i64) -> RecordBatch {
        let schema = staged_schema(events().root());
        let ids = arrow_array::StringArray::from_iter_values((0..count).map(|row| format!("{page}-{row}")));
        let times: arrow_array::TimestampMicrosecondArray =
            (0..count).map(|row| (row % 2 == 0).then_some(row as i64)).collect();
        let pages = arrow_array::Int64Array::from(vec![page; count]);
        RecordBatch::try_new(
            schema,
            vec![Arc::new(ids), Arc::new(times.with_timezone("UTC")), Arc::new(pages)],
        )
        .unwrap()
    }

    #[test]
    fn what_does_not_fit_into_memory_comes_back_as_it_was() {
        let mut stage = Stage::new(10_000);
        let table = events().root();
        let batches: Vec<_> = (0..20).map(|page| rows(100, page)).collect();
        for batch in &batches {
            stage.add(Batch { table, rows: batch.clone() }).unwrap();
        }
        let staged = stage.take(events()).pop().unwrap();
        assert!(staged.memory() <= 10_000, "{} bytes in memory", staged.memory());
        assert_eq!(staged.rows(), 2000);
        let folder = stage.folder.as_ref().unwrap().path().to_owned();
        assert!(std::fs::read_dir(&folder).unwrap().count() > 0);
        let read: Vec<_> = staged.pieces.iter().map(|piece| piece.read().unwrap()).collect();
        assert_eq!(read, batches);
        drop(staged);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "files go with the rows");
    }

    #[test]
    fn rows_of_other_columns_are_refused() {
        let rows = rows(1, 0).project(&[0, 2]).unwrap();
        assert!(Stage::new(1).add(Batch { table: events().root(), rows }).is_err());
    }
}
