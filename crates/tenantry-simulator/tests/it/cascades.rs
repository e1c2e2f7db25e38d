//! What one deletion takes along, and what writes change.

use crate::support::{SECOND, Session, segment, small};
use serde_json::{Value, json};

fn user_path(id: &str) -> String {
    format!("/users/{}", segment(id))
}

#[test]
fn deleting_a_client_takes_what_hangs_on_it() {
    let mut session = Session::new(small());
    let truth = session.tenant();
    let grant = truth["grants"][0].clone();
    let client = grant["clientID"].as_str().expect("an id").to_owned();
    let connection = truth["connections"][0]["id"].as_str().expect("an id").to_owned();
    session.write(
        "PATCH",
        &format!("/connections/{connection}/clients"),
        &json!([{ "client_id": client, "status": true }]),
    );
    session.write(
        "POST",
        "/client-grants",
        &json!({ "client_id": client, "audience": "https://a.example.com", "scope": [] }),
    );
    session.write("DELETE", &format!("/clients/{client}"), &Value::Null);
    let after = session.tenant();
    let names_it = |rows: &Value, name: &str| {
        rows.as_array().is_some_and(|r| r.iter().any(|r| r[name] == client.as_str()))
    };
    assert!(!names_it(&after["clients"], "client_id"));
    assert!(!names_it(&after["client_grants"], "client_id"));
    assert!(!names_it(&after["grants"], "clientID"));
    let enabled = after["connection_clients"].as_object().expect("an object").values();
    assert!(enabled.flat_map(|c| c.as_array().into_iter().flatten()).all(|c| c != client.as_str()));
    assert_eq!(session.refused(&format!("/clients/{client}")).0, 404);
}

#[test]
fn deleting_a_user_takes_memberships_roles_and_consents() {
    let mut session = Session::new(small());
    let truth = session.tenant();
    let user = truth["grants"][0]["user_id"].as_str().expect("an id").to_owned();
    let organization = truth["organizations"][0]["id"].as_str().expect("an id").to_owned();
    let role = truth["roles"][0]["id"].as_str().expect("an id").to_owned();
    session.write("POST", &format!("/organizations/{organization}/members"), &json!({ "members": [user] }));
    session.write("POST", &format!("{}/roles", user_path(&user)), &json!({ "roles": [role] }));
    session.write("DELETE", &user_path(&user), &Value::Null);
    let after = session.tenant();
    assert!(after["grants"].as_array().is_some_and(|g| g.iter().all(|g| g["user_id"] != user.as_str())));
    let members = after["organization_members"].as_object().expect("an object").values();
    assert!(members.flat_map(|m| m.as_array().into_iter().flatten()).all(|m| m != user.as_str()));
    assert!(after["user_roles"].get(&user).is_none());
    let of_role = session.walk(&format!("/roles/{role}/users?take=50"), "users").0;
    assert!(of_role.iter().all(|u| u["user_id"] != user.as_str()));
    session.write("DELETE", &user_path(&user), &Value::Null);
}

#[test]
fn linking_makes_the_secondary_vanish_without_a_word() {
    let mut session = Session::new(small());
    let truth = session.tenant();
    let id = |n: usize| truth["users"][n]["user_id"].as_str().expect("an id").to_owned();
    let (first, second) = (id(0), id(100));
    let known = session.events("").0.len();
    let (provider, local) = second.split_once('|').expect("an id");
    let identities = session.write(
        "POST",
        &format!("{}/identities", user_path(&first)),
        &json!({ "provider": provider, "user_id": local }),
    );
    assert_eq!(identities.as_array().map(Vec::len), Some(2));
    assert!(identities[1]["profileData"].is_object());
    assert_eq!(session.refused(&user_path(&second)).0, 404);
    let events = session.new_events(known);
    assert_eq!(events.len(), 1, "one sapi, no deletion");
    assert_eq!(events[0]["description"], "Link a User Account");
    let target = format!("{}/identities/{}/{}", user_path(&first), segment(provider), segment(local));
    let left = session.write("DELETE", &target, &Value::Null);
    assert_eq!(left.as_array().map(Vec::len), Some(1));
    assert_eq!(session.get(&user_path(&second))["user_id"], second.as_str(), "and comes back when unlinked");
}

