//! DuckDB: one file that any DuckDB tool opens. The default destination, embedded in the program.
//!
//! The process that writes owns the file; others get `Locked` until it ends. Staged rows are in a database in memory, so that a crash
//! leaves nothing of them but what was parked. Refuses queries that would write or reach outside the file.

mod compare;
mod connection;
mod driver;
mod file;
mod lease;
mod limits;
mod merge;
mod park;
mod publish;
mod query;
mod reader;
mod schema;
mod stage;
mod state;
mod summary;
#[cfg(test)]
mod tests;
mod types;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use adbc_driver_manager::ManagedDatabase;
use arrow_array::RecordBatch;
use async_trait::async_trait;
use tenantry_replication::catalog::{Catalog, Stream};
use tenantry_replication::clock::Micros;
use tenantry_replication::destination::{
    Batch, Capabilities, Claim, Commit, Compared, Destination, Key, Lease, LeftOut, Maintenance, Parking,
    Published, Reader, TableSummary, other_tenant,
};
use tenantry_replication::error::{DestinationError, DestinationErrorKind, DestinationResult};
use tenantry_replication::state::{Checkpoint, RunRecord, State};

use self::connection::{Attempt, Connection, Place};
use self::stage::Stage;
use crate::{Language, Options, state_schema};

/// Name by which the file is attached. The same for every file, so that it cannot be taken for a schema of the user's choice.
const DATABASE: &str = "tenantry";
/// The database in memory that holds staged rows.
const STAGE: &str = "memory";

/// A DuckDB file.
pub struct DuckDb {
    shared: Arc<Shared>,
}

/// Locks are taken in this order: stage, writer. Connections are closed before the database.
struct Shared {
    names: Names,
    /// DuckDB's write-ahead log.
    log: PathBuf,
    identity: file::Identity,
    limits: limits::Limits,
    /// The lease that this object writes under; 0 for none.
    fence: AtomicU64,
    stage: Mutex<Stage>,
    writer: Mutex<Connection>,
    database: ManagedDatabase,
    // Last: removed once DuckDB has closed the file.
    _spill: file::SpillFolder,
}

/// What things are called in this file.
#[derive(Debug, Clone)]
struct Names {
    schema: String,
    state_schema: String,
    language: Language,
}

impl Names {
    fn new(options: &Options) -> Self {
        let state_schema = state_schema(&options.schema);
        Self { schema: options.schema.clone(), state_schema, language: options.language }
    }

    fn table(&self, name: &str) -> Place {
        Place::new(DATABASE, self.schema.as_str(), name)
    }
}

impl DuckDb {
    /// Opens the file, and makes it, readable by its owner alone, when it is not there and anything is to be written.
    ///
    /// From then on every file that this process creates is readable by its owner alone (umask 077), as DuckDB's own log and spill files
    /// hold the same data and take their mode from there.
    ///
    /// Fails with `Locked` (naming the process) when another process writes to it, `Newer` when a newer version of DuckDB or of this tool
    /// wrote it, and `Unavailable` when it is missing, no DuckDB file, or cannot be read.
    pub async fn open(path: impl Into<PathBuf>, options: Options) -> DestinationResult<Self> {
        let path = path.into();
        let action = format!("open {}", path.display());
        blocking(action, move || file::open(&path, &options).map(|shared| Self { shared: Arc::new(shared) }))
            .await
    }

    /// Runs `work` with what all calls share, on a thread that may block.
    async fn on<T: Send + 'static>(
        &self,
        action: impl Into<String>,
        work: impl FnOnce(&Shared) -> Attempt<T> + Send + 'static,
    ) -> DestinationResult<T> {
        let shared = Arc::clone(&self.shared);
        blocking(action, move || work(&shared)).await
    }
}

/// Runs `work` on a thread that may block.
async fn blocking<T: Send + 'static>(
    action: impl Into<String>,
    work: impl FnOnce() -> Attempt<T> + Send + 'static,
) -> DestinationResult<T> {
    let action = action.into();
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|failure| failure.during(action)),
        Err(panicked) => {
            let mut error =
                DestinationError::new(DestinationErrorKind::Failed, action, "the work ended in a panic");
            error.source = Some(Box::new(panicked));
            Err(error)
        }
    }
}

