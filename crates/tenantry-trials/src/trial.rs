//! What a seed picks: a tenant, how it changes, what fails, and where the run dies. Pure.
//!
//! Every part has a name, so that it can be left out: a failing trial is made small that way.

mod changes;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tenantry_simulator::{Churn, Config, Plan};

use crate::chance::Chance;
use crate::faults::Group;

use changes::{lasting, reshape, shift, swap, what};

/// Trials in so many are calm: changes and crashes, but no faults.
const CALM_ONE_IN: u64 = 6;
/// Share of rounds in which events expire while the log is read.
const OUTLIVED: f64 = 0.1;
/// How often a round reads everything again.
const FULL_ODDS: f64 = 0.2;
/// Share of trials in which runs bring the log's tables up to date and no others, until all are.
const LOG_ALONE: f64 = 0.08;
/// Share of trials in which many events become readable late, and runs that read the log and nothing else come between the others.
const LATECOMERS: f64 = 0.06;
/// How many of a thousand events are late in these, and by how much at most: with what every event takes, less than a run reads again.
const LATECOMERS_PER_MILLE: u32 = 700;
const LATECOMERS_MICROS: i64 = 110 * 1_000_000;
/// Share of trials in which nothing makes a run read everything after the first one: what that one missed, nobody brings.
const STEADY: f64 = 0.1;
/// Longest pause in these: events of all of them can still be read.
const STEADY_PAUSE_MAX: Duration = Duration::from_hours(12);
/// Roles that such a tenant has at least: several pages.
const STEADY_ROLES: u32 = 9;
/// How often a page of these holds more than was asked for, in half of them.
const STEADY_LARGER: f64 = 0.2;
/// Share of the others in which the second run comes before the log tells of the first one's time, and after how many seconds.
const STEADY_SOON: f64 = 0.6;
const SOON: (f64, f64) = (1.0, 6.0);
/// Share of trials in which records of lists that others depend on do not fit, how often, and how many connections there are at least.
const SPOILED_PARENTS: f64 = 0.06;
const ODD_PARENTS: f64 = 0.4;
const ODD_CONNECTIONS: u32 = 3;
/// Share of trials in which every process is given a token, and asks for none.
const GIVEN_TOKEN: f64 = 0.12;
/// Share of these in which our clock is wrong as well, and how often it is set.
const GIVEN_CLOCK_WRONG: f64 = 0.6;
const CLOCK_WRONG: f64 = 0.6;
/// Share of rounds that find times noted by a clock that was far ahead.
const NOTED_AHEAD: f64 = 0.02;
/// How long such a token holds: longer than any trial.
const GIVEN_TOKEN_MICROS: i64 = 90 * 86_400 * 1_000_000;
/// Seconds before the end of a pause in which events happen that the next run may not be able to read yet, and the one after it must not
/// take for old.
const JUST_BEFORE: (f64, f64) = (60.0, 112.0);
/// Page sizes that the catalog's lists are read with; the API allows 1 to 100.
const PAGE_SIZES: [u32; 5] = [2, 3, 5, 10, 100];

/// One life of a replicated tenant.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is drawn by itself")]
pub struct Trial {
    /// The seed that everything comes from.
    pub seed: u64,
    pub(crate) config: Config,
    pub(crate) page_size: u32,
    pub(crate) in_flight: usize,
    pub(crate) streams_at_once: usize,
    pub(crate) leave: f64,
    pub(crate) full_every: Duration,
    /// Whether one process makes all runs, until it is killed.
    pub(crate) one_process: bool,
    /// Whether runs read the log and nothing else, until the last ones.
    pub(crate) log_alone: bool,
    /// Whether processes are given a token.
    pub(crate) given_token: bool,
    /// Whether export jobs tell how many users their files hold.
    pub(crate) jobs_count: bool,
    /// Whether it is over with the first invariant that does not hold.
    pub(crate) stops_early: bool,
    pub(crate) odds: BTreeMap<Group, f64>,
    pub(crate) rounds: Vec<Round>,
}

