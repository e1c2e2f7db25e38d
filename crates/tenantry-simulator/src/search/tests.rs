//! What a query finds, and what is no query.

use super::*;
use serde_json::json;

fn hits(query: &str, document: &Value) -> bool {
    Query::parse(query).expect(query).matches(document)
}

#[test]
fn terms_phrases_prefixes_and_logic() {
    let doc = json!({"email": "Haruka@example.com", "user_id": "auth0|a b", "logins_count": 12,
        "identities": [{"connection": "db"}, {"connection": "github"}], "app_metadata": {"plan": "pro"}});
    assert!(hits("email:haruka@example.com", &doc));
    assert!(hits("email:\"haruka@example.com\" AND identities.connection:github", &doc));
    assert!(hits("email:haru*", &doc));
    assert!(hits("user_id:\"auth0|a b\"", &doc));
    assert!(hits("user_id:(\"auth0|x\" OR \"auth0|a b\")", &doc));
    assert!(hits("NOT app_metadata.plan:free", &doc));
    assert!(hits("-app_metadata.plan:free", &doc));
    assert!(!hits("app_metadata.plan:free OR (email:nobody AND logins_count:12)", &doc));
    assert!(hits("logins_count:[2 TO 12]", &doc));
    assert!(!hits("logins_count:[2 TO 12}", &doc));
    assert!(hits("logins_count:{11 TO *]", &doc));
    assert!(hits("_exists_:email", &doc));
    assert!(!hits("_exists_:blocked", &doc));
    assert!(hits("", &doc));
}

#[test]
fn time_ranges_round_as_elasticsearch_does() {
    let doc = json!({"updated_at": "2026-03-04T05:06:07.890Z"});
    for (query, expected) in [
        ("updated_at:[2026-03-04T05:06:07.890Z TO *]", true),
        ("updated_at:{2026-03-04T05:06:07.890Z TO *]", false),
        ("updated_at:[* TO 2026-03-04T05:06:07.890Z}", false),
        ("updated_at:[* TO 2026-03-04T05:06:07.890Z]", true),
        ("updated_at:[2026-03-04 TO 2026-03-04]", true),
        ("updated_at:{2026-03-04 TO *}", false),
        ("updated_at:[\"2026-03-04T05:00:00.000Z\" TO \"2026-03-04T06:00:00.000Z\"]", true),
        ("updated_at:\"2026-03-04T05:06:07.890Z\"", true),
        ("updated_at:2026-03-04", true),
        ("updated_at:2026-03-04T05:06:07.890Z", true),
    ] {
        assert_eq!(hits(query, &doc), expected, "{query}");
    }
}

#[test]
fn ids_are_ranges_of_text() {
    let doc = json!({"user_id": "auth0|62b"});
    assert!(hits("user_id:[\"auth0|62a\" TO \"auth0|62c\"]", &doc));
    assert!(hits("user_id:{auth0|62a TO *}", &doc));
    assert!(!hits("user_id:{\"auth0|62b\" TO *}", &doc));
}

#[test]
fn what_is_no_query_is_refused() {
    for bad in
        ["updated_at:[a b]", "(email:a", "email:a)", "[a TO b]", "email:\"a", "updated_at:[a TO", "AND"]
    {
        let parsed = Query::parse(bad);
        assert!(parsed.is_err() || bad == "AND", "{bad}: {parsed:?}");
    }
}

#[test]
fn what_a_match_must_fulfil_is_known_beforehand() {
    let query = Query::parse("updated_at:[2026-01-01 TO *] AND (user_id:a OR user_id:b)").expect("a query");
    assert_eq!(query.required().len(), 1);
    assert_eq!(query.one_of("user_id"), Some(vec!["a", "b"]));
}
