//! What only statements of our own can set up or look into.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use tempfile::TempDir;
use tenantry_replication::destination::conformance::tables::{self, things};
use tenantry_replication::destination::{Batch, Commit, Counts, Destination as _, Scope, staged_schema};
use tenantry_replication::error::{DestinationError, DestinationErrorKind};
use tenantry_replication::source::Gap;
use tenantry_replication::state::{Quarantine, RunRecord, TableRecord};

use super::{DuckDb, file};
use crate::Options;

struct Fixture {
    folder: TempDir,
}

impl Fixture {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("warehouse.duckdb")
    }

    async fn open(&self) -> Result<DuckDb, DestinationError> {
        DuckDb::open(self.path(), Options::default()).await
    }

    async fn prepared(&self) -> DuckDb {
        let destination = self.open().await.unwrap();
        destination.prepare(&tables::CATALOG).await.unwrap();
        destination
    }
}

fn run(destination: &DuckDb, sql: &str) {
    destination.shared.writer().unwrap().run(sql).unwrap();
}

fn texts(destination: &DuckDb, sql: &str) -> Vec<Vec<Option<String>>> {
    destination.shared.writer().unwrap().texts(sql).unwrap()
}

/// Stages rows of `thing`.
async fn stage(destination: &DuckDb, names: &[(&str, &str)]) -> Result<(), DestinationError> {
    let table = things().root();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(names.iter().map(|(id, _)| *id))),
        Arc::new(StringArray::from_iter_values(names.iter().map(|(_, name)| *name))),
        Arc::new(BooleanArray::from(vec![None; names.len()])),
        Arc::new(Int64Array::from(vec![None; names.len()])),
        Arc::new(TimestampMicrosecondArray::from(vec![None; names.len()]).with_timezone("UTC")),
        Arc::new(Int64Array::from(vec![0; names.len()])),
    ];
    let rows = RecordBatch::try_new(staged_schema(table), columns).unwrap();
    destination.stage(Batch { table, rows }).await
}

/// Stages rows of `thing` and publishes them.
async fn publish(
    destination: &DuckDb,
    names: &[(&str, &str)],
    scope: Scope,
    at: i64,
) -> Result<Counts, DestinationError> {
    stage(destination, names).await?;
    Ok(destination.publish(commit(scope, at)).await?.tables[0].1)
}

fn commit(scope: Scope, at: i64) -> Commit {
    Commit {
        stream: things(),
        tables: vec![things().root().name],
        scope,
        gone: Vec::new(),
        checkpoint: None,
        synced_at: at,
        run: u64::try_from(at).unwrap(),
        quarantined: Vec::new(),
        gaps: Vec::new(),
        expected: None,
    }
}

#[tokio::test]
async fn columns_of_the_users_own_keep_their_values() {
    let fixture = Fixture::new();
    let destination = fixture.prepared().await;
    publish(&destination, &[("a", "Anna"), ("b", "Ben")], Scope::Rows, 1).await.unwrap();
    run(&destination, "ALTER TABLE tenantry.auth0.thing ADD COLUMN note VARCHAR");
    run(&destination, "UPDATE tenantry.auth0.thing SET note = 'mine ' || id");
    destination.prepare(&tables::CATALOG).await.unwrap();
    let changed = [("a", "Another"), ("b", "Ben"), ("c", "Cleo")];
    let counts = publish(&destination, &changed, Scope::Rows, 2).await.unwrap();
    assert_eq!(counts, Counts { inserted: 1, updated: 1, unchanged: 1, ..Counts::default() });
    let rows = texts(&destination, "SELECT name, note FROM tenantry.auth0.thing ORDER BY id");
    let row = |name: &str, note: Option<&str>| vec![Some(name.to_owned()), note.map(str::to_owned)];
    assert_eq!(rows, [row("Another", Some("mine a")), row("Ben", Some("mine b")), row("Cleo", None)]);
}

#[tokio::test]
async fn a_table_with_doubled_rows_is_not_written() {
    let fixture = Fixture::new();
    let destination = fixture.prepared().await;
    publish(&destination, &[("a", "Anna")], Scope::Rows, 1).await.unwrap();
    run(&destination, "INSERT INTO tenantry.auth0.thing SELECT * FROM tenantry.auth0.thing");
    let error = publish(&destination, &[("a", "Another")], Scope::Rows, 2).await.unwrap_err();
    assert!(error.to_string().contains("auth0.thing holds several rows with one key"), "{error}");
    let rows = texts(&destination, "SELECT DISTINCT name FROM tenantry.auth0.thing");
    assert_eq!(rows, [[Some("Anna".to_owned())]]);
}

