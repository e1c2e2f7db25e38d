//! The audit trail of the Management API: `sapi` for every successful write, `mgmt_api_read` for a read that
//! returned secrets, `sdu` and `ss` for database users.
//!
//! Writes what Auth0 writes, catches included: methods in lower case, user ids percent-encoded once, `sdu` without
//! a user id but with the id's last part in its description, whole response bodies with the secrets in them.

use crate::api::{Body, Call, Caller, Object};
use crate::http::{Query, Request, decode, encode};
use crate::limits::Standing;
use crate::tenant::Tenant;
use crate::users::{Source, User};
use serde_json::{Value, json};

/// The address that a request came from.
pub(crate) fn caller_ip(request: &Request) -> String {
    request.header_value("x-forwarded-for").unwrap_or("203.0.113.10").to_owned()
}

/// The log's digest of a user agent: what it does not know is `Other`.
pub(crate) fn user_agent(_request: &Request) -> &'static str {
    "Other 0.0.0 / Other 0.0.0"
}

/// The path with each segment encoded exactly once.
fn canonical(path: &str) -> String {
    path.split('/').map(|segment| encode(&decode(segment))).collect::<Vec<_>>().join("/")
}

fn request_details(request: &Request, caller: &Caller) -> Object {
    let query: Object =
        Query::parse(&request.query).pairs().map(|(k, v)| (k.to_owned(), Value::from(v))).collect();
    let body: Value = match request.body.first() {
        Some(b'{' | b'[') => serde_json::from_slice(&request.body).unwrap_or_else(|_| json!({})),
        _ => json!({}),
    };
    let jti = format!("{:016x}", crate::random::hash(caller.client_id.as_bytes()));
    let details = json!({
        "method": request.method.to_lowercase(),
        "path": canonical(&request.path),
        "query": query,
        "userAgent": request.header_value("user-agent").unwrap_or_default(),
        "body": body,
        "channel": "api",
        "ip": caller_ip(request),
        "auth": { "user": {}, "strategy": "jwt", "credentials": { "jti": jti } },
    });
    details.as_object().cloned().unwrap_or_default()
}

fn event(tenant: &Tenant, request: &Request, caller: &Caller, description: &str, details: &Value) -> Object {
    let fields = json!({
        "description": description,
        "client_id": caller.client_id,
        "client_name": "",
        "ip": caller_ip(request),
        "user_agent": user_agent(request),
        "details": details,
        "tenant_name": tenant.config.tenant,
        "$event_schema": { "version": "1.0.0" },
    });
    fields.as_object().cloned().unwrap_or_default()
}

/// Writes the event of a successful write.
pub(crate) fn wrote(tenant: &mut Tenant, call: &Call<'_>, what: &str, status: u16, body: &Body) {
    let response = match body {
        Body::Json(value @ (Value::Object(_) | Value::Array(_))) => value.clone(),
        _ => json!({}),
    };
    let details = json!({
        "request": request_details(call.request, &call.caller),
        "response": { "statusCode": status, "body": response },
    });
    let fields = event(tenant, call.request, &call.caller, what, &details);
    tenant.emit("sapi", call.now, fields);
}

/// Writes the event of a read that returned secrets.
pub(crate) fn read_secrets(tenant: &mut Tenant, call: &Call<'_>, what: &str, secrets: &[&str]) {
    if secrets.is_empty() || !tenant.config.log_own_traffic {
        return;
    }
    let mut details = request_details(call.request, &call.caller);
    details.shift_remove("body");
    let details = json!({
        "request": details,
        "response": { "statusCode": 200, "body": {} },
        "accessedSecrets": secrets,
    });
    let fields = event(tenant, call.request, &call.caller, what, &details);
    tenant.emit("mgmt_api_read", call.now, fields);
}

/// What of a user every event about it says.
fn about(source: &Source) -> Object {
    let kind = if source.is_database() {
        "database"
    } else if source.is_social() {
        "social"
    } else {
        "enterprise"
    };
    let fields = json!({
        "connection": source.name,
        "connection_id": source.connection_id,
        "strategy": source.strategy,
        "strategy_type": kind,
    });
    fields.as_object().cloned().unwrap_or_default()
}

/// Writes the sign-up of a database user that was made through the API: Auth0 writes both this and `sapi`.
pub(crate) fn signed_up(tenant: &mut Tenant, request: &Request, caller: &Caller, user: &User, now: i64) {
    let Some(source) = tenant.users.sources.get(usize::from(user.source)).cloned() else { return };
    if !source.is_database() {
        return;
    }
    let email = user.email(&tenant.users.sources).unwrap_or_default();
    let mut fields = about(&source);
    let more = json!({
        "description": "",
        "client_id": caller.client_id,
        "client_name": "",
        "ip": caller_ip(request),
        "user_agent": user_agent(request),
        "details": { "body": { "tenant": tenant.config.tenant, "client_id": caller.client_id,
            "connection": source.name, "email": email, "password": "*****" } },
        "user_id": user.id,
        "user_name": email,
        "tenant_name": tenant.config.tenant,
    });
    fields.extend(more.as_object().cloned().unwrap_or_default());
    tenant.emit("ss", now, fields);
}

/// Writes the deletion of a database user: no user id, but the last part of it in the description.
pub(crate) fn deleted(tenant: &mut Tenant, user: &User, now: i64) {
    let Some(source) = tenant.users.sources.get(usize::from(user.source)).cloned() else { return };
    if !source.is_database() {
        return;
    }
    let local = user.id.split_once('|').map_or(user.id.as_ref(), |(_, rest)| rest);
    let mut fields = about(&source);
    let more = json!({
        "description": format!("user_id: {local}"),
        "ip": "127.0.0.1",
        "user_agent": "Other 0.0.0 / Other 0.0.0",
        "details": { "body": { "tenant": tenant.config.tenant, "connection": source.name } },
        "user_id": "",
        "user_name": "",
        "tenant_name": tenant.config.tenant,
    });
    fields.extend(more.as_object().cloned().unwrap_or_default());
    tenant.emit("sdu", now, fields);
}

/// Writes that a limit was hit.
pub(crate) fn limited(tenant: &mut Tenant, standing: Standing, now: i64) {
    let bucket = if standing.global { "mgmt-global" } else { "mgmt-endpoint" };
    let fields = json!({
        "description": "You passed the limit of allowed calls to the Management API with the given user.",
        "client_id": crate::CLIENT_ID,
        "client_name": "Warehouse Replication",
        "user_agent": "Other 0.0.0 / Other 0.0.0",
        "details": { "limit": { "bucket": bucket, "global": standing.global, "size": standing.limit } },
        "tenant_name": tenant.config.tenant,
    });
    if let Value::Object(fields) = fields {
        tenant.emit("api_limit", now, fields);
    }
}
