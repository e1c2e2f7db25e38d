//! Which staged rows count: of one key the last, of a record that came on several pages only the children of the last of them, of records
//! that the tenant no longer has none. And which records the log told of.
//!
//! Gives statements that leave those rows staged, and delete the others.

use tenantry_replication::catalog::{Stream, Table, system};
use tenantry_replication::clock::Micros;
use tenantry_replication::destination::LeftOut;

use super::record::RecordKey;
use super::{ARRIVAL, Dialect, Keys, Staged, columns, comparable, key_texts};

/// Deletes staged rows of records that the tenant no longer has: they are not written, even if they came before they went.
pub(crate) fn forget_gone(
    dialect: &dyn Dialect,
    stream: &'static Stream,
    staged: &Staged,
    gone: &Keys,
) -> Option<String> {
    let record = RecordKey::of(stream, staged.table);
    let matches = record.matches(dialect, "s", gone);
    record.is_whole().then(|| {
        format!(
            "DELETE FROM {} AS s WHERE EXISTS (SELECT 1 FROM {} AS k WHERE {matches})",
            staged.place, gone.place
        )
    })
}

/// Counts keys that several staged rows have, and those of them that came on several pages; `turn` is told before.
pub(crate) fn count_doubles(dialect: &dyn Dialect, turn: usize, staged: &Staged) -> String {
    let (page, key) = (dialect.quoted(system::PAGE), columns(dialect, staged.table.key_columns(), None));
    format!(
        "SELECT CAST({turn} AS bigint) AS turn, count(*) AS doubles, count(CASE WHEN first_page < last_page THEN 1 END) AS on_pages FROM (\
           SELECT min({page}) AS first_page, max({page}) AS last_page FROM {} GROUP BY {key} HAVING count(*) > 1) AS d",
        staged.place
    )
}

/// Deletes all rows of a key but that of the last page, and of that page the last.
pub(crate) fn drop_doubles(dialect: &dyn Dialect, staged: &Staged) -> String {
    let (page, key) = (dialect.quoted(system::PAGE), columns(dialect, staged.table.key_columns(), None));
    format!(
        "DELETE FROM {place} WHERE {ARRIVAL} IN (SELECT {ARRIVAL} FROM (\
           SELECT {ARRIVAL}, row_number() OVER (PARTITION BY {key} ORDER BY {page} DESC, {ARRIVAL} DESC) AS turn FROM {place}) AS d \
         WHERE turn > 1)",
        place = staged.place
    )
}

/// Deletes children that came before the last page of their record. Comes before the doubles of the root are dropped.
pub(crate) fn keep_last_page(
    dialect: &dyn Dialect,
    stream: &'static Stream,
    root: &Staged,
    child: &Staged,
) -> Option<String> {
    let record = RecordKey::of(stream, child.table);
    let (page, key) = (dialect.quoted(system::PAGE), columns(dialect, root.table.key_columns(), None));
    let same = record.equals(dialect, "c", "r", root);
    record.is_whole().then(|| {
        format!(
            "DELETE FROM {} AS c WHERE EXISTS (SELECT 1 FROM (\
               SELECT {key}, max({page}) AS last_page FROM {} GROUP BY {key} HAVING min({page}) < max({page})) AS r \
             WHERE {same} AND c.{page} < r.last_page)",
            child.place, root.place
        )
    })
}

/// Query for the keys of records that hold one of the values in a column of the root, among `rows`.
pub(crate) fn keys_told(
    dialect: &dyn Dialect,
    root: &Table,
    rows: &str,
    column: &str,
    values: &Keys,
) -> Option<String> {
    let column = root.columns.iter().find(|one| one.name == column)?;
    let (keys, value) = (key_texts(dialect, root, "r"), comparable(dialect, column, "r", values.blank));
    Some(format!("SELECT {keys} FROM {rows} AS r WHERE {value} IN (SELECT k0 FROM {})", values.place))
}

/// Query for the keys of staged records that changed at that time or later.
pub(crate) fn keys_since(dialect: &dyn Dialect, root: &Staged, column: &str, since: Micros) -> String {
    let (column, time) = (dialect.quoted(column), dialect.time(since));
    let keys = key_texts(dialect, root.table, "r");
    format!("SELECT {keys} FROM {} AS r WHERE r.{column} >= {time}", root.place)
}

/// Condition that leaves out the parked rows `p` of a table whose record holds one of these values; `None` where the table has no such column.
pub(crate) fn without(
    dialect: &dyn Dialect,
    stream: &'static Stream,
    table: &Table,
    left_out: &LeftOut,
    values: &Keys,
) -> Option<String> {
    let name = left_out.column_of(stream, table)?;
    let column = table.columns.iter().find(|column| column.name == name)?;
    let value = comparable(dialect, column, "p", values.blank);
    Some(format!(" WHERE NOT EXISTS (SELECT 1 FROM {} AS v WHERE v.k0 = {value})", values.place))
}
