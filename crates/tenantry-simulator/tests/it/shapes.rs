//! Shapes written down from recorded answers of live tenants, and the oddities that they show.

use crate::support::{Session, segment, small};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().map(|o| o.keys().map(String::as_str).collect()).unwrap_or_default()
}

#[test]
fn a_client_has_the_fields_of_a_recorded_one() {
    let mut session = Session::new(small());
    let clients = session.get("/clients?per_page=100");
    let clients = clients.as_array().expect("an array");
    for name in [
        "tenant",
        "global",
        "name",
        "is_first_party",
        "refresh_token",
        "signing_keys",
        "client_id",
        "client_secret",
        "custom_login_page_on",
    ] {
        assert!(clients.iter().all(|c| c.get(name).is_some()), "{name}");
    }
    let global: Vec<_> = clients.iter().filter(|c| c["global"] == true).collect();
    assert_eq!(global.len(), 1);
    assert_eq!(global[0]["name"], "All Applications");
    assert!(global[0].get("grant_types").is_none());
    assert!(
        clients.iter().any(|c| c.get("callbacks").is_some_and(Value::is_null)),
        "callbacks is null somewhere"
    );
    assert!(clients.iter().any(|c| c.get("callbacks").is_none()), "and absent elsewhere");
    assert!(clients.iter().any(|c| c.get("allowed_origins").is_some_and(Value::is_array)));
    assert!(
        clients
            .iter()
            .any(|c| c["cross_origin_auth"].is_boolean() && c.get("cross_origin_authentication").is_none())
    );
    let hidden = session.get("/clients?is_global=false&per_page=100");
    assert_eq!(hidden.as_array().map(Vec::len), Some(clients.len() - 1));
    let lifetime = &clients.iter().find(|c| c["app_type"] == "spa").expect("a spa")["refresh_token"];
    assert_eq!(lifetime["rotation_type"], "rotating");
}

#[test]
fn connections_no_longer_say_which_clients_are_enabled() {
    let mut session = Session::new(small());
    let rows = session.get("/connections?per_page=100");
    assert!(rows.as_array().is_some_and(|r| r.iter().all(|c| c.get("enabled_clients").is_none())));
    let slim = session.get("/connections?fields=name&per_page=100");
    assert_eq!(keys(&slim[0]), ["id", "name", "is_domain_connection"], "two fields come in any case");
    let without = session.get("/connections?fields=options&include_fields=false&per_page=100");
    assert!(without[0].get("options").is_none());
    assert!(without[0].get("realms").is_some());
    let domains: Vec<_> =
        rows.as_array().into_iter().flatten().filter(|c| c["is_domain_connection"] == true).collect();
    assert_eq!(domains[0]["realms"].as_array().map(Vec::len), Some(2));
    let id = rows[0]["id"].as_str().expect("an id");
    let refused = session.call("PATCH", &format!("/connections/{id}"), &json!({ "enabled_clients": [] }));
    assert_eq!(
        refused.json()["message"],
        "Payload validation error: 'Additional properties not allowed: enabled_clients'."
    );
}

#[test]
fn grants_and_client_grants_have_their_oddities() {
    let mut session = Session::new(small());
    let grants = session.get("/grants?per_page=100");
    assert_eq!(keys(&grants[0]), ["user_id", "audience", "scope", "clientID", "id"]);
    assert!(grants.as_array().is_some_and(|g| g.iter().any(|g| g["scope"] == json!([]))));
    let ids: Vec<_> =
        grants.as_array().into_iter().flatten().map(|g| g["id"].as_str().unwrap_or_default()).collect();
    assert!(ids.windows(2).all(|w| w[0] > w[1]), "newest first");
    let grants = session.get("/client-grants?per_page=100");
    let grants = grants.as_array().expect("an array");
    let everyone: Vec<_> = grants.iter().filter(|g| g.get("client_id").is_none()).collect();
    assert_eq!(everyone.len(), 1);
    assert_eq!(everyone[0]["default_for"], "third_party_clients");
    let unscoped: Vec<_> = grants.iter().filter(|g| g.get("scope").is_none()).collect();
    assert!(!unscoped.is_empty());
    assert!(unscoped.iter().all(|g| g["allow_all_scopes"] == true));
}

#[test]
fn triggers_repeat_a_pair_with_other_runtimes() {
    let mut session = Session::new(small());
    let body = session.get("/actions/triggers");
    let rows = body["triggers"].as_array().expect("an array");
    let pair = |t: &Value| (t["id"].to_string(), t["version"].to_string());
    let twice: Vec<_> =
        rows.iter().filter(|t| pair(t) == ("\"credentials-exchange\"".into(), "\"v2\"".into())).collect();
    assert_eq!(twice.len(), 2);
    assert_ne!(twice[0]["runtimes"], twice[1]["runtimes"]);
    assert!(rows.iter().any(|t| t.get("default_runtime").is_none()));
    assert_eq!(rows[0]["compatible_triggers"], json!([{ "id": "post-login", "version": "v2" }]));
}

