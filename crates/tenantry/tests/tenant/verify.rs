//! Verification, resync and drift: what is wrong in the tables is named, put right, and counted.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tenantry_simulator::Config;

use crate::scenario::churn;
use crate::tables::{self, Holding};
use crate::world::World;
use crate::{small, tamper};

/// Ways to differ, as reports name them.
const WAYS: [&str; 5] = ["missing", "stale", "wrongly_live", "wrongly_deleted", "not_synced_yet"];

/// By table and way: the keys of rows that differ, each in one text.
fn differing(report: &Value) -> BTreeMap<String, Vec<String>> {
    let mut differing = BTreeMap::new();
    for table in report["tables"].as_array().unwrap() {
        for way in WAYS {
            let key = |key: &Value| {
                key.as_array()
                    .unwrap()
                    .iter()
                    .map(|part| part.as_str().unwrap())
                    .collect::<Vec<_>>()
                    .join("/")
            };
            let keys: Vec<String> = table["keys"][way].as_array().unwrap().iter().map(key).collect();
            assert_eq!(table[way].as_u64(), Some(keys.len() as u64), "{table}");
            if !keys.is_empty() {
                differing.insert(format!("{} {way}", table["table"].as_str().unwrap()), keys);
            }
        }
    }
    differing
}

/// Compares everything; the exit code and what was found.
fn verify(world: &World, options: &[&str]) -> (i32, Value) {
    let before = std::fs::read(world.file()).unwrap();
    let (code, report, messages) = world.run(&[&["verify", "--json"], options].concat());
    assert!(report["tables"].is_array(), "{messages}");
    assert!(std::fs::read(world.file()).unwrap() == before, "verifying changed the file");
    assert_eq!(report["exit_code"], code);
    (code, report)
}

/// The first key of a table that is live.
fn a_key(world: &World, table: &str) -> String {
    let held = world.tables();
    held[table].iter().find(|(_, held)| !held.deleted).unwrap().0[0].clone()
}

/// One row changed, one removed, one marked deleted, one tombstone revived, one made up.
fn tampered(world: &World) -> BTreeMap<String, Vec<String>> {
    let ended = a_key(world, "client");
    world.manage("DELETE", &format!("/clients/{ended}"), &json!({}));
    world.sync();
    let keys = ["users", "role", "organization"].map(|table| a_key(world, table));
    let [user, role, organization] = &keys;
    tamper::change(
        &world.file(),
        &[
            format!("UPDATE auth0.users SET nickname = 'tampered' WHERE id = '{user}'"),
            format!("DELETE FROM auth0.role WHERE id = '{role}'"),
            format!("UPDATE auth0.organization SET _fivetran_deleted = true WHERE id = '{organization}'"),
            format!("UPDATE auth0.client SET _fivetran_deleted = false WHERE id = '{ended}'"),
            "INSERT INTO auth0.resource_server (id, _fivetran_deleted) VALUES ('made up', false)".to_owned(),
        ],
    );
    let expected = [
        ("users stale", user),
        ("role missing", role),
        ("organization wrongly_deleted", organization),
        ("client wrongly_live", &ended),
        ("resource_server wrongly_live", &"made up".to_owned()),
    ];
    expected.map(|(what, key)| (what.to_owned(), vec![key.clone()])).into()
}

#[test]
fn what_was_tampered_with_is_named_and_a_full_run_puts_it_right() {
    let world = World::start(small());
    world.sync();
    let (code, report) = verify(&world, &["--full"]);
    assert_eq!((code, differing(&report)), (0, BTreeMap::new()), "{report}");
    assert!(report["totals"]["equal"].as_u64().unwrap() > 2_000, "{report}");
    let expected = tampered(&world);
    let (code, report) = verify(&world, &["--full"]);
    assert_eq!((code, differing(&report)), (1, expected), "{report}");
    assert_eq!(report["outcome"], "drift");
    let (_, _, messages) = world.run(&["verify", "--full"]);
    assert!(
        messages.contains("tenantry resync client organization resource_server role users"),
        "{messages}"
    );
    assert!(!messages.contains("tampered"), "values are never shown: {messages}");
    world.sync_with(&["--full"]);
    let (code, report) = verify(&world, &["--full"]);
    assert_eq!((code, differing(&report)), (0, BTreeMap::new()), "{report}");
}

#[test]
fn a_sample_of_everything_finds_it_too_and_a_small_one_is_cheap() {
    let world = World::start(small());
    world.sync();
    let (code, report) = verify(&world, &["--sample", "3"]);
    assert_eq!((code, differing(&report)), (0, BTreeMap::new()), "{report}");
    let requests = report["totals"]["requests"].as_u64().unwrap();
    assert!(requests <= 3 * 12 + 25, "{report}");
    let equal = |table: &str| {
        let tables = report["tables"].as_array().unwrap();
        tables.iter().find(|one| one["table"] == table).unwrap()["equal"].as_u64().unwrap()
    };
    assert_eq!((equal("users"), equal("client")), (3, 3));
    assert!(equal("organization_member") > 0 && equal("grants") > 0);
    let mut expected = tampered(&world);
    // A row that is not there cannot be drawn.
    expected.remove("role missing");
    let (code, report) = verify(&world, &["--sample", "1000", "--exclude", "logs"]);
    assert_eq!((code, differing(&report)), (1, expected), "{report}");
}

