//! Kills of the optimised command on a real file or a real server, many more than the tests have time for:
//! `cargo xtask kills --count 2000 --seed 1 --destination postgres`. Prints what was killed where; fails at the first row that is not what the tenant holds.

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

#[path = "../tests/tenant/kills.rs"]
mod kills;
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/tenant/proxy.rs"]
mod proxy;
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/tenant/scenario.rs"]
mod scenario;
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/tenant/tables.rs"]
mod tables;
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/tenant/world.rs"]
mod world;

use kills::{APPEARS, ASKED, Kills, Tally};
use world::Kind;

/// Kills where nobody says how many.
const COUNT: u64 = 200;
/// Rounds with one tenant and one file; after them others begin, since both grow.
const ROUNDS_OF_A_TENANT: u64 = 90;
/// Kills between two lines of progress.
const SAID_EVERY: u64 = 100;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, otherwise: u64| {
        let at = arguments.iter().position(|argument| argument == name);
        at.map_or(otherwise, |at| arguments[at + 1].parse().unwrap())
    };
    let kind = match arguments.iter().position(|argument| argument == "--destination") {
        None => Kind::DuckDb,
        Some(at) => match arguments[at + 1].as_str() {
            "duckdb" => Kind::DuckDb,
            "postgres" => Kind::Postgres,
            other => panic!("--destination must be duckdb or postgres, not {other}"),
        },
    };
    let (count, first_seed) = (number("--count", COUNT), number("--seed", 1));
    let mut done = Tally::default();
    let mut said = 0;
    for seed in first_seed.. {
        let mut kills = Kills::new(seed, kind);
        for round in 0..ROUNDS_OF_A_TENANT {
            if done.kills + kills.tally.kills >= count {
                break;
            }
            println!("seed {seed} round {round}");
            kills.round();
            let so_far = done.kills + kills.tally.kills;
            if so_far / SAID_EVERY > said {
                said = so_far / SAID_EVERY;
                println!("{so_far} kills, all tables as the tenant holds them");
            }
        }
        add(&mut done, kills.tally);
        if done.kills >= count {
            break;
        }
    }
    println!("{} kills, {} of them in the recovery from another; by point:", done.kills, done.second);
    for (point, count) in &done.points {
        println!("  {count:>6} {point}");
    }
    println!("  {:>6} at random moments", done.kills - done.points.values().sum::<u64>());
    if count >= COUNT {
        let named = ASKED.into_iter().chain(APPEARS.into_iter().filter(|_| kind == Kind::DuckDb));
        let missed: Vec<&str> = named.filter(|point| !done.points.contains_key(*point)).collect();
        assert!(missed.is_empty(), "nothing was killed at {missed:?}");
    }
}

fn add(sum: &mut Tally, other: Tally) {
    sum.kills += other.kills;
    sum.second += other.second;
    for (point, count) in other.points {
        *sum.points.entry(point).or_default() += count;
    }
}
