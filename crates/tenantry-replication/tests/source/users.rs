//! All users: by export, and by search where that is not allowed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tenantry_replication::error::SourceErrorKind;
use tenantry_replication::source::{Read, Source};
use tenantry_simulator::{Churn, Config, Plan};

use super::network::{Script, Tenant, ok, parameter, refusal, stream};
use super::{Got, read_all, records};

fn config(users: u32, tied: u32) -> Config {
    Config { users, tied_users: tied, logs: 100, plan: Plan::Unlimited, ..Config::default() }
}

fn user_ids(truth: &Value) -> BTreeSet<String> {
    truth["users"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| user["user_id"].as_str().unwrap().to_owned())
        .collect()
}

fn assert_all_once(got: &Got, truth: &Value) {
    let counts = got.counts("user_id");
    assert_eq!(counts.keys().cloned().collect::<BTreeSet<_>>(), user_ids(truth));
    assert!(got.complete);
}

#[test]
fn an_export_takes_a_handful_of_requests() {
    let tenant = Tenant::new(config(25_000, 1_500));
    let got = tenant.read("users");
    assert_all_once(&got, &tenant.truth());
    assert_eq!(got.records().count(), 25_000);
    assert!(got.requests <= 4, "{}", got.requests);
    assert!(got.pages.len() > 1, "pages are cut: {}", got.pages.len());
    let log = tenant.log();
    let begun =
        log.iter().find(|sent| sent.method == "POST" && sent.path.ends_with("/users-exports")).unwrap();
    for field in ["user_id", "email", "identities", "app_metadata", "last_password_reset", "logins_count"] {
        assert!(begun.body.contains(&format!("{{\"name\":\"{field}\"}}")), "{field} in {}", begun.body);
    }
    let file = log.iter().find(|sent| sent.path.starts_with("/exports/")).unwrap();
    assert!(file.authorization.is_none(), "the file's host gets no token");
}

#[test]
fn users_come_by_search_where_no_export_is_allowed() {
    let tenant = Tenant::new(Config { export_allowed: false, ..config(25_000, 1_500) });
    let got = tenant.read("users");
    let truth = tenant.truth();
    assert_all_once(&got, &truth);
    assert!(got.requests < 300, "{}", got.requests);
    for sent in tenant.api_log().iter().filter(|sent| sent.path == "/api/v2/users") {
        assert_eq!(parameter(&sent.query, "page").as_deref(), Some("0"));
        assert_eq!(parameter(&sent.query, "search_engine").as_deref(), Some("v3"));
    }
}

#[test]
fn twelve_thousand_users_of_one_instant_arrive() {
    let tenant = Tenant::new(Config { export_allowed: false, ..config(12_200, 12_000) });
    let got = tenant.read("users");
    assert_all_once(&got, &tenant.truth());
    assert!(got.requests < 145, "{}", got.requests);
}

#[test]
fn few_users_and_none_are_found_too() {
    for users in [0, 1, 99, 100, 101] {
        let tenant = Tenant::new(Config {
            export_allowed: false,
            organizations: 0,
            grants: 0,
            logs: 0,
            ..config(users, 0)
        });
        let got = tenant.read("users");
        assert_all_once(&got, &tenant.truth());
        assert_eq!(got.counts("user_id").len() as u32, users);
    }
}

#[test]
fn users_that_move_while_we_read_are_not_missed() {
    for seed in 0..5 {
        let tenant =
            Tenant::new(Config { export_allowed: false, search_lag_micros: 0, ..config(3_000, 350) });
        let before = user_ids(&tenant.truth());
        let source = tenant.source();
        let mut pages =
            source.open(Read { stream: stream("users"), parents: Vec::new(), from: None, since: None });
        let mut found = BTreeSet::new();
        let mut round = 0;
        while let Some(page) = tenant.clock.run(pages.next()).unwrap() {
            found.extend(records(&page).iter().map(|user| user["user_id"].as_str().unwrap().to_owned()));
            round += 1;
            let churn = Churn {
                seed: seed * 1_000 + round,
                users_updated: 30,
                logins: 20,
                users_deleted: 2,
                users_created: 2,
                ..Churn::default()
            };
            if round < 40 {
                tenant.with_simulation(|simulation, now| simulation.churn(&churn, now));
            }
        }
        let after = user_ids(&tenant.truth());
        let stayed: BTreeSet<_> = before.intersection(&after).cloned().collect();
        let missed: Vec<_> = stayed.difference(&found).collect();
        assert!(missed.is_empty(), "seed {seed}: {missed:?}");
    }
}

