//! An emulator stands here for the real BigQuery service: the conformance suite, what is particular to BigQuery, and lost answers.
//!
//! With `TENANTRY_LIVE_BIGQUERY=PROJECT.DATASET` the last test goes to the real service, in datasets of its own whose names begin so.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tenantry_destinations::bigquery::BigQuery;
use tenantry_destinations::bigquery::emulator::Dataset;
use tenantry_destinations::{Access, Options, Surroundings};
use tenantry_replication::catalog::{CATALOG, Table};
use tenantry_replication::destination::conformance::tables::{self, things};
use tenantry_replication::destination::conformance::{self, Subject};
use tenantry_replication::destination::{Destination, Scope};
use tenantry_replication::error::DestinationErrorKind;

use crate::rows::{commit, rows};

/// Datasets of its own at the emulator.
struct Own {
    dataset: Dataset,
}

impl Own {
    fn new() -> Self {
        Self { dataset: Dataset::new() }
    }
}

#[async_trait]
impl Subject for Own {
    async fn open(&self) -> Arc<dyn Destination> {
        open(&self.dataset.url(), self.dataset.surroundings()).await
    }

    fn all_rows(&self, table: &Table) -> String {
        all_rows(&self.dataset.name, table)
    }

    fn forbidden(&self, table: &Table) -> Vec<String> {
        forbidden(&self.dataset.name, table)
    }
}

tenantry_replication::destination_conformance!(Own::new());

async fn open(url: &str, surroundings: Surroundings) -> Arc<dyn Destination> {
    tenantry_destinations::open(url, Options { surroundings, ..Options::default() }).await.unwrap()
}

fn all_rows(dataset: &str, table: &Table) -> String {
    let columns: Vec<_> = table.columns.iter().map(|column| format!("`{}`", column.name)).collect();
    let order: Vec<_> = table.key.iter().map(|key| format!("`{key}` NULLS FIRST")).collect();
    format!("SELECT {} FROM {dataset}.{} ORDER BY {}", columns.join(", "), table.name, order.join(", "))
}

fn forbidden(dataset: &str, table: &Table) -> Vec<String> {
    let corpus = include_str!("forbidden_bigquery.sql");
    let statements = corpus.split("\n\n").map(str::trim).filter(|statement| !statement.is_empty());
    let statements = statements.filter(|statement| !statement.starts_with("--"));
    statements.map(|sql| sql.replace("{table}", &format!("{dataset}.{}", table.name))).collect()
}

#[tokio::test]
async fn tables_are_described_partitioned_and_clustered() {
    let dataset = Dataset::new();
    let destination = open(&dataset.url(), dataset.surroundings()).await;
    destination.prepare(&CATALOG).await.unwrap();
    let log = CATALOG.streams.iter().find(|stream| stream.name == CATALOG.feed.stream).unwrap().root();
    let made = dataset.table(log.name);
    assert_eq!(made["timePartitioning"], json!({ "type": "DAY", "field": CATALOG.feed.time }), "{made}");
    assert_eq!(made["clustering"]["fields"][0], json!(CATALOG.feed.kind), "{made}");
    assert_eq!(made["description"], json!(log.about.en));
    for (column, field) in log.columns.iter().zip(made["schema"]["fields"].as_array().unwrap()) {
        assert_eq!((&field["name"], &field["description"]), (&json!(column.name), &json!(column.about.en)));
    }
    let users = CATALOG.tables().find(|table| table.name.starts_with("user")).unwrap();
    let made = dataset.table(users.name);
    assert!(made["timePartitioning"].is_null(), "{made}");
    assert_eq!(made["clustering"]["fields"][0], json!(users.key[0]));
}

