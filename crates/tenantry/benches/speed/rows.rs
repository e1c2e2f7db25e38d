//! The rows of the table, one function each.

use std::fs;
use std::process::Command;
use std::time::Duration;

use tenantry_replication::catalog::Replication;

use crate::measured::{self, Cost, cpu_seconds};
use crate::records::{self, Log};
use crate::tenant::{Holds, Tenant};
use crate::{Bench, floor, inserted, line, wall_clock};

type Row = fn(&mut Bench);

/// Each by its name.
pub(crate) const ROWS: &[(&str, Row)] = &[
    ("export", export),
    ("logs", logs),
    ("memory", memory),
    ("unchanged", unchanged),
    ("changed", changed),
    ("fan-out", fan_out),
    ("binary", binary),
];

/// What is selected for the measurements: root and children, as far as they are loaded by the command.
pub(crate) const USERS: &str = "users+";
const LOGS: &str = "logs+";
const MEMBERS: &str = "organization_member";

const EXPORT_RATIO_MAX: f64 = 1.5;
const EVENTS_A_SECOND_MIN: f64 = 80_000.0;
const MEMORY_MB_MAX: f64 = 400.0;
/// Noise between two peaks that counts as no growth.
const MEMORY_GROWTH_MAX: f64 = 1.1;
const UNCHANGED_SECONDS_MAX: f64 = 0.3;
const CHANGED_RATIO_MAX: f64 = 10.0;
const FAN_OUT_RATIO_MAX: f64 = 1.3;
const LATENCY: Duration = Duration::from_millis(80);
/// Requests that the command has under way at a time.
const IN_FLIGHT: f64 = 8.0;
const BINARY_MB_MAX: f64 = 60.0;
const HELP_MS_MAX: f64 = 20.0;
/// Users whose bare parse is measured; the figure is scaled.
const PARSED: u64 = 100_000;

fn number(cost: &Cost) -> f64 {
    cost.out.trim().parse().unwrap()
}

fn seconds(value: f64) -> String {
    format!("{value:.2} CPU-s")
}

/// Users by an export job, against the floor and against DuckDB alone.
fn export(bench: &mut Bench) {
    let (users, runs) = (bench.sizes.export, bench.sizes.runs);
    let packed = bench.export(users);
    let tenant = Tenant::start(Holds { export: Some(packed.clone()), users, ..Holds::default() });
    let ours = measured::median(runs, || {
        let file = bench.file("export.duckdb");
        let cost = measured::run(&mut bench.sync(&tenant, &file, &[USERS]));
        assert_eq!(inserted(&cost.out, Replication::Export), users);
        fs::remove_file(file).unwrap();
        cost
    });
    let file = bench.file("floor.duckdb");
    let (file, count) = (file.to_str().unwrap(), users.to_string());
    let gunzip = least(runs, || cpu_seconds(|| floor::gunzip(&packed)));
    let parse = bare_parse(runs) * users as f64 / PARSED as f64;
    let merge = least_merge("users", file, &count);
    let whole = gunzip + parse + merge;
    line(
        &format!("export of {users} users to three tables"),
        &seconds(ours.cpu),
        &seconds(whole),
        Some(ours.cpu / whole),
        "<= 1.50",
        ours.cpu / whole <= EXPORT_RATIO_MAX,
    );
    println!(
        "  floor: gunzip {gunzip:.2}, bare parse {parse:.2}, append and merge {merge:.2}; ours took {:.2} s, {:.0} MB",
        ours.wall, ours.peak_mb
    );
    let alone = measured::part("read-json", &[packed.to_str().unwrap(), &count, file]);
    let _ = fs::remove_file(file);
    line(
        "  the same by DuckDB's read_json",
        &seconds(ours.cpu),
        &seconds(number(&alone)),
        Some(ours.cpu / number(&alone)),
        "< 1.00",
        ours.cpu < number(&alone),
    );
    println!("  read_json took {:.2} s, {:.0} MB", alone.wall, alone.peak_mb);
}

