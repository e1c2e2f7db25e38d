//! BigQuery: rows by Parquet load jobs, merged by the service, with their checkpoint in one multi-statement transaction.
//!
//! Staged rows wait in files of this machine, then in tables that end by themselves, so that a crash leaves nothing of them but what was
//! parked. Whoever loses the answer to a job asks for it by its name, and nothing is ever done twice. Refuses queries that would write.

mod address;
mod answer;
mod client;
mod commit;
mod compare;
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
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

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
use self::client::{Attempt, Client, Failure};
use self::stage::Stage;
use self::types::quoted;
use crate::{Access, Language, Options};

/// When passing tables end by themselves, milliseconds after they were made: a week, as a read can be slow.
const PASSING_MS: u64 = 7 * 86_400_000;
/// The same, as a part of statements that make one.
const PASSING: &str = "OPTIONS(expiration_timestamp = TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 7 DAY))";

/// Tables in a BigQuery dataset.
pub struct BigQuery {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    names: Names,
    access: Access,
    /// The lease that this object writes under; 0 for none.
    fence: AtomicU64,
    /// Held by whoever stages or writes.
    stage: Mutex<Stage>,
}

/// What things are called, and where they are.
#[derive(Debug)]
struct Names {
    project: String,
    dataset: String,
    state_dataset: String,
    language: Language,
    bytes_billed_max: Option<u64>,
    /// Where missing datasets are made.
    wanted_location: Option<String>,
    /// Where the datasets are, once that is known.
    location: OnceLock<String>,
}

impl Names {
    fn place(&self, dataset: &str, name: &str) -> String {
        quoted(&format!("{}.{dataset}.{name}", self.project))
    }

    /// Full name of a replicated table.
    fn table(&self, name: &str) -> String {
        self.place(&self.dataset, name)
    }

    /// Full name of a table of the state.
    fn state(&self, name: &str) -> String {
        self.place(&self.state_dataset, name)
    }

    fn location(&self) -> Option<&str> {
        self.location.get().or(self.wanted_location.as_ref()).map(String::as_str)
    }

    /// Whether a dataset is there; notes where.
    async fn look_at(&self, client: &Client, dataset: &str) -> Attempt<bool> {
        match client.get(&format!("/datasets/{dataset}")).await {
            Err(failure) if failure.is_not_found() => Ok(false),
            found => {
                if let Some(location) = found?["location"].as_str() {
                    // One job reads both datasets: they are in one place, or nothing works.
                    let _ = self.location.set(location.to_owned());
                }
                Ok(true)
            }
        }
    }

    /// Removes a passing table, which would end by itself: a failure says nothing new.
    async fn drop_passing(&self, client: &Client, name: &str) {
        let _ = client.delete(&schema::path(&self.state_dataset, name)).await;
    }
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
            Failure { message, ..failure }.during(action)
        })
    }

    /// Removes both datasets with everything in them.
    #[cfg(feature = "test-utils")]
    pub async fn remove(&self) -> DestinationResult<()> {
        self.on("remove the datasets", async move |shared: Arc<Shared>| {
            for dataset in [&shared.names.dataset, &shared.names.state_dataset] {
                shared.client.delete(&format!("/datasets/{dataset}?deleteContents=true")).await?;
            }
            Ok(())
        })
        .await
    }

    async fn connect(address: &Address, options: &Options) -> Attempt<Self> {
        let client = Client::new(address)?;
        let names = Names {
            project: address.project.clone(),
            dataset: address.dataset.clone(),
            state_dataset: address.state_dataset.clone(),
            language: options.language,
            bytes_billed_max: address.bytes_billed_max,
            wanted_location: address.location.clone(),
            location: OnceLock::new(),
        };
        let is_there = names.look_at(&client, &names.state_dataset).await?;
        if is_there {
            state::check_layout(&client, &names).await?;
        }
        if options.access == Access::Read && !(is_there && state::exists(&client, &names).await?) {
            return Err(Failure::new(DestinationErrorKind::Absent, "no run has filled it yet"));
        }
        let shared = Shared {
            client,
            names,
            access: options.access,
            fence: AtomicU64::new(0),
            stage: Mutex::new(Stage::new()),
        };
        Ok(Self { shared: Arc::new(shared) })
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
        let action = action.into();
        match tokio::spawn(work(Arc::clone(&self.shared))).await {
            Ok(done) => done.map_err(|failure| failure.during(action)),
            Err(ended) => {
                let mut error =
                    DestinationError::new(DestinationErrorKind::Failed, action, "the work ended in a panic");
                error.source = Some(Box::new(ended));
                Err(error)
            }
        }
    }
}

