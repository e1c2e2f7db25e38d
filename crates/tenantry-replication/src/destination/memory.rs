//! A destination in memory: the reference that says what a publish means, for tests, simulations and dry runs.
//!
//! Written to be seen to be right: plain maps, one value at a time. Keeps nothing when the process ends.

mod compare;
mod park;
mod publish;
mod state;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use arrow_schema::{Field, Schema};
use async_trait::async_trait;

pub use value::Value;
pub(crate) use value::column;

use self::publish::key_of;
use super::{
    Batch, Capabilities, Claim, Commit, Compared, Destination, Key, Lease, LeftOut, Parking, Published,
    TableSummary, arrow_type, check_lease, other_tenant, staged_schema,
};
use crate::catalog::{Catalog, Column, Origin, Stream, Table, Type, system};
use crate::clock::Micros;
use crate::defects::{Defect, planted};
use crate::error::{DestinationError, DestinationErrorKind, DestinationResult};
use crate::source::Gap;
use crate::state::{Checkpoint, Quarantine, RunRecord, State};

/// Tables in memory, as one process sees them.
#[derive(Debug, Default)]
pub struct MemoryDestination {
    kept: Arc<Mutex<Kept>>,
    own: Mutex<Own>,
}

/// A row as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Values of the data columns, by column name.
    pub values: BTreeMap<&'static str, Value>,
    /// The soft-delete flag.
    pub deleted: bool,
    /// The sync time.
    pub synced_at: Micros,
}

/// A quarantined record as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptQuarantine {
    /// The record and its reason.
    pub quarantine: Quarantine,
    /// Number of the last run that found it.
    pub run: u64,
}

/// A gap as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptGap {
    /// Name of the stream.
    pub stream: &'static str,
    /// The gap.
    pub gap: Gap,
    /// Number of the run that found it.
    pub run: u64,
}

/// What is the process's own.
#[derive(Debug, Default)]
struct Own {
    staged: Staged,
    /// The lease that this object writes under.
    fence: Option<u64>,
}

/// Everything, while nobody else has it.
struct Held<'a> {
    kept: MutexGuard<'a, Kept>,
    own: MutexGuard<'a, Own>,
}

/// What survives a crash.
#[derive(Debug, Default, Clone)]
struct Kept {
    tenant: Option<String>,
    lease: Option<Lease>,
    tables: BTreeMap<&'static str, Stored>,
    checkpoints: BTreeMap<String, Checkpoint>,
    checkpoint_runs: BTreeMap<String, u64>,
    parked: BTreeMap<&'static str, park::KeptPark>,
    runs: BTreeMap<u64, RunRecord>,
    gaps: Vec<KeptGap>,
    /// By table, key and reason.
    quarantined: BTreeMap<(&'static str, String, String), KeptQuarantine>,
}

#[derive(Debug, Clone)]
struct Stored {
    table: &'static Table,
    /// Every column that a catalog ever gave the table.
    columns: BTreeMap<&'static str, Type>,
    rows: BTreeMap<Vec<Value>, Row>,
}

/// Staged rows of a stream, by table.
type Staged = BTreeMap<&'static str, Vec<StagedRow>>;

#[derive(Debug, Clone)]
struct StagedRow {
    page: i64,
    values: BTreeMap<&'static str, Value>,
}

impl MemoryDestination {
    /// An empty destination.
    pub fn new() -> Self {
        Self::default()
    }

    /// What another process would find if this one were killed now: everything published, nothing staged.
    #[must_use]
    pub fn after_crash(&self) -> Self {
        let kept = self.held().kept.clone();
        Self { kept: Arc::new(Mutex::new(kept)), own: Mutex::default() }
    }

    /// The same tables as another process sees them that is alive at the same time.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self { kept: Arc::clone(&self.kept), own: Mutex::default() }
    }

    /// The rows of a table in key order, soft-deleted ones included; none for a table that is not prepared.
    pub fn rows(&self, table: &str) -> Vec<Row> {
        self.held()
            .kept
            .tables
            .get(table)
            .map(|stored| stored.rows.values().cloned().collect())
            .unwrap_or_default()
    }

