//! What the next run will take, before it begins: requests and time, stream by stream.
//!
//! Decides as a run would, by checkpoints and by what the log tells where that is short; counts what the destination holds, and has the
//! source ask for the rest. Writes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::catalog::{Catalog, Replication, Stream};
use crate::destination::TableSummary;
use crate::source::{Estimate, Known, Read};
use crate::state::{Checkpoint, State};

use super::collect::{Collector, listen};
use super::narrow::narrow;
use super::plan::{self, Action, Reach, Task};
use super::replicate::StreamError;
use super::{Edges, MICROS_PER_SECOND, Options, Outcome, SyncError};

/// Requests for a log that is read to see what it tells; of a longer one that is only known once it is read.
const LISTENED_MAX: u64 = 10;

/// What the next run will take.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// One entry for each stream that a selected table needs, in catalog order.
    pub streams: Vec<StreamForecast>,
    /// Requests in all.
    pub requests: u64,
    /// How long they take at the least; `None` where the tenant told no limits.
    pub time: Option<Duration>,
    /// Requests that asking for this has sent.
    pub asked: u64,
    /// What makes the numbers less certain.
    pub notes: Vec<String>,
}

/// What one stream will take.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamForecast {
    /// The stream.
    pub stream: &'static str,
    /// Its tables that are written; none for a parent that is read for its fan-out alone.
    pub tables: Vec<&'static str>,
    /// How it is read.
    pub how: How,
    /// Records that will come, as far as that can be told.
    pub records: Option<u64>,
    /// Requests.
    pub requests: u64,
    /// How long these take at the least, by themselves.
    pub time: Option<Duration>,
    /// Requests and seconds of the last run that dealt with it.
    pub last: Option<(u64, f64)>,
}

/// How a stream is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// All of it.
    Whole,
    /// From where the last run stopped.
    Onward,
    /// What changed.
    Changes,
    /// Not at all; why, where that is worth a word.
    Left(Option<String>),
}

/// Reckons what a run with these options would take now. The destination may be one that no run has filled yet, prepared and empty.
pub async fn forecast(
    edges: &Edges,
    catalog: &'static Catalog,
    options: &Options,
) -> Result<Forecast, SyncError> {
    edges.source.begin();
    let access = edges.source.connect().await?;
    let state = edges.destination.state().await?;
    if state.last_run > 0 {
        edges.destination.claim(&options.tenant).await?;
    }
    let summaries = edges.destination.summarize(catalog).await?;
    let now = edges.clock.now() + access.clock_ahead_seconds.unwrap_or(0) * MICROS_PER_SECOND;
    let mut tasks = plan::tasks(catalog, options, &access, &state);
    plan::take_up(catalog, options, &mut tasks, &state, now);
    let mut reckoning = Reckoning {
        edges,
        catalog,
        held: summaries.into_iter().map(|summary| (summary.table, summary)).collect(),
        records: BTreeMap::new(),
        notes: Vec::new(),
    };
    let log = reckoning.follow_log(options, &mut tasks, &state, now).await?;
    let mut streams = Vec::new();
    for task in &tasks {
        let stream = reckoning.stream(task, log.filter(|_| task.stream.name == catalog.feed.stream)).await?;
        streams.push(stream);
    }
    let of_stream = |forecast: &StreamForecast| Some((catalog.stream(forecast.stream)?, forecast.requests));
    for stream in &mut streams {
        stream.time = edges.source.pace(of_stream(stream).as_slice());
    }
    let requests: Vec<(&'static Stream, u64)> = streams.iter().filter_map(of_stream).collect();
    let notes = reckoning.notes;
    Ok(Forecast {
        requests: requests.iter().map(|(_, requests)| requests).sum(),
        time: edges.source.pace(&requests),
        asked: edges.source.requests(),
        streams,
        notes,
    })
}

struct Reckoning<'a> {
    edges: &'a Edges,
    catalog: &'static Catalog,
    held: BTreeMap<&'static str, TableSummary>,
    /// Records of the streams that were reckoned so far.
    records: BTreeMap<&'static str, u64>,
    notes: Vec<String>,
}