impl Shared {
    fn check_access(&self) -> Attempt<()> {
        match self.access {
            Access::Write => Ok(()),
            Access::Read => Err(Failure::new(DestinationErrorKind::Failed, "it was opened to be read")),
        }
    }

    /// The lease that writes have to check.
    fn fence(&self) -> Option<u64> {
        Some(self.fence.load(Ordering::Relaxed)).filter(|token| *token > 0)
    }

    /// Runs statements as one transaction, under the lease.
    async fn commit(&self, statements: &[String]) -> Attempt<()> {
        commit::commit(&self.client, &self.names, self.fence(), statements, &[]).await
    }
}

#[async_trait]
impl Destination for BigQuery {
    fn capabilities(&self) -> Capabilities {
        Capabilities { atomic_publish: true, holds_nul: false }
    }

    async fn prepare(&self, catalog: &'static Catalog) -> DestinationResult<()> {
        self.on("prepare the tables", async move |shared: Arc<Shared>| {
            shared.check_access()?;
            // Their columns may be others from now on.
            shared.stage.lock().await.discard_all(&shared.client, &shared.names).await;
            schema::prepare(&shared.client, &shared.names, catalog).await
        })
        .await
    }

    async fn claim(&self, tenant: &str) -> DestinationResult<()> {
        let wanted = tenant.to_owned();
        let held = self
            .on("claim the destination", async move |shared: Arc<Shared>| {
                if shared.access == Access::Read {
                    return state::other_tenant(&shared.client, &shared.names, &wanted).await;
                }
                state::claim(&shared.client, &shared.names, &wanted).await
            })
            .await?;
        held.map_or(Ok(()), |held| Err(other_tenant(&held, tenant)))
    }

    async fn lease(&self) -> DestinationResult<Option<Lease>> {
        self.on("read the lease", async move |shared: Arc<Shared>| {
            lease::read(&shared.client, &shared.names).await
        })
        .await
    }

    async fn hold(&self, claim: Claim) -> DestinationResult<Lease> {
        self.on("take the lease", async move |shared: Arc<Shared>| {
            shared.check_access()?;
            lease::hold(&shared.client, &shared.names, claim).await
        })
        .await
    }

    async fn release(&self, token: u64) -> DestinationResult<()> {
        self.on("give the lease back", async move |shared: Arc<Shared>| {
            lease::release(&shared.client, &shared.names, token).await
        })
        .await
    }

    fn fence(&self, token: Option<u64>) {
        self.shared.fence.store(token.unwrap_or(0), Ordering::Relaxed);
    }

