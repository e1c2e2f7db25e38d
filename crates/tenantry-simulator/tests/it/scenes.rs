//! Scenes leave the events that Auth0 writes, and change what they say that they change.

use std::collections::BTreeSet;

use crate::support::{SECOND, Session, small};
use serde_json::{Value, json};

/// Events of the log that came after those of before.
fn new_events(session: &mut Session, play: impl FnOnce(&mut Session) -> Value) -> (Value, Vec<Value>) {
    let ids = |tenant: &Value| -> BTreeSet<String> {
        let logs = tenant["logs"].as_array().into_iter().flatten();
        logs.filter_map(|event| event["log_id"].as_str().map(str::to_owned)).collect()
    };
    let before = ids(&session.tenant());
    let done = play(session);
    session.now += 60 * SECOND;
    let after = session.tenant();
    let logs = after["logs"].as_array().cloned().unwrap_or_default();
    let fresh = logs.into_iter().filter(|e| e["log_id"].as_str().is_some_and(|id| !before.contains(id)));
    (done, fresh.collect())
}

fn of_type<'a>(events: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    events.iter().filter(move |event| event["type"] == kind)
}

#[test]
fn a_spraying_attack_comes_from_one_address_and_finds_one_password() {
    let mut session = Session::new(small());
    let (done, events) = new_events(&mut session, |session| {
        session.control("POST", "/scenes/password-spraying", &json!({ "size": 40, "seed": 3 }))
    });
    let failures = of_type(&events, "fp").chain(of_type(&events, "fu"));
    assert_eq!(failures.count() as u64, done["failures"].as_u64().unwrap());
    assert!(done["failures"].as_u64().unwrap() >= 30, "{done}");
    assert!(events.iter().all(|event| event["ip"] == done["address"]));
    let users: BTreeSet<&str> = of_type(&events, "fp").filter_map(|e| e["user_id"].as_str()).collect();
    assert_eq!(users.len(), of_type(&events, "fp").count(), "each user once");
    let logins: Vec<&Value> = of_type(&events, "s").collect();
    assert_eq!(logins.len(), 1);
    assert_eq!(logins[0]["user_id"], done["taken_over"]);
}

#[test]
fn an_address_that_goes_on_is_throttled() {
    let mut session = Session::new(tenantry_simulator::Config { users: 600, ..small() });
    let (done, events) = new_events(&mut session, |session| {
        session.control("POST", "/scenes/password-spraying", &json!({ "size": 120 }))
    });
    assert_eq!(done["failures"], 100);
    assert_eq!(of_type(&events, "limit_mu").count() as u64, done["throttled"].as_u64().unwrap());
    assert_eq!(done["throttled"], 19, "one of the 120 fits");
}

#[test]
fn a_mistake_deletes_users_opens_an_application_and_turns_protection_off() {
    let mut session = Session::new(small());
    let (done, events) = new_events(&mut session, |session| {
        session.control("POST", "/scenes/administrator-mistake", &json!({ "size": 12 }))
    });
    let deleted = done["users_deleted"].as_array().unwrap();
    assert_eq!(deleted.len(), 12);
    let tenant = session.tenant();
    let users: Vec<&Value> = tenant["users"].as_array().unwrap().iter().collect();
    assert!(users.iter().all(|user| !deleted.contains(&user["user_id"])));
    let opened =
        tenant["clients"].as_array().unwrap().iter().find(|c| c["client_id"] == done["client_opened"]);
    assert!(opened.unwrap()["grant_types"].as_array().unwrap().contains(&json!("implicit")));
    let paths: Vec<&str> =
        of_type(&events, "sapi").filter_map(|e| e["details"]["request"]["path"].as_str()).collect();
    assert_eq!(paths.iter().filter(|path| path.starts_with("/api/v2/users/")).count(), 12);
    assert!(paths.contains(&"/api/v2/attack-protection/brute-force-protection"), "{paths:?}");
}

#[test]
fn the_largest_organization_is_deleted_with_its_event() {
    let mut session = Session::new(small());
    let before = session.tenant();
    let (done, events) = new_events(&mut session, |session| {
        session.control("POST", "/scenes/deleted-organization", &Value::Null)
    });
    let members = before["organization_members"].as_object().unwrap();
    let largest = members.values().filter_map(Value::as_array).map(Vec::len).max().unwrap();
    assert_eq!(done["members"], largest);
    let id = done["organization_deleted"].as_str().unwrap();
    assert_eq!(members[id].as_array().unwrap().len(), largest);
    assert!(session.tenant()["organization_members"].get(id).is_none());
    let path = format!("/api/v2/organizations/{id}");
    assert_eq!(of_type(&events, "sapi").filter(|e| e["details"]["request"]["path"] == path).count(), 1);
}

#[test]
fn there_is_no_other_scene() {
    let mut session = Session::new(small());
    let request = tenantry_simulator::Request::new("POST", "/__sim/scenes/fire");
    assert_eq!(session.send(&request).status, 404);
}
