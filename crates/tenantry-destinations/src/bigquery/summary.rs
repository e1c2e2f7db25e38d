//! Questions about what the tables hold: live rows that were not staged, rows by a value, a sample, and one line for each table.
//!
//! Reads flags, times, keys and the column that is asked for; no other value.

use std::collections::BTreeMap;

use serde_json::Value;
use tenantry_replication::catalog::{Catalog, Column, Stream, Table, system};
use tenantry_replication::destination::{Key, TableSummary};

use super::Names;
use super::client::{Attempt, Client};
use super::job::Rows;
use super::schema::tables_of;
use super::stage::Stage;
use super::types::{BIGQUERY, literal, quoted};
use crate::sql::summary::{Ended, line};
use crate::sql::{Staged, comparable, key_texts, same_key};

/// Keys of live root rows that no staged row has, as text; NULL is the empty text.
pub(super) async fn absent(
    client: &Client,
    names: &Names,
    stream: &'static Stream,
    staged: Option<&Staged>,
    limit: usize,
) -> Attempt<Vec<Key>> {
    let root = stream.root();
    let came = staged.map(|staged| {
        let same = same_key(&BIGQUERY, "t", "s", staged);
        format!(" AND NOT EXISTS (SELECT 1 FROM {} AS s WHERE {same})", staged.place)
    });
    let sql = format!(
        "SELECT {} FROM {} AS t WHERE t.{} IS DISTINCT FROM true{} ORDER BY {} LIMIT {limit}",
        key_texts(&BIGQUERY, root, "t"),
        names.table(root.name),
        quoted(system::DELETED),
        came.unwrap_or_default(),
        key_order(root)
    );
    Ok(client.rows(names, &sql).await?.rows.iter().map(|row| key(row)).collect())
}

/// Keys of live root rows whose column holds one of these values, as text and in key order; NULL is the empty text.
pub(super) async fn find(
    client: &Client,
    names: &Names,
    stage: &mut Stage,
    stream: &'static Stream,
    column: &str,
    values: Vec<String>,
) -> Attempt<Vec<Key>> {
    let root = stream.root();
    let Some(column) = root.columns.iter().find(|one| one.name == column) else { return Ok(Vec::new()) };
    // NULL is no value that could be asked for here.
    let values = values.into_iter().map(|value| vec![value]);
    let wanted = stage.texts(client, names, 1, values).await?;
    let sql = format!(
        "SELECT {} FROM {} AS t WHERE t.{} IS DISTINCT FROM true AND {} IN (SELECT k0 FROM {} AS k) ORDER BY {}",
        key_texts(&BIGQUERY, root, "t"),
        names.table(root.name),
        quoted(system::DELETED),
        comparable(&BIGQUERY, column, "t", false),
        wanted.place,
        key_order(root)
    );
    Ok(client.rows(names, &sql).await?.rows.iter().map(|row| key(row)).collect())
}

/// Keys of root rows, drawn by the hash of key and seed; in key order.
pub(super) async fn sample(
    client: &Client,
    names: &Names,
    stream: &'static Stream,
    rows: usize,
    seed: u64,
) -> Attempt<Vec<Key>> {
    let root = stream.root();
    let parts: Vec<String> = (0..root.key.len()).map(|part| format!("k{part}")).collect();
    let sql = format!(
        "SELECT * FROM (SELECT {} FROM {} AS t) AS k ORDER BY FARM_FINGERPRINT(CONCAT('{seed}/', {})), {} LIMIT {rows}",
        key_texts(&BIGQUERY, root, "t"),
        names.table(root.name),
        parts.join(", '/', "),
        parts.join(", "),
    );
    let mut keys: Vec<Key> = client.rows(names, &sql).await?.rows.iter().map(|row| key(row)).collect();
    keys.sort();
    Ok(keys)
}

/// The key that a row of texts holds.
fn key(texts: &[Value]) -> Key {
    (0..texts.len()).map(|at| Rows::text(texts, at).unwrap_or_default()).collect()
}

/// The order of keys: NULL first, text by its bytes.
fn key_order(table: &Table) -> String {
    let part = |column: &Column| format!("t.{} NULLS FIRST", quoted(column.name));
    table.key_columns().map(part).collect::<Vec<_>>().join(", ")
}

/// One line for each table of the catalog; zeros for a table that is not there yet.
pub(super) async fn summarize(
    client: &Client,
    names: &Names,
    catalog: &'static Catalog,
) -> Attempt<Vec<TableSummary>> {
    let there = tables_of(client, &names.dataset).await?;
    let (deleted, synced) = (quoted(system::DELETED), quoted(system::SYNCED));
    let counts: Vec<String> = catalog
        .tables()
        .filter(|table| there.contains(table.name))
        .map(|table| {
            format!(
                "SELECT {} AS of_table, COUNT(*) AS n, COUNTIF({deleted}) AS marked, MAX({synced}) AS newest FROM {}",
                literal(table.name),
                names.table(table.name)
            )
        })
        .collect();
    let mut held = BTreeMap::new();
    if !counts.is_empty() {
        for row in client.rows(names, &counts.join(" UNION ALL ")).await?.rows {
            let (rows, marked) = (Rows::number(&row, 1)?, Rows::number(&row, 2)?);
            let counts =
                ((rows - marked).unsigned_abs(), marked.unsigned_abs(), Rows::maybe_number(&row, 3)?);
            held.insert(Rows::text(&row, 0).unwrap_or_default(), counts);
        }
    }
    let outcomes = outcomes(client, names).await?;
    let line = |table: &'static Table| {
        let (live, deleted, newest) = held.get(table.name).copied().unwrap_or_default();
        TableSummary { live, deleted, newest, ..line(table, &outcomes) }
    };
    Ok(catalog.tables().map(line).collect())
}

/// How runs ended, by table.
async fn outcomes(client: &Client, names: &Names) -> Attempt<BTreeMap<String, Ended>> {
    let (of_table, of_run) = (names.state("run_table"), names.state("run"));
    let sql = format!(
        "SELECT t.`table`, g.success, CONCAT(t.outcome, IFNULL(CONCAT(': ', t.message), '')) AS outcome, t.requests, t.seconds \
         FROM {of_table} AS t JOIN (\
           SELECT o.`table` AS of_table, MAX(o.run) AS last_run, MAX(IF(o.outcome = 'done', r.finished_at, NULL)) AS success \
           FROM {of_table} AS o JOIN {of_run} AS r ON r.run = o.run GROUP BY o.`table`) AS g \
         ON g.of_table = t.`table` AND g.last_run = t.run"
    );
    let answer = match client.rows(names, &sql).await {
        Err(failure) if failure.is_not_found() => return Ok(BTreeMap::new()),
        answer => answer?,
    };
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
