//! Queries of the user's: one statement that reads, and nothing else.
//!
//! What does not look like one is not sent at all; of the rest the service itself says beforehand what kind of statement it is. What would reach another system through a connection of the project is
//! refused by its name; what the account may read at all is for its roles to say.

use arrow_array::RecordBatch;
use reqwest::Method;
use tenantry_replication::error::DestinationErrorKind;

use super::answer;
use super::client::{Attempt, Failure};
use super::connection::Connection;
use super::job::{self, new_id};
use crate::sql::server::bare;

/// What a statement that only reads is called.
const READING: &str = "SELECT";
/// First words of queries.
const QUERIES: [&str; 3] = ["SELECT", "WITH", "FROM"];
/// Functions that reach beyond the project's own tables.
const REACHING: [&str; 1] = ["external_query"];

/// Answers a query, with the replicated tables' dataset as the default.
pub(super) async fn answer(connection: &Connection, sql: &str) -> Attempt<Vec<RecordBatch>> {
    if sql.contains('\0') {
        return Err(refused("it holds a NUL character"));
    }
    check(sql).map_err(refused)?;
    let lower = sql.to_ascii_lowercase();
    if let Some(function) = REACHING.iter().find(|function| lower.contains(**function)) {
        return Err(refused(format!("{function} reaches beyond the tables of the project")));
    }
    let asked = async {
        let dry = connection
            .client
            .send(Method::POST, "/jobs", &job::query(connection, &new_id(), sql, true))
            .await?;
        let kind = job::text(&dry["statistics"]["query"]["statementType"]);
        if kind != READING {
            return Err(refused(format!(
                "only one statement that reads is answered, and this is {}",
                if kind.is_empty() { "none" } else { &kind }
            )));
        }
        connection.rows(sql).await
    };
    let rows = asked.await.map_err(|failure| match failure.kind {
        DestinationErrorKind::Unavailable | DestinationErrorKind::Full => failure,
        _ => refused(failure.message),
    })?;
    Ok(vec![answer::batch(&rows)?])
}

/// Refuses what is not one query by its looks.
fn check(sql: &str) -> Result<(), &'static str> {
    let bare = bare(sql, &["--", "#"], "'\"`", quoted_length).to_ascii_uppercase();
    let bare = bare.trim().trim_end_matches(';').trim_end();
    let begin = bare.trim_start_matches(|sign: char| sign == '(' || sign.is_whitespace());
    let word: String = begin.chars().take_while(char::is_ascii_alphabetic).collect();
    if !QUERIES.contains(&word.as_str()) {
        return Err("it is no query");
    }
    if bare.contains(';') { Err("it is more than one statement") } else { Ok(()) }
}

/// Bytes of what stands between quotes, one or three of a kind, with them. Behind a backslash a quote is no end, in raw texts as well.
fn quoted_length(text: &str, quote: char) -> usize {
    let three = quote.to_string().repeat(3);
    let end = if quote != '`' && text.starts_with(&three) { three.as_str() } else { &three[..1] };
    let mut rest = &text[end.len()..];
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(end) {
            return text.len() - after.len();
        }
        let mut signs = rest.chars();
        if signs.next() == Some('\\') {
            signs.next();
        }
        rest = signs.as_str();
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
    fn one_query_is_let_through() {
        for sql in [
            "select 1",
            " WITH a AS (SELECT 1 AS x) SELECT * FROM a ; ",
            "(SELECT 1) UNION ALL (SELECT 2)",
            "select ';' as `a;b`, \"it's; \\\"; drop\" -- ; drop\n",
            "# ; drop\nselect '''a;'b''', r'\\'; '",
            "/* ; */ from users |> limit 1",
        ] {
            assert!(check(sql).is_ok(), "{sql}: {:?}", check(sql));
        }
    }

    #[test]
    fn what_could_write_is_refused() {
        for sql in [
            "",
            "insert into users select 1",
            "select 1; drop table users",
            "select '\\\\'; drop table users; --'",
            "begin delete from users where true; end",
            "execute immediate 'drop table users'",
            "declare x int64",
            "select '''a'''; drop table users",
            "select '' /* '; */; drop table users",
            "export data options(uri='gs://a/*') as select 1",
        ] {
            assert!(check(sql).is_err(), "{sql}");
        }
    }
}
