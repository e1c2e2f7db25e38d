//! The DuckDB file: the conformance suite, and what is particular to it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use arrow_array::Int64Array;
use async_trait::async_trait;
use tempfile::TempDir;
use tenantry_destinations::{Access, Language, Options};
use tenantry_replication::catalog::{CATALOG, Table};
use tenantry_replication::destination::Destination;
use tenantry_replication::destination::conformance::{Subject, tables};
use tenantry_replication::error::{DestinationErrorKind, DestinationResult};

/// A file in a folder of its own.
struct File {
    folder: TempDir,
}

impl File {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("warehouse.duckdb")
    }
}

#[async_trait]
impl Subject for File {
    async fn open(&self) -> Arc<dyn Destination> {
        open(&self.path(), Options::default()).await.unwrap()
    }

    fn all_rows(&self, table: &Table) -> String {
        let columns: Vec<_> = table.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
        let key: Vec<_> = table.key.iter().map(|name| format!("\"{name}\" NULLS FIRST")).collect();
        format!("SELECT {} FROM auth0.{} ORDER BY {}", columns.join(", "), table.name, key.join(", "))
    }

    fn forbidden(&self, table: &Table) -> Vec<String> {
        let elsewhere = self.folder.path().join("elsewhere");
        std::fs::write(self.folder.path().join("secret.csv"), "secret\n").unwrap();
        let folder = self.folder.path().display().to_string();
        let corpus = include_str!("forbidden.sql");
        let statements = corpus.split("\n\n").filter(|statement| !statement.trim_start().starts_with("--"));
        statements
            .map(|sql| {
                sql.replace("{table}", &format!("auth0.{}", table.name))
                    .replace("{elsewhere}", &elsewhere.display().to_string())
                    .replace("{folder}", &folder)
            })
            .collect()
    }
}

tenantry_replication::destination_conformance!(File::new());

async fn open(path: &Path, options: Options) -> DestinationResult<Arc<dyn Destination>> {
    tenantry_destinations::open(&format!("duckdb:{}", path.display()), options).await
}

async fn number(destination: &dyn Destination, sql: &str) -> i64 {
    let answer = destination.query(sql).await.unwrap();
    answer[0].column(0).as_any().downcast_ref::<Int64Array>().unwrap().value(0)
}

async fn text(destination: &dyn Destination, sql: &str) -> String {
    let answer = destination.query(sql).await.unwrap();
    arrow_cast::display::array_value_to_string(answer[0].column(0), 0).unwrap()
}

/// The error of opening a file that cannot be opened.
async fn refusal(path: &Path, options: Options) -> (DestinationErrorKind, String) {
    match open(path, options).await {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => (error.kind, error.to_string()),
    }
}

fn mode(path: &Path) -> u32 {
    // A spill file may be gone again by now.
    std::fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode() & 0o777)
}

/// Also when the file is named like the schema.
#[tokio::test]
async fn every_table_and_column_of_the_real_catalog_is_there_with_its_description() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("auth0.duckdb");
    let destination = open(&path, Options::default()).await.unwrap();
    destination.prepare(&CATALOG).await.unwrap();
    let sql = "SELECT count(*) FROM duckdb_columns() WHERE schema_name = 'auth0' AND length(comment) > 0";
    let found = number(destination.as_ref(), sql).await;
    let wanted: usize = CATALOG.tables().map(|table| table.columns.len()).sum();
    assert_eq!(usize::try_from(found).unwrap(), wanted);
    let summary = destination.summarize(&CATALOG).await.unwrap();
    assert_eq!(summary.len(), CATALOG.tables().count());
    for table in CATALOG.tables() {
        let sql = format!(
            "SELECT comment FROM duckdb_tables() WHERE schema_name = 'auth0' AND table_name = '{}'",
            table.name
        );
        assert_eq!(text(destination.as_ref(), &sql).await, table.about.en);
    }
    assert_eq!(number(destination.as_ref(), "SELECT count(*) FROM duckdb_constraints()").await, 0);
    assert_eq!(number(destination.as_ref(), "SELECT count(*) FROM duckdb_indexes()").await, 0);
}

#[tokio::test]
async fn descriptions_follow_the_language() {
    let file = File::new();
    for (language, expected) in [(Language::English, "Number of the run."), (Language::Japanese, "実行番号")]
    {
        let destination = open(&file.path(), Options { language, ..Options::default() }).await.unwrap();
        destination.prepare(&tables::CATALOG).await.unwrap();
        let sql = "SELECT comment FROM duckdb_columns() WHERE schema_name = '_tenantry' AND table_name = 'run' AND column_name = 'run'";
        assert_eq!(text(destination.as_ref(), sql).await, expected);
    }
}

