//! What takes minutes and is asked for by name: measures, kills and trials, each a command of cargo's.

use std::io;
use std::path::Path;
use std::process::Command;

use crate::Findings;

/// Measures what runs cost, in the profile of the tests: requests do not depend on it, and a release build takes long.
pub(crate) fn scenario(root: &Path, parts: &[&str]) -> io::Result<Findings> {
    call(
        root,
        &["bench", "--profile", "dev", "--locked", "-p", "tenantry", "--bench", "scenario", "--"],
        parts,
    )
}

/// Kills the command again and again, as it is released.
pub(crate) fn kills(root: &Path, parts: &[&str]) -> io::Result<Findings> {
    call(root, &["bench", "--locked", "-p", "tenantry", "--bench", "kills", "--"], parts)
}

/// Runs trials: many seeds, or one again. With a planted defect, in a build that can hold it.
pub(crate) fn simulate(root: &Path, parts: &[&str]) -> io::Result<Findings> {
    let planted: &[&str] =
        if parts.contains(&"--planted") { &["--features", "planted-defects"] } else { &[] };
    let trials = ["run", "--quiet", "--locked", "-p", "tenantry-trials"];
    call(root, &[&trials[..], planted, &["--"]].concat(), parts)
}

/// Runs cargo with what this command stands for and what was said after it; one finding where that fails.
fn call(root: &Path, command: &[&str], parts: &[&str]) -> io::Result<Findings> {
    let arguments = [command, parts].concat();
    let status = cargo(root).args(&arguments).status()?;
    if status.success() {
        return Ok(Findings::new());
    }
    Ok(vec![format!("failed: cargo {}", arguments.join(" "))])
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
