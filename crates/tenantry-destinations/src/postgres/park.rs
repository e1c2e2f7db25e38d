//! Reads that are not over: the rows that they have staged, in tables of the state schema, and where they stand.
//!
//! Those tables are logged like any other: what is parked survives a crash of the server too. Readers see nothing of it: these are not the
//! tables of the catalog.

use std::collections::BTreeMap;

use tenantry_replication::catalog::{Stream, Table};
use tenantry_replication::destination::{LeftOut, Parking};
use tokio_postgres::types::Type;

use super::connection::{Attempt, Connection, literal};
use super::stage::{Settled, Stage, create, drop_tables, staged_columns, staged_names};
use super::state;
use super::types::POSTGRES;
use crate::sql::layout::PARKED;
use crate::sql::server::state::{is_parked, written};
use crate::sql::server::{Connection as _, Texts, Transactions as _};
use crate::sql::{ARRIVAL, settle};

/// Name of the table that holds parked rows of a table.
fn rows_of(table: &Table) -> String {
    format!("{PARKED}_{}", table.name)
}

/// Keeps a read with the rows that it has staged and not parked yet, in the caller's transaction.
pub(super) async fn park(connection: &Connection, parking: &Parking, staged: &[Settled]) -> Attempt<()> {
    for table in parking.stream.tables {
        let rows = staged.iter().find(|settled| settled.staged.table.name == table.name);
        keep_rows(connection, table, rows).await?;
    }
    let json = written("read", &parking.parked)?;
    connection.replace(PARKED, PARKED, (parking.stream.name, &json), parking.run, parking.synced_at).await?;
    state::write_quarantined(connection, &parking.quarantined, parking.run, parking.synced_at).await
}

/// Appends what is new; begins anew where nothing of what is staged was parked before.
async fn keep_rows(connection: &Connection, table: &'static Table, rows: Option<&Settled>) -> Attempt<()> {
    let place = connection.state(&rows_of(table));
    if rows.is_none_or(|rows| rows.unparked == 0) {
        connection.run(&drop_tables(std::slice::from_ref(&place))).await?;
    }
    let Some(settled) = rows.filter(|settled| settled.unparked < settled.rows) else { return Ok(()) };
    if settled.unparked == 0 {
        connection.run(&create(&place, table, "")).await?;
    }
    let (from, staged) = (settled.unparked, &settled.staged.place);
    let names = staged_names(table, "s");
    connection
        .run(&format!("INSERT INTO {place} SELECT {names} FROM {staged} AS s WHERE s.{ARRIVAL} >= {from}"))
        .await
}

/// Forgets what is parked for a stream, in the caller's transaction. Costs one question where nothing is.
pub(super) async fn forget(connection: &Connection, stream: &'static Stream) -> Attempt<()> {
    let sql = format!("DELETE FROM {} WHERE stream = $1", connection.state(PARKED));
    if connection.change(&sql, &[(&stream.name, Type::TEXT)]).await? == 0 {
        return Ok(());
    }
    let places: Vec<String> = stream.tables.iter().map(|table| connection.state(&rows_of(table))).collect();
    connection.run(&drop_tables(&places)).await
}

/// Whether anything is parked that could be forgotten.
pub(super) async fn is_prepared(connection: &Connection) -> Attempt<bool> {
    state::exists(connection, PARKED).await
}

/// Stages what is parked for a stream; false where there is nothing, or where its rows have not the columns of now.
pub(super) async fn resume(
    connection: &Connection,
    stage: &mut Stage,
    stream: &'static Stream,
    left_out: Option<&LeftOut>,
) -> Attempt<bool> {
    stage.discard(connection, stream).await?;
    if !is_prepared(connection).await? || !is_parked(connection, stream).await? {
        return Ok(false);
    }
    let found = columns_found(connection).await?;
    let kept = |table: &Table| found.get(&rows_of(table));
    let fits = |table: &&Table| {
        kept(table).is_none_or(|columns| {
            let wanted = staged_columns(table);
            wanted.len() == columns.len()
                && wanted.iter().zip(columns).all(|((name, kind), (kept, of))| name == kept && kind == of)
        })
    };
    if !stream.tables.iter().all(|table| fits(&table)) {
        return Ok(false);
    }
    let values = match left_out {
        Some(left_out) => Some(connection.stage_texts("left_out", Texts::of_values(&left_out.values)).await?),
        None => None,
    };
    for table in stream.tables.iter().filter(|table| kept(table).is_some()) {
        let without = left_out
            .zip(values.as_ref())
            .and_then(|(left_out, values)| settle::without(&POSTGRES, stream, table, left_out, values));
        let query = format!(
            "SELECT {} FROM {} AS p{} ORDER BY p.{ARRIVAL}",
            staged_names(table, "p"),
            connection.state(&rows_of(table)),
            without.unwrap_or_default()
        );
        stage.restage(connection, table, &query).await?;
    }
    connection.put_away(values.into_iter().collect()).await?;
    Ok(true)
}

/// Names and types of the columns of all tables of parked rows, by table.
async fn columns_found(connection: &Connection) -> Attempt<BTreeMap<String, Vec<(String, String)>>> {
    let mut found: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    let rows = connection
        .texts(&format!(
            "SELECT c.relname::text, a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod) \
             FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = {} AND starts_with(c.relname::text, '{PARKED}_') AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped \
             ORDER BY c.relname, a.attnum",
            literal(connection.state_schema()),
        ))
        .await?;
    for row in rows {
        let [Some(table), Some(column), Some(kind)] = row.as_slice() else { continue };
        found.entry(table.clone()).or_default().push((column.clone(), kind.clone()));
    }
    Ok(found)
}
