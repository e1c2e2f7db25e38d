//! Datasets, tables and columns as the catalog (and our own state) wants them: created, widened and described, never narrowed.
//!
//! Asks for no change of what is already as it should be. Tables of events are partitioned by day; every table is clustered by what it is
//! asked by.

use std::collections::BTreeSet;

use futures::{StreamExt as _, TryStreamExt as _};
use reqwest::Method;
use serde_json::{Map, Value, json};
use tenantry_replication::catalog::{Catalog, Column, Origin, Replication, Stream, Table, Text, Type};
use tenantry_replication::error::DestinationErrorKind;

use super::client::{Attempt, Failure};
use super::connection::Connection;
use super::job::text;
use super::types::{canonical, literal, quoted, sql_type, state_type};
use crate::Language;
use crate::sql::layout::{COMMIT, Kind, LAYOUT, LEASE, PARKED, STATE_TABLES, StateTable};
use crate::sql::server::Connection as _;

/// Columns that a table may be clustered by.
const CLUSTER_COLUMNS_MAX: usize = 4;
/// Requests under way at once.
const AT_ONCE: usize = 8;
/// Tables that are listed at a time.
const LISTED: usize = 1000;

/// A table as it should be.
struct Wanted {
    dataset: String,
    name: &'static str,
    about: String,
    columns: Vec<WantedColumn>,
    by_day: Option<&'static str>,
    cluster: Vec<&'static str>,
}

/// A column as it should be.
struct WantedColumn {
    name: &'static str,
    kind: &'static str,
    about: String,
}

/// The column of a table that tells when its rows happened, where it has one: by it tables of events are partitioned.
pub(super) fn day_column(table: &Table) -> Option<&'static Column> {
    let mut times = table.data_columns().filter(|column| column.kind == Type::Timestamp);
    times.find(|column| !table.key.contains(&column.name))
}

/// Whether a table of the stream is partitioned by day: events alone stay on the day that they came with.
pub(super) fn is_by_day(stream: &Stream, table: &Table) -> bool {
    stream.replication == Replication::Log && stream.root().name == table.name
}

/// Creates and widens everything. May be repeated, also after it was cut off.
pub(super) async fn prepare(connection: &Connection, catalog: &Catalog) -> Attempt<()> {
    let mut wanted: Vec<Wanted> =
        STATE_TABLES.iter().chain([&COMMIT]).map(|table| of_state(table, connection)).collect();
    for stream in catalog.streams {
        wanted.extend(stream.tables.iter().map(|table| of_catalog(catalog, stream, table, connection)));
    }
    ensure_dataset(
        connection,
        &connection.names.state_dataset,
        "State of tenantry: checkpoints, runs, gaps, quarantine.",
    )
    .await?;
    super::state::check_layout(connection).await?;
    ensure_dataset(connection, &connection.names.dataset, "Tables of an Auth0 tenant, kept by tenantry.")
        .await?;
    make_first_rows(connection).await?;
    let there = [
        (connection.names.dataset.as_str(), tables_of(connection, &connection.names.dataset).await?),
        (
            connection.names.state_dataset.as_str(),
            tables_of(connection, &connection.names.state_dataset).await?,
        ),
    ];
    let exists = |table: &Wanted| {
        there.iter().any(|(dataset, tables)| *dataset == table.dataset && tables.contains(table.name))
    };
    let looks: Vec<_> = wanted.iter().map(|table| look(connection, table, exists(table))).collect();
    let known: Vec<(&Wanted, Value)> =
        futures::stream::iter(looks).buffer_unordered(AT_ONCE).try_collect().await?;
    let mut conflicts: Vec<String> =
        known.iter().flat_map(|(table, found)| conflicts(table, found)).collect();
    if !conflicts.is_empty() {
        conflicts.sort();
        return Err(Failure::new(DestinationErrorKind::SchemaConflict, conflicts.join("; ")));
    }
    let making: Vec<_> = known.into_iter().map(|(table, found)| ensure(connection, table, found)).collect();
    futures::stream::iter(making).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await.map(|_| ())
}

/// A table as the service describes it; NULL where it is not there.
async fn look<'a>(
    connection: &Connection,
    table: &'a Wanted,
    is_there: bool,
) -> Attempt<(&'a Wanted, Value)> {
    let found =
        if is_there { connection.client.get(&path(&table.dataset, table.name)).await? } else { Value::Null };
    Ok((table, found))
}

/// The table of the lease, with its row, in its dataset.
pub(super) async fn ensure_lease(connection: &Connection) -> Attempt<()> {
    ensure_dataset(
        connection,
        &connection.names.state_dataset,
        "State of tenantry: checkpoints, runs, gaps, quarantine.",
    )
    .await?;
    let sql = first_row(connection, LEASE, &[("token", "0")]);
    connection.run(&sql).await
}

