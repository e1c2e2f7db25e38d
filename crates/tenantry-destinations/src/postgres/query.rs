//! Queries of the user's: one statement that reads, in a read-only transaction of a session of its own.
//!
//! What is no query the server itself refuses: the statement is made a cursor's, which takes nothing else. A superuser's powers are put
//! aside, so that a question cannot reach files of the server.

use tenantry_replication::error::DestinationErrorKind;

use super::Site;
use super::answer;
use super::connection::{Attempt, Connection, Failure, quoted};
use crate::sql::server::Connection as _;
use arrow_array::RecordBatch;

/// Rows that are fetched at a time.
const ROWS_PER_BATCH: usize = 10_000;
/// What is answered besides queries: the first word of what only tells.
const TELLING: [&str; 2] = ["explain", "show"];
/// The first word of a query; one that begins with a comment or a bracket has none.
const ASKING: [&str; 5] = ["select", "with", "values", "table", ""];

/// Answers a query, with the replicated tables' schema as the default.
pub(super) async fn answer(site: &Site, sql: &str) -> Attempt<Vec<RecordBatch>> {
    if sql.contains('\0') {
        return Err(refused("it holds a NUL character"));
    }
    let word = first_word(sql);
    let tells = TELLING.contains(&word.as_str());
    if !tells && !ASKING.contains(&word.as_str()) {
        return Err(refused("only one SELECT, WITH, VALUES, TABLE, EXPLAIN or SHOW is answered"));
    }
    let connection = Connection::open(site).await?;
    connection
        .run(&format!(
            "BEGIN TRANSACTION READ ONLY; SET LOCAL lock_timeout = '30s'; SET LOCAL search_path = {}, public",
            quoted(&site.names.schema)
        ))
        .await?;
    let [is_superuser] = connection
        .numbers("SELECT rolsuper::int::bigint FROM pg_catalog.pg_roles WHERE rolname = current_user")
        .await?;
    if is_superuser == 1 {
        connection.run("SET LOCAL ROLE pg_read_all_data").await?;
    }
    // The connection, and the transaction with it, ends here.
    let answered = if tells { tell(&connection, sql).await } else { fetch(&connection, sql).await };
    answered.map_err(|failure| match failure.kind {
        DestinationErrorKind::Unavailable => failure,
        _ => refused(failure.message),
    })
}

fn first_word(sql: &str) -> String {
    let word = sql.trim_start().chars().take_while(char::is_ascii_alphabetic);
    word.collect::<String>().to_ascii_lowercase()
}

async fn tell(connection: &Connection, sql: &str) -> Attempt<Vec<RecordBatch>> {
    // A prepared statement is one statement; what it explains runs, if at all, in the transaction that only reads.
    let statement = connection.client().prepare(sql).await?;
    let rows = connection.client().query(&statement, &[]).await?;
    Ok(vec![answer::batch(statement.columns(), &rows)?])
}

/// Reads a query to its end by a cursor, whose columns are known before the first row.
async fn fetch(connection: &Connection, sql: &str) -> Attempt<Vec<RecordBatch>> {
    let client = connection.client();
    // The statement alone, so that nothing in it can end what is put around it below.
    let statement = client.prepare(&format!("DECLARE asked NO SCROLL CURSOR FOR {sql}")).await?;
    client.execute(&statement, &[]).await?;
    let columns = client.prepare("FETCH 0 FROM asked").await?;
    let columns = columns.columns();
    if columns.iter().any(|column| !answer::is_native(column.type_())) {
        // Values of other types are asked for as text, in the server's own words.
        let names: Vec<String> = (0..columns.len()).map(|at| format!("c{at}")).collect();
        let cast: Vec<String> = columns
            .iter()
            .zip(&names)
            .map(
                |(column, name)| {
                    if answer::is_native(column.type_()) { name.clone() } else { format!("{name}::text") }
                },
            )
            .collect();
        let inner = sql.trim_end().trim_end_matches(';');
        let outer = format!("SELECT {} FROM (\n{inner}\n) AS asked ({})", cast.join(", "), names.join(", "));
        client.batch_execute("CLOSE asked").await?;
        let statement = client.prepare(&format!("DECLARE asked NO SCROLL CURSOR FOR {outer}")).await?;
        client.execute(&statement, &[]).await?;
    }
    let fetch = client.prepare(&format!("FETCH {ROWS_PER_BATCH} FROM asked")).await?;
    let mut batches = Vec::new();
    loop {
        let rows = client.query(&fetch, &[]).await?;
        let is_last = rows.len() < ROWS_PER_BATCH;
        if !rows.is_empty() || batches.is_empty() {
            batches.push(answer::batch_named(columns, fetch.columns(), &rows)?);
        }
        if is_last {
            return Ok(batches);
        }
    }
}

fn refused(message: impl Into<String>) -> Failure {
    Failure::new(DestinationErrorKind::Query, message)
}
