//! What the machine can do without us: a gunzip, bare parses, DuckDB's append and merge of ready batches, and DuckDB's own `read_json`.
//!
//! All SQL is made from the catalog. Checks that each way leaves as many rows as it should.

use std::fs::File;
use std::hint::black_box;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use adbc_core::options::{
    AdbcVersion, IngestMode, OptionConnection, OptionDatabase, OptionStatement, OptionValue,
};
use adbc_core::{Connection as _, Database as _, Driver as _, Optionable as _, Statement as _};
use adbc_driver_manager::{ManagedConnection, ManagedDatabase, ManagedDriver};
use arrow_array::cast::AsArray as _;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchIterator};
use tenantry_replication::catalog::{Column, Origin, Rows, Stream, Table, Type};
use tenantry_replication::destination::Batch;

use super::entry::INIT;

/// Unpacks a file, and drops what comes out.
pub(crate) fn gunzip(path: &Path) {
    let mut decoder =
        flate2::bufread::GzDecoder::new(BufReader::with_capacity(1 << 20, File::open(path).unwrap()));
    let mut buffer = vec![0; 1 << 20];
    while decoder.read(&mut buffer).unwrap() > 0 {
        black_box(&buffer);
    }
}

/// A parser by its name, over lines that lie in memory.
type Parser = (&'static str, fn(&[u8]));

/// Parsers that are alive.
pub(crate) const PARSERS: [Parser; 3] = [
    ("sonic-rs", |text| {
        for line in lines(text) {
            black_box(sonic_rs::from_slice::<sonic_rs::Value>(line).unwrap());
        }
    }),
    ("simd-json", |text| {
        let mut copy = text.to_vec();
        for line in copy.split_mut(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            black_box(simd_json::to_tape(line).unwrap());
        }
    }),
    ("serde_json", |text| {
        for line in lines(text) {
            black_box(serde_json::from_slice::<serde_json::Value>(line).unwrap());
        }
    }),
];

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

/// DuckDB on a file of its own.
struct Duck {
    connection: ManagedConnection,
    _database: ManagedDatabase,
}

impl Duck {
    fn open(path: &Path) -> Self {
        // Names the crate that links the library.
        use tenantry_destinations as _;
        let mut driver = ManagedDriver::load_static(&INIT, AdbcVersion::V110).unwrap();
        let path = OptionValue::String(path.display().to_string());
        let database =
            driver.new_database_with_opts([(OptionDatabase::Other("path".to_owned()), path)]).unwrap();
        let connection = database.new_connection().unwrap();
        Self { connection, _database: database }
    }

    fn run(&mut self, sql: &str) {
        let mut statement = self.connection.new_statement().unwrap();
        statement.set_sql_query(sql).unwrap();
        statement.execute_update().unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    fn count(&mut self, table: &str) -> i64 {
        let mut statement = self.connection.new_statement().unwrap();
        statement.set_sql_query(format!("SELECT count(*) FROM {table}")).unwrap();
        let batches: Vec<RecordBatch> = statement.execute().unwrap().map(Result::unwrap).collect();
        batches[0].column(0).as_primitive::<arrow_array::types::Int64Type>().value(0)
    }

    fn ingest(&mut self, table: &str, batches: Vec<RecordBatch>) {
        let Some(schema) = batches.first().map(RecordBatch::schema) else { return };
        let mut statement = self.connection.new_statement().unwrap();
        statement.set_option(OptionStatement::TargetTable, table.into()).unwrap();
        statement.set_option(OptionStatement::Temporary, "true".into()).unwrap();
        statement.set_option(OptionStatement::IngestMode, IngestMode::Append.into()).unwrap();
        statement
            .bind_stream(Box::new(RecordBatchIterator::new(batches.into_iter().map(Ok), schema)))
            .unwrap();
        statement.execute_update().unwrap();
    }
}

/// The least that a load can be: ready batches appended to staged tables, merged into empty ones, committed, written to their place.
pub(crate) fn append_and_merge(stream: &Stream, batches: Vec<Batch>, path: &Path) {
    let mut duck = Duck::open(path);
    let rows: Vec<(&Table, Vec<RecordBatch>)> = stream
        .tables
        .iter()
        .map(|table| {
            let of_table = batches.iter().filter(|batch| batch.table.name == table.name);
            (table, of_table.map(|batch| plain(table, &batch.rows)).collect())
        })
        .collect();
    drop(batches);
    duck.connection.set_option(OptionConnection::AutoCommit, "false".into()).unwrap();
    for (table, batches) in rows {
        let expected: usize = batches.iter().map(RecordBatch::num_rows).sum();
        let (name, columns) = (quoted(table.name), names(table, ""));
        let types =
            table.data_columns().map(|column| format!("{} {}", quoted(column.name), sql_type(column)));
        let types = types.collect::<Vec<_>>().join(", ");
        duck.run(&format!("CREATE TABLE {name} ({types})"));
        duck.run(&format!("CREATE TEMP TABLE staged ({types})"));
        duck.ingest("staged", batches);
        let on: Vec<String> = table.key.iter().map(|key| format!("t.{0} = s.{0}", quoted(key))).collect();
        duck.run(&format!(
            "MERGE INTO {name} t USING staged s ON ({}) WHEN MATCHED THEN UPDATE WHEN NOT MATCHED THEN INSERT ({columns}) VALUES ({})",
            on.join(" AND "),
            names(table, "s.")
        ));
        duck.run("DROP TABLE staged");
        assert_eq!(duck.count(&name), expected as i64, "{name}");
    }
    duck.connection.commit().unwrap();
    duck.connection.set_option(OptionConnection::AutoCommit, "true".into()).unwrap();
    duck.run("CHECKPOINT");
}

/// DuckDB reads the export by itself: once into a temporary table, from there into the stream's tables.
pub(crate) fn read_json(stream: &Stream, export: &Path, records: u64, path: &Path) {
    let mut duck = Duck::open(path);
    let root = stream.root();
    let mut members: Vec<(String, String)> =
        root.data_columns().map(|column| (member(column).to_owned(), sql_type(column).to_owned())).collect();
    for table in stream.tables {
        match table.rows {
            Rows::Elements(at) => {
                let fields = table.data_columns().filter(|column| matches!(column.origin, Origin::Field(_)));
                let fields: Vec<String> =
                    fields.map(|column| format!("{} {}", quoted(member(column)), sql_type(column))).collect();
                members.push((at[1..].to_owned(), format!("STRUCT({})[]", fields.join(", "))));
            }
            Rows::Entries(at) => members.push((at[1..].to_owned(), "MAP(VARCHAR, JSON)".to_owned())),
            Rows::Record => {}
        }
    }
    let types: Vec<String> = members.iter().map(|(name, kind)| format!("{name}: '{kind}'")).collect();
    duck.run("BEGIN TRANSACTION");
    duck.run(&format!(
        "CREATE TEMP TABLE raw AS SELECT * FROM read_json('{}', format = 'newline_delimited', columns = {{{}}})",
        export.display(),
        types.join(", ")
    ));
    for table in stream.tables {
        let columns: Vec<String> = table
            .data_columns()
            .map(|column| format!("{} AS {}", value(table, column), quoted(column.name)))
            .collect();
        let from = match table.rows {
            Rows::Record => "raw r".to_owned(),
            Rows::Elements(at) => format!("raw r, unnest(range(len(r.{}))) e(i)", quoted(&at[1..])),
            Rows::Entries(at) => format!("raw r, unnest(map_entries(r.{})) e(entry)", quoted(&at[1..])),
        };
        let name = quoted(table.name);
        duck.run(&format!("CREATE TABLE {name} AS SELECT {} FROM {from}", columns.join(", ")));
        assert!(duck.count(&name) >= records as i64, "{name}");
    }
    duck.run("COMMIT");
    duck.run("CHECKPOINT");
}

/// A column's value, from a row of `raw`.
fn value(table: &Table, column: &Column) -> String {
    let of_element = match table.rows {
        Rows::Elements(at) => format!("r.{}[e.i + 1].{}", quoted(&at[1..]), quoted(member(column))),
        _ => format!("r.{}", quoted(member(column))),
    };
    match column.origin {
        Origin::Record(path) => format!("r.{}", quoted(&path[1..])),
        Origin::Index => "e.i".to_owned(),
        Origin::EntryName => "e.entry.key".to_owned(),
        Origin::EntryValue => {
            "CASE json_type(e.entry.value) WHEN 'VARCHAR' THEN e.entry.value->>'$' ELSE e.entry.value::VARCHAR END"
                .to_owned()
        }
        _ => of_element,
    }
}

/// The record's member that a column comes from.
fn member(column: &Column) -> &'static str {
    match column.origin {
        Origin::Field(path) | Origin::Record(path) => path.trim_start_matches('/'),
        _ => "",
    }
}

/// The same rows as a table of DuckDB takes them: without zones, without the page.
fn plain(table: &Table, rows: &RecordBatch) -> RecordBatch {
    let column = |column: &Column| -> (&str, ArrayRef) {
        let array = rows.column_by_name(column.name).unwrap();
        let array = match array.as_primitive_opt::<TimestampMicrosecondType>() {
            Some(times) => Arc::new(times.clone().with_timezone_opt(None::<&str>)),
            None => Arc::clone(array),
        };
        (column.name, array)
    };
    let columns = table.data_columns().map(column).map(|(name, array)| (name, array, true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn names(table: &Table, of: &str) -> String {
    table.data_columns().map(|column| format!("{of}{}", quoted(column.name))).collect::<Vec<_>>().join(", ")
}

fn sql_type(column: &Column) -> &'static str {
    match column.kind {
        Type::String => "VARCHAR",
        Type::Boolean => "BOOLEAN",
        Type::Integer => "BIGINT",
        Type::Timestamp => "TIMESTAMP",
    }
}

fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}
