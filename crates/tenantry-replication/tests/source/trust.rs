//! What a run may believe: the log as far back as it is kept, lists once they have settled, and staged rows that are its own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tenantry_replication::catalog::CATALOG;
use tenantry_replication::destination::{Destination as _, MemoryDestination, Row, Value};
use tenantry_replication::normalize::Normalizer;
use tenantry_replication::source::{Page, Records, Source};
use tenantry_replication::sync::{Edges, Options, Report, sync};
use tenantry_simulator::{Config, Plan};

use super::Nobody;
use super::network::{Script, Tenant, ok, stream};

fn options(tables: impl IntoIterator<Item = &'static str>) -> Options {
    Options {
        tenant: "tenant.example.com".to_owned(),
        tables: tables.into_iter().collect(),
        full: false,
        streams_at_once: 4,
        full_every: Duration::from_hours(24 * 14),
        untold_every: Duration::from_hours(1),
    }
}

/// A small tenant, replicated into memory by runs of one process.
struct Scene {
    tenant: Arc<Tenant>,
    destination: Arc<MemoryDestination>,
    edges: Edges,
}

impl Scene {
    fn new(config: Config) -> Self {
        Self::with_log_lag(Duration::ZERO, config)
    }

    /// Events become readable so late.
    fn with_log_lag(lag: Duration, config: Config) -> Self {
        let log_lag_micros = i64::try_from(lag.as_micros()).unwrap();
        let tenant =
            Tenant::new(Config { users: 20, logs: 50, plan: Plan::Unlimited, log_lag_micros, ..config });
        let destination = Arc::new(MemoryDestination::new());
        let source: Arc<dyn Source> = Arc::new(tenant.source());
        let clock: Arc<dyn tenantry_replication::clock::Clock> = Arc::clone(&tenant.clock) as _;
        let edges =
            Edges { source, destination: Arc::clone(&destination) as _, clock, observer: Arc::new(Nobody) };
        Self { tenant, destination, edges }
    }

    fn sync(&self, tables: impl IntoIterator<Item = &'static str>) -> Report {
        let report = self.tenant.clock.run(sync(&self.edges, &CATALOG, &options(tables))).unwrap();
        assert!(report.all_done(), "{report:?}");
        report
    }

    /// Brings every table up to date.
    fn sync_all(&self) -> Report {
        self.sync(CATALOG.tables().map(|table| table.name))
    }

    fn pass(&self, time: Duration) {
        self.tenant.clock.pass(time);
    }

    fn live(&self, table: &str) -> Vec<Row> {
        self.destination.rows(table).into_iter().filter(|row| !row.deleted).collect()
    }
}

#[test]
fn a_log_that_is_shorter_than_the_time_since_a_stream_was_up_to_date_spares_it_nothing() {
    let scene = Scene::new(Config { retention_days: Some(1), roles: 5, ..Config::default() });
    let log: Vec<&str> = stream("logs").tables.iter().map(|table| table.name).collect();
    scene.sync_all();
    scene.pass(Duration::from_hours(1));
    scene.tenant.control("/churn", &json!({ "seed": 1, "roles_updated": 1 }));
    // The log alone is kept up to date: it has no gap, and yet what told of the roles is gone from it.
    for _ in 0..6 {
        scene.pass(Duration::from_hours(12));
        scene.sync(log.iter().copied());
    }
    let report = scene.sync_all();
    assert_eq!(report.gaps, 0, "nothing of the log itself was lost");
    let roles = report.tables.iter().find(|table| table.table == "role").unwrap();
    assert_eq!(roles.updated, 1);
}

#[test]
fn a_log_that_reaches_back_spares_the_lists() {
    let scene = Scene::new(Config { retention_days: Some(10), roles: 5, ..Config::default() });
    scene.sync_all();
    scene.pass(Duration::from_hours(36));
    let before = scene.tenant.api_log().len();
    scene.sync_all();
    let asked = scene.tenant.api_log().split_off(before);
    assert!(!asked.iter().any(|sent| sent.path == "/api/v2/roles"), "{asked:?}");
}

