//! A real PostgreSQL server: the conformance suite, and what is particular to it.

use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use async_trait::async_trait;
use tenantry_destinations::postgres::server::{Database, SEALED};
use tenantry_destinations::{Access, Language, Options, Surroundings};
use tenantry_replication::catalog::{CATALOG, Table, Type};
use tenantry_replication::destination::Destination;
use tenantry_replication::destination::conformance::Subject;
use tenantry_replication::destination::conformance::tables::{self, things};
use tenantry_replication::error::{DestinationErrorKind, DestinationResult};

use crate::rows::{commit, named, rows};

/// A database of its own on the shared server.
struct Own {
    database: Database,
}

impl Own {
    fn new() -> Self {
        Self { database: Database::new() }
    }
}

#[async_trait]
impl Subject for Own {
    async fn open(&self) -> Arc<dyn Destination> {
        open(&self.database.url(), Options::default()).await.unwrap()
    }

    fn all_rows(&self, table: &Table) -> String {
        let columns: Vec<_> = table.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
        let order = table.key_columns().map(|column| {
            let collation = if column.kind == Type::String { " COLLATE \"C\"" } else { "" };
            format!("\"{}\"{collation} NULLS FIRST", column.name)
        });
        let order: Vec<_> = order.collect();
        format!("SELECT {} FROM auth0.{} ORDER BY {}", columns.join(", "), table.name, order.join(", "))
    }

    fn forbidden(&self, table: &Table) -> Vec<String> {
        let corpus = include_str!("forbidden_postgres.sql");
        let statements = corpus.split("\n\n").map(str::trim).filter(|statement| !statement.is_empty());
        let statements = statements.filter(|statement| !statement.starts_with("--"));
        statements.map(|sql| sql.replace("{table}", &format!("auth0.{}", table.name))).collect()
    }
}

tenantry_replication::destination_conformance!(Own::new());

async fn open(url: &str, options: Options) -> DestinationResult<Arc<dyn Destination>> {
    tenantry_destinations::open(url, options).await
}

/// The error of opening what cannot be opened.
async fn refusal(url: &str, options: Options) -> (DestinationErrorKind, String) {
    match open(url, options).await {
        Ok(_) => panic!("{url} was opened"),
        Err(error) => (error.kind, error.to_string()),
    }
}

async fn number(destination: &dyn Destination, sql: &str) -> i64 {
    destination.query(sql).await.unwrap()[0].column(0).as_primitive::<Int64Type>().value(0)
}

fn with(variables: &[(&str, &str)]) -> Options {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Options { surroundings: Surroundings::of(variables), ..Options::default() }
}

#[tokio::test]
async fn every_table_and_column_of_the_real_catalog_is_there_with_its_description_and_key() {
    let database = Database::new();
    let destination = open(&database.url(), Options::default()).await.unwrap();
    destination.prepare(&CATALOG).await.unwrap();
    let described = "SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
                     WHERE n.nspname = 'auth0' AND c.relkind = 'r' AND a.attnum > 0 AND length(col_description(c.oid, a.attnum)) > 0";
    let wanted: usize = CATALOG.tables().map(|table| table.columns.len()).sum();
    assert_eq!(database.sql(described), wanted.to_string());
    for table in CATALOG.tables() {
        let of = |what: &str| database.sql(&format!("SELECT {what}"));
        let comment = of(&format!("obj_description('auth0.\"{}\"'::regclass)", table.name));
        assert_eq!(comment, table.about.en);
        let index = of(&format!("pg_get_indexdef('auth0.{}_merge_key'::regclass)", table.name));
        assert!(index.starts_with("CREATE UNIQUE INDEX") && index.ends_with("NULLS NOT DISTINCT"), "{index}");
    }
    assert_eq!(destination.summarize(&CATALOG).await.unwrap().len(), CATALOG.tables().count());
    let before = database.sql("SELECT max(xmin::text::bigint) FROM pg_class");
    destination.prepare(&CATALOG).await.unwrap();
    assert_eq!(database.sql("SELECT max(xmin::text::bigint) FROM pg_class"), before, "nothing is made twice");
}