#[tokio::test]
async fn a_view_where_a_table_should_be_is_a_conflict() {
    let fixture = Fixture::new();
    let destination = fixture.open().await.unwrap();
    run(&destination, "CREATE SCHEMA tenantry.auth0");
    run(&destination, "CREATE VIEW tenantry.auth0.thing AS SELECT 1 AS id");
    let error = destination.prepare(&tables::CATALOG).await.unwrap_err();
    assert_eq!(error.kind, DestinationErrorKind::SchemaConflict, "{error}");
    assert!(texts(&destination, "SELECT table_name FROM duckdb_tables()").is_empty(), "nothing was made");
}

#[tokio::test]
async fn a_layout_from_the_future_is_refused() {
    let fixture = Fixture::new();
    let destination = fixture.prepared().await;
    run(&destination, "UPDATE tenantry._tenantry.meta SET layout = 99");
    drop(destination);
    let Err(error) = fixture.open().await else { panic!("opened") };
    assert_eq!(error.kind, DestinationErrorKind::Newer, "{error}");
}

#[tokio::test]
async fn the_same_record_is_quarantined_once_and_gaps_pile_up() {
    let fixture = Fixture::new();
    let destination = fixture.prepared().await;
    let quarantine = |key: &str, record: &str| Quarantine {
        table: "thing",
        key: key.to_owned(),
        reason: "size: not a number".to_owned(),
        record: record.to_owned(),
    };
    for at in [1, 2] {
        let quarantined = vec![
            quarantine("[\"a\"]", "first"),
            quarantine("[\"b\"]", "\u{0}"),
            quarantine("[\"a\"]", "last"),
        ];
        let gap = Gap { from: "f".to_owned(), to: String::new(), reason: "r".to_owned() };
        let commit = Commit { quarantined, gaps: vec![gap], ..commit(Scope::Rows, at) };
        destination.publish(commit).await.unwrap();
    }
    let texts_of =
        |sql| texts(&destination, sql).into_iter().flatten().flatten().collect::<Vec<_>>().join("|");
    let sql = "SELECT \"table\", key, record, run::VARCHAR, epoch_us(recorded_at)::VARCHAR FROM tenantry._tenantry.quarantine ORDER BY key";
    assert_eq!(texts_of(sql), "thing|[\"a\"]|last|2|2|thing|[\"b\"]|\u{0}|2|2");
    let sql =
        "SELECT stream, \"from\", \"to\", reason, run::VARCHAR FROM tenantry._tenantry.gap ORDER BY run";
    assert_eq!(texts_of(sql), "things|f||r|1|things|f||r|2");
}

#[tokio::test]
async fn a_large_log_is_written_into_the_file() {
    let fixture = Fixture::new();
    let destination = fixture.prepared().await;
    let log = destination.shared.log.clone();
    let name = "x".repeat(1000);
    let mut largest = 0;
    for round in 1..50 {
        let ids: Vec<String> = (0..2000).map(|n| format!("{round}-{n}")).collect();
        let rows: Vec<_> = ids.iter().map(|id| (id.as_str(), name.as_str())).collect();
        publish(&destination, &rows, Scope::Rows, round).await.unwrap();
        largest = largest.max(std::fs::metadata(&log).map_or(0, |log| log.len()));
    }
    assert!(largest > 16 << 20, "the log was never in use");
    assert!(largest < file::LOG_BYTES_MAX + (4 << 20), "the log grew to {largest} bytes");
    drop(destination);
    assert!(!log.exists(), "closing leaves no log");
}

#[tokio::test]
async fn what_a_crash_spilled_is_removed() {
    let fixture = Fixture::new();
    let spill_of = |process: &str| fixture.folder.path().join(format!("warehouse.duckdb.tmp{process}"));
    for process in ["", ".12-00000000000000ff"] {
        std::fs::create_dir(spill_of(process)).unwrap();
        std::fs::write(spill_of(process).join("duckdb_temp_storage_DEFAULT-0.tmp"), "left behind").unwrap();
    }
    let of_the_user = [spill_of(".34-0").join("notes.txt"), spill_of("late").join("duckdb_temp_notes.txt")];
    for file in &of_the_user {
        std::fs::create_dir(file.parent().unwrap()).unwrap();
        std::fs::write(file, "the user's").unwrap();
    }
    drop(fixture.open().await.unwrap());
    assert!(!spill_of("").exists());
    assert!(!spill_of(".12-00000000000000ff").exists());
    assert!(of_the_user.iter().all(|file| file.exists()), "what is not ours stays");
}

