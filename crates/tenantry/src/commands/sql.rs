//! `tenantry sql`: a read-only question to the destination, the user's own or one that is known by name.

use std::time::Duration;

use clap::{Args, ValueEnum};
use tenantry_insight::{CHECKS, DETECTIONS, Filter, QUESTIONS, Source, check, detection, question};
use tenantry_replication::catalog::{CATALOG, schema, system};
use tenantry_replication::clock::{Clock as _, micros};
use tenantry_replication::error::DestinationErrorKind;

use crate::cli::{DestinationArgs, TenantArgs};
use crate::clock::SystemClock;
use crate::config::{Config, duration_flag};
use crate::error::{CommandError, CommandResult, Exit, did_you_mean};
use crate::terminal::{self, values};
use crate::wiring;

/// Ask the destination a question in its own SQL
///
/// Read-only: whatever would write, or reach outside of the destination, is refused. The tables stand in the schema `auth0`, what runs left
/// behind in `_tenantry`. With --question it asks what `docs/insight.md` and `docs/detections.md` list.
#[derive(Debug, Args)]
#[command(after_help = examples())]
pub(crate) struct SqlArgs {
    /// The question
    #[arg(value_name = "QUERY", required_unless_present = "question", conflicts_with = "question")]
    query: Option<String>,
    #[command(flatten)]
    known: KnownArgs,
    /// Form of the answer
    #[arg(long, default_value = "table")]
    pub(crate) format: Format,
    #[command(flatten)]
    tenant: TenantArgs,
    #[command(flatten)]
    destination: DestinationArgs,
}

/// A question that is known by name.
#[derive(Debug, Args)]
struct KnownArgs {
    /// Ask a question, detection or hygiene check by its name, such as logins-by-day
    #[arg(long, value_name = "ID")]
    question: Option<String>,
    /// How far back it looks, such as 24h or 90d
    #[arg(long, value_name = "TIME", value_parser = duration_flag, default_value = "30d", requires = "question")]
    since: Duration,
    /// Look at one application only, by its client id
    #[arg(long, value_name = "ID", requires = "question")]
    client: Option<String>,
    /// Look at one connection only, by its id
    #[arg(long, value_name = "ID", requires = "question")]
    connection: Option<String>,
    /// Print its SQL instead of the answer, to look at or to make a view of
    #[arg(long, requires = "question")]
    print: bool,
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
         tenantry sql --format csv \"from {schema}.{table}\" > {table}.csv\n  \
         tenantry sql --question logins-by-day --since 7d\n  \
         tenantry sql --question active-users --print\n\n\
         `tenantry tables NAME` shows a table's columns and a question that it answers."
    )
}

pub(crate) async fn run(args: &SqlArgs) -> CommandResult {
    let query = match (&args.known.question, &args.query) {
        (Some(id), _) => known(id, &args.known)?,
        (None, query) => query.clone().unwrap_or_default(),
    };
    if args.known.print {
        terminal::print(&format!("{query}\n"))?;
        return Ok(Exit::Done);
    }
    // A query can name any schema: where none of several tenants is named, the first will do.
    let config = Config::load()?.tenants(args.tenant.tenant.as_deref())?.swap_remove(0);
    let url = config.destination(args.destination.destination.as_deref())?;
    if args.known.question.is_some() {
        wiring::check_asked(&url)?;
    }
    let destination = wiring::existing(&config, &url).await?;
    let batches = destination.query(&query).await.map_err(|error| match error.kind {
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

/// The SQL of what is known by this name. What it cannot narrow itself to is refused: an answer about everything would be taken for less.
fn known(id: &str, args: &KnownArgs) -> Result<String, CommandError> {
    let now = SystemClock::new().now();
    let filter = Filter {
        since: now.saturating_sub(micros(args.since)),
        until: now,
        now,
        client: args.client.clone(),
        connection: args.connection.clone(),
    };
    let narrowed = [("--client", filter.client.is_some()), ("--connection", filter.connection.is_some())];
    let refused = |takes: [bool; 2]| {
        let wanted = narrowed.iter().zip(takes).find(|((_, wanted), takes)| *wanted && !takes);
        wanted.map(|((flag, _), _)| CommandError::usage(format!("`{id}` cannot be narrowed by {flag}")))
    };
    if let Some(question) = question(id) {
        return match refused([question.takes.client, question.takes.connection]) {
            Some(error) => Err(error),
            None => Ok(question.sql(&filter, Source::Tables)),
        };
    }
    if let Some(error) = refused([false, false]) {
        return Err(error);
    }
    let other = detection(id).map(|one| one.sql(&filter)).or_else(|| check(id).map(|one| one.sql(&filter)));
    other.ok_or_else(|| {
        let ids = QUESTIONS.iter().map(|one| one.id).chain(DETECTIONS.iter().map(|one| one.id));
        CommandError::usage(format!("there is no question `{id}`"))
            .hint_if(did_you_mean(id, ids.chain(CHECKS.iter().map(|one| one.id))))
            .hint("docs/insight.md and docs/detections.md list them all")
    })
}
