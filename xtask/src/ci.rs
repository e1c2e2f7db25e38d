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
    if installed(root, "nextest") {
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
    if installed(root, "deny") {
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
    let status = cargo(root).args(arguments).status()?;
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
fn installed(root: &Path, subcommand: &str) -> bool {
    let probe =
        cargo(root).args([subcommand, "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    probe.is_ok_and(|status| status.success())
}

/// cargo as a developer calls it. What `cargo run` has told this program of itself is taken away: build scripts look at it (that of `ring` does), and
/// half of the tree would be built again, once here and once more by whoever calls cargo next.
#[expect(clippy::disallowed_methods, reason = "cargo tells its subcommands where it is, and this is one")]
fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    let own = ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_BIN_NAME", "CARGO_CRATE_NAME", "OUT_DIR"];
    for (name, value) in std::env::vars_os() {
        let told = name.to_str().is_some_and(|name| own.contains(&name) || name.starts_with("CARGO_PKG_"));
        // The value of .cargo/config.toml, which every cargo finds there by itself.
        let configured = name == "DUCKDB_LIB_DIR" && Path::new(&value) == root.join(".duckdb");
        if told || configured {
            command.env_remove(&name);
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_is_not_told_who_calls_it() {
        let command = cargo(Path::new("."));
        let kept = |name: &str| !command.get_envs().any(|(told, value)| told == name && value.is_none());
        let told = ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_PKG_VERSION_MAJOR"];
        assert_eq!(told.into_iter().find(|name| kept(name)), None);
        assert!(kept("PATH") && kept("CARGO_TARGET_DIR") && kept("CARGO_HOME"));
    }
}
