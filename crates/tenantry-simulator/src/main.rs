//! `tenantry-simulator`: serves a simulated Auth0 tenant on loopback until it is interrupted.
//!
//! Prints where it listens, once, on standard output; everything else is on request through `/__sim`.

use std::io::Write;
use std::process::ExitCode;
use tenantry_simulator::{CLIENT_ID, CLIENT_SECRET, Config, Simulation, server};

const USAGE: &str = "usage: tenantry-simulator [--port P] [--seed S] [--users N] [--tied-users N] [--logs N]
    [--organizations N] [--members N] [--clients N] [--connections N] [--roles N] [--actions N] [--grants N]
    [--plan free|essentials|enterprise|unlimited] [--now] [--no-oddities]
--now starts the tenant's clock at the machine's time instead of at a fixed Monday morning;
--no-oddities leaves out what Auth0's own typed clients cannot read.";

/// Lays the arguments over the defaults; the error is one sentence.
fn configure(arguments: impl Iterator<Item = String>) -> Result<(Config, u16), String> {
    let mut config = Config::default();
    let mut port = 0;
    let mut arguments = arguments;
    while let Some(name) = arguments.next() {
        if name == "--now" {
            config.start = server::wall_clock();
            continue;
        }
        if name == "--no-oddities" {
            config.oddities = false;
            continue;
        }
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number = || value.parse::<u32>().map_err(|_| format!("{name}: {value:?} is no number"));
        match name.as_str() {
            "--port" => port = value.parse().map_err(|_| format!("--port: {value:?} is no port"))?,
            "--seed" => config.seed = value.parse().map_err(|_| format!("--seed: {value:?} is no number"))?,
            "--users" => config.users = number()?,
            "--tied-users" => config.tied_users = number()?,
            "--logs" => config.logs = number()?,
            "--organizations" => config.organizations = number()?,
            "--members" => config.members_per_organization = number()?,
            "--clients" => config.clients = number()?,
            "--connections" => config.connections = number()?,
            "--roles" => config.roles = number()?,
            "--actions" => config.actions = number()?,
            "--grants" => config.grants = number()?,
            "--plan" => config.plan = value.parse()?,
            _ => return Err(format!("unknown argument {name}")),
        }
    }
    Ok((config, port))
}

async fn serve(config: Config, port: u16) -> std::io::Result<()> {
    let server = server::start(Simulation::new(config), port).await?;
    let mut out = std::io::stdout();
    writeln!(
        out,
        "AUTH0_DOMAIN={}\nAUTH0_CLIENT_ID={CLIENT_ID}\nAUTH0_CLIENT_SECRET={CLIENT_SECRET}",
        server.url()
    )?;
    out.flush()?;
    tokio::signal::ctrl_c().await?;
    server.stop().await;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let complain = |message: &str| {
        let _ = writeln!(std::io::stderr(), "{message}");
    };
    let (config, port) = match configure(std::env::args().skip(1)) {
        Ok(configured) => configured,
        Err(message) => {
            complain(&format!("{message}\n{USAGE}"));
            return ExitCode::from(2);
        }
    };
    match serve(config, port).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("serve the tenant: {error}"));
            ExitCode::FAILURE
        }
    }
}
