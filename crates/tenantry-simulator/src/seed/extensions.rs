//! Actions, triggers and log streams of a generated tenant.

use crate::api::{Object, actions as api};
use crate::random::Random;
use crate::tenant::Tenant;
use crate::time::{self, DAY};
use serde_json::{Value, json};

fn trigger(
    id: &str,
    version: &str,
    status: &str,
    runtimes: &[&str],
    default: Option<&str>,
    compatible: Value,
) -> Value {
    let mut row = json!({ "id": id, "version": version, "status": status, "runtimes": runtimes });
    if let Some(default) = default {
        row["default_runtime"] = default.into();
    }
    row["binding_policy"] = if id.starts_with("custom-token") || id == "event-stream" || id == "mcp-tool" {
        "entity-bound".into()
    } else {
        "trigger-bound".into()
    };
    row["compatible_triggers"] = compatible;
    row
}

/// The triggers that every tenant has; one pair of id and version comes twice, with different runtimes.
pub(super) fn triggers(tenant: &mut Tenant) {
    let current = ["node18-actions", "node22"];
    let old = ["node22"];
    let mut rows = vec![
        trigger(
            "post-login",
            "v3",
            "CURRENT",
            &current,
            Some("node22"),
            json!([{ "id": "post-login", "version": "v2" }]),
        ),
        trigger("post-login", "v2", "DEPRECATED", &["node18", "node22"], Some("node16"), json!([])),
        trigger("post-login", "v1", "DEPRECATED", &old, Some("node12"), json!([])),
    ];
    for id in [
        "credentials-exchange",
        "pre-user-registration",
        "post-user-registration",
        "post-change-password",
        "send-phone-message",
    ] {
        rows.push(trigger(id, "v2", "CURRENT", &current, Some("node22"), json!([])));
        rows.push(trigger(id, "v1", "DEPRECATED", &old, Some("node12"), json!([])));
    }
    for id in ["password-reset-post-challenge", "custom-phone-provider", "custom-email-provider"] {
        rows.push(trigger(id, "v1", "CURRENT", &current, Some("node22"), json!([])));
    }
    rows.push(trigger(
        "custom-token-exchange",
        "v1",
        "CURRENT",
        &["node18", "node22"],
        Some("node22"),
        json!([]),
    ));
    rows.push(trigger("event-stream", "v1", "CURRENT", &old, Some("node22"), json!([])));
    rows.push(trigger("mcp-tool", "v1", "CURRENT", &old, None, json!([])));
    rows.push(trigger(
        "credentials-exchange",
        "v2",
        "CURRENT",
        &["node16", "node22"],
        Some("node22"),
        json!([]),
    ));
    tenant.triggers = rows;
}

const ACTIONS: [(&str, &str); 7] = [
    ("Add roles to token", "post-login"),
    ("Block disposable mail", "pre-user-registration"),
    ("Welcome mail", "post-user-registration"),
    ("Enrich profile", "post-login"),
    ("Restrict machine tokens", "credentials-exchange"),
    ("Draft: risk score", "post-login"),
    ("Forward phone codes", "send-phone-message"),
];

/// The object of an action that was just made.
pub(crate) fn action(id: &str, name: &str, trigger: &str, created: i64, random: &mut Random) -> Object {
    let at = Value::from(time::nanos(created, random.below(1000) as i64));
    let version = if trigger == "post-login" { "v3" } else { "v2" };
    let dependencies = if random.chance(500) {
        json!([{ "name": "lodash", "version": "4.17.21" }, { "name": "axios", "version": "1.7.9", "registry_url": "" }])
    } else {
        json!([])
    };
    let secrets = if random.chance(600) {
        json!([{ "name": "API_KEY", "updated_at": at }, { "name": "REGION", "updated_at": at }])
    } else {
        json!([])
    };
    let row = json!({
        "id": id,
        "name": name,
        "supported_triggers": [{ "id": trigger, "version": version }],
        "created_at": at,
        "updated_at": at,
        "code": format!("// {name}\nexports.onExecute = async (event, api) => {{\n  console.log(event.user?.user_id);\n}};\n"),
        "dependencies": dependencies,
        "runtime": *random.pick(&["node18-actions", "node22"]),
        "status": "built",
        "secrets": secrets,
        "all_changes_deployed": false,
    });
    row.as_object().cloned().unwrap_or_default()
}

