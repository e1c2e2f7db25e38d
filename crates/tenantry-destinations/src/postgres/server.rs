//! A real PostgreSQL server for tests: the machine's own binaries, started as an ordinary user on a free port, one for all tests that run
//! at the same time, each test with a database of its own. It stops by itself once no process uses it any more.
//!
//! Keeps nothing, and spares the disk: a server for tests alone.

#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::shared_server::shared;

/// The role that tests connect as: it may do what docs/destinations/postgres.md asks for, and nothing else.
pub const ROLE: &str = "trial";
/// A role that has to give a password, and what it is.
pub const SEALED: (&str, &str) = ("sealed", "a trial's password");
/// The user that runs the server where tests run as root, which the server refuses.
const ORDINARY: &str = "postgres";
/// Seconds between two looks whether the server is still used.
const WATCH_SECONDS: u32 = 3;

const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
max_connections = 200
shared_buffers = 64MB
fsync = off
full_page_writes = off
synchronous_commit = off
max_wal_size = 2GB
ssl = on
ssl_cert_file = 'server.crt'
ssl_key_file = 'server.key'
logging_collector = off
";
const ACCESS: &str = "
local all all trust
host all sealed 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
";

/// The server, as long as this lives.
pub struct Server {
    folder: PathBuf,
    port: u16,
    /// Locked as long as it is used.
    _use: File,
}

impl Server {
    /// The server of all tests that were built together, started if nobody has done so.
    pub fn shared() -> Self {
        let (folder, port, used) = shared("postgres", start);
        Self { folder, port, _use: used }
    }

    /// An empty database.
    pub fn database(self) -> Database {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let database = Database { server: self, name };
        let Database { name, .. } = &database;
        database
            .server
            .sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"));
        database.server.sql("postgres", &format!("GRANT CREATE ON DATABASE {name} TO {ROLE}, {}", SEALED.0));
        database
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The file with its certificate, which is for `localhost`.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("server.crt")
    }

    /// The folder of its Unix socket.
    pub fn socket(&self) -> &Path {
        &self.folder
    }

    /// Runs a statement as the server's administrator, and gives its answer without headings.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let output = tool("psql")
            .args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-U", ORDINARY, "-d", database, "-c", sql])
            .args(["-p", &self.port.to_string(), "-h"])
            .arg(&self.folder)
            .output()
            .unwrap();
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }
}

/// A database, until this is dropped.
pub struct Database {
    /// The server that it is on.
    pub server: Server,
    /// Its name.
    pub name: String,
}

impl Database {
    /// An empty one on the shared server.
    pub fn new() -> Self {
        Server::shared().database()
    }

    /// The URL by which [`ROLE`] reaches it.
    pub fn url(&self) -> String {
        format!("postgres://{ROLE}@127.0.0.1:{}/{}", self.server.port, self.name)
    }

    /// Runs a statement as the server's administrator.
    pub fn sql(&self, sql: &str) -> String {
        self.server.sql(&self.name, sql)
    }
}

impl Default for Database {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.server.sql("postgres", &format!("DROP DATABASE {} WITH (FORCE)", self.name));
        }
    }
}

