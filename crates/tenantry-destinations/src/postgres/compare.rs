//! What a comparison of one table tells: rows in which staged and stored differ, by kind, and whether that was to be expected.
//!
//! One query; writes nothing.

use tenantry_replication::destination::{Comparison, Differing};

use super::connection::{Attempt, Connection};
use super::merge::Target;
use super::types::POSTGRES;
use crate::sql::merge::WRONGLY_LIVE;
use crate::sql::server::Connection as _;
use crate::sql::{key_names, key_order, key_texts};

/// The group of what was to be expected comes after the four kinds.
const UNSYNCED: usize = 4;

/// Compares. The table is left as it is.
pub(super) async fn run(
    connection: &Connection,
    target: &Target<'_>,
    keys_max: usize,
) -> Attempt<Comparison> {
    let merge = &target.merge;
    let mut comparison = Comparison::default();
    let mut came = 0;
    if let Some(query) = differences(target) {
        let (names, order) = (key_names(merge.table), key_order(&POSTGRES, merge.table));
        // Of each group at least one row comes, which tells how many there are.
        let shown = keys_max.max(1);
        let rows = connection
            .rows(
                &format!(
                    "WITH differences AS MATERIALIZED ({query}), \
                     ranked AS (SELECT CASE WHEN told THEN {UNSYNCED} ELSE kind END AS of_group, kind, {names} FROM differences), \
                     numbered AS (SELECT *, count(*) OVER (PARTITION BY of_group) AS rows, \
                       row_number() OVER (PARTITION BY of_group ORDER BY {order}) AS turn FROM ranked) \
                     SELECT of_group::bigint, rows, (SELECT count(*) FROM differences WHERE kind <> {WRONGLY_LIVE}), {names} \
                     FROM numbered WHERE turn <= {shown} ORDER BY of_group, turn"
                ),
                &[],
            )
            .await?;
        for row in rows {
            let (group, count): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            came = row.try_get(2)?;
            let group: usize = usize::try_from(group).unwrap_or(UNSYNCED).min(UNSYNCED);
            let Differing { rows, keys } = &mut *comparison.differing_mut()[group];
            *rows = count.unsigned_abs();
            if keys.len() < keys_max {
                let key: Result<Vec<String>, _> =
                    (0..merge.table.key.len()).map(|part| row.try_get(part + 3)).collect();
                keys.push(key?);
            }
        }
    }
    if let Some(staged) = merge.staged {
        let [all] = connection.numbers(&format!("SELECT count(*) FROM {}", staged.place)).await?;
        comparison.equal = (all - came).unsigned_abs();
    }
    Ok(comparison)
}

/// Query for the rows that differ: kind, whether that was to be expected, key. `None` where none can.
fn differences(target: &Target<'_>) -> Option<String> {
    let merge = &target.merge;
    let came = merge.staged.map(|staged| {
        let ((join, told), key) = (merge.expectation("s"), key_texts(&POSTGRES, merge.table, "s"));
        format!(
            "SELECT {} AS kind, {told} AS told, {key} FROM {} AS s LEFT JOIN {} AS t ON {}{join} WHERE {}",
            merge.kind(),
            staged.place,
            merge.target,
            target.same(staged),
            merge.differs(),
        )
    });
    let gone = match merge.gone() {
        conditions if conditions.is_empty() => None,
        conditions => {
            let ((join, told), key) = (merge.expectation("t"), key_texts(&POSTGRES, merge.table, "t"));
            Some(format!(
                "SELECT {WRONGLY_LIVE} AS kind, {told} AS told, {key} FROM {} AS t{join} WHERE ({})",
                merge.target,
                conditions.join(") OR (")
            ))
        }
    };
    let queries: Vec<String> = came.into_iter().chain(gone).collect();
    (!queries.is_empty()).then(|| queries.join(" UNION ALL "))
}