impl Shared {
    fn stage(&self) -> Attempt<MutexGuard<'_, Stage>> {
        locked(&self.stage)
    }

    /// The lease that writes have to check.
    fn fence(&self) -> Option<u64> {
        Some(self.fence.load(Ordering::Relaxed)).filter(|token| *token > 0)
    }

    fn writer(&self) -> Attempt<MutexGuard<'_, Connection>> {
        locked(&self.writer)
    }

    /// The same to write what must be found there later.
    fn keeper(&self) -> Attempt<MutexGuard<'_, Connection>> {
        let writer = self.writer()?;
        self.identity.check()?;
        Ok(writer)
    }
}

/// After a panic under a lock nobody knows what state the connection is in: nothing more is done with it.
fn locked<T>(mutex: &Mutex<T>) -> Attempt<MutexGuard<'_, T>> {
    mutex.lock().map_err(|_| {
        connection::Failure::new(
            DestinationErrorKind::Failed,
            "an earlier panic left the connection unusable",
        )
    })
}

#[async_trait]
impl Destination for DuckDb {
    fn capabilities(&self) -> Capabilities {
        Capabilities { atomic_publish: true, holds_nul: true }
    }

    async fn prepare(&self, catalog: &'static Catalog) -> DestinationResult<()> {
        self.on("prepare the tables", move |shared| {
            let mut writer = shared.writer()?;
            schema::prepare(&mut writer, catalog, &shared.names)
        })
        .await
    }

    async fn claim(&self, tenant: &str) -> DestinationResult<()> {
        let wanted = tenant.to_owned();
        let held = self
            .on("claim the destination".to_owned(), move |shared| {
                let mut writer = shared.writer()?;
                writer.transaction(|writer| state::claim(writer, &wanted))
            })
            .await?;
        held.map_or(Ok(()), |held| Err(other_tenant(&held, tenant)))
    }

    async fn lease(&self) -> DestinationResult<Option<Lease>> {
        self.on("read the lease", |shared| lease::read(&mut *shared.writer()?)).await
    }

    async fn hold(&self, claim: Claim) -> DestinationResult<Lease> {
        self.on("take the lease", move |shared| lease::hold(&mut *shared.keeper()?, &shared.names, claim))
            .await
    }

    async fn release(&self, token: u64) -> DestinationResult<()> {
        self.on("give the lease back", move |shared| lease::release(&mut *shared.writer()?, token)).await
    }

    fn fence(&self, token: Option<u64>) {
        self.shared.fence.store(token.unwrap_or(0), Ordering::Relaxed);
    }

    async fn state(&self) -> DestinationResult<State> {
        self.on("read the state", |shared| state::read(&mut *shared.writer()?)).await
    }

    async fn stage(&self, batch: Batch) -> DestinationResult<()> {
        self.on(format!("stage rows of {}", batch.table.name), move |shared| shared.stage()?.add(batch)).await
    }

    async fn absent(&self, stream: &'static Stream, limit: usize) -> DestinationResult<Vec<Key>> {
        self.on(format!("look for absent rows of stream {}", stream.name), move |shared| {
            let staged = shared.stage()?.settle(stream.root())?;
            let mut writer = shared.writer()?;
            summary::absent(&mut writer, &shared.names, stream, staged.as_ref(), limit)
        })
        .await
    }

    async fn find(
        &self,
        stream: &'static Stream,
        column: &'static str,
        values: &BTreeSet<String>,
    ) -> DestinationResult<Vec<Key>> {
        let values = values.clone();
        self.on(format!("look for rows of stream {}", stream.name), move |shared| {
            summary::find(&mut *shared.writer()?, &shared.names, stream, column, &values)
        })
        .await
    }

    async fn sample(&self, stream: &'static Stream, rows: usize, seed: u64) -> DestinationResult<Vec<Key>> {
        self.on(format!("draw rows of stream {}", stream.name), move |shared| {
            summary::sample(&mut *shared.writer()?, &shared.names, stream, rows, seed)
        })
        .await
    }