#[test]
fn an_expired_link_is_replaced_by_a_fresh_one() {
    let tenant = Tenant::new(config(3_000, 0));
    tenant.fault(json!({ "path": "/exports/*", "times": 2, "status": 403, "body": "<Error><Code>AccessDenied</Code></Error>" }));
    let got = tenant.read("users");
    assert_all_once(&got, &tenant.truth());
    assert_eq!(got.records().count(), 3_000);
    let links: Vec<String> = tenant
        .log()
        .into_iter()
        .filter(|sent| sent.path.starts_with("/exports/"))
        .map(|sent| sent.query)
        .collect();
    assert_eq!(links.len(), 3);
}

#[test]
fn a_link_that_really_expires_is_replaced() {
    // Each way takes longer than the link lives: only because the tenant counts from the look does the third attempt work.
    let tenant = Tenant::with(config(500, 0), super::time::clock(), Duration::from_millis(10));
    tenant.fault(json!({ "path": "/exports/*", "status": 503, "times": 1 }));
    let source = tenant.source();
    let mut pages =
        source.open(Read { stream: stream("users"), parents: Vec::new(), from: None, since: None });
    assert!(tenant.clock.run(pages.next()).unwrap().unwrap().body.is_empty(), "only the job's id");
    let page = tenant.clock.run(pages.next()).unwrap().unwrap();
    assert_eq!(records(&page).len(), 500);
}

#[test]
fn a_file_whose_host_refuses_it_for_a_while_is_asked_for_again() {
    for status in [408, 409, 425, 429, 500, 503] {
        let tenant = Tenant::new(config(500, 0));
        tenant.fault(json!({ "path": "/exports/*", "status": status }));
        let got = tenant.read("users");
        assert_all_once(&got, &tenant.truth());
        assert_eq!(got.records().count(), 500, "{status}");
    }
}

#[test]
fn a_download_that_breaks_goes_on_without_repeating() {
    let tenant = Tenant::new(config(25_000, 0));
    for cut in [1_000, 200_000, 900_000] {
        tenant.fault(json!({ "path": "/exports/*", "cut": cut }));
    }
    let got = tenant.read("users");
    assert_all_once(&got, &tenant.truth());
    assert_eq!(got.records().count(), 25_000, "nothing twice");
}

#[test]
fn a_file_cut_short_is_never_taken_for_whole() {
    let tenant = Tenant::new(config(2_000, 0));
    tenant.fault(json!({ "path": "/exports/*", "truncate": 50_000, "times": 100 }));
    let source = tenant.source();
    let error = tenant
        .clock
        .run(read_all(source.open(Read {
            stream: stream("users"),
            parents: Vec::new(),
            from: None,
            since: None,
        })))
        .map(|_| ())
        .unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Malformed);
    assert_eq!(
        tenant.log().iter().filter(|sent| sent.path.starts_with("/exports/")).count(),
        6,
        "a bounded number of attempts"
    );
}

#[test]
fn a_long_job_is_looked_at_ever_less_often() {
    let tenant = Tenant::new(Config { export_micros: 20 * 60 * 1_000_000, ..config(1_000, 0) });
    let got = tenant.read("users");
    assert_all_once(&got, &tenant.truth());
    assert!(got.requests < 60, "{}", got.requests);
}

