//! Questions about what the tables hold: rows by a value, a sample, and one line for each table.
//!
//! Reads flags, times, keys and the column that is asked for; no other value.

use std::collections::BTreeMap;

use tenantry_replication::catalog::{Catalog, Stream, Table, system};
use tenantry_replication::destination::{Key, TableSummary, Value};

use super::connection::{Attempt, Connection, number, text};
use super::types::{SNOWFLAKE, literal, quoted, stored};
use crate::sql::server::summary::key;
use crate::sql::server::{Connection as _, held};
use crate::sql::summary::{Ended, line};
use crate::sql::{comparable, key_texts};

/// Values that one question asks for.
const VALUES_MAX: usize = 1000;

/// Keys of live root rows whose column holds one of these values, as text and in key order; NULL is the empty text.
pub(super) async fn find(
    connection: &Connection,
    stream: &'static Stream,
    column: &str,
    values: Vec<String>,
) -> Attempt<Vec<Key>> {
    let root = stream.root();
    let Some(column) = root.columns.iter().find(|one| one.name == column) else { return Ok(Vec::new()) };
    let mut found: Vec<(Vec<Value>, Key)> = Vec::new();
    for some in values.chunks(VALUES_MAX) {
        // NULL is no value that could be asked for here.
        let sql = format!(
            "SELECT {}, {} FROM {} AS t WHERE t.{} IS DISTINCT FROM TRUE AND {} IN ({})",
            key_texts(&SNOWFLAKE, root, "t"),
            root.key_columns()
                .map(|column| format!("t.{}", quoted(column.name)))
                .collect::<Vec<_>>()
                .join(", "),
            connection.table(root.name),
            quoted(system::DELETED),
            comparable(&SNOWFLAKE, column, "t", false),
            vec!["?"; some.len()].join(", "),
        );
        let bound: Vec<Option<String>> = some.iter().map(|value| Some(held(value).into_owned())).collect();
        for mut row in connection.answer(&sql, &bound).await?.rows()? {
            let values = row.split_off(root.key.len().min(row.len()));
            found.push((values, row.iter().map(|value| text(Some(value)).unwrap_or_default()).collect()));
        }
    }
    // Numbers as numbers, texts by their bytes, NULL first.
    found.sort();
    Ok(found.into_iter().map(|(_, key)| key).collect())
}

/// Keys of root rows, drawn by the hash of key and seed; in key order.
pub(super) async fn sample(
    connection: &Connection,
    stream: &'static Stream,
    rows: usize,
    seed: u64,
) -> Attempt<Vec<Key>> {
    let root = stream.root();
    let parts: Vec<String> = (0..root.key.len()).map(|part| format!("k{part}")).collect();
    let parts = parts.join(", ");
    let sql = format!(
        "SELECT {parts} FROM (SELECT {} FROM {} AS t) AS k ORDER BY MD5(CONCAT_WS('/', {parts}, '{seed}')), {parts} LIMIT {rows}",
        key_texts(&SNOWFLAKE, root, "t"),
        connection.table(root.name),
    );
    let mut keys: Vec<Key> = connection.texts(&sql).await?.into_iter().map(key).collect();
    keys.sort();
    Ok(keys)
}

/// One line for each table of the catalog; zeros for a table that is not there yet.
pub(super) async fn summarize(
    connection: &Connection,
    catalog: &'static Catalog,
) -> Attempt<Vec<TableSummary>> {
    let outcomes = if connection.has_state_table("run_table").await? {
        outcomes(connection).await?
    } else {
        BTreeMap::new()
    };
    let there = format!(
        "SELECT TABLE_NAME FROM {}.INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_TYPE = 'BASE TABLE'",
        quoted(connection.database()),
        literal(&stored(connection.schema()))
    );
    let there: Vec<String> = connection.texts(&there).await?.into_iter().flatten().flatten().collect();
    let counted = counts(connection, catalog, &there).await?;
    let line = |table: &'static Table| {
        let (rows, marked, newest) = counted.get(table.name).copied().unwrap_or_default();
        TableSummary {
            live: (rows - marked).unsigned_abs(),
            deleted: marked.unsigned_abs(),
            newest,
            ..line(table, &outcomes)
        }
    };
    Ok(catalog.tables().map(line).collect())
}

/// Rows, rows marked deleted, and the newest sync time of all tables, by one query.
async fn counts(
    connection: &Connection,
    catalog: &'static Catalog,
    there: &[String],
) -> Attempt<BTreeMap<String, (i64, i64, Option<i64>)>> {
    let (deleted, synced) = (quoted(system::DELETED), quoted(system::SYNCED));
    let one = |table: &Table| {
        let (name, place) = (literal(table.name), connection.table(table.name));
        format!(
            "SELECT {name} AS n, COUNT(*) AS c, COUNT_IF({deleted}) AS d, MAX({synced}) AS s FROM {place}"
        )
    };
    let of_there = catalog.tables().filter(|table| there.contains(&stored(table.name)));
    let queries: Vec<String> = of_there.map(one).collect();
    let mut counted = BTreeMap::new();
    if queries.is_empty() {
        return Ok(counted);
    }
    for row in connection.rows(&queries.join(" UNION ALL ")).await? {
        let newest = match row.get(3) {
            Some(Value::Timestamp(newest)) => Some(*newest),
            _ => None,
        };
        let name = text(row.first()).unwrap_or_default();
        counted.insert(name, (number(row.get(1)), number(row.get(2)), newest));
    }
    Ok(counted)
}

/// How runs ended, by table.
async fn outcomes(connection: &Connection) -> Attempt<BTreeMap<String, Ended>> {
    let sql = format!(
        "SELECT t.\"TABLE\", MAX(CASE WHEN t.\"OUTCOME\" = 'done' THEN r.\"FINISHED_AT\" END) OVER (PARTITION BY t.\"TABLE\") AS success, \
           t.\"OUTCOME\" || COALESCE(': ' || t.\"MESSAGE\", ''), t.\"REQUESTS\", t.\"SECONDS\" \
         FROM {} AS t JOIN {} AS r ON r.\"RUN\" = t.\"RUN\" \
         QUALIFY ROW_NUMBER() OVER (PARTITION BY t.\"TABLE\" ORDER BY t.\"RUN\" DESC) = 1",
        connection.state("run_table"),
        connection.state("run"),
    );
    let mut ended = BTreeMap::new();
    for row in connection.rows(&sql).await? {
        let requests = u64::try_from(number(row.get(3))).ok();
        let seconds = text(row.get(4)).and_then(|seconds| seconds.parse().ok());
        let success = match row.get(1) {
            Some(Value::Timestamp(success)) => Some(*success),
            _ => None,
        };
        let one = Ended { success, outcome: text(row.get(2)), took: requests.zip(seconds) };
        ended.insert(text(row.first()).unwrap_or_default(), one);
    }
    Ok(ended)
}
