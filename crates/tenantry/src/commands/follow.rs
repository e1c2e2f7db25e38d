//! `tenantry sync --follow`: goes on after the first sync, in rounds that begin when the tenant tells of a change or its log is due.
//!
//! Only keeps time: what a round does is the engine's. The destination is open during a round alone, so that readers get their turn.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tenantry_destinations::Access;
use tenantry_replication::catalog::{CATALOG, Replication};
use tenantry_replication::clock::Clock;
use tenantry_replication::state::State;
use tenantry_replication::sync::{Follower, Hints, News, Options, Outcome, Report};
use tokio::sync::watch;

use crate::config::{Config, settings};
use crate::error::{CommandError, CommandResult, Exit};
use crate::replicate::{Ends, replicate, replicate_round};
use crate::terminal::text;
use crate::wiring::{self, Tenant};
use crate::{report, terminal};

/// Shortest time between two readings of the log.
const LOG_EVERY_MIN: Duration = Duration::from_secs(1);
/// Longest time to the next round while rounds fail.
const FAILING_WAIT_MAX: Duration = Duration::from_mins(5);
/// Failed rounds after which the time to the next one no longer doubles.
const DOUBLINGS_MAX: u32 = 10;

/// What following works with.
pub(super) struct Following<'a> {
    pub(super) config: &'a Config,
    pub(super) url: &'a str,
    pub(super) tenant: &'a Tenant,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) options: Options,
    pub(super) json: bool,
}

/// When rounds are due, on the monotonic clock, and what they are about.
struct Rounds {
    log_every: Duration,
    others_every: Duration,
    /// When the log is to be read next.
    log_due: Duration,
    /// When everything that was selected is to be brought up to date next, and put on record.
    others_due: Duration,
    /// Tables of all other rounds: those that the last such round brought up to date, but for figures that the log does not tell of.
    steady: BTreeSet<&'static str>,
    failed: u32,
}

impl Following<'_> {
    /// The first sync, then round after round until a signal comes.
    pub(super) async fn run(self) -> CommandResult {
        let mut asked_to_stop = super::run::asked_to_stop()?;
        let mut rounds = Rounds::new(self.config)?;
        if !self.options.tables.iter().any(|table| is_of_log(table)) {
            return Err(CommandError::usage(
                "cannot follow without the tables of the log: it tells what changed",
            )
            .hint("select them as well, or use `tenantry run`"));
        }
        let ends = self.ends(true).await?;
        let mut follower = self.follower(&ends.destination.state().await?);
        let first = follower.during(replicate(&ends, &self.options)).await?;
        drop(ends);
        self.show_first(&first)?;
        if first.tables.iter().any(|table| is_of_log(&table.table) && table.outcome != Outcome::Done.word()) {
            return Err(CommandError::new(report::exit(&first), "cannot follow: the log could not be read"));
        }
        rounds.note(&first, self.clock.monotonic(), true);
        let options = Options { full: false, ..self.options.clone() };
        loop {
            tell(&mut follower);
            if !self.wait(&mut follower, &rounds, &mut asked_to_stop).await {
                return Err(stopped());
            }
            let whole = rounds.is_whole(self.clock.monotonic());
            let tables = if whole { &options.tables } else { &rounds.steady };
            let options = Options { tables: tables.clone(), ..options.clone() };
            let hints = follower.take();
            match self.round(&mut follower, &options, &hints, whole).await {
                Ok(report) => {
                    rounds.note(&report, self.clock.monotonic(), whole);
                    if report.is_unfinished() {
                        follower.give_back(hints);
                    }
                    self.show(&report)?;
                }
                Err(error) if error.exit() == Exit::Interrupted => return Err(error),
                Err(error) => {
                    rounds.note_failed(self.clock.monotonic());
                    follower.give_back(hints);
                    self.show_failed(&error)?;
                }
            }
        }
    }

    fn follower(&self, state: &State) -> Follower {
        Follower::new(self.tenant.source.as_ref(), Arc::clone(&self.clock), &CATALOG, state)
    }

    async fn ends(&self, watched: bool) -> Result<Ends, CommandError> {
        let destination = wiring::destination(self.config, self.url, Access::Write).await?;
        let (source, clock) = (Arc::clone(&self.tenant.source), Arc::clone(&self.clock));
        Ok(Ends { source, destination, clock, watched })
    }

    /// Waits until a round is due; false when a signal came first.
    async fn wait(
        &self,
        follower: &mut Follower,
        rounds: &Rounds,
        asked_to_stop: &mut watch::Receiver<bool>,
    ) -> bool {
        // After a failure the feed makes no round due sooner.
        let wait = async {
            let left = rounds.log_due.saturating_sub(self.clock.monotonic());
            if rounds.failed > 0 {
                follower.during(self.clock.sleep(left)).await;
            } else {
                follower.wait(left).await;
            }
        };
        tokio::select! {
            _ = asked_to_stop.wait_for(|asked| *asked) => false,
            () = wait => true,
        }
    }

    /// One round, with the destination open no longer than it takes.
    async fn round(
        &self,
        follower: &mut Follower,
        options: &Options,
        hints: &Hints,
        on_record: bool,
    ) -> Result<Report, CommandError> {
        let ends = self.ends(false).await?;
        follower.during(replicate_round(&ends, options, hints, on_record)).await
    }

    fn show_first(&self, report: &Report) -> Result<(), CommandError> {
        if self.json {
            terminal::print(&format!("{}\n", report::to_json(report)))?;
        } else {
            terminal::print(&report::to_text(report))?;
        }
        warn(report);
        Ok(())
    }

    /// A round in one line, where it did something.
    fn show(&self, report: &Report) -> Result<(), CommandError> {
        if report.touched().next().is_none() && report.gaps == 0 {
            return Ok(());
        }
        let now = text::rfc3339(self.clock.now());
        terminal::print(&if self.json {
            format!("{}\n", report::round_to_json(report, &now))
        } else {
            format!("{now} {}\n", report::round_to_text(report))
        })?;
        warn(report);
        Ok(())
    }

    fn show_failed(&self, error: &CommandError) -> Result<(), CommandError> {
        if self.json {
            terminal::print(&format!("{}\n", error.to_json()))?;
        }
        terminal::show_error(error);
        Ok(())
    }
}

