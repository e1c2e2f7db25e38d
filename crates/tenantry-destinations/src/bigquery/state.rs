//! What runs leave for later ones, in the state dataset: checkpoints, runs, gaps, quarantined records.
//!
//! Gives statements for the caller's transaction, so that a checkpoint never parts from its rows.

use std::collections::BTreeMap;

use tenantry_replication::clock::Micros;
use tenantry_replication::destination::Commit;
use tenantry_replication::error::DestinationErrorKind;
use tenantry_replication::source::Gap;
use tenantry_replication::state::{Checkpoint, Quarantine, RunRecord, State, TableRecord};

use super::client::{Attempt, Client, Failure};
use super::job::Rows;
use super::stage::Stage;
use super::types::{BIGQUERY, held, literal, maybe_literal};
use super::{Names, park, schema};
use crate::sql::layout::{LAYOUT, PARKED};
use crate::sql::{Dialect as _, Keys};

/// Whether a run has filled it.
pub(super) async fn exists(client: &Client, names: &Names) -> Attempt<bool> {
    match client.get(&schema::path(&names.state_dataset, "meta")).await {
        Err(failure) if failure.is_not_found() => Ok(false),
        found => found.map(|_| true),
    }
}

/// Refuses tables that a newer version of this tool wrote.
pub(super) async fn check_layout(client: &Client, names: &Names) -> Attempt<()> {
    if !exists(client, names).await? {
        return Ok(());
    }
    let answer = client.rows(names, &format!("SELECT MAX(layout) FROM {}", names.state("meta"))).await?;
    let layout = answer.rows.first().map_or(Ok(0), |row| Rows::number(row, 0))?;
    if layout > LAYOUT {
        let message = format!(
            "it was written by a newer version of this tool (layout {layout}, known up to {LAYOUT}): upgrade, or use another dataset"
        );
        return Err(Failure::new(DestinationErrorKind::Newer, message));
    }
    Ok(())
}

/// Notes whose tables these are; gives the tenant that they belong to if it is another one.
pub(super) async fn claim(client: &Client, names: &Names, tenant: &str) -> Attempt<Option<String>> {
    let meta = names.state("meta");
    client
        .run(names, &format!("UPDATE {meta} SET tenant = {} WHERE tenant IS NULL", literal(tenant)))
        .await?;
    other_tenant(client, names, tenant).await
}

/// The tenant that the tables belong to if it is another one.
pub(super) async fn other_tenant(client: &Client, names: &Names, tenant: &str) -> Attempt<Option<String>> {
    let answer = client.rows(names, &format!("SELECT tenant FROM {}", names.state("meta"))).await?;
    let known = answer.rows.first().and_then(|row| Rows::text(row, 0));
    Ok(known.filter(|known| known != tenant))
}

/// What earlier runs left; nothing where no run has been.
pub(super) async fn read(client: &Client, names: &Names) -> Attempt<State> {
    if !exists(client, names).await? {
        return Ok(State::default());
    }
    let sql = format!(
        "SELECT 'checkpoint' AS what, stream, checkpoint AS content, run FROM {} \
         UNION ALL SELECT 'parked', stream, parked, run FROM {} \
         UNION ALL SELECT 'run', NULL, NULL, MAX(run) FROM {}",
        names.state("checkpoint"),
        names.state(PARKED),
        names.state("run"),
    );
    let mut state = State::default();
    for row in client.rows(names, &sql).await?.rows {
        let run = u64::try_from(Rows::number(&row, 3)?).unwrap_or(0);
        match (Rows::text(&row, 0).as_deref(), Rows::text(&row, 1), Rows::text(&row, 2)) {
            (Some("checkpoint"), Some(name), Some(json)) => {
                let checkpoint: Checkpoint =
                    serde_json::from_str(&json).map_err(|error| unreadable("checkpoint", &name, &error))?;
                state.checkpoint_runs.insert(name.clone(), run);
                state.checkpoints.insert(name, checkpoint);
            }
            (Some("parked"), Some(name), Some(json)) => {
                let parked =
                    serde_json::from_str(&json).map_err(|error| unreadable("parked read", &name, &error))?;
                state.parked.insert(name, parked);
            }
            (Some("run"), ..) => state.last_run = run,
            _ => {}
        }
    }
    Ok(state)
}

