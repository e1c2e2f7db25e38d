//! What runs leave for later ones, in the schema `_tenantry`: checkpoints, runs, gaps, quarantined records.
//!
//! Writes only inside the caller's transaction, so that a checkpoint never parts from its rows.

use tenantry_replication::clock::Micros;
use tenantry_replication::destination::Commit;
use tenantry_replication::state::{Quarantine, RunRecord, State, TableRecord};
use tokio_postgres::types::{ToSql, Type};

use super::connection::{Attempt, Connection, literal};
use super::park;
use super::types::POSTGRES;
use crate::sql::Dialect as _;
use crate::sql::layout::{COMMIT, LAYOUT, PARKED};
use crate::sql::server::{Connection as _, held, state};

/// Whether this state table is there.
pub(super) async fn exists(connection: &Connection, table: &str) -> Attempt<bool> {
    let sql = format!("SELECT (to_regclass({}) IS NOT NULL)::int::bigint", literal(&connection.state(table)));
    Ok(connection.numbers::<1>(&sql).await? == [1])
}

/// Refuses tables that a newer version of this tool wrote.
pub(super) async fn check_layout(connection: &Connection) -> Attempt<()> {
    if exists(connection, "meta").await? { state::check_layout(connection, "database").await } else { Ok(()) }
}

/// Writes down the layout, and makes the row that transactions wait for, once the tables are there.
pub(super) async fn note_layout(connection: &Connection) -> Attempt<()> {
    let (meta, commit) = (connection.state("meta"), connection.state(COMMIT.name));
    connection
        .run(&format!(
            "INSERT INTO {meta} (layout) SELECT {LAYOUT} WHERE NOT EXISTS (SELECT 1 FROM {meta}); \
             INSERT INTO {commit} (id) SELECT '' WHERE NOT EXISTS (SELECT 1 FROM {commit})"
        ))
        .await
}

/// Notes whose tables these are; gives the tenant that they belong to if it is another one.
pub(super) async fn claim(connection: &Connection, tenant: &str) -> Attempt<Option<String>> {
    let meta = connection.state("meta");
    let sql = format!("UPDATE {meta} SET tenant = $1 WHERE tenant IS NULL");
    connection.change(&sql, &[(&tenant, Type::TEXT)]).await?;
    state::other_tenant(connection, tenant).await
}

/// What earlier runs left; nothing for a database without our schema.
pub(super) async fn read(connection: &Connection) -> Attempt<State> {
    if !exists(connection, "meta").await? {
        return Ok(State::default());
    }
    state::read(connection, exists(connection, PARKED).await?).await
}

/// Writes quarantined records; of those that are there already only the last is kept.
pub(super) async fn write_quarantined(
    connection: &Connection,
    records: &[Quarantine],
    run: u64,
    at: Micros,
) -> Attempt<()> {
    if records.is_empty() {
        return Ok(());
    }
    let rows = state::last_of_each(records);
    let column = |value: fn(&Quarantine) -> &str| -> Vec<String> {
        rows.iter().map(|one| held(value(one)).into_owned()).collect()
    };
    let (tables, keys) = (column(|one| one.table), column(|one| &one.key));
    let (reasons, texts) = (column(|one| &one.reason), column(|one| &one.record));
    let table = connection.state("quarantine");
    let same: [(&(dyn ToSql + Sync), Type); 3] =
        [(&tables, Type::TEXT_ARRAY), (&keys, Type::TEXT_ARRAY), (&reasons, Type::TEXT_ARRAY)];
    connection
        .change(
            &format!(
                "DELETE FROM {table} AS q USING unnest($1, $2, $3) AS s (of_table, key, reason) \
                 WHERE q.\"table\" = s.of_table AND q.key = s.key AND q.reason = s.reason"
            ),
            &same,
        )
        .await?;
    let run = signed(run);
    let [tables, keys, reasons] = same;
    let all = [tables, keys, reasons, (&texts as &(dyn ToSql + Sync), Type::TEXT_ARRAY), (&run, Type::INT8)];
    connection
        .change(
            &format!(
                "INSERT INTO {table} (\"table\", key, reason, record, run, recorded_at) \
                 SELECT s.*, $5, {} FROM unnest($1, $2, $3, $4) AS s",
                POSTGRES.time(at)
            ),
            &all,
        )
        .await?;
    Ok(())
}

