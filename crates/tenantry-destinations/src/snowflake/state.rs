//! What runs leave for later ones, in the schema `_TENANTRY`: checkpoints, runs, gaps, quarantined records.
//!
//! Writes only inside the caller's transaction, so that a checkpoint never parts from its rows.

use tenantry_replication::clock::Micros;
use tenantry_replication::destination::Commit;
use tenantry_replication::state::{Quarantine, RunRecord, State};

use super::connection::{Attempt, Connection};
use super::park;
use super::types::{SNOWFLAKE, quoted};
use crate::sql::Dialect as _;
use crate::sql::layout::PARKED;
use crate::sql::server::{Connection as _, held, state};

/// Texts that one statement takes.
const TEXTS_MAX: usize = 1000;

/// Refuses tables that a newer version of this tool wrote.
pub(super) async fn check_layout(connection: &Connection) -> Attempt<()> {
    if !connection.has_state_table("meta").await? {
        return Ok(());
    }
    state::check_layout(connection, "database").await
}

/// Notes whose tables these are; gives the tenant that they belong to if it is another one.
pub(super) async fn claim(connection: &Connection, tenant: &str) -> Attempt<Option<String>> {
    let sql = format!("UPDATE {} SET \"TENANT\" = ? WHERE \"TENANT\" IS NULL", connection.state("meta"));
    connection.change(&sql, &[Some(tenant.to_owned())]).await?;
    state::other_tenant(connection, tenant).await
}

/// What earlier runs left; nothing for a database without our schema.
pub(super) async fn read(connection: &Connection) -> Attempt<State> {
    if !connection.has_state_table("meta").await? {
        return Ok(State::default());
    }
    state::read(connection, connection.has_state_table(PARKED).await?).await
}

/// A value of a row that is written: a text, which travels as a parameter, or SQL of our own.
enum Cell {
    Text(Option<String>),
    Sql(String),
}

fn of_text(text: &str) -> Cell {
    Cell::Text(Some(held(text).into_owned()))
}

fn of_number(number: u64) -> Cell {
    Cell::Sql(number.to_string())
}

/// Writes rows, as many at a time as a statement takes.
async fn insert(connection: &Connection, table: &str, columns: &[&str], rows: Vec<Vec<Cell>>) -> Attempt<()> {
    let listed: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let (mut values, mut texts) = (Vec::new(), Vec::new());
        for row in rows.by_ref().take(TEXTS_MAX / columns.len().max(1)) {
            let cells = row.into_iter().map(|cell| match cell {
                Cell::Text(None) => "NULL".to_owned(),
                Cell::Text(text) => {
                    texts.push(text);
                    "?".to_owned()
                }
                Cell::Sql(sql) => sql,
            });
            values.push(format!("({})", cells.collect::<Vec<_>>().join(", ")));
        }
        let sql = format!(
            "INSERT INTO {} ({}) VALUES {}",
            connection.state(table),
            listed.join(", "),
            values.join(", ")
        );
        connection.change(&sql, &texts).await?;
    }
    Ok(())
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
    let table = connection.state("quarantine");
    for some in rows.chunks(TEXTS_MAX / 3) {
        let same = vec!["(\"TABLE\" = ? AND \"KEY\" = ? AND \"REASON\" = ?)"; some.len()].join(" OR ");
        let texts: Vec<Option<String>> = some
            .iter()
            .flat_map(|one| [one.table, &one.key, &one.reason].map(|text| Some(held(text).into_owned())))
            .collect();
        connection.change(&format!("DELETE FROM {table} WHERE {same}"), &texts).await?;
    }
    let time = SNOWFLAKE.time(at);
    let row = |one: &Quarantine| {
        vec![
            of_text(one.table),
            of_text(&one.key),
            of_text(&one.reason),
            of_text(&one.record),
            of_number(run),
            Cell::Sql(time.clone()),
        ]
    };
    let columns = ["table", "key", "reason", "record", "run", "recorded_at"];
    insert(connection, "quarantine", &columns, rows.into_iter().map(row).collect()).await
}

/// Writes checkpoint, gaps and quarantined records of a commit, and forgets what was parked of the stream.
pub(super) async fn write(connection: &Connection, commit: &Commit, parked: &park::Kept) -> Attempt<()> {
    if let Some((name, checkpoint)) = &commit.checkpoint {
        state::write_checkpoint(connection, name, checkpoint, commit.run, commit.synced_at).await?;
    }
    let time = SNOWFLAKE.time(commit.synced_at);
    let row = |gap: &tenantry_replication::source::Gap| {
        vec![
            of_text(commit.stream.name),
            of_text(&gap.from),
            of_text(&gap.to),
            of_text(&gap.reason),
            of_number(commit.run),
            Cell::Sql(time.clone()),
        ]
    };
    let columns = ["stream", "from", "to", "reason", "run", "recorded_at"];
    insert(connection, "gap", &columns, commit.gaps.iter().map(row).collect()).await?;
    write_quarantined(connection, &commit.quarantined, commit.run, commit.synced_at).await?;
    parked.forget(connection, commit.stream).await
}

/// Writes the one row of a stream, with a text in one of its columns.
pub(super) async fn replace(
    connection: &Connection,
    table: &str,
    column: &str,
    (name, json): (&str, &str),
    run: u64,
    at: Micros,
) -> Attempt<()> {
    let place = connection.state(table);
    connection.change(&format!("DELETE FROM {place} WHERE \"STREAM\" = ?"), &[Some(name.to_owned())]).await?;
    let row = vec![of_text(name), of_text(json), of_number(run), Cell::Sql(SNOWFLAKE.time(at))];
    insert(connection, table, &["stream", column, "run", "updated_at"], vec![row]).await
}

/// Keeps the record of a finished run; of two with one number, the later.
pub(super) async fn record(connection: &Connection, run: &RunRecord) -> Attempt<()> {
    for table in ["run", "run_table"] {
        let place = connection.state(table);
        connection.run(&format!("DELETE FROM {place} WHERE \"RUN\" = {}", run.run)).await?;
    }
    let row = vec![
        of_number(run.run),
        Cell::Sql(SNOWFLAKE.time(run.started_at)),
        Cell::Sql(SNOWFLAKE.time(run.finished_at)),
        of_text(&run.outcome),
        of_number(run.requests),
    ];
    let columns = ["run", "started_at", "finished_at", "outcome", "requests"];
    insert(connection, "run", &columns, vec![row]).await?;
    let rows = run.tables.iter().map(|table| {
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
        let mut row = vec![
            of_number(run.run),
            of_text(&table.table),
            of_text(&table.outcome),
            Cell::Text(table.message.as_deref().map(|message| held(message).into_owned())),
        ];
        row.extend(counts.map(of_number));
        let times = [table.seconds, table.waited, table.began];
        row.extend(times.map(|seconds| Cell::Sql(format!("{seconds:?}::FLOAT"))));
        row
    });
    let columns = [
        "run",
        "table",
        "outcome",
        "message",
        "inserted",
        "updated",
        "deleted",
        "unchanged",
        "quarantined",
        "requests",
        "drifted",
        "limited",
        "seconds",
        "waited",
        "began",
    ];
    insert(connection, "run_table", &columns, rows.collect()).await
}
