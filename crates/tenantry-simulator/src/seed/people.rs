//! Users of a generated tenant, and what they belong to.

use crate::api::Object;
use crate::random::{Random, mix};
use crate::tenant::Tenant;
use crate::time::{DAY, DAY_MS, SECOND};
use crate::users::{Slot, Source, User};
use serde_json::{Value, json};

/// For how long the tenant has had users, days.
pub(super) const AGE_DAYS: i64 = 3 * 365;

/// A user id of the kind that a connection gives, with every character that ids are known to hold.
pub(crate) fn user_id(source: &Source, number: u32, created: i64, random: &mut Random) -> String {
    let provider = source.provider();
    let local = match provider {
        "google-oauth2" => format!("1{}", random.digits(20)),
        "github" => format!("{}", 1_000_000 + u64::from(number) * 7 + random.below(7)),
        "apple" => format!("00{}.{}.{}", random.digits(4), random.hex(32), random.digits(4)),
        "samlp" | "okta" | "oidc" => format!("{}|user {number}@{}.example.com", source.name, source.name),
        "auth0" if source.name.contains("Legacy") => match number % 4 {
            0 => format!("legacy {number}"),
            1 => format!("old%7C{number}/a"),
            2 => format!("customers|{number}"),
            _ => format!("{number}"),
        },
        _ => format!("{:08x}{}", created / 1000, random.hex(16)),
    };
    format!("{provider}|{local}")
}

/// How often a connection is used, in the order of the connections.
const WEIGHTS: [u64; 8] = [50, 20, 8, 8, 3, 5, 4, 2];

fn pick_source(count: usize, random: &mut Random) -> u16 {
    let weight = |n: usize| WEIGHTS.get(n).copied().unwrap_or(1);
    let total: u64 = (0..count).map(weight).sum();
    let mut at = random.below(total);
    for n in 0..count {
        if at < weight(n) {
            return n as u16;
        }
        at -= weight(n);
    }
    0
}

/// A new user of a connection.
pub(crate) fn user(sources: &[Source], source: u16, number: u32, created: i64, random: &mut Random) -> User {
    let id = user_id(&sources[usize::from(source)], number, created, random);
    User {
        id: id.into(),
        seed: random.next(),
        number,
        source,
        created,
        updated: created,
        last_login: 0,
        logins: 0,
        ip: 0,
        blocked: None,
        odd: true,
        document: None,
    }
}

pub(super) fn users(tenant: &mut Tenant) {
    let mut random = Random::derive(tenant.config.seed, "users");
    let start = tenant.config.start / 1000;
    let tied = tenant.config.tied_users.min(tenant.config.users);
    let imported = start - 200 * DAY_MS + 12_345_678;
    for number in 0..tenant.config.users {
        // The imported ones come first, so their slots are known.
        let (source, created) = if number < tied {
            (0, imported)
        } else {
            let age = (random.unit().powf(1.4) * (AGE_DAYS * DAY_MS) as f64) as i64;
            (pick_source(tenant.users.sources.len(), &mut random), start - age.max(60_000))
        };
        let mut user = user(&tenant.users.sources, source, number, created, &mut random);
        user.odd = tenant.config.oddities;
        if number >= tied {
            visited(&mut user, start, &mut random);
        }
        tenant.users.insert(user, None);
    }
    link_some(tenant, tied);
}

/// Gives most users a past: logins, and rarely a block that was lifted or not.
fn visited(user: &mut User, start: i64, random: &mut Random) {
    if random.chance(850) {
        user.logins = 1 + random.below(60) as u32;
        user.ip = random.next();
        let span = (start - 40 * DAY_MS - user.created).max(0) as u64;
        user.last_login = user.created + if span == 0 { 1_500 } else { random.below(span) as i64 + 1_500 };
        user.updated = user.last_login;
    } else if random.chance(200) {
        user.updated = user.created + random.below(((start - user.created) as u64).max(1)) as i64;
    }
    if random.chance(60) {
        user.blocked = Some(random.chance(400));
    }
}

