//! `detect`, and known questions by `sql --question`: what is found on what the simulated tenant really did.

use serde_json::Value;
use tenantry_simulator::{Config, Simulation};

use crate::harness::{Place, Tenant};

/// A tenant in which nothing bad has happened yet, its clock as ours: nobody acts by chance.
fn quiet() -> Config {
    let start = jiff::Timestamp::now().as_microsecond();
    Config { users: 150, logs: 0, oddities: false, start, ..Tenant::config() }
}

fn after(play: impl FnOnce(&mut Simulation)) -> Place {
    let tenant = Tenant::after(quiet(), play);
    let place = Place::of(&tenant);
    place.run(&["sync"]).exits(0);
    place
}

/// Ids of the detections that found something.
fn found(answer: &Value) -> Vec<&str> {
    let detections = answer["detections"].as_array().unwrap().iter();
    detections.filter(|one| one["outcome"] == "found").map(|one| one["id"].as_str().unwrap()).collect()
}

fn detections(place: &Place, code: i32) -> Value {
    place.run(&["detect", "--select", "detections", "--since", "1d", "--json"]).exits(code).json()
}

#[test]
fn a_quiet_tenant_has_no_findings() {
    let place = after(|_| {});
    let answer = detections(&place, 0);
    assert_eq!(found(&answer), Vec::<&str>::new());
    assert_eq!((&answer["outcome"], &answer["exit_code"]), (&"done".into(), &0.into()));
    assert!(
        answer["detections"].as_array().unwrap().iter().all(|one| one["outcome"] == "clear"),
        "{answer:#}"
    );
}

#[test]
fn a_spraying_attack_is_found_with_the_user_who_was_taken_over() {
    let mut done = Value::Null;
    let place = after(|simulation| {
        let now = simulation.now();
        done = simulation.scene(tenantry_simulator::Scene::PasswordSpraying, 60, 1, now);
    });
    let answer = detections(&place, 1);
    assert_eq!(found(&answer), ["password-spraying", "takeover-after-failures"]);
    let one = |id: &str| answer["detections"].as_array().unwrap().iter().find(|one| one["id"] == id).unwrap();
    let spraying = &one("password-spraying")["rows"][0];
    assert_eq!((&spraying["ip"], &spraying["failures"]), (&done["address"], &done["failures"]));
    assert_eq!(one("takeover-after-failures")["rows"][0]["user_id"], done["taken_over"]);
    let shown = place.run(&["detect", "--select", "password-spraying", "--since", "1d"]).exits(1).out;
    assert!(shown.contains("1 detection found something") && shown.contains("198.18.0.66"), "{shown}");
    let japanese = place.run(&["detect", "--select", "password-spraying", "--lang", "ja"]).exits(1).out;
    assert!(japanese.contains("パスワードスプレー攻撃"), "{japanese}");
}

#[test]
fn an_administrators_mistake_is_found_in_its_three_parts() {
    let place = after(|simulation| {
        let now = simulation.now();
        simulation.scene(tenantry_simulator::Scene::AdministratorMistake, 15, 1, now);
    });
    let answer = detections(&place, 1);
    assert_eq!(found(&answer), ["mass-deletion", "brute-force-settings", "insecure-grant-type"]);
}

#[test]
fn a_deleted_organization_is_found_with_its_name_and_members() {
    let mut done = Value::Null;
    let place = after(|simulation| {
        let now = simulation.now();
        done = simulation.scene(tenantry_simulator::Scene::DeletedOrganization, 1, 1, now);
    });
    let answer = detections(&place, 1);
    assert_eq!(found(&answer), ["organization-deleted"]);
    let detection =
        answer["detections"].as_array().unwrap().iter().find(|one| one["outcome"] == "found").unwrap();
    assert_eq!(detection["rows"][0]["organization_id"], done["organization_deleted"]);
}

