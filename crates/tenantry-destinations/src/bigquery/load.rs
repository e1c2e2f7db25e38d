//! Loads: a Parquet file of ours into a table that is there, by a load job, which the service does not charge for.
//!
//! The upload goes in pieces and can be taken up again; the job has a name of ours, so that rows are appended once.

use reqwest::Method;
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE};
use serde_json::{Value, json};
use tenantry_replication::error::DestinationErrorKind;

use super::client::{Attempt, Failure, JsonBody as _};
use super::connection::Connection;
use super::job::{new_id, reference};
use super::spool::Spooled;

/// Bytes of one piece of an upload: a multiple of 256 KiB, as the service asks for.
const PIECE_BYTES: usize = 8 << 20;
/// The status by which the service asks for more.
const GO_ON: u16 = 308;
/// How often an upload begins anew whose place the service has forgotten.
const UPLOADS_MAX: u32 = 3;

impl Connection {
    /// Appends the rows of a file to a table of the state dataset.
    pub(super) async fn load(&self, table: &str, file: &mut Spooled) -> Attempt<()> {
        let id = new_id();
        let job = json!({
            "jobReference": reference(self, &id),
            "configuration": { "labels": { "from": "tenantry" }, "load": {
                "destinationTable": { "projectId": self.names.project, "datasetId": self.names.state_dataset, "tableId": table },
                "sourceFormat": "PARQUET",
                "writeDisposition": "WRITE_APPEND",
                "createDisposition": "CREATE_NEVER",
            } },
        });
        let mut uploads = 1;
        let begun = loop {
            match self.upload_file(&job, file).await {
                Ok(job) => break Some(job),
                // It had arrived before, and only the answer was lost.
                Err(failure) if failure.is_duplicate() => break None,
                Err(failure) if matches!(failure.status, Some(404 | 410)) && uploads < UPLOADS_MAX => {
                    uploads += 1;
                }
                Err(failure) => return Err(failure),
            }
        };
        self.finish(&id, begun).await.map(|_| ())
    }

    async fn upload_file(&self, job: &Value, file: &mut Spooled) -> Attempt<Value> {
        let began = self.client.answer(|| {
            let request = self.client.upload().json_body(job);
            Ok(request
                .header("X-Upload-Content-Type", "application/octet-stream")
                .header("X-Upload-Content-Length", file.bytes))
        });
        let began = began.await?;
        let place = began.headers().get(LOCATION).and_then(|place| place.to_str().ok());
        let place = place.ok_or_else(|| unexpected("no place to upload to"))?.to_owned();
        let mut sent = 0;
        loop {
            let piece = file.piece(sent, PIECE_BYTES)?;
            let (end, all) = (sent + piece.len() as u64, file.bytes);
            let range = format!("bytes {sent}-{}/{all}", end.saturating_sub(1));
            let answer = self.client.answer(|| {
                let request = self.client.uploading(&place)?.header(CONTENT_TYPE, "application/octet-stream");
                Ok(request.header(CONTENT_RANGE, &range).body(piece.clone()))
            });
            let answer = match answer.await {
                Ok(answer) => answer,
                // What was repeated may have arrived the first time: the service says how far it got.
                Err(failure) if failure.status == Some(400) => self.ask_how_far(&place, all, failure).await?,
                Err(failure) => return Err(failure),
            };
            if answer.status().as_u16() != GO_ON {
                let bytes = answer.bytes().await?;
                return serde_json::from_slice(&bytes).map_err(|_| unexpected("no job"));
            }
            sent = received(&answer)?;
            if sent >= all {
                return Err(unexpected("a wish for more than there is"));
            }
        }
    }

    async fn ask_how_far(&self, place: &str, all: u64, failed: Failure) -> Attempt<reqwest::Response> {
        let range = format!("bytes */{all}");
        match self.client.answer(|| Ok(self.client.uploading(place)?.header(CONTENT_RANGE, &range))).await {
            Ok(answer) => Ok(answer),
            Err(_) => Err(failed),
        }
    }

    /// Makes a table of the state dataset that ends by itself.
    pub(super) async fn make_passing(&self, table: &str, fields: Vec<Value>) -> Attempt<()> {
        let body = json!({
            "tableReference": { "projectId": self.names.project, "datasetId": self.names.state_dataset, "tableId": table },
            "schema": { "fields": fields },
            "expirationTime": (now_ms() + super::PASSING_MS).to_string(),
        });
        match self
            .client
            .send(Method::POST, &format!("/datasets/{}/tables", self.names.state_dataset), &body)
            .await
        {
            Err(failure) if !failure.is_duplicate() => Err(failure),
            _ => Ok(()),
        }
    }
}

/// How many bytes the service has.
fn received(answer: &reqwest::Response) -> Attempt<u64> {
    let Some(range) = answer.headers().get(RANGE) else { return Ok(0) };
    let last = range.to_str().ok().and_then(|range| range.rsplit_once('-')?.1.parse::<u64>().ok());
    Ok(last.ok_or_else(|| unexpected("a range that cannot be read"))? + 1)
}

fn unexpected(what: &str) -> Failure {
    Failure::new(DestinationErrorKind::Unavailable, format!("the upload was answered with {what}"))
}

/// Milliseconds since 1970: the API takes the end of a table as a time, and not as a duration.
#[expect(
    clippy::disallowed_methods,
    reason = "the service's own clock decides; this is for its tables that end by themselves"
)]
fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(0)
}
