//! The course of a trial: rounds of change and runs, then calm, one more run, and judgement.
//!
//! The engine that runs is the real one; everything around it is in this crate or in the simulator.

mod aside;
mod rival;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tenantry_replication::clock::Clock;
use tenantry_replication::destination::Destination as _;
use tenantry_replication::source::auth0::{Auth0, Credentials, Domain, Secret, Settings};
use tenantry_replication::sync::{
    Depth, Edges, Event, Observer, Options, Outcome, Report, SyncError, UNTOLD_EVERY, sync,
};
use tenantry_simulator::{CLIENT_ID, CLIENT_SECRET};

use crate::faults::Group;
use crate::network::Network;
use crate::sightings::{Sighting, Sightings};
use crate::trial::{Crash, Round, Trial};
use crate::warehouse::Warehouse;
use crate::world::{HOST, Violation, World};
use crate::{catalog, check, conduct, records};

/// Pause before the run that must find everything: lists without events are due, indexes have caught up.
const CALM: Duration = Duration::from_mins(70);
/// Time between the last two runs.
const AT_ONCE: Duration = Duration::from_secs(5);
/// Longest time that a run may take.
const RUN_MAX: Duration = Duration::from_hours(20);

/// What a trial came to.
#[derive(Debug)]
pub struct Verdict {
    /// Invariants that did not hold; none for a good trial.
    pub violations: Vec<Violation>,
    /// States that were reached.
    pub sightings: Sightings,
    /// Tells two courses apart, to the byte.
    pub digest: u64,
    /// The course, where it was asked for.
    pub trace: Option<String>,
}

/// Runs a trial to its end. A panic of the engine is a violation like any other.
pub fn run(trial: &Trial, keeps_trace: bool) -> Verdict {
    let world = World::new(trial, keeps_trace);
    let lived = catch_unwind(AssertUnwindSafe(|| Life::new(trial, Arc::clone(&world)).live()));
    if lived.is_err() {
        world.violated("I10 no panic", "the engine panics");
    }
    let state = world.state();
    Verdict {
        violations: state.violations.clone(),
        sightings: state.sightings.clone(),
        digest: state.trace.digest(),
        trace: state.trace.kept(),
    }
}

/// How a run ended.
enum End {
    Finished(Result<Report, SyncError>),
    Crashed,
}

struct Life<'a> {
    trial: &'a Trial,
    world: Arc<World>,
    warehouse: Arc<Warehouse>,
    source: Option<Arc<Auth0>>,
    after_crash: bool,
    /// Whether runs read the log and nothing else.
    log_alone: bool,
}

struct Silent;

impl Observer for Silent {
    fn event(&self, _event: &Event) {}
}

impl<'a> Life<'a> {
    fn new(trial: &'a Trial, world: Arc<World>) -> Self {
        let warehouse = Arc::new(Warehouse::new(Arc::clone(&world), trial.config.search_lag_micros));
        let log_alone = trial.log_alone;
        Self { trial, world, warehouse, source: None, after_crash: false, log_alone }
    }

    fn live(mut self) {
        for round in &self.trial.rounds {
            self.world.pass(round.pause, &round.steps);
            self.set_clock();
            if round.noted_ahead {
                self.note_ahead();
            }
            if let Some(crash_at) = round.verifies {
                let depth = if round.number % 2 == 0 { Depth::Full } else { Depth::Sample(5) };
                self.verify(&[], Some(crash_at), depth);
                self.source = None;
            }
            for Crash { number, point, rest } in &round.crashes {
                self.world.trace(&format!("run, crash {number} at point {point}"));
                let end = self.run(Some(round), Some(*point), round.full);
                if !matches!(end, End::Crashed) {
                    break;
                }
                self.world.pass(*rest, &[]);
            }
            if round.crashes.is_empty() || self.after_crash {
                self.run(Some(round), None, round.full);
            }
            if self.trial.stops_early && !self.world.state().violations.is_empty() {
                return;
            }
        }
        self.world.calm();
        self.source = None;
        self.log_alone = false;
        self.world.pass(CALM, &[]);
        self.judge();
    }