#[test]
fn actions_have_nine_digits_and_two_versions_or_none() {
    let mut session = Session::new(small());
    let body = session.get("/actions/actions?per_page=100");
    let rows = body["actions"].as_array().expect("an array");
    let nine = |v: &Value| v.as_str().is_some_and(|t| t.len() == "2026-01-01T00:00:00.123456789Z".len());
    assert!(rows.iter().all(|a| nine(&a["created_at"]) && nine(&a["updated_at"])));
    let undeployed: Vec<_> = rows.iter().filter(|a| a.get("deployed_version").is_none()).collect();
    assert_eq!(undeployed.len(), 1);
    assert!(undeployed[0].get("current_version").is_none());
    assert_eq!(undeployed[0]["all_changes_deployed"], false);
    let deployed = rows.iter().find(|a| a.get("deployed_version").is_some()).expect("one is deployed");
    assert_eq!(
        keys(&deployed["current_version"]),
        ["id", "code", "runtime", "status", "number", "build_time", "created_at", "updated_at"]
    );
    assert_eq!(
        keys(&deployed["deployed_version"]),
        [
            "code",
            "dependencies",
            "id",
            "deployed",
            "number",
            "built_at",
            "secrets",
            "status",
            "created_at",
            "updated_at",
            "runtime",
            "supported_triggers"
        ]
    );
    assert_eq!(
        (&deployed["current_version"]["status"], &deployed["deployed_version"]["status"]),
        (&json!("BUILT"), &json!("built"))
    );
    let created: Vec<_> = rows.iter().map(|a| a["created_at"].as_str().unwrap_or_default()).collect();
    assert!(created.windows(2).all(|w| w[0] < w[1]));
    assert!(
        rows.iter()
            .flat_map(|a| a["secrets"].as_array().into_iter().flatten())
            .all(|s| s.get("value").is_none())
    );
}

#[test]
fn resource_servers_hold_the_management_api_and_a_secret() {
    let mut session = Session::new(small());
    let rows = session.get("/resource-servers?per_page=100");
    let rows = rows.as_array().expect("an array");
    let system: Vec<_> = rows.iter().filter(|s| s["is_system"] == true).collect();
    assert_eq!(system.len(), 1);
    assert!(system[0]["scopes"].as_array().is_some_and(|s| (180..260).contains(&s.len())));
    let symmetric: Vec<_> = rows.iter().filter(|s| s["signing_alg"] == "HS256").collect();
    assert_eq!(symmetric.len(), 1);
    assert!(symmetric[0]["signing_secret"].is_string());
    assert!(rows.iter().any(|s| s.get("scopes").is_none()), "absent when empty");
}

#[test]
fn log_stream_sinks_come_in_clear_but_for_mixpanel() {
    let mut session = Session::new(small());
    let rows = session.get("/log-streams");
    let rows = rows.as_array().expect("a bare array").clone();
    let of = |kind: &str| {
        rows.iter().find(|s| s["type"] == kind).unwrap_or_else(|| panic!("{kind}"))["sink"].clone()
    };
    assert_eq!(of("splunk")["splunkSecure"], true);
    assert_eq!(of("http")["httpCustomHeaders"], json!([{ "header": "x-source", "value": "auth0" }]));
    assert!(of("http")["httpAuthorization"].as_str().is_some_and(|a| a.starts_with("Bearer ")));
    assert_eq!(of("mixpanel")["mixpanelServiceAccountPassword"], "****");
}

