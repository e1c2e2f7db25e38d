//! The generator: the same bytes for the same seed, the numbers that were asked for, and speed.

use crate::support::{Session, small};
use tenantry_simulator::{Churn, Config, Request, Simulation};

fn bytes(config: &Config) -> Vec<u8> {
    let mut simulation = Simulation::new(config.clone());
    let now = config.start;
    let mut all = simulation.handle(&Request::get("/__sim/tenant"), now).body;
    simulation.churn(
        &Churn {
            seed: 5,
            users_created: 3,
            users_deleted: 2,
            clients_created: 1,
            logins: 10,
            ..Churn::default()
        },
        now,
    );
    all.extend(simulation.handle(&Request::get("/__sim/tenant"), now + 10_000_000).body);
    all
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let first = bytes(&small());
    assert_eq!(first, bytes(&small()));
    assert_ne!(first, bytes(&Config { seed: 2, ..small() }));
}

#[test]
fn the_numbers_are_those_that_were_asked_for() {
    let config = Config {
        users: 2_500,
        tied_users: 1_500,
        logs: 5_000,
        organizations: 30,
        clients: 120,
        connections: 12,
        roles: 9,
        actions: 20,
        ..small()
    };
    let mut session = Session::new(config);
    let truth = session.tenant();
    let count = |name: &str| truth[name].as_array().map_or(0, Vec::len);
    assert_eq!(count("users"), 2_500);
    assert_eq!(count("organizations"), 30);
    assert_eq!(count("clients"), 120);
    assert_eq!(count("connections"), 12);
    assert_eq!((count("roles"), count("actions")), (9, 20));
    assert_eq!(count("logs"), 5_001, "and the session's token");
    let first = &truth["users"][0]["updated_at"];
    let tied = truth["users"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|u| u["updated_at"] == *first && u["created_at"] == *first);
    assert_eq!(tied.count(), 1_500);
    let last = truth["users"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|u| u["last_login"].as_str())
        .max()
        .expect("one");
    assert!(last < "2026-11-02T08:00:00.000Z" && last > "2026-11-01", "{last}");
}

#[test]
fn an_empty_tenant_answers_too() {
    let config = Config {
        users: 0,
        logs: 0,
        organizations: 0,
        clients: 0,
        connections: 0,
        roles: 0,
        resource_servers: 0,
        actions: 0,
        grants: 0,
        stats_days: 0,
        ..small()
    };
    let mut session = Session::new(config);
    assert_eq!(session.get("/users"), serde_json::json!([]));
    assert_eq!(session.get("/actions/actions"), serde_json::json!({ "actions": [], "per_page": 20 }));
    assert_eq!(session.get("/clients").as_array().map(Vec::len), Some(3));
}
