//! `tenantry serve`: the console, and syncs while it is served.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use tenantry_destinations::Access;
use tenantry_replication::clock::Clock;
use tenantry_replication::destination::Destination;
use tokio::sync::watch;

use super::run::{Schedule, asked_to_stop, intervals};
use crate::cli::{DestinationArgs, SelectionArgs, TenantArgs};
use crate::clock::SystemClock;
use crate::config::{self, Config};
use crate::console::live::Live;
use crate::console::service::Service;
use crate::console::{Facts, Opened, Place, Ready};
use crate::error::{CommandError, CommandResult, Exit};
use crate::lease::Keeper;
use crate::replicate::Ends;
use crate::{terminal, wiring};

/// Port unless another one is asked for.
pub(super) const PORT: u16 = 8750;

/// Serve the console, and keep the tables up to date meanwhile
///
/// Shows the tables, their health and their answers in a browser on this machine. The printed link opens the console once, for one browser.
/// Syncs as `tenantry run` does; since this process shows the destination, it keeps it open all the time, and no other process can read a
/// DuckDB file meanwhile. With --no-sync it only reads, needs no tenant, and others may read as well.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  tenantry serve\n  tenantry serve --no-sync --destination duckdb:/var/lib/tenantry/acme.duckdb\n  \
    tenantry serve --listen 10.0.0.5 --password-file console.password --host console.example.com"
)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    tenant: TenantArgs,
    #[command(flatten)]
    destination: DestinationArgs,
    #[command(flatten)]
    selection: SelectionArgs,
    /// Only show what is there: sync nothing
    #[arg(long)]
    no_sync: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

/// Where the console is served.
#[derive(Debug, Args)]
pub(crate) struct PlaceArgs {
    /// Port to listen on; 0 takes a free one
    #[arg(long, value_name = "P", default_value_t = PORT)]
    port: u16,
    /// Address to listen on; one that other machines reach needs --password-file, and the traffic is not encrypted
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    listen: IpAddr,
    /// File with the password that opens the console, where other machines reach it
    #[arg(long, value_name = "PATH")]
    password_file: Option<PathBuf>,
    /// Name by which browsers reach the console, beside its address; may be repeated
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
}

impl PlaceArgs {
    /// The place, or why it may not be.
    pub(super) fn place(&self) -> Result<Place, CommandError> {
        let password = self.password_file.as_deref().map(config::read_secret).transpose()?;
        if !self.listen.is_loopback() && password.is_none() {
            return Err(CommandError::usage(format!(
                "{} is reached from other machines: the console needs a password there",
                self.listen
            ))
            .hint("write a password to a file that only you can read, and name it with --password-file"));
        }
        if self.listen.is_unspecified() && self.host.is_empty() {
            return Err(CommandError::usage(format!("{} is every address of this machine", self.listen))
                .hint("say by which name browsers reach it with --host, or listen on one address"));
        }
        Ok(Place { address: SocketAddr::new(self.listen, self.port), names: self.host.clone(), password })
    }

    /// Says what is open to whom.
    pub(super) fn announce(&self, ready: &Ready) -> Result<(), CommandError> {
        let link = ready.link()?;
        if !self.listen.is_loopback() {
            terminal::warn(&format!(
                "the console is open to every machine that reaches {}: users, log events and settings of the tenant, behind the password \
                 alone and unencrypted; put a proxy with TLS in front of it",
                self.listen
            ));
        }
        terminal::print(&format!("{link}\n"))?;
        terminal::message("the link opens the console once; Ctrl-C ends it");
        Ok(())
    }
}

pub(crate) async fn run(args: &ServeArgs) -> CommandResult {
    let config = Config::load()?.tenant(args.tenant.tenant.as_deref())?;
    let place = args.place.place()?;
    let url = config.destination(args.destination.destination.as_deref())?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let stop = asked_to_stop()?;
    let retention = config.retention(None)?;
    let allowance = config.allowance(None, None)?;
    let facts = Facts {
        destination: url.clone(),
        retention,
        max_requests: allowance.max_requests,
        ..Facts::default()
    };
    if args.no_sync {
        let destination = wiring::existing_looked_at(&config, &url).await?;
        let (live, _) = Live::new(false);
        let tenant = reader(&destination)?.tenant().await?;
        let facts = Facts { tenant, ..facts };
        return shown(destination, clock, live, facts, place, &args.place, stop).await;
    }
    let tenant = wiring::tenant_within(&config, Arc::clone(&clock), allowance)?;
    let options = super::sync::options(&config, &tenant, &args.selection, false)?;
    let destination = wiring::looked_at(&config, &url, Access::Write).await?;
    let (live, orders) = Live::new(true);
    let live = Arc::new(live);
    let ends = Ends {
        source: Arc::clone(&tenant.source),
        destination: Arc::clone(&destination),
        clock: Arc::clone(&clock),
        watched: false,
    };
    let schedule = Schedule::new(&options.tables, intervals(&config)?);
    let keeper = Keeper::staying("serve", Arc::clone(&clock));
    let facts = Facts { tenant: Some(tenant.name()), ..facts };
    let opened = Opened { reader: reader(&destination)?, clock, live: Arc::clone(&live), facts, stage: None };
    let ready = Ready::new(opened, place).await?;
    args.place.announce(&ready)?;
    let state_schema = config.state_schema(&url)?;
    let service =
        orders.map(|orders| Service { ends, options, keeper, schedule, live, orders, state_schema });
    served(ready, service, stop).await
}

/// Serves the console, and syncs meanwhile.
pub(super) async fn served(
    ready: Ready,
    service: Option<Service>,
    stop: watch::Receiver<bool>,
) -> CommandResult {
    let syncing = async {
        if let Some(service) = service {
            service.run(stop.clone()).await;
        }
    };
    // On one task: requests have tasks of their own.
    let (served, ()) = tokio::join!(ready.serve(stop.clone()), syncing);
    served?;
    Ok(Exit::Done)
}

/// Shows a destination that nobody writes to.
async fn shown(
    destination: Arc<dyn Destination>,
    clock: Arc<dyn Clock>,
    live: Live,
    facts: Facts,
    place: Place,
    args: &PlaceArgs,
    stop: watch::Receiver<bool>,
) -> CommandResult {
    let opened = Opened { reader: reader(&destination)?, clock, live: Arc::new(live), facts, stage: None };
    let ready = Ready::new(opened, place).await?;
    args.announce(&ready)?;
    ready.serve(stop).await?;
    Ok(Exit::Done)
}

/// What the console looks through.
pub(super) fn reader(
    destination: &Arc<dyn Destination>,
) -> Result<Arc<dyn tenantry_replication::destination::Reader>, CommandError> {
    destination.reader().ok_or_else(|| {
        CommandError::new(Exit::Destination, "the console cannot look into this kind of destination yet")
            .hint("it shows duckdb: destinations")
    })
}
