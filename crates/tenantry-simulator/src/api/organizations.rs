//! `/organizations`, their members, members' roles, connections and client grants.
//!
//! The member list comes from a lagging index and gives `next` with every page that is not empty; writes go to the
//! truth.

use super::{ApiError, Call, Object, Outcome, merge, no_content, ok, project, reply, required};
use crate::paging::{self, Checkpoint, Listing, Offset};
use crate::tenant::{Membership, Tenant};
use crate::time;
use crate::users::Slot;
use serde_json::{Value, json};
use std::ops::Bound;

const LIST: Listing = Listing::new("organizations").windowed().checkpointed();
const MEMBER_LIST: Listing = Listing::new("members").windowed();
const ROLES: Listing = Listing::new("roles").windowed();
const CONNECTIONS: Listing = Listing::new("connections");
const GRANTS: Listing = Listing::new("client_grants");

fn inexistent() -> ApiError {
    ApiError::not_found("No organization found by that id or name", None)
}

fn known(tenant: &Tenant, call: &Call<'_>) -> Result<String, ApiError> {
    let id = call.param(0);
    tenant.organizations.contains_key(id).then(|| id.to_owned()).ok_or_else(inexistent)
}

const PARAMETERS: &[&str] =
    &["page", "per_page", "include_totals", "from", "take", "sort", "q", "include_client_association_for"];

pub(crate) fn list(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    call.only(PARAMETERS)?;
    let summary = !call.caller.may("read:organizations");
    let show = |o: &Object| {
        let mut row = o.clone();
        if summary {
            row.retain(|name, _| ["id", "name", "display_name"].contains(&name.as_str()));
        }
        row
    };
    let sort = call.query.get("sort").filter(|_| !call.query.has("take") && !call.query.has("from"));
    let Some(sort) = sort else { return paging::keyed(call, &tenant.organizations, &LIST, |_| true, show) };
    let (field, order) = sort.rsplit_once(':').unwrap_or((sort, "1"));
    if !["name", "display_name", "created_at"].contains(&field) || !["1", "-1"].contains(&order) {
        return Err(ApiError::query("Query validation error: 'Invalid value' on property sort."));
    }
    let mut rows: Vec<&Object> = tenant.organizations.values().collect();
    rows.sort_by_key(|o| o.get(field).and_then(Value::as_str).unwrap_or_default().to_owned());
    if order == "-1" {
        rows.reverse();
    }
    paging::offset(call, &rows, &LIST, |o| show(o))
}

pub(crate) fn get(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    ok(tenant.organizations.get(call.param(0)).ok_or_else(inexistent)?.clone())
}

pub(crate) fn by_name(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let named = |o: &&Object| o.get("name").and_then(Value::as_str) == Some(call.param(0));
    ok(tenant.organizations.values().find(named).ok_or_else(inexistent)?.clone())
}

const BODY: &[&str] = &[
    "name",
    "display_name",
    "branding",
    "metadata",
    "enabled_connections",
    "token_quota",
    "third_party_client_access",
    "is_app_entitlement_active",
];

pub(crate) fn create(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let mut body = call.strict(BODY)?;
    let name = required(&body, "name")?;
    if tenant.organizations.values().any(|o| o.get("name").and_then(Value::as_str) == Some(&name)) {
        return Err(ApiError::conflict("An organization with this name already exists", None));
    }
    let id = tenant.id("org");
    let connections = body.shift_remove("enabled_connections");
    let mut row = Object::new();
    row.insert("id".into(), id.as_str().into());
    merge(&mut row, body);
    row.entry("third_party_client_access").or_insert("block".into());
    row.entry("is_app_entitlement_active").or_insert(false.into());
    for item in connections.as_ref().and_then(Value::as_array).into_iter().flatten() {
        enable(tenant, &id, item)?;
    }
    tenant.organizations.insert(id.clone(), row.clone());
    tenant.tell_organization("organization.created", &id, call.now);
    for connection in tenant.organization_connections.get(&id).cloned().unwrap_or_default().keys() {
        tenant.tell_organization_connection("organization.connection.added", &id, connection, call.now);
    }
    reply(201, row)
}

pub(crate) fn update(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let body = call.strict(BODY)?;
    let row = tenant.organizations.get_mut(call.param(0)).ok_or_else(inexistent)?;
    merge(row, body);
    let row = row.clone();
    tenant.tell_organization("organization.updated", call.param(0), call.now);
    ok(row)
}

pub(crate) fn delete(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    tenant.remove_organization(call.param(0), call.now);
    no_content()
}

