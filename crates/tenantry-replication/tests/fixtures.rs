//! The answers in `fixtures/` as rows: what each leaf of each endpoint becomes, over all tables, as snapshots to be reviewed.
//!
//! Expectations live in the snapshots and in the fixtures themselves; nothing here names a column that the catalog does not.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array as _, ArrayRef, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use bytes::Bytes;
use serde_json::{Value, json};
use tenantry_replication::catalog::{CATALOG, Replication, Stream};
use tenantry_replication::destination::Batch;
use tenantry_replication::normalize::Normalizer;
use tenantry_replication::source::{Page, Records};

/// Stands in the fixtures wherever Auth0 would send a credential.
const SECRET: &str = "secret-must-not-appear";
/// The parent record that fan-outs are read for.
const PARENT: &str = "parent.id";

/// Streams that an endpoint feeds.
fn streams() -> impl Iterator<Item = &'static Stream> {
    CATALOG.streams.iter().filter(|stream| stream.replication != Replication::Frozen)
}

fn fixture(stream: &Stream) -> Vec<u8> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(format!("{}.json", stream.name));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The page that an answer is, as a source gives it to the engine.
fn page(stream: &Stream, body: impl Into<Bytes>) -> Page {
    let body = body.into();
    let bare = body.trim_ascii_start().starts_with(b"[");
    let collection = stream.endpoint.as_ref().map_or("", |endpoint| endpoint.collection);
    let records = Records::Array(if bare { "" } else { collection });
    Page { body, records, parent: stream.parent.as_ref().map(|_| PARENT.to_owned()), checkpoint: None }
}

/// A normalizer that has taken one page.
fn normalized(stream: &'static Stream, body: impl Into<Bytes>) -> Normalizer {
    let mut normalizer = Normalizer::new(&CATALOG, stream);
    normalizer.page(&page(stream, body)).unwrap_or_else(|error| panic!("{}: {error}", stream.name));
    normalizer
}

/// All rows so far, by table.
fn rows(normalizer: &mut Normalizer) -> BTreeMap<&'static str, RecordBatch> {
    let batches: Vec<Batch> = normalizer.take(true);
    let count = batches.len();
    let tables: BTreeMap<_, _> = batches.into_iter().map(|batch| (batch.table.name, batch.rows)).collect();
    assert_eq!(tables.len(), count, "one batch for each table");
    tables
}

/// What stands for no value where cells are shown.
const NULL: &str = "NULL";

/// The cells of one column as text.
fn cells(array: &ArrayRef) -> Vec<String> {
    // The formatter knows offsets, and no zone by its name.
    let array: ArrayRef = match array.as_primitive_opt::<TimestampMicrosecondType>() {
        Some(times) => Arc::new(times.clone().with_timezone("+00:00")),
        None => Arc::clone(array),
    };
    let options = FormatOptions::new().with_null(NULL);
    let formatter = ArrayFormatter::try_new(&array, &options).unwrap();
    (0..array.len()).map(|row| formatter.value(row).to_string()).collect()
}

/// Rows as people read them: a line for each cell, since many tables are wider than any screen. What is not shown is NULL.
fn shown(normalizer: &mut Normalizer, stream: &Stream) -> String {
    let mut out = String::new();
    let tables = rows(normalizer);
    for table in stream.tables {
        let Some(rows) = tables.get(table.name) else {
            let _ = writeln!(out, "{}: no rows\n", table.name);
            continue;
        };
        let columns: Vec<Vec<String>> = rows.columns().iter().map(cells).collect();
        for row in 0..rows.num_rows() {
            let _ = writeln!(out, "{} {row}", table.name);
            for (field, column) in rows.schema().fields().iter().zip(&columns) {
                if column[row] != NULL {
                    let _ = writeln!(out, "    {}: {}", field.name(), column[row]);
                }
            }
            out.push('\n');
        }
    }
    out
}

#[test]
fn every_fixture_becomes_these_rows() {
    for stream in streams() {
        let mut normalizer = normalized(stream, fixture(stream));
        insta::assert_snapshot!(format!("rows_of_{}", stream.name), shown(&mut normalizer, stream));
        assert_eq!(normalizer.take_quarantined(), [], "{}", stream.name);
        assert!(normalizer.spared().is_empty() && !normalizer.nameless(), "{}", stream.name);
    }
}

