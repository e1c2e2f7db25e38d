//! What questions answer, against counting by hand over the same rows.

use std::collections::BTreeSet;

use tenantry_insight::{Filter, Pick, Source, question};

use crate::database::{AGGREGATED, Answer, Database};

const DAY: i64 = 86_400_000_000;
/// 2026-11-01 00:00:00.
const START: i64 = 1_793_491_200_000_000;

/// An event as it is counted by hand.
struct Event {
    /// Days and hours since [`START`].
    day: i64,
    hour: i64,
    kind: &'static str,
    user: usize,
    client: usize,
    connection: usize,
    ip: usize,
}

/// Events that differ in all that questions count by, from a fixed sequence.
fn events(count: usize) -> Vec<Event> {
    let mut state = 42_u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let kinds =
        ["s", "s", "s", "scoa", "ssa", "fp", "fp", "fu", "f", "ss", "seacft", "limit_wc", "gd_auth_succeed"];
    let event = |_| Event {
        day: next(45) as i64,
        hour: next(24) as i64,
        kind: kinds[next(kinds.len())],
        user: next(30),
        client: next(3),
        connection: next(2),
        ip: next(8),
    };
    (0..count).map(event).collect()
}

fn filled(events: &[Event]) -> Database {
    let mut database = Database::new();
    for event in events {
        let at = START + event.day * DAY + event.hour * 3_600_000_000 + 1_234_567;
        let at =
            format!("{}", jiff::Timestamp::from_microsecond(at).unwrap().strftime("%Y-%m-%d %H:%M:%S%.f"));
        let (user, client) = (format!("auth0|{}", event.user), format!("client{}", event.client));
        let (connection, ip) = (format!("con_{}", event.connection), format!("192.0.2.{}", event.ip));
        let user = if event.kind == "fu" { "" } else { &user };
        let words = format!("words of {}", event.kind);
        database.event(
            event.kind,
            &at,
            &[
                ("user_id", user),
                ("client_id", &client),
                ("connection_id", &connection),
                ("ip", &ip),
                ("description", &words),
            ],
        );
    }
    database.aggregate();
    database
}

fn is_login(event: &Event) -> bool {
    ["s", "scoa", "sens"].contains(&event.kind)
}

fn is_failure(event: &Event) -> bool {
    ["f", "fp", "fu", "fc", "fco", "fcoa", "fens"].contains(&event.kind)
}

fn day(number: i64) -> String {
    jiff::Timestamp::from_microsecond(START + number * DAY).unwrap().strftime("%Y-%m-%dT00:00:00").to_string()
}

/// The answer from the tables, which has to be the same from the aggregates.
#[track_caller]
fn ask(database: &mut Database, id: &str, filter: &Filter) -> Answer {
    let question = question(id).unwrap();
    let answer = database.ask(&question.sql(filter, Source::Tables));
    assert_eq!(answer.rows, database.ask(&question.sql(filter, AGGREGATED)).rows, "{id}");
    answer
}

/// A filter; its application, its connection and its days by number.
type Narrowed = (Filter, Option<usize>, Option<usize>, (i64, i64));

/// Filters by everything: an application, a connection, both, and neither; over all days, and over some.
fn filters() -> Vec<Narrowed> {
    let mut filters = Vec::new();
    for client in [None, Some(1)] {
        for connection in [None, Some(0)] {
            for (from, to) in [(0, 46), (10, 33)] {
                let filter = Filter {
                    since: START + from * DAY,
                    until: START + to * DAY,
                    now: START + 45 * DAY,
                    client: client.map(|number| format!("client{number}")),
                    connection: connection.map(|number| format!("con_{number}")),
                };
                filters.push((filter, client, connection, (from, to)));
            }
        }
    }
    filters
}

fn passes(event: &Event, client: Option<usize>, connection: Option<usize>) -> bool {
    client.is_none_or(|client| client == event.client)
        && connection.is_none_or(|connection| connection == event.connection)
}

