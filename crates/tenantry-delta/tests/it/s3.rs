//! The same over the S3 protocol: a server from the outside speaks it, with the conditional writes that commits stand on.
//!
//! The server is a program of its own, installed by `make setup`; where it is absent this says so and passes, unless
//! `TENANTRY_REQUIRE_CLIENTS` is set. It is no S3: that a cloud keeps its own promises is not shown here.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tenantry_delta::{Delta, Options};
use tenantry_replication::catalog::Table;
use tenantry_replication::destination::conformance::{self, Subject, tables};
use tenantry_replication::destination::{Claim, Destination, Holder};
use tenantry_replication::error::DestinationErrorKind;

use crate::place::{all_rows, forbidden, installed, options};

const BUCKET: &str = "lake";

/// A server that speaks S3, with one bucket.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start(program: &Path) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let process = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &address.port().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { process, address };
        for _ in 0..600 {
            if server.ask("PUT", &format!("/{BUCKET}")) == Some(200) {
                return server;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the server does not answer");
    }

    /// Status of the answer to a request without a body.
    fn ask(&self, method: &str, path: &str) -> Option<u16> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            self.address
        )
        .ok()?;
        let mut reader = BufReader::new(stream);
        let mut status = String::new();
        reader.read_line(&mut status).ok()?;
        reader.read_to_end(&mut Vec::new()).ok()?;
        status.split(' ').nth(1)?.parse().ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Tables below a prefix of their own.
struct Prefix<'a> {
    server: &'a Server,
    number: u32,
    folder: tempfile::TempDir,
}

impl<'a> Prefix<'a> {
    fn new(server: &'a Server) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self { server, number, folder: tempfile::tempdir().unwrap() }
    }

    async fn opened(&self, options: Options) -> tenantry_replication::error::DestinationResult<Delta> {
        let storage = [
            ("aws_endpoint_url", format!("http://{}", self.server.address)),
            ("aws_allow_http", "true".to_owned()),
            ("aws_region", "us-east-1".to_owned()),
            ("aws_access_key_id", "test".to_owned()),
            ("aws_secret_access_key", "canary".to_owned()),
            ("aws_ec2_metadata_disabled", "true".to_owned()),
        ];
        let storage = storage.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Delta::open(&format!("s3://{BUCKET}/prefix-{}/lake", self.number), Options { storage, ..options })
            .await
    }
}

#[async_trait]
impl Subject for Prefix<'_> {
    async fn open(&self) -> Arc<dyn Destination> {
        Arc::new(self.opened(options()).await.unwrap())
    }

    fn all_rows(&self, table: &Table) -> String {
        all_rows(table)
    }

    fn forbidden(&self, table: &Table) -> Vec<String> {
        forbidden(table, self.folder.path())
    }
}

macro_rules! cases {
    ($server:expr => $($case:ident)*) => {
        $(conformance::$case(&Prefix::new($server)).await;)*
    };
}

#[tokio::test]
async fn the_promises_hold_over_s3() {
    let Some(program) = installed("moto_server") else { return };
    let server = Server::start(&program);
    cases! { &server =>
        staged_rows_are_invisible_until_published
        publishing_the_same_twice_changes_nothing
        a_missing_column_is_added
        children_are_replaced_record_by_record
        a_complete_read_sweeps_what_it_did_not_hold
        a_failed_publish_leaves_nothing_behind
        a_parked_read_survives_and_stays_invisible
        parking_again_adds_what_came_since
        publishing_drops_what_was_parked
        checkpoint_and_rows_come_together_and_stay
        runs_are_remembered
        another_tenant_is_refused
        a_lease_keeps_others_out_until_it_ends
        who_lost_the_lease_writes_nothing
        quarantined_records_and_gaps_are_kept
        the_summary_counts_rows
        queries_that_write_are_refused
    }
    two_processes_want_the_lease_at_once(&server).await;
    what_is_not_there_is_told(&server).await;
}

/// Of many who ask at the same time one gets it.
async fn two_processes_want_the_lease_at_once(server: &Server) {
    let prefix = Prefix::new(server);
    let opened = futures::future::join_all((0..4).map(|_| prefix.opened(options()))).await;
    let claim = |process| Claim {
        holder: Holder { name: format!("process {process}"), place: None, process },
        over: None,
        now: 0,
        until: 100,
    };
    let holds = opened
        .iter()
        .zip(0..)
        .map(|(opened, process)| async move { opened.as_ref().unwrap().hold(claim(process)).await });
    let given = futures::future::join_all(holds).await;
    assert_eq!(given.iter().filter(|given| given.is_ok()).count(), 1, "{given:?}");
    let kinds = given.iter().filter_map(|given| given.as_ref().err()).map(|error| error.kind);
    assert!(kinds.into_iter().all(|kind| kind == DestinationErrorKind::Held), "{given:?}");
}

async fn what_is_not_there_is_told(server: &Server) {
    let prefix = Prefix::new(server);
    let reading = Options { writes: false, ..options() };
    let refused = prefix.opened(reading).await.err().unwrap();
    assert_eq!(refused.kind, DestinationErrorKind::Absent, "{refused}");
    prefix.opened(options()).await.unwrap().prepare(&tables::CATALOG).await.unwrap();
    let missing = format!("s3://no-such-bucket-{}/lake", prefix.number);
    let storage = [
        ("aws_endpoint_url", format!("http://{}", server.address)),
        ("aws_allow_http", "true".to_owned()),
        ("aws_access_key_id", "test".to_owned()),
        ("aws_secret_access_key", "canary".to_owned()),
    ];
    let storage = storage.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let refused = Delta::open(&missing, Options { storage, ..options() }).await.err();
    let said = refused.map(|error| format!("{error} {:?}", error.source)).unwrap_or_default();
    assert!(!said.contains("canary"), "no secret is told: {said}");
}
