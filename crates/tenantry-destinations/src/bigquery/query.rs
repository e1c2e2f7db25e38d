//! Queries of the user's: one statement that reads, and nothing else.
//!
//! The service itself says beforehand what kind of statement it is. What would reach another system through a connection of the project is
//! refused by its name; what the account may read at all is for its roles to say.

use arrow_array::RecordBatch;
use reqwest::Method;
use tenantry_replication::error::DestinationErrorKind;

use super::client::{Attempt, Client, Failure};
use super::job::{self, new_id};
use super::{Names, answer};

/// What a statement that only reads is called.
const READING: &str = "SELECT";
/// Functions that reach beyond the project's own tables.
const REACHING: [&str; 1] = ["external_query"];

/// Answers a query, with the replicated tables' dataset as the default.
pub(super) async fn answer(client: &Client, names: &Names, sql: &str) -> Attempt<Vec<RecordBatch>> {
    if sql.contains('\0') {
        return Err(refused("it holds a NUL character"));
    }
    let lower = sql.to_ascii_lowercase();
    if let Some(function) = REACHING.iter().find(|function| lower.contains(**function)) {
        return Err(refused(format!("{function} reaches beyond the tables of the project")));
    }
    let asked = async {
        let dry = client.send(Method::POST, "/jobs", &job::query(names, &new_id(), sql, true)).await?;
        let kind = job::text(&dry["statistics"]["query"]["statementType"]);
        if kind != READING {
            return Err(refused(format!(
                "only one statement that reads is answered, and this is {}",
                if kind.is_empty() { "none" } else { &kind }
            )));
        }
        client.rows(names, sql).await
    };
    let rows = asked.await.map_err(|failure| match failure.kind {
        DestinationErrorKind::Unavailable | DestinationErrorKind::Full => failure,
        _ => refused(failure.message),
    })?;
    Ok(vec![answer::batch(&rows)?])
}

fn refused(message: impl Into<String>) -> Failure {
    Failure::new(DestinationErrorKind::Query, message)
}
