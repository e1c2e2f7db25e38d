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
use crate::lease::Keeper;
use crate::replicate::{Ends, replicate, replicate_round};
use crate::terminal::text;
use crate::wiring::{self, Tenant};
use crate::{report, terminal};

/// Shortest time between two readings of the log.
const LOG_EVERY_MIN: Duration = Duration::from_secs(1);
/// How long after a round that failed the next one begins, as when somebody reads the file; it doubles from failure to failure.
const FAILING_WAIT_FIRST: Duration = Duration::from_secs(2);
/// Longest such wait; also for tables that a round about everything could not bring up to date.
const FAILING_WAIT_MAX: Duration = Duration::from_mins(5);
/// Failed rounds after which the time to the next one no longer doubles.
const DOUBLINGS_MAX: u32 = 10;
/// A round is followed by a rest of so many times the time that it took, or until the log is due: most of the tenant's limits stay free
/// for others however much there is to tell.
const REST: u32 = 2;

/// What following works with.
pub(super) struct Following<'a> {
    pub(super) config: &'a Config,
    pub(super) url: &'a str,
    pub(super) tenant: &'a Tenant,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) options: Options,
    pub(super) json: bool,
    pub(super) keeper: Keeper,
}

/// When rounds are due, on the monotonic clock, and what they are about.
struct Rounds {
    log_every: Duration,
    others_every: Duration,
    /// When the log is to be read next.
    log_due: Duration,
    /// Until when events make no round due.
    rest_until: Duration,
    /// When everything that was selected is to be brought up to date next, and put on record.
    others_due: Duration,
    /// Tables of all other rounds: those that the last such round brought up to date, but for daily figures.
    steady: BTreeSet<&'static str>,
    failed: u32,
}

