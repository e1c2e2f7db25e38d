//! Reads that are broken off anywhere and go on in another process, and the allowance that breaks them off.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tenantry_replication::clock::Clock as _;
use tenantry_replication::error::{SourceErrorKind, SourceResult};
use tenantry_replication::source::{Pages, Position, Read, Source};
use tenantry_simulator::{Config, Plan};

use super::network::{Script, Tenant, ok, parameter, refusal, stream};
use super::{Got, records};

fn unlimited() -> Config {
    Config { plan: Plan::Unlimited, log_own_traffic: false, ..Config::default() }
}

fn read_of(name: &str, parents: &[String]) -> Read {
    Read { stream: stream(name), parents: parents.to_vec(), from: None, since: None }
}

/// Takes so many pages, or all; gives where the read stands then, and whether it is over.
async fn take(pages: &mut dyn Pages, most: usize, got: &mut Got) -> SourceResult<bool> {
    for _ in 0..most {
        let Some(page) = pages.next().await? else {
            got.complete = pages.complete();
            return Ok(true);
        };
        if !page.body.is_empty() {
            got.pages.push((page.parent.clone(), records(&page)));
        }
    }
    Ok(false)
}

/// Reads a stream by a process after another, each of which takes `most` pages and is killed.
fn read_in_pieces(tenant: &Arc<Tenant>, name: &str, parents: &[String], most: usize) -> Got {
    let mut got = Got::default();
    let mut position: Option<Position> = None;
    loop {
        let source = tenant.source();
        let read = read_of(name, parents);
        let mut pages = match &position {
            Some(position) => source.resume(read, &position.text).expect("a position of this source"),
            None => source.open(read),
        };
        let over = tenant.clock.run(take(pages.as_mut(), most, &mut got)).unwrap();
        got.requests += pages.requests();
        if over {
            return got;
        }
        position = pages.position();
        assert!(position.is_some(), "{name} can be gone on with");
    }
}

fn counts(got: &Got, id: &str) -> BTreeMap<(Option<String>, String), usize> {
    let mut counts = BTreeMap::new();
    for (parent, records) in &got.pages {
        for record in records {
            *counts.entry((parent.clone(), record[id].as_str().unwrap().to_owned())).or_insert(0) += 1;
        }
    }
    counts
}

#[test]
fn a_list_goes_on_with_the_page_after_the_last() {
    let config =
        Config { organizations: 730, clients: 450, connections: 320, roles: 250, grants: 730, ..unlimited() };
    for (name, id) in [
        ("organizations", "id"),
        ("clients", "client_id"),
        ("connections", "id"),
        ("roles", "id"),
        ("grants", "id"),
        ("log_streams", "id"),
    ] {
        let whole = Tenant::new(config.clone()).read(name);
        for most in [1, 2, 3] {
            let got = read_in_pieces(&Tenant::new(config.clone()), name, &[], most);
            assert!(got.complete, "{name} by {most}");
            assert_eq!(counts(&got, id), counts(&whole, id), "{name} by {most}");
            assert!(counts(&got, id).values().all(|count| *count == 1), "{name} by {most}");
            assert_eq!(got.requests, whole.requests, "{name} by {most}: no page is asked for twice");
        }
    }
}

#[test]
fn a_list_that_moves_between_two_runs_is_not_taken_for_complete() {
    let tenant = Tenant::new(Config { roles: 250, ..unlimited() });
    let source = tenant.source();
    let mut pages = source.open(read_of("roles", &[]));
    let mut got = Got::default();
    assert!(!tenant.clock.run(take(pages.as_mut(), 1, &mut got)).unwrap());
    let position = pages.position().unwrap();
    tenant.control("/churn", &json!({ "seed": 1, "roles_deleted": 3 }));
    let mut pages = tenant.source().resume(read_of("roles", &[]), &position.text).unwrap();
    assert!(tenant.clock.run(take(pages.as_mut(), 100, &mut got)).unwrap());
    assert!(got.complete, "it was walked once more, and that walk was undisturbed");
    let held = tenant.truth()["roles"].as_array().unwrap().len();
    let last_walk: usize = got.pages.iter().rev().take(held.div_ceil(100)).map(|(_, page)| page.len()).sum();
    assert_eq!(last_walk, held);
}

