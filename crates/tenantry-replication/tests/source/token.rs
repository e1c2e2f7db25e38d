//! The token: one for all, renewed in time, renewed once when refused, shown to nobody else.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tenantry_replication::error::SourceErrorKind;
use tenantry_replication::source::auth0::{Algorithm, Auth0, Credentials, Secret};
use tenantry_replication::source::{Read, Source};
use tenantry_simulator::{CLIENT_ID, Config, Plan};

use super::network::{Script, Tenant, ok, settings, stream};
use super::read_all;

/// Body of a private key that was made for this test and opens nothing.
const KEY: &str = include_str!("throwaway_key.txt");

fn unlimited() -> Config {
    Config { plan: Plan::Unlimited, ..Config::default() }
}

fn tokens(tenant: &Tenant) -> usize {
    tenant.log().iter().filter(|sent| sent.path == "/oauth/token").count()
}

#[test]
fn connecting_tells_scopes_and_clock() {
    let scopes = vec!["read:users".to_owned(), "read:clients".to_owned()];
    for (skew, ahead) in [(0, 0), (-3_600_000_000, 3_600), (90_000_000, -90)] {
        let config = Config { scopes: Some(scopes.clone()), ..unlimited() };
        let tenant = Tenant::with(config, super::time::skewed(skew), Duration::from_millis(50));
        let source = tenant.source();
        let access = tenant.clock.run(source.connect()).unwrap();
        assert_eq!(access.scopes, Some(vec!["read:clients".into(), "read:users".into()]));
        assert!((access.clock_ahead_seconds.unwrap() - ahead).abs() <= 1, "{access:?}");
        tenant.clock.run(source.connect()).unwrap();
        assert_eq!(tokens(&tenant), 1, "what is still valid is not asked for again");
        assert_eq!(source.requests(), 0, "tokens do not count against the API");
    }
}

#[test]
fn a_clock_that_is_set_while_we_run_does_not_change_what_is_known_of_the_tenants() {
    let tenant = Tenant::new(unlimited());
    let source = tenant.source();
    tenant.clock.run(source.connect()).unwrap();
    for skew in [-31_536_000, 3_600, 0] {
        tenant.clock.skew(skew * 1_000_000);
        // The token is still valid, so that no answer tells the time again.
        let access = tenant.clock.run(source.connect()).unwrap();
        assert!((access.clock_ahead_seconds.unwrap() + skew).abs() <= 1, "{access:?}");
    }
    assert_eq!(tokens(&tenant), 1);
}

/// It has to be known when a read begins: changes that are timed by a clock that is ahead would count as applied before they are.
#[test]
fn with_a_token_that_was_given_the_tenants_time_is_asked_for_before_anything_is_read() {
    for skew in [300, 3_600, -31_536_000] {
        let clock = super::time::skewed(skew * 1_000_000);
        let tenant = Tenant::with(unlimited(), clock, Duration::from_millis(50));
        let source = tenant.source_with(|settings| {
            settings.credentials = Credentials::Token(Secret::new("given"));
        });
        let access = tenant.clock.run(source.connect()).unwrap();
        assert!((access.clock_ahead_seconds.unwrap() + skew).abs() <= 1, "{access:?}");
        tenant.clock.run(source.connect()).unwrap();
        let log = tenant.log();
        let asked: Vec<_> = log.iter().map(|sent| (sent.path.as_str(), &sent.authorization)).collect();
        assert_eq!(asked, [("/.well-known/openid-configuration", &None)], "once, and the token is not shown");
        assert_eq!(source.requests(), 0, "no limit of the API counts it");
    }
}

