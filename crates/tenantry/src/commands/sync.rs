//! `tenantry sync`: brings the tables up to date with the tenant.

use std::sync::Arc;

use clap::Args;
use tenantry_destinations::Access;
use tenantry_replication::catalog::CATALOG;
use tenantry_replication::sync::{Options, Report};

use super::follow::Following;
use crate::cli::{DestinationArgs, MergeArgs, SelectionArgs, TenantArgs};
use crate::clock::SystemClock;
use crate::config::{Config, minutes_above_zero, settings};
use crate::error::{CommandError, CommandResult};
use crate::lease::Keeper;
use crate::replicate::{Ends, replicate};
use crate::wiring::{self, Tenant};
use crate::{report, selection, terminal};

/// Bring the tables up to date with the tenant
///
/// Reads everything the first time; later runs go on from where the last one stopped. What can no longer be found in the tenant is marked
/// deleted, never removed. A run that was stopped, or failed, leaves the tables as they were last published; run it again to go on.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  tenantry sync\n  tenantry sync --select 'client*' tag:security --exclude 'action*'\n  \
    tenantry sync --full --destination duckdb:/var/lib/tenantry/acme.duckdb\n  tenantry sync --follow"
)]
pub(crate) struct SyncArgs {
    #[command(flatten)]
    pub(crate) destination: DestinationArgs,
    #[command(flatten)]
    merge: MergeArgs,
    #[command(flatten)]
    tenant: TenantArgs,
    #[command(flatten)]
    selection: SelectionArgs,
    /// Read everything again, as if no run had been before; nothing is dropped
    #[arg(long)]
    full: bool,
    /// Go on after that, round after round, as the tenant tells of changes and by its log; ends with a signal, exit code 130
    #[arg(long, conflicts_with_all = ["max_requests", "max_minutes"])]
    pub(crate) follow: bool,
    /// Stop cleanly before request N+1, with exit code 4; a later run goes on from there
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_requests: Option<u64>,
    /// Stop cleanly after so many minutes, with exit code 4; a later run goes on from there
    #[arg(long, value_name = "MINUTES", value_parser = minutes)]
    max_minutes: Option<f64>,
    /// Print one JSON object instead of a table; with --follow, one on one line for each round that changed something
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) async fn run(args: &SyncArgs) -> CommandResult {
    if args.follow {
        let config = Config::load()?.tenant(args.tenant.tenant.as_deref())?;
        return sync(args, &config).await;
    }
    super::for_each_tenant(&args.tenant, args.json, async |config| sync(args, config).await).await
}

async fn sync(args: &SyncArgs, config: &Config) -> CommandResult {
    let config = &config.clone().merging_with(args.merge.merge_with.as_deref());
    let clock = Arc::new(SystemClock::new());
    let allowance = config.allowance(args.max_requests, args.max_minutes)?;
    let tenant = wiring::tenant_within(config, Arc::clone(&clock) as _, allowance)?;
    let options = options(config, &tenant, &args.selection, args.full)?;
    if args.follow {
        let url = config.destination(args.destination.destination.as_deref())?;
        if tenant.client_id.is_none() {
            tenant.connect().await?;
        }
        let (tenant, url, json) = (&tenant, url.as_str(), args.json);
        let keeper = Keeper::staying("sync --follow", Arc::clone(&clock) as _);
        return Following { config, url, tenant, clock, options, json, keeper }.run().await;
    }
    bring_up_to_date(config, &tenant, clock, &options, &args.destination, args.json).await
}

/// Runs the engine once, and shows what happened.
pub(super) async fn bring_up_to_date(
    config: &Config,
    tenant: &Tenant,
    clock: Arc<SystemClock>,
    options: &Options,
    destination: &DestinationArgs,
    json: bool,
) -> CommandResult {
    let url = config.destination(destination.destination.as_deref())?;
    let destination = wiring::destination(config, &url, Access::Write).await?;
    if tenant.client_id.is_none() {
        // The engine takes a ready token as it is, and would find out about a bad one table by table.
        tenant.connect().await?;
    }
    let keeper = Keeper::once("sync", Arc::clone(&clock) as _);
    let ends = Ends { source: Arc::clone(&tenant.source), destination, clock, watched: true };
    let report = replicate(&ends, options, &keeper).await?;
    show(config, &url, &report, tenant, json).await?;
    if report.was_stopped() {
        terminal::hint(if options.full {
            "run it again without --full: it goes on where this run stopped"
        } else {
            "run the same command again: it goes on where this run stopped"
        });
    }
    Ok(report::exit(&report))
}

/// What a run is asked to do, by flags and configuration.
pub(super) fn options(
    config: &Config,
    tenant: &Tenant,
    selection: &SelectionArgs,
    full: bool,
) -> Result<Options, CommandError> {
    Ok(Options {
        tenant: tenant.name(),
        tables: selection::tables(
            &CATALOG,
            &config.words(&settings::SELECT, &selection.select),
            &config.words(&settings::EXCLUDE, &selection.exclude),
        )?,
        full,
        streams_at_once: config.streams_at_once()?,
        full_every: config.every(&settings::FULL_EVERY)?,
        untold_every: config.every(&settings::UNTOLD_EVERY)?,
    })
}

fn minutes(text: &str) -> Result<f64, &'static str> {
    minutes_above_zero(text).ok_or("a number above 0 is wanted")
}

/// The report on stdout, what needs a look on stderr.
async fn show(
    config: &Config,
    url: &str,
    report: &Report,
    tenant: &Tenant,
    json: bool,
) -> Result<(), CommandError> {
    if json {
        terminal::print_json(&config.labelled(report::to_json(report)))?;
    } else {
        terminal::print(&report::to_text(report))?;
    }
    for warning in report::warnings(report, &config.state_schema(url)?) {
        terminal::warn(&warning);
    }
    if report.all_done() {
        return Ok(());
    }
    // The token is still valid: this asks nobody.
    if let Ok(access) = tenant.source.connect().await {
        let missing =
            report::missing_scopes(&CATALOG, &access, report.tables.iter().map(|table| table.table.as_str()));
        if let Some(hint) = report::grant_hint(&missing, tenant.client_id.as_deref()) {
            terminal::hint(&hint);
        }
    }
    Ok(())
}
