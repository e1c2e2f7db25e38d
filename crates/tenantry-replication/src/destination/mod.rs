//! Where rows go. Rows are staged, invisible to readers, and then published together with the checkpoint that they stand for.
//!
//! Knows no SQL and no storage: that is each destination's own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use async_trait::async_trait;

use crate::catalog::{Catalog, Stream, Table};
use crate::clock::Micros;
use crate::error::{DestinationError, DestinationErrorKind, DestinationResult};
use crate::state::{Checkpoint, Parked, Quarantine, RunRecord, State};

/// Keeps the tables of a catalog, and the state of the runs that filled them.
///
/// Calls may come from several tasks at once; an implementation serialises what it must. Streams are independent: staging one while
/// another is published must not mix their rows.
#[async_trait]
pub trait Destination: Send + Sync {
    /// What this destination can and cannot promise.
    fn capabilities(&self) -> Capabilities;

    /// Creates what is missing: schemas, tables, columns, their descriptions, and the state tables. Widens, never narrows or drops; may be
    /// repeated. An existing column of another type is a `SchemaConflict`; columns of the user's own are left alone.
    async fn prepare(&self, catalog: &'static Catalog) -> DestinationResult<()>;

    /// Notes whose tables these are. Refuses with `OtherTenant` where they are already another tenant's: what one tenant's log says
    /// means nothing for the rows of another. Comes after [`Destination::prepare`].
    async fn claim(&self, tenant: &str) -> DestinationResult<()>;

    /// The last lease that was given, whether or not it still holds; `None` before the first. Needs no [`Destination::prepare`].
    async fn lease(&self) -> DestinationResult<Option<Lease>>;

    /// Gives a lease as [`Claim::settle`] decides, in one transaction. Needs no [`Destination::prepare`].
    async fn hold(&self, claim: Claim) -> DestinationResult<Lease>;

    /// Gives the lease back, if it is still the last one. May be repeated.
    async fn release(&self, token: u64) -> DestinationResult<()>;

    /// From now on each publish, park, discard, keep and record of this object is refused with `Held`, in its own transaction, once another lease than this
    /// one was given. `None` ends that.
    fn fence(&self, token: Option<u64>);

    /// What earlier runs left.
    async fn state(&self) -> DestinationResult<State>;

    /// Takes rows for a later [`Destination::publish`] of their stream. Invisible to readers until then, gone after a crash where they were
    /// not parked.
    /// May be called any number of times; nothing is assumed about keys being unique among staged rows.
    async fn stage(&self, batch: Batch) -> DestinationResult<()>;

    /// Merge keys of live rows of the stream's root table that no staged row has: what a sweep would soft-delete.
    /// At most `limit` of them, in key order.
    async fn absent(&self, stream: &'static Stream, limit: usize) -> DestinationResult<Vec<Key>>;

    /// Merge keys of live rows of the stream's root table whose column `column` holds one of `values`.
    async fn find(
        &self,
        stream: &'static Stream,
        column: &'static str,
        values: &BTreeSet<String>,
    ) -> DestinationResult<Vec<Key>>;

    /// Merge keys of some rows of the stream's root table, marked deleted or not: `rows` of them drawn by `seed`, or all where there are no
    /// more; in key order.
    async fn sample(&self, stream: &'static Stream, rows: usize, seed: u64) -> DestinationResult<Vec<Key>>;

    /// Makes everything that was staged for the stream visible, in one transaction: upserts by merge key, the sweep, the checkpoint,
    /// quarantined records and gaps. Either all of it happened or nothing did. Staged rows are gone afterwards, also on failure.
    ///
    /// A row whose values equal the stored ones is not rewritten and keeps its sync time. A soft-deleted row that comes again is an update
    /// that clears the flag. A soft delete keeps the last values and moves the sync time. Of two staged rows with one key the one from the
    /// later page counts, within a page the later row; children of a record that came on several pages are those of its last page.
    async fn publish(&self, commit: Commit) -> DestinationResult<Published>;

    /// Tells how what was staged for the stream relates to what is stored, under the commit's scope and [`Commit::gone`], as
    /// [`Destination::publish`] would find it; with at most `keys_max` keys for each kind of difference. Writes nothing: checkpoint,
    /// quarantined records and gaps of the commit are of no account. Staged rows are gone afterwards, also on failure.
    async fn compare(&self, commit: Commit, keys_max: usize) -> DestinationResult<Compared>;

    /// Makes what is staged for the stream, and where its read stands, survive a crash, in one transaction; still invisible to readers,
    /// and still staged. What was parked for the stream before is replaced: of its rows those stay that were staged from it.
    ///
    /// A publish of the stream forgets what is parked, in its own transaction.
    async fn park(&self, parking: Parking) -> DestinationResult<()>;

    /// Stages the rows that are parked for the stream as they were staged then, and nothing else; they stay parked. False, with nothing
    /// staged, where there are none that fit the tables of now.
    async fn resume(&self, stream: &'static Stream, left_out: Option<LeftOut>) -> DestinationResult<bool>;

    /// Forgets what was staged for the stream; what is parked stays. May be repeated.
    async fn unstage(&self, stream: &'static Stream) -> DestinationResult<()>;

    /// Forgets what was staged and what is parked for the stream. May be repeated.
    async fn discard(&self, stream: &'static Stream) -> DestinationResult<()>;

    /// Keeps a checkpoint that stands for no stream's rows alone, as of a run and its time. Comes after the rows that it stands for.
    async fn keep(&self, name: &str, checkpoint: &Checkpoint, run: u64, at: Micros) -> DestinationResult<()>;

    /// Keeps the record of a finished run.
    async fn record(&self, run: &RunRecord) -> DestinationResult<()>;

    /// One line for each table of the catalog, for `tenantry status`.
    async fn summarize(&self, catalog: &'static Catalog) -> DestinationResult<Vec<TableSummary>>;

    /// Puts the tables in order without changing a row, and removes what only states of them older than `keep` need. Comes under the lease.
    /// Where nothing has to be done for that, nothing is done.
    async fn maintain(&self, _catalog: &'static Catalog, _keep: Duration) -> DestinationResult<Maintenance> {
        Ok(Maintenance::default())
    }

    /// Answers a read-only query in the destination's own SQL. Refuses anything that would write or reach outside.
    async fn query(&self, sql: &str) -> DestinationResult<Vec<RecordBatch>>;

    /// For those who look at the tables while syncs go on; `None` where this destination offers nothing of the kind.
    fn reader(&self) -> Option<Arc<dyn Reader>> {
        None
    }
}

/// What a destination can and cannot promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Rows and checkpoint become visible in one transaction. Otherwise the checkpoint comes after the rows.
    pub atomic_publish: bool,
    /// Text can hold U+0000. Otherwise it becomes U+FFFD; what comes out of a tenant's answers holds none.
    pub holds_nul: bool,
}

/// Rows of one table on their way to staging.
///
/// Columns: the table's data columns in catalog order (without the two that the destination sets), then [`crate::catalog::system::PAGE`].
#[derive(Debug, Clone)]
pub struct Batch {
    /// The table.
    pub table: &'static Table,
    /// The rows, with the schema that [`staged_schema`] gives for the table.
    pub rows: RecordBatch,
}

/// A read under way, to be kept.
#[derive(Debug, Clone)]
pub struct Parking {
    /// The stream.
    pub stream: &'static Stream,
    /// Where its read stands.
    pub parked: Parked,
    /// Whether the staged rows are kept with it; false where the read will give them again.
    pub rows: bool,
    /// Records that did not fit, found since the last park or publish of the stream. They are kept with those of publishes.
    pub quarantined: Vec<Quarantine>,
    /// The time that the quarantined records get.
    pub synced_at: Micros,
    /// Number of the run.
    pub run: u64,
}

/// Parked rows that are not wanted any more: those of records whose root row holds one of the values.
#[derive(Debug, Clone)]
pub struct LeftOut {
    /// A key column of the stream's root table.
    pub column: &'static str,
    /// Its values.
    pub values: BTreeSet<String>,
}

impl LeftOut {
    /// The column of a table of the stream that holds the same value; `None` where it has none.
    pub fn column_of(&self, stream: &'static Stream, table: &Table) -> Option<&'static str> {
        if table.name == stream.root().name {
            return Some(self.column);
        }
        let pairs = stream.parent_key(table);
        pairs.into_iter().find(|(of_root, _)| of_root.name == self.column).map(|(_, own)| own.name)
    }
}

/// Everything that becomes visible at once.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The stream whose staged rows are meant.
    pub stream: &'static Stream,
    /// The stream's tables that are written; whatever was staged for others is forgotten and they stay as they are.
    pub tables: Vec<&'static str>,
    /// What the staged rows say about rows that were not staged.
    pub scope: Scope,
    /// Root keys that the tenant was asked for and no longer has: their rows, and their children's, are soft-deleted in any scope.
    pub gone: Vec<Key>,
    /// Where the next run goes on, under the name that it is kept by; `None` leaves the old checkpoint.
    pub checkpoint: Option<(String, Checkpoint)>,
    /// The value for the sync time of rows that are written.
    pub synced_at: Micros,
    /// Number of the run.
    pub run: u64,
    /// Records that did not fit, found since the last publish of the stream.
    pub quarantined: Vec<Quarantine>,
    /// Stretches that can no longer be read, found since the last publish of the stream.
    pub gaps: Vec<crate::source::Gap>,
    /// Which changes the log told of before these rows were read, where that is known: what else they change has drifted.
    pub expected: Option<Expected>,
}

/// What the staged rows say about rows that were not staged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Nothing: rows are added and changed, never soft-deleted.
    Rows,
    /// The staged children of each staged root row are all the children it has: others are soft-deleted.
    Records {
        /// Root keys for which that is not so (one of the children was quarantined): their other children are left alone.
        spared: Vec<Key>,
    },
    /// The staged rows are everything the tenant holds: others are soft-deleted, in the root and in its children.
    Table {
        /// Root keys that count as seen although no row was staged for them (quarantined, or not confirmed gone). Neither
        /// their root rows nor their children are soft-deleted.
        spared: Vec<Key>,
    },
}

/// Values of a merge key, in key order, as text.
pub type Key = Vec<String>;

/// What a publish did, table by table in the stream's order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Published {
    /// One entry for each table that the commit was about.
    pub tables: Vec<(&'static str, Counts)>,
}

/// Rows by what happened to them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows that were not there before.
    pub inserted: u64,
    /// Rows whose values changed, returned rows included.
    pub updated: u64,
    /// Rows newly marked deleted.
    pub deleted: u64,
    /// Rows that came and were already as they came.
    pub unchanged: u64,
    /// Rows inserted, updated or deleted that [`Commit::expected`] does not account for; 0 where nothing was said.
    pub drifted: u64,
}

/// What was done to put tables in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Maintenance {
    /// One entry for each table that was looked at; none where a destination keeps itself in order.
    pub tables: Vec<Maintained>,
    /// Files that runs which were killed had left behind, and that were removed.
    pub left_behind: u64,
}

/// What was done to one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maintained {
    /// The table, with its schema.
    pub table: String,
    /// Small files that were joined.
    pub joined: u64,
    /// Files that they were joined into.
    pub into: u64,
    /// Files of old versions that were removed.
    pub removed: u64,
}

/// What `tenantry status` shows of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct TableSummary {
    /// The table.
    pub table: &'static str,
    /// Rows that the tenant still holds.
    pub live: u64,
    /// Rows that are marked deleted.
    pub deleted: u64,
    /// Newest sync time, microseconds UTC.
    pub newest: Option<Micros>,
    /// When a run last finished this table well.
    pub last_success: Option<Micros>,
    /// Outcome of the last run for this table, with its message.
    pub last_outcome: Option<String>,
    /// Requests and seconds that the last run spent on this table's stream.
    pub last: Option<(u64, f64)>,
}

mod compare;
#[cfg(any(test, feature = "test-utils"))]
pub mod conformance;
mod lease;
mod memory;
mod reader;
/// The refusal of [`Destination::claim`].
pub fn other_tenant(held: &str, tenant: &str) -> DestinationError {
    let message = format!("its tables are those of tenant {held}, not of {tenant}");
    DestinationError::new(DestinationErrorKind::OtherTenant, "claim the destination", message)
}

mod schema;
pub use compare::{Compared, Comparison, Differing, Expected};
pub use lease::{Claim, Holder, Lease, check as check_lease};
pub use memory::{KeptGap, KeptQuarantine, MemoryDestination, Row, Value};
pub use reader::{
    Answer, Condition, GapRecord, Losses, Mark, PageOf, QuarantineRecord, Reader, Test, Wanted,
};
pub use schema::{arrow_type, staged_schema};
