//! The file itself: made whole or not at all, readable by its owner alone, attached with reach to nothing else.
//!
//! Changes nothing about the mode of a file that is already there: whoever shared it meant it.

use std::collections::hash_map::RandomState;
use std::ffi::OsStr;
use std::fs;
use std::hash::{BuildHasher as _, Hasher as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

use adbc_core::Driver as _;
use adbc_core::options::{OptionDatabase, OptionValue};
use adbc_driver_manager::ManagedDatabase;
use rustix::fs::Mode;
use tenantry_replication::error::DestinationErrorKind;

use super::connection::{Attempt, Connection, Failure, literal, quoted};
use super::limits::{Limits, memory_bytes};
use super::reader::KEPT;
use super::stage::Stage;
use super::{DATABASE, Names, Shared, driver, state};
use crate::{Access, Options};

/// File format that DuckDB 1.4 and later read.
const STORAGE_VERSION: &str = "v1.4.0";
/// A database that ends with the process.
const IN_MEMORY: &str = ":memory:";

/// Bytes of the log from which on a publish writes its changes to their place in the file.
pub(super) const LOG_BYTES_MAX: u64 = 64 << 20;

/// Opens or makes the file.
pub(super) fn open(path: &Path, options: &Options) -> Attempt<Shared> {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    if path.as_os_str().is_empty() {
        return Err(unavailable("no path given: write `duckdb:PATH`"));
    }
    let spill = SpillFolder::beside(path, options.access);
    let database = engine(options, &spill)?;
    let names = Names::new(options);
    let mut writer = Connection::open(&database, &names.state_schema)?;
    let limits = Limits::new(&mut writer, options);
    attach(&mut writer, path, options)?;
    if options.is_looked_at {
        writer.run(&format!("ATTACH {} AS {}", literal(IN_MEMORY), quoted(KEPT)))?;
    }
    spill.clear_leftovers();
    // Cannot be switched on again.
    writer.run("SET GLOBAL enable_external_access = false")?;
    if options.access == Access::Read {
        writer.run("SET GLOBAL lock_configuration = true")?;
    }
    state::check_layout(&mut writer)?;
    let connection = Connection::open(&database, &names.state_schema)?;
    Ok(Shared {
        log: log_of(path),
        identity: Identity::of(path),
        limits,
        names,
        fence: AtomicU64::new(0),
        stage: Mutex::new(Stage::new(connection)),
        writer: Mutex::new(writer),
        database,
        _spill: spill,
    })
}

/// DuckDB itself, around a database in memory. Loads and fetches no extension.
fn engine(options: &Options, spill: &SpillFolder) -> Attempt<ManagedDatabase> {
    let mut settings: Vec<(&str, String)> = vec![
        ("path", IN_MEMORY.to_owned()),
        ("autoinstall_known_extensions", "false".to_owned()),
        ("autoload_known_extensions", "false".to_owned()),
        ("temp_directory", text_of(&spill.path)?.to_owned()),
        // Checkpoints are ours to call for ([`checkpoint`]): by itself DuckDB would also rewrite the staged tables every 16 MB.
        ("checkpoint_threshold", "1TB".to_owned()),
        (
            "memory_limit",
            options.memory_limit.clone().unwrap_or_else(|| format!("{}B", memory_bytes(options))),
        ),
    ];
    settings.extend(options.threads.map(|threads| ("threads", threads.to_string())));
    let settings = settings
        .into_iter()
        .map(|(name, value)| (OptionDatabase::Other(name.to_owned()), OptionValue::String(value)));
    Ok(driver::driver()?.new_database_with_opts(settings)?)
}

/// Attaches the file, after making it where that is asked for.
fn attach(connection: &mut Connection, path: &Path, options: &Options) -> Attempt<()> {
    let version = options.storage_version.as_deref().unwrap_or(STORAGE_VERSION);
    let exists = path.exists();
    let mode = match options.access {
        Access::Read if !exists => {
            return Err(Failure::new(DestinationErrorKind::Absent, "there is no such file"));
        }
        Access::Read => "READ_ONLY".to_owned(),
        Access::Write => format!("STORAGE_VERSION {}", literal(version)),
    };
    if !exists && path.as_os_str() != IN_MEMORY {
        make(connection, path, version)?;
    }
    let location = literal(text_of(path)?);
    let name = quoted(DATABASE);
    connection.run(&format!("ATTACH {location} AS {name} ({mode})")).map_err(say_clearly)?;
    Ok(())
}

/// Makes an empty database under another name and links it into place, so that nobody ever finds half of one.
fn make(connection: &mut Connection, path: &Path, version: &str) -> Attempt<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        return Err(unavailable(format!("the folder {} does not exist", folder.display())));
    }
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}.new", std::process::id()));
    let draft = PathBuf::from(draft);
    let location = literal(text_of(&draft)?);
    connection
        .run(&format!("ATTACH {location} AS draft (STORAGE_VERSION {})", literal(version)))
        .map_err(say_clearly)?;
    connection.run("CHECKPOINT draft")?;
    connection.run("DETACH draft")?;
    let linked = fs::hard_link(&draft, path);
    let removed = fs::remove_file(&draft);
    match linked {
        // Another process was faster: its file is as good.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked.and(removed).map_err(|error| unavailable(format!("cannot make the file: {error}"))),
    }
}