#[test]
fn a_read_that_is_gone_on_with_has_its_tries_anew() {
    // Where the list moved under every walk of an earlier run, its last one cannot end well.
    let offset = Script::new(|sent, before| {
        let page: usize = parameter(&sent.query, "page").unwrap().parse().unwrap();
        let total = if before < 5 { 150 - page } else { 150 };
        let ids = (page * 100..total.min(page * 100 + 100)).map(|n| json!({ "id": n.to_string() }));
        Ok(ok(json!({ "roles": ids.collect::<Vec<_>>(), "total": total })))
    });
    // A position that is no longer known, once in each run.
    let checkpoint = Script::new(|sent, before| {
        let from: usize = parameter(&sent.query, "from").map_or(0, |from| from.parse().unwrap());
        if before == 1 || before == 3 {
            return Ok(refusal(400, "invalid_query_string", "Invalid checkpoint"));
        }
        let next = (from < 2).then(|| (from + 1).to_string());
        Ok(ok(json!({ "organizations": [{ "id": from.to_string() }], "next": next })))
    });
    for (name, script, requests, ids) in [("roles", offset, 5, 150), ("organizations", checkpoint, 3, 3)] {
        let mut got = Got::default();
        let source = script.source();
        let mut pages = source.open(read_of(name, &[]));
        while pages.requests() < requests {
            assert!(!script.clock.run(take(pages.as_mut(), 1, &mut got)).unwrap(), "{name}");
        }
        let position = pages.position().unwrap();
        let mut pages = script.source().resume(read_of(name, &[]), &position.text).unwrap();
        assert!(script.clock.run(take(pages.as_mut(), 100, &mut got)).unwrap(), "{name}");
        assert!(got.complete, "{name}");
        assert_eq!(got.counts("id").len(), ids, "{name}");
    }
}

#[test]
fn a_read_that_ended_without_all_of_it_is_not_gone_on_with() {
    // Each answer counts one role more than there is: no walk comes to a good end.
    let script = Script::new(|sent, before| {
        let page: usize = parameter(&sent.query, "page").unwrap().parse().unwrap();
        let ids: Vec<_> = if page == 0 { vec![json!({ "id": "1" })] } else { Vec::new() };
        Ok(ok(json!({ "roles": ids, "total": 2 + before })))
    });
    let mut pages = script.source().open(read_of("roles", &[]));
    let mut got = Got::default();
    assert!(script.clock.run(take(pages.as_mut(), 100, &mut got)).unwrap());
    let position = pages.position().unwrap();
    assert!(position.ended && !got.complete);
    assert!(script.source().resume(read_of("roles", &[]), &position.text).is_none());
}

#[test]
fn a_fan_out_goes_on_with_the_parents_that_are_not_done() {
    let config = Config {
        organizations: 40,
        members_per_organization: 25,
        users: 600,
        connections: 30,
        clients: 60,
        ..unlimited()
    };
    for (name, collection, id) in [
        ("organization_members", "organizations", "user_id"),
        ("connection_clients", "connections", "client_id"),
    ] {
        let tenant = Tenant::new(config.clone());
        let truth = tenant.truth();
        let parents: Vec<String> = truth[collection]
            .as_array()
            .unwrap()
            .iter()
            .map(|parent| parent["id"].as_str().unwrap().to_owned())
            .collect();
        let whole = tenant.read_from(name, parents.clone(), None);
        let before = tenant.api_log().len();
        let got = read_in_pieces(&tenant, name, &parents, 9);
        assert!(got.complete, "{name}");
        let (of_pieces, of_whole) = (counts(&got, id), counts(&whole, id));
        assert_eq!(of_pieces.keys().collect::<Vec<_>>(), of_whole.keys().collect::<Vec<_>>(), "{name}");
        // A process that is killed has up to eight requests under way, and takes up to nine pages.
        let asked = tenant.api_log().len() - before;
        assert!(asked < parents.len() * 2, "{name}: {asked} requests for {} parents", parents.len());
        assert!(
            of_pieces.values().all(|count| *count == 1),
            "{name}: of pages that were given none came twice"
        );
    }
}