#[tokio::test]
async fn what_is_spilled_while_the_log_is_brought_in_stays_until_it_is_not_needed() {
    let fixture = Fixture::new();
    let destination = fixture.prepared().await;
    let name = "x".repeat(1000);
    for round in 1..20 {
        let ids: Vec<String> = (0..2000).map(|n| format!("{round}-{n}")).collect();
        let rows: Vec<_> = ids.iter().map(|id| (id.as_str(), name.as_str())).collect();
        publish(&destination, &rows, Scope::Rows, round).await.unwrap();
    }
    // As a kill leaves them: with all of it in the log.
    let copy = fixture.folder.path().join("copy.duckdb");
    std::fs::copy(fixture.path(), &copy).unwrap();
    std::fs::copy(&destination.shared.log, fixture.folder.path().join("copy.duckdb.wal")).unwrap();
    let small = Options { memory_limit: Some("24MB".to_owned()), ..Options::default() };
    let opened = DuckDb::open(copy.to_str().unwrap(), small).await.unwrap();
    let entries = std::fs::read_dir(fixture.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let spilled = entries.filter(|name| name.to_str().unwrap().starts_with("copy.duckdb.tmp")).count();
    assert_eq!(spilled, 1, "opening spilled nothing: the test shows nothing");
    let sql = "SELECT count(*)::VARCHAR FROM tenantry.auth0.thing WHERE length(name) + length(id) > 1000";
    assert_eq!(texts(&opened, sql), [[Some("38000".to_owned())]]);
    drop(opened);
    let entries = std::fs::read_dir(fixture.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(
        entries.filter(|name| name.to_str().unwrap().contains(".tmp")).count(),
        0,
        "a folder was left"
    );
}

#[tokio::test]
async fn preparing_again_writes_nothing() {
    let fixture = Fixture::new();
    drop(fixture.prepared().await);
    let destination = fixture.prepared().await;
    assert!(!destination.shared.log.exists(), "nothing was written");
}

#[tokio::test]
async fn nothing_stays_staged() {
    let fixture = Fixture::new();
    let destination = fixture.prepared().await;
    publish(&destination, &[("a", "Anna")], Scope::Table { spared: vec![vec!["b".to_owned()]] }, 1)
        .await
        .unwrap();
    let failing = Commit { tables: vec!["thing", "thing_part"], ..commit(Scope::Rows, 2) };
    run(&destination, "DROP TABLE tenantry.auth0.thing_part");
    assert!(destination.publish(failing).await.is_err());
    destination.discard(things()).await.unwrap();
    let left = texts(
        &destination,
        "SELECT table_name FROM duckdb_tables() WHERE database_name IN ('memory', 'temp')",
    );
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn times_are_kept_in_utc_whatever_zone_the_session_has() {
    let fixture = Fixture::new();
    let destination = fixture.prepared().await;
    publish(&destination, &[("a", "Anna")], Scope::Rows, 1_700_000_000_000_000).await.unwrap();
    let answer =
        destination.query("SELECT strftime(_fivetran_synced, '%Y-%m-%d %H:%M:%S') FROM thing").await.unwrap();
    assert_eq!(answer[0].column(0).as_string::<i32>().value(0), "2023-11-14 22:13:20");
}

#[tokio::test]
async fn a_limit_of_memory_that_we_chose_gives_way_and_the_users_does_not() {
    let fixture = Fixture::new();
    let options = Options { memory_limit: Some("24MB".to_owned()), ..Options::default() };
    let mut destination = DuckDb::open(fixture.path(), options).await.unwrap();
    destination.prepare(&tables::CATALOG).await.unwrap();
    let ids: Vec<String> = (0..400_000_u64).map(|n| format!("{:064}", n * 7_919 % 400_000)).collect();
    let name = |round: usize| ["one", "two"][round];
    let rows = |round: usize| ids.iter().map(|id| (id.as_str(), name(round))).collect::<Vec<_>>();
    publish(&destination, &rows(0), Scope::Rows, 1).await.unwrap();
    let error = publish(&destination, &rows(1), Scope::Rows, 2).await.unwrap_err();
    let said = error.to_string();
    assert!(said.contains("Out of Memory") && !said.contains("solutions"), "{said}");
    assert!(
        said.ends_with("the limit is the one that was set for DuckDB: allow it more, or set none"),
        "{said}"
    );
    let memory = &mut Arc::get_mut(&mut destination.shared).unwrap().limits.memory;
    (memory.bytes, memory.is_ours) = (24_000_000, true);
    let counts = publish(&destination, &rows(1), Scope::Rows, 3).await.unwrap();
    assert_eq!(counts.updated, 400_000);
    let limit = texts(&destination, "SELECT current_setting('memory_limit')");
    assert_eq!(limit, [[Some("22.8 MiB".to_owned())]], "the limit is back");
}

/// Rows of `thing` in several batches, more in all than fits into 4 MB.
async fn stage_many(destination: &DuckDb) -> Result<u64, DestinationError> {
    let ids: Vec<String> = (0..60_000_u64).map(|n| format!("{n:0200}")).collect();
    for batch in ids.chunks(3_001) {
        stage(destination, &batch.iter().map(|id| (id.as_str(), "one")).collect::<Vec<_>>()).await?;
    }
    Ok(ids.len() as u64)
}

#[tokio::test]
async fn rows_that_duckdb_drops_for_want_of_memory_are_missed() {
    let fixture = Fixture::new();
    let options = Options { memory_limit: Some("4MB".to_owned()), ..Options::default() };
    let destination = DuckDb::open(fixture.path(), options).await.unwrap();
    destination.prepare(&tables::CATALOG).await.unwrap();
    let error = stage_many(&destination).await.unwrap_err();
    assert!(["lost", "could not allocate"].iter().any(|word| error.to_string().contains(word)), "{error}");
    destination.discard(things()).await.unwrap();
    run(&destination, "SET GLOBAL memory_limit = '100MB'");
    let staged = stage_many(&destination).await.unwrap();
    let counts = destination.publish(commit(Scope::Rows, 1)).await.unwrap().tables[0].1;
    assert_eq!(counts.inserted, staged, "nothing of the failure is left");
}

#[tokio::test]
async fn duckdb_gets_whole_vectors_of_what_is_staged() {
    let fixture = Fixture::new();
    let destination = fixture.prepared().await;
    let sql = "SELECT CAST(memory_usage_bytes AS VARCHAR) FROM duckdb_memory() WHERE tag = 'BASE_TABLE'";
    let before = texts(&destination, sql);
    let staged = stage_many(&destination).await.unwrap();
    let sql_staged =
        "SELECT CAST(sum(estimated_size) AS VARCHAR) FROM duckdb_tables() WHERE table_name LIKE 'thing#%'";
    assert_ne!(texts(&destination, sql_staged), [[None]], "some of it is in DuckDB");
    assert_eq!(texts(&destination, sql), before, "no note of who inserted each row");
    let counts = destination.publish(commit(Scope::Rows, 1)).await.unwrap().tables[0].1;
    assert_eq!(counts.inserted, staged);
}

#[tokio::test]
async fn a_file_from_before_drift_and_delays_were_counted_is_read_as_it_is_and_widened() {
    let fixture = Fixture::new();
    let destination = fixture.prepared().await;
    for column in ["drifted", "limited", "waited", "began"] {
        run(&destination, &format!("ALTER TABLE tenantry._tenantry.run_table DROP COLUMN {column}"));
    }
    run(&destination, "INSERT INTO tenantry._tenantry.run (run, outcome) VALUES (1, 'done')");
    run(
        &destination,
        "INSERT INTO tenantry._tenantry.run_table (run, \"table\", outcome) VALUES (1, 'thing', 'done')",
    );
    // Whoever only reads has no drift to tell of either: that column came first.
    run(&destination, "ALTER TABLE tenantry._tenantry.run_table ADD COLUMN drifted BIGINT");
    let reader = destination.reader().unwrap();
    let old = reader.run(1).await.unwrap().unwrap().tables.remove(0);
    assert_eq!((old.limited, old.waited, old.began), (0, 0.0, 0.0));
    run(&destination, "ALTER TABLE tenantry._tenantry.run_table DROP COLUMN drifted");
    destination.prepare(&tables::CATALOG).await.unwrap();
    let table = TableRecord {
        table: "thing".to_owned(),
        outcome: "done".to_owned(),
        message: None,
        inserted: 0,
        updated: 3,
        deleted: 0,
        unchanged: 0,
        drifted: 2,
        quarantined: 0,
        requests: 1,
        limited: 4,
        waited: 2.5,
        began: 0.25,
        seconds: 0.5,
    };
    let (outcome, tables) = ("done".to_owned(), vec![table]);
    let record = RunRecord { run: 2, started_at: 1, finished_at: 2, outcome, requests: 1, tables };
    destination.record(&record).await.unwrap();
    let sql = "SELECT CAST(run AS VARCHAR), CAST(drifted AS VARCHAR), CAST(seconds AS VARCHAR) FROM tenantry._tenantry.run_table ORDER BY run";
    let row = |cells: [Option<&str>; 3]| cells.map(|cell| cell.map(str::to_owned)).to_vec();
    assert_eq!(
        texts(&destination, sql),
        [row([Some("1"), None, None]), row([Some("2"), Some("2"), Some("0.5")])]
    );
    assert_eq!(
        destination.reader().unwrap().runs(9).await.unwrap(),
        [record, reader.run(1).await.unwrap().unwrap()]
    );
}
