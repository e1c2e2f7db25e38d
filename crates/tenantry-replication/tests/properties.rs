//! What holds for normalizing whatever a tenant sends: nothing panics, nothing is lost, and rows stand in the order of their elements.
//!
//! Records are drawn from the catalog's own paths, with well-typed, odd and arbitrary values in all places.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use arrow_array::{Array as _, RecordBatch};
use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;
use serde_json::{Map, Value, json};
use tenantry_replication::catalog::{CATALOG, Origin, Rows, Stream, Table, Type, system};
use tenantry_replication::destination::staged_schema;
use tenantry_replication::normalize::Normalizer;
use tenantry_replication::source::{Page, Records};

/// What the catalog expects at a place of a record.
#[derive(Debug, Clone)]
enum Shape {
    Leaf(Type),
    Object(BTreeMap<&'static str, Shape>),
    List(Box<Shape>),
    Entries,
}

impl Shape {
    fn of(stream: &'static Stream) -> Self {
        let mut record = Self::Object(BTreeMap::new());
        for table in stream.tables {
            let mut element = Self::Object(BTreeMap::new());
            for column in table.columns {
                match column.origin {
                    Origin::Field(path) if table.rows != Rows::Record => {
                        element.put(path, Self::Leaf(column.kind));
                    }
                    Origin::Field(path) | Origin::Record(path) => record.put(path, Self::Leaf(column.kind)),
                    _ => {}
                }
            }
            match table.rows {
                Rows::Record => {}
                Rows::Elements(path) => record.put(path, Self::List(Box::new(element))),
                Rows::Entries(path) => record.put(path, Self::Entries),
            }
        }
        record
    }

    fn put(&mut self, path: &'static str, shape: Self) {
        let Some(rest) = path.strip_prefix('/') else {
            *self = shape;
            return;
        };
        let Self::Object(members) = self else { return };
        match rest.find('/') {
            None => {
                members.entry(rest).or_insert(shape);
            }
            Some(at) => {
                members
                    .entry(&rest[..at])
                    .or_insert_with(|| Self::Object(BTreeMap::new()))
                    .put(&rest[at..], shape);
            }
        }
    }

    /// Values of this shape, with everything else that there is among them now and then.
    fn values(&self) -> BoxedStrategy<Value> {
        let fitting = match self {
            Self::Leaf(kind) => leaf(*kind),
            Self::Object(members) => {
                let members: Vec<_> = members
                    .iter()
                    .map(|(&name, shape)| {
                        prop::option::weighted(0.8, shape.values()).prop_map(move |value| (name, value))
                    })
                    .collect();
                let object = |members: Vec<(&str, Option<Value>)>| {
                    Value::Object(
                        members
                            .into_iter()
                            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
                            .collect(),
                    )
                };
                members.prop_map(object).boxed()
            }
            Self::List(element) => {
                prop::collection::vec(element.values(), 0..5).prop_map(Value::Array).boxed()
            }
            Self::Entries => prop::collection::btree_map("[a-c]{0,2}", anything(), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect()))
                .boxed(),
        };
        prop_oneof![20 => fitting, 1 => Just(Value::Null), 1 => anything()].boxed()
    }
}

fn leaf(kind: Type) -> BoxedStrategy<Value> {
    match kind {
        Type::String => prop_oneof![4 => select(vec![json!("a"), json!("b"), json!("c")]), 1 => any::<String>().prop_map(Value::from)].boxed(),
        Type::Boolean => prop_oneof![4 => any::<bool>().prop_map(Value::from), 1 => select(vec![json!("TRUE"), json!(1), json!("")])].boxed(),
        Type::Integer => prop_oneof![4 => any::<i64>().prop_map(Value::from), 1 => any::<f64>().prop_map(Value::from)].boxed(),
        Type::Timestamp => {
            let odd = select(vec![json!("2026-01-01"), json!(1_700_000_000), json!("9999-12-31T23:59:59.999999999Z"), json!("never")]);
            prop_oneof![4 => Just(json!("2026-01-01T00:00:00.123456789Z")), 1 => odd].boxed()
        }
    }
}

/// Any JSON at all.
fn anything() -> BoxedStrategy<Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        // Quarters: other fractions change when they are read and written by the parser that we compare with.
        any::<i32>().prop_map(|quarters| Value::from(f64::from(quarters) / 4.0)),
        any::<String>().prop_map(Value::from),
    ];
    let nested = |inner: BoxedStrategy<Value>| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|members| members.into_iter().collect::<Map<_, _>>().into()),
        ]
        .boxed()
    };
    scalar.boxed().prop_recursive(3, 16, 4, nested).boxed()
}

