//! Things that make somebody look: an attack, a mistake, a loss. Each plays at once, to be watched as it arrives.
//!
//! What has a route of the Management API happens through it, as in `churn`; what people do at the login page leaves the
//! events that Auth0 writes. One setting that the tenant here does not hold, brute-force protection, leaves its event alone.

use crate::administrator::call;
use crate::api::Object;
use crate::events::{Act, Cast, Stage};
use crate::http::encode;
use crate::random::Random;
use crate::tenant::Tenant;
use crate::users::{Slot, Source};
use serde::Deserialize;
use serde_json::{Value, json};

/// What can be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scene {
    /// One address tries common passwords on many users: most fail, one account is blocked, one password fits.
    PasswordSpraying,
    /// A clean-up script with a wrong condition deletes users, and on the way protection is turned off and an
    /// application opened to insecure grants.
    AdministratorMistake,
    /// The organization with most members is deleted.
    DeletedOrganization,
}

impl Scene {
    /// All of them.
    pub const ALL: [Self; 3] =
        [Self::PasswordSpraying, Self::AdministratorMistake, Self::DeletedOrganization];

    /// Its name in `POST /__sim/scenes/NAME`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PasswordSpraying => "password-spraying",
            Self::AdministratorMistake => "administrator-mistake",
            Self::DeletedOrganization => "deleted-organization",
        }
    }
}

/// Where the attack comes from: an address that nobody else in the tenant has (a range for benchmarks).
const ATTACKER: &str = "198.18.0.66";
/// Failed logins from one address after which Auth0 throttles it.
const THROTTLED_AFTER: usize = 100;
/// Microseconds between two events.
const STEP: i64 = 3_000;

/// Plays a scene at a size (users tried or deleted); says what was done.
pub(crate) fn play(tenant: &mut Tenant, scene: Scene, size: u32, seed: u64, now: i64) -> Value {
    let mut random = Random::derive(seed ^ now as u64, scene.name());
    match scene {
        Scene::PasswordSpraying => spray(tenant, size, &mut random, now),
        Scene::AdministratorMistake => mistake(tenant, size, &mut random, now),
        Scene::DeletedOrganization => delete_organization(tenant, now),
    }
}

/// Random users of database connections, each once.
fn database_users(tenant: &Tenant, count: u32, random: &mut Random) -> Vec<Slot> {
    let mut found = Vec::new();
    let slots = u64::from(tenant.users.next_slot());
    // A tenant may have fewer of them than are asked for.
    for _ in 0..count.saturating_mul(8) {
        if found.len() >= count as usize || slots == 0 {
            break;
        }
        let Some(slot) = tenant.users.at_or_after(random.below(slots) as Slot) else { continue };
        let source =
            tenant.users.get(slot).and_then(|user| tenant.users.sources.get(usize::from(user.source)));
        if source.is_some_and(Source::is_database) && !found.contains(&slot) {
            found.push(slot);
        }
    }
    found
}

fn spray(tenant: &mut Tenant, size: u32, random: &mut Random, mut now: i64) -> Value {
    let cast = Cast::of(tenant);
    let slots = database_users(tenant, size, random);
    let (mut failures, mut throttled, mut taken) = (0, 0, None);
    for (number, slot) in slots.iter().enumerate() {
        now += STEP;
        // The last one but two had a password that half the world has.
        let fits = number + 3 == slots.len() || (slots.len() < 3 && number + 1 == slots.len());
        let act = match (fits, random.chance(250)) {
            (true, _) => Act::Login,
            (false, true) => Act::UnknownUser,
            (false, false) => Act::WrongPassword,
        };
        if failures >= THROTTLED_AFTER && !fits {
            throttled += 1;
            let events =
                Stage { tenant, cast: &cast, slot: *slot, at: now / 1000 }.play(Act::Blocked, random);
            for event in events {
                let words = "An IP address is blocked: too many failed logins";
                tenant.emit("limit_mu", now, from_attacker(event.fields, Some(words)));
            }
            continue;
        }
        let events = Stage { tenant, cast: &cast, slot: *slot, at: now / 1000 }.play(act, random);
        for event in events {
            tenant.emit(event.kind, now, from_attacker(event.fields, None));
        }
        if fits {
            tenant.edit_user(*slot, now, |user| {
                user.logins += 1;
                user.last_login = now / 1000;
            });
            taken = tenant.users.get(*slot).map(|user| user.id.to_string());
        } else {
            failures += 1;
        }
    }
    json!({ "address": ATTACKER, "failures": failures, "throttled": throttled, "taken_over": taken })
}

