//! Inputs to begin with: the shapes of real answers, and the odd ones among them.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tenantry_replication::catalog::CATALOG;

use super::answers::BETWEEN;

/// The answer of each stream's endpoint in `fixtures/`, by the stream's place in the catalog.
fn fixtures() -> Vec<(u8, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let read = |name: &str| {
        let text = fs::read(folder.join(format!("{name}.json"))).ok()?;
        serde_json::from_slice::<Value>(&text).ok()
    };
    let numbered = (0u8..).zip(CATALOG.streams);
    numbered.filter_map(|(number, stream)| Some((number, read(stream.name)?))).collect()
}

/// The records of an answer: itself, or the longest list that is a member of it.
fn records(answer: &Value) -> Vec<Value> {
    let lists =
        answer.as_object().into_iter().flat_map(|members| members.values().filter_map(Value::as_array));
    answer.as_array().or_else(|| lists.max_by_key(|list| list.len())).cloned().unwrap_or_default()
}

fn numbered(number: u8, body: impl AsRef<[u8]>) -> Vec<u8> {
    [&[number], body.as_ref()].concat()
}

fn answers(answers: &[(&str, &[u8])]) -> Vec<u8> {
    let each = answers.iter().map(|(head, body)| [head.as_bytes(), b"\n\n", body].concat());
    each.collect::<Vec<_>>().join(&BETWEEN)
}

const JSON: &str = "200\ncontent-type: application/json";
/// Values that were found to be trouble, as records of one member.
const ODD: [&str; 12] = [
    r#"[{"user_id":"\ud800","name":"\udc00x"}]"#,
    r#"[{"user_id":"a\u0000b"}]"#,
    r#"[{"user_id":1e400,"date":-0.0}]"#,
    r#"[{"user_id":"a","logins_count":99999999999999999999}]"#,
    r#"[{"user_id":"a","user_id":"b"}]"#,
    r#"[{"id":"a","metadata":{"A":1,"a":2,"; DROP TABLE users":null}}]"#,
    r#"[{"user_id":"a","created_at":"0000-01-01T00:00:00.000Z","updated_at":"10000-01-01T00:00:00Z"}]"#,
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    r#"[{"user_id":"a"},{"user_id":"a"}]"#,
    r#"[null,1,"text",[],{}]"#,
    "\u{feff}[]",
    "[{\"user_id\":\"a\"}",
];

pub(crate) fn pages() -> Vec<Vec<u8>> {
    let whole =
        fixtures().into_iter().map(|(number, answer)| numbered(number, json!(records(&answer)).to_string()));
    let odd = (0u8..).step_by(3).zip(ODD).map(|(number, body)| numbered(number, body));
    whole.chain(odd).chain([numbered(14, b"[{\"user_id\":\"\xff\xfe\"}]")]).collect()
}

pub(crate) fn lines() -> Vec<Vec<u8>> {
    let users = fixtures().into_iter().flat_map(|(_, answer)| records(&answer));
    let lines = users.filter(|record| record["user_id"].is_string()).map(|user| user.to_string());
    let lines = lines.collect::<Vec<_>>().join("\n");
    let odd = ODD.map(|body| format!("{}\n\n", body.trim_matches(['[', ']'])).into_bytes());
    [lines.into_bytes()].into_iter().chain(odd).collect()
}

pub(crate) fn log() -> Vec<Vec<u8>> {
    let event = |number: usize| {
        json!({ "log_id": format!("9002026110207570{number:040}"), "date": "2026-11-02T07:57:00.000Z", "type": "s",
            "details": { "request": { "method": "get", "path": "/api/v2/users" } } })
    };
    let page = |numbers: std::ops::Range<usize>| json!(numbers.map(event).collect::<Vec<_>>()).to_string();
    let link =
        format!("{JSON}\nlink: <https://elsewhere.example.com/api/v2/logs?take=2&from=900%32>; rel=\"next\"");
    let full = page(0..3);
    let (first, second) = (page(0..2), page(2..4));
    let refused = r#"{"statusCode":400,"error":"Bad Request","message":"The log checkpoint has expired."}"#;
    let pages = answers(&[
        (&link, first.as_bytes()),
        (JSON, second.as_bytes()),
        (JSON, b"[]"),
        (JSON, full.as_bytes()),
    ]);
    let expired = answers(&[
        ("400", refused.as_bytes()),
        ("400", refused.as_bytes()),
        (JSON, full.as_bytes()),
        (JSON, b"[]"),
    ]);
    (0..3).flat_map(|kind| [numbered(kind, &pages), numbered(kind, &expired)]).collect()
}

pub(crate) fn lists() -> Vec<Vec<u8>> {
    let limited =
        "429\nretry-after: 2\nx-ratelimit-limit: 10\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 1793606402";
    let standing = format!(
        "{JSON}\nx-ratelimit-limit: 10\nx-ratelimit-remaining: 9\ndate: Mon, 02 Nov 2026 08:00:00 GMT"
    );
    let each = fixtures().into_iter().flat_map(|(number, answer)| {
        let (body, mut more) = (answer.to_string(), answer.clone());
        if let Some(members) = more.as_object_mut() {
            members.insert("next".to_owned(), json!("bmV4dA"));
            members.insert("total".to_owned(), json!(1_001));
        }
        let more = more.to_string();
        let one = answers(&[(&standing, body.as_bytes())]);
        let two = answers(&[
            (limited, b"{}"),
            (&standing, more.as_bytes()),
            ("503", b"<html>"),
            (&standing, body.as_bytes()),
            (&standing, b"[]"),
        ]);
        [numbered(number, one), numbered(number, two)]
    });
    each.collect()
}

