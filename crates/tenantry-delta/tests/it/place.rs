//! A folder for tables, and what tests ask of them.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use async_trait::async_trait;
use tempfile::TempDir;
use tenantry_delta::{Delta, Options};
use tenantry_replication::catalog::{Stream, Table};
use tenantry_replication::destination::conformance::Subject;
use tenantry_replication::destination::{Commit, Destination, Scope};
use tenantry_replication::error::DestinationResult;

/// Options that write, with descriptions in English.
pub(crate) fn options() -> Options {
    Options {
        schema: "auth0".to_owned(),
        state: "_tenantry".to_owned(),
        describe: |text| text.en,
        writes: true,
        memory_limit: None,
        merge_with: None,
        merge_token: None,
        storage: HashMap::new(),
    }
}

/// Tables in a folder of their own.
pub(crate) struct Folder {
    folder: TempDir,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("lake")
    }
}

pub(crate) async fn open(path: &Path, options: Options) -> DestinationResult<Arc<dyn Destination>> {
    Ok(Arc::new(Delta::open(path.to_str().unwrap(), options).await?))
}

/// A commit of the rows that were staged for one table, which says nothing of others.
pub(crate) fn commit(stream: &'static Stream, table: &'static str, synced_at: i64) -> Commit {
    Commit {
        stream,
        tables: vec![table],
        scope: Scope::Rows,
        gone: Vec::new(),
        checkpoint: None,
        synced_at,
        run: 1,
        quarantined: Vec::new(),
        gaps: Vec::new(),
        expected: None,
    }
}

/// The query for all rows of a table in key order.
pub(crate) fn all_rows(table: &Table) -> String {
    let columns: Vec<_> = table.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
    let key: Vec<_> = table.key.iter().map(|name| format!("\"{name}\" NULLS FIRST")).collect();
    format!("SELECT {} FROM auth0.{} ORDER BY {}", columns.join(", "), table.name, key.join(", "))
}

/// Statements that write or reach outside.
pub(crate) fn forbidden(table: &Table, folder: &Path) -> Vec<String> {
    std::fs::write(folder.join("secret.csv"), "secret\n1\n").unwrap();
    let statements = include_str!("forbidden.sql").split("\n\n");
    statements
        .filter(|statement| !statement.trim_start().starts_with("--"))
        .map(|sql| {
            sql.trim_end()
                .replace("{table}", &format!("auth0.{}", table.name))
                .replace("{folder}", &folder.display().to_string())
        })
        .chain([String::new()])
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "a test has no configuration to ask where tools are installed")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A program from outside, or nothing, said aloud, where it is not there.
pub(crate) fn installed(program: &str) -> Option<PathBuf> {
    let cache = variable("TENANTRY_CACHE").map(PathBuf::from);
    let cache = cache.or_else(|| variable("HOME").map(|home| Path::new(&home).join(".cache/tenantry")));
    let path = cache.unwrap_or_default().join("readers/bin").join(program);
    if path.exists() {
        return Some(path);
    }
    let message = format!("{program} is not installed: run make setup");
    assert!(variable("TENANTRY_REQUIRE_CLIENTS").is_none(), "{message}");
    // Past the test runner's capture, which would hide it where nothing fails.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {message}");
    None
}

#[async_trait]
impl Subject for Folder {
    async fn open(&self) -> Arc<dyn Destination> {
        open(&self.path(), options()).await.unwrap()
    }

    fn all_rows(&self, table: &Table) -> String {
        all_rows(table)
    }

    fn forbidden(&self, table: &Table) -> Vec<String> {
        forbidden(table, self.folder.path())
    }
}

/// The one number that a query gives.
pub(crate) async fn number(destination: &dyn Destination, sql: &str) -> i64 {
    numbers(&destination.query(sql).await.unwrap())[0]
}

/// The numbers of an answer's first row.
pub(crate) fn numbers(answer: &[RecordBatch]) -> Vec<i64> {
    answer[0].columns().iter().map(|column| column.as_primitive::<Int64Type>().value(0)).collect()
}
