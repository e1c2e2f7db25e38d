//! Tokens and scopes.

use crate::support::{SECOND, Session, small};
use serde_json::{Value, json};
use tenantry_simulator::{CLIENT_ID, CLIENT_SECRET, Config, Request};

fn form(session: &mut Session, body: &str) -> tenantry_simulator::Response {
    let mut request =
        Request::new("POST", "/oauth/token").header("content-type", "application/x-www-form-urlencoded");
    request.body = body.as_bytes().to_vec();
    session.send(&request)
}

#[test]
fn a_token_comes_for_json_form_and_basic() {
    let mut session = Session::new(small());
    let answer = session.log_in().json();
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(86_400)));
    assert!(answer["scope"].as_str().is_some_and(|s| s.split(' ').any(|s| s == "read:users")));
    let audience = "https%3A%2F%2Fdemo.us.auth0.example.com%2Fapi%2Fv2%2F";
    let text = format!(
        "grant_type=client_credentials&client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}&audience={audience}"
    );
    assert_eq!(form(&mut session, &text).status, 200);
    let assertion = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJUZW5hbnRyeVNpbXVsYXRvclJlYWRlcjAwMDAwMDAwMSJ9.c2ln";
    let kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
    let text = format!(
        "grant_type=client_credentials&client_assertion_type={kind}&client_assertion={assertion}&audience={audience}"
    );
    assert_eq!(form(&mut session, &text).status, 200, "a private key's assertion, by its shape");
}

#[test]
fn the_token_endpoint_has_errors_of_its_own() {
    let mut session = Session::new(small());
    let mut ask = |id: &str, secret: &str, audience: &str| {
        let body = json!({ "grant_type": "client_credentials", "client_id": id, "client_secret": secret, "audience": audience });
        let response = session.send(&Request::new("POST", "/oauth/token").json(&body));
        (response.status, response.json()["error"].clone())
    };
    let audience = "https://demo.us.auth0.example.com/api/v2/";
    assert_eq!(ask(CLIENT_ID, "wrong", audience), (401, json!("access_denied")));
    assert_eq!(ask("nobody", CLIENT_SECRET, audience), (401, json!("access_denied")));
    assert_eq!(
        ask(CLIENT_ID, CLIENT_SECRET, "https://demo.us.auth0.example.com/api/v2"),
        (403, json!("access_denied"))
    );
    let secret_of_another = {
        let truth = session.tenant();
        let clients = truth["clients"].as_array().expect("an array");
        let other = clients.iter().find(|c| c["app_type"] == "spa").expect("another");
        (
            other["client_id"].as_str().expect("an id").to_owned(),
            other["client_secret"].as_str().expect("a secret").to_owned(),
        )
    };
    let body = json!({ "grant_type": "client_credentials", "client_id": secret_of_another.0,
        "client_secret": secret_of_another.1, "audience": audience });
    let response = session.send(&Request::new("POST", "/oauth/token").json(&body));
    assert_eq!(response.status, 403);
    assert!(response.json()["error_description"].as_str().is_some_and(|d| d.contains("client-grant")));
}

#[test]
fn an_expired_or_altered_token_is_401() {
    let mut session = Session::new(Config { token_micros: 100 * SECOND, ..small() });
    session.get("/roles");
    session.now += 100 * SECOND;
    let (status, body) = session.refused("/roles");
    assert_eq!((status, &body["error"]), (401, &json!("Unauthorized")));
    assert_eq!(body["message"], "Expired token received for JSON Web Token validation");
    session.log_in();
    session.get("/roles");
    session.token.push('x');
    assert_eq!(session.refused("/roles").0, 401);
    let response = session.send(&Request::get("/api/v2/roles"));
    assert_eq!(response.status, 401);
    let response = session.send(&Request::get("/api/v2/roles").header("authorization", "Basic abc"));
    assert_eq!((response.status, response.json()["errorCode"].clone()), (400, json!("Bearer")));
}

#[test]
fn a_missing_scope_is_named() {
    let scopes = ["read:users", "read:clients", "read:connections"].map(str::to_owned).to_vec();
    let mut session = Session::new(Config { scopes: Some(scopes), ..small() });
    session.get("/users");
    let (status, body) = session.refused("/logs");
    assert_eq!(status, 403);
    assert_eq!(
        body,
        json!({ "statusCode": 403, "error": "Forbidden",
            "message": "Insufficient scope, expected any of: read:logs,read:logs_users", "errorCode": "insufficient_scope" })
    );
    assert!(
        session
            .get("/clients")
            .as_array()
            .is_some_and(|c| c.iter().all(|c| c.get("client_secret").is_none()))
    );
    assert!(
        session.get("/connections").as_array().is_some_and(|c| c.iter().all(|c| c.get("options").is_none()))
    );
    let delete = session.call("DELETE", "/users/x", &Value::Null);
    assert_eq!(delete.status, 403);
    session.control("POST", "/scopes", &json!({ "scopes": ["read:users", "read:logs"] }));
    assert_eq!(session.refused("/clients").0, 403, "taken at once");
    assert_eq!(session.refused("/logs").0, 403, "granted with the next token");
    session.log_in();
    session.get("/logs");
    session.control("POST", "/scopes", &json!({ "scopes": null }));
    session.log_in();
    session.get("/grants");
}

#[test]
fn a_summary_scope_shows_four_fields() {
    let mut session = Session::new(Config { scopes: Some(vec!["read:client_summary".into()]), ..small() });
    let rows = session.get("/clients");
    assert!(rows.as_array().is_some_and(|c| c.iter().all(|c| c.as_object().is_some_and(|c| c.len() <= 4))));
}
