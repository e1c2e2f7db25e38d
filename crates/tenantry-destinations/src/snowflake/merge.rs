//! What a publish does to one table: writes the staged rows that are new or changed, and marks deleted what is gone.
//!
//! What differs is found first, and put aside; only that is merged, so that files of the table in which nothing changed are not rewritten, and a
//! table without changes is only read. Decides nothing about staged doubles: there are none left.

use tenantry_replication::catalog::{Column, system};
use tenantry_replication::destination::{Commit, Counts};
use tenantry_replication::error::DestinationErrorKind;

use super::connection::{Attempt, Connection, Failure};
use super::stage::aside;
use super::types::{SNOWFLAKE, quoted, sql_type};
use crate::sql::found::{Found, KIND, TOLD};
use crate::sql::merge::Merge;
use crate::sql::server::Connection as _;
use crate::sql::{ARRIVAL, Dialect as _, Staged, columns, same_key};

/// Makes the temporary tables that [`look`] writes to, before the transaction: to make one in it would commit it.
pub(super) async fn make(connection: &Connection, merge: &Merge<'_>) -> Attempt<()> {
    if merge.staged.is_some() {
        let place = came(merge);
        let columns = format!(
            "{} NUMBER(19,0), {} NUMBER(19,0), {} BOOLEAN",
            quoted(ARRIVAL),
            quoted(KIND),
            quoted(TOLD)
        );
        connection.run(&format!("CREATE OR REPLACE TEMPORARY TABLE {place} ({columns})")).await?;
    }
    if !merge.gone().is_empty() {
        let column = |column: &Column| format!("{} {}, ", quoted(column.name), sql_type(column.kind));
        let key: String = merge.table.key_columns().map(column).collect();
        let (place, told) = (went(merge), quoted(TOLD));
        connection.run(&format!("CREATE OR REPLACE TEMPORARY TABLE {place} ({key}{told} BOOLEAN)")).await?;
    }
    Ok(())
}

/// Where it is put aside which staged rows differ.
pub(super) fn came(merge: &Merge<'_>) -> String {
    aside(&format!("CAME_{}", merge.table.name))
}

/// Where the keys of rows that are gone are put aside.
pub(super) fn went(merge: &Merge<'_>) -> String {
    aside(&format!("WENT_{}", merge.table.name))
}

/// Puts aside what differs in one table, inside the caller's transaction.
pub(super) async fn look(connection: &Connection, merge: &Merge<'_>) -> Attempt<()> {
    if let Some(query) = vanished(merge, &columns(&SNOWFLAKE, merge.table.key_columns(), Some("t"))) {
        connection.run(&format!("INSERT INTO {} {query}", went(merge))).await?;
    }
    match merge.staged {
        Some(staged) => connection.run(&differing(merge, staged)).await,
        None => Ok(()),
    }
}

/// Writes what was found, inside the same transaction. A table in which nothing was found is not touched.
pub(super) async fn write(
    connection: &Connection,
    merge: &Merge<'_>,
    found: &Found,
    commit: &Commit,
) -> Attempt<Counts> {
    let counts = found.counts(merge).ok_or_else(|| doubled(merge))?;
    if found.deleted > 0 {
        let swept = connection.change(&sweep(merge, commit), &[]).await?;
        if swept.first() != Some(&found.deleted.cast_signed()) {
            return Err(doubled(merge));
        }
    }
    if let Some(staged) = merge.staged.filter(|_| found.inserted + found.updated > 0) {
        // Rows inserted, then rows updated.
        let written = connection.change(&merged(merge, staged, commit), &[]).await?;
        if written != [found.inserted, found.updated].map(u64::cast_signed) {
            return Err(doubled(merge));
        }
    }
    Ok(counts)
}

/// Statement that marks the rows deleted that are gone.
fn sweep(merge: &Merge<'_>, commit: &Commit) -> String {
    let same = |column: &Column| format!("EQUAL_NULL(t.{0}, g.{0})", quoted(column.name));
    format!(
        "UPDATE {} AS t SET {} = TRUE, {} = {} FROM {} AS g WHERE {}",
        merge.target,
        quoted(system::DELETED),
        quoted(system::SYNCED),
        SNOWFLAKE.time(commit.synced_at),
        went(merge),
        merge.table.key_columns().map(same).collect::<Vec<_>>().join(" AND ")
    )
}

/// Query for what is wanted of live rows `t` that are gone, and whether that was to be expected. `None` where none can be.
///
/// Conditions are united and not joined by OR, in which Snowflake takes no subquery that looks outside.
pub(super) fn vanished(merge: &Merge<'_>, wanted: &str) -> Option<String> {
    let (join, told) = merge.expectation("t");
    let query = |condition: String| {
        format!("SELECT {wanted}, {told} AS told FROM {} AS t{join} WHERE {condition}", merge.target)
    };
    let queries: Vec<String> = merge.gone().into_iter().map(query).collect();
    (!queries.is_empty()).then(|| queries.join(" UNION "))
}

/// Statement that puts aside which staged rows differ from the table, found from one state of it.
fn differing(merge: &Merge<'_>, staged: &Staged) -> String {
    let (join, told) = merge.expectation("s");
    format!(
        "INSERT INTO {} SELECT s.{ARRIVAL}, {}, {told} FROM {} AS s LEFT JOIN {} AS t ON {}{join} WHERE {}",
        came(merge),
        merge.kind(),
        staged.place,
        merge.target,
        same_key(&SNOWFLAKE, "t", "s", staged),
        merge.differs(),
    )
}

/// Statement that writes new and changed rows, and tells how many of each.
fn merged(merge: &Merge<'_>, staged: &Staged, commit: &Commit) -> String {
    let (deleted, synced) = (quoted(system::DELETED), quoted(system::SYNCED));
    let data = || merge.table.data_columns();
    let set = |column: &Column| format!("{0} = s.{0}, ", quoted(column.name));
    let sets = merge.values().map(set).collect::<Vec<_>>().concat();
    format!(
        "MERGE INTO {table} AS t USING (\
           SELECT {values}, FALSE AS {deleted}, {now} AS {synced} FROM {place} AS s JOIN {came} AS c ON c.{ARRIVAL} = s.{ARRIVAL}) AS s \
         ON {key} WHEN MATCHED THEN UPDATE SET {sets}{deleted} = s.{deleted}, {synced} = s.{synced} \
         WHEN NOT MATCHED THEN INSERT ({columns}, {deleted}, {synced}) VALUES ({values}, s.{deleted}, s.{synced})",
        table = merge.target,
        place = staged.place,
        came = came(merge),
        now = SNOWFLAKE.time(commit.synced_at),
        key = same_key(&SNOWFLAKE, "t", "s", staged),
        columns = columns(&SNOWFLAKE, data(), None),
        values = columns(&SNOWFLAKE, data(), Some("s")),
    )
}

/// Rows do not add up.
fn doubled(merge: &Merge<'_>) -> Failure {
    let message = format!(
        "{} holds several rows with one key, or was changed by something else: nothing was written",
        merge.target
    );
    Failure::new(DestinationErrorKind::Failed, message)
}