#[test]
fn logins_and_failures_by_day_are_those_counted_by_hand() {
    let events = events(2_000);
    let mut database = filled(&events);
    for (filter, client, connection, (from, to)) in filters() {
        let mut expected = Vec::new();
        for number in from..to {
            let of_day: Vec<&Event> =
                events.iter().filter(|e| e.day == number && passes(e, client, connection)).collect();
            if !of_day.is_empty() {
                let logins = of_day.iter().filter(|e| is_login(e)).count();
                let failures = of_day.iter().filter(|e| is_failure(e)).count();
                expected.push(format!("{} {logins} {failures}", day(number)));
            }
        }
        let answer = ask(&mut database, "logins-by-day", &filter);
        assert_eq!(answer.of(&["day", "logins", "failures"]), expected, "{filter:?}");
    }
}

#[test]
fn active_users_are_distinct_in_each_window() {
    let events = events(600);
    let mut database = filled(&events);
    for (filter, client, connection, (from, to)) in filters() {
        let users = |days: std::ops::RangeInclusive<i64>| {
            let seen = events
                .iter()
                .filter(|e| is_login(e) && days.contains(&e.day) && passes(e, client, connection))
                .map(|e| e.user);
            seen.collect::<BTreeSet<_>>().len()
        };
        // The first login of anybody begins the calendar, the last event of any kind ends it.
        let first = events.iter().filter(|e| is_login(e)).map(|e| e.day).min().unwrap();
        let last = events.iter().map(|e| e.day).max().unwrap();
        let expected: Vec<String> = (from.max(first)..to.min(last + 1))
            .map(|d| format!("{} {} {} {}", day(d), users(d..=d), users(d - 6..=d), users(d - 29..=d)))
            .collect();
        let answer = ask(&mut database, "active-users", &filter);
        assert_eq!(answer.of(&["day", "daily", "weekly", "monthly"]), expected, "{filter:?}");
    }
}

#[test]
fn failures_by_address_are_those_counted_by_hand_and_so_are_the_rows_behind_them() {
    let events = events(1_500);
    let mut database = filled(&events);
    for (filter, client, connection, (from, to)) in filters() {
        let chosen: Vec<&Event> = events
            .iter()
            .filter(|e| is_failure(e) && (from..to).contains(&e.day) && passes(e, client, connection))
            .collect();
        let mut expected = Vec::new();
        for ip in 0..8 {
            let of_ip: Vec<&&Event> = chosen.iter().filter(|e| e.ip == ip).collect();
            if of_ip.is_empty() {
                continue;
            }
            let users: BTreeSet<usize> = of_ip.iter().filter(|e| e.kind != "fu").map(|e| e.user).collect();
            let unknown = of_ip.iter().filter(|e| e.kind == "fu").count();
            expected.push((of_ip.len(), format!("192.0.2.{ip} {} {} {unknown}", of_ip.len(), users.len())));
        }
        expected.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let expected: Vec<String> = expected.into_iter().map(|(_, line)| line).collect();
        let answer = ask(&mut database, "failures-by-ip", &filter);
        assert_eq!(answer.of(&["ip", "failures", "users", "unknown"]), expected, "{filter:?}");
        let pick = Pick { label: Some("192.0.2.3".into()), ..Pick::default() };
        let rows = question("failures-by-ip").unwrap().rows_sql(&filter, &pick, 10_000).unwrap();
        assert_eq!(database.ask(&rows).rows.len(), chosen.iter().filter(|e| e.ip == 3).count());
    }
}

/// Counts by hand, by question and value column: which events each column of numbers counts.
type Counted = (&'static str, &'static str, fn(&Event) -> bool);

