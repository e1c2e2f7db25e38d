//! What a run costs in requests, at full size and against the real limits of three plans: `cargo bench -p tenantry --bench scenario`
//! (or `cargo xtask scenario`, which builds less). Prints a table; fails where a figure is missed or a table is not equal to the tenant.
//!
//! `costs`, `plans` and `rounds` after `--` play one part alone.

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

#[path = "../tests/tenant/scenario.rs"]
mod scenario;
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/tenant/tables.rs"]
mod tables;
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/tenant/world.rs"]
mod world;

use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tenantry_simulator::{Config, Plan};

use scenario::Cost;
use world::World;

/// How long a plan is watched, after as long a time to warm up.
const WATCHED: Duration = Duration::from_mins(1);
/// Share of what a plan allows, less the fifth that is left to the tenant itself, that must be used while there is work.
const SHARE_MIN: f64 = 0.97;
/// Plans with what their scarcest bucket for members of organizations allows a second, and as many organizations as give it work.
const PLANS: [(Plan, f64, u32); 3] =
    [(Plan::Free, 2.0, 260), (Plan::Essentials, 200.0 / 60.0, 420), (Plan::Enterprise, 500.0 / 60.0, 1_000)];

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let missed = match arguments[..] {
        ["costs"] => costs(),
        ["plans"] => plans(),
        ["rounds"] => rounds(),
        [] => costs() + plans() + rounds(),
        _ => panic!("usage: scenario [costs | plans | rounds]"),
    };
    assert_eq!(missed, 0, "{missed} figures missed");
}

/// 100,000 users, 200,000 log events kept, 200 organizations of 50 members, 60 connections, 150 clients, 20 roles.
fn costs() -> usize {
    let costs = scenario::costs(scenario::tenant(100_000, 200_000, 50));
    println!("{:<20} {:>10} {:>8}", "run", "requests", "at most");
    for Cost { scenario, requests, most } in &costs {
        println!("{scenario:<20} {requests:>10} {most:>8}");
    }
    costs.iter().filter(|cost| cost.requests > cost.most).count()
}

/// Fifty rounds of random change.
fn rounds() -> usize {
    let config =
        Config { organizations: 12, clients: 25, connections: 8, ..scenario::tenant(1_000, 2_000, 10) };
    scenario::rounds(config, 50);
    println!("50 rounds of random change: always equal, no false tombstone");
    0
}

/// How fast a run reads at each plan, once it is under way.
fn plans() -> usize {
    println!("{:<12} {:>12} {:>12} {:>8} {:>5}", "plan", "requests/s", "allowed to us", "used", "429");
    let missed = PLANS.map(|(plan, allowed, organizations)| {
        let (a_second, refused) = pace(plan, organizations);
        let ours = allowed * 0.8;
        let share = a_second / ours;
        println!("{:<12} {a_second:>12.2} {ours:>12.2} {:>7.1}% {refused:>5}", plan.name(), share * 100.0);
        share < SHARE_MIN || refused > 0
    });
    missed.into_iter().filter(|missed| *missed).count()
}

/// Requests a second, and refusals, in the second minute of a read of all members.
fn pace(plan: Plan, organizations: u32) -> (f64, u64) {
    let world = World::start(Config { plan, organizations, ..scenario::tenant(2_000, 0, 5) });
    let mut command = world.command(&["sync", "--json", "--select", "organization_member"]);
    let mut run = Run(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    wait();
    let before = world.counted();
    wait();
    let after = world.counted();
    assert!(run.0.try_wait().unwrap().is_none(), "the run ended too early to be measured");
    let more = |what: &str| number(&after, what) - number(&before, what);
    (more("management_api") as f64 / WATCHED.as_secs_f64(), more("too_many_requests"))
}

fn number(counted: &Value, what: &str) -> u64 {
    counted[what].as_u64().unwrap()
}

/// The limits of a plan are real time.
fn wait() {
    thread::sleep(WATCHED);
}

/// A run that ends with the measurement.
struct Run(Child);

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
