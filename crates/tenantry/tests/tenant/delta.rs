//! A simulated tenant in Delta Lake tables: written by the real command, compared cell by cell with what the tenant holds, and read by
//! engines that are not ours.
//!
//! Those engines are installed by `make setup`; where they are absent the test says so and passes, unless `TENANTRY_REQUIRE_CLIENTS` is set.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tenantry_oracle::show_micros;
use tenantry_replication::catalog::{CATALOG, Table, Type, system};

use crate::scenario::churn;
use crate::small;
use crate::tables::{self, Holding, Tables};
use crate::world::{Kind, World};

const ENGINES: [&str; 5] = ["deltalake", "polars", "daft", "duckdb", "sail"];

#[test]
fn a_tenant_with_churn_arrives_whole_and_every_engine_reads_the_same() {
    let world = World::start(small()).into(Kind::Delta);
    let mut before = world.truth();
    let first = world.sync();
    assert_eq!(first["outcome"], "done", "{first}");
    let mut held = world.tables();
    tables::compare(&before, &held, Holding::Nothing);
    for round in 0..3 {
        world.churn(&churn(round, 1));
        let after = world.truth();
        let report = world.sync();
        assert_eq!(report["outcome"], "done", "{report}");
        let now = world.tables();
        tables::compare(&after, &now, Holding::Before(&before, &held));
        crate::assert_counts(&report, &held, &now);
        (before, held) = (after, now);
    }

    let versions = versions(&world);
    let unchanged = world.sync();
    for count in ["inserted", "updated", "deleted"] {
        assert_eq!(unchanged["totals"][count], 0, "{unchanged}");
    }
    assert_eq!(self::versions(&world), versions, "a run over an unchanged tenant commits to no table");
    assert_eq!(world.tables(), held);
    let (code, found, messages) = world.run(&["verify", "--full", "--json"]);
    assert_eq!(code, 0, "{messages} {found}");

    // What others make of many small files is looked at below, where a server merges.
    let (code, maintained, messages) = world.run(&["maintain", "--keep", "0s", "--json"]);
    assert_eq!(code, 0, "{messages}");
    let sum = |what: &str| {
        let tables = maintained["tables"].as_array().unwrap();
        tables.iter().map(|table| table[what].as_u64().unwrap()).sum::<u64>()
    };
    assert!(sum("joined") > sum("into") && sum("removed") > 0, "{maintained}");
    assert_eq!(world.tables(), held, "no row changes by it");
    read_by_others(&world, &held);

    world.churn(&churn(9, 1));
    let after = world.truth();
    world.sync();
    tables::compare(&after, &world.tables(), Holding::Before(&before, &held));
}

#[test]
fn a_tenant_with_churn_arrives_whole_where_a_server_merges() {
    let Some(server) = Sail::start() else { return };
    let world = World::start(small()).into(Kind::Delta);
    let address = server.address.clone();
    let merging = ["--merge-with", address.as_str()];
    let mut before = world.truth();
    world.sync_with(&merging);
    let mut held = world.tables();
    tables::compare(&before, &held, Holding::Nothing);
    for round in 0..3 {
        world.churn(&churn(round, 1));
        let after = world.truth();
        let report = world.sync_with(&merging);
        let now = world.tables();
        tables::compare(&after, &now, Holding::Before(&before, &held));
        crate::assert_counts(&report, &held, &now);
        (before, held) = (after, now);
    }
    let is_merged = |table: &str| {
        let folders = std::fs::read_dir(world.lake().join("auth0").join(table)).unwrap();
        let mut names = folders.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        names.any(|name| name.starts_with("merged-"))
    };
    assert!(is_merged("users") && is_merged("client"), "the server had a part in it");
    let versions = versions(&world);
    world.sync_with(&merging);
    assert_eq!(self::versions(&world), versions, "a run over an unchanged tenant commits to no table");
    read_by_others(&world, &held);

    drop(server);
    world.churn(&churn(9, 1));
    let (code, _, messages) = world.run(&[&["sync", "--json"], &merging[..]].concat());
    assert_eq!(code, 5, "{messages}");
    assert!(messages.contains("the server that merges"), "{messages}");
    let after = world.truth();
    world.sync();
    tables::compare(&after, &world.tables(), Holding::Before(&before, &held));
}

/// A Spark Connect server.
struct Sail {
    process: std::process::Child,
    address: String,
}

