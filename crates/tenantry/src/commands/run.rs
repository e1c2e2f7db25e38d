//! `tenantry run`: keeps the tables up to date, sync after sync, until it is told to stop.
//!
//! Only keeps time: what a sync does is the engine's. The destination is open during a sync alone, so that readers get their turn; the
//! lease on it stays, so that nobody else writes in between.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tenantry_destinations::Access;
use tenantry_replication::catalog::{CATALOG, Replication};
use tenantry_replication::clock::{Clock, Micros};
use tenantry_replication::sync::{Options, Report};
use tokio::sync::watch;

use crate::cli::{DestinationArgs, MergeArgs, SelectionArgs, TenantArgs};
use crate::clock::SystemClock;
use crate::config::{Config, settings};
use crate::error::{CommandError, CommandResult, Exit};
use crate::lease::Keeper;
use crate::replicate::{Ends, replicate};
use crate::signals::Signals;
use crate::terminal::text;
use crate::wiring::{self, Tenant};
use crate::{report, terminal};

/// Shortest interval: a sync has to fit in.
const EVERY_MIN: Duration = Duration::from_secs(1);
/// How long after a sync that failed the next one begins; it doubles from failure to failure.
const BACKOFF_FIRST: Duration = Duration::from_secs(2);
/// Longest such wait.
const BACKOFF_MAX: Duration = Duration::from_mins(5);

/// Keep the tables up to date, sync after sync, until told to stop
///
/// Reads the log each minute, looks for changed users each 5, brings the rest up to date each hour, and reads everything in full once a day;
/// the intervals are settings. A sync that fails is tried again a little later, unless the first one cannot work at all. Between syncs the
/// destination is closed, so that others can read it; others that would write are kept out. SIGINT and SIGTERM end it cleanly, with exit
/// code 0; what a sync that was under way had published stays.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  tenantry run\n  TENANTRY_LOGS_EVERY=15s tenantry run --select logs 'user*'"
)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    destination: DestinationArgs,
    #[command(flatten)]
    merge: MergeArgs,
    #[command(flatten)]
    tenant: TenantArgs,
    #[command(flatten)]
    selection: SelectionArgs,
    /// Print one JSON object on one line for each sync
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) async fn run(args: &RunArgs) -> CommandResult {
    let config = Config::load()?.tenant(args.tenant.tenant.as_deref())?;
    let config = config.merging_with(args.merge.merge_with.as_deref());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let tenant = wiring::tenant_within(&config, Arc::clone(&clock), config.allowance(None, None)?)?;
    let options = super::sync::options(&config, &tenant, &args.selection, false)?;
    let url = config.destination(args.destination.destination.as_deref())?;
    let schedule = Schedule::new(&options.tables, intervals(&config)?);
    let asked_to_stop = asked_to_stop()?;
    tenant.connect().await?;
    let keeper = Keeper::staying("run", Arc::clone(&clock));
    let mut service = Service { config, url, tenant, clock, options, keeper, schedule, json: args.json };
    let ended = service.serve(asked_to_stop).await;
    service.keeper.give_back(wiring::destination(&service.config, &service.url, Access::Write)).await;
    ended
}

/// Syncs on its intervals.
struct Service {
    config: Config,
    url: String,
    tenant: Tenant,
    clock: Arc<dyn Clock>,
    options: Options,
    keeper: Keeper,
    schedule: Schedule,
    json: bool,
}

impl Service {
    /// Until it is asked to stop, or the first sync shows that none can work.
    async fn serve(&mut self, mut asked_to_stop: watch::Receiver<bool>) -> CommandResult {
        let (mut first, mut failed) = (true, 0);
        loop {
            let tables = self.schedule.take(self.clock.monotonic());
            match self.sync(&tables).await {
                Ok(report) => {
                    failed = 0;
                    show(&report, &self.config.state_schema(&self.url)?, self.clock.now(), self.json)?;
                }
                Err(error) if error.exit() == Exit::Interrupted => return Ok(Exit::Done),
                Err(error) if first && is_hopeless(error.exit()) => return Err(error),
                Err(error) => {
                    failed += 1;
                    self.schedule.put_off(&tables, self.clock.monotonic() + backoff(failed));
                    show_failure(&error, self.clock.now(), self.json)?;
                }
            }
            first = false;
            tokio::select! {
                _ = asked_to_stop.wait_for(|asked| *asked) => return Ok(Exit::Done),
                () = self.clock.sleep(self.pause()) => {}
            }
        }
    }