/// One user in two hundred has a second account linked to it.
fn link_some(tenant: &mut Tenant, tied: u32) {
    let mut random = Random::derive(tenant.config.seed, "links");
    let count = tenant.config.users.saturating_sub(tied) / 200;
    let Some(social) = tenant.users.sources.iter().position(Source::is_social) else { return };
    for n in 0..count {
        let slot = tied + n * 200 + random.below(150) as u32;
        let Some(user) = tenant.users.get(slot).filter(|u| usize::from(u.source) != social) else { continue };
        let local = format!("1{}", random.digits(20));
        let source = &tenant.users.sources[social];
        let linked = json!({
            "profileData": { "email": user.email(&tenant.users.sources), "email_verified": true },
            "provider": source.provider(), "user_id": local, "connection": source.name, "isSocial": true,
        });
        let mut identities = user.identities(&tenant.users.sources);
        identities.push(linked);
        let mut document = user.document(&tenant.users.sources);
        document.insert("identities".into(), Value::Array(identities));
        tenant.users.edit(slot, None, |u| u.document = Some(Box::new(document)));
    }
}

pub(super) fn memberships(tenant: &mut Tenant) {
    let mut random = Random::derive(tenant.config.seed, "members");
    let users = u64::from(tenant.users.next_slot());
    let wanted = u64::from(tenant.config.members_per_organization).min(users);
    let start = tenant.config.start;
    let roles: Vec<String> = tenant.roles.keys().cloned().collect();
    let ids: Vec<String> = tenant.organizations.keys().cloned().collect();
    let lag = std::mem::take(&mut tenant.config.search_lag_micros);
    for id in ids {
        // Steps that are coprime with the number of users visit each of them once.
        let mut step = 1 + random.below(users.max(1));
        while gcd(step, users.max(1)) != 1 {
            step += 1;
        }
        let first = random.below(users.max(1));
        for n in 0..wanted {
            let slot = ((first + n * step) % users) as Slot;
            let joined = start - 300 * DAY + random.below(290 * DAY as u64) as i64;
            tenant.add_member(&id, slot, joined);
            if !roles.is_empty() && random.chance(200) {
                let role = random.pick(&roles).clone();
                if let Some(membership) = tenant.members.get_mut(&id).and_then(|m| m.get_mut(slot)) {
                    membership.roles.insert(role);
                }
            }
        }
    }
    tenant.config.search_lag_micros = lag;
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Roles and single permissions of users.
pub(super) fn assignments(tenant: &mut Tenant) {
    let mut random = Random::derive(tenant.config.seed, "assignments");
    let roles: Vec<String> = tenant.roles.keys().cloned().collect();
    let permissions = super::applications::permissions(tenant);
    for slot in 0..tenant.users.next_slot() {
        if !roles.is_empty() && random.chance(120) {
            let role = random.pick(&roles).clone();
            tenant.assign_role(&role, slot);
        }
        if !permissions.is_empty() && random.chance(15) {
            tenant.user_permissions.insert(slot, vec![random.pick(&permissions).clone()]);
        }
    }
}

/// The object of a consent.
pub(crate) fn consent(id: &str, user: &str, client: &str, audience: &str, random: &mut Random) -> Object {
    let scope = match random.below(4) {
        0 => json!([]),
        1 => json!(["openid", "profile"]),
        _ => json!(["openid", "profile", "email", "offline_access"]),
    };
    let row = json!({ "user_id": user, "audience": audience, "scope": scope, "clientID": client, "id": id });
    row.as_object().cloned().unwrap_or_default()
}

pub(super) fn consents(tenant: &mut Tenant) {
    let mut random = Random::derive(tenant.config.seed, "consents");
    let clients: Vec<String> = tenant
        .clients
        .iter()
        .filter(|(_, c)| c.get("app_type").and_then(Value::as_str).is_some_and(|t| t != "non_interactive"))
        .map(|(id, _)| id.clone())
        .collect();
    let users = u64::from(tenant.users.next_slot());
    if clients.is_empty() || users == 0 {
        return;
    }
    let userinfo = format!("https://{}/userinfo", tenant.config.host());
    let audiences: Vec<String> = tenant
        .resource_servers
        .values()
        .filter(|s| !s.contains_key("is_system"))
        .filter_map(|s| s.get("identifier")?.as_str().map(str::to_owned))
        .chain([userinfo])
        .collect();
    for n in 0..tenant.config.grants {
        let slot = random.below(users) as Slot;
        let at = tenant.config.start / SECOND - 300 * 86_400 + i64::from(n);
        let id = format!("{at:08x}{:016x}", mix(random.next()));
        let Some(user) = tenant.users.get(slot) else { continue };
        let (client, audience) = (random.pick(&clients).clone(), random.pick(&audiences).clone());
        let row = consent(&id, &user.id, &client, &audience, &mut random);
        tenant.add_grant(id, slot, row);
    }
}
