//! Servers that tests start: one of a kind for all tests that run at the same time. Each ends by itself once no process uses it any more.
//!
//! Knows no kind: how one is started, its destination says.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::hash::{Hash as _, Hasher as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

/// The name of a kind of server that does one thing at a time: one for each test that may run beside others, so that none waits for another's.
#[cfg(any(feature = "bigquery", feature = "snowflake"))]
#[expect(clippy::disallowed_methods, reason = "the runner of the tests says it there")]
pub(crate) fn one_for_each_slot(kind: &str) -> String {
    let slot = std::env::var("NEXTEST_TEST_GLOBAL_SLOT").unwrap_or_default();
    format!("{kind}-{slot}")
}

/// The server of this kind of all tests that were built together, started if nobody has done so, or if it has died since: its folder, its
/// port on 127.0.0.1, and what is locked as long as it is used.
pub(crate) fn shared(kind: &str, start: fn(&Path) -> u16) -> (PathBuf, u16, File) {
    let mut built = std::hash::DefaultHasher::new();
    std::env::current_exe().unwrap().parent().unwrap().hash(&mut built);
    let folder = std::env::temp_dir().join(format!("tenantry-{kind}-{:016x}", built.finish()));
    let lock = |what: &str| File::create(folder.with_extension(what)).unwrap();
    let (used, started) = (lock("use"), lock("start"));
    used.lock_shared().unwrap();
    started.lock().unwrap();
    let port = running(&folder).unwrap_or_else(|| start(&folder));
    drop(started);
    (folder, port, used)
}

/// The port of a server that runs in this folder.
pub(crate) fn running(folder: &Path) -> Option<u16> {
    let port = fs::read_to_string(folder.join("port")).ok()?.trim().parse().ok()?;
    TcpStream::connect(("127.0.0.1", port)).ok().map(|_| port)
}
