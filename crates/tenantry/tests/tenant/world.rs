//! A simulated tenant behind a socket, and the command that replicates it into a destination of its own: a file, or a database.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tenantry_destinations::Surroundings;
#[cfg(feature = "bigquery")]
use tenantry_destinations::bigquery::emulator::Dataset;
use tenantry_destinations::postgres::server::Database;
#[cfg(feature = "snowflake")]
use tenantry_destinations::snowflake::server::Database as SnowflakeDatabase;
use tenantry_oracle::Tenant;
use tenantry_simulator::server::{self, Server, wall_clock};
use tenantry_simulator::{CLIENT_ID, CLIENT_SECRET, Config, Request, Simulation};
use tokio::runtime::Runtime;

use crate::tables::{self, Tables};

/// Kinds of destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    DuckDb,
    Postgres,
    #[cfg(feature = "snowflake")]
    Snowflake,
    #[cfg(feature = "bigquery")]
    BigQuery,
    #[cfg(feature = "delta")]
    Delta,
}

/// Where the tables are.
pub(crate) enum Warehouse {
    /// `tenant.duckdb` in the world's folder.
    File,
    /// Delta Lake tables in `lake` in the world's folder.
    #[cfg(feature = "delta")]
    Lake,
    /// A database of its own on the server of the tests.
    Database(Database),
    /// A database of its own on the emulator that stands for the real Snowflake service.
    #[cfg(feature = "snowflake")]
    Snowflake(SnowflakeDatabase),
    /// Datasets of its own at the emulator that stands for the real BigQuery service.
    #[cfg(feature = "bigquery")]
    BigQuery(Dataset),
}

impl Warehouse {
    /// One that no run has been to.
    pub(crate) fn empty(kind: Kind) -> Self {
        match kind {
            Kind::DuckDb => Self::File,
            Kind::Postgres => Self::Database(Database::new()),
            #[cfg(feature = "snowflake")]
            Kind::Snowflake => Self::Snowflake(SnowflakeDatabase::new()),
            #[cfg(feature = "bigquery")]
            Kind::BigQuery => Self::BigQuery(Dataset::new()),
            #[cfg(feature = "delta")]
            Kind::Delta => Self::Lake,
        }
    }
}

/// A tenant and a destination.
pub(crate) struct World {
    runtime: Runtime,
    server: Server,
    folder: Arc<TempDir>,
    warehouse: Arc<Warehouse>,
    /// The tenant's clock less the machine's, microseconds.
    offset: i64,
    /// Where the command finds the tenant.
    domain: String,
    /// What else stands in the command's environment.
    variables: Vec<(&'static str, String)>,
}

impl World {
    pub(crate) fn start(config: Config) -> Self {
        let runtime = Runtime::new().unwrap();
        let simulation = Simulation::new(config);
        let offset = simulation.start() - wall_clock();
        let server = runtime.block_on(server::start(simulation, 0)).unwrap();
        let (domain, folder) = (server.url(), Arc::new(tempfile::tempdir().unwrap()));
        let warehouse = Arc::new(Warehouse::File);
        Self { runtime, server, folder, warehouse, offset, domain, variables: Vec::new() }
    }

    /// The same tenant with an empty destination of this kind.
    pub(crate) fn into(self, kind: Kind) -> Self {
        Self { warehouse: Arc::new(Warehouse::empty(kind)), ..self }
    }

    /// Changes the destination for another, which has to be kept for it.
    pub(crate) fn swap(&mut self, other: &mut Arc<Warehouse>) {
        std::mem::swap(&mut self.warehouse, other);
    }

    /// The same tenant, found at another address by the command.
    pub(crate) fn behind(self, domain: String) -> Self {
        Self { domain, ..self }
    }

    /// The folder of tables of Delta Lake.
    #[cfg(feature = "delta")]
    pub(crate) fn lake(&self) -> PathBuf {
        self.folder.path().join("lake")
    }

    /// The same with one variable more in the command's environment.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    /// The folder in which the command runs.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the command finds the tenant.
    pub(crate) fn domain(&self) -> &str {
        &self.domain
    }

    /// Where the tenant itself listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Another tenant, at another address, with the same destination.
    pub(crate) fn replaced(&self, config: Config) -> Self {
        let (folder, warehouse) = (Arc::clone(&self.folder), Arc::clone(&self.warehouse));
        Self { folder, warehouse, ..Self::start(config) }
    }

    /// What the tenant holds now, projected to tables.
    pub(crate) fn truth(&self) -> tenantry_oracle::Tables {
        let truth = self.server.simulation().lock().unwrap().truth();
        tables::keyed_as_ours(tenantry_oracle::project(&Tenant::from_dump(&truth)))
    }