/// A tenant whose export job goes through these states.
fn job(states: Vec<Value>) -> Arc<Script> {
    Script::new(move |sent, before| match sent.path.as_str() {
        "/api/v2/jobs/users-exports" => {
            Ok(ok(json!({ "id": format!("job_{before}"), "type": "users_export", "status": "pending" })))
        }
        path if path.starts_with("/api/v2/jobs/") => Ok(ok(states[before.min(states.len() - 1)].clone())),
        "/file.json" => {
            assert!(sent.authorization.is_none());
            Ok((200, Vec::new(), "{\"user_id\":\"a\"}\n\n{\"user_id\":\"b\"}".into()))
        }
        "/api/v2/users" => Ok(ok(json!({ "users": [], "total": 0 }))),
        _ => Ok(refusal(404, "", "not here")),
    })
}

#[test]
fn a_plain_file_without_a_last_line_end_is_read() {
    let completed = json!({ "id": "job_0", "status": "completed", "location": "https://files.example.org/file.json?sig=1", "summary": { "total": 2 } });
    let script = job(vec![completed]);
    let got = script.read("users", None).unwrap();
    assert_eq!((got.records().count(), got.complete, got.requests), (2, true, 2));
    let file = script.log().into_iter().find(|sent| sent.path == "/file.json").unwrap();
    assert_eq!((file.host.as_str(), file.query.as_str()), ("files.example.org", "sig=1"));
}

#[test]
fn a_file_that_does_not_hold_what_the_job_counted_is_not_complete() {
    let completed = json!({ "id": "job_0", "status": "completed", "location": "https://files.example.org/file.json", "summary": { "total": 3 } });
    let got = job(vec![completed]).read("users", None).unwrap();
    assert_eq!((got.records().count(), got.complete), (2, false));
}

#[test]
fn links_to_odd_places_are_not_followed() {
    for link in [
        "http://files.example.org/file.json",
        "ftp://files.example.org/file.json",
        "https://u:p@files.example.org/file.json",
        "/file.json",
        "",
    ] {
        let completed = json!({ "id": "job_0", "status": "completed", "location": link });
        let script = job(vec![completed]);
        assert_eq!(
            script.read("users", None).map(|_| ()).unwrap_err().kind,
            SourceErrorKind::Refused,
            "{link}"
        );
        assert!(script.log().iter().all(|sent| sent.path != "/file.json"));
    }
}

#[test]
fn a_failed_job_is_begun_once_more() {
    let failed = json!({ "id": "job_0", "status": "failed" });
    let script = job(vec![failed]);
    assert_eq!(script.read("users", None).map(|_| ()).unwrap_err().kind, SourceErrorKind::NotFound);
    let begun = script.log().iter().filter(|sent| sent.method == "POST").count();
    assert_eq!(begun, 2);
}

#[test]
fn whatever_refuses_the_job_leads_to_the_search() {
    for (status, code) in
        [(403, "insufficient_scope"), (403, "operation_not_supported"), (404, ""), (400, "invalid_body")]
    {
        let script = Script::new(move |sent, _| match sent.path.as_str() {
            "/api/v2/jobs/users-exports" => Ok(refusal(status, code, "no")),
            "/api/v2/users" => {
                let q = parameter(&sent.query, "q").unwrap();
                let users = if q.starts_with("updated_at") {
                    json!([{ "user_id": "a", "updated_at": "2026-01-01T00:00:00.000Z" }])
                } else {
                    json!([])
                };
                Ok(ok(json!({ "total": users.as_array().unwrap().len(), "users": users })))
            }
            _ => panic!("{sent:?}"),
        });
        let got = script.read("users", None).unwrap();
        assert_eq!((got.records().count(), got.complete, got.requests), (1, true, 3));
    }
}

#[test]
fn users_without_a_time_of_change_are_found() {
    let script = Script::new(|sent, _| {
        if sent.path == "/api/v2/jobs/users-exports" {
            Ok(refusal(403, "", "no"))
        } else {
            let q = parameter(&sent.query, "q").unwrap();
            let per_page = parameter(&sent.query, "per_page").unwrap();
            assert_eq!(per_page, "100");
            let page = |ids: std::ops::Range<usize>, total: usize| {
                let users: Vec<Value> = ids.map(|n| json!({ "user_id": format!("x|{n:03}") })).collect();
                Ok(ok(json!({ "users": users, "total": total })))
            };
            match q.as_str() {
                "updated_at:[\"1970-01-01T00:00:00.000Z\" TO *]" => page(0..0, 0),
                "NOT _exists_:updated_at" => page(0..100, 150),
                "NOT _exists_:updated_at AND user_id:{\"x|099\" TO *]" => page(100..150, 50),
                other => panic!("{other}"),
            }
        }
    });
    let got = script.read("users", None).unwrap();
    assert_eq!((got.records().count(), got.complete), (150, true));
}

