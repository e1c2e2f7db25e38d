//! All checks and all tests, one after the other, going on after a failure so that one run tells everything.
//!
//! Decides on nothing itself: each step's own exit status counts.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{Findings, docs, tidy};

/// Runs every step and returns one finding for each that failed, and what the project's own checks found.
pub(crate) fn run(root: &Path) -> io::Result<Findings> {
    let mut findings = Findings::new();
    step(root, &["fmt", "--all", "--check"], &mut findings)?;
    let lint = ["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"];
    step(root, &lint, &mut findings)?;
    findings.extend(docs::check(root)?);
    findings.extend(tidy::check(root)?);
    if installed("nextest") {
        step(root, &["nextest", "run", "--workspace", "--locked", "--no-fail-fast"], &mut findings)?;
        // nextest runs no examples in documentation.
        step(root, &["test", "--doc", "--workspace", "--locked"], &mut findings)?;
    } else {
        step(root, &["test", "--workspace", "--locked", "--no-fail-fast"], &mut findings)?;
    }
    snowflake(root, &mut findings)?;
    if installed("deny") {
        step(root, &["deny", "check"], &mut findings)?;
    }
    Ok(findings)
}

/// The destination that is not in the default build. Its tests are those of its own, and one tenant in all destinations.
fn snowflake(root: &Path, findings: &mut Findings) -> io::Result<()> {
    let packages =
        ["-p", "tenantry-destinations", "-p", "tenantry", "--features", "tenantry/snowflake", "--locked"];
    step(
        root,
        &[&["clippy"], &packages[..], &["--all-targets", "--quiet", "--", "-D", "warnings"]].concat(),
        findings,
    )?;
    if installed("nextest") {
        let chosen = ["--no-fail-fast", "-E", "test(snowflake) | test(warehouses)"];
        return step(root, &[&["nextest", "run"], &packages[..], &chosen].concat(), findings);
    }
    for chosen in ["snowflake", "warehouses"] {
        step(root, &[&["test"], &packages[..], &["--no-fail-fast", chosen]].concat(), findings)?;
    }
    Ok(())
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