/// CPU seconds of the fastest bare parse of [`PARSED`] users.
fn bare_parse(runs: usize) -> f64 {
    let mut text = String::new();
    (0..PARSED).for_each(|n| records::user(&mut text, n, 0));
    let each =
        floor::PARSERS.map(|(name, parse)| (name, least(runs, || cpu_seconds(|| parse(text.as_bytes())))));
    println!("  bare parse of {PARSED} users, {:.0} MB: {each:.3?}", text.len() as f64 / 1e6);
    each.map(|(_, seconds)| seconds).into_iter().fold(f64::INFINITY, f64::min)
}

/// CPU seconds of DuckDB's append and merge of ready batches: by `MERGE INTO`, or in the way of our own destination where that takes less.
fn least_merge(what: &str, file: &str, count: &str) -> f64 {
    let ways =
        ["merge", "publish"].map(|way| number(&measured::part(&format!("{way}-{what}"), &[file, count])));
    println!("  ready batches: MERGE INTO {:.2}, our destination alone {:.2} CPU-s", ways[0], ways[1]);
    ways[0].min(ways[1])
}

fn least(runs: usize, run: impl FnMut() -> f64) -> f64 {
    std::iter::repeat_with(run).take(runs).fold(f64::INFINITY, f64::min)
}

/// A backlog of events by pages of 100.
fn logs(bench: &mut Bench) {
    let (events, runs) = (bench.sizes.logs, bench.sizes.runs);
    let log = Some(Log::of(events, wall_clock()));
    let tenant = Tenant::start(Holds { log, ..Holds::default() });
    let ours = measured::median(runs, || {
        let file = bench.file("logs.duckdb");
        let cost = measured::run(&mut bench.sync(&tenant, &file, &[LOGS]));
        assert_eq!(inserted(&cost.out, Replication::Log), events);
        fs::remove_file(file).unwrap();
        cost
    });
    let file = bench.file("floor.duckdb");
    let merge = least_merge("events", file.to_str().unwrap(), &events.to_string());
    line(
        &format!("log of {events} events in pages of 100, events a CPU-s"),
        &format!("{:.0}", events as f64 / ours.cpu),
        &format!("{:.0}", events as f64 / merge),
        Some(ours.cpu / merge),
        ">= 80000",
        events as f64 / ours.cpu >= EVENTS_A_SECOND_MIN,
    );
    println!(
        "  floor: append and merge of ready batches alone; ours took {:.2} CPU-s in {:.2} s (the tenant on the same cores), {:.0} MB",
        ours.cpu, ours.wall, ours.peak_mb
    );
}

/// Peaks of first loads.
fn memory(bench: &mut Bench) {
    let (small, middle, large) = (bench.sizes.small, bench.sizes.middle, bench.sizes.large);
    let mut peak = |users| {
        bench.loaded(users);
        bench.loads[&users].peak_mb
    };
    let (_, of_middle, of_large) = (peak(small), peak(middle), peak(large));
    for (users, cost) in &bench.loads {
        println!("  {users} users: {:.2} CPU-s, {:.2} s, {:.0} MB", cost.cpu, cost.wall, cost.peak_mb);
    }
    let ratio = of_large / of_middle;
    line(
        &format!("memory: {large} users beside {middle}"),
        &format!("{of_large:.0} MB"),
        &format!("{of_middle:.0} MB"),
        Some(ratio),
        "<= 400 MB",
        of_large < MEMORY_MB_MAX && ratio <= MEMORY_GROWTH_MAX,
    );
    let events = bench.sizes.memory_logs;
    let tenant = Tenant::start(Holds { log: Some(Log::of(events, wall_clock())), ..Holds::default() });
    let file = bench.file("memory-logs.duckdb");
    let cost = measured::run(&mut bench.sync(&tenant, &file, &[LOGS]));
    fs::remove_file(file).unwrap();
    assert_eq!(inserted(&cost.out, Replication::Log), events);
    line(
        &format!("memory: {events} events ({:.0} events a CPU-s)", events as f64 / cost.cpu),
        &format!("{:.0} MB", cost.peak_mb),
        "",
        None,
        "<= 400 MB",
        cost.peak_mb < MEMORY_MB_MAX,
    );
}