pub(super) fn actions(tenant: &mut Tenant) {
    let mut random = Random::derive(tenant.config.seed, "actions");
    let start = tenant.config.start;
    for n in 0..tenant.config.actions as usize {
        let (name, trigger) = ACTIONS[n % ACTIONS.len()];
        let name =
            if n < ACTIONS.len() { name.to_owned() } else { format!("{name} {}", n / ACTIONS.len() + 1) };
        let id = random.uuid();
        let created = start - (400 - n as i64) * DAY + random.between(0, DAY);
        tenant.actions.insert(id.clone(), action(&id, &name, trigger, created, &mut random));
        if name.starts_with("Draft") {
            continue;
        }
        for version in 0..=random.below(3) as i64 {
            // The action was just inserted, so it can be deployed.
            let _ = api::deployed(tenant, &id, created + version * DAY + 600_000);
        }
        if n % 3 == 0 {
            let display = Value::from(name.as_str());
            if let Some(binding) = api::bind(tenant, trigger, &id, &display, created + 5 * DAY) {
                tenant.bindings.entry(trigger.into()).or_default().push(binding);
            }
        }
        if n % 4 == 1 {
            let edited = time::nanos(start - 3 * DAY + random.between(0, DAY), random.below(1000) as i64);
            if let Some(action) = tenant.actions.get_mut(&id) {
                action.insert("updated_at".into(), edited.into());
                action.insert("all_changes_deployed".into(), false.into());
            }
        }
    }
}

pub(super) fn log_streams(tenant: &mut Tenant) {
    let mut random = Random::derive(tenant.config.seed, "log streams");
    let key = random.hex(32);
    let filters = json!([{ "type": "category", "name": "auth.login.fail" }, { "type": "category", "name": "auth.signup.success" }]);
    let rows = [
        (
            "SIEM (Splunk)",
            "splunk",
            "active",
            json!({ "splunkDomain": "siem.example.com", "splunkToken": random.uuid(),
            "splunkPort": "8088", "splunkSecure": true }),
        ),
        ("Datadog EU", "datadog", "active", json!({ "datadogApiKey": key, "datadogRegion": "eu" })),
        (
            "Audit webhook",
            "http",
            "paused",
            json!({ "httpEndpoint": "https://hooks.example.com/auth0",
            "httpContentType": "application/json", "httpContentFormat": "JSONLINES",
            "httpAuthorization": format!("Bearer {}", random.alphanumeric(24)),
            "httpCustomHeaders": [{ "header": "x-source", "value": "auth0" }] }),
        ),
        (
            "EventBridge",
            "eventbridge",
            "suspended",
            json!({ "awsAccountId": "123456789012", "awsRegion": "us-east-2",
            "awsPartnerEventSource": "aws.partner/auth0.com/demo/auth0.logs" }),
        ),
        (
            "Product analytics",
            "mixpanel",
            "active",
            json!({ "mixpanelRegion": "us", "mixpanelProjectId": "42",
            "mixpanelServiceAccountUsername": "demo.abc.mp-service-account", "mixpanelServiceAccountPassword": "****" }),
        ),
    ];
    for (n, (name, kind, status, sink)) in rows.into_iter().enumerate() {
        let id = format!("lst_{:016}", 30_000 + n * 17);
        let mut row = json!({ "id": id, "name": name, "type": kind, "status": status, "sink": sink, "isPriority": n == 0 });
        if n == 3 {
            row["filters"] = filters.clone();
        }
        tenant.log_streams.insert(id, row.as_object().cloned().unwrap_or_default());
    }
}
