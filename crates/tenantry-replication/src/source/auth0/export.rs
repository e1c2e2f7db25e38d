//! All users by an export job: a handful of requests for any number.
//!
//! Falls back to a walk over `updated_at` where the tenant does not allow the job.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use super::client::{Call, Reader};
use super::download::{Download, OpenError, Position};
use super::search::Search;
use super::url::{self, Url};
use crate::catalog::{Origin, Rows, Stream};
use crate::clock::Micros;
use crate::error::{Retry, SourceError, SourceErrorKind, SourceResult, retry};
use crate::source::{Page, Pages, Records};

/// First wait for the job; each following one is longer.
const POLL_FIRST: Duration = Duration::from_secs(1);
/// Longest wait between two looks at the job: its link lives for 60 s, and a look costs one request.
const POLL_MAX: Duration = Duration::from_secs(30);
/// Growth of the wait.
const POLL_GROWTH: f64 = 1.5;
/// Looks at one job, at most: 12 hours.
const POLLS_MAX: u32 = 1_440;
/// Jobs begun in one read, at most.
const JOBS_MAX: u32 = 2;
/// Changed users beyond which an export costs fewer requests than a walk over them: a job takes some looks, and is one read of everything.
const WALKED_MAX: u64 = 1_000;
/// Times that a job's file is fetched, at most: a link may expire, a connection may break.
const DOWNLOADS_MAX: u32 = 6;

/// An export job as the API tells it.
#[derive(Debug, Deserialize)]
struct Job {
    id: String,
    status: String,
    #[serde(default)]
    location: Option<String>,
    #[serde(default)]
    time_left_seconds: Option<f64>,
    #[serde(default)]
    summary: Option<Summary>,
}

#[derive(Debug, Deserialize)]
struct Summary {
    #[serde(default)]
    total: Option<u64>,
}

/// A read of all users.
pub(super) struct Export {
    reader: Reader,
    stream: &'static Stream,
    /// Only users changed at this time or later are wanted.
    since: Option<Micros>,
    phase: Phase,
    jobs: u32,
    complete: bool,
}

enum Phase {
    Begin,
    Reading(Box<Reading>),
    Walking(Box<Search>),
    Ended,
}

/// The file of a finished job.
struct Reading {
    job: Job,
    download: Option<Download>,
    /// What all attempts together have handed out.
    position: Position,
    downloads: u32,
}

/// Names of the record's members that the stream's columns come from.
pub(super) fn fields(stream: &Stream) -> Vec<&'static str> {
    let mut fields = Vec::new();
    let mut add = |path: &'static str| {
        if let Some(name) = path.split('/').nth(1)
            && !fields.contains(&name)
        {
            fields.push(name);
        }
    };
    for table in stream.tables {
        if let Rows::Elements(path) | Rows::Entries(path) = table.rows {
            add(path);
        }
        for column in table.columns {
            match column.origin {
                Origin::Record(path) => add(path),
                Origin::Field(path) if table.rows == Rows::Record => add(path),
                _ => {}
            }
        }
    }
    fields
}

impl Export {
    /// All users, or those changed `since` and maybe more.
    pub(super) fn new(reader: Reader, stream: &'static Stream, since: Option<Micros>) -> Self {
        let phase = match since {
            Some(since) => Phase::Walking(Box::new(Search::since(reader.clone(), stream, since))),
            None => Phase::Begin,
        };
        Self { reader, stream, since, phase, jobs: 0, complete: false }
    }

    /// Gives up a walk over changed users whose first answer says that there are many.
    fn is_too_long(&self) -> bool {
        match &self.phase {
            Phase::Walking(search) => {
                self.since.is_some()
                    && self.jobs == 0
                    && search.first_total().is_some_and(|total| total > WALKED_MAX)
            }
            _ => false,
        }
    }

    /// Begins a job and waits for it; walks instead where that is not allowed.
    async fn begin(&mut self) -> SourceResult<()> {
        loop {
            self.jobs += 1;
            let error = match run(&self.reader, self.stream).await {
                Ok(job) => {
                    let position = Position::default();
                    self.phase =
                        Phase::Reading(Box::new(Reading { job, download: None, position, downloads: 0 }));
                    return Ok(());
                }
                Err(error) => error,
            };
            match error.kind {
                SourceErrorKind::ScopeMissing | SourceErrorKind::NotOffered | SourceErrorKind::Refused => {
                    self.phase = Phase::Walking(Box::new(Search::new(self.reader.clone(), self.stream)));
                    return Ok(());
                }
                // The job failed or went away: another one may do better.
                SourceErrorKind::NotFound if self.jobs < JOBS_MAX => {}
                _ => return Err(error),
            }
        }
    }
}