/// Writes checkpoint, gaps and quarantined records of a commit, and forgets what was parked of the stream.
pub(super) async fn write(connection: &Connection, commit: &Commit) -> Attempt<()> {
    if let Some((name, checkpoint)) = &commit.checkpoint {
        state::write_checkpoint(connection, name, checkpoint, commit.run, commit.synced_at).await?;
    }
    if !commit.gaps.is_empty() {
        let column = |value: fn(&tenantry_replication::source::Gap) -> &str| -> Vec<String> {
            commit.gaps.iter().map(|gap| held(value(gap)).into_owned()).collect()
        };
        let (from, to) = (column(|gap| &gap.from), column(|gap| &gap.to));
        let (reasons, run) = (column(|gap| &gap.reason), signed(commit.run));
        let sql = format!(
            "INSERT INTO {} (stream, \"from\", \"to\", reason, run, recorded_at) SELECT $1, s.*, $5, {} FROM unnest($2, $3, $4) AS s",
            connection.state("gap"),
            POSTGRES.time(commit.synced_at)
        );
        let values: [(&(dyn ToSql + Sync), Type); 5] = [
            (&commit.stream.name, Type::TEXT),
            (&from, Type::TEXT_ARRAY),
            (&to, Type::TEXT_ARRAY),
            (&reasons, Type::TEXT_ARRAY),
            (&run, Type::INT8),
        ];
        connection.change(&sql, &values).await?;
    }
    write_quarantined(connection, &commit.quarantined, commit.run, commit.synced_at).await?;
    park::forget(connection, commit.stream).await
}

/// Keeps the record of a finished run; of two with one number, the later.
pub(super) async fn record(connection: &Connection, run: &RunRecord) -> Attempt<()> {
    let number = signed(run.run);
    for table in ["run", "run_table"] {
        let sql = format!("DELETE FROM {} WHERE run = $1", connection.state(table));
        connection.change(&sql, &[(&number, Type::INT8)]).await?;
    }
    let (requests, outcome) = (signed(run.requests), held(&run.outcome).into_owned());
    let sql = format!(
        "INSERT INTO {} (run, started_at, finished_at, outcome, requests) VALUES ($1, {}, {}, $2, $3)",
        connection.state("run"),
        POSTGRES.time(run.started_at),
        POSTGRES.time(run.finished_at)
    );
    connection
        .change(&sql, &[(&number, Type::INT8), (&outcome, Type::TEXT), (&requests, Type::INT8)])
        .await?;
    let tables = &run.tables;
    let count = |value: fn(&TableRecord) -> u64| -> Vec<i64> {
        tables.iter().map(|table| signed(value(table))).collect()
    };
    let names: Vec<&str> = tables.iter().map(|table| table.table.as_str()).collect();
    let outcomes: Vec<&str> = tables.iter().map(|table| table.outcome.as_str()).collect();
    let message = |table: &TableRecord| table.message.as_deref().map(|message| held(message).into_owned());
    let messages: Vec<Option<String>> = tables.iter().map(message).collect();
    let counts = [
        count(|table| table.inserted),
        count(|table| table.updated),
        count(|table| table.deleted),
        count(|table| table.unchanged),
        count(|table| table.quarantined),
        count(|table| table.requests),
        count(|table| table.drifted),
        count(|table| table.limited),
    ];
    let seconds: Vec<f64> = tables.iter().map(|table| table.seconds).collect();
    let waited: Vec<f64> = tables.iter().map(|table| table.waited).collect();
    let began: Vec<f64> = tables.iter().map(|table| table.began).collect();
    let mut values: Vec<(&(dyn ToSql + Sync), Type)> = vec![
        (&number, Type::INT8),
        (&names, Type::TEXT_ARRAY),
        (&outcomes, Type::TEXT_ARRAY),
        (&messages, Type::TEXT_ARRAY),
    ];
    values.extend(counts.iter().map(|count| (count as &(dyn ToSql + Sync), Type::INT8_ARRAY)));
    values
        .extend([&seconds, &waited, &began].map(|times| (times as &(dyn ToSql + Sync), Type::FLOAT8_ARRAY)));
    let sql = format!(
        "INSERT INTO {} (run, \"table\", outcome, message, inserted, updated, deleted, unchanged, quarantined, requests, drifted, limited, \
         seconds, waited, began) SELECT $1, s.* FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) AS s",
        connection.state("run_table")
    );
    connection.change(&sql, &values).await?;
    Ok(())
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
