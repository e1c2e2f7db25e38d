//! The Events feed: it goes on where it was however its connections end, and says when it cannot be had.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};
use tenantry_replication::clock::Clock as _;
use tenantry_replication::error::{SourceErrorKind, SourceResult};
use tenantry_replication::source::auth0::{
    Auth0, Body, Headers, HttpRequest, HttpResponse, Patience, Transport, TransportError,
};
use tenantry_replication::source::{Feed, Heard, Source as _};
use tenantry_replication::state::Checkpoint;
use tenantry_simulator::{Config, Plan};

use super::network::{Answer, Script, Tenant, refusal, settings};
use tenantry_replication::clock::VirtualClock;

fn tenant() -> Arc<Tenant> {
    Tenant::new(Config {
        users: 20,
        logs: 10,
        plan: Plan::Unlimited,
        event_lag_micros: 0,
        ..Config::default()
    })
}

/// An event as a test looks at it.
fn event(heard: &Heard) -> Option<Value> {
    match heard {
        Heard::Event { event, .. } => Some(serde_json::from_slice(event).unwrap()),
        _ => None,
    }
}

fn offset(heard: &Heard) -> Option<Checkpoint> {
    match heard {
        Heard::Event { checkpoint, .. } | Heard::Passed { checkpoint } => Some(checkpoint.clone()),
        Heard::Open | Heard::Lost => None,
    }
}

/// Listens until `enough` of it.
fn until(tenant: &Tenant, feed: &mut dyn Feed, enough: impl Fn(&[Heard]) -> bool) -> Vec<Heard> {
    let mut all = Vec::new();
    while !enough(&all) {
        assert!(all.len() < 5_000, "never enough");
        all.push(tenant.clock.run(feed.next()).unwrap());
    }
    all
}

fn ids(heard: &[Heard]) -> BTreeSet<String> {
    heard.iter().filter_map(event).map(|event| event["data"]["object"]["user_id"].to_string()).collect()
}

fn events(heard: &[Heard]) -> usize {
    heard.iter().filter_map(event).count()
}

#[test]
fn connections_that_close_by_design_lose_nothing_and_are_opened_again_without_haste() {
    let tenant = tenant();
    let mut feed = tenant.source().follow(None);
    until(&tenant, &mut *feed, |all| all.iter().any(|one| offset(one).is_some()));
    tenant.control("/import", &json!({ "count": 1_200, "seed": 1 }));
    // In this process each connection gives at most 500 events and is closed.
    let heard = until(&tenant, &mut *feed, |all| events(all) == 1_200);
    assert_eq!(ids(&heard).len(), 1_200);
    let log = tenant.log();
    let asked: Vec<_> = log.iter().filter(|sent| sent.path == "/api/v2/events").collect();
    assert!(asked.len() >= 4 && asked[0].query.is_empty(), "{asked:?}");
    assert!(asked[1..].iter().all(|sent| sent.query.starts_with("from=")), "{asked:?}");
    assert!(asked.windows(2).all(|two| two[1].at >= two[0].at + Duration::from_secs(1)), "not in a rush");
}

#[test]
fn another_process_goes_on_from_the_offset() {
    let tenant = tenant();
    let mut feed = tenant.source().follow(None);
    let heard = until(&tenant, &mut *feed, |all| all.iter().any(|one| offset(one).is_some()));
    let checkpoint = heard.iter().rev().find_map(offset);
    drop(feed);
    tenant.control("/import", &json!({ "count": 7, "seed": 1 }));
    tenant.clock.pass(Duration::from_mins(10));
    let mut feed = tenant.source().follow(checkpoint);
    let heard = until(&tenant, &mut *feed, |all| events(all) == 7);
    assert_eq!(heard[0], Heard::Open);
}