#[tokio::test]
async fn descriptions_follow_the_language_and_a_schema_of_any_name_does() {
    for (schema, language, expected) in [
        ("auth0", Language::English, "Number of the run."),
        ("a \"quoted\" one", Language::Japanese, "実行番号"),
        ("UPPER", Language::Japanese, "実行番号"),
    ] {
        let database = Database::new();
        let options = Options { schema: schema.to_owned(), language, ..Options::default() };
        let destination = open(&database.url(), options).await.unwrap();
        destination.prepare(&tables::CATALOG).await.unwrap();
        destination.prepare(&tables::CATALOG).await.unwrap();
        let state = tenantry_destinations::state_schema(schema);
        let about = format!("SELECT col_description((quote_ident('{state}') || '.run')::regclass, 1)");
        assert_eq!(database.sql(&about), expected);
        destination.stage(rows(&["a"])).await.unwrap();
        destination.publish(commit(things(), 10)).await.unwrap();
        assert_eq!(number(destination.as_ref(), "SELECT count(*) FROM thing").await, 1);
    }
}

#[tokio::test]
async fn readers_write_nothing_and_are_told_where_there_is_nothing_yet() {
    let database = Database::new();
    let reading = Options { access: Access::Read, ..Options::default() };
    let (kind, message) = refusal(&database.url(), reading.clone()).await;
    assert_eq!(kind, DestinationErrorKind::Absent, "{message}");
    assert_eq!(
        database.sql("SELECT count(*) FROM pg_namespace WHERE nspname IN ('auth0', '_tenantry')"),
        "0"
    );
    open(&database.url(), Options::default()).await.unwrap().prepare(&tables::CATALOG).await.unwrap();
    let reader = open(&database.url(), reading).await.unwrap();
    assert_eq!(reader.state().await.unwrap().last_run, 0);
    assert!(reader.prepare(&CATALOG).await.is_err());
    assert!(reader.publish(commit(things(), 10)).await.is_err());
}

#[tokio::test]
async fn what_cannot_be_opened_is_refused_in_words() {
    let database = Database::new();
    let (port, name) = (database.server.port(), &database.name);
    let sealed = format!("postgres://{}@127.0.0.1:{port}/{name}", SEALED.0);
    for (url, words) in [
        (format!("postgres://trial@127.0.0.1:1/{name}"), "127.0.0.1:1"),
        (format!("postgres://trial@127.0.0.1:{port}/nowhere"), "\"nowhere\" does not exist"),
        (format!("postgres://nobody@127.0.0.1:{port}/{name}"), "\"nobody\" does not exist"),
        (format!("postgres://trial:canary@127.0.0.1:{port}/{name}"), "PGPASSWORD"),
        ("postgres:".to_owned(), "names no host"),
        (sealed.clone(), "password"),
    ] {
        let (kind, message) = refusal(&url, Options::default()).await;
        assert_eq!(kind, DestinationErrorKind::Unavailable, "{message}");
        assert!(message.contains(words) && !message.contains("canary"), "{message}");
    }
    let (_, message) = refusal(&sealed, with(&[("PGPASSWORD", "canary")])).await;
    assert!(message.contains("password authentication failed") && !message.contains("canary"), "{message}");
    open(&sealed, with(&[("PGPASSWORD", SEALED.1)])).await.unwrap();

    database.server.sql(
        "postgres",
        &format!("CREATE DATABASE {name}_latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'"),
    );
    let (_, message) = refusal(&format!("{}_latin", database.url()), Options::default()).await;
    assert!(message.contains("encoding is LATIN1"), "{message}");
    database.server.sql("postgres", &format!("DROP DATABASE {name}_latin WITH (FORCE)"));
}