#[test]
fn a_walk_over_users_goes_on_where_it_was() {
    let config = Config { export_allowed: false, users: 4_000, tied_users: 1_500, ..unlimited() };
    let whole = Tenant::new(config.clone()).read("users");
    for most in [1, 7, 30] {
        let got = read_in_pieces(&Tenant::new(config.clone()), "users", &[], most);
        assert!(got.complete, "by {most}");
        assert_eq!(counts(&got, "user_id"), counts(&whole, "user_id"), "by {most}");
        // The refusal of the export is met again only by the first process.
        assert_eq!(got.requests, whole.requests, "by {most}");
    }
}

/// Begins an export, and gives its position once there is one.
fn begun(tenant: &Arc<Tenant>) -> Position {
    let mut pages = tenant.source().open(read_of("users", &[]));
    let page = tenant.clock.run(pages.next()).unwrap().unwrap();
    assert!(page.body.is_empty(), "the job is worth keeping before anything comes of it");
    let position = pages.position().unwrap();
    assert!(!position.keeps_rows && !position.ended);
    position
}

fn jobs_begun(tenant: &Tenant) -> usize {
    tenant.log().iter().filter(|sent| sent.method == "POST" && sent.path.ends_with("/users-exports")).count()
}

#[test]
fn an_export_job_is_begun_once_and_its_link_is_fresh_whenever_it_is_read() {
    for pause in [0, 1, 3_600] {
        let tenant = Tenant::new(Config { users: 5_000, ..unlimited() });
        let mut position = begun(&tenant);
        for pieces in [1, 2] {
            tenant.clock.pass(Duration::from_secs(pause));
            let mut pages = tenant.source().resume(read_of("users", &[]), &position.text).unwrap();
            let mut some = Got::default();
            assert!(!tenant.clock.run(take(pages.as_mut(), pieces, &mut some)).unwrap());
            position = pages.position().unwrap();
            assert!(!position.keeps_rows, "the file is fetched again");
        }
        tenant.clock.pass(Duration::from_secs(pause));
        let mut pages = tenant.source().resume(read_of("users", &[]), &position.text).unwrap();
        let mut got = Got::default();
        assert!(tenant.clock.run(take(pages.as_mut(), 1_000, &mut got)).unwrap());
        assert!(got.complete && pages.covers_everything());
        assert_eq!(got.records().count(), 5_000);
        assert_eq!(jobs_begun(&tenant), 1);
    }
}

#[test]
fn an_export_job_that_is_gone_is_begun_again() {
    let tenant = Tenant::new(Config { users: 300, ..unlimited() });
    let position = begun(&tenant);
    tenant.fault(
        json!({ "path": "/api/v2/jobs/*", "method": "GET", "status": 404, "body": { "statusCode": 404,
        "error": "Not Found", "message": "The job does not exist.", "errorCode": "inexistent_job" } }),
    );
    let mut pages = tenant.source().resume(read_of("users", &[]), &position.text).unwrap();
    let mut got = Got::default();
    assert!(tenant.clock.run(take(pages.as_mut(), 1_000, &mut got)).unwrap());
    assert!(got.complete);
    assert_eq!(got.records().count(), 300);
    assert_eq!(jobs_begun(&tenant), 2);
}

#[test]
fn a_position_that_says_nothing_is_not_gone_on_from() {
    let source = Tenant::new(unlimited()).source();
    for name in ["organizations", "organization_members", "users", "logs", "stats_daily"] {
        for position in ["", "{}", "[1]", "{\"job\":7}", "null"] {
            if let Some(stream) = tenantry_replication::catalog::CATALOG.stream(name) {
                let read = Read { stream, parents: Vec::new(), from: None, since: None };
                assert!(source.resume(read, position).is_none(), "{name} at {position}");
            }
        }
    }
}

