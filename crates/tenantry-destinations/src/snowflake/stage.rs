//! Rows on their way: in files here, then in temporary tables of the session, which end with it.
//!
//! Files are kept until the rows are taken, so that a session which was lost costs nothing but to send them again. Rows that were staged from
//! parked ones have no files: where the session is lost, their stream is refused until it begins anew, as a complete read without them would
//! mark them deleted.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::{Array as _, RecordBatch};
use tenantry_replication::catalog::{Stream, Table, system};
use tenantry_replication::destination::{Batch, Value};
use tenantry_replication::error::DestinationErrorKind;

use super::connection::{Attempt, Connection, Failure, number};
use super::encode::{Pieces, loaded, loaded_texts, of_texts};
use super::types::{SNOWFLAKE, quoted, sql_type};
use crate::sql::server::{Connection as _, Texts};
use crate::sql::{ARRIVAL, Keys, Staged, columns, misfit};

/// Bytes of rows in memory for all tables together.
const MEMORY_BYTES_IN_ALL_MAX: usize = 32 << 20;

/// Everything that is staged and not yet taken.
#[derive(Default)]
pub(super) struct Stage {
    tables: BTreeMap<&'static str, Gathering>,
    /// Tables of which staged rows went with a session.
    lost: BTreeSet<&'static str>,
}

struct Gathering {
    table: &'static Table,
    pieces: Pieces,
    /// How many files are loaded; `None` while its temporary table is not there.
    loaded: Option<usize>,
    /// Whether there are rows that no file holds.
    is_restaged: bool,
    /// Rows so far, sent or not: the number of the next one.
    rows: u64,
    /// So many of the first rows are parked.
    parked: u64,
    null_keys: BTreeSet<&'static str>,
}

/// Staged rows that are all with the server.
#[derive(Debug, Clone)]
pub(super) struct Settled {
    pub(super) staged: Staged,
    pub(super) rows: u64,
    /// Number of the first row that is not parked.
    pub(super) unparked: u64,
}

impl Gathering {
    fn new(table: &'static Table) -> Self {
        Self {
            table,
            pieces: Pieces::default(),
            loaded: None,
            is_restaged: false,
            rows: 0,
            parked: 0,
            null_keys: BTreeSet::new(),
        }
    }

    fn take_in(&mut self, rows: &RecordBatch) -> Attempt<()> {
        let keys = self.table.key.iter().filter_map(|key| Some((*key, rows.column_by_name(key)?)));
        self.null_keys.extend(keys.filter(|(_, column)| column.null_count() > 0).map(|(key, _)| key));
        self.pieces.add(rows, self.rows)?;
        self.rows += rows.num_rows() as u64;
        Ok(())
    }

    /// Sends what the server has not got yet.
    async fn send(&mut self, connection: &Connection) -> Attempt<()> {
        self.pieces.close()?;
        let place = placed(self.table);
        let from = if let Some(loaded) = self.loaded {
            loaded
        } else {
            connection.stage().await?;
            connection.run(&create(&place, self.table, "CREATE OR REPLACE TEMPORARY TABLE")).await?;
            self.loaded = Some(0);
            0
        };
        // One at a time, so that their bytes fit memory.
        for at in from..self.pieces.files() {
            let (bytes, rows) = self.pieces.read(at)?;
            connection.load(&place, &loaded(self.table), vec![bytes], rows).await?;
            self.loaded = Some(at + 1);
        }
        Ok(())
    }
}

impl Stage {
    /// Takes rows. Nothing is sent.
    pub(super) fn add(&mut self, batch: Batch) -> Attempt<()> {
        if let Some(message) = misfit(&batch) {
            return Err(Failure::new(DestinationErrorKind::Failed, message));
        }
        let Batch { table, rows } = batch;
        self.check(table.name)?;
        self.tables.entry(table.name).or_insert_with(|| Gathering::new(table)).take_in(&rows)?;
        let in_memory: usize = self.tables.values().map(|gathering| gathering.pieces.in_memory()).sum();
        if in_memory >= MEMORY_BYTES_IN_ALL_MAX {
            for gathering in self.tables.values_mut() {
                gathering.pieces.spill()?;
            }
        }
        Ok(())
    }

    /// Refuses to go on with a table of which rows are missing.
    fn check(&self, table: &'static str) -> Attempt<()> {
        if self.lost.contains(table) {
            return Err(Failure::new(
                DestinationErrorKind::Unavailable,
                "the session was lost, and rows that were staged went with it; nothing of them was written",
            ));
        }
        Ok(())
    }

    /// Notes that the session is gone: files have to be sent again.
    pub(super) fn lose(&mut self) {
        let lost = self.tables.iter().filter(|(_, gathering)| gathering.is_restaged).map(|(table, _)| *table);
        self.lost.extend(lost);
        self.tables.retain(|_, gathering| !gathering.is_restaged);
        for gathering in self.tables.values_mut() {
            gathering.loaded = None;
        }
    }

