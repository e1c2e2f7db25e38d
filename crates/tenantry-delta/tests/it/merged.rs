//! The same where a Spark Connect server rewrites files: Sail, a program of its own, installed by `make setup`. Where it is absent
//! this says so and passes, unless `TENANTRY_REQUIRE_CLIENTS` is set. Spark on the JVM is not shown here.

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use async_trait::async_trait;
use tenantry_delta::Options;
use tenantry_replication::catalog::{Column, Table};
use tenantry_replication::destination::conformance::{self, Subject, tables};
use tenantry_replication::destination::{Batch, Counts, Destination, staged_schema};
use tenantry_replication::error::{DestinationErrorKind, DestinationResult};

use crate::place::{Folder, all_rows, commit, forbidden, installed, number, open, options};
use crate::tables::{log, paths};

/// A Spark Connect server, with nothing in it.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start() -> Option<Self> {
        let program = installed("sail")?;
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let process = Command::new(program)
            .args(["spark", "server", "--ip", "127.0.0.1", "--port", &address.port().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { process, address };
        for _ in 0..600 {
            if TcpStream::connect(address).is_ok() {
                return Some(server);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the server does not answer");
    }

    fn options(&self) -> Options {
        merging_at(self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn merging_at(address: SocketAddr) -> Options {
    Options { merge_with: Some(format!("sc://{address}")), ..options() }
}

/// Tables in a folder of their own, merged by a server.
struct Merged<'a> {
    server: &'a Server,
    folder: Folder,
}

#[async_trait]
impl Subject for Merged<'_> {
    async fn open(&self) -> Arc<dyn Destination> {
        open(&self.folder.path(), self.server.options()).await.unwrap()
    }

    fn all_rows(&self, table: &Table) -> String {
        all_rows(table)
    }

    fn forbidden(&self, table: &Table) -> Vec<String> {
        forbidden(table, self.folder.path().parent().unwrap())
    }
}

macro_rules! cases {
    ($server:expr => $($case:ident)*) => {
        $(conformance::$case(&Merged { server: $server, folder: Folder::new() }).await;)*
    };
}

#[tokio::test]
async fn the_promises_hold_where_a_server_merges() {
    let Some(server) = Server::start() else { return };
    cases! { &server =>
        publishing_the_same_twice_changes_nothing
        of_equal_keys_the_later_page_counts_whatever_came_last
        composite_keys_with_null_in_them_are_one_key
        a_failed_publish_leaves_nothing_behind
        children_are_replaced_record_by_record
        a_complete_read_sweeps_what_it_did_not_hold
        a_complete_read_of_nothing_sweeps_everything
        spared_keys_and_their_children_are_not_swept
        what_is_gone_is_marked_in_any_scope
        a_returning_row_is_an_update_that_clears_the_flag
        every_type_holds_null
        extreme_values_survive
        awkward_text_survives
        many_rows_survive
        hostile_records_have_one_outcome_each
        who_lost_the_lease_writes_nothing
        a_missing_column_is_added
        agrees_with_the_reference
    }
}

/// Rows of `thing` with these ids.
fn things(ids: impl IntoIterator<Item = u32>, size: i64) -> Batch {
    let ids: Vec<String> = ids.into_iter().map(|id| format!("{id:06}")).collect();
    let table = tables::things().root();
    let array = |column: &Column| -> ArrayRef {
        match column.name {
            "id" => Arc::new(StringArray::from_iter_values(&ids)),
            "name" => {
                Arc::new(StringArray::from_iter_values(ids.iter().map(|id| format!("the {id}\0 'th\\"))))
            }
            "active" => Arc::new(BooleanArray::from(vec![true; ids.len()])),
            "size" => Arc::new(Int64Array::from(vec![size; ids.len()])),
            _ => Arc::new(TimestampMicrosecondArray::from(vec![size; ids.len()]).with_timezone("UTC")),
        }
    };
    let page: ArrayRef = Arc::new(Int64Array::from(vec![0; ids.len()]));
    let columns = table.data_columns().map(array).chain([page]).collect();
    Batch { table, rows: RecordBatch::try_new(staged_schema(table), columns).unwrap() }
}

async fn publish(destination: &dyn Destination, batch: Batch, synced_at: i64) -> DestinationResult<Counts> {
    destination.stage(batch).await.unwrap();
    Ok(destination.publish(commit(tables::things(), "thing", synced_at)).await?.tables[0].1)
}

/// Four files of a hundred rows each.
async fn four_files(destination: &dyn Destination) {
    destination.prepare(&tables::CATALOG).await.unwrap();
    for read in 0..4 {
        publish(destination, things(read * 100..read * 100 + 100, 1), 1).await.unwrap();
    }
}

/// Files below a folder that are no part of a log.
fn files_below(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true if path.ends_with("_delta_log") => {}
            true => files.extend(files_below(&path)),
            false => files.push(path.display().to_string()),
        }
    }
    files
}

#[tokio::test]
async fn a_server_rewrites_the_files_that_can_hold_a_changed_key_and_no_other() {
    let Some(server) = Server::start() else { return };
    let folder = Folder::new();
    let path = folder.path();
    let destination = open(&path, server.options()).await.unwrap();
    four_files(destination.as_ref()).await;
    // Of the second file some rows change, and between the first and the last one comes that is new.
    let counts = publish(destination.as_ref(), things([110, 150, 155, 999], 7), 9).await.unwrap();
    assert_eq!((counts.updated, counts.inserted, counts.deleted), (3, 1, 0));
    let log = log(&path, "thing");
    let last = log.last().unwrap();
    assert_eq!(paths(last, "remove"), paths(&log[2], "add"), "of the stored files the second is rewritten");
    for action in last.iter().filter(|action| action.get("add").is_some()) {
        let stats: serde_json::Value =
            serde_json::from_str(action["add"]["stats"].as_str().unwrap()).unwrap();
        let (rows, from, to) = match stats["numRecords"].as_i64().unwrap() {
            1 => (1, "000999", "000999"),
            rows => (rows, "000100", "000199"),
        };
        assert_eq!((rows == 1 || rows <= 100, &stats["nullCount"]["id"]), (true, &0.into()), "{stats}");
        assert!(stats["minValues"]["id"].as_str().unwrap() >= from, "{stats}");
        assert!(stats["maxValues"]["id"].as_str().unwrap() <= to, "{stats}");
    }
    let is_ours = last.iter().any(|action| action["commitInfo"].get("tenantry.commit").is_some());
    assert!(is_ours && last.iter().any(|action| action.get("txn").is_some()), "{last:?}");
    let ask = async |sql: &str| number(destination.as_ref(), sql).await;
    assert_eq!(ask("SELECT count(*) FROM thing").await, 401);
    assert_eq!(ask("SELECT count(DISTINCT id) FROM thing").await, 401);
    assert_eq!(ask("SELECT count(*) FROM thing WHERE size = 7").await, 4);
    assert_eq!(ask("SELECT count(*) FROM thing WHERE _fivetran_synced = to_timestamp_micros(9)").await, 4);
    let version = self::log(&path, "thing").len();
    let again = publish(destination.as_ref(), things([110, 150, 155, 999], 7), 10).await.unwrap();
    assert_eq!((again.unchanged, again.updated), (4, 0));
    assert_eq!(self::log(&path, "thing").len(), version, "the same again makes no version");
    assert!(files_below(&path.join("_tenantry/merging")).is_empty(), "nothing is left on the way");
}

#[tokio::test]
async fn a_column_of_the_users_own_survives_a_change_by_a_server() {
    let Some(server) = Server::start() else { return };
    let folder = Folder::new();
    let path = folder.path();
    let destination = open(&path, server.options()).await.unwrap();
    destination.prepare(&tables::WIDER).await.unwrap();
    let table = tables::WIDER.streams[0].root();
    let narrow = things(0..10, 1).rows;
    let colours: ArrayRef = Arc::new(StringArray::from_iter_values((0..10).map(|id| format!("colour {id}"))));
    let array = |column: &Column| narrow.column_by_name(column.name).unwrap_or(&colours).clone();
    let page = narrow.columns().last().unwrap().clone();
    let columns = table.data_columns().map(array).chain([page]).collect();
    let rows = RecordBatch::try_new(staged_schema(table), columns).unwrap();
    destination.stage(Batch { table, rows }).await.unwrap();
    destination.publish(commit(&tables::WIDER.streams[0], "thing", 1)).await.unwrap();
    // From here on nobody of us knows the column.
    let counts = publish(destination.as_ref(), things([3, 4, 77], 2), 2).await.unwrap();
    assert_eq!((counts.updated, counts.inserted), (2, 1));
    let ask = async |sql: &str| number(destination.as_ref(), sql).await;
    assert_eq!(
        ask("SELECT count(*) FROM thing WHERE colour = 'colour ' || CAST(CAST(id AS INT) AS STRING)").await,
        10
    );
    assert_eq!(ask("SELECT count(*) FROM thing WHERE size = 2").await, 3);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_and_changes_nothing() {
    let folder = Folder::new();
    let path = folder.path();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let destination = open(&path, merging_at(nobody)).await.unwrap();
    four_files(destination.as_ref()).await;
    let before = files_below(&path.join("auth0"));
    let error = publish(destination.as_ref(), things([110], 7), 9).await.unwrap_err();
    assert_eq!(error.kind, DestinationErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("the server that merges"), "{error}");
    assert_eq!(files_below(&path.join("auth0")), before);
    assert!(files_below(&path.join("_tenantry/merging")).is_empty(), "nothing is left on the way");
    let ourselves = open(&path, options()).await.unwrap();
    assert_eq!(publish(ourselves.as_ref(), things([110], 7), 9).await.unwrap().updated, 1);
}

#[tokio::test]
async fn a_server_that_gives_fewer_rows_back_is_refused() {
    let Some(server) = Server::start() else { return };
    let folder = Folder::new();
    let path = folder.path();
    four_files(open(&path, options()).await.unwrap().as_ref()).await;
    // A file that says it has a row more than it has: for us that row is lost on the way.
    let version = path.join("auth0/thing/_delta_log/00000000000000000002.json");
    let text = std::fs::read_to_string(&version).unwrap();
    let said = r#"\"numRecords\":100"#;
    assert!(text.contains(said), "{text}");
    std::fs::write(&version, text.replace(said, r#"\"numRecords\":101"#)).unwrap();
    let destination = open(&path, server.options()).await.unwrap();
    let before = files_below(&path.join("auth0"));
    let error = publish(destination.as_ref(), things([110], 7), 9).await.unwrap_err();
    assert!(error.to_string().contains("100 rows where 101 are stored"), "{error}");
    assert_eq!(log(&path, "thing").len(), 5, "nothing is committed");
    assert_eq!(files_below(&path.join("auth0")), before, "what the server wrote is removed");
}

/// Passes everything on to a server, once it is told to.
fn held_up(server: SocketAddr) -> (SocketAddr, Sender<()>, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (go, went) = mpsc::channel();
    let came = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&came);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut from = stream.unwrap();
            if counted.fetch_add(1, Ordering::Relaxed) == 0 && went.recv().is_err() {
                return;
            }
            let mut to = TcpStream::connect(server).unwrap();
            let (mut back_from, mut back_to) = (to.try_clone().unwrap(), from.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut back_from, &mut back_to));
            std::thread::spawn(move || std::io::copy(&mut from.by_ref(), &mut to));
        }
    });
    (address, go, came)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_commits_while_the_server_works_is_seen_and_kept() {
    let Some(server) = Server::start() else { return };
    let folder = Folder::new();
    let path = folder.path();
    let other = open(&path, options()).await.unwrap();
    four_files(other.as_ref()).await;
    let (address, go, came) = held_up(server.address);
    let destination = open(&path, merging_at(address)).await.unwrap();
    let merging = tokio::spawn(async move { publish(destination.as_ref(), things([110], 7), 9).await });
    while came.load(Ordering::Relaxed) == 0 {
        std::thread::sleep(Duration::from_millis(10));
    }
    // The files to rewrite are chosen by now; this one is among them.
    assert_eq!(publish(other.as_ref(), things([111], 5), 8).await.unwrap().updated, 1);
    go.send(()).unwrap();
    assert_eq!(merging.await.unwrap().unwrap().updated, 1);
    assert!(came.load(Ordering::Relaxed) > 1, "it was merged again");
    let ask = async |sql: &str| number(other.as_ref(), sql).await;
    assert_eq!(ask("SELECT count(*) FROM thing WHERE id = '000110' AND size = 7").await, 1);
    assert_eq!(ask("SELECT count(*) FROM thing WHERE id = '000111' AND size = 5").await, 1);
    assert_eq!(ask("SELECT count(*) FROM thing").await, 400);
}
