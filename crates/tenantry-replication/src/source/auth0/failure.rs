//! What an answer that is not a success means.
//!
//! Tells the kind and keeps Auth0's own words; takes out of them whatever we sent, since they may repeat ids and search terms.

use std::borrow::Cow;
use std::time::Duration;

use super::transport::Collected;
use crate::error::{SourceError, SourceErrorKind};
use crate::json::Json;

/// Longest message taken over.
const MESSAGE_CHARS_MAX: usize = 300;
/// Values shorter than this are too common in prose to be taken out of a message.
const SENT_LENGTH_MIN: usize = 4;

/// What a 404 means for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absent {
    /// The endpoint is not there: the tenant does not have the feature.
    Feature,
    /// The record or parent is not there.
    Record,
    /// The endpoint is not there; a 410 means that the position to go on from is no longer known.
    Position,
}

/// The kind of an answer by its status, and by its error code where two share a status.
fn kind(status: u16, code: &str, message: &str, absent: Absent) -> SourceErrorKind {
    match status {
        401 => SourceErrorKind::Unauthorized,
        403 if code == "insufficient_scope"
            || message.to_ascii_lowercase().contains("insufficient scope") =>
        {
            SourceErrorKind::ScopeMissing
        }
        // The documents have 429 for it, the description of the API 403.
        403 if message.to_ascii_lowercase().contains("maximum concurrent") => SourceErrorKind::RateLimited,
        402 | 403 | 405 | 501 => SourceErrorKind::NotOffered,
        410 if absent == Absent::Position => SourceErrorKind::PositionExpired,
        404 | 410 => match absent {
            Absent::Feature | Absent::Position => SourceErrorKind::NotOffered,
            Absent::Record => SourceErrorKind::NotFound,
        },
        400 if is_paging_cap(code, message) => SourceErrorKind::LimitExceeded,
        429 => SourceErrorKind::RateLimited,
        _ if may_pass(status) => SourceErrorKind::Unavailable,
        _ => SourceErrorKind::Refused,
    }
}

/// Whether the same request may succeed later, whoever refused it with this status.
pub(super) const fn may_pass(status: u16) -> bool {
    matches!(status, 408 | 409 | 425 | 429 | 500..=599)
}

/// The two wordings of "offset paging ends here", and the code that came later.
fn is_paging_cap(code: &str, message: &str) -> bool {
    code == "invalid_paging"
        || message.contains("page through the first 1000 records")
        || message.contains("exceeds the allowed maximum of 1000")
}

/// The failure behind an answer other than 2xx. `sent` are values of ours that a message may repeat.
pub(super) fn of_answer(action: &str, answer: &Collected, absent: Absent, sent: &[&str]) -> SourceError {
    let body = Json::document(&answer.body).ok();
    let text = |name: &str| body.and_then(|body| body.get(name)).and_then(Json::text).map(Cow::into_owned);
    let code = text("errorCode").or_else(|| text("error")).unwrap_or_default();
    let message = text("message").or_else(|| text("error_description")).or_else(|| text("error"));
    let message = message.unwrap_or_else(|| match answer.status {
        300..=399 => "the API redirected the request; redirects are not followed".into(),
        status => format!("the answer was {status}"),
    });
    let mut error =
        SourceError::new(kind(answer.status, &code, &message, absent), action, redact(&message, sent));
    error.status = Some(answer.status);
    error.retry_after = retry_after(answer);
    error
}

/// `Retry-After` in seconds; the form with a date is not used by Auth0.
fn retry_after(answer: &Collected) -> Option<Duration> {
    let seconds = answer.headers.number("retry-after")?;
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

fn redact(message: &str, sent: &[&str]) -> String {
    let mut message = message.to_owned();
    for value in sent.iter().filter(|value| value.len() >= SENT_LENGTH_MIN) {
        message = message.replace(value, "…");
    }
    message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MESSAGE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::super::transport::Headers;
    use super::*;

    fn answer(status: u16, body: &str) -> Collected {
        let headers = Headers::new([("Retry-After".to_owned(), "7".to_owned())]);
        Collected { status, headers, body: body.to_owned().into() }
    }

    #[test]
    fn every_status_has_its_kind() {
        use SourceErrorKind::{
            LimitExceeded, Malformed, NotFound, NotOffered, PositionExpired, RateLimited, Refused,
            ScopeMissing, Unauthorized, Unavailable,
        };
        let scope = r#"{"statusCode":403,"error":"Forbidden","message":"Insufficient scope, expected any of: read:logs","errorCode":"insufficient_scope"}"#;
        for (status, body, absent, expected) in [
            (
                401,
                r#"{"statusCode":401,"error":"Unauthorized","message":"Invalid token"}"#,
                Absent::Feature,
                Unauthorized,
            ),
            (403, scope, Absent::Feature, ScopeMissing),
            (403, r#"{"message":"This feature is not enabled"}"#, Absent::Feature, NotOffered),
            (403, "<html>", Absent::Feature, NotOffered),
            (404, "{}", Absent::Feature, NotOffered),
            (404, "{}", Absent::Record, NotFound),
            (404, "{}", Absent::Position, NotOffered),
            (410, "{}", Absent::Position, PositionExpired),
            (
                403,
                r#"{"message":"Maximum concurrent event stream connections reached. Please close existing connections."}"#,
                Absent::Position,
                RateLimited,
            ),
            (
                400,
                r#"{"message":"You can only page through the first 1000 records."}"#,
                Absent::Feature,
                LimitExceeded,
            ),
            (
                400,
                r#"{"message":"Requesting page 20 exceeds the allowed maximum of 1000 records"}"#,
                Absent::Feature,
                LimitExceeded,
            ),
            (400, r#"{"message":"x","errorCode":"invalid_paging"}"#, Absent::Feature, LimitExceeded),
            (400, r#"{"message":"Invalid query"}"#, Absent::Feature, Refused),
            (414, "", Absent::Feature, Refused),
            (302, "", Absent::Feature, Refused),
            (429, "{}", Absent::Feature, RateLimited),
            (408, "", Absent::Feature, Unavailable),
            (500, "", Absent::Feature, Unavailable),
            (503, "", Absent::Record, Unavailable),
        ] {
            let error = of_answer("read page 1 of /x", &answer(status, body), absent, &[]);
            assert_eq!(error.kind, expected, "{status} {body}");
            assert_ne!(error.kind, Malformed);
            assert_eq!((error.status, error.retry_after), (Some(status), Some(Duration::from_secs(7))));
            assert!(!error.message.is_empty());
        }
    }

    #[test]
    fn messages_are_auth0s_own_without_what_we_sent() {
        let body = r#"{"statusCode":400,"error":"Bad Request","message":"Query error: 'auth0|5f7c'\u0007 is wrong"}"#;
        let error =
            of_answer("read one record of /users", &answer(400, body), Absent::Record, &["auth0|5f7c", "to"]);
        assert_eq!(error.message, "Query error: '…'  is wrong");
        let long = format!(r#"{{"message":"{}"}}"#, "x".repeat(5_000));
        assert_eq!(of_answer("a", &answer(400, &long), Absent::Record, &[]).message.len(), MESSAGE_CHARS_MAX);
    }
}
