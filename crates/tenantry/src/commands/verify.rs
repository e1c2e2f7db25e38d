//! `tenantry verify`: whether the tables are those of the tenant.

use std::sync::Arc;

use clap::Args;
use tenantry_replication::sync::Depth;

use crate::cli::{DestinationArgs, SelectionArgs, TenantArgs};
use crate::clock::SystemClock;
use crate::commands::sync;
use crate::config::Config;
use crate::error::CommandResult;
use crate::replicate::{Ends, compare};
use crate::{terminal, verification, wiring};

/// Records of each stream that a sample asks for.
const SAMPLE_DEFAULT: u64 = 100;

/// Compare the tables with the tenant
///
/// Reads the tenant again, and tells of each table how many rows are equal, missing, stale, wrongly live and wrongly deleted, with the keys of
/// those that differ. What the tenant changed after the last run is told apart, by the log, as not synced yet. Changes no row and no
/// checkpoint. Exits with 1 where a row is not as it should be.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  tenantry verify\n  tenantry verify --full --select users --json\n  tenantry verify --sample 20 --exclude logs"
)]
pub(crate) struct VerifyArgs {
    /// Records of each list to look at, drawn by chance [default: 100]
    #[arg(long, value_name = "N", conflicts_with = "full", value_parser = clap::value_parser!(u64).range(1..))]
    sample: Option<u64>,
    /// Compare everything that the tenant holds
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    tenant: TenantArgs,
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    destination: DestinationArgs,
    /// Print one JSON object instead of a table, with more keys
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) async fn run(args: &VerifyArgs) -> CommandResult {
    super::for_each_tenant(&args.tenant, args.json, async |config| verify(args, config).await).await
}

async fn verify(args: &VerifyArgs, config: &Config) -> CommandResult {
    let clock = Arc::new(SystemClock::new());
    let tenant = wiring::tenant(config, Arc::clone(&clock) as _)?;
    let options = sync::options(config, &tenant, &args.selection, false)?;
    let url = config.destination(args.destination.destination.as_deref())?;
    // Opened for reading: nothing of it can be changed.
    let destination = wiring::existing(config, &url).await?;
    if tenant.client_id.is_none() {
        tenant.connect().await?;
    }
    let depth = if args.full { Depth::Full } else { Depth::Sample(args.sample.unwrap_or(SAMPLE_DEFAULT)) };
    let ends = Ends { source: Arc::clone(&tenant.source), destination, clock, watched: true };
    let found = compare(&ends, &options, depth).await?;
    if args.json {
        terminal::print_json(&config.labelled(verification::to_json(&found)))?;
    } else {
        terminal::print(&verification::to_text(&found))?;
    }
    for warning in verification::warnings(&found) {
        terminal::warn(&warning);
    }
    Ok(verification::exit(&found))
}
