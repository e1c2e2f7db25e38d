//! What can go wrong, in few flat kinds, and the only place that decides on a retry.
//!
//! A kind is for code, the chain of sources is for people, the hint is for the operator. Row values and secrets never enter an error.

use std::time::Duration;

use thiserror::Error;

/// Result of reading from the source.
pub type SourceResult<T> = Result<T, SourceError>;
/// Result of writing to the destination.
pub type DestinationResult<T> = Result<T, DestinationError>;

/// A failure to read from the source.
#[derive(Debug, Error)]
#[error("{action}: {message}")]
pub struct SourceError {
    /// What to branch on.
    pub kind: SourceErrorKind,
    /// What was being done, e.g. `read page 3 of /users`. Holds no query values.
    pub action: String,
    /// HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// Why, in the API's own words where it gave some.
    pub message: String,
    /// How long the API asked us to wait, where it did.
    pub retry_after: Option<Duration>,
    /// What caused it.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Kinds of failure at the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SourceErrorKind {
    /// The credentials were refused.
    Unauthorized,
    /// The token lacks the scope for this endpoint.
    ScopeMissing,
    /// The tenant does not offer this feature (or not to this application).
    NotOffered,
    /// A rate limit was hit.
    RateLimited,
    /// The server or the network failed; the same request may work later.
    Unavailable,
    /// The record or parent does not exist.
    NotFound,
    /// The request was refused as wrong; repeating it is of no use.
    Refused,
    /// The position we wanted to go on from is no longer known.
    PositionExpired,
    /// The answer is not what the API promises (not JSON, cut short, of another shape).
    Malformed,
    /// One of our own limits was reached (pages, body size, attempts).
    LimitExceeded,
    /// The requests or the time that the operator allowed are used up.
    AllowanceSpent,
}

/// A failure at the destination.
#[derive(Debug, Error)]
#[error("{action}: {message}")]
pub struct DestinationError {
    /// What to branch on.
    pub kind: DestinationErrorKind,
    /// What was being done, e.g. `publish stream users`. Holds no row values.
    pub action: String,
    /// Why.
    pub message: String,
    /// What caused it.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Kinds of failure at the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DestinationErrorKind {
    /// Cannot be reached or opened.
    Unavailable,
    /// It is not there: no run has filled it yet.
    Absent,
    /// Another process holds it.
    Locked,
    /// Another process has the lease: it writes, or is about to.
    Held,
    /// No space left, or a quota.
    Full,
    /// Tables there do not fit ours and cannot be widened to.
    SchemaConflict,
    /// A newer version of this tool wrote it.
    Newer,
    /// It holds the tables of another tenant.
    OtherTenant,
    /// A statement of the user's was refused.
    Query,
    /// Anything else that the engine of the destination reported.
    Failed,
}

impl SourceError {
    /// An error without an answer from the server.
    pub fn new(kind: SourceErrorKind, action: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind,
            action: action.into(),
            status: None,
            message: message.into(),
            retry_after: None,
            source: None,
        }
    }

    /// The same with what caused it.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl DestinationError {
    /// An error with no deeper cause to show.
    pub fn new(kind: DestinationErrorKind, action: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, action: action.into(), message: message.into(), source: None }
    }
}

/// What to do about a failed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Wait as the limit's own headers say, at least a second, and ask again.
    WhenAllowed,
    /// Wait with exponential backoff and jitter, and ask again.
    Backoff,
    /// Get a new token once, and ask again.
    AfterRenewal,
    /// Do not ask again.
    Never,
}

/// Decides whether a failed request is worth repeating. The only place that does.
pub const fn retry(kind: SourceErrorKind) -> Retry {
    match kind {
        SourceErrorKind::RateLimited => Retry::WhenAllowed,
        SourceErrorKind::Unavailable | SourceErrorKind::Malformed => Retry::Backoff,
        SourceErrorKind::Unauthorized => Retry::AfterRenewal,
        SourceErrorKind::ScopeMissing
        | SourceErrorKind::NotOffered
        | SourceErrorKind::NotFound
        | SourceErrorKind::Refused
        | SourceErrorKind::PositionExpired
        | SourceErrorKind::LimitExceeded
        | SourceErrorKind::AllowanceSpent => Retry::Never,
    }
}

/// Whether a destination that failed so may answer the same question a moment later. Nothing that writes is ever sent again for it.
pub const fn may_pass(kind: DestinationErrorKind) -> bool {
    match kind {
        DestinationErrorKind::Unavailable | DestinationErrorKind::Locked => true,
        DestinationErrorKind::Absent
        | DestinationErrorKind::Held
        | DestinationErrorKind::Full
        | DestinationErrorKind::SchemaConflict
        | DestinationErrorKind::Newer
        | DestinationErrorKind::OtherTenant
        | DestinationErrorKind::Query
        | DestinationErrorKind::Failed => false,
    }
}

/// Whether a later run may go on where this failure broke off a read: nothing is wrong with what came, or with what was asked for.
pub const fn is_resumable(kind: SourceErrorKind) -> bool {
    match kind {
        SourceErrorKind::AllowanceSpent
        | SourceErrorKind::RateLimited
        | SourceErrorKind::Unavailable
        | SourceErrorKind::Unauthorized => true,
        SourceErrorKind::ScopeMissing
        | SourceErrorKind::NotOffered
        | SourceErrorKind::NotFound
        | SourceErrorKind::Refused
        | SourceErrorKind::PositionExpired
        | SourceErrorKind::Malformed
        | SourceErrorKind::LimitExceeded => false,
    }
}