#[test]
fn rows_that_an_ended_run_of_the_same_process_staged_are_not_published_by_the_next() {
    let scene = Scene::new(Config { roles: 3, ..Config::default() });
    scene.sync_all();
    // As a run leaves it whose destination failed in another stream.
    let roles = stream("roles");
    let mut normalizer = Normalizer::new(&CATALOG, roles);
    let body = Bytes::from_static(br#"[{"id":"rol_that_went_since","name":"x"}]"#);
    normalizer.page(&Page { body, records: Records::Array(""), parent: None, checkpoint: None }).unwrap();
    for batch in normalizer.take(true) {
        scene.tenant.clock.run(scene.destination.stage(batch)).unwrap();
    }
    scene.tenant.control("/churn", &json!({ "seed": 1, "roles_created": 1 }));
    scene.pass(Duration::from_mins(10));
    scene.sync_all();
    let id = |row: &Row| match row.values.get("id") {
        Some(Value::Text(id)) => id.clone(),
        other => panic!("{other:?}"),
    };
    let held: BTreeSet<String> = scene.live("role").iter().map(id).collect();
    let truth = scene.tenant.truth();
    let there = truth["roles"].as_array().unwrap().iter().map(|role| role["id"].as_str().unwrap().to_owned());
    assert_eq!(held, there.collect());
}

#[test]
fn what_a_list_that_trails_behind_does_not_show_yet_is_seen_by_the_next_run() {
    let config = Config {
        organizations: 3,
        members_per_organization: 4,
        search_lag_micros: 30_000_000,
        ..Config::default()
    };
    let scene = Scene::new(config);
    scene.sync_all();
    scene.pass(Duration::from_mins(10));
    let members = scene.live("organization_member").len();
    scene.tenant.control("/churn", &json!({ "seed": 1, "members_removed": 1 }));
    // The log tells of it at once, and the list goes on showing the member: the event is written, and not applied.
    scene.pass(Duration::from_secs(2));
    scene.sync_all();
    assert_eq!(scene.live("organization_member").len(), members, "the list trails behind");
    scene.pass(Duration::from_secs(40));
    scene.sync_all();
    assert_eq!(scene.live("organization_member").len(), members - 1);
}

#[test]
fn an_event_that_becomes_readable_after_several_runs_is_applied_all_the_same() {
    let scene = Scene::with_log_lag(
        Duration::from_mins(5),
        Config { roles: 5, log_own_traffic: false, ..Config::default() },
    );
    scene.sync_all();
    scene.pass(Duration::from_mins(10));
    scene.sync_all();
    scene.tenant.control("/churn", &json!({ "seed": 1, "roles_updated": 1 }));
    // Runs that hear nothing of it bring every table up to date, as far as they know.
    for minutes in [1, 2] {
        scene.pass(Duration::from_mins(minutes));
        assert!(scene.sync_all().tables.iter().all(|table| table.updated == 0));
    }
    scene.pass(Duration::from_mins(3));
    let report = scene.sync_all();
    let roles = report.tables.iter().find(|table| table.table == "role").unwrap();
    assert_eq!(roles.updated, 1);
}

/// A run from scripted answers into memory.
fn edges(script: &Arc<Script>, destination: &Arc<MemoryDestination>) -> Edges {
    Edges {
        source: Arc::new(script.source()),
        destination: Arc::clone(destination) as _,
        clock: Arc::clone(&script.clock) as _,
        observer: Arc::new(Nobody),
    }
}

#[test]
fn a_list_with_a_record_without_a_key_is_read_again_since_it_could_not_tell_what_ended() {
    let trigger = |id: &str| json!({ "id": id, "version": "v3" });
    let lists = [
        json!({ "triggers": [trigger("post-login"), trigger("send-phone-message")] }),
        json!({ "triggers": [trigger("post-login"), 7] }),
        json!({ "triggers": [trigger("post-login")] }),
    ];
    let script = Script::new(move |sent, before| match sent.path.as_str() {
        "/api/v2/actions/triggers" => Ok(ok(lists[before].clone())),
        "/api/v2/logs" => Ok(ok(json!([]))),
        _ => Ok(ok(json!({}))),
    });
    let destination = Arc::new(MemoryDestination::new());
    let edges = edges(&script, &destination);
    for (full, expected) in [(true, 2), (true, 2), (false, 1)] {
        let options = Options { full, ..options(["action_trigger", "logs"]) };
        script.clock.run(sync(&edges, &CATALOG, &options)).unwrap();
        script.clock.pass(Duration::from_mins(10));
        let live = destination.rows("action_trigger").into_iter().filter(|row| !row.deleted);
        assert_eq!(live.count(), expected);
    }
}

#[test]
fn a_record_whose_key_cannot_be_read_may_be_the_other_half_of_any_and_ends_nothing() {
    let trigger = |runtimes: &[&str]| json!({ "id": "post-login", "version": "v3", "runtimes": runtimes });
    let lists = [
        // One key may come twice in a list; its children are those of both.
        json!({ "triggers": [trigger(&["node16", "node18"]), trigger(&["node22"])] }),
        json!({ "triggers": [trigger(&["node18", "node20"]), 7] }),
        json!({ "triggers": [trigger(&["node18"]), trigger(&["node20"])] }),
    ];
    let script = Script::new(move |sent, before| match sent.path.as_str() {
        "/api/v2/actions/triggers" => Ok(ok(lists[before].clone())),
        // The tenant's time, which comes with any answer.
        _ => Ok(ok(json!({}))),
    });
    let destination = Arc::new(MemoryDestination::new());
    let edges = edges(&script, &destination);
    let expected = [
        vec!["node16", "node18", "node22"],
        vec!["node16", "node18", "node20", "node22"],
        vec!["node18", "node20"],
    ];
    for expected in expected {
        let options = Options { full: true, ..options(["action_trigger", "action_trigger_runtime"]) };
        script.clock.run(sync(&edges, &CATALOG, &options)).unwrap();
        script.clock.pass(Duration::from_hours(1));
        let live = destination.rows("action_trigger_runtime").into_iter().filter(|row| !row.deleted);
        let runtime = |row: Row| match &row.values["runtime"] {
            Value::Text(text) => text.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            live.map(runtime).collect::<BTreeSet<_>>(),
            expected.into_iter().map(str::to_owned).collect()
        );
    }
}
