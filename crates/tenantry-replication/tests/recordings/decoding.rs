//! Every recorded answer through the source's decoding and normalize; and which columns anything ever filled.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use tenantry_replication::catalog::CATALOG;
use tenantry_replication::clock::Micros;
use tenantry_replication::destination::{MemoryDestination, Value};
use tenantry_replication::source::auth0::HttpRequest;
use tenantry_simulator::{Config, Plan, Request, Simulation};

use crate::archive::{self, Recording};
use crate::equality;
use crate::fills::Fills;
use crate::network::{Answer, Answers, Virtual};
use crate::{endpoints, replay, schemas};

/// Columns that no recording, no published schema and no simulated tenant ever fills, and why they stay empty.
const NEVER_FILLED: &[(&str, &str, &str)] = &[
    ("resource_server", "client", "the layout has it; no recorded answer and no published schema does"),
    ("stats_daily", "leaked_passwords_reset", "not published, and 0 of the recorded days have it"),
    (FROZEN, "_fivetran_id", FROZEN_WHY),
    (FROZEN, "connection", FROZEN_WHY),
    (FROZEN, "is_social", FROZEN_WHY),
    (FROZEN, "provider", FROZEN_WHY),
    (FROZEN, "user_id", FROZEN_WHY),
];
const FROZEN: &str = "user_identities_discontinued_20250812_000000";
const FROZEN_WHY: &str = "frozen: no endpoint feeds it, only the migration that it is named after";

#[tokio::test]
async fn every_recorded_answer_is_read_and_nothing_valid_is_refused() {
    let Some(recordings) = archive::recordings() else { return };
    let Some(published) = schemas::answers() else { return };
    let mut answers: BTreeMap<&str, u64> = BTreeMap::new();
    let mut recorded = Fills::default();
    let mut refused = BTreeSet::new();
    for recording in recordings.iter().filter(|recording| recording.is_read()) {
        let Some(answer) = endpoints::answer(&recording.path, &recording.body) else { continue };
        *answers.entry(answer.stream.name).or_default() += 1;
        let pages = replay::pages(&answer).await;
        for quarantined in recorded.take(answer.stream, &pages) {
            if !is_excused(recording, &quarantined.reason) {
                let Recording { source, seq, path, .. } = recording;
                refused
                    .insert(format!("{source} {seq} {path}: {}: {}", quarantined.table, quarantined.reason));
            }
        }
    }
    assert_eq!(refused, BTreeSet::new(), "a valid answer is refused");

    let mut documented = Fills::default();
    for answer in &published {
        for quarantined in documented.take(answer.stream, std::slice::from_ref(&answer.page)) {
            refused.insert(format!("{}: {}", quarantined.table, quarantined.reason));
        }
    }
    assert_eq!(refused, BTreeSet::new(), "an answer by a published schema is refused");

    let simulated = simulated().await;
    insta::assert_snapshot!(
        "how_often_each_column_is_filled",
        shown(&answers, [&recorded, &documented], &simulated)
    );
    let empty: BTreeSet<(&str, &str)> = columns()
        .filter(|(table, column)| {
            [&recorded, &documented, &simulated].iter().all(|fills| fills.filled(table, column) == 0)
        })
        .collect();
    let excused: BTreeSet<(&str, &str)> =
        NEVER_FILLED.iter().map(|(table, column, _)| (*table, *column)).collect();
    assert_eq!(empty, excused, "columns that nothing fills, and those that have a reason");
}

fn columns() -> impl Iterator<Item = (&'static str, &'static str)> {
    CATALOG.tables().flat_map(|table| table.data_columns().map(|column| (table.name, column.name)))
}

/// Whether the request itself left the key out, by a selection of fields that no stream makes. (The log then leaves its `log_id` out even
/// where only another member was excluded.)
fn is_excused(recording: &Recording, reason: &str) -> bool {
    recording.parameter("fields").is_some() && reason.ends_with(": no key")
}

/// One line for each table and column, in catalog order. Of a simulated tenant only whether it fills a column: it grows with the simulator.
fn shown(answers: &BTreeMap<&str, u64>, [recorded, documented]: [&Fills; 2], simulated: &Fills) -> String {
    let mut out = String::from("recorded answers by stream\n");
    for (stream, count) in answers {
        let _ = writeln!(out, "{stream:<74}{count:>10}");
    }
    let _ = write!(out, "\n{:<74}{:>10}{:>10}  simulated\n", "filled cells", "recorded", "published");
    for table in CATALOG.tables() {
        let _ = writeln!(
            out,
            "{:<74}{:>10}{:>10}",
            table.name,
            recorded.rows(table.name),
            documented.rows(table.name)
        );
        for column in table.data_columns() {
            let count = |fills: &Fills| fills.filled(table.name, column.name);
            let filled = if count(simulated) > 0 { "yes" } else { "no" };
            let _ = writeln!(
                out,
                "    {:<70}{:>10}{:>10}  {filled}",
                column.name,
                count(recorded),
                count(documented)
            );
        }
    }
    out
}

/// What a simulated tenant fills, read by a whole run.
async fn simulated() -> Fills {
    let config = Config { users: 300, logs: 3_000, plan: Plan::Unlimited, ..Config::default() };
    let simulation = Simulation::new(config);
    let clock = Virtual::at(simulation.start());
    let destination = Arc::new(MemoryDestination::new());
    let answers = Arc::new(Simulated(Mutex::new(simulation)));
    let report = equality::sync(answers, &clock, &destination).await;
    assert!(report.all_done(), "{report:?}");
    assert_eq!(destination.quarantined(), []);
    let mut fills = Fills::default();
    for table in CATALOG.tables() {
        let rows = destination.rows(table.name);
        fills.count(table.name, rows.len() as u64);
        for column in table.data_columns() {
            let filled = rows.iter().filter(|row| row.values[column.name] != Value::Null).count();
            fills.fill(table.name, column.name, filled as u64);
        }
    }
    fills
}

struct Simulated(Mutex<Simulation>);

impl Answers for Simulated {
    fn answer(&self, request: &HttpRequest, now: Micros) -> Answer {
        let request = Request {
            method: request.method.name().to_owned(),
            path: request.url.path.clone(),
            query: request.url.query.clone(),
            headers: request
                .headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
            body: request.body.to_vec(),
        };
        let response = self.0.lock().unwrap().handle(&request, now);
        Answer { status: response.status, headers: response.headers, body: response.body.into() }
    }
}
