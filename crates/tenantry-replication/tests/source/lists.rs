//! Whole lists, fan-outs and single records.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tenantry_replication::catalog::{CATALOG, Replication};
use tenantry_replication::error::SourceErrorKind;
use tenantry_replication::source::{Read, Source};
use tenantry_simulator::{Config, Plan, Request};

use super::network::{Script, Tenant, ok, parameter, refusal, stream};
use super::{read_all, records};

fn unlimited() -> Config {
    Config { plan: Plan::Unlimited, ..Config::default() }
}

/// Values of a member of objects.
fn ids(objects: &Value, member: &str) -> BTreeSet<String> {
    let all: Vec<&Value> = match objects {
        Value::Array(all) => all.iter().collect(),
        Value::Object(all) => all.values().collect(),
        _ => panic!("not a collection"),
    };
    all.into_iter().map(|object| object[member].as_str().expect("an id is a string").to_owned()).collect()
}

#[test]
fn every_list_arrives_whole_and_once() {
    let config = Config {
        organizations: 300,
        clients: 450,
        connections: 120,
        roles: 250,
        resource_servers: 230,
        grants: 730,
        actions: 100,
        ..unlimited()
    };
    let tenant = Tenant::new(config);
    let truth = tenant.truth();
    for (name, collection, id) in [
        ("organizations", "organizations", "id"),
        ("clients", "clients", "client_id"),
        ("connections", "connections", "id"),
        ("roles", "roles", "id"),
        ("resource_servers", "resource_servers", "id"),
        ("grants", "grants", "id"),
        ("actions", "actions", "id"),
        ("client_grants", "client_grants", "id"),
        ("log_streams", "log_streams", "id"),
    ] {
        let got = tenant.read(name);
        let counts = got.counts(id);
        assert!(got.complete, "{name}");
        assert!(counts.values().all(|count| *count == 1), "{name}: {counts:?}");
        assert_eq!(counts.into_keys().collect::<BTreeSet<_>>(), ids(&truth[collection], id), "{name}");
        assert!(got.pages.iter().all(|(parent, records)| parent.is_none() && !records.is_empty()));
    }
    let triggers = tenant.read("action_triggers");
    assert_eq!(triggers.records().count(), truth["triggers"].as_array().unwrap().len());
    assert!(triggers.complete);
}

#[test]
fn a_list_costs_no_more_requests_than_it_must() {
    let tenant = Tenant::new(Config { organizations: 250, roles: 250, ..unlimited() });
    assert_eq!(tenant.read("organizations").requests, 3, "the third page has no next");
    assert_eq!(tenant.read("roles").requests, 3, "the total was reached");
    assert_eq!(tenant.read("log_streams").requests, 1);
}

#[test]
fn children_come_with_their_parent() {
    let config = Config {
        organizations: 40,
        members_per_organization: 25,
        connections: 30,
        clients: 60,
        ..unlimited()
    };
    let tenant = Tenant::new(config);
    let truth = tenant.truth();
    for (name, collection, id) in [
        ("organization_members", "organization_members", "user_id"),
        ("connection_clients", "connection_clients", "client_id"),
    ] {
        let expected: BTreeMap<String, BTreeSet<String>> = truth[collection]
            .as_object()
            .unwrap()
            .iter()
            .map(|(parent, ids)| {
                (
                    parent.clone(),
                    ids.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect(),
                )
            })
            .collect();
        let got = tenant.read_from(name, expected.keys().cloned().collect(), None);
        let mut found: BTreeMap<String, BTreeSet<String>> =
            expected.keys().map(|parent| (parent.clone(), BTreeSet::new())).collect();
        for (parent, children) in &got.pages {
            let set = found
                .get_mut(parent.as_ref().expect("a child's page names its parent"))
                .expect("a known parent");
            for child in children {
                assert!(set.insert(child[id].as_str().unwrap().to_owned()), "{name}: a child came twice");
            }
        }
        assert_eq!(found, expected, "{name}");
        assert!(got.complete, "{name}");
    }
    let most = tenant.most_under_way();
    assert!((4..=8).contains(&most), "parents are read at the same time, within the limit: {most}");
}

