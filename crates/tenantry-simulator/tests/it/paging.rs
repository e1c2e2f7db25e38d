//! Both pagings, their shapes, and where they end.

use crate::support::{Session, ids, small};
use serde_json::{Value, json};
use tenantry_simulator::Config;

#[test]
fn checkpoint_walks_see_every_row_once() {
    let mut session = Session::new(small());
    let truth = session.tenant();
    for (target, collection, id) in [
        ("/clients?take=3", "clients", "client_id"),
        ("/client-grants?take=2", "client_grants", "id"),
        ("/connections?take=3", "connections", "id"),
        ("/organizations?take=2", "organizations", "id"),
    ] {
        let (rows, requests) = session.walk(target, collection);
        let seen = ids(&Value::Array(rows), id);
        assert_eq!(seen, ids(&truth[collection], id), "{target}");
        assert!(requests > 1, "{target} was one page");
    }
}

#[test]
fn offset_walks_see_every_row_once_and_totals_are_objects() {
    let mut session = Session::new(small());
    let truth = session.tenant();
    for (path, collection, id) in [
        ("/clients", "clients", "client_id"),
        ("/client-grants", "client_grants", "id"),
        ("/connections", "connections", "id"),
        ("/organizations", "organizations", "id"),
        ("/resource-servers", "resource_servers", "id"),
        ("/roles", "roles", "id"),
        ("/grants", "grants", "id"),
        ("/users", "users", "user_id"),
    ] {
        let mut seen = Vec::new();
        for page in 0.. {
            let body = session.get(&format!("{path}?page={page}&per_page=3"));
            let rows = body.as_array().unwrap_or_else(|| panic!("{path} without totals is a bare array"));
            seen.extend(rows.clone());
            if rows.is_empty() {
                break;
            }
        }
        assert_eq!(ids(&Value::Array(seen), id), ids(&truth[collection], id), "{path}");
        let totals = session.get(&format!("{path}?page=1&per_page=2&include_totals=true"));
        assert_eq!((&totals["start"], &totals["limit"]), (&json!(2), &json!(2)), "{path}");
        assert_eq!(totals["total"], truth[collection].as_array().map_or(0, Vec::len), "{path}");
        assert_eq!(totals.get("length").is_some(), path == "/users", "{path}");
    }
}

#[test]
fn fifty_rows_come_without_being_asked_and_a_hundred_at_most() {
    let mut session = Session::new(small());
    assert_eq!(session.get("/users").as_array().map(Vec::len), Some(50));
    assert_eq!(session.get("/grants").as_array().map(Vec::len), Some(50));
    let (status, body) = session.refused("/users?per_page=101");
    assert_eq!((status, &body["errorCode"]), (400, &json!("invalid_query_string")));
    assert_eq!(
        body["message"],
        "Query validation error: 'Value 101 is greater than maximum 100' on property per_page (Number of results per \
         page. Defaults to 50)."
    );
    for target in ["/clients?take=101", "/clients?take=0", "/roles?page=x", "/connections?per_page=0&page=-1"]
    {
        assert_eq!(session.refused(target).0, 400, "{target}");
    }
}

#[test]
fn offsets_stop_at_a_thousand_in_two_wordings() {
    let mut session = Session::new(small());
    let (status, body) = session.refused("/users?page=10&per_page=100");
    assert_eq!(status, 400);
    assert_eq!(body["errorCode"], "invalid_paging");
    assert!(
        body["message"]
            .as_str()
            .is_some_and(|m| m.starts_with("You can only page through the first 1000 records"))
    );
    let organization = session.tenant()["organizations"][0]["id"].as_str().expect("an id").to_owned();
    for target in ["/connections", "/organizations", &format!("/organizations/{organization}/members")] {
        let (status, body) = session.refused(&format!("{target}?page=20&per_page=50"));
        assert_eq!(status, 400, "{target}");
        let wanted = "Requesting page 20 exceeds the allowed maximum of 1000 records. To fetch results beyond 1000, use \
                      the checkpoint pagination method";
        assert_eq!(body["message"], wanted, "{target}");
    }
    session.get("/users?page=9&per_page=100");
}

#[test]
fn members_give_next_with_every_page_that_is_not_empty() {
    let mut session = Session::new(small());
    let truth = session.tenant();
    let (organization, members) =
        truth["organization_members"].as_object().and_then(|o| o.iter().next()).expect("an organization");
    let (rows, requests) =
        session.walk(&format!("/organizations/{organization}/members?take=100"), "members");
    assert_eq!(requests, 2, "the last page is empty and without next");
    assert_eq!(rows.len(), members.as_array().map_or(0, Vec::len));
    let (rows, requests) = session.walk(&format!("/organizations/{organization}/members?take=10"), "members");
    assert_eq!((rows.len(), requests), (25, 4));
    assert_eq!(ids(&Value::Array(rows), "user_id"), {
        let mut wanted: Vec<String> =
            members.as_array().into_iter().flatten().filter_map(|m| m.as_str().map(str::to_owned)).collect();
        wanted.sort();
        wanted
    });
    let first = session.get(&format!("/organizations/{organization}/members?take=1&fields=user_id"));
    assert_eq!(first["members"][0].as_object().map(serde_json::Map::len), Some(1));
}

