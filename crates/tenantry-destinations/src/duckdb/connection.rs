//! One connection to DuckDB: statements, parameters, bulk ingest, transactions, and errors in our own kinds.
//!
//! Knows nothing of catalogs, streams or state. Every call blocks; callers are on threads that may.

use std::sync::Arc;

use adbc_core::options::{IngestMode, OptionStatement};
use adbc_core::{CancelHandle, Connection as _, Database as _, Optionable as _, Statement as _};
use adbc_driver_manager::{ManagedConnection, ManagedDatabase, ManagedStatement};
use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use arrow_array::{Array as _, ArrayRef, RecordBatch, RecordBatchIterator, RecordBatchReader as _};
use arrow_schema::{ArrowError, Field, Schema};
use tenantry_replication::destination::Answer;
use tenantry_replication::error::{DestinationError, DestinationErrorKind};

use super::DATABASE;

/// What DuckDB reported, in our kinds. Becomes a [`DestinationError`] once it is known what was being done.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: DestinationErrorKind,
    pub(super) message: String,
}

pub(super) type Attempt<T> = Result<T, Failure>;

impl Failure {
    pub(super) fn new(kind: DestinationErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// DuckDB ends some messages with advice on settings that are not the user's to set here.
    fn without_advice(mut self) -> Self {
        if let Some(advice) = self.message.find("\n\nPossible solutions") {
            self.message.truncate(advice);
        }
        self
    }

    /// Rows that DuckDB said it took are not there.
    fn lost(lost: i64) -> Self {
        let message = format!(
            "DuckDB lost {lost} rows on their way, most likely for want of memory or of disk for what does not fit into it: allow it more"
        );
        Self::new(DestinationErrorKind::Failed, message)
    }

    /// Whether DuckDB reached its limit of memory before it came to a commit. After a commit that failed for it nothing may be tried again.
    pub(super) fn is_out_of_memory(&self) -> bool {
        self.message.starts_with("Out of Memory Error")
    }

    /// Says what to do about it where the memory did not do.
    pub(super) fn told_of_limit(mut self, is_the_users: bool) -> Self {
        if self.is_out_of_memory() {
            self.message.push_str(if is_the_users {
                "; the limit is the one that was set for DuckDB: allow it more, or set none"
            } else {
                "; that is four fifths of this machine's memory: run it where there is more"
            });
        }
        self
    }

    /// The error to report, with what was being done.
    pub(super) fn during(self, action: impl Into<String>) -> DestinationError {
        DestinationError::new(self.kind, action, self.message)
    }
}

impl From<adbc_core::error::Error> for Failure {
    fn from(error: adbc_core::error::Error) -> Self {
        Self { kind: kind_of(&error.message), message: error.message }.without_advice()
    }
}

impl From<ArrowError> for Failure {
    fn from(error: ArrowError) -> Self {
        let message = error.to_string();
        Self { kind: kind_of(&message), message }.without_advice()
    }
}

/// What the system says where there is no more room: on the disk, by a quota, by a process's limit, in the spill folder.
const FULL: [&str; 4] =
    ["No space left on device", "Disk quota exceeded", "File too large", "max_temp_directory_size"];

/// DuckDB tells kinds apart by message only.
fn kind_of(message: &str) -> DestinationErrorKind {
    let has = |part: &str| message.contains(part);
    if has("Could not set lock on file") || has("Conflicting lock is held") {
        DestinationErrorKind::Locked
    } else if FULL.into_iter().any(has) {
        DestinationErrorKind::Full
    } else if has("with version number") && has("can only read version") {
        DestinationErrorKind::Newer
    } else {
        DestinationErrorKind::Failed
    }
}

/// A connection, used by one thread at a time.
pub(super) struct Connection {
    inner: ManagedConnection,
    state_schema: String,
}

impl Connection {
    /// Opens one that finds the state tables in `state_schema`.
    pub(super) fn open(database: &ManagedDatabase, state_schema: &str) -> Attempt<Self> {
        Ok(Self { inner: database.new_connection()?, state_schema: state_schema.to_owned() })
    }

    /// Schema of the state tables.
    pub(super) fn state_schema(&self) -> &str {
        &self.state_schema
    }