#[test]
fn organizations_apis_roles_and_connections_take_theirs() {
    let mut session = Session::new(small());
    let truth = session.tenant();
    let organization = truth["organizations"][0]["id"].as_str().expect("an id").to_owned();
    session.write("DELETE", &format!("/organizations/{organization}"), &Value::Null);
    let after = session.tenant();
    assert!(after["organization_members"].get(&organization).is_none());
    assert_eq!(session.refused(&format!("/organizations/{organization}/members")).0, 404);

    let grants = truth["client_grants"].as_array().expect("an array");
    let own =
        truth["resource_servers"].as_array().expect("an array").iter().find(|s| {
            s.get("is_system").is_none() && grants.iter().any(|g| g["audience"] == s["identifier"])
        });
    let server = own.expect("an API with grants");
    session.write(
        "DELETE",
        &format!("/resource-servers/{}", server["id"].as_str().expect("an id")),
        &Value::Null,
    );
    let after = session.tenant();
    assert!(
        after["client_grants"]
            .as_array()
            .is_some_and(|g| g.iter().all(|g| g["audience"] != server["identifier"]))
    );
    assert!(
        after["grants"].as_array().is_some_and(|g| g.iter().all(|g| g["audience"] != server["identifier"]))
    );
    let system = truth["resource_servers"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|s| s["is_system"] == true)
        .expect("one");
    let refused = session.call(
        "DELETE",
        &format!("/resource-servers/{}", system["id"].as_str().expect("an id")),
        &Value::Null,
    );
    assert_eq!(refused.status, 400);

    let role = truth["roles"][0]["id"].as_str().expect("an id").to_owned();
    let deleted = session.call("DELETE", &format!("/roles/{role}"), &Value::Null);
    assert_eq!((deleted.status, deleted.json()), (200, json!({})));
    let after = session.tenant();
    assert!(
        after["user_roles"]
            .as_object()
            .is_some_and(|u| u.values().all(|r| !r.as_array().is_some_and(|r| r.contains(&json!(role)))))
    );

    let github =
        truth["connections"].as_array().into_iter().flatten().find(|c| c["name"] == "github").expect("it");
    let deleted = session.call(
        "DELETE",
        &format!("/connections/{}", github["id"].as_str().expect("an id")),
        &Value::Null,
    );
    assert_eq!(deleted.status, 202);
    assert!(deleted.json()["deleted_at"].is_string());
    let after = session.tenant();
    assert!(
        after["users"]
            .as_array()
            .is_some_and(|u| u.iter().all(|u| u["identities"][0]["connection"] != "github"))
    );
    assert_eq!(
        session.refused(&format!("/connections/{}/clients", github["id"].as_str().expect("an id"))).0,
        404
    );
}

