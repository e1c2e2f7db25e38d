//! Answers that are not the tenant's own, and answers of the tenant that were spoiled on the way.
//!
//! Decides on no occasion: `network` does.

use serde_json::{Value, json};
use tenantry_simulator::Response;

use crate::world::World;

fn json_answer(status: u16, body: &Value) -> Response {
    let headers = vec![("content-type".to_owned(), "application/json; charset=utf-8".to_owned())];
    Response { status, headers, body: body.to_string().into_bytes() }
}

fn with(mut response: Response, name: &str, value: impl std::fmt::Display) -> Response {
    response.headers.push((name.to_owned(), format!("{value}")));
    response
}

/// The server is out of order.
pub(crate) fn server_error(world: &World) -> Response {
    const STATUSES: [u16; 6] = [408, 409, 500, 502, 503, 504];
    let status = STATUSES[world.draw(6) as usize];
    let response = match world.draw(3) {
        0 => json_answer(
            status,
            &json!({ "statusCode": status, "error": "Error", "message": "Something broke" }),
        ),
        1 => with(
            Response { status, headers: Vec::new(), body: b"<html>bad gateway</html>".to_vec() },
            "content-type",
            "text/html",
        ),
        _ => Response { status, headers: Vec::new(), body: Vec::new() },
    };
    if world.draw(4) == 0 { with(response, "retry-after", 1 + world.draw(20)) } else { response }
}

/// Too many requests, in all the ways that the headers can be.
pub(crate) fn limited(world: &World) -> Response {
    let body = json!({ "statusCode": 429, "error": "Too Many Requests", "message": "Global limit has been reached",
        "errorCode": "too_many_requests" });
    let response = json_answer(429, &body);
    let now = world.clock.truth() / 1_000_000;
    let standing = |response, reset: i64| {
        let response = with(with(response, "x-ratelimit-limit", 10), "x-ratelimit-remaining", 0);
        with(response, "x-ratelimit-reset", reset)
    };
    match world.draw(12) {
        0 | 1 => response,
        2 | 3 => with(response, "retry-after", 1 + world.draw(30)),
        4 | 5 => standing(response, now + 1 + world.draw(20) as i64),
        6 => standing(response, now),
        7 => standing(response, now - 1_000),
        8 => standing(response, now + 365 * 86_400),
        9 => with(response, "retry-after", 86_400),
        10 => with(response, "retry-after", "Wed, 21 Oct 2026 07:28:00 GMT"),
        _ => standing(with(response, "retry-after", 5), now + 2),
    }
}

pub(crate) fn unauthorized() -> Response {
    json_answer(401, &json!({ "statusCode": 401, "error": "Unauthorized", "message": "Invalid token" }))
}

/// Of the token endpoint: the application's secret has changed.
pub(crate) fn denied() -> Response {
    json_answer(401, &json!({ "error": "access_denied", "error_description": "Unauthorized" }))
}

/// The scope was taken, or the plan does not have the feature.
pub(crate) fn withheld(world: &World, segment: &str, is_list: bool) -> Response {
    match world.draw(3) {
        0 => json_answer(
            403,
            &json!({ "statusCode": 403, "error": "Forbidden", "message": "not on this plan" }),
        ),
        // Of a single record, this would say that it is gone.
        1 if is_list => {
            json_answer(404, &json!({ "statusCode": 404, "error": "Not Found", "message": "Not Found" }))
        }
        _ => {
            let message = format!("Insufficient scope, expected any of: read:{}", segment.replace('-', "_"));
            let body = json!({ "statusCode": 403, "error": "Forbidden", "message": message,
                "errorCode": "insufficient_scope" });
            json_answer(403, &body)
        }
    }
}

/// To a host that must never see the token.
pub(crate) fn redirect() -> Response {
    let response = Response { status: 302, headers: Vec::new(), body: Vec::new() };
    with(response, "location", "https://elsewhere.example.com/api/v2/users")
}

pub(crate) fn web_page(world: &World) -> Response {
    let response = Response { status: 200, headers: Vec::new(), body: b"<html>maintenance</html>".to_vec() };
    if world.draw(2) == 0 { with(response, "content-type", "text/html") } else { response }
}

pub(crate) fn wrong_shape(world: &World) -> Response {
    let bodies = ["null", "7", "\"ok\"", "[1,", ""];
    let response = json_answer(200, &Value::Null);
    Response { body: bodies[world.draw(bodies.len() as u64) as usize].as_bytes().to_vec(), ..response }
}