    /// Faults have stopped: one run makes everything equal, and another one changes nothing.
    fn judge(&mut self) {
        // What was quarantined in passing is only met again by a full read.
        let full = self.trial.odds.contains_key(&Group::OddRecord);
        let state = self.world.clock.run(self.warehouse.memory().state());
        if state.is_ok_and(|state| !state.parked.is_empty()) {
            // A read that goes on shows what was when it began; the run after the one that ends it brings the changes since.
            self.run(None, None, full);
            self.world.pass(AT_ONCE, &[]);
        }
        self.world.trace("the run that must find everything");
        let (before, owed) = self.world.now();
        let end = self.run(None, None, full);
        let world = Arc::clone(&self.world);
        match end {
            End::Finished(Ok(report)) if report.all_done() => {}
            End::Finished(Ok(report)) => {
                for table in report.tables.iter().filter(|table| table.message.is_some()) {
                    let why = table.message.as_deref().unwrap_or_default();
                    world.violated("I5 converges", format!("{} is {}: {why}", table.table, table.outcome));
                }
            }
            End::Finished(Err(error)) => {
                world.violated("I5 converges", format!("the last run fails: {error}"));
            }
            End::Crashed => world.violated("I7 bounded", "the last run does not end"),
        }
        self.world.now();
        check::equals_tenant(&world, self.warehouse.memory(), &before);
        check::log_is_whole(&world, self.warehouse.memory(), &owed);
        conduct::limits_are_kept(&world);
        let before = check::rows_that_may_not_move(self.warehouse.memory());
        self.world.pass(AT_ONCE, &[]);
        self.world.trace("the run that must change nothing");
        self.run(None, None, false);
        let after = check::rows_that_may_not_move(self.warehouse.memory());
        for (table, rows) in &before {
            if after.get(table) != Some(rows) {
                world.violated("I6 idempotent", format!("{table} changes in a run over an unchanged tenant"));
            }
        }
        world.trace(&format!("{after:?}"));
        self.verify_at_the_end();
    }

    /// One run. A killed one leaves its successor what was published.
    fn run(&mut self, round: Option<&Round>, crash_at: Option<u64>, full: bool) -> End {
        self.world.begin(round.map_or(&[], |round| &round.steps), crash_at, self.after_crash);
        let edges = self.edges();
        let catalog = catalog::with_pages_of(self.trial.page_size);
        let options = self.options(full, self.log_alone || round.is_some_and(|round| round.log_alone));
        let begun = self.world.clock.monotonic();
        let world = Arc::clone(&self.world);
        let stop = || world.fate.struck().is_some();
        let follows = round.map_or(0, |round| round.follows);
        world.state().run.conduct.several = round.is_some_and(|round| follows > 0 || round.rival.is_some());
        let finished = if let Some(rival) = round.and_then(|round| round.rival.as_ref()) {
            self.take_lease(rival);
            let beside = self.rival(rival);
            let both = async { futures::join!(sync(&edges, catalog, &options), beside).0 };
            let finished = world.clock.run_until(both, stop);
            self.warehouse.fence(None);
            finished
        } else if follows > 0 {
            world.clock.run_until(aside::follow(&edges, catalog, &options, &world, follows), stop)
        } else {
            world.clock.run_until(sync(&edges, catalog, &options), stop)
        };
        if self.world.clock.monotonic().saturating_sub(begun) > RUN_MAX {
            self.world.violated("I7 bounded", format!("a run takes more than {RUN_MAX:?}"));
        }
        self.world.listen();
        let end = finished.map_or(End::Crashed, End::Finished);
        self.account(&end);
        self.after_crash = matches!(end, End::Crashed);
        if self.after_crash {
            self.restart();
        }
        self.world.overdue();
        check::position_is_not_ahead(&self.world, &self.warehouse);
        check::keys_are_unique(&self.world, self.warehouse.memory());
        end
    }

    /// Another process: it finds what was published.
    fn restart(&mut self) {
        self.warehouse = Arc::new(self.warehouse.after_crash());
        self.source = None;
    }

    fn edges(&mut self) -> Edges {
        Edges {
            source: self.source(),
            destination: Arc::clone(&self.warehouse) as _,
            clock: Arc::clone(&self.world.clock) as _,
            observer: Arc::new(Silent),
        }
    }

    fn options(&self, full: bool, log_alone: bool) -> Options {
        let catalog = catalog::with_pages_of(self.trial.page_size);
        let is_read = |stream: &&tenantry_replication::catalog::Stream| {
            !log_alone || stream.name == catalog.feed.stream
        };
        let tables = catalog.streams.iter().filter(is_read).flat_map(|stream| stream.tables);
        Options {
            tenant: self.trial.config.tenant.clone(),
            tables: tables.map(|table| table.name).collect(),
            full,
            streams_at_once: self.trial.streams_at_once,
            full_every: self.trial.full_every,
            untold_every: UNTOLD_EVERY,
        }
    }

    /// The source of a run: that of the run before where one process makes several.
    fn source(&mut self) -> Arc<Auth0> {
        if let Some(source) = self.source.clone().filter(|_| self.trial.one_process) {
            return source;
        }
        let mut settings = self.settings();
        if self.world.strikes(Group::Allowance) {
            settings.max_requests = Some(1 + self.world.draw(80));
        }
        let source = self.source_with(settings, false);
        self.source = Some(Arc::clone(&source));
        self.world.state().held = None;
        source
    }

    fn source_of_rival(&self) -> Arc<Auth0> {
        self.source_with(self.settings(), true)
    }

