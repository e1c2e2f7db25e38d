//! Records as nobody would wish them, from the answer's bytes to the rows: one outcome for each, the same at every destination, and the
//! rest of the page arrives. What the outcomes are for people is in `docs/hostile-data.md`.

use std::collections::BTreeMap;

use super::tables::{self, things};
use super::{Scene, Subject, Value, commit, text};
use crate::destination::{Commit, Scope};
use crate::normalize::Normalizer;
use crate::source::{Page, Records};

/// Nesting that ends other parsers.
const DEEP: usize = 10_000;
/// Bytes of a value that is large, and no reason to refuse it.
const LARGE: usize = 1 << 20;

/// What becomes of a record.
enum Outcome {
    /// A row of these values: name, active, size, seen at.
    Row(Value, Value, Value, Value),
    /// No row: it is quarantined for this reason.
    Quarantined(&'static str),
}

fn named(name: &str) -> Outcome {
    Outcome::Row(text(name), Value::Null, Value::Null, Value::Null)
}

fn sized(size: i64) -> Outcome {
    Outcome::Row(Value::Null, Value::Null, Value::Integer(size), Value::Null)
}

fn seen_at(micros: i64) -> Outcome {
    Outcome::Row(Value::Null, Value::Null, Value::Null, Value::Timestamp(micros))
}

/// Each record by its id, as bytes, and what becomes of it. What has no id that can be read stands under none.
fn hostile() -> Vec<(&'static str, Vec<u8>, Outcome)> {
    use Outcome::Quarantined;
    const NO_NUMBER: &str = "size: not a whole number of 64 bits";
    const NO_TIME: &str = "seen_at: not a time between the years 1 and 9999";
    let deep = "[".repeat(DEEP) + &"]".repeat(DEEP);
    let large = "x".repeat(LARGE);
    let of = |text: &str| text.as_bytes().to_vec();
    vec![
        ("lone", of(r#"{"id":"lone","name":"a\ud800b"}"#), named("a\u{fffd}b")),
        ("half", of(r#"{"id":"half","name":"\udc00\ud83d\ude00"}"#), named("\u{fffd}\u{1f600}")),
        ("nul", of(r#"{"id":"nul","name":"a\u0000b"}"#), named("a\u{fffd}b")),
        ("raw nul", b"{\"id\":\"raw nul\",\"name\":\"a\0b\"}".to_vec(), named("a\u{fffd}b")),
        ("bytes", b"{\"id\":\"bytes\",\"name\":\"\xff\xc3\x28\"}".to_vec(), named("\u{fffd}\u{fffd}(")),
        ("inside", of(r#"{"id":"inside","name":{"a":["\ud800","\u0000",1e400]}}"#), {
            named(r#"{"a":["\ud800","\u0000",1e400]}"#)
        }),
        ("1e400 text", of(r#"{"id":"1e400 text","name":1e400}"#), named("1e400")),
        ("1e400", of(r#"{"id":"1e400","size":1e400}"#), Quarantined(NO_NUMBER)),
        ("most", of(r#"{"id":"most","size":9223372036854775807}"#), sized(i64::MAX)),
        ("beyond", of(r#"{"id":"beyond","size":9223372036854775808}"#), Quarantined(NO_NUMBER)),
        ("beyond text", of(r#"{"id":"beyond text","name":18446744073709551616}"#), {
            named("18446744073709551616")
        }),
        ("fraction", of(r#"{"id":"fraction","size":7.5}"#), Quarantined(NO_NUMBER)),
        ("twice", of(r#"{"id":"twice","name":"first","size":1,"name":"last","size":2}"#), {
            Outcome::Row(text("last"), Value::Null, Value::Integer(2), Value::Null)
        }),
        ("of two ids", of(r#"{"id":"first of two","id":"of two ids"}"#), {
            Outcome::Row(Value::Null, Value::Null, Value::Null, Value::Null)
        }),
        ("deep", format!(r#"{{"id":"deep","name":{deep}}}"#).into_bytes(), named(&deep)),
        ("deep unread", format!(r#"{{"id":"deep unread","other":{deep},"size":1}}"#).into_bytes(), sized(1)),
        ("large", format!(r#"{{"id":"large","name":"{large}"}}"#).into_bytes(), named(&large)),
        ("year 0", of(r#"{"id":"year 0","seen_at":"0000-12-31T23:59:59Z"}"#), Quarantined(NO_TIME)),
        ("year 1", of(r#"{"id":"year 1","seen_at":"0001-01-01T00:00:00Z"}"#), {
            seen_at(-62_135_596_800_000_000)
        }),
        ("year 9999", of(r#"{"id":"year 9999","seen_at":"9999-12-31T23:59:59.9999999Z"}"#), {
            seen_at(253_402_300_799_999_999)
        }),
        ("year 10000", of(r#"{"id":"year 10000","seen_at":"10000-01-01T00:00:00Z"}"#), Quarantined(NO_TIME)),
        ("maybe", of(r#"{"id":"maybe","active":"maybe"}"#), Quarantined("active: not a boolean")),
        ("sql", of(r#"{"id":"sql","name":"'; DROP TABLE thing; --"}"#), named("'; DROP TABLE thing; --")),
        ("broken", of(r#"{"id":"broken","name":[1 2]}"#), Quarantined("name: not well-formed JSON inside")),
        ("7", of(r#"{"id":7,"name":"a number for an id"}"#), named("a number for an id")),
        ("k\u{fffd}", of(r#"{"id":"k\ud800"}"#), Quarantined("id: a key that is not text")),
        ("", of("7"), Quarantined("not an object")),
        ("", of(r#"{"name":"without an id"}"#), Quarantined("id: no key")),
    ]
}

pub async fn hostile_records_have_one_outcome_each(subject: &dyn Subject) {
    let mut body = b"[".to_vec();
    for (_, record, _) in hostile() {
        body.extend(record);
        body.push(b',');
    }
    body.extend(br#"{"id":"rest","name":"of the page"}]"#);
    let page = Page { body: body.into(), records: Records::Array(""), parent: None, checkpoint: None };

    let mut expected = BTreeMap::from([("rest", named("of the page"))]);
    let mut refused = Vec::new();
    for (id, _, outcome) in hostile() {
        match outcome {
            Outcome::Quarantined(reason) => refused.push(reason),
            row @ Outcome::Row(..) => drop(expected.insert(id, row)),
        }
    }
    let scene = Scene::new(subject).await;
    for synced_at in [10, 20] {
        let mut normalizer = Normalizer::new(&tables::CATALOG, things());
        normalizer.page(&page).unwrap();
        for batch in normalizer.take(true) {
            scene.destination.stage(batch).await.unwrap();
        }
        let quarantined = normalizer.take_quarantined();
        assert_eq!(quarantined.iter().map(|one| one.reason.as_str()).collect::<Vec<_>>(), refused);
        assert!(normalizer.nameless(), "of what has no key, no absence tells anything");
        let published =
            scene.publish(Commit { quarantined, ..commit(things(), Scope::Rows, synced_at) }).await;
        let (inserted, unchanged) = if synced_at == 10 { (expected.len(), 0) } else { (0, expected.len()) };
        assert_eq!(
            (published["thing"].inserted, published["thing"].unchanged),
            (inserted as u64, unchanged as u64)
        );
    }
    let scene = scene.reopened().await;
    let rows = scene.rows(things().root()).await;
    assert_eq!(rows.len(), expected.len());
    for row in rows {
        let Value::Text(id) = &row.values["id"] else { panic!("a row without its id") };
        let Outcome::Row(name, active, size, seen_at) = &expected[id.as_str()] else {
            panic!("{id} has a row")
        };
        let held = [&row.values["name"], &row.values["active"], &row.values["size"], &row.values["seen_at"]];
        assert!(held == [name, active, size, seen_at], "{id}");
    }
}