#[test]
fn an_answer_in_the_tenants_stead_that_tells_no_time_is_not_taken_for_its_own() {
    for status in [504, 408, 200] {
        let clock = super::time::skewed(300_000_000);
        let tenant = Tenant::with(unlimited(), clock, Duration::from_millis(50));
        let away = json!({ "path": "/.well-known/openid-configuration", "status": status, "body": {}, "times": 2, "headers": { "date": "" } });
        tenant.fault(away);
        let source =
            tenant.source_with(|settings| settings.credentials = Credentials::Token(Secret::new("given")));
        let access = tenant.clock.run(source.connect()).unwrap();
        assert!((access.clock_ahead_seconds.unwrap() + 300).abs() <= 1, "{access:?}");
        assert_eq!(tenant.log().len(), 3, "{status}");
    }
}

#[test]
fn an_answer_out_of_a_cache_does_not_put_the_time_back() {
    let tenant = Tenant::new(unlimited());
    let source = tenant.source();
    source.begin();
    tenant.clock.run(source.connect()).unwrap();
    let roles = || Read { stream: stream("roles"), parents: Vec::new(), from: None, since: None };
    tenant.clock.run(super::read_all(source.open(roles()))).unwrap();
    tenant.fault(json!({ "path": "/api/v2/roles", "status": 200, "body": { "roles": [], "total": 0 },
        "headers": { "date": "Mon, 02 Nov 2026 07:00:00 GMT" } }));
    tenant.clock.run(super::read_all(source.open(roles()))).unwrap();
    let truth = tenant.clock.truth();
    assert!((source.now().unwrap() - truth).abs() <= 1_000_000, "{:?} at {truth}", source.now());
    source.begin();
    assert_eq!(source.now(), None, "what an earlier run was told may be too old");
}

#[test]
fn wrong_credentials_are_refused_at_once() {
    let tenant = Tenant::new(unlimited());
    let source = tenant.source_with(|settings| {
        settings.credentials =
            Credentials::ClientSecret { client_id: CLIENT_ID.into(), secret: Secret::new("wrong") };
    });
    let error = tenant.clock.run(source.connect()).unwrap_err();
    assert_eq!((error.kind, error.status), (SourceErrorKind::Unauthorized, Some(401)));
    assert_eq!(tokens(&tenant), 1);
    assert!(!format!("{error:?}").contains("wrong\""));
}

#[test]
fn a_token_that_ends_in_the_middle_of_a_walk_is_renewed_before() {
    let tenant = Tenant::with(
        Config { organizations: 400, token_micros: 60_000_000, members_per_organization: 3, ..unlimited() },
        super::time::clock(),
        Duration::from_secs(2),
    );
    let parents: Vec<String> = tenant.truth()["organizations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| o["id"].as_str().unwrap().to_owned())
        .collect();
    let got = tenant.read_from("organization_members", parents, None);
    assert!(got.complete);
    assert!(tokens(&tenant) >= 3, "{}", tokens(&tenant));
    assert!(
        tenant.api_log().iter().all(|sent| sent.status == 200),
        "no request went out with a token that had ended"
    );
}

#[test]
fn an_answer_with_a_token_that_is_cut_short_is_asked_for_again() {
    for fault in [json!({ "truncate": 25 }), json!({ "cut": 25 }), json!({ "status": 200, "body": "<html>" })]
    {
        let tenant = Tenant::new(unlimited());
        let mut fault = fault;
        fault["path"] = "/oauth/token".into();
        tenant.fault(fault);
        let source = tenant.source();
        tenant.clock.run(source.connect()).unwrap();
        assert_eq!(tokens(&tenant), 2);
    }
}

#[test]
fn the_life_of_a_token_counts_from_the_request_that_brought_it() {
    let tenant = Tenant::new(Config { token_micros: 100_000_000, ..unlimited() });
    let path = "/oauth/token";
    tenant.fault(json!({ "path": path, "times": 3, "status": 503, "headers": { "retry-after": "30" } }));
    let source = tenant.source();
    tenant.clock.run(source.connect()).unwrap();
    assert_eq!(tokens(&tenant), 4, "it took a minute and a half");
    tenant.clock.pass(Duration::from_secs(80));
    tenant.clock.run(source.connect()).unwrap();
    assert_eq!(tokens(&tenant), 4);
    tenant.clock.pass(Duration::from_secs(20));
    tenant.clock.run(source.connect()).unwrap();
    assert_eq!(tokens(&tenant), 5);
}

#[test]
fn a_refused_token_is_renewed_once() {
    let tenant = Tenant::new(Config { organizations: 250, ..unlimited() });
    tenant.fault(json!({ "path": "/api/v2/organizations", "skip": 1, "status": 401, "body": { "message": "Expired token received" } }));
    let got = tenant.read("organizations");
    assert!(got.complete);
    assert_eq!((got.records().count(), got.requests), (250, 4));
    assert_eq!(tokens(&tenant), 2);
}

#[test]
fn a_second_refusal_ends_the_read() {
    let tenant = Tenant::new(unlimited());
    tenant.fault(
        json!({ "path": "/api/v2/*", "status": 401, "times": 1000, "body": { "message": "Invalid token" } }),
    );
    let source = tenant.source();
    let pages =
        source.open(Read { stream: stream("organizations"), parents: Vec::new(), from: None, since: None });
    let error = tenant.clock.run(read_all(pages)).map(|_| ()).unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (SourceErrorKind::Unauthorized, "Invalid token"));
    assert_eq!((source.requests(), tokens(&tenant)), (2, 2));
}