/// A pause, and a run that is begun again until it comes to its end.
#[derive(Debug, Clone)]
pub(crate) struct Round {
    pub(crate) number: usize,
    pub(crate) pause: Duration,
    /// Whether everything is read again.
    pub(crate) full: bool,
    /// How many rounds of following the run is, where it is more than one sync.
    pub(crate) follows: u32,
    /// A second process that comes in the middle.
    pub(crate) rival: Option<Rival>,
    /// Whether an earlier version has noted times by a clock that was far ahead.
    pub(crate) noted_ahead: bool,
    /// Whether the run reads the log and nothing else.
    pub(crate) log_alone: bool,
    /// A verification before the run, and the point at which it dies if it comes that far.
    pub(crate) verifies: Option<u64>,
    pub(crate) steps: Vec<Step>,
    pub(crate) crashes: Vec<Crash>,
}

/// A kill.
#[derive(Debug, Clone)]
pub(crate) struct Crash {
    pub(crate) number: usize,
    /// The point at which the run dies, if it comes that far.
    pub(crate) point: u64,
    /// How long it takes until the next process begins.
    pub(crate) rest: Duration,
}

/// A second process.
#[derive(Debug, Clone)]
pub(crate) struct Rival {
    /// How long leases last.
    pub(crate) lasts: Duration,
    /// When it tries for the first time, after the first process has begun.
    pub(crate) tries_after: Duration,
}

/// Something that happens to the tenant.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) number: usize,
    pub(crate) when: When,
    pub(crate) what: What,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum When {
    /// In the pause, at this share of it.
    Pause(f64),
    /// Before this request of the run.
    Request(u64),
    /// Before so many requests of the run for a page that is not its list's first.
    Page(u64),
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    Churn(Box<Churn>),
    Logins(u32),
    Import(u32),
    Retention(i64),
    ExportAllowed(bool),
    /// A member leaves its organization, or comes back.
    Membership,
}

impl Trial {
    /// The trial of a seed, without the parts that are named.
    pub fn new(seed: u64, without: &BTreeSet<String>) -> Self {
        let mut chance = Chance::new(seed, "trial");
        let config = config(seed, &mut chance);
        let page_size = chance.pick(&PAGE_SIZES);
        let mut trial = Self {
            seed,
            page_size,
            in_flight: chance.between(1, 8) as usize,
            streams_at_once: chance.between(1, 4) as usize,
            leave: chance.pick(&[0.0, 0.2, 0.5]),
            full_every: Duration::from_hours(chance.pick(&[2, 24, 24, 24 * 7, 24 * 7])),
            one_process: chance.happens(0.4),
            log_alone: Chance::new(seed, "log alone").happens(LOG_ALONE),
            given_token: Chance::new(seed, "given token").happens(GIVEN_TOKEN),
            jobs_count: Chance::new(seed, "jobs count").happens(0.5),
            stops_early: false,
            odds: odds(seed),
            rounds: Vec::new(),
            config,
        };
        let (mut steps, mut crashes) = (0, 0);
        for number in 0..chance.between(2, 5) as usize {
            // Each of its own, so that what is added to one does not change the others.
            let mut chance = Chance::new(seed, &format!("round {number}"));
            let mut round = round(number, &mut steps, &mut crashes, &mut chance);
            beside(&mut round, &mut Chance::new(seed, &format!("beside {number}")));
            round.noted_ahead =
                number > 0 && Chance::new(seed, &format!("ahead {number}")).happens(NOTED_AHEAD);
            trial.rounds.push(round);
        }
        let drawn = |name: &str, share: f64| {
            let mut chance = Chance::new(seed, name);
            chance.happens(share).then_some(chance)
        };
        if let Some(mut chance) = drawn("latecomers", LATECOMERS) {
            trial.come_late(&mut steps, &mut chance);
        } else if let Some(mut chance) = drawn("steady", STEADY) {
            trial.keep_steady(&mut steps, &mut chance);
        } else if drawn("odd parents", SPOILED_PARENTS).is_some() {
            trial.spoil_parents();
        }
        trial.leave_out(without);
        if trial.given_token {
            trial.config.token_micros = GIVEN_TOKEN_MICROS;
            // Such a token is not replaced: a run has to fail without it.
            trial.odds.retain(|group, _| !matches!(group, Group::Revoked | Group::Denied));
            // No answer tells the time before the first read begins, so that our own clock may be believed.
            let may_be_wrong = !without.contains(Group::ClockWrong.name());
            if may_be_wrong && Chance::new(seed, "given token, wrong clock").happens(GIVEN_CLOCK_WRONG) {
                trial.odds.insert(Group::ClockWrong, CLOCK_WRONG);
            }
        }
        trial
    }

