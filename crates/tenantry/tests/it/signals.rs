//! Being asked to stop.
#![cfg(unix)]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tenantry_simulator::{Config, Plan};

use crate::harness::{Place, Ran, Tenant};

fn send(signal: &str, child: &Child) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

/// A tenant that takes far longer to read than a test may wait.
fn slow() -> Tenant {
    Tenant::of(Config { plan: Plan::Free, ..Tenant::config() })
}

#[test]
fn a_run_that_is_told_to_stop_ends_soon_and_can_be_repeated() {
    for signal in ["-INT", "-TERM"] {
        let tenant = slow();
        let place = Place::of(&tenant);
        let mut command = place.command(&["sync", "--json"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // The first finished stream shows that the run is under way.
        let mut progress = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        progress.read_line(&mut line).unwrap();
        assert!(line.starts_with("done"), "{line}");
        send(signal, &child);
        let asked = now();
        let ran = Ran::of(child.wait_with_output().unwrap()).exits(130);
        assert!(asked.elapsed() < Duration::from_secs(5), "took {:?}", asked.elapsed());
        assert_eq!(ran.json()["outcome"], "interrupted");
        let runs =
            place.run(&["sql", "select outcome from _tenantry.run", "--format", "json"]).exits(0).json();
        assert_eq!(runs, serde_json::json!([{ "outcome": "interrupted" }]));
    }
}

#[test]
fn a_service_syncs_on_its_intervals_lets_others_read_between_and_ends_cleanly() {
    let tenant = Tenant::small();
    let place = Place::of(&tenant)
        .with("TENANTRY_LOGS_EVERY", "2s")
        .with("TENANTRY_USERS_EVERY", "4s")
        .with("TENANTRY_OTHERS_EVERY", "1h");
    let mut command = place.command(&["run", "--json"]);
    let messages = place.path("messages");
    let aside = std::fs::File::create(&messages).unwrap();
    let mut child = command.stdout(Stdio::piped()).stderr(aside).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> serde_json::Value {
        let line = lines.next();
        let said = || std::fs::read_to_string(&messages).unwrap_or_default();
        serde_json::from_str(&line.unwrap_or_else(|| panic!("it ended: {}", said())).unwrap()).unwrap()
    };
    let tables = |report: &serde_json::Value| report["tables"].as_array().unwrap().len();
    let first = next();
    assert_eq!((&first["outcome"], tables(&first)), (&"done".into(), 33));
    // The service may just be at its next sync: then the file is not free for a moment.
    let looks = std::iter::repeat_with(|| place.run(&["status", "--json"]));
    let status = looks.take(2_000).find(|look| look.code != 5).unwrap().exits(0).json();
    assert_eq!(status["tables"].as_array().unwrap().len(), 33);
    // While somebody looks, the service may find the file taken: then it tries again.
    let done = std::iter::repeat_with(next).filter(|report| report["outcome"] != "destination");
    let synced: Vec<usize> = done.take(5).map(|report| tables(&report)).collect();
    assert!(
        synced.iter().all(|tables| [2, 5].contains(tables)),
        "the log alone, or users as well: {synced:?}"
    );
    assert!(synced.contains(&2) && synced.contains(&5), "{synced:?}");
    send("-TERM", &child);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// A service that has done its first sync, and does the next one in an hour.
fn resting(place: &Place) -> Child {
    let mut command = place.command(&["run", "--json"]);
    let hours = ["TENANTRY_LOGS_EVERY", "TENANTRY_USERS_EVERY", "TENANTRY_OTHERS_EVERY"];
    command.envs(hours.map(|every| (every, "1h"))).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("\"outcome\":\"done\""), "{line}");
    child
}

#[test]
fn a_second_process_is_kept_out_while_a_service_rests() {
    let tenant = Tenant::small();
    let place = Place::of(&tenant);
    let mut service = resting(&place);
    for second in [&["sync", "--json"][..], &["run", "--json"]] {
        let refused = place.run(second).exits(5);
        let named = format!("`tenantry run` (process {} on ", service.id());
        assert!(refused.err.starts_with(&format!("error: {named}")), "{}", refused.err);
        assert!(
            refused.err.contains("writes to this destination: it has the lease until 2"),
            "{}",
            refused.err
        );
        assert_eq!(refused.json()["outcome"], "destination");
    }
    place.run(&["status"]).exits(0);
    send("-TERM", &service);
    assert_eq!(service.wait().unwrap().code(), Some(0));
    place.run(&["sync"]).exits(0);
}

#[test]
#[cfg(target_os = "linux")]
fn the_lease_of_a_process_that_was_killed_is_taken_over() {
    let tenant = Tenant::small();
    let place = Place::of(&tenant);
    let mut service = resting(&place);
    service.kill().unwrap();
    service.wait().unwrap();
    place.run(&["sync"]).exits(0);
}

#[test]
fn a_sync_that_fails_does_not_end_a_service() {
    let tenant = Tenant::small();
    let place = Place::of(&tenant).with("TENANTRY_LOGS_EVERY", "1s");
    let mut command = place.command(&["run", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> serde_json::Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["outcome"], "done");
    // A folder in its place: no sync can open it.
    std::fs::rename(place.path("tenantry.duckdb"), place.path("aside.duckdb")).unwrap();
    std::fs::create_dir(place.path("tenantry.duckdb")).unwrap();
    let failed = loop {
        let report = next();
        if report["outcome"] != "done" {
            break report;
        }
    };
    assert_eq!(failed["outcome"], "destination", "{failed}");
    std::fs::remove_dir(place.path("tenantry.duckdb")).unwrap();
    std::fs::rename(place.path("aside.duckdb"), place.path("tenantry.duckdb")).unwrap();
    assert_eq!(next()["outcome"], "done", "it goes on once it can");
    send("-TERM", &child);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_service_that_can_never_work_ends_at_once() {
    let tenant = Tenant::small();
    let place = Place::of(&tenant).with("AUTH0_CLIENT_SECRET", "wrong");
    place.run(&["run"]).exits(3);
    Place::new().run(&["run"]).exits(2);
}

#[test]
fn a_simulated_tenant_serves_until_it_is_told_to_stop() {
    let place = Place::new();
    let mut command =
        place.command(&["simulate", "--port", "0", "--seed", "7", "--users", "20", "--logs", "50"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().take(3);
    let mut reader = Place::new();
    for line in lines {
        let line = line.unwrap();
        let (name, value) = line.strip_prefix("export ").unwrap().split_once('=').unwrap();
        reader = reader.with(name, value);
    }
    let json = reader.run(&["sync", "--json"]).exits(0).json();
    let users = json["tables"].as_array().unwrap().iter().find(|row| row["table"] == "users").unwrap();
    assert_eq!(users["inserted"], 20);
    send("-TERM", &child);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[expect(clippy::disallowed_methods, reason = "how long a process takes is real time")]
fn now() -> Instant {
    Instant::now()
}
