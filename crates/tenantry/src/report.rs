//! What a run did, for people, for programs, and as an exit status.
//!
//! The numbers are the engine's; this only adds them up and says what to do about what is not done.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tenantry_replication::catalog::{CATALOG, Catalog, Stream};
use tenantry_replication::source::Access;
use tenantry_replication::state::TableRecord;
use tenantry_replication::sync::{Outcome, Report};

use crate::error::Exit;
use crate::terminal::table::{Align, TextTable};
use crate::terminal::text;

/// Where in the Dashboard scopes are granted.
pub(crate) const WHERE_TO_GRANT: &str =
    "Dashboard > APIs > Auth0 Management API > Machine to Machine Applications";

/// How a run counts. A gap goes first: it is reported only by the run that finds it, whereas a failed table fails again.
pub(crate) fn exit(report: &Report) -> Exit {
    if report.gaps > 0 {
        return Exit::Gap;
    }
    if report.all_done() {
        return Exit::Done;
    }
    if report.was_stopped() {
        return Exit::Budget;
    }
    let nothing_ran =
        report.tables.iter().all(|table| is(table, Outcome::Skipped) || is(table, Outcome::Frozen));
    if nothing_ran { Exit::Credentials } else { Exit::Incomplete }
}

fn is(table: &TableRecord, outcome: Outcome) -> bool {
    table.outcome == outcome.word()
}

/// The sum of one number over all tables.
fn total(report: &Report, number: impl Fn(&TableRecord) -> u64) -> u64 {
    report.tables.iter().map(number).sum()
}

/// One object: each table, the totals, and how it ended.
pub(crate) fn to_json(report: &Report) -> Value {
    let exit = exit(report);
    let table = |table: &TableRecord| {
        json!({
            "table": table.table,
            "outcome": table.outcome,
            "message": table.message,
            "inserted": table.inserted,
            "updated": table.updated,
            "deleted": table.deleted,
            "unchanged": table.unchanged,
            "drifted": table.drifted,
            "quarantined": table.quarantined,
            "requests": table.requests,
            "limited": table.limited,
            "waited": rounded(table.waited),
            "seconds": rounded(table.seconds),
        })
    };
    let (limited, waited) = delays(report);
    json!({
        "outcome": exit.word(),
        "exit_code": exit.code(),
        "run": report.run,
        "tables": report.tables.iter().map(table).collect::<Vec<_>>(),
        "totals": {
            "inserted": total(report, |table| table.inserted),
            "updated": total(report, |table| table.updated),
            "deleted": total(report, |table| table.deleted),
            "unchanged": total(report, |table| table.unchanged),
            "drifted": total(report, |table| table.drifted),
            "quarantined": total(report, |table| table.quarantined),
            "requests": report.requests,
            "limited": limited,
            "waited": rounded(waited),
            "gaps": report.gaps,
            "seconds": rounded(report.seconds),
        },
    })
}

/// Requests that were refused for the rate limit, and seconds that requests waited: tables of one stream tell the same, which counts once.
fn delays(report: &Report) -> (u64, f64) {
    let of_stream = |stream: &Stream| report.tables.iter().find(|table| stream.table(&table.table).is_some());
    let told = CATALOG.streams.iter().filter_map(of_stream);
    told.fold((0, 0.0), |(limited, waited), table| (limited + table.limited, waited + table.waited))
}

/// Seconds to the millisecond: more says nothing.
fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

/// A line for each table, and one for the whole.
pub(crate) fn to_text(report: &Report) -> String {
    let mut table = TextTable::new([
        ("table", Align::Left),
        ("outcome", Align::Left),
        ("inserted", Align::Right),
        ("updated", Align::Right),
        ("deleted", Align::Right),
        ("unchanged", Align::Right),
        ("quarantined", Align::Right),
        ("requests", Align::Right),
        ("time", Align::Right),
    ]);
    for record in &report.tables {
        let numbers = [
            record.inserted,
            record.updated,
            record.deleted,
            record.unchanged,
            record.quarantined,
            record.requests,
        ];
        let cells = [record.table.clone(), record.outcome.clone()];
        table.row(cells.into_iter().chain(numbers.map(text::count)).chain([text::seconds(record.seconds)]));
    }
    format!("{}\n{}\n", table.render(), summary(report))
}

