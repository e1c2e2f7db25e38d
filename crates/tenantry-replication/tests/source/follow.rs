//! Following, from the feed to the rows: when a round is due, what it costs, what it leaves to the next, and what is remembered.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tenantry_replication::catalog::CATALOG;
use tenantry_replication::clock::Clock as _;
use tenantry_replication::destination::{Destination as _, MemoryDestination};
use tenantry_replication::error::SourceErrorKind;
use tenantry_replication::state::{Checkpoint, State};
use tenantry_replication::sync::{Edges, Follower, Hints, News, Options, Report, round, sync};
use tenantry_simulator::{Config, Plan};

use super::Nobody;
use super::network::{Answer, Script, Tenant, refusal};

/// A small tenant that is replicated into memory and followed.
struct Scene {
    tenant: Arc<Tenant>,
    destination: Arc<MemoryDestination>,
    edges: Edges,
    follower: Follower,
}

impl Scene {
    /// After the first sync.
    fn new(config: Config) -> Self {
        let tenant = Tenant::new(Config { users: 60, logs: 200, plan: Plan::Unlimited, ..config });
        let destination = Arc::new(MemoryDestination::default());
        let source: Arc<dyn tenantry_replication::source::Source> = Arc::new(tenant.source());
        let clock: Arc<dyn tenantry_replication::clock::Clock> = Arc::clone(&tenant.clock) as _;
        let mut follower = Follower::new(source.as_ref(), Arc::clone(&clock), &CATALOG, &State::default());
        let edges =
            Edges { source, destination: Arc::clone(&destination) as _, clock, observer: Arc::new(Nobody) };
        let first = tenant.clock.run(follower.during(sync(&edges, &CATALOG, &options()))).unwrap();
        assert!(first.all_done(), "{first:?}");
        Self { tenant, destination, edges, follower }
    }

    /// Waits so long at most; whether something was heard, and the seconds that it took.
    fn wait(&mut self, seconds: u64) -> (bool, f64) {
        let clock = &self.tenant.clock;
        let begun = clock.monotonic();
        let heard = clock.run(self.follower.wait(Duration::from_secs(seconds)));
        (heard, clock.monotonic().saturating_sub(begun).as_secs_f64())
    }

    fn round(&mut self, hints: &Hints) -> Report {
        let options = options();
        let work = round(&self.edges, &CATALOG, &options, hints, false);
        self.tenant.clock.run(self.follower.during(work)).unwrap()
    }

    fn state(&self) -> State {
        self.tenant.clock.run(self.destination.state()).unwrap()
    }
}

fn options() -> Options {
    Options {
        tenant: "tenant.example.com".to_owned(),
        tables: CATALOG.tables().map(|table| table.name).collect(),
        full: false,
        streams_at_once: 4,
        full_every: Duration::from_hours(24),
        untold_every: Duration::from_hours(1),
    }
}

/// A log without a word, so that only the feed tells.
fn silent_log() -> Config {
    Config { log_events: false, search_lag_micros: 3_600_000_000, event_lag_micros: 0, ..Config::default() }
}

fn touched(report: &Report) -> Vec<(&str, u64, u64, u64)> {
    report.touched().map(|one| (one.table.as_str(), one.inserted, one.updated, one.deleted)).collect()
}

#[test]
fn a_round_is_due_a_moment_after_the_first_event_and_looks_at_what_it_tells() {
    let mut scene = Scene::new(silent_log());
    assert!(!scene.wait(10).0, "nothing happened");
    scene.tenant.control("/logins", &json!({ "count": 1, "seed": 1 }));
    let (heard, seconds) = scene.wait(60);
    assert!(heard && seconds < 4.0, "{seconds}");
    let hints = scene.follower.take();
    let report = scene.round(&hints);
    let users = touched(&report).into_iter().find(|one| one.0 == "users");
    // Who logged in may have come so lately that the first read did not show them either.
    let users = users.map(|(_, inserted, updated, deleted)| (inserted + updated, deleted));
    assert_eq!(users, Some((1, 0)), "although no search shows it yet");
    assert!(report.requests <= 12, "{}", report.requests);
}

