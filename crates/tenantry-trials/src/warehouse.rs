//! The destination of a trial: the reference in memory, with faults and points to die at, and with an eye on every publish.
//!
//! Adds nothing to what a destination promises. A commit that is refused leaves nothing; one that is not acknowledged has happened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use tenantry_replication::catalog::{Catalog, Replication, Stream};
use tenantry_replication::clock::{Clock as _, Micros};
use tenantry_replication::destination::{
    Batch, Capabilities, Claim, Commit, Compared, Destination, Key, Lease, LeftOut, MemoryDestination,
    Parking, Published, TableSummary,
};
use tenantry_replication::error::{DestinationError, DestinationErrorKind, DestinationResult};
use tenantry_replication::state::{Checkpoint, RunRecord, State};

use crate::check::key;
use crate::faults::Group;
use crate::records;
use crate::sightings::Sighting;
use crate::world::World;

/// The destination as one process sees it.
pub(crate) struct Warehouse {
    world: Arc<World>,
    memory: MemoryDestination,
    seen: Arc<Mutex<Seen>>,
    /// How long the tenant's lists may trail behind it.
    lag: Micros,
    /// Whether this is a second process: nobody kills it, and no fault strikes it.
    is_rival: bool,
}

/// What was seen of earlier publishes, over all processes.
#[derive(Default)]
pub(crate) struct Seen {
    /// Keys marked deleted, by table.
    tombstones: BTreeMap<&'static str, BTreeSet<Vec<String>>>,
    /// Streams with staged rows.
    staged: BTreeSet<&'static str>,
    /// When the reads that are gone on with began, by stream.
    resumed: BTreeMap<&'static str, Micros>,
    /// The log's last position, and the events that could be read when the run began that wrote it.
    pub(crate) position: Option<(String, Arc<BTreeSet<String>>)>,
    /// The same for each position that was written, by the run that wrote it first.
    positions: BTreeMap<String, Arc<BTreeSet<String>>>,
    unacknowledged: Option<&'static str>,
    /// Which run of the trial left something under which number.
    numbers: BTreeMap<u64, (u64, bool)>,
}

impl Warehouse {
    pub(crate) fn new(world: Arc<World>, lag: Micros) -> Self {
        Self { world, memory: MemoryDestination::new(), seen: Arc::default(), lag, is_rival: false }
    }

    /// What the next process finds after this one was killed.
    pub(crate) fn after_crash(&self) -> Self {
        self.seen().staged.clear();
        Self {
            world: Arc::clone(&self.world),
            memory: self.memory.after_crash(),
            seen: Arc::clone(&self.seen),
            lag: self.lag,
            is_rival: false,
        }
    }

    /// The same destination as a second process sees it.
    pub(crate) fn beside(&self) -> Self {
        let (world, seen) = (Arc::clone(&self.world), Arc::clone(&self.seen));
        Self { world, memory: self.memory.beside(), seen, lag: self.lag, is_rival: true }
    }

    pub(crate) fn is_rival(&self) -> bool {
        self.is_rival
    }

    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    /// A point at which the process may die.
    async fn point(&self, place: &str) {
        if !self.is_rival {
            self.world.fate.point(place).await;
        }
    }

    /// Whether a fault strikes this process.
    fn strikes(&self, group: Group) -> bool {
        !self.is_rival && self.world.strikes(group)
    }

    /// Notes how a write ended.
    fn noted<T>(&self, what: &str, ended: DestinationResult<T>) -> DestinationResult<T> {
        match &ended {
            Ok(_) => self.wrote(what),
            Err(error) if error.kind == DestinationErrorKind::Held => self.refused(),
            Err(_) => {}
        }
        ended
    }

