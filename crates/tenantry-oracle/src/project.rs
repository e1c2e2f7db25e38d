//! The projection, table by table.

mod applications;
mod people;

use serde_json::Value;

use crate::cells::text;
use crate::{Cell, Row, Rows, Tables, Tenant};

/// Sink members whose values are credentials.
const SINK_SECRETS: &[&str] = &[
    "datadogApiKey",
    "httpAuthorization",
    "httpCustomHeaders",
    "mixpanelServiceAccountPassword",
    "segmentWriteKey",
    "splunkToken",
    "sumoSourceAddress",
];

/// Reads one column of a record.
type Read = fn(&Value, &str) -> Cell;

/// What all 33 tables must hold for this tenant.
pub fn project(tenant: &Tenant) -> Tables {
    let mut tables = Tables::new();
    applications::actions(tenant, &mut tables);
    applications::triggers(tenant, &mut tables);
    applications::clients(tenant, &mut tables);
    applications::client_grants(tenant, &mut tables);
    applications::connections(tenant, &mut tables);
    people::organizations(tenant, &mut tables);
    applications::resource_servers(tenant, &mut tables);
    people::roles_streams_stats(tenant, &mut tables);
    people::users(tenant, &mut tables);
    people::logs(tenant, &mut tables);
    people::grants(tenant, &mut tables);
    tables.entry("user_identities_discontinued_20250812_000000").or_default();
    tables
}

/// A row of columns read from `record`: (column, pointer, type).
fn row(record: &Value, columns: &[(&'static str, &str, Read)]) -> Row {
    columns.iter().map(|(name, pointer, read)| (*name, read(record, pointer))).collect()
}

/// Adds a row under its key. Of several rows with one key the later counts.
fn put(rows: &mut Rows, key: &[&str], row: Row) {
    rows.insert(key_of(key, &row), row);
}

/// Adds a row unless its key is there: in an array the first of two equal elements counts.
fn put_first(rows: &mut Rows, key: &[&str], row: Row) {
    rows.entry(key_of(key, &row)).or_insert(row);
}

fn key_of(key: &[&str], row: &Row) -> Vec<String> {
    key.iter().map(|column| row[column].clone().unwrap_or_else(|| "\0".to_owned())).collect()
}

fn elements<'a>(record: &'a Value, pointer: &str) -> impl Iterator<Item = (usize, &'a Value)> {
    record.pointer(pointer).and_then(Value::as_array).into_iter().flatten().enumerate()
}

fn entries<'a>(record: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    record.pointer(pointer).and_then(Value::as_object).into_iter().flatten()
}

fn index(position: usize) -> String {
    position.to_string()
}

/// One row for each element of an array of strings: parent id, element, position.
fn strings(
    rows: &mut Rows,
    record: &Value,
    pointer: &str,
    parent: (&'static str, &Cell),
    column: &'static str,
) {
    for (position, element) in elements(record, pointer) {
        let row = Row::from([
            (parent.0, parent.1.clone()),
            (column, text(element, "")),
            ("index", Some(index(position))),
        ]);
        put_first(rows, &[parent.0, column], row);
    }
}

/// One row for each member of an object: parent id, name, value.
fn metadata(rows: &mut Rows, record: &Value, pointer: &str, parent: (&'static str, &Cell)) {
    for (name, value) in entries(record, pointer) {
        let row = Row::from([
            (parent.0, parent.1.clone()),
            ("name", Some(name.clone())),
            ("value", text(value, "")),
        ]);
        put(rows, &[parent.0, "name"], row);
    }
}