#[test]
fn many_refused_at_once_share_one_renewal() {
    let tenant = Tenant::new(Config { organizations: 30, ..unlimited() });
    let parents: Vec<String> = tenant.truth()["organizations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| o["id"].as_str().unwrap().to_owned())
        .collect();
    // Eight are under way when the tenant stops taking the token.
    tenant.fault(
        json!({ "path": "/api/v2/organizations/*", "skip": 9, "status": 401, "times": 8, "body": {} }),
    );
    let got = tenant.read_from("organization_members", parents, None);
    assert!(got.complete);
    assert_eq!(tokens(&tenant), 2);
}

#[test]
fn a_ready_token_is_used_as_it_is_and_not_renewed() {
    let payload = URL_SAFE_NO_PAD.encode(json!({ "scope": "read:roles read:clients" }).to_string());
    let value = format!("e30.{payload}.signature");
    let mut settings = settings();
    settings.credentials = Credentials::Token(Secret::new(&value));
    let script = Script::new(|sent, _| {
        if sent.query.contains("per_page") { Ok(ok(json!([]))) } else { Ok((401, Vec::new(), "{}".into())) }
    });
    let source = Auth0::new(settings, Arc::clone(&script) as _, Arc::clone(&script.clock) as _);
    let access = script.clock.run(source.connect()).unwrap();
    assert_eq!(access.scopes, Some(vec!["read:clients".into(), "read:roles".into()]));
    let open =
        |name| source.open(Read { stream: stream(name), parents: Vec::new(), from: None, since: None });
    assert!(script.clock.run(read_all(open("roles"))).unwrap().complete);
    // The tenant is asked for its time first, which is open to all.
    let sent = script.log();
    let asked = sent.iter().take_while(|sent| sent.path == "/.well-known/openid-configuration");
    assert!(asked.clone().all(|sent| sent.authorization.is_none()));
    let asked = asked.count();
    assert_eq!(asked, 3, "none of its answers tells it");
    assert_eq!(sent[asked].authorization, Some(format!("Bearer {value}")));
    let error = script.clock.run(read_all(open("log_streams"))).map(|_| ()).unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Unauthorized);
    let with_token = script.log().iter().filter(|sent| sent.authorization.is_some()).count();
    assert_eq!(with_token, 2, "no second attempt with the same token");
}

#[test]
fn the_token_endpoint_is_asked_again_while_it_fails() {
    let tenant = Tenant::new(unlimited());
    for fault in [
        json!({ "path": "/oauth/token", "status": 503 }),
        json!({ "path": "/oauth/token", "status": 429, "headers": { "retry-after": "7" }, "body": { "error": "too_many_requests" } }),
        json!({ "path": "/oauth/token", "status": 200, "body": "<html></html>" }),
        json!({ "path": "/oauth/token", "cut": 20 }),
    ] {
        tenant.fault(fault);
    }
    let source = tenant.source();
    tenant.clock.run(source.connect()).unwrap();
    assert_eq!(tokens(&tenant), 5);
    assert!(tenant.clock.slept().iter().any(|wait| *wait >= Duration::from_secs(7)));
}

