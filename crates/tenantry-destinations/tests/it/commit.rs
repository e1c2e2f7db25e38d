//! The connection is lost during a commit: whatever the server made of it is found out, and nothing is written twice or lost.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tenantry_destinations::Options;
use tenantry_destinations::postgres::server::{Database, ROLE};
use tenantry_replication::destination::conformance::tables::{self, events, things};
use tenantry_replication::destination::{Destination, Parking};
use tenantry_replication::error::DestinationErrorKind;
use tenantry_replication::state::Parked;

use crate::rows::{commit, happened, rows};

/// Where the line is cut that a COMMIT comes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Before the server gets it.
    Before,
    /// After the server has answered, before the client hears of it.
    After,
    /// For the client at once; the server gets it a good while later, when the client has long been asking.
    Late,
}

/// A line to a server that is cut once it is told to.
pub(crate) struct Line {
    pub(crate) port: u16,
    order: Arc<Mutex<Option<Cut>>>,
}

/// What a COMMIT is on the line: a simple query, and the end of its text.
const COMMIT: &[u8] = b"COMMIT\0";
/// How late a late COMMIT is.
const DELAY: Duration = Duration::from_secs(2);

impl Line {
    /// `mark` is what a COMMIT has on it, and nothing else.
    pub(crate) fn to(server: u16, mark: &'static [u8]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let order = Arc::new(Mutex::new(None));
        let orders = Arc::clone(&order);
        thread::spawn(move || {
            for client in listener.incoming() {
                let server = TcpStream::connect(("127.0.0.1", server)).unwrap();
                carry(&client.unwrap(), &server, mark, Arc::clone(&orders));
            }
        });
        Self { port, order }
    }

    pub(crate) fn cut(&self, cut: Cut) {
        *self.order.lock().unwrap() = Some(cut);
    }

    /// Whether the cut that was ordered has been made.
    pub(crate) fn is_cut(&self) -> bool {
        self.order.lock().unwrap().is_none()
    }
}

fn carry(client: &TcpStream, server: &TcpStream, mark: &'static [u8], order: Arc<Mutex<Option<Cut>>>) {
    let is_mute = Arc::new(AtomicBool::new(false));
    let (mut from_server, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let mute = Arc::clone(&is_mute);
    thread::spawn(move || {
        let mut bytes = [0; 1 << 13];
        while let Ok(count @ 1..) = from_server.read(&mut bytes) {
            if mute.load(Ordering::SeqCst) || to_client.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        drop((to_client.shutdown(Shutdown::Both), from_server.shutdown(Shutdown::Both)));
    });
    let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    thread::spawn(move || {
        let mut bytes = [0; 1 << 13];
        while let Ok(count @ 1..) = from_client.read(&mut bytes) {
            let is_commit = bytes[..count].windows(mark.len()).any(|window| window == mark);
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

/// What the server holds: live ids, and whether there is a checkpoint for the second publish.
fn found(database: &Database) -> (String, bool) {
    let ids =
        database.sql("SELECT string_agg(id, ' ' ORDER BY id) FROM auth0.thing WHERE NOT _fivetran_deleted");
    let read_at =
        database.sql("SELECT checkpoint::json->>'read_at' FROM _tenantry.checkpoint WHERE stream = 'things'");
    (ids, read_at == "20")
}

async fn open_through(line: &Line, database: &Database) -> Arc<dyn Destination> {
    let url = format!("postgres://{ROLE}@127.0.0.1:{}/{}", line.port, database.name);
    tenantry_destinations::open(&url, Options::default()).await.unwrap()
}

#[tokio::test]
async fn what_became_of_a_commit_is_found_out_and_not_guessed() {
    for cut in [Cut::Before, Cut::After, Cut::Late] {
        let database = Database::new();
        let line = Line::to(database.server.port(), COMMIT);
        let destination = open_through(&line, &database).await;
        destination.prepare(&tables::CATALOG).await.unwrap();
        destination.stage(rows(&["a", "b"])).await.unwrap();
        destination.publish(commit(things(), 10)).await.unwrap();

        destination.stage(rows(&["a", "c"])).await.unwrap();
        line.cut(cut);
        let published = destination.publish(commit(things(), 20)).await;
        assert!(line.is_cut(), "{cut:?}");
        if cut == Cut::Before {
            let error = published.unwrap_err();
            assert_eq!(error.kind, DestinationErrorKind::Unavailable, "{error}");
            assert!(error.message.contains("it did not take place: nothing was written"), "{error}");
            assert_eq!(found(&database), ("a b".to_owned(), false));
        } else {
            let counts = published.unwrap().tables[0].1;
            assert_eq!((counts.inserted, counts.deleted, counts.unchanged), (1, 1, 1), "{cut:?}");
            assert_eq!(found(&database), ("a c".to_owned(), true), "{cut:?}");
        }
        // Either way this object goes on, on another connection.
        destination.stage(rows(&["d"])).await.unwrap();
        destination.publish(commit(things(), 30)).await.unwrap();
        assert_eq!(found(&database).0, "d", "{cut:?}");
    }
}

#[tokio::test]
async fn a_stream_that_lost_staged_rows_with_the_connection_sweeps_nothing() {
    let database = Database::new();
    let line = Line::to(database.server.port(), COMMIT);
    let destination = open_through(&line, &database).await;
    destination.prepare(&tables::CATALOG).await.unwrap();
    destination.stage(happened(&["1", "2"])).await.unwrap();
    destination.publish(commit(events(), 10)).await.unwrap();
    // Half of a complete read is staged when another stream's commit loses the connection.
    destination.stage(happened(&["1"])).await.unwrap();
    destination.stage(rows(&["a"])).await.unwrap();
    line.cut(Cut::After);
    destination.publish(commit(things(), 20)).await.unwrap();
    let refused = destination.stage(happened(&["2"])).await.unwrap_err();
    assert_eq!(refused.kind, DestinationErrorKind::Unavailable, "{refused}");
    assert!(destination.absent(events(), 10).await.is_err());
    let refused = destination.publish(commit(events(), 30)).await.unwrap_err();
    assert!(refused.message.contains("rows that were staged went with it"), "{refused}");
    assert_eq!(database.sql("SELECT count(*) FROM auth0.event WHERE NOT _fivetran_deleted"), "2");
    // Read anew, it can be published.
    destination.stage(happened(&["1", "2", "3"])).await.unwrap();
    destination.publish(commit(events(), 40)).await.unwrap();
    assert_eq!(database.sql("SELECT count(*) FROM auth0.event WHERE NOT _fivetran_deleted"), "3");
}

#[tokio::test]
async fn a_lease_and_a_park_survive_a_lost_answer_too() {
    let database = Database::new();
    let line = Line::to(database.server.port(), COMMIT);
    let destination = open_through(&line, &database).await;
    destination.prepare(&tables::CATALOG).await.unwrap();
    destination.stage(rows(&["a"])).await.unwrap();
    let parked = Parked { position: "page 1".to_owned(), ..Parked::default() };
    let parking =
        Parking { stream: things(), parked, rows: true, quarantined: Vec::new(), synced_at: 1, run: 1 };
    line.cut(Cut::Late);
    destination.park(parking).await.unwrap();
    assert!(destination.state().await.unwrap().parked.contains_key("things"));
    assert!(destination.resume(things(), None).await.unwrap());
    destination.publish(commit(things(), 20)).await.unwrap();
    assert_eq!(found(&database).0, "a");
}