/// A job that has finished. [`SourceErrorKind::NotFound`] when it failed.
async fn run(reader: &Reader, stream: &'static Stream) -> SourceResult<Job> {
    let fields: Vec<_> = fields(stream).into_iter().map(|name| json!({ "name": name })).collect();
    let body = json!({ "format": "json", "fields": fields }).to_string();
    let call = Call::post("begin an export of users", "/jobs/users-exports", body);
    let mut job = reader.call(&call, decode).await?;
    let mut wait = POLL_FIRST;
    for _ in 0..POLLS_MAX {
        match job.status.as_str() {
            "completed" if job.location.is_some() => return Ok(job),
            "failed" | "expired" | "cancelled" => {
                let reason = format!("the export job ended as {}", job.status);
                return Err(SourceError::new(SourceErrorKind::NotFound, call.action, reason));
            }
            _ => {}
        }
        let expected =
            job.time_left_seconds.filter(|left| (0.0..1e6).contains(left)).map(Duration::from_secs_f64);
        reader.client.clock.sleep(expected.unwrap_or(wait).clamp(POLL_FIRST, POLL_MAX)).await;
        wait = wait.mul_f64(POLL_GROWTH).min(POLL_MAX);
        job = look(reader, &job.id).await?;
    }
    let reason = format!("the export job did not finish in {POLLS_MAX} looks");
    Err(SourceError::new(SourceErrorKind::LimitExceeded, call.action, reason))
}

fn decode(answer: &super::transport::Collected) -> Result<Job, String> {
    serde_json::from_slice(&answer.body).map_err(|_| "the answer is not a job".to_owned())
}

async fn look(reader: &Reader, id: &str) -> SourceResult<Job> {
    let call = Call::get("look at the export job", format!("/jobs/{}", url::encode(id))).of_record();
    reader.call(&call, decode).await
}

impl Reading {
    /// The next lines. Fetches the file again, by a fresh link, after a failure that may pass.
    async fn next(&mut self, reader: &Reader) -> SourceResult<Option<Bytes>> {
        loop {
            let error = match &mut self.download {
                None => match self.open(reader).await {
                    Ok(()) => continue,
                    Err(error) => error,
                },
                Some(download) => match download.next().await {
                    Ok(Some(lines)) => {
                        self.position = download.position.clone();
                        return Ok(Some(lines));
                    }
                    Ok(None) => return Ok(None),
                    Err(error) => error,
                },
            };
            self.download = None;
            if self.downloads >= DOWNLOADS_MAX || retry(error.kind) != Retry::Backoff {
                return Err(error);
            }
            if error.kind == SourceErrorKind::Malformed && self.downloads > 1 {
                // Perhaps the file is another one than before: what came counts, merging the rest again does no harm.
                self.position = Position::default();
            }
            reader.client.backoff(self.downloads, error.retry_after).await;
            self.job = look(reader, &self.job.id).await?;
        }
    }

    async fn open(&mut self, reader: &Reader) -> SourceResult<()> {
        const ACTION: &str = "open the export file";
        self.downloads += 1;
        let link = self.job.location.as_deref().unwrap_or_default();
        let link = Url::parse(link)
            .map_err(|error| SourceError::new(SourceErrorKind::Refused, ACTION, error.to_string()))?;
        let transport = reader.client.transport.as_ref();
        let opened = Download::open(transport, link, self.position.clone()).await;
        self.download = Some(opened.map_err(|error| match error {
            OpenError::Expired => {
                SourceError::new(SourceErrorKind::Unavailable, ACTION, "the link has expired")
            }
            OpenError::Failed(error) => error,
        })?);
        Ok(())
    }

    /// Whether the file holds as many users as the job counted, where it tells.
    fn adds_up(&self) -> bool {
        let counted = self.job.summary.as_ref().and_then(|summary| summary.total);
        counted.is_none_or(|total| total == self.position.lines)
    }
}

#[async_trait]
impl Pages for Export {
    async fn next(&mut self) -> SourceResult<Option<Page>> {
        loop {
            match &mut self.phase {
                Phase::Begin => self.begin().await?,
                Phase::Reading(reading) => {
                    if let Some(body) = reading.next(&self.reader).await? {
                        return Ok(Some(Page {
                            body,
                            records: Records::Lines,
                            parent: None,
                            checkpoint: None,
                        }));
                    }
                    self.complete = reading.adds_up();
                    self.phase = Phase::Ended;
                }
                Phase::Walking(search) => {
                    let page = search.next().await?;
                    if self.is_too_long() {
                        self.phase = Phase::Begin;
                        continue;
                    }
                    if let Some(page) = page {
                        return Ok(Some(page));
                    }
                    let Phase::Walking(search) = &self.phase else { continue };
                    self.complete = search.complete();
                    self.phase = Phase::Ended;
                }
                Phase::Ended => return Ok(None),
            }
        }
    }

    fn complete(&self) -> bool {
        self.complete
    }

    fn covers_everything(&self) -> bool {
        self.since.is_none() || self.jobs > 0
    }

    fn requests(&self) -> u64 {
        self.reader.requests()
    }
}
