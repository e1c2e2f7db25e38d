//! How quickly the console's pages come over a large tenant: `cargo bench -p tenantry --bench console`. docs/console.md has the figures.
//!
//! After `--`: `--full` for 1,000,000 users and 10,000,000 log events (default is a tenth). Rows are written into the file by SQL; pages are
//! asked for over the wire from the program as it is released, each several times, and the median counts. Exits with 0 also where a
//! target is missed: it measures.

#![expect(clippy::unwrap_used, reason = "a bench ends at the first failure")]
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

#[path = "../tests/tenant/entry.rs"]
#[expect(unsafe_code, reason = "a driver's entry point is a C function")]
mod entry;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use adbc_core::options::{AdbcVersion, OptionDatabase, OptionValue};
use adbc_core::{Connection as _, Database as _, Driver as _, Statement as _};
use adbc_driver_manager::ManagedDriver;
use rustix::time::{ClockId, clock_gettime};

/// How often each page is asked for.
const TIMES: usize = 7;
/// Milliseconds to the first byte, and to the whole page.
const TARGETS: (f64, f64) = (50.0, 300.0);
/// How long figures and aggregates may take to be there at first.
const PATIENCE: Duration = Duration::from_mins(15);

fn main() {
    let full = std::env::args().any(|argument| argument == "--full");
    let (users, logs) = if full { (1_000_000_u64, 10_000_000_u64) } else { (100_000, 1_000_000) };
    let folder = tempfile::Builder::new().prefix("console").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = folder.path().join("c.duckdb");
    let url = format!("duckdb:{}", file.display());
    let demo = ["demo", "--json", "--users", "50", "--logs", "50", "--destination", &url];
    let made =
        Command::new(env!("CARGO_BIN_EXE_tenantry")).args(demo).stdout(Stdio::null()).status().unwrap();
    assert!(made.success());
    fill(&file, users, logs);
    let console = Console::serve(folder.path(), &url);
    let begun = now();
    while console.get("/insight").body.contains("class=\"panel\"")
        && !console.get("/insight").body.contains("data-chart")
    {
        assert!(now() - begun < PATIENCE.as_secs_f64(), "the questions were not answered");
        std::thread::sleep(Duration::from_secs(1));
    }
    println!(
        "{users} users, {logs} log events; answers of the first pages were there after {:.1} s\n",
        now() - begun
    );
    println!("{:<42} {:>12} {:>12} {:>8}", "page", "first byte", "whole", "target");
    let user = "/explore/users/row?key=%5B%22auth0%7C0000123%22%5D";
    for (name, path) in [
        ("overview", "/"),
        ("insight", "/insight"),
        ("detections", "/detections"),
        ("explore", "/explore"),
        ("users by key", "/explore/users"),
        ("users by last login, descending", "/explore/users?by=last_login&down=1"),
        ("users whose email contains a text", "/explore/users?w=email%7Ehas%7E12345"),
        ("log events, newest first", "/explore/logs"),
        ("log events of one type", "/explore/logs?w=type%7Eis%7Efp"),
        ("log events of one IP address", "/explore/logs?w=ip%7Eis%7E198.51.100.7"),
        (
            "log events from the middle on",
            "/explore/logs?at=%7B%22by%22%3A%222026-01-15T00%3A00%3A00Z%22%2C%22key%22%3A%5B%22x%22%5D%2C%22before%22%3Afalse%7D",
        ),
        ("one user with all that belongs to it", user),
        ("diagram", "/diagram"),
        ("syncs", "/syncs"),
        ("SQL: events by type", "/sql?q=select+type%2Ccount%28%2A%29+from+auth0.logs+group+by+1"),
    ] {
        let mut times: Vec<(f64, f64)> = (0..TIMES).map(|_| console.timed(path)).collect();
        times.sort_by(|a, b| a.1.total_cmp(&b.1));
        let (first, whole) = times[TIMES / 2];
        let met = if first < TARGETS.0 && whole < TARGETS.1 { "met" } else { "missed" };
        println!("{name:<42} {first:>9.1} ms {whole:>9.1} ms {met:>8}");
    }
}

