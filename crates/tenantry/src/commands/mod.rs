//! The commands, one file each: arguments whose doc comments are the help, and a `run` that does it.

pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod detect;
mod follow;
pub(crate) mod maintain;
pub(crate) mod plan;
pub(crate) mod reference;
pub(crate) mod resync;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod serve;
pub(crate) mod simulate;
pub(crate) mod sql;
pub(crate) mod status;
pub(crate) mod sync;
pub(crate) mod tables;
pub(crate) mod verify;

use std::future::Future;
use std::time::Duration;

use crate::cli::{Command, TenantArgs};
use crate::config::Config;
use crate::error::{CommandError, CommandResult, Exit};
use crate::terminal;

/// How long work that nobody waits for any more may go on before the process ends.
const SHUTDOWN: Duration = Duration::from_millis(500);

/// Does what was asked.
pub(crate) fn run(command: &Command) -> CommandResult {
    match command {
        Command::Demo(args) => wait(demo::run(args)),
        Command::Sync(args) => wait(sync::run(args)),
        Command::Run(args) => wait(run::run(args)),
        Command::Serve(args) => wait(serve::run(args)),
        Command::Resync(args) => wait(resync::run(args)),
        Command::Verify(args) => wait(verify::run(args)),
        Command::Plan(args) => wait(plan::run(args)),
        Command::Check(args) => wait(check::run(args)),
        Command::Detect(args) => wait(detect::run(args)),
        Command::Status(args) => wait(status::run(args)),
        Command::Maintain(args) => wait(maintain::run(args)),
        Command::Tables(args) => tables::run(args),
        Command::Schema(args) => schema::run(args),
        Command::Config(args) => config::run(args),
        Command::Sql(args) => wait(sql::run(args)),
        Command::Simulate(args) => wait(simulate::run(args)),
        Command::Reference(args) => reference::run(args),
    }
}

/// Does the same for each tenant that is meant, one after the other: one that fails keeps no other from its turn. Ends as the first one that
/// was not done.
async fn for_each_tenant(
    args: &TenantArgs,
    json: bool,
    work: impl AsyncFn(&Config) -> CommandResult,
) -> CommandResult {
    let tenants = Config::load()?.tenants(args.tenant.as_deref())?;
    if let [only] = tenants.as_slice() {
        return work(only).await;
    }
    let mut ended = Exit::Done;
    for config in &tenants {
        terminal::message(&format!("tenant {}:", config.tenant_name().unwrap_or_default()));
        let exit = match work(config).await {
            Ok(exit) => exit,
            Err(error) if error.is_broken_pipe() || error.exit() == Exit::Interrupted => return Err(error),
            Err(error) => {
                if json {
                    terminal::print_json(&config.labelled(error.to_json()))?;
                }
                terminal::show_error(&error);
                error.exit()
            }
        };
        if ended == Exit::Done {
            ended = exit;
        }
    }
    Ok(ended)
}

/// Runs a command that waits for others. Only such commands pay for a runtime.
fn wait(command: impl Future<Output = CommandResult>) -> CommandResult {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CommandError::from)?;
    let result = runtime.block_on(command);
    runtime.shutdown_timeout(SHUTDOWN);
    result
}
