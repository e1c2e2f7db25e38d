//! Questions about what the tables hold: live rows that were not staged, rows by a value, a sample, and one line for each table.
//!
//! Reads flags, times, keys and the column that is asked for; no other value.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array as _, RecordBatch};
use deltalake::DeltaTable;
use tenantry_replication::catalog::{Catalog, Stream, Table, system};
use tenantry_replication::destination::{Key, TableSummary, Value};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::Inner;
use crate::cells::{Columns, Hasher};
use crate::engine::Call;
use crate::failure::{Attempt, Failure};
use crate::ledger::RUN_TABLE;
use crate::narrow::name;
use crate::settle::Settled;

impl Inner {
    /// Keys of live root rows that no staged row has.
    pub(crate) fn absent<'a>(&'a self, stream: &'static Stream, limit: usize) -> Call<'a, Vec<Key>> {
        Box::pin(async move {
            let staged = self.stage(|stage| Ok(stage.of(stream.root())))?;
            let settled = Settled::of(stream, staged.as_slice(), None)?;
            let came = settled.root();
            let hasher = settled.hasher;
            self.live_keys(stream, None, limit, |batch| {
                let mut keys = Columns::of(batch, stream.root().key_columns(), hasher)?;
                let is_absent = |row| came.is_none_or(|came| !came.rows.contains_key(&keys.values(row)));
                Ok((0..batch.num_rows()).map(is_absent).collect())
            })
            .await
        })
    }

    /// Keys of live root rows whose column holds one of these values.
    pub(crate) fn find<'a>(
        &'a self,
        stream: &'static Stream,
        column: &'static str,
        values: &'a BTreeSet<String>,
    ) -> Call<'a, Vec<Key>> {
        Box::pin(async move {
            self.live_keys(stream, Some(column), usize::MAX, |batch| {
                let array = batch.column_by_name(column);
                let is_found = |row| {
                    let value = array.and_then(|array| Value::at(array, row));
                    value.is_some_and(|value| values.contains(&value.key_text()))
                };
                Ok((0..batch.num_rows()).map(is_found).collect())
            })
            .await
        })
    }

    /// The first keys, in order, of live root rows that are wanted.
    async fn live_keys(
        &self,
        stream: &'static Stream,
        column: Option<&'static str>,
        limit: usize,
        wanted: impl Fn(&RecordBatch) -> Attempt<Vec<bool>>,
    ) -> Attempt<Vec<Key>> {
        let root = stream.root();
        let stored = self.tables.replicated(root).await?;
        let mut columns: Vec<&str> = root.key.to_vec();
        columns.extend(column.filter(|column| !root.key.contains(column)));
        columns.push(system::DELETED);
        let mut keys: BinaryHeap<Vec<Value>> = BinaryHeap::new();
        let hasher = Hasher::new();
        let show = |batch: RecordBatch| {
            let (deleted, wanted) = (flags(&batch)?, wanted(&batch)?);
            let of_batch = Columns::of(&batch, root.key_columns(), hasher)?;
            for row in (0..batch.num_rows()).filter(|row| wanted[*row] && !deleted[*row]) {
                keys.push(of_batch.ordered(row));
                if keys.len() > limit {
                    keys.pop();
                }
            }
            Ok(())
        };
        self.engine.visit(&stored, columns, None, show).await?;
        let key = |key: Vec<Value>| key.iter().map(Value::key_text).collect();
        Ok(keys.into_sorted_vec().into_iter().map(key).collect())
    }

    /// Keys of root rows, drawn by a hash of key and seed; in order.
    pub(crate) fn sample<'a>(
        &'a self,
        stream: &'static Stream,
        rows: usize,
        seed: u64,
    ) -> Call<'a, Vec<Key>> {
        Box::pin(async move {
            let root = stream.root();
            let stored = self.tables.replicated(root).await?;
            let mut drawn: BinaryHeap<(u64, Key)> = BinaryHeap::new();
            let hasher = Hasher::new();
            let show = |batch: RecordBatch| {
                let keys = Columns::of(&batch, root.key_columns(), hasher)?;
                for row in 0..batch.num_rows() {
                    let key = keys.key(row);
                    drawn.push((xxh3_64_with_seed(key.join("\0").as_bytes(), seed), key));
                    if drawn.len() > rows {
                        drawn.pop();
                    }
                }
                Ok(())
            };
            self.engine.visit(&stored, root.key.iter().copied(), None, show).await?;
            let mut keys: Vec<Key> = drawn.into_iter().map(|(_, key)| key).collect();
            keys.sort();
            Ok(keys)
        })
    }

    /// One line for each table of the catalog; zeros for a table that is not there yet.
    pub(crate) fn summarize<'a>(&'a self, catalog: &'static Catalog) -> Call<'a, Vec<TableSummary>> {
        Box::pin(async move {
            let outcomes = self.outcomes().await?;
            let mut lines = Vec::new();
            for table in catalog.tables() {
                let mut line = self.line(table).await?;
                if let Some(ended) = outcomes.get(table.name) {
                    line.last_success = ended.success;
                    line.last_outcome = Some(ended.outcome.clone());
                    line.last = Some(ended.took);
                }
                lines.push(line);
            }
            Ok(lines)
        })
    }

    async fn line(&self, table: &'static Table) -> Attempt<TableSummary> {
        let mut line = TableSummary {
            table: table.name,
            live: 0,
            deleted: 0,
            newest: None,
            last_success: None,
            last_outcome: None,
            last: None,
        };
        let Some(stored) = self.tables.find(&self.tables.schema, table.name).await? else { return Ok(line) };
        let show = |batch: RecordBatch| {
            let deleted = flags(&batch)?.into_iter().filter(|deleted| *deleted).count() as u64;
            line.deleted += deleted;
            line.live += batch.num_rows() as u64 - deleted;
            let synced = batch.column_by_name(system::SYNCED);
            let synced = synced.and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>());
            line.newest = line.newest.max(synced.into_iter().flatten().flatten().max());
            Ok(())
        };
        self.engine.visit(&stored, [system::DELETED, system::SYNCED], None, show).await?;
        Ok(line)
    }

    /// How runs ended, by table.
    async fn outcomes(&self) -> Attempt<BTreeMap<String, Ended>> {
        match self.tables.find(&self.tables.state, RUN_TABLE.name).await? {
            Some(stored) => self.outcomes_in(&stored).await,
            None => Ok(BTreeMap::new()),
        }
    }

    async fn outcomes_in(&self, stored: &DeltaTable) -> Attempt<BTreeMap<String, Ended>> {
        let columns = ["run", "table", "finished_at", "outcome", "message", "requests", "seconds"];
        let rows = self
            .engine
            .rows(stored)
            .await?
            .select(columns.map(name))?
            .sort(vec![name("run").sort(true, true)])?;
        let mut outcomes = BTreeMap::new();
        for batch in rows.collect().await? {
            for row in 0..batch.num_rows() {
                note_outcome(&batch, row, &mut outcomes)?;
            }
        }
        Ok(outcomes)
    }
}