/// Makes the tables that hold one row together with it, so that it is made once whoever comes first.
async fn make_first_rows(connection: &Connection) -> Attempt<()> {
    let there = tables_of(connection, &connection.names.state_dataset).await?;
    let layout = LAYOUT.to_string();
    let rows: [(&str, [(&str, &str); 1]); 3] =
        [("meta", [("layout", &layout)]), (COMMIT.name, [("id", "''")]), (LEASE, [("token", "0")])];
    let missing = rows.iter().filter(|(table, _)| !there.contains(*table));
    let sql: String = missing.map(|(table, row)| first_row(connection, table, row)).collect();
    if sql.is_empty() { Ok(()) } else { connection.run(&sql).await }
}

/// The statement that makes a table of the state with one row, if it is not there. What is not said is NULL.
fn first_row(connection: &Connection, table: &str, row: &[(&str, &str)]) -> String {
    let Some(known) = STATE_TABLES.iter().chain([&COMMIT]).find(|known| known.name == table) else {
        return String::new();
    };
    let kind = |kind: Kind| match kind {
        Kind::Text => "STRING",
        Kind::Integer => "INT64",
        Kind::Float => "FLOAT64",
        Kind::Time => "TIMESTAMP",
    };
    let columns = known.columns.iter().map(|(name, of, about)| {
        let about = literal(&say(connection.names.language, *about));
        format!("{} {} OPTIONS(description={about})", quoted(name), kind(*of))
    });
    let values = known.columns.iter().map(|(name, of, _)| {
        let said = row.iter().find(|(column, _)| column == name);
        said.map_or_else(
            || format!("CAST(NULL AS {}) AS {}", kind(*of), quoted(name)),
            |(_, value)| format!("{value} AS {}", quoted(name)),
        )
    });
    format!(
        "CREATE TABLE IF NOT EXISTS {} ({}) OPTIONS(description={}) AS SELECT {}; ",
        connection.state(table),
        columns.collect::<Vec<_>>().join(", "),
        literal(&say(connection.names.language, known.about)),
        values.collect::<Vec<_>>().join(", "),
    )
}

async fn ensure_dataset(connection: &Connection, dataset: &str, about: &str) -> Attempt<()> {
    if connection.look_at(dataset).await? {
        return Ok(());
    }
    let mut body = json!({
        "datasetReference": { "projectId": connection.names.project, "datasetId": dataset },
        "description": about,
    });
    if let Some(location) = connection.names.location() {
        body["location"] = json!(location);
    }
    match connection.client.send(Method::POST, "/datasets", &body).await {
        Err(failure) if !failure.is_duplicate() => Err(Failure {
            message: format!("dataset {dataset} is missing and cannot be made: {}", failure.message),
            ..failure
        }),
        _ => connection.look_at(dataset).await.map(|_| ()),
    }
}

/// Names of the tables of a dataset; none where there is no such dataset.
pub(super) async fn tables_of(connection: &Connection, dataset: &str) -> Attempt<BTreeSet<String>> {
    let mut tables = BTreeSet::new();
    let mut token = String::new();
    loop {
        let path = format!("/datasets/{dataset}/tables?maxResults={LISTED}{token}");
        let page = match connection.client.get(&path).await {
            Err(failure) if failure.is_not_found() => return Ok(tables),
            page => page?,
        };
        let listed = page["tables"].as_array().into_iter().flatten();
        tables.extend(listed.map(|table| text(&table["tableReference"]["tableId"])));
        match page["pageToken"].as_str().filter(|token| !token.is_empty()) {
            Some(next) => {
                let next = percent_encoding::utf8_percent_encode(next, percent_encoding::NON_ALPHANUMERIC);
                token = format!("&pageToken={next}");
            }
            None => return Ok(tables),
        }
    }
}

pub(super) fn path(dataset: &str, table: &str) -> String {
    format!("/datasets/{dataset}/tables/{table}")
}

/// Name and type of each column of a table, as the service tells them.
pub(super) fn columns_found(table: &Value) -> Vec<(String, String)> {
    let fields = table["schema"]["fields"].as_array().into_iter().flatten();
    fields.map(|field| (text(&field["name"]), kind_found(field))).collect()
}

fn kind_found(field: &Value) -> String {
    let kind = canonical(field["type"].as_str().unwrap_or_default());
    match field["mode"].as_str() {
        None | Some("NULLABLE" | "") => kind.to_owned(),
        Some(mode) => format!("{kind} ({mode})"),
    }
}

