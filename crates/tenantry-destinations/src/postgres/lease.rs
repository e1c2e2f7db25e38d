//! The lease, as one row of the state schema. Kept on a connection of its own, so that it can be prolonged while a long publish is under way.
//!
//! Decides nothing: [`Claim::settle`] does.

use tenantry_replication::destination::{Claim, Holder, Lease};
use tenantry_replication::error::DestinationErrorKind;
use tokio_postgres::types::{ToSql, Type};

use super::connection::{Attempt, Connection, Failure};
use super::types::micros;
use super::{Names, schema, state};
use crate::sql::layout::LEASE;
use crate::sql::server::Connection as _;

/// The last lease that was given.
pub(super) async fn read(connection: &Connection) -> Attempt<Option<Lease>> {
    if !state::exists(connection, LEASE).await? {
        return Ok(None);
    }
    of_row(connection, "").await
}

async fn of_row(connection: &Connection, lock: &str) -> Attempt<Option<Lease>> {
    let sql = format!(
        "SELECT token, holder, place, process, {} FROM {} {lock}",
        micros("until"),
        connection.state(LEASE)
    );
    let Some(row) = connection.rows(&sql, &[]).await?.into_iter().next() else { return Ok(None) };
    let unreadable = || Failure::new(DestinationErrorKind::Newer, "the lease cannot be read");
    let token: i64 = row.try_get(0)?;
    let token = u64::try_from(token).map_err(|_| unreadable())?;
    let process = row.try_get::<_, Option<i64>>(3)?.and_then(|process| u32::try_from(process).ok());
    let holder = Holder {
        name: row.try_get::<_, Option<String>>(1)?.unwrap_or_default(),
        place: row.try_get(2)?,
        process: process.unwrap_or(0),
    };
    Ok(Some(Lease { token, holder, until: row.try_get(4)? }))
}

/// Gives a lease, or refuses.
pub(super) async fn hold(connection: &Connection, names: &Names, claim: Claim) -> Attempt<Lease> {
    connection.run("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE").await?;
    let given = give(connection, names, claim).await;
    match given {
        Ok(given) => connection.run("COMMIT").await.map(|()| given),
        Err(failure) => {
            // With the connection the transaction ends as well.
            let _ = connection.run("ROLLBACK").await;
            Err(failure)
        }
    }
}

async fn give(connection: &Connection, names: &Names, claim: Claim) -> Attempt<Lease> {
    // Keeps two that ask at once apart also before there is a row to wait for.
    schema::lock(connection).await?;
    schema::ensure_state_table(connection, names, LEASE).await?;
    let last = of_row(connection, "FOR UPDATE").await?;
    let is_first = last.is_none();
    let given = claim.settle(last)?;
    let sql = if is_first {
        format!(
            "INSERT INTO {} (token, holder, place, process, until) VALUES ($1, $2, $3, $4, timestamptz 'epoch' + $5 * interval '1 microsecond')",
            connection.state(LEASE)
        )
    } else {
        format!(
            "UPDATE {} SET token = $1, holder = $2, place = $3, process = $4, until = timestamptz 'epoch' + $5 * interval '1 microsecond'",
            connection.state(LEASE)
        )
    };
    let (token, process) = (number(given.token), i64::from(given.holder.process));
    let values: [(&(dyn ToSql + Sync), Type); 5] = [
        (&token, Type::INT8),
        (&given.holder.name, Type::TEXT),
        (&given.holder.place, Type::TEXT),
        (&process, Type::INT8),
        (&given.until, Type::INT8),
    ];
    connection.change(&sql, &values).await?;
    Ok(given)
}

/// Gives a lease back if it is the last one.
pub(super) async fn release(connection: &Connection, token: u64) -> Attempt<()> {
    if state::exists(connection, LEASE).await? {
        let sql = format!("UPDATE {} SET until = NULL WHERE token = $1", connection.state(LEASE));
        connection.change(&sql, &[(&number(token), Type::INT8)]).await?;
    }
    Ok(())
}

/// The last lease that was given. Nobody is given another one until this transaction is over.
pub(super) async fn pinned(connection: &Connection) -> Attempt<Option<Lease>> {
    of_row(connection, "FOR SHARE").await
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