#[test]
fn a_search_that_gave_less_than_there_is_does_not_count_as_complete() {
    let script = Script::new(|sent, _| {
        if sent.path == "/api/v2/jobs/users-exports" {
            Ok(refusal(403, "", "no"))
        } else {
            let q = parameter(&sent.query, "q").unwrap();
            match q.as_str() {
                // The index says three at first, and then ends after two.
                "updated_at:[\"1970-01-01T00:00:00.000Z\" TO *]" => Ok(ok(json!({ "total": 3, "users": [
                    { "user_id": "a", "updated_at": "2026-01-01T00:00:00.000Z" },
                    { "user_id": "b", "updated_at": "2026-01-02T00:00:00.000Z" },
                ]}))),
                "updated_at:[\"2026-01-02T00:00:00.000Z\" TO *]" => Ok(ok(json!({ "total": 1, "users": [
                    { "user_id": "b", "updated_at": "2026-01-02T00:00:00.000Z" },
                ]}))),
                "NOT _exists_:updated_at" => Ok(ok(json!({ "total": 0, "users": [] }))),
                "user_id:*" => Ok(ok(json!({ "total": 3, "users": [{ "user_id": "a" }] }))),
                other => panic!("{other}"),
            }
        }
    });
    let got = script.read("users", None).unwrap();
    assert_eq!((got.records().count(), got.complete), (2, false));
}

/// Reads users changed since so many hours before the start of time. Gives the records, whether it covers everything, and the requests.
fn changed(tenant: &Arc<Tenant>, hours_ago: i64) -> (Got, bool) {
    let since = Some(super::time::START - hours_ago * 3_600_000_000);
    let mut pages =
        tenant.source().open(Read { stream: stream("users"), parents: Vec::new(), from: None, since });
    tenant.clock.run(async {
        let mut got = Got::default();
        while let Some(page) = pages.next().await.unwrap() {
            got.pages.push((None, records(&page)));
        }
        (got.complete, got.requests) = (pages.complete(), pages.requests());
        (got, pages.covers_everything())
    })
}

#[test]
fn changed_users_are_asked_for_alone() {
    let tenant = Tenant::new(Config { search_lag_micros: 0, ..config(2_000, 0) });
    let changes = Churn { seed: 1, users_updated: 40, ..Churn::default() };
    tenant.with_simulation(|simulation, now| simulation.churn(&changes, now));
    let since = "2026-11-02T08:00:00.000Z";
    let truth = tenant.truth();
    let users = truth["users"].as_array().unwrap().iter();
    let expected: BTreeSet<&str> = users
        .filter(|user| user["updated_at"].as_str().unwrap() >= since)
        .map(|user| user["user_id"].as_str().unwrap())
        .collect();
    let (got, everything) = changed(&tenant, 0);
    let found: BTreeSet<String> = got.counts("user_id").into_keys().collect();
    assert!(!expected.is_empty() && found.iter().map(String::as_str).eq(expected));
    assert_eq!((got.complete, everything, got.requests), (true, false, 1));
}

#[test]
fn many_changed_users_are_cheaper_by_an_export() {
    let tenant = Tenant::new(config(2_000, 1_500));
    let (got, everything) = changed(&tenant, 24 * 3_650);
    assert!(everything && got.complete && got.requests <= 6, "{}", got.requests);
    assert_eq!(got.counts("user_id").into_keys().collect::<BTreeSet<_>>(), user_ids(&tenant.truth()));
    let tenant = Tenant::new(Config { export_allowed: false, ..config(2_000, 1_500) });
    let (got, _) = changed(&tenant, 24 * 3_650);
    assert_eq!(got.counts("user_id").into_keys().collect::<BTreeSet<_>>(), user_ids(&tenant.truth()));
    assert!(got.complete);
}
