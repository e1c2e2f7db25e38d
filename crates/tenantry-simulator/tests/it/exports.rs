//! The export job, from order to file.

use crate::support::{SECOND, Session, ids, small};
use serde_json::{Value, json};
use std::io::Read;
use tenantry_simulator::{Config, Request, Response};

fn start(session: &mut Session, body: &Value) -> String {
    let job = session.write("POST", "/jobs/users-exports", body);
    assert_eq!((&job["type"], &job["status"]), (&json!("users_export"), &json!("pending")));
    job["id"].as_str().expect("an id").to_owned()
}

fn finish(session: &mut Session, id: &str) -> String {
    session.now += 3 * SECOND;
    let job = session.get(&format!("/jobs/{id}"));
    assert_eq!(job["status"], "completed");
    job["location"].as_str().expect("a location").to_owned()
}

fn download(session: &mut Session, location: &str) -> Response {
    session.send(&Request::get(location.trim_start_matches("http://127.0.0.1:7000")))
}

fn unzip(response: &Response) -> String {
    assert_eq!(response.status, 200);
    let mut text = String::new();
    flate2::read::GzDecoder::new(response.body.as_slice()).read_to_string(&mut text).expect("gzip");
    text
}

#[test]
fn a_job_goes_through_its_states() {
    let mut session = Session::new(small());
    let id = start(&mut session, &json!({ "format": "json" }));
    assert!(id.starts_with("job_") && id.len() == 20);
    assert_eq!(session.get(&format!("/jobs/{id}"))["status"], "pending");
    session.now += SECOND;
    let running = session.get(&format!("/jobs/{id}"));
    assert_eq!((&running["status"], &running["percentage_done"]), (&json!("processing"), &json!(50)));
    assert!(running.get("location").is_none());
    finish(&mut session, &id);
    session.now += 86_400 * SECOND;
    session.log_in();
    assert_eq!(session.refused(&format!("/jobs/{id}")).0, 404, "gone after a day");
}

#[test]
fn the_file_holds_exactly_the_named_fields_of_every_user() {
    let mut session = Session::new(small());
    let fields = ["user_id", "email", "blocked", "app_metadata", "identities", "last_login"];
    let named: Vec<Value> = fields.iter().map(|f| json!({ "name": f })).collect();
    let id = start(&mut session, &json!({ "format": "json", "fields": named }));
    let location = finish(&mut session, &id);
    let text = unzip(&download(&mut session, &location));
    let rows: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).expect("a line of JSON")).collect();
    let truth = session.tenant();
    assert_eq!(ids(&Value::Array(rows.clone()), "user_id"), ids(&truth["users"], "user_id"));
    for (row, user) in rows.iter().zip(truth["users"].as_array().into_iter().flatten()) {
        for field in fields {
            assert_eq!(row.get(field), user.get(field), "{field} of {}", row["user_id"]);
        }
        assert!(row.as_object().is_some_and(|r| r.keys().all(|k| fields.contains(&k.as_str()))));
    }
}

#[test]
fn limit_connection_and_names_are_honoured() {
    let mut session = Session::new(small());
    let truth = session.tenant();
    let connection = truth["connections"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|c| c["name"] == "google-oauth2")
        .expect("it");
    let fields = json!([{ "name": "user_id", "export_as": "id" }, { "name": "identities[0].connection", "export_as": "via" }]);
    let body = json!({ "format": "json", "connection_id": connection["id"], "fields": fields, "limit": 3 });
    let id = start(&mut session, &body);
    let location = finish(&mut session, &id);
    let text = unzip(&download(&mut session, &location));
    assert_eq!(text.lines().count(), 3);
    for line in text.lines() {
        let row: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(row["via"], "google-oauth2");
        assert!(row["id"].as_str().is_some_and(|id| id.starts_with("google-oauth2|")));
    }
}

#[test]
fn without_a_format_it_is_csv_and_csv_is_strict() {
    let mut session = Session::new(small());
    let id = start(&mut session, &json!({ "fields": [{ "name": "user_id" }, { "name": "logins_count" }] }));
    let location = finish(&mut session, &id);
    assert!(location.contains(".csv.gz?"));
    let text = unzip(&download(&mut session, &location));
    assert_eq!(text.lines().next(), Some("\"user_id\",\"logins_count\""));
    assert_eq!(text.lines().count(), 121);
    let many: Vec<Value> = (0..31).map(|n| json!({ "name": format!("user_metadata.f{n}") })).collect();
    for body in [
        json!({ "fields": many }),
        json!({ "format": "csv", "fields": [{ "name": "app_metadata" }] }),
        json!({ "format": "json", "fields": [{ "name": "blocked_for" }] }),
        json!({ "format": "xml" }),
    ] {
        assert_eq!(session.call("POST", "/jobs/users-exports", &body).status, 400, "{body}");
    }
}

#[test]
fn the_link_lives_a_minute_and_takes_no_token() {
    let mut session = Session::new(small());
    let id = start(&mut session, &json!({ "format": "json" }));
    let location = finish(&mut session, &id);
    let path = location.trim_start_matches("http://127.0.0.1:7000").to_owned();
    let token = session.token.clone();
    let refused = session.send(&Request::get(&path).bearer(&token));
    assert_eq!(refused.status, 400);
    assert!(String::from_utf8_lossy(&refused.body).contains("Only one auth mechanism allowed"));
    session.now += 59 * SECOND;
    let first = download(&mut session, &location);
    assert_eq!(first.status, 200);
    session.now += 3 * SECOND;
    assert_eq!(download(&mut session, &location).status, 403, "expired");
    let fresh = session.get(&format!("/jobs/{id}"))["location"].as_str().expect("a link").to_owned();
    assert_ne!(fresh, location);
    assert_eq!(download(&mut session, &fresh).body, first.body, "the file is made once");
    assert_eq!(download(&mut session, &fresh.replace("Signature=", "Signature=0")).status, 403);
}

#[test]
fn a_tenant_may_not_be_allowed_to_export() {
    let mut session = Session::new(Config { export_allowed: false, ..small() });
    let refused = session.call("POST", "/jobs/users-exports", &json!({ "format": "json" }));
    assert_eq!(refused.status, 403);
    session.control("POST", "/config", &json!({ "export_allowed": true }));
    start(&mut session, &json!({ "format": "json" }));
    session.control("POST", "/scopes", &json!({ "scopes": ["read:clients"] }));
    let refused = session.call("POST", "/jobs/users-exports", &json!({ "format": "json" }));
    assert_eq!(refused.json()["message"], "Insufficient scope, expected any of: read:users");
}