#[test]
fn an_expired_offset_is_told_once_and_the_feed_begins_anew() {
    let tenant = tenant();
    tenant.control("/config", &json!({ "event_retention_micros": 60_000_000 }));
    let mut feed = tenant.source().follow(None);
    let heard = until(&tenant, &mut *feed, |all| all.iter().any(|one| offset(one).is_some()));
    let checkpoint = heard.iter().rev().find_map(offset);
    tenant.control("/import", &json!({ "count": 3, "seed": 1 }));
    tenant.clock.pass(Duration::from_mins(10));
    tenant.control("/import", &json!({ "count": 5, "seed": 2 }));
    let mut feed = tenant.source().follow(checkpoint);
    let heard = until(&tenant, &mut *feed, |all| events(all) == 5);
    assert_eq!(heard.iter().filter(|one| **one == Heard::Lost).count(), 1, "{heard:?}");
    let last = tenant.log().pop().unwrap();
    let time = super::network::parameter(&last.query, "from_timestamp").unwrap();
    assert_eq!(time.len(), 20, "{time}");
}

#[test]
fn errors_in_the_stream_and_of_the_network_are_waited_out() {
    let tenant = tenant();
    let mut feed = tenant.source().follow(None);
    until(&tenant, &mut *feed, |all| all.iter().any(|one| offset(one).is_some()));
    for code in ["timeout", "processing_error", "connection_timeout"] {
        tenant.control("/config", &json!({ "event_error": code }));
        tenant.control("/import", &json!({ "count": 4, "seed": 1 }));
        until(&tenant, &mut *feed, |all| events(all) == 4);
    }
    tenant.fault(json!({ "path": "/api/v2/events", "times": 3, "status": 503 }));
    tenant.control("/import", &json!({ "count": 4, "seed": 1 }));
    until(&tenant, &mut *feed, |all| events(all) == 4);
    tenant.control("/config", &json!({ "event_error": "cursor_expired" }));
    until(&tenant, &mut *feed, |all| all.contains(&Heard::Lost));
}

#[test]
fn a_token_that_has_expired_is_renewed() {
    let tenant = tenant();
    let mut feed = tenant.source().follow(None);
    until(&tenant, &mut *feed, |all| all.iter().any(|one| offset(one).is_some()));
    tenant.clock.pass(Duration::from_hours(30));
    tenant.control("/import", &json!({ "count": 2, "seed": 1 }));
    until(&tenant, &mut *feed, |all| events(all) == 2);
}

#[test]
fn where_there_is_no_feed_that_is_an_error_and_asked_no_further() {
    let kind_of = |change: &dyn Fn(&Tenant)| {
        let tenant = tenant();
        change(&tenant);
        let mut feed = tenant.source().follow(None);
        let kind = tenant.clock.run(feed.next()).unwrap_err().kind;
        (kind, tenant.log().iter().filter(|sent| sent.path == "/api/v2/events").count())
    };
    let config = |status: u16| {
        move |tenant: &Tenant| drop(tenant.control("/config", &json!({ "events_refused_with": status })))
    };
    assert_eq!(kind_of(&config(404)), (SourceErrorKind::NotOffered, 1));
    assert_eq!(kind_of(&config(403)), (SourceErrorKind::NotOffered, 1));
    let scopes = |tenant: &Tenant| drop(tenant.control("/scopes", &json!({ "scopes": ["read:users"] })));
    assert_eq!(kind_of(&scopes), (SourceErrorKind::ScopeMissing, 1));
}

fn stream(body: &str) -> Answer {
    (200, vec![("content-type", "text/event-stream; charset=utf-8".to_owned())], body.to_owned())
}

fn next(script: &Script, feed: &mut dyn Feed) -> SourceResult<Heard> {
    script.clock.run(feed.next())
}

#[test]
fn too_many_connections_are_waited_for_in_either_status_and_hold_nobody_else_up() {
    let full = |status| {
        refusal(
            status,
            "",
            "Maximum concurrent event stream connections reached. Please close existing connections.",
        )
    };
    let script =
        Script::answers([full(403), full(429), stream("event: offset-only\ndata: {\"offset\":\"a\"}\n\n")]);
    let mut feed = script.source().follow(None);
    assert_eq!(next(&script, &mut *feed).unwrap(), Heard::Open);
    let checkpoint = Checkpoint::Events { offset: "a".into() };
    assert_eq!(next(&script, &mut *feed).unwrap(), Heard::Passed { checkpoint });
    assert!(script.clock.monotonic() >= Duration::from_secs(2));
}

