//! From an authenticated request to a response: scope, handler, audit log.
//!
//! Requests and churn both come through here, so whatever changes the tenant through a route leaves the same trace.

use super::routes::{Found, Route};
use super::{Answer, ApiError, Body, Call, Caller, Outcome, others};
use crate::audit;
use crate::http::{Query, Request, Response};
use crate::tenant::Tenant;
use serde_json::{Map, Value};

/// Answers a call of the Management API by a caller whose token is good.
pub(crate) fn perform(
    tenant: &mut Tenant,
    request: &Request,
    found: &Found,
    caller: Caller,
    now: i64,
) -> Response {
    let (scopes, params) = match found {
        Found::Route(route, params) => (route.scopes, params.clone()),
        Found::Other(_, scopes, _, params) => (*scopes, params.clone()),
    };
    if !scopes.is_empty() && !scopes.iter().any(|s| caller.may(s)) {
        let message = format!("Insufficient scope, expected any of: {}", scopes.join(","));
        return render(Err(ApiError::new(403, &message, Some("insufficient_scope"))));
    }
    let call = Call { request, params, query: Query::parse(&request.query), now, caller };
    match found {
        Found::Other(_, _, shape, _) => render(others::answer(&call, shape)),
        Found::Route(route, _) => {
            let outcome = (route.handler)(tenant, &call);
            if let Ok(answer) = &outcome {
                log_write(tenant, route, &call, answer);
            }
            render(outcome)
        }
    }
}

fn log_write(tenant: &mut Tenant, route: &Route, call: &Call<'_>, answer: &Answer) {
    let own_job = route.template == "/jobs/users-exports";
    if route.what.is_empty() || answer.status >= 300 || (own_job && !tenant.config.log_own_traffic) {
        return;
    }
    // The log of a client grant lacks its id.
    let without_id = match &answer.body {
        Body::Json(Value::Object(fields)) if route.template.starts_with("/client-grants") => {
            let kept = fields.iter().filter(|(k, _)| *k != "id").map(|(k, v)| (k.clone(), v.clone()));
            Some(Body::Json(kept.collect::<Map<_, _>>().into()))
        }
        _ => None,
    };
    let body = without_id.as_ref().unwrap_or(&answer.body);
    audit::wrote(tenant, call, route.what, answer.status, body);
}

/// Answer or error as HTTP.
pub(crate) fn render(outcome: Outcome) -> Response {
    const JSON: &str = "application/json; charset=utf-8";
    let answer = outcome.unwrap_or_else(|error| Answer {
        status: error.status,
        headers: Vec::new(),
        body: Body::Json(error.render()),
    });
    let body = match answer.body {
        Body::Empty => Vec::new(),
        Body::Json(value) => value.to_string().into_bytes(),
        Body::Text(text) => text.into_bytes(),
    };
    let mut headers = answer.headers;
    if !headers.iter().any(|(name, _)| name == "content-type") {
        headers.insert(0, ("content-type".to_owned(), JSON.to_owned()));
    }
    Response { status: answer.status, headers, body }
}
