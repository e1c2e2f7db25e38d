//! Where records come from: pages of JSON records, read one at a time at the engine's pace.
//!
//! Knows nothing of tables, and never looks into a record.

pub mod auth0;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::catalog::Stream;
use crate::clock::Micros;
use crate::error::SourceResult;
use crate::state::Checkpoint;

/// Reads records of a tenant.
#[async_trait]
pub trait Source: Send + Sync {
    /// A run begins: what it may send, and what it has sent, counts from here.
    fn begin(&self);

    /// Gets a token and tells what it allows. Repeats nothing that is still valid.
    async fn connect(&self) -> SourceResult<Access>;

    /// The present time by the tenant's clock, by that answer of this run which puts it latest: one out of a cache tells an earlier time.
    /// `None` where no answer has told.
    fn now(&self) -> Option<Micros>;

    /// Begins one read of a stream. Sends nothing until the first page is asked for.
    fn open(&self, read: Read) -> Box<dyn Pages>;

    /// Goes on with a read that was broken off, from a position that [`Pages::position`] gave for the same stream. Sends nothing until the
    /// first page is asked for. `None` where the position says nothing to this source: then the read has to begin anew.
    fn resume(&self, read: Read, position: &str) -> Option<Box<dyn Pages>>;

    /// Reads one record by its root key; `None` when the tenant says that it does not exist.
    ///
    /// Only for streams whose endpoint has a `record_path`. The page holds exactly one record.
    async fn record(&self, stream: &'static Stream, key: &str) -> SourceResult<Option<Page>>;

    /// Begins to listen to what the tenant tells of changes as they happen, from where an earlier run stopped, or from now on. Sends nothing
    /// until it is asked for the first time.
    fn follow(&self, from: Option<Checkpoint>) -> Box<dyn Feed>;

    /// What a read will take, for a stream of which so much is known. Asks the tenant for what is not, by a few requests; gives nothing
    /// that belongs into a table.
    async fn estimate(&self, read: Read, known: Known) -> SourceResult<Estimate>;

    /// How long so many requests for each stream take at the least, together, by the limits known so far; `None` where none is known.
    fn pace(&self, requests: &[(&'static Stream, u64)]) -> Option<Duration>;

    /// Requests sent since [`begin`](Self::begin), retries and polls included: the scarce thing.
    fn requests(&self) -> u64;

    /// What held up the requests for this stream since [`begin`](Self::begin).
    fn delays(&self, stream: &'static Stream) -> Delays;
}

/// What held up the requests for a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delays {
    /// Requests that the tenant refused, since they were too many for its rate limit.
    pub limited: u64,
    /// How long requests waited for their turn or for another attempt, added up: those that wait side by side count each.
    pub waited: Duration,
}

/// A read under way.
#[async_trait]
pub trait Pages: Send {
    /// The next page, or `None` after the last one.
    ///
    /// Retries by itself what [`crate::error::retry`] allows. After an error the read is over, and it was not complete.
    /// `None` is given only when the source said that there is no more.
    async fn next(&mut self) -> SourceResult<Option<Page>>;

    /// Where this read can go on in another process, once every page that was given so far is kept; also after an error. `None` for reads
    /// that are too short for it, or go on from the [`Page::checkpoint`]s.
    fn position(&self) -> Option<Position> {
        None
    }

    /// Whether the end that was reached is a complete read of what the [`Read`] asked for.
    ///
    /// False before the end, and when something contradicted completeness (a total that moved while pages shifted, a window that could
    /// not be split further): rows then count, absence does not.
    fn complete(&self) -> bool;

    /// Whether everything was read although only changes were asked for, because that cost fewer requests. Known once the first page came.
    fn covers_everything(&self) -> bool {
        false
    }

    /// Whether the source kept everything since [`Read::since`] until it was read, where that was asked for. Known once the read is over.
    fn reaches_back(&self) -> bool {
        true
    }

    /// Stretches of the stream that the source no longer holds, found while reading.
    fn gaps(&self) -> &[Gap] {
        &[]
    }

    /// Requests that this read has sent so far, retries and polls included.
    fn requests(&self) -> u64;
}

/// What a tenant tells of changes as they happen: hints at what to look at again, often late, twice or out of order, and never all that
/// changes. Only makes tables fresher; what must not be missed, the log tells.
#[async_trait]
pub trait Feed: Send {
    /// Waits for the next thing that is told, for as long as it takes.
    ///
    /// Opens its one connection again by itself whenever that ends, and goes on where it was. Nothing is lost when this is dropped while it
    /// waits. An error means that the feed cannot be had: for good, or, where [`crate::error::retry`] would try again, for now; asking once
    /// more then begins anew.
    async fn next(&mut self) -> SourceResult<Heard>;
}

/// Something that a [`Feed`] tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// The feed is open: what changes from now on is told.
    Open,
    /// Something changed.
    Event {
        /// The event as JSON.
        event: Bytes,
        /// Where to go on once it is applied.
        checkpoint: Checkpoint,
    },
    /// Nothing of interest, up to here.
    Passed {
        /// Where to go on.
        checkpoint: Checkpoint,
    },
    /// What happened for a while is not told any more: the position to go on from is no longer known.
    Lost,
}

/// What to read.
#[derive(Debug, Clone)]
pub struct Read {
    /// The stream.
    pub stream: &'static Stream,
    /// For a fan-out: keys of the parent records to read for, in order.
    pub parents: Vec<String>,
    /// Where an earlier run stopped; `None` for everything.
    pub from: Option<Checkpoint>,
    /// Only what changed at this time or later (microseconds UTC, by the tenant's clock): users by their time of change, events by the
    /// time of their record. Other streams take no notice. `None` for everything, or for what `from` says.
    pub since: Option<Micros>,
}

/// What is known of a stream before it is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Known {
    /// Its records, by an earlier read.
    pub records: Option<u64>,
    /// For a fan-out: the parents that it goes over.
    pub parents: u64,
}

/// What a read will take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Records that will come, as far as that can be told.
    pub records: Option<u64>,
    /// Requests that it will send.
    pub requests: u64,
}

/// Where a read can go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The source's own words.
    pub text: String,
    /// Whether what came up to here has to be kept with it. Otherwise the read that goes on gives all of it again.
    pub keeps_rows: bool,
    /// Whether nothing more will come.
    pub ended: bool,
}

/// One answer's worth of records. One without a body holds none: it only says that there is a position worth keeping at once.
#[derive(Debug, Clone)]
pub struct Page {
    /// The bytes as received, decompressed.
    pub body: Bytes,
    /// Where in them the records are.
    pub records: Records,
    /// For a fan-out: the key of the parent record that all of these belong to.
    pub parent: Option<String>,
    /// Where a later run may go on once everything up to and including this page is published.
    pub checkpoint: Option<Checkpoint>,
}

/// Where in a page's bytes the records are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Records {
    /// The elements of the array that is this member of the answer; the answer itself for `""`.
    Array(&'static str),
    /// One JSON object on each line; blank lines count for nothing.
    Lines,
    /// The body is one record.
    One,
}

/// What the token allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Scopes granted, sorted; `None` when the token does not tell.
    pub scopes: Option<Vec<String>>,
    /// How far the tenant's clock is ahead of ours, in seconds, as far as whole seconds tell.
    pub clock_ahead_seconds: Option<i64>,
}

/// A stretch of a stream that can no longer be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// First position not read: the checkpoint that we had.
    pub from: String,
    /// First position read again, or empty when nothing is left.
    pub to: String,
    /// Why, e.g. `checkpoint older than retention`.
    pub reason: String,
}