/// The run in one line.
pub(crate) fn summary(report: &Report) -> String {
    let quarantined = total(report, |table| table.quarantined);
    let aside =
        if quarantined > 0 { format!(", {} quarantined", text::count(quarantined)) } else { String::new() };
    let limited = match delays(report).0 {
        0 => String::new(),
        limited => format!(" ({} refused for the rate limit)", text::count(limited)),
    };
    format!(
        "run {}: {} inserted, {} updated, {} deleted, {} unchanged{aside} in {}{limited} and {}",
        report.run,
        text::counted(total(report, |table| table.inserted), "row"),
        text::count(total(report, |table| table.updated)),
        text::count(total(report, |table| table.deleted)),
        text::count(total(report, |table| table.unchanged)),
        text::counted(report.requests, "request"),
        text::seconds(report.seconds),
    )
}

/// A round of following in one line: each table that it touched, with the rows inserted, updated and deleted.
pub(crate) fn round_to_text(report: &Report) -> String {
    let rows = |table: &TableRecord| {
        let counts = [(table.inserted, '+'), (table.updated, '~'), (table.deleted, '-')];
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        let counts: Vec<String> =
            counts.map(|(count, sign)| format!("{sign}{}", text::count(*count))).collect();
        let said = if counts.is_empty() { table.outcome.clone() } else { counts.join(" ") };
        format!("{} {said}", table.table)
    };
    let tables: Vec<String> = report.touched().map(rows).collect();
    let (requests, seconds) = (text::counted(report.requests, "request"), text::seconds(report.seconds));
    format!("{} ({requests}, {seconds})", tables.join(", "))
}

/// The same as one object: as of a sync, with the tables that were touched alone.
pub(crate) fn round_to_json(report: &Report, now: &str) -> Value {
    let touched = Report { tables: report.touched().cloned().collect(), ..report.clone() };
    let mut object = to_json(&touched);
    object["at"] = now.into();
    object
}

/// What needs a look: tables that are not up to date grouped by what they have in common, quarantined records, gaps.
pub(crate) fn warnings(report: &Report, state_schema: &str) -> Vec<String> {
    let mut groups: Vec<(&str, &str, Vec<&str>)> = Vec::new();
    for table in
        report.tables.iter().filter(|table| is(table, Outcome::Skipped) || is(table, Outcome::Failed))
    {
        let message = table.message.as_deref().unwrap_or("no reason was given");
        match groups.iter_mut().find(|(outcome, said, _)| *outcome == table.outcome && *said == message) {
            Some((_, _, names)) => names.push(&table.table),
            None => groups.push((&table.outcome, message, vec![&table.table])),
        }
    }
    let mut warnings: Vec<String> = groups
        .into_iter()
        .map(|(outcome, message, names)| format!("{outcome}: {}: {message}", names.join(", ")))
        .collect();
    let stopped: Vec<&str> = report
        .tables
        .iter()
        .filter(|table| is(table, Outcome::Stopped))
        .map(|table| table.table.as_str())
        .collect();
    if !stopped.is_empty() {
        warnings.push(format!(
            "stopped: {}: what was allowed is used up, and they are not up to date yet",
            stopped.join(", ")
        ));
    }
    for table in report.tables.iter().filter(|table| table.drifted > 0) {
        let (rows, name) = (text::counted(table.drifted, "row"), &table.table);
        warnings.push(format!(
            "{rows} of {name} had drifted: nothing in the log told of it, and this full read corrected it"
        ));
    }
    let quarantined = total(report, |table| table.quarantined);
    if quarantined > 0 {
        let records = text::counted(quarantined, "record");
        warnings
            .push(format!("{records} did not fit and stand in {state_schema}.quarantine with the reason"));
    }
    if report.gaps > 0 {
        let gaps = text::counted(report.gaps, "gap");
        warnings.push(format!(
            "{gaps} recorded in {state_schema}.gap: the tenant no longer keeps what came before"
        ));
    }
    warnings
}

/// For each scope that is missing, the tables that wait for it.
pub(crate) fn missing_scopes<'a>(
    catalog: &'static Catalog,
    access: &Access,
    tables: impl IntoIterator<Item = &'a str>,
) -> BTreeMap<&'static str, Vec<&'a str>> {
    let mut missing: BTreeMap<&'static str, Vec<&str>> = BTreeMap::new();
    let Some(granted) = &access.scopes else { return missing };
    for table in tables {
        let Some(endpoint) = catalog.stream_of(table).and_then(|stream| stream.endpoint.as_ref()) else {
            continue;
        };
        if !granted.iter().any(|scope| scope == endpoint.scope) {
            missing.entry(endpoint.scope).or_default().push(table);
        }
    }
    missing
}

