//! Each hygiene check names its offender, and nobody where all is well.

use std::collections::BTreeSet;

use tenantry_insight::{CHECKS, Filter, check};

use crate::database::Database;

/// 2026-11-08 00:00:00.
const NOW: i64 = 1_794_096_000_000_000;

/// A check, rows with one offender, and rows with none.
type Scenario = (&'static str, fn(&mut Database), fn(&mut Database));

fn client(database: &mut Database, more: &[(&str, &str)]) {
    let mut cells = vec![("id", "app"), ("name", "App")];
    cells.extend_from_slice(more);
    database.add("client", &cells);
}

fn callback(database: &mut Database, callback: &str) {
    client(database, &[]);
    database.add("client_callback", &[("_fivetran_id", "1"), ("client_id", "app"), ("callback", callback)]);
}

fn grant_type(database: &mut Database, grant_type: &str, more: &[(&str, &str)]) {
    client(database, more);
    database.add("client_grant_type", &[("client_id", "app"), ("grant_type", grant_type)]);
}

fn api(database: &mut Database, more: &[(&str, &str)]) {
    let mut cells = vec![("id", "api"), ("name", "API"), ("enforce_policies", "true")];
    cells.extend_from_slice(more);
    database.add("resource_server", &cells);
}

fn action(database: &mut Database, more: &[(&str, &str)]) {
    let mut cells = vec![("id", "act"), ("name", "Action")];
    cells.extend_from_slice(more);
    database.add("action", &cells);
}

fn writers(database: &mut Database, count: usize) {
    for number in 0..count {
        let (grant, client) = (format!("cgr_{number}"), format!("app{number}"));
        let audience = "https://acme.eu.auth0.com/api/v2/";
        database.add("client_grant", &[("id", &grant), ("client_id", &client), ("audience", audience)]);
        database.add(
            "client_grant_scope",
            &[("client_grant_id", &grant), ("client_id", &client), ("scope", "update:users")],
        );
    }
}

const SCENARIOS: &[Scenario] = &[
    (
        "no-implicit-or-password-grant",
        |db| grant_type(db, "password", &[]),
        |db| {
            grant_type(db, "authorization_code", &[]);
            db.add("client", &[("id", "all"), ("global", "true")]);
            db.add("client_grant_type", &[("client_id", "all"), ("grant_type", "implicit")]);
        },
    ),
    (
        "callbacks-use-tls",
        |db| callback(db, "http://app.example.com/cb"),
        |db| callback(db, "http://localhost:3000/cb"),
    ),
    (
        "no-wildcard-callbacks",
        |db| callback(db, "https://*.example.com/cb"),
        |db| callback(db, "https://a.example.com/cb"),
    ),
    (
        "no-localhost-callbacks",
        |db| callback(db, "http://localhost:3000/cb"),
        |db| callback(db, "https://localhost.example.com/cb"),
    ),
    (
        "refresh-tokens-end",
        |db| {
            grant_type(
                db,
                "refresh_token",
                &[
                    ("refresh_token_rotation_type", "non-rotating"),
                    ("refresh_token_infinite_token_lifetime", "true"),
                ],
            );
        },
        |db| {
            grant_type(
                db,
                "refresh_token",
                &[
                    ("refresh_token_rotation_type", "rotating"),
                    ("refresh_token_infinite_token_lifetime", "true"),
                ],
            );
        },
    ),
    (
        "tokens-signed-with-keys",
        |db| client(db, &[("jwt_configuration_alg", "HS256")]),
        |db| client(db, &[("jwt_configuration_alg", "RS256")]),
    ),
    (
        "no-cross-origin-authentication",
        |db| client(db, &[("cross_origin_auth", "true")]),
        |db| client(db, &[("cross_origin_auth", "true"), ("cross_origin_authentication", "false")]),
    ),
    ("oidc-conformant", |db| client(db, &[("oidc_conformant", "false")]), |db| client(db, &[])),
    (
        "no-trusted-ip-header",
        |db| client(db, &[("is_token_endpoint_ip_header_trusted", "true")]),
        |db| client(db, &[("is_token_endpoint_ip_header_trusted", "false")]),
    ),
    (
        "api-tokens-end-within-a-day",
        |db| api(db, &[("token_lifetime", "86401")]),
        |db| api(db, &[("token_lifetime", "86400")]),
    ),
    (
        "api-tokens-signed-with-keys",
        |db| api(db, &[("signing_alg", "HS256")]),
        |db| api(db, &[("signing_alg", "HS256"), ("is_system", "true")]),
    ),
    ("apis-enforce-roles", |db| api(db, &[("enforce_policies", "false")]), |db| api(db, &[])),
    (
        "events-are-streamed",
        |db| db.add("log_stream", &[("id", "lst_1"), ("status", "paused")]),
        |db| db.add("log_stream", &[("id", "lst_1"), ("status", "active")]),
    ),
    (
        "log-streams-run",
        |db| db.add("log_stream", &[("id", "lst_1"), ("status", "suspended")]),
        |db| db.add("log_stream", &[("id", "lst_1"), ("status", "active")]),
    ),
    (
        "actions-are-deployed",
        |db| action(db, &[("all_changes_deployed", "false")]),
        |db| action(db, &[("all_changes_deployed", "false"), ("_fivetran_deleted", "true")]),
    ),
    (
        "actions-on-kept-runtimes",
        |db| action(db, &[("runtime", "node22"), ("deployed_version_runtime", "node18")]),
        |db| action(db, &[("runtime", "node22")]),
    ),
    (
        "dependencies-are-pinned",
        |db| {
            action(db, &[]);
            db.add("action_dependency", &[("action_id", "act"), ("name", "dayjs"), ("version", "latest")]);
        },
        |db| {
            action(db, &[]);
            db.add("action_dependency", &[("action_id", "act"), ("name", "dayjs"), ("version", "1.11.0")]);
        },
    ),
    (
        "secrets-are-renewed",
        |db| {
            action(db, &[]);
            db.add("action_secret", &[("action_id", "act"), ("name", "KEY"), ("updated_at", "2025-11-07")]);
        },
        |db| {
            action(db, &[]);
            db.add("action_secret", &[("action_id", "act"), ("name", "KEY"), ("updated_at", "2025-11-09")]);
        },
    ),
    (
        "connections-are-used",
        |db| db.add("connection", &[("id", "con_1"), ("name", "db")]),
        |db| {
            db.add("connection", &[("id", "con_1"), ("name", "db")]);
            db.add("connection_enabled_client", &[("connection_id", "con_1"), ("client_id", "app")]);
        },
    ),
    (
        "dormant-users-are-blocked",
        |db| {
            db.add("users", &[("id", "auth0|1"), ("created_at", "2020-01-01"), ("last_login", "2024-11-01")]);
        },
        |db| {
            db.add("users", &[("id", "auth0|1"), ("created_at", "2020-01-01"), ("last_login", "2024-12-01")]);
            db.add("users", &[("id", "auth0|2"), ("created_at", "2020-01-01"), ("blocked", "true")]);
        },
    ),
];

#[test]
fn each_check_names_its_offender_and_passes_without_one() {
    let mut database = Database::new();
    let filter = Filter::last_days(7, NOW);
    let mut offenders =
        |id: &str, fill: &dyn Fn(&mut Database)| database.count_with(fill, &check(id).unwrap().sql(&filter));
    let mut shown = BTreeSet::new();
    assert_eq!(offenders("callbacks-use-tls", &|db| callback(db, "http://localhost.example.com/cb")), 1);
    for (id, offending, well) in SCENARIOS {
        assert_eq!(offenders(id, offending), 1, "{id} does not see its offender");
        assert_eq!(offenders(id, well), 0, "{id} sees an offender where there is none");
        shown.insert(*id);
    }
    assert_eq!(offenders("few-management-writers", &|db| writers(db, 4)), 4);
    assert_eq!(offenders("few-management-writers", &|db| writers(db, 3)), 0);
    shown.insert("few-management-writers");
    let all: BTreeSet<&str> = CHECKS.iter().map(|check| check.id).collect();
    assert_eq!(shown, all, "each check has a scenario");
}