    /// Lets every run after the first one follow the log, and read nothing as a whole that it does not tell of.
    fn follow_log(&mut self) {
        self.full_every = Duration::from_hours(24 * 7);
        // The last run would read everything for its sake.
        self.odds.remove(&Group::OddRecord);
        for round in &mut self.rounds {
            round.full = false;
            round.pause = round.pause.min(STEADY_PAUSE_MAX);
        }
    }

    /// Lets something happen a minute or two before each run, which often cannot hear of it yet, and lets the next run only write it down.
    fn come_late(&mut self, steps: &mut usize, chance: &mut Chance) {
        self.follow_log();
        self.config.late_logs_per_mille = LATECOMERS_PER_MILLE;
        self.config.late_log_micros = LATECOMERS_MICROS;
        let disturbed = chance.happens(0.5);
        if !disturbed {
            self.odds.clear();
        }
        for round in self.rounds.iter_mut().skip(1) {
            if !disturbed {
                round.crashes.clear();
                (round.follows, round.rival, round.verifies, round.noted_ahead) = (0, None, None, false);
            }
            // What one run could not hear of, the next one writes down, and the one after that has to apply.
            round.log_alone = round.number % 2 == 0;
            let (least, most) = JUST_BEFORE;
            let before = least + (most - least) * chance.share();
            round.pause = round.pause.max(Duration::from_secs_f64(2.0 * most));
            let when = When::Pause(1.0 - before / round.pause.as_secs_f64());
            round.add(steps, when, lasting(chance));
        }
    }

    /// Lets the first run read lists of several pages that shift, or that are larger than was asked for: what it missed, no later one brings.
    fn keep_steady(&mut self, steps: &mut usize, chance: &mut Chance) {
        self.follow_log();
        self.page_size = chance.pick(&[2, 3]);
        self.config.roles = self.config.roles.max(STEADY_ROLES);
        if chance.happens(0.5) {
            self.odds.insert(Group::LargerPage, STEADY_LARGER);
            self.rounds.iter_mut().for_each(|round| round.steps.retain(touches_no_list));
            return;
        }
        if chance.happens(STEADY_SOON) {
            self.come_soon(steps, chance);
        } else if let Some(first) = self.rounds.first_mut() {
            for _ in 0..2 {
                first.add(steps, When::Page(chance.between(1, 8)), swap(chance));
            }
        }
    }

    /// Lets lists shift under the first run, and the second one come so soon that it hears nothing of that: another one has to apply it.
    fn come_soon(&mut self, steps: &mut usize, chance: &mut Chance) {
        for round in self.rounds.iter_mut().take(2) {
            round.steps.retain(touches_no_list);
        }
        if let Some(first) = self.rounds.first_mut() {
            for _ in 0..3 {
                first.add(steps, When::Page(chance.between(1, 14)), shift(chance));
            }
        }
        if let Some(second) = self.rounds.get_mut(1) {
            second.pause = Duration::from_secs_f64(SOON.0 + (SOON.1 - SOON.0) * chance.share());
            self.config.late_logs_per_mille = 1_000;
            self.config.late_log_micros = LATECOMERS_MICROS;
        }
    }

    /// Lets records of lists that others depend on not fit, while every run reads everything.
    fn spoil_parents(&mut self) {
        self.odds.insert(Group::OddRecord, ODD_PARENTS);
        self.config.connections = self.config.connections.max(ODD_CONNECTIONS);
        self.rounds.iter_mut().for_each(|round| round.full = true);
    }

    fn leave_out(&mut self, without: &BTreeSet<String>) {
        let stays = |kind: &str, number: usize| !without.contains(&format!("{kind}:{number}"));
        self.odds.retain(|group, _| !without.contains(group.name()));
        self.log_alone &= !without.contains("log-alone");
        self.given_token &= !without.contains("given-token");
        self.rounds.retain(|round| stays("round", round.number));
        for round in &mut self.rounds {
            round.steps.retain(|step| stays("step", step.number));
            round.crashes.retain(|crash| stays("crash", crash.number));
            if !stays("beside", round.number) {
                (round.follows, round.rival, round.verifies) = (0, None, None);
                (round.noted_ahead, round.log_alone) = (false, false);
            }
        }
    }

