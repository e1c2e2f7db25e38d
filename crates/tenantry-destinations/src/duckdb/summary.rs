//! Questions about what the tables hold: live rows that were not staged, and one line for each table.
//!
//! Reads flags, times and keys; no other value.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use tenantry_replication::catalog::{Catalog, Column, Stream, Table, system};
use tenantry_replication::destination::{Key, TableSummary};

use super::connection::{Attempt, Connection, Place, literal, quoted};
use super::publish::equal;
use super::stage::{Staged, drop_table, stage_values};
use super::{DATABASE, Names, STAGE};
use crate::sql::summary::{Ended, line};

/// Keys of live root rows that no staged row has, as text; NULL is the empty text.
pub(super) fn absent(
    connection: &mut Connection,
    names: &Names,
    stream: &'static Stream,
    staged: Option<&Staged>,
    limit: usize,
) -> Attempt<Vec<Key>> {
    let root = stream.root();
    let mut sql = format!("SELECT {} FROM {} t", key_texts(root, "t"), names.table(root.name));
    if let Some(staged) = staged {
        let same = equal(root.key_columns().map(|column| (column, column)), "t", "s", staged.null_keys);
        let _ = write!(sql, " ANTI JOIN {} s ON {same}", staged.place);
    }
    let deleted = quoted(system::DELETED);
    let _ =
        write!(sql, " WHERE t.{deleted} IS DISTINCT FROM true ORDER BY {} LIMIT {limit}", key_order(root));
    Ok(connection.texts(&sql)?.into_iter().map(key).collect())
}

/// Keys of live root rows whose column holds one of these values, as text and in key order; NULL is the empty text.
pub(super) fn find(
    connection: &mut Connection,
    names: &Names,
    stream: &'static Stream,
    column: &'static str,
    values: &BTreeSet<String>,
) -> Attempt<Vec<Key>> {
    let wanted = Place::new(STAGE, "main", "wanted");
    stage_values(connection, &wanted, values)?;
    let root = stream.root();
    let found = connection.texts(&format!(
        "SELECT {} FROM {} t WHERE t.{} IS DISTINCT FROM true AND CAST(t.{} AS VARCHAR) IN (SELECT value FROM {wanted}) \
         ORDER BY {}",
        key_texts(root, "t"),
        names.table(root.name),
        quoted(system::DELETED),
        quoted(column),
        key_order(root),
    ))?;
    drop_table(connection, &wanted)?;
    Ok(found.into_iter().map(key).collect())
}

/// Keys of root rows, drawn by the hash of key and seed; in key order.
pub(super) fn sample(
    connection: &mut Connection,
    names: &Names,
    stream: &'static Stream,
    rows: usize,
    seed: u64,
) -> Attempt<Vec<Key>> {
    let root = stream.root();
    let drawn = connection.texts(&format!(
        "SELECT {key} FROM {} t ORDER BY hash({key}, {seed}::UBIGINT) LIMIT {rows}",
        names.table(root.name),
        key = key_texts(root, "t"),
    ))?;
    let mut keys: Vec<Key> = drawn.into_iter().map(key).collect();
    keys.sort();
    Ok(keys)
}

/// The key that a row of [`key_texts`] holds.
pub(super) fn key(texts: Vec<Option<String>>) -> Key {
    texts.into_iter().map(Option::unwrap_or_default).collect()
}

/// The order of keys: NULL first.
fn key_order(table: &Table) -> String {
    let part = |column: &Column| format!("t.{} NULLS FIRST", quoted(column.name));
    table.key_columns().map(part).collect::<Vec<_>>().join(", ")
}

/// The key of a row of `of` as texts; NULL is the empty text.
pub(super) fn key_texts(table: &Table, of: &str) -> String {
    let text = |column: &Column| text_of(column.name, of);
    table.key_columns().map(text).collect::<Vec<_>>().join(", ")
}

/// Columns `k0`, `k1`, ... for the texts of a table's key, as DDL.
pub(super) fn key_text_columns(table: &Table) -> String {
    (0..table.key.len()).map(|part| format!("k{part} VARCHAR")).collect::<Vec<_>>().join(", ")
}

/// A column of a row of `of` as text; NULL is the empty text.
pub(super) fn text_of(column: &str, of: &str) -> String {
    format!("coalesce(CAST({of}.{} AS VARCHAR), '')", quoted(column))
}

/// One line for each table of the catalog; zeros for a table that is not there yet.
pub(super) fn summarize(
    connection: &mut Connection,
    names: &Names,
    catalog: &'static Catalog,
) -> Attempt<Vec<TableSummary>> {
    let there: BTreeSet<(String, String)> = connection
        .texts(&format!(
            "SELECT lower(schema_name), lower(table_name) FROM duckdb_tables() WHERE database_name = {}",
            literal(DATABASE)
        ))?
        .into_iter()
        .filter_map(|row| Some((row.first()?.clone()?, row.get(1)?.clone()?)))
        .collect();
    let has = |schema: &str, table: &str| there.contains(&(schema.to_lowercase(), table.to_lowercase()));
    let outcomes =
        if has(connection.state_schema(), "run_table") { outcomes(connection)? } else { BTreeMap::new() };
    let mut lines = Vec::new();
    for table in catalog.tables() {
        let mut line = line(table, &outcomes);
        if has(&names.schema, table.name) {
            let (deleted, synced) = (quoted(system::DELETED), quoted(system::SYNCED));
            let [rows, marked, newest] = connection.numbers(&format!(
                "SELECT count(*), count(*) FILTER (WHERE {deleted}), epoch_us(max({synced})) FROM {}",
                names.table(table.name)
            ))?;
            line.live = u64::try_from(rows - marked).unwrap_or(0);
            line.deleted = u64::try_from(marked).unwrap_or(0);
            line.newest = (rows > 0).then_some(newest);
        }
        lines.push(line);
    }
    Ok(lines)
}

/// How runs ended, by table.
fn outcomes(connection: &mut Connection) -> Attempt<BTreeMap<String, Ended>> {
    let rows = connection.texts(&format!(
        "SELECT t.\"table\", \
           CAST(epoch_us(max(r.finished_at) FILTER (WHERE t.outcome = 'done')) AS VARCHAR), \
           last(t.outcome || coalesce(': ' || t.message, '') ORDER BY t.run), \
           CAST(last(t.requests ORDER BY t.run) AS VARCHAR), CAST(last(t.seconds ORDER BY t.run) AS VARCHAR) \
         FROM {} t JOIN {} r ON r.run = t.run GROUP BY t.\"table\"",
        connection.state("run_table"),
        connection.state("run"),
    ))?;
    let line = |row: Vec<Option<String>>| {
        let [Some(table), success, outcome, requests, seconds] = <[Option<String>; 5]>::try_from(row).ok()?
        else {
            return None;
        };
        let success = success.and_then(|micros| micros.parse().ok());
        let took =
            requests.and_then(|text| text.parse().ok()).zip(seconds.and_then(|text| text.parse().ok()));
        Some((table, Ended { success, outcome, took }))
    };
    Ok(rows.into_iter().filter_map(line).collect())
}