#[test]
fn users_vary_as_real_ones_do() {
    let mut session = Session::new(tenantry_simulator::Config { users: 5_000, ..small() });
    let truth = session.tenant();
    let users = truth["users"].as_array().expect("an array");
    let some = |what: &str, test: &dyn Fn(&Value) -> bool| {
        let count = users.iter().filter(|u| test(u)).count();
        assert!(count > 0 && count < users.len(), "{what}: {count}");
    };
    some("numeric identity", &|u| u["identities"][0]["user_id"].is_number());
    some("verified as text", &|u| u["email_verified"] == "true");
    some("no login", &|u| u.get("last_login").is_none() && u.get("logins_count").is_none());
    some("blocked known", &|u| u.get("blocked").is_some());
    some("no mail", &|u| u.get("email").is_none());
    some("username", &|u| u.get("username").is_some());
    some("two identities", &|u| u["identities"].as_array().is_some_and(|i| i.len() == 2));
    some("IPv6", &|u| u["last_ip"].as_str().is_some_and(|ip| ip.contains(':')));
    some("password reset", &|u| u.get("last_password_reset").is_some());
    some("percent", &|u| u["user_id"].as_str().is_some_and(|id| id.contains('%') && id.contains('/')));
    some("space", &|u| u["user_id"].as_str().is_some_and(|id| id.contains(' ')));
    let kinds: BTreeSet<&str> = users
        .iter()
        .filter_map(|u| u["app_metadata"].as_object())
        .flat_map(|m| m.values())
        .map(|v| match v {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        })
        .collect();
    assert_eq!(kinds.len(), 6, "{kinds:?}");
    some("keys that differ in case", &|u| {
        u["app_metadata"].get("plan").is_some() && u["app_metadata"].get("Plan").is_some()
    });
    // Only the dates of Auth0, three digits and Z.
    assert!(
        users.iter().all(|u| u["updated_at"].as_str().is_some_and(|t| t.len() == 24 && t.ends_with('Z')))
    );
}

#[test]
fn single_reads_decode_ids_once_and_say_what_is_missing() {
    let mut session = Session::new(small());
    let users = session.tenant()["users"].clone();
    for user in users.as_array().into_iter().flatten() {
        let id = user["user_id"].as_str().expect("an id");
        assert_eq!(
            &session.get(&format!("/users/{}", segment(id)))["created_at"],
            &user["created_at"],
            "{id}"
        );
    }
    for (target, message, code) in [
        ("/users/auth0%7Cnobody", "The user does not exist.", Some("inexistent_user")),
        ("/clients/nothing", "The client does not exist", Some("inexistent_client")),
        ("/connections/con_nothing", "The connection does not exist", Some("inexistent_connection")),
        ("/organizations/org_nothing", "No organization found by that id or name", None),
        ("/roles/rol_nothing", "The role does not exist.", None),
        (
            "/resource-servers/nothing",
            "The resource server does not exist",
            Some("inexistent_resource_server"),
        ),
        ("/client-grants/cgr_nothing", "The grant does not exist.", Some("inexistent_client_grant")),
        ("/log-streams/lst_nothing", "The log stream does not exist.", None),
        ("/actions/actions/nothing", "That action does not exist.", None),
    ] {
        let (status, body) = session.refused(target);
        let mut wanted = json!({ "statusCode": 404, "error": "Not Found", "message": message });
        if let Some(code) = code {
            wanted["errorCode"] = code.into();
        }
        assert_eq!((status, body), (404, wanted), "{target}");
    }
}

#[test]
fn organizations_and_roles_leave_out_what_they_lack() {
    let mut session = Session::new(tenantry_simulator::Config { organizations: 60, ..small() });
    let rows = session.get("/organizations?per_page=100");
    let rows = rows.as_array().expect("an array");
    assert!(
        rows.iter().any(|o| o.get("branding").is_none())
            && rows.iter().any(|o| o["branding"]["colors"]["primary"].is_string())
    );
    assert!(
        rows.iter().any(|o| o.get("metadata").is_none())
            && rows.iter().any(|o| o["metadata"]["region"].is_string())
    );
    let sorted = session.get("/organizations?sort=name:-1&per_page=100");
    let names: Vec<_> =
        sorted.as_array().into_iter().flatten().map(|o| o["name"].as_str().unwrap_or_default()).collect();
    assert!(names.windows(2).all(|w| w[0] > w[1]));
    let roles = session.get("/roles");
    let names: Vec<_> =
        roles.as_array().into_iter().flatten().map(|r| r["name"].as_str().unwrap_or_default()).collect();
    assert!(names.windows(2).all(|w| w[0] < w[1]));
    assert!(roles.as_array().is_some_and(|r| r.iter().any(|r| r["description"].is_null())));
}

#[test]
fn stats_have_no_rows_for_idle_days_and_no_dates_on_old_ones() {
    let mut session = Session::new(small());
    let rows = session.get("/stats/daily");
    let rows = rows.as_array().expect("a bare array").clone();
    assert!(rows.len() > 300 && rows.len() < 401, "{}", rows.len());
    let dates: Vec<_> = rows.iter().map(|r| r["date"].as_str().unwrap_or_default()).collect();
    assert!(dates.windows(2).all(|w| w[0] < w[1]));
    assert!(rows[0].get("created_at").is_none());
    let recent = rows.last().expect("a row");
    assert!(recent["updated_at"].as_str().is_some_and(|t| t[14..16] == *"21"));
    let some = session.get("/stats/daily?from=20261001&to=20261003");
    assert!(some.as_array().is_some_and(|r| r.len() <= 3));
    assert_eq!(session.refused("/stats/daily?from=2026").0, 400);
}
