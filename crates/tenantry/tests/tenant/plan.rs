//! What a run is said to take beforehand, against what the tenant counts when it runs.

use serde_json::{Value, json};
use tenantry_simulator::{Config, Plan};

use crate::scenario::quick;
use crate::world::World;

fn said(world: &World, arguments: &[&str]) -> Value {
    let (code, forecast, messages) = world.run(&[&["plan", "--json"], arguments].concat());
    assert_eq!(code, 0, "{messages}");
    forecast
}

/// Whether a forecast of requests came within a tenth, or within three, of what it took.
fn is_close(said: u64, took: u64) -> bool {
    said.abs_diff(took) <= (took / 10).max(3)
}

fn stream<'a>(forecast: &'a Value, name: &str) -> &'a Value {
    forecast["streams"].as_array().unwrap().iter().find(|stream| stream["stream"] == name).unwrap()
}

#[test]
fn what_a_run_will_take_is_told_before_it_runs() {
    let config = Config {
        users: 2_000,
        logs: 20_000,
        organizations: 120,
        connections: 30,
        clients: 250,
        plan: Plan::Unlimited,
        ..quick()
    };
    let world = World::start(config);
    let first = said(&world, &[]);
    assert!(!world.file().exists(), "a question makes no file");
    assert_eq!((&first["last_run"], &stream(&first, "users")["records"]), (&Value::Null, &json!(2_000)));
    assert!(first["asked"].as_u64().unwrap() <= 16, "{first}");
    let took = world.requests_of(|world| drop(world.sync()));
    // Of the log only some places were seen; all else was counted.
    let with_log_counted = |forecast: &Value| {
        let log = stream(forecast, "logs")["requests"].as_u64().unwrap();
        assert!((150..270).contains(&log), "{forecast}");
        forecast["requests"].as_u64().unwrap() - log + 201
    };
    assert!(is_close(with_log_counted(&first), took), "{took}: {first}");

    let idle = said(&world, &[]);
    assert!((2..=4).contains(&idle["requests"].as_u64().unwrap()), "{idle}");
    assert_eq!(stream(&idle, "organization_members")["read"], "changes");
    assert_eq!(idle["last_run"]["requests"], took);
    let again = said(&world, &["--full"]);
    assert!(is_close(with_log_counted(&again), took), "{took}: {again}");

    let churn = json!({ "seed": 9, "bare_logins": 300, "users_updated": 20, "users_deleted": 3, "clients_updated": 4,
        "members_added": 3, "organizations_deleted": 1 });
    world.churn_within_the_hour(&churn);
    let before = world.tables();
    let changed = said(&world, &[]);
    assert_eq!(before, world.tables());
    let took = world.requests_of(|world| drop(world.sync()));
    assert!(is_close(changed["requests"].as_u64().unwrap(), took), "{took}: {changed}");
}

#[test]
fn a_free_tenant_is_told_to_take_minutes() {
    let world = World::start(Config { organizations: 200, plan: Plan::Free, ..quick() });
    let forecast = said(&world, &["--select", "organization*"]);
    // Two requests a second, a fifth of which is left to the tenant; the first of them are there already.
    let (requests, seconds) = (forecast["requests"].as_f64().unwrap(), forecast["seconds"].as_f64().unwrap());
    let least = (requests - 2.0) / 1.6;
    assert!((least * 0.98..least * 1.05).contains(&seconds), "{requests} requests in {seconds} s");
}
