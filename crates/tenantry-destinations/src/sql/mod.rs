//! What is the same for every destination that takes SQL: which staged rows count, which rows differ, which are swept, what state is kept.
//!
//! Gives texts of statements and parts of them, and knows no engine but by its [`Dialect`]; only `server` runs any. The rules themselves are those of
//! [`tenantry_replication::destination::Destination`], and the conformance suite holds every destination to them.

#[cfg(any(feature = "bigquery", feature = "snowflake"))]
pub(crate) mod found;
pub(crate) mod layout;
pub(crate) mod merge;
pub(crate) mod record;
#[cfg(any(feature = "bigquery", feature = "postgres", feature = "snowflake"))]
pub(crate) mod server;
pub(crate) mod settle;
pub(crate) mod summary;

use tenantry_replication::catalog::{Column, Table, Type};
use tenantry_replication::clock::Micros;
use tenantry_replication::destination::{Batch, staged_schema};

/// Staging only: number of a row in the order of arrival, from 0. No two staged rows of a table have the same.
pub(crate) const ARRIVAL: &str = "_arrival";

/// What is wrong with rows that are to be staged, where their columns are not those of the catalog.
pub(crate) fn misfit(batch: &Batch) -> Option<String> {
    let fits = *batch.rows.schema() == *staged_schema(batch.table);
    (!fits).then(|| {
        format!("rows of table {} do not have the columns that the catalog gives it", batch.table.name)
    })
}

/// How one engine writes what every engine has.
pub(crate) trait Dialect: Sync {
    /// An identifier.
    fn quoted(&self, name: &str) -> String;

    /// A value of this type as text, in the form of a part of a [`tenantry_replication::destination::Key`]; NULL stays NULL.
    fn text(&self, value: &str, kind: Type) -> String;

    /// A time.
    fn time(&self, micros: Micros) -> String;

    /// A text value, to be ordered by its bytes.
    fn by_bytes(&self, text: &str) -> String;

    /// Condition that two values of this type are equal, or both NULL.
    fn equal_or_null(&self, left: &str, right: &str, _kind: Type) -> String {
        format!("({left} = {right} OR ({left} IS NULL AND {right} IS NULL))")
    }
}

/// Staged rows of one table: the data columns, then the page and [`ARRIVAL`].
#[derive(Debug, Clone)]
pub(crate) struct Staged {
    pub(crate) table: &'static Table,
    /// Full name of the table that holds them.
    pub(crate) place: String,
    /// Columns of the key that are NULL somewhere.
    pub(crate) null_keys: Vec<&'static str>,
}

/// Texts in the columns `k0`, `k1`, … of a staged table: keys of records, or plain values in `k0`.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    /// Full name of the table that holds them.
    pub(crate) place: String,
    /// Whether one of them is the empty text, which stands for NULL as well.
    pub(crate) blank: bool,
}

/// A list of columns, of the rows called `of`.
pub(crate) fn columns(
    dialect: &dyn Dialect,
    columns: impl Iterator<Item = &'static Column>,
    of: Option<&str>,
) -> String {
    let column = |column: &Column| match of {
        Some(of) => format!("{of}.{}", dialect.quoted(column.name)),
        None => dialect.quoted(column.name),
    };
    columns.map(column).collect::<Vec<_>>().join(", ")
}

/// Condition that pairs of columns are equal; for those on the left that are in `nullable`, NULL equals NULL. Plain equality is what engines
/// can hash and look up.
pub(crate) fn equal(
    dialect: &dyn Dialect,
    pairs: impl Iterator<Item = (&'static Column, &'static Column)>,
    (left, right): (&str, &str),
    nullable: &[&str],
) -> String {
    let pair = |(one, other): (&Column, &Column)| {
        let (one_of, other_of) = (dialect.quoted(one.name), dialect.quoted(other.name));
        let (one_value, other_value) = (format!("{left}.{one_of}"), format!("{right}.{other_of}"));
        if nullable.contains(&other.name) {
            dialect.equal_or_null(&one_value, &other_value, one.kind)
        } else {
            format!("{one_value} = {other_value}")
        }
    };
    pairs.map(pair).collect::<Vec<_>>().join(" AND ")
}

/// Condition that `row` of the table and the staged row `staged` have one key.
pub(crate) fn same_key(dialect: &dyn Dialect, row: &str, staged: &str, rows: &Staged) -> String {
    let pairs = rows.table.key_columns().map(|column| (column, column));
    equal(dialect, pairs, (row, staged), &rows.null_keys)
}

/// The key of a row called `of` as texts `k0`, `k1`, …; NULL is the empty text.
pub(crate) fn key_texts(dialect: &dyn Dialect, table: &Table, of: &str) -> String {
    let text =
        |(part, column): (usize, &Column)| format!("{} AS k{part}", text_or_blank(dialect, column, of));
    table.key_columns().enumerate().map(text).collect::<Vec<_>>().join(", ")
}

/// A column of a row called `of` as text; NULL is the empty text.
pub(crate) fn text_or_blank(dialect: &dyn Dialect, column: &Column, of: &str) -> String {
    let value = format!("{of}.{}", dialect.quoted(column.name));
    format!("coalesce({}, '')", dialect.text(&value, column.kind))
}

/// A column of a row called `of` as text, to be compared with texts among which the empty one is, or is not. As plain as can be: an index on
/// the column is of use then.
pub(crate) fn comparable(dialect: &dyn Dialect, column: &Column, of: &str, blank: bool) -> String {
    let value = format!("{of}.{}", dialect.quoted(column.name));
    match (blank, column.kind) {
        (true, _) => text_or_blank(dialect, column, of),
        (false, Type::String) => value,
        (false, kind) => dialect.text(&value, kind),
    }
}

/// Names of the texts of a table's key: `k0, k1, …`.
pub(crate) fn key_names(table: &Table) -> String {
    (0..table.key.len()).map(|part| format!("k{part}")).collect::<Vec<_>>().join(", ")
}

/// The same as an order by bytes.
pub(crate) fn key_order(dialect: &dyn Dialect, table: &Table) -> String {
    (0..table.key.len()).map(|part| dialect.by_bytes(&format!("k{part}"))).collect::<Vec<_>>().join(", ")
}
