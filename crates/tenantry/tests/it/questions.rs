//! `sql`, `status`, `tables` and `schema`: what can be asked.

use std::sync::OnceLock;

use crate::harness::Place;

/// A filled destination that no test changes.
fn filled() -> &'static Place {
    static PLACE: OnceLock<Place> = OnceLock::new();
    PLACE.get_or_init(|| {
        let place = Place::new();
        place.run(&["demo", "--users", "40", "--logs", "100"]).exits(0);
        place
    })
}

const VALUES: &str = "select * from (values (1, 'a,\"b', null, true, timestamp '2026-11-02 08:00:00'), \
                      (2, '=1+1', 0.5, null, null)) as t(id, text, share, ok, moment) order by id";

#[test]
fn answers_come_as_a_table() {
    insta::assert_snapshot!(filled().run(&["sql", VALUES]).exits(0).out, @r#"
    id  text  share  ok    moment
     1  a,"b   NULL  true  2026-11-02T08:00:00Z
     2  =1+1    0.5  NULL  NULL
    "#);
}

#[test]
fn answers_come_as_csv() {
    let csv = filled().run(&["sql", VALUES, "--format", "csv"]).exits(0).out;
    assert_eq!(
        csv,
        "id,text,share,ok,moment\r\n1,\"a,\"\"b\",,true,2026-11-02T08:00:00Z\r\n2,\"'=1+1\",0.5,,\r\n"
    );
}

#[test]
fn answers_come_as_json() {
    let json = filled().run(&["sql", VALUES, "--format", "json"]).exits(0).json();
    assert_eq!(
        json,
        serde_json::json!([
            { "id": 1, "text": "a,\"b", "share": null, "ok": true, "moment": "2026-11-02T08:00:00Z" },
            { "id": 2, "text": "=1+1", "share": 0.5, "ok": null, "moment": null },
        ])
    );
    let sums = filled()
        .run(&["sql", "select sum(i) as total from range(3) t(i)", "--format", "json"])
        .exits(0)
        .json();
    assert_eq!(sums, serde_json::json!([{ "total": 3 }]));
    let none = filled().run(&["sql", "select 1 as one where false", "--format", "json"]).exits(0).json();
    assert_eq!(none, serde_json::json!([]));
}

#[test]
fn what_would_write_or_reach_outside_is_refused() {
    let place = filled();
    let before = place.run(&["sql", "select count(*) as n from users", "--format", "json"]).exits(0).out;
    for query in [
        "delete from auth0.users",
        "create table t (a int)",
        "select 1; drop table auth0.users",
        "copy auth0.users to 'users.csv'",
        "select * from read_text('/etc/passwd')",
        "attach 'other.duckdb'",
        "install httpfs",
        "set enable_external_access = true",
        "pragma database_list; delete from auth0.users",
        "",
    ] {
        let refused = place.run(&["sql", query]).exits(5);
        assert!(refused.err.starts_with("error: "), "{query}: {}", refused.err);
        assert_eq!(refused.out, "", "{query}");
    }
    assert_eq!(
        place.run(&["sql", "select count(*) as n from users", "--format", "json"]).exits(0).out,
        before
    );
    assert!(!place.path("users.csv").exists() && !place.path("other.duckdb").exists());
}

#[test]
fn a_failed_question_owes_a_program_an_object() {
    let failed = filled().run(&["sql", "select nothing from nowhere", "--format", "json"]).exits(5);
    let json = failed.json();
    assert_eq!((&json["outcome"], &json["exit_code"]), (&"destination".into(), &5.into()));
    assert!(failed.err.contains("nowhere"), "{}", failed.err);
}

#[test]
fn a_destination_that_is_not_there_is_said_and_not_made() {
    let place = Place::new();
    for arguments in [&["status"][..], &["sql", "select 1"]] {
        let missing = place.run(arguments).exits(5);
        assert!(missing.err.contains("there is no such file"), "{}", missing.err);
        assert!(missing.err.contains("`tenantry sync` or `tenantry demo`"), "{}", missing.err);
    }
    assert!(!place.path("tenantry.duckdb").exists());
    let wrong = place.run(&["status", "--destination", "mysql:x"]).exits(2);
    assert!(wrong.err.contains("is no destination: it must look like duckdb:PATH"), "{}", wrong.err);
}

#[test]
fn status_tells_rows_and_freshness_of_every_table() {
    let text = filled().run(&["status"]).exits(0).out;
    assert_eq!(text.lines().count(), 36, "a heading, 33 tables, and how far the log was read: {text}");
    assert!(text.lines().next().unwrap().starts_with("table "), "{text}");
    let json = filled().run(&["status", "--json"]).exits(0).json();
    let users = json["tables"].as_array().unwrap().iter().find(|row| row["table"] == "users").unwrap();
    assert_eq!((&users["live"], &users["deleted"]), (&40.into(), &0.into()));
    assert_eq!(users["last_outcome"], "done");
    assert!(
        users["newest"].as_str().unwrap().ends_with('Z')
            && users["last_success"].as_str().unwrap().ends_with('Z')
    );
}

#[test]
fn the_schema_is_told_in_three_forms() {
    let place = Place::new();
    let mermaid = place.run(&["schema", "--format", "mermaid", "--lang", "ja"]).exits(0).out;
    assert!(mermaid.starts_with("erDiagram\n"), "{mermaid}");
    assert!(mermaid.contains("STRING id PK \"アクションを一意に識別するID\""), "{mermaid}");
    assert_eq!(mermaid.matches("||--o{").count(), 27);
    let sql = place.run(&["schema", "--format", "sql"]).exits(0).out;
    assert_eq!(sql.to_lowercase().matches("create table").count(), 33);
    let json = place.run(&["schema", "--format", "json"]).exits(0).json();
    assert_eq!(json["relationships"].as_array().unwrap().len(), 27);
}

#[test]
fn tables_are_listed_and_shown() {
    let place = Place::new();
    let list = place.run(&["tables"]).exits(0).out;
    assert_eq!(list.lines().count(), 34, "{list}");
    insta::assert_snapshot!(place.run(&["tables", "connection_realm"]).exits(0).out);
    let japanese = place.run(&["tables", "connection_realm", "--lang", "ja"]).exits(0).out;
    assert!(japanese.contains("レルム名"), "{japanese}");
    let json = place.run(&["tables", "connection_realm", "--json"]).exits(0).json();
    assert_eq!(json["endpoint"]["scope"], "read:connections");
    assert_eq!(json["tables"].as_array().unwrap().len(), 1);
    let all = place.run(&["tables", "--json"]).exits(0).json();
    assert_eq!(all["streams"].as_array().unwrap().len(), 16);
}

#[test]
fn a_misspelt_table_is_suggested() {
    insta::assert_snapshot!(Place::new().run(&["tables", "user_identity"]).exits(2).err, @r"
    error: there is no table `user_identity`

    hint: did you mean `user_identities`?
    hint: `tenantry tables` lists all of them
    ");
}

#[test]
fn status_tells_for_how_long_unread_events_are_kept() {
    let safe = filled().run(&["status", "--retention", "9999999d"]).exits(0);
    assert!(
        safe.out.contains("; what came after is kept until ") && safe.out.contains(" left\n"),
        "{}",
        safe.out
    );
    assert!(!safe.err.contains("lost"), "{}", safe.err);
    // The simulated tenant lives in the past.
    let late = filled().run(&["status", "--retention", "1s", "--json"]).exits(0);
    assert!(late.err.contains("log events may be lost already"), "{}", late.err);
    assert_eq!(late.json()["log"]["retention_seconds"], 1);
    assert!(late.json()["log"]["seconds_left"].as_i64().unwrap() < 0);
    assert!(filled().run(&["status"]).exits(0).out.contains("TENANTRY_PLAN tells how long"));
    assert!(filled().run(&["status", "--retention", "x"]).exits(2).err.contains("such as 12h"));
}