impl Rounds {
    fn new(config: &Config) -> Result<Self, CommandError> {
        let every = |setting| config.every(setting).map(|every| every.max(LOG_EVERY_MIN));
        Ok(Self {
            log_every: every(&settings::FOLLOW_LOGS_EVERY)?,
            others_every: every(&settings::OTHERS_EVERY)?,
            log_due: Duration::ZERO,
            others_due: Duration::ZERO,
            steady: BTreeSet::new(),
            failed: 0,
        })
    }

    /// Whether the round that begins now is about everything.
    fn is_whole(&self, now: Duration) -> bool {
        now >= self.others_due
    }

    /// Notes a round that ended.
    fn note(&mut self, report: &Report, now: Duration, whole: bool) {
        if whole {
            self.others_due = now + self.others_every;
            let is_done = |name: &&str| {
                report
                    .tables
                    .iter()
                    .any(|table| table.table == **name && table.outcome == Outcome::Done.word())
            };
            let streams = CATALOG.streams.iter().filter(|stream| stream.replication != Replication::Daily);
            let tables = streams.flat_map(|stream| stream.tables).map(|table| table.name);
            self.steady = tables.filter(is_done).collect();
        }
        if report.is_unfinished() {
            self.note_failed(now);
        } else {
            (self.failed, self.log_due) = (0, now + self.log_every);
        }
    }

    /// Notes a round that failed: each that follows another waits twice as long for the next.
    fn note_failed(&mut self, now: Duration) {
        let longer = self.log_every.saturating_mul(1 << self.failed.min(DOUBLINGS_MAX));
        self.log_due = now + longer.min(FAILING_WAIT_MAX.max(self.log_every));
        self.failed += 1;
    }
}

fn is_of_log(table: &str) -> bool {
    let streams = CATALOG.streams.iter().filter(|stream| stream.replication == Replication::Log);
    streams.flat_map(|stream| stream.tables).any(|of_log| of_log.name == table)
}

fn stopped() -> CommandError {
    CommandError::new(Exit::Interrupted, "stopped following; what was published stays")
        .hint("run the same command again: it goes on from there")
}

fn warn(report: &Report) {
    for warning in report::warnings(report) {
        terminal::warn(&warning);
    }
}

/// What there is to know about the feed, on stderr.
fn tell(follower: &mut Follower) {
    while let Some(news) = follower.news() {
        match news {
            News::Silent { why, for_good } => {
                let until = if for_good { "" } else { " for now" };
                terminal::warn(&format!("no events from the tenant{until}, following its log alone ({why})"));
            }
            News::Heard => terminal::message("hearing events from the tenant again"),
            News::Lost => terminal::message(
                "the tenant no longer keeps some of its events: what they told is taken from its log",
            ),
        }
    }
}