    /// Recorded gaps, oldest first.
    pub fn gaps(&self) -> Vec<KeptGap> {
        self.held().kept.gaps.clone()
    }

    /// Quarantined records by table, key and reason.
    pub fn quarantined(&self) -> Vec<KeptQuarantine> {
        self.held().kept.quarantined.values().cloned().collect()
    }

    /// Recorded runs, oldest first.
    pub fn runs(&self) -> Vec<RunRecord> {
        self.held().kept.runs.values().cloned().collect()
    }

    fn held(&self) -> Held<'_> {
        // Every change below is made only once nothing can fail any more, so a panic elsewhere leaves no half of one.
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        Held { kept: self.kept.lock().unwrap_or_else(PoisonError::into_inner), own }
    }
}

#[async_trait]
impl Destination for MemoryDestination {
    fn capabilities(&self) -> Capabilities {
        Capabilities { atomic_publish: true, holds_nul: true }
    }

    async fn prepare(&self, catalog: &'static Catalog) -> DestinationResult<()> {
        let kept = &mut self.held().kept;
        for table in catalog.tables() {
            let Some(stored) = kept.tables.get(table.name) else { continue };
            for column in table.columns {
                if stored.columns.get(column.name).is_some_and(|kind| *kind != column.kind) {
                    let message = format!("{}.{} is of another type", table.name, column.name);
                    return Err(DestinationError::new(SchemaConflict, "prepare the tables", message));
                }
            }
        }
        for table in catalog.tables() {
            let stored = kept.tables.entry(table.name).or_insert_with(|| Stored {
                table,
                columns: BTreeMap::new(),
                rows: BTreeMap::new(),
            });
            stored.widen(table);
        }
        Ok(())
    }

    async fn claim(&self, tenant: &str) -> DestinationResult<()> {
        let kept = &mut self.held().kept;
        match kept.tenant.get_or_insert_with(|| tenant.to_owned()) {
            held if held == tenant => Ok(()),
            held => Err(other_tenant(held, tenant)),
        }
    }

    async fn lease(&self) -> DestinationResult<Option<Lease>> {
        Ok(self.held().kept.lease.clone())
    }

    async fn hold(&self, claim: Claim) -> DestinationResult<Lease> {
        let kept = &mut self.held().kept;
        let given = claim.settle(kept.lease.clone())?;
        kept.lease = Some(given.clone());
        Ok(given)
    }

    async fn release(&self, token: u64) -> DestinationResult<()> {
        let mut held = self.held();
        if let Some(lease) = held.kept.lease.as_mut().filter(|lease| lease.token == token) {
            lease.until = None;
        }
        Ok(())
    }

    fn fence(&self, token: Option<u64>) {
        self.held().own.fence = token;
    }

    async fn state(&self) -> DestinationResult<State> {
        let kept = &self.held().kept;
        let last_run = kept.runs.keys().next_back().copied().unwrap_or(0);
        Ok(State {
            checkpoints: kept.checkpoints.clone(),
            checkpoint_runs: kept.checkpoint_runs.clone(),
            parked: kept.parked_reads(),
            last_run,
        })
    }

    async fn stage(&self, batch: Batch) -> DestinationResult<()> {
        let rows = staged_rows(&batch)?;
        self.held().own.staged.entry(batch.table.name).or_default().extend(rows);
        Ok(())
    }

    async fn absent(&self, stream: &'static Stream, limit: usize) -> DestinationResult<Vec<Key>> {
        let held = self.held();
        let root = stream.root();
        let staged = held.own.staged.get(root.name).into_iter().flatten();
        let came: BTreeSet<Vec<Value>> = staged.map(|row| key_of(root, &row.values)).collect();
        let stored = held.kept.table(root, "look for absent rows")?;
        let absent = stored.rows.iter().filter(|(key, row)| !row.deleted && !came.contains(*key));
        Ok(absent.take(limit).map(|(key, _)| key.iter().map(Value::key_text).collect()).collect())
    }

