//! A database in memory with the catalog's tables, filled row by row.

use std::ffi::{c_int, c_void};
use std::fmt::Write as _;

use adbc_core::options::{AdbcVersion, OptionDatabase, OptionValue};
use adbc_core::{Connection as _, Database as _, Driver as _, Statement as _};
use adbc_driver_manager::{ManagedConnection, ManagedDriver};
use adbc_ffi::FFI_AdbcError;
use arrow_array::RecordBatch;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, DataType};
use tenantry_insight::{AGGREGATES, Source};
use tenantry_replication::catalog::CATALOG;
use tenantry_replication::catalog::schema::{self, Language};

/// Where [`Database::aggregate`] makes its tables.
pub(crate) const AGGREGATED: Source<'static> = Source::Aggregates("main");

#[expect(unsafe_code, reason = "a driver's entry point is a C function")]
mod entry {
    use super::{FFI_AdbcError, c_int, c_void};

    // SAFETY: the signature is that of `AdbcDriverInitFunc` in the ADBC specification, which libduckdb's `duckdb_adbc_init` has.
    unsafe extern "C" {
        fn duckdb_adbc_init(version: c_int, driver: *mut c_void, error: *mut FFI_AdbcError) -> u8;
    }

    pub(super) static INIT: unsafe extern "C" fn(c_int, *mut c_void, *mut FFI_AdbcError) -> u8 =
        duckdb_adbc_init;
}

/// A database of its own for each test.
pub(crate) struct Database {
    connection: ManagedConnection,
    events: usize,
}

/// An answer as text, cell by cell.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) columns: Vec<(String, DataType)>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Database {
    /// With empty tables.
    pub(crate) fn new() -> Self {
        // Names the crate that links the library.
        use tenantry_destinations as _;
        let mut driver = ManagedDriver::load_static(&entry::INIT, AdbcVersion::V110).unwrap();
        let path = OptionValue::String(":memory:".to_owned());
        let options = [(OptionDatabase::Other("path".to_owned()), path)];
        let database = driver.new_database_with_opts(options).unwrap();
        let mut made = Self { connection: database.new_connection().unwrap(), events: 0 };
        made.run(&schema::sql(&CATALOG, Language::English));
        made
    }

    /// Makes tables of the aggregates.
    pub(crate) fn aggregate(&mut self) {
        for aggregate in AGGREGATES {
            self.run(&format!("create or replace table main.{} as {}", aggregate.name, aggregate.sql()));
        }
    }

    /// How many rows a query gives once `fill` has filled the tables; leaves them as they were.
    #[track_caller]
    pub(crate) fn count_with(&mut self, fill: impl FnOnce(&mut Self), sql: &str) -> usize {
        self.run("begin");
        fill(self);
        let rows = self.ask(sql).rows.len();
        self.run("rollback");
        self.events = 0;
        rows
    }

    #[track_caller]
    pub(crate) fn run(&mut self, sql: &str) {
        let mut statement = self.connection.new_statement().unwrap();
        let done = statement.set_sql_query(sql).and_then(|()| statement.execute_update());
        done.unwrap_or_else(|error| panic!("{error}\n{sql}"));
    }

    #[track_caller]
    pub(crate) fn ask(&mut self, sql: &str) -> Answer {
        let mut statement = self.connection.new_statement().unwrap();
        let asked = statement.set_sql_query(sql).and_then(|()| statement.execute());
        let reader = asked.unwrap_or_else(|error| panic!("{error}\n{sql}"));
        let schema = reader.schema();
        let batches: Result<Vec<RecordBatch>, ArrowError> = reader.collect();
        let batches = batches.unwrap_or_else(|error| panic!("{error}\n{sql}"));
        let columns = schema.fields().iter();
        let columns = columns.map(|field| (field.name().clone(), field.data_type().clone())).collect();
        let options = FormatOptions::default().with_null("NULL");
        let mut rows = Vec::new();
        for batch in batches {
            let formatters: Vec<ArrayFormatter<'_>> = batch
                .columns()
                .iter()
                .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
                .collect();
            for row in 0..batch.num_rows() {
                rows.push(formatters.iter().map(|cell| cell.value(row).to_string()).collect());
            }
        }
        Answer { columns, rows }
    }

    /// Adds a row; columns that are not named are NULL, and of one that is named twice the last value counts.
    #[track_caller]
    pub(crate) fn add(&mut self, table: &str, cells: &[(&str, &str)]) {
        let (mut names, mut values) = (String::new(), String::new());
        let last = |at: usize, name: &str| cells[at + 1..].iter().all(|(other, _)| *other != name);
        let cells: Vec<(&str, &str)> = cells
            .iter()
            .enumerate()
            .filter(|(at, (name, _))| last(*at, name))
            .map(|(_, cell)| *cell)
            .collect();
        let deleted = [("_fivetran_deleted", "false")];
        let given = cells.iter().any(|(name, _)| *name == "_fivetran_deleted");
        for (name, value) in cells.iter().chain(deleted.iter().filter(|_| !given)) {
            let comma = if names.is_empty() { "" } else { ", " };
            let _ = write!(names, "{comma}\"{name}\"");
            let _ = write!(values, "{comma}'{}'", value.replace('\'', "''"));
        }
        self.run(&format!("insert into auth0.{table} ({names}) values ({values})"));
    }

    /// Adds a log event with the next id.
    #[track_caller]
    pub(crate) fn event(&mut self, kind: &str, date: &str, cells: &[(&str, &str)]) {
        self.events += 1;
        let id = format!("{:05}", self.events);
        let mut row = vec![("log_id", id.as_str()), ("type", kind), ("date", date)];
        row.extend_from_slice(cells);
        self.add("logs", &row);
    }
}

impl Answer {
    /// The cells of some columns, row by row, separated by blanks.
    #[track_caller]
    pub(crate) fn of(&self, names: &[&str]) -> Vec<String> {
        let at = |name: &&str| self.columns.iter().position(|(known, _)| known == name).unwrap();
        let places: Vec<usize> = names.iter().map(at).collect();
        let line =
            |row: &Vec<String>| places.iter().map(|place| row[*place].as_str()).collect::<Vec<_>>().join(" ");
        self.rows.iter().map(line).collect()
    }
}