/// As the store of the files answers.
pub(crate) fn expired_link() -> Response {
    let body = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>";
    with(
        Response { status: 403, headers: Vec::new(), body: body.as_bytes().to_vec() },
        "content-type",
        "application/xml",
    )
}

pub(crate) fn failed_job(world: &World, path: &str) -> Response {
    let id = path.rsplit('/').next().unwrap_or_default();
    let status = ["failed", "expired", "cancelled"][world.draw(3) as usize];
    match world.draw(4) {
        0 => json_answer(
            404,
            &json!({ "statusCode": 404, "error": "Not Found", "message": "The job does not exist" }),
        ),
        _ => json_answer(200, &json!({ "type": "users_export", "status": status, "id": id })),
    }
}

/// Lists of records in answers, by what their paths end with and how deep they lie.
const LISTS: [(&str, usize); 4] =
    [("/members", 5), ("/clients", 5), ("/actions/actions", 4), ("/actions/triggers", 4)];

/// Each of its records is the parent of a fan-out.
const CONNECTIONS: &str = "/api/v2/connections";

fn is_list(path: &str) -> bool {
    let depth = path.matches('/').count();
    depth == 3 || LISTS.iter().any(|(end, at)| depth == *at && path.ends_with(end))
}

/// Makes one record of an answer such that it does not fit. Events and daily figures are left alone: nobody reads them again. Whether it
/// surely does not.
pub(crate) fn spoil(world: &World, path: &str, response: &mut Response) -> bool {
    let never = ["/logs", "/stats", "/jobs"];
    if never.iter().any(|part| path.starts_with(&format!("/api/v2{part}"))) {
        return false;
    }
    let Ok(mut body) = serde_json::from_slice::<Value>(&response.body) else { return false };
    let record = if body.is_array() {
        body.as_array_mut().and_then(|list| one_of(world, list))
    } else if let Some(list) =
        body.as_object_mut().and_then(|object| object.values_mut().find_map(Value::as_array_mut))
        && is_list(path)
    {
        one_of(world, list)
    } else {
        None
    };
    let Some(record) = record else { return false };
    let kind = match world.draw(5) {
        // A list that is read once for others' sake, and seldom: what its records' flags say keeps them out, and their keys are known.
        1 | 2 | 4 if path == CONNECTIONS => 3,
        kind => kind,
    };
    match (kind, record.as_object_mut()) {
        (0, Some(object)) => object.retain(|name, _| name != "id" && !name.ends_with("_id")),
        (1, Some(object)) => {
            for (name, value) in object.iter_mut().filter(|(name, _)| name.ends_with("_at")) {
                *value = format!("not a time: {name}").into();
            }
        }
        // Rows of its own tables alone.
        (2, Some(object)) => {
            let parts = object.values_mut().filter(|value| value.is_array() || value.is_object());
            parts.for_each(|value| *value = "neither a list nor an object".into());
        }
        // The record itself, by its key.
        (3, Some(object)) => {
            blur(object);
            if path == CONNECTIONS {
                world.state().run.odd.extend(object["id"].as_str().map(str::to_owned));
            }
        }
        _ => *record = json!(7),
    }
    response.body = body.to_string().into_bytes();
    matches!(kind, 0 | 4)
}

fn blur(object: &mut serde_json::Map<String, Value>) {
    let flags = object.values_mut().filter(|value| value.is_boolean());
    flags.for_each(|value| *value = "perhaps".into());
}

/// Lets a connection that did not fit in its list not fit by itself either, for the rest of the run.
pub(crate) fn spoil_again(world: &World, path: &str, response: &mut Response) {
    let is_odd = |id: &str| world.state().run.odd.contains(id);
    if !path.strip_prefix(CONNECTIONS).and_then(|rest| rest.strip_prefix('/')).is_some_and(is_odd) {
        return;
    }
    if let Ok(Value::Object(mut object)) = serde_json::from_slice(&response.body) {
        blur(&mut object);
        response.body = Value::Object(object).to_string().into_bytes();
    }
}

fn one_of<'a>(world: &World, list: &'a mut [Value]) -> Option<&'a mut Value> {
    let at = world.draw(list.len() as u64) as usize;
    list.get_mut(at)
}
