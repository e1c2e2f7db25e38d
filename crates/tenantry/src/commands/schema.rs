//! `tenantry schema`: the layout of the tables, for other tools.

use clap::{Args, ValueEnum};
use tenantry_replication::catalog::{CATALOG, schema};

use crate::cli::LanguageArgs;
use crate::error::{CommandResult, Exit};
use crate::terminal;

/// Print the layout of the tables as a Mermaid ER diagram, SQL or JSON
///
/// Needs neither a tenant nor a destination.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  tenantry schema --format mermaid --lang ja > erd.mermaid\n  tenantry schema --format json | jq '.streams[].name'"
)]
pub(crate) struct SchemaArgs {
    /// Form of the layout
    #[arg(long)]
    format: SchemaFormat,
    #[command(flatten)]
    language: LanguageArgs,
}

/// Forms of the layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SchemaFormat {
    /// ER diagram
    Mermaid,
    /// CREATE TABLE statements with comments
    Sql,
    /// Everything that is known of streams, tables and columns, in both languages
    Json,
}

pub(crate) fn run(args: &SchemaArgs) -> CommandResult {
    let language = args.language.lang.into();
    terminal::print(&match args.format {
        SchemaFormat::Mermaid => schema::mermaid(&CATALOG, language),
        SchemaFormat::Sql => schema::sql(&CATALOG, language),
        SchemaFormat::Json => schema::json(&CATALOG),
    })?;
    Ok(Exit::Done)
}
