//! The emulator `fakesnow` for tests: it stands for the real Snowflake service, which cannot run here. One process for each slot of tests that run at
//! the same time, on a free port, each test with a database of its own. It stops by itself once nobody uses it any more.
//!
//! Installed by `make setup`; what it adds to fakesnow is said in `tests/snowflake/emulator.py`.

#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tenantry_replication::catalog::schema::NAMESPACE;

use super::address::Address;
use super::connection::Connection;
use super::types::{literal, quoted, stored};
use crate::Surroundings;
use crate::shared_server::{one_for_each_slot, running, shared};
use crate::sql::server::Connection as _;

/// The user that tests log in as.
pub const USER: &str = "trial";
/// A user whose tokens are good for a few statements.
pub const BRIEF: &str = "brief";
/// The account that the emulator plays.
const ACCOUNT: &str = "example";
/// Tries of a tenth of a second to reach an emulator that starts. On a busy machine that takes half a minute.
const STARTS_MAX: u32 = 1800;
const PAUSE: Duration = Duration::from_millis(100);

/// The emulator, as long as this lives.
pub struct Server {
    folder: PathBuf,
    port: u16,
    /// Locked as long as it is used.
    _use: File,
}

impl Server {
    /// The emulator of this slot of all tests that were built together, started if nobody has done so.
    pub fn shared() -> Self {
        let (folder, port, used) = shared(&one_for_each_slot("snowflake"), start);
        Self { folder, port, _use: used }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// A database, until this is dropped.
pub struct Database {
    /// The emulator that it is on.
    pub server: Server,
    /// Its name.
    pub name: String,
}

impl Database {
    /// An empty one.
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("T{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self { server: Server::shared(), name }
    }

    /// Its URL. It leaves the schema to the options.
    pub fn url(&self) -> String {
        format!("snowflake:{ACCOUNT}/{}", self.name)
    }

    /// What the surroundings have to say, by the names of variables, to reach it by this port.
    pub fn variables(&self, port: u16) -> Vec<(String, String)> {
        let key = fs::read_to_string(self.server.folder.join("key.p8")).unwrap();
        [("USER", USER.to_owned()), ("PRIVATE_KEY", key), ("HOST", format!("http://127.0.0.1:{port}"))]
            .map(|(name, value)| (format!("SNOWFLAKE_{name}"), value))
            .into()
    }

    /// Runs a statement past the destination.
    pub async fn run(&self, sql: &str) {
        let (_, connection) = reached(&self.url(), &self.surroundings()).await;
        connection.run(sql).await.unwrap();
        connection.log_out().await;
    }

    /// The same variables as surroundings, by its own port.
    pub fn surroundings(&self) -> Surroundings {
        Surroundings::of(self.variables(self.server.port))
    }
}

impl Default for Database {
    fn default() -> Self {
        Self::new()
    }
}

/// Starts an emulator in this folder; gives its port.
#[expect(
    clippy::disallowed_methods,
    reason = "tests find what was installed for them by the same variable as the installer"
)]
#[expect(clippy::zombie_processes, reason = "it serves other tests after this one, and stops by itself")]
fn start(folder: &Path) -> u16 {
    drop(fs::remove_dir_all(folder));
    fs::create_dir_all(folder).unwrap();
    let cache = std::env::var_os("TENANTRY_CACHE").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| std::env::home_dir().unwrap().join(".cache/tenantry"));
    let python = cache.join("snowflake/bin/python");
    assert!(python.exists(), "{} is missing; `make setup` installs what the tests need", python.display());
    let log = folder.join("log");
    let file = File::create(&log).unwrap();
    // In a session of its own, so that an interrupted test run does not take it from others.
    let mut child = Command::new("setsid")
        .arg(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snowflake/emulator.py"))
        .arg(folder)
        .arg(folder.with_extension("use"))
        .stdin(Stdio::null())
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        .current_dir("/")
        .spawn()
        .unwrap();
    for _ in 0..STARTS_MAX {
        if let Some(port) = running(folder) {
            return port;
        }
        if let Some(status) = child.try_wait().unwrap() {
            panic!("the emulator ended at once ({status}): {}", fs::read_to_string(&log).unwrap_or_default());
        }
        std::thread::sleep(PAUSE);
    }
    panic!("the emulator does not come up: {}", fs::read_to_string(&log).unwrap_or_default());
}

/// Whether a place in the real service holds one of the two schemas that a destination makes.
pub async fn has_schemas(url: &str, surroundings: &Surroundings) -> bool {
    let (address, connection) = reached(url, surroundings).await;
    let named = [&address.schema, &address.state_schema()].map(|schema| literal(&stored(schema))).join(", ");
    let sql = format!(
        "SELECT COUNT(*) FROM {}.INFORMATION_SCHEMA.SCHEMATA WHERE SCHEMA_NAME IN ({named})",
        quoted(&address.database)
    );
    connection.numbers::<1>(&sql).await.unwrap() != [0]
}

/// Removes both. For a place that the caller has found empty before.
pub async fn drop_schemas(url: &str, surroundings: &Surroundings) {
    let (address, connection) = reached(url, surroundings).await;
    for schema in [&address.schema, &address.state_schema()] {
        let sql = format!("DROP SCHEMA IF EXISTS {}.{}", quoted(&address.database), quoted(schema));
        connection.run(&sql).await.unwrap();
    }
    connection.log_out().await;
}

async fn reached(url: &str, surroundings: &Surroundings) -> (Address, Connection) {
    let rest = url.trim_start_matches("snowflake:");
    let address = Address::parse(rest, NAMESPACE, surroundings).unwrap();
    let connection = Connection::open(&address).await.unwrap();
    (address, connection)
}
