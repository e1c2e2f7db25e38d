//! `tenantry plan`: what the next sync will take.

use std::sync::Arc;

use clap::Args;

use crate::cli::{DestinationArgs, SelectionArgs, TenantArgs};
use crate::clock::SystemClock;
use crate::commands::sync;
use crate::config::Config;
use crate::error::{CommandResult, Exit};
use crate::replicate::{Ends, reckon};
use crate::{forecast, terminal, wiring};

/// Tell what the next sync will take, before it runs
///
/// Requests and time for each list of the tenant, beside what the last run took. Decides as a sync would, from what the tables hold and what
/// the log tells; asks the tenant a few questions for the rest, at most about as many as there are lists. Changes nothing, and needs no
/// tables yet. Times are the shortest that the rate limits and --leave allow.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  tenantry plan\n  tenantry plan --full\n  tenantry plan --select 'organization*' --json"
)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    destination: DestinationArgs,
    #[command(flatten)]
    tenant: TenantArgs,
    #[command(flatten)]
    selection: SelectionArgs,
    /// As if no run had been before
    #[arg(long)]
    full: bool,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) async fn run(args: &PlanArgs) -> CommandResult {
    super::for_each_tenant(&args.tenant, args.json, async |config| plan(args, config).await).await
}

async fn plan(args: &PlanArgs, config: &Config) -> CommandResult {
    let clock = Arc::new(SystemClock::new());
    let allowance = config.allowance(None, None)?;
    let tenant = wiring::tenant(config, Arc::clone(&clock) as _)?;
    let options = sync::options(config, &tenant, &args.selection, args.full)?;
    let url = config.destination(args.destination.destination.as_deref())?;
    let destination = wiring::existing_or_empty(config, &url).await?;
    tenant.connect().await?;
    let ends = Ends { source: Arc::clone(&tenant.source), destination, clock, watched: false };
    let forecast = reckon(&ends, &options).await?;
    if args.json {
        terminal::print_json(&config.labelled(forecast::to_json(&forecast)))?;
    } else {
        terminal::print(&forecast::to_text(&forecast))?;
    }
    for warning in forecast::warnings(&forecast, &allowance) {
        terminal::warn(&warning);
    }
    Ok(Exit::Done)
}