#[test]
fn members_are_walked_until_there_is_no_next() {
    let tenant =
        Tenant::new(Config { organizations: 2, members_per_organization: 250, users: 600, ..unlimited() });
    let parents: Vec<String> = ids(&tenant.truth()["organizations"], "id").into_iter().collect();
    let truth = tenant.truth();
    let sizes: Vec<usize> = truth["organization_members"]
        .as_object()
        .unwrap()
        .values()
        .map(|ids| ids.as_array().unwrap().len())
        .collect();
    assert!(sizes.iter().all(|size| *size > 200), "more than two pages each: {sizes:?}");
    let got = tenant.read_from("organization_members", parents, None);
    let mut members: Vec<(String, String)> = Vec::new();
    for (parent, records) in &got.pages {
        let parent = parent.as_ref().unwrap();
        members.extend(
            records.iter().map(|member| (parent.clone(), member["user_id"].as_str().unwrap().to_owned())),
        );
    }
    members.sort_unstable();
    members.dedup();
    assert_eq!(members.len(), sizes.iter().sum::<usize>());
    let pages: usize = sizes.iter().map(|size| size.div_ceil(100)).sum();
    assert_eq!(
        got.requests as usize,
        pages + 2 * 2,
        "one to count, and an empty page without a next at the end of each walk"
    );
    assert!(got.complete);
}

#[test]
fn a_parent_that_went_away_has_no_children() {
    let tenant = Tenant::new(Config { organizations: 5, ..unlimited() });
    let mut parents: Vec<String> = ids(&tenant.truth()["organizations"], "id").into_iter().collect();
    parents.insert(2, "org_0000000000000000".into());
    let got = tenant.read_from("organization_members", parents, None);
    assert!(got.complete);
    assert_eq!(got.pages.iter().filter_map(|(parent, _)| parent.clone()).collect::<BTreeSet<_>>().len(), 5);
}

#[test]
fn a_parent_that_fails_ends_the_read_and_nothing_is_complete() {
    let tenant = Tenant::new(Config { organizations: 12, ..unlimited() });
    let parents: Vec<String> = ids(&tenant.truth()["organizations"], "id").into_iter().collect();
    let path = format!("/api/v2/organizations/{}/members", parents[4]);
    tenant.fault(json!({ "path": path, "times": 100, "status": 503 }));
    let source = tenant.source();
    let mut pages =
        source.open(Read { stream: stream("organization_members"), parents, from: None, since: None });
    let outcome = tenant.clock.run(async {
        loop {
            match pages.next().await {
                Ok(Some(_)) => {}
                other => return other,
            }
        }
    });
    assert_eq!(outcome.unwrap_err().kind, SourceErrorKind::Unavailable);
    assert!(!pages.complete());
}

#[test]
fn single_records_are_found_by_any_id() {
    let tenant = Tenant::new(unlimited());
    let odd = [
        "auth0|plain",
        "auth0|per%7Ccent",
        "samlp|conn|a/b c",
        "oidc|x|?q=1#f+g",
        "email|ünï",
        "custom|100%",
    ];
    let source = tenant.source();
    let token = tenant.clock.run(source.connect()).map(|_| tenant.log()).unwrap();
    assert_eq!(token.len(), 1);
    let connection = tenant.truth()["connections"]
        .as_array()
        .unwrap()
        .iter()
        .find(|connection| connection["strategy"] == "auth0")
        .unwrap()["name"]
        .clone();
    for id in odd {
        // The tenant makes users by its own API, with the id's part behind the bar given.
        let given = id.strip_prefix("auth0|");
        let Some(given) = given else { continue };
        create_user(&tenant, &connection, given);
    }
    for id in odd {
        let found = tenant.clock.run(source.record(stream("users"), id)).unwrap();
        match id.strip_prefix("auth0|") {
            Some(_) => assert_eq!(records(&found.expect(id))[0]["user_id"], id),
            None => assert!(found.is_none(), "{id}"),
        }
    }
    let raw: Vec<String> =
        tenant.api_log().into_iter().filter(|sent| sent.method == "GET").map(|sent| sent.path).collect();
    assert!(raw.contains(&"/api/v2/users/auth0%7Cper%257Ccent".to_owned()), "{raw:?}");
    assert!(raw.contains(&"/api/v2/users/samlp%7Cconn%7Ca%2Fb%20c".to_owned()), "{raw:?}");
    assert!(raw.contains(&"/api/v2/users/oidc%7Cx%7C%3Fq%3D1%23f%2Bg".to_owned()), "{raw:?}");
    for id in ["", ".", ".."] {
        assert!(tenant.clock.run(source.record(stream("users"), id)).unwrap().is_none());
    }
    assert_eq!(
        tenant.clock.run(source.record(stream("stats_daily"), "x")).unwrap_err().kind,
        SourceErrorKind::Refused
    );
}

