//! The lease, as one row in the file. Between two syncs of a process nobody has the file open: then this alone keeps others from writing.
//!
//! Decides nothing: [`Claim::settle`] does.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};
use tenantry_replication::destination::{Claim, Holder, Lease, check_lease};
use tenantry_replication::error::{DestinationError, DestinationErrorKind};

use super::connection::{Attempt, Connection, Failure};
use super::{Names, schema, state};
use crate::sql::layout::LEASE;

/// The last lease that was given.
pub(super) fn read(connection: &mut Connection) -> Attempt<Option<Lease>> {
    if !state::exists(connection, LEASE)? {
        return Ok(None);
    }
    let row = connection.texts(&format!(
        "SELECT CAST(token AS VARCHAR), holder, place, CAST(process AS VARCHAR), CAST(epoch_us(until) AS VARCHAR) FROM {} \
         ORDER BY token DESC LIMIT 1",
        state::place(LEASE)
    ))?;
    row.into_iter().next().map(lease).transpose()
}

fn lease(row: Vec<Option<String>>) -> Attempt<Lease> {
    let unreadable = || Failure::new(DestinationErrorKind::Newer, "the lease cannot be read");
    let [token, name, place, process, until] = <[_; 5]>::try_from(row).map_err(|_| unreadable())?;
    let number = |text: Option<String>| text.and_then(|text| text.parse().ok());
    let token = number(token).ok_or_else(unreadable)?;
    let process = number(process).and_then(|process| u32::try_from(process).ok()).unwrap_or(0);
    let holder = Holder { name: name.unwrap_or_default(), place, process };
    Ok(Lease { token, holder, until: number(until).and_then(|until| i64::try_from(until).ok()) })
}

/// Gives a lease, or refuses.
pub(super) fn hold(connection: &mut Connection, names: &Names, claim: Claim) -> Attempt<Lease> {
    connection.transaction(|connection| {
        schema::ensure_state_table(connection, names, LEASE)?;
        let last = read(connection)?;
        let given = claim.settle(last).map_err(failure)?;
        let table = state::place(LEASE);
        connection.run(&format!("DELETE FROM {table}"))?;
        connection.run_with(
            &format!("INSERT INTO {table} (token, holder, place, process, until) VALUES (?, ?, ?, ?, ?)"),
            vec![
                number(given.token),
                Arc::new(StringArray::from(vec![given.holder.name.as_str()])),
                Arc::new(StringArray::from(vec![given.holder.place.as_deref()])),
                number(u64::from(given.holder.process)),
                Arc::new(TimestampMicrosecondArray::from(vec![given.until])),
            ],
        )?;
        Ok(given)
    })
}

/// Gives a lease back if it is the last one.
pub(super) fn release(connection: &mut Connection, token: u64) -> Attempt<()> {
    if state::exists(connection, LEASE)? {
        let sql = format!("UPDATE {} SET until = NULL WHERE token = ?", state::place(LEASE));
        connection.run_with(&sql, vec![number(token)])?;
    }
    Ok(())
}

/// Refuses to go on in a transaction where another lease was given since. Without a lease of its own a process is not kept from writing.
pub(super) fn check(connection: &mut Connection, token: Option<u64>) -> Attempt<()> {
    let Some(token) = token else { return Ok(()) };
    check_lease(token, read(connection)?.as_ref()).map_err(failure)
}

fn failure(error: DestinationError) -> Failure {
    Failure::new(error.kind, error.message)
}

fn number(number: u64) -> ArrayRef {
    Arc::new(Int64Array::from(vec![i64::try_from(number).unwrap_or(i64::MAX)]))
}
