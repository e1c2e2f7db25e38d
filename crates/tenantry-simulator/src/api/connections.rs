//! `/connections` and the clients enabled for each.
//!
//! The list no longer says which clients are enabled; `/connections/{id}/clients` does, by checkpoint alone.

use super::{Answer, ApiError, Body, Call, Object, Outcome, merge, no_content, ok, project, reply, required};
use crate::audit;
use crate::paging::{self, Checkpoint, Listing};
use crate::tenant::Tenant;
use crate::time;
use serde_json::{Value, json};

const LIST: Listing = Listing::new("connections").windowed().checkpointed().totals_first().linked();

fn inexistent() -> ApiError {
    ApiError::not_found("The connection does not exist", Some("inexistent_connection"))
}

/// A connection as the caller may see it: `options` hold secrets and need a scope of their own.
pub(crate) fn visible(call: &Call<'_>, connection: &Object) -> Object {
    let mut row = connection.clone();
    if !call.caller.may("read:connections_options") {
        row.shift_remove("options");
    }
    row
}

/// What every projection shows.
const ALWAYS: [&str; 2] = ["id", "is_domain_connection"];

const PARAMETERS: &[&str] =
    &["per_page", "page", "include_totals", "from", "take", "strategy", "name", "fields", "include_fields"];

pub(crate) fn list(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    call.only(PARAMETERS)?;
    let strategies = call.query.all("strategy");
    let named = call.query.get("name");
    let keep = |c: &Object| {
        let text = |name: &str| c.get(name).and_then(Value::as_str).unwrap_or_default();
        named.is_none_or(|n| n == text("name"))
            && (strategies.is_empty() || strategies.contains(&text("strategy")))
    };
    let show = |c: &Object| project(call, visible(call, c), &ALWAYS);
    let answer = paging::keyed(call, &tenant.connections, &LIST, keep, show)?;
    log_secrets(tenant, call, "Get connections");
    Ok(answer)
}

fn log_secrets(tenant: &mut Tenant, call: &Call<'_>, what: &str) {
    let named = call.query.all("fields");
    let excluded = call.flag("include_fields") == Some(false);
    let asked = named.is_empty() || named.contains(&"options") != excluded;
    if asked && call.caller.may("read:connections_options") {
        audit::read_secrets(tenant, call, what, &["options.client_secret"]);
    }
}

pub(crate) fn get(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let row = visible(call, tenant.connections.get(call.param(0)).ok_or_else(inexistent)?);
    log_secrets(tenant, call, "Get a connection");
    ok(project(call, row, &ALWAYS))
}

const CREATE: &[&str] = &[
    "name",
    "display_name",
    "strategy",
    "options",
    "is_domain_connection",
    "show_as_button",
    "realms",
    "metadata",
    "authentication",
    "connected_accounts",
    "cross_app_access_requesting_app",
];

pub(crate) fn create(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let body = call.strict(CREATE)?;
    let name = required(&body, "name")?;
    required(&body, "strategy")?;
    if tenant.connection_named(&name).is_some() {
        let message = "A connection with the same name already exists";
        return Err(ApiError::conflict(message, Some("connection_conflict")));
    }
    let id = tenant.id("con");
    let mut row = Object::new();
    row.insert("id".into(), id.as_str().into());
    for (field, value) in [
        ("options", json!({})),
        ("strategy", json!(null)),
        ("name", json!(name)),
        ("is_domain_connection", json!(false)),
        ("show_as_button", json!(false)),
        ("authentication", json!({ "active": true })),
        ("connected_accounts", json!({ "active": false })),
        ("realms", json!([name])),
    ] {
        row.insert(field.into(), value);
    }
    merge(&mut row, body);
    tenant.connections.insert(id.clone(), row.clone());
    tenant.tell_connection("connection.created", &id, call.now);
    reply(201, row)
}

const UPDATE: &[&str] = &[
    "display_name",
    "options",
    "is_domain_connection",
    "show_as_button",
    "realms",
    "metadata",
    "authentication",
    "connected_accounts",
    "cross_app_access_requesting_app",
];

pub(crate) fn update(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let body = call.strict(UPDATE)?;
    let row = tenant.connections.get_mut(call.param(0)).ok_or_else(inexistent)?;
    merge(row, body);
    let row = row.clone();
    tenant.tell_connection("connection.updated", call.param(0), call.now);
    ok(row)
}

pub(crate) fn delete(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    if !tenant.connections.contains_key(call.param(0)) {
        return no_content();
    }
    tenant.remove_connection(call.param(0), call.now);
    reply(202, json!({ "deleted_at": time::millis(call.now / 1000) }))
}

pub(crate) fn clients(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    call.only(&["from", "take"])?;
    let id = call.param(0);
    if !tenant.connections.contains_key(id) {
        return Err(inexistent());
    }
    let checkpoint = Checkpoint::of(call, 50, 1_000)?.unwrap_or(Checkpoint { after: None, take: 50 });
    let none = std::collections::BTreeSet::new();
    let enabled = tenant.connection_clients.get(id).unwrap_or(&none);
    let start = checkpoint.after.as_deref().map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
    let mut rows = enabled.range::<str, _>((start, std::ops::Bound::Unbounded));
    let page: Vec<&String> = rows.by_ref().take(checkpoint.take).collect();
    let next = rows.next().and(page.last()).map(|key| paging::seal(key, call.now));
    paging::sealed("clients", page.into_iter().map(|c| json!({ "client_id": c })).collect(), next)
}

pub(crate) fn enable_clients(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let id = call.param(0).to_owned();
    if !tenant.connections.contains_key(&id) {
        return Err(inexistent());
    }
    let items: Vec<Value> = serde_json::from_slice(&call.request.body)
        .map_err(|_| ApiError::body("Payload validation error: 'Expected type array'."))?;
    if items.is_empty() || items.len() > 50 {
        return Err(ApiError::body(
            "Payload validation error: 'Array is too long or too short' (1 to 50 items).",
        ));
    }
    let enabled = tenant.connection_clients.entry(id).or_default();
    for item in items {
        let client = item["client_id"].as_str().unwrap_or_default().to_owned();
        if item["status"] == true {
            enabled.insert(client);
        } else {
            enabled.remove(&client);
        }
    }
    no_content()
}

/// A connection is reachable or not: always well here.
pub(crate) fn status(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    if !tenant.connections.contains_key(call.param(0)) {
        return Err(inexistent());
    }
    Ok(Answer { status: 200, headers: Vec::new(), body: Body::Text("OK".into()) })
}