fn create_user(tenant: &Arc<Tenant>, connection: &Value, id: &str) {
    tenant.with_simulation(|simulation, now| {
        let token = Request::new("POST", "/oauth/token").json(&json!({
            "grant_type": "client_credentials",
            "client_id": tenantry_simulator::CLIENT_ID,
            "client_secret": tenantry_simulator::CLIENT_SECRET,
            "audience": "https://tenantry-demo.us.auth0.example.com/api/v2/",
        }));
        let token = simulation.handle(&token, now).json();
        let user = json!({ "connection": connection, "user_id": id, "email": format!("u{}@example.com", id.len()), "password": "long-Enough-9" });
        let request = Request::new("POST", "/api/v2/users").json(&user).bearer(token["access_token"].as_str().unwrap());
        let response = simulation.handle(&request, now);
        assert_eq!(response.status, 201, "{}", String::from_utf8_lossy(&response.body));
    });
}

#[test]
fn every_stream_of_the_catalog_can_be_read() {
    let tenant = Tenant::new(unlimited());
    let truth = tenant.truth();
    for stream in CATALOG.streams.iter().filter(|stream| stream.replication != Replication::Frozen) {
        let parents = match &stream.parent {
            Some(parent) => ids(&truth[parent.stream], "id").into_iter().collect(),
            None => Vec::new(),
        };
        let got = tenant.read_from(stream.name, parents, None);
        assert!(got.complete, "{}", stream.name);
        assert!(got.records().next().is_some(), "{}", stream.name);
    }
}

#[test]
fn a_frozen_table_asks_for_nothing() {
    let tenant = Tenant::new(unlimited());
    for stream in CATALOG.streams.iter().filter(|stream| stream.replication == Replication::Frozen) {
        let got = tenant.read(stream.name);
        assert!(got.pages.is_empty() && !got.complete && got.requests == 0);
    }
    assert!(tenant.log().is_empty());
}

#[test]
fn an_offset_list_goes_by_what_came_not_by_what_was_asked() {
    // Seventy roles from a server that gives thirty at most, and says so only by giving them.
    let script = Script::new(|sent, _| {
        let page: usize = parameter(&sent.query, "page").unwrap().parse().unwrap();
        let roles: Vec<Value> =
            (page * 30..70.min(page * 30 + 30)).map(|n| json!({ "id": format!("rol_{n}") })).collect();
        Ok(ok(json!({ "roles": roles, "start": page * 30, "limit": 30, "total": 70 })))
    });
    let got = script.read("roles", None).unwrap();
    assert_eq!((got.records().count(), got.complete, got.requests), (70, true, 3));
}

#[test]
fn a_page_larger_than_asked_for_is_believed_only_where_it_holds_all() {
    // The server counts pages by a hundred and gives half as many again: with what overlaps, 300 roles seem read when 250 are.
    let script = |all: usize| {
        Script::new(move |sent, _| {
            let page: usize = parameter(&sent.query, "page").unwrap().parse().unwrap();
            let roles = (page * 100..all.min(page * 100 + 150)).map(|n| json!({ "id": format!("rol_{n}") }));
            Ok(ok(
                json!({ "roles": roles.collect::<Vec<_>>(), "start": page * 100, "limit": 100, "total": all }),
            ))
        })
    };
    let got = script(150).read("roles", None).unwrap();
    assert_eq!((got.records().count(), got.complete, got.requests), (150, true, 1));
    assert_eq!(script(300).read("roles", None).map(|_| ()).unwrap_err().kind, SourceErrorKind::Malformed);
}

#[test]
fn a_bare_array_is_walked_to_an_empty_page() {
    let script = Script::new(|sent, _| {
        let page: usize = parameter(&sent.query, "page").unwrap().parse().unwrap();
        Ok(ok(Value::Array(
            (page * 2..4.min(page * 2 + 2)).map(|n| json!({ "id": n.to_string() })).collect(),
        )))
    });
    let got = script.read("roles", None).unwrap();
    assert_eq!((got.records().count(), got.complete, got.requests), (4, true, 3));
}

