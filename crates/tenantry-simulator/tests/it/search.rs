//! The user search: windows, ties, ids, and its lag behind the truth.

use crate::support::{SECOND, Session, ids, segment, small};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tenantry_simulator::Config;

fn encode(query: &str) -> String {
    segment(query)
}

fn find(session: &mut Session, query: &str) -> Value {
    session.get(&format!("/users?include_totals=true&per_page=100&sort=updated_at:1&q={}", encode(query)))
}

#[test]
fn windows_over_updated_at_partition_the_users() {
    let mut session = Session::new(Config { users: 700, tied_users: 0, ..small() });
    let truth = session.tenant();
    let mut times: Vec<String> = truth["users"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|u| u["updated_at"].as_str().unwrap_or_default().to_owned())
        .collect();
    times.sort();
    let mut seen = BTreeSet::new();
    for bounds in
        [("*", times[200].as_str()), (times[200].as_str(), times[500].as_str()), (times[500].as_str(), "*")]
    {
        let high = if bounds.1 == "*" { "*]".to_owned() } else { format!("{}}}", bounds.1) };
        let query = format!("updated_at:[{} TO {high}", bounds.0);
        let first = find(&mut session, &query);
        let total = first["total"].as_u64().expect("a total") as usize;
        let mut rows = Vec::new();
        for page in 0..total.div_ceil(100) {
            let target = format!("/users?per_page=100&page={page}&sort=updated_at:1&q={}", encode(&query));
            rows.extend(session.get(&target).as_array().expect("an array").clone());
        }
        assert_eq!(rows.len(), total);
        let updated: Vec<_> = rows.iter().map(|u| u["updated_at"].as_str().unwrap_or_default()).collect();
        assert!(updated.windows(2).all(|w| w[0] <= w[1]));
        for row in rows {
            assert!(seen.insert(row["user_id"].as_str().expect("an id").to_owned()), "seen twice");
        }
    }
    assert_eq!(seen.len(), 700);
}

#[test]
fn a_single_instant_that_holds_more_than_a_thousand_is_split_by_id() {
    let mut session = Session::new(Config { users: 1_800, tied_users: 1_500, ..small() });
    let truth = session.tenant();
    let tied = &truth["users"][0];
    let instant = tied["updated_at"].as_str().expect("a time");
    assert_eq!(tied["created_at"], instant);
    let query = format!("updated_at:[{instant} TO {instant}]");
    assert_eq!(find(&mut session, &query)["total"], 1_500);
    let mut ids: Vec<String> = truth["users"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|u| u["updated_at"] == instant)
        .map(|u| u["user_id"].as_str().unwrap_or_default().to_owned())
        .collect();
    ids.sort();
    assert_eq!(ids.len(), 1_500);
    let lower = format!("{query} AND user_id:[* TO \"{}\"}}", ids[700]);
    let upper = format!("{query} AND user_id:[\"{}\" TO *]", ids[700]);
    assert_eq!(find(&mut session, &lower)["total"], 700);
    assert_eq!(find(&mut session, &upper)["total"], 800);
    let list = ids[10..15].iter().map(|id| format!("\"{id}\"")).collect::<Vec<_>>().join(" OR ");
    assert_eq!(find(&mut session, &format!("user_id:({list})"))["total"], 5);
}

#[test]
fn fields_logic_and_connections() {
    let mut session = Session::new(small());
    let truth = session.tenant();
    let users = truth["users"].as_array().expect("an array");
    let count = |test: &dyn Fn(&Value) -> bool| users.iter().filter(|u| test(u)).count();
    let google = count(&|u| {
        u["identities"].as_array().is_some_and(|i| i.iter().any(|i| i["connection"] == "google-oauth2"))
    });
    assert!(google > 0);
    assert_eq!(find(&mut session, "identities.connection:\"google-oauth2\"")["total"], google);
    assert_eq!(session.get("/users?include_totals=true&connection=google-oauth2")["total"], google);
    let pro = count(&|u| u["app_metadata"]["plan"] == "pro");
    assert_eq!(find(&mut session, "app_metadata.plan:pro")["total"], pro);
    assert_eq!(find(&mut session, "NOT app_metadata.plan:pro")["total"], users.len() - pro);
    let blocked = count(&|u| u["blocked"] == true);
    assert_eq!(find(&mut session, "blocked:true")["total"], blocked);
    let email = users.iter().find_map(|u| u["email"].as_str()).expect("a mail address");
    assert_eq!(find(&mut session, &format!("email:\"{}\"", email.to_uppercase()))["total"], 1);
    let prefixed = find(&mut session, &format!("email:{}*", &email[..5]));
    let starts = |u: &Value| u["email"].as_str().is_some_and(|e| e.starts_with(&email[..5]));
    assert_eq!(prefixed["total"], count(&starts));
    let organization = truth["organizations"][0]["id"].as_str().expect("an id");
    assert_eq!(find(&mut session, &format!("organization_id:\"{organization}\""))["total"], 25);
    let seen = count(&|u| u.get("last_login").is_some());
    assert_eq!(find(&mut session, "_exists_:last_login")["total"], seen);
    for bad in ["updated_at:[2026 2027]", "(email:a"] {
        assert_eq!(session.refused(&format!("/users?q={}", encode(bad))).0, 400, "{bad}");
    }
    assert_eq!(session.refused("/users?sort=created_at").0, 400);
}

