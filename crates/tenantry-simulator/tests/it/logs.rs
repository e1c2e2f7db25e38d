//! The log: reading it both ways, retention, and what writes leave in it.

use crate::support::{SECOND, Session, segment, small};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tenantry_simulator::Config;

#[test]
fn a_checkpoint_walk_sees_every_event_once_in_order() {
    let mut session = Session::new(small());
    let (events, link) = session.events("");
    let ids: Vec<&str> = events.iter().map(|e| e["log_id"].as_str().expect("an id")).collect();
    assert!(ids.windows(2).all(|w| w[0] < w[1]));
    assert!(ids.iter().all(|id| id.len() == 56 && id.starts_with("900")));
    let truth = session.tenant();
    assert_eq!(truth["logs"].as_array().map(Vec::len), Some(events.len()));
    assert_eq!(events.len(), 901, "the generated ones and the session's own token");
    let last = ids.last().expect("one");
    assert_eq!(
        link,
        format!("<http://127.0.0.1:7000/api/v2/logs?from={last}&take=100>; rel=\"next\""),
        "on an empty page the same"
    );
}

#[test]
fn ids_trail_dates_by_up_to_six_seconds_and_dates_need_not_ascend() {
    let mut session = Session::new(small());
    let (events, _) = session.events("");
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).take(14).collect::<String>();
    let mut trailing = 0;
    for event in &events[..900] {
        let (date, id) = (event["date"].as_str().expect("a date"), event["log_id"].as_str().expect("an id"));
        assert!(id[3..17] >= *digits(date), "{date} {id}");
        trailing += u32::from(id[3..17] > *digits(date));
    }
    assert!(trailing > 500);
    let dates: Vec<&str> = events.iter().map(|e| e["date"].as_str().expect("a date")).collect();
    assert!(dates.windows(2).any(|w| w[0] > w[1]));
}

#[test]
fn a_made_up_id_is_a_point_in_time() {
    let mut session = Session::new(small());
    let all = session.events("").0;
    let middle = all[450]["log_id"].as_str().expect("an id").to_owned();
    let synthetic = format!("{}{}", &middle[..17], "0".repeat(39));
    let (events, _) = session.events(&synthetic);
    assert!(events.iter().any(|e| e["log_id"] == middle.as_str()));
    assert!(events.iter().all(|e| e["log_id"].as_str().is_some_and(|id| id > synthetic.as_str())));
    let zero = format!("90020000101000000{}", "0".repeat(39));
    assert_eq!(session.events(&zero).0.len(), all.len());
    assert_eq!(session.refused("/logs?from=nonsense&take=10").0, 400);
}

#[test]
fn expired_events_disappear_and_an_expired_checkpoint_is_an_error_or_a_silent_start() {
    let mut session = Session::new(Config { retention_days: Some(1), ..small() });
    session.control("POST", "/config", &json!({ "log_own_traffic": false }));
    let all = session.events("").0;
    assert!(all.len() >= 900);
    let first = all[0]["log_id"].as_str().expect("an id").to_owned();
    for _ in 0..6 {
        session.control("POST", "/clock", &json!({ "advance_seconds": 3_600.0 * 2.0 }));
    }
    session.log_in();
    let oldest = session.tenant()["logs"][0]["log_id"].as_str().expect("an id").to_owned();
    assert!(oldest > first);
    let (status, _) = session.refused(&format!("/logs?from={first}&take=10"));
    assert_eq!(status, 400);
    session.control("POST", "/config", &json!({ "expired_from_is_error": false }));
    let page = session.get(&format!("/logs?from={first}&take=10"));
    assert_eq!(page[0]["log_id"], oldest.as_str());
}

#[test]
fn late_events_arrive_behind_the_checkpoint() {
    let mut session = Session::new(Config { late_logs_per_mille: 400, ..small() });
    let known = session.events("").0.len();
    session.control("POST", "/logins", &json!({ "count": 200, "seed": 3 }));
    let (early, _) = session.events("");
    session.now += 40 * SECOND;
    let (late, _) = session.events("");
    assert!(late.len() > early.len() && early.len() > known);
    let highest = early.last().expect("one")["log_id"].as_str().expect("an id");
    let seen: BTreeSet<&str> = early.iter().filter_map(|e| e["log_id"].as_str()).collect();
    let behind =
        late.iter().filter_map(|e| e["log_id"].as_str()).filter(|id| !seen.contains(id) && *id < highest);
    assert!(behind.count() > 0);
}