    /// Changes the tenant at random, and lets so much time pass that streams without events are due to be read again.
    pub(crate) fn churn(&self, churn: &Value) {
        self.control("churn", churn);
        self.wait(3_700);
    }

    /// The same, before they are due.
    pub(crate) fn churn_within_the_hour(&self, churn: &Value) {
        self.control("churn", churn);
        self.wait(60);
    }

    /// Lets time pass at the tenant.
    pub(crate) fn wait(&self, seconds: u32) {
        self.control("clock", &json!({ "advance_seconds": seconds }));
    }

    fn control(&self, what: &str, body: &Value) {
        let request = Request::new("POST", &format!("/__sim/{what}")).json(body);
        let response = self.server.simulation().lock().unwrap().handle(&request, wall_clock() + self.offset);
        assert_eq!(response.status, 200, "{what}: {}", response.json());
    }

    /// Runs `tenantry sync --json`, which must not fail, and gives its report.
    pub(crate) fn sync(&self) -> Value {
        self.sync_with(&[])
    }

    pub(crate) fn sync_with(&self, options: &[&str]) -> Value {
        let (code, report, messages) = self.run(&[&["sync", "--json"], options].concat());
        assert_eq!(code, 0, "{messages}");
        report
    }

    /// Requests to the Management API that the tenant counted during `run`.
    pub(crate) fn requests_of<T>(&self, run: impl FnOnce(&Self) -> T) -> u64 {
        self.control("stats/reset", &json!({}));
        run(self);
        self.counted()["management_api"].as_u64().unwrap()
    }

    /// What the tenant has counted so far.
    pub(crate) fn counted(&self) -> Value {
        self.server.simulation().lock().unwrap().stats()
    }

    /// Imports users in bulk: all with one timestamp, and one event.
    pub(crate) fn import(&self, count: u32) {
        self.control("import", &json!({ "count": count, "seed": 1 }));
        self.wait(60);
    }

    /// Runs a query on the destination: one text for each row.
    pub(crate) fn query(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        self.runtime.block_on(tables::query(&self.destination(), self.surroundings(), sql))
    }

    /// The same where another process may have the destination open just now: `None` while it has.
    pub(crate) fn try_query(&self, sql: &str) -> Option<Vec<Value>> {
        let (code, rows, _) = self.run(&["sql", sql, "--format", "json"]);
        (code == 0).then(|| rows.as_array().cloned().unwrap_or_default())
    }

    /// Runs the command: exit code, what it printed as JSON, its messages.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, Value, String) {
        let output = self.command(arguments).output().unwrap();
        let messages = String::from_utf8_lossy(&output.stderr).into_owned();
        let report = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        (output.status.code().unwrap_or(-1), report, messages)
    }

    /// Begins the command, and kills it after that long. True when it was still at work.
    pub(crate) fn kill_after(&self, arguments: &[&str], time: Duration) -> bool {
        let mut child = self.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(time);
        child.kill().unwrap();
        !child.wait().unwrap().success()
    }

    /// Requests to the Management API since the last reset, by method and route.
    pub(crate) fn stats(&self) -> Value {
        self.server.simulation().lock().unwrap().stats()
    }

    /// Orders a fault.
    pub(crate) fn fault(&self, fault: &Value) {
        self.control("faults", &json!({ "faults": [fault] }));
    }

    /// The command, ready to be started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
        command
            .args(arguments)
            .args(["--destination", &self.destination()])
            .current_dir(self.folder.path())
            .env_clear()
            .envs(self.tenant())
            .envs(self.warehouse_variables())
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// What the environment says of the tenant.
    pub(crate) fn tenant(&self) -> [(&'static str, &str); 3] {
        [
            ("AUTH0_DOMAIN", &self.domain),
            ("AUTH0_CLIENT_ID", CLIENT_ID),
            ("AUTH0_CLIENT_SECRET", CLIENT_SECRET),
        ]
    }

    /// All rows of all tables.
    pub(crate) fn tables(&self) -> Tables {
        self.runtime.block_on(tables::read(&self.destination(), self.surroundings()))
    }

    /// Sends a request to the Management API as an administrator.
    pub(crate) fn manage(&self, method: &str, path: &str, body: &Value) {
        let simulation = self.server.simulation();
        let mut simulation = simulation.lock().unwrap();
        let now = wall_clock() + self.offset;
        let credentials = json!({ "grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
            "audience": format!("{}/api/v2/", self.server.url()) });
        let token = simulation.handle(&Request::new("POST", "/oauth/token").json(&credentials), now).json();
        let request = Request::new(method, &format!("/api/v2{path}")).json(body);
        let request =
            request.header("authorization", &format!("Bearer {}", token["access_token"].as_str().unwrap()));
        let response = simulation.handle(&request, now);
        assert!(response.status < 300, "{method} {path}: {} {}", response.status, response.json());
    }

    /// Some organization and one of its members.
    pub(crate) fn a_membership(&self) -> (String, String) {
        let truth = self.server.simulation().lock().unwrap().truth();
        let tenant = Tenant::from_dump(&truth);
        let (organization, members) =
            tenant.organization_members.iter().find(|(_, members)| !members.is_empty()).unwrap();
        (organization.clone(), members[0].clone())
    }

    /// The file that holds the tables.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("tenant.duckdb")
    }

