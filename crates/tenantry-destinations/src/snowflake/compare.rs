//! What a comparison of one table tells: rows in which staged and stored differ, by kind, and whether that was to be expected.
//!
//! One query; writes nothing.

use tenantry_replication::destination::{Comparison, Differing};

use super::connection::{Attempt, Connection, number, text};
use super::merge::vanished;
use super::types::SNOWFLAKE;
use crate::sql::merge::{Merge, WRONGLY_LIVE};
use crate::sql::server::Connection as _;
use crate::sql::{key_names, key_order, key_texts, same_key};

/// The group of what was to be expected comes after the four kinds.
const UNSYNCED: usize = 4;

/// Compares. The table is left as it is.
pub(super) async fn run(connection: &Connection, merge: &Merge<'_>, keys_max: usize) -> Attempt<Comparison> {
    let mut comparison = Comparison::default();
    let mut came = 0;
    if let Some(query) = differences(merge) {
        let (names, order) = (key_names(merge.table), key_order(&SNOWFLAKE, merge.table));
        // Of each group at least one row comes, which tells how many there are.
        let shown = keys_max.max(1);
        let sql = format!(
            "WITH differences AS ({query}), \
             ranked AS (SELECT CASE WHEN told THEN {UNSYNCED} ELSE kind END AS of_group, kind, {names} FROM differences), \
             numbered AS (SELECT of_group, kind, {names}, COUNT(*) OVER (PARTITION BY of_group) AS many, \
               ROW_NUMBER() OVER (PARTITION BY of_group ORDER BY {order}) AS turn, \
               COUNT(CASE WHEN kind <> {WRONGLY_LIVE} THEN 1 END) OVER (PARTITION BY 1) AS came FROM ranked) \
             SELECT of_group, many, came, {names} FROM numbered WHERE turn <= {shown} ORDER BY of_group, turn"
        );
        for row in connection.rows(&sql).await? {
            came = number(row.get(2));
            let group = usize::try_from(number(row.first())).unwrap_or(UNSYNCED).min(UNSYNCED);
            let Differing { rows, keys } = &mut *comparison.differing_mut()[group];
            *rows = number(row.get(1)).unsigned_abs();
            if keys.len() < keys_max {
                keys.push(row.iter().skip(3).map(|part| text(Some(part)).unwrap_or_default()).collect());
            }
        }
    }
    if let Some(staged) = merge.staged {
        let [all] = connection.numbers(&format!("SELECT COUNT(*) FROM {}", staged.place)).await?;
        comparison.equal = (all - came).unsigned_abs();
    }
    Ok(comparison)
}

/// Query for the rows that differ: kind, key, whether that was to be expected. `None` where none can.
fn differences(merge: &Merge<'_>) -> Option<String> {
    let came = merge.staged.map(|staged| {
        let ((join, told), key) = (merge.expectation("s"), key_texts(&SNOWFLAKE, merge.table, "s"));
        format!(
            "SELECT {} AS kind, {key}, {told} AS told FROM {} AS s LEFT JOIN {} AS t ON {}{join} WHERE {}",
            merge.kind(),
            staged.place,
            merge.target,
            same_key(&SNOWFLAKE, "t", "s", staged),
            merge.differs(),
        )
    });
    let key = key_texts(&SNOWFLAKE, merge.table, "t");
    let gone = vanished(merge, &format!("{WRONGLY_LIVE} AS kind, {key}"));
    // Each part in brackets of its own, as the parts of the second are united.
    let gone =
        gone.map(|query| format!("SELECT kind, {}, told FROM ({query}) AS gone", key_names(merge.table)));
    let queries: Vec<String> = came.into_iter().chain(gone).collect();
    (!queries.is_empty()).then(|| queries.join(" UNION ALL "))
}
