//! `/roles`, their permissions and users.
//!
//! The default list shows the tenant's own roles; roles of one organization need `type` and `owner_id`.

use super::user_links::{permission, permissions_of};
use super::{ApiError, Call, Object, Outcome, ok, reply, required};
use crate::paging::{self, Checkpoint, Listing};
use crate::tenant::Tenant;
use crate::users::Slot;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::ops::Bound;

const LIST: Listing = Listing::new("roles");
const PERMISSIONS: Listing = Listing::new("permissions");
const USERS: Listing = Listing::new("users").windowed().checkpointed();

fn inexistent() -> ApiError {
    ApiError::not_found("The role does not exist.", None)
}

fn known(tenant: &Tenant, call: &Call<'_>) -> Result<String, ApiError> {
    let id = call.param(0);
    tenant.roles.contains_key(id).then(|| id.to_owned()).ok_or_else(inexistent)
}

pub(crate) fn list(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    call.only(&["per_page", "page", "include_totals", "name_filter", "type", "owner_id"])?;
    let kind = call.query.get("type").unwrap_or("tenant");
    let owner = call.query.get("owner_id");
    let filter = call.query.get("name_filter").unwrap_or_default().to_lowercase();
    let text = |r: &Object, name: &str| r.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut rows: Vec<&Object> = tenant
        .roles
        .values()
        .filter(|r| r.get("type").and_then(Value::as_str).unwrap_or("tenant") == kind)
        .filter(|r| owner.is_none_or(|o| text(r, "owner_id") == o))
        .filter(|r| text(r, "name").to_lowercase().contains(&filter))
        .collect();
    rows.sort_by_key(|r| text(r, "name"));
    paging::offset(call, &rows, &LIST, |r| (*r).clone())
}

pub(crate) fn get(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    ok(tenant.roles.get(call.param(0)).ok_or_else(inexistent)?.clone())
}

pub(crate) fn create(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let body = call.strict(&["name", "description", "type", "owner_id"])?;
    let name = required(&body, "name")?;
    if tenant.roles.values().any(|r| r.get("name").and_then(Value::as_str) == Some(&name)) {
        return Err(ApiError::conflict("The role name already exists", Some("role_conflict")));
    }
    let id = tenant.id("rol");
    let mut row = Object::new();
    row.insert("id".into(), id.as_str().into());
    row.insert("name".into(), name.into());
    row.insert("description".into(), Value::Null);
    row.insert("type".into(), "tenant".into());
    row.extend(body);
    tenant.roles.insert(id, row.clone());
    ok(row)
}

pub(crate) fn update(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let body = call.strict(&["name", "description"])?;
    let row = tenant.roles.get_mut(call.param(0)).ok_or_else(inexistent)?;
    row.extend(body);
    ok(row.clone())
}

/// 200 and an empty object, as observed, where other deletions are 204.
pub(crate) fn delete(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    tenant.remove_role(call.param(0));
    ok(json!({}))
}

pub(crate) fn permissions(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let id = known(tenant, call)?;
    let rows = tenant.role_permissions.get(&id).cloned().unwrap_or_default();
    paging::offset(call, &rows, &PERMISSIONS, |pair| permission(tenant, pair))
}

pub(crate) fn add_permissions(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let id = known(tenant, call)?;
    let added = permissions_of(tenant, call)?;
    let held = tenant.role_permissions.entry(id).or_default();
    for pair in added {
        if !held.contains(&pair) {
            held.push(pair);
        }
    }
    reply(201, json!({}))
}

pub(crate) fn remove_permissions(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let id = known(tenant, call)?;
    let gone = permissions_of(tenant, call)?;
    if let Some(held) = tenant.role_permissions.get_mut(&id) {
        held.retain(|p| !gone.contains(p));
    }
    ok(json!({}))
}

fn user(tenant: &Tenant, slot: Slot) -> Object {
    let mut row = Object::new();
    if let Some(user) = tenant.users.get(slot) {
        row.insert("user_id".into(), user.id.as_ref().into());
        for name in ["email", "picture", "name"] {
            if let Some(value) = user.field(name, &tenant.users.sources) {
                row.insert(name.into(), value);
            }
        }
    }
    row
}

pub(crate) fn users(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let id = known(tenant, call)?;
    let none = BTreeSet::new();
    let held = tenant.role_users.get(&id).unwrap_or(&none);
    if let Some(checkpoint) = Checkpoint::of(call, 50, 100)? {
        let after: Option<Slot> = checkpoint.after.as_deref().and_then(|a| a.parse().ok());
        let mut rows = held.range((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
        let page: Vec<&Slot> = rows.by_ref().take(checkpoint.take).collect();
        let next = rows.next().and(page.last()).map(|s| paging::seal(&s.to_string(), call.now));
        return paging::sealed("users", page.into_iter().map(|s| user(tenant, *s).into()).collect(), next);
    }
    let rows: Vec<Slot> = held.iter().copied().collect();
    paging::offset(call, &rows, &USERS, |slot| user(tenant, *slot))
}

pub(crate) fn assign_users(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let id = known(tenant, call)?;
    let slots: Option<Vec<Slot>> = call.strings("users")?.iter().map(|u| tenant.users.slot(u)).collect();
    let slots = slots.ok_or_else(super::users::inexistent)?;
    for slot in slots {
        tenant.assign_role(&id, slot);
    }
    ok(json!({}))
}
