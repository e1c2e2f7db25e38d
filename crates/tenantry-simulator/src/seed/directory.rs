//! Connections, roles and organizations of a generated tenant.

use crate::api::Object;
use crate::names;
use crate::random::Random;
use crate::tenant::Tenant;
use serde_json::{Value, json};

/// Name, strategy and whether it is a domain connection, of the connections that every tenant has first.
const CONNECTIONS: [(&str, &str, bool); 8] = [
    ("Username-Password-Authentication", "auth0", false),
    ("google-oauth2", "google-oauth2", false),
    ("github", "github", false),
    ("Legacy-Customers", "auth0", false),
    ("apple", "apple", false),
    ("aster-freight-entra", "waad", true),
    ("borealis-clinics-saml", "samlp", false),
    ("sms", "sms", false),
];

fn options(strategy: &str, random: &mut Random) -> Value {
    match strategy {
        "auth0" => json!({
            "mfa": { "active": true, "return_enroll_settings": true }, "passwordPolicy": "good",
            "strategy_version": 2, "brute_force_protection": true, "disable_signup": random.chance(200),
        }),
        "samlp" => json!({
            "signInEndpoint": "https://idp.example.com/saml", "signatureAlgorithm": "rsa-sha256",
            "digestAlgorithm": "sha256", "cert": format!("-----BEGIN CERTIFICATE-----\n{}", random.alphanumeric(48)),
        }),
        "sms" => {
            json!({ "disable_signup": false, "totp": { "length": 6, "time_step": 180 }, "from": "+15550100" })
        }
        _ => json!({
            "client_id": random.hex(20), "client_secret": random.alphanumeric(40), "scope": ["email", "profile"],
        }),
    }
}

/// The connection's object as the list shows it.
pub(crate) fn connection(id: &str, name: &str, strategy: &str, domain: bool, random: &mut Random) -> Object {
    let mut row = Object::new();
    row.insert("id".into(), id.into());
    row.insert("options".into(), options(strategy, random));
    row.insert("strategy".into(), strategy.into());
    row.insert("name".into(), name.into());
    row.insert("is_domain_connection".into(), domain.into());
    row.insert("show_as_button".into(), (strategy != "auth0").into());
    row.insert("authentication".into(), json!({ "active": true }));
    row.insert("connected_accounts".into(), json!({ "active": false }));
    let shown = if random.chance(250) { Value::Null } else { name.replace('-', " ").into() };
    if strategy != "auth0" {
        row.insert("display_name".into(), shown);
    }
    let realms = if domain { json!([name, format!("{name}.example.com")]) } else { json!([name]) };
    row.insert("realms".into(), realms);
    row
}

pub(super) fn connections(tenant: &mut Tenant) {
    let mut random = Random::derive(tenant.config.seed, "connections");
    for n in 0..tenant.config.connections.max(1) as usize {
        let id = format!("con_{}", random.alphanumeric(16));
        let row = if let Some((name, strategy, domain)) = CONNECTIONS.get(n) {
            connection(&id, name, strategy, *domain, &mut random)
        } else {
            let strategy = *random.pick(&["samlp", "oidc", "waad", "okta"]);
            let name = format!("{}-{strategy}", names::slug(&names::company(n)));
            connection(&id, &name, strategy, random.chance(300), &mut random)
        };
        tenant.connections.insert(id.clone(), row);
        tenant.source(&id);
    }
}

const ROLES: [(&str, Option<&str>); 6] = [
    ("Administrator", Some("May do everything")),
    ("Auditor", Some("Reads everything, changes nothing")),
    ("Billing", Some("Invoices and payment methods")),
    ("Editor", Some("Writes content")),
    ("Support", None),
    ("Viewer", Some("")),
];

pub(super) fn roles(tenant: &mut Tenant) {
    let mut random = Random::derive(tenant.config.seed, "roles");
    let permissions = super::applications::permissions(tenant);
    for n in 0..tenant.config.roles as usize {
        let id = format!("rol_{}", random.alphanumeric(16));
        let (name, description) = if let Some((name, description)) = ROLES.get(n) {
            ((*name).to_owned(), description.map(str::to_owned))
        } else {
            let name = format!("{} {}", names::company(n), random.pick(&["Operator", "Approver", "Guest"]));
            (format!("{name} {n}"), (!random.chance(110)).then(|| "Made by an administrator".to_owned()))
        };
        let row = json!({ "id": id, "name": name, "description": description, "type": "tenant" });
        tenant.roles.insert(id.clone(), row.as_object().cloned().unwrap_or_default());
        let held: Vec<_> = permissions.iter().filter(|_| random.chance(300)).cloned().collect();
        if !held.is_empty() {
            tenant.role_permissions.insert(id, held);
        }
    }
}

/// The nth organization's object.
pub(crate) fn organization(id: &str, n: usize, random: &mut Random) -> Object {
    let display = names::company(n);
    let mut row = Object::new();
    row.insert("id".into(), id.into());
    row.insert("name".into(), names::slug(&display).into());
    if !random.chance(60) {
        row.insert("display_name".into(), display.into());
    }
    if random.chance(300) {
        let colors = json!({ "primary": format!("#{}", random.hex(6)), "page_background": format!("#{}", random.hex(6)) });
        row.insert("branding".into(), json!({ "colors": colors }));
    } else if random.chance(150) {
        row.insert("branding".into(), json!({ "logo_url": "https://example.com/logo.png" }));
    }
    if random.chance(450) {
        let mut metadata = Object::new();
        metadata.insert("region".into(), (*random.pick(&["eu", "us", "ap"])).into());
        metadata.insert("account".into(), random.digits(6).into());
        if random.chance(300) {
            metadata.insert("note".into(), "".into());
        }
        row.insert("metadata".into(), metadata.into());
    }
    row.insert("third_party_client_access".into(), "block".into());
    row.insert("is_app_entitlement_active".into(), random.chance(200).into());
    row
}

pub(super) fn organizations(tenant: &mut Tenant) {
    let mut random = Random::derive(tenant.config.seed, "organizations");
    let connections: Vec<String> = tenant.connections.keys().cloned().collect();
    for n in 0..tenant.config.organizations as usize {
        let id = format!("org_{}", random.alphanumeric(16));
        let row = organization(&id, n, &mut random);
        tenant.organizations.insert(id.clone(), row);
        if random.chance(500) {
            let connection = random.pick(&connections).clone();
            let about = &tenant.connections[&connection];
            let enabled = json!({
                "connection_id": connection, "assign_membership_on_login": random.chance(300), "show_as_button": true,
                "is_signup_enabled": false,
                "connection": { "name": about.get("name"), "strategy": about.get("strategy") },
            });
            let enabled = enabled.as_object().cloned().unwrap_or_default();
            tenant.organization_connections.entry(id).or_default().insert(connection, enabled);
        }
    }
}
