//! Tenantry's rows as Delta Lake tables, on a local folder or an object store, for every engine that reads the format.
//!
//! One table for each of the catalog below `PLACE/SCHEMA/`, and what belongs to us below `PLACE/_tenantry/` (or a folder of its own for
//! each of several schemas). Knows nothing of the source.
//! A crate of its own, since what reads and writes the format takes long to build.

#![cfg(feature = "engine")]

mod cells;
mod changes;
mod diff;
mod document;
mod engine;
mod failure;
mod ledger;
mod maintain;
mod narrow;
mod park;
mod place;
mod publish;
mod query;
mod range;
mod record;
mod rewrite;
mod settle;
mod spark;
mod stage;
mod statistics;
mod summary;
mod tables;
mod write;

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use deltalake::{ObjectStore, Path};
use tenantry_replication::catalog::{Catalog, Stream, Text};
use tenantry_replication::clock::Micros;
use tenantry_replication::destination::{
    Batch, Capabilities, Claim, Commit, Compared, Destination, Key, Lease, LeftOut, Maintenance, Parking,
    Published, TableSummary, other_tenant,
};
use tenantry_replication::error::{DestinationError, DestinationErrorKind, DestinationResult};
use tenantry_replication::state::{Checkpoint, RunRecord, State};

use self::document::{Documents, KeptCheckpoint};
use self::engine::{Engine, Memory};
use self::failure::{Attempt, Failure};
use self::place::{Place, STATE};
use self::rewrite::Rewriter;
use self::spark::Server;
use self::stage::Stage;
use self::tables::Tables;

/// What tables are opened with.
#[derive(Clone)]
pub struct Options {
    /// Schema of the replicated tables: a folder below the place.
    pub schema: String,
    /// Schema of what runs leave for later ones: another folder, whose name begins with `_tenantry`; each schema has its own.
    pub state: String,
    /// The description, in the chosen language, that tables and columns get.
    pub describe: fn(Text) -> &'static str,
    /// Whether anything will be written.
    pub writes: bool,
    /// Most memory for staged rows and for what is sorted and joined, such as `300MB`.
    pub memory_limit: Option<String>,
    /// A Spark Connect server that writes files anew where rows of them changed, as `sc://HOST:PORT`; our own process where there is none.
    pub merge_with: Option<String>,
    /// What lets us in there.
    pub merge_token: Option<String>,
    /// Settings of the object store beside what the environment says, by the names that the environment has for them in lower case.
    pub storage: HashMap<String, String>,
}

/// Delta Lake tables below one place.
pub struct Delta {
    inner: Arc<Inner>,
}

/// What all calls share.
struct Inner {
    store: Arc<dyn ObjectStore>,
    documents: Documents,
    tables: Tables,
    engine: Engine,
    rewriter: Option<Rewriter>,
    stage: Mutex<Stage>,
    /// One publish or comparison at a time: they share the memory.
    turn: tokio::sync::Mutex<()>,
    /// The lease that this object writes under; 0 for none.
    fence: AtomicU64,
    describe: fn(Text) -> &'static str,
    writes: bool,
}

impl Delta {
    /// Opens the tables below a folder, or below `s3://`, `gs://` or `az://`. A local folder is made, for its owner alone, when it is
    /// not there and anything is to be written.
    ///
    /// Fails with `Absent` when nothing is there to be read, `Newer` when a newer version of this tool wrote it, and `Unavailable` when
    /// it cannot be reached.
    pub async fn open(place: &str, options: Options) -> DestinationResult<Self> {
        Self::open_place(place, options).await.map_err(|failure| failure.during(format!("open {place}")))
    }

    async fn open_place(place: &str, options: Options) -> Attempt<Self> {
        let place = Place::parse(place, options.storage)?;
        if options.writes {
            place.make()?;
        } else if place.is_missing() {
            return Err(nothing_yet());
        }
        let memory = Memory::of(options.memory_limit.as_deref())?;
        let store = place.store()?;
        let documents = Documents::new(Arc::clone(&store), &options.state);
        // Reads at once, so that what cannot be reached, or is of a newer version, is told now.
        if documents.read().await?.is_none() && !options.writes && !is_ours(store.as_ref()).await? {
            return Err(nothing_yet());
        }
        let server = options.merge_with.as_deref();
        let server =
            server.map(|server| Server::parse(server, options.merge_token.as_deref())).transpose()?;
        let rewriter = server.map(|server| {
            let (schema, state) = (options.schema.clone(), options.state.clone());
            Rewriter::new(server, place.clone(), Arc::clone(&store), schema, state)
        });
        let inner = Inner {
            store,
            documents,
            rewriter,
            tables: Tables::new(place, options.schema, options.state)?,
            engine: Engine::new(memory)?,
            stage: Mutex::new(Stage::new(memory.stage)),
            turn: tokio::sync::Mutex::new(()),
            fence: AtomicU64::new(0),
            describe: options.describe,
            writes: options.writes,
        };
        Ok(Self { inner: Arc::new(inner) })
    }
}