impl Following<'_> {
    /// The first sync, then round after round until a signal comes.
    pub(super) async fn run(self) -> CommandResult {
        let ended = self.follow().await;
        self.keeper.give_back(wiring::destination(self.config, self.url, Access::Write)).await;
        ended
    }

    async fn follow(&self) -> CommandResult {
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
        let first = follower.during(replicate(&ends, &self.options, &self.keeper)).await?;
        self.rest(&ends).await;
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
        let wait = async {
            let left = |until: Duration| until.saturating_sub(self.clock.monotonic());
            follower.during(self.clock.sleep(left(rounds.rest_until))).await;
            follower.wait(left(rounds.log_due)).await;
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
        let round = replicate_round(&ends, options, &self.keeper, hints, on_record);
        let report = follower.during(round).await?;
        self.rest(&ends).await;
        Ok(report)
    }

    /// Keeps the lease until the next round, which may take a while where this one failed.
    async fn rest(&self, ends: &Ends) {
        // Where it cannot be kept, the next round will say so; this one went well.
        drop(self.keeper.rest(ends.destination.as_ref(), FAILING_WAIT_MAX).await);
    }

    fn show_first(&self, report: &Report) -> Result<(), CommandError> {
        if self.json {
            terminal::print(&format!("{}\n", report::to_json(report)))?;
        } else {
            terminal::print(&report::to_text(report))?;
        }
        warn(report, &self.config.state_schema(self.url)?);
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
        warn(report, &self.config.state_schema(self.url)?);
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
            rest_until: Duration::ZERO,
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
        let is_done = |name: &str| {
            report.tables.iter().any(|table| table.table == name && table.outcome == Outcome::Done.word())
        };
        let read_log = report.tables.iter().all(|table| !is_of_log(&table.table) || is_done(&table.table));
        if !read_log || (report.is_unfinished() && !whole) {
            self.note_failed(now);
            return;
        }
        if whole {
            let every = if report.is_unfinished() { FAILING_WAIT_MAX } else { self.others_every };
            self.others_due = now + every.min(self.others_every);
            let streams = CATALOG.streams.iter().filter(|stream| stream.replication != Replication::Daily);
            let tables = streams.flat_map(|stream| stream.tables).map(|table| table.name);
            self.steady = tables.filter(|name| is_done(name)).collect();
        }
        self.failed = 0;
        self.log_due = now + self.log_every;
        let rest = Duration::try_from_secs_f64(report.seconds).unwrap_or_default() * REST;
        self.rest_until = now + rest.min(self.log_every);
    }

    /// Notes a round that failed: each that follows another waits twice as long for the next.
    fn note_failed(&mut self, now: Duration) {
        let wait = FAILING_WAIT_FIRST.saturating_mul(1 << self.failed.min(DOUBLINGS_MAX));
        self.log_due = now + wait.min(FAILING_WAIT_MAX);
        self.rest_until = self.log_due;
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

fn warn(report: &Report, state_schema: &str) {
    for warning in report::warnings(report, state_schema) {
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

#[cfg(test)]
mod tests {
    use tenantry_replication::state::TableRecord;

    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// All tables as done, but for one; a round that took a second.
    fn report(not_done: &str, outcome: Outcome) -> Report {
        let table = |name: &str| TableRecord {
            table: name.to_owned(),
            outcome: if name == not_done { outcome } else { Outcome::Done }.word().to_owned(),
            message: None,
            inserted: 0,
            updated: 0,
            deleted: 0,
            unchanged: 0,
            drifted: 0,
            quarantined: 0,
            requests: 1,
            limited: 0,
            waited: 0.0,
            began: 0.0,
            seconds: 1.0,
        };
        let tables = CATALOG.tables().map(|one| table(one.name)).collect();
        Report { run: 1, tables, requests: 1, gaps: 0, seconds: 1.0 }
    }

    fn rounds() -> Rounds {
        Rounds::new(&Config::of(&[])).unwrap()
    }

    fn first_of(kind: Replication) -> &'static str {
        CATALOG.streams.iter().find(|stream| stream.replication == kind).unwrap().root().name
    }

    #[test]
    fn everything_is_due_hourly_and_what_changes_by_itself_is_part_of_every_round() {
        let mut rounds = rounds();
        assert!(rounds.is_whole(seconds(0)));
        rounds.note(&report("", Outcome::Done), seconds(100), true);
        assert_eq!((rounds.log_due, rounds.rest_until), (seconds(110), seconds(102)));
        assert!(!rounds.is_whole(seconds(3_699)) && rounds.is_whole(seconds(3_700)));
        assert!(!rounds.steady.contains(first_of(Replication::Daily)));
        assert!(rounds.steady.contains(first_of(Replication::Export)));
        assert!(rounds.steady.contains(first_of(Replication::Log)));
    }

    #[test]
    fn a_table_that_fails_is_tried_again_beside_the_others_and_keeps_none_of_them_waiting() {
        let users = first_of(Replication::Export);
        let mut rounds = rounds();
        rounds.note(&report(users, Outcome::Failed), seconds(100), true);
        assert!(!rounds.steady.contains(users) && rounds.steady.contains(first_of(Replication::FullTable)));
        assert_eq!((rounds.log_due, rounds.others_due), (seconds(110), seconds(400)));
        rounds.note(&report(users, Outcome::Skipped), seconds(400), true);
        assert_eq!(rounds.others_due, seconds(4_000));
    }

    #[test]
    fn rounds_that_fail_are_tried_again_later_and_later() {
        let mut rounds = rounds();
        rounds.note(&report("", Outcome::Done), seconds(0), true);
        let steady = rounds.steady.clone();
        let mut waits = Vec::new();
        for _ in 0..12 {
            rounds.note(&report(first_of(Replication::Log), Outcome::Failed), seconds(0), true);
            assert_eq!(rounds.rest_until, rounds.log_due, "no event makes one due sooner");
            waits.push(rounds.log_due.as_secs());
        }
        assert_eq!(waits[..4], [2, 4, 8, 16]);
        assert_eq!(waits.last(), Some(&300));
        assert_eq!(rounds.steady, steady);
        rounds.note(&report("", Outcome::Done), seconds(0), false);
        assert_eq!((rounds.failed, rounds.log_due), (0, seconds(10)));
    }
}
