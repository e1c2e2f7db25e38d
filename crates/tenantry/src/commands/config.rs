//! `tenantry config show`: every setting, its value, and who said so.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::TenantArgs;
use crate::config::settings::{SETTINGS, Setting};
use crate::config::{Config, Origin};
use crate::error::{CommandError, CommandResult, Exit};
use crate::terminal;
use crate::terminal::table::{Align, TextTable};

/// Show the configuration that commands run with
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

/// What can be done with the configuration.
#[derive(Debug, Subcommand)]
enum ConfigCommand {
    Show(ShowArgs),
}

/// Show every setting and its value
///
/// From the environment, the project file and the defaults, in this order; flags of a command go before all of them. Secrets are shown as
/// ***. Asks neither the tenant nor the destination.
#[derive(Debug, Args)]
struct ShowArgs {
    #[command(flatten)]
    tenant: TenantArgs,
    /// Also show where each value comes from
    #[arg(long)]
    origin: bool,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

impl ConfigArgs {
    /// Whether stdout belongs to a program.
    pub(crate) fn wants_json(&self) -> bool {
        let ConfigCommand::Show(args) = &self.command;
        args.json
    }
}

/// A setting with its value and who said so.
type Shown = (&'static Setting, Option<(String, Origin)>);

pub(crate) fn run(args: &ConfigArgs) -> CommandResult {
    let ConfigCommand::Show(args) = &args.command;
    let config = Config::load()?.tenant(args.tenant.tenant.as_deref())?;
    let shown: Vec<Shown> = SETTINGS
        .iter()
        .map(|setting| Ok((*setting, config.shown(setting)?)))
        .collect::<Result<_, CommandError>>()?;
    if args.json {
        terminal::print_json(&config.labelled(to_json(&shown)))?;
    } else {
        terminal::print(&to_text(&shown, args.origin))?;
    }
    Ok(Exit::Done)
}

/// A setting's name: the key of the project file, or the variable where it has none.
fn name(setting: &Setting) -> &'static str {
    setting.key.unwrap_or(setting.name())
}

fn to_text(shown: &[Shown], origins: bool) -> String {
    let mut columns = vec![("setting", Align::Left), ("value", Align::Left)];
    columns.extend(origins.then_some(("from", Align::Left)));
    let mut table = TextTable::new(columns);
    for (setting, value) in shown {
        let (value, origin) = match value {
            Some((value, origin)) => (value.clone(), origin.to_string()),
            None => ("-".to_owned(), "not set".to_owned()),
        };
        table.row([name(setting).to_owned(), value].into_iter().chain(origins.then_some(origin)));
    }
    table.render()
}

fn to_json(shown: &[Shown]) -> Value {
    let setting = |(setting, value): &Shown| {
        let (value, origin) = value.as_ref().map(|(value, origin)| (value, origin.to_string())).unzip();
        json!({ "setting": name(setting), "variables": setting.variables, "value": value, "origin": origin })
    };
    json!({
        "outcome": Exit::Done.word(),
        "exit_code": Exit::Done.code(),
        "settings": shown.iter().map(setting).collect::<Vec<_>>(),
    })
}
