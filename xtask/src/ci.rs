//! All checks and all tests, one after the other, going on after a failure so that one run tells everything.
//!
//! Decides on nothing itself: each step's own exit status counts.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{Findings, docs, tidy};

/// What is built and checked: everything, with the destinations that are not in the default build, in one resolution of features, as each further
/// one would build half of the tree again.
const EVERYTHING: [&str; 4] =
    ["--workspace", "--locked", "--features", "tenantry/bigquery,tenantry/delta,tenantry/snowflake"];

/// Runs every step and returns one finding for each that failed, and what the project's own checks found.
pub(crate) fn run(root: &Path) -> io::Result<Findings> {
    let mut findings = Findings::new();
    step(root, &["fmt", "--all", "--check"], &mut findings)?;
    step(root, &of_all(&["clippy", "--all-targets", "--quiet"], &["--", "-D", "warnings"]), &mut findings)?;
    // What `cargo build` gives without a word about features: only looked at, as its code is a part of the above.
    step(root, &["clippy", "--workspace", "--locked", "--quiet", "--", "-D", "warnings"], &mut findings)?;
    findings.extend(docs::check(root)?);
    findings.extend(tidy::check(root)?);
    if installed("nextest") {
        let threads = test_threads().to_string();
        step(
            root,
            &of_all(&["nextest", "run", "--no-fail-fast", "--test-threads", &threads], &[]),
            &mut findings,
        )?;
        // nextest runs no examples in documentation.
        step(root, &of_all(&["test", "--doc"], &[]), &mut findings)?;
    } else {
        step(root, &of_all(&["test", "--no-fail-fast"], &[]), &mut findings)?;
    }
    if installed("deny") {
        step(root, &["deny", "check"], &mut findings)?;
    }
    Ok(findings)
}

/// Measures what runs cost, in the profile of the tests: requests do not depend on it, and a release build takes long.
pub(crate) fn scenario(root: &Path, parts: &[&str]) -> io::Result<Findings> {
    let mut findings = Findings::new();
    let bench = ["bench", "--profile", "dev", "--locked", "-p", "tenantry", "--bench", "scenario", "--"];
    step(root, &[&bench[..], parts].concat(), &mut findings)?;
    Ok(findings)
}

/// Kills the command again and again, as it is released.
pub(crate) fn kills(root: &Path, parts: &[&str]) -> io::Result<Findings> {
    let mut findings = Findings::new();
    let bench = ["bench", "--locked", "-p", "tenantry", "--bench", "kills", "--"];
    step(root, &[&bench[..], parts].concat(), &mut findings)?;
    Ok(findings)
}

/// Runs trials: many seeds, or one again. With a planted defect, in a build that can hold it.
pub(crate) fn simulate(root: &Path, parts: &[&str]) -> io::Result<Findings> {
    let mut findings = Findings::new();
    let planted: &[&str] =
        if parts.contains(&"--planted") { &["--features", "planted-defects"] } else { &[] };
    let trials = ["run", "--quiet", "--locked", "-p", "tenantry-trials"];
    step(root, &[&trials[..], planted, &["--"], parts].concat(), &mut findings)?;
    Ok(findings)
}

fn step(root: &Path, arguments: &[&str], findings: &mut Findings) -> io::Result<()> {
    let status = Command::new(cargo()).args(arguments).current_dir(root).status()?;
    if !status.success() {
        findings.push(format!("failed: cargo {}", arguments.join(" ")));
    }
    Ok(())
}

/// Arguments with what they are about between them.
fn of_all<'a>(before: &[&'a str], after: &[&'a str]) -> Vec<&'a str> {
    [before, &EVERYTHING, after].concat()
}

/// How many tests run at the same time: half as many again as there are processors, as a test waits a quarter of its time for what it has started.
fn test_threads() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    processors + processors.div_ceil(2)
}

/// Whether cargo has this subcommand.
fn installed(subcommand: &str) -> bool {
    let probe = Command::new(cargo())
        .args([subcommand, "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    probe.is_ok_and(|status| status.success())
}

#[expect(clippy::disallowed_methods, reason = "cargo tells its subcommands where it is, and this is one")]
fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
