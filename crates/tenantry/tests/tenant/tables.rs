//! Reads the destination's tables as text cells, and compares them with the projection of the tenant.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array as _, ArrayRef, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use tenantry_destinations::{Access, Options, Surroundings};
use tenantry_oracle::{Cell, Row, show_micros};
use tenantry_replication::catalog::{CATALOG, Replication, Table, system};
use tenantry_replication::destination::Destination;

/// One row as the destination holds it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Held {
    pub(crate) row: Row,
    pub(crate) deleted: bool,
    pub(crate) synced: String,
}

pub(crate) type Tables = BTreeMap<&'static str, BTreeMap<Vec<String>, Held>>;

/// What the destination held before.
#[derive(Clone, Copy)]
pub(crate) enum Holding<'a> {
    Nothing,
    /// The tenant's projection and the tables at that time.
    Before(&'a tenantry_oracle::Tables, &'a Tables),
    /// Anything: what is not in the tenant has ended at some time.
    Whatever,
}

async fn open(url: &str, surroundings: Surroundings) -> Arc<dyn Destination> {
    let options = Options { access: Access::Read, surroundings, ..Options::default() };
    tenantry_destinations::open(url, options).await.unwrap()
}

/// Reads all tables of a destination. Two rows with one key are an error.
pub(crate) async fn read(url: &str, surroundings: Surroundings) -> Tables {
    let destination = open(url, surroundings).await;
    // Snowflake's names are in upper case, and need no quotes. In BigQuery the dataset is the test's own, and the one that is meant.
    let is_upper = url.starts_with("snowflake:");
    let named = |name: &str| if is_upper { name.to_ascii_uppercase() } else { name.to_owned() };
    let is_bigquery = url.starts_with("bigquery:");
    let place = |name: &str| match name {
        name if is_bigquery => format!("`{name}`"),
        name => format!("{}.\"{}\"", named("auth0"), named(name)),
    };
    let mut tables = Tables::new();
    for table in CATALOG.tables() {
        let batches = destination.query(&format!("SELECT * FROM {}", place(table.name))).await.unwrap();
        let rows = tables.entry(table.name).or_default();
        for batch in &batches {
            // The one column that a table of Delta Lake may have beside the diagram's.
            let is_day = |name: &&str| url.starts_with("delta:") && only_grows(table.name) && *name == "_day";
            let schema = batch.schema();
            let columns = schema.fields().iter().map(|field| field.name().as_str());
            assert_eq!(
                columns.filter(|name| !is_day(name)).map(str::to_owned).collect::<Vec<_>>(),
                table.columns.iter().map(|column| named(column.name)).collect::<Vec<_>>(),
                "columns of {} in the diagram's order",
                table.name
            );
            for at in 0..batch.num_rows() {
                let held = held(table, batch, at, named);
                let key = table
                    .key
                    .iter()
                    .map(|name| held.row[name].clone().unwrap_or_else(|| "\0".to_owned()))
                    .collect();
                assert!(rows.insert(key, held).is_none(), "{}: two rows with one key", table.name);
            }
        }
    }
    tables
}

/// The cells of a query's answer, row by row.
pub(crate) async fn query(url: &str, surroundings: Surroundings, sql: &str) -> Vec<Vec<Cell>> {
    let batches = open(url, surroundings).await.query(sql).await.unwrap();
    let row = |batch: &RecordBatch, at| batch.columns().iter().map(|column| cell(column, at)).collect();
    batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |at| row(batch, at))).collect()
}

/// The projection under the catalog's merge keys, in their order. No two of its rows may fall together there.
pub(crate) fn keyed_as_ours(truth: tenantry_oracle::Tables) -> tenantry_oracle::Tables {
    let keyed = |(name, rows): (&'static str, tenantry_oracle::Rows)| {
        let table = CATALOG.table(name).unwrap();
        let count = rows.len();
        let rows: tenantry_oracle::Rows = rows.into_values().map(|row| (key(table, &row), row)).collect();
        assert_eq!(rows.len(), count, "{name}: the merge key collapses rows");
        (name, rows)
    };
    truth.into_iter().map(keyed).collect()
}

fn key(table: &Table, row: &Row) -> Vec<String> {
    table.key.iter().map(|name| row[name].clone().unwrap_or_else(|| "\0".to_owned())).collect()
}

