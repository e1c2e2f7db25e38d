//! The lease, as one row of the state schema. Kept in a session of its own, so that it can be prolonged while a long publish is under way.
//!
//! Decides nothing: [`Claim::settle`] does.

use tenantry_replication::destination::{Claim, Holder, Lease, Value};
use tenantry_replication::error::DestinationErrorKind;

use super::connection::{Attempt, Connection, Failure, number, text};
use super::types::SNOWFLAKE;
use super::{Names, schema};
use crate::sql::Dialect as _;
use crate::sql::layout::LEASE;
use crate::sql::server::{Connection as _, Transactions as _};

/// The last lease that was given.
pub(super) async fn read(connection: &Connection) -> Attempt<Option<Lease>> {
    if connection.has_state_table(LEASE).await? { of_row(connection).await } else { Ok(None) }
}

async fn of_row(connection: &Connection) -> Attempt<Option<Lease>> {
    let table = connection.state(LEASE);
    let sql = format!("SELECT \"TOKEN\", \"HOLDER\", \"PLACE\", \"PROCESS\", \"UNTIL\" FROM {table}");
    let Some(row) = connection.rows(&sql).await?.into_iter().next() else { return Ok(None) };
    let token = u64::try_from(number(row.first()))
        .map_err(|_| Failure::new(DestinationErrorKind::Newer, "the lease cannot be read"))?;
    if token == 0 {
        // The row is there from the beginning, for those who ask at once to wait for.
        return Ok(None);
    }
    let holder = Holder {
        name: text(row.get(1)).unwrap_or_default(),
        place: text(row.get(2)),
        process: u32::try_from(number(row.get(3))).unwrap_or(0),
    };
    let until = match row.get(4) {
        Some(Value::Timestamp(until)) => Some(*until),
        _ => None,
    };
    Ok(Some(Lease { token, holder, until }))
}

/// Gives a lease, or refuses.
pub(super) async fn hold(connection: &Connection, names: &Names, claim: Claim) -> Attempt<Lease> {
    schema::ensure_lease(connection, names).await?;
    connection.run("BEGIN TRANSACTION").await?;
    let given = give(connection, claim).await;
    match given {
        Ok(given) => connection.run("COMMIT").await.map(|()| given),
        Err(failure) => {
            // Where that fails, the session is given up.
            if connection.run("ROLLBACK").await.is_err() {
                connection.close().await;
            }
            Err(failure)
        }
    }
}

async fn give(connection: &Connection, claim: Claim) -> Attempt<Lease> {
    let table = connection.state(LEASE);
    // Keeps two that ask at once apart.
    connection.run(&format!("UPDATE {table} SET \"TOKEN\" = \"TOKEN\"")).await?;
    let given = claim.settle(of_row(connection).await?)?;
    let until = given.until.map_or("NULL".to_owned(), |until| SNOWFLAKE.time(until));
    let sql = format!(
        "UPDATE {table} SET \"TOKEN\" = {}, \"HOLDER\" = ?, \"PLACE\" = ?, \"PROCESS\" = {}, \"UNTIL\" = {until}",
        given.token, given.holder.process
    );
    connection.change(&sql, &[Some(given.holder.name.clone()), given.holder.place.clone()]).await?;
    Ok(given)
}

/// Gives a lease back if it is the last one.
pub(super) async fn release(connection: &Connection, token: u64) -> Attempt<()> {
    if connection.has_state_table(LEASE).await? {
        let table = connection.state(LEASE);
        connection.run(&format!("UPDATE {table} SET \"UNTIL\" = NULL WHERE \"TOKEN\" = {token}")).await?;
    }
    Ok(())
}

/// The last lease that was given. Nobody is given another one until this transaction is over: the row is written, which others wait for.
pub(super) async fn pinned(connection: &Connection) -> Attempt<Option<Lease>> {
    let table = connection.state(LEASE);
    connection.run(&format!("UPDATE {table} SET \"TOKEN\" = \"TOKEN\"")).await?;
    of_row(connection).await
}
