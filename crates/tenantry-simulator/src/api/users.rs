//! `/users` and `/users-by-email`: search, single users, writes, linked identities.
//!
//! The list is the search engine's view (lagging, at most 1,000 results); everything else is the truth.

use super::{ApiError, Call, Object, Outcome, merge_metadata, no_content, ok, project, reply, required};
use crate::audit;
use crate::paging::Offset;
use crate::search::{Document, Query, Test, dig, millis_of};
use crate::tenant::Tenant;
use crate::time;
use crate::users::{By, Slot, User};
use serde_json::{Map, Value, json};

pub(crate) fn inexistent() -> ApiError {
    ApiError::not_found("The user does not exist.", Some("inexistent_user"))
}

/// The slot of the user whom the first path parameter names.
pub(crate) fn slot(tenant: &Tenant, call: &Call<'_>) -> Result<Slot, ApiError> {
    tenant.users.slot(call.param(0)).ok_or_else(inexistent)
}

/// The user as the caller may see it.
fn show(tenant: &Tenant, call: &Call<'_>, user: &User) -> Object {
    let mut row = user.render(&tenant.users.sources);
    if call.caller.may("read:user_idp_tokens")
        && let Some(Value::Array(identities)) = row.get_mut("identities")
    {
        for identity in identities.iter_mut().filter(|i| i["isSocial"] == true) {
            identity["access_token"] = tenant.secret(&format!("idp {}", user.id), 40).into();
        }
    }
    row
}

/// What a search query may ask of a user.
struct Searched<'a> {
    tenant: &'a Tenant,
    slot: Slot,
    user: &'a User,
}

impl Document for Searched<'_> {
    fn values(&self, path: &str) -> Vec<Value> {
        let mut out = Vec::new();
        if path == "organization_id" {
            let organizations = self.tenant.memberships.get(&self.slot);
            return organizations.into_iter().flatten().map(|o| o.as_str().into()).collect();
        }
        let (head, rest) = path.split_once('.').unwrap_or((path, ""));
        if let Some(value) = self.user.field(head, &self.tenant.users.sources) {
            dig(&value, rest, &mut out);
        }
        out
    }

    fn default_fields(&self) -> &'static [&'static str] {
        &["email", "name", "nickname", "given_name", "family_name", "username", "phone_number", "user_id"]
    }
}

/// The slots that an index leaves to be tested; everything where no index helps.
fn candidates(tenant: &Tenant, query: &Query) -> Vec<Slot> {
    let users = &tenant.users;
    if let Some(ids) = query.one_of("user_id") {
        let mut found: Vec<Slot> =
            ids.into_iter().flat_map(|id| users.search_ids(Some(id), Some(id))).collect();
        found.sort_unstable();
        found.dedup();
        return found;
    }
    let required = query.required();
    let of = |name: &str| required.iter().find(|(field, _)| *field == name).map(|(_, test)| *test);
    for (name, by) in [("updated_at", By::Updated), ("created_at", By::Created)] {
        if let Some((low, high)) = of(name).and_then(millis_of) {
            return users.search_times(by, low, high);
        }
    }
    match of("user_id") {
        Some(Test::Range { low, high }) => {
            users.search_ids(low.as_ref().map(|b| b.text.as_str()), high.as_ref().map(|b| b.text.as_str()))
        }
        _ => users.search_all(),
    }
}

#[derive(PartialEq, PartialOrd)]
enum Key {
    Number(f64),
    Text(String),
    Absent,
}

fn sort_key(tenant: &Tenant, user: &User, field: &str) -> Key {
    match field {
        "created_at" => Key::Number(user.created as f64),
        "updated_at" => Key::Number(user.updated as f64),
        "last_login" if user.last_login != 0 => Key::Number(user.last_login as f64),
        "logins_count" if user.last_login != 0 => Key::Number(f64::from(user.logins)),
        _ => match user.field(field, &tenant.users.sources) {
            None | Some(Value::Null) => Key::Absent,
            Some(Value::Number(number)) => Key::Number(number.as_f64().unwrap_or_default()),
            Some(Value::String(text)) => Key::Text(text),
            Some(other) => Key::Text(other.to_string()),
        },
    }
}

/// `field:1` or `field:-1`.
fn sort_order<'a>(call: &'a Call<'_>) -> Result<(&'a str, bool), ApiError> {
    let Some(sort) = call.query.get("sort") else { return Ok(("created_at", false)) };
    match sort.rsplit_once(':') {
        Some((field, "1")) => Ok((field, true)),
        Some((field, "-1")) => Ok((field, false)),
        _ => Err(ApiError::query(
            "Query validation error: 'String does not match pattern ^(([a-zA-Z0-9_\\.]+))\\:(1|-1)$' on property \
             sort (Field to sort by. Use `field:order` where order is `1` for ascending and `-1` for descending. \
             e.g. `created_at:1`).",
        )),
    }
}