#[tokio::test]
async fn a_schema_of_any_name_does() {
    for schema in ["main", "tenantry", "memory", "a \"quoted\" one", "UPPER"] {
        let file = File::new();
        let options = Options { schema: schema.to_owned(), ..Options::default() };
        let destination = open(&file.path(), options.clone()).await.unwrap();
        destination.prepare(&tables::CATALOG).await.unwrap();
        destination.prepare(&tables::CATALOG).await.unwrap();
        assert_eq!(number(destination.as_ref(), "SELECT count(*) FROM thing").await, 0);
        drop(destination);
        open(&file.path(), options).await.unwrap().prepare(&tables::CATALOG).await.unwrap();
    }
}

#[tokio::test]
async fn readers_read_side_by_side_and_write_nothing() {
    let file = File::new();
    let reading = Options { access: Access::Read, ..Options::default() };
    assert_eq!(refusal(&file.path(), reading.clone()).await.0, DestinationErrorKind::Absent);
    assert!(!file.path().exists(), "a reader makes no file");
    open(&file.path(), Options::default()).await.unwrap().prepare(&tables::CATALOG).await.unwrap();
    let before = std::fs::read(file.path()).unwrap();
    let one = open(&file.path(), reading.clone()).await.unwrap();
    let other = open(&file.path(), reading).await.unwrap();
    for reader in [&one, &other] {
        assert_eq!(number(reader.as_ref(), "SELECT count(*) FROM thing").await, 0);
        assert_eq!(reader.summarize(&CATALOG).await.unwrap().len(), CATALOG.tables().count());
        assert_eq!(reader.state().await.unwrap().last_run, 0);
        assert!(reader.prepare(&CATALOG).await.is_err());
    }
    drop((one, other));
    assert_eq!(std::fs::read(file.path()).unwrap(), before);
}

#[tokio::test]
async fn what_cannot_be_opened_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(
        at("text.duckdb"),
        "not a database, but long enough to hold what a header would be\n".repeat(500),
    )
    .unwrap();
    std::fs::write(at("empty.duckdb"), "").unwrap();
    for (path, words) in [
        (at("text.duckdb"), "not a valid DuckDB database file"),
        (at("empty.duckdb"), "not a valid DuckDB database file"),
        (at("no/such/folder.duckdb"), "does not exist"),
        (PathBuf::new(), "no path given"),
    ] {
        let (kind, message) = refusal(&path, Options::default()).await;
        assert_eq!(kind, DestinationErrorKind::Unavailable, "{message}");
        assert!(message.contains(words) && message.starts_with("open "), "{message}");
    }
    assert_eq!(std::fs::read(at("empty.duckdb")).unwrap(), b"", "what is refused is left as it is");
    let Err(error) = tenantry_destinations::open("oracle:x", Options::default()).await else { panic!() };
    let said = error.to_string();
    let always = "open the destination: `oracle:` is not a destination of this build; built in: duckdb:PATH, postgres://";
    assert!(said.starts_with(always), "{said}");
    for (form, is_built) in [
        ("snowflake:ACCOUNT/DATABASE/SCHEMA", cfg!(feature = "snowflake")),
        ("bigquery:PROJECT.DATASET", cfg!(feature = "bigquery")),
    ] {
        assert_eq!(said.contains(form), is_built, "{said}");
    }
}

#[tokio::test]
async fn a_file_of_a_newer_duckdb_is_refused_as_newer() {
    let file = File::new();
    drop(open(&file.path(), Options::default()).await.unwrap());
    let mut bytes = std::fs::read(file.path()).unwrap();
    // After the checksum of the first header and the magic word comes the version of the format.
    assert_eq!(&bytes[8..12], b"DUCK");
    bytes[12..20].copy_from_slice(&999_u64.to_le_bytes());
    let words = bytes[8..4096].chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap()));
    let checksum = words.fold(5381, |sum, word| sum ^ word.wrapping_mul(0xbf58_476d_1ce4_e5b9));
    bytes[..8].copy_from_slice(&checksum.to_le_bytes());
    std::fs::write(file.path(), &bytes).unwrap();
    let (kind, message) = refusal(&file.path(), Options::default()).await;
    assert_eq!(kind, DestinationErrorKind::Newer, "{message}");
}

const CHILD_VARIABLE: &str = "TENANTRY_TEST_CHILD";

