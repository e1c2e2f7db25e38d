//! What runs leave for later ones, in the schema `_tenantry` of the same file: checkpoints, runs, gaps, quarantined records.
//!
//! Writes only inside the caller's transaction, so that a checkpoint never parts from its rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use tenantry_replication::catalog::Text;
use tenantry_replication::destination::Commit;
use tenantry_replication::error::DestinationErrorKind;
use tenantry_replication::state::{Checkpoint, Quarantine, RunRecord, State};

use super::connection::{Attempt, Connection, Failure, Place, literal};
use super::schema::{Wanted, WantedColumn, say};
use super::{DATABASE, lease, park};
use crate::Language;
use crate::sql::layout::{Kind, LAYOUT, StateTable};

/// A state table as it should be.
pub(super) fn wanted(place: Place, table: &StateTable, language: Language) -> Wanted {
    let column = |(name, kind, about): &(&'static str, Kind, Text)| WantedColumn {
        name,
        sql_type: match kind {
            Kind::Text => "VARCHAR",
            Kind::Integer => "BIGINT",
            Kind::Float => "DOUBLE",
            Kind::Time => "TIMESTAMP",
        },
        about: say(language, *about),
    };
    Wanted { place, about: say(language, table.about), columns: table.columns.iter().map(column).collect() }
}

/// Whether the file has this state table.
pub(super) fn exists(connection: &mut Connection, table: &str) -> Attempt<bool> {
    let sql = format!(
        "SELECT count(*) FROM duckdb_tables() \
         WHERE database_name = '{DATABASE}' AND schema_name = {} AND table_name = '{table}'",
        literal(connection.state_schema())
    );
    Ok(connection.numbers::<1>(&sql)? == [1])
}

/// Whether a state table has this column: a file that is only read may be older than it.
pub(super) fn has_column(connection: &mut Connection, table: &str, column: &str) -> Attempt<bool> {
    let sql = format!(
        "SELECT count(*) FROM duckdb_columns() WHERE database_name = '{DATABASE}' AND schema_name = {} \
         AND table_name = '{table}' AND column_name = '{column}'",
        literal(connection.state_schema())
    );
    Ok(connection.numbers::<1>(&sql)? == [1])
}

/// Refuses a file that a newer version of this tool wrote.
pub(super) fn check_layout(connection: &mut Connection) -> Attempt<()> {
    if !exists(connection, "meta")? {
        return Ok(());
    }
    let [layout] = connection.numbers(&format!("SELECT max(layout) FROM {}", connection.state("meta")))?;
    if layout > LAYOUT {
        let message = format!(
            "it was written by a newer version of this tool (layout {layout}, known up to {LAYOUT}): upgrade, or use another file"
        );
        return Err(Failure::new(DestinationErrorKind::Newer, message));
    }
    Ok(())
}

/// Writes down the layout once the tables are there.
pub(super) fn note_layout(connection: &mut Connection) -> Attempt<()> {
    let meta = connection.state("meta");
    if connection.numbers(&format!("SELECT count(*) FROM {meta}"))? == [0] {
        connection.run(&format!("INSERT INTO {meta} (layout) VALUES ({LAYOUT})"))?;
    }
    Ok(())
}

/// Notes whose tables these are; gives the tenant that they belong to if it is another one.
pub(super) fn claim(connection: &mut Connection, tenant: &str) -> Attempt<Option<String>> {
    let meta = connection.state("meta");
    let held = connection.texts(&format!("SELECT tenant FROM {meta}"))?;
    if let Some(held) = held.into_iter().flatten().next().flatten() {
        return Ok((held != tenant).then_some(held));
    }
    connection.run_with(&format!("UPDATE {meta} SET tenant = ?"), vec![texts([tenant].into_iter())])?;
    Ok(None)
}