    /// How long until the next sync.
    fn pause(&self) -> Duration {
        self.schedule.next().saturating_sub(self.clock.monotonic())
    }

    /// One sync, with the destination open no longer than it takes.
    async fn sync(&self, tables: &BTreeSet<&'static str>) -> Result<Report, CommandError> {
        let destination = wiring::destination(&self.config, &self.url, Access::Write).await?;
        let (source, clock) = (Arc::clone(&self.tenant.source), Arc::clone(&self.clock));
        let ends = Ends { source, destination: Arc::clone(&destination), clock, watched: false };
        let options = Options { tables: tables.clone(), ..self.options.clone() };
        let report = replicate(&ends, &options, &self.keeper).await?;
        // Where it cannot be kept, the next sync will say so; this one went well.
        drop(self.keeper.rest(destination.as_ref(), self.pause()).await);
        Ok(report)
    }
}

/// How long to wait after so many failures in a row.
pub(crate) fn backoff(failed: u32) -> Duration {
    BACKOFF_MAX.min(BACKOFF_FIRST * 2u32.pow(failed.saturating_sub(1).min(16)))
}

/// Becomes true once a signal has come, whether during a sync or between two.
pub(crate) fn asked_to_stop() -> Result<watch::Receiver<bool>, CommandError> {
    let (tell, asked) = watch::channel(false);
    let signals = Signals::listen()?;
    tokio::spawn(async move {
        signals.first().await;
        // Nobody listens any more when the command has ended for another reason.
        let _ = tell.send(true);
    });
    Ok(asked)
}

/// Whether trying again later will not help.
fn is_hopeless(exit: Exit) -> bool {
    matches!(exit, Exit::Usage | Exit::Credentials | Exit::Destination)
}

/// The report in one line, with the time at which it came.
fn show(report: &Report, state_schema: &str, now: Micros, json: bool) -> Result<(), CommandError> {
    if json {
        terminal::print(&format!("{}\n", report::to_json(report)))?;
    }
    let now = text::rfc3339(now);
    terminal::message(&format!("{now} {}: {}", report::exit(report).word(), report::summary(report)));
    for warning in report::warnings(report, state_schema) {
        terminal::warn(&warning);
    }
    Ok(())
}

/// An error, with the time at which it came.
pub(crate) fn show_failure(error: &CommandError, now: Micros, json: bool) -> Result<(), CommandError> {
    if json {
        terminal::print(&format!("{}\n", error.to_json()))?;
    }
    terminal::message(&format!("{} {}", text::rfc3339(now), error.exit().word()));
    terminal::show_error(error);
    Ok(())
}

/// How often the log, users and all others are read.
pub(crate) fn intervals(config: &Config) -> Result<[Duration; 3], CommandError> {
    let every = |setting| config.every(setting).map(|every| every.max(EVERY_MIN));
    Ok([every(&settings::LOGS_EVERY)?, every(&settings::USERS_EVERY)?, every(&settings::OTHERS_EVERY)?])
}

/// Which tables are due when. Times are those of a monotonic clock.
#[derive(Debug)]
pub(crate) struct Schedule {
    groups: Vec<Group>,
    /// The tables of the log: part of every sync, since it tells what changed in the others.
    log: BTreeSet<&'static str>,
}

#[derive(Debug)]
struct Group {
    tables: BTreeSet<&'static str>,
    every: Duration,
    due: Duration,
}

