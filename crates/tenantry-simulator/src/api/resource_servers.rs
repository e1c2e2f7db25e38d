//! `/resource-servers`: the APIs of a tenant, the Management API among them.

use super::{ApiError, Call, Object, Outcome, merge, no_content, ok, project, reply, required};
use crate::audit;
use crate::paging::{self, Listing};
use crate::tenant::Tenant;
use serde_json::Value;

const LIST: Listing = Listing::new("resource_servers").totals_first().linked();

fn inexistent() -> ApiError {
    ApiError::not_found("The resource server does not exist", Some("inexistent_resource_server"))
}

pub(crate) fn list(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    call.only(&["identifiers", "page", "per_page", "include_totals", "include_fields", "fields"])?;
    let wanted = call.query.all("identifiers");
    let keep = |s: &Object| {
        let identifier = s.get("identifier").and_then(Value::as_str).unwrap_or_default();
        wanted.is_empty() || wanted.contains(&identifier)
    };
    let answer =
        paging::keyed(call, &tenant.resource_servers, &LIST, keep, |s| project(call, s.clone(), &[]))?;
    let secret = tenant.resource_servers.values().any(|s| s.contains_key("signing_secret"));
    if secret && !call.query.has("fields") {
        let what = "Get resource servers";
        audit::read_secrets(tenant, call, what, &["signing_secret"]);
    }
    Ok(answer)
}

/// The id of the server that the path names by id or by identifier.
fn find(tenant: &Tenant, call: &Call<'_>) -> Result<String, ApiError> {
    let wanted = call.param(0);
    if tenant.resource_servers.contains_key(wanted) {
        return Ok(wanted.to_owned());
    }
    let named = |s: &Object| s.get("identifier").and_then(Value::as_str) == Some(wanted);
    let found = tenant.resource_servers.iter().find(|(_, s)| named(s));
    found.map(|(id, _)| id.clone()).ok_or_else(inexistent)
}

pub(crate) fn get(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let id = find(tenant, call)?;
    ok(tenant.resource_servers[&id].clone())
}

const BODY: &[&str] = &[
    "name",
    "identifier",
    "scopes",
    "signing_alg",
    "signing_secret",
    "allow_offline_access",
    "allow_online_access",
    "allow_online_access_with_ephemeral_sessions",
    "token_lifetime",
    "token_lifetime_for_web",
    "token_dialect",
    "skip_consent_for_verifiable_first_party_clients",
    "enforce_policies",
    "token_encryption",
    "consent_policy",
    "authorization_details",
    "proof_of_possession",
    "subject_type_authorization",
    "authorization_policy",
];

pub(crate) fn create(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let mut body = call.strict(BODY)?;
    let identifier = required(&body, "identifier")?;
    if tenant
        .resource_servers
        .values()
        .any(|s| s.get("identifier").and_then(Value::as_str) == Some(&identifier))
    {
        let message = "A resource server with the same identifier already exists";
        return Err(ApiError::conflict(message, Some("resource_server_conflict")));
    }
    let id = tenant.object_id(call.now);
    let mut row = Object::new();
    row.insert("id".into(), id.as_str().into());
    row.insert("name".into(), body.shift_remove("name").unwrap_or(identifier.as_str().into()));
    row.insert("identifier".into(), identifier.into());
    row.insert("allow_offline_access".into(), false.into());
    row.insert("skip_consent_for_verifiable_first_party_clients".into(), false.into());
    row.insert("token_lifetime".into(), 86_400.into());
    row.insert("token_lifetime_for_web".into(), 7_200.into());
    row.insert("signing_alg".into(), "RS256".into());
    if body.get("scopes").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        body.shift_remove("scopes");
    }
    merge(&mut row, body);
    if row.get("signing_alg").and_then(Value::as_str) == Some("HS256") {
        row.entry("signing_secret").or_insert(tenant.secret(&id, 32).into());
    }
    tenant.resource_servers.insert(id, row.clone());
    reply(201, row)
}

pub(crate) fn update(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let mut body = call.strict(BODY)?;
    body.shift_remove("identifier");
    let id = find(tenant, call)?;
    let row = tenant.resource_servers.get_mut(&id).ok_or_else(inexistent)?;
    merge(row, body);
    if row.get("scopes").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        row.shift_remove("scopes");
    }
    ok(row.clone())
}

pub(crate) fn delete(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let Ok(id) = find(tenant, call) else { return no_content() };
    if tenant.resource_servers[&id].get("is_system").and_then(Value::as_bool) == Some(true) {
        return Err(ApiError::bad("System APIs cannot be deleted", Some("invalid_operation")));
    }
    tenant.remove_resource_server(&id);
    no_content()
}
