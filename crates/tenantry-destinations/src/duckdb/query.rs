//! Queries of the user's: one statement that reads, in a read-only transaction, on an instance that reaches no other file.
//!
//! Refuses everything else before it runs. DuckDB runs all but the last of several statements as soon as they are prepared, so the check
//! comes first and reads the text with DuckDB's own parser.

use std::sync::Arc;

use adbc_driver_manager::ManagedDatabase;
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use tenantry_replication::error::DestinationErrorKind;

use super::connection::{Attempt, Connection, Failure, quoted};
use super::{DATABASE, Names};

/// Answers a query, with the replicated tables' schema as the default.
pub(super) fn answer(database: &ManagedDatabase, names: &Names, sql: &str) -> Attempt<Vec<RecordBatch>> {
    let mut connection = Connection::open(database, &names.state_schema)?;
    check(&mut connection, sql)?;
    begin(&mut connection, names)?;
    // The connection, and the transaction with it, ends here.
    connection.rows(sql).map_err(|failure| Failure::new(DestinationErrorKind::Query, failure.message))
}

/// Begins a transaction that reads, with the replicated tables' schema as the default. It ends with the connection.
pub(super) fn begin(connection: &mut Connection, names: &Names) -> Attempt<()> {
    look_at(connection, names)?;
    connection.run("BEGIN TRANSACTION READ ONLY").map(|_| ())
}

/// Makes the replicated tables' schema the default, where there is one yet.
pub(super) fn look_at(connection: &mut Connection, names: &Names) -> Attempt<()> {
    let schemas = [quoted(&names.schema), String::from("main")];
    let mut used = schemas.iter().map(|schema| connection.run(&format!("USE {}.{schema}", quoted(DATABASE))));
    let found = used.find(Result::is_ok);
    found.unwrap_or(Ok(0)).map(|_| ())
}

/// Refuses what is not exactly one statement that reads.
pub(super) fn check(connection: &mut Connection, sql: &str) -> Attempt<()> {
    if sql.contains('\0') {
        return Err(refused("it holds a NUL character"));
    }
    let text: ArrayRef = Arc::new(StringArray::from_iter_values([without_explain(sql)]));
    let parsed = connection.rows_with(
        "SELECT json_extract_string(parsed, '$.error_message'), json_array_length(parsed, '$.statements')::VARCHAR \
         FROM (SELECT json_serialize_sql(CAST(? AS VARCHAR)) AS parsed)",
        vec![text],
    )?;
    let cell = |column: usize| super::connection::text_at(&parsed, column);
    match (cell(0), cell(1).as_deref()) {
        (Some(message), _) if message.starts_with("Only SELECT") || message.starts_with("SELECT INTO") => {
            Err(refused(
                "only one SELECT, FROM, WITH, VALUES, DESCRIBE, SHOW, SUMMARIZE or EXPLAIN is answered",
            ))
        }
        (Some(message), _) => Err(refused(message)),
        (None, Some("1")) => Ok(()),
        (None, Some("0") | None) => Err(refused("there is no statement in it")),
        (None, Some(_)) => Err(refused("only one statement at a time is answered")),
    }
}

/// What EXPLAIN explains must read as well.
fn without_explain(sql: &str) -> &str {
    let rest = after_word(sql, "explain").map(|rest| after_word(rest, "analyze").unwrap_or(rest));
    rest.unwrap_or(sql)
}

fn after_word<'a>(sql: &'a str, word: &str) -> Option<&'a str> {
    let sql = sql.trim_start();
    let (head, rest) = (sql.get(..word.len())?, sql.get(word.len()..)?);
    (head.eq_ignore_ascii_case(word) && rest.starts_with(char::is_whitespace)).then_some(rest)
}

fn refused(message: impl Into<String>) -> Failure {
    Failure::new(DestinationErrorKind::Query, message)
}
