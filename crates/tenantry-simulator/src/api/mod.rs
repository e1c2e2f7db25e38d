//! The Management API: which routes there are, who may call them, and what an answer or an error looks like.
//!
//! One file for each family of endpoints; each handler is a function from tenant and call to an outcome. Handlers
//! check their input and change state; the token, limits, faults and the audit log are the dispatcher's business.

pub(crate) mod actions;
pub(crate) mod clients;
pub(crate) mod connections;
pub(crate) mod dispatch;
pub(crate) mod events;
pub(crate) mod grants;
pub(crate) mod jobs;
pub(crate) mod logs;
pub(crate) mod organizations;
pub(crate) mod others;
pub(crate) mod resource_servers;
pub(crate) mod roles;
pub(crate) mod routes;
pub(crate) mod user_links;
pub(crate) mod users;

use crate::http::{Query, Request};
use crate::tenant::Tenant;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// A JSON object in the order of its fields.
pub(crate) type Object = Map<String, Value>;

/// Who calls: what the token says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller {
    pub(crate) client_id: String,
    pub(crate) scopes: BTreeSet<String>,
}

impl Caller {
    pub(crate) fn may(&self, scope: &str) -> bool {
        self.scopes.contains(scope)
    }
}

/// One authorized call of a route.
pub(crate) struct Call<'a> {
    pub(crate) request: &'a Request,
    /// The path's parameters, each decoded once.
    pub(crate) params: Vec<String>,
    pub(crate) query: Query,
    /// Microseconds.
    pub(crate) now: i64,
    pub(crate) caller: Caller,
}

impl Call<'_> {
    /// The nth path parameter.
    pub(crate) fn param(&self, n: usize) -> &str {
        self.params.get(n).map_or("", String::as_str)
    }

    /// The body as a JSON object; an empty body is an empty object.
    pub(crate) fn object(&self) -> Result<Object, ApiError> {
        if self.request.body.is_empty() {
            return Ok(Object::new());
        }
        match serde_json::from_slice(&self.request.body) {
            Ok(Value::Object(fields)) => Ok(fields),
            Ok(_) => Err(ApiError::body("Payload validation error: 'Expected type object'.")),
            Err(_) => Err(ApiError::bad("Invalid request payload JSON format", None)),
        }
    }

    /// The body as an object that has no other properties than these.
    pub(crate) fn strict(&self, known: &[&str]) -> Result<Object, ApiError> {
        let fields = self.object()?;
        let unknown: Vec<&str> = fields.keys().map(String::as_str).filter(|k| !known.contains(k)).collect();
        if unknown.is_empty() {
            return Ok(fields);
        }
        let list = unknown.join(",");
        Err(ApiError::body(&format!(
            "Payload validation error: 'Additional properties not allowed: {list}'."
        )))
    }

    /// The array of strings under a name in the body.
    pub(crate) fn strings(&self, name: &str) -> Result<Vec<String>, ApiError> {
        let body = self.object()?;
        let items = body.get(name).and_then(Value::as_array).ok_or_else(|| missing(name))?;
        Ok(items.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect())
    }

    /// Refuses query parameters that the endpoint does not know.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), ApiError> {
        let bare = |name: &str| name.strip_suffix("[]").unwrap_or(name).to_owned();
        let unknown: Vec<String> =
            self.query.pairs().map(|(k, _)| bare(k)).filter(|k| !known.contains(&k.as_str())).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let list = unknown.join(",");
        Err(ApiError::query(&format!("Query validation error: 'Additional properties not allowed: {list}'.")))
    }

    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        self.query.get(name).map(|v| v == "true")
    }

    /// Scheme and host under which the caller reached the tenant.
    pub(crate) fn origin(&self) -> String {
        origin(self.request)
    }
}

/// Scheme and host of a request: http for loopback, unless something in front says https.
pub(crate) fn origin(request: &Request) -> String {
    let host = request.header_value("host").unwrap_or("localhost");
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let loopback = name == "localhost" || name == "[::1]" || name.starts_with("127.");
    let secure = request.header_value("x-forwarded-proto").map_or(!loopback, |p| p == "https");
    format!("{}://{host}", if secure { "https" } else { "http" })
}

