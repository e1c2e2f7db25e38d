//! Rows on their way: gathered in files of this machine, then in tables of the state dataset that end by themselves.
//!
//! What could not be brought over is remembered: a stream of which rows are missing is refused until it begins anew, as a complete read
//! without them would mark them deleted.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array as _, RecordBatch, cast::AsArray as _};
use serde_json::{Value, json};
use tenantry_replication::catalog::{Column, Stream, Table, system};
use tenantry_replication::clock::Micros;
use tenantry_replication::destination::{Batch, staged_schema};
use tenantry_replication::error::DestinationErrorKind;

use super::client::{Attempt, Failure};
use super::connection::Connection;
use super::job::Rows;
use super::schema::day_column;
use super::spool::Spool;
use super::types::{BIGQUERY, quoted, sql_type};
use crate::sql::server::Connection as _;
use crate::sql::{ARRIVAL, Staged, columns, misfit};

/// Bytes of one table in memory before they go to its file.
const HELD_BYTES_MAX: usize = 4 << 20;
/// The same of all tables.
const HELD_BYTES_IN_ALL_MAX: usize = 16 << 20;
/// Everything that is staged and not yet taken.
#[derive(Default)]
pub(super) struct Stage {
    tables: BTreeMap<&'static str, Gathering>,
    /// Tables of which staged rows were lost.
    lost: BTreeSet<&'static str>,
}

struct Gathering {
    table: &'static Table,
    spool: Option<Spool>,
    /// Whether its table is there.
    is_placed: bool,
    /// Rows so far, loaded or not: the number of the next one.
    rows: u64,
    /// So many of the first rows are parked.
    parked: u64,
    null_keys: BTreeSet<&'static str>,
    /// The column by which the table is partitioned, with the first and the last time in it.
    day_column: Option<&'static Column>,
    times: Option<(Micros, Micros)>,
}

/// Staged rows that are all with the service.
#[derive(Debug, Clone)]
pub(super) struct Settled {
    pub(super) staged: Staged,
    pub(super) rows: u64,
    /// Number of the first row that is not parked.
    pub(super) unparked: u64,
    /// The column by which the table is partitioned, with the first and the last time in it; `None` where any row may be meant.
    pub(super) times: Option<(&'static Column, Micros, Micros)>,
}

impl Gathering {
    fn new(table: &'static Table, day_column: Option<&'static Column>) -> Self {
        let (rows, parked, null_keys) = (0, 0, BTreeSet::new());
        Self { table, spool: None, is_placed: false, rows, parked, null_keys, day_column, times: None }
    }

    fn take_in(&mut self, rows: &RecordBatch) -> Attempt<()> {
        for key in self.table.key {
            if rows.column_by_name(key).is_some_and(|column| column.null_count() > 0) {
                self.null_keys.insert(key);
            }
        }
        let days = self.day_column.and_then(|column| rows.column_by_name(column.name));
        if let Some(times) = days.and_then(|days| days.as_primitive_opt::<TimestampMicrosecondType>()) {
            for time in times.iter().flatten() {
                let (first, last) = self.times.unwrap_or((time, time));
                self.times = Some((first.min(time), last.max(time)));
            }
        }
        let spool = match &mut self.spool {
            Some(spool) => spool,
            none => none.insert(Spool::new(&staged_schema(self.table))?),
        };
        spool.add(rows, self.rows)?;
        self.rows += rows.num_rows() as u64;
        if spool.held() >= HELD_BYTES_MAX { spool.flush() } else { Ok(()) }
    }

    fn held(&self) -> usize {
        self.spool.as_ref().map_or(0, Spool::held)
    }
}

impl Stage {
    /// Takes rows.
    pub(super) fn add(&mut self, batch: Batch) -> Attempt<()> {
        if let Some(message) = misfit(&batch) {
            return Err(Failure::new(DestinationErrorKind::Failed, message));
        }
        let Batch { table, rows } = batch;
        self.check(table.name)?;
        let gathering =
            self.tables.entry(table.name).or_insert_with(|| Gathering::new(table, day_column(table)));
        if let Err(failure) = gathering.take_in(&rows) {
            self.lose(table.name);
            return Err(failure);
        }
        if self.tables.values().map(Gathering::held).sum::<usize>() >= HELD_BYTES_IN_ALL_MAX {
            for spool in self.tables.values_mut().filter_map(|gathering| gathering.spool.as_mut()) {
                spool.flush()?;
            }
        }
        Ok(())
    }

    /// Refuses to go on with a table of which rows are missing.
    fn check(&self, table: &str) -> Attempt<()> {
        if self.lost.contains(table) {
            return Err(Failure::new(
                DestinationErrorKind::Unavailable,
                "rows that were staged could not be brought over; nothing of them was written",
            ));
        }
        Ok(())
    }

    fn lose(&mut self, table: &'static str) {
        self.tables.remove(table);
        self.lost.insert(table);
    }

