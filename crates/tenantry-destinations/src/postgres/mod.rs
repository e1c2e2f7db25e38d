//! PostgreSQL, from version 15 on: rows by binary COPY, merged by the server, with their checkpoint in one transaction.
//!
//! Staged rows are in temporary tables of one session, so that a crash leaves nothing of them but what was parked. Whoever loses the answer to
//! a commit finds out what became of it, and never sends it again. Refuses queries that would write.

mod address;
mod answer;
mod compare;
mod connection;
mod encode;
mod lease;
mod merge;
mod park;
mod publish;
mod query;
mod schema;
#[cfg(feature = "test-utils")]
pub mod server;
mod session;
mod stage;
mod state;
mod summary;
mod tls;
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

pub use self::address::{Address, VARIABLES};
use self::connection::{Attempt, Connection, Failure};
use self::session::Session;
use crate::sql::server as sharing;
use crate::sql::server::state::{other_tenant as other_tenant_there, write_checkpoint};
use crate::sql::server::summary::{absent, find};
use crate::{Access, Language, Options, state_schema};

/// Tables in a PostgreSQL database.
pub struct Postgres {
    shared: Arc<Shared>,
}

/// Where the database is, and what things are called there.
#[derive(Debug)]
struct Site {
    address: Address,
    names: Names,
}

type Shared = sharing::Shared<Connection>;

/// What things are called in this database.
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

    fn table(&self, name: &str) -> String {
        connection::place(&self.schema, name)
    }
}

impl Postgres {
    /// Connects to the database that a URL names; makes nothing there yet.
    ///
    /// Fails with `Unavailable` where the URL cannot be read, the server cannot be reached, refuses the credentials or is too old; with
    /// `Newer` when a newer version of this tool wrote there; with `Absent` when it is to be read and no run has filled it.
    pub async fn open(url: &str, options: Options) -> DestinationResult<Self> {
        let action = "open the PostgreSQL destination";
        let address = Address::parse(url, &options.surroundings)
            .map_err(|message| DestinationError::new(DestinationErrorKind::Unavailable, action, message))?;
        Self::connect(address, options).await.map_err(|failure| failure.during(action))
    }

    async fn connect(address: Address, options: Options) -> Attempt<Self> {
        let site = Site { address, names: Names::new(&options) };
        let connection = Connection::open(&site).await?;
        state::check_layout(&connection).await?;
        if options.access == Access::Read && !state::exists(&connection, "meta").await? {
            let message = format!("{}: no run has filled it yet", site.address.name());
            return Err(Failure::new(DestinationErrorKind::Absent, message));
        }
        Ok(Self { shared: Shared::new(site, connection, options.access) })
    }
}

#[async_trait]
impl Destination for Postgres {
    fn capabilities(&self) -> Capabilities {
        Capabilities { atomic_publish: true, holds_nul: false }
    }

    async fn prepare(&self, catalog: &'static Catalog) -> DestinationResult<()> {
        self.shared
            .on("prepare the tables", async move |shared: Arc<Shared>| {
                let mut session = shared.keeper().await?;
                let (connection, stage) = session.parts();
                // Their columns may be others from now on.
                stage.discard_all(connection).await?;
                schema::prepare(connection, catalog, &shared.site.names).await
            })
            .await
    }

    async fn claim(&self, tenant: &str) -> DestinationResult<()> {
        let wanted = tenant.to_owned();
        let held = self
            .shared
            .on("claim the destination", async move |shared: Arc<Shared>| {
                let mut session = shared.session().await?;
                if shared.rights.access == Access::Read {
                    return other_tenant_there(session.connection(), &wanted).await;
                }
                let transaction = session.begin(None).await?;
                let held = state::claim(session.connection(), &wanted).await;
                session.end(transaction, held).await
            })
            .await?;
        held.map_or(Ok(()), |held| Err(other_tenant(&held, tenant)))
    }

    async fn lease(&self) -> DestinationResult<Option<Lease>> {
        self.shared
            .on("read the lease", async move |shared: Arc<Shared>| {
                lease::read(shared.control().await?.connection()?).await
            })
            .await
    }

    async fn hold(&self, claim: Claim) -> DestinationResult<Lease> {
        self.shared
            .on("take the lease", async move |shared: Arc<Shared>| {
                shared.rights.check()?;
                lease::hold(shared.control().await?.connection()?, &shared.site.names, claim).await
            })
            .await
    }

    async fn release(&self, token: u64) -> DestinationResult<()> {
        self.shared
            .on("give the lease back", async move |shared: Arc<Shared>| {
                lease::release(shared.control().await?.connection()?, token).await
            })
            .await
    }

    fn fence(&self, token: Option<u64>) {
        self.shared.rights.set_fence(token);
    }

    async fn state(&self) -> DestinationResult<State> {
        self.shared
            .on("read the state", async move |shared: Arc<Shared>| {
                state::read(shared.session().await?.connection()).await
            })
            .await
    }

    async fn stage(&self, batch: Batch) -> DestinationResult<()> {
        self.shared
            .on(format!("stage rows of {}", batch.table.name), async move |shared: Arc<Shared>| {
                let mut session = shared.session().await?;
                let (connection, stage) = session.parts();
                stage.add(connection, batch).await
            })
            .await
    }