/// What to grant, to whom and where.
pub(crate) fn grant_hint(
    scopes: &BTreeMap<&'static str, Vec<&str>>,
    client_id: Option<&str>,
) -> Option<String> {
    if scopes.is_empty() {
        return None;
    }
    let scopes: Vec<String> = scopes.keys().map(|scope| format!("`{scope}`")).collect();
    let application =
        client_id.map_or_else(|| "the application".to_owned(), |id| format!("application {id}"));
    Some(format!("grant {} to {application}: {WHERE_TO_GRANT}", scopes.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(table: &str, outcome: Outcome, message: Option<&str>) -> TableRecord {
        TableRecord {
            table: table.into(),
            outcome: outcome.word().into(),
            message: message.map(str::to_owned),
            inserted: 1200,
            updated: 2,
            deleted: 1,
            unchanged: 0,
            drifted: 0,
            quarantined: 0,
            requests: 12,
            limited: 0,
            waited: 0.0,
            began: 0.0,
            seconds: 0.25,
        }
    }

    fn report(tables: Vec<TableRecord>) -> Report {
        Report { run: 3, tables, requests: 12, gaps: 0, seconds: 1.23456 }
    }

    #[test]
    fn exit_codes_say_what_happened() {
        let done = record("a", Outcome::Done, None);
        let skipped = record("b", Outcome::Skipped, Some("the token lacks `read:b`"));
        let failed = record("c", Outcome::Failed, Some("no answer"));
        let frozen = record("d", Outcome::Frozen, None);
        assert_eq!(exit(&report(vec![done.clone(), frozen.clone()])), Exit::Done);
        assert_eq!(exit(&report(vec![done.clone(), skipped.clone()])), Exit::Incomplete);
        assert_eq!(exit(&report(vec![failed.clone()])), Exit::Incomplete);
        assert_eq!(exit(&report(vec![skipped.clone(), frozen])), Exit::Credentials);
        let stopped = record("s", Outcome::Stopped, Some("read page 3 of /users: used up"));
        assert_eq!(exit(&report(vec![done, stopped, failed.clone()])), Exit::Budget);
        assert_eq!(exit(&Report { gaps: 1, ..report(vec![failed]) }), Exit::Gap);
    }

    #[test]
    fn people_read_a_table_and_a_line() {
        let report = report(vec![record("a", Outcome::Done, None), record("bcd", Outcome::Frozen, None)]);
        insta::assert_snapshot!(anstream::adapter::strip_str(&to_text(&report)).to_string(), @r"
        table  outcome  inserted  updated  deleted  unchanged  quarantined  requests   time
        a      done        1,200        2        1          0            0        12  0.2 s
        bcd    frozen      1,200        2        1          0            0        12  0.2 s

        run 3: 2,400 rows inserted, 4 updated, 2 deleted, 0 unchanged in 12 requests and 1.2 s
        ");
    }

    #[test]
    fn programs_read_one_object() {
        let json = to_json(&report(vec![record("a", Outcome::Done, None)]));
        assert_eq!(json["outcome"], "done");
        assert_eq!(json["exit_code"], 0);
        assert_eq!(json["totals"]["inserted"], 1200);
        assert_eq!(json["totals"]["seconds"], 1.235);
        assert_eq!(json["tables"][0]["requests"], 12);
    }

    #[test]
    fn a_round_names_the_tables_that_it_touched_and_no_others() {
        let quiet = TableRecord { inserted: 0, updated: 0, deleted: 0, ..record("q", Outcome::Done, None) };
        let failed =
            TableRecord { table: "f".into(), outcome: Outcome::Failed.word().into(), ..quiet.clone() };
        let report = report(vec![record("a", Outcome::Done, None), quiet, failed]);
        assert_eq!(round_to_text(&report), "a +1,200 ~2 -1, f failed (12 requests, 1.2 s)");
        let json = round_to_json(&report, "2026-11-02T08:00:00Z");
        assert_eq!((&json["at"], &json["outcome"]), (&json!("2026-11-02T08:00:00Z"), &json!("incomplete")));
        let tables: Vec<&str> =
            json["tables"].as_array().unwrap().iter().filter_map(|one| one["table"].as_str()).collect();
        assert_eq!(tables, ["a", "f"]);
    }

    #[test]
    fn tables_with_one_reason_are_warned_of_once() {
        let lacks = Some("the token lacks `read:b`");
        let mut tables = vec![record("b", Outcome::Skipped, lacks), record("c", Outcome::Skipped, lacks)];
        tables[0].quarantined = 2;
        tables[1].drifted = 1;
        assert_eq!(
            warnings(&report(tables), "_tenantry_auth0_acme"),
            [
                "skipped: b, c: the token lacks `read:b`",
                "1 row of c had drifted: nothing in the log told of it, and this full read corrected it",
                "2 records did not fit and stand in _tenantry_auth0_acme.quarantine with the reason"
            ]
        );
    }
}
