//! What a generated user looks like: every field derived from the user's number and connection.
//!
//! Writes the oddities that real tenants show: numeric identity ids for GitHub, `"true"` as a string, metadata of
//! every JSON type, users without mail address. Pure.

use crate::names;
use crate::random::{Random, hash};
use crate::time;
use crate::users::{Source, User};
use serde_json::{Map, Value, json};

/// The mail address of a generated user, where the connection has one.
pub(crate) fn email(user: &User, source: &Source) -> Option<String> {
    if source.strategy == "sms" {
        return None;
    }
    let person = names::person(user.seed);
    let domain = match source.strategy.as_str() {
        "auth0" | "google-oauth2" | "github" | "apple" | "email" => names::mail_domain(user.seed).to_owned(),
        _ => format!("{}.example.com", names::slug(&source.name)),
    };
    Some(format!("{}.{}@{domain}", person.mailbox, user.number))
}

/// All fields of a generated user that are not the record's own, in no particular order.
pub(crate) fn fields(user: &User, source: &Source, oddities: bool) -> Vec<(&'static str, Value)> {
    let person = names::person(user.seed);
    let mut random = Random::new(user.seed ^ 0x5EED);
    let email = email(user, source);
    let mut fields: Vec<(&'static str, Value)> = Vec::with_capacity(16);
    if let Some(email) = &email {
        fields.push(("email", email.as_str().into()));
        fields.push(("email_verified", verified(source, oddities, &mut random)));
    } else {
        fields.push(("phone_number", format!("+1555010{:04}", user.number % 10_000).into()));
        fields.push(("phone_verified", true.into()));
    }
    let named = !source.is_database() || random.chance(600);
    if named {
        fields.push(("family_name", person.family.into()));
        fields.push(("given_name", person.given.into()));
    }
    let shown = match (named, email) {
        (true, _) => format!("{} {}", person.given, person.family),
        (false, Some(email)) => email,
        (false, None) => format!("user {}", user.number),
    };
    fields.push(("name", shown.into()));
    fields.push(("nickname", format!("{}.{}", person.mailbox, user.number).into()));
    let picture =
        format!("https://gravatar.example.com/avatar/{:016x}?s=480&r=pg", hash(&user.seed.to_le_bytes()));
    fields.push(("picture", picture.into()));
    fields.push(("identities", Value::Array(vec![identity(user, source)])));
    if source.is_database() {
        if source.name.contains("Legacy") {
            let name = format!("{}{}", person.mailbox.replace('.', "_"), user.number);
            fields.push(("username", name.into()));
        }
        // Drawn in any case: a first login must not change the rest of the profile.
        let reset = user.created + 1_000 + random.below(86_400_000) as i64;
        if random.chance(300) && user.logins > 0 {
            fields.push(("last_password_reset", time::millis(reset).into()));
        }
    }
    metadata(&mut fields, &mut random);
    if random.chance(80) {
        fields.push(("multifactor", json!(["guardian"])));
    }
    fields
}

fn verified(source: &Source, oddities: bool, random: &mut Random) -> Value {
    match source.strategy.as_str() {
        "apple" if random.chance(100) && oddities => "true".into(),
        "samlp" if random.chance(60) && oddities => "true".into(),
        "auth0" => random.chance(820).into(),
        _ => true.into(),
    }
}

/// The first identity: numeric for GitHub, the part after the first bar elsewhere.
pub(crate) fn identity(user: &User, source: &Source) -> Value {
    let local = user.id.split_once('|').map_or(user.id.as_ref(), |(_, rest)| rest);
    let user_id = match local.parse::<u64>() {
        Ok(number) if source.strategy == "github" => number.into(),
        _ => Value::from(local),
    };
    json!({
        "connection": source.name,
        "user_id": user_id,
        "provider": source.provider(),
        "isSocial": source.is_social(),
    })
}

fn metadata(fields: &mut Vec<(&'static str, Value)>, random: &mut Random) {
    if random.chance(350) {
        let language = *random.pick(&["en", "ja", "de", "fr", "pt-BR"]);
        let preferences = json!({ "language": language, "newsletter": random.chance(500) });
        fields.push(("user_metadata", preferences));
    }
    if !random.chance(450) {
        return;
    }
    let mut app = Map::new();
    app.insert("plan".into(), (*random.pick(&["free", "pro", "enterprise"])).into());
    if random.chance(400) {
        app.insert("roles".into(), json!([*random.pick(&["viewer", "editor"]), "billing"]));
    }
    if random.chance(250) {
        app.insert(
            "quota".into(),
            json!({ "seats": random.below(50), "regions": ["eu", "us"], "hard": null }),
        );
    }
    if random.chance(200) {
        app.insert("credit".into(), json!(random.below(10_000) as f64 / 100.0));
    }
    if random.chance(200) {
        app.insert("beta".into(), random.chance(500).into());
    }
    if random.chance(100) {
        app.insert("legacy_id".into(), Value::Null);
    }
    if random.chance(60) {
        app.insert("Plan".into(), "PRO (imported)".into());
    }
    if random.chance(40) {
        app.insert("note".into(), "".into());
        app.insert("tags".into(), json!([]));
    }
    fields.push(("app_metadata", Value::Object(app)));
}
