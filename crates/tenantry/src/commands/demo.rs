//! `tenantry demo`: everything at once on a simulated tenant, without an account.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use tenantry_destinations::Access;
use tenantry_replication::catalog::{CATALOG, Example, Table};
use tenantry_replication::destination::{Destination, TableSummary};
use tenantry_replication::source::auth0::{Credentials, Domain, Secret, Settings};
use tenantry_replication::sync::{FULL_EVERY, Options, Report, UNTOLD_EVERY};
use tenantry_simulator::server::Server;
use tenantry_simulator::{CLIENT_ID, CLIENT_SECRET, Config as Simulated, Plan, Simulation, server};

use crate::cli::DestinationArgs;
use crate::clock::SystemClock;
use crate::commands::run::{Schedule, asked_to_stop};
use crate::commands::serve;
use crate::config::Config;
use crate::console::demo::Stage;
use crate::console::live::Live;
use crate::console::service::Service;
use crate::console::{Facts, Opened, Place, Ready};
use crate::error::{CommandError, CommandResult, Exit};
use crate::lease::Keeper;
use crate::replicate::{Ends, replicate};
use crate::terminal::table::{Align, TextTable};
use crate::terminal::{self, ADVICE, FAINT, HEADING, paint, text, values};
use crate::{report, simulated, wiring};

/// Queries that are shown.
const QUERIES: usize = 3;
/// Rows of an answer that are shown.
const ROWS: usize = 5;
/// How often the demo's log, users and all else are read: whoever plays with it wants to see it soon.
const DEMO_EVERY: [Duration; 3] = [Duration::from_secs(15), Duration::from_mins(1), Duration::from_mins(5)];
/// The simulated export job takes no longer than this, so that the demo does not wait for it.
const EXPORT_MICROS: i64 = 200_000;

/// Replicate a simulated tenant: no account needed
///
/// Starts a simulated Auth0 tenant on the loopback address, replicates all of it over HTTP as a real one would be, shows what arrived and
/// three queries to try; then it serves the console, with buttons that make things happen in the tenant, until it is interrupted. Run again with the same seed on the same day, it finds the same tenant and changes nothing.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Users of the simulated tenant
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    users: u32,
    /// Log events of the simulated tenant
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    logs: u32,
    /// What the tenant is made from
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    destination: DestinationArgs,
    /// Do not serve the console afterwards
    #[arg(long)]
    no_console: bool,
    /// Port of the console; 0 takes a free one
    #[arg(long, value_name = "P", default_value_t = serve::PORT)]
    port: u16,
    /// Print one JSON object instead of text, and serve no console
    #[arg(long)]
    pub(crate) json: bool,
}

/// A query with its answer.
struct Shown {
    example: &'static Example,
    answer: String,
}

pub(crate) async fn run(args: &DemoArgs) -> CommandResult {
    let config = Config::load()?;
    let url = config.destination(args.destination.destination.as_deref())?;
    let destination = wiring::looked_at(&config, &url, Access::Write).await?;
    let clock = Arc::new(SystemClock::new());
    let server = server::start(Simulation::new(tenant(args)), 0).await.map_err(CommandError::from)?;
    let domain = Domain::parse(&server.url()).map_err(CommandError::usage)?;
    let credentials =
        Credentials::ClientSecret { client_id: CLIENT_ID.to_owned(), secret: Secret::new(CLIENT_SECRET) };
    let source = wiring::connect(Settings::new(domain, credentials), Arc::clone(&clock) as _)?;
    let ends = Ends { source, destination: Arc::clone(&destination), clock, watched: true };
    let options = Options {
        // Not the address: its port is another one each time.
        tenant: "demo".to_owned(),
        tables: CATALOG.tables().map(|table| table.name).collect(),
        // Another seed is another tenant: what its log says means nothing for the last one's tables.
        full: true,
        streams_at_once: config.streams_at_once()?,
        full_every: FULL_EVERY,
        untold_every: UNTOLD_EVERY,
    };
    let keeper = Keeper::once("demo", Arc::clone(&ends.clock));
    let report = replicate(&ends, &options, &keeper).await?;
    let summaries = destination.summarize(&CATALOG).await?;
    let queries = queries(destination.as_ref(), &summaries).await?;
    if args.json {
        terminal::print_json(&to_json(&report, &queries, &url))?;
    } else {
        terminal::print(&to_text(&report, &summaries, &queries, &url))?;
    }
    let state_schema = config.state_schema(&url)?;
    for warning in report::warnings(&report, &state_schema) {
        terminal::warn(&warning);
    }
    if args.json || args.no_console {
        return Ok(report::exit(&report));
    }
    if destination.reader().is_none() {
        terminal::hint("the console shows duckdb: destinations; this one can be asked with `tenantry sql`");
        return Ok(report::exit(&report));
    }
    console(args.port, url, ends, Options { full: false, ..options }, &server, state_schema).await
}