#[test]
fn a_feed_that_keeps_failing_says_so_and_can_be_asked_again() {
    let script = Script::new(|_, before| {
        Ok(if before < 8 {
            refusal(503, "", "down")
        } else {
            stream("id: b\ndata: {\"event\":{\"type\":\"x\"}}\n\n")
        })
    });
    let mut feed = script.source().follow(Some(Checkpoint::Events { offset: "a".into() }));
    let error = next(&script, &mut *feed).unwrap_err();
    assert_eq!((error.kind, script.log().len()), (SourceErrorKind::Unavailable, 8));
    assert_eq!(next(&script, &mut *feed).unwrap(), Heard::Open);
    let checkpoint = Checkpoint::Events { offset: "b".into() };
    let event = Bytes::from_static(b"{\"type\":\"x\"}");
    assert_eq!(next(&script, &mut *feed).unwrap(), Heard::Event { event, checkpoint });
    assert!(script.log().iter().all(|sent| sent.query == "from=a"));
}

#[test]
fn what_is_no_stream_of_events_is_none() {
    let script = Script::new(|_, _| Ok((200, Vec::new(), "{}".to_owned())));
    let mut feed = script.source().follow(None);
    assert_eq!(next(&script, &mut *feed).unwrap_err().kind, SourceErrorKind::Malformed);
}

/// A feed that says one offset for each connection and then nothing, and an API beside it.
struct Quiet {
    clock: Arc<VirtualClock>,
    /// When each connection was opened, and the position that its header named.
    opened: Mutex<Vec<(Duration, Option<String>)>>,
}

struct Silence {
    clock: Arc<VirtualClock>,
    first: Option<Bytes>,
}

#[async_trait]
impl Body for Silence {
    async fn next(&mut self) -> Result<Option<Bytes>, TransportError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        self.clock.sleep(Duration::from_hours(1)).await;
        Ok(None)
    }
}

#[async_trait]
impl Transport for Quiet {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        let json = |body: Value| Ok(HttpResponse::whole(200, Headers::default(), body.to_string().into()));
        match request.url.path.as_str() {
            "/oauth/token" => json(json!({ "access_token": "t", "expires_in": 86_400 })),
            "/api/v2/events" => {
                assert_eq!(request.patience, Patience::Endless);
                let header = request.headers.into_iter().find(|(name, _)| *name == "last-event-id");
                let mut opened = self.opened.lock().unwrap();
                opened.push((self.clock.monotonic(), header.map(|(_, value)| value)));
                let first = format!("event: offset-only\ndata: {{\"offset\":\"n{}\"}}\n\n", opened.len());
                let headers = Headers::new([("content-type".to_owned(), "text/event-stream".to_owned())]);
                let body = Box::new(Silence { clock: Arc::clone(&self.clock), first: Some(first.into()) });
                Ok(HttpResponse { status: 200, headers, framed: true, body })
            }
            _ => json(json!({ "roles": [], "total": 0, "start": 0, "limit": 100 })),
        }
    }
}

#[test]
fn silence_opens_another_connection_and_an_open_one_keeps_no_request_out() {
    let clock = super::time::clock();
    let quiet = Arc::new(Quiet { clock: Arc::clone(&clock), opened: Mutex::default() });
    let mut settings = settings();
    settings.in_flight = 1;
    let source = Auth0::new(settings, Arc::clone(&quiet) as _, Arc::clone(&clock) as _);
    let mut feed = source.follow(None);
    let mut next = || clock.run(feed.next()).unwrap();
    assert_eq!(next(), Heard::Open);
    let at = |n: u32| Heard::Passed { checkpoint: Checkpoint::Events { offset: format!("n{n}") } };
    assert_eq!(next(), at(1));
    let read = source.open(tenantry_replication::source::Read {
        stream: super::network::stream("roles"),
        parents: Vec::new(),
        from: None,
        since: None,
    });
    assert!(clock.run(super::read_all(read)).unwrap().complete);
    assert_eq!([next(), next()], [Heard::Open, at(2)]);
    let opened = quiet.opened.lock().unwrap().clone();
    assert_eq!(opened[1].1.as_deref(), Some("n1"), "it goes on by the header");
    let apart = opened[1].0.saturating_sub(opened[0].0);
    assert!((40..45).contains(&apart.as_secs()), "{apart:?}");
}