    async fn find(
        &self,
        stream: &'static Stream,
        column: &'static str,
        values: &BTreeSet<String>,
    ) -> DestinationResult<Vec<Key>> {
        let held = self.held();
        let stored = held.kept.table(stream.root(), "look for rows")?;
        let holds =
            |row: &Row| row.values.get(column).is_some_and(|value| values.contains(&value.key_text()));
        let found = stored.rows.iter().filter(|(_, row)| !row.deleted && holds(row));
        Ok(found.map(|(key, _)| key.iter().map(Value::key_text).collect()).collect())
    }

    async fn sample(&self, stream: &'static Stream, rows: usize, seed: u64) -> DestinationResult<Vec<Key>> {
        let held = self.held();
        let stored = held.kept.table(stream.root(), "draw rows")?;
        let drawn = |key: &Key| xxhash_rust::xxh3::xxh3_64_with_seed(key.join("\0").as_bytes(), seed);
        let mut keys: Vec<Key> =
            stored.rows.keys().map(|key| key.iter().map(Value::key_text).collect()).collect();
        keys.sort_by_cached_key(drawn);
        keys.truncate(rows);
        keys.sort();
        Ok(keys)
    }

    async fn publish(&self, commit: Commit) -> DestinationResult<Published> {
        let mut held = self.held();
        let staged = held.take(commit.stream);
        held.check_lease()?;
        held.kept.publish(staged, &commit)
    }

    async fn compare(&self, commit: Commit, keys_max: usize) -> DestinationResult<Compared> {
        let mut held = self.held();
        let staged = held.take(commit.stream);
        held.kept.compare(staged, &commit, keys_max)
    }

    async fn park(&self, parking: Parking) -> DestinationResult<()> {
        let mut held = self.held();
        held.check_lease()?;
        held.park(&parking);
        Ok(())
    }

    async fn resume(&self, stream: &'static Stream, left_out: Option<LeftOut>) -> DestinationResult<bool> {
        Ok(self.held().resume(stream, left_out.as_ref()))
    }

    async fn unstage(&self, stream: &'static Stream) -> DestinationResult<()> {
        self.held().unstage(stream);
        Ok(())
    }

    async fn discard(&self, stream: &'static Stream) -> DestinationResult<()> {
        let mut held = self.held();
        held.unstage(stream);
        held.check_lease()?;
        held.kept.parked.remove(stream.name);
        Ok(())
    }

    async fn keep(
        &self,
        name: &str,
        checkpoint: &Checkpoint,
        run: u64,
        _at: Micros,
    ) -> DestinationResult<()> {
        let mut held = self.held();
        held.check_lease()?;
        held.kept.checkpoints.insert(name.to_owned(), checkpoint.clone());
        held.kept.checkpoint_runs.insert(name.to_owned(), run);
        Ok(())
    }

    async fn record(&self, run: &RunRecord) -> DestinationResult<()> {
        let mut held = self.held();
        held.check_lease()?;
        held.kept.runs.insert(run.run, run.clone());
        Ok(())
    }

    async fn summarize(&self, catalog: &'static Catalog) -> DestinationResult<Vec<TableSummary>> {
        let kept = &self.held().kept;
        Ok(catalog.tables().map(|table| kept.summary(table)).collect())
    }

    /// Knows one query, `FROM table`: all its rows in key order, columns in catalog order.
    async fn query(&self, sql: &str) -> DestinationResult<Vec<RecordBatch>> {
        let name = sql.strip_prefix("FROM ").map(str::trim);
        let held = self.held();
        let stored = name.and_then(|name| held.kept.tables.get(name)).ok_or_else(|| {
            DestinationError::new(
                DestinationErrorKind::Query,
                "answer the query",
                "only `FROM table` is understood",
            )
        })?;
        stored.to_batch().map(|batch| vec![batch])
    }
}

use DestinationErrorKind::SchemaConflict;

