//! What hangs on one user: roles, permissions, organizations, log events.
//!
//! Reads and writes the relations alone; the user itself stays as it is.

use super::users::slot;
use super::{ApiError, Call, Object, Outcome, no_content, ok, reply};
use crate::paging::{self, Listing};
use crate::tenant::Tenant;
use serde_json::{Value, json};

const ROLES: Listing = Listing::new("roles");
const PERMISSIONS: Listing = Listing::new("permissions");
const ORGANIZATIONS: Listing = Listing::new("organizations").windowed();

pub(crate) fn roles(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let slot = slot(tenant, call)?;
    let ids = tenant.user_roles.get(&slot).into_iter().flatten();
    let mut rows: Vec<&Object> = ids.filter_map(|id| tenant.roles.get(id)).collect();
    rows.sort_by_key(|r| r.get("name").and_then(Value::as_str).unwrap_or_default().to_owned());
    paging::offset(call, &rows, &ROLES, |r| (*r).clone())
}

pub(crate) fn assign_roles(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let slot = slot(tenant, call)?;
    let roles = call.strings("roles")?;
    for role in &roles {
        if !tenant.roles.contains_key(role) {
            return Err(ApiError::not_found(&format!("No such role with id: {role}"), None));
        }
    }
    for role in &roles {
        tenant.assign_role(role, slot);
    }
    no_content()
}

pub(crate) fn remove_roles(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let slot = slot(tenant, call)?;
    for role in call.strings("roles")? {
        tenant.unassign_role(&role, slot);
    }
    no_content()
}

/// A permission as lists show it.
pub(crate) fn permission(tenant: &Tenant, (identifier, name): &(String, String)) -> Object {
    let of = |s: &&Object| s.get("identifier").and_then(Value::as_str) == Some(identifier);
    let server = tenant.resource_servers.values().find(of);
    let scopes = server.and_then(|s| s.get("scopes")).and_then(Value::as_array);
    let scope = scopes.and_then(|s| s.iter().find(|s| s["value"] == name.as_str()));
    let row = json!({
        "permission_name": name,
        "description": scope.and_then(|s| s.get("description")),
        "resource_server_name": server.and_then(|s| s.get("name")),
        "resource_server_identifier": identifier,
    });
    row.as_object().cloned().unwrap_or_default()
}

/// The `permissions` of a body, each of which must exist.
pub(crate) fn permissions_of(tenant: &Tenant, call: &Call<'_>) -> Result<Vec<(String, String)>, ApiError> {
    let body = call.object()?;
    let items =
        body.get("permissions").and_then(Value::as_array).ok_or_else(|| super::missing("permissions"))?;
    let mut found = Vec::new();
    for item in items {
        let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let pair = (text("resource_server_identifier"), text("permission_name"));
        if permission(tenant, &pair)["description"].is_null() {
            let message = format!("This permission does not exist: '{} - {}'", pair.0, pair.1);
            return Err(ApiError::not_found(&message, Some("inexistent_resource_server_permission")));
        }
        found.push(pair);
    }
    Ok(found)
}

pub(crate) fn permissions(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let slot = slot(tenant, call)?;
    let rows = tenant.user_permissions.get(&slot).cloned().unwrap_or_default();
    paging::offset(call, &rows, &PERMISSIONS, |pair| {
        let mut row = permission(tenant, pair);
        row.insert(
            "sources".into(),
            json!([{ "source_id": "", "source_name": "", "source_type": "DIRECT" }]),
        );
        row
    })
}

pub(crate) fn add_permissions(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let slot = slot(tenant, call)?;
    let added = permissions_of(tenant, call)?;
    let held = tenant.user_permissions.entry(slot).or_default();
    for pair in added {
        if !held.contains(&pair) {
            held.push(pair);
        }
    }
    reply(201, json!({}))
}

pub(crate) fn remove_permissions(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let slot = slot(tenant, call)?;
    let gone = permissions_of(tenant, call)?;
    if let Some(held) = tenant.user_permissions.get_mut(&slot) {
        held.retain(|p| !gone.contains(p));
    }
    no_content()
}

pub(crate) fn organizations(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let slot = slot(tenant, call)?;
    let ids = tenant.memberships.get(&slot).into_iter().flatten();
    let rows: Vec<&Object> = ids.filter_map(|id| tenant.organizations.get(id)).collect();
    paging::offset(call, &rows, &ORGANIZATIONS, |o| (*o).clone())
}

pub(crate) fn logs(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let id = call.param(0);
    let offset = paging::Offset::of(call, 50, 100)?;
    let of_user = tenant.logs.iter().rev().filter(|(_, e)| e.user_id.as_deref() == Some(id));
    let page = of_user.skip(offset.start()).take(offset.per_page);
    let rows: Vec<Value> = page.filter_map(|(_, e)| serde_json::from_str(&e.json).ok()).collect();
    if !offset.totals {
        return ok(rows);
    }
    ok(json!({ "length": rows.len(), "start": offset.start(), "limit": offset.per_page, "total": rows.len(),
        "logs": rows }))
}
