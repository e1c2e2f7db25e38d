//! Reads that are not over, kept in the file: the rows that they have staged, in tables of the state schema, and where they stand.
//!
//! Looks at no value but those of a key that is left out. Readers see nothing of it: these are not the tables of the catalog.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use tenantry_replication::catalog::{Stream, Table};
use tenantry_replication::destination::{LeftOut, Parking};
use tenantry_replication::error::DestinationErrorKind;
use tenantry_replication::state::Parked;

use super::connection::{Attempt, Connection, Failure, Place, literal, quoted};
use super::stage::{Stage, Unparked, create, drop_table, staged_columns};
use super::state::{self, at, repeated, texts};
use super::{DATABASE, STAGE, lease};
use crate::sql::layout::{PARKED, STATE_SCHEMA};

/// Where the parked rows of a table are.
fn rows_of(table: &Table) -> Place {
    state::place(&format!("{PARKED}_{}", table.name))
}

/// Keeps a read with the rows that it has staged and not parked yet, under the lease `fence`.
pub(super) fn park(
    connection: &mut Connection,
    parking: &Parking,
    unparked: &[Unparked],
    fence: Option<u64>,
) -> Attempt<()> {
    let stream = parking.stream;
    let aside = Place::new(STAGE, "main", format!("quarantine#parked of {}", stream.name));
    let quarantined = !parking.quarantined.is_empty();
    if quarantined {
        state::stage_quarantined(connection, &aside, &parking.quarantined, parking.run, parking.synced_at)?;
    }
    let parked = connection.transaction(|connection| {
        lease::check(connection, fence)?;
        for table in stream.tables {
            let rows = unparked.iter().find(|rows| rows.table.name == table.name);
            keep_rows(connection, table, rows)?;
        }
        keep_read(connection, parking)?;
        if quarantined { state::write_quarantined(connection, &aside) } else { Ok(()) }
    });
    let dropped = if quarantined { drop_table(connection, &aside) } else { Ok(()) };
    parked.and(dropped)
}

/// Appends what is new; begins anew where nothing of what is staged was parked before.
fn keep_rows(connection: &mut Connection, table: &Table, rows: Option<&Unparked>) -> Attempt<()> {
    let place = rows_of(table);
    if rows.is_none_or(|rows| rows.from == 0) {
        drop_table(connection, &place)?;
    }
    let Some(rows) = rows.filter(|rows| rows.from < rows.to) else { return Ok(()) };
    if rows.from == 0 {
        connection.run(&create(&place, table))?;
    }
    connection.run(&format!(
        "INSERT INTO {place} SELECT * FROM {} WHERE rowid >= {} AND rowid < {} ORDER BY rowid",
        rows.place, rows.from, rows.to
    ))?;
    Ok(())
}

fn keep_read(connection: &mut Connection, parking: &Parking) -> Attempt<()> {
    let json = serde_json::to_string(&parking.parked).map_err(|error| {
        Failure::new(DestinationErrorKind::Failed, format!("the read cannot be written down: {error}"))
    })?;
    let (table, name) = (state::place(PARKED), parking.stream.name);
    connection.run(&format!("DELETE FROM {table} WHERE stream = {}", literal(name)))?;
    connection.run_with(
        &format!("INSERT INTO {table} (stream, parked, run, updated_at) VALUES (?, ?, ?, ?)"),
        vec![
            texts([name].into_iter()),
            texts([json.as_str()].into_iter()),
            repeated(parking.run, 1),
            at(parking.synced_at, 1),
        ],
    )?;
    Ok(())
}

/// Reads that are parked, by stream.
pub(super) fn reads(connection: &mut Connection) -> Attempt<BTreeMap<String, Parked>> {
    let mut reads = BTreeMap::new();
    if !state::exists(connection, PARKED)? {
        return Ok(reads);
    }
    for row in connection.texts(&format!("SELECT stream, parked FROM {}", state::place(PARKED)))? {
        let [Some(stream), Some(json)] = row.as_slice() else { continue };
        let parked = serde_json::from_str(json).map_err(|error| {
            let message = format!("the parked read of stream {stream} cannot be read: {error}");
            Failure::new(DestinationErrorKind::Newer, message)
        })?;
        reads.insert(stream.clone(), parked);
    }
    Ok(reads)
}

