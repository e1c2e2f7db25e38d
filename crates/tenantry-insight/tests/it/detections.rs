//! Each detection finds what it is for once, and not what misses it by a little.

use std::collections::BTreeSet;

use tenantry_insight::{DETECTIONS, Filter, detection};

use crate::database::Database;

const DAY: i64 = 86_400_000_000;
/// 2026-11-08 00:00:00.
const NOW: i64 = 1_794_096_000_000_000;

/// A detection, rows that it finds once, and rows that it must leave alone.
type Scenario = (&'static str, fn(&mut Database), fn(&mut Database));

fn filter() -> Filter {
    Filter::last_days(7, NOW)
}

/// The minute of a morning in the range.
fn minute(minute: usize) -> String {
    format!("2026-11-05 09:{minute:02}:00")
}

/// Wrong passwords of so many users from one address, a minute after another.
fn wrong_passwords(database: &mut Database, users: usize, ip: &str) {
    for number in 0..users {
        let user = format!("auth0|{number}");
        database.event("fp", &minute(number), &[("user_id", &user), ("ip", ip)]);
    }
}

/// So many events of a kind, from `ips` addresses in turn.
fn many(database: &mut Database, kind: &str, count: usize, ips: usize) {
    for number in 0..count {
        let ip = format!("192.0.2.{}", number % ips);
        database.event(kind, &minute(number % 60), &[("ip", &ip), ("user_id", "auth0|1")]);
    }
}

const ADMIN: &str = r#"{"user_id":"auth0|admin","name":"Admin","email":"admin@example.com"}"#;
const DASHBOARD: &str = "https://manage.auth0.com/";

/// A change through the Management API.
fn change(database: &mut Database, at: &str, method: &str, path: &str, more: &[(&str, &str)]) {
    let mut cells = vec![
        ("request_method", method),
        ("request_path", path),
        ("request_auth_user", ADMIN),
        ("request_channel", DASHBOARD),
        ("request_ip", "203.0.113.9"),
    ];
    cells.extend_from_slice(more);
    database.event("sapi", at, &cells);
}

fn client(database: &mut Database, id: &str, more: &[(&str, &str)]) {
    let mut cells = vec![("id", id), ("name", "App")];
    cells.extend_from_slice(more);
    database.add("client", &cells);
}

fn grant(database: &mut Database, audience: &str, scopes: &[&str]) {
    database.add("client_grant", &[("id", "cgr_1"), ("client_id", "app"), ("audience", audience)]);
    for scope in scopes {
        database.add(
            "client_grant_scope",
            &[("scope", scope), ("client_grant_id", "cgr_1"), ("client_id", "app")],
        );
    }
}

fn users(database: &mut Database, count: usize, verified: usize) {
    for number in 0..count {
        let (id, email) = (format!("auth0|{number}"), format!("user{number}@example.com"));
        let verified = if number < verified { "true" } else { "false" };
        database.add(
            "users",
            &[
                ("id", &id),
                ("email", &email),
                ("email_verified", verified),
                ("created_at", &minute(number % 60)),
            ],
        );
    }
}

fn link(database: &mut Database, scopes: &str, second: &str) {
    for (number, connection) in [("1", "db"), ("2", second)] {
        database.add(
            "user_identities",
            &[
                ("users_id", "auth0|1"),
                ("user_identity_id", number),
                ("provider", "auth0"),
                ("connection", connection),
            ],
        );
    }
    let path = "/api/v2/users/auth0%7C1/identities";
    change(database, &minute(1), "post", path, &[("request_auth_credential", scopes)]);
}

fn secret_read(database: &mut Database, secret: &str) {
    let path = "/api/v2/clients/app";
    database.event("mgmt_api_read", &minute(1), &[("request_path", path), ("request_auth_user", ADMIN)]);
    database.add("log_detail_accessed_secret", &[("log_id", "00001"), ("accessedsecret", secret)]);
}

/// Every detection of a changed setting: its path, and one that is not its own.
const SETTINGS: [(&str, &str); 7] = [
    ("brute-force-settings", "/api/v2/attack-protection/brute-force-protection"),
    ("ip-throttling-settings", "/api/v2/attack-protection/suspicious-ip-throttling"),
    ("breached-password-settings", "/api/v2/attack-protection/breached-password-detection"),
    ("bot-detection-settings", "/api/v2/anomaly/captcha"),
    ("mfa-policy-settings", "/api/v2/guardian/policies"),
    ("mfa-factor-settings", "/api/v2/guardian/factors/webauthn-roaming"),
    ("risk-assessment-settings", "/api/v2/risk-assessments/settings"),
];

const ATTACKS: &[Scenario] = &[
    (
        "password-spraying",
        |db| wrong_passwords(db, 10, "192.0.2.1"),
        |db| wrong_passwords(db, 9, "192.0.2.1"),
    ),
    (
        "takeover-after-failures",
        |db| {
            wrong_passwords(db, 5, "192.0.2.1");
            db.event("s", &minute(30), &[("user_id", "auth0|3"), ("ip", "192.0.2.1")]);
        },
        |db| {
            wrong_passwords(db, 5, "192.0.2.1");
            db.event("s", &minute(30), &[("user_id", "auth0|3"), ("ip", "192.0.2.2")]);
            db.event("s", "2026-11-05 11:30:00", &[("user_id", "auth0|3"), ("ip", "192.0.2.1")]);
        },
    ),
    (
        "credential-stuffing",
        |db| many(db, "fp", 50, 3),
        |db| {
            many(db, "fp", 49, 3);
            for number in 0..60 {
                db.event("fp", &format!("2026-11-06 10:{number:02}:00"), &[("ip", "192.0.2.1")]);
            }
        },
    ),
    (
        "flagged-address-let-in",
        |db| {
            db.event("limit_wc", &minute(1), &[("ip", "192.0.2.1")]);
            db.event("s", &minute(5), &[("user_id", "auth0|1"), ("ip", "192.0.2.1")]);
        },
        |db| {
            db.event("s", &minute(0), &[("user_id", "auth0|1"), ("ip", "192.0.2.1")]);
            db.event("limit_wc", &minute(1), &[("ip", "192.0.2.1")]);
            db.event("s", "2026-11-06 10:00:00", &[("user_id", "auth0|1"), ("ip", "192.0.2.1")]);
        },
    ),
    (
        "malformed-authorizations",
        |db| {
            for number in 0..10 {
                let words = "Callback URL mismatch. https://evil.example.com is not in the list";
                db.event("f", &minute(number), &[("client_id", "app"), ("description", words)]);
            }
        },
        |db| {
            for number in 0..10 {
                db.event("f", &minute(number), &[("client_id", "app"), ("description", "user is blocked")]);
            }
        },
    ),
    (
        "refresh-token-reuse",
        |db| db.event("ferrt", &minute(1), &[("user_id", "auth0|1"), ("client_id", "app")]),
        |db| db.event("fertft", &minute(1), &[("user_id", "auth0|1"), ("client_id", "app")]),
    ),
    ("refresh-token-agents", |db| refreshed(db, "user_agent", 3), |db| refreshed(db, "user_agent", 2)),
    ("refresh-token-places", |db| refreshed(db, "ip", 4), |db| refreshed(db, "ip", 3)),
    (
        "tenant-hostname",
        |db| {
            for host in ["login.example.com", "login.example.com", "login.example.com", "acme.eu.auth0.com"] {
                db.event("s", &minute(1), &[("hostname", host), ("client_id", "app")]);
            }
        },
        |db| db.event("s", &minute(1), &[("hostname", "acme.eu.auth0.com"), ("client_id", "app")]),
    ),
];

fn refreshed(database: &mut Database, column: &str, different: usize) {
    for number in 0..different {
        let value = format!("value {number}");
        let cells = [("user_id", "auth0|1"), ("client_id", "app"), (column, value.as_str())];
        database.event("sertft", &minute(number), &cells);
    }
}

const ACCOUNTS: &[Scenario] = &[
    (
        "mfa-fatigue",
        |db| (0..5).for_each(|n| db.event("gd_send_pn", &minute(58 - 2 * n), &[("user_id", "auth0|1")])),
        // Five as well, yet never five within ten minutes.
        |db| (0..5).for_each(|n| db.event("gd_send_pn", &minute(3 * n), &[("user_id", "auth0|1")])),
    ),
    (
        "sms-bombing",
        |db| (0..10).for_each(|n| db.event("gd_send_sms", &minute(n), &[("user_id", "auth0|1")])),
        |db| (0..9).for_each(|n| db.event("gd_send_sms", &minute(n), &[("user_id", "auth0|1")])),
    ),
    (
        "linked-account",
        |db| link(db, r#"{"scopes":["update:current_user_identities"]}"#, "db"),
        |db| link(db, r#"{"scopes":["update:current_user_identities"]}"#, "google-oauth2"),
    ),
    (
        "signup-volume",
        |db| (0..10).for_each(|n| db.event("ss", &minute(n), &[("ip", "192.0.2.1")])),
        |db| {
            (0..18).for_each(|n| {
                db.event("ss", &minute(n), &[("ip", if n % 2 == 0 { "192.0.2.1" } else { "192.0.2.2" })]);
            });
        },
    ),
    ("unverified-signups", |db| users(db, 20, 4), |db| users(db, 20, 5)),
    (
        "disposable-email",
        |db| db.add("users", &[("id", "auth0|1"), ("email", "x@Mailinator.com"), ("created_at", &minute(1))]),
        |db| {
            db.add(
                "users",
                &[("id", "auth0|1"), ("email", "mailinator.com@example.com"), ("created_at", &minute(1))],
            );
        },
    ),
];

const OPERATORS: &[Scenario] = &[
    (
        "mass-deletion",
        |db| (0..10).for_each(|n| change(db, &minute(n), "delete", &format!("/api/v2/users/{n}"), &[])),
        |db| {
            (0..9).for_each(|n| change(db, &minute(n), "delete", &format!("/api/v2/users/{n}"), &[]));
            (0..9).for_each(|n| change(db, &minute(n + 30), "delete", &format!("/api/v2/users/{n}"), &[]));
        },
    ),
    (
        "organization-deleted",
        |db| {
            db.add("organization", &[("id", "org_1"), ("name", "acme"), ("_fivetran_deleted", "true")]);
            change(db, &minute(1), "delete", "/api/v2/organizations/org_1", &[]);
        },
        |db| {
            change(db, &minute(1), "delete", "/api/v2/organizations/org_1/members", &[]);
            change(db, &minute(1), "patch", "/api/v2/organizations/org_1", &[]);
        },
    ),
    (
        "administrators-removed",
        |db| {
            (0..2).for_each(|n| {
                change(
                    db,
                    &minute(n),
                    "delete",
                    "/api/v2/tenants",
                    &[("description", "Delete tenant member")],
                );
            });
        },
        |db| change(db, &minute(1), "delete", "/api/v2/tenants", &[("description", "Delete tenant member")]),
    ),
    ("client-secret-read", |db| secret_read(db, "client_secret"), |db| secret_read(db, "encryption_key")),
    (
        "explorer-token",
        |db| {
            client(db, "explorer", &[]);
            db.run("update auth0.client set name = 'API Explorer Application'");
            db.event("seccft", &minute(1), &[("client_id", "explorer")]);
        },
        |db| {
            client(db, "app", &[]);
            db.event("seccft", &minute(1), &[("client_id", "app")]);
        },
    ),
    (
        "administrator-new-address",
        |db| {
            change(db, "2026-10-01 09:00:00", "patch", "/api/v2/clients/a", &[]);
            change(db, &minute(1), "patch", "/api/v2/clients/a", &[("request_ip", "198.51.100.7")]);
        },
        |db| {
            // Known since too short a time, and a program.
            change(db, "2026-11-02 09:00:00", "patch", "/api/v2/clients/a", &[]);
            change(db, &minute(1), "patch", "/api/v2/clients/a", &[("request_ip", "198.51.100.7")]);
        },
    ),
    ("rapid-registration", |db| registered(db, 5), |db| registered(db, 4)),
    (
        "failing-action",
        |db| {
            (0..10).for_each(|n| db.event("actions_execution_failed", &minute(n), &[("user_id", "auth0|1")]));
        },
        |db| (0..9).for_each(|n| db.event("actions_execution_failed", &minute(n), &[("user_id", "auth0|1")])),
    ),
];

fn registered(database: &mut Database, count: usize) {
    for number in 0..count {
        let words = [("description", "Dynamic client registration"), ("response_client_id", "new")];
        database.event("sapi", &minute(number), &words);
    }
}

const MANAGEMENT: &str = "https://acme.eu.auth0.com/api/v2/";

const CHANGED: &[Scenario] = &[
    (
        "management-grant",
        |db| {
            grant(db, MANAGEMENT, &["read:users", "delete:users"]);
            change(db, &minute(1), "patch", "/api/v2/client-grants/cgr_1", &[]);
        },
        |db| {
            grant(db, MANAGEMENT, &["read:users"]);
            change(db, &minute(1), "patch", "/api/v2/client-grants/cgr_1", &[]);
        },
    ),
    (
        "broad-grant",
        |db| {
            let scopes: Vec<String> = (0..30).map(|number| format!("read:thing{number}")).collect();
            grant(db, "https://api.example.com/", &scopes.iter().map(String::as_str).collect::<Vec<_>>());
            change(db, &minute(1), "post", "/api/v2/client-grants", &[("response_client_id", "app")]);
        },
        |db| {
            let scopes: Vec<String> = (0..30).map(|number| format!("read:thing{number}")).collect();
            grant(db, "https://api.example.com/", &scopes.iter().map(String::as_str).collect::<Vec<_>>());
            // Long ago.
            change(
                db,
                "2026-09-01 09:00:00",
                "post",
                "/api/v2/client-grants",
                &[("response_client_id", "app")],
            );
        },
    ),
    (
        "insecure-grant-type",
        |db| {
            client(db, "app", &[]);
            db.add("client_grant_type", &[("client_id", "app"), ("grant_type", "implicit")]);
            change(db, &minute(1), "patch", "/api/v2/clients/app", &[]);
        },
        |db| {
            client(db, "app", &[]);
            db.add("client_grant_type", &[("client_id", "app"), ("grant_type", "authorization_code")]);
            change(db, &minute(1), "patch", "/api/v2/clients/app", &[]);
        },
    ),
    (
        "cross-origin-enabled",
        |db| {
            client(db, "app", &[("cross_origin_authentication", "true")]);
            change(db, &minute(1), "post", "/api/v2/clients", &[("response_client_id", "app")]);
        },
        |db| {
            client(db, "app", &[("cross_origin_authentication", "true")]);
            client(db, "other", &[("cross_origin_authentication", "false")]);
            change(db, &minute(1), "patch", "/api/v2/clients/other", &[]);
        },
    ),
];

#[test]
fn each_detection_finds_what_it_is_for_and_not_what_misses_it_by_a_little() {
    let mut database = Database::new();
    let mut found = |id: &str, fill: &dyn Fn(&mut Database)| {
        database.count_with(fill, &detection(id).unwrap().sql(&filter()))
    };
    let mut shown = BTreeSet::new();
    for (id, positive, negative) in [ATTACKS, ACCOUNTS, OPERATORS, CHANGED].concat() {
        assert_eq!(found(id, &positive), 1, "{id} does not find what it is for");
        assert_eq!(found(id, &negative), 0, "{id} finds what it should leave alone");
        shown.insert(id);
    }
    for (id, path) in SETTINGS {
        assert_eq!(found(id, &|db| change(db, &minute(1), "patch", path, &[])), 1, "{id}");
        let fill = |db: &mut Database| {
            for (_, path) in SETTINGS.iter().filter(|(other, _)| *other != id) {
                change(db, &minute(1), "patch", path, &[]);
            }
        };
        assert_eq!(found(id, &fill), 0, "{id} finds the change of another setting");
        shown.insert(id);
    }
    let all: BTreeSet<&str> = DETECTIONS.iter().map(|detection| detection.id).collect();
    assert_eq!(shown, all, "each detection has a scenario");
}

#[test]
fn detections_of_events_look_at_their_time_alone() {
    let mut database = Database::new();
    for (id, positive, _) in [ATTACKS, ACCOUNTS, OPERATORS, CHANGED].concat() {
        let detection = detection(id).unwrap();
        for (since, until) in [(NOW - 300 * DAY, NOW - 7 * DAY), (NOW, NOW + DAY)] {
            let other = Filter { since, until, ..filter() };
            assert_eq!(database.count_with(positive, &detection.sql(&other)), 0, "{id}");
        }
    }
}
