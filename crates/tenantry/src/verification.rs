//! What a verification found, for people, for programs, and as an exit status.
//!
//! Shows merge keys; no other value of a row is known here.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use tenantry_replication::destination::{Comparison, Differing, Key};
use tenantry_replication::sync::{Outcome, Verification, Verified};

use crate::error::Exit;
use crate::terminal::table::{Align, TextTable};
use crate::terminal::text;

/// Keys of each kind of difference in a table that people are shown.
const KEYS_SHOWN_MAX: usize = 5;
/// Columns of a terminal that one key may take.
const KEY_COLUMNS_MAX: usize = 80;

/// How a verification counts.
pub(crate) fn exit(found: &Verification) -> Exit {
    if found.drifted() > 0 {
        return Exit::Incomplete;
    }
    let compared = |table: &Verified| table.outcome == Outcome::Done;
    match (found.all_compared(), found.tables.iter().any(compared)) {
        (true, _) => Exit::Done,
        (false, true) => Exit::Incomplete,
        (false, false) if found.tables.iter().any(|table| table.outcome == Outcome::Failed) => {
            Exit::Incomplete
        }
        (false, false) => Exit::Credentials,
    }
}

/// The groups that differ, with the names that programs and people know them by.
fn groups(comparison: &Comparison) -> [(&'static str, &'static str, &Differing); 5] {
    [
        ("missing", "missing", &comparison.missing),
        ("stale", "stale", &comparison.stale),
        ("wrongly_live", "wrongly live", &comparison.wrongly_live),
        ("wrongly_deleted", "wrongly deleted", &comparison.wrongly_deleted),
        ("not_synced_yet", "not synced yet", &comparison.unsynced),
    ]
}

/// One object: each table with its keys, the totals, and how it ended.
pub(crate) fn to_json(found: &Verification) -> Value {
    let exit = exit(found);
    let table = |table: &Verified| {
        let mut object = Map::new();
        let mut keys = Map::new();
        object.insert("table".to_owned(), table.table.into());
        object.insert("outcome".to_owned(), table.outcome.word().into());
        object.insert("message".to_owned(), table.message.clone().into());
        object.insert("equal".to_owned(), table.comparison.equal.into());
        for (name, _, differing) in groups(&table.comparison) {
            object.insert(name.to_owned(), differing.rows.into());
            keys.insert(name.to_owned(), json!(differing.keys));
        }
        object.insert("key".to_owned(), json!(table.key));
        object.insert("keys".to_owned(), keys.into());
        Value::Object(object)
    };
    let mut totals = Map::new();
    totals.insert("equal".to_owned(), total(found, |comparison| comparison.equal).into());
    for (at, (name, ..)) in groups(&Comparison::default()).into_iter().enumerate() {
        totals.insert(name.to_owned(), total(found, |comparison| groups(comparison)[at].2.rows).into());
    }
    totals.insert("requests".to_owned(), found.requests.into());
    totals.insert("seconds".to_owned(), ((found.seconds * 1000.0).round() / 1000.0).into());
    json!({
        "outcome": if found.drifted() > 0 { "drift" } else { exit.word() },
        "exit_code": exit.code(),
        "tables": found.tables.iter().map(table).collect::<Vec<_>>(),
        "totals": totals,
        "notes": found.notes,
    })
}

fn total(found: &Verification, number: impl Fn(&Comparison) -> u64) -> u64 {
    found.tables.iter().map(|table| number(&table.comparison)).sum()
}

/// A line for each table, the first keys of what differs, and one line for the whole.
pub(crate) fn to_text(found: &Verification) -> String {
    let mut table = TextTable::new([
        ("table", Align::Left),
        ("outcome", Align::Left),
        ("equal", Align::Right),
        ("missing", Align::Right),
        ("stale", Align::Right),
        ("wrongly live", Align::Right),
        ("wrongly deleted", Align::Right),
        ("not synced yet", Align::Right),
    ]);
    for verified in &found.tables {
        let rows = groups(&verified.comparison).map(|(_, _, differing)| text::count(differing.rows));
        let cells = [
            verified.table.to_owned(),
            verified.outcome.word().to_owned(),
            text::count(verified.comparison.equal),
        ];
        table.row(cells.into_iter().chain(rows));
    }
    let mut shown = table.render();
    shown.push('\n');
    let before = shown.len();
    for verified in &found.tables {
        for (_, words, differing) in groups(&verified.comparison).iter().filter(|(.., one)| one.rows > 0) {
            let keys: Vec<String> = differing.keys.iter().take(KEYS_SHOWN_MAX).map(key_text).collect();
            let more = differing.rows.saturating_sub(keys.len() as u64);
            let more = if more > 0 { format!(", and {} more", text::count(more)) } else { String::new() };
            let _ = writeln!(shown, "{} {words}: {}{more}", verified.table, keys.join(", "));
        }
    }
    if shown.len() > before {
        shown.push('\n');
    }
    let _ = writeln!(shown, "{}", summary(found));
    shown
}

