//! The answers in `fixtures/` against the catalog: one for each endpoint, every leaf tells where it stands, every column is filled.
//!
//! So a snapshot of the rows made from them shows at a glance which path feeds which column.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::{CATALOG, Column, Endpoint, Origin, Paging, Rows, Stream, Table, Type};

/// Stands where the API sends a credential in clear. No table and no quarantined record may ever show it.
const SECRET: &str = "secret-must-not-appear";
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures");

/// Every stream that has an endpoint, with the records of its fixture.
fn fixtures() -> Vec<(&'static Stream, Vec<Value>)> {
    let read = |stream: &'static Stream| {
        let endpoint = stream.endpoint.as_ref()?;
        let path = format!("{FOLDER}/{}.json", stream.name);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let answer: Value = serde_json::from_str(&text).unwrap();
        let records = if endpoint.collection.is_empty() { &answer } else { &answer[endpoint.collection] };
        envelope(endpoint, &answer);
        Some((stream, records.as_array().expect("an array of records").clone()))
    };
    CATALOG.streams.iter().filter_map(read).collect()
}

/// What Auth0 puts around the records.
fn envelope(endpoint: &Endpoint, answer: &Value) {
    let members: BTreeSet<&str> =
        answer.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    if endpoint.collection.is_empty() {
        assert!(answer.is_array());
    } else if endpoint.query.contains(&("include_totals", "true")) {
        assert!(members.is_superset(&BTreeSet::from(["start", "limit", "total"])), "{members:?}");
    } else if endpoint.paging == Paging::Checkpoint {
        assert!(members.is_subset(&BTreeSet::from([endpoint.collection, "next"])), "{members:?}");
    }
}

/// Calls `visit` for every leaf below `value`, with the path that the leaf should name.
fn leaves(value: &Value, path: &str, visit: &mut dyn FnMut(&str, &Value)) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| leaves(value, &format!("{path}.{name}"), visit));
        }
        Value::Array(elements) => {
            elements
                .iter()
                .enumerate()
                .for_each(|(at, value)| leaves(value, &format!("{path}[{at}]"), visit));
        }
        leaf => visit(path, leaf),
    }
}

/// Values that `table` makes of this column in one record, one for each row; NULL where there is none.
fn column_values<'v>(table: &Table, column: &Column, record: &'v Value) -> Vec<&'v Value> {
    let at = |value: &'v Value, path: &str| value.pointer(path).unwrap_or(&Value::Null);
    let rows: Vec<&Value> = match table.rows {
        Rows::Record => vec![record],
        Rows::Elements(path) => at(record, path).as_array().expect(path).iter().collect(),
        Rows::Entries(path) => at(record, path).as_object().expect(path).values().collect(),
    };
    rows.into_iter()
        .map(|row| match column.origin {
            Origin::Field(path) => at(row, path),
            Origin::Record(path) => at(record, path),
            _ => row,
        })
        .collect()
}

fn is_time(text: &str) -> bool {
    text.len() >= 24 && text.starts_with("2026-01-") && text.ends_with('Z')
}

#[test]
fn there_is_one_fixture_for_each_endpoint() {
    let expected: BTreeSet<String> =
        fixtures().iter().map(|(stream, _)| format!("{}.json", stream.name)).collect();
    let present: BTreeSet<String> = std::fs::read_dir(FOLDER)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| std::path::Path::new(name).extension().is_some_and(|kind| kind == "json"))
        .collect();
    assert_eq!(present, expected);
}

#[test]
fn every_leaf_is_unique_and_tells_where_it_stands() {
    for (stream, records) in fixtures() {
        assert!(records.len() >= 2, "{}", stream.name);
        let mut seen = BTreeSet::new();
        leaves(&Value::Array(records), stream.name, &mut |path, leaf| match leaf {
            Value::String(text) if text == SECRET || text == path => {}
            Value::String(text) => assert!(is_time(text) && seen.insert(text.clone()), "{path}: {text}"),
            Value::Number(number) => {
                assert!(seen.insert(number.to_string()), "{path}: {number} stands twice");
            }
            Value::Bool(_) => {}
            Value::Null => assert!(path.ends_with("_null"), "{path} is null"),
            Value::Array(_) | Value::Object(_) => unreachable!("no leaf"),
        });
    }
}

#[test]
fn every_record_fills_every_column_with_a_value_of_its_type() {
    for (stream, records) in fixtures() {
        for table in stream.tables {
            for column in table.columns {
                for (at, record) in records.iter().enumerate() {
                    let values = column_values(table, column, record);
                    let place = format!("{}[{at}] -> {}.{}", stream.name, table.name, column.name);
                    assert!(values.iter().any(|value| !value.is_null()), "{place} is empty");
                    if !matches!(column.origin, Origin::Field(_) | Origin::Record(_)) {
                        continue;
                    }
                    let fits = |value: &&Value| match column.kind {
                        Type::String => !value.is_boolean(),
                        Type::Boolean => value.is_boolean(),
                        Type::Timestamp => value.as_str().is_some_and(is_time),
                        Type::Integer => value.is_i64(),
                    };
                    assert!(values.iter().all(fits), "{place}: {values:?}");
                }
            }
        }
    }
}

#[test]
fn no_two_flags_of_a_table_are_alike_in_all_records() {
    for (stream, records) in fixtures() {
        for table in stream.tables {
            let mut patterns = BTreeMap::new();
            for column in table.columns.iter().filter(|column| column.kind == Type::Boolean) {
                let Origin::Field(_) = column.origin else { continue };
                let pattern: Vec<bool> = records
                    .iter()
                    .flat_map(|record| column_values(table, column, record))
                    .filter_map(Value::as_bool)
                    .collect();
                if let Some(other) = patterns.insert(pattern, column.name) {
                    panic!("{}: {} cannot be told from {other}", table.name, column.name);
                }
            }
        }
    }
}

#[test]
fn credentials_stand_below_members_known_as_secret() {
    let mut secrets = 0;
    for (stream, records) in fixtures() {
        leaves(&Value::Array(records), stream.name, &mut |path, leaf| {
            let known = path.split('.').any(|part| {
                let name = part.split('[').next().unwrap_or_default();
                CATALOG.is_secret_member(name)
            });
            if leaf.as_str() == Some(SECRET) {
                secrets += 1;
                assert!(known, "{path}");
            }
        });
    }
    assert!(secrets >= 20, "{secrets}");
}

#[test]
fn only_a_masked_column_takes_a_credential() {
    for (stream, records) in fixtures() {
        for (table, record) in
            stream.tables.iter().flat_map(|table| records.iter().map(move |record| (table, record)))
        {
            for column in table.columns {
                let taken = match column.origin {
                    Origin::Field(_) | Origin::Record(_) | Origin::EntryValue => {
                        column_values(table, column, record)
                    }
                    _ => continue,
                };
                for value in taken {
                    assert!(!value.to_string().contains(SECRET), "{}.{}", table.name, column.name);
                }
            }
        }
    }
}
