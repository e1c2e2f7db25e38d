//! Reads that are not over: the rows that they have staged, in tables of the state dataset that do not end, and where they stand.
//!
//! Readers see nothing of it: these are not the tables of the catalog.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::json;
use tenantry_replication::catalog::{Stream, Table};
use tenantry_replication::destination::{LeftOut, Parking};

use super::client::Attempt;
use super::commit;
use super::connection::Connection;
use super::schema::{columns_found, parked_rows, path, tables_of};
use super::stage::{Settled, Stage, field, staged_columns, staged_names};
use super::state::{self, Told};
use super::types::{BIGQUERY, canonical, literal, quoted};
use crate::sql::ARRIVAL;
use crate::sql::layout::PARKED;
use crate::sql::server::state::written;
use crate::sql::server::{Connection as _, Texts};
use crate::sql::settle::without;

/// Keeps a read with the rows that it has staged and not parked yet.
pub(super) async fn park(
    connection: &Connection,
    stage: &mut Stage,
    parking: &Parking,
    fence: Option<u64>,
) -> Attempt<()> {
    let stream = parking.stream;
    let staged = if parking.rows { stage.settle_all(connection, stream).await? } else { Vec::new() };
    let there = tables_of(connection, &connection.names.state_dataset).await?;
    let mut statements = Vec::new();
    for table in stream.tables {
        let rows = staged.iter().find(|settled| settled.staged.table.name == table.name);
        let is_new = rows.is_some_and(|rows| rows.unparked < rows.rows);
        if is_new {
            make_room(connection, stream, table, there.contains(&parked_rows(table)), fence).await?;
        }
        let is_there = is_new || there.contains(&parked_rows(table));
        statements.extend(keep_rows(connection, table, rows, is_there));
    }
    let json = written("read", &parking.parked)?;
    let row = (stream.name, json.as_str());
    statements.extend(state::replace(connection, PARKED, PARKED, row, parking.run, parking.synced_at));
    let told = Told::bring(connection, &parking.quarantined, &[]).await?;
    statements.extend(told.write(connection, stream.name, parking.run, parking.synced_at));
    commit::commit(connection, fence, &statements, &[]).await?;
    stage.note_parked(&staged);
    Ok(())
}

/// Makes sure that there is a table for parked rows with the columns of now. What another version of the columns left is of no use: it is
/// forgotten first, in a transaction, and then removed.
async fn make_room(
    connection: &Connection,
    stream: &'static Stream,
    table: &'static Table,
    is_there: bool,
    fence: Option<u64>,
) -> Attempt<()> {
    let (dataset, name) = (&connection.names.state_dataset, parked_rows(table));
    if is_there {
        if fits(connection, table).await? {
            return Ok(());
        }
        let forget =
            format!("DELETE FROM {} WHERE stream = {}", connection.state(PARKED), literal(stream.name));
        commit::commit(connection, fence, &[forget], &[]).await?;
        connection.client.delete(&path(dataset, &name)).await?;
    }
    let fields: Vec<_> = staged_columns(table).into_iter().map(|(name, kind)| field(name, kind)).collect();
    let body = json!({
        "tableReference": { "projectId": connection.names.project, "datasetId": dataset, "tableId": name },
        "schema": { "fields": fields },
    });
    match connection.client.send(Method::POST, &format!("/datasets/{dataset}/tables"), &body).await {
        Err(failure) if !failure.is_duplicate() => Err(failure),
        _ => Ok(()),
    }
}

/// Whether the table of parked rows has the columns of now. It is there.
async fn fits(connection: &Connection, table: &Table) -> Attempt<bool> {
    let found = columns_found(
        &connection.client.get(&path(&connection.names.state_dataset, &parked_rows(table))).await?,
    );
    let wanted = staged_columns(table);
    let same = |((name, kind), (kept, of)): (&(&str, &str), &(String, String))| {
        name == kept && *kind == canonical(of)
    };
    Ok(wanted.len() == found.len() && wanted.iter().zip(&found).all(same))
}

/// Statements that append what is new; they begin anew where nothing of what is staged was parked before.
fn keep_rows(
    connection: &Connection,
    table: &'static Table,
    rows: Option<&Settled>,
    is_there: bool,
) -> Vec<String> {
    let place = connection.state(&parked_rows(table));
    let mut statements = Vec::new();
    if is_there && rows.is_none_or(|rows| rows.unparked == 0) {
        statements.push(format!("DELETE FROM {place} WHERE true"));
    }
    if let Some(settled) = rows.filter(|settled| settled.unparked < settled.rows) {
        let (from, staged) = (settled.unparked, &settled.staged.place);
        let columns: Vec<String> = staged_columns(table).iter().map(|(name, _)| quoted(name)).collect();
        statements.push(format!(
            "INSERT INTO {place} ({}) SELECT {} FROM {staged} AS s WHERE s.{ARRIVAL} >= {from}",
            columns.join(", "),
            staged_names(table, "s")
        ));
    }
    statements
}

/// Whether a read of the stream is parked.
pub(super) async fn is_parked(connection: &Connection, stream: &Stream) -> Attempt<bool> {
    let sql =
        format!("SELECT COUNT(*) FROM {} WHERE stream = {}", connection.state(PARKED), literal(stream.name));
    let answer = connection.numbers::<1>(&sql).await;
    Ok(connection.if_there(PARKED, answer).await?.is_some_and(|[reads]| reads > 0))
}

/// Statements that forget what is parked for a stream. The rows go with their tables, by [`leftovers`].
pub(super) fn forget(connection: &Connection, stream: &'static Stream) -> Vec<String> {
    vec![format!("DELETE FROM {} WHERE stream = {}", connection.state(PARKED), literal(stream.name))]
}

/// Statements that remove the rows of a read which is parked no more. Where they do not come about the next park does.
pub(super) fn leftovers(connection: &Connection, stream: &'static Stream) -> Vec<String> {
    let place = |table| connection.state(&parked_rows(table));
    stream.tables.iter().map(|table| format!("DROP TABLE IF EXISTS {}", place(table))).collect()
}

/// Stages what is parked for a stream; false where there is nothing, or where its rows have not the columns of now.
pub(super) async fn resume(
    connection: &Connection,
    stage: &mut Stage,
    stream: &'static Stream,
    left_out: Option<&LeftOut>,
) -> Attempt<bool> {
    stage.discard(connection, stream).await;
    if !is_parked(connection, stream).await? {
        return Ok(false);
    }
    let there: BTreeSet<String> = tables_of(connection, &connection.names.state_dataset).await?;
    let kept: Vec<&'static Table> =
        stream.tables.iter().filter(|table| there.contains(&parked_rows(table))).collect();
    for table in &kept {
        if !fits(connection, table).await? {
            return Ok(false);
        }
    }
    let values = match left_out {
        Some(left_out) => Some(connection.stage_texts("left_out", Texts::of_values(&left_out.values)).await?),
        None => None,
    };
    for table in kept {
        let without = left_out
            .zip(values.as_ref())
            .and_then(|(left_out, values)| without(&BIGQUERY, stream, table, left_out, values));
        let query = format!(
            "SELECT {} FROM {} AS p{}",
            staged_names(table, "p"),
            connection.state(&parked_rows(table)),
            without.unwrap_or_default()
        );
        stage.restage(connection, table, &query).await?;
    }
    Ok(true)
}