    /// Full name of a state table.
    pub(super) fn state(&self, table: &str) -> Place {
        Place::new(DATABASE, self.state_schema.as_str(), table)
    }

    fn statement(&mut self, sql: &str) -> Attempt<ManagedStatement> {
        let mut statement = self.inner.new_statement()?;
        statement.set_sql_query(sql)?;
        Ok(statement)
    }

    /// Runs a statement and gives the number of rows that it changed.
    pub(super) fn run(&mut self, sql: &str) -> Attempt<u64> {
        let changed = self.statement(sql)?.execute_update()?;
        Ok(changed.and_then(|rows| u64::try_from(rows).ok()).unwrap_or(0))
    }

    /// Runs a statement with one value for each `?`.
    pub(super) fn run_with(&mut self, sql: &str, values: Vec<ArrayRef>) -> Attempt<u64> {
        let mut statement = self.statement(sql)?;
        statement.bind(parameters(values)?)?;
        let changed = statement.execute_update()?;
        Ok(changed.and_then(|rows| u64::try_from(rows).ok()).unwrap_or(0))
    }

    /// Runs a query and gives its whole answer.
    pub(super) fn rows(&mut self, sql: &str) -> Attempt<Vec<RecordBatch>> {
        let reader = self.statement(sql)?.execute()?;
        Ok(reader.collect::<Result<_, _>>()?)
    }

    /// Runs a query with one value for each `?`.
    pub(super) fn rows_with(&mut self, sql: &str, values: Vec<ArrayRef>) -> Attempt<Vec<RecordBatch>> {
        let mut statement = self.statement(sql)?;
        statement.bind(parameters(values)?)?;
        let reader = statement.execute()?;
        Ok(reader.collect::<Result<_, _>>()?)
    }

    /// Runs a query with one value for each `?`, and gives at most so many rows of its answer.
    pub(super) fn rows_up_to(&mut self, sql: &str, values: Vec<ArrayRef>, most: usize) -> Attempt<Answer> {
        let mut statement = self.statement(sql)?;
        if !values.is_empty() {
            statement.bind(parameters(values)?)?;
        }
        let reader = statement.execute()?;
        let mut answer = Answer { batches: vec![RecordBatch::new_empty(reader.schema())], is_cut: false };
        let mut left = most;
        for batch in reader {
            let batch = batch?;
            if batch.num_rows() > left {
                answer.batches.push(batch.slice(0, left));
                answer.is_cut = true;
                break;
            }
            left -= batch.num_rows();
            answer.batches.push(batch);
        }
        Ok(answer)
    }

    /// What ends a statement of this connection from another thread.
    pub(super) fn cancel_handle(&self) -> Box<dyn CancelHandle> {
        self.inner.get_cancel_handle()
    }

    /// Runs a query whose answer is one row of numbers; NULL is 0.
    pub(super) fn numbers<const N: usize>(&mut self, sql: &str) -> Attempt<[i64; N]> {
        let batches = self.rows(sql)?;
        numbers_of(&batches)
    }

    /// The same with one value for each `?`.
    pub(super) fn numbers_with<const N: usize>(
        &mut self,
        sql: &str,
        values: Vec<ArrayRef>,
    ) -> Attempt<[i64; N]> {
        let batches = if values.is_empty() { self.rows(sql)? } else { self.rows_with(sql, values)? };
        numbers_of(&batches)
    }

    /// Runs a query whose answer is text in every column; gives it row by row.
    pub(super) fn texts(&mut self, sql: &str) -> Attempt<Vec<Vec<Option<String>>>> {
        let mut rows = Vec::new();
        for batch in self.rows(sql)? {
            for row in 0..batch.num_rows() {
                let text = |column: &ArrayRef| {
                    let column = column.as_string_opt::<i32>()?;
                    column.is_valid(row).then(|| column.value(row).to_owned())
                };
                rows.push(batch.columns().iter().map(text).collect());
            }
        }
        Ok(rows)
    }