/// Serves the console over the demo's tables, and goes on syncing the demo's tenant.
async fn console(
    port: u16,
    url: String,
    ends: Ends,
    options: Options,
    server: &Server,
    state_schema: String,
) -> CommandResult {
    let stop = asked_to_stop()?;
    let (live, orders) = Live::new(true);
    let (live, clock) = (Arc::new(live), Arc::clone(&ends.clock));
    let retention =
        server.simulation().lock().ok().map(|simulation| simulation.retention_micros().unsigned_abs());
    let facts = Facts {
        tenant: Some(options.tenant.clone()),
        destination: url,
        retention: retention.map(Duration::from_micros),
        ..Facts::default()
    };
    let opened = Opened {
        reader: serve::reader(&ends.destination)?,
        clock: Arc::clone(&clock),
        live: Arc::clone(&live),
        facts,
        stage: Some(Stage(server.simulation())),
    };
    let place =
        |port| Place { address: (Ipv4Addr::LOCALHOST, port).into(), names: Vec::new(), password: None };
    let ready = Ready::new(opened, place(port)).await?;
    terminal::print(&format!("\n{}\n{}\n", paint(HEADING, "Console"), ready.link()?))?;
    terminal::message("the link opens the console once; Ctrl-C ends it, and the simulated tenant with it");
    let schedule = Schedule::new(&options.tables, DEMO_EVERY);
    let keeper = Keeper::staying("demo", clock);
    let ends = Ends { watched: false, ..ends };
    let service =
        orders.map(|orders| Service { ends, options, keeper, schedule, live, orders, state_schema });
    serve::served(ready, service, stop).await
}

/// The tenant of this demo, as it stood at midnight and without limits: nobody else has to share it. It keeps no record of our own visits,
/// so that a second one on the same day finds nothing new.
fn tenant(args: &DemoArgs) -> Simulated {
    Simulated {
        seed: args.seed,
        users: args.users,
        logs: args.logs,
        plan: Plan::Unlimited,
        export_micros: EXPORT_MICROS,
        // The sync that a scene asks for begins at once, and has to find it: the next that looks at every table is minutes away.
        log_lag_micros: 0,
        search_lag_micros: 0,
        start: simulated::midnight(),
        log_own_traffic: false,
        ..Simulated::default()
    }
}