const SUMS: &[Counted] = &[
    ("logins-by-day", "logins", is_login),
    ("logins-by-hour", "failures", is_failure),
    ("logins-by-hour-of-day", "logins", is_login),
    ("logins-by-client", "logins", is_login),
    ("logins-by-client", "failures", is_failure),
    ("logins-by-connection", "failures", is_failure),
    ("logins-by-host", "logins", is_login),
    ("signups-by-day", "signups", |e| e.kind == "ss"),
    ("failures-by-reason", "failures", is_failure),
    ("failures-by-type", "wrong_password", |e| e.kind == "fp"),
    ("failures-by-type", "unknown_user", |e| e.kind == "fu"),
    ("failures-by-type", "other", |e| is_failure(e) && e.kind != "fp" && e.kind != "fu"),
    ("failures-by-ip", "failures", is_failure),
    ("failures-by-client", "failures", is_failure),
    ("stuffing-signal", "signs", |e| ["f", "fp", "fu", "limit_wc"].contains(&e.kind)),
    ("protection-by-day", "brute_force", |e| e.kind == "limit_wc"),
    ("tokens-by-client", "tokens", |e| e.kind == "seacft"),
];

#[test]
fn sums_are_those_counted_by_hand_and_as_many_rows_stand_behind_them() {
    let events = events(1_200);
    let mut database = filled(&events);
    for (filter, client, connection, (from, to)) in filters() {
        for (id, column, counts) in SUMS {
            let chosen = events
                .iter()
                .filter(|e| counts(e) && (from..to).contains(&e.day) && passes(e, client, connection));
            let expected = chosen.count();
            let answer = ask(&mut database, id, &filter);
            let sum: usize = answer.of(&[column]).iter().map(|cell| cell.parse::<usize>().unwrap()).sum();
            assert_eq!(sum, expected, "{id}: {column}, {filter:?}");
            let pick = Pick { value: Some((*column).to_owned()), ..Pick::default() };
            let rows = question(id).unwrap().rows_sql(&filter, &pick, 10_000).unwrap();
            // Where one column alone is a number, it needs no picking, and the rows are all of them.
            assert_eq!(database.ask(&rows).rows.len(), expected, "{id}: rows behind {column}, {filter:?}");
        }
    }
}

#[test]
fn what_is_picked_in_a_chart_narrows_the_rows_to_what_it_counts() {
    let events = events(1_200);
    let mut database = filled(&events);
    let filter = Filter::last_days(45, START + 45 * DAY);
    let answer = ask(&mut database, "failures-by-reason", &filter);
    assert!(answer.rows.len() >= 3);
    for row in answer.rows.clone() {
        let pick = Pick { label: Some(row[0].clone()), also: Some(row[1].clone()), ..Pick::default() };
        let rows = question("failures-by-reason").unwrap().rows_sql(&filter, &pick, 10_000).unwrap();
        assert_eq!(database.ask(&rows).rows.len(), row[2].parse::<usize>().unwrap(), "{row:?}");
    }
    for number in 0..45 {
        let span = (START + number * DAY, START + (number + 1) * DAY);
        let pick = Pick { value: Some("logins".into()), span: Some(span), ..Pick::default() };
        let rows = question("logins-by-day").unwrap().rows_sql(&filter, &pick, 10_000).unwrap();
        let expected = events.iter().filter(|e| is_login(e) && e.day == number).count();
        assert_eq!(database.ask(&rows).rows.len(), expected, "day {number}");
    }
}

fn user(database: &mut Database, number: usize, cells: &[(&str, &str)]) {
    let id = format!("auth0|{number}");
    let mut row = vec![("id", id.as_str()), ("created_at", "2026-11-02 08:00:00")];
    row.extend_from_slice(cells);
    database.add("users", &row);
}

#[test]
fn the_funnel_narrows_from_step_to_step_and_so_do_its_rows() {
    let mut database = Database::new();
    user(&mut database, 1, &[]);
    user(&mut database, 2, &[("email_verified", "true")]);
    user(&mut database, 3, &[("email_verified", "true"), ("logins_count", "1")]);
    user(&mut database, 4, &[("email_verified", "true"), ("logins_count", "7")]);
    user(&mut database, 5, &[("logins_count", "7")]);
    user(&mut database, 6, &[("created_at", "2025-01-01"), ("email_verified", "true")]);
    user(&mut database, 7, &[("_fivetran_deleted", "true")]);
    let filter = Filter::last_days(30, START + 10 * DAY);
    database.aggregate();
    let answer = ask(&mut database, "signup-funnel", &filter);
    let steps = answer.of(&["step", "users"]);
    assert_eq!(steps, ["1-created 5", "2-verified 3", "3-logged-in 2", "4-came-back 1"]);
    for (row, expected) in answer.rows.iter().zip([5, 3, 2, 1]) {
        let pick = Pick { label: Some(row[0].clone()), ..Pick::default() };
        let rows = question("signup-funnel").unwrap().rows_sql(&filter, &pick, 100).unwrap();
        assert_eq!(database.ask(&rows).rows.len(), expected, "{row:?}");
    }
}

