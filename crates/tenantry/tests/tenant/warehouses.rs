//! One tenant in several destinations: every cell is the same in all of them, and every command works on each.

use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::json;
use tenantry_simulator::Config;

use crate::scenario::churn;
use crate::small;
use crate::tables::{self, Holding, Tables};
use crate::world::{Kind, Warehouse, World};

/// Brings states of one tenant into a file and into a destination of this kind: both hold what the tenant holds, and the same cells, after each.
///
/// How many states: an emulator, and a lake, take minutes where a database takes seconds; what is asked of them is that they do the same, and who
/// does that for a first read and two churns has done all that there is.
fn is_the_same_with_churn_as_in_a_file(kind: Kind) {
    let mut world = World::start(small());
    let mut warehouses = [Kind::DuckDb, kind].map(|kind| Arc::new(Warehouse::empty(kind)));
    let mut held = [Tables::default(), Tables::default()];
    let mut before = None;
    for round in 0..if kind == Kind::Postgres { 5 } else { 3 } {
        let truth = world.truth();
        for (warehouse, held) in warehouses.iter_mut().zip(&mut held) {
            world.swap(warehouse);
            let report = world.sync();
            assert_eq!(report["outcome"], "done", "{report}");
            let now = world.tables();
            let holding = before.as_ref().map_or(Holding::Nothing, |truth| Holding::Before(truth, held));
            tables::compare(&truth, &now, holding);
            *held = now;
            world.swap(warehouse);
        }
        let [file, other] = held.each_ref().map(untimed);
        assert_eq!(file, other, "{kind:?}, round {round}");
        before = Some(truth);
        world.churn(&churn(500 + round, 1));
    }
}

#[test]
fn a_tenant_with_churn_is_the_same_in_a_database() {
    is_the_same_with_churn_as_in_a_file(Kind::Postgres);
}

#[cfg(feature = "snowflake")]
#[test]
fn a_tenant_with_churn_is_the_same_in_snowflake() {
    is_the_same_with_churn_as_in_a_file(Kind::Snowflake);
}

#[cfg(feature = "bigquery")]
#[test]
fn a_tenant_with_churn_is_the_same_in_bigquery() {
    is_the_same_with_churn_as_in_a_file(Kind::BigQuery);
}

#[cfg(feature = "delta")]
#[test]
fn a_tenant_with_churn_is_the_same_in_a_lake() {
    is_the_same_with_churn_as_in_a_file(Kind::Delta);
}

/// Rows and flags without the times at which they were written.
fn untimed(tables: &Tables) -> Tables {
    let mut tables = tables.clone();
    for row in tables.values_mut().flat_map(|rows| rows.values_mut()) {
        row.synced.clear();
    }
    tables
}

/// Gives the first client another name past the command. False where what does that is not installed.
fn tamper(world: &World, kind: Kind) -> bool {
    #[cfg(feature = "delta")]
    if kind == Kind::Delta {
        return crate::delta::tamper(&world.lake());
    }
    assert_ne!(kind, Kind::DuckDb, "a file has one writer");
    world.tamper("UPDATE auth0.client SET name = 'tampered' WHERE id = (SELECT min(id) FROM auth0.client)");
    true
}

fn every_command_works_on(kind: Kind) {
    let world = World::start(small()).into(kind);
    let (code, _, messages) = world.run(&["status"]);
    assert_eq!(code, 5, "{messages}");
    assert!(
        messages.contains("no run has filled it yet") && messages.contains("`tenantry sync`"),
        "{messages}"
    );
    assert_eq!(world.run(&["plan", "--json"]).0, 0, "a plan needs no tables");
    assert_eq!(world.run(&["check", "--json"]).0, 0);
    world.sync();
    let (code, status, messages) = world.run(&["status", "--json"]);
    assert_eq!(code, 0, "{messages}");
    let users = status["tables"].as_array().unwrap().iter().find(|table| table["table"] == "users").unwrap();
    assert_eq!(users["live"], json!(world.truth()["users"].len()), "{users}");
    let asked = "select count(*) from users where not _fivetran_deleted";
    let (code, rows, messages) = world.run(&["sql", asked, "--format", "json"]);
    let count = rows[0].as_object().and_then(|row| row.values().next());
    assert_eq!((code, count), (0, Some(&json!(world.truth()["users"].len()))), "{messages}");
    let (code, _, messages) = world.run(&["sql", "delete from users where true"]);
    assert_eq!(code, 5, "{messages}");
    let (code, _, messages) = world.run(&["verify", "--full", "--json"]);
    assert_eq!(code, 0, "{messages}");

    if !tamper(&world, kind) {
        return;
    }
    let verify = ["verify", "--full", "--select", "client", "--json"];
    let (code, found, messages) = world.run(&verify);
    assert_eq!((code, &found["totals"]["stale"]), (1, &json!(1)), "{messages}");
    assert_eq!(world.run(&["resync", "client"]).0, 0);
    assert_eq!(world.run(&verify).0, 0);
}

