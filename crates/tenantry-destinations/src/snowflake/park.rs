//! Reads that are not over: the rows that they have staged, in tables of the state schema, and where they stand.
//!
//! Those tables are made before the transaction that fills them, and dropped after the one that empties them: to make or drop a table commits.
//! Readers see nothing of it: these are not the tables of the catalog.

use std::collections::BTreeMap;

use tenantry_replication::catalog::{Stream, Table};
use tenantry_replication::destination::{LeftOut, Parking};

use super::connection::{Attempt, Connection};
use super::stage::{Settled, Stage, create, staged_columns, staged_names};
use super::state;
use super::types::{SNOWFLAKE, literal, quoted, stored, told_type};
use crate::sql::layout::PARKED;
use crate::sql::server::state::{is_parked, written};
use crate::sql::server::{Connection as _, Texts, Transactions as _};
use crate::sql::{ARRIVAL, settle};

/// Name of the table that holds parked rows of a table.
fn rows_of(table: &Table) -> String {
    format!("{PARKED}_{}", table.name)
}

/// Tables of parked rows that are there: names and types of their columns by the name of the table, as they are stored.
#[derive(Default)]
pub(super) struct Kept(BTreeMap<String, Vec<(String, String)>>);

impl Kept {
    /// Looks which are there for a stream. Costs one question where nothing is parked.
    pub(super) async fn read(connection: &Connection, stream: &'static Stream) -> Attempt<Self> {
        let is_parked = connection.has_state_table(PARKED).await? && is_parked(connection, stream).await?;
        if is_parked { Self::all(connection, stream).await } else { Ok(Self::default()) }
    }

    async fn all(connection: &Connection, stream: &'static Stream) -> Attempt<Self> {
        let mut found: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        let named: Vec<String> =
            stream.tables.iter().map(|table| literal(&stored(&rows_of(table)))).collect();
        let sql = format!(
            "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE FROM {}.INFORMATION_SCHEMA.COLUMNS \
             WHERE TABLE_SCHEMA = {} AND TABLE_NAME IN ({}) ORDER BY TABLE_NAME, ORDINAL_POSITION",
            quoted(connection.database()),
            literal(&stored(connection.state_schema())),
            named.join(", ")
        );
        for row in connection.texts(&sql).await? {
            let [Some(table), Some(column), Some(kind)] = row.as_slice() else { continue };
            found.entry(table.clone()).or_default().push((column.clone(), kind.clone()));
        }
        Ok(Self(found))
    }

    fn has(&self, table: &Table) -> bool {
        self.0.contains_key(&stored(&rows_of(table)))
    }

    /// Whether what is kept for a table has the columns of now, or nothing is kept.
    fn fits(&self, table: &Table) -> bool {
        self.0.get(&stored(&rows_of(table))).is_none_or(|columns| {
            let wanted = staged_columns(table);
            wanted.len() == columns.len()
                && wanted
                    .iter()
                    .zip(columns)
                    .all(|((name, kind), (kept, of))| stored(name) == *kept && told_type(kind) == of)
        })
    }

    /// Forgets what is parked for a stream, in the caller's transaction.
    pub(super) async fn forget(&self, connection: &Connection, stream: &'static Stream) -> Attempt<()> {
        if self.0.is_empty() && !connection.has_state_table(PARKED).await? {
            return Ok(());
        }
        let sql = format!("DELETE FROM {} WHERE \"STREAM\" = ?", connection.state(PARKED));
        connection.change(&sql, &[Some(stream.name.to_owned())]).await?;
        for table in stream.tables.iter().filter(|table| self.has(table)) {
            connection.run(&format!("DELETE FROM {}", connection.state(&rows_of(table)))).await?;
        }
        Ok(())
    }

    /// Drops the emptied tables, after that transaction. One that stays is only empty.
    pub(super) async fn drop_emptied(&self, connection: &Connection, stream: &'static Stream) {
        for table in stream.tables.iter().filter(|table| self.has(table)) {
            drop(
                connection.run(&format!("DROP TABLE IF EXISTS {}", connection.state(&rows_of(table)))).await,
            );
        }
    }
}