#[test]
fn hygiene_has_a_score_and_ends_with_1_where_anything_offends() {
    let place = after(|_| {});
    let answer = place.run(&["detect", "--select", "hygiene", "--json"]).exits(1).json();
    let score = answer["posture"].as_u64().unwrap();
    let checks = answer["checks"].as_array().unwrap();
    let weight = |outcome: Option<&str>| -> u64 {
        let counted = checks.iter().filter(|check| outcome.is_none_or(|outcome| check["outcome"] == outcome));
        counted.map(|check| check["weight"].as_u64().unwrap()).sum()
    };
    assert_eq!(score, weight(Some("pass")) * 100 / weight(None));
    assert!(score < 100);
    let shown = place.run(&["detect", "--select", "hygiene"]).exits(1).out;
    assert!(shown.contains(&format!("posture {score} of 100")), "{shown}");
}

#[test]
fn what_no_run_has_filled_is_unknown_and_no_finding() {
    let tenant = Tenant::of(quiet());
    let place = Place::of(&tenant);
    place.run(&["sync", "--select", "users"]).exits(0);
    let answer = place.run(&["detect", "--select", "password-spraying", "--json"]).exits(0).json();
    assert_eq!(answer["detections"][0]["outcome"], "unknown");
    assert_eq!(answer["detections"][0]["missing_tables"], serde_json::json!(["logs"]));
    let shown = place.run(&["detect", "--select", "password-spraying"]).exits(0).out;
    assert!(shown.contains("password-spraying: logs"), "{shown}");
}

#[test]
fn the_sql_of_a_detection_runs_as_it_is_printed() {
    let place = after(|simulation| {
        let now = simulation.now();
        simulation.scene(tenantry_simulator::Scene::PasswordSpraying, 60, 1, now);
    });
    let sql = place.run(&["detect", "--sql", "password-spraying"]).exits(0).out;
    let answer = place.run(&["sql", sql.trim(), "--format", "json"]).exits(0).json();
    assert_eq!(answer.as_array().unwrap().len(), 1);
    let refused = place.run(&["detect", "--sql", "password-spraing"]).exits(2);
    assert!(refused.err.contains("did you mean `password-spraying`?"), "{}", refused.err);
}

#[test]
fn a_known_question_is_answered_by_name_and_narrowed() {
    let mut clients = Vec::new();
    let place = after(|simulation| {
        let now = simulation.now();
        simulation.logins(40, 1, now);
        let logged = simulation
            .events(now + 1_000_000)
            .map(|(_, event)| serde_json::from_str::<Value>(event).unwrap());
        let logins = logged.filter(|event| event["type"] == "s");
        clients = logins.map(|event| event["client_id"].as_str().unwrap_or_default().to_owned()).collect();
    });
    let sum = |arguments: &[&str]| -> u64 {
        let arguments = [&["sql", "--question", "logins-by-day", "--format", "json"], arguments].concat();
        let rows = place.run(&arguments).exits(0).json();
        rows.as_array().unwrap().iter().map(|row| row["logins"].as_u64().unwrap()).sum()
    };
    assert_eq!(sum(&[]), clients.len() as u64);
    let one = &clients[0];
    let of_one = clients.iter().filter(|client| *client == one).count() as u64;
    assert_eq!(sum(&["--client", one]), of_one);
    assert_eq!(sum(&["--client", "' or 1 = 1 --"]), 0);
    let printed = place.run(&["sql", "--question", "logins-by-day", "--print"]).exits(0).out;
    assert!(printed.starts_with("with insight_activity as ("), "{printed}");
    let refused = place.run(&["sql", "--question", "dormant-users", "--client", one]).exits(2);
    assert!(refused.err.contains("cannot be narrowed by --client"), "{}", refused.err);
    assert!(place.run(&["sql", "--question", "login-by-day"]).exits(2).err.contains("did you mean"));
    place.run(&["sql"]).exits(2);
}
