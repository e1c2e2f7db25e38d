//! What happens to a tenant without the Management API: people log in, and users are imported in bulk.
//!
//! Writes the log events that Auth0 writes and changes users as it does. The past is generated elsewhere; this is the
//! present.

use crate::events::{Act, Cast, Stage};
use crate::random::Random;
use crate::seed::people;
use crate::tenant::Tenant;
use crate::users::{Slot, User};
use serde_json::{Value, json};

/// Of a thousand acts, how many are the first login of a social user whom the tenant did not know.
const NEWCOMERS_PER_MILLE: u64 = 15;

/// Plays acts of random users until so many logins have happened; logins change the users, and now and then the
/// first login of a social user makes it, with no other event to tell.
pub(crate) fn logins(tenant: &mut Tenant, count: u32, seed: u64, now: i64) -> Value {
    play(tenant, count, false, seed, now)
}

/// Lets so many users log in, and nobody do anything else.
pub(crate) fn bare_logins(tenant: &mut Tenant, count: u32, seed: u64, now: i64) -> Value {
    play(tenant, count, true, seed, now)
}

fn play(tenant: &mut Tenant, count: u32, bare: bool, seed: u64, now: i64) -> Value {
    let mut random = Random::derive(seed ^ now as u64, "logins");
    let cast = Cast::of(tenant);
    let (mut acts, mut logins, mut newcomers) = (0, 0, 0);
    let social = tenant
        .users
        .sources
        .iter()
        .position(|s| s.is_social() && tenant.connections.contains_key(&s.connection_id));
    while logins < count {
        let at = random.below(u64::from(tenant.users.next_slot())) as Slot;
        let Some(mut slot) = tenant.users.at_or_after(at) else { break };
        let mut act = Act::draw(&mut random);
        if act.tells_of_change() || (bare && !act.is_login()) {
            continue;
        }
        if let Some(social) = social.filter(|_| !bare && random.chance(NEWCOMERS_PER_MILLE)) {
            let number = tenant.users.next_slot();
            let mut user =
                people::user(&tenant.users.sources, social as u16, number, now / 1000, &mut random);
            user.odd = tenant.config.oddities;
            slot = tenant.add_user(user, now);
            act = Act::SignUp;
            newcomers += 1;
        }
        let stage = Stage { tenant, cast: &cast, slot, at: now / 1000 };
        let events = stage.play(act, &mut random);
        for event in events {
            tenant.emit(event.kind, now, event.fields);
        }
        if act.is_login() {
            let ip = random.next();
            tenant.edit_user(slot, now, |user| {
                user.logins += 1;
                user.last_login = now / 1000;
                user.ip = ip;
            });
            logins += 1;
        }
        acts += 1;
    }
    json!({ "logins": logins, "acts": acts, "new_users": newcomers })
}

/// Imports users into the first database connection: one timestamp, one `sui`.
pub(crate) fn import(tenant: &mut Tenant, count: u32, seed: u64, now: i64) -> Value {
    let mut random = Random::derive(seed ^ now as u64, "import");
    let source =
        tenant.users.sources.iter().position(crate::users::Source::is_database).unwrap_or_default() as u16;
    let mut ids = Vec::new();
    for _ in 0..count {
        let number = tenant.users.next_slot();
        let mut user: User = people::user(&tenant.users.sources, source, number, now / 1000, &mut random);
        user.odd = tenant.config.oddities;
        ids.push(user.id.to_string());
        tenant.add_user(user, now);
    }
    let about = tenant.users.sources.get(usize::from(source));
    let fields = json!({
        "description": "Successfully imported users", "connection": about.map(|s| s.name.clone()),
        "connection_id": about.map(|s| s.connection_id.clone()),
        "details": { "connection": about.map(|s| s.name.clone()), "tenant": tenant.config.tenant },
        "user_agent": "Other 0.0.0 / Other 0.0.0", "tenant_name": tenant.config.tenant,
    });
    if let Value::Object(fields) = fields {
        tenant.emit("sui", now, fields);
    }
    json!({ "imported": ids.len(), "first": ids.first(), "last": ids.last() })
}
