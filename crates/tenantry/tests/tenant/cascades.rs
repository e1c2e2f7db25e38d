//! What ends with a record of another stream: nothing in the log says so of the rows themselves.

use serde_json::{Value, json};
use tenantry_simulator::{Config, Plan};

use crate::scenario::quick;
use crate::world::World;

/// A tenant with so many users, some of them members of its organizations.
fn with_members(users: u32) -> World {
    World::start(Config {
        users,
        organizations: 6,
        members_per_organization: 8,
        plan: Plan::Unlimited,
        ..quick()
    })
}

/// Deletes a user as an administrator would.
fn delete(world: &World, user: &str) {
    world.manage("DELETE", &format!("/users/{}", user.replace('|', "%7C")), &json!({}));
}

/// The connection that an enterprise user comes from.
fn connection_of(world: &World, user: &str) -> String {
    let strategy = user.split('|').next().unwrap();
    let name = user.split('|').nth(1).unwrap();
    let sql = format!("SELECT id FROM connection WHERE strategy = '{strategy}' AND name = '{name}'");
    let found = world.query(&sql);
    assert_eq!(found.len(), 1, "{user}: {:?}", world.query("SELECT name, strategy FROM connection"));
    found[0][0].clone().unwrap()
}

/// How a table ended, by the report of a run.
fn outcome<'a>(report: &'a Value, table: &str) -> &'a str {
    let tables = report["tables"].as_array().unwrap();
    tables.iter().find(|one| one["table"] == table).unwrap()["outcome"].as_str().unwrap()
}

/// The live rows of this user in organizations.
fn memberships(world: &World, user: &str) -> Vec<Vec<Option<String>>> {
    let sql = "SELECT organization_id FROM organization_member WHERE NOT _fivetran_deleted";
    world.query(&format!("{sql} AND id = '{user}' ORDER BY 1"))
}

#[test]
fn memberships_of_a_user_who_left_before_users_were_ever_read_end_soon() {
    let world = with_members(60);
    world.sync_with(&["--select", "organization_member", "logs"]);
    let (_, user) = world.a_membership();
    assert!(!memberships(&world, &user).is_empty());
    delete(&world, &user);
    world.wait(60);
    // Users are read for the first time, and in full: nothing is missing from a table that was empty.
    let both = ["--select", "organization_member", "users", "logs"];
    world.sync_with(&both);
    world.sync_with(&both);
    assert_eq!(memberships(&world, &user), Vec::<Vec<Option<String>>>::new());
    // What was told again is not told for ever.
    let idle = world.requests_of(|world| drop(world.sync_with(&both)));
    assert!(idle <= 3, "{idle}");
}

#[test]
fn memberships_of_users_who_went_with_their_connection_before_users_were_ever_read_end_soon() {
    let config = Config {
        users: 200,
        organizations: 6,
        members_per_organization: 40,
        plan: Plan::Unlimited,
        ..quick()
    };
    let world = World::start(config);
    world.sync_with(&["--select", "organization_member", "connection", "logs"]);
    // Its name is the middle one of three parts.
    let of_enterprise = "SELECT min(id) FROM organization_member WHERE id LIKE 'samlp|%|%'";
    let user = world.query(of_enterprise)[0][0].clone().unwrap();
    assert!(!memberships(&world, &user).is_empty());
    let connection = connection_of(&world, &user);
    world.manage("DELETE", &format!("/connections/{connection}"), &json!({}));
    world.wait(60);
    let all = ["--select", "organization_member", "connection", "users", "logs"];
    world.sync_with(&all);
    world.sync_with(&all);
    assert_eq!(memberships(&world, &user), Vec::<Vec<Option<String>>>::new());
}

#[test]
fn memberships_of_a_user_whose_row_ended_in_an_earlier_run_end_although_users_were_refused_since() {
    let world = with_members(60);
    let both = ["--select", "organization_member", "users", "logs"];
    world.sync_with(&both);
    let (_, user) = world.a_membership();
    delete(&world, &user);
    // The log's latest minutes are always read again: this is not among them when users are refused.
    world.wait(1_200);
    world.churn(&json!({ "seed": 3, "bare_logins": 5 }));
    world.wait(60);
    // Users alone come up to date, as where a run is killed before it gets to the memberships.
    world.sync_with(&["--select", "users", "logs"]);
    assert!(!memberships(&world, &user).is_empty());
    let lacks_scope = json!({ "statusCode": 403, "error": "Forbidden", "errorCode": "insufficient_scope",
        "message": "Insufficient scope, expected any of: read:users" });
    world.fault(&json!({ "path": "/api/v2/users*", "status": 403, "body": lacks_scope }));
    let (_, refused, _) = world.run(&[&["sync", "--json"], &both[..]].concat());
    assert_eq!(outcome(&refused, "users"), "skipped");
    assert_eq!(outcome(&refused, "organization_member"), "done");
    world.sync_with(&both);
    assert_eq!(memberships(&world, &user), Vec::<Vec<Option<String>>>::new());
}

#[test]
fn memberships_of_a_user_whose_row_ended_in_an_earlier_run_end_also_where_changed_users_are_so_many_that_all_come()
 {
    let world = with_members(1_600);
    let both = ["--select", "organization_member", "users", "logs"];
    world.sync_with(&both);
    let (_, user) = world.a_membership();
    delete(&world, &user);
    world.wait(60);
    world.sync_with(&["--select", "users", "logs"]);
    assert!(!memberships(&world, &user).is_empty());
    // No event names who logged in, and so no key but the user's is asked for.
    world.churn(&json!({ "seed": 5, "bare_logins": 8_000 }));
    world.wait(60);
    world.requests_of(|world| drop(world.sync_with(&both)));
    assert_eq!(world.counted()["by_route"]["POST /api/v2/jobs/users-exports"]["requests"], 1);
    assert_eq!(memberships(&world, &user), Vec::<Vec<Option<String>>>::new());
}
