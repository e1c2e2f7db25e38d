//! The Events feed: what it tells of, where it goes on, how it refuses, and what a socket sees of it.

use crate::support::{SECOND, Session, segment, small};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use tenantry_simulator::{Config, Plan, Request, Response, Simulation, server};

/// One message of the feed.
#[derive(Debug)]
struct Message {
    kind: String,
    data: Value,
}

fn messages(text: &str) -> Vec<Message> {
    let field = |block: &str, name: &str| {
        let mut lines = block.lines().filter_map(|line| line.strip_prefix(name));
        lines.next().map(str::to_owned).unwrap_or_default()
    };
    let blocks = text.split("\n\n").filter(|block| block.contains("data: "));
    let message = |block: &str| Message {
        kind: field(block, "event: "),
        data: serde_json::from_str(&field(block, "data: ")).expect("JSON"),
    };
    blocks.map(message).collect()
}

fn subscribe(session: &mut Session, query: &str) -> Response {
    session.call("GET", &format!("/events{query}"), &Value::Null)
}

/// What a connection that asks so sees until now, and the offset to go on from.
fn heard(session: &mut Session, query: &str) -> (Vec<Message>, String) {
    let response = subscribe(session, query);
    assert_eq!(response.status, 200, "{query}: {}", response.json());
    assert_eq!(response.header_value("content-type"), Some("text/event-stream"));
    let messages = messages(&String::from_utf8_lossy(&response.body));
    let last = messages.last().expect("at least an offset").data["offset"].as_str().expect("text").to_owned();
    (messages, last)
}

/// What the feed tells of what `change` does, as type and object.
fn told(session: &mut Session, change: impl FnOnce(&mut Session)) -> Vec<(String, Value)> {
    let (_, offset) = heard(session, "");
    change(session);
    session.now += SECOND;
    let (messages, _) = heard(session, &format!("?from={offset}"));
    let events = messages.into_iter().filter(|message| message.kind != "offset-only");
    events.map(|message| (message.kind, message.data["event"]["data"]["object"].clone())).collect()
}

fn kinds(told: &[(String, Value)]) -> Vec<&str> {
    told.iter().map(|(kind, _)| kind.as_str()).collect()
}

#[test]
fn every_change_of_people_and_organizations_is_told() {
    let mut session = Session::new(small());
    let truth = session.tenant();
    let user = truth["users"][3]["user_id"].as_str().expect("an id").to_owned();
    let path = format!("/users/{}", segment(&user));
    let told_of = told(&mut session, |s| drop(s.write("PATCH", &path, &json!({ "nickname": "n" }))));
    assert_eq!(kinds(&told_of), ["user.updated"]);
    assert_eq!((&told_of[0].1["user_id"], &told_of[0].1["nickname"]), (&json!(user), &json!("n")));
    let mut made = Value::Null;
    let told_of = told(&mut session, |s| {
        made = s.write("POST", "/organizations", &json!({ "name": "made-now" }));
    });
    assert_eq!(kinds(&told_of), ["organization.created"]);
    let organization = made["id"].as_str().expect("an id").to_owned();
    let members = format!("/organizations/{organization}/members");
    let told_of =
        told(&mut session, |s| drop(s.write("POST", &members, &json!({ "members": [user.clone()] }))));
    assert_eq!(kinds(&told_of), ["organization.member.added"]);
    assert_eq!(told_of[0].1["organization"]["id"], organization.as_str());
    assert_eq!(told_of[0].1["user"]["user_id"], user.as_str());
    let role = truth["roles"][0]["id"].clone();
    let roles = format!("{members}/{}/roles", segment(&user));
    let told_of = told(&mut session, |s| drop(s.write("POST", &roles, &json!({ "roles": [role] }))));
    assert_eq!(kinds(&told_of), ["organization.member.role.assigned"]);
    let told_of = told(&mut session, |s| drop(s.write("DELETE", &path, &Value::Null)));
    let seen: BTreeSet<&str> = kinds(&told_of).into_iter().collect();
    assert_eq!(seen, BTreeSet::from(["organization.member.deleted", "user.deleted"]));
    assert!(told_of.iter().any(|(kind, object)| kind == "user.deleted" && object["deleted_at"].is_string()));
    let one = format!("/organizations/{organization}");
    let told_of = told(&mut session, |s| drop(s.write("PATCH", &one, &json!({ "display_name": "x" }))));
    assert_eq!(kinds(&told_of), ["organization.updated"]);
    let told_of = told(&mut session, |s| drop(s.write("DELETE", &one, &Value::Null)));
    assert_eq!(kinds(&told_of), ["organization.deleted"]);
}