fn from_attacker(mut fields: Object, description: Option<&str>) -> Object {
    fields.insert("ip".into(), ATTACKER.into());
    fields.insert("user_agent".into(), "Python Requests 2.31 / Other 0.0.0".into());
    fields.insert("isMobile".into(), false.into());
    if fields.contains_key("client_ip") {
        fields.insert("client_ip".into(), ATTACKER.into());
    }
    if let Some(description) = description {
        fields.insert("description".into(), description.into());
        fields.insert("user_id".into(), "".into());
        fields.insert("user_name".into(), "".into());
    }
    fields
}

fn mistake(tenant: &mut Tenant, size: u32, random: &mut Random, mut now: i64) -> Value {
    let slots = database_users(tenant, size, random);
    let ids: Vec<String> =
        slots.iter().filter_map(|slot| Some(tenant.users.get(*slot)?.id.to_string())).collect();
    let mut deleted = Vec::new();
    for id in ids {
        let path = format!("/users/{}", encode(&id));
        if call(tenant, &mut now, "DELETE", &path, &Value::Null).is_some() {
            deleted.push(id);
        }
    }
    let body = json!({ "grant_types": ["authorization_code", "implicit", "password", "refresh_token"] });
    let own = |id: &&String| id.as_str() != crate::CLIENT_ID;
    let global = |id: &&String| tenant.clients[*id].get("global").and_then(Value::as_bool) == Some(true);
    let client = tenant.clients.keys().filter(own).find(|id| !global(id)).cloned();
    let opened = client.filter(|id| {
        let path = format!("/clients/{id}");
        call(tenant, &mut now, "PATCH", &path, &body).is_some()
    });
    now += STEP;
    tenant.emit("sapi", now, unprotected(tenant));
    json!({ "users_deleted": deleted, "client_opened": opened, "brute_force_protection": false })
}

/// The event of an administrator who turns brute-force protection off in the dashboard.
fn unprotected(tenant: &Tenant) -> Object {
    let setting = json!({ "enabled": false, "shields": [], "mode": "count_per_identifier_and_ip", "allowlist": [], "max_attempts": 10 });
    let admin = json!({ "user_id": "google-oauth2|100000000000000000001", "name": "Example Admin", "email": "admin@example.com" });
    let fields = json!({
        "description": "Update Brute-force settings", "client_id": crate::CLIENT_ID, "client_name": "",
        "ip": "203.0.113.20", "user_agent": "Other 0.0.0 / Other 0.0.0", "user_id": admin["user_id"],
        "details": {
            "request": { "method": "patch", "path": "/api/v2/attack-protection/brute-force-protection", "query": {},
                "channel": "https://manage.auth0.com/", "userAgent": "Mozilla/5.0", "ip": "203.0.113.20", "body": setting,
                "auth": { "user": admin, "strategy": "jwt", "credentials": { "jti": "0123456789abcdef0123456789abcdef" } } },
            "response": { "statusCode": 200, "body": setting },
        },
        "tenant_name": tenant.config.tenant,
    });
    fields.as_object().cloned().unwrap_or_default()
}

fn delete_organization(tenant: &mut Tenant, mut now: i64) -> Value {
    let members = |id: &String| tenant.members.get(id).map_or(0, crate::tenant::Members::len);
    let largest = tenant.organizations.keys().max_by_key(|id| (members(id), std::cmp::Reverse(*id))).cloned();
    let Some(id) = largest else { return json!({ "organization_deleted": null, "members": 0 }) };
    let members = members(&id);
    let deleted = call(tenant, &mut now, "DELETE", &format!("/organizations/{id}"), &Value::Null).is_some();
    json!({ "organization_deleted": deleted.then_some(id), "members": members })
}
