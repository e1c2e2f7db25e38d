//! A mock: a few canned answers stand for Snowflake's server, for what the emulator never does: statements that run for long, and answers in
//! several parts. The answers have the form that Snowflake's own connectors read.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use serde_json::{Value, json};
use tenantry_destinations::{Options, Surroundings};
use tenantry_replication::error::DestinationErrorKind;

/// A server, and what it was asked.
struct Canned {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Canned {
    fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, polls) = (Arc::clone(&asked), Arc::new(AtomicU32::new(0)));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (log, polls) = (Arc::clone(&log), Arc::clone(&polls));
                thread::spawn(move || serve(stream.unwrap(), port, &log, &polls));
            }
        });
        Self { port, asked }
    }

    fn surroundings(&self) -> Surroundings {
        let body = include_str!("../snowflake/throwaway_key.txt");
        let key = format!("-----BEGIN {0}-----\n{body}-----END {0}-----\n", "PRIVATE KEY");
        let variables = [
            ("SNOWFLAKE_USER", "me".to_owned()),
            ("SNOWFLAKE_PRIVATE_KEY", key),
            ("SNOWFLAKE_HOST", format!("http://127.0.0.1:{}", self.port)),
        ];
        Surroundings::of(variables.map(|(name, value)| (name.to_owned(), value)))
    }
}

/// Answers requests of one connection.
fn serve(stream: TcpStream, port: u16, log: &Mutex<Vec<String>>, polls: &AtomicU32) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if line == "\r\n" {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let path = first.split(' ').nth(1).unwrap().split('?').next().unwrap().to_owned();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let sql = body["sqlText"].as_str().unwrap_or_default().to_owned();
        log.lock().unwrap().push(if sql.is_empty() { path.clone() } else { sql.clone() });
        let answer = answer(&path, &sql, body["describeOnly"] == true, port, polls);
        write!(writer, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", answer.len()).unwrap();
        writer.write_all(&answer).unwrap();
    }
}

fn answer(path: &str, sql: &str, is_described: bool, port: u16, polls: &AtomicU32) -> Vec<u8> {
    let data = |data: Value| json!({ "success": true, "data": data }).to_string().into_bytes();
    let rowtype = json!([
        { "name": "N", "type": "fixed", "scale": 0 },
        { "name": "AT", "type": "timestamp_tz", "scale": 6 },
    ]);
    match path {
        "/session/v1/login-request" => data(json!({ "token": "t", "masterToken": "m" })),
        "/session" => data(Value::Null),
        // A part, packed as the storage gives it: rows with commas between them.
        "/part" => {
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packer.write_all(br#"["3","1.500000 1440"],[null,null]"#).unwrap();
            packer.finish().unwrap()
        }
        "/result" if polls.fetch_add(1, Ordering::SeqCst) < 2 => {
            json!({ "success": false, "code": "333334", "data": { "getResultUrl": "/result" } }).to_string().into_bytes()
        }
        "/result" => data(json!({
            "rowtype": rowtype, "queryResultFormat": "json", "rowset": [["1", "0.000001 1440"], ["2", null]],
            "chunks": [{ "url": format!("http://127.0.0.1:{port}/part"), "rowCount": 2 }], "chunkHeaders": { "x-key": "k" },
        })),
        _ if is_described => data(json!({ "rowtype": [], "rowset": [], "statementTypeId": if sql.contains("odd") { 0x3000 } else { 0x1000 } })),
        _ if sql.contains("canary") => {
            json!({ "success": false, "code": "100038", "message": "Numeric value 'canary' is not recognized", "data": { "sqlState": "22018" } })
                .to_string()
                .into_bytes()
        }
        _ if sql == "select slowly" => {
            json!({ "success": false, "code": "333333", "data": { "getResultUrl": "/result" } }).to_string().into_bytes()
        }
        _ => data(json!({ "rowtype": [{ "name": "N", "type": "fixed" }], "rowset": [["0"]] })),
    }
}

#[tokio::test]
async fn a_long_statement_is_waited_for_and_a_large_answer_is_put_together() {
    let server = Canned::new();
    let options = Options { surroundings: server.surroundings(), ..Options::default() };
    let destination = tenantry_destinations::open("snowflake:example/w/auth0", options).await.unwrap();
    let batches = destination.query("select slowly").await.unwrap();
    let numbers: Vec<_> = batches
        .iter()
        .flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().iter().collect::<Vec<_>>())
        .collect();
    assert_eq!(numbers, [Some(1), Some(2), Some(3), None]);
    let times: Vec<_> = batches
        .iter()
        .flat_map(|batch| {
            batch.column(1).as_primitive::<TimestampMicrosecondType>().iter().collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(times, [Some(1), None, Some(1_500_000), None]);
    let asked = server.asked.lock().unwrap().clone();
    assert_eq!(
        asked.iter().filter(|one| *one == "select slowly").count(),
        2,
        "described, then run once: {asked:?}"
    );
    assert_eq!(asked.iter().filter(|one| *one == "/result").count(), 3, "{asked:?}");
}

#[tokio::test]
async fn what_the_server_takes_for_no_query_is_not_run_and_its_values_are_not_repeated() {
    let server = Canned::new();
    let options = Options { surroundings: server.surroundings(), ..Options::default() };
    let destination = tenantry_destinations::open("snowflake:example/w/auth0", options).await.unwrap();
    let error = destination.query("select odd").await.unwrap_err();
    assert_eq!(error.kind, DestinationErrorKind::Query, "{error}");
    assert_eq!(server.asked.lock().unwrap().iter().filter(|one| *one == "select odd").count(), 1);
    let error = destination.query("select canary").await.unwrap_err();
    assert!(error.message.contains("100038") && !error.message.contains("canary"), "{error}");
}