impl Reckoning<'_> {
    /// Narrows the tasks as a run would; what the log itself takes.
    async fn follow_log(
        &mut self,
        options: &Options,
        tasks: &mut [Task],
        state: &State,
        now: i64,
    ) -> Result<Option<Estimate>, SyncError> {
        let Some(unapplied) = plan::told_since(self.catalog, tasks, state) else {
            return Ok(None);
        };
        let Some(stream) = self.catalog.stream(self.catalog.feed.stream) else { return Ok(None) };
        let read = Read { stream, parents: Vec::new(), from: None, since: Some(unapplied.since) };
        let mut log = self.edges.source.estimate(read, Known::default()).await?;
        let mut collector = Collector::new(unapplied);
        if log.requests <= LISTENED_MAX {
            let before = self.edges.source.requests();
            match listen(self.edges, self.catalog, unapplied.since, &mut collector).await {
                Ok(_) => log.requests = self.edges.source.requests() - before,
                Err(StreamError::Source(error)) => self.notes.push(format!(
                    "the log did not tell what changed, so that no request for it is counted: {error}"
                )),
                Err(StreamError::Destination(error)) => return Err(error.into()),
                Err(error) => self.notes.push(error.to_string()),
            }
        } else {
            let events = log.records.unwrap_or_default();
            self.notes.push(format!(
                "about {events} events have come since the last run: what they tell is known once they are read, and costs requests \
                 that are not counted here"
            ));
        }
        narrow(self.catalog, options, tasks, &collector.changes, now);
        Ok(Some(log))
    }

    async fn stream(&mut self, task: &Task, log: Option<Estimate>) -> Result<StreamForecast, SyncError> {
        let stream = task.stream;
        let root = stream.root();
        let (how, estimate) = match (&task.action, &task.reach) {
            (Action::Leave { outcome, message }, _) => {
                let why = message.clone().filter(|_| *outcome != Outcome::Frozen);
                (How::Left(why), Estimate::default())
            }
            (Action::Read, Reach::Whole) => {
                let onward = matches!(stream.replication, Replication::Log | Replication::Daily)
                    && task.from.is_some();
                let how = if onward { How::Onward } else { How::Whole };
                match log {
                    Some(log) => (how, log),
                    None => (how, self.whole(task).await?),
                }
            }
            (Action::Read, Reach::Told(_)) if task.tables.is_empty() => (How::Changes, Estimate::default()),
            (Action::Read, Reach::Told(told)) => {
                let records = told.records.len() as u64;
                let lists = self.fan_out(stream, told.parents.len() as u64).await?;
                let requests = records + lists.requests;
                (How::Changes, Estimate { records: Some(records + lists.records.unwrap_or(0)), requests })
            }
            (Action::Read, Reach::Since(since, told)) => {
                let read = Read { since: Some(*since), ..read(task) };
                let known = Known { records: self.rows(root.name), parents: 0 };
                let mut changed = self.edges.source.estimate(read, known).await?;
                changed.requests += told.records.len() as u64;
                let is_log = stream.replication == Replication::Log;
                (if is_log { How::Onward } else { How::Changes }, changed)
            }
        };
        if let Some(records) = estimate.records.filter(|_| how == How::Whole) {
            self.records.insert(stream.name, records);
        }
        let last = task.tables.first().or(Some(&root.name)).and_then(|table| self.held.get(table)?.last);
        let Estimate { records, requests } = estimate;
        Ok(StreamForecast {
            stream: stream.name,
            tables: task.tables.clone(),
            how,
            records,
            requests,
            time: None,
            last,
        })
    }

    /// A read of everything, or of what came since the checkpoint.
    async fn whole(&mut self, task: &Task) -> Result<Estimate, SyncError> {
        let stream = task.stream;
        let mut estimate = if let Some(parent) = &stream.parent {
            let held = || self.catalog.stream(parent.stream).and_then(|parent| self.rows(parent.root().name));
            let parents = self.records.get(parent.stream).copied().or_else(held).unwrap_or(0);
            self.fan_out(stream, parents).await?
        } else {
            let known = Known { records: self.rows(stream.root().name), parents: 0 };
            self.edges.source.estimate(read(task), known).await?
        };
        if matches!(task.from, Some(Checkpoint::Full { .. })) {
            // Whether rows have drifted is seen by asking the log once more.
            estimate.requests += 1;
        }
        Ok(estimate)
    }

    /// The children of so many parents, each with as many as the destination holds of one.
    async fn fan_out(&self, stream: &'static Stream, parents: u64) -> Result<Estimate, SyncError> {
        if parents == 0 {
            return Ok(Estimate::default());
        }
        let above = stream.parent.as_ref().and_then(|parent| self.catalog.stream(parent.stream));
        let all = above.and_then(|parent| self.rows(parent.root().name)).unwrap_or(0).max(1);
        let records = self.rows(stream.root().name).map(|rows| (rows * parents).div_ceil(all));
        let read = Read { stream, parents: Vec::new(), from: None, since: None };
        Ok(self.edges.source.estimate(read, Known { records, parents }).await?)
    }

    /// Live rows of a table, where there are any.
    fn rows(&self, table: &str) -> Option<u64> {
        self.held.get(table).map(|summary| summary.live).filter(|rows| *rows > 0)
    }
}

fn read(task: &Task) -> Read {
    Read { stream: task.stream, parents: Vec::new(), from: task.from.clone(), since: None }
}
