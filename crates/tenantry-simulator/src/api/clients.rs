//! `/clients` and `/clients/{id}/connections`.
//!
//! Lists hold the global client unless `is_global=false` says otherwise; what a caller with less than
//! `read:client_keys` sees has no secrets in it.

use super::{ApiError, Call, Object, Outcome, merge, no_content, ok, project, reply, required};
use crate::audit;
use crate::paging::{self, Checkpoint, Listing};
use crate::tenant::Tenant;
use serde_json::{Value, json};

const LIST: Listing = Listing::new("clients").checkpointed().totals_first();

fn inexistent() -> ApiError {
    ApiError::not_found("The client does not exist", Some("inexistent_client"))
}

/// What `read:client_summary` alone shows.
const SUMMARY: [&str; 4] = ["client_id", "name", "app_type", "logo_uri"];
const SECRETS: [&str; 2] = ["client_secret", "encryption_key"];

fn show(call: &Call<'_>, client: &Object) -> Object {
    let mut row = client.clone();
    let full = ["read:clients", "read:client_keys", "read:client_credentials"];
    if !full.iter().any(|s| call.caller.may(s)) {
        row.retain(|name, _| SUMMARY.contains(&name.as_str()));
    }
    if !call.caller.may("read:client_keys") {
        row.retain(|name, _| !SECRETS.contains(&name.as_str()));
    }
    project(call, row, &[])
}

const PARAMETERS: &[&str] = &[
    "fields",
    "include_fields",
    "page",
    "per_page",
    "include_totals",
    "from",
    "take",
    "is_global",
    "is_first_party",
    "app_type",
    "external_client_id",
    "q",
];

pub(crate) fn list(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    call.only(PARAMETERS)?;
    let global = call.flag("is_global");
    let first_party = call.flag("is_first_party");
    let types = call.query.all("app_type");
    let keep = |c: &Object| {
        let is = |name: &str| c.get(name).and_then(Value::as_bool).unwrap_or(false);
        let kind = c.get("app_type").and_then(Value::as_str).unwrap_or_default();
        global.is_none_or(|g| g == is("global"))
            && first_party.is_none_or(|f| f == is("is_first_party"))
            && (types.is_empty() || types.contains(&kind))
    };
    let answer = paging::keyed(call, &tenant.clients, &LIST, keep, |c| show(call, c))?;
    log_secrets(tenant, call, "Get clients");
    Ok(answer)
}

/// A read that returned secrets leaves a trace.
fn log_secrets(tenant: &mut Tenant, call: &Call<'_>, what: &str) {
    let named = call.query.all("fields");
    let excluded = call.flag("include_fields") == Some(false);
    let asked = named.is_empty() || named.contains(&"client_secret") != excluded;
    if asked && call.caller.may("read:client_keys") {
        audit::read_secrets(tenant, call, what, &["client_secret"]);
    }
}

pub(crate) fn get(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let row = show(call, tenant.clients.get(call.param(0)).ok_or_else(inexistent)?);
    log_secrets(tenant, call, "Get a client");
    ok(row)
}

const BODY: &[&str] = &[
    "name",
    "description",
    "logo_uri",
    "callbacks",
    "oidc_logout",
    "oidc_backchannel_logout",
    "session_transfer",
    "allowed_origins",
    "web_origins",
    "client_aliases",
    "allowed_clients",
    "allowed_logout_urls",
    "grant_types",
    "token_endpoint_auth_method",
    "is_token_endpoint_ip_header_trusted",
    "app_type",
    "is_first_party",
    "oidc_conformant",
    "jwt_configuration",
    "encryption_key",
    "sso",
    "cross_origin_authentication",
    "cross_origin_auth",
    "cross_origin_loc",
    "sso_disabled",
    "custom_login_page_on",
    "custom_login_page",
    "custom_login_page_preview",
    "form_template",
    "addons",
    "client_metadata",
    "mobile",
    "initiate_login_uri",
    "native_social_login",
    "refresh_token",
    "default_organization",
    "organization_usage",
    "organization_require_behavior",
    "organization_discovery_methods",
    "client_authentication_methods",
    "require_pushed_authorization_requests",
    "require_proof_of_possession",
    "signed_request_object",
    "compliance_level",
    "skip_non_verifiable_callback_uri_confirmation_prompt",
    "token_exchange",
    "par_request_expiry",
    "token_quota",
    "resource_server_identifier",
    "client_secret",
    "async_approval_notification_channels",
];

