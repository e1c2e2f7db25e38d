//! An Auth0 tenant as a [`Source`], by its Management API.
//!
//! - [`settings`](Settings): which tenant, as whom, how much of its budget;
//! - [`transport`](Transport): the port to the network, and [`Https`], the real one;
//! - `client`: one request until it has an answer (`token`, `assertion`, `budget`, `allowance`, `failure`);
//! - `paging`: from an answer to the next request, pure;
//! - `list`, `export` with `download`, `search`, `logs`, `daily`: the kinds of reads;
//! - `events` with `sse`: the feed of changes.
//!
//! Only this folder knows HTTP. It writes nothing to a tenant: an export job and a token are all that it asks to be made.

mod allowance;
mod assertion;
mod budget;
mod calendar;
mod client;
mod daily;
mod download;
mod estimate;
mod events;
mod export;
mod failure;
mod gunzip;
mod https;
mod list;
mod log_id;
mod log_page;
mod log_proof;
mod logs;
mod paging;
mod record;
mod search;
mod settings;
mod sse;
mod token;
mod transport;
mod url;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use events::EVENTS_SCOPE;
pub use https::Https;
pub use settings::{ANSWER_TIMEOUT, Algorithm, Credentials, IN_FLIGHT, LEAVE, LEAVE_MAX, Secret, Settings};
pub use transport::{Body, Headers, HttpRequest, HttpResponse, Method, Patience, Transport, TransportError};
pub use url::{Domain, InvalidUrl, Origin, Scheme, Url};

use self::client::{Client, Reader};
use self::daily::Daily;
use self::events::Events;
use self::export::Export;
use self::list::{FanOut, List, Walker};
use self::logs::Logs;
use super::{Access, Delays, Estimate, Feed, Known, Page, Pages, Read, Records, Source};
use crate::catalog::{Replication, Stream};
use crate::clock::{Clock, MICROS_PER_SECOND, Micros};
use crate::error::{SourceError, SourceErrorKind, SourceResult};
use crate::state::Checkpoint;

/// A tenant. Cheap to clone; clones share token, budget and count.
#[derive(Clone)]
pub struct Auth0 {
    client: Arc<Client>,
}

impl Auth0 {
    /// A tenant behind any transport. Sends nothing yet.
    pub fn new(settings: Settings, transport: Arc<dyn Transport>, clock: Arc<dyn Clock>) -> Self {
        Self { client: Arc::new(Client::new(settings, transport, clock)) }
    }

    /// A tenant on the network. Sends nothing yet.
    pub fn over_https(settings: Settings, clock: Arc<dyn Clock>) -> SourceResult<Self> {
        let scheme = settings.domain.origin().scheme;
        let transport = https::network(scheme, settings.answer_timeout).map_err(|error| {
            SourceError::new(SourceErrorKind::Unavailable, "prepare the network", error.reason.clone())
                .caused_by(error)
        })?;
        Ok(Self::new(settings, transport, clock))
    }
}

/// Up to when (microseconds UTC) a checkpoint says that the log was read: nothing older can be missing but by a gap on record. `None` for
/// checkpoints of other streams.
pub fn read_until(checkpoint: &Checkpoint) -> Option<Micros> {
    match checkpoint {
        Checkpoint::Log { log_id, newest, .. } => log_id::time_of(log_id).max(*newest),
        Checkpoint::Full { .. } | Checkpoint::Daily { .. } | Checkpoint::Events { .. } => None,
    }
}

#[async_trait]
impl Source for Auth0 {
    fn begin(&self) {
        self.client.begin();
    }

    async fn connect(&self) -> SourceResult<Access> {
        let token = self.client.token().await?;
        self.client.know_clock().await?;
        let seconds = |micros: i64| (micros + MICROS_PER_SECOND / 2).div_euclid(MICROS_PER_SECOND);
        Ok(Access { scopes: token.scopes, clock_ahead_seconds: self.client.ahead().map(seconds) })
    }

    fn now(&self) -> Option<Micros> {
        self.client.tenant_now_at_most()
    }

    fn open(&self, read: Read) -> Box<dyn Pages> {
        let reader = Reader::new(Arc::clone(&self.client), read.stream);
        let Some(endpoint) = &read.stream.endpoint else { return Box::new(Nothing) };
        match read.stream.replication {
            Replication::Frozen => Box::new(Nothing),
            Replication::Export => Box::new(Export::new(reader, read.stream, read.since)),
            Replication::Log => Box::new(Logs::new(reader, endpoint, read.from, read.since)),
            Replication::Daily => Box::new(Daily::new(reader, endpoint, read.from)),
            Replication::FullTable if read.stream.parent.is_some() => {
                let at_once = self.client.settings.in_flight;
                Box::new(FanOut::new(reader, endpoint, read.parents, at_once))
            }
            Replication::FullTable => Box::new(List::new(Walker::new(reader, endpoint, None))),
        }
    }

    fn resume(&self, read: Read, position: &str) -> Option<Box<dyn Pages>> {
        let reader = Reader::new(Arc::clone(&self.client), read.stream);
        let endpoint = read.stream.endpoint.as_ref()?;
        match read.stream.replication {
            Replication::Export => Some(Box::new(Export::resumed(reader, read.stream, position)?)),
            Replication::FullTable if read.stream.parent.is_some() => {
                let at_once = self.client.settings.in_flight;
                Some(Box::new(FanOut::new(reader, endpoint, read.parents, at_once).resumed(position)?))
            }
            Replication::FullTable => Some(Box::new(List::resumed(reader, endpoint, position)?)),
            Replication::Log | Replication::Daily | Replication::Frozen => None,
        }
    }

    async fn record(&self, stream: &'static Stream, key: &str) -> SourceResult<Option<Page>> {
        let path = stream.endpoint.as_ref().and_then(|endpoint| Some((endpoint, endpoint.record_path?)));
        let Some((endpoint, template)) = path else {
            let action = format!("read one record of {}", stream.name);
            return Err(SourceError::new(
                SourceErrorKind::Refused,
                action,
                "the API gives no single records of it",
            ));
        };
        let reader = Reader::new(Arc::clone(&self.client), stream);
        let body = record::read(&reader, endpoint, template, key).await?;
        Ok(body.map(|body| Page { body, records: Records::One, parent: None, checkpoint: None }))
    }

    fn follow(&self, from: Option<Checkpoint>) -> Box<dyn Feed> {
        Box::new(Events::new(Arc::clone(&self.client), from))
    }

    async fn estimate(&self, read: Read, known: Known) -> SourceResult<Estimate> {
        estimate::estimate(&Reader::new(Arc::clone(&self.client), read.stream), &read, known).await
    }

    fn pace(&self, requests: &[(&'static Stream, u64)]) -> Option<Duration> {
        let path = |stream: &Stream| stream.endpoint.as_ref().map_or("", |endpoint| endpoint.path);
        self.client.pace(requests.iter().map(|(stream, requests)| (path(stream), *requests)))
    }

    fn requests(&self) -> u64 {
        self.client.requests()
    }

    fn delays(&self, stream: &'static Stream) -> Delays {
        self.client.delays(stream)
    }
}

/// A read of a table that no endpoint feeds.
struct Nothing;

#[async_trait]
impl Pages for Nothing {
    async fn next(&mut self) -> SourceResult<Option<Page>> {
        Ok(None)
    }

    fn complete(&self) -> bool {
        false
    }

    fn requests(&self) -> u64 {
        0
    }
}
