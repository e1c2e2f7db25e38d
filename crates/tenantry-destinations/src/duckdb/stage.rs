//! Rows on their way: gathered in memory, then in tables of an in-memory database that ends with the process.
//!
//! Every staged table has a name of its own, so that staging for the next publish never mixes with one under way. Looks at no value.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::{Array as _, ArrayRef, RecordBatch, StringArray};
use arrow_select::concat::concat_batches;
use tenantry_replication::catalog::{Stream, Table, system};
use tenantry_replication::destination::Batch;
use tenantry_replication::error::DestinationErrorKind;

use super::STAGE;
use super::connection::{Attempt, Connection, Failure, Place, quoted};
use super::merge::ROWS_PER_VECTOR;
use super::types::{sql_type, without_zones};
use crate::sql::misfit;

/// Bytes gathered for one table before they are handed to DuckDB.
const GATHERED_BYTES_MAX: usize = 4 << 20;
/// Bytes gathered for all tables before they are handed to DuckDB.
const GATHERED_BYTES_IN_ALL_MAX: usize = 16 << 20;

/// Everything that is staged and not yet taken.
pub(super) struct Stage {
    connection: Connection,
    tables: BTreeMap<&'static str, Gathering>,
    next: u64,
}

struct Gathering {
    table: &'static Table,
    batches: Vec<RecordBatch>,
    bytes: usize,
    rows: u64,
    null_keys: bool,
    place: Option<Place>,
    /// So many of the first rows are parked.
    parked: u64,
}

impl Gathering {
    fn new(table: &'static Table) -> Self {
        Self { table, batches: Vec::new(), bytes: 0, rows: 0, null_keys: false, place: None, parked: 0 }
    }

    /// Takes what DuckDB is to have now: all of it, or so much that what it holds ends with one of its vectors.
    ///
    /// For a vector that came in two pieces DuckDB notes who inserted each row, 256 KB for all such vectors of 122,880 rows, and never
    /// spills that: with millions of rows, it is what fills the memory. Rows so wide that there is no whole vector are few.
    fn ripe(&mut self, all: bool) -> Attempt<Vec<RecordBatch>> {
        let gathered: usize = self.batches.iter().map(RecordBatch::num_rows).sum();
        let beyond = (self.rows % ROWS_PER_VECTOR as u64) as usize;
        if all || beyond == 0 || gathered <= beyond {
            self.bytes = 0;
            return Ok(std::mem::take(&mut self.batches));
        }
        let (ripe, kept) = split(std::mem::take(&mut self.batches), gathered - beyond);
        self.bytes = self.bytes * beyond / gathered;
        // Copied, or what is kept would hold on to the memory of all of its batch.
        self.batches.push(concat_batches(&kept[0].schema(), &kept)?);
        Ok(ripe)
    }
}

/// Staged rows of one table of which some are not parked.
#[derive(Debug)]
pub(super) struct Unparked {
    pub(super) table: &'static Table,
    pub(super) place: Place,
    /// `rowid` of the first that is not parked.
    pub(super) from: u64,
    /// `rowid` after the last.
    pub(super) to: u64,
}

/// Staged rows of one table, all in DuckDB. Columns: the data columns, then the page; `rowid` follows the order of arrival.
#[derive(Debug, Clone)]
pub(super) struct Staged {
    pub(super) table: &'static Table,
    pub(super) place: Place,
    pub(super) rows: i64,
    /// Whether any value of a key column is NULL.
    pub(super) null_keys: bool,
}