    async fn absent(&self, stream: &'static Stream, limit: usize) -> DestinationResult<Vec<Key>> {
        let action = format!("look for absent rows of stream {}", stream.name);
        self.shared
            .on(action, async move |shared: Arc<Shared>| {
                let mut session = shared.session().await?;
                let (connection, stage) = session.parts();
                let staged = stage.settle(connection, stream.root()).await?;
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
        self.shared
            .on(format!("look for rows of stream {}", stream.name), async move |shared: Arc<Shared>| {
                let session = shared.session().await?;
                find(session.connection(), stream, column, &values).await
            })
            .await
    }

    async fn sample(&self, stream: &'static Stream, rows: usize, seed: u64) -> DestinationResult<Vec<Key>> {
        self.shared
            .on(format!("draw rows of stream {}", stream.name), async move |shared: Arc<Shared>| {
                summary::sample(shared.session().await?.connection(), &shared.site.names, stream, rows, seed)
                    .await
            })
            .await
    }

    async fn publish(&self, commit: Commit) -> DestinationResult<Published> {
        self.shared
            .on(format!("publish stream {}", commit.stream.name), async move |shared: Arc<Shared>| {
                let mut session = shared.keeper().await?;
                let published = publish_in(&mut session, &shared, &commit).await;
                session.forget(commit.stream).await;
                published
            })
            .await
    }

    async fn compare(&self, commit: Commit, keys_max: usize) -> DestinationResult<Compared> {
        self.shared
            .on(format!("compare stream {}", commit.stream.name), async move |shared: Arc<Shared>| {
                let mut session = shared.session().await?;
                let compared = compare_in(&mut session, &shared, &commit, keys_max).await;
                session.forget(commit.stream).await;
                compared
            })
            .await
    }

    async fn park(&self, parking: Parking) -> DestinationResult<()> {
        self.shared
            .on(format!("park stream {}", parking.stream.name), async move |shared: Arc<Shared>| {
                let mut session = shared.keeper().await?;
                let (connection, stage) = session.parts();
                let staged = if parking.rows {
                    stage.settle_all(connection, parking.stream).await?
                } else {
                    Vec::new()
                };
                let transaction = session.begin(shared.rights.fence()).await?;
                let parked = park::park(session.connection(), &parking, &staged).await;
                session.end(transaction, parked).await?;
                session.stage.note_parked(&staged);
                Ok(())
            })
            .await
    }

    async fn resume(&self, stream: &'static Stream, left_out: Option<LeftOut>) -> DestinationResult<bool> {
        let action = format!("stage the parked rows of stream {}", stream.name);
        self.shared
            .on(action, async move |shared: Arc<Shared>| {
                let mut session = shared.session().await?;
                let (connection, stage) = session.parts();
                park::resume(connection, stage, stream, left_out.as_ref()).await
            })
            .await
    }

    async fn unstage(&self, stream: &'static Stream) -> DestinationResult<()> {
        self.shared
            .on(format!("forget staged rows of stream {}", stream.name), async move |shared: Arc<Shared>| {
                let mut session = shared.session().await?;
                let (connection, stage) = session.parts();
                stage.discard(connection, stream).await
            })
            .await
    }

    async fn discard(&self, stream: &'static Stream) -> DestinationResult<()> {
        self.shared
            .on(format!("discard staged rows of stream {}", stream.name), async move |shared: Arc<Shared>| {
                let mut session = shared.keeper().await?;
                let (connection, stage) = session.parts();
                stage.discard(connection, stream).await?;
                if park::is_prepared(connection).await? {
                    let transaction = session.begin(shared.rights.fence()).await?;
                    let forgotten = park::forget(session.connection(), stream).await;
                    session.end(transaction, forgotten).await?;
                }
                Ok(())
            })
            .await
    }

    async fn keep(&self, name: &str, checkpoint: &Checkpoint, run: u64, at: Micros) -> DestinationResult<()> {
        let (name, checkpoint) = (name.to_owned(), checkpoint.clone());
        self.shared
            .on(format!("keep the checkpoint of the {name}"), async move |shared: Arc<Shared>| {
                let mut session = shared.keeper().await?;
                let transaction = session.begin(shared.rights.fence()).await?;
                let kept = write_checkpoint(session.connection(), &name, &checkpoint, run, at).await;
                session.end(transaction, kept).await
            })
            .await
    }

    async fn record(&self, run: &RunRecord) -> DestinationResult<()> {
        let run = run.clone();
        self.shared
            .on("record the run", async move |shared: Arc<Shared>| {
                let mut session = shared.keeper().await?;
                let transaction = session.begin(shared.rights.fence()).await?;
                let recorded = state::record(session.connection(), &run).await;
                session.end(transaction, recorded).await
            })
            .await
    }

    async fn summarize(&self, catalog: &'static Catalog) -> DestinationResult<Vec<TableSummary>> {
        self.shared
            .on("summarize the tables", async move |shared: Arc<Shared>| {
                summary::summarize(shared.session().await?.connection(), &shared.site.names, catalog).await
            })
            .await
    }

    async fn query(&self, sql: &str) -> DestinationResult<Vec<RecordBatch>> {
        let sql = sql.to_owned();
        self.shared
            .on("answer the query", async move |shared: Arc<Shared>| query::answer(&shared.site, &sql).await)
            .await
    }
}

async fn publish_in(session: &mut Session, shared: &Shared, commit: &Commit) -> Attempt<Published> {
    let (connection, stage) = session.parts();
    let staged = stage.settle_all(connection, commit.stream).await?;
    let transaction = session.begin(shared.rights.fence()).await?;
    let published = publish::publish(session.connection(), &shared.site.names, commit, &staged).await;
    session.end(transaction, published).await
}

async fn compare_in(
    session: &mut Session,
    shared: &Shared,
    commit: &Commit,
    keys_max: usize,
) -> Attempt<Compared> {
    let (connection, stage) = session.parts();
    let staged = stage.settle_all(connection, commit.stream).await?;
    session.look().await?;
    let compared =
        publish::compare(session.connection(), &shared.site.names, commit, &staged, keys_max).await;
    session.roll_back().await;
    compared
}
