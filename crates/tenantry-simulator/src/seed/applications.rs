//! APIs, clients and what clients may do, of a generated tenant.

use crate::api::Object;
use crate::api::clients::defaults;
use crate::random::Random;
use crate::tenant::Tenant;
use crate::{CLIENT_ID, names, scopes};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn server(id: &str, name: &str, identifier: &str) -> Object {
    let row = json!({
        "id": id, "name": name, "identifier": identifier, "allow_offline_access": false,
        "skip_consent_for_verifiable_first_party_clients": false,
        "subject_type_authorization": { "user": { "policy": "allow_all" }, "client": { "policy": "require_client_grant" } },
        "token_lifetime": 86_400, "token_lifetime_for_web": 7_200, "signing_alg": "RS256",
    });
    row.as_object().cloned().unwrap_or_default()
}

pub(super) fn resource_servers(tenant: &mut Tenant) {
    let mut random = Random::derive(tenant.config.seed, "apis");
    let system = random.hex(24);
    let mut management = server(&system, "Auth0 Management API", &tenant.config.audience());
    let listed: Vec<Value> = scopes::all()
        .iter()
        .map(|scope| json!({ "description": scopes::describe(scope), "value": scope }))
        .collect();
    management.insert("scopes".into(), listed.into());
    management.insert("is_system".into(), true.into());
    tenant.resource_servers.insert(system, management);
    for n in 1..tenant.config.resource_servers.max(1) as usize {
        let id = random.hex(24);
        let name = format!("{} API", names::application(n));
        let identifier = format!("https://api.example.com/{}", names::slug(&names::application(n)));
        let mut row = server(&id, &name, &identifier);
        if n == 1 {
            row.insert("signing_alg".into(), "HS256".into());
            row.insert("signing_secret".into(), random.alphanumeric(32).into());
        }
        if n % 4 != 3 {
            row.insert("scopes".into(), own_scopes(n, &mut random));
        }
        if random.chance(400) {
            row.insert("allow_offline_access".into(), true.into());
        }
        if random.chance(400) {
            row.insert("enforce_policies".into(), true.into());
            row.insert("token_dialect".into(), "access_token_authz".into());
        }
        tenant.resource_servers.insert(id, row);
    }
}

fn own_scopes(n: usize, random: &mut Random) -> Value {
    let noun = *random.pick(&["orders", "invoices", "reports", "devices"]);
    let mut rows = vec![
        json!({ "value": format!("read:{noun}"), "description": format!("Read {noun}") }),
        json!({ "value": format!("write:{noun}"), "description": format!("Change {noun}") }),
    ];
    if n == 2 {
        rows.push(json!({ "value": format!("purge:{noun}") }));
    }
    rows.into()
}

/// Every permission of the tenant's own APIs: identifier and scope.
pub(super) fn permissions(tenant: &Tenant) -> Vec<(String, String)> {
    let own = tenant.resource_servers.values().filter(|s| !s.contains_key("is_system"));
    own.flat_map(|server| {
        let identifier = server.get("identifier").and_then(Value::as_str).unwrap_or_default().to_owned();
        let scopes = server.get("scopes").and_then(Value::as_array).cloned().unwrap_or_default();
        scopes.into_iter().filter_map(move |s| Some((identifier.clone(), s["value"].as_str()?.to_owned())))
    })
    .collect()
}

/// What differs from client to client, by its number.
fn vary(row: &mut Object, n: usize, random: &mut Random) {
    let slug = row.get("name").and_then(Value::as_str).map(names::slug).unwrap_or_default();
    let kinds = ["spa", "native", "regular_web", "non_interactive"];
    let kind = kinds[n % kinds.len()];
    row.insert("app_type".into(), kind.into());
    let callbacks = match (n % 9, kind) {
        (4, _) => Value::Null,
        (_, "non_interactive") => json!([]),
        _ => json!([
            format!("https://{slug}.example.com/callback"),
            format!("http://localhost:{}/callback", 3000 + n % 100)
        ]),
    };
    if n % 6 != 5 {
        row.insert("callbacks".into(), callbacks);
    }
    if n % 10 == 3 {
        row.insert(
            "allowed_origins".into(),
            json!([format!("https://{slug}.example.com"), "https://*.example.org"]),
        );
    } else if n % 10 == 7 {
        row.insert("allowed_origins".into(), Value::Null);
    }
    match kind {
        "non_interactive" => row.insert("grant_types".into(), json!(["client_credentials"])),
        "spa" => row.insert("grant_types".into(), json!(["authorization_code", "refresh_token"])),
        _ => None,
    };
    if kind == "spa" {
        row.insert("token_endpoint_auth_method".into(), "none".into());
        row["refresh_token"] = json!({
            "expiration_type": "expiring", "leeway": 30, "infinite_token_lifetime": false,
            "infinite_idle_token_lifetime": false, "token_lifetime": 2_592_000, "idle_token_lifetime": 1_296_000,
            "rotation_type": "rotating",
        });
    }
    if random.chance(500) {
        let metadata =
            json!({ "team": *random.pick(&["web", "mobile", "data"]), "cost-center": random.digits(4) });
        row.insert("client_metadata".into(), metadata);
    } else if random.chance(200) {
        row.insert("client_metadata".into(), json!({}));
    }
    if random.chance(100) {
        row.insert("is_first_party".into(), false.into());
    }
    if random.chance(360) {
        row.insert("allowed_clients".into(), json!([]));
        row.insert("client_aliases".into(), json!([]));
        let off = json!({ "apple": { "enabled": false }, "facebook": { "enabled": false } });
        row.insert("native_social_login".into(), off);
    }
    if random.chance(300) {
        row.shift_remove("cross_origin_authentication");
    }
    if random.chance(100) {
        row["jwt_configuration"] = json!({ "lifetime_in_seconds": 36000, "secret_encoded": false });
        row.insert("oidc_conformant".into(), false.into());
    }
}