/// Writes so many users and events into the tables, over 90 days.
fn fill(file: &Path, users: u64, logs: u64) {
    // Names the crate that links the library.
    use tenantry_destinations as _;
    let mut driver = ManagedDriver::load_static(&entry::INIT, AdbcVersion::V110).unwrap();
    let path = OptionValue::String(file.display().to_string());
    let database = driver.new_database_with_opts([(OptionDatabase::Other("path".to_owned()), path)]).unwrap();
    let mut connection = database.new_connection().unwrap();
    let mut run = |sql: &str| {
        let mut statement = connection.new_statement().unwrap();
        statement.set_sql_query(sql).unwrap();
        statement.execute_update().unwrap();
    };
    let fixed = "false as _fivetran_deleted, timestamp '2026-03-31' as _fivetran_synced";
    run("DELETE FROM auth0.users");
    run("DELETE FROM auth0.logs");
    run(&format!(
        "INSERT INTO auth0.users BY NAME SELECT format('auth0|{{:07d}}', i) AS id, {fixed}, i % 97 = 0 AS blocked, \
         timestamp '2020-01-01' + to_seconds(i * 150) AS created_at, format('user{{}}@example.com', i) AS email, i % 5 > 0 AS email_verified, \
         timestamp '2026-03-31' - to_seconds(hash(i)::UBIGINT % 31536000) AS last_login, (hash(i, 1) % 900)::BIGINT AS logins_count, \
         format('User {{}}', i) AS name, format('user{{}}', i) AS nickname, timestamp '2026-03-30' AS updated_at \
         FROM range({users}) t(i)"
    ));
    run(&format!(
        "INSERT INTO auth0.logs BY NAME SELECT format('900{{:021d}}', i) AS log_id, {fixed}, \
         timestamp '2026-01-01' + to_milliseconds((i * 7776000000 / {logs})::BIGINT) AS date, \
         CASE WHEN h % 100 < 70 THEN 's' WHEN h % 100 < 85 THEN 'fp' WHEN h % 100 < 90 THEN 'f' WHEN h % 100 < 95 THEN 'seccft' ELSE 'sapi' END AS type, \
         format('auth0|{{:07d}}', h % {users}) AS user_id, format('client{{}}', h % 40) AS client_id, format('con_{{}}', h % 8) AS connection_id, \
         format('198.51.{{}}.{{}}', h % 120, (h // 120) % 250) AS ip, 'Success Login' AS description, \
         'Chrome 120.0 / Mac OS X' AS user_agent FROM (SELECT i, hash(i) AS h FROM range({logs}) t(i))"
    ));
}

/// The program that serves.
struct Console {
    child: Child,
    host: String,
    cookie: String,
}

struct Answer {
    head: String,
    body: String,
    first: f64,
}

impl Console {
    fn serve(folder: &Path, url: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tenantry"))
            .args(["serve", "--no-sync", "--port", "0", "--destination", url])
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut link = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut link).unwrap();
        let rest = link.trim().strip_prefix("http://").unwrap();
        let (host, path) = rest.split_once('/').unwrap();
        let mut console = Self { child, host: host.to_owned(), cookie: String::new() };
        let head = console.get(&format!("/{path}")).head;
        let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
        cookie.split(';').next().unwrap().clone_into(&mut console.cookie);
        console
    }

    fn get(&self, path: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        let begun = now();
        let (host, cookie) = (&self.host, &self.cookie);
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        let first = now() - begun;
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        let text = String::from_utf8_lossy(&byte).into_owned() + &String::from_utf8_lossy(&rest);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        Answer { head: head.to_owned(), body: body.to_owned(), first }
    }

    /// Milliseconds to the first byte, and to the last.
    fn timed(&self, path: &str) -> (f64, f64) {
        let begun = now();
        let answer = self.get(path);
        let whole = now() - begun;
        assert!(answer.head.starts_with("HTTP/1.1 200") && !answer.body.contains("notice is-bad"), "{path}");
        (answer.first * 1e3, whole * 1e3)
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn now() -> f64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