#[test]
fn never_one_request_more_than_allowed_is_sent() {
    let tenant = Tenant::new(Config { organizations: 730, ..unlimited() });
    let source = tenant.source_with(|settings| settings.max_requests = Some(3));
    let mut pages = source.open(read_of("organizations", &[]));
    let mut got = Got::default();
    let error = tenant.clock.run(take(pages.as_mut(), 100, &mut got)).unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::AllowanceSpent);
    assert!(error.to_string().contains("the 3 requests"), "{error}");
    assert_eq!((source.requests(), tenant.api_log().len(), got.pages.len()), (3, 3, 3));
    let position = pages.position().unwrap();
    let mut pages = tenant.source().resume(read_of("organizations", &[]), &position.text).unwrap();
    assert!(tenant.clock.run(take(pages.as_mut(), 100, &mut got)).unwrap());
    assert_eq!((got.complete, got.records().count(), tenant.api_log().len()), (true, 730, 8));
}

#[test]
fn each_run_of_one_process_has_its_own_allowance_and_counts_its_own_requests() {
    let tenant = Tenant::new(Config { organizations: 730, ..unlimited() });
    let source = tenant.source_with(|settings| {
        settings.max_requests = Some(3);
        settings.max_time = Some(Duration::from_mins(1));
    });
    for run in 0..3 {
        tenant.clock.run(tenant.clock.sleep(Duration::from_hours(1)));
        source.begin();
        let mut got = Got::default();
        let mut pages = source.open(read_of("organizations", &[]));
        let error = tenant.clock.run(take(pages.as_mut(), 100, &mut got)).unwrap_err();
        assert!(error.to_string().contains("the 3 requests"), "run {run}: {error}");
        assert_eq!((source.requests(), got.pages.len()), (3, 3), "run {run}");
    }
}

#[test]
fn answers_that_are_paid_for_are_still_taken_when_the_allowance_ends() {
    let tenant = Tenant::new(Config { organizations: 40, members_per_organization: 5, ..unlimited() });
    let truth = tenant.truth();
    let parents: Vec<String> = truth["organizations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|parent| parent["id"].as_str().unwrap().to_owned())
        .collect();
    let source = tenant.source_with(|settings| settings.max_requests = Some(21));
    let mut pages = source.open(read_of("organization_members", &parents));
    let mut got = Got::default();
    let error = tenant.clock.run(take(pages.as_mut(), 1_000, &mut got)).unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::AllowanceSpent);
    assert_eq!((tenant.api_log().len(), got.pages.len()), (21, 21));
    assert!(!pages.complete());
    let position = pages.position().unwrap();
    assert!(!position.ended);
    let mut pages =
        tenant.source().resume(read_of("organization_members", &parents), &position.text).unwrap();
    assert!(tenant.clock.run(take(pages.as_mut(), 1_000, &mut got)).unwrap());
    assert_eq!(tenant.api_log().len(), 40, "each organization was asked for once");
    assert!(got.complete && counts(&got, "user_id").values().all(|count| *count == 1));
}

#[test]
fn a_wait_that_would_pass_the_time_allowed_ends_the_run() {
    let tenant = Tenant::new(Config {
        organizations: 3_000,
        plan: Plan::Free,
        log_own_traffic: false,
        ..Config::default()
    });
    let source = tenant.source_with(|settings| settings.max_time = Some(Duration::from_secs(12)));
    let mut pages = source.open(read_of("organizations", &[]));
    let mut got = Got::default();
    let error = tenant.clock.run(take(pages.as_mut(), 1_000, &mut got)).unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::AllowanceSpent);
    assert!(error.to_string().contains("0.2 minutes"), "{error}");
    assert!(tenant.clock.monotonic() <= Duration::from_secs(12), "{:?}", tenant.clock.monotonic());
    assert!(got.pages.len() > 10 && got.pages.len() < 30, "{}", got.pages.len());
    assert!(tenant.api_log().iter().all(|sent| sent.at <= Duration::from_secs(12)));
    // A failing server is not waited for beyond it either.
    let tenant = Tenant::new(unlimited());
    tenant.fault(json!({ "path": "/api/v2/roles", "times": 100, "status": 503 }));
    let source = tenant.source_with(|settings| settings.max_time = Some(Duration::from_secs(5)));
    let mut pages = source.open(read_of("roles", &[]));
    let error = tenant.clock.run(take(pages.as_mut(), 1, &mut got)).unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::AllowanceSpent);
    assert!(tenant.clock.monotonic() <= Duration::from_secs(5));
}
