//! Rate limits and ordered faults, as a client meets them.

use crate::support::{SECOND, Session, small};
use serde_json::{Value, json};
use tenantry_simulator::{Config, Plan};

#[test]
fn a_free_tenant_refuses_the_third_request_of_a_second() {
    let mut session = Session::new(Config { plan: Plan::Free, ..small() });
    let first = session.call("GET", "/roles", &Value::Null);
    assert_eq!(
        (first.status, first.header_value("x-ratelimit-limit"), first.header_value("x-ratelimit-remaining")),
        (200, Some("2"), Some("1"))
    );
    assert_eq!(session.call("GET", "/clients", &Value::Null).status, 200);
    let refused = session.call("GET", "/roles", &Value::Null);
    assert_eq!(refused.status, 429);
    assert_eq!(
        refused.json(),
        json!({ "statusCode": 429, "error": "Too Many Requests", "message": "Global limit has been reached", "errorCode": "too_many_requests" })
    );
    let reset: i64 = refused.header_value("x-ratelimit-reset").and_then(|r| r.parse().ok()).expect("a time");
    assert_eq!(reset, session.now / SECOND + 1);
    session.now += SECOND / 2;
    assert_eq!(session.call("GET", "/roles", &Value::Null).status, 200, "half a second is one token");
    assert_eq!(session.call("GET", "/roles", &Value::Null).status, 429);
    let stats = session.control("GET", "/stats", &Value::Null);
    assert_eq!(stats["too_many_requests"], 2);
    assert_eq!(stats["by_route"]["GET /api/v2/roles"]["statuses"], json!({ "200": 2, "429": 2 }));
}

#[test]
fn essentials_has_buckets_for_endpoints() {
    let mut session = Session::new(Config { plan: Plan::Essentials, ..small() });
    let served = (0..30).filter(|_| session.call("GET", "/logs", &Value::Null).status == 200).count();
    assert_eq!(served, 10);
    assert_eq!(session.call("GET", "/users", &Value::Null).status, 200, "another bucket");
    let refused = session.call("GET", "/logs", &Value::Null);
    assert!(refused.header_value("retry-after").is_some());
    session.now += 600_000;
    assert_eq!(session.call("GET", "/logs", &Value::Null).status, 200, "100 a minute");
    assert_eq!(session.call("GET", "/logs", &Value::Null).status, 429);
}

#[test]
fn a_limit_that_was_hit_stands_in_the_log_once_a_minute() {
    let mut session = Session::new(Config { plan: Plan::Free, ..small() });
    for _ in 0..20 {
        session.call("GET", "/roles", &Value::Null);
    }
    session.now += 5 * SECOND;
    let truth = session.tenant();
    let since = truth["logs"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|e| e["type"] == "api_limit" && e["date"].as_str() >= Some("2026-11-02T08:00:00"));
    assert_eq!(since.count(), 1);
}

#[test]
fn ordered_faults_strike_as_often_as_ordered() {
    let mut session = Session::new(small());
    let orders = json!({ "faults": [
        { "path": "/api/v2/roles", "times": 2, "status": 503, "body": { "statusCode": 503 }, "headers": { "Retry-After": "3" } },
        { "method": "GET", "path": "/api/v2/users*", "skip": 1, "truncate": 10 },
        { "path": "/oauth/token", "status": 500, "body": "oops" },
    ] });
    assert_eq!(session.control("POST", "/faults", &orders)["pending"], 3);
    for _ in 0..2 {
        let response = session.call("GET", "/roles", &Value::Null);
        assert_eq!((response.status, response.header_value("retry-after")), (503, Some("3")));
    }
    session.get("/roles");
    session.get("/users");
    let cut = session.call("GET", "/users", &Value::Null);
    assert_eq!((cut.status, cut.body.len()), (200, 10));
    session.get("/users");
    assert_eq!(session.log_in().status, 500);
    assert_eq!(session.log_in().status, 200);
}

#[test]
fn a_replaced_answer_changes_nothing() {
    let mut session = Session::new(small());
    let before = session.tenant()["roles"].clone();
    session.control("POST", "/faults", &json!({ "faults": [{ "path": "/api/v2/roles", "status": 502 }] }));
    assert_eq!(session.call("POST", "/roles", &json!({ "name": "Never" })).status, 502);
    assert_eq!(session.tenant()["roles"], before);
}
