//! Auth0's own clients against the simulated tenant: what auth0-python lists and what auth0-deploy-cli exports must
//! be the tenant's truth.
//!
//! The clients are programs of their own, installed by `make setup`; where they are absent these tests say so and
//! pass, unless `TENANTRY_REQUIRE_CLIENTS` is set. The scripts beside this file only read; what they found is judged
//! here.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use tenantry_simulator::{CLIENT_ID, CLIENT_SECRET, Config, Plan, Simulation, server};

/// A tenant whose lists fit the window of 1,000 and whose answers hold nothing that Auth0's typed clients refuse.
fn tenant() -> Config {
    Config {
        users: 150,
        tied_users: 20,
        logs: 700,
        organizations: 7,
        members_per_organization: 12,
        clients: 14,
        grants: 60,
        plan: Plan::Unlimited,
        export_micros: 100_000,
        search_lag_micros: 0,
        log_lag_micros: 0,
        oddities: false,
        ..Config::default()
    }
}

#[expect(clippy::disallowed_methods, reason = "a test has no configuration to ask where tools are installed")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Where `make setup` installs the clients, or nothing, said aloud, where `program` is not there.
fn installed(program: &str, client: &str) -> Option<PathBuf> {
    let cache = variable("TENANTRY_CACHE").map(PathBuf::from);
    let cache = cache.or_else(|| variable("HOME").map(|home| Path::new(&home).join(".cache/tenantry")));
    let clients = cache.unwrap_or_default().join("clients");
    if clients.join(program).exists() {
        return Some(clients);
    }
    assert!(variable("TENANTRY_REQUIRE_CLIENTS").is_none(), "{client} is not installed: run make setup");
    // Past the test runner's capture, which would hide it where nothing fails.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {client} is not installed: run make setup");
    None
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// Serves the tenant while a command that `command` makes for its address runs; what the command printed, as JSON,
/// and the truth when it had ended.
async fn read_by(command: impl FnOnce(&str) -> Command) -> (Value, Value) {
    let server = server::start(Simulation::new(tenant()), 0).await.expect("a server");
    let mut command = command(&server.url());
    command
        .env("AUTH0_CLIENT_ID", CLIENT_ID)
        .env("AUTH0_CLIENT_SECRET", CLIENT_SECRET)
        .env("NO_PROXY", "127.0.0.1")
        .env("no_proxy", "127.0.0.1");
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.expect("a thread").expect("the client starts");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the client ended with {}:\n{complaint}", output.status);
    let truth = server.simulation().lock().expect("the tenant").truth();
    server.stop().await;
    (serde_json::from_slice(&output.stdout).expect("one JSON object"), truth)
}

fn rows<'a>(truth: &'a Value, entity: &str) -> &'a Vec<Value> {
    truth[entity].as_array().expect(entity)
}

/// The values at a name of each row, sorted.
fn ids(rows: &[Value], name: &str) -> Value {
    let mut ids: Vec<&str> = rows.iter().map(|row| row[name].as_str().expect(name)).collect();
    ids.sort_unstable();
    json!(ids)
}

/// Every list of an object of lists, sorted.
fn sorted_lists(lists: &Value) -> Value {
    let sorted = |list: &Value| {
        let mut list: Vec<&str> =
            list.as_array().expect("a list").iter().map(|id| id.as_str().expect("an id")).collect();
        list.sort_unstable();
        json!(list)
    };
    let lists = lists.as_object().expect("an object of lists");
    lists.iter().map(|(parent, list)| (parent.clone(), sorted(list))).collect::<Map<_, _>>().into()
}

/// Users by role, from the roles of each user.
fn role_users(truth: &Value) -> Value {
    let mut users: BTreeMap<&str, Vec<&str>> =
        rows(truth, "roles").iter().map(|role| (role["id"].as_str().expect("an id"), Vec::new())).collect();
    for (user, roles) in truth["user_roles"].as_object().expect("an object") {
        for role in roles.as_array().expect("a list") {
            users.get_mut(role.as_str().expect("an id")).expect("a role").push(user);
        }
    }
    sorted_lists(&json!(users))
}