#[test]
fn last_logins_fall_into_the_bucket_that_they_belong_to() {
    let mut database = Database::new();
    let now = START + 30 * DAY;
    for (number, days) in [1, 29, 31, 89, 100, 200, 400, 4_000].into_iter().enumerate() {
        let at = jiff::Timestamp::from_microsecond(now - days * DAY).unwrap();
        let at = at.strftime("%Y-%m-%d %H:%M:%S").to_string();
        user(&mut database, number, &[("last_login", &at), ("created_at", "2010-01-01")]);
    }
    user(&mut database, 100, &[]);
    database.aggregate();
    let answer = ask(&mut database, "last-logins", &Filter::last_days(1, now));
    assert_eq!(
        answer.of(&["since_login", "users"]),
        ["1-month 2", "2-quarter 2", "3-half-year 1", "4-year 1", "5-longer 2", "6-never 1"]
    );
    let dormant = ask(&mut database, "dormant-users", &Filter::last_days(1, now));
    assert_eq!(dormant.of(&["user_id"]), ["auth0|7", "auth0|6"]);
}

#[test]
fn unused_applications_and_grants_are_those_without_a_token() {
    let mut database = Database::new();
    for id in ["used", "long-ago", "never"] {
        database.add("client", &[("id", id), ("name", id)]);
        database
            .add("client_grant", &[("id", id), ("client_id", id), ("audience", "https://api.example.com/")]);
    }
    database.add("client", &[("id", "all"), ("name", "All Applications"), ("global", "true")]);
    let audience = [("client_id", "used"), ("audience", "https://api.example.com/")];
    database.event("seccft", "2026-11-20 08:00:00", &audience);
    database.event("s", "2026-07-01 08:00:00", &[("client_id", "long-ago")]);
    database.aggregate();
    let filter = Filter::last_days(30, START + 30 * DAY);
    assert_eq!(ask(&mut database, "unused-clients", &filter).of(&["client_id"]), ["never", "long-ago"]);
    assert_eq!(ask(&mut database, "unused-grants", &filter).of(&["client_id"]), ["long-ago", "never"]);
}

#[test]
fn who_changed_what_is_read_from_the_json_that_the_log_holds() {
    let mut database = Database::new();
    let by = |user: &'static str, path: &'static str| {
        [
            ("request_auth_user", user),
            ("client_id", "script"),
            ("request_method", "delete"),
            ("request_path", path),
        ]
    };
    database.event(
        "sapi",
        "2026-11-02 08:00:00",
        &by(r#"{"name":"A","email":"a@example.com"}"#, "/api/v2/x"),
    );
    database.event("sapi", "2026-11-02 08:01:00", &by(r#"{"name":"Only a name"}"#, "/api/v2/y"));
    database.event("sapi", "2026-11-02 08:02:00", &by("{}", "/api/v2/z"));
    database.event("sapi", "2026-11-02 08:03:00", &by("not {json", "/api/v2/z"));
    database.aggregate();
    let filter = Filter::last_days(30, START + 10 * DAY);
    let answer = ask(&mut database, "changes-by-person", &filter);
    assert_eq!(
        answer.of(&["person", "deletions"]),
        ["Only a name 1", "a@example.com 1", "not {json 1", "script 1"]
    );
    let pick = Pick { label: Some("script".into()), ..Pick::default() };
    let rows = question("changes-by-person").unwrap().rows_sql(&filter, &pick, 10).unwrap();
    assert_eq!(database.ask(&rows).of(&["request_path"]), ["/api/v2/z"]);
}
