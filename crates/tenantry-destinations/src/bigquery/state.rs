//! What runs leave for later ones, in the state dataset: checkpoints, runs, gaps, quarantined records.
//!
//! Gives statements for the caller's transaction, so that a checkpoint never parts from its rows.

use tenantry_replication::clock::Micros;
use tenantry_replication::destination::Commit;
use tenantry_replication::source::Gap;
use tenantry_replication::state::{Checkpoint, Quarantine, RunRecord, State, TableRecord};

use super::client::Attempt;
use super::connection::Connection;
use super::types::{BIGQUERY, literal, maybe_literal};
use super::{park, schema};
use crate::sql::server::{Connection as _, Texts, state};
use crate::sql::{Dialect as _, Keys};

/// Whether a run has filled it.
pub(super) async fn exists(connection: &Connection) -> Attempt<bool> {
    match connection.client.get(&schema::path(&connection.names.state_dataset, "meta")).await {
        Err(failure) if failure.is_not_found() => Ok(false),
        found => found.map(|_| true),
    }
}

/// Refuses tables that a newer version of this tool wrote.
pub(super) async fn check_layout(connection: &Connection) -> Attempt<()> {
    if exists(connection).await? { state::check_layout(connection, "dataset").await } else { Ok(()) }
}

/// Notes whose tables these are; gives the tenant that they belong to if it is another one.
pub(super) async fn claim(connection: &Connection, tenant: &str) -> Attempt<Option<String>> {
    let meta = connection.state("meta");
    connection.run(&format!("UPDATE {meta} SET tenant = {} WHERE tenant IS NULL", literal(tenant))).await?;
    state::other_tenant(connection, tenant).await
}

/// What earlier runs left; nothing where no run has been.
pub(super) async fn read(connection: &Connection) -> Attempt<State> {
    if exists(connection).await? { state::read(connection, true).await } else { Ok(State::default()) }
}

/// Texts that statements of a commit read, where a query can read them.
#[derive(Default)]
pub(super) struct Told {
    quarantined: Option<Keys>,
    gaps: Option<Keys>,
}

impl Told {
    /// Brings quarantined records and gaps over, outside of any transaction. Of records that are there already only the last is kept.
    pub(super) async fn bring(
        connection: &Connection,
        quarantined: &[Quarantine],
        gaps: &[Gap],
    ) -> Attempt<Self> {
        let mut told = Self::default();
        if !quarantined.is_empty() {
            let rows = state::last_of_each(quarantined);
            let rows = rows.into_iter().map(|one| {
                vec![one.table.to_owned(), one.key.clone(), one.reason.clone(), one.record.clone()]
            });
            told.quarantined = Some(connection.stage_texts("quarantined", Texts::new(4, rows)).await?);
        }
        if !gaps.is_empty() {
            let rows = gaps.iter().map(|gap| vec![gap.from.clone(), gap.to.clone(), gap.reason.clone()]);
            told.gaps = Some(connection.stage_texts("gaps", Texts::new(3, rows)).await?);
        }
        Ok(told)
    }

    /// Statements that write them.
    pub(super) fn write(&self, connection: &Connection, stream: &str, run: u64, at: Micros) -> Vec<String> {
        let (run, at) = (signed(run), BIGQUERY.time(at));
        let mut statements = Vec::new();
        if let Some(gaps) = &self.gaps {
            statements.push(format!(
                "INSERT INTO {} (stream, `from`, `to`, reason, run, recorded_at) SELECT {}, k.k0, k.k1, k.k2, {run}, {at} FROM {} AS k",
                connection.state("gap"),
                literal(stream),
                gaps.place
            ));
        }
        if let Some(quarantined) = &self.quarantined {
            let (table, place) = (connection.state("quarantine"), &quarantined.place);
            statements.push(format!(
                "DELETE FROM {table} AS q WHERE EXISTS (SELECT 1 FROM {place} AS k \
                 WHERE q.`table` = k.k0 AND q.`key` = k.k1 AND q.reason = k.k2)"
            ));
            statements.push(format!(
                "INSERT INTO {table} (`table`, `key`, reason, record, run, recorded_at) \
                 SELECT k.k0, k.k1, k.k2, k.k3, {run}, {at} FROM {place} AS k"
            ));
        }
        statements
    }
}

