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

/// All fields of a generated user that are not the record's own.
pub(crate) fn document(user: &User, source: &Source) -> Map<String, Value> {
    let person = names::person(user.seed);
    let mut random = Random::new(user.seed ^ 0x5EED);
    let email = email(user, source);
    let mut fields = Map::new();
    if let Some(email) = &email {
        fields.insert("email".into(), email.as_str().into());
        fields.insert("email_verified".into(), verified(source, &mut random));
    } else {
        fields.insert("phone_number".into(), format!("+1555010{:04}", user.number % 10_000).into());
        fields.insert("phone_verified".into(), true.into());
    }
    let named = !source.is_database() || random.chance(600);
    if named {
        fields.insert("family_name".into(), person.family.into());
        fields.insert("given_name".into(), person.given.into());
    }
    let full = format!("{} {}", person.given, person.family);
    let shown = if named { full } else { email.clone().unwrap_or_else(|| format!("user {}", user.number)) };
    fields.insert("name".into(), shown.into());
    fields.insert("nickname".into(), format!("{}.{}", person.mailbox, user.number).into());
    let picture =
        format!("https://gravatar.example.com/avatar/{:016x}?s=480&r=pg", hash(&user.seed.to_le_bytes()));
    fields.insert("picture".into(), picture.into());
    fields.insert("identities".into(), json!([identity(user, source)]));
    if source.is_database() {
        if source.name.contains("Legacy") {
            fields.insert(
                "username".into(),
                format!("{}{}", person.mailbox.replace('.', "_"), user.number).into(),
            );
        }
        if random.chance(300) && user.updated > user.created {
            let at = user.created + (user.updated - user.created) / 3;
            fields.insert("last_password_reset".into(), time::millis(at).into());
        }
    }
    metadata(&mut fields, &mut random);
    if random.chance(80) {
        fields.insert("multifactor".into(), json!(["guardian"]));
    }
    fields
}

fn verified(source: &Source, random: &mut Random) -> Value {
    match source.strategy.as_str() {
        "apple" if random.chance(100) => "true".into(),
        "samlp" if random.chance(60) => "true".into(),
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

fn metadata(fields: &mut Map<String, Value>, random: &mut Random) {
    if random.chance(350) {
        let language = *random.pick(&["en", "ja", "de", "fr", "pt-BR"]);
        fields.insert(
            "user_metadata".into(),
            json!({ "language": language, "newsletter": random.chance(500) }),
        );
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
    fields.insert("app_metadata".into(), Value::Object(app));
}
