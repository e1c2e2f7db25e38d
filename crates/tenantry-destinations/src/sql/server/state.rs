//! What runs leave for later ones, as far as every server reads and writes it in the same way.

use std::collections::BTreeMap;

use tenantry_replication::catalog::{Stream, Type};
#[cfg(any(feature = "postgres", feature = "snowflake"))]
use tenantry_replication::clock::Micros;
use tenantry_replication::error::DestinationErrorKind;
use tenantry_replication::state::{Checkpoint, Quarantine, State};

use super::connection::{Connection, held};
use super::failure::{Attempt, Failure};
#[cfg(any(feature = "postgres", feature = "snowflake"))]
use super::session::Transactions;
use crate::sql::layout::{LAYOUT, PARKED};

/// Refuses tables that a newer version of this tool wrote. The table `meta` is there; `other` is what may be used in place of them.
pub(crate) async fn check_layout<C: Connection>(connection: &C, other: &str) -> Attempt<()> {
    let layout = connection.dialect().quoted("layout");
    let sql = format!("SELECT MAX({layout}) FROM {}", connection.state("meta"));
    let [layout] = connection.numbers(&sql).await?;
    if layout > LAYOUT {
        let message = format!(
            "it was written by a newer version of this tool (layout {layout}, known up to {LAYOUT}): upgrade, or use another {other}"
        );
        return Err(Failure::new(DestinationErrorKind::Newer, message));
    }
    Ok(())
}

/// The tenant that the tables belong to if it is another one.
pub(crate) async fn other_tenant<C: Connection>(connection: &C, tenant: &str) -> Attempt<Option<String>> {
    let sql = format!("SELECT {} FROM {}", connection.dialect().quoted("tenant"), connection.state("meta"));
    let known = connection.texts(&sql).await?;
    Ok(known.into_iter().flatten().flatten().find(|known| known != tenant))
}

/// What earlier runs left. The state tables are there; that of parked reads may be missing.
pub(crate) async fn read<C: Connection>(connection: &C, has_parked: bool) -> Attempt<State> {
    let dialect = connection.dialect();
    let (stream, run) = (dialect.quoted("stream"), dialect.quoted("run"));
    let of_stream = |what: &str| {
        format!(
            "SELECT '{what}' AS what, {stream} AS name, {} AS content, {} AS run FROM {}",
            dialect.quoted(what),
            dialect.text(&run, Type::Integer),
            connection.state(what)
        )
    };
    let mut queries = vec![of_stream("checkpoint")];
    if has_parked {
        queries.push(of_stream(PARKED));
    }
    queries.push(format!(
        "SELECT 'run', NULL, NULL, {} FROM {}",
        dialect.text(&format!("MAX({run})"), Type::Integer),
        connection.state("run")
    ));
    let mut state = State::default();
    for row in connection.texts(&queries.join(" UNION ALL ")).await? {
        let [what, name, content, run] = row.as_slice() else { continue };
        let run = run.as_deref().and_then(|run| run.parse::<u64>().ok()).unwrap_or(0);
        match (what.as_deref(), name, content) {
            (Some("run"), ..) => state.last_run = run,
            (Some(PARKED), Some(name), Some(json)) => {
                let parked =
                    serde_json::from_str(json).map_err(|error| unreadable("parked read", name, &error))?;
                state.parked.insert(name.clone(), parked);
            }
            (_, Some(name), Some(json)) => {
                let checkpoint =
                    serde_json::from_str(json).map_err(|error| unreadable("checkpoint", name, &error))?;
                state.checkpoint_runs.insert(name.clone(), run);
                state.checkpoints.insert(name.clone(), checkpoint);
            }
            _ => {}
        }
    }
    Ok(state)
}

fn unreadable(what: &str, stream: &str, error: &serde_json::Error) -> Failure {
    let message = format!("the {what} of stream {stream} cannot be read: {error}");
    Failure::new(DestinationErrorKind::Newer, message)
}

/// Whether a read of this stream is parked. The table of parked reads is there.
pub(crate) async fn is_parked<C: Connection>(connection: &C, stream: &Stream) -> Attempt<bool> {
    let (column, table) = (connection.dialect().quoted("stream"), connection.state(PARKED));
    // A name of our own, which needs no care.
    let [reads] = connection
        .numbers(&format!("SELECT COUNT(*) FROM {table} WHERE {column} = '{}'", stream.name))
        .await?;
    Ok(reads > 0)
}

/// Something of a stream's state as it is written down.
pub(crate) fn written<T: serde::Serialize>(what: &str, content: &T) -> Attempt<String> {
    serde_json::to_string(content).map_err(|error| {
        Failure::new(DestinationErrorKind::Failed, format!("the {what} cannot be written down: {error}"))
    })
}

/// Writes one checkpoint in place of an older one, in the caller's transaction.
#[cfg(any(feature = "postgres", feature = "snowflake"))]
pub(crate) async fn write_checkpoint<C: Transactions>(
    connection: &C,
    name: &str,
    checkpoint: &Checkpoint,
    run: u64,
    at: Micros,
) -> Attempt<()> {
    let json = written("checkpoint", checkpoint)?;
    connection.replace("checkpoint", "checkpoint", (name, &json), run, at).await
}

/// Quarantined records in the order in which they first came; of those of one table, key and reason only the last.
pub(crate) fn last_of_each(records: &[Quarantine]) -> Vec<&Quarantine> {
    let mut last = BTreeMap::new();
    for (turn, one) in records.iter().enumerate() {
        let same = (one.table, held(&one.key), held(&one.reason));
        let first = last.get(&same).map_or(turn, |(first, _): &(usize, &Quarantine)| *first);
        last.insert(same, (first, one));
    }
    let mut rows: Vec<_> = last.into_values().collect();
    rows.sort_by_key(|(first, _)| *first);
    rows.into_iter().map(|(_, one)| one).collect()
}