    /// The staged rows of a table, all of them with the server; `None` when there are none. They stay staged.
    pub(super) async fn settle(
        &mut self,
        connection: &Connection,
        table: &'static Table,
    ) -> Attempt<Option<Settled>> {
        self.check(table.name)?;
        let Some(gathering) = self.tables.get_mut(table.name) else { return Ok(None) };
        if gathering.rows == 0 {
            return Ok(None);
        }
        gathering.send(connection).await?;
        let staged =
            Staged { table, place: placed(table), null_keys: gathering.null_keys.iter().copied().collect() };
        Ok(Some(Settled { staged, rows: gathering.rows, unparked: gathering.parked }))
    }

    /// The staged rows of all tables of a stream. They stay staged.
    pub(super) async fn settle_all(
        &mut self,
        connection: &Connection,
        stream: &'static Stream,
    ) -> Attempt<Vec<Settled>> {
        let mut all = Vec::new();
        for table in stream.tables {
            all.extend(self.settle(connection, table).await?);
        }
        Ok(all)
    }

    /// Notes that rows are parked.
    pub(super) fn note_parked(&mut self, parked: &[Settled]) {
        for settled in parked {
            if let Some(gathering) = self.tables.get_mut(settled.staged.table.name) {
                gathering.parked = settled.rows;
            }
        }
    }

    /// Stages the rows that a query gives, with their numbers, and counts them as parked. Nothing of the table is staged before.
    pub(super) async fn restage(
        &mut self,
        connection: &Connection,
        table: &'static Table,
        query: &str,
    ) -> Attempt<()> {
        let place = placed(table);
        connection.stage().await?;
        connection.run(&create(&place, table, "CREATE OR REPLACE TEMPORARY TABLE")).await?;
        let mut gathering = Gathering { loaded: Some(0), is_restaged: true, ..Gathering::new(table) };
        connection.run(&format!("INSERT INTO {place} {query}")).await?;
        let nulls: Vec<String> =
            table.key.iter().map(|key| format!(", COUNT_IF({} IS NULL)", quoted(key))).collect();
        let counted =
            connection.rows(&format!("SELECT MAX({ARRIVAL}){} FROM {place}", nulls.concat())).await?;
        let row = counted.into_iter().next().unwrap_or_default();
        gathering.rows = match row.first() {
            Some(Value::Null) | None => 0,
            last => number(last).unsigned_abs() + 1,
        };
        gathering.parked = gathering.rows;
        let nulls = table.key.iter().zip(row.iter().skip(1)).filter(|(_, count)| number(Some(count)) > 0);
        gathering.null_keys.extend(nulls.map(|(key, _)| *key));
        self.tables.insert(table.name, gathering);
        Ok(())
    }

    /// Forgets everything that is staged for a stream, and what was lost of it. Its temporary tables are made anew for the next rows.
    pub(super) fn discard(&mut self, stream: &'static Stream) {
        for table in stream.tables {
            self.lost.remove(table.name);
            self.tables.remove(table.name);
        }
    }

    /// The same of every stream.
    pub(super) fn discard_all(&mut self) {
        self.lost.clear();
        self.tables.clear();
    }
}

/// Where staged rows of a table are. Without a schema: a temporary table is found before any other in the session's schema.
fn placed(table: &Table) -> String {
    quoted(&format!("STAGED_{}", table.name))
}

/// A temporary table beside those of staged rows. The sign in its name keeps it apart from them.
pub(super) fn aside(name: &str) -> String {
    quoted(&format!("ASIDE_{name}"))
}

/// Columns of staged rows, with their types.
pub(super) fn staged_columns(table: &Table) -> Vec<(&'static str, &'static str)> {
    let data = table.data_columns().map(|column| (column.name, sql_type(column.kind)));
    data.chain([(system::PAGE, "NUMBER(19,0)"), (ARRIVAL, "NUMBER(19,0)")]).collect()
}

/// The same without types, as a list.
pub(super) fn staged_names(table: &Table, of: &str) -> String {
    let data = columns(&SNOWFLAKE, table.data_columns(), Some(of));
    format!("{data}, {of}.{}, {of}.{ARRIVAL}", quoted(system::PAGE))
}

/// The statement that creates a table for staged rows; `how` is its beginning.
pub(super) fn create(place: &str, table: &Table, how: &str) -> String {
    let column = |(name, kind): (&str, &str)| format!("{} {kind}", quoted(name));
    let columns: Vec<String> = staged_columns(table).into_iter().map(column).collect();
    format!("{how} {place} ({})", columns.join(", "))
}

/// Puts texts into a temporary table of their own.
pub(super) async fn stage_texts(connection: &Connection, name: &str, texts: Texts) -> Attempt<Keys> {
    let (place, parts) = (aside(name), texts.columns.len());
    let declared: Vec<String> = (0..parts).map(|part| format!("k{part} VARCHAR")).collect();
    connection.stage().await?;
    connection.run(&format!("CREATE OR REPLACE TEMPORARY TABLE {place} ({})", declared.join(", "))).await?;
    if texts.rows > 0 {
        let file = of_texts(texts.columns)?;
        connection.load(&place, &loaded_texts(parts), vec![file], texts.rows as u64).await?;
    }
    Ok(Keys { place, blank: texts.blank })
}
