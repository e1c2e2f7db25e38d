//! What fails and what is done about it: which failures are asked again, how long is waited, when it is given up.

use std::time::Duration;

use serde_json::{Value, json};
use tenantry_replication::error::{SourceError, SourceErrorKind};
use tenantry_replication::source::{Delays, Read, Source};
use tenantry_simulator::{Config, Plan};

use super::network::{Script, Tenant, ok, refusal, stream};
use super::read_all;

fn tenant() -> std::sync::Arc<Tenant> {
    Tenant::new(Config { plan: Plan::Unlimited, organizations: 250, ..Config::default() })
}

/// Requests sent and time passed for a list whose second page fails as ordered, or the error.
fn walk(fault: Value) -> Result<(u64, Duration), SourceError> {
    let tenant = tenant();
    let mut fault = fault;
    fault["path"] = json!("/api/v2/organizations");
    fault["skip"] = json!(1);
    tenant.fault(fault);
    let pages = tenant.source().open(Read {
        stream: stream("organizations"),
        parents: Vec::new(),
        from: None,
        since: None,
    });
    let got = tenant.clock.run(read_all(pages))?;
    assert_eq!(got.counts("id").len(), 250);
    assert!(got.complete);
    let first = tenant.api_log()[0].at;
    Ok((got.requests, tenant.api_log().last().unwrap().at.saturating_sub(first)))
}

#[test]
fn what_may_pass_is_asked_again() {
    for status in [408, 500, 502, 503, 504, 409] {
        let (requests, _) = walk(json!({ "status": status, "times": 3 })).unwrap();
        assert_eq!(requests, 3 + 3, "{status}");
    }
    assert_eq!(walk(json!({ "status": 200, "body": "<html>maintenance</html>", "times": 2 })).unwrap().0, 5);
    assert_eq!(walk(json!({ "truncate": 500, "times": 2 })).unwrap().0, 5, "well-formed HTTP, broken JSON");
    assert_eq!(walk(json!({ "cut": 500, "times": 2 })).unwrap().0, 5, "a broken connection");
    assert_eq!(walk(json!({ "status": 200, "body": { "unexpected": [] }, "times": 2 })).unwrap().0, 5);
}

#[test]
fn what_will_not_pass_is_not_asked_again() {
    for (status, body, kind) in [
        (
            403,
            json!({ "errorCode": "insufficient_scope", "message": "Insufficient scope, expected any of: read:organizations" }),
            SourceErrorKind::ScopeMissing,
        ),
        (403, json!({ "message": "not on this plan" }), SourceErrorKind::NotOffered),
        (404, json!({ "message": "Not Found" }), SourceErrorKind::NotOffered),
        (302, json!({}), SourceErrorKind::Refused),
        (414, json!({}), SourceErrorKind::Refused),
    ] {
        let tenant = tenant();
        tenant
            .fault(json!({ "path": "/api/v2/organizations", "status": status, "body": body, "times": 100 }));
        let pages = tenant.source().open(Read {
            stream: stream("organizations"),
            parents: Vec::new(),
            from: None,
            since: None,
        });
        let error = tenant.clock.run(read_all(pages)).map(|_| ()).unwrap_err();
        assert_eq!((error.kind, error.status, tenant.api_log().len()), (kind, Some(status), 1), "{error}");
    }
}

#[test]
fn attempts_are_bounded_and_waits_grow_with_jitter() {
    let tenant = tenant();
    tenant.fault(json!({ "path": "/api/v2/*", "status": 503, "times": 1000 }));
    let pages = tenant.source().open(Read {
        stream: stream("organizations"),
        parents: Vec::new(),
        from: None,
        since: None,
    });
    let error = tenant.clock.run(read_all(pages)).map(|_| ()).unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Unavailable);
    let at: Vec<Duration> = tenant.api_log().iter().map(|sent| sent.at).collect();
    assert_eq!(at.len(), 8);
    let waits: Vec<f64> = at.windows(2).map(|pair| pair[1].saturating_sub(pair[0]).as_secs_f64()).collect();
    for (n, wait) in waits.iter().enumerate() {
        assert!(*wait <= f64::from(1u32 << n).min(60.0) + 0.1, "{waits:?}");
    }
    assert!(waits.iter().sum::<f64>() > 10.0, "{waits:?}");
}