/// Forgets what is parked for a stream. Costs one question where nothing is.
pub(super) fn forget(connection: &mut Connection, stream: &'static Stream) -> Attempt<()> {
    let (table, of_stream) = (state::place(PARKED), format!("stream = {}", literal(stream.name)));
    if connection.numbers(&format!("SELECT count(*) FROM {table} WHERE {of_stream}"))? == [0] {
        return Ok(());
    }
    for table in stream.tables {
        drop_table(connection, &rows_of(table))?;
    }
    connection.run(&format!("DELETE FROM {table} WHERE {of_stream}"))?;
    Ok(())
}

/// Whether anything is parked that could be forgotten.
pub(super) fn is_prepared(connection: &mut Connection) -> Attempt<bool> {
    state::exists(connection, PARKED)
}

/// Stages what is parked for a stream; false where there is nothing, or where its rows have not the columns of now.
pub(super) fn resume(
    stage: &mut Stage,
    stream: &'static Stream,
    left_out: Option<&LeftOut>,
) -> Attempt<bool> {
    stage.discard(stream)?;
    if !reads(stage.connection())?.contains_key(stream.name) {
        return Ok(false);
    }
    let found = columns_found(stage.connection())?;
    let held = |table: &Table| found.get(&rows_of(table).table.to_lowercase());
    let fits = |table: &&Table| {
        held(table).is_none_or(|columns| {
            let wanted = staged_columns(table);
            wanted.len() == columns.len()
                && wanted.iter().zip(columns).all(|((name, kind), (held, of))| name == held && kind == of)
        })
    };
    if !stream.tables.iter().all(|table| fits(&table)) {
        return Ok(false);
    }
    let values = left_out.map(|left_out| stage_values(stage.connection(), stream, left_out)).transpose()?;
    for table in stream.tables.iter().filter(|table| held(table).is_some()) {
        let column = left_out.and_then(|left_out| left_out.column_of(stream, table));
        let without = column.zip(values.as_ref()).map(|(column, values)| {
            format!(" ANTI JOIN {values} v ON v.value = CAST(p.{} AS VARCHAR)", quoted(column))
        });
        let query =
            format!("SELECT p.* FROM {} p{} ORDER BY p.rowid", rows_of(table), without.unwrap_or_default());
        stage.restage(table, &query)?;
    }
    values.map_or(Ok(()), |values| drop_table(stage.connection(), &values))?;
    Ok(true)
}

/// Names and types of the columns of all tables of parked rows, by table.
fn columns_found(connection: &mut Connection) -> Attempt<BTreeMap<String, Vec<(String, String)>>> {
    let mut found: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    let rows = connection.texts(&format!(
        "SELECT lower(table_name), column_name, data_type FROM duckdb_columns() \
         WHERE database_name = {} AND schema_name = {} AND table_name LIKE '{PARKED}~_%' ESCAPE '~' ORDER BY table_name, column_index",
        literal(DATABASE),
        literal(STATE_SCHEMA),
    ))?;
    for row in rows {
        let [Some(table), Some(column), Some(kind)] = row.as_slice() else { continue };
        found.entry(table.clone()).or_default().push((column.clone(), kind.clone()));
    }
    Ok(found)
}

fn stage_values(connection: &mut Connection, stream: &Stream, left_out: &LeftOut) -> Attempt<Place> {
    let place = Place::new(STAGE, "main", format!("left out#of {}", stream.name));
    connection.run(&format!("CREATE OR REPLACE TABLE {place} (value VARCHAR)"))?;
    let values: &BTreeSet<String> = &left_out.values;
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(values));
    connection.ingest(&place, vec![RecordBatch::try_from_iter_with_nullable([("value", texts, true)])?])?;
    Ok(place)
}
