//! Questions about what the tables hold: live rows that were not staged, and rows by a value.
//!
//! Reads flags, keys and the column that is asked for; no other value.

use tenantry_replication::catalog::{Column, Stream, Table, Type, system};
use tenantry_replication::destination::Key;

use super::connection::{Connection, Texts};
use super::failure::Attempt;
use crate::sql::{Dialect, Staged, comparable, key_texts, same_key};

/// Keys of live root rows that no staged row has, as text; NULL is the empty text.
pub(crate) async fn absent<C: Connection>(
    connection: &C,
    stream: &'static Stream,
    staged: Option<&Staged>,
    limit: usize,
) -> Attempt<Vec<Key>> {
    let dialect = connection.dialect();
    let came = staged.map(|staged| {
        let same = same_key(dialect, "t", "s", staged);
        format!(" AND NOT EXISTS (SELECT 1 FROM {} AS s WHERE {same})", staged.place)
    });
    let live = live(connection, stream);
    let order = key_order(dialect, stream.root());
    let sql = format!("{live}{} ORDER BY {order} LIMIT {limit}", came.unwrap_or_default());
    Ok(connection.texts(&sql).await?.into_iter().map(key).collect())
}

/// Keys of live root rows whose column holds one of these values, as text and in key order; NULL is the empty text.
#[cfg(any(feature = "bigquery", feature = "postgres"))]
pub(crate) async fn find<C: Connection>(
    connection: &C,
    stream: &'static Stream,
    column: &str,
    values: &[String],
) -> Attempt<Vec<Key>> {
    let (root, dialect) = (stream.root(), connection.dialect());
    let Some(column) = root.columns.iter().find(|one| one.name == column) else { return Ok(Vec::new()) };
    // NULL is no value that could be asked for here.
    let wanted = connection.stage_texts("wanted", Texts::of_values(values)).await?;
    let sql = format!(
        "{} AND {} IN (SELECT w.k0 FROM {} AS w) ORDER BY {}",
        live(connection, stream),
        comparable(dialect, column, "t", false),
        wanted.place,
        key_order(dialect, root)
    );
    let found = connection.texts(&sql).await?.into_iter().map(key).collect();
    connection.put_away(vec![wanted]).await?;
    Ok(found)
}

/// Beginning of a query for the keys of live root rows `t`.
fn live<C: Connection>(connection: &C, stream: &Stream) -> String {
    let (root, dialect) = (stream.root(), connection.dialect());
    let (keys, deleted) = (key_texts(dialect, root, "t"), dialect.quoted(system::DELETED));
    format!("SELECT {keys} FROM {} AS t WHERE t.{deleted} IS DISTINCT FROM true", connection.table(root.name))
}

/// The key that a row of texts holds.
pub(crate) fn key(texts: Vec<Option<String>>) -> Key {
    texts.into_iter().map(Option::unwrap_or_default).collect()
}

/// The order of keys of rows `t`: NULL first, text by its bytes.
fn key_order(dialect: &dyn Dialect, table: &Table) -> String {
    let part = |column: &Column| {
        let value = format!("t.{}", dialect.quoted(column.name));
        let value = if column.kind == Type::String { dialect.by_bytes(&value) } else { value };
        format!("{value} NULLS FIRST")
    };
    table.key_columns().map(part).collect::<Vec<_>>().join(", ")
}