/// What stands in the way of a table, in words.
fn conflicts(wanted: &Wanted, found: &Value) -> Vec<String> {
    let place = format!("{}.{}", wanted.dataset, wanted.name);
    if found.is_null() {
        return Vec::new();
    }
    if found["type"].as_str().is_some_and(|kind| kind != "TABLE") {
        return vec![format!("{place} exists and is not a table")];
    }
    let columns = columns_found(found);
    let conflict = |column: &WantedColumn| {
        let (_, kind) = columns.iter().find(|(name, _)| name.eq_ignore_ascii_case(column.name))?;
        (kind != column.kind)
            .then(|| format!("{place}.{} is {kind} and would have to be {}", column.name, column.kind))
    };
    wanted.columns.iter().filter_map(conflict).collect()
}

/// Makes a table as it should be.
async fn ensure(connection: &Connection, wanted: &Wanted, found: Value) -> Attempt<()> {
    let named = |failure: Failure| Failure {
        message: format!("{}.{}: {}", wanted.dataset, wanted.name, failure.message),
        ..failure
    };
    if found.is_null() {
        let body = created(connection, wanted);
        let tables = format!("/datasets/{}/tables", wanted.dataset);
        return match connection.client.send(Method::POST, &tables, &body).await {
            Err(failure) if !failure.is_duplicate() => Err(named(failure)),
            _ => Ok(()),
        };
    }
    let mut fields: Vec<Value> = found["schema"]["fields"].as_array().cloned().unwrap_or_default();
    let before = fields.clone();
    for column in &wanted.columns {
        let is_it = |field: &&mut Value| {
            field["name"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(column.name))
        };
        match fields.iter_mut().find(is_it) {
            Some(field) => field["description"] = json!(column.about),
            None => fields.push(described(column)),
        }
    }
    let mut change = Map::new();
    if fields != before {
        change.insert("schema".to_owned(), json!({ "fields": fields }));
    }
    if found["description"] != json!(wanted.about) {
        change.insert("description".to_owned(), json!(wanted.about));
    }
    if change.is_empty() {
        return Ok(());
    }
    let path = path(&wanted.dataset, wanted.name);
    connection.client.send(Method::PATCH, &path, &Value::Object(change)).await.map(|_| ()).map_err(named)
}

fn created(connection: &Connection, wanted: &Wanted) -> Value {
    let mut body = json!({
        "tableReference": { "projectId": connection.names.project, "datasetId": wanted.dataset, "tableId": wanted.name },
        "description": wanted.about,
        "schema": { "fields": wanted.columns.iter().map(described).collect::<Vec<_>>() },
    });
    if let Some(column) = wanted.by_day {
        body["timePartitioning"] = json!({ "type": "DAY", "field": column });
    }
    if !wanted.cluster.is_empty() {
        body["clustering"] = json!({ "fields": wanted.cluster });
    }
    body
}

fn described(column: &WantedColumn) -> Value {
    json!({ "name": column.name, "type": column.kind, "mode": "NULLABLE", "description": column.about })
}

fn of_state(table: &StateTable, connection: &Connection) -> Wanted {
    let columns = table.columns.iter().map(|(name, kind, about)| WantedColumn {
        name,
        kind: state_type(*kind),
        about: say(connection.names.language, *about),
    });
    Wanted {
        dataset: connection.names.state_dataset.clone(),
        name: table.name,
        about: say(connection.names.language, table.about),
        columns: columns.collect(),
        by_day: None,
        cluster: Vec::new(),
    }
}

fn of_catalog(catalog: &Catalog, stream: &Stream, table: &'static Table, connection: &Connection) -> Wanted {
    let columns = table.columns.iter().map(|column| WantedColumn {
        name: column.name,
        kind: sql_type(column.kind),
        about: say(connection.names.language, column.about),
    });
    let by_day = day_column(table).filter(|_| is_by_day(stream, table));
    // Events are asked for by their type; everything is merged by its key.
    let kind = table.columns.iter().find(|column| {
        let is_feed = by_day.is_some() && catalog.feed.stream == stream.name;
        is_feed && matches!(column.origin, Origin::Field(path) if path.strip_prefix('/') == Some(catalog.feed.kind))
    });
    let cluster = kind.map(|column| column.name).into_iter().chain(table.key.iter().copied());
    Wanted {
        dataset: connection.names.dataset.clone(),
        name: table.name,
        about: say(connection.names.language, table.about),
        columns: columns.collect(),
        by_day: by_day.map(|column| column.name),
        cluster: cluster.take(CLUSTER_COLUMNS_MAX).collect(),
    }
}

/// A description in the chosen language.
fn say(language: Language, text: Text) -> String {
    match language {
        Language::English => text.en.to_owned(),
        Language::Japanese => text.ja.to_owned(),
    }
}

/// Name of the table that holds parked rows of a table.
pub(super) fn parked_rows(table: &Table) -> String {
    format!("{PARKED}_{}", table.name)
}
