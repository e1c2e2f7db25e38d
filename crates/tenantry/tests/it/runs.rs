//! `sync` and `check` against a tenant over HTTP: what they say, and what they exit with.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::Value;
use tenantry_simulator::{CLIENT_ID, Config, Plan};

use crate::harness::{Place, Tenant, needed_scopes};

fn table<'a>(json: &'a Value, name: &str) -> &'a Value {
    json["tables"].as_array().unwrap().iter().find(|row| row["table"] == name).unwrap()
}

#[test]
fn a_run_brings_every_table_and_the_next_one_changes_nothing() {
    let tenant = Tenant::small();
    let place = Place::of(&tenant);
    let first = place.run(&["sync", "--json"]).exits(0).json();
    assert_eq!(first["tables"].as_array().unwrap().len(), 33);
    assert_eq!(table(&first, "users")["inserted"], 30);
    let sum: u64 =
        first["tables"].as_array().unwrap().iter().map(|row| row["inserted"].as_u64().unwrap()).sum();
    assert_eq!(first["totals"]["inserted"], sum);
    assert!(first["totals"]["requests"].as_u64().unwrap() > 10);

    let second = place.run(&["sync", "--json"]).exits(0).json();
    assert_eq!(second["run"], 2);
    let requests = |run: &Value| run["totals"]["requests"].as_u64().unwrap();
    assert!(
        requests(&second) < requests(&first),
        "{} requests after {}",
        requests(&second),
        requests(&first)
    );
    for number in ["inserted", "updated", "deleted"] {
        assert_eq!(second["totals"][number], 0, "{second:#}");
    }
    let text = place.run(&["sync"]).exits(0);
    assert!(text.out.contains("\nrun 3: 0 rows inserted, 0 updated, 0 deleted, "), "{}", text.out);
    assert!(text.err.lines().any(|line| line.starts_with("done ") && line.contains("users")), "{}", text.err);
}

#[test]
fn only_what_is_selected_is_written() {
    let tenant = Tenant::small();
    let place = Place::of(&tenant);
    let run = place
        .run(&["sync", "--json", "--select", "user*", "--exclude", "user_app_metadata *discontinued*"])
        .exits(0)
        .json();
    let names: Vec<&str> =
        run["tables"].as_array().unwrap().iter().map(|row| row["table"].as_str().unwrap()).collect();
    assert_eq!(names, ["users", "user_identities"]);
    let status = place.run(&["status", "--json"]).exits(0).json();
    assert_eq!(table(&status, "users")["live"], 30);
    assert_eq!(table(&status, "user_app_metadata")["live"], 0);
    assert_eq!(table(&status, "role")["live"], 0);
    let child = place.run(&["sync", "--json", "--select", "user_app_metadata"]).exits(0).json();
    assert!(table(&child, "user_app_metadata")["inserted"].as_u64().unwrap() > 0);
}

#[test]
fn a_misspelt_selector_is_refused_before_anything_is_asked() {
    let tenant = Tenant::small();
    let wrong = Place::of(&tenant).run(&["sync", "--exclude", "usrs"]).exits(2);
    assert!(wrong.err.contains("did you mean `users`?"), "{}", wrong.err);
}

#[test]
fn a_missing_scope_skips_its_tables_and_names_what_to_grant() {
    let tenant = Tenant::without_scope("read:grants");
    let place = Place::of(&tenant);
    let ran = place.run(&["sync"]).exits(1);
    assert!(
        ran.err.contains("warning: skipped: grants, grant_scope: the token lacks `read:grants`"),
        "{}",
        ran.err
    );
    let hint = format!(
        "hint: grant `read:grants` to application {CLIENT_ID}: \
         Dashboard > APIs > Auth0 Management API > Machine to Machine Applications"
    );
    assert!(ran.err.contains(&hint), "{}", ran.err);
    let json = place.run(&["sync", "--json"]).exits(1).json();
    assert_eq!((&json["outcome"], &json["exit_code"]), (&"incomplete".into(), &1.into()));
    assert_eq!(table(&json, "grants")["outcome"], "skipped");
    assert_eq!(table(&json, "users")["outcome"], "done");
    // Nothing that was asked for could run: that is about credentials.
    place.run(&["sync", "--select", "grants"]).exits(3);
}

