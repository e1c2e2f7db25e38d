//! What a destination remembers beside the tables: checkpoints, parked reads, runs, gaps, quarantined records.
//!
//! Only data types: every destination keeps them in its own `_tenantry` schema, checkpoints in the transaction of the rows that they stand for.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::clock::Micros;
use crate::defects::{Defect, planted};

/// Everything that a run needs to know of earlier ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Last checkpoint by its name: the stream's, or the stream's and its tables' where a run writes only some of them.
    pub checkpoints: BTreeMap<String, Checkpoint>,
    /// Number of the run that wrote each of these checkpoints.
    pub checkpoint_runs: BTreeMap<String, u64>,
    /// Reads that were broken off and can go on, by stream.
    pub parked: BTreeMap<String, Parked>,
    /// Number of the last run; 0 before the first.
    pub last_run: u64,
}

impl State {
    /// Number of the next run: higher than that of any run that left something, on record or not.
    pub fn next_run(&self) -> u64 {
        let left = self.checkpoint_runs.values().copied();
        let left = left.filter(|run| *run > self.last_run && !planted(Defect::RunNumberReused));
        left.fold(self.last_run, u64::max) + 1
    }
}

/// How far a stream got. Kept as JSON text, so that a later version can add fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Checkpoint {
    /// A complete read of the whole list finished, and changes were applied since.
    Full {
        /// When the last complete read began, microseconds UTC by the tenant's clock.
        read_at: Micros,
        /// Up to when changes are known to be applied, by the same clock; `read_at` where none were since.
        #[serde(default)]
        applied_at: Option<Micros>,
        /// Whether the destination may hold events from after `read_at` that were written before the read was over: they are not applied yet,
        /// although an earlier run has written them.
        #[serde(default)]
        behind_log: bool,
        /// When the last complete read ended, by the same clock; `None` where an earlier version wrote it down.
        #[serde(default)]
        read_until: Option<Micros>,
    },
    /// All events up to and including this one are published.
    Log {
        /// Log id to go on from.
        log_id: String,
        /// Newest event time seen, microseconds UTC.
        newest: Option<Micros>,
        /// Log id up to which no event is missing but those that gaps tell, where that is proven for another one than `log_id`: behind it
        /// events may have expired before they were read.
        #[serde(default)]
        whole_until: Option<String>,
        /// When the read that came here began, microseconds UTC by the tenant's clock: what it passed later may have become readable behind
        /// it. `None` where an earlier version wrote it down.
        #[serde(default)]
        read_at: Option<Micros>,
    },
    /// Everything that the feed of changes told up to here is applied.
    Events {
        /// Position in the feed, in the source's own words.
        offset: String,
    },
    /// All days before this one are final.
    Daily {
        /// Date as `YYYY-MM-DD`.
        date: String,
    },
}

/// A read of a whole stream that is not over: what a later run must know, beside the rows, to go on as if nothing had happened.
/// Kept as JSON text, so that a later version can add fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Parked {
    /// Name of the checkpoint that the read will end in: it stands for the tables that are written.
    pub checkpoint: String,
    /// Where the source goes on, in its own words.
    pub position: String,
    /// When the read began, microseconds UTC by the tenant's clock.
    pub begun_at: Micros,
    /// Pages that came so far.
    pub pages: i64,
    /// Root keys that count as seen although a row is missing.
    pub spared: BTreeSet<Vec<String>>,
    /// Whether a record came whose key could not be read.
    pub nameless: bool,
    /// Root keys that the tenant was asked for and no longer has.
    pub gone: BTreeSet<Vec<String>>,
    /// Whether the list has been read to its end, and is being read once more to see what is really absent.
    pub again: bool,
    /// Keys that a fan-out will go over, in the order in which they came.
    pub parents: Vec<String>,
    /// For a fan-out: parents that rows have come for.
    pub children_of: BTreeSet<String>,
}

/// A record or row that did not fit, kept so that nothing is dropped silently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantine {
    /// Table that it was meant for.
    pub table: &'static str,
    /// Values of the table's merge key, as far as they could be read, as compact JSON.
    pub key: String,
    /// What did not fit, naming the column and never the value, e.g. `created_at: not a time`.
    pub reason: String,
    /// The record as compact JSON, with secrets masked.
    pub record: String,
}

/// One run as `_tenantry.run` keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    /// Number of the run, from 1.
    pub run: u64,
    /// When it began, microseconds UTC.
    pub started_at: Micros,
    /// When it ended.
    pub finished_at: Micros,
    /// `done`, `stopped`, `interrupted`, ...
    pub outcome: String,
    /// Requests sent in all.
    pub requests: u64,
    /// What happened to each table.
    pub tables: Vec<TableRecord>,
}

/// One table of one run as `_tenantry.run_table` keeps it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableRecord {
    /// The table.
    pub table: String,
    /// `done`, `skipped`, `failed`, `stopped`, `frozen`.
    pub outcome: String,
    /// Why, and what to do, where it is not `done`.
    pub message: Option<String>,
    /// Rows that were not there before.
    pub inserted: u64,
    /// Rows whose values changed, returned rows included.
    pub updated: u64,
    /// Rows newly marked deleted.
    pub deleted: u64,
    /// Rows that came and were already as they came.
    pub unchanged: u64,
    /// Rows that a full read had to correct although the log had been followed, among the three counts before.
    pub drifted: u64,
    /// Records or rows that did not fit.
    pub quarantined: u64,
    /// Requests sent for the table's stream (the same number for each table of a stream).
    pub requests: u64,
    /// Requests of that stream that the tenant refused for its rate limit (HTTP 429).
    pub limited: u64,
    /// Seconds that requests of that stream waited for their turn or for another attempt, added up.
    pub waited: f64,
    /// Seconds from the begin of the run until that stream's turn came.
    pub began: f64,
    /// Seconds from the first request to the publish.
    pub seconds: f64,
}
