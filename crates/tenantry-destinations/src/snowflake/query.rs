//! Queries of the user's: one statement that reads, in a session of its own.
//!
//! Snowflake has no transaction that only reads. So the server is first asked what kind of statement it has before it, and only queries are
//! run; and what could still write or reach outside from within a query (stages, sequences, system functions, several statements) is refused
//! here. A role that may only read is the stronger guard: docs/destinations/snowflake.md.

use arrow_array::RecordBatch;
use tenantry_replication::error::DestinationErrorKind;

use super::Names;
use super::address::Address;
use super::connection::{Attempt, Connection, Failure};
use crate::sql::server::bare;

/// What the server calls a query.
const SELECT: i64 = 0x1000;
/// First words of queries.
const QUERIES: [&str; 2] = ["SELECT", "WITH"];
/// First words of what only tells.
const TELLING: [&str; 4] = ["SHOW", "DESCRIBE", "DESC", "EXPLAIN"];

/// Answers a query, with the replicated tables' schema as the default.
pub(super) async fn answer(address: &Address, names: &Names, sql: &str) -> Attempt<Vec<RecordBatch>> {
    let first = check(sql).map_err(refused)?;
    let connection = Connection::open_in(address, &names.schema).await?;
    let answered = async {
        if QUERIES.contains(&first.as_str()) && connection.described(sql).await? != Some(SELECT) {
            return Err(refused("it is no query"));
        }
        Ok(connection.answer(sql, &[]).await?.into_batches())
    }
    .await;
    connection.log_out().await;
    answered.map_err(|failure| match failure.kind {
        DestinationErrorKind::Unavailable => failure,
        _ => refused(failure.message),
    })
}

/// Refuses what is not one statement that reads; gives its first word in upper case.
fn check(sql: &str) -> Result<String, &'static str> {
    let bare = bare(sql, &["--", "//"], "'\"", quoted_length).to_ascii_uppercase();
    let bare = bare.trim().trim_end_matches(';').trim_end();
    let word: String =
        bare.trim_start_matches(['(', ' ', '\n']).chars().take_while(char::is_ascii_alphabetic).collect();
    if !QUERIES.contains(&word.as_str()) && !TELLING.contains(&word.as_str()) {
        return Err("it is no query");
    }
    for (sign, why) in [
        (";", "it is more than one statement"),
        ("->>", "it is more than one statement"),
        ("@", "it reads files"),
        ("SYSTEM$", "it calls a system function"),
        ("NEXTVAL", "it moves a sequence"),
        ("$$", "it holds code"),
    ] {
        if bare.contains(sign) {
            return Err(why);
        }
    }
    let words = || bare.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '$'));
    if words().any(|word| ["CALL", "EXECUTE", "IDENTIFIER", "PROCEDURE"].contains(&word)) {
        return Err("it calls a procedure, or what it names only shows when it runs");
    }
    Ok(word)
}

/// Bytes of what stands between quotes, with them. A quote is doubled or, in a text, behind a backslash where it is no end.
fn quoted_length(text: &str, quote: char) -> usize {
    let mut signs = text.char_indices().skip(1).peekable();
    while let Some((at, sign)) = signs.next() {
        if sign == '\\' && quote == '\'' {
            signs.next();
        } else if sign == quote {
            match signs.peek() {
                Some((_, next)) if *next == quote => {
                    signs.next();
                }
                _ => return at + 1,
            }
        }
    }
    text.len()
}

fn refused(message: impl Into<String>) -> Failure {
    Failure::new(DestinationErrorKind::Query, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_statement_that_reads_is_let_through() {
        for sql in [
            "select 1",
            " WITH a AS (SELECT 1) SELECT * FROM a ; ",
            "(SELECT 1) UNION (SELECT 2)",
            "select ';@$$' as \"a;b\", 'it''s \\'; drop' -- ; drop\n",
            "/* ; */ show tables",
            "select a // ; comment",
        ] {
            assert!(check(sql).is_ok(), "{sql}: {:?}", check(sql));
        }
    }

    #[test]
    fn what_could_write_or_reach_outside_is_refused() {
        for sql in [
            "",
            "insert into users select 1",
            "select 1; drop table users",
            "select '\\'; drop table users; --'; drop table users",
            "show tables ->> drop table users",
            "select $1 from @stage/file",
            "select system$cancel_all_queries(1)",
            "select s.nextval",
            "select * from identifier('x')",
            "select * from table(p()) -- fine\n; call p()",
            "execute immediate 'drop table users'",
            "with p as procedure () call p()",
            "select 'a' /* '; */; drop table users",
        ] {
            assert!(check(sql).is_err(), "{sql}");
        }
    }
}
