//! What a publish costs, by size of the table and of the change: `cargo bench -p tenantry-destinations --bench merge`.
//!
//! Arguments after `--`: sizes of the table, default `100000 1000000`; a memory limit for DuckDB like `300MB`; or `postgres`, for a server that
//! is started for it and spares its disk. The rows are those of the catalog's export stream, root and children, with made-up values. CPU seconds
//! are those of the whole process, DuckDB's threads included and a server's not; closing the file counts, as it writes what was changed to its
//! place; making up the rows does not. docs/decisions/0004-duckdb-merge.md and docs/destinations/postgres.md explain the figures.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::unwrap_used, reason = "a bench ends at the first failure")]

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, TimestampMicrosecondArray};
use rustix::time::{ClockId, clock_gettime};
use tenantry_destinations::Options;
use tenantry_destinations::postgres::server::Database;
use tenantry_replication::catalog::{CATALOG, Column, Origin, Replication, Rows, Stream, Table, Type};
use tenantry_replication::destination::{Batch, Commit, Counts, Scope, staged_schema};

const BATCH_ROWS: u64 = 8192;
const CHANGED: u64 = 10_000;

fn main() {
    let sizes: Vec<u64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![100_000, 1_000_000] } else { sizes };
    let stream = CATALOG.streams.iter().find(|stream| stream.replication == Replication::Export).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    println!(
        "{:>9}  {:<44} {:>8} {:>8}  rows by what happened to them",
        "table", "publish", "wall s", "cpu s"
    );
    let into_server = std::env::args().any(|argument| argument == "postgres");
    for size in sizes {
        let place = if into_server { Place::Database(Database::new()) } else { Place::file() };
        runtime.block_on(measure(stream, size, &place));
    }
}

/// Where the rows go.
enum Place {
    /// A file in this folder.
    File(tempfile::TempDir),
    Database(Database),
}

impl Place {
    fn file() -> Self {
        Self::File(tempfile::tempdir().unwrap())
    }

    fn url(&self) -> String {
        match self {
            Self::File(folder) => format!("duckdb:{}", file_in(folder).display()),
            Self::Database(database) => database.url(),
        }
    }

    fn megabytes(&self) -> String {
        match self {
            Self::File(folder) => (std::fs::metadata(file_in(folder)).unwrap().len() >> 20).to_string(),
            Self::Database(database) => database.sql("SELECT pg_database_size(current_database()) >> 20"),
        }
    }
}

fn file_in(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("bench.duckdb")
}

/// Numbers of the rows to publish.
type Numbers = Box<dyn Iterator<Item = u64>>;

/// One table size: fill, read again, change a little, add a little, sweep a little.
async fn measure(stream: &'static Stream, size: u64, place: &Place) {
    let step = (size / CHANGED).max(1);
    let changed = || (0..size).step_by(usize::try_from(step).unwrap());
    let all = Scope::Table { spared: Vec::new() };
    let cases: [(&str, Numbers, u64, Scope); 6] = [
        ("everything, into an empty table", Box::new(0..size), 0, all.clone()),
        ("everything again, unchanged", Box::new(0..size), 0, all.clone()),
        ("10,000 rows spread over it, unchanged", Box::new(changed()), 0, Scope::Rows),
        (
            "10,000 rows spread over it, changed",
            Box::new(changed()),
            1,
            Scope::Records { spared: Vec::new() },
        ),
        ("10,000 new rows", Box::new(size..size + CHANGED), 0, Scope::Rows),
        ("everything again, but the 10,000", Box::new((0..size).filter(move |n| n % step != 0)), 0, all),
    ];
    for (run, (name, rows, version, scope)) in (1..).zip(cases) {
        // Begins the count of the peak anew.
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        let (wall, cpu) = (now(ClockId::Monotonic), now(ClockId::ProcessCPUTime));
        let (counts, made) = publish(stream, place, rows, version, scope, run).await;
        let (wall, cpu) = (now(ClockId::Monotonic) - wall, now(ClockId::ProcessCPUTime) - cpu - made);
        let Counts { inserted, updated, deleted, unchanged, .. } = counts;
        println!(
            "{size:>9}  {name:<42} {wall:>7.2} {cpu:>7.2} {:>8}  +{inserted} ~{updated} -{deleted} ={unchanged}",
            peak_memory() / 1024
        );
    }
    println!("{size:>9}  {} MB", place.megabytes());
}

