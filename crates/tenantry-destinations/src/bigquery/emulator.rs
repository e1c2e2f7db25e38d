//! Stands for the real BigQuery service, which tests cannot have: `bqemulator` from Python's package index, started on a free port, one for each slot of
//! tests that run at the same time, each test with datasets of its own. It ends by itself once no process uses it any more.
//!
//! Keeps nothing. What it does otherwise than the service is said in docs/destinations/bigquery.md.

#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use tenantry_replication::catalog::schema::NAMESPACE;

use super::address::EMULATOR;
use crate::Surroundings;
use crate::shared_server::{one_for_each_slot, running, shared};

/// How often a start is asked whether it is through, and the pause between two questions.
const QUESTIONS_MAX: u32 = 1200;
const PAUSE: Duration = Duration::from_millis(100);

/// The emulator, as long as this lives.
pub struct Emulator {
    port: u16,
    /// Locked as long as it is used.
    _use: File,
}

impl Emulator {
    /// The emulator of this slot of all tests that were built together, started if nobody has done so, or if it has died since.
    pub fn shared() -> Self {
        let (_, port, used) = shared(&one_for_each_slot("bigquery"), start);
        Self { port, _use: used }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// The datasets of a project that no other test uses.
pub struct Dataset {
    /// The emulator that holds it.
    pub emulator: Emulator,
    /// Name of the replicated tables' dataset; that of the state's is made of it.
    pub name: String,
    project: String,
}

impl Dataset {
    /// One that no run has been to.
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let project = format!("trial-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self { emulator: Emulator::shared(), name: NAMESPACE.to_owned(), project }
    }

    /// The URL that names its project. It leaves the dataset to the options.
    pub fn url(&self) -> String {
        format!("bigquery:{}", self.project)
    }

    /// The variable that leads to the emulator, and its value.
    pub fn variable(&self) -> (String, String) {
        (EMULATOR.to_owned(), format!("127.0.0.1:{}", self.emulator.port))
    }

    /// The same as a destination is told.
    pub fn surroundings(&self) -> Surroundings {
        Surroundings::of([self.variable()])
    }

    /// Runs a statement past the destination, and gives its answer: columns parted by `|`, rows by line ends.
    pub fn sql(&self, sql: &str) -> String {
        let query = json!({
            "query": sql, "useLegacySql": false, "defaultDataset": { "projectId": self.project, "datasetId": self.name },
        });
        let job = self.ask("POST", "/jobs", &json!({ "configuration": { "query": query } }));
        assert!(job["status"]["errorResult"].is_null() && job["error"].is_null(), "{sql}: {job}");
        let id = job["jobReference"]["jobId"].as_str().unwrap();
        let answer = self.ask("GET", &format!("/queries/{id}"), &Value::Null);
        let rows = answer["rows"].as_array().into_iter().flatten();
        let cell = |cell: &Value| cell["v"].as_str().unwrap_or_default().to_owned();
        let rows =
            rows.map(|row| row["f"].as_array().unwrap().iter().map(cell).collect::<Vec<_>>().join("|"));
        rows.collect::<Vec<_>>().join("\n")
    }

    /// A table as the emulator describes it.
    pub fn table(&self, name: &str) -> Value {
        self.ask("GET", &format!("/datasets/{}/tables/{name}", self.name), &Value::Null)
    }

    /// Names of the tables of the state's dataset.
    pub fn state_tables(&self) -> Vec<String> {
        let path = format!("/datasets/{}_tenantry/tables?maxResults=1000", self.name);
        let listed = self.ask("GET", &path, &Value::Null);
        let tables = listed["tables"].as_array().into_iter().flatten();
        tables.map(|table| table["tableReference"]["tableId"].as_str().unwrap().to_owned()).collect()
    }

    /// Whether a run may have made the destination.
    pub fn is_there(&self) -> bool {
        self.ask("GET", &format!("/datasets/{}_tenantry/tables/meta", self.name), &Value::Null)["error"]
            .is_null()
    }

    /// Removes everything that runs have made.
    pub fn remove(&self) {
        for dataset in [self.name.clone(), format!("{}_tenantry", self.name)] {
            self.ask("DELETE", &format!("/datasets/{dataset}?deleteContents=true"), &Value::Null);
        }
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect(("127.0.0.1", self.emulator.port)).unwrap();
        write!(
            stream,
            "{method} /bigquery/v2/projects/{}{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.project,
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, content) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(content).unwrap_or_default()
    }
}

impl Default for Dataset {
    fn default() -> Self {
        Self::new()
    }
}

/// Starts an emulator in this folder; gives its port.
#[expect(clippy::zombie_processes, reason = "it serves other tests after this one, and stops by itself")]
fn start(folder: &Path) -> u16 {
    drop(fs::remove_dir_all(folder));
    fs::create_dir_all(folder).unwrap();
    let home = installed();
    let script = folder.join("emulator.py");
    fs::write(&script, include_str!("../../tests/bigquery/emulator.py")).unwrap();
    let log = File::create(folder.join("log")).unwrap();
    // In a session of its own, so that an interrupted test run does not take it from others.
    let mut child = Command::new("setsid")
        .arg(home.join("bin/python"))
        .arg(&script)
        .arg(folder)
        .arg(folder.with_extension("use"))
        // Where it finds the extension of its engine, which it would fetch from the network otherwise.
        .env("HOME", home.join("home"))
        .env("BQEMU_UPLOAD_STAGING_DIR", folder)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    for _ in 0..QUESTIONS_MAX {
        if let Some(port) = running(folder) {
            return port;
        }
        let said = || fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert!(
            child.try_wait().unwrap().is_none_or(|ended| ended.success()),
            "the emulator did not start: {}",
            said()
        );
        thread::sleep(PAUSE);
    }
    panic!("the emulator is not there after {} s", QUESTIONS_MAX / 10);
}

/// Where scripts/setup.sh has put it.
#[expect(clippy::disallowed_methods, reason = "the same variable as in scripts/setup.sh")]
fn installed() -> PathBuf {
    let cache = std::env::var_os("TENANTRY_CACHE").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| std::env::home_dir().unwrap().join(".cache/tenantry"));
    let home = cache.join("bigquery");
    assert!(
        home.join("requirements.txt").exists(),
        "{} is not there; `make setup` installs it",
        home.display()
    );
    home
}