fn unreadable(what: &str, stream: &str, error: &serde_json::Error) -> Failure {
    let message = format!("the {what} of stream {stream} cannot be read: {error}");
    Failure::new(DestinationErrorKind::Newer, message)
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
        stage: &mut Stage,
        client: &Client,
        names: &Names,
        quarantined: &[Quarantine],
        gaps: &[Gap],
    ) -> Attempt<Self> {
        let mut told = Self::default();
        if !quarantined.is_empty() {
            let mut last = BTreeMap::new();
            for (turn, one) in quarantined.iter().enumerate() {
                let same = (one.table, held(&one.key), held(&one.reason));
                let first = last.get(&same).map_or(turn, |(first, _): &(usize, &Quarantine)| *first);
                last.insert(same, (first, one));
            }
            let mut rows: Vec<_> = last.into_values().collect();
            rows.sort_by_key(|(first, _)| *first);
            let rows = rows.into_iter().map(|(_, one)| {
                vec![one.table.to_owned(), one.key.clone(), one.reason.clone(), one.record.clone()]
            });
            told.quarantined = Some(stage.texts(client, names, 4, rows).await?);
        }
        if !gaps.is_empty() {
            let rows = gaps.iter().map(|gap| vec![gap.from.clone(), gap.to.clone(), gap.reason.clone()]);
            told.gaps = Some(stage.texts(client, names, 3, rows).await?);
        }
        Ok(told)
    }

    /// Statements that write them.
    pub(super) fn write(&self, names: &Names, stream: &str, run: u64, at: Micros) -> Vec<String> {
        let (run, at) = (signed(run), BIGQUERY.time(at));
        let mut statements = Vec::new();
        if let Some(gaps) = &self.gaps {
            statements.push(format!(
                "INSERT INTO {} (stream, `from`, `to`, reason, run, recorded_at) SELECT {}, k.k0, k.k1, k.k2, {run}, {at} FROM {} AS k",
                names.state("gap"),
                literal(stream),
                gaps.place
            ));
        }
        if let Some(quarantined) = &self.quarantined {
            let (table, place) = (names.state("quarantine"), &quarantined.place);
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
pub(super) fn write(names: &Names, commit: &Commit, told: &Told, is_parked: bool) -> Attempt<Vec<String>> {
    let mut statements = Vec::new();
    if let Some((name, checkpoint)) = &commit.checkpoint {
        statements.extend(write_checkpoint(names, name, checkpoint, commit.run, commit.synced_at)?);
    }
    statements.extend(told.write(names, commit.stream.name, commit.run, commit.synced_at));
    if is_parked {
        statements.extend(park::forget(names, commit.stream));
    }
    Ok(statements)
}

/// Statements that write one checkpoint in place of an older one.
pub(super) fn write_checkpoint(
    names: &Names,
    name: &str,
    checkpoint: &Checkpoint,
    run: u64,
    at: Micros,
) -> Attempt<Vec<String>> {
    let json = serde_json::to_string(checkpoint).map_err(|error| {
        Failure::new(DestinationErrorKind::Failed, format!("the checkpoint cannot be written: {error}"))
    })?;
    Ok(replace(names, "checkpoint", "checkpoint", (name, &json), run, at))
}

/// Statements that write the one row of a stream, with a text in one of its columns.
pub(super) fn replace(
    names: &Names,
    table: &str,
    column: &str,
    (name, json): (&str, &str),
    run: u64,
    at: Micros,
) -> Vec<String> {
    let (table, name) = (names.state(table), literal(name));
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
pub(super) fn record(names: &Names, run: &RunRecord) -> Vec<String> {
    let number = signed(run.run);
    let mut statements: Vec<String> = ["run", "run_table"]
        .map(|table| format!("DELETE FROM {} WHERE run = {number}", names.state(table)))
        .into();
    statements.push(format!(
        "INSERT INTO {} (run, started_at, finished_at, outcome, requests) VALUES ({number}, {}, {}, {}, {})",
        names.state("run"),
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
            names.state("run_table"),
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