const LIST: &[&str] = &[
    "page",
    "per_page",
    "include_totals",
    "sort",
    "connection",
    "fields",
    "include_fields",
    "q",
    "search_engine",
    "primary_order",
];

pub(crate) fn list(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    call.only(LIST)?;
    let tenant = &*tenant;
    let offset = Offset::of(call, 50, 100)?;
    if offset.beyond_window() {
        let message = "You can only page through the first 1000 records. See \
                       https://auth0.com/docs/users/search/v3/view-search-results-by-page#limitation";
        return Err(ApiError::bad(message, Some("invalid_paging")));
    }
    let query = Query::parse(call.query.get("q").unwrap_or_default())
        .map_err(|e| ApiError::query(&format!("The query is not valid: {e}")))?;
    let (field, ascending) = sort_order(call)?;
    let wanted = call.query.get("connection");
    let mut found: Vec<(Key, Slot)> = Vec::new();
    for slot in candidates(tenant, &query) {
        let Some(user) = tenant.users.searchable(slot) else { continue };
        let searched = Searched { tenant, slot, user };
        let connected =
            wanted.is_none_or(|c| searched.values("identities.connection").iter().any(|v| v == c));
        if connected && query.matches(&searched) {
            found.push((sort_key(tenant, user, field), slot));
        }
    }
    found.sort_by(|(a, s), (b, t)| {
        let order = a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal);
        (if ascending { order } else { order.reverse() }).then(s.cmp(t))
    });
    let page: Vec<Value> = found
        .iter()
        .skip(offset.start())
        .take(offset.per_page)
        .filter_map(|(_, slot)| tenant.users.searchable(*slot))
        .map(|user| project(call, show(tenant, call, user), &[]).into())
        .collect();
    if !offset.totals {
        return ok(page);
    }
    ok(json!({ "start": offset.start(), "limit": offset.per_page, "length": page.len(), "users": page,
        "total": found.len() }))
}

pub(crate) fn by_email(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let Some(email) = call.query.get("email") else {
        return Err(ApiError::query("Query validation error: 'Missing required property: email'."));
    };
    let found = tenant.users.with_email(email);
    ok(found.into_iter().map(|u| project(call, show(tenant, call, u), &[]).into()).collect::<Vec<Value>>())
}

pub(crate) fn get(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let user = tenant.users.by_id(call.param(0)).ok_or_else(inexistent)?;
    ok(project(call, show(tenant, call, user), &[]))
}

const CREATE: &[&str] = &[
    "email",
    "phone_number",
    "user_metadata",
    "blocked",
    "email_verified",
    "phone_verified",
    "app_metadata",
    "given_name",
    "family_name",
    "name",
    "nickname",
    "picture",
    "user_id",
    "connection",
    "password",
    "verify_email",
    "username",
];

pub(crate) fn create(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let mut body = call.strict(CREATE)?;
    let connection = required(&body, "connection")?;
    let inexistent = || ApiError::bad("The connection does not exist.", Some("inexistent_connection"));
    let connection_id = tenant.connection_named(&connection).ok_or_else(inexistent)?;
    let source = tenant.source(&connection_id).ok_or_else(inexistent)?;
    let provider = tenant.users.sources[usize::from(source)].provider().to_owned();
    let taken = || ApiError::conflict("The user already exists.", Some("auth0_idp_error"));
    let email = body.get("email").and_then(Value::as_str).map(str::to_owned);
    let same = |u: &&User| u.source == source;
    if email.as_deref().is_some_and(|e| tenant.users.with_email(e).iter().any(same)) {
        return Err(taken());
    }
    let local = match body.get("user_id").and_then(Value::as_str) {
        Some(given) => given.to_owned(),
        None => tenant.object_id(call.now),
    };
    let id = format!("{provider}|{local}");
    if tenant.users.slot(&id).is_some() {
        return Err(taken());
    }
    for name in ["connection", "password", "verify_email", "user_id"] {
        body.shift_remove(name);
    }
    let blocked = body.shift_remove("blocked").and_then(|b| b.as_bool());
    let document = new_document(tenant, body, &id, &connection, source, email.as_deref());
    let millis = call.now / 1000;
    let user = User {
        id: id.into(),
        seed: tenant.random.next(),
        number: tenant.users.next_slot(),
        source,
        created: millis,
        updated: millis,
        last_login: 0,
        logins: 0,
        ip: 0,
        blocked,
        odd: true,
        document: Some(Box::new(document)),
    };
    let shown = user.render(&tenant.users.sources);
    tenant.add_user(user.clone(), call.now);
    audit::signed_up(tenant, call.request, &call.caller, &user, call.now);
    reply(201, shown)
}