#[test]
fn a_member_who_leaves_during_the_walk_does_not_disturb_it() {
    let mut session = Session::new(small());
    let truth = session.tenant();
    let organization = truth["organizations"][0]["id"].as_str().expect("an id").to_owned();
    let path = format!("/organizations/{organization}/members");
    let page = session.get(&format!("{path}?take=10"));
    let last = page["members"][9]["user_id"].as_str().expect("an id").to_owned();
    session.write("DELETE", &format!("/users/{}", crate::support::segment(&last)), &Value::Null);
    let next = page["next"].as_str().expect("next");
    let rest = session.get(&format!("{path}?take=100&from={next}"));
    assert_eq!(rest["members"].as_array().map(Vec::len), Some(15));
}

#[test]
fn connection_clients_page_by_checkpoint_alone_up_to_a_thousand() {
    let mut session = Session::new(Config { clients: 1_500, ..small() });
    let truth = session.tenant();
    let (connection, clients) = truth["connection_clients"]
        .as_object()
        .and_then(|c| c.iter().max_by_key(|(_, v)| v.as_array().map_or(0, Vec::len)))
        .expect("a connection");
    let path = format!("/connections/{connection}/clients");
    assert_eq!(session.get(&path)["clients"].as_array().map(Vec::len), Some(50));
    let (rows, requests) = session.walk(&format!("{path}?take=400"), "clients");
    let count = clients.as_array().map_or(0, Vec::len);
    assert_eq!((rows.len(), requests), (count, count.div_ceil(400)));
    assert_eq!(session.refused(&format!("{path}?page=0")).0, 400);
    assert_eq!(session.refused(&format!("{path}?take=1001")).0, 400);
    let listed = ids(&truth["clients"], "client_id");
    let unknown =
        rows.iter().filter(|r| !listed.contains(&r["client_id"].as_str().unwrap_or_default().to_owned()));
    assert!(unknown.count() > 0, "some name a client that no list shows");
}

#[test]
fn a_checkpoint_dies_after_a_day() {
    let mut session = Session::new(small());
    let next = session.get("/organizations?take=2")["next"].as_str().expect("next").to_owned();
    session.control("POST", "/clock", &json!({ "advance_seconds": 86_000 }));
    session.get(&format!("/organizations?take=2&from={next}"));
    session.control("POST", "/clock", &json!({ "advance_seconds": 500 }));
    session.log_in();
    assert_eq!(session.refused(&format!("/organizations?take=2&from={next}")).0, 400);
    assert_eq!(session.refused("/organizations?take=2&from=abc").0, 400);
}

#[test]
fn asking_for_both_pagings_gives_checkpoints() {
    let mut session = Session::new(small());
    let both = session.get("/organizations?include_totals=true&per_page=50&take=100");
    assert_eq!(
        both.as_object().map(|o| o.keys().cloned().collect::<Vec<_>>()),
        Some(vec!["organizations".to_owned()])
    );
}

#[test]
fn actions_leave_out_page_zero_and_the_total_of_nothing() {
    let mut session = Session::new(small());
    let first = session.get("/actions/actions?per_page=3");
    assert!(first.get("page").is_none());
    assert_eq!((&first["total"], &first["per_page"]), (&json!(7), &json!(3)));
    let second = session.get("/actions/actions?page=1&per_page=3");
    assert_eq!(second["page"], 1);
    assert_eq!(session.get("/actions/actions")["per_page"], 20);
    let none = session.get("/actions/actions?actionName=nobody&per_page=50");
    assert_eq!(none, json!({ "actions": [], "per_page": 50 }));
}

#[test]
fn links_of_offset_answers_are_http_whatever_the_caller_used() {
    let mut session = Session::new(small());
    let response = session.call("GET", "/connections?per_page=3&page=0&include_totals=true", &Value::Null);
    let link = response.header_value("link").expect("a link");
    assert!(link.starts_with(
        "<http://127.0.0.1:7000/api/v2/connections?include_totals=true&page=0&per_page=3>; rel=\"first\""
    ));
    assert!(link.contains("page=1&per_page=3>; rel=\"next\""));
}

#[test]
fn unknown_parameters_are_refused() {
    let mut session = Session::new(small());
    for target in
        ["/users?from=x", "/clients?sort=name:1", "/connections?q=a", "/roles?take=5", "/logs?frm=x"]
    {
        let (status, body) = session.refused(target);
        assert_eq!((status, &body["errorCode"]), (400, &json!("invalid_query_string")), "{target}");
    }
}
