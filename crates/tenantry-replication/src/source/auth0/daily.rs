//! One record a day: the whole history first, then from the last day that may still change.
//!
//! Days without activity are missing from the answer, not zero; so nothing is concluded from a day's absence.

use async_trait::async_trait;

use super::calendar::{self, MICROS_PER_DAY};
use super::client::{Call, Reader};
use super::paging;
use crate::catalog::Endpoint;
use crate::clock::Micros;
use crate::error::{SourceErrorKind, SourceResult};
use crate::source::{Page, Pages};
use crate::state::Checkpoint;

/// First day asked for: before the service existed.
const EARLIEST: &str = "20130101";

/// A read of daily records.
pub(super) struct Daily {
    reader: Reader,
    endpoint: &'static Endpoint,
    /// First day that was not final, by an earlier read.
    from: Option<Micros>,
    ended: bool,
    complete: bool,
}

impl Daily {
    pub(super) fn new(reader: Reader, endpoint: &'static Endpoint, from: Option<Checkpoint>) -> Self {
        let from = match from {
            Some(Checkpoint::Daily { date }) => calendar::parse_date(&date),
            _ => None,
        };
        Self { reader, endpoint, from, ended: false, complete: false }
    }

    async fn read(&self) -> SourceResult<(paging::Head, bytes::Bytes)> {
        let collection = self.endpoint.collection;
        let decode = |answer: &super::transport::Collected| {
            Ok((paging::head(&answer.body, collection)?, answer.body.clone()))
        };
        let fixed = self.endpoint.query.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let all = Call::get(format!("read {}", self.endpoint.path), self.endpoint.path).with(fixed);
        let day = |at: Micros| calendar::iso_date(at).replace('-', "");
        let from = self.from.map_or_else(|| EARLIEST.to_owned(), |from| day(from - MICROS_PER_DAY));
        let to = day(self.reader.client.tenant_now());
        let range = all.clone().with([("from", from), ("to", to)]);
        match self.reader.call(&range, decode).await {
            // So long a range is not taken: without one the API gives what it has.
            Err(error) if error.kind == SourceErrorKind::Refused && self.from.is_none() => {
                self.reader.call(&all, decode).await
            }
            other => other,
        }
    }
}

#[async_trait]
impl Pages for Daily {
    async fn next(&mut self) -> SourceResult<Option<Page>> {
        if self.ended {
            return Ok(None);
        }
        self.ended = true;
        let (head, body) = self.read().await?;
        self.complete = true;
        // Yesterday's record may still be rewritten; days before it are final.
        let date = calendar::iso_date(self.reader.client.tenant_now() - MICROS_PER_DAY);
        Ok(Some(Page {
            body,
            records: head.records,
            parent: None,
            checkpoint: Some(Checkpoint::Daily { date }),
        }))
    }

    fn complete(&self) -> bool {
        self.complete
    }

    fn requests(&self) -> u64 {
        self.reader.requests()
    }
}
