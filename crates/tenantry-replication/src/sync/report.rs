//! What a run did, table by table: the data behind the summary, `--json`, the exit code and `_tenantry.run_table`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::catalog::Stream;
use crate::destination::Counts;
use crate::source::Delays;
use crate::state::TableRecord;

use super::plan::Task;

/// How a stream or table ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Up to date.
    Done,
    /// Not read: a scope is missing, or the tenant does not offer the feature. The message says what to grant.
    Skipped,
    /// Not up to date; the message says how far it came.
    Failed,
    /// Not up to date, since the requests or the time that were allowed are used up; a later run goes on.
    Stopped,
    /// Never written by a sync.
    Frozen,
}

impl Outcome {
    /// The word that reports and state tables use.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Frozen => "frozen",
        }
    }
}

/// A finished run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Number of the run.
    pub run: u64,
    /// One entry for each selected table, in catalog order.
    pub tables: Vec<TableRecord>,
    /// Requests sent in all.
    pub requests: u64,
    /// Gaps recorded by this run.
    pub gaps: u64,
    /// Seconds from begin to end.
    pub seconds: f64,
}

impl Report {
    pub(super) fn new(run: u64, streams: Vec<StreamReport>, requests: u64, seconds: f64) -> Self {
        let gaps = streams.iter().map(|stream| stream.gaps).sum();
        let tables = streams.into_iter().flat_map(StreamReport::tables).collect();
        Self { run, tables, requests, gaps, seconds }
    }

    /// Whether every selected table is up to date.
    pub fn all_done(&self) -> bool {
        self.tables
            .iter()
            .all(|table| table.outcome == Outcome::Done.word() || table.outcome == Outcome::Frozen.word())
    }

    /// Whether the allowance was used up before every table was up to date.
    pub fn was_stopped(&self) -> bool {
        self.tables.iter().any(|table| table.outcome == Outcome::Stopped.word())
    }

    /// Whether a later run may find something that this one was to find: a table failed, or the allowance was used up.
    pub fn is_unfinished(&self) -> bool {
        let unfinished = [Outcome::Failed.word(), Outcome::Stopped.word()];
        self.tables.iter().any(|table| unfinished.contains(&table.outcome.as_str()))
    }

    /// Tables that the run changed, or could not bring up to date.
    pub fn touched(&self) -> impl Iterator<Item = &TableRecord> {
        self.tables.iter().filter(|table| did_something(table))
    }

    /// The run's outcome in one word: `done`, `stopped` when its allowance was used up, or `incomplete` when a table was skipped or failed.
    pub fn outcome_word(&self) -> &'static str {
        if self.all_done() {
            "done"
        } else if self.was_stopped() {
            "stopped"
        } else {
            "incomplete"
        }
    }
}

/// Whether a table was changed, or is not up to date.
pub(super) fn did_something(table: &TableRecord) -> bool {
    let changed =
        [table.inserted, table.updated, table.deleted, table.quarantined].iter().any(|count| *count > 0);
    changed || ![Outcome::Done.word(), Outcome::Frozen.word()].contains(&table.outcome.as_str())
}

/// What happened to one stream.
#[derive(Debug)]
pub(super) struct StreamReport {
    pub(super) stream: &'static Stream,
    pub(super) tables: Vec<&'static str>,
    pub(super) outcome: Outcome,
    pub(super) message: Option<String>,
    pub(super) counts: BTreeMap<&'static str, Counts>,
    pub(super) quarantined: BTreeMap<&'static str, u64>,
    pub(super) requests: u64,
    pub(super) delays: Delays,
    pub(super) gaps: u64,
    pub(super) began: f64,
    pub(super) seconds: f64,
}

impl StreamReport {
    /// A stream that was not read.
    pub(super) fn left(task: &Task, outcome: Outcome, message: Option<String>) -> Self {
        Self {
            stream: task.stream,
            tables: task.tables.clone(),
            outcome,
            message,
            counts: BTreeMap::new(),
            quarantined: BTreeMap::new(),
            requests: 0,
            delays: Delays::default(),
            gaps: 0,
            began: 0.0,
            seconds: 0.0,
        }
    }

    fn tables(self) -> Vec<TableRecord> {
        let record = |table: &&'static str| {
            let counts = self.counts.get(table).copied().unwrap_or_default();
            TableRecord {
                table: (*table).to_owned(),
                outcome: self.outcome.word().to_owned(),
                message: self.message.clone(),
                inserted: counts.inserted,
                updated: counts.updated,
                deleted: counts.deleted,
                unchanged: counts.unchanged,
                drifted: counts.drifted,
                quarantined: self.quarantined.get(table).copied().unwrap_or_default(),
                requests: self.requests,
                limited: self.delays.limited,
                waited: self.delays.waited.as_secs_f64(),
                began: self.began,
                seconds: self.seconds,
            }
        };
        debug_assert!(self.tables.iter().all(|table| self.stream.table(table).is_some()));
        self.tables.iter().map(record).collect()
    }
}
