//! What a publish does to one table: writes the staged rows that are new or changed, and marks deleted what is gone.
//!
//! A row that is as it came is only read: to leave that to `ON CONFLICT` would lock it, which writes to its page and to the log. Decides
//! nothing about staged doubles: there are none left.

use tenantry_replication::catalog::system;
use tenantry_replication::destination::{Commit, Counts};
use tenantry_replication::error::DestinationErrorKind;

use super::Names;
use super::connection::{Attempt, Connection, Failure, quoted};
use super::schema::{conflict, is_short, leave_out_long_keys};
use super::types::POSTGRES;
use crate::sql::merge::{MISSING, Merge};
use crate::sql::server::Connection as _;
use crate::sql::{ARRIVAL, Dialect as _, Staged, columns, same_key};

/// New rows from which on the planner should know of them at once, and not when the server comes round to it.
const ANALYZED_FROM: u64 = 10_000;

/// One table of a commit, and what is particular to it here.
pub(super) struct Target<'a> {
    pub(super) merge: Merge<'a>,
    /// Whether a staged key is too long for an index.
    pub(super) has_long_keys: bool,
    /// Whether the table's index leaves such keys out.
    pub(super) has_partial_index: bool,
}

impl Target<'_> {
    /// Condition that `t` and `s` have one key. Where the index holds short keys alone, and there are no others here, it has to be told.
    pub(super) fn same(&self, staged: &Staged) -> String {
        let same = same_key(&POSTGRES, "t", "s", staged);
        if self.has_partial_index && !self.has_long_keys {
            return format!("{same} AND {}", is_short(self.merge.table, Some("t")));
        }
        same
    }
}

/// Merges one table, inside the caller's transaction.
pub(super) async fn run(
    connection: &Connection,
    names: &Names,
    target: &Target<'_>,
    commit: &Commit,
) -> Attempt<Counts> {
    let mut counts = Counts::default();
    sweep(connection, &target.merge, commit, &mut counts).await?;
    let Some(staged) = target.merge.staged else { return Ok(counts) };
    let is_partial = if target.has_long_keys && !target.has_partial_index {
        connection.run(&leave_out_long_keys(names, target.merge.table)).await?;
        true
    } else {
        target.has_partial_index
    };
    let sql = write(target, staged, commit, is_partial);
    let (mut came, mut written) = (0, 0);
    for row in connection.rows(&sql, &[]).await? {
        let (kind, rows, unexpected): (i64, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        written = row.try_get::<_, i64>(3)?;
        came += rows;
        let rows = rows.unsigned_abs();
        let counted = if kind == MISSING { &mut counts.inserted } else { &mut counts.updated };
        *counted += rows;
        if target.merge.measures_drift() {
            counts.drifted += unexpected.unsigned_abs();
        }
    }
    let [all] = connection.numbers(&format!("SELECT count(*) FROM {}", staged.place)).await?;
    if came != written || all < came {
        return Err(doubled(&target.merge));
    }
    counts.unchanged = (all - came).unsigned_abs();
    if counts.inserted >= ANALYZED_FROM {
        connection.run(&format!("ANALYZE {}", target.merge.target)).await?;
    }
    Ok(counts)
}

/// Marks the rows deleted that are gone.
async fn sweep(
    connection: &Connection,
    merge: &Merge<'_>,
    commit: &Commit,
    counts: &mut Counts,
) -> Attempt<()> {
    let (deleted, synced) = (quoted(system::DELETED), quoted(system::SYNCED));
    let (join, is_expected) = merge.expectation("t");
    for condition in merge.gone() {
        let [rows, unexpected] = connection
            .numbers(&format!(
                "WITH swept AS (UPDATE {} AS t SET {deleted} = true, {synced} = {} WHERE {condition} RETURNING t.*) \
                 SELECT count(*), count(*) FILTER (WHERE NOT {is_expected}) FROM swept AS t{join}",
                merge.target,
                POSTGRES.time(commit.synced_at),
            ))
            .await?;
        counts.deleted += rows.unsigned_abs();
        if merge.measures_drift() {
            counts.drifted += unexpected.unsigned_abs();
        }
    }
    Ok(())
}

/// Statement that writes new and changed rows, and tells by kind how many came, how many of them were not to be expected, and how many rows
/// were written in all.
///
/// What came is found out before anything is written, from one state of the table. The key's index then keeps whoever else may write there
/// from making a double. Keys that are too long for it are looked up by their values instead.
fn write(target: &Target<'_>, staged: &Staged, commit: &Commit, is_partial: bool) -> String {
    let merge = &target.merge;
    let (deleted, synced) = (quoted(system::DELETED), quoted(system::SYNCED));
    let (join, is_expected) = merge.expectation("s");
    let data = || merge.table.data_columns();
    let sets = |from: &str| -> String {
        let sets = merge.values().map(|column| format!("{0} = {from}.{0}, ", quoted(column.name)));
        format!(
            "{}{deleted} = false, {synced} = {}",
            sets.collect::<String>(),
            POSTGRES.time(commit.synced_at)
        )
    };
    let (place, key) = (&staged.place, target.same(staged));
    let short = is_short(merge.table, Some("s"));
    let (mut long, mut inserted) = (String::new(), String::new());
    let mut written = "(SELECT count(*) FROM written)".to_owned();
    if target.has_long_keys {
        long = format!(
            ", long AS (UPDATE {} AS t SET {} FROM {place} AS s JOIN came AS c ON c.staged = s.{ARRIVAL} \
             WHERE c.kind <> {MISSING} AND NOT ({short}) AND {key} RETURNING 1)",
            merge.target,
            sets("s"),
        );
        inserted = format!(" WHERE c.kind = {MISSING} OR {short}");
        written.push_str(" + (SELECT count(*) FROM long)");
    }
    format!(
        "WITH came AS MATERIALIZED (SELECT s.{ARRIVAL} AS staged, {kind} AS kind, {is_expected} AS told \
           FROM {place} AS s LEFT JOIN {table} AS t ON {key}{join} WHERE {differs}), \
         written AS (INSERT INTO {table} ({columns}, {deleted}, {synced}) \
           SELECT {values}, false, {now} FROM {place} AS s JOIN came AS c ON c.staged = s.{ARRIVAL}{inserted} \
           ON CONFLICT {conflict} DO UPDATE SET {sets} RETURNING 1){long} \
         SELECT kind::bigint, count(*), count(*) FILTER (WHERE NOT told), {written} FROM came GROUP BY kind",
        kind = merge.kind(),
        table = merge.target,
        differs = merge.differs(),
        columns = columns(&POSTGRES, data(), None),
        values = columns(&POSTGRES, data(), Some("s")),
        now = POSTGRES.time(commit.synced_at),
        conflict = conflict(merge.table, is_partial),
        sets = sets("excluded"),
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
