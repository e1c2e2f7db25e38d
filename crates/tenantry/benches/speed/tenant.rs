//! A tenant that costs nothing: answers over loopback HTTP, in threads of the bench, whose CPU is not counted.
//!
//! Plays the export job, the log by position, and organizations with their members; knows no credentials and no limits.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::records::{self, Log};

/// What the tenant holds.
#[derive(Default)]
pub(crate) struct Holds {
    pub(crate) export: Option<PathBuf>,
    pub(crate) users: u64,
    pub(crate) log: Option<Log>,
    pub(crate) organizations: u64,
    pub(crate) latency: Duration,
}

/// A tenant that listens.
pub(crate) struct Tenant {
    port: u16,
    requests: Arc<AtomicU64>,
}

impl Tenant {
    pub(crate) fn start(holds: Holds) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (holds, requests) = (Arc::new(holds), Arc::new(AtomicU64::new(0)));
        let counted = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (holds, counted) = (Arc::clone(&holds), Arc::clone(&counted));
                // A client that hangs up is no failure.
                thread::spawn(move || drop(serve(&stream, port, &holds, &counted)));
            }
        });
        Self { port, requests }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Requests to the API so far.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

fn serve(stream: &TcpStream, port: u16, holds: &Holds, counted: &AtomicU64) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    loop {
        let (mut line, mut length) = (String::new(), 0);
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            if header.trim().is_empty() {
                break;
            }
            if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        std::io::copy(&mut (&mut reader).take(length), &mut std::io::sink())?;
        let target = line.split(' ').nth(1).unwrap_or_default();
        if target == "/export" {
            let mut file = File::open(holds.export.as_ref().unwrap())?;
            write!(writer, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", file.metadata()?.len())?;
            std::io::copy(&mut file, &mut writer)?;
            continue;
        }
        if target.starts_with("/api/") {
            counted.fetch_add(1, Ordering::Relaxed);
        }
        thread::sleep(holds.latency);
        let (status, onward, body) = answer(target, port, holds);
        let head = format!(
            "HTTP/1.1 {status} OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{onward}\r\n",
            body.len()
        );
        writer.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
    }
}

/// Status, header of the link to the next page, and body.
fn answer(target: &str, port: u16, holds: &Holds) -> (u16, String, String) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let parameter = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let ok = |body: String| (200, String::new(), body);
    let parts: Vec<&str> = path.trim_start_matches("/api/v2/").split('/').collect();
    match parts[..] {
        ["", "oauth", "token"] => {
            ok(r#"{"access_token":"made.up","token_type":"Bearer","expires_in":86400}"#.to_owned())
        }
        ["jobs", ..] => ok(format!(
            r#"{{"id":"job_1","status":"completed","location":"http://127.0.0.1:{port}/export","summary":{{"total":{}}}}}"#,
            holds.users
        )),
        // Nobody was changed.
        ["users"] => ok(r#"{"start":0,"limit":100,"length":0,"total":0,"users":[]}"#.to_owned()),
        ["logs"] => log_page(holds.log.as_ref().unwrap(), port, parameter("from")),
        ["organizations"] => {
            let from = parameter("from").and_then(|from| from.parse().ok()).unwrap_or(0);
            ok(records::organizations(from, 100, holds.organizations))
        }
        ["organizations", id, "members"] => ok(records::members(id)),
        _ => (404, String::new(), r#"{"statusCode":404,"error":"Not Found"}"#.to_owned()),
    }
}

fn log_page(log: &Log, port: u16, from: Option<&str>) -> (u16, String, String) {
    let first = from.map_or(1, |from| log.behind(from));
    let last = (first + 99).min(log.events);
    let link = if first <= last {
        format!(
            "link: <http://127.0.0.1:{port}/api/v2/logs?from={}&take=100>; rel=\"next\"\r\n",
            log.id(last)
        )
    } else {
        String::new()
    };
    (200, link, log.page(first, 100))
}
