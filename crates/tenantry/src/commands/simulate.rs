//! `tenantry simulate`: a tenant to try things on, served on the loopback address.

use std::str::FromStr as _;

use clap::Args;
use tenantry_simulator::{CLIENT_ID, CLIENT_SECRET, Config, Plan};

use crate::error::{CommandError, CommandResult, Exit};
use crate::signals::Signals;
use crate::{simulated, terminal};

/// Serve a simulated tenant for other tools to read
///
/// Answers like the Management API, on the loopback address alone, until it is interrupted. Made again on the same day, the same seed and
/// numbers give the same tenant.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  tenantry simulate --port 4010 --seed 1 --users 25000 --plan free")]
pub(crate) struct SimulateArgs {
    /// Port to listen on; 0 takes a free one
    #[arg(long, value_name = "P")]
    port: u16,
    /// What the tenant is made from
    #[arg(long, value_name = "S")]
    seed: u64,
    #[command(flatten)]
    size: Size,
    /// Subscription plan, which decides on rate limits and how long logs are kept
    #[arg(long, value_parser = ["free", "essentials", "enterprise"], default_value = "enterprise")]
    plan: String,
}

/// How much there is of everything.
#[derive(Debug, Args)]
struct Size {
    /// Users
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    users: u32,
    /// Log events
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    logs: u32,
    /// Organizations
    #[arg(long, value_name = "N", default_value_t = 20)]
    organizations: u32,
    /// Applications
    #[arg(long, value_name = "N", default_value_t = 12)]
    clients: u32,
    /// Connections
    #[arg(long, value_name = "N", default_value_t = 8)]
    connections: u32,
    /// Roles
    #[arg(long, value_name = "N", default_value_t = 6)]
    roles: u32,
    /// Consents of users
    #[arg(long, value_name = "N", default_value_t = 400)]
    grants: u32,
}

pub(crate) async fn run(args: &SimulateArgs) -> CommandResult {
    let signals = Signals::listen()?;
    let config = Config {
        seed: args.seed,
        users: args.size.users,
        logs: args.size.logs,
        organizations: args.size.organizations,
        clients: args.size.clients,
        connections: args.size.connections,
        roles: args.size.roles,
        grants: args.size.grants,
        plan: Plan::from_str(&args.plan).map_err(CommandError::usage)?,
        ..Config::default()
    };
    let server = simulated::serve(config, args.port).await.map_err(|error| {
        CommandError::usage(format!("listen on port {}: {error}", args.port))
            .hint("`--port 0` takes a free one")
    })?;
    let address = server.url();
    terminal::print(&format!(
        "export AUTH0_DOMAIN={address}\nexport AUTH0_CLIENT_ID={CLIENT_ID}\nexport AUTH0_CLIENT_SECRET={CLIENT_SECRET}\n"
    ))?;
    terminal::message(
        "serving until interrupted; with the lines above in another shell, `tenantry sync` reads this tenant",
    );
    signals.first().await;
    Ok(Exit::Done)
}