/// A key as people are shown it: cut, and with nothing in it that could move the cursor.
fn key_text(key: &Key) -> String {
    text::cut(&text::visible(&key.join("/")), KEY_COLUMNS_MAX)
}

fn summary(found: &Verification) -> String {
    let unsynced = total(found, |comparison| comparison.unsynced.rows);
    let aside =
        if unsynced > 0 { format!(", {} not synced yet", text::count(unsynced)) } else { String::new() };
    format!(
        "{} equal, {} not as they should be{aside}; {} in {}",
        text::counted(total(found, |comparison| comparison.equal), "row"),
        text::count(found.drifted()),
        text::counted(found.requests, "request"),
        text::seconds(found.seconds),
    )
}

/// What needs a look: tables that were not compared, what to know for reading the figures, and what to do about drift.
pub(crate) fn warnings(found: &Verification) -> Vec<String> {
    let mut warnings = found.notes.clone();
    for table in &found.tables {
        if let Some(message) = &table.message {
            let outcome = match table.outcome {
                Outcome::Done => String::new(),
                other => format!("{}: ", other.word()),
            };
            warnings.push(format!("{outcome}{}: {message}", table.table));
        }
    }
    let drifted = found.tables.iter().filter(|table| table.comparison.drifted() > 0);
    let names: Vec<&str> = drifted.map(|table| table.table).collect();
    if !names.is_empty() {
        warnings.push(format!("not as in the tenant; to correct it: tenantry resync {}", names.join(" ")));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(comparison: Comparison, outcome: Outcome) -> Verification {
        let table = Verified { table: "a", key: &["id", "name"], outcome, message: None, comparison };
        Verification { tables: vec![table], notes: Vec::new(), requests: 3, seconds: 0.25 }
    }

    fn differing(rows: u64, keys: &[&[&str]]) -> Differing {
        let keys = keys.iter().map(|key| key.iter().map(|part| (*part).to_owned()).collect()).collect();
        Differing { rows, keys }
    }

    #[test]
    fn only_what_is_wrong_makes_it_exit_with_1() {
        let missing = Comparison { missing: differing(1, &[&["x", "y"]]), ..Comparison::default() };
        let unsynced = Comparison { unsynced: differing(1, &[&["x", "y"]]), ..Comparison::default() };
        assert_eq!(exit(&found(missing, Outcome::Done)), Exit::Incomplete);
        assert_eq!(exit(&found(unsynced, Outcome::Done)), Exit::Done);
        assert_eq!(exit(&found(Comparison::default(), Outcome::Frozen)), Exit::Done);
        assert_eq!(exit(&found(Comparison::default(), Outcome::Failed)), Exit::Incomplete);
        assert_eq!(exit(&found(Comparison::default(), Outcome::Skipped)), Exit::Credentials);
    }

    #[test]
    fn people_see_the_first_keys_and_how_many_more_there_are() {
        let keys: Vec<[&str; 2]> =
            vec![["x", "1"], ["x", "2"], ["x", "3"], ["x", "4"], ["x", "5"], ["x", "6"]];
        let keys: Vec<&[&str]> = keys.iter().map(|key| &key[..]).collect();
        let comparison = Comparison {
            equal: 1200,
            stale: differing(1007, &keys),
            wrongly_deleted: differing(1, &[&["\u{1b}[2J", "z"]]),
            ..Comparison::default()
        };
        let found = found(comparison, Outcome::Done);
        insta::assert_snapshot!(anstream::adapter::strip_str(&to_text(&found)).to_string());
        assert_eq!(warnings(&found), ["not as in the tenant; to correct it: tenantry resync a"]);
        let json = to_json(&found);
        assert_eq!((&json["outcome"], &json["totals"]["stale"]), (&json!("drift"), &json!(1007)));
        assert_eq!(
            json["tables"][0]["keys"]["stale"][5],
            json!(["x", "6"]),
            "programs get every key that is known"
        );
    }
}