    /// Names of all parts that can be left out, large ones first.
    pub fn parts(&self) -> Vec<String> {
        let rounds = self.rounds.iter().map(|round| format!("round:{}", round.number));
        let groups = self.odds.keys().map(|group| group.name().to_owned());
        let has_beside = |round: &&Round| {
            let is_other = round.noted_ahead || round.log_alone;
            round.follows > 0 || round.rival.is_some() || round.verifies.is_some() || is_other
        };
        let beside = self.rounds.iter().filter(has_beside).map(|round| format!("beside:{}", round.number));
        let crashes = self.rounds.iter().flat_map(|round| &round.crashes);
        let crashes = crashes.map(|crash| format!("crash:{}", crash.number));
        let steps = self.rounds.iter().flat_map(|round| &round.steps);
        let steps = steps.map(|step| format!("step:{}", step.number));
        let whole = [("log-alone", self.log_alone), ("given-token", self.given_token)];
        let whole = whole.into_iter().filter(|(_, is_on)| *is_on).map(|(name, _)| name.to_owned());
        rounds.chain(groups).chain(whole).chain(beside).chain(crashes).chain(steps).collect()
    }
}

impl Round {
    /// Adds a change of the tenant.
    fn add(&mut self, steps: &mut usize, when: When, churn: Churn) {
        self.steps.push(Step { number: *steps, when, what: What::Churn(Box::new(churn)) });
        *steps += 1;
        self.sort();
    }

    /// Brings the steps into the order in which they are due.
    fn sort(&mut self) {
        let order = |when: When| match when {
            When::Pause(share) => (0, share),
            When::Request(request) => (1, request as f64),
            When::Page(page) => (2, page as f64),
        };
        let due = |a: &Step, b: &Step| order(a.when).partial_cmp(&order(b.when));
        self.steps.sort_by(|a, b| due(a, b).unwrap_or(std::cmp::Ordering::Equal));
    }
}

/// Whether no list changes with it: one that does is read again.
fn touches_no_list(step: &Step) -> bool {
    matches!(step.what, What::Logins(_) | What::Membership)
}

fn config(seed: u64, chance: &mut Chance) -> Config {
    const SECOND: i64 = 1_000_000;
    let users = chance.between(5, 60) as u32;
    let plan = chance.pick(&[Plan::Free, Plan::Essentials, Plan::Enterprise, Plan::Enterprise]);
    Config {
        seed,
        users,
        tied_users: if chance.happens(0.5) { users / 2 } else { 0 },
        logs: chance.between(0, 120) as u32,
        organizations: chance.between(0, 6) as u32,
        members_per_organization: chance.between(0, 7) as u32,
        clients: chance.between(3, 8) as u32,
        connections: chance.between(1, 5) as u32,
        roles: chance.between(0, 8) as u32,
        resource_servers: chance.between(1, 6) as u32,
        actions: chance.between(0, 6) as u32,
        grants: chance.between(0, 10) as u32,
        stats_days: chance.between(0, 12) as u32,
        plan,
        retention_days: Some(chance.between(1, 3) as i64),
        export_allowed: chance.happens(0.7),
        export_micros: chance.between(0, 90) as i64 * SECOND,
        token_micros: chance.pick(&[3, 30, 600, 86_400, 86_400]) * SECOND,
        search_lag_micros: chance.pick(&[0, SECOND, SECOND, 5 * SECOND, 30 * SECOND]),
        log_lag_micros: chance.pick(&[0, 2 * SECOND, 6 * SECOND]),
        late_logs_per_mille: chance.pick(&[0, 0, 100, 400]),
        late_log_micros: Chance::new(seed, "lateness").pick(&[30, 30, 100]) * SECOND,
        expired_from_is_error: chance.happens(0.5),
        log_own_traffic: chance.happens(0.5),
        oddities: chance.happens(0.5),
        connection_takes_users: chance.happens(0.8),
        ..Config::default()
    }
}

fn odds(seed: u64) -> BTreeMap<Group, f64> {
    let mut chance = Chance::new(seed, "odds");
    if chance.below(CALM_ONE_IN) == 0 {
        return BTreeMap::new();
    }
    // A few groups at a time: all at once would hide each other.
    let each = chance.pick(&[0.1, 0.25, 0.5]);
    let mut odds = BTreeMap::new();
    for group in Group::ALL {
        let mut chance = Chance::new(seed, group.name());
        let (is_on, probability) = (chance.happens(each), group.odds(&mut chance));
        if is_on {
            odds.insert(*group, probability);
        }
    }
    odds
}