fn new_document(
    tenant: &Tenant,
    body: Object,
    id: &str,
    connection: &str,
    source: u16,
    email: Option<&str>,
) -> Object {
    let source = &tenant.users.sources[usize::from(source)];
    let local = id.split_once('|').map_or(id, |(_, rest)| rest);
    let mut document = Map::new();
    let name = email.or(body.get("phone_number").and_then(Value::as_str)).unwrap_or(local);
    document.insert("name".into(), name.into());
    document.insert("nickname".into(), name.split('@').next().unwrap_or(name).into());
    let picture =
        format!("https://gravatar.example.com/avatar/{:016x}?s=480&r=pg", crate::random::hash(id.as_bytes()));
    document.insert("picture".into(), picture.into());
    if email.is_some() {
        document.insert("email_verified".into(), false.into());
    }
    document.extend(body.into_iter().filter(|(_, v)| !v.is_null()));
    let identity = json!({ "connection": connection, "user_id": local, "provider": source.provider(),
        "isSocial": source.is_social() });
    document.insert("identities".into(), json!([identity]));
    document
}

const UPDATE: &[&str] = &[
    "blocked",
    "email_verified",
    "email",
    "phone_number",
    "phone_verified",
    "user_metadata",
    "app_metadata",
    "given_name",
    "family_name",
    "name",
    "nickname",
    "picture",
    "verify_email",
    "verify_phone_number",
    "password",
    "connection",
    "client_id",
    "username",
];

pub(crate) fn update(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let slot = slot(tenant, call)?;
    let mut body = call.strict(UPDATE)?;
    for name in ["connection", "client_id", "verify_email", "verify_phone_number"] {
        body.shift_remove(name);
    }
    if let Some(blocked) = body.shift_remove("blocked") {
        tenant.edit_user(slot, call.now, |u| u.blocked = blocked.as_bool());
    }
    let reset = body.shift_remove("password").is_some();
    tenant.edit_document(slot, call.now, |document| {
        for (name, value) in body {
            if name.ends_with("_metadata") {
                merge_metadata(document, &name, value);
            } else if value.is_null() {
                document.shift_remove(&name);
            } else {
                document.insert(name, value);
            }
        }
        if reset {
            document.insert("last_password_reset".into(), time::millis(call.now / 1000).into());
        }
    });
    let user = tenant.users.get(slot).ok_or_else(inexistent)?;
    ok(show(tenant, call, user))
}

pub(crate) fn delete(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    if let Some(slot) = tenant.users.slot(call.param(0))
        && let Some(user) = tenant.users.get(slot).cloned()
    {
        tenant.remove_user(slot, call.now);
        audit::deleted(tenant, &user, call.now);
    }
    no_content()
}

pub(crate) fn link(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let primary = slot(tenant, call)?;
    let body = call.strict(&["provider", "connection_id", "user_id", "link_with"])?;
    let provider = required(&body, "provider")?;
    let local = match body.get("user_id") {
        Some(Value::Number(number)) => number.to_string(),
        _ => required(&body, "user_id")?,
    };
    // The id may come with or without its provider.
    let prefix = format!("{provider}|");
    let id = if local.starts_with(&prefix) { local } else { format!("{prefix}{local}") };
    let secondary = tenant.users.slot(&id).ok_or_else(inexistent)?;
    if secondary == primary {
        let message = "Main account and linked account cannot be the same";
        return Err(ApiError::bad(message, Some("identities_mismatch")));
    }
    reply(201, tenant.link(primary, secondary, call.now))
}

pub(crate) fn unlink(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let slot = slot(tenant, call)?;
    let (provider, local) = (call.param(1), call.param(2));
    let user = tenant.users.get(slot).ok_or_else(inexistent)?;
    let mut identities = user.identities(&tenant.users.sources);
    let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    let at = identities.iter().position(|i| i["provider"] == provider && text(&i["user_id"]) == local);
    let at = at.filter(|at| *at > 0).ok_or_else(|| {
        ApiError::bad("The identity cannot be unlinked from the user.", Some("invalid_operation"))
    })?;
    let mut identity = identities.remove(at);
    let left = identities.clone();
    tenant.edit_document(slot, call.now, |d| {
        d.insert("identities".into(), Value::Array(identities));
    });
    restore(tenant, &mut identity, provider, local, call.now);
    ok(left)
}

/// Makes an account of its own of an identity that was unlinked.
fn restore(tenant: &mut Tenant, identity: &mut Value, provider: &str, local: &str, now: i64) {
    let connection = identity["connection"].as_str().unwrap_or_default().to_owned();
    let source = tenant.connection_named(&connection).and_then(|id| tenant.source(&id)).unwrap_or_default();
    let mut document = match identity.as_object_mut().and_then(|i| i.shift_remove("profileData")) {
        Some(Value::Object(profile)) => profile,
        _ => Map::new(),
    };
    document.insert("identities".into(), json!([identity]));
    let user = User {
        id: format!("{provider}|{local}").into(),
        seed: tenant.random.next(),
        number: tenant.users.next_slot(),
        source,
        created: now / 1000,
        updated: now / 1000,
        last_login: 0,
        logins: 0,
        ip: 0,
        blocked: None,
        odd: true,
        document: Some(Box::new(document)),
    };
    tenant.add_user(user, now);
}
