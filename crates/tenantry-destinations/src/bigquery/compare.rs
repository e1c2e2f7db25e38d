//! What a comparison of one table tells, of what a look has found: rows in which staged and stored differ, by kind, and whether that was to
//! be expected.
//!
//! One query; writes nothing.

use tenantry_replication::destination::Comparison;

use super::client::Attempt;
use super::connection::Connection;
use super::job::Rows;
use super::merge::Target;
use super::types::BIGQUERY;
use crate::sql::found::{ALL, KIND, TOLD};
use crate::sql::merge::WRONGLY_LIVE;
use crate::sql::{key_names, key_order, key_texts};

/// The group of what was to be expected comes after the four kinds.
const UNSYNCED: usize = 4;

/// Compares, once [`super::merge::look`] has run.
pub(super) async fn run(
    connection: &Connection,
    target: &Target<'_>,
    keys_max: usize,
) -> Attempt<Comparison> {
    let mut comparison = Comparison::default();
    let Some(sql) = query(target, keys_max) else { return Ok(comparison) };
    let (mut all, mut came) = (0, 0);
    for row in connection.rows(&sql).await?.rows {
        let (group, count) = (Rows::number(&row, 0)?, Rows::number(&row, 1)?.unsigned_abs());
        if group == ALL {
            all = count;
            came = Rows::number(&row, 2)?.unsigned_abs();
            continue;
        }
        let group = usize::try_from(group).unwrap_or(UNSYNCED).min(UNSYNCED);
        let differing = &mut *comparison.differing_mut()[group];
        differing.rows = count;
        if differing.keys.len() < keys_max {
            let key =
                (0..target.merge.table.key.len()).map(|part| Rows::text(&row, part + 3).unwrap_or_default());
            differing.keys.push(key.collect());
        }
    }
    comparison.equal = all.saturating_sub(came);
    Ok(comparison)
}

/// Query for groups of rows that differ, and for how many staged rows there are; `None` where none can differ.
fn query(target: &Target<'_>, keys_max: usize) -> Option<String> {
    let table = target.merge.table;
    let (names, order, key) =
        (key_names(table), key_order(&BIGQUERY, table), key_texts(&BIGQUERY, table, "d"));
    let came = target
        .merge
        .staged
        .map(|_| format!("SELECT {KIND} AS kind, {TOLD} AS told, {key} FROM {} AS d", target.came));
    let went = target
        .goes()
        .then(|| format!("SELECT {WRONGLY_LIVE} AS kind, {TOLD} AS told, {key} FROM {} AS d", target.went));
    let differences: Vec<String> = came.into_iter().chain(went).collect();
    if differences.is_empty() {
        return None;
    }
    // Of each group at least one row comes, which tells how many there are.
    let shown = keys_max.max(1);
    let mut query = format!(
        "SELECT of_group, n, came, {names} FROM (\
           SELECT of_group, COUNT(*) OVER (PARTITION BY of_group) AS n, 0 AS came, \
             ROW_NUMBER() OVER (PARTITION BY of_group ORDER BY {order}) AS turn, {names} \
           FROM (SELECT CASE WHEN told THEN {UNSYNCED} ELSE kind END AS of_group, {names} FROM ({}) AS both_ways) AS grouped) AS numbered \
         WHERE turn <= {shown}",
        differences.join(" UNION ALL ")
    );
    if let Some(staged) = target.merge.staged {
        let blank: Vec<&str> = table.key.iter().map(|_| "''").collect();
        query = format!(
            "{query} UNION ALL SELECT {ALL}, (SELECT COUNT(*) FROM {}), (SELECT COUNT(*) FROM {}), {}",
            staged.place,
            target.came,
            blank.join(", ")
        );
    }
    // In key order, so that the keys of a group come in it.
    Some(format!("SELECT * FROM ({query}) AS told_all ORDER BY of_group, {order}"))
}
