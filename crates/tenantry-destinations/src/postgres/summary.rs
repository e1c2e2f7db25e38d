//! Questions about what the tables hold: a sample, and one line for each table.
//!
//! Reads flags, times and keys; no other value.

use std::collections::BTreeMap;

use tenantry_replication::catalog::{Catalog, Stream, system};
use tenantry_replication::destination::{Key, TableSummary};

use super::Names;
use super::connection::{Attempt, Connection, literal, place, quoted};
use super::state;
use super::types::{POSTGRES, micros};
use crate::sql::key_texts;
use crate::sql::server::Connection as _;
use crate::sql::server::summary::key;
use crate::sql::summary::{Ended, line};

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
    let drawn = connection
        .texts(&format!(
            "SELECT * FROM (SELECT {} FROM {} AS t) AS k ORDER BY hashtextextended(concat_ws('/', {parts}), {}), {parts} LIMIT {rows}",
            key_texts(&POSTGRES, root, "t"),
            names.table(root.name),
            seed.cast_signed(),
            parts = parts.join(", "),
        ))
        .await?;
    let mut keys: Vec<Key> = drawn.into_iter().map(key).collect();
    keys.sort();
    Ok(keys)
}

/// One line for each table of the catalog; zeros for a table that is not there yet.
pub(super) async fn summarize(
    connection: &Connection,
    names: &Names,
    catalog: &'static Catalog,
) -> Attempt<Vec<TableSummary>> {
    let outcomes = if state::exists(connection, "run_table").await? {
        outcomes(connection).await?
    } else {
        BTreeMap::new()
    };
    let there = format!(
        "SELECT c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = {} AND c.relkind IN ('r', 'p')",
        literal(&names.schema)
    );
    let there: Vec<String> = connection.texts(&there).await?.into_iter().flatten().flatten().collect();
    let mut lines = Vec::new();
    for table in catalog.tables() {
        let mut line = line(table, &outcomes);
        if there.iter().any(|name| name == table.name) {
            let (deleted, synced) = (quoted(system::DELETED), quoted(system::SYNCED));
            let newest = micros(&format!("max({synced})"));
            let [rows, marked, newest] = connection
                .numbers(&format!(
                    "SELECT count(*), count(*) FILTER (WHERE {deleted}), {newest} FROM {}",
                    place(&names.schema, table.name)
                ))
                .await?;
            line.live = (rows - marked).unsigned_abs();
            line.deleted = marked.unsigned_abs();
            line.newest = (rows > 0).then_some(newest);
        }
        lines.push(line);
    }
    Ok(lines)
}

/// How runs ended, by table.
async fn outcomes(connection: &Connection) -> Attempt<BTreeMap<String, Ended>> {
    let sql = format!(
        "SELECT DISTINCT ON (t.\"table\") t.\"table\", \
           {} AS success, t.outcome || coalesce(': ' || t.message, ''), t.requests, t.seconds \
         FROM {} AS t JOIN {} AS r ON r.run = t.run ORDER BY t.\"table\", t.run DESC",
        micros("max(r.finished_at) FILTER (WHERE t.outcome = 'done') OVER (PARTITION BY t.\"table\")"),
        connection.state("run_table"),
        connection.state("run"),
    );
    let mut ended = BTreeMap::new();
    for row in connection.rows(&sql, &[]).await? {
        let (requests, seconds): (Option<i64>, Option<f64>) = (row.try_get(3)?, row.try_get(4)?);
        let requests = requests.and_then(|requests| u64::try_from(requests).ok());
        let one = Ended { success: row.try_get(1)?, outcome: row.try_get(2)?, took: requests.zip(seconds) };
        ended.insert(row.try_get(0)?, one);
    }
    Ok(ended)
}
