//! `tenantry sql`: a read-only question to the destination.

use clap::{Args, ValueEnum};
use tenantry_replication::catalog::{CATALOG, schema, system};
use tenantry_replication::error::DestinationErrorKind;

use crate::cli::DestinationArgs;
use crate::config::Config;
use crate::error::{CommandError, CommandResult, Exit};
use crate::terminal::{self, values};
use crate::wiring;

/// Ask the destination a question in its own SQL
///
/// Read-only: whatever would write, or reach outside of the destination, is refused. The tables stand in the schema `auth0`, what runs left
/// behind in `_tenantry`.
#[derive(Debug, Args)]
#[command(after_help = examples())]
pub(crate) struct SqlArgs {
    /// The question
    #[arg(value_name = "QUERY")]
    query: String,
    /// Form of the answer
    #[arg(long, default_value = "table")]
    pub(crate) format: Format,
    #[command(flatten)]
    destination: DestinationArgs,
}

/// Forms of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns; long values are cut
    Table,
    /// An array of objects, one for each row
    Json,
    /// RFC 4180 with a heading; text that a spreadsheet would run as a formula gets a quote in front
    Csv,
}

/// Two questions to begin with, on the first table of the catalog.
fn examples() -> String {
    let (schema, table) = (schema::NAMESPACE, CATALOG.streams[0].root().name);
    let deleted = system::DELETED;
    format!(
        "Examples:\n  tenantry sql \"select count(*) from {schema}.{table} where not {deleted}\"\n  \
         tenantry sql --format csv \"from {schema}.{table}\" > {table}.csv\n\n\
         `tenantry tables NAME` shows a table's columns and a question that it answers."
    )
}

pub(crate) async fn run(args: &SqlArgs) -> CommandResult {
    let config = Config::load()?;
    let url = config.destination(args.destination.destination.as_deref())?;
    let destination = wiring::existing(&config, &url).await?;
    let batches = destination.query(&args.query).await.map_err(|error| match error.kind {
        DestinationErrorKind::Query => {
            CommandError::from(error).hint("`tenantry tables NAME` shows the columns of a table")
        }
        _ => error.into(),
    })?;
    let shown = match args.format {
        Format::Table => values::to_table(&batches),
        Format::Json => values::to_json(&batches).map(|rows| format!("{rows:#}\n")),
        Format::Csv => values::to_csv(&batches),
    };
    terminal::print(&shown.map_err(|error| CommandError::new(Exit::Destination, error))?)?;
    Ok(Exit::Done)
}