#[test]
fn what_goes_with_something_else_and_what_comes_without_a_write_is_told() {
    let mut session = Session::new(small());
    let truth = session.tenant();
    let told_of =
        told(&mut session, |s| drop(s.control("POST", "/logins", &json!({ "count": 5, "seed": 1 }))));
    assert_eq!(told_of.iter().filter(|(kind, _)| kind == "user.updated").count(), 5);
    let told_of =
        told(&mut session, |s| drop(s.control("POST", "/import", &json!({ "count": 30, "seed": 1 }))));
    assert_eq!(kinds(&told_of), vec!["user.created"; 30]);
    let source = truth["users"][0]["identities"][0]["connection"].clone();
    let connections = truth["connections"].as_array().expect("an array");
    let connection = connections.iter().find(|row| row["name"] == source).expect("its connection");
    let path = format!("/connections/{}", connection["id"].as_str().expect("an id"));
    let told_of = told(&mut session, |s| drop(s.write("DELETE", &path, &Value::Null)));
    let left: BTreeSet<String> = session.tenant()["users"]
        .as_array()
        .expect("an array")
        .iter()
        .map(|u| u["user_id"].to_string())
        .collect();
    let gone = truth["users"].as_array().expect("an array").iter();
    let gone: BTreeSet<String> =
        gone.map(|u| u["user_id"].to_string()).filter(|id| !left.contains(id)).collect();
    let deleted = told_of.iter().filter(|(kind, _)| kind == "user.deleted");
    let deleted: BTreeSet<String> = deleted.map(|(_, object)| object["user_id"].to_string()).collect();
    assert!(gone.len() > 5 && gone.is_subset(&deleted), "{} {}", gone.len(), deleted.len());
    assert!(kinds(&told_of).contains(&"connection.deleted"));
}

#[test]
fn a_position_goes_on_where_it_stood_and_the_header_goes_first() {
    let mut session = Session::new(small());
    let (_, start) = heard(&mut session, "");
    session.control("POST", "/import", &json!({ "count": 700, "seed": 1 }));
    session.now += SECOND;
    let (first, next) = heard(&mut session, &format!("?from={start}"));
    let (second, last) = heard(&mut session, &format!("?from={next}"));
    assert_eq!((first.len(), second.len()), (500, 200));
    let request = Request::get(&format!("/api/v2/events?from={start}"));
    let request = request.bearer(&session.token.clone()).header("last-event-id", &last);
    let response = session.send(&request);
    let only = messages(&String::from_utf8_lossy(&response.body));
    assert_eq!(only.iter().map(|m| m.kind.as_str()).collect::<Vec<_>>(), ["offset-only"]);
    let (filtered, _) = heard(
        &mut session,
        &format!("?from={start}&event_type=user.deleted&event_type=organization.created"),
    );
    assert_eq!(filtered.iter().map(|m| m.kind.as_str()).collect::<Vec<_>>(), ["offset-only"]);
    assert_eq!(filtered[0].data["offset"], next.as_str(), "passed events move the offset");
    let (from_then, _) = heard(&mut session, "?from_timestamp=2026-11-02T08:00:00Z");
    assert_eq!(from_then.len(), 500);
}