/// Whether tables of any schema are at the place.
async fn is_ours(store: &dyn ObjectStore) -> Attempt<bool> {
    let found = store.list_with_delimiter(None).await?;
    let mut folders = found.common_prefixes.iter().filter_map(Path::filename);
    Ok(folders.any(|name| name.starts_with(STATE)))
}

fn nothing_yet() -> Failure {
    Failure::new(DestinationErrorKind::Absent, "no run has filled it yet")
}

impl Inner {
    /// Does something with the staged rows. After a panic under the lock nobody knows what is staged: nothing more is done with it.
    fn stage<T>(&self, work: impl FnOnce(&mut Stage) -> Attempt<T>) -> Attempt<T> {
        let stage = self.stage.lock();
        let mut stage =
            stage.map_err(|_| Failure::failed("an earlier panic left the staged rows unusable"))?;
        work(&mut stage)
    }

    /// The lease that writes have to check.
    fn fence(&self) -> Option<u64> {
        Some(self.fence.load(Ordering::Relaxed)).filter(|token| *token > 0)
    }

    /// Refuses where another lease than ours was given.
    async fn check_lease(&self) -> Attempt<()> {
        self.check_writes()?;
        match self.fence() {
            Some(_) => self.documents.read().await?.unwrap_or_default().check(self.fence()),
            None => Ok(()),
        }
    }

    fn check_writes(&self) -> Attempt<()> {
        let message = "it was opened for reading";
        if self.writes { Ok(()) } else { Err(Failure::failed(message)) }
    }
}

/// Runs `work` on a thread that may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Attempt<T> + Send + 'static) -> Attempt<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Failure::failed("the work ended in a panic"))?
}

#[async_trait]
impl Destination for Delta {
    fn capabilities(&self) -> Capabilities {
        Capabilities { atomic_publish: false, holds_nul: true }
    }

    async fn prepare(&self, catalog: &'static Catalog) -> DestinationResult<()> {
        let prepared = async {
            self.inner.check_writes()?;
            self.inner.tables.prepare(catalog, self.inner.describe).await?;
            self.inner.documents.change(|_| Ok(())).await
        };
        during("prepare the tables", prepared.await)
    }

    async fn claim(&self, tenant: &str) -> DestinationResult<()> {
        let claimed = async {
            if !self.inner.writes {
                let document = self.inner.documents.read().await?.unwrap_or_default();
                return Ok(document.tenant.unwrap_or_else(|| tenant.to_owned()));
            }
            let claim = |document: &mut document::Document| {
                Ok(document.tenant.get_or_insert_with(|| tenant.to_owned()).clone())
            };
            self.inner.documents.change(claim).await
        };
        let held = during("claim the destination", claimed.await)?;
        if held == tenant { Ok(()) } else { Err(other_tenant(&held, tenant)) }
    }

    async fn lease(&self) -> DestinationResult<Option<Lease>> {
        let document = during("read the lease", self.inner.documents.read().await)?;
        Ok(document.and_then(|document| document.lease()))
    }

    async fn hold(&self, claim: Claim) -> DestinationResult<Lease> {
        let given = async {
            self.inner.check_writes()?;
            let give = |document: &mut document::Document| {
                let given = claim.clone().settle(document.lease())?;
                document.set_lease(&given);
                Ok(given)
            };
            self.inner.documents.change(give).await
        };
        during("take the lease", given.await)
    }

    async fn release(&self, token: u64) -> DestinationResult<()> {
        let give_back = |document: &mut document::Document| {
            if let Some(lease) = document.lease().filter(|lease| lease.token == token) {
                document.set_lease(&Lease { until: None, ..lease });
            }
            Ok(())
        };
        during("give the lease back", self.inner.documents.change(give_back).await)
    }

    fn fence(&self, token: Option<u64>) {
        self.inner.fence.store(token.unwrap_or(0), Ordering::Relaxed);
    }

    async fn state(&self) -> DestinationResult<State> {
        let document = during("read the state", self.inner.documents.read().await)?;
        Ok(document.unwrap_or_default().state())
    }