    pub(crate) fn memory(&self) -> &MemoryDestination {
        &self.memory
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether rows are staged that were not published.
    pub(crate) fn holds_staged(&self) -> bool {
        !self.seen().staged.is_empty()
    }

    /// A call that only looks.
    async fn look(&self, what: &str) -> DestinationResult<()> {
        self.point(&format!("look {what}")).await;
        if self.strikes(Group::ReadFailed) {
            self.world.trace(&format!("look {what} fails"));
            return Err(failure(DestinationErrorKind::Failed, what, "the disk cannot be read"));
        }
        Ok(())
    }

    /// A call that writes: what may go wrong before it.
    async fn write(&self, what: &str, stream: &str) -> DestinationResult<()> {
        let world = &self.world;
        self.point(&format!("before {what} {stream}")).await;
        if self.strikes(Group::SlowDestination) {
            world.clock.sleep(Duration::from_millis(world.draw(4_000))).await;
        }
        if self.strikes(Group::DiskFull) {
            world.trace(&format!("{what} {stream}: full"));
            return Err(failure(DestinationErrorKind::Full, what, "no space left on device"));
        }
        Ok(())
    }

    fn note_published(&self, commit: &Commit, published: &Published) {
        let world = &self.world;
        world
            .trace(&format!("publish {} {:?} {:?}", commit.stream.name, commit.checkpoint, published.tables));
        if let Some((_, checkpoint)) = &commit.checkpoint {
            self.note_position(checkpoint);
            self.note_number(commit.run);
        }
        records::are_whole(world, &self.memory, commit, published);
        records::note_quarantined(world, commit);
        if !commit.gaps.is_empty() {
            world.saw(Sighting::GapRecorded);
            crate::check::gaps_are_true(world, commit);
        }
        if !commit.quarantined.is_empty() {
            world.saw(Sighting::Quarantined);
        }
        let only_grows = matches!(commit.stream.replication, Replication::Log | Replication::Daily);
        for (table, counts) in &published.tables {
            if only_grows && counts.deleted > 0 {
                world.violated(
                    "I4 no false delete",
                    format!("{table}: a row of a table that only grows was deleted"),
                );
            }
            if !only_grows && counts.deleted + counts.updated > 0 {
                self.look_at_tombstones(commit, table);
            }
        }
    }

    /// A number stands for one run.
    fn note_number(&self, number: u64) {
        let this = (self.world.state().run.number, self.is_rival);
        let known = *self.seen().numbers.entry(number).or_insert(this);
        if known != this {
            self.world.violated("run numbers", format!("two runs have the number {number}"));
        }
    }

    fn note_position(&self, checkpoint: &Checkpoint) {
        let Checkpoint::Log { log_id, whole_until, .. } = checkpoint else { return };
        // What a checkpoint calls unproven, it does not claim: the next read proves it or tells a gap.
        let claimed = whole_until.as_ref().map_or(log_id, |proven| proven.min(log_id));
        let at = self.world.clock.truth();
        let state = &mut *self.world.state();
        if !state.history.owes() {
            state.history.listen(&mut state.simulation, at);
            state.history.owe();
        }
        let seen = &mut *self.seen();
        // A position that does not move says nothing of what became readable before it since, also where a later run proves it.
        let heard = seen.positions.entry(log_id.clone()).or_insert_with(|| Arc::clone(&state.run.heard));
        let heard = if claimed == log_id { heard } else { &state.run.heard };
        if seen.position.as_ref().is_none_or(|(position, _)| position != claimed) {
            seen.position = Some((claimed.clone(), Arc::clone(heard)));
        }
    }

    /// Whether what was newly marked deleted is really gone, or was at some moment since the read began.
    fn look_at_tombstones(&self, commit: &Commit, table: &'static str) {
        let Some(known) = commit.stream.table(table) else { return };
        let rows = self.memory.rows(table);
        let deleted: BTreeSet<_> = rows.iter().filter(|row| row.deleted).map(|row| key(known, row)).collect();
        let before = self.seen().tombstones.insert(table, deleted.clone()).unwrap_or_default();
        if before.difference(&deleted).next().is_some() {
            self.world.saw(Sighting::KeyReturned);
        }
        let resumed = self.seen().resumed.get(commit.stream.name).copied();
        let state = &mut *self.world.state();
        let began = resumed.map_or(state.run.began, |resumed| resumed.min(state.run.began));
        let mut found = Vec::new();
        for key in deleted.difference(&before) {
            state.sightings.note(Sighting::SoftDeleted);
            if state.run.gone {
                state.sightings.note(Sighting::GoneConfirmedByKey);
            }
            if state.history.always_held(table, key, began - self.lag) {
                found.push(format!("{table} {key:?} lives and was marked deleted"));
            }
        }
        for found in found {
            let line = format!("VIOLATION I4 no false delete: {found}");
            state.trace.line(&line);
            state.violations.push(crate::world::Violation { invariant: "I4 no false delete", found });
        }
    }
}

fn failure(kind: DestinationErrorKind, what: &str, message: &str) -> DestinationError {
    DestinationError::new(kind, what, message)
}

#[async_trait]
impl Destination for Warehouse {
    fn capabilities(&self) -> Capabilities {
        self.memory.capabilities()
    }

    async fn prepare(&self, catalog: &'static Catalog) -> DestinationResult<()> {
        self.look("tables").await?;
        self.memory.prepare(catalog).await
    }

    async fn claim(&self, tenant: &str) -> DestinationResult<()> {
        self.memory.claim(tenant).await
    }

    async fn lease(&self) -> DestinationResult<Option<Lease>> {
        self.memory.lease().await
    }

    async fn hold(&self, claim: Claim) -> DestinationResult<Lease> {
        self.memory.hold(claim).await
    }

    async fn release(&self, token: u64) -> DestinationResult<()> {
        self.memory.release(token).await
    }

    fn fence(&self, token: Option<u64>) {
        self.memory.fence(token);
    }

