//! The port to the network: one request out, one answer in.
//!
//! An implementation follows no redirect, repeats nothing, adds no credentials, and must never present a cut body as a whole one without
//! saying so in [`HttpResponse::framed`].

use std::fmt;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};

use super::url::Url;

/// Sends requests.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends one request and gives the answer once its head has arrived, whatever its status.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, TransportError>;
}

/// Request methods in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Asks for a token or an export.
    Post,
}

impl Method {
    /// The name as it is sent.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// How long an answer may take as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// One answer of an API.
    Answer,
    /// A file of any size.
    File,
    /// An answer that goes on for as long as the server likes: as a whole it may take any time, and its pieces come unpacked, so that none
    /// waits for another.
    Endless,
}

/// One request.
#[derive(Clone)]
pub struct HttpRequest {
    /// Method.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// Names in lower case, and values.
    pub headers: Vec<(&'static str, String)>,
    /// Body; empty for none.
    pub body: Bytes,
    /// Bytes of decoded body that the caller will take; an implementation may fail earlier than the caller does, never later.
    pub limit: u64,
    /// How long it may take.
    pub patience: Patience,
}

/// Shows neither headers nor query nor body: each may hold secrets.
impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.method.name(), self.url)
    }
}

/// One answer.
pub struct HttpResponse {
    /// Status code.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Headers,
    /// Whether the end of the body is marked (length, chunks, frames, trailer), so that a cut body gives an error instead of an end.
    pub framed: bool,
    /// The body, without content encoding.
    pub body: Box<dyn Body>,
}

/// A body as it arrives.
#[async_trait]
pub trait Body: Send {
    /// The next piece, or `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, TransportError>;
}

/// Header fields of an answer.
#[derive(Debug, Clone, Default)]
pub struct Headers(Vec<(String, String)>);

/// The network failed: no answer, or none to its end.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct TransportError {
    /// What happened; holds no address and no header.
    pub reason: String,
    /// What caused it.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl TransportError {
    /// A failure with no deeper cause to show.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), source: None }
    }
}

impl Headers {
    /// From names in any case.
    pub fn new(fields: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(fields.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect())
    }

    /// The first value of that name (in lower case).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// All values of that name (in lower case).
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// A value that is a whole number.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.get(name)?.trim().parse().ok()
    }
}

impl HttpResponse {
    /// An answer whose body is all here.
    pub fn whole(status: u16, headers: Headers, body: Bytes) -> Self {
        Self { status, headers, framed: true, body: Box::new(Whole(Some(body))) }
    }

    /// Reads the body to its end, or fails when it is larger than `limit` bytes.
    pub(super) async fn collect(mut self, limit: u64) -> Result<Collected, CollectError> {
        let mut first: Option<Bytes> = None;
        let mut rest = BytesMut::new();
        let mut length = 0;
        while let Some(piece) = self.body.next().await? {
            length += piece.len() as u64;
            if length > limit {
                return Err(CollectError::TooLarge);
            }
            match first.take() {
                None if rest.is_empty() => first = Some(piece),
                None => rest.extend_from_slice(&piece),
                Some(before) => {
                    rest.extend_from_slice(&before);
                    rest.extend_from_slice(&piece);
                }
            }
        }
        let body = first.unwrap_or_else(|| rest.freeze());
        Ok(Collected { status: self.status, headers: self.headers, body })
    }
}

/// An answer read to its end.
#[derive(Debug, Clone)]
pub(super) struct Collected {
    pub(super) status: u16,
    pub(super) headers: Headers,
    pub(super) body: Bytes,
}

/// Why a body could not be read to its end.
pub(super) enum CollectError {
    Failed(TransportError),
    TooLarge,
}

impl From<TransportError> for CollectError {
    fn from(error: TransportError) -> Self {
        Self::Failed(error)
    }
}

struct Whole(Option<Bytes>);

#[async_trait]
impl Body for Whole {
    async fn next(&mut self) -> Result<Option<Bytes>, TransportError> {
        Ok(self.0.take().filter(|bytes| !bytes.is_empty()))
    }
}