#[test]
fn every_column_of_every_table_is_filled() {
    let mut empty = BTreeSet::new();
    for stream in streams() {
        let tables = rows(&mut normalized(stream, fixture(stream)));
        for table in stream.tables {
            for column in table.data_columns() {
                let filled = tables.get(table.name).and_then(|rows| rows.column_by_name(column.name));
                if filled.is_none_or(|array| array.null_count() == array.len()) {
                    empty.insert(format!("{}.{}", table.name, column.name));
                }
            }
        }
    }
    assert_eq!(empty, BTreeSet::new());
}

#[test]
fn no_credential_reaches_a_row() {
    let mut sent = 0;
    for stream in streams() {
        let body = fixture(stream);
        sent += String::from_utf8_lossy(&body).matches(SECRET).count();
        for (table, rows) in rows(&mut normalized(stream, body)) {
            for (field, array) in rows.schema().fields().iter().zip(rows.columns()) {
                for cell in cells(array) {
                    assert!(!cell.contains(SECRET), "{table}.{} holds a credential", field.name());
                }
            }
        }
    }
    assert!(sent > 20, "the fixtures hold credentials: {sent}");
}

/// What of a page was refused, as people read it.
fn refused(normalizer: &mut Normalizer) -> String {
    let mut out = String::new();
    for quarantined in normalizer.take_quarantined() {
        let _ = writeln!(out, "{} {}", quarantined.table, quarantined.key);
        let _ = writeln!(out, "    {}", quarantined.reason);
        let _ = writeln!(out, "    {}", quarantined.record);
    }
    let _ = writeln!(out, "spared {:?}, nameless {}", normalizer.spared(), normalizer.nameless());
    out
}

/// Normalizes records that do not fit among ones that do, and shows what was refused and what arrived.
fn outcome(stream: &str, records: &Value) -> String {
    let stream = CATALOG.stream(stream).unwrap();
    let mut normalizer = Normalizer::new(&CATALOG, stream);
    let body = serde_json::to_vec(records).unwrap();
    normalizer.page(&Page { records: Records::Array(""), ..page(stream, body) }).unwrap();
    format!("{}\n{}", refused(&mut normalizer), shown(&mut normalizer, stream))
}

#[test]
fn values_that_do_not_fit_cost_their_record_alone() {
    let users = json!([
        { "user_id": "auth0|1", "created_at": "2026-01-01T00:00:00.000Z" },
        { "user_id": "auth0|2", "created_at": "yesterday", "app_metadata": { "plan": "gold", "apiKey": SECRET } },
        { "user_id": "auth0|3", "logins_count": 1.5, "identities": [{ "provider": "auth0", "access_token": SECRET }] },
        { "user_id": "auth0|4", "blocked": "perhaps" },
        { "user_id": "auth0|5", "last_login": { "$date": "2026-01-01T00:00:00.000Z" } },
        { "user_id": "auth0|6", "email": ["a@example.com", "b@example.com"], "email_verified": "TRUE", "logins_count": "7" },
    ]);
    insta::assert_snapshot!(outcome("users", &users));
}

#[test]
fn a_record_without_a_key_is_refused_and_nothing_counts_as_absent() {
    let records = json!([
        { "name": "no id at all", "client_secret": SECRET },
        { "client_id": null, "name": "null" },
        { "client_id": "", "name": "an empty id is an id" },
        { "client_id": 7, "name": "a number is an id" },
        "not an object",
        null,
        ["client_id"],
        { "client_id": "c1", "name": "whole", "callbacks": ["https://example.com"] },
    ]);
    insta::assert_snapshot!(outcome("clients", &records));
}