fn round(number: usize, steps: &mut usize, crashes: &mut usize, chance: &mut Chance) -> Round {
    // Minutes to days: longer than an event is kept now and then.
    let pause = Duration::from_secs_f64(chance.magnitude(30.0, 4.5 * 86_400.0));
    let full = chance.happens(FULL_ODDS);
    let (steps_of, crashes_of) = (Vec::new(), Vec::new());
    let mut round = Round {
        number,
        pause,
        full,
        follows: 0,
        rival: None,
        noted_ahead: false,
        log_alone: false,
        verifies: None,
        steps: steps_of,
        crashes: crashes_of,
    };
    for _ in 0..chance.between(0, 5) {
        let when = if chance.happens(0.5) {
            // Most often near the end, where indexes still trail behind.
            When::Pause(if chance.happens(0.5) { chance.share() } else { near_the_end(pause, chance) })
        } else {
            When::Request(chance.magnitude(1.0, 120.0) as u64)
        };
        let what = what(chance);
        round.steps.push(Step { number: *steps, when, what });
        *steps += 1;
    }
    // Somebody leaves in one pause and comes back in another: a row that was marked deleted returns.
    if chance.happens(0.75) {
        round.steps.push(Step { number: *steps, when: When::Pause(chance.share()), what: What::Membership });
        *steps += 1;
    }
    // Some changes between the pages of the lists that a run begins with.
    for _ in 0..chance.below(4) {
        let when = When::Page(chance.between(1, 6));
        round.steps.push(Step { number: *steps, when, what: What::Churn(Box::new(swap(chance))) });
        *steps += 1;
    }
    if chance.happens(0.3) {
        let when = When::Page(chance.between(1, 8));
        round.steps.push(Step { number: *steps, when, what: What::Churn(Box::new(reshape(chance))) });
        *steps += 1;
    }
    if chance.happens(OUTLIVED) {
        outlive(&mut round, steps, chance);
    }
    round.sort();
    while round.crashes.len() < 3 && chance.happens(0.45) {
        let point = chance.magnitude(1.0, 700.0) as u64;
        // Often at once; now and then so late that nothing of the time before is listened to again for other reasons.
        let rest = if chance.happens(0.6) { 20.0 } else { chance.magnitude(60.0, 3.0 * 3_600.0) };
        round.crashes.push(Crash { number: *crashes, point, rest: Duration::from_secs_f64(rest) });
        *crashes += 1;
    }
    round
}

/// The end of a pause, or a minute or two before it.
fn near_the_end(pause: Duration, chance: &mut Chance) -> f64 {
    let (least, most) = JUST_BEFORE;
    let before = least + (most - least) * chance.share();
    if chance.happens(0.6) { 1.0 } else { (1.0 - before / pause.as_secs_f64()).max(0.0) }
}

/// Lets a log of several pages gather, and its old end expire while it is read.
fn outlive(round: &mut Round, steps: &mut usize, chance: &mut Chance) {
    round.pause = Duration::from_secs_f64(chance.magnitude(1.3 * 86_400.0, 2.9 * 86_400.0));
    let mut step = |when, what| {
        round.steps.push(Step { number: *steps, when, what });
        *steps += 1;
    };
    step(When::Pause(0.0), What::Retention(3));
    for _ in 0..chance.between(4, 9) {
        step(When::Pause(chance.share()), What::Logins(chance.between(2, 9) as u32));
    }
    // The log is what a run reads first.
    step(When::Request(chance.between(2, 25)), What::Retention(chance.between(1, 2) as i64));
}

/// What else is done in a round than one sync.
fn beside(round: &mut Round, chance: &mut Chance) {
    if chance.happens(0.15) {
        round.follows = chance.between(2, 4) as u32;
    } else if chance.happens(0.2) {
        let lasts = Duration::from_secs_f64(chance.magnitude(0.5, 30.0));
        round.rival = Some(Rival { lasts, tries_after: lasts.mul_f64(chance.share()) });
    }
    if chance.happens(0.15) {
        round.verifies = Some(chance.magnitude(1.0, 5_000.0) as u64);
    }
}
