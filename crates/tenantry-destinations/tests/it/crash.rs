//! A process that publishes is killed at any moment; what it leaves is exactly what its checkpoint says.
//!
//! SIGKILL shows what a crash of the process does, not what a loss of power does.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use tenantry_destinations::Options;
use tenantry_replication::destination::conformance::tables::{self, things};
use tenantry_replication::destination::{Batch, Commit, Destination, Scope, staged_schema};
use tenantry_replication::state::Checkpoint;

const KILLS: u64 = 20;
/// What a child says after each publish.
const PUBLISHED: &str = "published";
const ROWS_PER_PUBLISH: i64 = 200;
/// Long enough for the log to be written into the file every few publishes.
const NAME_BYTES: usize = 2_000;
const FILE_VARIABLE: &str = "TENANTRY_TEST_CRASH_FILE";

async fn open(path: &Path) -> Arc<dyn Destination> {
    let url = format!("duckdb:{}", path.display());
    let destination = tenantry_destinations::open(&url, Options::default()).await.unwrap();
    destination.prepare(&tables::CATALOG).await.unwrap();
    destination
}

/// Publish `number` adds rows, and changes those that the publish before it added.
fn rows(number: i64) -> Batch {
    let first = ROWS_PER_PUBLISH * (number - 1).max(0);
    let ids: Vec<i64> = (first..ROWS_PER_PUBLISH * (number + 1)).collect();
    let size = |id: &i64| i64::from(*id < ROWS_PER_PUBLISH * number);
    let name = |id: &i64| format!("{id}{}", "x".repeat(NAME_BYTES));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(ids.iter().map(|id| format!("{id:08}")))),
        Arc::new(StringArray::from_iter_values(ids.iter().map(name))),
        Arc::new(BooleanArray::from(vec![None; ids.len()])),
        Arc::new(Int64Array::from_iter_values(ids.iter().map(size))),
        Arc::new(TimestampMicrosecondArray::from(vec![None; ids.len()]).with_timezone("UTC")),
        Arc::new(Int64Array::from(vec![0; ids.len()])),
    ];
    let table = things().root();
    Batch { table, rows: RecordBatch::try_new(staged_schema(table), columns).unwrap() }
}

/// Number of the last publish by its checkpoint; -1 before the first.
async fn last_publish(destination: &dyn Destination) -> i64 {
    match destination.state().await.unwrap().checkpoints.remove("things") {
        None => -1,
        Some(Checkpoint::Log { log_id, .. }) => log_id.parse().unwrap(),
        Some(other) => panic!("{other:?}"),
    }
}

/// Publishes until it is killed.
#[tokio::test]
#[ignore = "the part of the test below that gets killed"]
#[expect(clippy::disallowed_methods, reason = "how a test passes a path to a process of its own")]
async fn child() {
    let Ok(path) = std::env::var(FILE_VARIABLE) else { return };
    let destination = open(Path::new(&path)).await;
    let mut number = last_publish(destination.as_ref()).await;
    loop {
        number += 1;
        destination.stage(rows(number)).await.unwrap();
        let checkpoint =
            Checkpoint::Log { log_id: number.to_string(), newest: None, whole_until: None, read_at: None };
        let commit = Commit {
            stream: things(),
            tables: vec![things().root().name],
            scope: Scope::Rows,
            gone: Vec::new(),
            checkpoint: Some(("things".to_owned(), checkpoint)),
            synced_at: number,
            run: 1,
            quarantined: Vec::new(),
            gaps: Vec::new(),
            expected: None,
        };
        destination.publish(commit).await.unwrap();
        println!("{PUBLISHED}");
    }
}

#[tokio::test]
async fn rows_are_what_the_checkpoint_says_whenever_the_process_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("warehouse.duckdb");
    let mut publishes: Vec<i64> = Vec::new();
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["crash::child", "--exact", "--ignored", "--nocapture"])
            .env(FILE_VARIABLE, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // From before the file is there to well into publishing, however slow the machine.
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut told = said.map(Result::unwrap).filter(|line| line.ends_with(PUBLISHED));
        told.by_ref().take(usize::try_from(kill % 4).unwrap()).for_each(drop);
        std::thread::sleep(Duration::from_millis(20 + kill * 47 % 300));
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success(), "the child ended by itself");

        let destination = open(&path).await;
        let last = last_publish(destination.as_ref()).await;
        check(destination.as_ref(), last).await;
        publishes.push(last);
    }
    assert!(publishes.is_sorted(), "the checkpoint never goes back: {publishes:?}");
    assert!(publishes[publishes.len() - 1] > 20, "the children got somewhere: {publishes:?}");
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let draft = |name: &std::ffi::OsString| name.to_string_lossy().contains(".new");
    assert!(left.iter().filter(|name| draft(name)).count() < 3, "{left:?}");
}

/// Compares the table with what publishes up to `last` make of it.
async fn check(destination: &dyn Destination, last: i64) {
    let sql = "SELECT count(*), count(DISTINCT id), coalesce(sum(size), 0)::BIGINT, coalesce(max(id), '-1')::BIGINT, \
               count(*) FILTER (WHERE name <> ltrim(id, '0') || repeat('x', 2000) AND id <> '00000000') FROM auth0.thing";
    let answer = destination.query(sql).await.unwrap();
    let cell = |column: usize| answer[0].column(column).as_primitive::<Int64Type>().value(0);
    let rows = ROWS_PER_PUBLISH * (last + 1);
    let changed = ROWS_PER_PUBLISH * last.max(0);
    assert_eq!(
        [cell(0), cell(1), cell(2), cell(3), cell(4)],
        [rows, rows, changed, rows - 1, 0],
        "after publish {last}"
    );
}