/// A run in which nothing changed.
fn unchanged(bench: &mut Bench) {
    let (users, events) = (bench.sizes.unchanged_users, bench.sizes.unchanged_logs);
    let log = Some(Log::of(events, wall_clock()));
    let tenant = Tenant::start(Holds { export: Some(bench.export(users)), users, log, ..Holds::default() });
    let file = bench.file("unchanged.duckdb");
    let command = |bench: &Bench| bench.sync(&tenant, &file, &[USERS, LOGS]);
    let first = measured::run(&mut command(bench));
    assert_eq!(inserted(&first.out, Replication::Export), users);
    assert_eq!(inserted(&first.out, Replication::Log), events);
    // The first run after a load reads some of it again; from then on runs are alike.
    measured::run(&mut command(bench));
    let requests = tenant.requests();
    let again = measured::median(bench.sizes.runs, || measured::run(&mut command(bench)));
    assert_eq!(inserted(&again.out, Replication::Log), 0);
    fs::remove_file(&file).unwrap();
    line(
        &format!("nothing changed: {users} users, {events} events"),
        &format!("{:.2} s", again.wall),
        "",
        None,
        "< 0.30 s",
        again.wall < UNCHANGED_SECONDS_MAX,
    );
    let requests = (tenant.requests() - requests) / bench.sizes.runs as u64;
    println!("  {:.2} CPU-s, {:.0} MB, {requests} requests", again.cpu, again.peak_mb);
}

/// A few changed users into a small table and into one that is a hundred times larger.
fn changed(bench: &mut Bench) {
    let (small, large, count) = (bench.sizes.small, bench.sizes.large, bench.sizes.changed);
    let runs = bench.sizes.runs;
    let mut apply = |users: u64| {
        let file = bench.loaded(users);
        let mut seconds: Vec<f64> = (1..=runs)
            .map(|version| {
                let arguments =
                    [file.to_str().unwrap(), &count.to_string(), &users.to_string(), &version.to_string()];
                number(&measured::part("apply", &arguments))
            })
            .collect();
        seconds.sort_by(f64::total_cmp);
        seconds[runs / 2]
    };
    let (of_small, of_large) = (apply(small), apply(large));
    line(
        &format!("{count} changed users into {large} beside {small}"),
        &seconds(of_large),
        &seconds(of_small),
        Some(of_large / of_small),
        "<= 10.00",
        of_large / of_small <= CHANGED_RATIO_MAX,
    );
}

/// Members of many organizations, each behind a request that takes its time.
fn fan_out(bench: &mut Bench) {
    let organizations = bench.sizes.organizations;
    let tenant = Tenant::start(Holds { organizations, latency: LATENCY, ..Holds::default() });
    let file = bench.file("fan-out.duckdb");
    let cost = measured::run(&mut bench.sync(&tenant, &file, &[MEMBERS]));
    fs::remove_file(file).unwrap();
    let floor = tenant.requests() as f64 * LATENCY.as_secs_f64() / IN_FLIGHT;
    line(
        &format!("fan-out of {organizations} organizations at {} ms", LATENCY.as_millis()),
        &format!("{:.2} s", cost.wall),
        &format!("{floor:.2} s"),
        Some(cost.wall / floor),
        "<= 1.30",
        cost.wall / floor <= FAN_OUT_RATIO_MAX,
    );
    println!(
        "  {} requests, {IN_FLIGHT} at a time; {:.2} CPU-s, {:.0} MB",
        tenant.requests(),
        cost.cpu,
        cost.peak_mb
    );
}

/// Size and start of the command as it is built here.
fn binary(_: &mut Bench) {
    let path = std::path::Path::new(env!("CARGO_BIN_EXE_tenantry"));
    let size = measured::megabytes(path);
    let met = size < BINARY_MB_MAX;
    line("size of the command, without DuckDB", &format!("{size:.1} MB"), "", None, "< 60 MB", met);
    let mut walls: Vec<f64> =
        (0..21).map(|_| measured::run(Command::new(path).arg("--help")).wall * 1000.0).collect();
    walls.sort_by(f64::total_cmp);
    let wall = walls[walls.len() / 2];
    line("tenantry --help", &format!("{wall:.1} ms"), "", None, "< 20 ms", wall < HELP_MS_MAX);
}