    /// Changes the tenant as an administrator would, without a word in its log.
    pub(crate) fn manage_silently(&self, method: &str, path: &str, body: &Value) {
        self.control("config", &json!({ "log_events": false }));
        self.manage(method, path, body);
        self.control("config", &json!({ "log_events": true }));
    }

    /// Whether a run may have made the destination.
    pub(crate) fn has_destination(&self) -> bool {
        match &*self.warehouse {
            Warehouse::File => self.file().exists(),
            #[cfg(feature = "delta")]
            Warehouse::Lake => self.lake().exists(),
            Warehouse::Database(database) => !database.sql("SELECT to_regclass('_tenantry.meta')").is_empty(),
            #[cfg(feature = "snowflake")]
            Warehouse::Snowflake(_) => self.run(&["status"]).0 != 5,
            #[cfg(feature = "bigquery")]
            Warehouse::BigQuery(dataset) => dataset.is_there(),
        }
    }

    /// Removes everything that runs have made.
    pub(crate) fn remove_destination(&self) {
        match &*self.warehouse {
            #[cfg(feature = "delta")]
            Warehouse::Lake => drop(fs::remove_dir_all(self.lake())),
            Warehouse::File => {
                for entry in fs::read_dir(self.folder.path()).unwrap() {
                    let path = entry.unwrap().path();
                    let removed =
                        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
                    removed.unwrap();
                }
            }
            Warehouse::Database(database) => {
                database.sql("DROP SCHEMA IF EXISTS auth0, _tenantry CASCADE");
            }
            #[cfg(feature = "snowflake")]
            Warehouse::Snowflake(_) => panic!("a test takes another database instead"),
            #[cfg(feature = "bigquery")]
            Warehouse::BigQuery(dataset) => dataset.remove(),
        }
    }

    /// Writes to a warehouse past the command.
    pub(crate) fn tamper(&self, sql: &str) {
        match &*self.warehouse {
            Warehouse::File => panic!("a file has one writer"),
            #[cfg(feature = "delta")]
            Warehouse::Lake => panic!("no server takes statements for tables that are files"),
            Warehouse::Database(database) => drop(database.sql(sql)),
            #[cfg(feature = "snowflake")]
            Warehouse::Snowflake(database) => self.runtime.block_on(database.run(sql)),
            #[cfg(feature = "bigquery")]
            Warehouse::BigQuery(dataset) => drop(dataset.sql(&sql.replace("auth0.", ""))),
        }
    }

    fn destination(&self) -> String {
        match &*self.warehouse {
            Warehouse::File => format!("duckdb:{}", self.file().display()),
            #[cfg(feature = "delta")]
            Warehouse::Lake => format!("delta:{}", self.lake().display()),
            Warehouse::Database(database) => database.url(),
            #[cfg(feature = "snowflake")]
            Warehouse::Snowflake(database) => database.url(),
            #[cfg(feature = "bigquery")]
            Warehouse::BigQuery(dataset) => dataset.url(),
        }
    }

    /// What the command has to be told of the destination besides its URL.
    fn warehouse_variables(&self) -> Vec<(String, String)> {
        match &*self.warehouse {
            Warehouse::File | Warehouse::Database(_) => Vec::new(),
            #[cfg(feature = "delta")]
            Warehouse::Lake => Vec::new(),
            #[cfg(feature = "snowflake")]
            Warehouse::Snowflake(database) => database.variables(database.server.port()),
            #[cfg(feature = "bigquery")]
            Warehouse::BigQuery(dataset) => vec![dataset.variable()],
        }
    }

    fn surroundings(&self) -> Surroundings {
        Surroundings::of(self.warehouse_variables())
    }
}
