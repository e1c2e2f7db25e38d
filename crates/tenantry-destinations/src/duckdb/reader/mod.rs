//! Looking at the file while a sync writes to it: each question on a connection of its own, in a transaction that reads.
//!
//! Takes none of the locks of writing. DuckDB keeps what a transaction began with, so that a publish is seen whole or not at all.

mod browse;
mod records;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use adbc_core::CancelHandle;
use async_trait::async_trait;
use tenantry_replication::catalog::{Catalog, Table};
use tenantry_replication::destination::{Answer, Losses, PageOf, Reader, TableSummary, Wanted};
use tenantry_replication::error::{DestinationErrorKind, DestinationResult};
use tenantry_replication::state::{RunRecord, State};

use super::connection::{Attempt, Connection, Failure, Place};
use super::{Shared, blocking, query, state, summary};

/// The database in memory that holds what readers keep.
pub(super) const KEPT: &str = "kept";
/// How often a question that nobody waits for any more is told to end, until it has.
const CANCELLED_EVERY: Duration = Duration::from_millis(5);

/// Looks at one file.
pub(super) struct DuckReader {
    pub(super) shared: Arc<Shared>,
}

impl DuckReader {
    /// Does `work` in a transaction that reads, on a thread that may block. Interrupts it when the caller is gone.
    async fn read<T: Send + 'static>(
        &self,
        action: &str,
        work: impl FnOnce(&mut Connection, &Shared) -> Attempt<T> + Send + 'static,
    ) -> DestinationResult<T> {
        self.with(action, move |connection, shared| {
            query::begin(connection, &shared.names)?;
            work(connection, shared)
        })
        .await
    }

    async fn with<T: Send + 'static>(
        &self,
        action: &str,
        work: impl FnOnce(&mut Connection, &Shared) -> Attempt<T> + Send + 'static,
    ) -> DestinationResult<T> {
        let shared = Arc::clone(&self.shared);
        let call = Arc::new(Call::default());
        let _gone = Gone(Arc::clone(&call));
        blocking(action, move || {
            let _over = Over(&call);
            let mut connection = Connection::open(&shared.database, &shared.names.state_schema)?;
            // Nobody else sets it.
            let _ = call.handle.set(connection.cancel_handle());
            if call.is_gone.load(Ordering::Acquire) {
                return Err(Failure::new(
                    DestinationErrorKind::Query,
                    "nobody waits for the answer any more",
                ));
            }
            work(&mut connection, &shared)
        })
        .await
    }
}

/// A call under way, as its caller and its thread see it.
#[derive(Default)]
struct Call {
    handle: OnceLock<Box<dyn CancelHandle>>,
    /// Whether nobody waits for it.
    is_gone: AtomicBool,
    /// Whether its thread is done.
    is_over: AtomicBool,
}

/// Lives as long as somebody waits.
struct Gone(Arc<Call>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.is_gone.store(true, Ordering::Release);
        if self.0.is_over.load(Ordering::Acquire) {
            return;
        }
        let call = Arc::clone(&self.0);
        // DuckDB forgets an interruption that comes between two statements: it is told until the thread has ended.
        std::thread::spawn(move || {
            while !call.is_over.load(Ordering::Acquire) {
                if let Some(handle) = call.handle.get() {
                    // Where it cannot be interrupted it ends by itself.
                    let _ = handle.try_cancel();
                }
                std::thread::sleep(CANCELLED_EVERY);
            }
        });
    }
}

/// Lives as long as the thread works.
struct Over<'a>(&'a Call);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Release);
    }
}

/// A question of the user's that failed is the user's to mend.
fn refused(failure: Failure) -> Failure {
    Failure::new(DestinationErrorKind::Query, failure.message)
}

#[async_trait]
impl Reader for DuckReader {
    async fn ask(&self, sql: &str, rows_max: usize) -> DestinationResult<Answer> {
        let sql = sql.to_owned();
        self.with("answer the question", move |connection, shared| {
            query::check(connection, &sql)?;
            query::begin(connection, &shared.names)?;
            connection.rows_up_to(&sql, Vec::new(), rows_max).map_err(refused)
        })
        .await
    }

    async fn rows(&self, page: &PageOf) -> DestinationResult<Answer> {
        let page = page.clone();
        self.read("read rows", move |connection, shared| browse::rows(connection, &shared.names, &page)).await
    }

    async fn count(&self, table: &'static Table, rows: &Wanted, most: u64) -> DestinationResult<u64> {
        let wanted = rows.clone();
        self.read("count rows", move |connection, shared| {
            browse::count(connection, &shared.names, table, &wanted, most)
        })
        .await
    }

    async fn keep(&self, name: &str, sql: &str) -> DestinationResult<()> {
        let (place, sql) = (Place::new(KEPT, "main", name), sql.to_owned());
        self.with("keep an aggregate", move |connection, shared| {
            query::check(connection, &sql)?;
            query::look_at(connection, &shared.names)?;
            connection.run(&format!("CREATE OR REPLACE TABLE {place} AS {sql}")).map_err(refused)?;
            Ok(())
        })
        .await
    }

    async fn summarize(&self, catalog: &'static Catalog) -> DestinationResult<Vec<TableSummary>> {
        self.read("summarize the tables", move |connection, shared| {
            summary::summarize(connection, &shared.names, catalog)
        })
        .await
    }

    async fn runs(&self, most: usize) -> DestinationResult<Vec<RunRecord>> {
        self.read("read the runs", move |connection, _| records::runs(connection, most)).await
    }

    async fn run(&self, number: u64) -> DestinationResult<Option<RunRecord>> {
        self.read("read a run", move |connection, _| records::run(connection, number)).await
    }

    async fn losses(&self, most: usize) -> DestinationResult<Losses> {
        self.read("read what is missing", move |connection, _| records::losses(connection, most)).await
    }

    async fn state(&self) -> DestinationResult<State> {
        self.read("read the state", |connection, _| state::read(connection)).await
    }

    async fn tenant(&self) -> DestinationResult<Option<String>> {
        self.read("read the tenant", |connection, _| records::tenant(connection)).await
    }
}
