//! Random change leaves a tenant whose answers agree with each other.

use crate::support::{SECOND, Session, ids, small};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn everything(seed: u64) -> Value {
    json!({ "seed": seed, "users_created": 5, "users_updated": 8, "users_deleted": 4, "users_linked": 1, "logins": 20,
        "clients_created": 2, "clients_updated": 3, "clients_deleted": 1, "client_grants_created": 2, "client_grants_updated": 1,
        "client_grants_deleted": 1, "connections_created": 2, "connections_updated": 2, "connections_deleted": 1,
        "connection_clients_changed": 4, "organizations_created": 2, "organizations_updated": 2, "organizations_deleted": 1,
        "members_added": 4, "members_removed": 3, "resource_servers_created": 2, "resource_servers_updated": 1,
        "resource_servers_deleted": 1, "roles_created": 2, "roles_updated": 2, "roles_deleted": 1, "actions_created": 2,
        "actions_updated": 2, "actions_deployed": 2, "actions_deleted": 1, "log_streams_created": 2, "log_streams_updated": 1,
        "log_streams_deleted": 1, "grants_created": 3, "grants_deleted": 2 })
}

#[test]
fn churn_makes_changes_and_takes_every_kind() {
    let mut session = Session::new(small());
    let done = session.control("POST", "/churn", &everything(1));
    let wanted = everything(1);
    for (kind, count) in
        wanted.as_object().into_iter().flatten().filter(|(k, _)| *k != "seed" && *k != "logins")
    {
        let made = done[kind].as_array().map_or(0, Vec::len) as u64;
        assert!(made > 0 && made <= count.as_u64().unwrap_or_default(), "{kind}: {made} of {count}");
    }
    assert!(done["logins"]["logins"].as_u64().is_some_and(|n| n >= 20));
}

#[test]
fn after_churn_lists_truth_and_relations_agree() {
    let mut session = Session::new(small());
    for round in 0..10 {
        session.control("POST", "/churn", &everything(round));
        session.now += SECOND;
    }
    let truth = session.tenant();
    for (target, collection, id) in [
        ("/clients?take=50", "clients", "client_id"),
        ("/client-grants?take=50", "client_grants", "id"),
        ("/connections?take=50", "connections", "id"),
        ("/organizations?take=50", "organizations", "id"),
    ] {
        let (rows, _) = session.walk(target, collection);
        assert_eq!(ids(&Value::Array(rows), id), ids(&truth[collection], id));
    }
    let users: BTreeSet<String> = ids(&truth["users"], "user_id").into_iter().collect();
    let clients: BTreeSet<String> = ids(&truth["clients"], "client_id").into_iter().collect();
    for (organization, members) in truth["organization_members"].as_object().expect("an object") {
        let (rows, _) = session.walk(&format!("/organizations/{organization}/members?take=7"), "members");
        let listed: BTreeSet<String> = ids(&Value::Array(rows), "user_id").into_iter().collect();
        let wanted: BTreeSet<String> =
            members.as_array().into_iter().flatten().filter_map(|m| m.as_str().map(str::to_owned)).collect();
        assert_eq!(listed, wanted);
        assert!(wanted.is_subset(&users));
    }
    assert!(
        truth["grants"]
            .as_array()
            .is_some_and(|g| g.iter().all(|g| users.contains(g["user_id"].as_str().unwrap_or_default())))
    );
    assert!(
        truth["grants"]
            .as_array()
            .is_some_and(|g| g.iter().all(|g| clients.contains(g["clientID"].as_str().unwrap_or_default())))
    );
}

#[test]
fn logins_change_users_and_new_social_users_appear_with_their_first() {
    let mut session = Session::new(small());
    let before = session.tenant();
    session.now += 10 * SECOND;
    let done = session.control("POST", "/logins", &json!({ "count": 300, "seed": 4 }));
    assert!(done["logins"].as_u64().is_some_and(|n| n >= 300));
    let after = session.tenant();
    let count = |t: &Value| t["users"].as_array().map_or(0, Vec::len) as u64;
    let new = done["new_users"].as_u64().expect("a number");
    assert!(new > 0);
    assert_eq!(count(&after), count(&before) + new);
    let (events, _) = session.events("");
    let fresh: Vec<&str> = after["users"].as_array().expect("users")[120..]
        .iter()
        .filter_map(|u| u["user_id"].as_str())
        .collect();
    for id in fresh {
        let about: BTreeSet<_> =
            events.iter().filter(|e| e["user_id"] == id).filter_map(|e| e["type"].as_str()).collect();
        assert!(about.contains("s") && !about.contains("ss") && !about.contains("sapi"), "{id}: {about:?}");
    }
}
