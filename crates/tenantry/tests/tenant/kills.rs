//! The command, killed at named points and at random moments, and again while it recovers, on a destination that lives on from kill to kill
//! and a tenant that changes: then one run ends by itself, and every table is what the tenant holds.
//!
//! What it costs to get there again is in `resume`. SIGKILL shows what a crash of the process does, not what a loss of power does.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};
use tenantry_simulator::{Config, Plan};

use crate::proxy::{Proxy, change};
use crate::scenario::quick;
use crate::tables::{self, Holding, Tables};
use crate::world::{Kind, World};

/// Points that are named by what is asked of the tenant there: before the run, at its begin, in each kind of read, before a record's
/// absence is believed.
pub(crate) const ASKED: [&str; 10] = [
    "/oauth/token",
    "/api/v2/logs",
    "/api/v2/roles",
    "/api/v2/clients",
    "/api/v2/organizations/*",
    "/api/v2/jobs/users-exports",
    "/api/v2/jobs/job*",
    "/exports/*",
    "/api/v2/users/*",
    "/api/v2/stats/daily",
];
/// Points that are named by what appears beside the file: its draft, its log. A database has none.
pub(crate) const APPEARS: [&str; 2] = [".new", ".wal"];
/// One round in so many begins with no file.
const FRESH_EVERY: u64 = 9;
/// Longest wait for a named point that a run may not come by at all.
const POINT_WAIT_MAX: Duration = Duration::from_secs(3);
/// How often the folder is looked at.
const GLANCE: Duration = Duration::from_micros(200);

/// What the kills came to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Processes that were killed while they were at work.
    pub(crate) kills: u64,
    /// Of these, while they recovered from a kill.
    pub(crate) second: u64,
    /// Kills by the point's name; those at random moments have none.
    pub(crate) points: BTreeMap<String, u64>,
}

/// A tenant, a file, and chance.
pub(crate) struct Kills {
    world: World,
    kind: Kind,
    proxy: Proxy,
    chance: u64,
    round: u64,
    before: Option<(tenantry_oracle::Tables, Tables)>,
    /// How long an undisturbed run takes.
    usual: Duration,
    pub(crate) tally: Tally,
}

/// A tenant that is quickly read, with some of everything.
fn tiny(seed: u64) -> Config {
    Config {
        seed,
        users: 40,
        tied_users: 5,
        logs: 60,
        organizations: 3,
        members_per_organization: 4,
        clients: 8,
        connections: 4,
        grants: 8,
        stats_days: 5,
        plan: Plan::Unlimited,
        ..quick()
    }
}

/// Some change of most kinds, and little of it, so that a tenant stays small.
fn churn(seed: u64) -> Value {
    json!({
        "seed": seed, "users_created": 2, "users_updated": 3, "users_deleted": 2, "logins": 10, "clients_created": 1,
        "clients_updated": 1, "clients_deleted": 1, "organizations_updated": 1, "members_added": 1, "members_removed": 1,
        "roles_created": 1, "roles_updated": 1, "roles_deleted": 1, "grants_created": 1, "grants_deleted": 1,
        "connection_clients_changed": 1, "actions_updated": 1, "resource_servers_updated": 1,
    })
}

impl Kills {
    pub(crate) fn new(seed: u64, kind: Kind) -> Self {
        let world = World::start(tiny(seed)).into(kind);
        let proxy = Proxy::before(world.address());
        let world = world.behind(proxy.url());
        let tally = Tally::default();
        let usual = Duration::from_millis(500);
        Self { world, kind, proxy, chance: seed, round: 0, before: None, usual, tally }
    }

