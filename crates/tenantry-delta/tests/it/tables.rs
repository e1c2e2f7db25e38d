//! What is particular to tables of this format: what their files are like, what a publish writes of them, who may write.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use serde_json::Value;
use tenantry_delta::Options;
use tenantry_replication::catalog::{CATALOG, Table};
use tenantry_replication::destination::conformance::tables::{self, events};
use tenantry_replication::destination::{Batch, Claim, Commit, Counts, Destination, Holder, staged_schema};
use tenantry_replication::error::DestinationErrorKind;

use crate::place::{self, Folder, number, open, options};

const DAY: i64 = 86_400_000_000;

/// Actions of a table's log, version by version.
pub(crate) fn log(path: &Path, table: &str) -> Vec<Vec<Value>> {
    let folder = path.join("auth0").join(table).join("_delta_log");
    let mut versions: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .collect();
    versions.sort();
    let actions = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    versions.iter().map(actions).collect()
}

pub(crate) fn paths(actions: &[Value], action: &str) -> BTreeSet<String> {
    actions.iter().filter_map(|one| Some(one[action]["path"].as_str()?.to_owned())).collect()
}

fn events_at(ids: impl Iterator<Item = (String, i64)>) -> Batch {
    let (ids, times): (Vec<String>, Vec<i64>) = ids.unzip();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(&ids)),
        Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")),
        Arc::new(Int64Array::from(vec![0; ids.len()])),
    ];
    let table: &'static Table = events().root();
    Batch { table, rows: RecordBatch::try_new(staged_schema(table), columns).unwrap() }
}

fn commit(synced_at: i64) -> Commit {
    place::commit(events(), "event", synced_at)
}

async fn publish(destination: &dyn Destination, batch: Batch, synced_at: i64) -> Counts {
    destination.stage(batch).await.unwrap();
    destination.publish(commit(synced_at)).await.unwrap().tables[0].1
}

