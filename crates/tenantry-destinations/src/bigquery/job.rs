//! Jobs: statements and loads that the service does under a name that we gave, so that each happens once, whatever becomes of the answer.
//!
//! Whoever loses the answer asks for the job by its name; one that never arrived is sent again under the same name.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tenantry_replication::error::DestinationErrorKind;

use super::client::{Attempt, Failure, pause, told};
use super::connection::Connection;

/// Milliseconds that the service may keep a question about a job that is not over.
const WAIT_MS: u32 = 20_000;
/// Pause between two questions.
const PAUSE: Duration = Duration::from_millis(500);
/// How often a job is asked for that is not known yet, although it was sent.
const QUESTIONS_MAX: u32 = 40;
/// Rows of an answer that are fetched at a time.
const ROWS_PER_PAGE: usize = 20_000;

/// A job that is over, and went well.
#[derive(Debug)]
pub(super) struct Done {
    id: String,
    location: String,
    /// Rows that a statement changed.
    pub(super) changed: u64,
}

/// The answer to a query.
#[derive(Debug)]
pub(super) struct Rows {
    /// The columns, as the service describes them.
    pub(super) fields: Vec<Value>,
    /// The values, as the service writes them: text, or NULL, or lists and records of these.
    pub(super) rows: Vec<Vec<Value>>,
}

/// A new name for a job.
pub(super) fn new_id() -> String {
    format!("tenantry_{}", uuid::Uuid::new_v4().simple())
}

/// The description of a query's job.
pub(super) fn query(connection: &Connection, id: &str, sql: &str, dry_run: bool) -> Value {
    let mut query = json!({
        "query": sql,
        "useLegacySql": false,
        "defaultDataset": { "projectId": connection.names.project, "datasetId": connection.names.dataset },
    });
    if let Some(bytes) = connection.names.bytes_billed_max {
        query["maximumBytesBilled"] = json!(bytes.to_string());
    }
    let mut configuration = json!({ "query": query, "labels": { "from": "tenantry" } });
    if dry_run {
        configuration["dryRun"] = json!(true);
    }
    json!({ "jobReference": reference(connection, id), "configuration": configuration })
}

/// A job's name, with the place where it is done.
pub(super) fn reference(connection: &Connection, id: &str) -> Value {
    let mut reference = json!({ "projectId": connection.names.project, "jobId": id });
    if let Some(location) = connection.names.location() {
        reference["location"] = json!(location);
    }
    reference
}

impl Connection {
    /// Runs a statement, or several, to the end.
    pub(super) async fn job(&self, sql: &str) -> Attempt<Done> {
        let id = new_id();
        let job = self.begin(&id, sql).await?;
        self.finish(&id, job).await
    }

    /// Sends a job, for [`Connection::finish`] to wait for. May be repeated: the service does it once.
    pub(super) async fn begin(&self, id: &str, sql: &str) -> Attempt<Option<Value>> {
        match self.client.send(Method::POST, "/jobs", &query(self, id, sql, false)).await {
            // It had arrived before, and only the answer was lost.
            Err(failure) if failure.is_duplicate() => Ok(None),
            begun => begun.map(Some),
        }
    }

    /// Waits for a job that was begun; tells what became of it.
    pub(super) async fn finish(&self, id: &str, job: Option<Value>) -> Attempt<Done> {
        let mut job = match job {
            Some(job) => job,
            None => self.look_up(id).await?,
        };
        loop {
            if job["status"]["state"] == "DONE" {
                return done(&job);
            }
            let (id, location) =
                (text(&job["jobReference"]["jobId"]), text(&job["jobReference"]["location"]));
            // Waits at the service's side; how it went is told by the job itself.
            let waiting = format!("/queries/{id}?location={location}&maxResults=0&timeoutMs={WAIT_MS}");
            if job["configuration"].get("query").is_none() || self.client.get(&waiting).await.is_err() {
                pause(PAUSE).await;
            }
            job = self.client.get(&format!("/jobs/{id}?location={location}")).await?;
        }
    }

    /// A job by its name. One that is on its way is waited for.
    async fn look_up(&self, id: &str) -> Attempt<Value> {
        let location =
            self.names.location().map(|location| format!("?location={location}")).unwrap_or_default();
        let mut asked = 0;
        loop {
            match self.client.get(&format!("/jobs/{id}{location}")).await {
                Err(failure) if failure.is_not_found() && asked < QUESTIONS_MAX => {
                    asked += 1;
                    pause(PAUSE).await;
                }
                job => return job,
            }
        }
    }

    /// Runs a query and gives all its rows.
    pub(super) async fn rows(&self, sql: &str) -> Attempt<Rows> {
        let done = self.job(sql).await?;
        self.rows_of(&done).await
    }

    /// The rows that a job's last query gave. Times come as microseconds.
    pub(super) async fn rows_of(&self, done: &Done) -> Attempt<Rows> {
        let mut answer = Rows { fields: Vec::new(), rows: Vec::new() };
        let mut token: Option<String> = None;
        loop {
            let mut path = format!(
                "/queries/{}?location={}&maxResults={ROWS_PER_PAGE}&timeoutMs={WAIT_MS}&formatOptions.useInt64Timestamp=true",
                done.id, done.location
            );
            if let Some(token) = &token {
                let token = percent_encoding::utf8_percent_encode(token, percent_encoding::NON_ALPHANUMERIC);
                path = format!("{path}&pageToken={token}");
            }
            let mut page = self.client.get(&path).await?;
            if let Some(Value::Array(fields)) = page.pointer_mut("/schema/fields").map(Value::take) {
                answer.fields = fields;
            }
            if let Value::Array(rows) = page["rows"].take() {
                answer.rows.extend(rows.into_iter().map(cells));
            }
            token = page["pageToken"].as_str().filter(|token| !token.is_empty()).map(str::to_owned);
            if token.is_none() {
                return Ok(answer);
            }
        }
    }
}

/// The values of a row as the service wraps them.
fn cells(mut row: Value) -> Vec<Value> {
    match row["f"].take() {
        Value::Array(cells) => cells.into_iter().map(|mut cell| cell["v"].take()).collect(),
        _ => Vec::new(),
    }
}

fn done(job: &Value) -> Attempt<Done> {
    let error = &job["status"]["errorResult"];
    if error.is_object() {
        return Err(told(None, &text(&error["reason"]), &text(&error["message"])));
    }
    let statistics = &job["statistics"]["query"];
    let changed = statistics["numDmlAffectedRows"].as_str().and_then(|rows| rows.parse().ok());
    Ok(Done {
        id: text(&job["jobReference"]["jobId"]),
        location: text(&job["jobReference"]["location"]),
        changed: changed.unwrap_or(0),
    })
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl Rows {
    /// One text of a row; `None` is NULL.
    pub(super) fn text(row: &[Value], at: usize) -> Option<String> {
        row.get(at).and_then(Value::as_str).map(str::to_owned)
    }

    /// One whole number of a row; NULL is 0.
    pub(super) fn number(row: &[Value], at: usize) -> Attempt<i64> {
        Ok(Self::maybe_number(row, at)?.unwrap_or(0))
    }

    /// One whole number of a row.
    pub(super) fn maybe_number(row: &[Value], at: usize) -> Attempt<Option<i64>> {
        let Some(text) = row.get(at).and_then(Value::as_str) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            Failure::new(DestinationErrorKind::Failed, "the service gave what is no whole number for one")
        })
    }
}