/// Statements that write checkpoint, gaps and quarantined records of a commit, and forget what was parked of the stream.
pub(super) fn write(
    connection: &Connection,
    commit: &Commit,
    told: &Told,
    is_parked: bool,
) -> Attempt<Vec<String>> {
    let mut statements = Vec::new();
    if let Some((name, checkpoint)) = &commit.checkpoint {
        statements.extend(write_checkpoint(connection, name, checkpoint, commit.run, commit.synced_at)?);
    }
    statements.extend(told.write(connection, commit.stream.name, commit.run, commit.synced_at));
    if is_parked {
        statements.extend(park::forget(connection, commit.stream));
    }
    Ok(statements)
}

/// Statements that write one checkpoint in place of an older one.
pub(super) fn write_checkpoint(
    connection: &Connection,
    name: &str,
    checkpoint: &Checkpoint,
    run: u64,
    at: Micros,
) -> Attempt<Vec<String>> {
    let json = state::written("checkpoint", checkpoint)?;
    Ok(replace(connection, "checkpoint", "checkpoint", (name, &json), run, at))
}

/// Statements that write the one row of a stream, with a text in one of its columns.
pub(super) fn replace(
    connection: &Connection,
    table: &str,
    column: &str,
    (name, json): (&str, &str),
    run: u64,
    at: Micros,
) -> Vec<String> {
    let (table, name) = (connection.state(table), literal(name));
    vec![
        format!("DELETE FROM {table} WHERE stream = {name}"),
        format!(
            "INSERT INTO {table} (stream, {column}, run, updated_at) VALUES ({name}, {}, {}, {})",
            literal(json),
            signed(run),
            BIGQUERY.time(at)
        ),
    ]
}

/// Statements that keep the record of a finished run; of two with one number, the later.
pub(super) fn record(connection: &Connection, run: &RunRecord) -> Vec<String> {
    let number = signed(run.run);
    let mut statements: Vec<String> = ["run", "run_table"]
        .map(|table| format!("DELETE FROM {} WHERE run = {number}", connection.state(table)))
        .into();
    statements.push(format!(
        "INSERT INTO {} (run, started_at, finished_at, outcome, requests) VALUES ({number}, {}, {}, {}, {})",
        connection.state("run"),
        BIGQUERY.time(run.started_at),
        BIGQUERY.time(run.finished_at),
        literal(&run.outcome),
        signed(run.requests)
    ));
    if !run.tables.is_empty() {
        let rows: Vec<String> = run.tables.iter().map(|table| record_of(number, table)).collect();
        statements.push(format!(
            "INSERT INTO {} (run, `table`, outcome, message, inserted, updated, deleted, unchanged, quarantined, requests, drifted, limited, \
             seconds, waited, began) \
             VALUES {}",
            connection.state("run_table"),
            rows.join(", ")
        ));
    }
    statements
}

fn record_of(run: i64, table: &TableRecord) -> String {
    let counts = [
        table.inserted,
        table.updated,
        table.deleted,
        table.unchanged,
        table.quarantined,
        table.requests,
        table.drifted,
        table.limited,
    ];
    let counts: Vec<String> = counts.into_iter().map(|count| signed(count).to_string()).collect();
    let times = [table.seconds, table.waited, table.began].map(|time| format!("CAST({time:?} AS FLOAT64)"));
    format!(
        "({run}, {}, {}, {}, {}, {})",
        literal(&table.table),
        literal(&table.outcome),
        maybe_literal(table.message.as_deref()),
        counts.join(", "),
        times.join(", ")
    )
}

pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
