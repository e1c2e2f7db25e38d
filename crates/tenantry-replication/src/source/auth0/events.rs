//! The Events feed as a [`Feed`]: one connection that stays open, opened again whenever it ends, from the last position that was told.
//!
//! Looks into an event no further than to its envelope. Asks for all types of events: one that a tenant does not know would have the whole
//! request refused.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::{Either, select};

use super::super::{Feed, Heard};
use super::calendar;
use super::client::{ATTEMPTS, Call, Client};
use super::sse::{Decoder, Message};
use super::transport::Body;
use crate::clock::{MICROS_PER_SECOND, Micros};
use crate::error::{Retry, SourceError, SourceErrorKind, SourceResult, retry};
use crate::json::Json;
use crate::state::Checkpoint;

/// Scope that the feed needs.
pub const EVENTS_SCOPE: &str = "read:events";
/// Path of the feed.
const PATH: &str = "/events";
/// What is being done, in errors.
const ACTION: &str = "listen to /events";
/// Time without a byte, heartbeats included, after which a connection counts as dead.
const SILENCE_MAX: Duration = Duration::from_secs(40);
/// Largest message: one event holds at most one user, whose profile may have 1 MB.
const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// Least time between two openings, however soon the first connection ended.
const OPENED_APART: Duration = Duration::from_secs(1);
/// How far before now the feed begins anew where its position is no longer known.
const BEGIN_ANEW_AGO: Micros = 60 * MICROS_PER_SECOND;

/// The feed of one tenant.
pub(super) struct Events {
    client: Arc<Client>,
    begin: Begin,
    connection: Option<Connection>,
    /// When the next connection may be opened, on the monotonic clock.
    not_before: Duration,
    /// Failures since something was last told.
    failed: u32,
    /// Whether the token was refused since something was last told.
    refused: bool,
}

/// Where the next connection begins.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Begin {
    Now,
    /// At this time of the tenant's.
    Time(Micros),
    /// Behind this position.
    Offset(String),
}

struct Connection {
    body: Box<dyn Body>,
    decoder: Decoder,
    /// When the last byte came, on the monotonic clock.
    spoke: Duration,
}

impl Events {
    /// Listens from `from` on, or from now on where that is no position of this feed.
    pub(super) fn new(client: Arc<Client>, from: Option<Checkpoint>) -> Self {
        let begin = match from {
            Some(Checkpoint::Events { offset }) => Begin::Offset(offset),
            _ => Begin::Now,
        };
        Self { client, begin, connection: None, not_before: Duration::ZERO, failed: 0, refused: false }
    }

    async fn open(&mut self) -> SourceResult<Heard> {
        let clock = &self.client.clock;
        let wait = self.not_before.saturating_sub(clock.monotonic());
        if wait > Duration::ZERO {
            clock.sleep(wait).await;
        }
        let call = Call::get(ACTION, PATH).of_position();
        let (call, position) = match &self.begin {
            Begin::Now => (call, None),
            Begin::Time(time) => (call.with([("from_timestamp", calendar::iso_seconds(*time))]), None),
            Begin::Offset(offset) => (call.with([("from", offset.clone())]), Some(offset.as_str())),
        };
        // As a header it goes before the parameter; what cannot be one is left to the parameter.
        let position = position.filter(|position| position.bytes().all(|byte| byte.is_ascii_graphic()));
        let body = self.client.listen(&call, position).await?;
        let now = self.client.clock.monotonic();
        self.not_before = now + OPENED_APART;
        let decoder = Decoder::new(MESSAGE_BYTES_MAX);
        self.connection = Some(Connection { body, decoder, spoke: now });
        Ok(Heard::Open)
    }

    /// What the connection says next; `None` when it has ended, as each does after some minutes.
    async fn message(&mut self) -> SourceResult<Option<Message>> {
        let Some(connection) = &mut self.connection else { return Ok(None) };
        let clock = &self.client.clock;
        loop {
            match connection.decoder.next() {
                Ok(Some(message)) => return Ok(Some(message)),
                Ok(None) => {}
                Err(_) => {
                    let reason = format!("an event is larger than {MESSAGE_BYTES_MAX} bytes");
                    return Err(error(SourceErrorKind::PositionExpired, reason));
                }
            }
            let left = (connection.spoke + SILENCE_MAX).saturating_sub(clock.monotonic());
            let piece = match select(pin!(connection.body.next()), pin!(clock.sleep(left))).await {
                Either::Left((piece, _)) => piece,
                Either::Right(_) => {
                    let reason = format!("nothing came for {} seconds", SILENCE_MAX.as_secs());
                    return Err(error(SourceErrorKind::Unavailable, reason));
                }
            };
            match piece {
                Ok(Some(piece)) => {
                    connection.spoke = clock.monotonic();
                    connection.decoder.push(&piece);
                }
                Ok(None) => return Ok(None),
                Err(broken) => {
                    let reason = broken.reason.clone();
                    return Err(error(SourceErrorKind::Unavailable, reason).caused_by(broken));
                }
            }
        }
    }