    async fn publish(&self, commit: Commit) -> DestinationResult<Published> {
        self.on(format!("publish stream {}", commit.stream.name), move |shared| {
            let staged = shared.stage()?.take(commit.stream)?;
            let mut writer = shared.keeper()?;
            let (names, limits, fence) = (&shared.names, &shared.limits, shared.fence());
            let published = publish::publish(&mut writer, names, limits, &commit, staged, fence)?;
            file::checkpoint(&mut writer, &shared.log);
            Ok(published)
        })
        .await
    }

    async fn compare(&self, commit: Commit, keys_max: usize) -> DestinationResult<Compared> {
        self.on(format!("compare stream {}", commit.stream.name), move |shared| {
            let staged = shared.stage()?.take(commit.stream)?;
            let mut writer = shared.writer()?;
            publish::compare(&mut writer, &shared.names, &shared.limits, &commit, staged, keys_max)
        })
        .await
    }

    async fn park(&self, parking: Parking) -> DestinationResult<()> {
        self.on(format!("park stream {}", parking.stream.name), move |shared| {
            // The stage is free again while the writer may be waited for.
            let unparked = if parking.rows { shared.stage()?.unparked(parking.stream)? } else { Vec::new() };
            let mut writer = shared.keeper()?;
            park::park(&mut writer, &parking, &unparked, shared.fence())?;
            file::checkpoint(&mut writer, &shared.log);
            drop(writer);
            shared.stage()?.note_parked(&unparked);
            Ok(())
        })
        .await
    }

    async fn resume(&self, stream: &'static Stream, left_out: Option<LeftOut>) -> DestinationResult<bool> {
        self.on(format!("stage the parked rows of stream {}", stream.name), move |shared| {
            park::resume(&mut *shared.stage()?, stream, left_out.as_ref())
        })
        .await
    }

    async fn unstage(&self, stream: &'static Stream) -> DestinationResult<()> {
        self.on(format!("forget staged rows of stream {}", stream.name), move |shared| {
            shared.stage()?.discard(stream)
        })
        .await
    }

    async fn discard(&self, stream: &'static Stream) -> DestinationResult<()> {
        self.on(format!("discard staged rows of stream {}", stream.name), move |shared| {
            shared.stage()?.discard(stream)?;
            let mut writer = shared.writer()?;
            if park::is_prepared(&mut writer)? {
                writer.transaction(|writer| {
                    lease::check(writer, shared.fence())?;
                    park::forget(writer, stream)
                })?;
            }
            Ok(())
        })
        .await
    }

    async fn keep(&self, name: &str, checkpoint: &Checkpoint, run: u64, at: Micros) -> DestinationResult<()> {
        let (name, checkpoint) = (name.to_owned(), checkpoint.clone());
        self.on(format!("keep the checkpoint of the {name}"), move |shared| {
            let mut writer = shared.keeper()?;
            let fence = shared.fence();
            writer.transaction(|writer| {
                lease::check(writer, fence)?;
                state::write_checkpoint(writer, &name, &checkpoint, run, at)
            })
        })
        .await
    }

    async fn record(&self, run: &RunRecord) -> DestinationResult<()> {
        let run = run.clone();
        self.on("record the run", move |shared| state::record(&mut *shared.keeper()?, &run, shared.fence()))
            .await
    }

    async fn summarize(&self, catalog: &'static Catalog) -> DestinationResult<Vec<TableSummary>> {
        self.on("summarize the tables", move |shared| {
            let mut writer = shared.writer()?;
            summary::summarize(&mut writer, &shared.names, catalog)
        })
        .await
    }

    /// Writes what the log holds to its place. DuckDB reuses the room of old rows by itself.
    async fn maintain(&self, _: &'static Catalog, _: Duration) -> DestinationResult<Maintenance> {
        self.on("write the log to its place", |shared| {
            let mut writer = shared.keeper()?;
            writer.transaction(|writer| lease::check(writer, shared.fence()))?;
            writer.run(&format!("CHECKPOINT {}", connection::quoted(DATABASE)))?;
            Ok(Maintenance::default())
        })
        .await
    }

    async fn query(&self, sql: &str) -> DestinationResult<Vec<RecordBatch>> {
        let sql = sql.to_owned();
        self.on("answer the query", move |shared| query::answer(&shared.database, &shared.names, &sql)).await
    }

    fn reader(&self) -> Option<Arc<dyn Reader>> {
        Some(Arc::new(reader::DuckReader { shared: Arc::clone(&self.shared) }))
    }
}