#[tokio::test]
async fn what_cannot_be_opened_is_told_in_words() {
    let dataset = Dataset::new();
    let read = |url: String| {
        let options =
            Options { surroundings: dataset.surroundings(), access: Access::Read, ..Options::default() };
        async move { tenantry_destinations::open(&url, options).await.err().unwrap() }
    };
    let absent = read(dataset.url()).await;
    assert_eq!(absent.kind, DestinationErrorKind::Absent, "{absent}");
    let wrong = read("bigquery:project.data-set".to_owned()).await;
    assert!(wrong.message.contains("PROJECT.DATASET"), "{wrong}");
    open(&dataset.url(), dataset.surroundings()).await.prepare(&tables::CATALOG).await.unwrap();
    dataset.sql(&format!("UPDATE {}_tenantry.meta SET layout = 1000 WHERE true", dataset.name));
    let newer = read(dataset.url()).await;
    assert_eq!(newer.kind, DestinationErrorKind::Newer, "{newer}");
}

#[tokio::test]
async fn nothing_of_a_publish_stays_behind_but_what_it_wrote() {
    let dataset = Dataset::new();
    let destination = open(&dataset.url(), dataset.surroundings()).await;
    destination.prepare(&tables::CATALOG).await.unwrap();
    destination.stage(rows(&["a", "b"])).await.unwrap();
    destination.publish(commit(things(), 10)).await.unwrap();
    destination.stage(rows(&["c"])).await.unwrap();
    destination.unstage(things()).await.unwrap();
    let tables = dataset.state_tables();
    assert!(tables.iter().any(|name| name == "meta"), "{tables:?}");
    let passing: Vec<_> = tables.iter().filter(|name| name.contains("thing")).collect();
    assert!(passing.is_empty(), "{passing:?}");
}

/// Where the line is cut that a transaction comes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// Before the service gets it.
    Before,
    /// After the service has answered, before the client hears of it.
    After,
    /// For the client at once; the service gets it a good while later, when the client has long sent it again.
    Late,
}

/// What a transaction is on the line.
const COMMIT: &[u8] = b"COMMIT TRANSACTION";
/// How late a late one is.
const DELAY: Duration = Duration::from_secs(3);

/// A line to the service that is cut once it is told to.
struct Line {
    port: u16,
    order: Arc<Mutex<Option<Cut>>>,
}

impl Line {
    fn to(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let order = Arc::new(Mutex::new(None));
        let orders = Arc::clone(&order);
        thread::spawn(move || {
            for client in listener.incoming() {
                let server = TcpStream::connect(("127.0.0.1", server)).unwrap();
                carry(&client.unwrap(), &server, Arc::clone(&orders));
            }
        });
        Self { port, order }
    }
}

