//! What DuckDB may take of the machine: memory, and threads.
//!
//! A limit that the user chose holds. One that is ours gives way where the work needs it, and comes back with the end of the publish.

use std::sync::atomic::{AtomicU64, Ordering};

use super::connection::{Attempt, Connection, literal};
use crate::{Access, Options};

/// Memory that DuckDB takes where nobody said anything else: enough for ten million rows, as the rest goes to the spill folder.
pub(super) const MEMORY_BYTES: u64 = 150_000_000;

/// The same where people look at the tables meanwhile: their questions take memory of their own.
pub(super) const LOOKED_AT_BYTES: u64 = 1_000_000_000;

/// Rows to write, or to sort by their keys, from which on there are parts for several threads.
const MANY_WRITTEN: u64 = 300_000;
/// So many rows that are only read weigh as much as one that is written.
const READ_PER_WRITTEN: u64 = 10;

/// Both limits.
pub(super) struct Limits {
    pub(super) memory: Memory,
    pub(super) threads: Threads,
}

impl Limits {
    /// The limits of a DuckDB that was opened with these options, as one works with it that has little to do yet.
    pub(super) fn new(connection: &mut Connection, options: &Options) -> Self {
        let is_ours = options.memory_limit.is_none();
        let memory = Memory { bytes: memory_bytes(options), is_ours, beyond: AtomicU64::new(0) };
        let threads = Threads::new(connection, options.is_looked_at);
        // Where nothing is written all work is a query of the user's.
        if options.access == Access::Write {
            threads.fit(connection, 0, 0);
        }
        Self { memory, threads }
    }
}

/// Memory that DuckDB takes where the user set no limit.
pub(super) fn memory_bytes(options: &Options) -> u64 {
    if options.is_looked_at { LOOKED_AT_BYTES } else { MEMORY_BYTES }
}

/// Stands for as much beyond the limit as DuckDB takes by itself.
const WIDENED: u64 = 1 << 60;

/// DuckDB's limit of memory.
pub(super) struct Memory {
    pub(super) bytes: u64,
    /// Whether the limit is the one that we chose; a limit that the user chose holds.
    pub(super) is_ours: bool,
    /// What is allowed beyond it for the publish under way.
    beyond: AtomicU64,
}

impl Memory {
    /// Allows so much more for the publish under way, where the limit is ours and not widened. A failure would show as one of what needs the
    /// memory.
    pub(super) fn allow(&self, connection: &mut Connection, bytes: u64) {
        if self.is_ours && bytes > 0 && self.beyond.load(Ordering::Relaxed) < WIDENED {
            let beyond = self.beyond.fetch_add(bytes, Ordering::Relaxed) + bytes;
            let _ = set_memory(connection, &format!("{}B", self.bytes + beyond));
        }
    }

    /// Lets DuckDB take what it would by itself, four fifths of the machine's; false where the user wants it otherwise.
    pub(super) fn widen(&self, connection: &mut Connection) -> bool {
        self.beyond.store(WIDENED, Ordering::Relaxed);
        self.is_ours && Self::reset(connection).is_ok()
    }

    /// `RESET` says what the default is, but only `SET` makes it hold.
    fn reset(connection: &mut Connection) -> Attempt<()> {
        connection.run("RESET GLOBAL memory_limit")?;
        let default = connection.texts("SELECT current_setting('memory_limit')")?;
        let default = default.into_iter().flatten().next().flatten().unwrap_or_default();
        set_memory(connection, &default)
    }

    /// Goes back to the limit. Fails without harm while more is in use.
    pub(super) fn restore(&self, connection: &mut Connection) {
        if self.beyond.swap(0, Ordering::Relaxed) > 0 && self.is_ours {
            let _ = set_memory(connection, &format!("{}B", self.bytes));
        }
    }
}

fn set_memory(connection: &mut Connection, size: &str) -> Attempt<()> {
    connection.run(&format!("SET GLOBAL memory_limit = {}", literal(size))).map(|_| ())
}

/// The number of threads of DuckDB.
///
/// A thread that waits for another one's part does so without sleeping, and rows come in parts of 122,880: with fewer, all but one thread
/// would only burn time.
pub(super) struct Threads {
    most: u64,
    now: AtomicU64,
    /// Whether the number stays as it is: questions of people want all of them at any time.
    is_fixed: bool,
}

impl Threads {
    /// Takes the number that DuckDB has for the most that it may have.
    fn new(connection: &mut Connection, is_fixed: bool) -> Self {
        let most = connection.numbers("SELECT CAST(current_setting('threads') AS BIGINT)");
        let most = most.map_or(1, |[most]| most.unsigned_abs());
        Self { most, now: AtomicU64::new(most), is_fixed }
    }

    /// Sets the number for work that reads and writes so many rows. A failure costs nothing but time.
    pub(super) fn fit(&self, connection: &mut Connection, read: i64, written: i64) {
        if self.is_fixed {
            return;
        }
        let weight = written.unsigned_abs() + read.unsigned_abs() / READ_PER_WRITTEN;
        let wanted = if weight < MANY_WRITTEN { 1 } else { self.most };
        if self.now.swap(wanted, Ordering::Relaxed) != wanted {
            let _ = connection.run(&format!("SET GLOBAL threads = {wanted}"));
        }
    }
}