#[test]
fn actions_may_leave_page_and_total_out() {
    let script = Script::answers([ok(json!({ "actions": [], "per_page": 100 }))]);
    let got = script.read("actions", None).unwrap();
    assert_eq!((got.records().count(), got.complete), (0, true));
}

#[test]
fn a_total_that_moves_makes_the_walk_begin_again_and_then_not_count_as_complete() {
    let walk = |moves: usize| {
        let script = Script::new(move |sent, before| {
            let page: usize = parameter(&sent.query, "page").unwrap().parse().unwrap();
            let total = if before / 2 < moves { 150 - page } else { 150 };
            let ids = (page * 100..total.min(page * 100 + 100)).map(|n| json!({ "id": n.to_string() }));
            Ok(ok(json!({ "roles": ids.collect::<Vec<_>>(), "total": total })))
        });
        let got = script.read("roles", None).unwrap();
        (got.complete, got.requests, got.counts("id").len())
    };
    assert_eq!(walk(0), (true, 2, 150));
    assert_eq!(walk(1), (true, 4, 150));
    assert_eq!(walk(100), (false, 6, 149));
}

#[test]
fn a_list_that_moved_by_a_whole_page_is_walked_again() {
    // As many roles as a page holds come before the others between the first page and the second.
    let script = Script::new(|sent, before| {
        let page: usize = parameter(&sent.query, "page").unwrap().parse().unwrap();
        let from = if before == 0 { 100 } else { 0 };
        let ids =
            (from + page * 100..(from + page * 100 + 100).min(350)).map(|n| json!({ "id": n.to_string() }));
        Ok(ok(json!({ "roles": ids.collect::<Vec<_>>(), "total": 350 - from })))
    });
    let got = script.read("roles", None).unwrap();
    assert_eq!((got.complete, got.requests, got.counts("id").len()), (true, 6, 350));
}

#[test]
fn a_list_whose_end_went_away_under_the_walk_is_walked_again() {
    // One role is removed between the second page and the third, whose only one moves to the second: of nothing no total is told.
    let script = Script::new(|sent, before| {
        let page: usize = parameter(&sent.query, "page").unwrap().parse().unwrap();
        let total = if before < 2 { 201 } else { 200 };
        let ids: Vec<_> =
            (page * 100..total.min(page * 100 + 100)).map(|n| json!({ "id": n.to_string() })).collect();
        Ok(ok(if ids.is_empty() { json!({ "roles": ids }) } else { json!({ "roles": ids, "total": total }) }))
    });
    let got = script.read("roles", None).unwrap();
    assert_eq!((got.complete, got.requests, got.counts("id").len()), (true, 5, 200));
}

#[test]
fn the_window_of_1000_keeps_what_came_and_is_not_complete() {
    for message in [
        "You can only page through the first 1000 records.",
        "Requesting page 10 exceeds the allowed maximum of 1000 records.",
    ] {
        let script = Script::new(move |sent, _| {
            let page: usize = parameter(&sent.query, "page").unwrap().parse().unwrap();
            if page >= 10 {
                return Ok(refusal(400, "invalid_paging", message));
            }
            let grants: Vec<Value> =
                (0..100).map(|n| json!({ "id": (page * 100 + n).to_string() })).collect();
            Ok(ok(json!({ "grants": grants, "total": 1_700 })))
        });
        let got = script.read("grants", None).unwrap();
        assert_eq!((got.records().count(), got.complete, got.requests), (1_000, false, 11));
    }
}

#[test]
fn a_window_that_is_not_enforced_is_not_assumed() {
    let script = Script::new(|sent, _| {
        let page: usize = parameter(&sent.query, "page").unwrap().parse().unwrap();
        let grants: Vec<Value> =
            (page * 100..1_700.min(page * 100 + 100)).map(|n| json!({ "id": n.to_string() })).collect();
        Ok(ok(json!({ "grants": grants, "total": 1_700 })))
    });
    let got = script.read("grants", None).unwrap();
    assert_eq!((got.records().count(), got.complete), (1_700, true));
}