/// Opens a file under a umask, publishes, tells the modes of everything in the folder, and keeps the file open until its input ends.
#[tokio::test]
#[ignore = "a process of the two tests below"]
#[expect(clippy::disallowed_methods, reason = "how a test passes its wishes to a process of its own")]
async fn child() {
    let Ok(wish) = std::env::var(CHILD_VARIABLE) else { return };
    let (umask, path) = wish.split_once(' ').unwrap();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(u32::from_str_radix(umask, 8).unwrap()));
    let options = Options { memory_limit: Some("40MB".to_owned()), ..Options::default() };
    let destination = open(Path::new(path), options).await.unwrap();
    destination.prepare(&tables::CATALOG).await.unwrap();
    // More than fits, so that there are spill files.
    let sql =
        "SELECT count(*) FROM (SELECT range, md5(range::VARCHAR) AS text FROM range(1500000) ORDER BY text)";
    let mut modes = std::collections::BTreeSet::new();
    let mut spilling = destination.query(sql);
    loop {
        let pause = tokio::task::spawn_blocking(|| std::thread::sleep(std::time::Duration::from_millis(2)));
        tokio::select! {
            answer = &mut spilling => break drop(answer.unwrap()),
            paused = pause => paused.unwrap(),
        }
        let folder = Path::new(path).parent().unwrap();
        let seen = every_file(folder).into_iter().map(|path| (kind_of(&path), mode(&path)));
        // A spill file that went between the two looks has no mode.
        modes.extend(seen.filter(|(_, mode)| *mode != 0));
    }
    for (kind, mode) in modes {
        println!("mode {kind} {mode:o}");
    }
    println!("ready");
    std::io::Read::read_to_end(&mut std::io::stdin(), &mut Vec::new()).unwrap();
}

fn every_file(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        found.push(entry.path());
        found.extend(every_file(&entry.path()));
    }
    found.retain(|path| path.exists());
    found
}

fn kind_of(path: &Path) -> String {
    if path.is_dir() {
        return "folder".to_owned();
    }
    path.extension().unwrap_or_default().to_string_lossy().into_owned()
}

/// A process that runs [`child`].
struct Other {
    process: std::process::Child,
    output: std::io::Lines<std::io::BufReader<std::process::ChildStdout>>,
    /// What it said before it was ready.
    said: Vec<String>,
}

impl Other {
    /// Lets it end.
    fn end(mut self) {
        drop(self.process.stdin.take());
        self.output.for_each(drop);
        assert!(self.process.wait().unwrap().success());
    }
}

fn start_child(umask: &str, path: &Path) -> Other {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["duckdb::child", "--exact", "--ignored", "--nocapture"])
        .env(CHILD_VARIABLE, format!("{umask} {}", path.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = std::io::BufRead::lines(std::io::BufReader::new(process.stdout.take().unwrap()));
    let said = output.by_ref().map(Result::unwrap).take_while(|line| line != "ready").collect();
    Other { process, output, said }
}

#[test]
fn every_file_is_its_owners_alone_under_any_umask() {
    for umask in ["000", "022", "077"] {
        let file = File::new();
        let other = start_child(umask, &file.path());
        let lines = other.said.clone();
        other.end();
        let modes: Vec<_> =
            lines.iter().filter_map(|line| line.split_once("mode ")).map(|(_, mode)| mode).collect();
        assert!(modes.contains(&"duckdb 600") && modes.contains(&"wal 600"), "umask {umask}: {lines:?}");
        assert!(modes.contains(&"folder 700"), "nothing was spilled, umask {umask}: {lines:?}");
        let open_to_others = modes.iter().filter(|mode| !mode.ends_with("00"));
        assert_eq!(open_to_others.count(), 0, "umask {umask}: {lines:?}");
        assert_eq!(every_file(file.folder.path()), [file.path()], "nothing but the file is left");
    }
}

#[tokio::test]
async fn a_file_that_another_process_has_open_is_locked_by_name() {
    let file = File::new();
    let other = start_child("022", &file.path());
    for access in [Access::Write, Access::Read] {
        let (kind, message) = refusal(&file.path(), Options { access, ..Options::default() }).await;
        assert_eq!(kind, DestinationErrorKind::Locked, "{message}");
        assert!(message.contains(&format!("process {} ", other.process.id())), "{message}");
    }
    other.end();
    open(&file.path(), Options::default()).await.unwrap();
}

#[tokio::test]
async fn the_mode_that_a_file_has_is_left_alone() {
    let file = File::new();
    drop(open(&file.path(), Options::default()).await.unwrap());
    std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o640)).unwrap();
    drop(open(&file.path(), Options::default()).await.unwrap());
    assert_eq!(mode(&file.path()), 0o640);
}