#[tokio::test]
async fn tls_is_verified_by_name_and_authority() {
    let database = Database::new();
    let (port, name) = (database.server.port(), &database.name);
    let roots = database.server.certificate();
    let roots = roots.to_str().unwrap();
    let url = |host: &str, rest: &str| format!("postgres://{}@{host}:{port}/{name}?{rest}", SEALED.0);
    let options = || with(&[("PGPASSWORD", SEALED.1), ("PGSSLROOTCERT", roots)]);
    for url in
        [url("localhost", "sslmode=verify-full"), url("localhost", ""), url("127.0.0.1", "sslmode=verify-ca")]
    {
        let destination = open(&url, options()).await.unwrap();
        let encrypted = "SELECT count(*) FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl";
        assert_eq!(number(destination.as_ref(), encrypted).await, 1, "{url}");
    }
    let (_, message) = refusal(&url("127.0.0.1", "sslmode=verify-full"), options()).await;
    assert!(message.contains("not valid for name"), "{message}");
    let system = with(&[("PGPASSWORD", SEALED.1)]);
    let (kind, message) = refusal(&url("localhost", "sslmode=verify-ca"), system).await;
    assert_eq!(kind, DestinationErrorKind::Unavailable, "{message}");
    assert!(message.contains("certificate"), "{message}");
    // By the socket, which carries the port in its name.
    let socket = format!("postgres://trial@:{port}/{name}?host={}", database.server.socket().display());
    open(&socket, Options::default()).await.unwrap();
    let (_, message) = refusal(&format!("{socket}&port=1"), Options::default()).await;
    assert!(message.contains("`port`"), "{message}");
}

#[tokio::test]
async fn a_row_that_is_as_it_came_is_neither_written_nor_locked() {
    let database = Database::new();
    let destination = open(&database.url(), Options::default()).await.unwrap();
    destination.prepare(&tables::CATALOG).await.unwrap();
    destination.stage(rows(&["a", "b", "c"])).await.unwrap();
    destination.publish(commit(things(), 10)).await.unwrap();
    let versions = || {
        database.sql("SELECT string_agg(id || ' ' || xmin || ' ' || xmax || ' ' || ctid, ', ' ORDER BY id) FROM auth0.thing")
    };
    let before = versions();
    destination.stage(rows(&["a", "b", "c"])).await.unwrap();
    destination.publish(commit(things(), 20)).await.unwrap();
    assert_eq!(versions(), before);
    destination.stage(named(&[("a", "name"), ("b", "other"), ("c", "name")])).await.unwrap();
    destination.publish(commit(things(), 30)).await.unwrap();
    let changed = |row: &str| {
        before.split(", ").filter(|old| old.starts_with(row)).all(|old| !versions().contains(old))
    };
    assert!(changed("b") && !changed("a") && !changed("c"), "{before}; {}", versions());
}

#[tokio::test]
async fn keys_too_long_for_an_index_are_keys_all_the_same() {
    let database = Database::new();
    let destination = open(&database.url(), Options::default()).await.unwrap();
    destination.prepare(&tables::CATALOG).await.unwrap();
    // Hard to compress, so that it would not fit a page in any form.
    let long: String =
        (0..5_000_u32).map(|n| char::from(33 + (n.wrapping_mul(2_654_435_761) >> 16) as u8 % 90)).collect();
    let indexes = || {
        database.sql("SELECT string_agg(indexname, ' ' ORDER BY 1) FROM pg_indexes WHERE tablename = 'thing'")
    };
    destination.stage(named(&[("short", "one")])).await.unwrap();
    destination.publish(commit(things(), 10)).await.unwrap();
    assert_eq!(indexes(), "thing_merge_key");
    for (synced_at, name, counts) in
        [(20, "one", (1, 0, 1)), (30, "one", (0, 0, 2)), (40, "two", (0, 2, 0)), (50, "two", (0, 0, 2))]
    {
        destination.stage(named(&[("short", name), (&long, name)])).await.unwrap();
        let done = destination.publish(commit(things(), synced_at)).await.unwrap().tables[0].1;
        assert_eq!((done.inserted, done.updated, done.unchanged), counts, "at {synced_at}");
    }
    assert_eq!(indexes(), "thing_merge_key_short");
    destination.prepare(&tables::CATALOG).await.unwrap();
    assert_eq!(indexes(), "thing_merge_key_short");
    // Short keys alone again, into a table that holds a long one.
    destination.stage(named(&[("short", "three"), ("other", "new")])).await.unwrap();
    let done = destination.publish(commit(things(), 60)).await.unwrap().tables[0].1;
    assert_eq!((done.inserted, done.updated, done.deleted), (1, 1, 1));
    assert_eq!(database.sql("SELECT count(*) FROM auth0.thing"), "3");
}

