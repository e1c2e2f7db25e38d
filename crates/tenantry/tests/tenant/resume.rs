//! Runs that are stopped by their allowance, or killed, again and again: the next one goes on, and nothing is missing at the end.

use std::time::Duration;

use serde_json::{Value, json};
use tenantry_simulator::{Config, Plan};

use crate::kills::{Kills, Tally};
use crate::tables::{self, Holding};
use crate::world::{Kind, World};
use crate::{churn, small};

fn requests(report: &Value) -> u64 {
    report["totals"]["requests"].as_u64().unwrap()
}

/// Runs until a sync ends with 0; gives the requests of each.
fn until_done(world: &World, arguments: &[&str], most: usize) -> Vec<u64> {
    let mut sent = Vec::new();
    loop {
        let (code, report, messages) = world.run(&[&["sync", "--json"], arguments].concat());
        sent.push(requests(&report));
        match code {
            0 => return sent,
            4 => {
                assert_eq!(report["outcome"], "budget", "{report}");
                assert!(messages.contains("run the same command again"), "{messages}");
            }
            _ => panic!("{code}: {report} {messages}"),
        }
        assert!(sent.len() < most, "no end: {sent:?}");
    }
}

#[test]
fn a_run_that_is_stopped_again_and_again_comes_to_its_end() {
    let config = || Config { organizations: 40, connections: 15, grants: 700, ..small() };
    let world = World::start(config());
    let truth = world.truth();
    let unlimited = requests(&World::start(config()).sync());
    let sent = until_done(&world, &["--max-requests", "12"], 60);
    assert!(sent.iter().all(|sent| *sent <= 12), "{sent:?}");
    assert!(sent.len() > 5, "it was stopped: {sent:?}");
    tables::compare(&truth, &world.tables(), Holding::Nothing);
    let total: u64 = sent.iter().sum();
    assert!(total <= unlimited * 2, "{total} instead of {unlimited}: {sent:?}");
}

#[test]
fn a_stopped_run_over_a_tenant_that_changes_is_true_in_the_end() {
    let world = World::start(Config { organizations: 40, connections: 15, ..small() });
    for round in 0..4 {
        let (code, report, messages) = world.run(&["sync", "--json", "--max-requests", "25"]);
        assert!(code == 4 || code == 0, "{report} {messages}");
        world.churn_within_the_hour(&churn(500 + round, 1));
    }
    // What changed while the lists were read in pieces is told by the log of that time.
    let after = world.truth();
    world.sync();
    world.sync();
    let now = world.tables();
    let live = |table: &str| now[table].values().filter(|row| !row.deleted).count();
    for (table, rows) in &after {
        assert_eq!(live(table), rows.len(), "{table}");
    }
}

#[test]
fn a_full_run_that_is_stopped_goes_on_without_the_word() {
    let world = World::start(small());
    world.sync();
    let (code, _, messages) = world.run(&["sync", "--json", "--full", "--max-requests", "8"]);
    assert_eq!(code, 4, "{messages}");
    assert!(messages.contains("without --full"), "{messages}");
    let truth = world.truth();
    until_done(&world, &["--max-requests", "12"], 40);
    tables::compare(&truth, &world.tables(), Holding::Nothing);
}

#[test]
fn time_that_is_over_stops_a_run() {
    let world = World::start(Config { plan: Plan::Free, ..small() });
    let (code, report, messages) = world.run(&["sync", "--json", "--max-minutes", "0.05"]);
    assert_eq!(code, 4, "{report} {messages}");
    assert!(report["totals"]["seconds"].as_f64().unwrap() < 5.0, "{report}");
    let (code, _, messages) = world.run(&["sync", "--max-minutes", "0"]);
    assert_eq!(code, 2, "{messages}");
}

/// How often routes with these words in them were asked for.
fn asked(stats: &Value, words: &str) -> u64 {
    let routes = stats["by_route"].as_object().unwrap();
    let of_route = routes.iter().filter(|(name, _)| name.contains(words));
    of_route.map(|(_, counts)| counts["requests"].as_u64().unwrap()).sum()
}

#[test]
fn a_run_that_is_killed_at_any_moment_goes_on_where_it_was() {
    let config = || Config { organizations: 40, connections: 15, grants: 1_500, ..small() };
    let whole = World::start(config());
    whole.sync();
    let world = World::start(config());
    let truth = world.truth();
    // As slow as a tenant that allows a few requests a second.
    world.fault(&json!({ "path": "/api/v2/*", "times": 100_000, "delay_ms": 100 }));
    let mut kills = 0;
    for round in 0..8_u64 {
        kills +=
            u64::from(world.kill_after(&["sync", "--json"], Duration::from_millis(700 + round * 137 % 500)));
    }
    world.sync();
    tables::compare(&truth, &world.tables(), Holding::Nothing);
    assert!(kills >= 2, "{kills}");
    let (needed, sent) = (whole.stats(), world.stats());
    let (needed_of, sent_of) = (|route: &str| asked(&needed, route), |route: &str| asked(&sent, route));
    // Each kill costs the page that was under way, and the one that was not parked yet.
    let (grants, members) = ("GET /api/v2/grants", "/members");
    assert!(sent_of(grants) <= needed_of(grants) + 2 * kills, "{sent} after {kills} kills");
    // Of a fan-out up to eight pages are under way.
    assert!(sent_of(members) <= needed_of(members) + 9 * kills, "{sent} after {kills} kills");
}

#[test]
fn runs_that_are_killed_at_named_points_and_random_moments_lose_nothing_and_double_nothing() {
    let tally = kill(11, 24, Kind::DuckDb);
    assert!(tally.points.len() > 5, "{tally:?}");
}

#[test]
fn the_same_holds_for_runs_into_a_database() {
    kill(12, 16, Kind::Postgres);
}

/// Kills so often, and looks at everything after each recovery.
fn kill(seed: u64, count: u64, kind: Kind) -> Tally {
    let mut kills = Kills::new(seed, kind);
    while kills.tally.kills < count {
        kills.round();
    }
    assert!(kills.tally.second > 3, "{:?}", kills.tally);
    kills.tally
}

#[test]
fn an_export_job_that_is_waited_for_when_the_run_is_killed_is_not_begun_again() {
    let world = World::start(Config { export_micros: 2_500_000, ..small() });
    let users = &["sync", "--json", "--select", "users"];
    for _ in 0..2 {
        world.kill_after(users, Duration::from_secs(1));
    }
    assert_eq!(asked(&world.stats(), "users-exports"), 1, "it was begun, and not by both");
    world.sync_with(&users[2..]);
    assert_eq!(asked(&world.stats(), "users-exports"), 1);
    assert_eq!(world.tables()["users"].len(), world.truth()["users"].len());
}