impl Held<'_> {
    /// Refuses to write where another process has taken the lease.
    fn check_lease(&self) -> DestinationResult<()> {
        self.own
            .fence
            .filter(|_| !planted(Defect::FenceIgnored))
            .map_or(Ok(()), |token| check_lease(token, self.kept.lease.as_ref()))
    }

    /// Hands over everything that is staged for a stream.
    fn take(&mut self, stream: &'static Stream) -> Staged {
        let tables = stream.tables.iter().map(|table| table.name);
        tables.map(|name| (name, self.own.staged.remove(name).unwrap_or_default())).collect()
    }
}

impl Kept {
    fn table(&self, table: &Table, action: &str) -> DestinationResult<&Stored> {
        self.tables.get(table.name).ok_or_else(|| {
            let message = format!("table {} is not prepared", table.name);
            DestinationError::new(DestinationErrorKind::Failed, action, message)
        })
    }
}

impl Stored {
    /// Takes on a catalog's columns and key; columns that only an earlier catalog had stay.
    fn widen(&mut self, table: &'static Table) {
        self.table = table;
        self.columns.extend(table.columns.iter().map(|column| (column.name, column.kind)));
        for row in self.rows.values_mut() {
            for column in table.data_columns() {
                row.values.entry(column.name).or_insert(Value::Null);
            }
        }
        let rows = std::mem::take(&mut self.rows);
        self.rows = rows.into_values().map(|row| (key_of(table, &row.values), row)).collect();
    }

    fn to_batch(&self) -> DestinationResult<RecordBatch> {
        let value = |column: &Column, row: &Row| match column.origin {
            Origin::Deleted => Value::Boolean(row.deleted),
            Origin::Synced => Value::Timestamp(row.synced_at),
            _ => row.values.get(column.name).cloned().unwrap_or(Value::Null),
        };
        let mut fields = Vec::new();
        let mut arrays = Vec::new();
        for wanted in self.table.columns {
            let values: Vec<Value> = self.rows.values().map(|row| value(wanted, row)).collect();
            fields.push(Field::new(wanted.name, arrow_type(wanted.kind), true));
            arrays.push(column(wanted.kind, values.iter()));
        }
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(|error| {
            let mut failure =
                DestinationError::new(DestinationErrorKind::Failed, "answer the query", error.to_string());
            failure.source = Some(Box::new(error));
            failure
        })
    }
}

fn staged_rows(batch: &Batch) -> DestinationResult<Vec<StagedRow>> {
    let Batch { table, rows } = batch;
    let wrong = || {
        let message = "the rows do not have the columns that the catalog gives the table";
        DestinationError::new(DestinationErrorKind::Failed, format!("stage rows of {}", table.name), message)
    };
    if *rows.schema() != *staged_schema(table) {
        return Err(wrong());
    }
    let pages = rows
        .column_by_name(system::PAGE)
        .and_then(|pages| pages.as_primitive_opt::<Int64Type>())
        .ok_or_else(wrong)?;
    let row = |row: usize| {
        let value = |(column, array)| Some((column, Value::at(array, row)?));
        let names = table.data_columns().map(|column| column.name);
        let values: Option<BTreeMap<_, _>> = names.zip(rows.columns()).map(value).collect();
        Some(StagedRow { page: pages.value(row), values: values? })
    };
    (0..rows.num_rows()).map(row).collect::<Option<Vec<_>>>().ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::MemoryDestination;
    use crate::catalog::Table;
    use crate::destination::Destination;
    use crate::destination::conformance::Subject;

    /// Remembers what was opened last, as a disk would.
    #[derive(Default)]
    struct InMemory {
        last: Mutex<Option<Arc<MemoryDestination>>>,
    }

    #[async_trait]
    impl Subject for InMemory {
        async fn open(&self) -> Arc<dyn Destination> {
            let mut last = self.last.lock().unwrap();
            let opened = last.take().map_or_else(MemoryDestination::new, |last| last.after_crash());
            let opened = Arc::new(opened);
            *last = Some(Arc::clone(&opened));
            opened
        }

        fn all_rows(&self, table: &Table) -> String {
            format!("FROM {}", table.name)
        }

        fn forbidden(&self, table: &Table) -> Vec<String> {
            vec![format!("DROP TABLE {}", table.name), String::new()]
        }
    }

    crate::destination_conformance!(InMemory::default());
}