#[tokio::test]
async fn every_table_and_column_of_the_real_catalog_is_there_with_its_description() {
    for (describe, of_table) in [
        ((|text| text.en) as fn(tenantry_replication::catalog::Text) -> &'static str, "en"),
        (|text| text.ja, "ja"),
    ] {
        let folder = Folder::new();
        let destination = open(&folder.path(), Options { describe, ..options() }).await.unwrap();
        destination.prepare(&CATALOG).await.unwrap();
        for table in CATALOG.tables() {
            let log = log(&folder.path(), table.name);
            let metadata = log[0].iter().find_map(|action| action.get("metaData")).unwrap();
            assert_eq!(metadata["description"], describe(table.about), "{} in {of_table}", table.name);
            let schema: Value = serde_json::from_str(metadata["schemaString"].as_str().unwrap()).unwrap();
            let fields = schema["fields"].as_array().unwrap();
            for (column, field) in table.columns.iter().zip(fields) {
                assert_eq!(field["name"], column.name);
                assert_eq!(field["metadata"]["comment"], describe(column.about));
            }
            let protocol = log[0].iter().find_map(|action| action.get("protocol")).unwrap();
            assert_eq!(
                (&protocol["minReaderVersion"], &protocol["minWriterVersion"]),
                (&1.into(), &2.into())
            );
            assert_eq!(log.len(), 1, "{} is prepared in one commit", table.name);
        }
    }
}

#[tokio::test]
async fn descriptions_follow_the_language() {
    let folder = Folder::new();
    let path = folder.path();
    open(&path, options()).await.unwrap().prepare(&tables::CATALOG).await.unwrap();
    let japanese = Options { describe: |text| text.ja, ..options() };
    let destination = open(&path, japanese).await.unwrap();
    destination.prepare(&tables::CATALOG).await.unwrap();
    destination.prepare(&tables::CATALOG).await.unwrap();
    let log = log(&path, "event");
    assert_eq!(log.len(), 2, "one commit more, and none where nothing is to be done");
    let metadata = log[1].iter().find_map(|action| action.get("metaData")).unwrap();
    assert_eq!(metadata["description"], "値");
    assert!(metadata["schemaString"].as_str().unwrap().contains("\"comment\":\"値\""));
}

#[tokio::test]
async fn new_events_are_appended_and_no_old_file_is_touched() {
    let folder = Folder::new();
    let path = folder.path();
    let destination = open(&path, options()).await.unwrap();
    destination.prepare(&tables::CATALOG).await.unwrap();
    let event = |number: i64| (format!("9002024{number:08}"), number * DAY / 100);
    // Three days; each read holds the last hundred events of the one before once more.
    for (read, range) in [(1, 0..300), (2, 200..400), (3, 300..500)] {
        let counts = publish(destination.as_ref(), events_at(range.map(event)), read).await;
        let expected = if read == 1 { (300, 0) } else { (100, 100) };
        assert_eq!((counts.inserted, counts.unchanged, counts.updated), (expected.0, expected.1, 0));
    }
    let log = log(&path, "event");
    assert_eq!(log.len(), 4);
    for actions in &log[1..] {
        assert!(paths(actions, "remove").is_empty(), "an append removes nothing");
        let days: BTreeSet<_> =
            paths(actions, "add").iter().map(|path| path.split('/').next().unwrap().to_owned()).collect();
        assert!(days.iter().all(|day| day.starts_with("_day=1970-01-0")), "{days:?}");
    }
    assert_eq!(paths(&log[1], "add").len(), 3, "a file for each day");
    // What came before is read again only where the ids of what comes can be: nothing is written where nothing is new.
    let counts = publish(destination.as_ref(), events_at((0..500).map(event)), 4).await;
    assert_eq!((counts.inserted, counts.unchanged), (0, 500));
    assert_eq!(self::log(&path, "event").len(), 4, "a publish without a change makes no version");
}

#[tokio::test]
async fn an_event_whose_day_changes_is_still_one_row() {
    let folder = Folder::new();
    let destination = open(&folder.path(), options()).await.unwrap();
    destination.prepare(&tables::CATALOG).await.unwrap();
    publish(destination.as_ref(), events_at((0..50).map(|n| (format!("{n:03}"), 0))), 1).await;
    let moved = publish(destination.as_ref(), events_at([("007".to_owned(), 40 * DAY)].into_iter()), 2).await;
    assert_eq!((moved.updated, moved.inserted), (1, 0));
    let sql = "SELECT count(*) FROM event WHERE id = '007' AND _day = '1970-02-10'";
    assert_eq!(number(destination.as_ref(), sql).await, 1);
    assert_eq!(number(destination.as_ref(), "SELECT count(*) FROM event").await, 50);
}

#[tokio::test]
async fn a_change_rewrites_the_files_that_can_hold_its_key_and_no_other() {
    let folder = Folder::new();
    let path = folder.path();
    let destination = open(&path, options()).await.unwrap();
    destination.prepare(&tables::CATALOG).await.unwrap();
    // Ids longer than what statistics hold of them, which differ at their end alone.
    let id = |number: i64| format!("{}{number:06}", "9".repeat(100));
    for read in 0..4 {
        let batch = events_at((read * 100..read * 100 + 100).map(|number| (id(number), 0)));
        publish(destination.as_ref(), batch, read).await;
    }
    let short = |number: i64| format!("{number:06}");
    for read in 10..14 {
        let batch = events_at((read * 100..read * 100 + 100).map(|number| (short(number), 0)));
        publish(destination.as_ref(), batch, read).await;
    }
    let changed = events_at([(short(1250), 7), (id(250), 7)].into_iter());
    let counts = publish(destination.as_ref(), changed, 20).await;
    assert_eq!(
        (counts.updated, counts.inserted),
        (2, 0),
        "a key is found whatever the statistics hold of it"
    );
    let log = log(&path, "event");
    let removed = paths(log.last().unwrap(), "remove");
    let untouched: Vec<_> = [5, 6, 8].iter().flat_map(|version| paths(&log[*version], "add")).collect();
    assert!(untouched.iter().all(|file| !removed.contains(file)), "{removed:?} of {untouched:?}");
    assert_eq!(number(destination.as_ref(), "SELECT count(DISTINCT id) FROM event").await, 800);
    assert_eq!(number(destination.as_ref(), "SELECT count(*) FROM event").await, 800);
}

#[tokio::test]
async fn columns_of_the_users_own_stay() {
    let folder = Folder::new();
    let path = folder.path();
    let destination = open(&path, options()).await.unwrap();
    destination.prepare(&tables::WIDER).await.unwrap();
    destination.prepare(&tables::CATALOG).await.unwrap();
    assert_eq!(number(destination.as_ref(), "SELECT count(colour) FROM thing").await, 0);
}

#[tokio::test]
async fn who_lost_the_lease_is_kept_from_a_table_by_the_table_itself() {
    let folder = Folder::new();
    let path = folder.path();
    let holder = |process| Holder { name: format!("process {process}"), place: None, process };
    let old = open(&path, options()).await.unwrap();
    old.prepare(&tables::CATALOG).await.unwrap();
    let first = old.hold(Claim { holder: holder(1), over: None, now: 0, until: 10 }).await.unwrap();
    old.fence(Some(first.token));
    publish(old.as_ref(), events_at([("a".to_owned(), 0)].into_iter()), 1).await;

    let new = open(&path, options()).await.unwrap();
    let second = new.hold(Claim { holder: holder(2), over: None, now: 20, until: 30 }).await.unwrap();
    new.fence(Some(second.token));
    publish(new.as_ref(), events_at([("b".to_owned(), 0)].into_iter()), 2).await;

    old.stage(events_at([("c".to_owned(), 0)].into_iter())).await.unwrap();
    assert_eq!(old.publish(commit(3)).await.unwrap_err().kind, DestinationErrorKind::Held);
    let log = log(&path, "event");
    let tokens: Vec<_> =
        log.iter().flatten().filter_map(|action| action["txn"]["version"].as_u64()).collect();
    assert_eq!(tokens, [first.token, second.token], "each commit tells under which lease it was made");
    assert_eq!(number(new.as_ref(), "SELECT count(*) FROM event").await, 2);
}

#[tokio::test]
async fn readers_read_and_write_nothing() {
    let folder = Folder::new();
    let path = folder.path();
    let reading = Options { writes: false, ..options() };
    let refusal = |opened: Result<Arc<dyn Destination>, tenantry_replication::error::DestinationError>| {
        opened.err().map(|error| error.kind)
    };
    assert_eq!(refusal(open(&path, reading.clone()).await), Some(DestinationErrorKind::Absent));
    assert!(!path.exists(), "a reader makes no folder");
    let writer = open(&path, options()).await.unwrap();
    writer.prepare(&tables::CATALOG).await.unwrap();
    let reader = open(&path, reading).await.unwrap();
    reader.claim("nobody.example.com").await.unwrap();
    writer.claim("acme.example.com").await.unwrap();
    reader.claim("acme.example.com").await.unwrap();
    let other = reader.claim("other.example.com").await.unwrap_err();
    assert_eq!(other.kind, DestinationErrorKind::OtherTenant, "{other}");
    assert_eq!(number(reader.as_ref(), "SELECT count(*) FROM thing").await, 0);
    assert_eq!(reader.summarize(&CATALOG).await.unwrap().len(), CATALOG.tables().count());
    assert!(reader.prepare(&CATALOG).await.is_err());
    assert!(reader.publish(commit(1)).await.is_err());
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_folder_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    open(&folder.path(), options()).await.unwrap();
    let mode = std::fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o700);
}
