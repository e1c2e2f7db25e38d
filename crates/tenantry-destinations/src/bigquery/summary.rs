//! Questions about what the tables hold: a sample, and one line for each table.
//!
//! Reads flags, times and keys; no other value.

use std::collections::BTreeMap;

use tenantry_replication::catalog::{Catalog, Stream, Table, system};
use tenantry_replication::destination::{Key, TableSummary};

use super::client::Attempt;
use super::connection::Connection;
use super::job::Rows;
use super::schema::tables_of;
use super::types::{BIGQUERY, literal, quoted};
use crate::sql::key_texts;
use crate::sql::server::Connection as _;
use crate::sql::server::summary::key;
use crate::sql::summary::{Ended, line};

/// Keys of root rows, drawn by the hash of key and seed; in key order.
pub(super) async fn sample(
    connection: &Connection,
    stream: &'static Stream,
    rows: usize,
    seed: u64,
) -> Attempt<Vec<Key>> {
    let root = stream.root();
    let parts: Vec<String> = (0..root.key.len()).map(|part| format!("k{part}")).collect();
    let sql = format!(
        "SELECT * FROM (SELECT {} FROM {} AS t) AS k ORDER BY FARM_FINGERPRINT(CONCAT('{seed}/', {})), {} LIMIT {rows}",
        key_texts(&BIGQUERY, root, "t"),
        connection.table(root.name),
        parts.join(", '/', "),
        parts.join(", "),
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
    let there = tables_of(connection, &connection.names.dataset).await?;
    let (deleted, synced) = (quoted(system::DELETED), quoted(system::SYNCED));
    let counts: Vec<String> = catalog
        .tables()
        .filter(|table| there.contains(table.name))
        .map(|table| {
            format!(
                "SELECT {} AS of_table, COUNT(*) AS n, COUNTIF({deleted}) AS marked, MAX({synced}) AS newest FROM {}",
                literal(table.name),
                connection.table(table.name)
            )
        })
        .collect();
    let mut held = BTreeMap::new();
    if !counts.is_empty() {
        for row in connection.rows(&counts.join(" UNION ALL ")).await?.rows {
            let (rows, marked) = (Rows::number(&row, 1)?, Rows::number(&row, 2)?);
            let counts =
                ((rows - marked).unsigned_abs(), marked.unsigned_abs(), Rows::maybe_number(&row, 3)?);
            held.insert(Rows::text(&row, 0).unwrap_or_default(), counts);
        }
    }
    let outcomes = outcomes(connection).await?;
    let line = |table: &'static Table| {
        let (live, deleted, newest) = held.get(table.name).copied().unwrap_or_default();
        TableSummary { live, deleted, newest, ..line(table, &outcomes) }
    };
    Ok(catalog.tables().map(line).collect())
}

/// How runs ended, by table.
async fn outcomes(connection: &Connection) -> Attempt<BTreeMap<String, Ended>> {
    let (of_table, of_run) = (connection.state("run_table"), connection.state("run"));
    let sql = format!(
        "SELECT t.`table`, g.success, CONCAT(t.outcome, IFNULL(CONCAT(': ', t.message), '')) AS outcome, t.requests, t.seconds \
         FROM {of_table} AS t JOIN (\
           SELECT o.`table` AS of_table, MAX(o.run) AS last_run, MAX(IF(o.outcome = 'done', r.finished_at, NULL)) AS success \
           FROM {of_table} AS o JOIN {of_run} AS r ON r.run = o.run GROUP BY o.`table`) AS g \
         ON g.of_table = t.`table` AND g.last_run = t.run"
    );
    let answer = connection.if_there("run_table", connection.rows(&sql).await).await?;
    let Some(answer) = answer else { return Ok(BTreeMap::new()) };
    let mut ended = BTreeMap::new();
    for row in answer.rows {
        let requests = Rows::maybe_number(&row, 3)?.and_then(|requests| u64::try_from(requests).ok());
        let seconds = Rows::text(&row, 4).and_then(|seconds| seconds.parse::<f64>().ok());
        let one = Ended {
            success: Rows::maybe_number(&row, 1)?,
            outcome: Rows::text(&row, 2),
            took: requests.zip(seconds),
        };
        ended.insert(Rows::text(&row, 0).unwrap_or_default(), one);
    }
    Ok(ended)
}