/// How runs ended for a table.
#[derive(Debug, Default)]
struct Ended {
    /// When one last finished it well.
    success: Option<i64>,
    /// How the last one ended.
    outcome: String,
    /// Requests and seconds of the last one.
    took: (u64, f64),
}

fn note_outcome(batch: &RecordBatch, row: usize, outcomes: &mut BTreeMap<String, Ended>) -> Attempt<()> {
    let unforeseen = || Failure::failed(format!("our table {} has unforeseen columns", RUN_TABLE.name));
    let text = |index: usize| {
        let texts = batch.column(index).as_string_opt::<i32>();
        texts.map(|texts| texts.is_valid(row).then(|| texts.value(row))).ok_or_else(unforeseen)
    };
    let finished = batch.column(2).as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(unforeseen)?;
    let requests = batch.column(5).as_primitive_opt::<Int64Type>().ok_or_else(unforeseen)?;
    let seconds = batch.column(6).as_primitive_opt::<Float64Type>().ok_or_else(unforeseen)?;
    let ended: &mut Ended = outcomes.entry(text(1)?.unwrap_or_default().to_owned()).or_default();
    let outcome = text(3)?.unwrap_or_default();
    if outcome == "done" {
        ended.success = ended.success.max(finished.is_valid(row).then(|| finished.value(row)));
    }
    ended.outcome = match text(4)? {
        Some(message) => format!("{outcome}: {message}"),
        None => outcome.to_owned(),
    };
    ended.took = (u64::try_from(requests.value(row)).unwrap_or(0), seconds.value(row));
    Ok(())
}

/// Which rows are marked deleted.
fn flags(batch: &RecordBatch) -> Attempt<Vec<bool>> {
    let deleted = batch.column_by_name(system::DELETED).and_then(|column| column.as_boolean_opt());
    let deleted = deleted.ok_or_else(|| Failure::failed("the soft-delete flag is no boolean"))?;
    Ok(deleted.iter().map(|flag| flag == Some(true)).collect())
}