#[test]
fn every_entity_can_be_made_changed_and_taken() {
    let mut session = Session::new(small());
    for (path, id, create, change) in [
        (
            "/clients",
            "client_id",
            json!({ "name": "A", "callbacks": ["https://a.example.com"] }),
            json!({ "name": "B" }),
        ),
        ("/connections", "id", json!({ "name": "a-oidc", "strategy": "oidc" }), json!({ "realms": ["b"] })),
        (
            "/organizations",
            "id",
            json!({ "name": "a-org" }),
            json!({ "display_name": "B", "metadata": { "k": "v" } }),
        ),
        (
            "/resource-servers",
            "id",
            json!({ "identifier": "https://a.example.com", "signing_alg": "HS256" }),
            json!({ "name": "B" }),
        ),
        ("/roles", "id", json!({ "name": "A role" }), json!({ "description": "B" })),
        (
            "/log-streams",
            "id",
            json!({ "name": "A", "type": "http", "sink": { "httpEndpoint": "https://a.example.com" } }),
            json!({ "status": "paused" }),
        ),
        (
            "/actions/actions",
            "id",
            json!({ "name": "A", "supported_triggers": [{ "id": "post-login", "version": "v3" }] }),
            json!({ "code": "// b" }),
        ),
    ] {
        let made = session.write("POST", path, &create);
        let one = format!("{path}/{}", made[id].as_str().expect("an id"));
        for (field, value) in create.as_object().into_iter().flatten() {
            assert_eq!(&session.get(&one)[field], value, "{path} {field}");
        }
        session.write("PATCH", &one, &change);
        for (field, value) in change.as_object().into_iter().flatten() {
            assert_eq!(&session.get(&one)[field], value, "{path} {field}");
        }
        session.write("DELETE", &one, &Value::Null);
        assert_eq!(session.refused(&one).0, 404, "{path}");
        assert!(session.call("POST", path, &json!({ "unheard_of": 1 })).status == 400, "{path}");
    }
}

#[test]
fn an_action_is_deployed_in_versions() {
    let mut session = Session::new(small());
    let body = json!({ "name": "Versions", "code": "// 1", "supported_triggers": [{ "id": "post-login", "version": "v3" }],
        "secrets": [{ "name": "S", "value": "hidden" }] });
    let made = session.write("POST", "/actions/actions", &body);
    assert_eq!(made["status"], "pending");
    assert!(made["secrets"][0].get("value").is_none());
    let path = format!("/actions/actions/{}", made["id"].as_str().expect("an id"));
    session.write("POST", &format!("{path}/deploy"), &Value::Null);
    session.now += SECOND;
    session.write("PATCH", &path, &json!({ "code": "// 2" }));
    let changed = session.get(&path);
    assert_eq!(
        (&changed["all_changes_deployed"], &changed["deployed_version"]["code"]),
        (&json!(false), &json!("// 1"))
    );
    session.write("POST", &format!("{path}/deploy"), &Value::Null);
    let deployed = session.get(&path);
    assert_eq!(
        (&deployed["deployed_version"]["number"], &deployed["current_version"]["code"]),
        (&json!(2), &json!("// 2"))
    );
    let versions = session.get(&format!("{path}/versions"));
    assert_eq!(versions["total"], 2);
    let bindings = json!({ "bindings": [{ "display_name": "V", "ref": { "type": "action_name", "value": "Versions" } }] });
    session.write("PATCH", "/actions/triggers/post-login/bindings", &bindings);
    assert_eq!(session.get("/actions/triggers/post-login/bindings")["bindings"][0]["display_name"], "V");
    assert_eq!(session.call("DELETE", &path, &Value::Null).status, 409, "it is bound");
    session.write("DELETE", &format!("{path}?force=true"), &Value::Null);
}

#[test]
fn metadata_merges_and_nulls_remove() {
    let mut session = Session::new(small());
    let body = json!({ "connection": "Username-Password-Authentication", "email": "m@example.com", "app_metadata": { "a": 1, "b": { "c": [] } } });
    let made = session.write("POST", "/users", &body);
    let path = user_path(made["user_id"].as_str().expect("an id"));
    session.now += SECOND;
    let changed =
        session.write("PATCH", &path, &json!({ "app_metadata": { "a": null, "d": "x" }, "blocked": true }));
    assert_eq!(changed["app_metadata"], json!({ "b": { "c": [] }, "d": "x" }));
    assert_eq!(changed["blocked"], true);
    assert!(changed["updated_at"].as_str() > made["updated_at"].as_str());
    let twice = session.call("POST", "/users", &body);
    assert_eq!((twice.status, twice.json()["errorCode"].clone()), (409, json!("auth0_idp_error")));
}