/// The examples of the tables with most rows, as far as they have an answer, with the first rows of it.
async fn queries(
    destination: &dyn Destination,
    summaries: &[TableSummary],
) -> Result<Vec<Shown>, CommandError> {
    let mut tables: Vec<(&'static Table, u64)> = summaries
        .iter()
        .filter_map(|summary| {
            let stream = CATALOG.stream_of(summary.table)?;
            // Whole records have most to tell, and one question for each kind of record is enough.
            (stream.root().name == summary.table).then_some((stream.root(), summary.live))
        })
        .collect();
    tables.sort_by_key(|(_, live)| std::cmp::Reverse(*live));
    let mut shown = Vec::new();
    for (table, _) in tables {
        let batches = destination.query(table.example.sql).await?;
        if batches.iter().all(|batch| batch.num_rows() == 0) {
            continue;
        }
        let answer =
            values::to_table(&batches).map_err(|error| CommandError::new(Exit::Destination, error))?;
        shown.push(Shown { example: &table.example, answer });
        if shown.len() == QUERIES {
            break;
        }
    }
    Ok(shown)
}

fn to_text(report: &Report, summaries: &[TableSummary], queries: &[Shown], url: &str) -> String {
    let mut table = TextTable::new([
        ("table", Align::Left),
        ("rows", Align::Right),
        ("inserted", Align::Right),
        ("updated", Align::Right),
        ("deleted", Align::Right),
        ("outcome", Align::Left),
    ]);
    for (record, summary) in report.tables.iter().zip(summaries) {
        let numbers = [summary.live, record.inserted, record.updated, record.deleted].map(text::count);
        table.row([record.table.clone()].into_iter().chain(numbers).chain([record.outcome.clone()]));
    }
    let live = summaries.iter().map(|summary| summary.live).sum();
    let mut shown = table.render();
    let _ = writeln!(shown, "\n{}", report::summary(report));
    let _ = writeln!(
        shown,
        "\na simulated tenant now stands in {url}: {} with {}",
        text::counted(summaries.len() as u64, "table"),
        text::counted(live, "row")
    );
    let _ = writeln!(shown, "\n{}", paint(HEADING, "Queries to try"));
    let program = program();
    for query in queries {
        let _ = writeln!(shown, "\n{}", paint(ADVICE, query.example.asks.en));
        let _ = writeln!(
            shown,
            "{}",
            paint(FAINT, &format!("{program} sql \"{}\"", shell_quoted(query.example.sql)))
        );
        let _ = write!(shown, "\n{}", indented(&query.answer));
    }
    let _ = writeln!(shown, "\n{}", paint(HEADING, "Next"));
    for (what, why) in [
        ("tables", "what is replicated"),
        ("status", "what each table holds"),
        (
            "sync",
            "the same for a real tenant, with AUTH0_DOMAIN, AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET set",
        ),
    ] {
        let _ = writeln!(shown, "  {program} {what:<7} {}", paint(FAINT, why));
    }
    shown
}

/// The first rows of an answer, and how many more there are.
fn indented(answer: &str) -> String {
    let mut shown = String::new();
    let lines: Vec<&str> = answer.lines().collect();
    for line in lines.iter().take(ROWS + 1) {
        let _ = writeln!(shown, "  {line}");
    }
    if lines.len() > ROWS + 1 {
        let _ = writeln!(shown, "  {}", paint(FAINT, &format!("… {} more", lines.len() - ROWS - 1)));
    }
    shown
}

/// How this program was called, so that what is shown can be copied.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "tenantry".to_owned())
}

/// Text that stands between double quotes in a shell.
fn shell_quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$").replace('`', "\\`")
}

fn to_json(report: &Report, queries: &[Shown], url: &str) -> Value {
    let mut json = report::to_json(report);
    json["destination"] = json!(url);
    json["queries"] = queries
        .iter()
        .map(|query| json!({ "question": query.example.asks.en, "sql": query.example.sql }))
        .collect();
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_survives_the_shell() {
        assert_eq!(
            shell_quoted("select \"date\" from a where b = '$x`'"),
            "select \\\"date\\\" from a where b = '\\$x\\`'"
        );
    }

    #[test]
    fn only_the_first_rows_of_an_answer_are_shown() {
        let answer = "h\n1\n2\n3\n4\n5\n6\n7\n";
        let shown = anstream::adapter::strip_str(&indented(answer)).to_string();
        assert_eq!(shown, "  h\n  1\n  2\n  3\n  4\n  5\n  … 2 more\n");
        assert_eq!(indented("h\n1\n"), "  h\n  1\n");
    }
}