#[tokio::test]
async fn columns_and_indexes_of_the_users_own_are_left_alone() {
    let database = Database::new();
    let destination = open(&database.url(), Options::default()).await.unwrap();
    destination.prepare(&tables::CATALOG).await.unwrap();
    destination.stage(rows(&["a", "b"])).await.unwrap();
    destination.publish(commit(things(), 10)).await.unwrap();
    database.sql("ALTER TABLE auth0.thing ADD COLUMN note text; CREATE INDEX own ON auth0.thing (name); UPDATE auth0.thing SET note = 'mine'");
    destination.prepare(&tables::CATALOG).await.unwrap();
    destination.stage(named(&[("a", "other")])).await.unwrap();
    destination.publish(commit(things(), 20)).await.unwrap();
    assert_eq!(
        database.sql("SELECT string_agg(id || name || note, ' ' ORDER BY id) FROM auth0.thing"),
        "aothermine bnamemine"
    );
}

#[tokio::test]
async fn publishes_of_two_processes_follow_one_another() {
    let database = Database::new();
    let one = open(&database.url(), Options::default()).await.unwrap();
    let other = open(&database.url(), Options::default()).await.unwrap();
    // Both make what is missing, at once.
    let (first, second) = futures::join!(one.prepare(&tables::CATALOG), other.prepare(&tables::CATALOG));
    first.and(second).unwrap();
    for round in 0..20 {
        let ids: Vec<String> = (0..50).map(|id| format!("{id:03}")).collect();
        let forward: Vec<(&str, &str)> = ids.iter().map(|id| (id.as_str(), "forward")).collect();
        let backward: Vec<(&str, &str)> = ids.iter().rev().map(|id| (id.as_str(), "backward")).collect();
        one.stage(named(&forward)).await.unwrap();
        other.stage(named(&backward)).await.unwrap();
        let (first, second) = futures::join!(
            one.publish(commit(things(), round * 2)),
            other.publish(commit(things(), round * 2 + 1))
        );
        first.and(second).unwrap();
        assert_eq!(database.sql("SELECT count(*) || ' ' || count(DISTINCT name) FROM auth0.thing"), "50 1");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_prolonged_while_a_publish_waits() {
    use tenantry_replication::destination::{Claim, Holder};
    let database = Database::new();
    let destination = open(&database.url(), Options::default()).await.unwrap();
    destination.prepare(&tables::CATALOG).await.unwrap();
    let holder = Holder { name: "one".to_owned(), place: None, process: 1 };
    let claim = |over, until| Claim { holder: holder.clone(), over, now: 0, until };
    let given = destination.hold(claim(None, 100)).await.unwrap();
    destination.fence(Some(given.token));
    destination.stage(rows(&["a"])).await.unwrap();
    let waiting = async {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while database.sql(sql) != "1" {
            tokio::task::yield_now().await;
        }
        destination.hold(claim(Some(given.token), 200)).await.unwrap()
    };
    let (holding, held) = (database.sql("SELECT current_database()"), std::sync::mpsc::channel::<()>());
    let (begun, ready) = tokio::sync::oneshot::channel();
    let folder = database.server.socket().to_owned();
    let port = database.server.port();
    let (release, released) = held;
    let blocker = std::thread::spawn(move || {
        use std::io::Write as _;
        let mut psql = std::process::Command::new("psql")
            .args(["-Xq", "-U", "postgres", "-d", &holding, "-p", &port.to_string(), "-h"])
            .arg(folder)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let input = psql.stdin.as_mut().unwrap();
        input.write_all(b"BEGIN; LOCK TABLE auth0.thing; \\echo locked\n").unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(psql.stdout.as_mut().unwrap()), &mut line)
            .unwrap();
        begun.send(()).unwrap();
        released.recv().unwrap();
        input.write_all(b"COMMIT;\n\\q\n").unwrap();
        assert!(psql.wait().unwrap().success());
    });
    ready.await.unwrap();
    let (published, prolonged) = futures::join!(destination.publish(commit(things(), 10)), async {
        let prolonged = waiting.await;
        release.send(()).unwrap();
        prolonged
    });
    published.unwrap();
    assert_eq!(prolonged.until, Some(200));
    blocker.join().unwrap();
}
