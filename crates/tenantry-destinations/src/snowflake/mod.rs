//! Snowflake: rows as Parquet through an internal stage, merged by the warehouse, with their checkpoint in one transaction.
//!
//! Staged rows are in files here and in temporary tables of one session, so that a crash leaves nothing of them but what was parked. Whoever
//! loses the answer to a commit finds out what became of it, and never sends it again. Refuses queries that would write.

mod address;
mod answer;
mod client;
mod compare;
mod connection;
mod encode;
mod key;
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
mod types;
mod upload;

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
use crate::sql::layout::PARKED;
use crate::sql::server as sharing;
use crate::sql::server::state::{other_tenant as other_tenant_there, write_checkpoint};
use crate::sql::server::summary::absent;
use crate::{Access, Language, Options};

/// Tables in a schema of a Snowflake database.
pub struct Snowflake {
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
    language: Language,
}

impl Snowflake {
    /// Logs in to the account that stands behind `snowflake:`; makes nothing there yet.
    ///
    /// Fails with `Unavailable` where the name cannot be read, the server cannot be reached or refuses the credentials; with
    /// `Newer` when a newer version of this tool wrote there; with `Absent` when it is to be read and no run has filled it.
    pub async fn open(rest: &str, options: Options) -> DestinationResult<Self> {
        let action = "open the Snowflake destination";
        let address = Address::parse(rest, &options.schema, &options.surroundings)
            .map_err(|message| DestinationError::new(DestinationErrorKind::Unavailable, action, message))?;
        Self::connect(address, options).await.map_err(|failure| failure.during(action))
    }

    async fn connect(address: Address, options: Options) -> Attempt<Self> {
        let connection = Connection::open(&address).await?;
        state::check_layout(&connection).await?;
        if options.access == Access::Read && !connection.has_state_table("meta").await? {
            let message = format!("{}: no run has filled it yet", address.name());
            return Err(Failure::new(DestinationErrorKind::Absent, message));
        }
        let names = Names { schema: address.schema.clone(), language: options.language };
        Ok(Self { shared: Shared::new(Site { address, names }, connection, options.access) })
    }
}

#[async_trait]
impl Destination for Snowflake {
    fn capabilities(&self) -> Capabilities {
        Capabilities { atomic_publish: true, holds_nul: false }
    }

    async fn prepare(&self, catalog: &'static Catalog) -> DestinationResult<()> {
        self.shared
            .on("prepare the tables", async move |shared: Arc<Shared>| {
                let mut session = shared.keeper().await?;
                let (connection, stage) = session.parts();
                // Their columns may be others from now on.
                stage.discard_all();
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
                session.parts().1.add(batch)
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
                summary::find(session.connection(), stream, column, values).await
            })
            .await
    }

    async fn sample(&self, stream: &'static Stream, rows: usize, seed: u64) -> DestinationResult<Vec<Key>> {
        self.shared
            .on(format!("draw rows of stream {}", stream.name), async move |shared: Arc<Shared>| {
                summary::sample(shared.session().await?.connection(), stream, rows, seed).await
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
                let compared = compare_in(&mut session, &commit, keys_max).await;
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
                let kept = park::make(connection, parking.stream, &staged).await?;
                let transaction = session.begin(shared.rights.fence()).await?;
                let parked = park::park(session.connection(), &parking, &staged, &kept).await;
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
                session.forget(stream).await;
                Ok(())
            })
            .await
    }

    async fn discard(&self, stream: &'static Stream) -> DestinationResult<()> {
        self.shared
            .on(format!("discard staged rows of stream {}", stream.name), async move |shared: Arc<Shared>| {
                let mut session = shared.keeper().await?;
                session.forget(stream).await;
                let kept = park::Kept::read(session.connection(), stream).await?;
                if session.connection().has_state_table(PARKED).await? {
                    let transaction = session.begin(shared.rights.fence()).await?;
                    let forgotten = kept.forget(session.connection(), stream).await;
                    session.end(transaction, forgotten).await?;
                    kept.drop_emptied(session.connection(), stream).await;
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
                summary::summarize(shared.session().await?.connection(), catalog).await
            })
            .await
    }

    async fn query(&self, sql: &str) -> DestinationResult<Vec<RecordBatch>> {
        let sql = sql.to_owned();
        self.shared
            .on("answer the query", async move |shared: Arc<Shared>| {
                query::answer(&shared.site.address, &shared.site.names, &sql).await
            })
            .await
    }
}

async fn publish_in(session: &mut Session, shared: &Shared, commit: &Commit) -> Attempt<Published> {
    let (connection, stage) = session.parts();
    let staged = stage.settle_all(connection, commit.stream).await?;
    let made = publish::make(connection, commit, &staged).await?;
    let transaction = session.begin(shared.rights.fence()).await?;
    let published = publish::publish(session.connection(), commit, &made).await;
    let published = session.end(transaction, published).await?;
    made.kept.drop_emptied(session.connection(), commit.stream).await;
    Ok(published)
}

async fn compare_in(session: &mut Session, commit: &Commit, keys_max: usize) -> Attempt<Compared> {
    let (connection, stage) = session.parts();
    let staged = stage.settle_all(connection, commit.stream).await?;
    connection.stage().await?;
    publish::compare(connection, commit, &staged, keys_max).await
}
