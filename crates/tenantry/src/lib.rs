//! The `tenantry` command: command line, configuration and terminal around the replication engine.
//!
//! Replicates nothing itself: every command asks the libraries, and shows what they say.

mod cli;
mod clock;
mod commands;
mod config;
mod console;
pub mod decoders;
mod error;
mod findings;
mod forecast;
mod lease;
mod replicate;
mod report;
mod selection;
mod signals;
mod simulated;
mod terminal;
mod verification;
mod wiring;

use std::panic::{self, PanicHookInfo};
use std::process::ExitCode;

use clap::FromArgMatches as _;

use cli::Cli;
use error::{CommandError, Exit};

/// Runs the command that the process was started with, and gives the status that it ends with.
pub fn main() -> ExitCode {
    panic::set_hook(Box::new(|panic| terminal::message(&bug(panic))));
    let exit = panic::catch_unwind(run).unwrap_or(Exit::Usage);
    ExitCode::from(exit.code())
}

fn run() -> Exit {
    let parsed = cli::command().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version count as results, everything else as wrong usage; a closed pipe is nobody's problem.
            drop(error.print());
            return if error.use_stderr() { Exit::Usage } else { Exit::Done };
        }
    };
    match commands::run(&cli.command) {
        Ok(exit) => exit,
        Err(error) => {
            show(&error, &cli.command);
            error.exit()
        }
    }
}

fn show(error: &CommandError, command: &cli::Command) {
    if error.is_broken_pipe() {
        return;
    }
    // Whether or not stdout takes it, stderr and the exit code say the same.
    if command.wants_lines() {
        drop(terminal::print(&format!("{}\n", error.to_json())));
    } else if command.wants_json() {
        drop(terminal::print_json(&error.to_json()));
    }
    terminal::show_error(error);
}

/// What a user sees of a bug: where it is, never the values that it happened with.
fn bug(panic: &PanicHookInfo<'_>) -> String {
    let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    format!(
        "error: tenantry {} met a bug of its own at {place}\n\nhint: the tables are as they were last published; please report this line with the command that led to it",
        env!("CARGO_PKG_VERSION")
    )
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use super::*;

    #[test]
    fn a_bug_is_one_line_with_its_place_and_without_values() {
        static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());
        let before = panic::take_hook();
        panic::set_hook(Box::new(|panic| {
            SAID.lock().unwrap_or_else(PoisonError::into_inner).push(bug(panic));
        }));
        let caught = panic::catch_unwind(|| panic!("canary of a row"));
        panic::set_hook(before);
        assert!(caught.is_err());
        let said = SAID.lock().unwrap_or_else(PoisonError::into_inner).concat();
        assert!(said.starts_with("error: tenantry ") && said.contains("src/lib.rs:"), "{said}");
        assert!(said.contains("\n\nhint: ") && !said.contains("canary"), "{said}");
    }
}