    /// The next number below `limit`.
    fn below(&mut self, limit: u64) -> u64 {
        // SplitMix64.
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.chance;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    /// Changes the tenant, kills a run and maybe the next one, lets one end, and compares. Panics where a row is not as it should be.
    pub(crate) fn round(&mut self) {
        self.round += 1;
        if self.round % FRESH_EVERY == 1 {
            self.begin_anew();
        } else {
            let change = churn(self.chance);
            if self.below(4) == 0 {
                self.world.churn(&change);
            } else {
                self.world.churn_within_the_hour(&change);
            }
        }
        let full: &[&str] = if self.below(3) == 0 { &["--full"] } else { &[] };
        self.kill(full);
        let before = self.tally.kills;
        // Also a recovery from a recovery.
        while self.below(2) == 0 {
            self.kill(&[]);
        }
        self.tally.second += self.tally.kills - before;
        if self.below(4) == 0 && self.world.has_destination() {
            self.is_readable();
        }
        let begun = now();
        let early = self.world.truth();
        let (code, report, messages) = self.world.run(&["sync", "--json"]);
        assert_eq!(code, 0, "round {}: {report} {messages}", self.round);
        self.usual = (self.usual * 3 + begun.elapsed()) / 4;
        let (mut truth, held) = (self.world.truth(), self.world.tables());
        tables::settle_figures(&mut truth, early, &held);
        let holding =
            self.before.as_ref().map_or(Holding::Nothing, |(truth, held)| Holding::Before(truth, held));
        tables::compare(&truth, &held, holding);
        self.before = Some((truth, held));
    }

    /// The file can be read, and holds each key once; before a first run has ended there may be no tables yet.
    fn is_readable(&self) {
        let (code, status, messages) = self.world.run(&["status", "--json"]);
        assert_eq!(code, 0, "{status} {messages}");
        if self.before.is_some() {
            drop(self.world.tables());
        }
    }

    fn begin_anew(&mut self) {
        self.world.remove_destination();
        self.before = None;
    }

    /// Begins a run, and kills it at a point that chance picks.
    fn kill(&mut self, options: &[&str]) {
        let point = self.below(3 * (ASKED.len() + APPEARS.len()) as u64 / 2) as usize;
        let named = ASKED.get(point).copied();
        let at_moment = self.usual.mul_f64(self.below(1_000) as f64 / 1_100.0);
        let heard = named.map(|path| self.hears_of(path));
        let mut command = self.world.command(&[&["sync", "--json"], options].concat());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let appears =
            APPEARS.get(point.wrapping_sub(ASKED.len())).copied().filter(|_| self.kind == Kind::DuckDb);
        let reached = match (&heard, appears) {
            (Some(heard), _) => is_heard(&mut child, heard),
            (_, Some(ending)) => self.is_seen(&mut child, ending),
            _ => {
                std::thread::sleep(at_moment);
                true
            }
        };
        child.kill().unwrap();
        let was_at_work = !child.wait().unwrap().success();
        self.proxy.forget();
        if was_at_work {
            self.tally.kills += 1;
            if let Some(name) = named.or(appears).filter(|_| reached) {
                *self.tally.points.entry(name.to_owned()).or_default() += 1;
            }
        }
    }

    /// Tells when a path is asked for.
    fn hears_of(&self, path: &'static str) -> Receiver<()> {
        let (sender, heard) = channel();
        let sender = std::sync::Mutex::new(sender);
        self.proxy.once(
            path,
            change(move |_, _| {
                // Nobody listens any more once the process has ended.
                let _ = sender.lock().unwrap().send(());
            }),
        );
        heard
    }

    /// Waits for a file with this in its name. True when there is one.
    fn is_seen(&self, child: &mut Child, ending: &str) -> bool {
        let folder = self.world.file().parent().unwrap().to_owned();
        let begun = now();
        while begun.elapsed() < POINT_WAIT_MAX && child.try_wait().unwrap().is_none() {
            let mut names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
            if names.any(|name| name.to_string_lossy().contains(ending)) {
                return true;
            }
            std::thread::sleep(GLANCE);
        }
        false
    }
}

/// Waits until a path is asked for. True when it is.
fn is_heard(child: &mut Child, heard: &Receiver<()>) -> bool {
    let begun = now();
    while begun.elapsed() < POINT_WAIT_MAX && child.try_wait().unwrap().is_none() {
        if heard.recv_timeout(Duration::from_millis(5)).is_ok() {
            return true;
        }
    }
    false
}

#[expect(clippy::disallowed_methods, reason = "how long a process takes is real time")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}
