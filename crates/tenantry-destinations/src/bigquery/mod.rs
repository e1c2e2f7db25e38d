//! BigQuery: rows by Parquet load jobs, merged by the service, with their checkpoint in one multi-statement transaction.
//!
//! Staged rows wait in files of this machine, then in tables that end by themselves, so that a crash leaves nothing of them but what was
//! parked. Whoever loses the answer to a job asks for it by its name, and nothing is ever done twice. Refuses queries that would write.

mod address;
mod answer;
mod client;
mod commit;
mod compare;
mod connection;
#[cfg(feature = "test-utils")]
pub mod emulator;
mod job;
mod lease;
mod load;
mod merge;
mod park;
mod publish;
mod query;
mod schema;
mod settle;
mod spool;
mod stage;
mod state;
mod summary;
mod types;

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use tenantry_replication::catalog::{Catalog, Stream};
use tenantry_replication::clock::Micros;
use tenantry_replication::destination::{
    Batch, Capabilities, Claim, Commit, Compared, Destination, Key, Lease, LeftOut, Parking, Published,
    TableSummary, other_tenant,
};
use tenantry_replication::error::{DestinationError, DestinationErrorKind, DestinationResult};
use tenantry_replication::state::{Checkpoint, RunRecord, State};
use tokio::sync::Mutex;

pub use self::address::{Address, VARIABLES};
use self::client::{Attempt, Failure, reported};
use self::connection::Connection;
use self::stage::Stage;
use crate::sql::server::state::other_tenant as other_tenant_there;
use crate::sql::server::summary::{absent, find};
use crate::sql::server::{Rights, to_its_end};
use crate::{Access, Options};

/// When passing tables end by themselves, milliseconds after they were made: a week, as a read can be slow.
const PASSING_MS: u64 = 7 * 86_400_000;
/// The same, as a part of statements that make one.
const PASSING: &str = "OPTIONS(expiration_timestamp = TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 7 DAY))";

/// Tables in a BigQuery dataset.
pub struct BigQuery {
    shared: Arc<Shared>,
}

struct Shared {
    connection: Connection,
    rights: Rights,
    /// Held by whoever stages or writes.
    stage: Mutex<Stage>,
}

impl BigQuery {
    /// Looks for the dataset that `PROJECT.DATASET` names; makes nothing there yet.
    ///
    /// Fails with `Unavailable` where that cannot be read, there are no credentials, or the service cannot be reached or refuses them; with
    /// `Newer` when a newer version of this tool wrote there; with `Absent` when it is to be read and no run has filled it.
    pub async fn open(rest: &str, options: Options) -> DestinationResult<Self> {
        let action = "open the BigQuery destination";
        let address = Address::parse(rest, &options.schema, &options.surroundings)
            .map_err(|message| DestinationError::new(DestinationErrorKind::Unavailable, action, message))?;
        Self::connect(&address, &options).await.map_err(|failure| {
            let message = format!("{}: {}", address.name(), failure.message);
            reported(Failure { message, ..failure }, action.to_owned())
        })
    }

    /// Removes both datasets with everything in them.
    #[cfg(feature = "test-utils")]
    pub async fn remove(&self) -> DestinationResult<()> {
        self.on("remove the datasets", async move |shared: Arc<Shared>| {
            for dataset in [&shared.connection.names.dataset, &shared.connection.names.state_dataset] {
                shared.connection.client.delete(&format!("/datasets/{dataset}?deleteContents=true")).await?;
            }
            Ok(())
        })
        .await
    }

    async fn connect(address: &Address, options: &Options) -> Attempt<Self> {
        let connection = Connection::new(address, options.language)?;
        let is_there = connection.look_at(&connection.names.state_dataset).await?;
        if is_there {
            state::check_layout(&connection).await?;
        }
        if options.access == Access::Read && !(is_there && state::exists(&connection).await?) {
            return Err(Failure::new(DestinationErrorKind::Absent, "no run has filled it yet"));
        }
        let (rights, stage) = (Rights::new(options.access), Mutex::new(Stage::default()));
        Ok(Self { shared: Arc::new(Shared { connection, rights, stage }) })
    }

