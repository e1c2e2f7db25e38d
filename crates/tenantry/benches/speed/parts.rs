//! What the bench does in processes of its own, so that neither memory nor CPU of one measurement counts in another. Each prints CPU seconds.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use tenantry_destinations::Options;
use tenantry_replication::catalog::{CATALOG, Replication, Stream};
use tenantry_replication::destination::{Batch, Commit, Counts, Scope};
use tenantry_replication::normalize::Normalizer;
use tenantry_replication::source::{Page, Records};

use crate::floor;
use crate::measured::cpu_seconds;
use crate::records::{self, Log};
use crate::tenant::{Holds, Tenant};

/// Records in one page of a normalizer that is not measured.
const PAGE_RECORDS: u64 = 2_000;

/// The stream of this way of reading.
pub(crate) fn stream(replication: Replication) -> &'static Stream {
    CATALOG.streams.iter().find(|stream| stream.replication == replication).unwrap()
}

/// Does the part that the arguments name.
pub(crate) fn run(arguments: &[&str]) {
    let seconds = match arguments {
        ["merge-users", file, records] => merge(Replication::Export, file, number(records)),
        ["merge-events", file, records] => merge(Replication::Log, file, number(records)),
        ["publish-users", file, records] => load(Replication::Export, file, number(records)),
        ["publish-events", file, records] => load(Replication::Log, file, number(records)),
        ["serve", events] => serve(number(events)),
        ["read-json", export, records, file] => cpu_seconds(|| {
            floor::read_json(
                stream(Replication::Export),
                Path::new(export),
                number(records),
                Path::new(file),
            );
        }),
        ["apply", file, changed, of, version] => apply(file, number(changed), number(of), number(version)),
        other => panic!("no such part: {other:?}"),
    };
    println!("{seconds}");
}

fn number(text: &str) -> u64 {
    text.parse().unwrap()
}

fn merge(replication: Replication, file: &str, records: u64) -> f64 {
    let stream = stream(replication);
    let batches = batches(stream, &mut (0..records), records);
    let seconds = cpu_seconds(|| floor::append_and_merge(stream, batches, Path::new(file)));
    fs::remove_file(file).unwrap();
    seconds
}

/// The same by our own destination.
fn load(replication: Replication, file: &str, records: u64) -> f64 {
    let stream = stream(replication);
    let batches = batches(stream, &mut (0..records), records);
    let seconds = cpu_seconds(|| {
        let counts = publish(stream, file, batches, Scope::Rows, 1);
        assert_eq!(counts.inserted, records, "{counts:?}");
    });
    fs::remove_file(file).unwrap();
    seconds
}

/// Plays a tenant that holds so many events, for a profiler to run the command against.
fn serve(events: u64) -> f64 {
    let log = Some(Log::of(events, crate::wall_clock()));
    println!("{}", Tenant::start(Holds { log, ..Holds::default() }).url());
    loop {
        std::thread::park();
    }
}

/// Records of these numbers as batches.
fn batches(stream: &'static Stream, numbers: &mut dyn Iterator<Item = u64>, of: u64) -> Vec<Batch> {
    versions(stream, numbers, of, 0)
}

fn versions(
    stream: &'static Stream,
    numbers: &mut dyn Iterator<Item = u64>,
    of: u64,
    version: u64,
) -> Vec<Batch> {
    let mut normalizer = Normalizer::new(&CATALOG, stream);
    let log = Log::of(of, 1_790_000_000);
    let mut batches = Vec::new();
    loop {
        let mut text = String::new();
        let wanted: Vec<u64> = numbers.take(PAGE_RECORDS as usize).collect();
        if wanted.is_empty() {
            break;
        }
        let records = if stream.replication == Replication::Export {
            for n in &wanted {
                records::user(&mut text, *n, version);
            }
            Records::Lines
        } else {
            text = log.page(wanted[0] + 1, wanted.len() as u64);
            Records::Array("")
        };
        let page = Page { body: Bytes::from(text), records, parent: None, checkpoint: None };
        normalizer.page(&page).unwrap();
        batches.extend(normalizer.take(false));
    }
    batches.extend(normalizer.take(true));
    assert!(normalizer.take_quarantined().is_empty(), "the records fit");
    batches
}

/// Publishes changed users, spread over the table, into a file that holds `of`.
fn apply(file: &str, changed: u64, of: u64, version: u64) -> f64 {
    let stream = stream(Replication::Export);
    let step = (of / changed).max(1);
    let batches = versions(stream, &mut (0..changed).map(|n| n * step), of, version);
    cpu_seconds(|| {
        let counts = publish(stream, file, batches, Scope::Records { spared: Vec::new() }, version);
        assert_eq!((counts.updated, counts.inserted, counts.deleted), (changed, 0, 0), "{counts:?}");
    })
}

/// Opens a file, stages batches, publishes and closes it. Gives what happened to the rows of the root.
fn publish(stream: &'static Stream, file: &str, batches: Vec<Batch>, scope: Scope, run: u64) -> Counts {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    runtime.block_on(async {
        let url = format!("duckdb:{file}");
        let destination = tenantry_destinations::open(&url, Options::default()).await.unwrap();
        destination.prepare(&CATALOG).await.unwrap();
        for batch in batches {
            destination.stage(batch).await.unwrap();
        }
        let commit = Commit {
            stream,
            tables: stream.tables.iter().map(|table| table.name).collect(),
            scope,
            gone: Vec::new(),
            checkpoint: None,
            synced_at: 1_790_000_000_000_000 + run as i64,
            run: 1_000 + run,
            quarantined: Vec::new(),
            gaps: Vec::new(),
            expected: None,
        };
        destination.publish(commit).await.unwrap().tables[0].1
    })
}