#[test]
fn a_round_without_a_change_is_cheap_and_not_on_record_and_no_number_is_given_twice() {
    let mut scene = Scene::new(silent_log());
    scene.wait(10);
    let before = scene.state();
    let quiet = scene.round(&Hints::default());
    assert_eq!((touched(&quiet), quiet.gaps), (Vec::new(), 0));
    assert!(quiet.requests <= 6, "{}", quiet.requests);
    let after = scene.state();
    assert_eq!((after.last_run, quiet.run), (before.last_run, before.last_run + 1));
    assert_eq!(after.next_run(), quiet.run + 1, "its checkpoints have its number");
    assert!(scene.round(&Hints::default()).run > quiet.run);
}

#[test]
fn the_position_is_kept_with_the_round_that_applied_it_and_not_with_one_that_failed() {
    let mut scene = Scene::new(silent_log());
    scene.wait(5);
    let offset = |scene: &Scene| scene.state().checkpoints.get("events feed").cloned();
    scene.tenant.control("/churn", &json!({ "seed": 1, "users_deleted": 1 }));
    assert!(scene.wait(30).0);
    let hints = scene.follower.take();
    // A log that cannot be read: nothing else is, either.
    scene.tenant.fault(json!({ "path": "/api/v2/logs*", "times": 8, "status": 503 }));
    let before = scene.tenant.api_log().len();
    let failed = scene.round(&hints);
    assert!(failed.is_unfinished());
    let asked = scene.tenant.api_log().split_off(before);
    let of_log = |sent: &super::network::Sent| sent.path.contains("/logs") || sent.path.ends_with("/events");
    assert!(asked.iter().all(of_log), "no list is read for want of the log: {asked:?}");
    assert_eq!(offset(&scene), None);
    scene.follower.give_back(hints);
    let (heard, seconds) = scene.wait(10);
    assert!(!heard && seconds >= 10.0, "what was given back makes no round due: {seconds}");
    let hints = scene.follower.take();
    let report = scene.round(&hints);
    assert!(touched(&report).iter().any(|one| one.0 == "users" && one.3 == 1), "{:?}", touched(&report));
    assert!(matches!(offset(&scene), Some(Checkpoint::Events { .. })));
}

#[test]
fn many_changed_users_are_left_to_the_search() {
    let mut scene = Scene::new(Config { search_lag_micros: 0, ..silent_log() });
    scene.wait(5);
    scene.tenant.control("/logins", &json!({ "count": 200, "seed": 1 }));
    assert!(scene.wait(30).0);
    let hints = scene.follower.take();
    let report = scene.round(&hints);
    let users = touched(&report).into_iter().find(|one| one.0 == "users").unwrap();
    assert!(users.2 > 30, "{users:?}");
    assert!(report.requests <= 12, "{}: not one for each", report.requests);
}

#[test]
fn a_tenant_without_a_feed_is_told_of_once_and_waited_for_no_more() {
    let mut scene = Scene::new(Config { events_refused_with: Some(404), ..silent_log() });
    assert!(!scene.wait(600).0);
    let Some(News::Silent { why, for_good: true }) = scene.follower.news() else { panic!("no news") };
    assert_eq!(why.kind, SourceErrorKind::NotOffered);
    assert!(scene.follower.news().is_none());
    let asked = scene.tenant.log().iter().filter(|sent| sent.path == "/api/v2/events").count();
    assert_eq!(asked, 1);
}

#[test]
fn a_feed_that_fails_for_now_is_asked_for_again() {
    let body = "id: b\ndata: {\"event\":{\"type\":\"user.deleted\",\"data\":{\"object\":{\"user_id\":\"auth0|1\"}}}}\n\n";
    let stream = vec![("content-type", "text/event-stream".to_owned())];
    let answer = move |before: usize| -> Answer {
        if before < 8 { refusal(503, "", "down") } else { (200, stream.clone(), body.to_owned()) }
    };
    let script = Script::new(move |_, before| Ok(answer(before)));
    let clock = Arc::clone(&script.clock);
    let mut follower = Follower::new(&script.source(), Arc::clone(&clock) as _, &CATALOG, &State::default());
    assert!(!clock.run(follower.wait(Duration::from_mins(4))));
    assert!(matches!(follower.news(), Some(News::Silent { for_good: false, .. })));
    assert!(clock.run(follower.wait(Duration::from_mins(10))), "an event was heard");
    assert!(matches!(follower.news(), Some(News::Heard)));
    assert!(follower.news().is_none());
}