    /// Does `work` with what all calls share, to its end: also when whoever asked for it no longer waits, as nobody would learn what became
    /// of a transaction.
    async fn on<T, Work>(
        &self,
        action: impl Into<String>,
        work: impl FnOnce(Arc<Shared>) -> Work,
    ) -> DestinationResult<T>
    where
        T: Send + 'static,
        Work: Future<Output = Attempt<T>> + Send + 'static,
    {
        to_its_end(action.into(), work(Arc::clone(&self.shared)), reported).await
    }
}

impl Shared {
    /// Runs statements as one transaction, under the lease.
    async fn commit(&self, statements: &[String]) -> Attempt<()> {
        commit::commit(&self.connection, self.rights.fence(), statements, &[]).await
    }
}

#[async_trait]
impl Destination for BigQuery {
    fn capabilities(&self) -> Capabilities {
        Capabilities { atomic_publish: true, holds_nul: false }
    }

    async fn prepare(&self, catalog: &'static Catalog) -> DestinationResult<()> {
        self.on("prepare the tables", async move |shared: Arc<Shared>| {
            shared.rights.check()?;
            // Their columns may be others from now on.
            shared.stage.lock().await.discard_all(&shared.connection).await;
            schema::prepare(&shared.connection, catalog).await
        })
        .await
    }

    async fn claim(&self, tenant: &str) -> DestinationResult<()> {
        let wanted = tenant.to_owned();
        let held = self
            .on("claim the destination", async move |shared: Arc<Shared>| {
                if shared.rights.access == Access::Read {
                    return other_tenant_there(&shared.connection, &wanted).await;
                }
                state::claim(&shared.connection, &wanted).await
            })
            .await?;
        held.map_or(Ok(()), |held| Err(other_tenant(&held, tenant)))
    }

    async fn lease(&self) -> DestinationResult<Option<Lease>> {
        self.on("read the lease", async move |shared: Arc<Shared>| lease::read(&shared.connection).await)
            .await
    }

    async fn hold(&self, claim: Claim) -> DestinationResult<Lease> {
        self.on("take the lease", async move |shared: Arc<Shared>| {
            shared.rights.check()?;
            lease::hold(&shared.connection, claim).await
        })
        .await
    }

    async fn release(&self, token: u64) -> DestinationResult<()> {
        self.on("give the lease back", async move |shared: Arc<Shared>| {
            lease::release(&shared.connection, token).await
        })
        .await
    }

    fn fence(&self, token: Option<u64>) {
        self.shared.rights.set_fence(token);
    }

    async fn state(&self) -> DestinationResult<State> {
        self.on("read the state", async move |shared: Arc<Shared>| state::read(&shared.connection).await)
            .await
    }

    async fn stage(&self, batch: Batch) -> DestinationResult<()> {
        self.on(format!("stage rows of {}", batch.table.name), async move |shared: Arc<Shared>| {
            shared.stage.lock().await.add(batch)
        })
        .await
    }

    async fn absent(&self, stream: &'static Stream, limit: usize) -> DestinationResult<Vec<Key>> {
        let action = format!("look for absent rows of stream {}", stream.name);
        self.on(action, async move |shared: Arc<Shared>| {
            let connection = &shared.connection;
            let staged = shared.stage.lock().await.settle(connection, stream.root()).await?;
            let staged = staged.as_ref().map(|settled| &settled.staged);
            absent(connection, stream, staged, limit).await
        })
        .await
    }

    async fn find(
        &self,
        stream: &'static Stream,
        column: &'static str,
        values: &BTreeSet<String>,
    ) -> DestinationResult<Vec<Key>> {
        let values: Vec<String> = values.iter().cloned().collect();
        self.on(format!("look for rows of stream {}", stream.name), async move |shared: Arc<Shared>| {
            find(&shared.connection, stream, column, &values).await
        })
        .await
    }

    async fn sample(&self, stream: &'static Stream, rows: usize, seed: u64) -> DestinationResult<Vec<Key>> {
        self.on(format!("draw rows of stream {}", stream.name), async move |shared: Arc<Shared>| {
            summary::sample(&shared.connection, stream, rows, seed).await
        })
        .await
    }