    /// Appends rows to a table that has columns of the same names, order and types.
    ///
    /// DuckDB writes the last of them when it has answered already, and drops them without a word where that fails, as for want of
    /// memory. So they are counted. On failure some of them may be there, unless the caller's transaction undoes it.
    pub(super) fn ingest(&mut self, table: &Place, batches: Vec<RecordBatch>) -> Attempt<()> {
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        let before = self.count(table)?;
        self.append(table, batches)?;
        // A transaction in which rows were dropped answers nothing any more.
        let lost = before + rows as i64 - self.count(table).unwrap_or(before);
        if lost == 0 { Ok(()) } else { Err(Failure::lost(lost)) }
    }

    /// Rows of a table.
    fn count(&mut self, table: &Place) -> Attempt<i64> {
        let [rows] = self.numbers(&format!("SELECT count(*) FROM {table}"))?;
        Ok(rows)
    }

    fn append(&mut self, table: &Place, batches: Vec<RecordBatch>) -> Attempt<()> {
        let Some(schema) = batches.first().map(RecordBatch::schema) else { return Ok(()) };
        let mut statement = self.inner.new_statement()?;
        statement.set_option(OptionStatement::TargetTable, table.table.as_str().into())?;
        statement.set_option(OptionStatement::Other(INGEST_CATALOG.to_owned()), table.catalog.into())?;
        statement
            .set_option(OptionStatement::Other(INGEST_SCHEMA.to_owned()), table.schema.as_str().into())?;
        statement.set_option(OptionStatement::IngestMode, IngestMode::Append.into())?;
        statement.bind_stream(Box::new(RecordBatchIterator::new(batches.into_iter().map(Ok), schema)))?;
        statement.execute_update()?;
        Ok(())
    }

    /// Does `work` in one transaction: committed when it succeeds, else undone.
    pub(super) fn transaction<T>(&mut self, work: impl FnOnce(&mut Self) -> Attempt<T>) -> Attempt<T> {
        self.run("BEGIN TRANSACTION")?;
        let done = work(self).and_then(|value| self.run("COMMIT").map(|_| value));
        if done.is_err() {
            // After a failed COMMIT nothing is left to undo, and DuckDB says so; the first error is the one to report.
            let _ = self.run("ROLLBACK");
        }
        done
    }
}

/// The one row of an answer.
fn numbers_of<const N: usize>(batches: &[RecordBatch]) -> Attempt<[i64; N]> {
    let row = batches.iter().find(|batch| batch.num_rows() == 1 && batch.num_columns() == N);
    let row = row.ok_or_else(|| Failure::new(DestinationErrorKind::Failed, "expected one row of numbers"))?;
    let mut numbers = [0; N];
    for (number, column) in numbers.iter_mut().zip(row.columns()) {
        let column = column
            .as_primitive_opt::<Int64Type>()
            .ok_or_else(|| Failure::new(DestinationErrorKind::Failed, "expected 64-bit integers"))?;
        *number = if column.is_null(0) { 0 } else { column.value(0) };
    }
    Ok(numbers)
}

const INGEST_CATALOG: &str = "adbc.ingest.target_catalog";
const INGEST_SCHEMA: &str = "adbc.ingest.target_db_schema";

fn parameters(values: Vec<ArrayRef>) -> Attempt<RecordBatch> {
    let fields: Vec<Field> = values
        .iter()
        .enumerate()
        .map(|(index, value)| Field::new(format!("p{index}"), value.data_type().clone(), true))
        .collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), values)?)
}

/// A table's full name. Always all three parts: two of them can be taken for something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) catalog: &'static str,
    pub(super) schema: String,
    pub(super) table: String,
}

impl Place {
    pub(super) fn new(catalog: &'static str, schema: impl Into<String>, table: impl Into<String>) -> Self {
        Self { catalog, schema: schema.into(), table: table.into() }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}.{}.{}", quoted(self.catalog), quoted(&self.schema), quoted(&self.table))
    }
}

/// An identifier as SQL.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text literal as SQL. For texts of our own; values from outside travel as parameters or batches.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The text in the first row of an answer.
pub(super) fn text_at(answer: &[RecordBatch], column: usize) -> Option<String> {
    let batch = answer.iter().find(|batch| batch.num_rows() > 0)?;
    let texts = batch.columns().get(column)?.as_string_opt::<i32>()?;
    texts.is_valid(0).then(|| texts.value(0).to_owned())
}