#[test]
fn resync_puts_its_tables_right_and_no_others() {
    let world = World::start(small());
    world.sync();
    let mut expected = tampered(&world);
    let (code, report, messages) = world.run(&["resync", "--json", "role", "client"]);
    assert_eq!(code, 0, "{messages}");
    let names: Vec<&str> =
        report["tables"].as_array().unwrap().iter().map(|table| table["table"].as_str().unwrap()).collect();
    assert_eq!(names, ["client", "client_callback", "client_grant_type", "client_metadata", "role"]);
    expected.retain(|what, _| !what.starts_with("role") && !what.starts_with("client"));
    let (code, report) = verify(&world, &["--full"]);
    assert_eq!((code, differing(&report)), (1, expected), "{report}");
    let (code, _, messages) = world.run(&["resync", "--json"]);
    assert_eq!(code, 2, "{messages}");
}

#[test]
fn what_changed_after_the_last_run_is_not_synced_yet() {
    let world = World::start(small());
    world.sync();
    for round in 0..3 {
        world.churn_within_the_hour(&churn(500 + round, 1));
        let (code, report) = verify(&world, &["--full"]);
        let found = differing(&report);
        assert!(found.keys().all(|what| what.ends_with("not_synced_yet")), "round {round}: {found:#?}");
        assert!(
            found.contains_key("client not_synced_yet") && found.contains_key("users not_synced_yet"),
            "{found:#?}"
        );
        assert_eq!(code, 0, "{report}");
        world.sync();
    }
    world.wait(3_700);
    world.sync();
    let (code, report) = verify(&world, &["--full"]);
    assert_eq!((code, differing(&report)), (0, BTreeMap::new()), "{report}");
}

#[test]
fn some_tables_are_verified_by_the_checkpoint_of_all() {
    let world = World::start(small());
    let (code, _, messages) = world.run(&["verify", "--json"]);
    assert_eq!(code, 5, "{messages}");
    world.sync_with(&["--select", "client*", "role"]);
    let (code, report) = verify(&world, &["--full", "--select", "client_callback", "role"]);
    assert_eq!((code, differing(&report)), (0, BTreeMap::new()), "{report}");
    let (code, report) = verify(&world, &["--full", "--select", "role", "organization"]);
    assert_eq!(code, 1, "{report}");
    let outcome = |at: usize| report["tables"][at]["outcome"].clone();
    assert_eq!([outcome(0), outcome(1)], ["skipped", "done"], "no run has read the organizations: {report}");
}

#[test]
fn a_log_in_which_nothing_ever_happened_is_compared_like_any_other() {
    let world = World::start(Config { logs: 0, log_own_traffic: false, ..small() });
    world.sync();
    let (code, report) = verify(&world, &["--full", "--select", "logs"]);
    assert_eq!((code, &report["tables"][0]["outcome"]), (0, &json!("done")), "{report}");
}

#[test]
fn a_change_without_an_event_is_drift_when_its_list_is_due_and_one_with_an_event_is_not() {
    let world = World::start(Config { token_micros: 30 * 86_400 * 1_000_000, ..small() });
    let before = world.truth();
    world.sync();
    let held = world.tables();
    let keys: Vec<String> = held["client"].keys().map(|key| key[0].clone()).take(3).collect();
    world.wait(60);
    world.manage_silently("PATCH", &format!("/clients/{}", keys[0]), &json!({ "name": "unheard" }));
    let untold = world.sync();
    assert_eq!(untold["totals"]["updated"], 0, "nothing tells of it: {untold}");
    world.wait(25 * 3_600);
    world.manage("PATCH", &format!("/clients/{}", keys[1]), &json!({ "name": "heard" }));
    world.manage("DELETE", &format!("/clients/{}", keys[2]), &json!({}));
    world.wait(60);
    let after = world.truth();
    let (code, report, messages) = world.run(&["sync", "--json"]);
    assert_eq!(code, 0, "{messages}");
    tables::compare(&after, &world.tables(), Holding::Before(&before, &held));
    let drifted: Vec<(&str, u64)> = report["tables"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|table| table["drifted"] != 0)
        .map(|table| (table["table"].as_str().unwrap(), table["drifted"].as_u64().unwrap()))
        .collect();
    assert_eq!(drifted, [("client", 1)], "{report}");
    assert!(messages.contains("1 row of client had drifted"), "{messages}");
    let sql = "SELECT \"table\", drifted FROM _tenantry.run_table WHERE drifted > 0";
    let (_, kept, messages) = world.run(&["sql", "--format", "json", sql]);
    assert_eq!(kept, json!([{ "table": "client", "drifted": 1 }]), "{messages}");
}