impl Sail {
    fn start() -> Option<Self> {
        let program = python()?.with_file_name("sail");
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Command::new(program);
        command.args(["spark", "server", "--ip", "127.0.0.1", "--port", &free.port().to_string()]);
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Self { process, address: format!("sc://{free}") };
        for _ in 0..600 {
            if std::net::TcpStream::connect(free).is_ok() {
                return Some(server);
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("the server does not answer");
    }
}

impl Drop for Sail {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[test]
fn runs_that_are_killed_leave_delta_tables_from_which_the_next_goes_on() {
    let world = World::start(small()).into(Kind::Delta);
    let truth = world.truth();
    for kill in 1..6 {
        world.kill_after(&["sync", "--json"], std::time::Duration::from_millis(kill * 700));
    }
    let report = world.sync();
    assert_eq!(report["outcome"], "done", "{report}");
    tables::compare(&truth, &world.tables(), Holding::Nothing);
}

/// Gives the first client another name with an engine that is not ours. False where that is not installed.
pub(crate) fn tamper(lake: &Path) -> bool {
    let Some(python) = python() else { return false };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tenantry-delta/tests/readers/write.py");
    let mut command = Command::new(python);
    command.arg(script).arg(lake.join("auth0/client")).args(["id", "name", "tampered"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    true
}

/// Number of the last version of each table.
fn versions(world: &World) -> BTreeMap<&'static str, usize> {
    let count = |table: &str| {
        let log = world.lake().join("auth0").join(table).join("_delta_log");
        let entries = std::fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|ending| ending == "json")).count()
    };
    CATALOG.tables().map(|table| (table.name, count(table.name))).collect()
}

fn read_by_others(world: &World, held: &Tables) {
    let Some(python) = python() else { return };
    for engine in ENGINES {
        let read = read_by(&python, engine, &world.lake());
        for table in CATALOG.tables() {
            let rows = rows_of(table, &read[table.name]);
            assert_eq!(rows.len(), held[table.name].len(), "rows of {} by {engine}", table.name);
            for (key, row) in &held[table.name] {
                let read =
                    rows.get(key).unwrap_or_else(|| panic!("{engine}: {} {key:?} is missing", table.name));
                for (column, cell) in &row.row {
                    assert_eq!(&read[*column], cell, "{engine}: {} {key:?} {column}", table.name);
                }
                assert_eq!(read[system::DELETED], Some(row.deleted.to_string()), "{engine}: {}", table.name);
                assert_eq!(read[system::SYNCED].as_ref(), Some(&row.synced), "{engine}: {}", table.name);
            }
        }
    }
}

/// Rows of a table as a reader prints them, by merge key.
fn rows_of(
    table: &'static Table,
    columns: &Value,
) -> BTreeMap<Vec<String>, BTreeMap<&'static str, Option<String>>> {
    let cells = |name: &str, at: usize| columns[name][at].as_str().map(str::to_owned);
    let count = columns[table.columns[0].name].as_array().map_or(0, Vec::len);
    let mut rows = BTreeMap::new();
    for at in 0..count {
        let row: BTreeMap<_, _> = table
            .columns
            .iter()
            .map(|column| {
                let cell = cells(column.name, at);
                let is_time = column.kind == Type::Timestamp;
                let cell = cell.map(|cell| if is_time { show_micros(cell.parse().unwrap()) } else { cell });
                (column.name, cell)
            })
            .collect();
        let key = table.key.iter().map(|name| row[name].clone().unwrap_or_else(|| "\0".to_owned())).collect();
        assert!(rows.insert(key, row).is_none(), "{}: two rows with one key", table.name);
    }
    rows
}

fn read_by(python: &Path, engine: &str, lake: &Path) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tenantry-delta/tests/readers/read.py");
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(python);
    command.arg(script).arg(engine).arg(lake.join("auth0")).args(CATALOG.tables().map(|table| table.name));
    command.env("TMPDIR", folder.path()).env("HOME", folder.path()).env("DO_NOT_TRACK", "1");
    let output = command.output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{engine} ended with {}:\n{complaint}", output.status);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{engine}: {error}\n{complaint}"))
}

#[expect(clippy::disallowed_methods, reason = "a test has no configuration to ask where tools are installed")]
pub(crate) fn python() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let cache = variable("TENANTRY_CACHE").map(PathBuf::from);
    let cache = cache.or_else(|| variable("HOME").map(|home| Path::new(&home).join(".cache/tenantry")));
    let python = cache.unwrap_or_default().join("readers/bin/python");
    if python.exists() {
        return Some(python);
    }
    assert!(
        variable("TENANTRY_REQUIRE_CLIENTS").is_none(),
        "readers of Delta Lake are not installed: run make setup"
    );
    // Past the test runner's capture, which would hide it where nothing fails.
    let _ = writeln!(std::io::stderr(), "SKIPPED: readers of Delta Lake are not installed: run make setup");
    None
}