/// A stream and some of its records.
fn records() -> impl Strategy<Value = (&'static Stream, Vec<Value>)> {
    select((0..CATALOG.streams.len()).collect::<Vec<_>>()).prop_flat_map(|at| {
        let stream = &CATALOG.streams[at];
        prop::collection::vec(Shape::of(stream).values(), 0..6).prop_map(move |records| (stream, records))
    })
}

fn page(stream: &Stream, body: impl Into<Bytes>, records: Records) -> Page {
    Page {
        body: body.into(),
        records,
        parent: stream.parent.as_ref().map(|_| "parent".to_owned()),
        checkpoint: None,
    }
}

fn take(normalizer: &mut Normalizer) -> BTreeMap<&'static str, RecordBatch> {
    normalizer.take(true).into_iter().map(|batch| (batch.table.name, batch.rows)).collect()
}

/// What stands at a path of a record.
fn at<'a>(record: &'a Value, path: &str) -> Option<&'a Value> {
    record.pointer(path).filter(|value| !value.is_null())
}

/// How many rows a record gives to a child table at least and at most, refused ones included.
fn expected(table: &Table, record: &Value) -> (usize, usize) {
    match table.rows {
        Rows::Record => (1, 1),
        Rows::Elements(path) => match at(record, path) {
            None => (0, 0),
            // Equal elements give one row.
            Some(Value::Array(elements)) => (usize::from(!elements.is_empty()), elements.len()),
            Some(_) => (1, 1),
        },
        Rows::Entries(path) => match at(record, path) {
            None => (0, 0),
            Some(Value::Object(members)) => (members.len(), members.len()),
            Some(_) => (1, 1),
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_record_becomes_rows_or_is_refused((stream, records) in records()) {
        let body = serde_json::to_vec(&records).unwrap();
        let mut normalizer = Normalizer::new(&CATALOG, stream);
        normalizer.page(&page(stream, body, Records::Array(""))).unwrap();
        prop_assert_eq!(normalizer.records(), records.len() as u64);

        let tables = take(&mut normalizer);
        let quarantined = normalizer.take_quarantined();
        let rows = |table: &str| tables.get(table).map_or(0, RecordBatch::num_rows);
        let refused = |table: &str| quarantined.iter().filter(|record| record.table == table).count();
        let root = stream.root();
        prop_assert_eq!(rows(root.name) + refused(root.name), records.len());
        for quarantined in &quarantined {
            prop_assert!(!quarantined.reason.is_empty());
            prop_assert!(serde_json::from_str::<Value>(&quarantined.record).is_ok(), "{}", quarantined.record);
        }
        if quarantined.is_empty() {
            prop_assert!(normalizer.spared().is_empty() && !normalizer.nameless());
        } else {
            prop_assert!(!normalizer.spared().is_empty() || normalizer.nameless());
        }
        // Children of a refused record are refused with it: bounds are sharp only where no record was.
        if refused(root.name) == 0 {
            for child in stream.children() {
                let bounds = records.iter().map(|record| expected(child, record)).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
                let got = rows(child.name) + refused(child.name);
                prop_assert!(bounds.0 <= got && got <= bounds.1, "{}: {} of {:?}", child.name, got, bounds);
            }
        }
    }

    #[test]
    fn rows_do_not_depend_on_how_records_are_paged((stream, records) in records()) {
        let mut together = Normalizer::new(&CATALOG, stream);
        together.page(&page(stream, serde_json::to_vec(&records).unwrap(), Records::Array(""))).unwrap();
        let mut apart = Normalizer::new(&CATALOG, stream);
        let mut lines = Normalizer::new(&CATALOG, stream);
        let mut body = Vec::new();
        for record in &records {
            apart.page(&page(stream, serde_json::to_vec(record).unwrap(), Records::One)).unwrap();
            body.extend(serde_json::to_vec(record).unwrap());
            body.push(b'\n');
        }
        lines.page(&page(stream, body, Records::Lines)).unwrap();

        let refused = together.take_quarantined();
        prop_assert_eq!(&refused, &apart.take_quarantined());
        prop_assert_eq!(&refused, &lines.take_quarantined());
        prop_assert_eq!(together.spared(), apart.spared());
        let (together, apart, lines) = (take(&mut together), take(&mut apart), take(&mut lines));
        prop_assert_eq!(&together, &lines);
        prop_assert_eq!(without_page(&together), without_page(&apart));
    }

    #[test]
    fn rows_stand_in_the_order_of_their_elements((stream, records) in records(), pages in 1usize..4) {
        let mut normalizer = Normalizer::new(&CATALOG, stream);
        let body = Bytes::from(serde_json::to_vec(&records).unwrap());
        for _ in 0..pages {
            normalizer.page(&page(stream, body.clone(), Records::Array(""))).unwrap();
        }
        for (name, rows) in take(&mut normalizer) {
            let table = stream.table(name).unwrap();
            prop_assert_eq!(rows.schema(), staged_schema(table));
            let ordinals = rows.column_by_name(system::PAGE).unwrap().as_primitive::<Int64Type>().clone();
            prop_assert!(ordinals.values().is_sorted());
            prop_assert_eq!(ordinals.values().first(), Some(&1));
            prop_assert_eq!(ordinals.values().last(), Some(&(pages as i64)));
            // Each page gave the same rows.
            let each = rows.num_rows() / pages;
            let blocks: Vec<_> = (0..pages).map(|page| data(&rows.slice(page * each, each))).collect();
            prop_assert!(blocks.iter().all(|block| *block == blocks[0]));
        }
    }

    #[test]
    fn of_equal_elements_the_first_counts(scopes in prop::collection::vec("[a-d]{1,2}", 0..20)) {
        let stream = CATALOG.stream("client_grants").unwrap();
        let body = json!([{ "id": "cgr_1", "client_id": "c1", "scope": scopes }]);
        let mut normalizer = Normalizer::new(&CATALOG, stream);
        normalizer.page(&page(stream, body.to_string(), Records::Array(""))).unwrap();
        let mut seen = BTreeSet::new();
        let first: Vec<(String, i64)> =
            scopes.iter().enumerate().filter(|(_, scope)| seen.insert(*scope)).map(|(at, scope)| (scope.clone(), at as i64)).collect();
        let got: Vec<(String, i64)> = take(&mut normalizer).get(stream.children()[0].name).map_or_else(Vec::new, |rows| {
            let scopes = rows.column_by_name("scope").unwrap().as_string::<i32>();
            let places = rows.column_by_name("index").unwrap().as_primitive::<Int64Type>();
            scopes.iter().flatten().map(str::to_owned).zip(places.iter().flatten()).collect()
        });
        prop_assert_eq!(got, first);
    }

    #[test]
    fn text_of_any_value_reads_back_as_that_value(value in anything()) {
        let stream = CATALOG.stream("roles").unwrap();
        let body = json!([{ "id": "rol_1", "description": value }]);
        let mut normalizer = Normalizer::new(&CATALOG, stream);
        normalizer.page(&page(stream, body.to_string(), Records::Array(""))).unwrap();
        let rows = take(&mut normalizer).remove(stream.root().name).unwrap();
        let cell = rows.column_by_name("description").unwrap().as_string::<i32>();
        match &value {
            Value::Null => prop_assert!(cell.is_null(0)),
            // NUL is the one character that not every destination can hold.
            Value::String(text) => prop_assert_eq!(cell.value(0), text.replace('\0', "\u{fffd}")),
            value => prop_assert_eq!(&serde_json::from_str::<Value>(cell.value(0)).unwrap(), value),
        }
    }

    #[test]
    fn bytes_that_are_no_answer_are_refused_without_a_panic(
        (stream, records) in records(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        noise in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut body = serde_json::to_vec(&records).unwrap();
        for (at, byte) in cuts {
            let at = at.index(body.len());
            body[at] = byte;
        }
        let half = body[..body.len() / 2].to_vec();
        for body in [body, half, noise] {
            let body = Bytes::from(body);
            for records in [Records::Array(""), Records::Array("clients"), Records::Lines, Records::One] {
                let mut normalizer = Normalizer::new(&CATALOG, stream);
                // Whether it is refused depends on what the bytes have become.
                let _ = normalizer.page(&page(stream, body.clone(), records));
                let rows = take(&mut normalizer).get(stream.root().name).map_or(0, RecordBatch::num_rows) as u64;
                prop_assert!(rows <= normalizer.records());
            }
        }
    }
}

/// The rows without the ordinal of their page.
fn data(rows: &RecordBatch) -> RecordBatch {
    let columns: Vec<usize> = (0..rows.num_columns() - 1).collect();
    rows.project(&columns).unwrap()
}

fn without_page(tables: &BTreeMap<&'static str, RecordBatch>) -> BTreeMap<&'static str, RecordBatch> {
    tables.iter().map(|(name, rows)| (*name, data(rows))).collect()
}
