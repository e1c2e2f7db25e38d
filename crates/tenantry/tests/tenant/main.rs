//! A whole simulated tenant, replicated by the real command over real sockets into a real DuckDB file, compared cell by cell with a naive
//! projection of what the tenant holds: first run, every kind of change, and a run in which nothing changed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(feature = "delta")]
mod bucket;
mod cascades;
#[cfg(feature = "delta")]
mod delta;
#[expect(unsafe_code, reason = "a driver's entry point is a C function")]
mod entry;
mod follow;
mod hostile;
mod kills;
mod network;
mod plan;
mod processes;
mod proxy;
mod resume;
mod scenario;
mod service;
mod several;
mod tables;
mod tamper;
mod verify;
mod warehouses;
mod world;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tenantry_simulator::{Config, Plan};

use scenario::{Cost, churn, quick};
use tables::{Held, Holding};
use world::World;

/// A tenant beyond every paging limit of the API: more than 1,000 users with one timestamp, clients, members of one organization.
fn large() -> Config {
    Config {
        seed: 41,
        users: 25_000,
        tied_users: 1_500,
        logs: 50_000,
        organizations: 300,
        members_per_organization: 20,
        clients: 1_200,
        connections: 30,
        roles: 120,
        resource_servers: 15,
        actions: 40,
        grants: 900,
        plan: Plan::Unlimited,
        ..quick()
    }
}

/// A small tenant of every kind of entity.
pub(crate) fn small() -> Config {
    Config {
        seed: 7,
        users: 300,
        tied_users: 40,
        logs: 1_500,
        organizations: 12,
        clients: 25,
        plan: Plan::Unlimited,
        ..quick()
    }
}

#[test]
fn a_large_tenant_arrives_whole_and_every_change_follows() {
    let world = World::start(large());
    let before = world.truth();
    let first = world.sync();
    assert_eq!(first["outcome"], "done", "{first}");
    let held = world.tables();
    tables::compare(&before, &held, Holding::Nothing);
    assert!(held["users"].len() >= 25_000 && held["logs"].len() >= 50_000);

    world.churn(&churn(1, 3));
    let after = world.truth();
    let second = world.sync();
    assert_eq!(second["outcome"], "done", "{second}");
    let now = world.tables();
    tables::compare(&after, &now, Holding::Before(&before, &held));
    assert_counts(&second, &held, &now);

    let third = world.sync();
    assert_eq!(third["totals"]["inserted"], 0, "{third}");
    assert_eq!(third["totals"]["updated"], 0, "{third}");
    assert_eq!(third["totals"]["deleted"], 0, "{third}");
    assert_eq!(world.tables(), now, "a run over an unchanged tenant changes no row");
}

#[test]
fn where_exports_are_not_allowed_users_come_by_windows_all_1_500_of_one_instant_included() {
    let world = World::start(Config { export_allowed: false, users: 4_000, tied_users: 1_500, ..small() });
    let truth = world.truth();
    let report = world.sync();
    assert_eq!(report["outcome"], "done", "{report}");
    tables::compare(&truth, &world.tables(), Holding::Nothing);
}

#[test]
fn a_tenant_is_followed_through_many_rounds_of_change() {
    scenario::rounds(small(), 6);
}

#[test]
fn a_run_costs_what_changed_and_not_what_there_is() {
    for cost in scenario::costs(scenario::tenant(5_000, 8_000, 10)) {
        let Cost { scenario, requests, most } = cost;
        assert!(requests <= most, "{scenario}: {requests} requests of {most}");
    }
}

#[test]
fn a_bulk_import_with_one_timestamp_arrives_whole_in_a_run_that_reads_changes_alone() {
    let world = World::start(small());
    let before = world.truth();
    world.sync();
    let held = world.tables();
    world.wait(60);
    world.import(5_000);
    let after = world.truth();
    assert_eq!(after["users"].len(), before["users"].len() + 5_000);
    world.sync();
    tables::compare(&after, &world.tables(), Holding::Before(&before, &held));
}

#[test]
fn where_exports_are_not_allowed_a_bulk_import_arrives_whole_too() {
    let world = World::start(Config { export_allowed: false, ..small() });
    world.sync();
    world.wait(60);
    world.import(2_500);
    let after = world.truth();
    world.sync();
    let held = world.tables();
    assert!(after["users"].keys().all(|key| !held["users"][key].deleted));
}

/// Three days without a run, at a tenant that keeps its log for one.
#[test]
fn a_pause_longer_than_the_log_is_kept_is_one_gap_and_nothing_else_is_missing() {
    for expired_from_is_error in [true, false] {
        let world = World::start(Config { retention_days: Some(1), expired_from_is_error, ..small() });
        let before = world.truth();
        world.sync();
        let held = world.tables();
        let last_before = held["logs"].keys().max().unwrap()[0].clone();
        for day in 0..3 {
            world.churn_within_the_hour(&churn(200 + day, 1));
            world.wait(86_400);
        }
        // Younger than a day: still kept when the next run comes.
        world.churn_within_the_hour(&churn(300, 1));
        let after = world.truth();
        let oldest_kept = after["logs"].keys().min().unwrap()[0].clone();
        let (code, report, messages) = world.run(&["sync", "--json"]);
        assert_eq!((code, &report["outcome"]), (6, &json!("gap")), "{messages}");
        let gaps = world.query("SELECT stream, \"from\", \"to\" FROM _tenantry.gap");
        let [gap] = &gaps[..] else { panic!("one gap: {gaps:?}") };
        assert_eq!(gap[0].as_deref(), Some("logs"));
        assert!(gap[1].as_deref() >= Some(&last_before), "{gap:?}: from where the last run stopped");
        assert_eq!(gap[2].as_deref(), Some(&*oldest_kept), "{gap:?}: to the oldest event kept");
        let now = world.tables();
        let all = |table: &str| {
            after[table].keys().all(|key| now[table].contains_key(key) && !now[table][key].deleted)
        };
        assert!(after.keys().all(|table| all(table)), "everything that the tenant holds is there");
        let tombstones_are_true = |table: &str| {
            now[table]
                .iter()
                .all(|(key, row)| row.deleted != after[table].contains_key(key) || tables::only_grows(table))
        };
        assert!(after.keys().all(|table| tombstones_are_true(table)));
        assert!(held["logs"].keys().all(|key| now["logs"].contains_key(key)));
        assert!(before["logs"].keys().all(|key| now["logs"].contains_key(key)), "what was read stays");
        assert_eq!(world.run(&["sync", "--json"]).0, 0, "a gap is told once");
    }
}