fn carry(client: &TcpStream, server: &TcpStream, order: Arc<Mutex<Option<Cut>>>) {
    let is_mute = Arc::new(AtomicBool::new(false));
    let (mut from_server, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let mute = Arc::clone(&is_mute);
    thread::spawn(move || {
        let mut bytes = vec![0; 1 << 16];
        while let Ok(count @ 1..) = from_server.read(&mut bytes) {
            if mute.load(Ordering::SeqCst) || to_client.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        drop((to_client.shutdown(Shutdown::Both), from_server.shutdown(Shutdown::Both)));
    });
    let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    thread::spawn(move || {
        let mut bytes = vec![0; 1 << 20];
        while let Ok(count @ 1..) = from_client.read(&mut bytes) {
            let is_commit = bytes[..count].windows(COMMIT.len()).any(|window| window == COMMIT);
            let cut = if is_commit { order.lock().unwrap().take() } else { None };
            match cut {
                None => {}
                Some(Cut::Before) => break,
                Some(Cut::After) => is_mute.store(true, Ordering::SeqCst),
                Some(Cut::Late) => {
                    is_mute.store(true, Ordering::SeqCst);
                    drop(from_client.shutdown(Shutdown::Both));
                    thread::sleep(DELAY);
                }
            }
            if to_server.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        if !is_mute.load(Ordering::SeqCst) {
            drop((from_client.shutdown(Shutdown::Both), to_server.shutdown(Shutdown::Both)));
        }
    });
}

#[tokio::test]
async fn a_transaction_whose_answer_is_lost_takes_place_once() {
    for cut in [Cut::Before, Cut::After, Cut::Late] {
        let dataset = Dataset::new();
        let line = Line::to(dataset.emulator.port());
        let (name, _) = dataset.variable();
        let through = Surroundings::of([(name, format!("127.0.0.1:{}", line.port))]);
        let destination = open(&dataset.url(), through).await;
        destination.prepare(&tables::CATALOG).await.unwrap();
        *line.order.lock().unwrap() = Some(cut);
        // New rows alone are inserted: done twice, they would be there twice.
        destination.stage(rows(&["a", "b"])).await.unwrap();
        let mut first = commit(things(), 10);
        first.scope = Scope::Rows;
        let counts = destination.publish(first).await.unwrap().tables[0].1;
        assert!(line.order.lock().unwrap().is_none(), "{cut:?}: the line was cut");
        assert_eq!(counts.inserted, 2, "{cut:?}");
        thread::sleep(if cut == Cut::Late { DELAY } else { Duration::ZERO });
        assert_eq!(dataset.sql("SELECT id FROM thing ORDER BY id"), "a\nb", "{cut:?}");
        assert_eq!(
            dataset.sql(&format!("SELECT COUNT(*) FROM {}_tenantry.checkpoint", dataset.name)),
            "1",
            "{cut:?}"
        );
    }
}

/// Datasets of its own at the real service.
struct Live {
    url: String,
    dataset: String,
}

impl Live {
    async fn remove(self) {
        BigQuery::open(&self.url["bigquery:".len()..], Options::default())
            .await
            .unwrap()
            .remove()
            .await
            .unwrap();
    }
}

#[async_trait]
impl Subject for Live {
    async fn open(&self) -> Arc<dyn Destination> {
        open(&self.url, Surroundings::default()).await
    }

    fn all_rows(&self, table: &Table) -> String {
        all_rows(&self.dataset, table)
    }

    fn forbidden(&self, table: &Table) -> Vec<String> {
        forbidden(&self.dataset, table)
    }
}

macro_rules! live {
    ($($case:ident)*) => {
        #[tokio::test]
        #[expect(clippy::disallowed_methods, reason = "asks whether there is a real service")]
        async fn the_real_service_does_the_same() {
            let Ok(place) = std::env::var("TENANTRY_LIVE_BIGQUERY") else {
                eprintln!("skipped: TENANTRY_LIVE_BIGQUERY=PROJECT.DATASET is not set, so there is no real service to ask");
                return;
            };
            let (project, dataset) = place.rsplit_once('.').unwrap();
            $(
                let dataset_of_case = format!("{dataset}_{}_{}", stringify!($case), std::process::id());
                let subject = Live { url: format!("bigquery:{project}.{dataset_of_case}"), dataset: dataset_of_case };
                conformance::$case(&subject).await;
                subject.remove().await;
            )*
        }
    };
}

live! {
    preparing_twice_changes_nothing
    a_missing_column_is_added
    a_column_of_another_type_is_a_conflict
    of_equal_keys_the_later_page_counts_whatever_came_last
    children_of_a_record_on_several_pages_are_those_of_the_last
    composite_keys_with_null_in_them_are_one_key
    a_failed_publish_leaves_nothing_behind
    children_are_replaced_record_by_record
    spared_keys_and_their_children_are_not_swept
    what_is_gone_is_marked_in_any_scope
    a_returning_row_is_an_update_that_clears_the_flag
    a_comparison_names_every_way_to_differ_and_writes_nothing
    what_was_told_of_is_not_synced_yet
    a_resumed_read_is_parked_further
    rows_of_lost_records_are_left_out
    every_type_holds_null
    extreme_values_survive
    awkward_text_survives
    many_rows_survive
    runs_are_remembered
    a_lease_is_prolonged_given_back_and_taken_from_the_dead
    who_lost_the_lease_writes_nothing
    quarantined_records_and_gaps_are_kept
    the_summary_counts_rows
    queries_that_write_are_refused
}