/// What a client that reads everything must find.
fn expected(truth: &Value) -> BTreeMap<&'static str, Value> {
    let of = |entity, name| (entity, ids(rows(truth, entity), name));
    let mut triggers: Vec<(&str, &str)> = rows(truth, "triggers")
        .iter()
        .map(|t| (t["id"].as_str().expect("an id"), t["version"].as_str().expect("a version")))
        .collect();
    triggers.sort_unstable();
    // No row where a user has none.
    let mut user_roles = sorted_lists(&truth["user_roles"]);
    user_roles.as_object_mut().expect("an object").retain(|_, roles| roles != &json!([]));
    BTreeMap::from([
        of("actions", "id"),
        of("client_grants", "id"),
        of("clients", "client_id"),
        of("connections", "id"),
        of("grants", "id"),
        of("log_streams", "id"),
        of("logs", "log_id"),
        of("organizations", "id"),
        of("resource_servers", "id"),
        of("roles", "id"),
        of("stats_daily", "date"),
        of("users", "user_id"),
        ("triggers", json!(triggers)),
        ("connection_clients", sorted_lists(&truth["connection_clients"])),
        ("organization_members", sorted_lists(&truth["organization_members"])),
        ("role_users", role_users(truth)),
        ("user_roles", user_roles),
    ])
}

/// How many ids a list, or an object of lists, holds.
fn count(found: &Value) -> usize {
    found.as_object().map_or_else(
        || found.as_array().map_or(0, Vec::len),
        |lists| lists.values().map(|list| list.as_array().map_or(0, Vec::len)).sum(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auth0_python_lists_every_entity_by_both_pagings() {
    let Some(clients) = installed("python/requirements.txt", "auth0-python") else { return };
    let (found, truth) = read_by(|url| {
        let mut command = Command::new(clients.join("python/bin/python"));
        command.arg("-B").arg(script("list_everything.py")).arg(url);
        command
    })
    .await;
    let expected = expected(&truth);
    let found = found.as_object().expect("an object");
    let names: Vec<&str> = expected.keys().copied().collect();
    let mut listed: Vec<&str> = found.keys().map(String::as_str).collect();
    listed.sort_unstable();
    assert_eq!(listed, names);
    for (entity, truth) in &expected {
        assert!(count(truth) > 0, "the tenant has no {entity}: nothing is shown");
        for (way, rows) in found[*entity].as_object().expect("ways of reading") {
            assert_eq!(rows, truth, "{entity} by {way}");
            println!("{entity} by {way}: {}", count(rows));
        }
    }
    let both =
        ["client_grants", "clients", "connections", "organizations", "organization_members", "role_users"];
    for entity in both {
        let ways = found[entity].as_object().expect("ways of reading");
        assert!(
            ways.contains_key("checkpoint") && ways.contains_key("offset"),
            "{entity}: {:?}",
            ways.keys()
        );
    }
}

/// A folder of one test run, gone with what is in it when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("clients-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left behind is below the build folder.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What the command exports of the truth: nothing that belongs to Auth0, and no grant of the client that exports.
fn exported(truth: &Value) -> Value {
    let without = |entity: &str, hidden: &dyn Fn(&Value) -> bool| -> Vec<Value> {
        rows(truth, entity).iter().filter(|row| !hidden(row)).cloned().collect()
    };
    let named = |entity: &str| ids(rows(truth, entity), "name");
    json!({
        "actions": named("actions"),
        "client_grants": without("client_grants", &|grant| grant["client_id"] == CLIENT_ID).len(),
        "clients": ids(&without("clients", &|client| client["global"] == true), "name"),
        "connections": named("connections"),
        "log_streams": named("log_streams"),
        "organizations": named("organizations"),
        "resource_servers": ids(&without("resource_servers", &|api| api["is_system"] == true), "identifier"),
        "roles": named("roles"),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auth0_deploy_cli_exports_the_tenant() {
    let Some(clients) = installed("package-lock.json.installed", "auth0-deploy-cli") else { return };
    let scratch = Scratch::new();
    let own_node = clients.join("node");
    let node = if own_node.exists() { own_node } else { "node".into() };
    let (answer, truth) = read_by(|url| {
        let mut command = Command::new(node);
        command.arg(script("export.mjs")).arg(url).arg(&scratch.0).arg(&clients);
        command
    })
    .await;
    assert_eq!(answer["refused"], json!([]), "the tenant refused what the command asked");
    assert_eq!(answer["complaints"], json!([]));
    assert_eq!(answer["exported"], exported(&truth));
    println!("{}", answer["exported"]);
}
