//! `tenantry status`: what the tables hold and how fresh they are.

use clap::Args;
use serde_json::{Value, json};
use tenantry_replication::catalog::CATALOG;
use tenantry_replication::destination::TableSummary;

use crate::cli::DestinationArgs;
use crate::config::Config;
use crate::error::{CommandResult, Exit};
use crate::terminal::table::{Align, TextTable};
use crate::terminal::{self, text};
use crate::wiring;

/// Show what each table holds and how fresh it is
///
/// For each table: rows that the tenant still has, rows marked deleted, when the newest row was written, when a run last finished the
/// table well, and how the last run ended for it. Asks the destination alone.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    destination: DestinationArgs,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) async fn run(args: &StatusArgs) -> CommandResult {
    let config = Config::load()?;
    let url = config.destination(args.destination.destination.as_deref())?;
    let destination = wiring::existing(&config, &url).await?;
    let summaries = destination.summarize(&CATALOG).await?;
    if args.json {
        terminal::print_json(&to_json(&summaries))?;
    } else {
        terminal::print(&to_text(&summaries))?;
    }
    Ok(Exit::Done)
}

fn to_text(summaries: &[TableSummary]) -> String {
    let mut table = TextTable::new([
        ("table", Align::Left),
        ("live", Align::Right),
        ("deleted", Align::Right),
        ("newest row", Align::Left),
        ("last success", Align::Left),
        ("last outcome", Align::Left),
    ]);
    let time = |at: Option<i64>| at.map_or_else(|| "-".to_owned(), text::rfc3339);
    for summary in summaries {
        table.row([
            summary.table.to_owned(),
            text::count(summary.live),
            text::count(summary.deleted),
            time(summary.newest),
            time(summary.last_success),
            summary.last_outcome.clone().unwrap_or_else(|| "never run".to_owned()),
        ]);
    }
    table.render()
}

fn to_json(summaries: &[TableSummary]) -> Value {
    let time = |at: Option<i64>| at.map(text::rfc3339);
    let summary = |summary: &TableSummary| {
        json!({
            "table": summary.table,
            "live": summary.live,
            "deleted": summary.deleted,
            "newest": time(summary.newest),
            "last_success": time(summary.last_success),
            "last_outcome": summary.last_outcome,
        })
    };
    json!({
        "outcome": Exit::Done.word(),
        "exit_code": Exit::Done.code(),
        "tables": summaries.iter().map(summary).collect::<Vec<_>>(),
    })
}
