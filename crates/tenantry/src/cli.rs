//! The command line: what can be said. Doc comments here and in [`crate::commands`] are the help.

use std::fmt::Write as _;

use clap::builder::Styles;
use clap::builder::styling::AnsiColor;
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use tenantry_replication::catalog::schema::Language;

use crate::commands::{
    check, config, demo, detect, maintain, plan, reference, resync, run, schema, serve, simulate, sql,
    status, sync, tables, verify,
};
use crate::config::settings;
use crate::error::Exit;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Replicates a whole Auth0 tenant into warehouse tables
///
/// Reads the Management API and keeps 33 tables true: every table, every delete, every log event. `tenantry demo` shows it without an account.
#[derive(Debug, Parser)]
#[command(version, styles = STYLES, max_term_width = 110, after_help = "`tenantry COMMAND --help` says more about one command.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(demo::DemoArgs),
    Sync(sync::SyncArgs),
    Run(run::RunArgs),
    Serve(serve::ServeArgs),
    Resync(resync::ResyncArgs),
    Verify(verify::VerifyArgs),
    Plan(plan::PlanArgs),
    Check(check::CheckArgs),
    Status(status::StatusArgs),
    Detect(detect::DetectArgs),
    Maintain(maintain::MaintainArgs),
    Tables(tables::TablesArgs),
    Schema(schema::SchemaArgs),
    Sql(sql::SqlArgs),
    Config(config::ConfigArgs),
    Simulate(simulate::SimulateArgs),
    Reference(reference::ReferenceArgs),
}

impl Command {
    /// Whether stdout belongs to a program, which is owed an object even when the command fails.
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            Self::Demo(args) => args.json,
            Self::Sync(args) => args.json,
            Self::Run(args) => args.json,
            Self::Resync(args) => args.json,
            Self::Verify(args) => args.json,
            Self::Plan(args) => args.json,
            Self::Check(args) => args.json,
            Self::Status(args) => args.json,
            Self::Detect(args) => args.json,
            Self::Maintain(args) => args.json,
            Self::Tables(args) => args.json,
            Self::Config(args) => args.wants_json(),
            Self::Sql(args) => args.format == sql::Format::Json,
            Self::Schema(_) | Self::Serve(_) | Self::Simulate(_) | Self::Reference(_) => false,
        }
    }

    /// Whether that program reads line by line.
    pub(crate) fn wants_lines(&self) -> bool {
        match self {
            Self::Run(args) => args.json,
            Self::Sync(args) => args.json && args.follow,
            _ => false,
        }
    }
}

/// Where the tables are.
#[derive(Debug, Args)]
pub(crate) struct DestinationArgs {
    /// Where the tables are, as duckdb:PATH or postgres://USER@HOST/DATABASE; docs/destinations/ describes these and others [default: duckdb:tenantry.duckdb]
    #[arg(long, value_name = "URL")]
    #[expect(clippy::doc_markdown, reason = "a terminal shows it as it stands")]
    pub(crate) destination: Option<String>,
}

/// Who rewrites what is stored.
#[derive(Debug, Args)]
pub(crate) struct MergeArgs {
    /// Have a Spark Connect server rewrite files whose rows changed, as sc://HOST:PORT; for delta: destinations
    #[arg(long, value_name = "SERVER")]
    pub(crate) merge_with: Option<String>,
}

/// Which tenants are meant.
#[derive(Debug, Default, Args)]
pub(crate) struct TenantArgs {
    /// The tenant, of those that the project file lists as [tenants.NAME]
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant: Option<String>,
}

/// Which tables are meant.
#[derive(Debug, Default, Args)]
pub(crate) struct SelectionArgs {
    /// Tables to take: names with * and ?, tag:WORD or scope:SCOPE, + for relatives; several are a union [default: all]
    #[arg(long, value_name = "SEL", num_args = 1..)]
    pub(crate) select: Vec<String>,
    /// Tables to leave as they are; wins over --select
    #[arg(long, value_name = "SEL", num_args = 1..)]
    pub(crate) exclude: Vec<String>,
}

/// The language of descriptions.
#[derive(Debug, Args)]
pub(crate) struct LanguageArgs {
    /// Language of descriptions
    #[arg(long, value_name = "LANG", default_value = "en")]
    pub(crate) lang: Lang,
}

/// Languages by their codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Lang {
    /// English
    En,
    /// Japanese
    Ja,
}

impl From<Lang> for Language {
    fn from(lang: Lang) -> Self {
        match lang {
            Lang::En => Self::English,
            Lang::Ja => Self::Japanese,
        }
    }
}

/// The whole command line, with what only the long help tells.
pub(crate) fn command() -> clap::Command {
    let mut exits = String::from("Exit codes:\n");
    for exit in Exit::ALL {
        let _ = writeln!(exits, "  {:>3}  {}", exit.code(), exit.about());
    }
    Cli::command().after_long_help(format!("{}\n\n{}", settings::environment_help(), exits.trim_end()))
}