/// What earlier runs left; nothing for a file without our schema.
pub(super) fn read(connection: &mut Connection) -> Attempt<State> {
    if !exists(connection, "meta")? {
        return Ok(State::default());
    }
    let (mut checkpoints, mut checkpoint_runs) = (BTreeMap::new(), BTreeMap::new());
    let sql =
        format!("SELECT stream, checkpoint, CAST(run AS VARCHAR) FROM {}", connection.state("checkpoint"));
    for row in connection.texts(&sql)? {
        let [Some(stream), Some(json), run] = row.as_slice() else { continue };
        let run = run.as_deref().and_then(|run| run.parse().ok()).unwrap_or(0);
        checkpoint_runs.insert(stream.clone(), run);
        let checkpoint: Checkpoint = serde_json::from_str(json).map_err(|error| {
            let message = format!("the checkpoint of stream {stream} cannot be read: {error}");
            Failure::new(DestinationErrorKind::Newer, message)
        })?;
        checkpoints.insert(stream.clone(), checkpoint);
    }
    let [last_run] = connection.numbers(&format!("SELECT max(run) FROM {}", connection.state("run")))?;
    let (parked, last_run) = (park::reads(connection)?, u64::try_from(last_run).unwrap_or(0));
    Ok(State { checkpoints, checkpoint_runs, parked, last_run })
}

/// Stages quarantined records, before the transaction that writes them.
pub(super) fn stage_quarantined(
    connection: &mut Connection,
    staged: &Place,
    records: &[Quarantine],
    run: u64,
    recorded_at: i64,
) -> Attempt<()> {
    let column = |value: fn(&Quarantine) -> &str| texts(records.iter().map(value));
    let rows = batch(vec![
        ("table", column(|record| record.table)),
        ("key", column(|record| &record.key)),
        ("reason", column(|record| &record.reason)),
        ("record", column(|record| &record.record)),
        ("run", repeated(run, records.len())),
        ("recorded_at", at(recorded_at, records.len())),
    ])?;
    connection.run(&format!("CREATE OR REPLACE TABLE {staged} ({QUARANTINE_COLUMNS})"))?;
    connection.ingest(staged, vec![rows])
}

/// Columns of staged quarantined records as DDL.
const QUARANTINE_COLUMNS: &str =
    "\"table\" VARCHAR, key VARCHAR, reason VARCHAR, record VARCHAR, run BIGINT, recorded_at TIMESTAMP";

/// Writes staged quarantined records; of those that are there already only the last is kept.
pub(super) fn write_quarantined(connection: &mut Connection, staged: &Place) -> Attempt<()> {
    let table = connection.state("quarantine");
    let same = "q.\"table\" = s.\"table\" AND q.key = s.key AND q.reason = s.reason";
    connection.run(&format!("DELETE FROM {table} q USING {staged} s WHERE {same}"))?;
    connection.run(&format!(
        "INSERT INTO {table} (\"table\", key, reason, record, run, recorded_at) \
         SELECT \"table\", key, reason, last(record ORDER BY rowid), max(run), max(recorded_at) FROM {staged} \
         GROUP BY \"table\", key, reason ORDER BY min(rowid)"
    ))?;
    Ok(())
}

/// Writes checkpoint, gaps and quarantined records (as staged, if there are any) of a commit, and forgets what was parked of the stream.
pub(super) fn write(
    connection: &mut Connection,
    commit: &Commit,
    quarantined: Option<&Place>,
) -> Attempt<()> {
    if let Some((name, checkpoint)) = &commit.checkpoint {
        write_checkpoint(connection, name, checkpoint, commit.run, commit.synced_at)?;
    }
    if !commit.gaps.is_empty() {
        let gaps = &commit.gaps;
        let rows = batch(vec![
            ("stream", texts(gaps.iter().map(|_| commit.stream.name))),
            ("from", texts(gaps.iter().map(|gap| gap.from.as_str()))),
            ("to", texts(gaps.iter().map(|gap| gap.to.as_str()))),
            ("reason", texts(gaps.iter().map(|gap| gap.reason.as_str()))),
            ("run", repeated(commit.run, gaps.len())),
            ("recorded_at", at(commit.synced_at, gaps.len())),
        ])?;
        connection.ingest(&connection.state("gap"), vec![rows])?;
    }
    quarantined.map_or(Ok(()), |staged| write_quarantined(connection, staged))?;
    park::forget(connection, commit.stream)
}