/// Makes a server in this folder and starts it; gives its port.
fn start(folder: &Path) -> u16 {
    drop(fs::remove_dir_all(folder));
    fs::create_dir_all(folder).unwrap();
    own(folder);
    let data = folder.join("data");
    done(
        as_ordinary("initdb")
            .args(["--no-sync", "-A", "trust", "-E", "UTF8", "--locale", "C.UTF-8", "-U", ORDINARY, "-D"])
            .arg(&data),
    );
    let certificate = folder.join("server.crt");
    let key = data.join("server.key");
    done(
        Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost"])
            .args([
                "-addext",
                "subjectAltName=DNS:localhost",
                "-addext",
                "basicConstraints=critical,CA:FALSE",
                "-keyout",
            ])
            .arg(&key)
            .arg("-out")
            .arg(&certificate),
    );
    fs::copy(&certificate, data.join("server.crt")).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let settings = format!("{SETTINGS}port = {port}\nunix_socket_directories = '{}'\n", folder.display());
    fs::write(data.join("postgresql.auto.conf"), settings).unwrap();
    fs::write(data.join("pg_hba.conf"), ACCESS).unwrap();
    for name in ["server.key", "server.crt", "postgresql.auto.conf", "pg_hba.conf"] {
        own(&data.join(name));
    }
    let log = folder.join("log");
    // In a session of its own, so that an interrupted test run does not take it from others.
    done(as_ordinary("pg_ctl").arg("-D").arg(&data).arg("-l").arg(&log).args(["-w", "start"]));
    let (sealed, password) = (SEALED.0, SEALED.1.replace('\'', "''"));
    let roles = format!("CREATE ROLE {ROLE} LOGIN; CREATE ROLE {sealed} LOGIN PASSWORD '{password}'");
    let output = tool("psql")
        .args(["-Xq", "-U", ORDINARY, "-d", "postgres", "-c", &roles, "-p", &port.to_string(), "-h"])
        .arg(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::write(folder.join("port"), port.to_string()).unwrap();
    watch(folder, &data);
    port
}

/// Stops the server once nobody uses it.
fn watch(folder: &Path, data: &Path) {
    let script = format!(
        "while sleep {WATCH_SECONDS}; do flock -n -x \"$1\" sh -c '\"$@\" -m immediate stop && rm -rf \"$0\"' \"$2\" \"${{@:3}}\" && exit; done"
    );
    let stop = as_ordinary("pg_ctl");
    let mut words = vec![stop.get_program().to_owned()];
    words.extend(stop.get_args().map(std::ffi::OsStr::to_owned));
    let begun = Command::new("setsid")
        .args(["--fork", "bash", "-c", &script, "watch"])
        .arg(folder.with_extension("use"))
        .arg(folder)
        .args(words)
        .arg("-D")
        .arg(data)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir("/")
        .status()
        .unwrap();
    assert!(begun.success(), "nobody would stop the server");
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Gives a file to the user that runs the server.
fn own(path: &Path) {
    if is_root() {
        let id = |option: &str| {
            let output = Command::new("id").args([option, ORDINARY]).output().unwrap();
            String::from_utf8_lossy(&output.stdout).trim().parse::<u32>().ok()
        };
        chown(path, id("-u"), id("-g")).unwrap();
    }
}

/// One of the server's programs, run by a user that may.
fn as_ordinary(name: &str) -> Command {
    let program = found(name);
    let mut command = if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", ORDINARY, "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir("/").stdin(Stdio::null());
    command
}

fn tool(name: &str) -> Command {
    let mut command = Command::new(found(name));
    command.current_dir("/").stdin(Stdio::null());
    command
}

/// The newest program of this name where Debian puts them, or the one of the path.
fn found(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let number = |path: &Path| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let mut versions: Vec<PathBuf> = versions.map(|entry| entry.path()).collect();
    versions.sort_by_key(|path| number(path));
    let program =
        versions.pop().map(|version| version.join("bin").join(name)).filter(|program| program.exists());
    program.unwrap_or_else(|| PathBuf::from(name))
}

/// Runs a program of the start, silently unless it fails.
fn done(command: &mut Command) {
    let log = std::env::temp_dir().join(format!("tenantry-postgres-{}.log", std::process::id()));
    let file = File::create(&log).unwrap();
    let status = command.stdout(file.try_clone().unwrap()).stderr(file).status();
    let said = fs::read_to_string(&log).unwrap_or_default();
    drop(fs::remove_file(&log));
    match status {
        Ok(status) => assert!(status.success(), "{command:?}: {said}"),
        Err(error) => panic!("{command:?}: {error}; `make setup` installs what the tests need"),
    }
}
