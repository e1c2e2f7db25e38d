//! Looking at what a destination holds, while syncs go on: rows of a table page by page, questions in its own SQL, and the records of runs.
//!
//! Writes nothing that another reader sees. Every answer is of one moment: what a publish makes visible meanwhile is not half in it.

use arrow_array::RecordBatch;
use async_trait::async_trait;

use super::TableSummary;
use crate::catalog::{Catalog, Column, Table};
use crate::clock::Micros;
use crate::error::DestinationResult;
use crate::state::{RunRecord, State};

/// Answers people who look, never waits for a publish, and keeps none waiting. Dropping the future of a call ends its work.
#[async_trait]
pub trait Reader: Send + Sync {
    /// Answers a read-only question in the destination's own SQL with at most `rows_max` rows. Refuses anything that would write, or reach
    /// outside of the destination, with `Query`.
    async fn ask(&self, sql: &str, rows_max: usize) -> DestinationResult<Answer>;

    /// A page of a table's rows.
    async fn rows(&self, page: &PageOf) -> DestinationResult<Answer>;

    /// How many rows fit, counted up to `most`.
    async fn count(&self, table: &'static Table, rows: &Wanted, most: u64) -> DestinationResult<u64>;

    /// Makes a table of the reader's own of what a question is answered with, in place of an older one of this name: an aggregate that later
    /// questions read as `kept.NAME`. Ends with the process.
    async fn keep(&self, name: &str, sql: &str) -> DestinationResult<()>;

    /// One line for each table of the catalog.
    async fn summarize(&self, catalog: &'static Catalog) -> DestinationResult<Vec<TableSummary>>;

    /// Records of the last runs, newest first, at most `most`.
    async fn runs(&self, most: usize) -> DestinationResult<Vec<RunRecord>>;

    /// The record of one run with its tables.
    async fn run(&self, number: u64) -> DestinationResult<Option<RunRecord>>;

    /// What could not be read or did not fit, newest first, at most `most` of each.
    async fn losses(&self, most: usize) -> DestinationResult<Losses>;

    /// What earlier runs left.
    async fn state(&self) -> DestinationResult<State>;

    /// The tenant whose tables these are, as far as it is known.
    async fn tenant(&self) -> DestinationResult<Option<String>>;
}

/// Rows of an answer.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The rows; a batch without rows where only the columns are known.
    pub batches: Vec<RecordBatch>,
    /// Whether there are more that were not given.
    pub is_cut: bool,
}

impl Answer {
    /// Rows that were given.
    pub fn len(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Which rows of a table are meant.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// All of these must hold.
    pub conditions: Vec<Condition>,
    /// Whether rows that are marked deleted are among them.
    pub with_deleted: bool,
}

/// What must hold of a column.
#[derive(Debug, Clone)]
pub struct Condition {
    /// The column.
    pub column: &'static Column,
    /// How it is compared.
    pub test: Test,
    /// With what; of no account where the test compares with nothing. Text that cannot be read as the column's type is refused with `Query`.
    pub value: String,
}

/// How a column is compared with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    /// The same.
    Is,
    /// Another value, or none.
    IsNot,
    /// The text is part of it, whatever the case.
    Contains,
    /// It begins with the text.
    Begins,
    /// It is greater or later, or the same.
    AtLeast,
    /// It is less or earlier.
    Below,
    /// There is no value.
    Missing,
    /// There is one.
    Present,
}

/// A page of rows in an order that no two rows share: by one column, then by the merge key.
#[derive(Debug, Clone)]
pub struct PageOf {
    /// The table.
    pub table: &'static Table,
    /// Which of its rows.
    pub rows: Wanted,
    /// Column to order by, rows without a value last; by the merge key alone when `None`.
    pub by: Option<&'static Column>,
    /// Whether the order is turned around.
    pub descending: bool,
    /// The row that the page goes on from, not among its rows; the first page when `None`.
    pub from: Option<Mark>,
    /// Rows of a page.
    pub size: usize,
}

/// Where a row stands in the order of a [`PageOf`], as text; `None` for no value.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Mark {
    /// Value of the column that is ordered by; of no account without one.
    pub by: Option<String>,
    /// Values of the merge key, in key order.
    pub key: Vec<Option<String>>,
    /// Whether the rows before it are meant, instead of those behind it. They come in the page's order.
    pub before: bool,
}

/// What is known to be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Losses {
    /// Stretches that can no longer be read.
    pub gaps: Vec<GapRecord>,
    /// Records that did not fit.
    pub quarantined: Vec<QuarantineRecord>,
    /// How many of both there are in all.
    pub counts: (u64, u64),
}

/// A gap as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapRecord {
    /// Name of the stream.
    pub stream: String,
    /// First position not read.
    pub from: String,
    /// First position read again.
    pub to: String,
    /// Why.
    pub reason: String,
    /// Number of the run.
    pub run: u64,
    /// When.
    pub recorded_at: Micros,
}

/// A quarantined record, without the record itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineRecord {
    /// Table that it was meant for.
    pub table: String,
    /// Its merge key as far as it could be read, as JSON.
    pub key: String,
    /// Why.
    pub reason: String,
    /// Number of the run.
    pub run: u64,
    /// When.
    pub recorded_at: Micros,
}