/// The fields that every new client has.
pub(crate) fn defaults(tenant: &Tenant, client_id: &str, name: &str) -> Object {
    let row = json!({
        "tenant": tenant.config.tenant,
        "global": false,
        "is_token_endpoint_ip_header_trusted": false,
        "name": name,
        "is_first_party": true,
        "oidc_conformant": true,
        "sso_disabled": false,
        "cross_origin_auth": false,
        "cross_origin_authentication": false,
        "refresh_token": {
            "expiration_type": "non-expiring", "leeway": 0, "infinite_token_lifetime": true,
            "infinite_idle_token_lifetime": true, "token_lifetime": 2_592_000, "idle_token_lifetime": 1_296_000,
            "rotation_type": "non-rotating",
        },
        "signing_keys": tenant.signing_keys(),
        "client_id": client_id,
        "callback_url_template": false,
        "client_secret": tenant.secret(client_id, 64),
        "jwt_configuration": { "alg": "RS256", "lifetime_in_seconds": 36000, "secret_encoded": false },
        "grant_types": ["authorization_code", "implicit", "refresh_token", "client_credentials"],
        "custom_login_page_on": true,
    });
    row.as_object().cloned().unwrap_or_default()
}

pub(crate) fn create(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let body = call.strict(BODY)?;
    let name = required(&body, "name")?;
    let client_id = tenant.random.alphanumeric(32);
    let mut row = defaults(tenant, &client_id, &name);
    merge(&mut row, body);
    tenant.clients.insert(client_id, row.clone());
    reply(201, row)
}

pub(crate) fn update(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let body = call.strict(BODY)?;
    let client = tenant.clients.get_mut(call.param(0)).ok_or_else(inexistent)?;
    for (name, value) in body {
        if name == "client_metadata" {
            super::merge_metadata(client, &name, value);
        } else {
            merge(client, Object::from_iter([(name, value)]));
        }
    }
    ok(client.clone())
}

pub(crate) fn delete(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    tenant.remove_client(call.param(0));
    no_content()
}

pub(crate) fn rotate_secret(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let secret = tenant.random.alphanumeric(64);
    let client = tenant.clients.get_mut(call.param(0)).ok_or_else(inexistent)?;
    client.insert("client_secret".into(), secret.into());
    ok(client.clone())
}

/// The connections of a client: by checkpoint alone.
pub(crate) fn connections(tenant: &mut Tenant, call: &Call<'_>) -> Outcome {
    let id = call.param(0);
    if !tenant.clients.contains_key(id) {
        return Err(inexistent());
    }
    let strategies = call.query.all("strategy");
    let enabled = tenant.connection_clients.iter().filter(|(_, clients)| clients.contains(id));
    let rows = enabled.filter_map(|(connection, _)| tenant.connections.get_key_value(connection));
    let rows = rows.filter(|(_, c)| {
        let strategy = c.get("strategy").and_then(Value::as_str).unwrap_or_default();
        strategies.is_empty() || strategies.contains(&strategy)
    });
    let checkpoint = Checkpoint::of(call, 50, 100)?.unwrap_or(Checkpoint { after: None, take: 50 });
    let mut rows = rows.skip_while(|(key, _)| checkpoint.after.as_deref().is_some_and(|a| key.as_str() <= a));
    let page: Vec<_> = rows.by_ref().take(checkpoint.take).collect();
    let next = rows.next().and(page.last()).map(|(key, _)| paging::seal(key, call.now));
    let show = |c: &Object| Value::from(project(call, super::connections::visible(call, c), &["id"]));
    paging::sealed("connections", page.into_iter().map(|(_, c)| show(c)).collect(), next)
}
