//! `tenantry maintain`: keeps the tables quick to read and small.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use tenantry_destinations::Access;
use tenantry_replication::catalog::CATALOG;
use tenantry_replication::destination::Maintenance;
use tenantry_replication::error::DestinationErrorKind;

use crate::cli::{DestinationArgs, TenantArgs};
use crate::clock::SystemClock;
use crate::config::{Config, duration_flag, settings};
use crate::error::{CommandError, CommandResult, Exit};
use crate::lease::Keeper;
use crate::terminal::table::{Align, TextTable};
use crate::terminal::{self, text};
use crate::wiring;

/// Keep the tables quick to read and small
///
/// Joins small files and removes those that only old versions of a table need: for destinations made of files, such as Delta Lake. DuckDB
/// keeps itself in order: there this writes its log to its place, which a sync does as well. Changes no row, and waits for no run: it
/// takes the lease, or says who has it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tenantry maintain\n  tenantry maintain --keep 30d --json")]
pub(crate) struct MaintainArgs {
    /// How long old versions can still be read, such as 7d [default: what the configuration says]
    #[arg(long, value_name = "TIME", value_parser = duration_flag)]
    keep: Option<Duration>,
    #[command(flatten)]
    tenant: TenantArgs,
    #[command(flatten)]
    destination: DestinationArgs,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) async fn run(args: &MaintainArgs) -> CommandResult {
    let config = Config::load()?.tenant(args.tenant.tenant.as_deref())?;
    let url = config.destination(args.destination.destination.as_deref())?;
    let keep = match args.keep {
        Some(keep) => keep,
        None => config.every(&settings::KEEP_VERSIONS)?,
    };
    // Asked for reading first: what no run has made yet is not made here.
    drop(wiring::existing(&config, &url).await?);
    let destination = wiring::destination(&config, &url, Access::Write).await?;
    let keeper = Keeper::once("maintain", Arc::new(SystemClock::new()));
    keeper.take(destination.as_ref()).await?;
    let maintained = tokio::select! {
        maintained = destination.maintain(&CATALOG, keep) => maintained.map_err(|error| match error.kind {
            DestinationErrorKind::Held => CommandError::from(error).hint("run it again once that process has ended"),
            _ => error.into(),
        }),
        Err(lost) = keeper.prolong(destination.as_ref()) => Err(lost),
    };
    keeper.release(destination.as_ref()).await;
    let maintained = maintained?;
    if args.json {
        terminal::print_json(&to_json(&maintained))?;
    } else {
        terminal::print(&to_text(&maintained))?;
    }
    Ok(Exit::Done)
}

fn to_text(maintained: &Maintenance) -> String {
    if maintained.tables.is_empty() {
        return "this destination keeps itself in order: there was nothing to do\n".to_owned();
    }
    let mut table = TextTable::new([
        ("table", Align::Left),
        ("files joined", Align::Right),
        ("into", Align::Right),
        ("old files removed", Align::Right),
    ]);
    let worked_on = maintained.tables.iter().filter(|one| one.joined > 0 || one.into > 0 || one.removed > 0);
    let (mut rows, mut others) = (0_usize, maintained.tables.len());
    for one in worked_on {
        table.row([
            one.table.clone(),
            text::count(one.joined),
            text::count(one.into),
            text::count(one.removed),
        ]);
        rows += 1;
        others -= 1;
    }
    let mut shown = if rows > 0 { table.render() } else { String::new() };
    if others > 0 {
        let _ = writeln!(shown, "in order already: {others}");
    }
    if maintained.left_behind > 0 {
        let _ = writeln!(shown, "files of killed runs removed: {}", maintained.left_behind);
    }
    shown
}

fn to_json(maintained: &Maintenance) -> Value {
    let tables = maintained.tables.iter().map(
        |one| json!({ "table": one.table, "joined": one.joined, "into": one.into, "removed": one.removed }),
    );
    json!({ "tables": tables.collect::<Vec<_>>(), "left_behind": maintained.left_behind })
}

#[cfg(test)]
mod tests {
    use tenantry_replication::destination::Maintained;

    use super::*;

    #[test]
    fn tables_that_were_in_order_are_counted_and_not_listed() {
        let table = |name: &str, joined, into, removed| Maintained {
            table: format!("auth0.{name}"),
            joined,
            into,
            removed,
        };
        let tables = vec![table("logs", 1_440, 1, 20), table("users", 0, 0, 0), table("grants", 0, 0, 3)];
        let maintenance = Maintenance { tables, left_behind: 2 };
        let text = to_text(&maintenance);
        for shown in ["auth0.logs", "1,440", "auth0.grants", "in order already: 1", "killed runs removed: 2"]
        {
            assert!(text.contains(shown), "{shown} in {text}");
        }
        assert!(!text.contains("auth0.users"), "{text}");
        assert_eq!(to_json(&maintenance)["tables"][0]["into"], 1);
        assert!(to_text(&Maintenance::default()).contains("nothing to do"));
    }
}
