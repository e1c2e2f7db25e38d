//! The engine: drives source, normalize and destination until every selected table is up to date, and reports what happened.
//!
//! Holds no HTTP, no SQL and no terminal. What may go wrong in one stream stays in that stream.

mod report;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use report::{Outcome, Report};

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::destination::Destination;
use crate::error::{DestinationError, SourceError};
use crate::source::Source;

/// What a run works with.
#[derive(Clone)]
pub struct Edges {
    /// Where records come from.
    pub source: Arc<dyn Source>,
    /// Where rows go.
    pub destination: Arc<dyn Destination>,
    /// Time and chance.
    pub clock: Arc<dyn Clock>,
    /// Who wants to know how far it is.
    pub observer: Arc<dyn Observer>,
}

/// What a run is asked to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// Names of the tables to bring up to date; a table that is not among them is left as it is.
    pub tables: BTreeSet<&'static str>,
    /// Read everything again, as if no run had been before. Nothing is dropped.
    pub full: bool,
    /// Streams read at the same time, at most.
    pub streams_at_once: usize,
}

/// Something that a progress display wants to know.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A stream's first request is about to be sent.
    Started {
        /// The stream.
        stream: &'static str,
    },
    /// Another page was read.
    Progress {
        /// The stream.
        stream: &'static str,
        /// Records read so far.
        records: u64,
        /// Requests sent so far.
        requests: u64,
    },
    /// A stream ended, well or not; the report has the details.
    Finished {
        /// The stream.
        stream: &'static str,
        /// How.
        outcome: Outcome,
    },
}

/// Hears how far a run is. Must return at once.
pub trait Observer: Send + Sync {
    /// Called from the run's own tasks, in order within a stream.
    fn event(&self, event: &Event);
}

/// A run that could not begin, or could not be recorded. Failures of single streams are in the [`Report`] instead.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The tenant could not be reached or refused the credentials.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The destination could not be opened, prepared or written.
    #[error(transparent)]
    Destination(#[from] DestinationError),
}

/// Brings the selected tables up to date with the tenant.
pub async fn sync(edges: &Edges, catalog: &'static Catalog, options: &Options) -> Result<Report, SyncError> {
    let _ = (edges.source.connect().await?, catalog, options);
    Err(SyncError::Destination(DestinationError::new(crate::error::DestinationErrorKind::Failed, "sync", "under construction")))
}