#[test]
fn a_wrong_secret_stops_everything() {
    let tenant = Tenant::small();
    let place = Place::of(&tenant).with("AUTH0_CLIENT_SECRET", "wrong");
    let refused = place.run(&["sync", "--json"]).exits(3);
    assert_eq!(refused.json()["outcome"], "credentials");
    assert!(refused.err.starts_with("error: "), "{}", refused.err);
    assert!(refused.err.contains("hint: check the domain, client id and secret"), "{}", refused.err);
    place.run(&["check"]).exits(3);
    let token = Place::of(&tenant).with("AUTH0_ACCESS_TOKEN", "no-token");
    assert_eq!(token.run(&["sync", "--json"]).exits(3).json()["outcome"], "credentials");
    token.run(&["check"]).exits(3);
}

#[test]
fn a_tenant_that_does_not_answer_is_said() {
    let tenant = Tenant::small();
    let place = Place::of(&tenant).with("AUTH0_DOMAIN", "http://127.0.0.1:1");
    let unreachable = place.run(&["check"]).exits(1);
    assert!(
        unreachable.out.starts_with("wrong  token          http://127.0.0.1:1 did not answer within 10 s\n"),
        "{unreachable:?}"
    );
    assert!(unreachable.out.contains("to do: check the network and AUTH0_DOMAIN"), "{unreachable:?}");
}

#[test]
fn a_locked_destination_is_said() {
    let tenant = Tenant::small();
    let place = Place::of(&tenant);
    // Another process has the file open: its tenant is so slow that it does for long.
    let slow = Tenant::of(Config { plan: Plan::Free, ..Tenant::config() });
    let url = format!("duckdb:{}", place.path("held.duckdb").display());
    let elsewhere = Place::of(&slow);
    let mut holder = elsewhere.command(&["sync", "--destination", &url]);
    let mut holder = holder.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(holder.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("done"), "{line}");
    let ran = place.run(&["sync", "--json", "--destination", &url]).exits(5);
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(ran.err.contains(&format!("process {} has the file open", holder.id())), "{}", ran.err);
    assert_eq!(ran.json()["outcome"], "destination");
    place.run(&["sync", "--destination", "duckdb:no/such/folder/x.duckdb"]).exits(5);
    place.run(&["sync", "--destination", "x.duckdb"]).exits(2);
}

#[test]
fn check_says_of_each_thing_whether_it_is_fine() {
    let scopes = Some(needed_scopes());
    let tenant = Tenant::of(Config { scopes, start: now(), ..Tenant::config() });
    let place = Place::of(&tenant);
    let checked = place.run(&["check"]).exits(0);
    assert!(checked.out.lines().all(|line| line.starts_with("ok ")), "{}", checked.out);
    for subject in ["token", "scope", "clock", "destination"] {
        assert!(checked.out.contains(&format!("ok     {subject}")), "{subject}: {}", checked.out);
    }
    let json = place.run(&["check", "--json"]).exits(0).json();
    assert_eq!(json["outcome"], "done");
    assert!(json["findings"].as_array().unwrap().iter().all(|finding| finding["verdict"] == "ok"));
}

#[test]
fn check_names_the_scope_that_is_missing() {
    let tenant = Tenant::without_scope("read:logs");
    let place = Place::of(&tenant);
    let checked = place.run(&["check"]).exits(1);
    let line = checked.out.lines().find(|line| line.starts_with("wrong")).unwrap();
    assert_eq!(
        line,
        "wrong  scope          read:logs is missing, these are skipped: logs, log_detail_accessed_secret"
    );
    assert!(
        checked.out.contains(&format!("to do: grant `read:logs` to application {CLIENT_ID}: Dashboard > ")),
        "{}",
        checked.out
    );
}

/// The machine's time, for a tenant whose clock agrees with it.
fn now() -> i64 {
    tenantry_simulator::server::wall_clock()
}