fn member(tenant: &Tenant, call: &Call<'_>, slot: Slot, membership: &Membership) -> Object {
    let sources = &tenant.users.sources;
    let mut row = Object::new();
    let Some(user) = tenant.users.get(slot).or_else(|| tenant.users.searchable(slot)) else { return row };
    row.insert("user_id".into(), user.id.as_ref().into());
    for name in ["email", "picture", "name"] {
        if let Some(value) = user.field(name, sources) {
            row.insert(name.into(), value);
        }
    }
    if call.query.all("fields").contains(&"roles") && call.caller.may("read:organization_member_roles") {
        let roles = membership.roles.iter().filter_map(|id| tenant.roles.get(id));
        let roles = roles.map(|r| json!({ "id": r.get("id"), "name": r.get("name") }));
        row.insert("roles".into(), roles.collect::<Vec<_>>().into());
    }
    project(call, row, &[])
}

/// Joined-at and user of a members cursor.
fn cursor(text: &str) -> Option<(i64, Slot)> {
    let (_, key) = text.rsplit_once(';')?;
    let (joined, slot) = key.split_once('/')?;
    Some((joined.parse().ok()?, slot.parse().ok()?))
}

const MEMBERS: &[&str] = &["page", "per_page", "include_totals", "from", "take", "fields", "include_fields"];

pub(crate) fn members(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    call.only(MEMBERS)?;
    let id = known(tenant, call)?;
    let empty = crate::tenant::Members::default();
    let members = tenant.members.get(&id).unwrap_or(&empty);
    let shown = |m: &Membership| m.shown_from <= call.now && call.now < m.shown_until;
    if let Some(checkpoint) = Checkpoint::of(call, 50, 100)? {
        let after = match &checkpoint.after {
            Some(text) => {
                let key = cursor(text)
                    .ok_or_else(|| ApiError::query("Query validation error: 'Invalid checkpoint'."))?;
                Bound::Excluded(key)
            }
            None => Bound::Unbounded,
        };
        let rows = members.by_time.range((after, Bound::Unbounded)).filter(|(_, m)| shown(m));
        let page: Vec<_> = rows.take(checkpoint.take).collect();
        // `next` comes with every page that is not empty, even the last.
        let next = page.last().map(|((joined, slot), _)| {
            let user = tenant.users.get(*slot).map_or("", |u| u.id.as_ref());
            paging::seal(&format!("{},{user};{joined}/{slot}", time::cursor(*joined)), call.now)
        });
        let rows = page.into_iter().map(|((_, slot), m)| member(tenant, call, *slot, m).into()).collect();
        return paging::sealed("members", rows, next);
    }
    let rows: Vec<(Slot, &Membership)> =
        members.by_time.iter().filter(|(_, m)| shown(m)).map(|((_, slot), m)| (*slot, m)).collect();
    paging::offset(call, &rows, &MEMBER_LIST, |(slot, m)| member(tenant, call, *slot, m))
}

pub(crate) fn add_members(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let id = known(tenant, call)?;
    let users = call.strings("members")?;
    let slots: Option<Vec<Slot>> = users.iter().map(|u| tenant.users.slot(u)).collect();
    let slots = slots.ok_or_else(|| ApiError::bad("One or more of the users do not exist", None))?;
    for slot in slots {
        tenant.add_member(&id, slot, call.now);
    }
    no_content()
}

pub(crate) fn remove_members(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let id = known(tenant, call)?;
    for user in call.strings("members")? {
        if let Some(slot) = tenant.users.slot(&user) {
            tenant.remove_member(&id, slot, call.now);
        }
    }
    no_content()
}

fn membership<'a>(tenant: &'a mut Tenant, call: &Call<'_>) -> Result<&'a mut Membership, ApiError> {
    let absent = || ApiError::not_found("No member found by that id", None);
    let id = known(tenant, call)?;
    let slot = tenant.users.slot(call.param(1)).ok_or_else(absent)?;
    tenant.members.get_mut(&id).and_then(|m| m.get_mut(slot)).ok_or_else(absent)
}

pub(crate) fn member_roles(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let ids = membership(tenant, call)?.roles.clone();
    let mut rows: Vec<&Object> = ids.iter().filter_map(|id| tenant.roles.get(id)).collect();
    rows.sort_by_key(|r| r.get("name").and_then(Value::as_str).unwrap_or_default().to_owned());
    paging::offset(call, &rows, &ROLES, |r| (*r).clone())
}

pub(crate) fn add_member_roles(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let roles = call.strings("roles")?;
    if let Some(role) = roles.iter().find(|r| !tenant.roles.contains_key(*r)) {
        return Err(ApiError::not_found(&format!("No such role with id: {role}"), None));
    }
    let held = &mut membership(tenant, call)?.roles;
    let new: Vec<String> = roles.into_iter().filter(|role| held.insert(role.clone())).collect();
    tell_roles(tenant, call, "organization.member.role.assigned", &new);
    no_content()
}