#[test]
fn the_feed_refuses_as_documented() {
    let mut session = Session::new(Config { event_retention_micros: 60 * SECOND, ..small() });
    assert_eq!(session.refused("/events?from=nonsense").0, 400);
    assert_eq!(session.refused("/events?event_type=user.vanished").0, 400);
    assert_eq!(session.refused("/events?from_timestamp=2026-11-02T08:00:00.000Z").0, 400, "too long");
    let (_, offset) = heard(&mut session, "");
    session.control("POST", "/import", &json!({ "count": 3 }));
    session.now += 120 * SECOND;
    assert_eq!(session.refused(&format!("/events?from={offset}")).0, 410);
    session.control("POST", "/config", &json!({ "event_error": "timeout" }));
    let response = subscribe(&mut session, "");
    let seen = messages(&String::from_utf8_lossy(&response.body));
    assert_eq!((seen[0].kind.as_str(), &seen[0].data["error"]["code"]), ("error", &json!("timeout")));
    for status in [404, 403] {
        session.control("POST", "/config", &json!({ "events_refused_with": status }));
        assert_eq!(session.refused("/events").0, status);
    }
    session.control("POST", "/config", &json!({ "events_refused_with": 0 }));
    session.control("POST", "/scopes", &json!({ "scopes": ["read:users"] }));
    let (status, body) = session.refused("/events");
    assert_eq!((status, &body["errorCode"]), (403, &json!("insufficient_scope")));
}

#[test]
fn in_disorder_everything_still_comes() {
    let mut session = Session::new(Config { event_disorder_per_mille: 400, ..small() });
    let (_, offset) = heard(&mut session, "");
    session.control("POST", "/import", &json!({ "count": 200, "seed": 4 }));
    session.now += 10 * SECOND;
    let (messages, _) = heard(&mut session, &format!("?from={offset}"));
    let id = |m: &Message| m.data["event"]["data"]["object"]["user_id"].to_string();
    let ids: BTreeSet<String> = messages.iter().map(id).collect();
    assert_eq!(ids.len(), 200);
    assert!(messages.len() > 220, "some come twice: {}", messages.len());
}

/// Opens a connection to the feed; what it says can be read from it.
fn listen(address: std::net::SocketAddr, token: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time limit");
    let request = format!("GET /api/v2/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("a request");
    stream
}

fn read_until(stream: &mut TcpStream, what: &str) -> String {
    let mut text = String::new();
    let mut piece = [0; 4096];
    while !text.contains(what) {
        let count = stream.read(&mut piece).expect("more");
        assert!(count > 0, "the connection ended: {text}");
        text.push_str(&String::from_utf8_lossy(&piece[..count]));
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_hears_changes_heartbeats_and_the_end() {
    let config =
        Config { plan: Plan::Free, event_heartbeat_micros: SECOND / 5, event_lag_micros: 0, ..small() };
    // The same tenant, so that its token is good for the server's.
    let token = Session::new(config.clone()).token;
    let server = server::start(Simulation::new(config), 0).await.expect("a server");
    let (address, simulation) = (server.address, server.simulation());
    let task = tokio::task::spawn_blocking(move || {
        let control = |path: &str, body: Value| {
            let mut simulation = simulation.lock().expect("the tenant");
            let now = simulation.start();
            let request = Request::new("POST", &format!("/__sim/{path}")).json(&body);
            assert_eq!(simulation.handle(&request, now).status, 200, "{path}");
        };
        let mut first = listen(address, &token);
        let text = read_until(&mut first, "offset-only");
        assert!(text.contains("content-type: text/event-stream"), "{text}");
        read_until(&mut first, ": heartbeat");
        let refused = read_until(&mut listen(address, &token), "Maximum concurrent");
        assert!(refused.starts_with("HTTP/1.1 429") && refused.contains("retry-after: "), "{refused}");
        control("import", json!({ "count": 2 }));
        let text = read_until(&mut first, "user.created");
        assert!(text.contains("\"specversion\":\"1.0\""), "{text}");
        control("config", json!({ "event_connection_micros": 1 }));
        let text = read_until(&mut first, "0\r\n\r\n");
        assert!(!text.contains("event: error"), "closed by design, not in error: {text}");
        // What has ended no longer counts; the clock fills the plan's two requests a second.
        control("config", json!({ "event_connection_micros": 600 * SECOND }));
        control("clock", json!({ "advance_seconds": 5 }));
        read_until(&mut listen(address, &token), "HTTP/1.1 200");
    });
    task.await.expect("no panic");
    server.stop().await;
}
