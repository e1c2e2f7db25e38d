//! A process that publishes is killed at any moment: its checkpoint is never ahead of its rows, and the next publish brings them to what
//! they should be, each once.
//!
//! SIGKILL shows what a crash of the process does, not what a loss of power does.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use tenantry_replication::destination::conformance::tables::{self, events, things};
use tenantry_replication::destination::{Batch, Commit, Destination, Scope, staged_schema};
use tenantry_replication::state::Checkpoint;

use crate::place::{Folder, numbers, open, options};

const KILLS: u64 = 12;
const ROWS_PER_PUBLISH: i64 = 50;
/// Kills that fall while the tables are being made, whatever the machine is busy with; the others wait for that to be over.
const EARLY: u64 = 3;
const FOLDER_VARIABLE: &str = "TENANTRY_TEST_CRASH_FOLDER";

/// The file by which a child says that it begins to publish.
fn sign(path: &Path) -> PathBuf {
    path.with_extension("publishing")
}

async fn prepared(path: &Path) -> Arc<dyn Destination> {
    let destination = open(path, options()).await.unwrap();
    destination.prepare(&tables::CATALOG).await.unwrap();
    destination
}

/// Publish `number` adds things, and changes those that the publish before it added.
fn rows_of_things(number: i64) -> Batch {
    let first = ROWS_PER_PUBLISH * (number - 1).max(0);
    let ids: Vec<i64> = (first..ROWS_PER_PUBLISH * (number + 1)).collect();
    let size = |id: &i64| i64::from(*id < ROWS_PER_PUBLISH * number);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(ids.iter().map(|id| format!("{id:08}")))),
        Arc::new(StringArray::from_iter_values(ids.iter().map(|id| format!("name of {id}")))),
        Arc::new(BooleanArray::from(vec![None; ids.len()])),
        Arc::new(Int64Array::from_iter_values(ids.iter().map(size))),
        Arc::new(TimestampMicrosecondArray::from(vec![None; ids.len()]).with_timezone("UTC")),
        Arc::new(Int64Array::from(vec![0; ids.len()])),
    ];
    let table = things().root();
    Batch { table, rows: RecordBatch::try_new(staged_schema(table), columns).unwrap() }
}

/// Publish `number` adds events, and holds those of the publish before it once more, as a read of a log with an overlap does.
fn rows_of_events(number: i64) -> Batch {
    let ids: Vec<i64> = (ROWS_PER_PUBLISH * (number - 1).max(0)..ROWS_PER_PUBLISH * (number + 1)).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(ids.iter().map(|id| format!("{id:08}")))),
        Arc::new(TimestampMicrosecondArray::from_iter_values(ids.clone()).with_timezone("UTC")),
        Arc::new(Int64Array::from(vec![0; ids.len()])),
    ];
    let table = events().root();
    Batch { table, rows: RecordBatch::try_new(staged_schema(table), columns).unwrap() }
}

/// Number of the last publish of a stream by its checkpoint; -1 before the first.
async fn last_publish(destination: &dyn Destination, stream: &str) -> i64 {
    match destination.state().await.unwrap().checkpoints.remove(stream) {
        None => -1,
        Some(Checkpoint::Log { log_id, .. }) => log_id.parse().unwrap(),
        Some(other) => panic!("{other:?}"),
    }
}

async fn publish(destination: &dyn Destination, number: i64) {
    for (stream, rows) in [(things(), rows_of_things(number)), (events(), rows_of_events(number))] {
        if last_publish(destination, stream.name).await >= number {
            continue;
        }
        destination.stage(rows).await.unwrap();
        let checkpoint =
            Checkpoint::Log { log_id: number.to_string(), newest: None, whole_until: None, read_at: None };
        let commit = Commit {
            stream,
            tables: vec![stream.root().name],
            scope: Scope::Rows,
            gone: Vec::new(),
            checkpoint: Some((stream.name.to_owned(), checkpoint)),
            synced_at: number,
            run: 1,
            quarantined: Vec::new(),
            gaps: Vec::new(),
            expected: None,
        };
        destination.publish(commit).await.unwrap();
    }
}

/// Publishes until it is killed.
#[tokio::test]
#[ignore = "the part of the test below that gets killed"]
#[expect(clippy::disallowed_methods, reason = "how a test passes a path to a process of its own")]
async fn child() {
    let Ok(path) = std::env::var(FOLDER_VARIABLE) else { return };
    let destination = prepared(Path::new(&path)).await;
    let mut number = last_publish(destination.as_ref(), "events").await;
    std::fs::write(sign(Path::new(&path)), "").unwrap();
    loop {
        number += 1;
        publish(destination.as_ref(), number).await;
    }
}

#[tokio::test]
async fn the_checkpoint_is_never_ahead_whenever_the_process_is_killed_and_no_row_is_doubled() {
    let folder = Folder::new();
    let path = folder.path();
    let mut publishes = Vec::new();
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["crash::child", "--exact", "--ignored", "--nocapture"])
            .env(FOLDER_VARIABLE, &path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // From before the tables are there to well into publishing.
        if kill >= EARLY {
            wait_for(&sign(&path));
        }
        std::thread::sleep(Duration::from_millis(100 + kill * 617 % 4_000));
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success(), "the child ended by itself");
        drop(std::fs::remove_file(sign(&path)));

        let destination = prepared(&path).await;
        let last = last_publish(destination.as_ref(), "events").await;
        for stream in ["things", "events"] {
            let reached = last_publish(destination.as_ref(), stream).await;
            let held = rows(destination.as_ref(), stream).await / ROWS_PER_PUBLISH - 1;
            assert!(held >= reached, "{stream}: checkpoint {reached} is ahead of rows {held}");
            assert!(held <= reached + 1, "{stream}: rows {held}, checkpoint {reached}");
        }
        publish(destination.as_ref(), last + 1).await;
        check(destination.as_ref(), last + 1).await;
        publishes.push(last);
    }
    assert!(publishes.is_sorted(), "the checkpoint never goes back: {publishes:?}");
    // One publish after each kill was made here; the others are the children's.
    let by_children = publishes[publishes.len() - 1] + 1 - (KILLS as i64 - 1);
    assert!(by_children > 2, "the children got somewhere: {publishes:?}");
}

fn wait_for(path: &Path) {
    for _ in 0..1_200 {
        if path.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("the child does not begin to publish");
}

async fn rows(destination: &dyn Destination, stream: &str) -> i64 {
    let table = stream.trim_end_matches('s');
    numbers(&destination.query(&format!("SELECT count(*) FROM auth0.{table}")).await.unwrap())[0]
}

/// Compares the tables with what publishes up to `last` make of them.
async fn check(destination: &dyn Destination, last: i64) {
    let things = "SELECT count(*), count(DISTINCT id), coalesce(sum(size), 0), max(CAST(id AS BIGINT)) FROM auth0.thing";
    let events = "SELECT count(*), count(DISTINCT id), max(CAST(id AS BIGINT)) FROM auth0.event";
    let rows = ROWS_PER_PUBLISH * (last + 1);
    let answer = numbers(&destination.query(things).await.unwrap());
    assert_eq!(answer, [rows, rows, ROWS_PER_PUBLISH * last.max(0), rows - 1], "things after publish {last}");
    assert_eq!(
        numbers(&destination.query(events).await.unwrap()),
        [rows, rows, rows - 1],
        "events after {last}"
    );
}
