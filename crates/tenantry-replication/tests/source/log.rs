//! The log: first read, going on, gaps.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tenantry_replication::error::SourceErrorKind;
use tenantry_replication::source::{Read, Source};
use tenantry_replication::state::Checkpoint;
use tenantry_simulator::{Config, Plan};

use super::network::{Answer, Script, Tenant, ok, parameter, refusal, stream};
use super::{Got, records};

fn config(logs: u32) -> Config {
    Config { users: 300, logs, plan: Plan::Unlimited, log_own_traffic: false, ..Config::default() }
}

fn log_ids(truth: &Value) -> BTreeSet<String> {
    truth["logs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["log_id"].as_str().unwrap().to_owned())
        .collect()
}

fn got_ids(got: &Got) -> BTreeSet<String> {
    got.counts("log_id").into_keys().collect()
}

fn position(checkpoint: Option<&Checkpoint>) -> String {
    match checkpoint {
        Some(Checkpoint::Log { log_id, .. }) => log_id.clone(),
        other => panic!("{other:?}"),
    }
}

fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}

#[test]
fn the_first_read_takes_everything_kept() {
    let tenant = Tenant::new(config(5_000));
    let truth = log_ids(&tenant.truth());
    let got = tenant.read("logs");
    assert_eq!(got_ids(&got), truth);
    assert!(got.complete && got.gaps.is_empty());
    // A page more tells that there is none, and the pages 2, 4, 8, ... and the first young one prove that nothing expired meanwhile.
    let pages = truth.len() / 100 + 1;
    assert_eq!(got.requests as usize, pages + pages.ilog2() as usize + 1);
    let Some(Checkpoint::Log { newest, .. }) = got.checkpoint else { panic!() };
    let newest_of_all = tenant.truth()["logs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["date"].as_str().unwrap().to_owned())
        .max();
    assert!(newest_of_all.unwrap().starts_with("2026-"));
    assert!(newest.is_some());
}

#[test]
fn the_next_read_takes_what_is_new_and_nothing_is_lost() {
    let tenant = Tenant::new(Config { late_logs_per_mille: 300, log_lag_micros: 5_000_000, ..config(2_000) });
    let mut got = tenant.read("logs");
    let mut all = got_ids(&got);
    for round in 0..8 {
        tenant.clock.pass(Duration::from_secs(45));
        tenant.control("/logins", &json!({ "count": 150, "seed": round }));
        tenant.clock.pass(Duration::from_secs(15));
        got = tenant.read_from("logs", Vec::new(), got.checkpoint);
        assert!(got.gaps.is_empty() && got.complete);
        all.extend(got_ids(&got));
    }
    tenant.clock.pass(Duration::from_mins(2));
    got = tenant.read_from("logs", Vec::new(), got.checkpoint);
    all.extend(got_ids(&got));
    assert_eq!(all, log_ids(&tenant.truth()));
}

#[test]
fn what_becomes_readable_behind_a_read_that_takes_long_is_taken_by_the_next() {
    let late =
        Config { late_logs_per_mille: 400, late_log_micros: 100_000_000, log_lag_micros: 0, ..config(0) };
    let tenant = Tenant::new(late);
    tenant.control("/logins", &json!({ "count": 150, "seed": 1 }));
    tenant.clock.pass(Duration::from_secs(1));
    let read = Read { stream: stream("logs"), parents: Vec::new(), from: None, since: None };
    let mut pages = tenant.source().open(read);
    let first = tenant.clock.run(pages.next()).unwrap().unwrap();
    let mut all: BTreeSet<String> =
        records(&first).iter().map(|event| event["log_id"].as_str().unwrap().to_owned()).collect();
    // More than two minutes lie between the events of one read.
    tenant.clock.pass(Duration::from_secs(170));
    tenant.control("/logins", &json!({ "count": 150, "seed": 2 }));
    tenant.clock.pass(Duration::from_secs(1));
    let rest = tenant.clock.run(super::read_all(pages)).unwrap();
    all.extend(got_ids(&rest));
    assert_ne!(all, log_ids(&tenant.truth()), "some were late");
    tenant.clock.pass(Duration::from_mins(2));
    all.extend(got_ids(&tenant.read_from("logs", Vec::new(), rest.checkpoint)));
    assert_eq!(all, log_ids(&tenant.truth()));
}

#[test]
fn a_quiet_log_costs_two_requests_at_most_and_its_position_moves_on() {
    let tenant = Tenant::new(Config { retention_days: Some(1), ..config(500) });
    let mut checkpoint = tenant.read("logs").checkpoint;
    for _ in 0..20 {
        tenant.clock.pass(hours(12));
        let got = tenant.read_from("logs", Vec::new(), checkpoint.clone());
        assert!(got.gaps.is_empty(), "polled twice a day, nothing can be lost: {:?}", got.gaps);
        assert!(got.requests <= 2, "{}", got.requests);
        assert!(position(got.checkpoint.as_ref()) >= position(checkpoint.as_ref()));
        checkpoint = got.checkpoint;
    }
}

#[test]
fn a_checkpoint_that_outlived_its_events_leaves_a_gap() {
    for expired_from_is_error in [true, false] {
        let tenant = Tenant::new(Config { retention_days: Some(1), expired_from_is_error, ..config(3_000) });
        let before = tenant.read("logs");
        tenant.clock.pass(hours(24));
        tenant.control("/logins", &json!({ "count": 200, "seed": 1 }));
        tenant.clock.pass(hours(48));
        tenant.control("/logins", &json!({ "count": 500, "seed": 2 }));
        tenant.clock.pass(hours(1));
        let kept = log_ids(&tenant.truth());
        let after = tenant.read_from("logs", Vec::new(), before.checkpoint.clone());
        assert_eq!(got_ids(&after), kept);
        assert_eq!(after.gaps.len(), 1);
        assert_eq!(after.gaps[0].from, position(before.checkpoint.as_ref()));
        assert_eq!(&after.gaps[0].to, kept.first().unwrap());
        assert!(after.complete);
        let again = tenant.read_from("logs", Vec::new(), after.checkpoint);
        assert!(again.gaps.is_empty(), "a gap is found once");
    }
}

#[test]
fn a_gap_with_nothing_left_behind_it_is_told_as_well() {
    let tenant = Tenant::new(Config { retention_days: Some(1), ..config(300) });
    let before = tenant.read("logs");
    tenant.clock.pass(hours(100));
    let after = tenant.read_from("logs", Vec::new(), before.checkpoint.clone());
    assert_eq!(after.gaps.len(), 1);
    assert_eq!(
        (after.gaps[0].from.clone(), after.gaps[0].to.as_str()),
        (position(before.checkpoint.as_ref()), "")
    );
}

#[test]
fn a_quiet_tenant_of_long_retention_has_no_gap() {
    let tenant = Tenant::new(config(300));
    let before = tenant.read("logs");
    tenant.clock.pass(hours(100));
    let after = tenant.read_from("logs", Vec::new(), before.checkpoint);
    assert!(after.gaps.is_empty() && after.complete);
}

/// Ids of events, one a minute from midnight on.
fn id(minute: usize) -> String {
    format!("900202610{:02}{:02}{:02}00{}", 1 + minute / 1440, minute / 60 % 24, minute % 60, "7".repeat(39))
}

fn event(minute: usize) -> Value {
    json!({ "log_id": id(minute), "date": "2026-10-01T00:00:00.000Z", "type": "s" })
}

fn with_link(body: Value, from: &str) -> Answer {
    let (status, mut headers, body) = ok(body);
    headers.push((
        "link",
        format!("<https://elsewhere.example.org/api/v2/logs?from={from}&take=100>; rel=\"next\""),
    ));
    (status, headers, body)
}

/// A log of events `kept`, whose server refuses positions by `refuses`.
fn server(kept: std::ops::Range<usize>, refuses: fn(&str) -> bool) -> Arc<Script> {
    Script::new(move |sent, _| {
        if let Some(asked) = sent.path.strip_prefix("/api/v2/logs/") {
            let found = kept.clone().find(|n| id(*n) == asked);
            return Ok(found.map_or_else(
                || refusal(404, "inexistent_log", "The log does not exist."),
                |n| ok(event(n)),
            ));
        }
        assert_eq!(sent.path, "/api/v2/logs");
        let Some(from) = parameter(&sent.query, "from") else {
            assert_eq!(parameter(&sent.query, "sort").as_deref(), Some("date:1"));
            return Ok(ok(Value::Array(kept.clone().take(100).map(event).collect())));
        };
        assert_eq!(parameter(&sent.query, "take").as_deref(), Some("100"));
        if refuses(&from) {
            return Ok(refusal(400, "invalid_query_string", "Invalid log_id"));
        }
        let page: Vec<usize> = kept.clone().filter(|n| id(*n) > from).take(100).collect();
        let last = page.last().map_or(from, |n| id(*n));
        Ok(with_link(Value::Array(page.into_iter().map(event).collect()), &last))
    })
}

#[test]
fn a_tenant_that_takes_no_made_position_is_read_from_its_oldest_event() {
    let script = server(0..350, |from| from.ends_with('0'));
    let got = script.read("logs", None).unwrap();
    assert_eq!(got_ids(&got).len(), 350);
    assert!(got_ids(&got).contains(&id(0)), "the first event is not lost");
    assert!(got.complete && got.gaps.is_empty());
}

#[test]
fn a_tenant_whose_ids_sort_elsewhere_is_read_from_its_oldest_event() {
    let script = Script::new(|sent, _| {
        let all: Vec<String> = (0..250).map(|n| format!("8002026100{}{n:04}", "1".repeat(42))).collect();
        let event = |id: &String| json!({ "log_id": id, "date": "2026-10-01T00:00:00.000Z" });
        match parameter(&sent.query, "from") {
            None => Ok(ok(all.iter().take(100).map(event).collect())),
            Some(from) => Ok(ok(all.iter().filter(|id| **id > from).take(100).map(event).collect())),
        }
    });
    let got = script.read("logs", None).unwrap();
    assert_eq!(got.counts("log_id").len(), 250);
}

#[test]
fn a_made_position_that_is_refused_on_resuming_falls_back_to_the_checkpoint_itself() {
    let script = server(0..350, |from| from.ends_with('0'));
    let from = Some(Checkpoint::Log { log_id: id(200), newest: None, whole_until: None, read_at: None });
    let got = script.read("logs", from).unwrap();
    assert_eq!(got_ids(&got).len(), 149);
    assert!(got.gaps.is_empty() && got.complete);
}

#[test]
fn a_refused_checkpoint_is_classified_by_asking_for_the_oldest_event() {
    let script = server(300..350, |from| from < "90020261001050000");
    let from = Some(Checkpoint::Log { log_id: id(200), newest: None, whole_until: None, read_at: None });
    let got = script.read("logs", from.clone()).unwrap();
    assert_eq!(got_ids(&got).len(), 50);
    assert_eq!((got.gaps[0].from.clone(), got.gaps[0].to.clone(), got.gaps.len()), (id(200), id(300), 1));
    // Refused although its event is still kept: read again from the oldest, and nothing is lost.
    let script = server(105..350, |from| from.ends_with('0') || from == id(200));
    let got = script.read("logs", from).unwrap();
    assert_eq!((got_ids(&got).len(), got.gaps.len()), (245, 0));
}

#[test]
fn a_refusal_of_everything_is_an_error() {
    let script = Script::new(|_, _| Ok(refusal(400, "invalid_query_string", "no")));
    for from in
        [None, Some(Checkpoint::Log { log_id: id(1), newest: None, whole_until: None, read_at: None })]
    {
        assert_eq!(script.read("logs", from).map(|_| ()).unwrap_err().kind, SourceErrorKind::Refused);
    }
}

#[test]
fn links_are_used_for_their_position_and_their_host_is_never_asked() {
    let script = server(0..120, |_| false);
    let got = script.read("logs", None).unwrap();
    assert_eq!(got_ids(&got).len(), 120);
    assert!(script.log().iter().all(|sent| sent.host == "tenantry-demo.us.auth0.example.com"));
}

/// A log of recent events, one a second until the start of time, whose server gives this many at a time.
fn capped(events: usize, cap: usize) -> Arc<Script> {
    let ids: Vec<String> = (0..events)
        .map(|n| format!("90020261102{:06}{}", 75_700 + n / 60 * 100 + n % 60, "7".repeat(39)))
        .collect();
    Script::new(move |sent, _| {
        let from = parameter(&sent.query, "from").unwrap();
        let page = ids.iter().filter(|id| **id > from).take(cap);
        Ok(ok(page.map(|id| json!({ "log_id": id, "date": "2026-11-02T07:58:00.000Z" })).collect()))
    })
}

#[test]
fn a_short_page_is_the_last_one_only_where_nothing_else_explains_it() {
    for (events, cap, requests) in [
        (37, 100, 1),  // short and recent: the end
        (50, 100, 2),  // perhaps cut
        (120, 50, 4),  // cut: two full ones, a rest that might be cut at 20, and an empty one
        (117, 50, 3),  // cut, and then short
        (150, 100, 2), // a full page was seen before
        (100, 100, 2), // full: there may be more
    ] {
        let got = capped(events, cap).read("logs", None).unwrap();
        assert_eq!(
            (got.counts("log_id").len(), got.requests, got.complete),
            (events, requests, true),
            "{events} by {cap}"
        );
    }
    // Old events are never believed to be the last ones, nor to have been all.
    let got = server(0..37, |_| false).read("logs", None).unwrap();
    assert_eq!((got.records().count(), got.requests), (37, 3));
}

#[test]
fn an_answer_that_begins_before_its_position_is_asked_for_again() {
    // Behind the first page comes an answer to another question, which holds some events before and some far behind.
    let is_spoiled = std::sync::atomic::AtomicBool::new(false);
    let script = Script::new(move |sent, _| {
        let Some(from) = parameter(&sent.query, "from") else { return Ok(ok(json!([event(0)]))) };
        let mut page: Vec<usize> = (0..250).filter(|n| id(*n) > from).take(100).collect();
        if from == id(99) && !is_spoiled.swap(true, std::sync::atomic::Ordering::Relaxed) {
            page = vec![240, 5, 241, 99];
        }
        let last = page.iter().max().map_or(from, |n| id(*n));
        Ok(with_link(Value::Array(page.into_iter().map(event).collect()), &last))
    });
    let got = script.read("logs", None).unwrap();
    assert!(got.complete);
    assert_eq!(got_ids(&got), (0..250).map(id).collect());
}

#[test]
fn a_log_that_stands_still_is_an_error_not_endless() {
    let script = Script::new(|sent, _| {
        let Some(from) = parameter(&sent.query, "from") else { return Ok(ok(json!([event(5)]))) };
        let shown = if from == id(5) || from.ends_with('0') { event(5) } else { panic!("{from}") };
        Ok(with_link(json!([shown]), &from))
    });
    assert_eq!(script.read("logs", None).map(|_| ()).unwrap_err().kind, SourceErrorKind::Malformed);
}

#[test]
fn a_log_that_leads_back_to_earlier_pages_is_an_error_not_endless() {
    // The page behind the third one is the first one again; or the third one, by positions that are new for ever.
    for (leads_back, is_new) in [(0, false), (200, true)] {
        let script = Script::new(move |sent, before| {
            let Some(from) = parameter(&sent.query, "from") else { return Ok(ok(json!([event(0)]))) };
            let begin = match (0..300).find(|n| id(*n) == from) {
                Some(299) => leads_back,
                Some(n) => n + 1,
                None if before < 2 => 0,
                None => leads_back,
            };
            let last = id(begin + 99);
            let next = if is_new && begin == leads_back { format!("{before}{}", &last[1..]) } else { last };
            Ok(with_link(Value::Array((begin..begin + 100).map(event).collect()), &next))
        });
        let error = script.read("logs", None).map(|_| ()).unwrap_err();
        assert_eq!(error.kind, SourceErrorKind::Malformed, "{error}");
        assert!(script.log().len() < 20, "{} requests", script.log().len());
    }
}

#[test]
fn days_come_whole_and_then_from_the_last_that_may_change() {
    let tenant = Tenant::new(Config { stats_days: 480, ..config(100) });
    let all = tenant.truth()["stats_daily"].as_array().unwrap().len();
    let got = tenant.read("stats_daily");
    assert_eq!((got.records().count(), got.requests, got.complete), (all, 1, true));
    assert_eq!(got.checkpoint, Some(Checkpoint::Daily { date: "2026-11-01".into() }));
    tenant.clock.pass(hours(48));
    let next = tenant.read_from("stats_daily", Vec::new(), got.checkpoint);
    assert!(next.records().count() <= 5);
    assert_eq!(next.checkpoint, Some(Checkpoint::Daily { date: "2026-11-03".into() }));
    let asked = tenant.api_log().pop().unwrap();
    assert_eq!(parameter(&asked.query, "from").as_deref(), Some("20261031"));
    assert_eq!(parameter(&asked.query, "to").as_deref(), Some("20261104"));
}

#[test]
fn days_are_asked_for_without_a_range_where_none_so_long_is_taken() {
    let script = Script::new(|sent, _| {
        if sent.query.is_empty() {
            Ok(ok(json!([{ "date": "2026-10-01T00:00:00.000Z" }])))
        } else {
            Ok(refusal(400, "invalid_query_string", "too long"))
        }
    });
    let got = script.read("stats_daily", None).unwrap();
    assert_eq!((got.records().count(), got.requests, got.complete), (1, 2, true));
}