impl Schedule {
    /// Everything is due at once.
    pub(crate) fn new(tables: &BTreeSet<&'static str>, [logs, users, others]: [Duration; 3]) -> Self {
        let of = |wanted: fn(Replication) -> bool| -> BTreeSet<&'static str> {
            let streams = CATALOG.streams.iter().filter(|stream| wanted(stream.replication));
            let names = streams.flat_map(|stream| stream.tables).map(|table| table.name);
            names.filter(|name| tables.contains(name)).collect()
        };
        let log = of(|kind| kind == Replication::Log);
        let groups = [
            (log.clone(), logs),
            (of(|kind| kind == Replication::Export), users),
            (of(|kind| !matches!(kind, Replication::Log | Replication::Export)), others),
        ];
        let groups = groups.into_iter().filter(|(tables, _)| !tables.is_empty());
        let groups = groups.map(|(tables, every)| Group { tables, every, due: Duration::ZERO }).collect();
        Self { groups, log }
    }

    /// Tables that are due at `now`. Times that were missed are not made up for.
    pub(crate) fn take(&mut self, now: Duration) -> BTreeSet<&'static str> {
        let mut tables = self.log.clone();
        for group in self.groups.iter_mut().filter(|group| group.due <= now) {
            tables.extend(&group.tables);
            group.due = now + group.every;
        }
        tables
    }

    /// Makes tables due again at `at`: they were taken, and not brought up to date.
    pub(crate) fn put_off(&mut self, tables: &BTreeSet<&'static str>, at: Duration) {
        for group in self.groups.iter_mut().filter(|group| group.tables.is_subset(tables)) {
            group.due = at;
        }
    }

    /// When each table is due.
    pub(crate) fn due(&self) -> impl Iterator<Item = (&'static str, Duration)> {
        self.groups.iter().flat_map(|group| group.tables.iter().map(|table| (*table, group.due)))
    }

    /// When the next tables are due.
    pub(crate) fn next(&self) -> Duration {
        self.groups.iter().map(|group| group.due).min().unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn schedule() -> Schedule {
        let all = CATALOG.tables().map(|table| table.name).collect();
        Schedule::new(&all, [seconds(60), seconds(300), seconds(3_600)])
    }

    #[test]
    fn everything_is_due_at_first_and_then_each_group_at_its_own_time() {
        let mut schedule = schedule();
        let all = schedule.take(seconds(0));
        assert_eq!(all.len(), CATALOG.tables().count());
        assert_eq!(schedule.next(), seconds(60));
        let logs = schedule.take(seconds(60));
        assert_eq!(logs, schedule.log);
        let users = schedule.take(seconds(300));
        assert!(users.len() > logs.len() && logs.is_subset(&users) && users.len() < all.len());
        assert_eq!(schedule.take(seconds(3_600)).len(), all.len());
    }

    #[test]
    fn missed_times_are_not_made_up_for() {
        let mut schedule = schedule();
        schedule.take(seconds(0));
        schedule.take(seconds(1_000));
        assert_eq!(schedule.next(), seconds(1_060));
    }

    #[test]
    fn the_log_is_read_each_minute_users_each_five_and_the_rest_each_hour_unless_something_else_is_said() {
        assert_eq!(intervals(&Config::of(&[])).unwrap(), [60, 300, 3_600].map(seconds));
        let said = Config::of(&[("TENANTRY_LOGS_EVERY", "0s"), ("TENANTRY_USERS_EVERY", "2h")]);
        assert_eq!(intervals(&said).unwrap(), [1, 7_200, 3_600].map(seconds));
    }

    #[test]
    fn what_failed_is_due_again_after_a_wait_that_grows() {
        let mut schedule = schedule();
        schedule.take(seconds(0));
        let users = schedule.take(seconds(300));
        schedule.put_off(&users, seconds(310));
        assert_eq!(schedule.next(), seconds(310));
        assert_eq!(schedule.take(seconds(310)), users);
        let waits: Vec<u64> = [1, 2, 3, 5, 6, 100].map(|failed| backoff(failed).as_secs()).to_vec();
        assert_eq!(waits, [2, 4, 8, 32, 64, 300]);
    }
}
