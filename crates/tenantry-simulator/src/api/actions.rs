//! `/actions`: actions, versions, deployment, triggers and their bindings.
//!
//! Lists are always objects; `page` is left out on page 0 and `total` where there is nothing. A deployed action has
//! `current_version` and `deployed_version`, one that was never deployed has neither.

use super::{ApiError, Call, Object, Outcome, merge, no_content, ok, reply, required};
use crate::paging::Offset;
use crate::tenant::Tenant;
use crate::time;
use serde_json::{Value, json};

fn inexistent() -> ApiError {
    ApiError::not_found("That action does not exist.", None)
}

/// A time with nine digits after the point.
pub(crate) fn stamp(tenant: &mut Tenant, now: i64) -> Value {
    let nanos = tenant.random.below(1000) as i64;
    time::nanos(now, nanos).into()
}

fn page(collection: &str, rows: Vec<Value>, offset: Offset) -> Outcome {
    let total = rows.len();
    let page: Vec<Value> = rows.into_iter().skip(offset.start()).take(offset.per_page).collect();
    let mut body = Object::new();
    body.insert(collection.into(), page.into());
    if total > 0 {
        body.insert("total".into(), total.into());
    }
    if offset.page > 0 {
        body.insert("page".into(), offset.page.into());
    }
    body.insert("per_page".into(), offset.per_page.into());
    ok(body)
}

pub(crate) fn list(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let offset = Offset::of(call, 20, 100)?;
    let deployed = call.flag("deployed");
    let name = call.query.get("actionName");
    let trigger = call.query.get("triggerId");
    let mut rows: Vec<&Object> = tenant
        .actions
        .values()
        .filter(|a| deployed.is_none_or(|d| a.contains_key("deployed_version") == d))
        .filter(|a| name.is_none_or(|n| a.get("name").and_then(Value::as_str) == Some(n)))
        .filter(|a| trigger.is_none_or(|t| a["supported_triggers"][0]["id"] == t))
        .collect();
    rows.sort_by_key(|a| a.get("created_at").and_then(Value::as_str).unwrap_or_default().to_owned());
    page("actions", rows.into_iter().map(|a| a.clone().into()).collect(), offset)
}

pub(crate) fn get(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    ok(tenant.actions.get(call.param(0)).ok_or_else(inexistent)?.clone())
}

const BODY: &[&str] =
    &["name", "supported_triggers", "code", "dependencies", "runtime", "secrets", "modules", "deploy"];

/// Secrets as they come back: names and times, never values.
fn secrets(given: Option<Value>, before: &Value, at: &Value) -> Value {
    let Some(Value::Array(given)) = given else { return before.clone() };
    let shown = given.iter().map(|s| {
        let old = before
            .as_array()
            .into_iter()
            .flatten()
            .find(|o| o["name"] == s["name"] && s.get("value").is_none());
        old.cloned().unwrap_or_else(|| json!({ "name": s["name"], "updated_at": at }))
    });
    shown.collect::<Vec<_>>().into()
}

pub(crate) fn create(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let mut body = call.strict(BODY)?;
    let name = required(&body, "name")?;
    let triggers = body.shift_remove("supported_triggers").filter(Value::is_array);
    let triggers = triggers.ok_or_else(|| super::missing("supported_triggers"))?;
    if tenant.actions.len() >= 100 {
        return Err(ApiError::bad("You have reached the maximum number of actions", Some("limit_reached")));
    }
    let deploy = body.shift_remove("deploy") == Some(Value::Bool(true));
    let id = tenant.random.uuid();
    let at = stamp(tenant, call.now);
    let mut row = Object::new();
    for (field, value) in [
        ("id", json!(id)),
        ("name", json!(name)),
        ("supported_triggers", triggers),
        ("created_at", at.clone()),
        ("updated_at", at.clone()),
        ("code", body.shift_remove("code").unwrap_or("".into())),
        ("dependencies", body.shift_remove("dependencies").unwrap_or(json!([]))),
        ("runtime", body.shift_remove("runtime").unwrap_or("node22".into())),
        ("status", json!("pending")),
        ("secrets", secrets(body.shift_remove("secrets"), &json!([]), &at)),
        ("all_changes_deployed", json!(false)),
    ] {
        row.insert(field.into(), value);
    }
    let shown = row.clone();
    row.insert("status".into(), "built".into());
    tenant.actions.insert(id.clone(), row);
    if deploy {
        deployed(tenant, &id, call.now)?;
    }
    reply(201, shown)
}

pub(crate) fn update(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let mut body = call.strict(BODY)?;
    body.shift_remove("deploy");
    let at = stamp(tenant, call.now);
    let row = tenant.actions.get_mut(call.param(0)).ok_or_else(inexistent)?;
    if body.contains_key("secrets") {
        let shown = secrets(body.shift_remove("secrets"), &row["secrets"], &at);
        row.insert("secrets".into(), shown);
    }
    merge(row, body);
    row.insert("updated_at".into(), at);
    row.insert("all_changes_deployed".into(), false.into());
    let mut shown = row.clone();
    shown.insert("status".into(), "pending".into());
    ok(shown)
}

pub(crate) fn delete(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let id = call.param(0);
    let bound = tenant.bindings.values().flatten().any(|b| b["action"]["id"] == id);
    if bound && call.flag("force") != Some(true) {
        let message = "You cannot delete an action that is bound to a trigger.";
        return Err(ApiError::conflict(message, None));
    }
    if tenant.actions.remove(id).is_none() {
        return Err(inexistent());
    }
    tenant.action_versions.remove(id);
    tenant.bindings.values_mut().for_each(|b| b.retain(|b| b["action"]["id"] != id));
    no_content()
}