    /// Takes a message in; `None` where it tells nothing.
    fn take(&mut self, message: &Message) -> SourceResult<Option<Heard>> {
        let Ok(data) = Json::document(message.data.as_bytes()) else {
            return Err(error(SourceErrorKind::Malformed, "a message is not JSON"));
        };
        if message.kind == "error" {
            return Err(told_error(data));
        }
        let text = |name| data.get(name).and_then(Json::text).map(std::borrow::Cow::into_owned);
        let Some(offset) = text("offset").or_else(|| Some(message.id.clone()).filter(|id| !id.is_empty()))
        else {
            return Err(error(SourceErrorKind::Malformed, "a message has no offset"));
        };
        let moved = self.begin != Begin::Offset(offset.clone());
        if moved {
            (self.failed, self.refused) = (0, false);
            self.begin = Begin::Offset(offset.clone());
        }
        let checkpoint = Checkpoint::Events { offset };
        Ok(match data.get("event") {
            Some(event) => Some(Heard::Event { event: Bytes::copy_from_slice(event.bytes()), checkpoint }),
            None => moved.then_some(Heard::Passed { checkpoint }),
        })
    }

    /// Sees what to do about a failure: gives up, or opens another connection later.
    fn failed(&mut self, error: SourceError) -> SourceResult<Option<Heard>> {
        self.connection = None;
        let (now, clock) = (self.client.clock.monotonic(), &self.client);
        // What kind of position it does not take, a tenant does not always tell.
        let refused = error.status == Some(400) && self.begin != Begin::Now;
        if error.kind == SourceErrorKind::PositionExpired || refused {
            let anew = matches!(self.begin, Begin::Offset(_));
            self.begin = if anew { Begin::Time(clock.tenant_now() - BEGIN_ANEW_AGO) } else { Begin::Now };
            self.not_before = self.not_before.max(now);
            return Ok(anew.then_some(Heard::Lost));
        }
        match retry(error.kind) {
            Retry::Never => return Err(error),
            Retry::AfterRenewal if self.refused => {
                self.refused = false;
                return Err(error);
            }
            Retry::AfterRenewal => self.refused = true,
            Retry::WhenAllowed | Retry::Backoff => {
                self.failed += 1;
                let wait = clock.backoff_after(self.failed, error.retry_after);
                self.not_before = self.not_before.max(now + wait);
                if self.failed >= ATTEMPTS {
                    self.failed = 0;
                    return Err(error);
                }
            }
        }
        Ok(None)
    }
}

#[async_trait]
impl Feed for Events {
    async fn next(&mut self) -> SourceResult<Heard> {
        loop {
            let heard = if self.connection.is_none() {
                self.open().await.map(Some)
            } else {
                match self.message().await {
                    Ok(Some(message)) => self.take(&message),
                    Ok(None) => {
                        self.connection = None;
                        Ok(None)
                    }
                    Err(error) => Err(error),
                }
            };
            let heard = match heard {
                Ok(heard) => heard,
                Err(error) => self.failed(error)?,
            };
            if let Some(heard) = heard {
                return Ok(heard);
            }
        }
    }
}

fn error(kind: SourceErrorKind, message: impl Into<String>) -> SourceError {
    SourceError::new(kind, ACTION, message)
}

/// What a message of kind `error` means. Its own words are not shown: they may repeat what an event held.
fn told_error(data: Json<'_>) -> SourceError {
    let code = data.get("error").and_then(|error| error.get("code")).and_then(Json::text).unwrap_or_default();
    let kind = match &*code {
        // An event that cannot be delivered is lost like one that is no longer kept.
        "cursor_expired" | "invalid_cursor" | "payload_too_large" => SourceErrorKind::PositionExpired,
        _ => SourceErrorKind::Unavailable,
    };
    let code: String = code.chars().filter(|c| c.is_ascii_lowercase() || *c == '_').take(40).collect();
    error(kind, format!("the feed ended with the error `{code}`"))
}
