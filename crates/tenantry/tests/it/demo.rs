//! `tenantry demo`, which is also the whole way from a tenant to the tables.

use crate::harness::Place;

#[test]
fn the_demo_fills_every_table_and_finds_nothing_new_the_second_time() {
    let place = Place::new();
    let arguments = ["demo", "--users", "60", "--logs", "2000", "--json"];
    let first = place.run(&arguments).exits(0).json();
    assert_eq!(first["outcome"], "done");
    assert_eq!(first["tables"].as_array().unwrap().len(), 33);
    let count = |json: &serde_json::Value, table: &str, number: &str| {
        let tables = json["tables"].as_array().unwrap();
        tables.iter().find(|row| row["table"] == table).unwrap()[number].as_u64().unwrap()
    };
    assert_eq!(count(&first, "users", "inserted"), 60);
    assert_eq!(count(&first, "logs", "inserted"), 2000);
    assert_eq!(first["totals"]["quarantined"], 0);
    assert_eq!(first["queries"].as_array().unwrap().len(), 3);
    for table in first["tables"].as_array().unwrap() {
        let name = table["table"].as_str().unwrap();
        let filled = table["inserted"].as_u64().unwrap() > 0;
        assert_eq!(filled, table["outcome"] == "done", "{name}: {table}");
    }

    let second = place.run(&arguments).exits(0).json();
    for number in ["inserted", "updated", "deleted"] {
        assert_eq!(second["totals"][number], 0, "{number}: {second:#}");
    }
    assert_eq!(count(&second, "users", "unchanged"), 60);
}

#[test]
fn the_demo_shows_what_arrived_and_queries_that_can_be_run() {
    let place = Place::new();
    let demo = place
        .run(&["demo", "--users", "60", "--logs", "2000", "--destination", "duckdb:d.duckdb", "--no-console"])
        .exits(0);
    assert!(
        demo.out.contains("a simulated tenant now stands in duckdb:d.duckdb: 33 tables with "),
        "{}",
        demo.out
    );
    let json = place
        .run(&["demo", "--users", "60", "--logs", "2000", "--destination", "duckdb:d.duckdb", "--json"])
        .exits(0)
        .json();
    for query in json["queries"].as_array().unwrap() {
        let sql = query["sql"].as_str().unwrap();
        let answer =
            place.run(&["sql", sql, "--format", "json", "--destination", "duckdb:d.duckdb"]).exits(0).json();
        assert!(!answer.as_array().unwrap().is_empty(), "{sql}");
    }
}

#[cfg(unix)]
#[test]
fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    place.run(&["demo", "--users", "5", "--logs", "5", "--no-console"]).exits(0);
    let mode = std::fs::metadata(place.path("tenantry.duckdb")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