pub(crate) fn remove_member_roles(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let roles = call.strings("roles")?;
    let held = &mut membership(tenant, call)?.roles;
    let gone: Vec<String> = roles.into_iter().filter(|role| held.remove(role)).collect();
    tell_roles(tenant, call, "organization.member.role.deleted", &gone);
    no_content()
}

fn tell_roles(tenant: &mut Tenant, call: &Call<'_>, kind: &'static str, roles: &[String]) {
    if let Some(slot) = tenant.users.slot(call.param(1)) {
        for role in roles {
            tenant.tell_member_role(kind, call.param(0), slot, role, call.now);
        }
    }
}

fn enable(tenant: &mut Tenant, id: &str, item: &Value) -> Result<Object, ApiError> {
    let connection_id = item["connection_id"].as_str().unwrap_or_default().to_owned();
    let connection = tenant
        .connections
        .get(&connection_id)
        .ok_or_else(|| ApiError::not_found("No connection found by that id", None))?;
    let row = json!({
        "connection_id": connection_id,
        "assign_membership_on_login": item["assign_membership_on_login"].as_bool().unwrap_or(false),
        "show_as_button": item["show_as_button"].as_bool().unwrap_or(true),
        "is_signup_enabled": item["is_signup_enabled"].as_bool().unwrap_or(false),
        "connection": { "name": connection.get("name"), "strategy": connection.get("strategy") },
    });
    let row = row.as_object().cloned().unwrap_or_default();
    tenant.organization_connections.entry(id.to_owned()).or_default().insert(connection_id, row.clone());
    Ok(row)
}

/// The list whose `limit` is the number of rows, whatever was asked.
pub(crate) fn connections(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let id = known(tenant, call)?;
    let offset = Offset::of(call, 50, 100)?;
    let rows: Vec<&Object> =
        tenant.organization_connections.get(&id).into_iter().flat_map(|c| c.values()).collect();
    let page: Vec<Value> =
        rows.iter().skip(offset.start()).take(offset.per_page).map(|c| (*c).clone().into()).collect();
    if !offset.totals {
        return ok(page);
    }
    ok(
        json!({ "start": offset.start(), "limit": page.len(), "total": rows.len(), "enabled_connections": page }),
    )
}

/// The newer list of the same connections, with an honest `limit`.
pub(crate) fn connections_list(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let id = known(tenant, call)?;
    let rows: Vec<&Object> =
        tenant.organization_connections.get(&id).into_iter().flat_map(|c| c.values()).collect();
    paging::offset(call, &rows, &CONNECTIONS, |c| (*c).clone())
}

pub(crate) fn enable_connection(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let id = known(tenant, call)?;
    let body = call.object()?;
    let connection = required(&body, "connection_id")?;
    let row = enable(tenant, &id, &body.into())?;
    tenant.tell_organization_connection("organization.connection.added", &id, &connection, call.now);
    reply(201, row)
}

fn enabled<'a>(tenant: &'a mut Tenant, call: &Call<'_>) -> Result<&'a mut Object, ApiError> {
    let id = known(tenant, call)?;
    let connections = tenant.organization_connections.get_mut(&id);
    let absent = || ApiError::not_found("No connection found by that id", None);
    connections.and_then(|c| c.get_mut(call.param(1))).ok_or_else(absent)
}

pub(crate) fn connection(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    ok(enabled(tenant, call)?.clone())
}

pub(crate) fn update_connection(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let body = call.strict(&["assign_membership_on_login", "show_as_button", "is_signup_enabled"])?;
    let row = enabled(tenant, call)?;
    merge(row, body);
    let row = row.clone();
    let (organization, connection) = (call.param(0), call.param(1));
    tenant.tell_organization_connection(
        "organization.connection.updated",
        organization,
        connection,
        call.now,
    );
    ok(row)
}

pub(crate) fn disable_connection(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let id = known(tenant, call)?;
    tenant.disable_connection(&id, call.param(1), call.now);
    no_content()
}

pub(crate) fn client_grants(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let id = known(tenant, call)?;
    let ids = tenant.organization_grants.get(&id).into_iter().flatten();
    let rows: Vec<&Object> = ids.filter_map(|g| tenant.client_grants.get(g)).collect();
    paging::offset(call, &rows, &GRANTS, |g| (*g).clone())
}

pub(crate) fn add_client_grant(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let id = known(tenant, call)?;
    let grant = required(&call.object()?, "grant_id")?;
    let row = tenant.client_grants.get(&grant).cloned();
    let row =
        row.ok_or_else(|| ApiError::not_found("The grant does not exist.", Some("inexistent_client_grant")))?;
    tenant.organization_grants.entry(id).or_default().insert(grant);
    reply(201, row)
}

pub(crate) fn remove_client_grant(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let id = known(tenant, call)?;
    if let Some(grants) = tenant.organization_grants.get_mut(&id) {
        grants.remove(call.param(1));
    }
    no_content()
}
