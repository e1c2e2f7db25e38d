//! Pages of a table's rows: conditions, order and position as SQL. Every value travels as a parameter.
//!
//! A page goes on from a row, not from a number of rows: the last page of ten million costs what the first does.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow_array::{ArrayRef, StringArray};
use tenantry_replication::catalog::{Column, Table, Type, system};
use tenantry_replication::destination::{Answer, Condition, Mark, PageOf, Test, Wanted};

use super::super::Names;
use super::super::connection::{Attempt, Connection, quoted};
use super::super::types::sql_type;
use super::refused;

/// SQL with a value for each `?`.
#[derive(Default)]
struct Text {
    sql: String,
    values: Vec<ArrayRef>,
}

impl Text {
    fn push(&mut self, sql: &str) {
        self.sql.push_str(sql);
    }

    /// A value as the column's type.
    fn value(&mut self, column: &Column, value: &str) {
        let _ = write!(self.sql, "CAST(? AS {})", sql_type(column.kind));
        self.bind(value);
    }

    fn bind(&mut self, value: &str) {
        self.values.push(Arc::new(StringArray::from_iter_values([value])));
    }
}

/// One page. Gives a row more than the page has only to tell that there is one.
pub(super) fn rows(connection: &mut Connection, names: &Names, page: &PageOf) -> Attempt<Answer> {
    let table = names.table(page.table.name);
    let backwards = page.from.as_ref().is_some_and(|mark| mark.before);
    let mut text = Text::default();
    let columns: Vec<String> = page.table.columns.iter().map(|column| quoted(column.name)).collect();
    // Which rows they are is found by the columns of the order alone; the others are read for those rows.
    let _ = write!(
        text.sql,
        "SELECT {} FROM {table} WHERE rowid IN (SELECT rowid FROM {table} WHERE true",
        columns.join(", ")
    );
    conditions(&mut text, &page.rows);
    if let Some(mark) = &page.from {
        text.push(" AND (");
        beyond(&mut text, page, mark);
        text.push(")");
    }
    let _ = write!(text.sql, " ORDER BY {} LIMIT {})", order(page, backwards), page.size + 1);
    let _ = write!(text.sql, " ORDER BY {}", order(page, backwards));
    let mut answer = connection.rows_up_to(&text.sql, text.values, page.size).map_err(refused)?;
    if backwards {
        answer.batches = turned(&answer.batches)?;
    }
    Ok(answer)
}

/// Rows that fit, up to `most`.
pub(super) fn count(
    connection: &mut Connection,
    names: &Names,
    table: &'static Table,
    wanted: &Wanted,
    most: u64,
) -> Attempt<u64> {
    let mut text = Text::default();
    let _ = write!(text.sql, "SELECT count(*) FROM (SELECT 1 FROM {} WHERE true", names.table(table.name));
    conditions(&mut text, wanted);
    let _ = write!(text.sql, " LIMIT {most})");
    let [rows] = connection.numbers_with(&text.sql, text.values).map_err(refused)?;
    Ok(rows.unsigned_abs())
}

fn conditions(text: &mut Text, wanted: &Wanted) {
    if !wanted.with_deleted {
        let _ = write!(text.sql, " AND {} IS DISTINCT FROM true", quoted(system::DELETED));
    }
    for condition in &wanted.conditions {
        text.push(" AND ");
        one(text, condition);
    }
}

fn one(text: &mut Text, condition: &Condition) {
    let Condition { column, test, value } = condition;
    let name = quoted(column.name);
    let as_text = if column.kind == Type::String { name.clone() } else { format!("CAST({name} AS VARCHAR)") };
    match test {
        Test::Is | Test::IsNot | Test::AtLeast | Test::Below => {
            let sign = match test {
                Test::Is => "=",
                Test::IsNot => "IS DISTINCT FROM",
                Test::AtLeast => ">=",
                _ => "<",
            };
            let _ = write!(text.sql, "{name} {sign} ");
            text.value(column, value);
        }
        Test::Contains => {
            let _ = write!(text.sql, "contains(lower({as_text}), lower(?))");
            text.bind(value);
        }
        Test::Begins => {
            let _ = write!(text.sql, "starts_with({as_text}, ?)");
            text.bind(value);
        }
        Test::Missing => {
            let _ = write!(text.sql, "{name} IS NULL");
        }
        Test::Present => {
            let _ = write!(text.sql, "{name} IS NOT NULL");
        }
    }
}

/// The columns of the order, each with the mark's value of it.
fn terms<'a>(page: &'a PageOf, mark: &'a Mark) -> impl Iterator<Item = (&'static Column, Option<&'a str>)> {
    let keys = page.table.key_columns().zip(&mark.key).map(|(column, value)| (column, value.as_deref()));
    page.by.map(|column| (column, mark.by.as_deref())).into_iter().chain(keys)
}

fn order(page: &PageOf, backwards: bool) -> String {
    let down = page.descending != backwards;
    let (direction, nulls) = (if down { "DESC" } else { "ASC" }, if backwards { "FIRST" } else { "LAST" });
    let columns = page.by.into_iter().chain(page.table.key_columns());
    let terms = columns.map(|column| format!("{} {direction} NULLS {nulls}", quoted(column.name)));
    terms.collect::<Vec<_>>().join(", ")
}

/// What holds of the rows on the wanted side of a mark: they differ from it there in the first column in which they differ at all. A missing
/// value comes last in either order.
fn beyond(text: &mut Text, page: &PageOf, mark: &Mark) {
    let up = page.descending == mark.before;
    let terms: Vec<_> = terms(page, mark).collect();
    for (position, (column, value)) in terms.iter().enumerate() {
        text.push(if position == 0 { "(" } else { " OR (" });
        for (column, value) in &terms[..position] {
            match value {
                Some(value) => {
                    let _ = write!(text.sql, "{} = ", quoted(column.name));
                    text.value(column, value);
                }
                None => {
                    let _ = write!(text.sql, "{} IS NULL", quoted(column.name));
                }
            }
            text.push(" AND ");
        }
        let name = quoted(column.name);
        match value {
            Some(value) => {
                let _ = write!(text.sql, "({name} {} ", if up { ">" } else { "<" });
                text.value(column, value);
                if !mark.before {
                    let _ = write!(text.sql, " OR {name} IS NULL");
                }
                text.push(")");
            }
            None if mark.before => {
                let _ = write!(text.sql, "{name} IS NOT NULL");
            }
            None => text.push("false"),
        }
        text.push(")");
    }
}

/// The same rows in the opposite order.
fn turned(batches: &[arrow_array::RecordBatch]) -> Attempt<Vec<arrow_array::RecordBatch>> {
    let mut turned = Vec::with_capacity(batches.len());
    for batch in batches.iter().rev() {
        let rows = batch.num_rows() as u64;
        let order = arrow_array::UInt64Array::from_iter_values((0..rows).rev());
        turned.push(arrow_select::take::take_record_batch(batch, &order)?);
    }
    Ok(turned)
}