    fn source_with(&self, settings: Settings, is_rival: bool) -> Arc<Auth0> {
        let counts = self.trial.jobs_count;
        let network = Network { world: Arc::clone(&self.world), host: HOST, is_rival, counts };
        let clock: Arc<dyn Clock> = Arc::clone(&self.world.clock) as _;
        Arc::new(Auth0::new(settings, Arc::new(network), clock))
    }

    fn settings(&self) -> Settings {
        let credentials = if self.trial.given_token {
            self.world.saw(Sighting::TokenGiven);
            Credentials::Token(Secret::new(self.world.token()))
        } else {
            Credentials::ClientSecret { client_id: CLIENT_ID.to_owned(), secret: Secret::new(CLIENT_SECRET) }
        };
        let domain = Domain::parse(HOST).expect("the simulated tenant has a domain");
        let mut settings = Settings::new(domain, credentials);
        settings.in_flight = self.trial.in_flight;
        settings.leave = self.trial.leave;
        settings
    }

    fn set_clock(&self) {
        const SECOND: i64 = 1_000_000;
        const SKEWS: [i64; 8] = [-31_536_000, -3_600, -10, -2, 2, 10, 3_600, 31_536_000];
        // Ahead, and soon overtaken: a time that is still in the future when the next run looks is disbelieved.
        const AHEAD: [i64; 8] = [-3_600, 10, 300, 900, 900, 1_800, 3_600, 3_600];
        if self.world.strikes(Group::ClockWrong) {
            let skews = if self.trial.given_token { AHEAD } else { SKEWS };
            self.world.clock.skew(skews[self.world.draw(8) as usize] * SECOND);
        }
    }

    /// Notes how a run ended, and what that shows.
    fn account(&self, end: &End) {
        let world = &self.world;
        match end {
            End::Crashed => self.account_crash(),
            End::Finished(Err(error)) => {
                world.trace(&format!("run fails: {error}"));
                self.keep_secrets(&error.to_string());
                world.saw(match error {
                    SyncError::Source(_) => Sighting::SourceFailed,
                    SyncError::Destination(_) => Sighting::DestinationFailed,
                });
            }
            End::Finished(Ok(report)) => self.account_report(report),
        }
        if let End::Finished(finished) = end {
            conduct::judge(world, finished.as_ref());
            // Of several processes one may have read well what another could not.
            let alone = !world.state().run.conduct.several;
            if let Some(report) = finished.as_ref().ok().filter(|_| alone) {
                records::quarantine_is_kept(world, self.warehouse.memory(), report);
            }
        }
    }

    fn account_report(&self, report: &Report) {
        let world = &self.world;
        for table in &report.tables {
            let message = table.message.as_deref().unwrap_or_default();
            world.trace(&format!("{} {} {message}", table.table, table.outcome));
            self.keep_secrets(message);
            if message.starts_with("the read did not reach the end") {
                world.saw(Sighting::ReadIncomplete);
            }
            let sighting = match table.outcome.as_str() {
                outcome if outcome == Outcome::Skipped.word() => Sighting::TableSkipped,
                outcome if outcome == Outcome::Failed.word() => Sighting::StreamFailed,
                outcome if outcome == Outcome::Stopped.word() => Sighting::ReadStopped,
                _ => continue,
            };
            world.saw(sighting);
        }
        if self.log_alone && report.all_done() {
            world.saw(Sighting::LogAlone);
        }
        let state = &mut *world.state();
        if report.all_done() && state.run.number > 1 && !state.run.exported && state.run.walked {
            state.sightings.note(Sighting::LogFollowed);
        }
    }

    fn account_crash(&self) {
        let world = &self.world;
        let place = world.fate.struck().unwrap_or_default();
        world.trace(&format!("killed at {place}"));
        if self.after_crash {
            world.saw(Sighting::CrashTwiceInARow);
        }
        if self.warehouse.holds_staged() {
            world.saw(Sighting::CrashBetweenStageAndPublish);
        }
        if world.state().run.in_fan_out {
            world.saw(Sighting::CrashWithinFanOut);
        }
        match place.split(' ').next() {
            Some("request" | "answer") => world.saw(Sighting::CrashDuringRequest),
            Some("body") => world.saw(Sighting::CrashDuringBody),
            Some("after") if place == "after publish" => world.saw(Sighting::CrashRightAfterCommit),
            _ => {}
        }
    }

    /// I9: no secret and no name of a person in what a run says.
    fn keep_secrets(&self, said: &str) {
        if [CLIENT_SECRET, "Bearer ", "eyJ", "auth0|", "@example.com"]
            .iter()
            .any(|secret| said.contains(secret))
        {
            self.world.violated("I9 secrets", format!("a message tells too much: {said}"));
        }
    }
}