    async fn stage(&self, batch: Batch) -> DestinationResult<()> {
        let (inner, action) = (Arc::clone(&self.inner), format!("stage rows of {}", batch.table.name));
        during(&action, blocking(move || inner.stage(|stage| stage.add(batch))).await)
    }

    async fn absent(&self, stream: &'static Stream, limit: usize) -> DestinationResult<Vec<Key>> {
        let action = format!("look for absent rows of stream {}", stream.name);
        during(&action, self.inner.absent(stream, limit).await)
    }

    async fn find(
        &self,
        stream: &'static Stream,
        column: &'static str,
        values: &BTreeSet<String>,
    ) -> DestinationResult<Vec<Key>> {
        let action = format!("look for rows of stream {}", stream.name);
        during(&action, self.inner.find(stream, column, values).await)
    }

    async fn sample(&self, stream: &'static Stream, rows: usize, seed: u64) -> DestinationResult<Vec<Key>> {
        during(&format!("draw rows of stream {}", stream.name), self.inner.sample(stream, rows, seed).await)
    }

    async fn publish(&self, commit: Commit) -> DestinationResult<Published> {
        let published = async {
            let staged = self.inner.stage(|stage| Ok(stage.take(commit.stream)))?;
            self.inner.publish(staged, &commit).await
        };
        during(&format!("publish stream {}", commit.stream.name), published.await)
    }

    async fn compare(&self, commit: Commit, keys_max: usize) -> DestinationResult<Compared> {
        let compared = async {
            let staged = self.inner.stage(|stage| Ok(stage.take(commit.stream)))?;
            self.inner.compare(staged, &commit, keys_max).await
        };
        during(&format!("compare stream {}", commit.stream.name), compared.await)
    }

    async fn park(&self, parking: Parking) -> DestinationResult<()> {
        during(&format!("park stream {}", parking.stream.name), self.inner.park(&parking).await)
    }

    async fn resume(&self, stream: &'static Stream, left_out: Option<LeftOut>) -> DestinationResult<bool> {
        let action = format!("stage the parked rows of stream {}", stream.name);
        during(&action, self.inner.resume(stream, left_out.as_ref()).await)
    }

    async fn unstage(&self, stream: &'static Stream) -> DestinationResult<()> {
        let forgotten = self.inner.stage(|stage| Ok(stage.take(stream))).map(drop);
        during(&format!("forget staged rows of stream {}", stream.name), forgotten)
    }

    async fn discard(&self, stream: &'static Stream) -> DestinationResult<()> {
        let discarded = async {
            self.inner.stage(|stage| Ok(stage.take(stream)))?;
            self.inner.forget_parked(stream).await
        };
        during(&format!("discard staged rows of stream {}", stream.name), discarded.await)
    }

    async fn keep(&self, name: &str, checkpoint: &Checkpoint, run: u64, at: Micros) -> DestinationResult<()> {
        let keep = |document: &mut document::Document| {
            document.check(self.inner.fence())?;
            let kept = KeptCheckpoint { checkpoint: checkpoint.clone(), run, updated_at: at };
            document.checkpoints.insert(name.to_owned(), kept);
            Ok(())
        };
        during(&format!("keep the checkpoint of the {name}"), self.inner.documents.change(keep).await)
    }

    async fn record(&self, run: &RunRecord) -> DestinationResult<()> {
        let recorded = async {
            let _turn = self.inner.turn.lock().await;
            self.inner.check_lease().await?;
            self.inner.note(&ledger::RUN, ledger::of_run(run)?).await?;
            if !run.tables.is_empty() {
                self.inner.note(&ledger::RUN_TABLE, ledger::of_tables(run)?).await?;
            }
            let last = |document: &mut document::Document| {
                document.check(self.inner.fence())?;
                document.last_run = document.last_run.max(run.run);
                Ok(())
            };
            self.inner.documents.change(last).await
        };
        during("record the run", recorded.await)
    }

    async fn summarize(&self, catalog: &'static Catalog) -> DestinationResult<Vec<TableSummary>> {
        during("summarize the tables", self.inner.summarize(catalog).await)
    }

    async fn maintain(&self, catalog: &'static Catalog, keep: Duration) -> DestinationResult<Maintenance> {
        during("maintain the tables", self.inner.maintain(catalog, keep).await)
    }

    async fn query(&self, sql: &str) -> DestinationResult<Vec<RecordBatch>> {
        during("answer the query", query::answer(&self.inner, sql).await)
    }
}

fn during<T>(action: &str, done: Attempt<T>) -> Result<T, DestinationError> {
    done.map_err(|failure| failure.during(action))
}