    async fn keep(&self, name: &str, checkpoint: &Checkpoint, run: u64, at: Micros) -> DestinationResult<()> {
        self.write("keep", name).await?;
        self.noted("keep", self.memory.keep(name, checkpoint, run, at).await)?;
        self.note_position(checkpoint);
        self.point("after keep").await;
        Ok(())
    }

    async fn state(&self) -> DestinationResult<State> {
        self.look("state").await?;
        let state = self.memory.state().await?;
        self.world.trace(&format!("state {:?} {:?}", state.checkpoints, state.last_run));
        Ok(state)
    }

    async fn stage(&self, batch: Batch) -> DestinationResult<()> {
        self.write("stage", batch.table.name).await?;
        if batch.rows.num_rows() > 0 {
            self.seen().staged.insert(batch.table.name);
        }
        self.world.trace(&format!("stage {} {}", batch.table.name, batch.rows.num_rows()));
        self.memory.stage(batch).await?;
        self.point("after stage").await;
        Ok(())
    }

    async fn absent(&self, stream: &'static Stream, limit: usize) -> DestinationResult<Vec<Key>> {
        self.look("absent rows").await?;
        let absent = self.memory.absent(stream, limit).await?;
        self.world.trace(&format!("absent {} {absent:?}", stream.name));
        self.world.state().run.absent.extend(absent.iter().filter_map(|key| key.first().cloned()));
        Ok(absent)
    }

    async fn find(
        &self,
        stream: &'static Stream,
        column: &'static str,
        values: &BTreeSet<String>,
    ) -> DestinationResult<Vec<Key>> {
        self.look("rows").await?;
        self.memory.find(stream, column, values).await
    }

    async fn sample(&self, stream: &'static Stream, rows: usize, seed: u64) -> DestinationResult<Vec<Key>> {
        self.look("some rows").await?;
        self.memory.sample(stream, rows, seed).await
    }

    async fn publish(&self, commit: Commit) -> DestinationResult<Published> {
        let world = &self.world;
        let stream = commit.stream;
        self.write("publish", stream.name).await?;
        if self.strikes(Group::CommitRefused) {
            world.trace(&format!("publish {}: refused", stream.name));
            self.memory.unstage(stream).await?;
            return Err(failure(DestinationErrorKind::Failed, "publish", "the commit was refused"));
        }
        let published = self.noted("publish", self.memory.publish(commit.clone()).await)?;
        for table in stream.tables {
            self.seen().staged.remove(table.name);
        }
        self.note_published(&commit, &published);
        let repeated = self.seen().unacknowledged.take_if(|name| *name == stream.name);
        if repeated.is_some() {
            world.saw(Sighting::CommitRepeated);
        }
        self.point("after publish").await;
        if self.strikes(Group::CommitUnacknowledged) {
            world.trace(&format!("publish {}: not acknowledged", stream.name));
            self.seen().unacknowledged = Some(stream.name);
            return Err(failure(DestinationErrorKind::Unavailable, "publish", "the connection was lost"));
        }
        Ok(published)
    }

    async fn compare(&self, commit: Commit, keys_max: usize) -> DestinationResult<Compared> {
        self.look("differences").await?;
        self.memory.compare(commit, keys_max).await
    }

    async fn park(&self, parking: Parking) -> DestinationResult<()> {
        let (name, begun) = (parking.stream.name, parking.parked.begun_at);
        self.write("park", name).await?;
        self.noted("park", self.memory.park(parking).await)?;
        self.world.trace(&format!("park {name}"));
        self.seen().resumed.insert(name, begun);
        self.point("after park").await;
        Ok(())
    }

    async fn resume(&self, stream: &'static Stream, left_out: Option<LeftOut>) -> DestinationResult<bool> {
        self.look("parked rows").await?;
        let resumed = self.memory.resume(stream, left_out).await?;
        self.world.trace(&format!("resume {}: {resumed}", stream.name));
        if resumed {
            self.world.saw(Sighting::ReadResumed);
        }
        Ok(resumed)
    }

    async fn unstage(&self, stream: &'static Stream) -> DestinationResult<()> {
        self.point("unstage").await;
        self.memory.unstage(stream).await
    }

    async fn discard(&self, stream: &'static Stream) -> DestinationResult<()> {
        self.point("discard").await;
        self.seen().resumed.remove(stream.name);
        self.noted("discard", self.memory.discard(stream).await)
    }

    async fn record(&self, run: &RunRecord) -> DestinationResult<()> {
        self.write("record", "run").await?;
        self.noted("record", self.memory.record(run).await)?;
        self.point("after record").await;
        Ok(())
    }

    async fn summarize(&self, catalog: &'static Catalog) -> DestinationResult<Vec<TableSummary>> {
        self.memory.summarize(catalog).await
    }

    async fn query(&self, sql: &str) -> DestinationResult<Vec<RecordBatch>> {
        self.memory.query(sql).await
    }
}
