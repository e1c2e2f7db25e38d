//! What a run may cost, by scenario: a first run, one in which nothing changed, one after a busy hour. The tests run it small, the bench
//! in full size; requests are counted by the tenant, not by us.

use serde_json::{Value, json};
use tenantry_simulator::{Config, Plan};

use crate::tables::{self, Holding, Tables};
use crate::world::World;

/// Requests that a run may send besides one for each 100 log events, the first time.
const FIRST_BESIDES_LOGS_MAX: u64 = 350;
/// Requests of a run in which nothing changed.
const IDLE_MAX: u64 = 6;
/// Requests of a run after [`busy`].
const BUSY_MAX: u64 = 40;

/// What one run cost, and what it may.
pub(crate) struct Cost {
    pub(crate) scenario: &'static str,
    pub(crate) requests: u64,
    pub(crate) most: u64,
}

/// A tenant with many parents, so that whatever reads a list again is seen in the count.
pub(crate) fn tenant(users: u32, logs: u32, members_per_organization: u32) -> Config {
    Config {
        seed: 5,
        users,
        tied_users: 0,
        logs,
        organizations: 200,
        members_per_organization,
        connections: 60,
        clients: 150,
        roles: 20,
        plan: Plan::Unlimited,
        ..quick()
    }
}

/// Without the waits that the real thing has.
pub(crate) fn quick() -> Config {
    Config {
        export_micros: 0,
        search_lag_micros: 0,
        log_lag_micros: 0,
        log_own_traffic: false,
        ..Config::default()
    }
}

/// A busy hour: mostly logins, and something of everything that an administrator does.
fn busy() -> Value {
    json!({
        "seed": 3, "bare_logins": 500, "users_updated": 40, "users_deleted": 5, "clients_updated": 1,
        "actions_updated": 1, "members_added": 3, "members_removed": 1, "organizations_deleted": 1,
    })
}

/// Something of every kind made, changed and taken.
pub(crate) fn churn(seed: u64, times: u32) -> Value {
    json!({
        "seed": seed,
        "users_created": 9 * times,
        "users_updated": 14 * times,
        "users_deleted": 5 * times,
        "users_linked": times,
        "logins": 60 * times,
        "clients_created": 2 * times,
        "clients_updated": 3 * times,
        "clients_deleted": times,
        "client_grants_created": 2 * times,
        "client_grants_updated": times,
        "client_grants_deleted": times,
        "connections_created": 2 * times,
        "connections_updated": times,
        "connections_deleted": times,
        "connection_clients_changed": 4 * times,
        "organizations_created": 2 * times,
        "organizations_updated": 2 * times,
        "organizations_deleted": times,
        "members_added": 5 * times,
        "members_removed": 3 * times,
        "resource_servers_created": times,
        "resource_servers_updated": times,
        "resource_servers_deleted": times,
        "roles_created": 2 * times,
        "roles_updated": times,
        "roles_deleted": times,
        "actions_created": 2 * times,
        "actions_updated": times,
        "actions_deployed": times,
        "actions_deleted": times,
        "log_streams_created": times,
        "log_streams_updated": times,
        "log_streams_deleted": times,
        "grants_created": 3 * times,
        "grants_deleted": 2 * times,
    })
}

/// The three runs one after the other. Panics where a table is not equal to the tenant afterwards.
pub(crate) fn costs(config: Config) -> Vec<Cost> {
    let logs = u64::from(config.logs);
    let world = World::start(config);
    let cost = |scenario, most| Cost { scenario, requests: world.requests_of(World::sync), most };
    let mut costs = vec![cost("first run", logs / 100 + FIRST_BESIDES_LOGS_MAX)];
    let truth = world.truth();
    let held = world.tables();
    tables::compare(&truth, &held, Holding::Nothing);

    world.wait(600);
    costs.push(cost("nothing changed", IDLE_MAX));
    assert_eq!(changed(&held, &world.tables()), 0, "a run over an unchanged tenant changes no row");

    world.churn_within_the_hour(&busy());
    let after = world.truth();
    costs.push(cost("a busy hour", BUSY_MAX));
    tables::compare(&after, &world.tables(), Holding::Before(&truth, &held));
    costs
}

/// Rows that are not as they were; figures of the day under way always move.
fn changed(before: &Tables, after: &Tables) -> usize {
    before
        .iter()
        .filter(|(table, _)| !tables::only_grows(table))
        .map(|(table, rows)| after[table].iter().filter(|(key, row)| rows.get(*key) != Some(row)).count())
        .sum()
}

/// Lets the tenant change at random between runs. Panics where a table is not equal to the tenant after one.
pub(crate) fn rounds(config: Config, rounds: u64) {
    let world = World::start(config);
    let mut before = world.truth();
    world.sync();
    let mut held = world.tables();
    tables::compare(&before, &held, Holding::Nothing);
    for round in 0..rounds {
        world.churn(&churn(100 + round, 1));
        let after = world.truth();
        let report = world.sync();
        assert_eq!(report["outcome"], "done", "{report}");
        let now = world.tables();
        tables::compare(&after, &now, Holding::Before(&before, &held));
        (before, held) = (after, now);
    }
}