#[test]
fn a_key_that_returns_is_no_longer_deleted() {
    let world = World::start(small());
    world.sync();
    let (organization, member) = world.a_membership();
    let membership = |held: &tables::Tables| {
        held["organization_member"][&vec![organization.clone(), member.clone()]].clone()
    };
    let path = format!("/organizations/{organization}/members");
    let body = json!({ "members": [member] });
    world.manage("DELETE", &path, &body);
    world.sync();
    let gone = membership(&world.tables());
    assert!(gone.deleted);
    world.manage("POST", &path, &body);
    world.sync();
    let back = membership(&world.tables());
    assert!(!back.deleted && back.synced > gone.synced);
}

#[test]
fn a_user_that_the_search_still_shows_is_gone_all_the_same() {
    let world = World::start(Config { search_lag_micros: 30_000_000, ..small() });
    world.sync();
    let user = world.truth()["users"].keys().next().unwrap()[0].clone();
    let path = format!("/users/{}", user.replace('|', "%7C"));
    world.wait(600);
    world.manage("PATCH", &path, &json!({ "blocked": true }));
    world.wait(31);
    world.manage("DELETE", &path, &json!({}));
    world.sync();
    assert!(world.tables()["users"][&vec![user]].deleted);
}

#[test]
fn the_tables_of_one_tenant_are_not_those_of_another() {
    let world = World::start(small());
    world.sync();
    let held = world.tables();
    let (code, _, messages) = world.replaced(Config { seed: 8, ..small() }).run(&["sync", "--json"]);
    assert_eq!(code, 5, "{messages}");
    assert!(messages.contains("another") || messages.contains("of its own"), "{messages}");
    assert_eq!(world.tables(), held);
}

#[test]
fn tables_that_are_not_selected_stay_as_they_are() {
    let world = World::start(small());
    let report = world.sync_with(&["--select", "client_callback"]);
    assert_eq!(report["tables"].as_array().map(Vec::len), Some(1), "{report}");
    let held = world.tables();
    assert!(!held["client_callback"].is_empty());
    let filled: BTreeSet<_> =
        held.iter().filter(|(_, rows)| !rows.is_empty()).map(|(table, _)| *table).collect();
    assert_eq!(filled, BTreeSet::from(["client_callback"]));
    let report = world.sync_with(&["--select", "organization_member"]);
    assert_eq!(report["outcome"], "done", "{report}");
    let held = world.tables();
    assert!(!held["organization_member"].is_empty() && held["organization"].is_empty());
}

#[test]
fn a_missing_scope_skips_its_tables_names_it_and_lets_the_rest_arrive() {
    let scopes = |without: &str| {
        let all = tenantry_replication::catalog::CATALOG
            .streams
            .iter()
            .filter_map(|stream| stream.endpoint.as_ref());
        all.map(|endpoint| endpoint.scope.to_owned()).filter(|scope| scope != without).collect::<Vec<_>>()
    };
    let world = World::start(Config { scopes: Some(scopes("read:grants")), ..small() });
    let truth = world.truth();
    let (code, report, messages) = world.run(&["sync", "--json"]);
    assert_eq!(code, 1, "{messages}");
    for table in report["tables"].as_array().unwrap() {
        let skipped = ["grants", "grant_scope"].contains(&table["table"].as_str().unwrap());
        let frozen = table["outcome"] == "frozen";
        assert_eq!(table["outcome"] == "skipped", skipped, "{table}");
        assert!(skipped || frozen || table["outcome"] == "done", "{table}");
        if skipped {
            assert!(table["message"].as_str().unwrap().contains("read:grants"), "{table}");
        }
    }
    assert!(messages.contains("read:grants"), "{messages}");
    let held = world.tables();
    assert!(held["grants"].is_empty() && held["grant_scope"].is_empty());
    assert_eq!(held["users"].len(), truth["users"].len());
}

/// The report's counts are those of the tables.
fn assert_counts(report: &Value, before: &tables::Tables, after: &tables::Tables) {
    for table in report["tables"].as_array().unwrap() {
        let name = table["table"].as_str().unwrap();
        let (before, after) = (&before[name], &after[name]);
        let inserted = after.keys().filter(|key| !before.contains_key(*key)).count();
        let changed = |held: &Held, key| before.get(key).is_some_and(|old: &Held| old.synced != held.synced);
        let deleted = after.iter().filter(|(key, held)| held.deleted && changed(held, *key)).count();
        let updated = after.iter().filter(|(key, held)| !held.deleted && changed(held, *key)).count();
        for (what, count) in [("inserted", inserted), ("updated", updated), ("deleted", deleted)] {
            assert_eq!(table[what].as_u64(), Some(count as u64), "{name} {what}: {table}");
        }
    }
}