    async fn state(&self) -> DestinationResult<State> {
        self.on("read the state", async move |shared: Arc<Shared>| {
            state::read(&shared.client, &shared.names).await
        })
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
            let (client, names) = (&shared.client, &shared.names);
            let staged = shared.stage.lock().await.settle(client, names, stream.root()).await?;
            let staged = staged.as_ref().map(|settled| &settled.staged);
            summary::absent(client, names, stream, staged, limit).await
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
            let mut stage = shared.stage.lock().await;
            summary::find(&shared.client, &shared.names, &mut stage, stream, column, values).await
        })
        .await
    }

    async fn sample(&self, stream: &'static Stream, rows: usize, seed: u64) -> DestinationResult<Vec<Key>> {
        self.on(format!("draw rows of stream {}", stream.name), async move |shared: Arc<Shared>| {
            summary::sample(&shared.client, &shared.names, stream, rows, seed).await
        })
        .await
    }

    async fn publish(&self, commit: Commit) -> DestinationResult<Published> {
        self.on(format!("publish stream {}", commit.stream.name), async move |shared: Arc<Shared>| {
            shared.check_access()?;
            let (client, names, mut stage) = (&shared.client, &shared.names, shared.stage.lock().await);
            let published = publish::publish(client, names, &mut stage, &commit, shared.fence()).await;
            stage.discard(client, names, commit.stream).await;
            published
        })
        .await
    }

    async fn compare(&self, commit: Commit, keys_max: usize) -> DestinationResult<Compared> {
        self.on(format!("compare stream {}", commit.stream.name), async move |shared: Arc<Shared>| {
            let (client, names, mut stage) = (&shared.client, &shared.names, shared.stage.lock().await);
            let compared = publish::compare(client, names, &mut stage, &commit, keys_max).await;
            stage.discard(client, names, commit.stream).await;
            compared
        })
        .await
    }

    async fn park(&self, parking: Parking) -> DestinationResult<()> {
        self.on(format!("park stream {}", parking.stream.name), async move |shared: Arc<Shared>| {
            shared.check_access()?;
            let mut stage = shared.stage.lock().await;
            park::park(&shared.client, &shared.names, &mut stage, &parking, shared.fence()).await
        })
        .await
    }

    async fn resume(&self, stream: &'static Stream, left_out: Option<LeftOut>) -> DestinationResult<bool> {
        let action = format!("stage the parked rows of stream {}", stream.name);
        self.on(action, async move |shared: Arc<Shared>| {
            let mut stage = shared.stage.lock().await;
            park::resume(&shared.client, &shared.names, &mut stage, stream, left_out.as_ref()).await
        })
        .await
    }

    async fn unstage(&self, stream: &'static Stream) -> DestinationResult<()> {
        self.on(format!("forget staged rows of stream {}", stream.name), async move |shared: Arc<Shared>| {
            shared.stage.lock().await.discard(&shared.client, &shared.names, stream).await;
            Ok(())
        })
        .await
    }

    async fn discard(&self, stream: &'static Stream) -> DestinationResult<()> {
        self.on(format!("discard staged rows of stream {}", stream.name), async move |shared: Arc<Shared>| {
            shared.check_access()?;
            let (client, names, mut stage) = (&shared.client, &shared.names, shared.stage.lock().await);
            stage.discard(client, names, stream).await;
            if park::is_parked(client, names, stream).await? {
                let (forget, leftovers) = (park::forget(names, stream), park::leftovers(names, stream));
                commit::commit(client, names, shared.fence(), &forget, &leftovers).await?;
            }
            Ok(())
        })
        .await
    }

    async fn keep(&self, name: &str, checkpoint: &Checkpoint, run: u64, at: Micros) -> DestinationResult<()> {
        let (name, checkpoint) = (name.to_owned(), checkpoint.clone());
        self.on(format!("keep the checkpoint of the {name}"), async move |shared: Arc<Shared>| {
            shared.check_access()?;
            let _writing = shared.stage.lock().await;
            shared.commit(&state::write_checkpoint(&shared.names, &name, &checkpoint, run, at)?).await
        })
        .await
    }

    async fn record(&self, run: &RunRecord) -> DestinationResult<()> {
        let run = run.clone();
        self.on("record the run", async move |shared: Arc<Shared>| {
            shared.check_access()?;
            let _writing = shared.stage.lock().await;
            shared.commit(&state::record(&shared.names, &run)).await
        })
        .await
    }

    async fn summarize(&self, catalog: &'static Catalog) -> DestinationResult<Vec<TableSummary>> {
        self.on("summarize the tables", async move |shared: Arc<Shared>| {
            summary::summarize(&shared.client, &shared.names, catalog).await
        })
        .await
    }

    async fn query(&self, sql: &str) -> DestinationResult<Vec<RecordBatch>> {
        let sql = sql.to_owned();
        self.on("answer the query", async move |shared: Arc<Shared>| {
            query::answer(&shared.client, &shared.names, &sql).await
        })
        .await
    }
}