pub(crate) fn missing(name: &str) -> ApiError {
    ApiError::body(&format!("Payload validation error: 'Missing required property: {name}'."))
}

/// The string under a required name of a body.
pub(crate) fn required(body: &Object, name: &str) -> Result<String, ApiError> {
    body.get(name)
        .and_then(Value::as_str)
        .filter(|v| !v.is_empty())
        .map(str::to_owned)
        .ok_or_else(|| missing(name))
}

/// What a handler gives back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Body,
}

/// The body of an answer.
pub(crate) enum Body {
    Empty,
    Json(Value),
    /// Rendered JSON.
    Text(String),
}

/// Answer or error.
pub(crate) type Outcome = Result<Answer, ApiError>;

/// A function that answers a route.
pub(crate) type Handler = fn(&mut Tenant, &Call<'_>) -> Outcome;

/// A JSON answer.
#[expect(clippy::unnecessary_wraps, reason = "handlers return outcomes")]
pub(crate) fn reply(status: u16, body: impl Into<Value>) -> Outcome {
    Ok(Answer { status, headers: Vec::new(), body: Body::Json(body.into()) })
}

/// 200 with JSON.
pub(crate) fn ok(body: impl Into<Value>) -> Outcome {
    reply(200, body)
}

/// 204.
#[expect(clippy::unnecessary_wraps, reason = "handlers return outcomes")]
pub(crate) fn no_content() -> Outcome {
    Ok(Answer { status: 204, headers: Vec::new(), body: Body::Empty })
}

/// An error as the Management API writes it.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) message: String,
    pub(crate) code: Option<String>,
    pub(crate) attributes: Option<Box<Value>>,
}

impl ApiError {
    pub(crate) fn new(status: u16, message: &str, code: Option<&str>) -> Self {
        Self { status, message: message.into(), code: code.map(str::to_owned), attributes: None }
    }

    pub(crate) fn bad(message: &str, code: Option<&str>) -> Self {
        Self::new(400, message, code)
    }

    pub(crate) fn body(message: &str) -> Self {
        Self::bad(message, Some("invalid_body"))
    }

    pub(crate) fn query(message: &str) -> Self {
        Self::bad(message, Some("invalid_query_string"))
    }

    pub(crate) fn not_found(message: &str, code: Option<&str>) -> Self {
        Self::new(404, message, code)
    }

    pub(crate) fn conflict(message: &str, code: Option<&str>) -> Self {
        Self::new(409, message, code)
    }

    pub(crate) fn render(&self) -> Value {
        let error = match self.status {
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            409 => "Conflict",
            410 => "Gone",
            429 => "Too Many Requests",
            _ => "Internal Server Error",
        };
        let mut body = json!({ "statusCode": self.status, "error": error, "message": self.message });
        if let Some(code) = &self.code {
            body["errorCode"] = code.as_str().into();
        }
        if let Some(attributes) = &self.attributes {
            body["attributes"] = (**attributes).clone();
        }
        body
    }
}

/// Keeps or drops the fields that `fields` and `include_fields` name; `always` stay in either case.
pub(crate) fn project(call: &Call<'_>, mut row: Object, always: &[&str]) -> Object {
    let names: Vec<&str> =
        call.query.all("fields").into_iter().map(str::trim).filter(|f| !f.is_empty()).collect();
    if names.is_empty() {
        return row;
    }
    let include = call.flag("include_fields").unwrap_or(true);
    row.retain(|name, _| names.contains(&name.as_str()) == include || always.contains(&name.as_str()));
    row
}

/// Lays the changes of a PATCH over an object: a null removes, everything else replaces.
pub(crate) fn merge(target: &mut Object, changes: Object) {
    for (name, value) in changes {
        if value.is_null() {
            target.shift_remove(&name);
        } else {
            target.insert(name, value);
        }
    }
}

/// Lays metadata over metadata: top-level keys merge, a null removes one.
pub(crate) fn merge_metadata(target: &mut Object, name: &str, changes: Value) {
    let Value::Object(changes) = changes else {
        target.shift_remove(name);
        return;
    };
    let mut current = target.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
    if changes.is_empty() {
        current.clear();
    }
    merge(&mut current, changes);
    if current.is_empty() {
        target.shift_remove(name);
    } else {
        target.insert(name.into(), Value::Object(current));
    }
}