pub(super) fn clients(tenant: &mut Tenant) {
    let mut random = Random::derive(tenant.config.seed, "clients");
    let global = random.alphanumeric(32);
    let mut row = defaults(tenant, &global, "All Applications");
    row.retain(|name, _| {
        [
            "tenant",
            "global",
            "is_first_party",
            "name",
            "refresh_token",
            "signing_keys",
            "client_id",
            "client_secret",
            "custom_login_page_on",
        ]
        .contains(&name.as_str())
    });
    row.insert("global".into(), true.into());
    row.insert("callbacks".into(), json!([]));
    row.insert("owners".into(), json!(["mr|google-oauth2|100000000000000000001"]));
    row.insert("custom_login_page".into(), "<html></html>".into());
    tenant.clients.insert(global, row);
    let mut reader = defaults(tenant, CLIENT_ID, "Warehouse Replication");
    reader.insert("client_secret".into(), crate::CLIENT_SECRET.into());
    reader.insert("app_type".into(), "non_interactive".into());
    reader.insert("grant_types".into(), json!(["client_credentials"]));
    tenant.clients.insert(CLIENT_ID.into(), reader);
    for n in 0..tenant.config.clients.max(3) as usize - 2 {
        let id = random.alphanumeric(32);
        let mut row = defaults(tenant, &id, &names::application(n));
        vary(&mut row, n, &mut random);
        tenant.clients.insert(id, row);
    }
}

pub(super) fn client_grants(tenant: &mut Tenant) {
    let mut random = Random::derive(tenant.config.seed, "client grants");
    let mut add = |row: Value| {
        let id = format!("cgr_{}", random.alphanumeric(16));
        let mut object = Object::new();
        object.insert("id".into(), id.as_str().into());
        object.extend(row.as_object().cloned().unwrap_or_default());
        tenant.client_grants.insert(id, object);
    };
    add(
        json!({ "client_id": CLIENT_ID, "audience": tenant.config.audience(), "scope": scopes::all(), "subject_type": "client" }),
    );
    let machines = tenant.clients.iter().filter(|(id, c)| {
        id.as_str() != CLIENT_ID && c.get("app_type").and_then(Value::as_str) == Some("non_interactive")
    });
    let own: Vec<&Object> =
        tenant.resource_servers.values().filter(|s| !s.contains_key("is_system")).collect();
    for (n, (client, _)) in machines.enumerate() {
        let Some(api) = own.get(n % own.len().max(1)) else { break };
        let scopes: Vec<Value> = api
            .get("scopes")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(|s| s["value"].clone())
            .collect();
        match n {
            1 => add(
                json!({ "client_id": client, "audience": api["identifier"], "allow_all_scopes": true, "subject_type": "client" }),
            ),
            _ => add(
                json!({ "client_id": client, "audience": api["identifier"], "scope": scopes, "subject_type": "client" }),
            ),
        }
        if n % 5 == 0 {
            add(
                json!({ "client_id": client, "audience": tenant.config.audience(), "scope": ["read:users", "read:logs"],
                "subject_type": "client" }),
            );
        }
    }
    if let Some(api) = own.first() {
        add(
            json!({ "default_for": "third_party_clients", "audience": api["identifier"], "scope": [], "subject_type": "user" }),
        );
    }
    if own.len() > 1 && tenant.config.clients < 9 {
        add(
            json!({ "client_id": CLIENT_ID, "audience": own[1]["identifier"], "allow_all_scopes": true, "subject_type": "client" }),
        );
    }
}

/// Which clients may use which connection; one in thirty or so is a client that no list shows.
pub(super) fn enabled_clients(tenant: &mut Tenant) {
    let mut random = Random::derive(tenant.config.seed, "enabled clients");
    let clients: Vec<String> = tenant
        .clients
        .iter()
        .filter(|(_, c)| c.get("global").and_then(Value::as_bool) != Some(true))
        .map(|(id, _)| id.clone())
        .collect();
    for connection in tenant.connections.keys() {
        let mut enabled: BTreeSet<String> = clients.iter().filter(|_| random.chance(350)).cloned().collect();
        for _ in 0..enabled.len().div_ceil(30) {
            if random.chance(800) {
                enabled.insert(random.alphanumeric(32));
            }
        }
        tenant.connection_clients.insert(connection.clone(), enabled);
    }
}
