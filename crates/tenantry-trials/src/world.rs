//! What network, destination and checker of one trial share: the tenant, its history, time, chance, and what was found.
//!
//! Judges nothing: `check` does.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tenantry_oracle::Tables;
use tenantry_replication::clock::{Clock as _, Micros, VirtualClock};
use tenantry_simulator::{CLIENT_ID, CLIENT_SECRET, Request, Simulation};

use crate::chance::throw;
use crate::conduct::{Conduct, Held, Limits};
use crate::fate::Fate;
use crate::faults::Group;
use crate::history::History;
use crate::pages::Earlier;
use crate::sightings::{Sighting, Sightings};
use crate::trace::Trace;
use crate::trial::{Step, Trial, What, When};

/// Requests of one run, at most: more is a run without end.
const REQUESTS_MAX: u64 = 5_000;
/// The simulated tenant's own host.
pub(crate) const HOST: &str = "tenantry-demo.us.auth0.example.com";
/// Longest time between two looks at the log: much shorter than any event is kept.
const LISTEN_EVERY: Duration = Duration::from_hours(6);

/// An invariant that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Short name of the invariant.
    pub invariant: &'static str,
    /// What was found.
    pub found: String,
}

/// The surroundings of one trial's runs.
pub(crate) struct World {
    pub(crate) clock: Arc<VirtualClock>,
    pub(crate) fate: Fate,
    seed: u64,
    odds: BTreeMap<Group, f64>,
    state: Mutex<State>,
}

pub(crate) struct State {
    pub(crate) simulation: Simulation,
    pub(crate) history: History,
    pub(crate) trace: Trace,
    pub(crate) sightings: Sightings,
    pub(crate) violations: Vec<Violation>,
    pub(crate) run: Run,
    /// The token that the process holds, as far as can be told.
    pub(crate) held: Option<Held>,
    pub(crate) limits: Limits,
    /// Records of a table of which a part did not fit, and that are not whole since.
    pub(crate) torn: BTreeMap<&'static str, BTreeSet<Vec<String>>>,
    /// Whether faults have stopped.
    calm: bool,
    occasions: BTreeMap<Group, u64>,
    draws: u64,
    happened: u64,
    /// Organization and member that left it.
    left: Option<(String, String)>,
    /// What happens before which request of the run, and before which for a later page of a list.
    due: VecDeque<(u64, What)>,
    due_at_page: VecDeque<(u64, What)>,
}

/// What belongs to one run.
#[expect(clippy::struct_excessive_bools, reason = "each is a sighting of its own")]
#[derive(Default)]
pub(crate) struct Run {
    pub(crate) number: u64,
    pub(crate) began: Micros,
    pub(crate) requests: u64,
    pub(crate) later_pages: u64,
    pub(crate) tokens: u64,
    /// Events readable when it began.
    pub(crate) heard: Arc<BTreeSet<String>>,
    /// Authorizations that are no longer valid.
    pub(crate) revoked: BTreeSet<String>,
    /// Whether another process has taken the lease.
    pub(crate) lease_lost: bool,
    /// Whether the credentials are refused.
    pub(crate) denied: bool,
    /// First segment of a path that is refused.
    pub(crate) withheld: Option<String>,
    /// Addresses of requests that failed, and those that the tenant's own limits refused.
    pub(crate) failed: BTreeSet<String>,
    pub(crate) limited: BTreeSet<String>,
    /// Path of the last request for a page, and whether the tenant changed since.
    pub(crate) last_list: Option<String>,
    /// Position that the log was asked for last.
    pub(crate) log_read_from: Option<String>,
    pub(crate) changed_since: bool,
    pub(crate) exported: bool,
    pub(crate) walked: bool,
    /// Whether the run before this one was killed.
    pub(crate) after_crash: bool,
    /// Whether the last request was for children of one of many parents.
    pub(crate) in_fan_out: bool,
    /// Keys that a list did not hold.
    pub(crate) absent: BTreeSet<String>,
    /// Whether the tenant said of a record that it is not there.
    pub(crate) gone: bool,
    /// Connections that do not fit their table.
    pub(crate) odd: BTreeSet<String>,
    pub(crate) conduct: Conduct,
    /// Answers to the last requests for lists.
    pub(crate) earlier: Earlier,
    /// Addresses of answers on their way that were spoiled.
    pub(crate) spoiled: BTreeSet<String>,
}

