//! What a publish does to one table: writes the staged rows that are new or changed, and marks deleted what is gone.
//!
//! What differs is found first, and put aside; only that is merged, so that files of the table in which nothing changed are not rewritten, and a
//! table without changes is only read. Decides nothing about staged doubles: there are none left.

use tenantry_replication::catalog::{Column, system};
use tenantry_replication::destination::{Commit, Counts};
use tenantry_replication::error::DestinationErrorKind;

use super::connection::{Attempt, Connection, Failure, number};
use super::stage::aside;
use super::types::{SNOWFLAKE, quoted, sql_type};
use crate::sql::merge::{MISSING, Merge};
use crate::sql::{ARRIVAL, Dialect as _, Staged, columns, same_key};

/// Makes the temporary tables that [`run`] writes to, before the transaction: to make one in it would commit it.
pub(super) async fn make(connection: &Connection, merge: &Merge<'_>) -> Attempt<()> {
    if merge.staged.is_some() {
        let place = came(merge);
        let columns = format!("{} NUMBER(19,0), \"KIND\" NUMBER(19,0), \"TOLD\" BOOLEAN", quoted(ARRIVAL));
        connection.run(&format!("CREATE OR REPLACE TEMPORARY TABLE {place} ({columns})")).await?;
    }
    if !merge.gone().is_empty() {
        let column = |column: &Column| format!("{} {}, ", quoted(column.name), sql_type(column.kind));
        let key: String = merge.table.key_columns().map(column).collect();
        let place = gone(merge);
        connection.run(&format!("CREATE OR REPLACE TEMPORARY TABLE {place} ({key}\"TOLD\" BOOLEAN)")).await?;
    }
    Ok(())
}

/// Where it is put aside which staged rows differ.
fn came(merge: &Merge<'_>) -> String {
    aside(&format!("CAME_{}", merge.table.name))
}

/// Where the keys of rows that are gone are put aside.
fn gone(merge: &Merge<'_>) -> String {
    aside(&format!("GONE_{}", merge.table.name))
}

/// Merges one table, inside the caller's transaction.
pub(super) async fn run(connection: &Connection, merge: &Merge<'_>, commit: &Commit) -> Attempt<Counts> {
    let mut counts = Counts::default();
    sweep(connection, merge, commit, &mut counts).await?;
    let Some(staged) = merge.staged else { return Ok(counts) };
    connection.run(&differing(merge, staged)).await?;
    let mut differ = 0;
    let sql = format!(
        "SELECT \"KIND\", COUNT(*), COUNT(CASE WHEN NOT \"TOLD\" THEN 1 END) FROM {} GROUP BY \"KIND\"",
        came(merge)
    );
    for row in connection.rows(&sql).await? {
        let [kind, rows, unexpected] = [0, 1, 2].map(|at| number(row.get(at)));
        differ += rows;
        let rows = rows.unsigned_abs();
        if kind == MISSING {
            counts.inserted += rows;
        } else {
            counts.updated += rows;
        }
        if merge.measures_drift() {
            counts.drifted += unexpected.unsigned_abs();
        }
    }
    let [all] = connection.numbers(&format!("SELECT COUNT(*) FROM {}", staged.place)).await?;
    let written =
        if differ > 0 { connection.change(&write(merge, staged, commit), &[]).await? } else { Vec::new() };
    // Rows inserted, then rows updated.
    let expected = [counts.inserted, counts.updated].map(u64::cast_signed);
    if differ > 0 && written != expected || all < differ {
        return Err(doubled(merge));
    }
    counts.unchanged = (all - differ).unsigned_abs();
    Ok(counts)
}

/// Marks the rows deleted that are gone.
async fn sweep(
    connection: &Connection,
    merge: &Merge<'_>,
    commit: &Commit,
    counts: &mut Counts,
) -> Attempt<()> {
    let Some(query) = vanished(merge, &columns(&SNOWFLAKE, merge.table.key_columns(), Some("t"))) else {
        return Ok(());
    };
    let place = gone(merge);
    connection.run(&format!("INSERT INTO {place} {query}")).await?;
    let [rows, unexpected] = connection
        .numbers(&format!("SELECT COUNT(*), COUNT(CASE WHEN NOT \"TOLD\" THEN 1 END) FROM {place}"))
        .await?;
    if rows == 0 {
        return Ok(());
    }
    let same: Vec<String> = merge
        .table
        .key_columns()
        .map(|column| format!("EQUAL_NULL(t.{0}, g.{0})", quoted(column.name)))
        .collect();
    let sql = format!(
        "UPDATE {} AS t SET {} = TRUE, {} = {} FROM {place} AS g WHERE {}",
        merge.target,
        quoted(system::DELETED),
        quoted(system::SYNCED),
        SNOWFLAKE.time(commit.synced_at),
        same.join(" AND ")
    );
    if connection.change(&sql, &[]).await?.first() != Some(&rows) {
        return Err(doubled(merge));
    }
    counts.deleted += rows.unsigned_abs();
    if merge.measures_drift() {
        counts.drifted += unexpected.unsigned_abs();
    }
    Ok(())
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
fn write(merge: &Merge<'_>, staged: &Staged, commit: &Commit) -> String {
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
