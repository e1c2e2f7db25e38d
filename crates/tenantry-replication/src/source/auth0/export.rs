//! All users by an export job: a handful of requests for any number.
//!
//! Falls back to a walk over `updated_at` where the tenant does not allow the job.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::client::{Call, Reader};
use super::download::{self, Download, OpenError};
use super::search::{self, Search};
use super::url::{self, Url};
use crate::catalog::{Origin, Rows, Stream};
use crate::clock::Micros;
use crate::defects::{Defect, planted};
use crate::error::{Retry, SourceError, SourceErrorKind, SourceResult, retry};
use crate::source::{Page, Pages, Position, Records};

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
pub(super) const WALKED_MAX: u64 = 1_000;
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
    /// Id of the job that is waited for or read.
    job: Option<String>,
    /// The walk that has ended.
    walked: Option<search::At>,
    complete: bool,
}

/// A read of all users as a later run goes on with it: by the job, whose file is fetched again, or by the walk.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum At {
    Job(String),
    Walk(search::At),
}

enum Phase {
    Begin,
    /// For the job to finish.
    Waiting(Option<Job>),
    Reading(Box<Reading>),
    Walking(Box<Search>),
    Ended,
}

/// The file of a finished job.
struct Reading {
    job: Job,
    download: Option<Download>,
    /// What all attempts together have handed out.
    position: download::Position,
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
        Self { reader, stream, since, phase, jobs: 0, job: None, walked: None, complete: false }
    }

    /// All users, from where another read was; `None` where that cannot be told.
    pub(super) fn resumed(reader: Reader, stream: &'static Stream, position: &str) -> Option<Self> {
        let (phase, jobs, job) = match serde_json::from_str(position).ok()? {
            At::Job(id) => (Phase::Waiting(None), 1, Some(id)),
            At::Walk(at) => (Phase::Walking(Box::new(Search::resumed(reader.clone(), stream, at)?)), 0, None),
        };
        Some(Self { reader, stream, since: None, phase, jobs, job, walked: None, complete: false })
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

    /// Begins a job; walks instead where that is not allowed. True when there is a job.
    async fn begin(&mut self) -> SourceResult<bool> {
        self.jobs += 1;
        match begin(&self.reader, self.stream).await {
            Ok(job) => {
                self.job = Some(job.id.clone());
                self.phase = Phase::Waiting(Some(job));
                Ok(true)
            }
            Err(error) => self.without_job(error).map(|()| false),
        }
    }

    /// Waits for the job, and opens its file.
    async fn wait(&mut self) -> SourceResult<()> {
        let (Phase::Waiting(job), Some(id)) = (&mut self.phase, self.job.clone()) else { return Ok(()) };
        match finished(&self.reader, &id, job.take()).await {
            Ok(job) => {
                let position = download::Position::default();
                self.phase =
                    Phase::Reading(Box::new(Reading { job, download: None, position, downloads: 0 }));
                Ok(())
            }
            Err(error) => self.without_job(error),
        }
    }

    /// What to do where no job comes to an end: another one, or a walk; or the error.
    fn without_job(&mut self, error: SourceError) -> SourceResult<()> {
        self.phase = match error.kind {
            SourceErrorKind::ScopeMissing | SourceErrorKind::NotOffered | SourceErrorKind::Refused => {
                Phase::Walking(Box::new(Search::new(self.reader.clone(), self.stream)))
            }
            // The job failed or went away: another one may do better.
            SourceErrorKind::NotFound if self.jobs < JOBS_MAX => Phase::Begin,
            _ => return Err(error),
        };
        self.job = None;
        Ok(())
    }
}

async fn begin(reader: &Reader, stream: &'static Stream) -> SourceResult<Job> {
    let fields: Vec<_> = fields(stream).into_iter().map(|name| json!({ "name": name })).collect();
    let body = json!({ "format": "json", "fields": fields }).to_string();
    let call = Call::post("begin an export of users", "/jobs/users-exports", body);
    reader.call(&call, decode).await
}

/// The job once it has finished. [`SourceErrorKind::NotFound`] when it failed.
async fn finished(reader: &Reader, id: &str, job: Option<Job>) -> SourceResult<Job> {
    const ACTION: &str = "wait for the export of users";
    let mut job = match job {
        Some(job) => job,
        None => look(reader, id).await?,
    };
    let mut wait = POLL_FIRST;
    for _ in 0..POLLS_MAX {
        match job.status.as_str() {
            "completed" if job.location.is_some() => return Ok(job),
            "failed" | "expired" | "cancelled" => {
                let reason = format!("the export job ended as {}", job.status);
                return Err(SourceError::new(SourceErrorKind::NotFound, ACTION, reason));
            }
            _ => {}
        }
        let expected =
            job.time_left_seconds.filter(|left| (0.0..1e6).contains(left)).map(Duration::from_secs_f64);
        reader.client.wait(ACTION, expected.unwrap_or(wait).clamp(POLL_FIRST, POLL_MAX)).await?;
        wait = wait.mul_f64(POLL_GROWTH).min(POLL_MAX);
        job = look(reader, id).await?;
    }
    let reason = format!("the export job did not finish in {POLLS_MAX} looks");
    Err(SourceError::new(SourceErrorKind::LimitExceeded, ACTION, reason))
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
                self.position = download::Position::default();
            }
            reader.client.backoff(&error.action, self.downloads, error.retry_after).await?;
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
        counted.is_none_or(|total| total == self.position.lines) || planted(Defect::ShortFileIsWhole)
    }
}

fn lines(body: Bytes) -> Page {
    Page { body, records: Records::Lines, parent: None, checkpoint: None }
}

#[async_trait]
impl Pages for Export {
    async fn next(&mut self) -> SourceResult<Option<Page>> {
        loop {
            match &mut self.phase {
                Phase::Begin => {
                    if self.begin().await? {
                        // The job's id is worth keeping before anything comes of it.
                        return Ok(Some(lines(Bytes::new())));
                    }
                }
                Phase::Waiting(_) => self.wait().await?,
                Phase::Reading(reading) => {
                    if let Some(body) = reading.next(&self.reader).await? {
                        return Ok(Some(lines(body)));
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
                    self.walked = search.at();
                    self.phase = Phase::Ended;
                }
                Phase::Ended => return Ok(None),
            }
        }
    }

    fn position(&self) -> Option<Position> {
        let (at, keeps_rows, ended) = match (&self.job, &self.phase) {
            (Some(id), _) => (At::Job(id.clone()), false, false),
            (None, Phase::Walking(search)) => (At::Walk(search.at()?), true, search.has_ended()),
            (None, _) => (At::Walk(self.walked.clone()?), true, true),
        };
        Some(Position { text: serde_json::to_string(&at).ok()?, keeps_rows, ended })
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