/// Makes a new version of an action and deploys it.
pub(crate) fn deployed(tenant: &mut Tenant, id: &str, now: i64) -> Result<Object, ApiError> {
    let version = tenant.random.uuid();
    let (created, built) = (stamp(tenant, now), stamp(tenant, now + 90_000));
    let action = tenant.actions.get_mut(id).ok_or_else(inexistent)?;
    let versions = tenant.action_versions.entry(id.to_owned()).or_default();
    let number = versions.len() + 1;
    let deployed = json!({
        "code": action["code"], "dependencies": action["dependencies"], "id": version, "deployed": true,
        "number": number, "built_at": built, "secrets": action["secrets"], "status": "built", "created_at": created,
        "updated_at": built, "runtime": action["runtime"], "supported_triggers": action["supported_triggers"],
    });
    let current = json!({
        "id": version, "code": action["code"], "runtime": action["runtime"], "status": "BUILT", "number": number,
        "build_time": built, "created_at": created, "updated_at": built,
    });
    action.shift_remove("all_changes_deployed");
    action.insert("current_version".into(), current);
    action.insert("deployed_version".into(), deployed.clone());
    action.insert("all_changes_deployed".into(), true.into());
    for version in versions.iter_mut() {
        version.insert("deployed".into(), false.into());
    }
    let mut shown = deployed.as_object().cloned().unwrap_or_default();
    let about = ["id", "name", "supported_triggers", "created_at", "updated_at"];
    let mut about: Object = action
        .iter()
        .filter(|(k, _)| about.contains(&k.as_str()))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    about.insert("all_changes_deployed".into(), false.into());
    shown.insert("action".into(), about.into());
    versions.push(shown.clone());
    Ok(shown)
}

pub(crate) fn deploy(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let mut shown = deployed(tenant, call.param(0), call.now)?;
    // The answer comes before the version is active.
    shown.insert("deployed".into(), false.into());
    shown.shift_remove("built_at");
    ok(shown)
}

pub(crate) fn versions(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let offset = Offset::of(call, 20, 100)?;
    if !tenant.actions.contains_key(call.param(0)) {
        return Err(inexistent());
    }
    let versions = tenant.action_versions.get(call.param(0)).into_iter().flatten().rev();
    page("versions", versions.map(|v| v.clone().into()).collect(), offset)
}

pub(crate) fn version(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let versions = tenant.action_versions.get(call.param(0)).into_iter().flatten();
    let found = versions.into_iter().find(|v| v["id"] == call.param(1));
    ok(found.ok_or_else(|| ApiError::not_found("That action version does not exist.", None))?.clone())
}

pub(crate) fn triggers(tenant: &mut Tenant, _call: &Call<'_>) -> Outcome {
    ok(json!({ "triggers": tenant.triggers }))
}

fn trigger(tenant: &Tenant, call: &Call<'_>) -> Result<String, ApiError> {
    let id = call.param(0);
    let known = tenant.triggers.iter().any(|t| t["id"] == id);
    known.then(|| id.to_owned()).ok_or_else(|| ApiError::not_found("That trigger does not exist.", None))
}

pub(crate) fn bindings(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let offset = Offset::of(call, 20, 100)?;
    let id = trigger(tenant, call)?;
    let rows = tenant.bindings.get(&id).into_iter().flatten().map(|b| b.clone().into()).collect();
    page("bindings", rows, offset)
}

/// Binds an action to a trigger, as the list shows it.
pub(crate) fn bind(
    tenant: &mut Tenant,
    trigger: &str,
    action: &str,
    display_name: &Value,
    now: i64,
) -> Option<Object> {
    let id = tenant.random.uuid();
    let at = stamp(tenant, now);
    let action = tenant.actions.get(action)?;
    let hidden = ["code", "dependencies", "runtime", "status", "secrets"];
    let about: Object = action
        .iter()
        .filter(|(k, _)| !hidden.contains(&k.as_str()))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    let row = json!({ "id": id, "trigger_id": trigger, "action": about, "created_at": at, "updated_at": at,
        "display_name": display_name });
    row.as_object().cloned()
}

pub(crate) fn set_bindings(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let id = trigger(tenant, call)?;
    let body = call.strict(&["bindings"])?;
    let items = body.get("bindings").and_then(Value::as_array).ok_or_else(|| super::missing("bindings"))?;
    let mut rows = Vec::new();
    for item in items {
        let reference = item["ref"]["value"].as_str().unwrap_or_default();
        let by_name = |a: &Object| a.get("name").and_then(Value::as_str) == Some(reference);
        let action = match item["ref"]["type"].as_str() {
            Some("action_name") => tenant.actions.iter().find(|(_, a)| by_name(a)).map(|(id, _)| id.clone()),
            _ => Some(reference.to_owned()),
        };
        let action =
            action.filter(|a| tenant.actions.get(a).is_some_and(|a| a.contains_key("deployed_version")));
        let action =
            action.ok_or_else(|| ApiError::bad("The action must be deployed before it is bound.", None))?;
        let name =
            item.get("display_name").cloned().unwrap_or_else(|| tenant.actions[&action]["name"].clone());
        rows.extend(bind(tenant, &id, &action, &name, call.now));
    }
    tenant.bindings.insert(id, rows.clone());
    ok(json!({ "bindings": rows }))
}