impl World {
    pub(crate) fn new(trial: &Trial, keeps_trace: bool) -> Arc<Self> {
        let simulation = Simulation::new(trial.config.clone());
        let clock = VirtualClock::new(simulation.start(), trial.seed);
        let state = State {
            simulation,
            history: History::default(),
            trace: Trace::new(keeps_trace),
            sightings: Sightings::default(),
            violations: Vec::new(),
            run: Run::default(),
            held: None,
            limits: Limits::default(),
            torn: BTreeMap::new(),
            calm: false,
            occasions: BTreeMap::new(),
            draws: 0,
            happened: 0,
            left: None,
            due: VecDeque::new(),
            due_at_page: VecDeque::new(),
        };
        let world = Self {
            clock,
            fate: Fate::default(),
            seed: trial.seed,
            odds: trial.odds.clone(),
            state: Mutex::new(state),
        };
        let at = world.clock.truth();
        {
            let state = &mut *world.state();
            state.history.changed(&mut state.simulation, at);
        }
        Arc::new(world)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn trace(&self, line: &str) {
        let at = self.clock.monotonic().as_secs_f64();
        self.state().trace.line(&format!("{at:.3} {line}"));
    }

    pub(crate) fn saw(&self, sighting: Sighting) {
        self.state().sightings.note(sighting);
    }

    pub(crate) fn violated(&self, invariant: &'static str, found: impl Into<String>) {
        let violation = Violation { invariant, found: found.into() };
        self.trace(&format!("VIOLATION {invariant}: {}", violation.found));
        self.state().violations.push(violation);
    }

    /// Whether a fault of this group strikes on this occasion.
    pub(crate) fn strikes(&self, group: Group) -> bool {
        let Some(odds) = self.odds.get(&group) else { return false };
        let mut state = self.state();
        if state.calm {
            return false;
        }
        let occasion = state.occasions.entry(group).or_default();
        *occasion += 1;
        let strikes = throw(self.seed, group.name(), *occasion) < *odds;
        if strikes {
            state.sightings.note(Sighting::Struck(group));
            state.run.conduct.hard |= !group.passes();
        }
        strikes
    }

    /// A number from 0 up to but not including `bound`.
    pub(crate) fn draw(&self, bound: u64) -> u64 {
        let mut state = self.state();
        state.draws += 1;
        (throw(self.seed, "draw", state.draws) * bound as f64) as u64
    }

    /// Begins a run: what is to happen before which of its requests, and where it dies.
    pub(crate) fn begin(&self, steps: &[Step], crash_at: Option<u64>, after_crash: bool) {
        self.fate.begin(crash_at);
        let began = self.clock.truth();
        let state = &mut *self.state();
        state.history.listen(&mut state.simulation, began);
        let heard = Arc::new(state.history.held.clone());
        state.run = Run { number: state.run.number + 1, began, heard, after_crash, ..Run::default() };
        let by_request = |step: &Step| match step.when {
            When::Request(request) => Some((request, step.what.clone())),
            _ => None,
        };
        let by_page = |step: &Step| match step.when {
            When::Page(page) => Some((page, step.what.clone())),
            _ => None,
        };
        state.due = steps.iter().filter_map(by_request).collect();
        state.due_at_page = steps.iter().filter_map(by_page).collect();
        if self.odds.contains_key(&Group::OddRecord) && state.history.late {
            state.sightings.note(Sighting::LateEvent);
        }
    }

    /// Steps that no request came for: they happen before the next run.
    pub(crate) fn overdue(&self) {
        let mut due = std::mem::take(&mut self.state().due);
        due.extend(std::mem::take(&mut self.state().due_at_page));
        for (_, what) in due {
            self.happen(&what);
        }
    }

    /// Counts a request, after what happens before it.
    pub(crate) fn request(&self, is_later_page: bool) {
        let due = {
            let state = &mut *self.state();
            state.run.requests += 1;
            state.run.later_pages += u64::from(is_later_page);
            let mut due = taken(&mut state.due, state.run.requests);
            due.extend(taken(&mut state.due_at_page, state.run.later_pages));
            due
        };
        for (_, what) in due {
            self.happen(&what);
            let run = &mut self.state().run;
            (run.changed_since, run.conduct.changed) = (true, true);
        }
        if self.state().run.requests > REQUESTS_MAX {
            self.violated("I7 bounded", format!("a run sends more than {REQUESTS_MAX} requests"));
            self.fate.strike("requests without end");
        }
    }

    /// Lets time pass between runs, with what happens in it.
    pub(crate) fn pass(&self, pause: Duration, steps: &[Step]) {
        let begun = self.clock.monotonic();
        let until = begun + pause;
        for step in steps {
            let When::Pause(share) = step.when else { continue };
            self.pass_until((begun + pause.mul_f64(share)).min(until));
            self.happen(&step.what);
        }
        self.pass_until(until);
    }

    fn pass_until(&self, until: Duration) {
        loop {
            self.listen();
            let left = until.saturating_sub(self.clock.monotonic());
            if left.is_zero() {
                break;
            }
            self.clock.pass(left.min(LISTEN_EVERY));
        }
    }

    /// Notes which events can be read now.
    pub(crate) fn listen(&self) {
        let at = self.clock.truth();
        let state = &mut *self.state();
        state.history.listen(&mut state.simulation, at);
    }

    /// Looks at the tenant as it is now: its tables, and the events that must be in ours.
    pub(crate) fn now(&self) -> (Tables, BTreeSet<String>) {
        let at = self.clock.truth();
        let state = &mut *self.state();
        state.history.changed(&mut state.simulation, at);
        (state.history.now(), state.history.owed().clone())
    }

    /// A token that somebody else has asked for.
    pub(crate) fn token(&self) -> String {
        let at = self.clock.truth();
        self.listen();
        let state = &mut *self.state();
        let token = token(&mut state.simulation, at);
        state.history.listen(&mut state.simulation, at);
        token
    }

    /// No more faults from now on.
    pub(crate) fn calm(&self) {
        self.state().calm = true;
        self.clock.skew(0);
    }

    fn happen(&self, what: &What) {
        let at = self.clock.truth();
        self.listen();
        let state = &mut *self.state();
        state.happened += 1;
        // Two of a kind at one time must not be the same.
        let seed = self.seed.wrapping_mul(1_000).wrapping_add(state.happened);
        let done = match what {
            What::Churn(churn) => state.simulation.churn(churn, at),
            What::Logins(count) => state.simulation.logins(*count, seed, at),
            What::Import(count) => state.simulation.import(*count, seed, at),
            What::Retention(days) => {
                let before = state.history.held.clone();
                let done = control(&mut state.simulation, &json!({ "retention_days": days }), at);
                state.history.listen(&mut state.simulation, at);
                let expired = before.difference(&state.history.held);
                if let Some(last) = expired.last() {
                    state.sightings.note(Sighting::RetentionShrunk);
                    let is_reading = state.run.last_list.as_deref() == Some("/api/v2/logs");
                    if is_reading && state.run.log_read_from.as_ref().is_some_and(|position| position < last)
                    {
                        state.sightings.note(Sighting::ExpiredWhileRead);
                    }
                }
                done
            }
            What::Membership => toggle_membership(state, at),
            What::ExportAllowed(allowed) => {
                control(&mut state.simulation, &json!({ "export_allowed": allowed }), at)
            }
        };
        if done["users_linked"].is_array() {
            state.sightings.note(Sighting::UserLinkedAway);
        }
        if done["users_updated"].as_array().is_some_and(|users| users.len() > 50) {
            state.sightings.note(Sighting::ManyChanged);
        }
        state.history.changed(&mut state.simulation, at);
        if state.history.late {
            state.sightings.note(Sighting::LateEvent);
        }
        state.trace.line(&format!("{} tenant: {done}", self.clock.monotonic().as_secs_f64()));
    }
}

/// What is due by now.
fn taken(due: &mut VecDeque<(u64, What)>, now: u64) -> Vec<(u64, What)> {
    let count = due.iter().take_while(|(at, _)| *at <= now).count();
    due.drain(..count).collect()
}

/// Takes a member out of an organization, or takes back the one that was taken out before.
fn toggle_membership(state: &mut State, at: Micros) -> Value {
    let (method, (organization, member)) = if let Some(left) = state.left.take() {
        ("POST", left)
    } else {
        let members = &state.simulation.entities()["organization_members"];
        let first = members.as_object().into_iter().flatten().find_map(|(organization, members)| {
            Some((organization.clone(), members.as_array()?.first()?.as_str()?.to_owned()))
        });
        let Some(first) = first else { return Value::Null };
        state.left = Some(first.clone());
        ("DELETE", first)
    };
    let token = token(&mut state.simulation, at);
    let path = format!("/api/v2/organizations/{organization}/members");
    let request = Request::new(method, &path).json(&json!({ "members": [member] })).bearer(&token);
    let status = state.simulation.handle(&request, at).status;
    json!({ "membership": [method, organization, member, status] })
}

/// A fresh token.
fn token(simulation: &mut Simulation, at: Micros) -> String {
    let body = json!({ "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "grant_type": "client_credentials",
        "audience": format!("https://{HOST}/api/v2/") });
    let token = simulation.handle(&Request::new("POST", "/oauth/token").json(&body), at).json();
    token["access_token"].as_str().unwrap_or_default().to_owned()
}

fn control(simulation: &mut Simulation, body: &Value, at: Micros) -> Value {
    simulation.handle(&Request::new("POST", "/__sim/config").json(body), at).json()
}
