//! Looking through the tables: what there is, a table page by page, and everything that belongs to one row.

mod filters;
mod index;
mod row;
mod table;

use axum::response::Response;
use serde_json::Value;
use tenantry_replication::catalog::{CATALOG, Column, Reference, Table};
use tenantry_replication::destination::Answer;

use super::address::Pairs;
use super::reply::{self, Content, Trouble};
use super::server::nowhere;
use super::visit::Visit;
use crate::terminal::values;

/// All tables.
pub(super) async fn index(visit: &Visit) -> Content {
    index::page(visit).await
}

/// A table's rows.
pub(super) fn table(visit: &Visit, name: &str) -> Response {
    let Some(table) = CATALOG.table(name) else { return nowhere(visit) };
    // A condition that a form adds becomes part of the address, which is then the whole truth of the page.
    if let Some(to) = filters::taken_up(visit, table) {
        return reply::redirect(&to);
    }
    let own = visit.clone();
    reply::page(visit, table.name, async move { table::page(&own, table).await })
}

/// One row with what belongs to it.
pub(super) fn row(visit: &Visit, name: &str) -> Response {
    let Some(table) = CATALOG.table(name) else { return nowhere(visit) };
    let key: Option<Vec<Option<String>>> =
        visit.query.get("key").and_then(|text| serde_json::from_str(text).ok());
    let Some(key) = key.filter(|key| key.len() == table.key.len()) else { return nowhere(visit) };
    let title = key.iter().flatten().cloned().collect::<Vec<_>>().join(" · ");
    let own = visit.clone();
    reply::page(visit, &title, async move { row::page(&own, table, key).await })
}

/// Rows as values, in the order of their columns.
pub(super) fn rows_of(answer: &Answer) -> Result<Vec<Vec<Value>>, Trouble> {
    let mut rows = Vec::with_capacity(answer.len());
    values::for_each_row(&answer.batches, |row| {
        rows.push(row.iter().map(|(_, value)| value.clone()).collect());
    })?;
    Ok(rows)
}

/// A value as the text that a condition or a key has.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The merge key of a row.
fn key_of(table: &Table, row: &[Value]) -> Vec<Option<String>> {
    let position = |name: &str| table.columns.iter().position(|column| column.name == name);
    table.key.iter().map(|name| position(name).and_then(|at| row.get(at)).and_then(text_of)).collect()
}

/// The address of a row's page.
pub(super) fn address_of(table: &Table, key: &[Option<String>]) -> String {
    let key = serde_json::to_string(key).unwrap_or_default();
    Pairs::default().with("key", &key).behind(&format!("/explore/{}/row", table.name))
}

/// The reference by which this column alone names a row of another table.
fn reference_of<'a>(references: &'a [Reference], table: &Table, column: &Column) -> Option<&'a Reference> {
    references.iter().find(|one| {
        one.child.name == table.name
            && matches!(one.columns.as_slice(), [(own, key)]
                if own.name == column.name && one.parent.key == [key.name])
    })
}