#[test]
fn search_pages_backwards_and_stops_at_a_thousand() {
    let mut session = Session::new(Config { logs: 3_000, ..small() });
    let newest = session.get("/logs?per_page=2");
    let all = session.events("").0;
    assert_eq!(newest[0]["log_id"], all[all.len() - 1]["log_id"]);
    assert_eq!(session.refused("/logs?page=10&per_page=100").0, 400);
    let failed = session.get("/logs?per_page=100&q=type:fp");
    assert!(failed.as_array().is_some_and(|f| !f.is_empty() && f.iter().all(|e| e["type"] == "fp")));
    let ascending = session.get("/logs?per_page=100&sort=date:1");
    let dates: Vec<_> =
        ascending.as_array().into_iter().flatten().map(|e| e["date"].as_str().unwrap_or_default()).collect();
    assert!(dates.windows(2).all(|w| w[0] <= w[1]));
    let totals = session.get("/logs?per_page=7&include_totals=true");
    assert_eq!((&totals["total"], &totals["length"]), (&json!(7), &json!(7)), "total is the page's length");
    let slim = session.get("/logs?per_page=1&fields=date");
    assert_eq!(
        slim[0].as_object().map(|o| o.keys().cloned().collect::<Vec<_>>()),
        Some(vec!["date".into(), "_id".into()])
    );
    let id = all[0]["log_id"].as_str().expect("an id");
    assert_eq!(session.get(&format!("/logs/{id}")), all[0]);
    assert_eq!(session.refused("/logs/900").0, 404);
}

#[test]
fn writes_are_told_with_all_their_catches() {
    let mut session = Session::new(small());
    let known = session.events("").0.len();
    let made = session.write(
        "POST",
        "/users",
        &json!({ "connection": "Username-Password-Authentication", "email": "new@example.com",
        "password": "correct horse" }),
    );
    let id = made["user_id"].as_str().expect("an id").to_owned();
    session.write("PATCH", &format!("/users/{}", segment(&id)), &json!({ "name": "New" }));
    session.write("DELETE", &format!("/users/{}", segment(&id)), &Value::Null);
    let events = session.new_events(known);
    let kinds: Vec<_> = events.iter().map(|e| e["type"].as_str().unwrap_or_default()).collect();
    assert_eq!(kinds, ["ss", "sapi", "sapi", "sdu", "sapi"]);
    assert_eq!(events[0]["user_id"], id.as_str());
    let created = &events[1];
    assert_eq!(created["description"], "Create a User");
    assert_eq!(
        (&created["details"]["request"]["method"], &created["details"]["request"]["path"]),
        (&json!("post"), &json!("/api/v2/users"))
    );
    assert_eq!(created["details"]["response"]["body"]["user_id"], id.as_str());
    assert!(created["details"]["request"]["auth"]["credentials"].is_object());
    assert!(
        created.get("audience").is_none()
            && created.get("scope").is_none()
            && created.get("strategy").is_none()
    );
    let path = format!("/api/v2/users/{}", segment(&id));
    assert_eq!(
        (&events[2]["description"], &events[2]["details"]["request"]["path"]),
        (&json!("Update a User"), &json!(path))
    );
    let local = id.trim_start_matches("auth0|");
    assert_eq!(
        (&events[3]["user_id"], &events[3]["description"]),
        (&json!(""), &json!(format!("user_id: {local}")))
    );
    assert_eq!(
        (&events[4]["description"], &events[4]["details"]["response"]["statusCode"]),
        (&json!("Delete a User"), &json!(204))
    );
}

#[test]
fn other_writes_are_told_as_recorded() {
    let mut session = Session::new(small());
    let known = session.events("").0.len();
    let client = session.write("POST", "/clients", &json!({ "name": "Told" }));
    let id = client["client_id"].as_str().expect("an id").to_owned();
    let grant = session.write(
        "POST",
        "/client-grants",
        &json!({ "client_id": id, "audience": "https://x.example.com", "scope": ["a"] }),
    );
    assert!(grant["id"].as_str().is_some_and(|g| g.starts_with("cgr_") && g.len() == 20));
    let organization = session.tenant()["organizations"][0]["id"].as_str().expect("an id").to_owned();
    let user = session.tenant()["users"][0]["user_id"].clone();
    session.write("POST", &format!("/organizations/{organization}/members"), &json!({ "members": [user] }));
    session.write("DELETE", &format!("/clients/{id}"), &Value::Null);
    let events = session.new_events(known);
    assert_eq!(
        events[0]["details"]["response"]["body"]["client_secret"], client["client_secret"],
        "secrets are in it"
    );
    assert!(events[1]["details"]["response"]["body"].get("id").is_none(), "a client grant's body has no id");
    assert_eq!(events[2]["description"], "Add members to an organization");
    assert_eq!(events[2]["details"]["request"]["body"], json!({ "members": [user] }));
    assert_eq!(events[3]["details"]["request"]["path"], format!("/api/v2/clients/{id}").as_str());
    let refused = session.call("POST", "/clients", &json!({}));
    assert_eq!(refused.status, 400);
    assert_eq!(session.new_events(known).len(), 4, "what failed is not told");
}

