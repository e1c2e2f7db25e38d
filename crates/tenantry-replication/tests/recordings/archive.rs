//! Finds and reads the material beside the project: recorded interactions, and Auth0's published schemas.
//!
//! Copies nothing and prints no value of it.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::Value;

/// One recorded request and its answer.
pub(crate) struct Recording {
    /// Which cassette of which repository.
    pub(crate) source: String,
    /// Date of the oldest commit with this cassette version.
    pub(crate) seen: String,
    /// Place in the cassette.
    pub(crate) seq: u64,
    pub(crate) method: String,
    /// Path below `/api/v2`.
    pub(crate) path: String,
    /// Query parameters as they were sent.
    pub(crate) query: Value,
    pub(crate) status: u64,
    /// Whether the recorder parsed the answer into its own types and wrote it back: unknown members are lost, absent ones became null.
    pub(crate) rewritten: bool,
    pub(crate) body: Value,
}

impl Recording {
    /// Whether it is a good answer to a read.
    pub(crate) fn is_read(&self) -> bool {
        self.method == "GET" && self.status == 200
    }

    /// The value of a query parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query[name].as_str()
    }
}

/// All recordings in their order, or `None` with a word on standard error where they are not to be had.
pub(crate) fn recordings() -> Option<Vec<Recording>> {
    let path = beside_the_project("TENANTRY_RECORDINGS", "recordings.jsonl.gz")?;
    let lines = BufReader::new(GzDecoder::new(File::open(path).unwrap())).lines();
    Some(lines.map(|line| recording(&serde_json::from_str(&line.unwrap()).unwrap())).collect())
}

/// A published document of Auth0's, by its file name, or `None` with a word on standard error.
pub(crate) fn published(name: &str) -> Option<Value> {
    let path = beside_the_project("TENANTRY_OPENAPI", "openapi")?.join(name);
    Some(serde_json::from_reader(BufReader::new(File::open(path).unwrap())).unwrap())
}

#[expect(clippy::disallowed_methods, reason = "a test is told by the environment where its material lies")]
fn beside_the_project(variable: &str, name: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/auth0").join(name);
    let path = std::env::var_os(variable).map_or(beside, PathBuf::from);
    // The variable may name the folder as well as the file.
    let path = if path.is_dir() { path.join(name) } else { path };
    if path.exists() {
        return Some(path);
    }
    // Past the test runner, which keeps what a passing test prints to itself.
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED: recordings not found: neither {variable} nor ../shared/auth0/{name} leads to them"
    );
    None
}

fn recording(line: &Value) -> Recording {
    let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let path = text("path");
    Recording {
        source: text("source"),
        seen: text("seen"),
        seq: line["seq"].as_u64().unwrap_or_default(),
        method: text("method"),
        path: path.strip_prefix("/api/v2").unwrap_or(&path).to_owned(),
        query: line["query"].clone(),
        status: line["status"].as_u64().unwrap_or_default(),
        rewritten: line["rewritten"] == true,
        body: line["response_body"].clone(),
    }
}
