//! Project automation: `cargo xtask docs [--check] | tidy | scenario | kills | simulate`.
//!
//! Writes nothing but generated documents, and installs nothing.

mod docs;
mod measure;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask COMMAND

  docs           write docs/tables/, docs/schema*.mmd, docs/insight*.md and docs/detections*.md
  docs --check   fail when they are stale
  tidy           check what the compiler cannot: see xtask/src/tidy.rs
  scenario       what runs cost in requests, at full size and at each plan's pace; takes minutes
  kills          SIGKILLs of the optimised command on a real file or server: --count N, --seed S, --destination duckdb|postgres; takes minutes
  simulate       trials of the engine under faults, by seed; see crates/tenantry-trials";

/// What a command found wrong, one line each. Empty when all is well.
type Findings = Vec<String>;

#[expect(clippy::print_stderr, reason = "a command for developers speaks on stderr")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["docs"] => docs::write(&root()),
        ["docs", "--check"] => docs::check(&root()),
        ["tidy"] => tidy::check(&root()),
        ["scenario", ..] => measure::scenario(&root(), &arguments[1..]),
        ["kills", ..] => measure::kills(&root(), &arguments[1..]),
        ["simulate", ..] => measure::simulate(&root(), &arguments[1..]),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(findings) if findings.is_empty() => ExitCode::SUCCESS,
        Ok(findings) => {
            for finding in findings {
                eprintln!("{finding}");
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The project's own folder: the one above this crate.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// `path` as the project sees it, with forward slashes.
fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_documents_say_what_the_code_says() {
        assert_eq!(docs::check(&root()).unwrap(), Findings::new());
    }

    #[test]
    fn the_project_is_tidy() {
        assert_eq!(tidy::check(&root()).unwrap(), Findings::new());
    }
}
