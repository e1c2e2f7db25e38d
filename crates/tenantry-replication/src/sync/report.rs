//! What a run did, table by table: the data behind the summary, `--json`, the exit code and `_tenantry.run_table`.

use serde::Serialize;

use crate::state::TableRecord;

/// How a stream or table ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Up to date.
    Done,
    /// Not read: a scope is missing, or the tenant does not offer the feature. The message says what to grant.
    Skipped,
    /// Not up to date: what the table holds is what it held before.
    Failed,
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
    /// Whether every selected table is up to date.
    pub fn all_done(&self) -> bool {
        self.tables.iter().all(|table| table.outcome == Outcome::Done.word() || table.outcome == Outcome::Frozen.word())
    }
}