#[test]
fn sort_and_fields_of_the_list() {
    let mut session = Session::new(small());
    for (sort, field, rising) in [
        ("email:1", "email", true),
        ("logins_count:-1", "logins_count", false),
        ("user_id:1", "user_id", true),
    ] {
        let rows = session.get(&format!("/users?per_page=60&sort={sort}"));
        let values: Vec<&Value> =
            rows.as_array().into_iter().flatten().filter_map(|u| u.get(field)).collect();
        let ordered = values.windows(2).all(|w| match (w[0].as_u64(), w[1].as_u64()) {
            (Some(a), Some(b)) => a >= b,
            _ => (w[0].as_str() <= w[1].as_str()) == rising || w[0] == w[1],
        });
        assert!(ordered, "{sort}: {values:?}");
    }
    let slim = session.get("/users?per_page=1&fields=user_id,email");
    assert!(slim[0].as_object().is_some_and(|u| u.keys().all(|k| k == "user_id" || k == "email")));
    let without = session.get("/users?per_page=1&fields=email&include_fields=false");
    assert!(without[0].get("email").is_none() && without[0].get("user_id").is_some());
}

#[test]
fn the_search_lags_behind_and_single_reads_do_not() {
    let mut session = Session::new(Config { search_lag_micros: 5 * SECOND, ..small() });
    let made = session.write(
        "POST",
        "/users",
        &json!({ "connection": "Username-Password-Authentication", "email": "late@example.com" }),
    );
    let id = made["user_id"].as_str().expect("an id").to_owned();
    let exact = format!("user_id:\"{id}\"");
    assert_eq!(session.get(&format!("/users/{}", segment(&id)))["email"], "late@example.com");
    assert_eq!(session.get("/users-by-email?email=late@example.com").as_array().map(Vec::len), Some(1));
    assert_eq!(find(&mut session, &exact)["total"], 0);
    session.now += 5 * SECOND;
    assert_eq!(find(&mut session, &exact)["total"], 1);
    session.write("PATCH", &format!("/users/{}", segment(&id)), &json!({ "name": "Changed" }));
    assert_eq!(find(&mut session, &exact)["users"][0]["name"], "late@example.com");
    session.now += 5 * SECOND;
    assert_eq!(find(&mut session, &exact)["users"][0]["name"], "Changed");
    let organization = session.tenant()["organizations"][0]["id"].as_str().expect("an id").to_owned();
    let members = format!("/organizations/{organization}/members");
    session.write("POST", &members, &json!({ "members": [id] }));
    assert_eq!(session.walk(&format!("{members}?take=100"), "members").0.len(), 25, "not yet shown");
    session.now += 5 * SECOND;
    assert_eq!(session.walk(&format!("{members}?take=100"), "members").0.len(), 26);
    session.write("DELETE", &format!("/users/{}", segment(&id)), &Value::Null);
    assert_eq!(session.refused(&format!("/users/{}", segment(&id))).0, 404);
    assert_eq!(find(&mut session, &exact)["total"], 1, "a deleted user lingers");
    assert_eq!(session.walk(&format!("{members}?take=100"), "members").0.len(), 26, "and so does a member");
    session.now += 5 * SECOND;
    assert_eq!(find(&mut session, &exact)["total"], 0);
    assert_eq!(session.walk(&format!("{members}?take=100"), "members").0.len(), 25);
}

#[test]
fn an_import_shares_one_timestamp_and_one_event() {
    let mut session = Session::new(small());
    let known = session.events("").0.len();
    let done = session.control("POST", "/import", &json!({ "count": 1_200, "seed": 9 }));
    assert_eq!(done["imported"], 1_200);
    let truth = session.tenant();
    let imported = &truth["users"].as_array().expect("an array")[120..];
    let times: BTreeSet<_> =
        imported.iter().map(|u| (u["created_at"].as_str(), u["updated_at"].as_str())).collect();
    assert_eq!((imported.len(), times.len()), (1_200, 1));
    let events = session.new_events(known);
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["type"], "sui");
    assert_eq!(ids(&Value::Array(imported.to_vec()), "user_id").len(), 1_200);
}