/// Answers to a search for users: this many, of so many in all.
fn found(users: std::ops::Range<usize>, total: usize) -> String {
    let user = |number: usize| json!({ "user_id": format!("auth0|{number:04}"), "updated_at": format!("2026-11-02T07:{:02}:00.000Z", number % 60) });
    let users: Vec<Value> = users.map(user).collect();
    json!({ "start": 0, "limit": 100, "length": users.len(), "total": total, "users": users }).to_string()
}

pub(crate) fn users() -> Vec<Vec<u8>> {
    let (few, many, rest) = (found(0..3, 3), found(0..100, 2_000), found(100..103, 3));
    vec![
        answers(&[(JSON, few.as_bytes())]),
        answers(&[
            (JSON, many.as_bytes()),
            (JSON, many.as_bytes()),
            (JSON, rest.as_bytes()),
            (JSON, few.as_bytes()),
        ]),
        answers(&[
            ("400", br#"{"message":"You can only page through the first 1000 records."}"#),
            (JSON, few.as_bytes()),
        ]),
    ]
}

pub(crate) fn exports() -> Vec<Vec<u8>> {
    let job = |status: &str, more: &str| {
        format!(r#"{{"id":"job_1","type":"users_export","status":"{status}"{more}}}"#)
    };
    let link = r#","location":"https://files.example.com/users.json.gz?signature=x","summary":{"total":2}"#;
    let (pending, done) = (job("pending", ""), job("completed", link));
    let lines = b"{\"user_id\":\"a\"}\n{\"user_id\":\"b\"}\n";
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let packed = gzip.write_all(lines).and_then(|()| gzip.finish()).unwrap_or_default();
    let head = found(0..1, 20_000);
    let head = (JSON, head.as_bytes());
    vec![
        answers(&[
            head,
            (JSON, pending.as_bytes()),
            (JSON, pending.as_bytes()),
            (JSON, done.as_bytes()),
            ("200", &packed),
        ]),
        answers(&[head, (JSON, pending.as_bytes()), (JSON, done.as_bytes()), ("200\nunframed: 1", lines)]),
        answers(&[
            head,
            (JSON, done.as_bytes()),
            (JSON, done.as_bytes()),
            ("200", &packed[..packed.len() / 2]),
            ("403", b"<Error>"),
        ]),
        answers(&[head, (JSON, job("failed", "").as_bytes())]),
        answers(&[("403", br#"{"errorCode":"insufficient_scope"}"#), head]),
        [(JSON.as_bytes()), b"\n\n", &packed].concat(),
    ]
}

pub(crate) fn feed() -> Vec<Vec<u8>> {
    const EVENTS: &str = "200\ncontent-type: text/event-stream";
    let message = "id: 1\nevent: user.created\ndata: {\"offset\":\"b2Zm\",\"event\":{\"type\":\"user.created\",\
        \"data\":{\"object\":{\"user_id\":\"auth0|1\"}}}}\n\n";
    let only = "event: offset-only\ndata: {\"offset\":\"b2Zn\"}\n\n:heartbeat\n\n";
    let cut = format!("\u{feff}{only}\r\n{}\u{1f}{}", &message[..20], &message[20..]);
    vec![
        answers(&[(EVENTS, format!("{message}{only}").as_bytes()), (EVENTS, cut.as_bytes())]),
        answers(&[("410", br#"{"errorCode":"cursor_expired"}"#), (EVENTS, only.as_bytes())]),
        answers(&[
            ("429\nretry-after: 1", b"{}"),
            (EVENTS, b"data: {\"error\":{\"code\":\"x\"}}\nevent: error\n\n"),
        ]),
        answers(&[("404", br#"{"statusCode":404}"#)]),
    ]
}

pub(crate) fn tokens() -> Vec<Vec<u8>> {
    let token = br#"{"access_token":"abc","scope":"read:users read:clients","expires_in":86400,"token_type":"Bearer"}"#;
    vec![
        answers(&[(JSON, token)]),
        answers(&[("503", b"<html>"), (JSON, br#"{"access_token":"abc"}"#)]),
        answers(&[("401\ndate: Mon, 02 Nov 2026 10:00:00 GMT", br#"{"error":"access_denied"}"#)]),
        answers(&[(JSON, br#"{"access_token":"","expires_in":-1}"#)]),
    ]
}

pub(crate) fn timestamps() -> Vec<Vec<u8>> {
    let times = [
        "2026-11-02T08:00:00.000Z",
        "2026-11-02T08:00:00+09:00",
        "2024-02-29T23:59:60.123456789Z",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "2026-11-02",
        "1793606400000",
        "2026-11-02 08:00:00",
        "9999-12-31T23:59:59.999999Z",
    ];
    times.iter().map(|time| time.as_bytes().to_vec()).collect()
}

pub(crate) fn configs() -> Vec<Vec<u8>> {
    let files = [
        "[tenant]\ndomain = \"acme.eu.auth0.com\"\nclient_id = \"abc\"\n",
        "[sync]\nselect = [\"users+\", \"tag:log\"]\nexclude = [\"client_*\"]\n",
        "[limits]\nleave = \"20%\"\nmax_rps = 2.5\n",
        "[tenant]\ndomain = 1\n\n[nothing]\nx = 1979-05-27T07:32:00Z\n",
    ];
    files.iter().map(|file| file.as_bytes().to_vec()).collect()
}

pub(crate) fn selections() -> Vec<Vec<u8>> {
    let lists = [
        "users+",
        "1+users+2",
        "tag:log scope:read:users",
        "*\n\nclient_*\norganization?",
        "+*_role*",
        "users+999999999999999999999",
        "logs é",
    ];
    lists.iter().map(|list| list.as_bytes().to_vec()).collect()
}
