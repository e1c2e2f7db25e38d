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