#[test]
fn circles_and_repeats_are_errors_not_endless() {
    let circle = Script::new(|_, before| {
        Ok(ok(json!({ "organizations": [{ "id": "o" }], "next": (["a", "b", "c"][before % 3]) })))
    });
    let error = circle.read("organizations", None).map(|_| ()).unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Malformed);
    assert!(circle.log().len() < 10, "{error}");
    for records in [json!([{ "id": "o" }]), json!([])] {
        let on_and_on = Script::new(move |_, before| {
            Ok(ok(json!({ "organizations": records, "next": format!("fresh {before}") })))
        });
        let error = on_and_on.read("organizations", None).map(|_| ()).unwrap_err();
        assert_eq!(error.kind, SourceErrorKind::Malformed, "{error}");
        assert!(on_and_on.log().len() < 110, "{error}");
    }
    // New positions for ever, and two pages in turn.
    let in_turn = Script::new(|_, before| {
        let id = ["one", "other"][before % 2];
        Ok(ok(json!({ "organizations": [{ "id": id }], "next": format!("fresh {before}") })))
    });
    assert_eq!(in_turn.read("organizations", None).map(|_| ()).unwrap_err().kind, SourceErrorKind::Malformed);
    assert!(in_turn.log().len() < 10);
    let repeat = Script::new(|_, _| Ok(ok(json!([{ "id": "same" }]))));
    assert_eq!(repeat.read("roles", None).map(|_| ()).unwrap_err().kind, SourceErrorKind::Malformed);
    assert!(repeat.log().len() < 10);
}

#[test]
fn an_expired_position_begins_the_list_again_once() {
    let list = |failures: usize| {
        let script = Script::new(move |sent, _| {
            let page = |from: usize, next: Option<&str>| {
                let rows: Vec<Value> = (from..from + 2).map(|n| json!({ "id": n.to_string() })).collect();
                let mut answer = json!({ "organizations": rows });
                if let Some(next) = next {
                    answer["next"] = next.into();
                }
                Ok(ok(answer))
            };
            match parameter(&sent.query, "from").as_deref() {
                None => page(0, Some("second")),
                Some("second") => page(2, Some("third")),
                _ => panic!("{sent:?}"),
            }
        });
        let expiring = Script::new(move |sent, before| match parameter(&sent.query, "from").as_deref() {
            Some("third") if before < failures => {
                Ok(refusal(400, "invalid_query_string", "The checkpoint has expired"))
            }
            Some("third") => Ok(ok(json!({ "organizations": [{ "id": "last" }] }))),
            None => Ok(ok(json!({ "organizations": [{ "id": "0" }, { "id": "1" }], "next": "second" }))),
            Some(_) => Ok(ok(json!({ "organizations": [{ "id": "2" }], "next": "third" }))),
        });
        drop(script);
        expiring.read("organizations", None).map(|got| (got.complete, got.counts("id").len()))
    };
    assert_eq!(list(3).unwrap(), (true, 4));
    assert_eq!(list(100).map(|_| ()).unwrap_err().kind, SourceErrorKind::Refused);
}

#[test]
fn the_tokens_of_a_list_reach_the_tenant_alone_and_in_flight_is_bounded() {
    let clock = super::time::clock();
    let tenant = Tenant::with(Config { organizations: 60, ..unlimited() }, clock, Duration::from_millis(200));
    let parents: Vec<String> = ids(&tenant.truth()["organizations"], "id").into_iter().collect();
    let source = tenant.source_with(|settings| settings.in_flight = 3);
    let pages = |name: &str, parents: &[String]| {
        source.open(Read { stream: stream(name), parents: parents.to_vec(), from: None, since: None })
    };
    let (a, b, c) = tenant.clock.run(async {
        futures::join!(
            read_all(pages("organization_members", &parents)),
            read_all(pages("clients", &[])),
            read_all(pages("users", &[]))
        )
    });
    assert!(a.unwrap().complete && b.unwrap().complete && c.unwrap().complete);
    assert!(tenant.most_under_way() <= 3 + 1, "three and a file: {}", tenant.most_under_way());
    assert_eq!(
        tenant.log().iter().filter(|sent| sent.path == "/oauth/token").count(),
        1,
        "one token for all"
    );
    for sent in tenant.log() {
        assert_eq!(sent.authorization.is_some(), sent.path.starts_with("/api/"), "{}", sent.path);
    }
}