fn held(table: &'static Table, batch: &RecordBatch, at: usize, named: impl Fn(&str) -> String) -> Held {
    let cell = |name: &str| cell(batch.column_by_name(&named(name)).unwrap(), at);
    Held {
        row: table.data_columns().map(|column| (column.name, cell(column.name))).collect(),
        deleted: cell(system::DELETED).unwrap() == "true",
        synced: cell(system::SYNCED).unwrap(),
    }
}

fn cell(array: &ArrayRef, at: usize) -> Cell {
    if array.is_null(at) {
        return None;
    }
    Some(match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(at).to_owned(),
        DataType::Utf8View => array.as_string_view().value(at).to_owned(),
        DataType::Boolean => array.as_boolean().value(at).to_string(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(at).to_string(),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            show_micros(array.as_primitive::<TimestampMicrosecondType>().value(at))
        }
        other => panic!("no column is of type {other}"),
    })
}

/// Whether rows of this table stay live when the tenant no longer holds them.
pub(crate) fn only_grows(table: &str) -> bool {
    let stream = CATALOG.stream_of(table).unwrap();
    matches!(stream.replication, Replication::Log | Replication::Daily)
}

/// Takes daily figures as they were `early` where a table holds those: they move by themselves, every hour, and so perhaps while a run goes
/// on.
pub(crate) fn settle_figures(
    truth: &mut tenantry_oracle::Tables,
    mut early: tenantry_oracle::Tables,
    held: &Tables,
) {
    let daily = CATALOG.streams.iter().filter(|stream| stream.replication == Replication::Daily);
    for table in daily.flat_map(|stream| stream.tables) {
        let Some(rows) = early.remove(table.name) else { continue };
        let is_held =
            |(key, row): (&Vec<String>, &Row)| held[table.name].get(key).is_some_and(|held| held.row == *row);
        if rows.iter().all(is_held) {
            truth.insert(table.name, rows);
        }
    }
}

/// Compares every cell of every row with the projection, and every tombstone and sync time with what was held before.
pub(crate) fn compare(truth: &tenantry_oracle::Tables, held: &Tables, before: Holding<'_>) {
    assert_eq!(truth.keys().collect::<Vec<_>>(), held.keys().collect::<Vec<_>>());
    for (table, rows) in held {
        let expected = &truth[table];
        for (key, row) in expected {
            let held = rows.get(key).unwrap_or_else(|| panic!("{table} {key:?} is missing"));
            assert!(!held.deleted, "{table} {key:?} lives and is marked deleted");
            assert_row(table, key, row, &held.row);
            if let Holding::Before(truth, tables) = before {
                let unchanged = truth[table].get(key) == Some(row)
                    && tables[table].get(key).is_some_and(|old| !old.deleted);
                let rewritten = tables[table].get(key).is_none_or(|old| old.synced != held.synced);
                assert_eq!(
                    rewritten, !unchanged,
                    "{table} {key:?}: a row is rewritten if and only if it changed"
                );
            }
        }
        for (key, held) in rows.iter().filter(|(key, _)| !expected.contains_key(*key)) {
            let (truth, tables) = match before {
                Holding::Before(truth, tables) => (truth, tables),
                Holding::Nothing => panic!("{table} {key:?} is not in the tenant"),
                Holding::Whatever => {
                    assert_eq!(held.deleted, !only_grows(table), "{table} {key:?} is gone from the tenant");
                    continue;
                }
            };
            let old =
                tables[table].get(key).unwrap_or_else(|| panic!("{table} {key:?} was never in the tenant"));
            assert_eq!(held.deleted, !only_grows(table), "{table} {key:?} is gone from the tenant");
            assert_eq!(held.row, old.row, "{table} {key:?}: a tombstone keeps its last values");
            let moved = held.synced != old.synced;
            assert_eq!(
                moved,
                truth[table].contains_key(key) && held.deleted,
                "{table} {key:?}: only a new tombstone moves its sync time"
            );
        }
    }
}

fn assert_row(table: &str, key: &[String], expected: &Row, held: &Row) {
    assert_eq!(expected.keys().collect::<Vec<_>>(), held.keys().collect::<Vec<_>>(), "columns of {table}");
    for (column, cell) in expected {
        assert_eq!(cell, &held[column], "{table} {key:?} {column} (expected, held)");
    }
}
