//! `/client-grants` (what applications may do) and `/grants` (what users have consented to).

use super::{ApiError, Call, Object, Outcome, merge, no_content, ok, reply, required};
use crate::paging::{self, Listing};
use crate::tenant::Tenant;
use serde_json::{Value, json};

const CLIENT_GRANTS: Listing = Listing::new("client_grants").checkpointed().linked();
const GRANTS: Listing = Listing::new("grants").totals_first();

fn inexistent() -> ApiError {
    ApiError::not_found("The grant does not exist.", Some("inexistent_client_grant"))
}

const PARAMETERS: &[&str] = &[
    "per_page",
    "page",
    "include_totals",
    "from",
    "take",
    "audience",
    "client_id",
    "allow_any_organization",
    "subject_type",
    "default_for",
];

pub(crate) fn list(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    call.only(PARAMETERS)?;
    let keep = |g: &Object| {
        ["audience", "client_id", "subject_type", "default_for"].iter().all(|name| {
            let wanted = call.query.get(name);
            wanted.is_none_or(|w| g.get(*name).and_then(Value::as_str) == Some(w))
        })
    };
    paging::keyed(call, &tenant.client_grants, &CLIENT_GRANTS, keep, Object::clone)
}

pub(crate) fn get(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    ok(tenant.client_grants.get(call.param(0)).ok_or_else(inexistent)?.clone())
}

const CREATE: &[&str] = &[
    "client_id",
    "audience",
    "default_for",
    "organization_usage",
    "allow_any_organization",
    "scope",
    "subject_type",
    "authorization_details_types",
    "allow_all_scopes",
];

pub(crate) fn create(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let body = call.strict(CREATE)?;
    let audience = required(&body, "audience")?;
    let client = body.get("client_id").and_then(Value::as_str).map(str::to_owned);
    if client.is_none() && !body.contains_key("default_for") {
        return Err(super::missing("client_id"));
    }
    if client.as_ref().is_some_and(|c| !tenant.clients.contains_key(c)) {
        return Err(ApiError::not_found("The client does not exist", Some("inexistent_client")));
    }
    let same = |g: &&Object| {
        let text = |name: &str| g.get(name).and_then(Value::as_str);
        text("client_id") == client.as_deref() && text("audience") == Some(&audience)
    };
    if client.is_some() && tenant.client_grants.values().any(|g| same(&g)) {
        let message = "A resource with the same identifier already exists.";
        return Err(ApiError::conflict(message, Some("client_grant_conflict")));
    }
    let id = tenant.id("cgr");
    let mut row = Object::new();
    row.insert("id".into(), id.as_str().into());
    merge(&mut row, body);
    if row.get("allow_all_scopes").and_then(Value::as_bool) == Some(true) {
        row.shift_remove("scope");
    } else {
        row.entry("scope").or_insert(json!([]));
    }
    row.entry("subject_type").or_insert("client".into());
    tenant.client_grants.insert(id, row.clone());
    reply(201, row)
}

pub(crate) fn update(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let body = call.strict(&[
        "scope",
        "organization_usage",
        "allow_any_organization",
        "authorization_details_types",
        "allow_all_scopes",
    ])?;
    let row = tenant.client_grants.get_mut(call.param(0)).ok_or_else(inexistent)?;
    merge(row, body);
    if row.get("allow_all_scopes").and_then(Value::as_bool) == Some(true) {
        row.shift_remove("scope");
    }
    ok(row.clone())
}

pub(crate) fn delete(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    tenant.remove_client_grant(call.param(0));
    no_content()
}

pub(crate) fn organizations(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    const LISTING: Listing = Listing::new("organizations");
    let id = call.param(0);
    if !tenant.client_grants.contains_key(id) {
        return Err(inexistent());
    }
    let linked = tenant.organization_grants.iter().filter(|(_, grants)| grants.contains(id));
    let rows: Vec<&Object> = linked.filter_map(|(o, _)| tenant.organizations.get(o)).collect();
    paging::offset(call, &rows, &LISTING, |o| (*o).clone())
}

/// Consents, newest id first.
pub(crate) fn consents(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    call.only(&["per_page", "page", "include_totals", "user_id", "client_id", "audience"])?;
    let keep = |g: &Object| {
        [("user_id", "user_id"), ("client_id", "clientID"), ("audience", "audience")].iter().all(
            |(name, field)| {
                call.query.get(name).is_none_or(|w| g.get(*field).and_then(Value::as_str) == Some(w))
            },
        )
    };
    let rows: Vec<&Object> = tenant.grants.values().rev().map(|g| &g.object).filter(|g| keep(g)).collect();
    paging::offset(call, &rows, &GRANTS, |g| (*g).clone())
}

pub(crate) fn delete_consent(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    tenant.remove_grant(call.param(0));
    no_content()
}

pub(crate) fn delete_consents(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let Some(user) = call.query.get("user_id") else {
        return Err(ApiError::query("Query validation error: 'Missing required property: user_id'."));
    };
    if let Some(slot) = tenant.users.slot(user) {
        let ids = tenant.user_grants.get(&slot).cloned().unwrap_or_default();
        for id in &ids {
            tenant.remove_grant(id);
        }
    }
    no_content()
}
