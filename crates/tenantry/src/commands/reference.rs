//! `tenantry reference` (hidden): the command line as Markdown, from which `docs/cli.md` is made.

use std::fmt::Write as _;

use clap::Args;

use crate::cli;
use crate::config::settings::{self, Kind, SETTINGS};
use crate::error::{CommandResult, Exit};
use crate::terminal;

/// Columns of the help texts in the document.
const WIDTH: usize = 100;

/// Print the reference of the command line as Markdown
#[derive(Debug, Args)]
#[command(hide = true)]
pub(crate) struct ReferenceArgs {}

pub(crate) fn run(_: &ReferenceArgs) -> CommandResult {
    terminal::print(&markdown())?;
    Ok(Exit::Done)
}

/// The whole document.
fn markdown() -> String {
    let mut page = String::from(
        "# Command line\n\nMade by `make docs` from the code; edits here are overwritten.\n\n\
         Results go to stdout, messages and progress to stderr. Colour appears only on a terminal, never with `NO_COLOR` or `TERM=dumb`. \
         With `--json`, stdout holds exactly one JSON document, also when the command fails: `outcome` and `exit_code` say how it ended.\n\n",
    );
    let mut root = cli::command().term_width(WIDTH);
    root.build();
    let names: Vec<String> = root
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .map(|command| command.get_name().to_owned())
        .collect();
    for name in names.iter().filter(|name| *name != "help") {
        let Some(command) = root.find_subcommand_mut(name) else { continue };
        let help = command.render_long_help().to_string();
        let _ = writeln!(page, "## tenantry {name}\n\n```text\n{}\n```\n", trimmed(&help));
    }
    page.push_str("## Exit codes\n\n| code | `outcome` | meaning |\n|---|---|---|\n");
    for exit in Exit::ALL {
        let _ = writeln!(page, "| {} | `{}` | {} |", exit.code(), exit.word(), exit.about());
    }
    page.push_str("\n## Environment\n\n| variable | meaning |\n|---|---|\n");
    for setting in SETTINGS {
        let names: Vec<String> = setting.all_variables().map(|name| format!("`{name}`")).collect();
        let twin = if setting.kind == Kind::Secret {
            "; with `_FILE`, the path of a file that holds it"
        } else {
            ""
        };
        let _ = writeln!(page, "| {} | {}{twin} |", names.join(", "), setting.about_with_default());
    }
    let _ = writeln!(
        page,
        "\n## {}\n\nRead from the current folder, or from where `{}` says; the environment wins over it, flags win over both. \
         It has no place for secrets themselves, only for paths of files that hold them. A key that is not listed here is an error.\n\n\
         | key | meaning |\n|---|---|",
        settings::FILE,
        settings::CONFIG.name(),
    );
    for (key, about) in settings::keys() {
        let _ = writeln!(page, "| `{key}` | {about} |");
    }
    page
}

/// Without blanks at line ends and without blank lines around.
fn trimmed(help: &str) -> String {
    help.trim().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}