/// The rest of its key would be that of another record, which would then seem gone.
#[test]
fn a_record_that_lacks_a_part_of_its_key_is_refused_and_nothing_counts_as_absent() {
    let records = json!([
        { "version": "v3", "status": "CURRENT", "runtimes": ["node22"] },
        { "id": "post-login", "status": "CURRENT" },
        { "id": "post-login", "version": "v3", "status": "CURRENT" },
    ]);
    let stream = CATALOG.stream("action_triggers").unwrap();
    let mut normalizer = Normalizer::new(&CATALOG, stream);
    let body = serde_json::to_vec(&records).unwrap();
    normalizer.page(&Page { records: Records::Array(""), ..page(stream, body) }).unwrap();
    let refused: Vec<_> =
        normalizer.take_quarantined().into_iter().map(|one| (one.key, one.reason)).collect();
    let no_key = "id, version: no key".to_owned();
    assert_eq!(
        refused,
        [
            (r#"{"id":null,"version":"v3"}"#.to_owned(), no_key.clone()),
            (r#"{"id":"post-login","version":null}"#.to_owned(), no_key),
        ]
    );
    assert!(normalizer.nameless() && normalizer.spared().is_empty());
    let rows = normalizer.take(true);
    assert_eq!(rows.iter().map(|batch| batch.rows.num_rows()).collect::<Vec<_>>(), [1]);
}

#[test]
fn children_that_do_not_fit_spare_their_record() {
    let records = json!([
        { "id": "a1", "secrets": [{ "name": "KEY", "updated_at": "long ago" }, { "name": "OTHER" }] },
        { "id": "a2", "secrets": [{ "updated_at": "2026-01-01T00:00:00.000000001Z" }, null, "KEY", 7, [], { "name": "KEY" }] },
        { "id": "a3", "secrets": { "name": "KEY" }, "dependencies": "lodash", "supported_triggers": [{ "id": "post-login" }] },
        { "id": "a4", "secrets": null, "dependencies": [], "supported_triggers": [{ "version": "v3" }] },
        { "id": "a5", "secrets": [{ "name": "KEY" }] },
    ]);
    insta::assert_snapshot!(outcome("actions", &records));
}

#[test]
fn maps_that_are_none_spare_their_record() {
    let records = json!([
        { "user_id": "auth0|1", "app_metadata": ["gold"] },
        { "user_id": "auth0|2", "app_metadata": "gold" },
        { "user_id": "auth0|3", "app_metadata": null },
        { "user_id": "auth0|4", "app_metadata": {} },
        { "user_id": "auth0|5", "app_metadata": { "plan": "gold", "": 0, "none": null, "list": [1, { "a": "b" }] } },
    ]);
    insta::assert_snapshot!(outcome("users", &records));
}

#[test]
fn the_first_of_equal_elements_counts_and_keeps_its_place() {
    let records = json!([
        { "id": "cgr_1", "client_id": "c1", "audience": "https://example.com", "scope": ["b", "a", "b", "c", "a", "B"] },
        { "id": "cgr_2", "client_id": "c2", "audience": "https://example.com", "scope": ["b"] },
        { "id": "cgr_3", "audience": "https://example.com", "scope": [1, "1", null] },
    ]);
    insta::assert_snapshot!(outcome("client_grants", &records));
}

#[test]
fn a_list_that_is_broken_inside_is_not_taken_for_a_shorter_one() {
    let stream = CATALOG.stream("client_grants").unwrap();
    let body = r#"[{"id":"cgr_1","scope":["a" "b"]},{"id":"cgr_2","scope":["a"]}]"#;
    let mut normalizer = normalized(stream, body);
    insta::assert_snapshot!(format!("{}\n{}", refused(&mut normalizer), shown(&mut normalizer, stream)));
}

#[test]
fn a_page_that_is_no_list_of_records_fails_as_a_whole() {
    let stream = CATALOG.stream("clients").unwrap();
    for body in [
        "",
        "{}",
        "null",
        "[",
        r#"{"clients":{}}"#,
        r#"{"clients":[{"client_id":"c1"}"#,
        r#"{"clients":[]} x"#,
        "<html>",
    ] {
        let mut normalizer = Normalizer::new(&CATALOG, stream);
        let page = Page { records: Records::Array("clients"), ..page(stream, body) };
        assert!(normalizer.page(&page).is_err(), "{body}");
    }
}

#[test]
fn a_line_that_cannot_be_read_costs_itself_alone() {
    let stream = CATALOG.stream("users").unwrap();
    let body = concat!(
        "{\"user_id\":\"auth0|1\"}\n",
        "\n",
        "{\"user_id\":\"auth0|2\"\n",
        "{\"user_id\":\"auth0|3\"}{\"user_id\":\"auth0|4\"}\r\n",
        "[]\n",
        "{\"user_id\":\"auth0|5\",\"nickname\":\"\\ud800\"}",
    );
    let mut normalizer = Normalizer::new(&CATALOG, stream);
    normalizer.page(&Page { records: Records::Lines, ..page(stream, body) }).unwrap();
    // Five lines, of which one holds a record and something more: that is refused, the record is not, and the line counts once.
    assert_eq!(normalizer.records(), 5);
    insta::assert_snapshot!(format!("{}\n{}", refused(&mut normalizer), shown(&mut normalizer, stream)));
}
