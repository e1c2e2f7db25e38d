//! How near the command comes to what the machine can do: `cargo bench -p tenantry --bench speed`. docs/performance.md explains each row.
//!
//! After `--`: names of rows (`export logs memory unchanged changed fan-out binary`, default all), `--full` for the sizes that the targets are
//! about (about an hour and 10 GB of disk; default is a tenth or less), `--plot FILE` for a picture of how a first load grows. Each row
//! is measured beside its floor in the same run, in CPU seconds, as machines are shared. Exits with 0 also where a target is missed: it measures.

#![expect(clippy::unwrap_used, reason = "a bench ends at the first failure")]
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

#[path = "../../tests/tenant/entry.rs"]
#[expect(unsafe_code, reason = "a driver's entry point is a C function")]
mod entry;
mod floor;
mod measured;
mod parts;
mod plot;
mod records;
mod rows;
mod tenant;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::time::ClockId;

use tenantry_replication::catalog::Replication;

use measured::Cost;
use tenant::{Holds, Tenant};

/// Sizes of what is measured.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) export: u64,
    pub(crate) logs: u64,
    /// Users in the two tables that cost and memory are compared between.
    pub(crate) small: u64,
    pub(crate) middle: u64,
    pub(crate) large: u64,
    pub(crate) memory_logs: u64,
    pub(crate) unchanged_users: u64,
    pub(crate) unchanged_logs: u64,
    pub(crate) changed: u64,
    pub(crate) organizations: u64,
    pub(crate) runs: usize,
}

const QUICK: Sizes = Sizes {
    export: 100_000,
    logs: 100_000,
    small: 10_000,
    middle: 100_000,
    large: 1_000_000,
    memory_logs: 500_000,
    unchanged_users: 100_000,
    unchanged_logs: 100_000,
    changed: 1_000,
    organizations: 400,
    runs: 3,
};

const FULL: Sizes = Sizes {
    export: 1_000_000,
    logs: 1_000_000,
    small: 100_000,
    middle: 1_000_000,
    large: 10_000_000,
    memory_logs: 5_000_000,
    unchanged_users: 1_000_000,
    unchanged_logs: 10_000_000,
    changed: 10_000,
    organizations: 2_000,
    runs: 3,
};

/// The bench under way.
pub(crate) struct Bench {
    pub(crate) sizes: Sizes,
    folder: PathBuf,
    /// What first loads of so many users took.
    pub(crate) loads: BTreeMap<u64, Cost>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["part", rest @ ..] = arguments.as_slice() {
        return parts::run(rest);
    }
    let plot = arguments.iter().position(|argument| *argument == "--plot");
    let plot = plot.and_then(|at| arguments.get(at + 1)).copied();
    let wanted: Vec<&str> =
        arguments.iter().copied().filter(|name| !name.starts_with("--") && Some(*name) != plot).collect();
    let folder = tempfile::Builder::new().prefix("speed").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let sizes = if arguments.contains(&"--full") { FULL } else { QUICK };
    if sizes.large < FULL.large {
        println!("small sizes: the targets are about those of --full");
    }
    let mut bench = Bench { sizes, folder: folder.path().to_owned(), loads: BTreeMap::new() };
    println!("{:<58} {:>12} {:>12} {:>8} {:>9}", "what", "measured", "floor", "ratio", "target");
    for (name, row) in rows::ROWS {
        if wanted.is_empty() || wanted.contains(name) {
            row(&mut bench);
        }
    }
    if let Some(path) = plot {
        fs::write(path, plot::loads(&bench.loads)).unwrap();
    }
}

impl Bench {
    /// A file for a measurement of its own.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The export of so many users, packed.
    pub(crate) fn export(&self, users: u64) -> PathBuf {
        let path = self.file(&format!("users-{users}.json.gz"));
        if !path.exists() {
            let mut packed =
                GzEncoder::new(BufWriter::new(File::create(&path).unwrap()), Compression::new(1));
            let mut text = String::new();
            for n in 0..users {
                records::user(&mut text, n, 0);
                if text.len() > 1 << 20 || n + 1 == users {
                    packed.write_all(text.as_bytes()).unwrap();
                    text.clear();
                }
            }
            packed.finish().unwrap().flush().unwrap();
        }
        path
    }

    /// Users loaded into a file that stays for what is measured later.
    pub(crate) fn loaded(&mut self, users: u64) -> PathBuf {
        let file = self.file(&format!("loaded-{users}.duckdb"));
        if !self.loads.contains_key(&users) {
            let export = self.export(users);
            let tenant = Tenant::start(Holds { export: Some(export.clone()), users, ..Holds::default() });
            let cost = measured::run(&mut self.sync(&tenant, &file, &[rows::USERS]));
            assert_eq!(inserted(&cost.out, Replication::Export), users, "all users were loaded");
            self.loads.insert(users, cost);
            if users >= self.sizes.large {
                fs::remove_file(export).unwrap();
            }
        }
        file
    }

    /// The command, ready to bring these tables up to date.
    pub(crate) fn sync(&self, tenant: &Tenant, file: &Path, tables: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
        command
            .args(["sync", "--json", "--destination", &format!("duckdb:{}", file.display()), "--select"])
            .args(tables)
            .current_dir(&self.folder)
            .env_clear()
            .env("AUTH0_DOMAIN", tenant.url())
            .env("AUTH0_CLIENT_ID", "id")
            .env("AUTH0_CLIENT_SECRET", "secret");
        command
    }
}

/// Rows that a run put into the root table of the stream that is read in this way.
pub(crate) fn inserted(report: &str, replication: Replication) -> u64 {
    let report: serde_json::Value = serde_json::from_str(report).unwrap();
    let root = parts::stream(replication).root().name;
    let mut tables = report["tables"].as_array().unwrap().iter();
    tables.find(|table| table["table"] == root).unwrap()["inserted"].as_u64().unwrap()
}

/// A line of the table; a target of what is measured, or of its ratio to the floor.
pub(crate) fn line(what: &str, measured: &str, floor: &str, ratio: Option<f64>, target: &str, met: bool) {
    let ratio = ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
    let met = if met { "met" } else { "MISSED" };
    println!("{what:<58} {measured:>12} {floor:>12} {ratio:>8} {target:>9}  {met}");
}

/// Seconds since 1970 now.
pub(crate) fn wall_clock() -> i64 {
    measured::now(ClockId::Realtime) as i64
}
