//! Which staged rows count, as one query for each table: of one key the last, of a record that came on several pages only the children of
//! the last of them, of records that the tenant no longer has none.
//!
//! The same rules as [`crate::sql::settle`], which deletes the others: here they are left out, as a deletion would be a job of its own.

use tenantry_replication::catalog::{Stream, system};

use super::stage::staged_names;
use super::types::{BIGQUERY, quoted};
use crate::sql::record::RecordKey;
use crate::sql::{ARRIVAL, Keys, Staged, columns};

/// Query for the staged rows that count.
pub(super) fn counting(
    stream: &'static Stream,
    staged: &Staged,
    root: Option<&Staged>,
    gone: Option<&Keys>,
) -> String {
    let record = RecordKey::of(stream, staged.table);
    let is_root = staged.table.name == stream.root().name;
    let page = quoted(system::PAGE);
    let mut conditions = vec!["true".to_owned()];
    if let Some(condition) = forgotten(stream, staged, gone, "s") {
        conditions.push(condition);
    }
    let mut join = String::new();
    if let Some(root) = root.filter(|_| !is_root && record.is_whole()) {
        let key = columns(&BIGQUERY, root.table.key_columns(), None);
        let counts = forgotten(stream, root, gone, "o").map(|counts| format!(" WHERE {counts}"));
        let same = record.equals(&BIGQUERY, "s", "r", root);
        join = format!(
            " LEFT JOIN (SELECT {key}, MAX({page}) AS last_page FROM {} AS o{} GROUP BY {key} HAVING MIN({page}) < MAX({page})) AS r ON {same}",
            root.place,
            counts.unwrap_or_default()
        );
        conditions.push(format!("(r.last_page IS NULL OR s.{page} >= r.last_page)"));
    }
    format!(
        "SELECT {} FROM {} AS s{join} WHERE {} \
         QUALIFY ROW_NUMBER() OVER (PARTITION BY {} ORDER BY s.{page} DESC, s.{ARRIVAL} DESC) = 1",
        staged_names(staged.table, "s"),
        staged.place,
        conditions.join(" AND "),
        columns(&BIGQUERY, staged.table.key_columns(), Some("s")),
    )
}

/// Condition that a staged row `row` is of no record that the tenant no longer has: those are not written, even if they came before they went.
fn forgotten(stream: &'static Stream, staged: &Staged, gone: Option<&Keys>, row: &str) -> Option<String> {
    let (gone, record) = (gone?, RecordKey::of(stream, staged.table));
    let matches = record.matches(&BIGQUERY, row, gone);
    record.is_whole().then(|| format!("NOT EXISTS (SELECT 1 FROM {} AS k WHERE {matches})", gone.place))
}
