//! The lease, as one row of the state dataset. Changed by single statements, each of which compares before it writes.
//!
//! Decides nothing: [`Claim::settle`] does.

use std::time::Duration;

use tenantry_replication::destination::{Claim, Holder, Lease};
use tenantry_replication::error::DestinationErrorKind;

use super::client::{Attempt, Failure, pause};
use super::connection::Connection;
use super::job::Rows;
use super::schema;
use super::types::{BIGQUERY, literal, maybe_literal};
use crate::sql::Dialect as _;
use crate::sql::layout::LEASE;
use crate::sql::server::Connection as _;

/// How often the lease is asked for while others get it in between.
const ATTEMPTS_MAX: u32 = 10;
/// Pause between two of these.
const PAUSE: Duration = Duration::from_millis(500);

/// The last lease that was given.
pub(super) async fn read(connection: &Connection) -> Attempt<Option<Lease>> {
    let sql = format!(
        "SELECT token, holder, place, process, `until` FROM {} ORDER BY token DESC LIMIT 1",
        connection.state(LEASE)
    );
    let Some(answer) = connection.if_there(LEASE, connection.rows(&sql).await).await? else {
        return Ok(None);
    };
    let Some(row) = answer.rows.first() else { return Ok(None) };
    let unreadable = || Failure::new(DestinationErrorKind::Newer, "the lease cannot be read");
    let token = u64::try_from(Rows::number(row, 0)?).map_err(|_| unreadable())?;
    if token == 0 {
        return Ok(None);
    }
    let holder = Holder {
        name: Rows::text(row, 1).unwrap_or_default(),
        place: Rows::text(row, 2),
        process: u32::try_from(Rows::number(row, 3)?).unwrap_or(0),
    };
    Ok(Some(Lease { token, holder, until: Rows::maybe_number(row, 4)? }))
}

/// Gives a lease, or refuses.
pub(super) async fn hold(connection: &Connection, claim: Claim) -> Attempt<Lease> {
    let mut attempt = 1;
    schema::ensure_lease(connection).await?;
    loop {
        let last = read(connection).await?;
        let seen = last.as_ref().map_or((0, None), |last| (last.token, last.until));
        let given = claim.clone().settle(last)?;
        let until = |until: Option<i64>| {
            until.map_or_else(|| "CAST(NULL AS TIMESTAMP)".to_owned(), |until| BIGQUERY.time(until))
        };
        let sql = format!(
            "UPDATE {} SET token = {}, holder = {}, place = {}, process = {}, `until` = {} \
             WHERE token = {} AND `until` IS NOT DISTINCT FROM {}",
            connection.state(LEASE),
            given.token,
            literal(&given.holder.name),
            maybe_literal(given.holder.place.as_deref()),
            given.holder.process,
            until(given.until),
            seen.0,
            until(seen.1),
        );
        match connection.job(&sql).await {
            Ok(done) if done.changed == 1 => return Ok(given),
            // Somebody else was faster: what is there now decides.
            Ok(_) => {}
            Err(failure) if failure.kind == DestinationErrorKind::Locked => {}
            Err(failure) => return Err(failure),
        }
        if attempt == ATTEMPTS_MAX {
            return Err(Failure::new(DestinationErrorKind::Locked, "others keep changing the lease"));
        }
        attempt += 1;
        pause(PAUSE).await;
    }
}

/// Gives a lease back if it is the last one.
pub(super) async fn release(connection: &Connection, token: u64) -> Attempt<()> {
    let sql = format!(
        "UPDATE {} SET `until` = CAST(NULL AS TIMESTAMP) WHERE token = {}",
        connection.state(LEASE),
        i64::try_from(token).unwrap_or(i64::MAX)
    );
    connection.if_there(LEASE, connection.run(&sql).await).await.map(|_| ())
}