    async fn publish(&self, commit: Commit) -> DestinationResult<Published> {
        self.on(format!("publish stream {}", commit.stream.name), async move |shared: Arc<Shared>| {
            shared.rights.check()?;
            let (connection, mut stage) = (&shared.connection, shared.stage.lock().await);
            let published = publish::publish(connection, &mut stage, &commit, shared.rights.fence()).await;
            stage.discard(connection, commit.stream).await;
            published
        })
        .await
    }

    async fn compare(&self, commit: Commit, keys_max: usize) -> DestinationResult<Compared> {
        self.on(format!("compare stream {}", commit.stream.name), async move |shared: Arc<Shared>| {
            let (connection, mut stage) = (&shared.connection, shared.stage.lock().await);
            let compared = publish::compare(connection, &mut stage, &commit, keys_max).await;
            stage.discard(connection, commit.stream).await;
            compared
        })
        .await
    }

    async fn park(&self, parking: Parking) -> DestinationResult<()> {
        self.on(format!("park stream {}", parking.stream.name), async move |shared: Arc<Shared>| {
            shared.rights.check()?;
            let mut stage = shared.stage.lock().await;
            park::park(&shared.connection, &mut stage, &parking, shared.rights.fence()).await
        })
        .await
    }

    async fn resume(&self, stream: &'static Stream, left_out: Option<LeftOut>) -> DestinationResult<bool> {
        let action = format!("stage the parked rows of stream {}", stream.name);
        self.on(action, async move |shared: Arc<Shared>| {
            let mut stage = shared.stage.lock().await;
            park::resume(&shared.connection, &mut stage, stream, left_out.as_ref()).await
        })
        .await
    }

    async fn unstage(&self, stream: &'static Stream) -> DestinationResult<()> {
        self.on(format!("forget staged rows of stream {}", stream.name), async move |shared: Arc<Shared>| {
            shared.stage.lock().await.discard(&shared.connection, stream).await;
            Ok(())
        })
        .await
    }

    async fn discard(&self, stream: &'static Stream) -> DestinationResult<()> {
        self.on(format!("discard staged rows of stream {}", stream.name), async move |shared: Arc<Shared>| {
            shared.rights.check()?;
            let (connection, mut stage) = (&shared.connection, shared.stage.lock().await);
            stage.discard(connection, stream).await;
            if park::is_parked(connection, stream).await? {
                let (forget, leftovers) =
                    (park::forget(connection, stream), park::leftovers(connection, stream));
                commit::commit(connection, shared.rights.fence(), &forget, &leftovers).await?;
            }
            Ok(())
        })
        .await
    }

    async fn keep(&self, name: &str, checkpoint: &Checkpoint, run: u64, at: Micros) -> DestinationResult<()> {
        let (name, checkpoint) = (name.to_owned(), checkpoint.clone());
        self.on(format!("keep the checkpoint of the {name}"), async move |shared: Arc<Shared>| {
            shared.rights.check()?;
            let _writing = shared.stage.lock().await;
            shared.commit(&state::write_checkpoint(&shared.connection, &name, &checkpoint, run, at)?).await
        })
        .await
    }

    async fn record(&self, run: &RunRecord) -> DestinationResult<()> {
        let run = run.clone();
        self.on("record the run", async move |shared: Arc<Shared>| {
            shared.rights.check()?;
            let _writing = shared.stage.lock().await;
            shared.commit(&state::record(&shared.connection, &run)).await
        })
        .await
    }

    async fn summarize(&self, catalog: &'static Catalog) -> DestinationResult<Vec<TableSummary>> {
        self.on("summarize the tables", async move |shared: Arc<Shared>| {
            summary::summarize(&shared.connection, catalog).await
        })
        .await
    }

    async fn query(&self, sql: &str) -> DestinationResult<Vec<RecordBatch>> {
        let sql = sql.to_owned();
        self.on("answer the query", async move |shared: Arc<Shared>| {
            query::answer(&shared.connection, &sql).await
        })
        .await
    }
}