fn private_key(algorithm: Algorithm) -> Credentials {
    let pem = Secret::new(format!("-----BEGIN {0}-----\n{KEY}-----END {0}-----\n", "PRIVATE KEY"));
    Credentials::PrivateKey { client_id: CLIENT_ID.into(), pem, algorithm, key_id: Some("key-1".into()) }
}

/// Header and claims of the assertion in a request for a token.
fn assertion(body: &str) -> (Value, Value) {
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["client_assertion_type"], "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    assert!(body.get("client_secret").is_none());
    let parts: Vec<Vec<u8>> = body["client_assertion"]
        .as_str()
        .unwrap()
        .split('.')
        .map(|part| URL_SAFE_NO_PAD.decode(part).unwrap())
        .collect();
    (serde_json::from_slice(&parts[0]).unwrap(), serde_json::from_slice(&parts[1]).unwrap())
}

#[test]
fn an_application_may_sign_instead_of_sending_a_secret() {
    let mut ids = Vec::new();
    for (algorithm, name) in
        [(Algorithm::Rs256, "RS256"), (Algorithm::Rs384, "RS384"), (Algorithm::Ps256, "PS256")]
    {
        let tenant = Tenant::new(unlimited());
        let source = tenant.source_with(|settings| settings.credentials = private_key(algorithm));
        tenant.clock.run(source.connect()).unwrap();
        let (header, claims) = assertion(&tenant.log()[0].body);
        assert_eq!((&header["alg"], &header["kid"]), (&json!(name), &json!("key-1")));
        assert_eq!((&claims["iss"], &claims["sub"]), (&json!(CLIENT_ID), &json!(CLIENT_ID)));
        assert_eq!(claims["aud"], "https://tenantry-demo.us.auth0.example.com/");
        let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
        assert!((60..=300).contains(&life));
        ids.push(claims["jti"].as_str().unwrap().to_owned());
    }
    ids.dedup();
    assert_eq!(ids.len(), 3, "each assertion is used once");
}

#[test]
fn a_wrong_clock_is_corrected_before_signing_again() {
    // Our clock is an hour slow; the tenant takes ten seconds.
    let clock = super::time::skewed(-3_600_000_000);
    let tenant = Tenant::with(unlimited(), Arc::clone(&clock), Duration::from_millis(10));
    tenant.fault(json!({ "path": "/oauth/token", "status": 401, "body": { "error": "invalid_client" }, "headers": { "date": "Mon, 02 Nov 2026 08:00:00 GMT" } }));
    let source = tenant.source_with(|settings| settings.credentials = private_key(Algorithm::Rs256));
    tenant.clock.run(source.connect()).unwrap();
    let issued: Vec<i64> =
        tenant.log().iter().map(|sent| assertion(&sent.body).1["iat"].as_i64().unwrap()).collect();
    assert_eq!(issued.len(), 2);
    assert!((issued[1] - issued[0] - 3_600).abs() <= 2, "{issued:?}");
}

#[test]
fn a_broken_key_is_told_without_being_shown() {
    for pem in [
        "",
        "not a key",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----",
    ] {
        let tenant = Tenant::new(unlimited());
        let source = tenant.source_with(|settings| {
            settings.credentials = Credentials::PrivateKey {
                client_id: CLIENT_ID.into(),
                pem: Secret::new(pem),
                algorithm: Algorithm::Rs256,
                key_id: None,
            };
        });
        let error = tenant.clock.run(source.connect()).unwrap_err();
        assert_eq!(error.kind, SourceErrorKind::Refused);
        assert!(error.message.contains("private key") && !error.message.contains("AAAA"), "{error}");
        assert!(tenant.log().is_empty());
    }
}
