//! `tenantry resync`: a fresh full read of some tables.

use std::sync::Arc;

use clap::Args;
use tenantry_replication::catalog::{CATALOG, Stream};
use tenantry_replication::sync::Options;

use crate::cli::{DestinationArgs, MergeArgs, SelectionArgs, TenantArgs};
use crate::clock::SystemClock;
use crate::commands::sync;
use crate::config::Config;
use crate::error::CommandResult;
use crate::{selection, wiring};

/// Read some tables again in full
///
/// As if no run had read them before, and nothing else is touched: rows that the tenant no longer has are marked deleted, all others are
/// corrected. A table comes with the others that are read from the same list.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tenantry resync users\n  tenantry resync 'client*' tag:security")]
pub(crate) struct ResyncArgs {
    /// Tables to read again: names with * and ?, tag:WORD or scope:SCOPE, + for relatives; several are a union
    #[arg(value_name = "TABLE", required = true)]
    tables: Vec<String>,
    #[command(flatten)]
    tenant: TenantArgs,
    #[command(flatten)]
    destination: DestinationArgs,
    #[command(flatten)]
    merge: MergeArgs,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) async fn run(args: &ResyncArgs) -> CommandResult {
    let config = Config::load()?.tenant(args.tenant.tenant.as_deref())?;
    let config = config.merging_with(args.merge.merge_with.as_deref());
    let named = selection::tables(&CATALOG, &args.tables, &[])?;
    let is_meant = |stream: &&Stream| stream.tables.iter().any(|table| named.contains(table.name));
    let tables = CATALOG.streams.iter().filter(is_meant).flat_map(|stream| stream.tables);
    let tables = tables.map(|table| table.name).collect();
    let clock = Arc::new(SystemClock::new());
    let allowance = config.allowance(None, None)?;
    let tenant = wiring::tenant_within(&config, Arc::clone(&clock) as _, allowance)?;
    // What is named goes before what the configuration selects.
    let everything = SelectionArgs { select: vec!["*".to_owned()], ..SelectionArgs::default() };
    let options = Options { tables, ..sync::options(&config, &tenant, &everything, true)? };
    sync::bring_up_to_date(&config, &tenant, clock, &options, &args.destination, args.json).await
}