/// Where the file was when it was opened, and which one it was.
pub(super) struct Identity {
    path: PathBuf,
    /// Device and number; none for a database in memory.
    file: Option<(u64, u64)>,
}

impl Identity {
    fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), file: identity(path) }
    }

    /// Fails where the file is no longer there, or another one is: what is written then would be seen by nobody.
    pub(super) fn check(&self) -> Attempt<()> {
        if self.file.is_none() || identity(&self.path) == self.file {
            return Ok(());
        }
        Err(unavailable(
            "the file was moved, removed or replaced while it was open; put it back, or run again with what is there now",
        ))
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Writes what the log holds to its place once the log is large. May fail without harm: the log keeps it, and the next one tries again.
pub(super) fn checkpoint(connection: &mut Connection, log: &Path) {
    if fs::metadata(log).is_ok_and(|log| log.len() > LOG_BYTES_MAX) {
        let _ = connection.run(&format!("CHECKPOINT {}", quoted(DATABASE)));
    }
}

fn log_of(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push(".wal");
    PathBuf::from(log)
}

fn unavailable(message: impl Into<String>) -> Failure {
    Failure::new(DestinationErrorKind::Unavailable, message)
}

fn text_of(path: &Path) -> Attempt<&str> {
    path.to_str().ok_or_else(|| unavailable("the path is not UTF-8"))
}

/// What failed in attaching, in words that say what to do.
fn say_clearly(failure: Failure) -> Failure {
    let Failure { kind, message } = failure;
    match kind {
        DestinationErrorKind::Locked => {
            let holder = message.split_once("(PID ").and_then(|(_, rest)| rest.split(')').next());
            let who = holder.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
            Failure::new(kind, format!("{who} has the file open: wait for it to end, or use another file"))
        }
        DestinationErrorKind::Newer => Failure::new(
            kind,
            format!("a newer version of DuckDB wrote the file, use another one: {}", first_line(&message)),
        ),
        DestinationErrorKind::Failed => Failure::new(DestinationErrorKind::Unavailable, first_line(&message)),
        kind => Failure::new(kind, message),
    }
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().to_owned()
}

/// The folder in which DuckDB puts what does not fit into memory. Gone when the database is closed; the next process to write removes what a
/// crash left.
///
/// Has a name that no other process gives one, not even at the same number in another container: DuckDB may write there before the lock on
/// the file is held, and while it brings in the file's log.
pub(super) struct SpillFolder {
    path: PathBuf,
    /// What the names of all folders beside the same file begin with; `None` where no lock tells who else may be using one.
    family: Option<PathBuf>,
}

impl SpillFolder {
    fn beside(path: &Path, access: Access) -> Self {
        let mut name = path.as_os_str().to_owned();
        if path.as_os_str() == IN_MEMORY {
            name = std::env::temp_dir().join("tenantry").into();
        }
        name.push(".tmp");
        let family = (access == Access::Write && path.as_os_str() != IN_MEMORY).then(|| PathBuf::from(&name));
        let chance = RandomState::new().build_hasher().finish();
        name.push(format!(".{}-{chance:016x}", std::process::id()));
        Self { path: PathBuf::from(name), family }
    }

    /// Removes what crashes left. Only once the file's lock is held: nobody else has the file open then.
    fn clear_leftovers(&self) {
        let Some(family) = &self.family else { return };
        let (Some(folder), Some(family)) = (family.parent(), family.file_name().and_then(OsStr::to_str))
        else {
            return;
        };
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let rest = name.to_str().and_then(|name| name.strip_prefix(family));
            let is_of_family = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
            if is_of_family && self.path.file_name() != Some(&name) {
                clear(&entry.path());
            }
        }
    }
}

/// Empties a folder of what DuckDB puts there, and removes it if nothing else was in it. What cannot be removed harms nothing.
fn clear(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("duckdb_temp_") {
            let _ = fs::remove_file(entry.path());
        }
    }
    let _ = fs::remove_dir(folder);
}

impl Drop for SpillFolder {
    fn drop(&mut self) {
        // Removes the folder only if DuckDB left it empty; there may be none.
        let _ = fs::remove_dir(&self.path);
    }
}