impl Stage {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, tables: BTreeMap::new(), next: 0 }
    }

    /// Takes rows.
    pub(super) fn add(&mut self, batch: Batch) -> Attempt<()> {
        if let Some(message) = misfit(&batch) {
            return Err(Failure::new(DestinationErrorKind::Failed, message));
        }
        let Batch { table, rows } = batch;
        let gathering = self.tables.entry(table.name).or_insert_with(|| Gathering::new(table));
        gathering.rows += rows.num_rows() as u64;
        gathering.bytes += rows.get_array_memory_size();
        gathering.null_keys |= table
            .key
            .iter()
            .any(|key| rows.column_by_name(key).is_some_and(|column| column.null_count() > 0));
        gathering.batches.push(without_zones(&rows)?);
        if gathering.bytes >= GATHERED_BYTES_MAX {
            return self.flush(table.name, false);
        }
        let in_all: usize = self.tables.values().map(|gathering| gathering.bytes).sum();
        if in_all >= GATHERED_BYTES_IN_ALL_MAX {
            let names: Vec<&'static str> = self.tables.keys().copied().collect();
            return names.into_iter().try_for_each(|name| self.flush(name, false));
        }
        Ok(())
    }

    /// Hands what was gathered for a table to DuckDB: all of it, or what is ripe.
    ///
    /// Nothing that is staged may be used after a failure, and it is not tried again: where memory does not do for a commit, DuckDB 1.5.6
    /// mixes up the rows that come next.
    fn flush(&mut self, name: &'static str, all: bool) -> Attempt<()> {
        let Some(gathering) = self.tables.get_mut(name).filter(|gathering| !gathering.batches.is_empty())
        else {
            return Ok(());
        };
        let place = if let Some(place) = &gathering.place {
            place.clone()
        } else {
            let place = next_place(&mut self.next, name);
            self.connection.run(&create(&place, gathering.table))?;
            gathering.place.insert(place).clone()
        };
        let batches = gathering.ripe(all)?;
        self.connection.transaction(|connection| connection.ingest(&place, batches))
    }

    /// Stages the rows that a query gives, in its order, and counts them as parked. Nothing of the table is staged before.
    pub(super) fn restage(&mut self, table: &'static Table, query: &str) -> Attempt<()> {
        let place = next_place(&mut self.next, table.name);
        self.connection.run(&create(&place, table))?;
        let mut gathering = Gathering { place: Some(place.clone()), ..Gathering::new(table) };
        gathering.rows = self.connection.run(&format!("INSERT INTO {place} {query}"))?;
        gathering.parked = gathering.rows;
        let is_null: Vec<String> = table.key.iter().map(|key| format!("{} IS NULL", quoted(key))).collect();
        let count = format!("SELECT count(*) FROM {place} WHERE {}", is_null.join(" OR "));
        gathering.null_keys = self.connection.numbers(&count)? != [0];
        self.tables.insert(table.name, gathering);
        Ok(())
    }

    /// What of a stream is staged, and from which row on it is not parked; all of it is in DuckDB.
    pub(super) fn unparked(&mut self, stream: &'static Stream) -> Attempt<Vec<Unparked>> {
        let mut unparked = Vec::new();
        for table in stream.tables {
            let Some(Staged { place, .. }) = self.settle(table)? else { continue };
            let Some(gathering) = self.tables.get(table.name) else { continue };
            unparked.push(Unparked { table, place, from: gathering.parked, to: gathering.rows });
        }
        Ok(unparked)
    }

    /// Notes that rows are parked, unless they are no longer staged.
    pub(super) fn note_parked(&mut self, parked: &[Unparked]) {
        for Unparked { table, place, to, .. } in parked {
            let gathering = self.tables.get_mut(table.name);
            if let Some(gathering) = gathering.filter(|gathering| gathering.place.as_ref() == Some(place)) {
                gathering.parked = *to;
            }
        }
    }

    /// The connection that staged rows are written with.
    pub(super) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Where the staged rows of a table are, all of them in DuckDB; `None` when there are none. They stay staged.
    pub(super) fn settle(&mut self, table: &'static Table) -> Attempt<Option<Staged>> {
        self.flush(table.name, true)?;
        let Some(gathering) = self.tables.get(table.name).filter(|gathering| gathering.rows > 0) else {
            return Ok(None);
        };
        let Gathering { table, rows, null_keys, .. } = *gathering;
        let place = gathering.place.clone();
        Ok(place.map(|place| Staged { table, place, rows: rows.cast_signed(), null_keys }))
    }

    /// Hands over everything that is staged for a stream; the caller drops it. On failure it is gone.
    pub(super) fn take(&mut self, stream: &'static Stream) -> Attempt<Vec<Staged>> {
        let mut taken = Vec::new();
        for table in stream.tables {
            match self.settle(table) {
                Ok(staged) => taken.extend(staged),
                Err(failure) => {
                    // What was asked for can no longer be had; a failure to clean up would say nothing new.
                    let _ = self.discard(stream);
                    return Err(failure);
                }
            }
        }
        for table in stream.tables {
            self.tables.remove(table.name);
        }
        Ok(taken)
    }

    /// Forgets everything that is staged for a stream.
    pub(super) fn discard(&mut self, stream: &'static Stream) -> Attempt<()> {
        let places: Vec<Place> =
            stream.tables.iter().filter_map(|table| self.tables.remove(table.name)?.place).collect();
        places.iter().try_for_each(|place| drop_table(&mut self.connection, place))
    }
}

/// The first so many rows of batches, and the others.
fn split(batches: Vec<RecordBatch>, mut first: usize) -> (Vec<RecordBatch>, Vec<RecordBatch>) {
    let (mut before, mut behind) = (Vec::new(), Vec::new());
    for batch in batches {
        let rows = batch.num_rows();
        let here = first.min(rows);
        first -= here;
        before.extend((here > 0).then(|| batch.slice(0, here)));
        behind.extend((here < rows).then(|| batch.slice(here, rows - here)));
    }
    (before, behind)
}

/// Puts texts into a table of their own, in a column `value`.
pub(super) fn stage_values(
    connection: &mut Connection,
    place: &Place,
    values: &BTreeSet<String>,
) -> Attempt<()> {
    connection.run(&format!("CREATE OR REPLACE TABLE {place} (value VARCHAR)"))?;
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(values));
    connection.ingest(place, vec![RecordBatch::try_from_iter_with_nullable([("value", texts, true)])?])
}

/// A name for a staged table that no other has.
fn next_place(next: &mut u64, table: &str) -> Place {
    *next += 1;
    Place::new(STAGE, "main", format!("{table}#{next}"))
}

/// Drops a table.
pub(super) fn drop_table(connection: &mut Connection, place: &Place) -> Attempt<()> {
    connection.run(&format!("DROP TABLE IF EXISTS {place}")).map(|_| ())
}

/// Columns of staged rows, with their types.
pub(super) fn staged_columns(table: &Table) -> Vec<(&'static str, &'static str)> {
    let data = table.data_columns().map(|column| (column.name, sql_type(column.kind)));
    data.chain([(system::PAGE, "BIGINT")]).collect()
}

/// The statement that creates a table for staged rows.
pub(super) fn create(place: &Place, table: &Table) -> String {
    let columns: Vec<String> =
        staged_columns(table).into_iter().map(|(name, kind)| format!("{} {kind}", quoted(name))).collect();
    format!("CREATE TABLE {place} ({})", columns.join(", "))
}