#[test]
fn a_429_is_waited_for_as_its_headers_say() {
    let limited = |headers: Value| {
        let body = json!({ "statusCode": 429, "error": "Too Many Requests", "message": "Global limit has been reached", "errorCode": "too_many_requests" });
        walk(json!({ "status": 429, "headers": headers, "body": body }))
            .map(|(requests, time)| (requests, time.as_secs()))
    };
    // 08:00:00 UTC is the start of time in these tests.
    let start = super::time::START / 1_000_000;
    for (headers, shortest, longest) in [
        (json!({}), 1, 3),
        (json!({ "retry-after": "9" }), 9, 11),
        (
            json!({ "x-ratelimit-limit": "10", "x-ratelimit-remaining": "0", "x-ratelimit-reset": (start + 20).to_string() }),
            19,
            22,
        ),
        (
            json!({ "x-ratelimit-limit": "10", "x-ratelimit-remaining": "0", "x-ratelimit-reset": start.to_string() }),
            1,
            8,
        ),
        (json!({ "x-ratelimit-reset": (start - 1_000).to_string() }), 1, 3),
        (json!({ "x-ratelimit-reset": (start + 365 * 86_400).to_string() }), 100, 125),
        (json!({ "retry-after": "30", "x-ratelimit-reset": (start + 5).to_string() }), 30, 33),
    ] {
        let (requests, seconds) = limited(headers.clone()).unwrap();
        assert_eq!(requests, 4, "{headers}");
        assert!((shortest..=longest).contains(&seconds), "{headers}: {seconds} s");
    }
    let error = limited(json!({ "retry-after": "86400" })).unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::RateLimited);
    assert_eq!(
        error.retry_after,
        Some(Duration::from_hours(24)),
        "too long to wait: told, so that a later run can go on"
    );
}

#[test]
fn what_held_up_a_stream_is_counted_for_it_alone_and_from_the_runs_begin() {
    let tenant = tenant();
    tenant.fault(json!({ "path": "/api/v2/organizations", "skip": 1, "status": 429, "times": 2, "headers": { "retry-after": "9" }, "body": {} }));
    let source = tenant.source();
    source.begin();
    for name in ["organizations", "roles"] {
        let read = Read { stream: stream(name), parents: Vec::new(), from: None, since: None };
        tenant.clock.run(read_all(source.open(read))).unwrap();
    }
    let delays = source.delays(stream("organizations"));
    assert_eq!(delays.limited, 2);
    assert!((18..26).contains(&delays.waited.as_secs()), "{delays:?}");
    assert_eq!(source.delays(stream("roles")), Delays::default());
    source.begin();
    assert_eq!(source.delays(stream("organizations")), Delays::default());
}

#[test]
fn a_tenant_that_never_stops_refusing_is_given_up() {
    let tenant = tenant();
    tenant.fault(json!({ "path": "/api/v2/*", "status": 429, "times": 1000, "body": { "message": "Global limit has been reached" } }));
    let pages = tenant.source().open(Read {
        stream: stream("organizations"),
        parents: Vec::new(),
        from: None,
        since: None,
    });
    let error = tenant.clock.run(read_all(pages)).map(|_| ()).unwrap_err();
    assert_eq!((error.kind, tenant.api_log().len()), (SourceErrorKind::RateLimited, 12));
}

#[test]
fn one_odd_value_does_not_cost_the_page() {
    let body = br#"{"organizations":[{"id":"a","name":"\ud800"},{"id":"b","name":"x"}]}"#;
    let script = Script::new(move |_, _| Ok((200, Vec::new(), String::from_utf8(body.to_vec()).unwrap())));
    let mut pages = script.source().open(Read {
        stream: stream("organizations"),
        parents: Vec::new(),
        from: None,
        since: None,
    });
    let page = script.clock.run(pages.next()).unwrap().unwrap();
    assert_eq!(&page.body[..], body, "the bytes as they came");
}

#[test]
fn errors_hold_no_ids_and_no_searches() {
    let script = Script::new(|sent, _| match sent.path.as_str() {
        "/api/v2/jobs/users-exports" => Ok(refusal(403, "", "no")),
        "/api/v2/users" => Ok(refusal(
            400,
            "invalid_query_string",
            &format!("The query {} is wrong", super::network::parameter(&sent.query, "q").unwrap()),
        )),
        path => Ok(refusal(
            400,
            "invalid_uri",
            &format!("Bad id {}", path.rsplit('/').next().unwrap().replace("%7C", "|")),
        )),
    });
    let error = script.read("users", None).map(|_| ()).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("updated_at:["), "{error:?}");
    let source = script.source();
    let error = script
        .clock
        .run(source.record(stream("users"), "auth0|5f7c8ec7c33c6c004bbafe82"))
        .map(|_| ())
        .unwrap_err();
    assert_eq!(error.to_string(), "read one record of /users: Bad id …");
}

#[test]
fn a_record_is_asked_for_again_when_the_server_fails() {
    let script =
        Script::answers([(503, Vec::new(), String::new()), ok(json!([])), ok(json!({ "id": "rol_1" }))]);
    let source = script.source();
    let page = script.clock.run(source.record(stream("roles"), "rol_1")).unwrap().unwrap();
    assert_eq!(super::records(&page), [json!({ "id": "rol_1" })]);
    assert_eq!(source.requests(), 3);
}
