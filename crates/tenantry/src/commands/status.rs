//! `tenantry status`: what the tables hold and how fresh they are.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use tenantry_replication::catalog::CATALOG;
use tenantry_replication::clock::{Clock as _, MICROS_PER_SECOND, Micros};
use tenantry_replication::destination::TableSummary;
use tenantry_replication::source::auth0::read_until;

use crate::cli::{DestinationArgs, TenantArgs};
use crate::clock::SystemClock;
use crate::config::{Config, duration_flag};
use crate::error::{CommandResult, Exit};
use crate::terminal::table::{Align, TextTable};
use crate::terminal::{self, text};
use crate::wiring;

/// Less than one part in this many of the time that events are kept is little.
const LITTLE_LEFT: i64 = 4;

/// Show what each table holds and how fresh it is
///
/// For each table: rows that the tenant still has, rows marked deleted, when the newest row was written, when a run last finished the
/// table well, and how the last run ended for it. Then up to when the log was read, and how long it is until the tenant forgets events that
/// were not read yet: for that it has to know how long the tenant keeps them. Asks the destination alone.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    tenant: TenantArgs,
    #[command(flatten)]
    destination: DestinationArgs,
    /// How long the tenant keeps log events, such as 5d [default: what the configuration says]
    #[arg(long, value_name = "TIME", value_parser = duration_flag)]
    retention: Option<Duration>,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) async fn run(args: &StatusArgs) -> CommandResult {
    super::for_each_tenant(&args.tenant, args.json, async |config| status(args, config).await).await
}

async fn status(args: &StatusArgs, config: &Config) -> CommandResult {
    let url = config.destination(args.destination.destination.as_deref())?;
    let destination = wiring::existing(config, &url).await?;
    let summaries = destination.summarize(&CATALOG).await?;
    let log = Log {
        read_until: destination.state().await?.checkpoints.values().filter_map(read_until).max(),
        retention: config.retention(args.retention)?,
        now: SystemClock::new().now(),
    };
    if args.json {
        terminal::print_json(&config.labelled(to_json(&summaries, &log)))?;
    } else {
        terminal::print(&format!("{}\n{}\n", to_text(&summaries), log.to_text()))?;
    }
    if let Some(warning) = log.warning() {
        terminal::warn(&warning);
    }
    Ok(Exit::Done)
}

/// How far the log was read, and how long that can wait. Microseconds UTC.
struct Log {
    read_until: Option<Micros>,
    retention: Option<Duration>,
    now: Micros,
}

impl Log {
    /// When the tenant begins to forget events that were not read.
    fn expires_at(&self) -> Option<Micros> {
        let kept = i64::try_from(self.retention?.as_micros()).ok()?;
        Some(self.read_until?.saturating_add(kept))
    }

    /// Microseconds until then; negative afterwards.
    fn left(&self) -> Option<Micros> {
        Some(self.expires_at()?.saturating_sub(self.now))
    }

    fn to_text(&self) -> String {
        let Some(read_until) = self.read_until else { return "the log was never read".to_owned() };
        let read = format!("the log was read up to {}", text::rfc3339(read_until));
        match (self.expires_at(), self.left()) {
            (Some(at), Some(left)) if left > 0 => {
                let left = text::duration(Duration::from_micros(left.unsigned_abs()));
                format!("{read}; what came after is kept until {}: {left} left", text::rfc3339(at))
            }
            (Some(at), Some(_)) => {
                format!("{read}; the tenant forgets what came after since {}", text::rfc3339(at))
            }
            _ => format!("{read}; --retention or TENANTRY_PLAN tells how long the rest is kept"),
        }
    }

    /// What to do, where little time is left or none.
    fn warning(&self) -> Option<String> {
        let (left, kept) = (self.left()?, i64::try_from(self.retention?.as_micros()).ok()?);
        if left <= 0 {
            Some("log events may be lost already: run `tenantry sync` now, it records what can no longer be read".to_owned())
        } else if left < kept / LITTLE_LEFT {
            let left = text::duration(Duration::from_micros(left.unsigned_abs()));
            Some(format!("log events begin to be lost in {left}: run `tenantry sync` before"))
        } else {
            None
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "read_until": self.read_until.map(text::rfc3339),
            "retention_seconds": self.retention.map(|kept| kept.as_secs()),
            "expires_at": self.expires_at().map(text::rfc3339),
            "seconds_left": self.left().map(|left| left.div_euclid(MICROS_PER_SECOND)),
        })
    }
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

fn to_json(summaries: &[TableSummary], log: &Log) -> Value {
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
        "log": log.to_json(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Micros = 3_600 * MICROS_PER_SECOND;

    fn log(hours_ago: i64, retention: Option<u64>) -> Log {
        let now = 1_000_000 * HOUR;
        Log { read_until: Some(now - hours_ago * HOUR), retention: retention.map(Duration::from_hours), now }
    }

    #[test]
    fn the_time_left_is_what_the_tenant_still_keeps() {
        assert!(log(4, Some(24)).to_text().ends_with(": 20 h left"), "{}", log(4, Some(24)).to_text());
        assert_eq!(log(4, Some(24)).warning(), None);
        assert!(
            log(19, Some(24)).warning().unwrap().contains("in 5 h: run"),
            "{:?}",
            log(19, Some(24)).warning()
        );
        assert!(log(25, Some(24)).warning().unwrap().contains("lost already"));
        assert!(log(25, Some(24)).to_text().contains("forgets what came after since"));
        assert!(log(1, None).to_text().contains("--retention"));
        assert_eq!(log(1, None).warning(), None);
        assert_eq!(log(4, Some(24)).to_json()["seconds_left"], 72_000);
    }
}