#[test]
fn every_command_works_on_a_database() {
    every_command_works_on(Kind::Postgres);
}

/// An emulator stands here for the real service, as it does for the ones below.
#[cfg(feature = "snowflake")]
#[test]
fn every_command_works_on_snowflake() {
    every_command_works_on(Kind::Snowflake);
}

#[cfg(feature = "bigquery")]
#[test]
fn every_command_works_on_bigquery() {
    every_command_works_on(Kind::BigQuery);
}

#[cfg(feature = "delta")]
#[test]
fn every_command_works_on_a_lake() {
    every_command_works_on(Kind::Delta);
}

#[cfg(feature = "snowflake")]
#[test]
fn questions_in_another_sql_are_refused_in_words() {
    for arguments in [&["detect"][..], &["sql", "--question", "logins-by-day"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
        let command = command.args(arguments).args(["--destination", "snowflake:a/b/c"]).env_clear();
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("not of snowflake:"), "{said}");
    }
}

fn of_two_processes_one_writes_to(kind: Kind) {
    let world = World::start(Config { users: 60, logs: 150, ..small() }).into(kind);
    for round in 0..if kind == Kind::Postgres { 3 } else { 2 } {
        let begin = || {
            let command = world.command(&["sync", "--json"]);
            { command }.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let both = [begin(), begin()];
        let ended = both.map(|child| child.wait_with_output().unwrap());
        let codes = ended.each_ref().map(|output| output.status.code().unwrap());
        let said = ended.each_ref().map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
        assert!(codes.contains(&0), "{codes:?} {said:?}");
        assert!(codes.iter().all(|code| [0, 5].contains(code)), "{codes:?} {said:?}");
        tables::compare(&world.truth(), &world.tables(), Holding::Whatever);
        world.churn_within_the_hour(&churn(70 + round, 1));
    }
}

#[test]
fn of_two_processes_that_begin_at_once_one_writes_to_the_database() {
    of_two_processes_one_writes_to(Kind::Postgres);
}

#[cfg(feature = "snowflake")]
#[test]
fn of_two_processes_that_begin_at_once_one_writes_to_snowflake() {
    of_two_processes_one_writes_to(Kind::Snowflake);
}

#[cfg(feature = "bigquery")]
#[test]
fn of_two_processes_that_begin_at_once_one_writes_to_bigquery() {
    of_two_processes_one_writes_to(Kind::BigQuery);
}

#[cfg(feature = "delta")]
#[test]
fn of_two_processes_that_begin_at_once_one_writes_to_the_lake() {
    of_two_processes_one_writes_to(Kind::Delta);
}

#[cfg(feature = "snowflake")]
#[test]
fn a_place_in_snowflake_that_cannot_be_had_is_told_in_words() {
    let key = ("SNOWFLAKE_PRIVATE_KEY", "canary");
    let user = ("SNOWFLAKE_USER", "me");
    for (url, variables, code, words) in [
        ("snowflake:a", &[user, key][..], 2, "snowflake:ACCOUNT/DATABASE/SCHEMA"),
        ("snowflake:a/b/c", &[key], 2, "SNOWFLAKE_USER"),
        ("snowflake:a/b/c", &[user], 2, "SNOWFLAKE_PRIVATE_KEY_FILE"),
        ("snowflake:a/b/c", &[user, key], 5, "not PEM"),
        ("snowflake:a/b/c", &[user, key, ("TENANTRY_SCHEMA", "d")], 2, "snowflake:ACCOUNT/DATABASE"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
        let command = command.args(["status", "--destination", url]).env_clear();
        let output = command.envs(variables.iter().copied()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{url}: {said}");
        assert!(said.contains(words) && !said.contains("canary"), "{url}: {said}");
    }
}

#[test]
fn a_database_that_cannot_be_had_is_told_in_words() {
    for (url, code, words) in [
        ("postgres://me:canary@127.0.0.1/w", 2, "PGPASSWORD"),
        ("postgres://me@127.0.0.1:1/w", 5, "127.0.0.1:1"),
        ("postgres://127.0.0.1/w", 2, "PGUSER"),
        ("postgres://me@db.example.com/w?sslmode=prefer", 2, "verify-full"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
        let output = command.args(["status", "--destination", url]).env_clear().output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{url}: {said}");
        assert!(said.contains(words) && !said.contains("canary"), "{url}: {said}");
    }
}