/// Makes the tables that a park will fill, before its transaction. Rows that do not fit the tables of now are given up first, with the read
/// that they are of: it could not be resumed.
pub(super) async fn make(
    connection: &Connection,
    stream: &'static Stream,
    staged: &[Settled],
) -> Attempt<Kept> {
    let mut kept = Kept::all(connection, stream).await?;
    if !stream.tables.iter().all(|table| kept.fits(table)) {
        let sql = format!("DELETE FROM {} WHERE \"STREAM\" = ?", connection.state(PARKED));
        connection.change(&sql, &[Some(stream.name.to_owned())]).await?;
        kept.drop_emptied(connection, stream).await;
        kept = Kept::all(connection, stream).await?;
    }
    for settled in staged.iter().filter(|settled| !kept.has(settled.staged.table)) {
        let place = connection.state(&rows_of(settled.staged.table));
        let sql = create(&place, settled.staged.table, "CREATE TRANSIENT TABLE");
        // No history of what is only on its way.
        connection.run(&format!("{sql} DATA_RETENTION_TIME_IN_DAYS = 0")).await?;
    }
    Ok(kept)
}

/// Keeps a read with the rows that it has staged and not parked yet, in the caller's transaction.
pub(super) async fn park(
    connection: &Connection,
    parking: &Parking,
    staged: &[Settled],
    kept: &Kept,
) -> Attempt<()> {
    for table in parking.stream.tables {
        let rows = staged.iter().find(|settled| settled.staged.table.name == table.name);
        keep_rows(connection, table, rows, kept).await?;
    }
    let json = written("read", &parking.parked)?;
    connection.replace(PARKED, PARKED, (parking.stream.name, &json), parking.run, parking.synced_at).await?;
    state::write_quarantined(connection, &parking.quarantined, parking.run, parking.synced_at).await
}

/// Appends what is new; begins anew where nothing of what is staged was parked before.
async fn keep_rows(
    connection: &Connection,
    table: &'static Table,
    rows: Option<&Settled>,
    kept: &Kept,
) -> Attempt<()> {
    let place = connection.state(&rows_of(table));
    if rows.is_none_or(|rows| rows.unparked == 0) && kept.has(table) {
        connection.run(&format!("DELETE FROM {place}")).await?;
    }
    let Some(settled) = rows.filter(|settled| settled.unparked < settled.rows) else { return Ok(()) };
    let (from, staged) = (settled.unparked, &settled.staged.place);
    let names = staged_names(table, "s");
    connection
        .run(&format!("INSERT INTO {place} SELECT {names} FROM {staged} AS s WHERE s.{ARRIVAL} >= {from}"))
        .await
}

/// Stages what is parked for a stream; false where there is nothing, or where its rows have not the columns of now.
pub(super) async fn resume(
    connection: &Connection,
    stage: &mut Stage,
    stream: &'static Stream,
    left_out: Option<&LeftOut>,
) -> Attempt<bool> {
    stage.discard(stream);
    if !connection.has_state_table(PARKED).await? || !is_parked(connection, stream).await? {
        return Ok(false);
    }
    let kept = Kept::all(connection, stream).await?;
    if !stream.tables.iter().all(|table| kept.fits(table)) {
        return Ok(false);
    }
    let values = match left_out {
        Some(left_out) => Some(connection.stage_texts("left_out", Texts::of_values(&left_out.values)).await?),
        None => None,
    };
    for table in stream.tables.iter().filter(|table| kept.has(table)) {
        let without = left_out
            .zip(values.as_ref())
            .and_then(|(left_out, values)| settle::without(&SNOWFLAKE, stream, table, left_out, values));
        let query = format!(
            "SELECT {} FROM {} AS p{}",
            staged_names(table, "p"),
            connection.state(&rows_of(table)),
            without.unwrap_or_default()
        );
        stage.restage(connection, table, &query).await?;
    }
    Ok(true)
}
