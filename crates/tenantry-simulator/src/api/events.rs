//! `GET /events`: the feed as server-sent events.
//!
//! Answers what there is now, and hints to the shell where to go on. Whoever calls the core without a shell gets a
//! connection that closed at once, as Auth0 closes each after some minutes.

use super::{Answer, ApiError, Body, Call, Outcome};
use crate::feed::{Piece, TYPES};
use crate::http::{HINT_FOLLOW, Query};
use crate::tenant::Tenant;
use crate::time;

/// Longest text of a time.
const TIMESTAMP_MAX: usize = 20;

/// The types that a query asks for; all where it names none.
pub(crate) fn types(query: &Query) -> Vec<String> {
    query.all("event_type").into_iter().map(str::to_owned).collect()
}

pub(crate) fn subscribe(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    if let Some(status) = tenant.config.events_refused_with {
        let message = if status == 404 { "Not Found" } else { "The feature is not enabled for this tenant." };
        return Err(ApiError::new(status, message, None));
    }
    call.only(&["from", "from_timestamp", "event_type"])?;
    let types = types(&call.query);
    if types.iter().any(|kind| !TYPES.contains(&kind.as_str())) {
        return Err(ApiError::query("Unsupported event type."));
    }
    if tenant.feed.open >= tenant.config.plan.event_connections() {
        let message = "Maximum concurrent event stream connections reached.";
        let error = ApiError::new(429, message, Some("too_many_requests"));
        let headers = vec![("retry-after".into(), "2".into())];
        return Ok(Answer { status: 429, headers, body: Body::Json(error.render()) });
    }
    let position = begin(tenant, call)?;
    let Piece { text, position } = tenant.feed.follow(position, &types, true);
    let mut headers: Vec<(String, String)> = vec![
        ("content-type".into(), "text/event-stream".into()),
        ("cache-control".into(), "no-cache".into()),
    ];
    if let Some(position) = position {
        headers.push((HINT_FOLLOW.into(), position.to_string()));
    }
    Ok(Answer { status: 200, headers, body: Body::Text(text) })
}

/// Where to begin: the header goes before the parameter, and a position before a time.
fn begin(tenant: &Tenant, call: &Call<'_>) -> Result<u64, ApiError> {
    let header = call.request.header_value("last-event-id").filter(|id| !id.is_empty());
    if let Some(offset) = header.or_else(|| call.query.get("from")) {
        let position = tenant.feed.position(offset);
        let position =
            position.ok_or_else(|| ApiError::bad("Invalid cursor format.", Some("invalid_cursor")))?;
        if !tenant.feed.is_kept(position) {
            let message = "Cursor points to data no longer available in the stream.";
            return Err(ApiError::new(410, message, Some("cursor_expired")));
        }
        return Ok(position);
    }
    let Some(text) = call.query.get("from_timestamp") else { return Ok(tenant.feed.latest()) };
    let time = Some(text).filter(|text| text.len() <= TIMESTAMP_MAX).and_then(time::interval);
    let (first, _) = time.ok_or_else(|| ApiError::query("Invalid request query string: from_timestamp"))?;
    Ok(tenant.feed.at(first * 1000))
}