/// Writes one checkpoint in place of an older one.
pub(super) fn write_checkpoint(
    connection: &mut Connection,
    name: &str,
    checkpoint: &Checkpoint,
    run: u64,
    synced_at: i64,
) -> Attempt<()> {
    let json = serde_json::to_string(checkpoint).map_err(|error| {
        Failure::new(DestinationErrorKind::Failed, format!("the checkpoint cannot be written: {error}"))
    })?;
    let table = connection.state("checkpoint");
    let stream = || texts([name].into_iter());
    connection.run_with(&format!("DELETE FROM {table} WHERE stream = ?"), vec![stream()])?;
    connection.run_with(
        &format!("INSERT INTO {table} (stream, checkpoint, run, updated_at) VALUES (?, ?, ?, ?)"),
        vec![stream(), texts([json.as_str()].into_iter()), repeated(run, 1), at(synced_at, 1)],
    )?;
    Ok(())
}

/// Keeps the record of a finished run; of two with one number, the later.
pub(super) fn record(connection: &mut Connection, run: &RunRecord, fence: Option<u64>) -> Attempt<()> {
    let count = |value: fn(&tenantry_replication::state::TableRecord) -> u64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(run.tables.iter().map(|table| signed(value(table)))))
    };
    let seconds = |value: fn(&tenantry_replication::state::TableRecord) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(run.tables.iter().map(value)))
    };
    let tables = batch(vec![
        ("run", repeated(run.run, run.tables.len())),
        ("table", texts(run.tables.iter().map(|table| table.table.as_str()))),
        ("outcome", texts(run.tables.iter().map(|table| table.outcome.as_str()))),
        (
            "message",
            Arc::new(run.tables.iter().map(|table| table.message.as_deref()).collect::<StringArray>()),
        ),
        ("inserted", count(|table| table.inserted)),
        ("updated", count(|table| table.updated)),
        ("deleted", count(|table| table.deleted)),
        ("unchanged", count(|table| table.unchanged)),
        ("quarantined", count(|table| table.quarantined)),
        ("requests", count(|table| table.requests)),
        ("seconds", seconds(|table| table.seconds)),
        ("drifted", count(|table| table.drifted)),
        ("limited", count(|table| table.limited)),
        ("waited", seconds(|table| table.waited)),
        ("began", seconds(|table| table.began)),
    ])?;
    let runs = batch(vec![
        ("run", repeated(run.run, 1)),
        ("started_at", at(run.started_at, 1)),
        ("finished_at", at(run.finished_at, 1)),
        ("outcome", texts([run.outcome.as_str()].into_iter())),
        ("requests", repeated(run.requests, 1)),
    ])?;
    connection.transaction(|connection| {
        lease::check(connection, fence)?;
        for (name, rows) in [("run", runs), ("run_table", tables)] {
            connection.run(&format!("DELETE FROM {} WHERE run = {}", connection.state(name), run.run))?;
            if rows.num_rows() > 0 {
                connection.ingest(&connection.state(name), vec![rows])?;
            }
        }
        Ok(())
    })
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> Attempt<RecordBatch> {
    let columns = columns.into_iter().map(|(name, column)| (name, column, true));
    Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
}

pub(super) fn texts<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

pub(super) fn repeated(value: u64, count: usize) -> ArrayRef {
    Arc::new(Int64Array::from(vec![signed(value); count]))
}

pub(super) fn at(micros: i64, count: usize) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(vec![micros; count]))
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