    /// The staged rows of a table, all of them with the service; `None` when there are none. They stay staged.
    pub(super) async fn settle(
        &mut self,
        connection: &Connection,
        table: &'static Table,
    ) -> Attempt<Option<Settled>> {
        self.check(table.name)?;
        let place = connection.name("stage", table.name);
        let Some(gathering) = self.tables.get_mut(table.name).filter(|gathering| gathering.rows > 0) else {
            return Ok(None);
        };
        if let Some(spool) = gathering.spool.take() {
            let loaded = load(connection, &place, gathering, spool).await;
            if let Err(failure) = loaded {
                // Part of it may be there: nobody knows.
                self.lose(table.name);
                return Err(failure);
            }
        }
        let null_keys = gathering.null_keys.iter().copied().collect();
        let staged = Staged { table, place: connection.state(&place), null_keys };
        let times = gathering.day_column.zip(gathering.times);
        let times = times.map(|(column, (first, last))| (column, first, last));
        Ok(Some(Settled { staged, rows: gathering.rows, unparked: gathering.parked, times }))
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
        let place = connection.state(&connection.name("stage", table.name));
        let mut gathering = Gathering::new(table, day_column(table));
        gathering.is_placed = true;
        let nulls = table.key.iter().map(|key| format!(", COUNTIF({} IS NULL)", quoted(key)));
        let nulls: String = nulls.collect();
        let times = gathering.day_column.map(|column| quoted(column.name));
        let times = times
            .map(|time| format!(", UNIX_MICROS(MIN({time})), UNIX_MICROS(MAX({time}))"))
            .unwrap_or_default();
        let sql = format!(
            "CREATE OR REPLACE TABLE {place} {} AS {query}; \
             SELECT IFNULL(MAX({ARRIVAL}) + 1, 0){nulls}{times} FROM {place};",
            super::PASSING
        );
        let answer = connection.rows(&sql).await?;
        let row = answer.rows.first().map(Vec::as_slice).unwrap_or_default();
        gathering.rows = Rows::number(row, 0)?.unsigned_abs();
        gathering.parked = gathering.rows;
        for (at, key) in table.key.iter().enumerate() {
            if Rows::number(row, at + 1)? > 0 {
                gathering.null_keys.insert(key);
            }
        }
        if gathering.day_column.is_some() {
            let at = table.key.len() + 1;
            let (first, last) = (Rows::maybe_number(row, at)?, Rows::maybe_number(row, at + 1)?);
            gathering.times = first.zip(last);
        }
        self.tables.insert(table.name, gathering);
        Ok(())
    }

    /// Forgets everything that is staged for a stream, and what was lost of it.
    pub(super) async fn discard(&mut self, connection: &Connection, stream: &'static Stream) {
        for place in self.forget(connection, stream) {
            connection.drop_passing(&place).await;
        }
    }

    /// The same of every stream.
    pub(super) async fn discard_all(&mut self, connection: &Connection) {
        self.lost.clear();
        let tables: Vec<_> = std::mem::take(&mut self.tables).into_values().collect();
        for gathering in tables.into_iter().filter(|gathering| gathering.is_placed) {
            connection.drop_passing(&connection.name("stage", gathering.table.name)).await;
        }
    }

    /// Forgets a stream here, and gives the tables that the service holds for it.
    pub(super) fn forget(&mut self, connection: &Connection, stream: &'static Stream) -> Vec<String> {
        let mut places = Vec::new();
        for table in stream.tables {
            self.lost.remove(table.name);
            if self.tables.remove(table.name).is_some_and(|gathering| gathering.is_placed) {
                places.push(connection.name("stage", table.name));
            }
        }
        places
    }
}

async fn load(connection: &Connection, place: &str, gathering: &mut Gathering, spool: Spool) -> Attempt<()> {
    if !gathering.is_placed {
        let fields = staged_columns(gathering.table).into_iter().map(|(name, kind)| field(name, kind));
        connection.make_passing(place, fields.collect()).await?;
        gathering.is_placed = true;
    }
    connection.load(place, &mut spool.end()?).await
}

/// A query for keys that gives none.
pub(super) fn no_keys(parts: usize) -> String {
    let named: Vec<String> = (0..parts).map(|part| format!("'' AS k{part}")).collect();
    format!("SELECT {} FROM (SELECT 1 AS one) AS nothing WHERE false", named.join(", "))
}

/// A column as the API describes it.
pub(super) fn field(name: &str, kind: &str) -> Value {
    json!({ "name": name, "type": kind, "mode": "NULLABLE" })
}

/// Columns of staged rows, with their types.
pub(super) fn staged_columns(table: &Table) -> Vec<(&'static str, &'static str)> {
    let data = table.data_columns().map(|column| (column.name, sql_type(column.kind)));
    data.chain([(system::PAGE, "INTEGER"), (ARRIVAL, "INTEGER")]).collect()
}

/// The same without types, as a list.
pub(super) fn staged_names(table: &Table, of: &str) -> String {
    let data = columns(&BIGQUERY, table.data_columns(), Some(of));
    format!("{data}, {of}.{}, {of}.{ARRIVAL}", quoted(system::PAGE))
}
