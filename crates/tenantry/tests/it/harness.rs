//! One folder, one environment and one tenant for each test.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use tenantry_simulator::server::{self, Server};
use tenantry_simulator::{CLIENT_ID, CLIENT_SECRET, Config, Plan, Simulation};
use tokio::runtime::Runtime;

/// A folder of its own, and nothing of the surrounding environment.
pub(crate) struct Place {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }

    /// With the credentials of the simulated tenant.
    pub(crate) fn of(tenant: &Tenant) -> Self {
        let url = tenant.server.url();
        Self::new()
            .with("AUTH0_DOMAIN", &url)
            .with("AUTH0_CLIENT_ID", CLIENT_ID)
            .with("AUTH0_CLIENT_SECRET", CLIENT_SECRET)
    }

    /// With one variable more, or another value of it.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.into(), value.into()));
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The program, ready to run here.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
        command.args(arguments).current_dir(self.folder.path()).env_clear().stdin(Stdio::null());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }
}

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().expect("ended by itself"),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Holds the program to an exit code; shows everything else that it said if it does not keep to it.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// Stdout as the one JSON document that it must be.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}:\n{}", self.out))
    }
}

/// A small simulated tenant behind real HTTP, in this process.
pub(crate) struct Tenant {
    pub(crate) server: Server,
    // Last: the server lives on it.
    _runtime: Runtime,
}

impl Tenant {
    pub(crate) fn small() -> Self {
        Self::of(Self::config())
    }

    /// A tenant that is quickly read, with some of everything.
    pub(crate) fn config() -> Config {
        Config {
            users: 30,
            tied_users: 5,
            logs: 120,
            organizations: 3,
            members_per_organization: 4,
            grants: 10,
            stats_days: 10,
            plan: Plan::Unlimited,
            export_micros: 10_000,
            search_lag_micros: 0,
            log_lag_micros: 0,
            log_own_traffic: false,
            ..Config::default()
        }
    }

    pub(crate) fn of(config: Config) -> Self {
        Self::after(config, |_| {})
    }

    /// The same, in which something has happened.
    pub(crate) fn after(config: Config, happens: impl FnOnce(&mut Simulation)) -> Self {
        let mut simulation = Simulation::new(config);
        happens(&mut simulation);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let server = runtime.block_on(server::start(simulation, 0)).unwrap();
        Self { server, _runtime: runtime }
    }

    /// A tenant whose tokens lack `scope`.
    pub(crate) fn without_scope(scope: &str) -> Self {
        let scopes = needed_scopes().into_iter().filter(|needed| needed != scope).collect();
        Self::of(Config { scopes: Some(scopes), ..Self::config() })
    }
}

/// Every scope that some table needs, as the program itself tells.
pub(crate) fn needed_scopes() -> Vec<String> {
    let catalog = Place::new().run(&["schema", "--format", "json"]).exits(0).json();
    let streams = catalog["streams"].as_array().unwrap().iter();
    let scopes = streams.filter_map(|stream| stream["endpoint"]["scope"].as_str().map(str::to_owned));
    scopes.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}
