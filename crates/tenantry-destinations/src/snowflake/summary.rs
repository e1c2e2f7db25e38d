//! Questions about what the tables hold: live rows that were not staged, rows by a value, a sample, and one line for each table.
//!
//! Reads flags, times, keys and the column that is asked for; no other value.

use std::collections::BTreeMap;

use tenantry_replication::catalog::{Catalog, Column, Stream, Table, system};
use tenantry_replication::destination::{Key, TableSummary, Value};

use super::Names;
use super::connection::{Attempt, Connection, number, text};
use super::types::{SNOWFLAKE, held, literal, quoted, stored};
use crate::sql::summary::{Ended, line};
use crate::sql::{Staged, comparable, key_texts, same_key};

/// Values that one question asks for.
const VALUES_MAX: usize = 1000;

/// Keys of live root rows that no staged row has, as text; NULL is the empty text.
pub(super) async fn absent(
    connection: &Connection,
    names: &Names,
    stream: &'static Stream,
    staged: Option<&Staged>,
    limit: usize,
) -> Attempt<Vec<Key>> {
    let root = stream.root();
    let came = staged.map(|staged| {
        let same = same_key(&SNOWFLAKE, "t", "s", staged);
        format!(" AND NOT EXISTS (SELECT 1 FROM {} AS s WHERE {same})", staged.place)
    });
    let sql = format!(
        "SELECT {} FROM {} AS t WHERE t.{} IS DISTINCT FROM TRUE{} ORDER BY {} LIMIT {limit}",
        key_texts(&SNOWFLAKE, root, "t"),
        connection.place(&names.schema, root.name),
        quoted(system::DELETED),
        came.unwrap_or_default(),
        key_order(root)
    );
    Ok(connection.texts(&sql).await?.into_iter().map(key).collect())
}

/// Keys of live root rows whose column holds one of these values, as text and in key order; NULL is the empty text.
pub(super) async fn find(
    connection: &Connection,
    names: &Names,
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
            connection.place(&names.schema, root.name),
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
    names: &Names,
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
        connection.place(&names.schema, root.name),
    );
    let mut keys: Vec<Key> = connection.texts(&sql).await?.into_iter().map(key).collect();
    keys.sort();
    Ok(keys)
}

/// The key that a row of texts holds.
fn key(texts: Vec<Option<String>>) -> Key {
    texts.into_iter().map(Option::unwrap_or_default).collect()
}

/// The order of keys: NULL first, text by its bytes.
fn key_order(table: &Table) -> String {
    let part = |column: &Column| format!("t.{} NULLS FIRST", quoted(column.name));
    table.key_columns().map(part).collect::<Vec<_>>().join(", ")
}

/// One line for each table of the catalog; zeros for a table that is not there yet.
pub(super) async fn summarize(
    connection: &Connection,
    names: &Names,
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
        literal(&stored(&names.schema))
    );
    let there: Vec<String> = connection.texts(&there).await?.into_iter().flatten().flatten().collect();
    let counted = counts(connection, names, catalog, &there).await?;
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
    names: &Names,
    catalog: &'static Catalog,
    there: &[String],
) -> Attempt<BTreeMap<String, (i64, i64, Option<i64>)>> {
    let (deleted, synced) = (quoted(system::DELETED), quoted(system::SYNCED));
    let one = |table: &Table| {
        let (name, place) = (literal(table.name), connection.place(&names.schema, table.name));
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
        connection.state_place("run_table"),
        connection.state_place("run"),
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
