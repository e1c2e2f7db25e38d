//! Writing transactions: one script each, and what became of one whose answer was lost.
//!
//! Every writing transaction begins by giving the row of the state's table `commit` a new name. So two of them cannot both go through at
//! once, and who lost an answer finds there whether it took place. Nothing is ever sent twice: the job has a name of ours, too.

use std::time::Duration;

use tenantry_replication::destination::{Lease, check_lease};
use tenantry_replication::error::DestinationErrorKind;

use super::client::{Attempt, Failure, pause};
use super::connection::Connection;
use super::job::{Rows, new_id};
use super::lease;
use super::types::literal;
use crate::sql::layout::{COMMIT, LEASE};
use crate::sql::server::Connection as _;

/// How often a transaction is tried that another one got in the way of.
const ATTEMPTS_MAX: u32 = 5;
/// How often the service is asked what became of a transaction.
const QUESTIONS_MAX: u32 = 20;
/// Pause between two of these.
const PAUSE: Duration = Duration::from_secs(1);
/// What our own scripts say where the lease is another's.
const HELD: &str = "tenantry: held";

/// Runs statements as one transaction, under the lease `fence`: all of it happened, or nothing did. `afterwards` are statements that
/// tidy up once it is through, and whose failure is of no account.
pub(super) async fn commit(
    connection: &Connection,
    fence: Option<u64>,
    statements: &[String],
    afterwards: &[String],
) -> Attempt<()> {
    let mut attempt = 1;
    loop {
        let id = new_id();
        let sql = script(connection, &id, fence, statements, afterwards);
        let Err(failure) = follow(connection, &id, &sql).await else { return Ok(()) };
        if failure.message.contains(HELD) {
            check(fence, lease::read(connection).await?.as_ref())?;
        }
        // Another transaction was under way, and this one was undone for it.
        if failure.kind != DestinationErrorKind::Locked || attempt == ATTEMPTS_MAX {
            return Err(failure);
        }
        attempt += 1;
        pause(PAUSE * attempt).await;
    }
}

/// Runs one transaction and tells whether it took place: what was lost on the way is found out.
async fn follow(connection: &Connection, id: &str, sql: &str) -> Attempt<()> {
    let mut asked = 0;
    loop {
        let ended = match connection.begin(id, sql).await {
            // What the service refuses to begin it does not do.
            Err(failure) if failure.is_refusal() => return Err(failure),
            Ok(job) => connection.finish(id, job).await.map(|_| ()),
            Err(failure) => Err(failure),
        };
        let lost = match ended {
            Ok(()) => return Ok(()),
            // The job is over. What failed may have come after the transaction.
            Err(failure) if failure.is_of_job() => match last_commit(connection).await {
                Ok(last) if last.as_deref() == Some(id) => return Ok(()),
                Ok(_) => return Err(failure),
                Err(lost) => lost,
            },
            Err(lost) => lost,
        };
        if asked == QUESTIONS_MAX {
            return Err(Failure::new(
                DestinationErrorKind::Unavailable,
                format!(
                    "the service cannot be asked what became of a transaction ({}): the next run goes on from whichever it was",
                    lost.message
                ),
            ));
        }
        asked += 1;
        pause(PAUSE).await;
    }
}

fn script(
    connection: &Connection,
    id: &str,
    fence: Option<u64>,
    statements: &[String],
    afterwards: &[String],
) -> String {
    let commit = connection.state(COMMIT.name);
    let mut lines = vec![
        "BEGIN TRANSACTION".to_owned(),
        format!("UPDATE {commit} SET id = {} WHERE true", literal(id)),
        format!(
            "SELECT IF((SELECT COUNT(*) FROM {commit}) = 1, 1, ERROR('tenantry: the row of {} is lost; a sync makes it anew'))",
            COMMIT.name
        ),
    ];
    if let Some(token) = fence {
        let lease = connection.state(LEASE);
        // Whoever wants the lease waits until this is over; whoever got it before makes this fail.
        lines.push(format!("UPDATE {lease} SET token = token WHERE true"));
        lines.push(format!("SELECT IF((SELECT MAX(token) FROM {lease}) = {token}, 1, ERROR('{HELD}'))"));
    }
    lines.extend(statements.iter().cloned());
    lines.push("COMMIT TRANSACTION".to_owned());
    lines.extend(afterwards.iter().cloned());
    let mut script = lines.join(";\n");
    script.push(';');
    script
}

/// Name of the last transaction.
async fn last_commit(connection: &Connection) -> Attempt<Option<String>> {
    let answer = connection.rows(&format!("SELECT id FROM {}", connection.state(COMMIT.name))).await?;
    Ok(answer.rows.first().and_then(|row| Rows::text(row, 0)))
}

/// Refuses to go on where another lease was given since. Without a lease of its own a process is not kept from writing.
pub(super) fn check(fence: Option<u64>, last: Option<&Lease>) -> Attempt<()> {
    match fence {
        Some(token) => Ok(check_lease(token, last)?),
        None => Ok(()),
    }
}