/// Opens the destination, stages and publishes, and closes it. Gives what happened to the root's rows, and the CPU time of making them up.
async fn publish(
    stream: &'static Stream,
    place: &Place,
    mut rows: Numbers,
    version: u64,
    scope: Scope,
    run: u64,
) -> (Counts, f64) {
    let mut made = 0.0;
    let options =
        Options { memory_limit: std::env::args().find(|a| a.ends_with("MB")), ..Options::default() };
    let destination = tenantry_destinations::open(&place.url(), options).await.unwrap();
    destination.prepare(&CATALOG).await.unwrap();
    for page in 0.. {
        let page_rows: Vec<u64> = rows.by_ref().take(usize::try_from(BATCH_ROWS).unwrap()).collect();
        if page_rows.is_empty() {
            break;
        }
        for table in stream.tables {
            let begun = now(ClockId::ThreadCPUTime);
            let batch = batch(table, &page_rows, version, page);
            made += now(ClockId::ThreadCPUTime) - begun;
            destination.stage(batch).await.unwrap();
        }
    }
    let commit = Commit {
        stream,
        tables: stream.tables.iter().map(|table| table.name).collect(),
        scope,
        gone: Vec::new(),
        checkpoint: None,
        synced_at: i64::try_from(run).unwrap(),
        run,
        quarantined: Vec::new(),
        gaps: Vec::new(),
        expected: None,
    };
    (destination.publish(commit).await.unwrap().tables[0].1, made)
}

fn batch(table: &'static Table, rows: &[u64], version: u64, page: i64) -> Batch {
    let mut columns: Vec<ArrayRef> = table
        .data_columns()
        .enumerate()
        .map(|(index, column)| made_up(table, column, index as u64, rows, version))
        .collect();
    columns.push(Arc::new(Int64Array::from(vec![page; rows.len()])));
    Batch { table, rows: RecordBatch::try_new(staged_schema(table), columns).unwrap() }
}

/// Values that look like a tenant's: ids without order, texts that partly repeat, times that grow. `version` changes what is not a key.
fn made_up(table: &Table, column: &Column, index: u64, rows: &[u64], version: u64) -> ArrayRef {
    let names_record = matches!(column.origin, Origin::Record(_))
        || (table.rows == Rows::Record && table.key.contains(&column.name));
    let is_key = table.key.contains(&column.name);
    let version = if is_key { 0 } else { version };
    match column.kind {
        Type::Boolean => Arc::new(
            rows.iter().map(|n| Some((n + version + index).is_multiple_of(3))).collect::<BooleanArray>(),
        ),
        Type::Integer => Arc::new(Int64Array::from_iter_values(
            rows.iter().map(|n| (n * (index + 7) + version).cast_signed() % 1000),
        )),
        Type::Timestamp => Arc::new(
            TimestampMicrosecondArray::from_iter_values(
                rows.iter().map(|n| (1_600_000_000_000_000 + n * 1_000_003 + version).cast_signed()),
            )
            .with_timezone("UTC"),
        ),
        Type::String => {
            let mut texts = StringBuilder::with_capacity(rows.len(), rows.len() * 40);
            for n in rows {
                let text = match index % 3 {
                    _ if names_record => format!("auth0|{:016x}{:08x}", mixed(*n), *n),
                    0 => format!("https://cdn.example.com/avatars/{:016x}.png", mixed(n + version)),
                    1 => format!("user{n}.{version}@example.com"),
                    _ => format!("value {}", (n + version) % 5000),
                };
                texts.append_value(text);
            }
            Arc::new(texts.finish())
        }
    }
}

fn mixed(n: u64) -> u64 {
    let mixed = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9).wrapping_add(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb)
}

/// Seconds by this clock.
fn now(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Kilobytes, as the kernel counted.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