#[test]
fn reading_secrets_leaves_a_trace() {
    let mut session = Session::new(small());
    let known = session.events("").0.len();
    session.get("/clients?fields=client_id,name");
    session.get("/clients");
    session.get("/log-streams");
    session.get("/connections?fields=id,name");
    let events = session.new_events(known);
    assert!(events.iter().all(|e| e["type"] == "mgmt_api_read"));
    let secrets: Vec<_> = events.iter().map(|e| e["details"]["accessedSecrets"].clone()).collect();
    assert_eq!(secrets[0], json!(["client_secret"]));
    assert_eq!(secrets[1], json!(["datadogApiKey", "splunkToken", "httpAuthorization"]));
    assert_eq!(secrets.len(), 2);
}

#[test]
fn the_generated_past_has_every_oddity_of_the_field() {
    let mut session = Session::new(Config { logs: 12_000, ..small() });
    let (events, _) = session.events("");
    let some = |what: &str, test: &dyn Fn(&Value) -> bool| assert!(events.iter().any(test), "{what}");
    some("scope as array", &|e| e["scope"].is_array());
    some("scope as text", &|e| e["scope"].is_string());
    some("client null", &|e| e.get("client_id").is_some_and(Value::is_null));
    some("client array", &|e| e["client_id"].is_array());
    some("credentials object", &|e| e["details"]["request"]["auth"]["credentials"].is_object());
    some("secrets", &|e| e["type"] == "mgmt_api_read" && e["details"]["accessedSecrets"].is_array());
    some("client in the response", &|e| e["details"]["response"]["body"]["client_id"].is_string());
    some("IPv6", &|e| e["ip"].as_str().is_some_and(|ip| ip.contains(':')));
    some("organization", &|e| e["organization_id"].is_string());
    let kinds: BTreeSet<_> = events.iter().filter_map(|e| e["type"].as_str()).collect();
    for kind in [
        "s",
        "f",
        "fp",
        "fu",
        "ss",
        "slo",
        "seacft",
        "sertft",
        "seccft",
        "ssa",
        "pwd_leak",
        "gd_start_auth",
        "gd_auth_succeed",
        "gd_auth_failed",
        "limit_wc",
        "scp",
        "sapi",
        "mgmt_api_read",
        "feacft",
    ] {
        assert!(kinds.contains(kind), "{kind}");
    }
}

#[test]
fn full_days_of_statistics_agree_with_the_log() {
    let mut session = Session::new(Config { logs: 6_000, ..small() });
    let (events, _) = session.events("");
    let rows = session.get("/stats/daily?from=20261010&to=20261030");
    for row in rows.as_array().into_iter().flatten() {
        let day = &row["date"].as_str().expect("a date")[..10];
        let count = |kind: &str| {
            events
                .iter()
                .filter(|e| e["type"] == kind && e["date"].as_str().is_some_and(|d| d.starts_with(day)))
                .count()
        };
        assert_eq!(row["logins"], count("s"), "{day}");
        assert_eq!(row["signups"], count("ss"), "{day}");
        assert_eq!(row["leaked_passwords"], count("pwd_leak"), "{day}");
    }
}

#[test]
fn logs_of_one_user() {
    let mut session = Session::new(small());
    let (events, _) = session.events("");
    let user = events
        .iter()
        .filter_map(|e| e["user_id"].as_str())
        .find(|u| u.contains('|'))
        .expect("a user")
        .to_owned();
    let own = session.get(&format!("/users/{}/logs?per_page=100", segment(&user)));
    let wanted = events.iter().filter(|e| e["user_id"] == user.as_str()).count();
    assert_eq!(own.as_array().map(Vec::len), Some(wanted.min(100)));
}
