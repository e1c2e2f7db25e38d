//! `tenantry sync --follow` over real sockets: what changes is there within seconds, with the Events feed and without, and nothing is lost
//! when connections close, positions expire or the process is killed.
#![cfg(unix)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tenantry_simulator::Config;

use crate::tables::{self, Holding};
use crate::world::World;
use crate::{churn, small};

/// How long something may take that is to take two or three seconds, on a machine that is busy with other tests.
const SOON: Duration = Duration::from_secs(20);

/// The command on its way.
struct Following {
    child: Child,
    lines: Receiver<Value>,
    errors: ChildStderr,
    reader: JoinHandle<()>,
}

#[expect(clippy::disallowed_methods, reason = "a test that waits for another process")]
fn now() -> Instant {
    Instant::now()
}

impl Following {
    /// Starts it, and waits until the first sync is over.
    fn start(world: &World, log_every: &str) -> Self {
        Self::start_with(world, &[("TENANTRY_FOLLOW_LOGS_EVERY", log_every)])
    }

    fn start_with(world: &World, variables: &[(&str, &str)]) -> Self {
        let mut command = world.command(&["sync", "--follow", "--json"]);
        command.envs(variables.iter().copied());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let errors = child.stderr.take().unwrap();
        let (sender, lines) = channel();
        let reader = std::thread::spawn(move || {
            for line in out.lines() {
                let Ok(line) = line else { break };
                let _ = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        let following = Self { child, lines, errors, reader };
        let first = following.lines.recv_timeout(SOON * 3).unwrap();
        assert_eq!((&first["outcome"], first["tables"].as_array().unwrap().len()), (&json!("done"), 33));
        following
    }

    /// Waits until no round has done anything for so long.
    fn settle(&self, quiet: Duration) {
        let begun = now();
        while self.lines.recv_timeout(quiet).is_ok() {
            assert!(begun.elapsed() < SOON * 3, "it comes to no rest");
        }
    }

    /// Waits for a round that did this to so many rows of a table, over all rounds.
    fn hear(&self, table: &str, what: &str, rows: u64) -> Duration {
        let begun = now();
        let mut seen = 0;
        while seen < rows {
            let left = SOON.saturating_sub(begun.elapsed());
            let round = self.lines.recv_timeout(left).unwrap_or_else(|_| panic!("{table}: {seen} {what}"));
            assert_eq!(round["outcome"], "done", "{round}");
            assert!(round["at"].is_string(), "{round}");
            let tables = round["tables"].as_array().unwrap().iter();
            seen +=
                tables.filter(|one| one["table"] == table).filter_map(|one| one[what].as_u64()).sum::<u64>();
        }
        begun.elapsed()
    }

    /// Ends it as an operator does; gives what it said on stderr.
    fn stop(mut self) -> String {
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
        assert_eq!(self.child.wait().unwrap().code(), Some(130));
        let said = self.said();
        self.reader.join().expect("each line is JSON");
        assert_eq!(self.lines.try_iter().last().unwrap()["outcome"], "interrupted");
        said
    }

    /// Ends it as a crash does.
    fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.said()
    }

    fn said(&mut self) -> String {
        let mut said = String::new();
        self.errors.read_to_string(&mut said).unwrap();
        said
    }
}

/// Ids of some users that nothing else of these tests touches.
fn users(world: &World, count: usize) -> Vec<String> {
    world.truth()["users"].keys().take(count).map(|key| key[0].clone()).collect()
}

fn path(user: &str) -> String {
    format!("/users/{}", user.replace('|', "%7C"))
}

/// A tenant whose log says nothing, so that only the feed can tell of changes.
fn told_by_the_feed_alone() -> World {
    World::start(Config { log_events: false, ..small() })
}

#[test]
fn changes_that_the_feed_tells_are_there_within_seconds() {
    let world = told_by_the_feed_alone();
    let (before, users) = (world.truth(), users(&world, 3));
    let (organization, member) = world.a_membership();
    let following = Following::start(&world, "1h");
    let held = world.tables();
    let mut took = Vec::new();

    world.manage("PATCH", &path(&users[0]), &json!({ "nickname": "newly-named" }));
    took.push(following.hear("users", "updated", 1));
    world.manage("PATCH", &format!("/organizations/{organization}"), &json!({ "display_name": "Renamed" }));
    took.push(following.hear("organization", "updated", 1));
    let members = format!("/organizations/{organization}/members");
    world.manage("DELETE", &members, &json!({ "members": [member] }));
    took.push(following.hear("organization_member", "deleted", 1));
    world.manage("DELETE", &path(&users[1]), &json!({}));
    took.push(following.hear("users", "deleted", 1));
    println!("from the change to the line of its round: {took:?}");
    // Between rounds the file is free for others.
    let (code, status, messages) = world.run(&["status", "--json"]);
    assert_eq!((code, status["tables"].as_array().map(Vec::len)), (0, Some(33)), "{messages}");

    let runs = world.query("SELECT count(*) FROM _tenantry.run");
    let after = world.truth();
    let said = following.stop();
    assert!(said.contains("stopped following"), "{said}");
    assert!(!said.contains("no events"), "{said}");
    tables::compare(&after, &world.tables(), Holding::Before(&before, &held));
    let runs: usize = runs[0][0].as_deref().unwrap().parse().unwrap();
    assert!(runs <= 12, "quiet rounds are not on record: {runs}");
}

#[test]
fn without_the_feed_that_is_said_once_and_the_log_keeps_tables_fresh() {
    for status in [404, 403] {
        let world = World::start(Config { events_refused_with: Some(status), ..small() });
        let (before, users) = (world.truth(), users(&world, 2));
        let following = Following::start(&world, "1s");
        let held = world.tables();
        world.manage("PATCH", &path(&users[0]), &json!({ "nickname": "newly-named" }));
        following.hear("users", "updated", 1);
        world.manage("DELETE", &path(&users[1]), &json!({}));
        following.hear("users", "deleted", 1);
        let after = world.truth();
        let said = following.stop();
        assert_eq!(said.matches("no events from the tenant, following its log alone").count(), 1, "{said}");
        tables::compare(&after, &world.tables(), Holding::Before(&before, &held));
    }
}

#[test]
fn connections_that_close_by_design_and_events_in_disorder_lose_nothing() {
    let config = Config {
        log_events: false,
        event_connection_micros: 300_000,
        event_disorder_per_mille: 300,
        ..small()
    };
    let world = World::start(config);
    let (before, users) = (world.truth(), users(&world, 40));
    let following = Following::start(&world, "1h");
    let held = world.tables();
    for (at, user) in users.iter().enumerate() {
        // Deleted users no search finds: each of these events is needed.
        world.manage("DELETE", &path(user), &json!({}));
        if at % 4 == 0 {
            pause(Duration::from_millis(250));
        }
    }
    following.hear("users", "deleted", users.len() as u64);
    let after = world.truth();
    following.stop();
    tables::compare(&after, &world.tables(), Holding::Before(&before, &held));
}

fn pause(time: Duration) {
    std::thread::sleep(time);
}

#[test]
fn a_tenant_in_which_everything_changes_is_followed_row_by_row() {
    let world =
        World::start(Config { event_disorder_per_mille: 200, event_connection_micros: 3_000_000, ..small() });
    // Daily figures are part of rounds about everything alone.
    let variables = [("TENANTRY_FOLLOW_LOGS_EVERY", "1s"), ("TENANTRY_OTHERS_EVERY", "2s")];
    let following = Following::start_with(&world, &variables);
    for seed in 0..6 {
        world.churn_within_the_hour(&churn(700 + seed, 1));
        pause(Duration::from_millis(700));
    }
    // What no event tells of is due after an hour.
    world.wait(3_700);
    following.settle(Duration::from_secs(6));
    let truth = world.truth();
    following.stop();
    tables::compare(&truth, &world.tables(), Holding::Whatever);
}

#[test]
fn a_killed_process_goes_on_from_its_offset() {
    let world = told_by_the_feed_alone();
    let (before, users) = (world.truth(), users(&world, 3));
    let following = Following::start(&world, "1s");
    let held = world.tables();
    world.manage("DELETE", &path(&users[0]), &json!({}));
    following.hear("users", "deleted", 1);
    let offset = "SELECT checkpoint FROM _tenantry.checkpoint WHERE stream = 'events feed'";
    let begun = now();
    while world.try_query(offset).is_none_or(|rows| rows.is_empty()) {
        assert!(begun.elapsed() < SOON, "the offset is kept");
    }
    following.kill();
    // Told by the feed, while nobody listens, and by nothing else.
    world.manage("DELETE", &path(&users[1]), &json!({}));
    let following = Following::start(&world, "1h");
    following.hear("users", "deleted", 1);
    let after = world.truth();
    following.stop();
    tables::compare(&after, &world.tables(), Holding::Before(&before, &held));
}

#[test]
fn an_expired_offset_is_said_and_the_log_tells_what_was_missed() {
    let world = World::start(Config { event_retention_micros: 30_000_000, ..small() });
    let (before, users) = (world.truth(), users(&world, 3));
    let following = Following::start(&world, "1s");
    let held = world.tables();
    world.manage("DELETE", &path(&users[0]), &json!({}));
    following.hear("users", "deleted", 1);
    following.stop();
    world.manage("DELETE", &path(&users[1]), &json!({}));
    world.wait(120);
    world.manage("PATCH", &path(&users[2]), &json!({ "nickname": "newly-named" }));
    world.wait(120);
    let following = Following::start(&world, "1s");
    world.manage("PATCH", &path(&users[2]), &json!({ "nickname": "renamed" }));
    following.hear("users", "updated", 1);
    let after = world.truth();
    let said = following.stop();
    assert_eq!(said.matches("no longer keeps some of its events").count(), 1, "{said}");
    tables::compare(&after, &world.tables(), Holding::Before(&before, &held));
}
