//! The session that stages and writes: its transactions, and what became of one whose answer was lost.
//!
//! Every writing transaction begins by giving the row of `_tenantry.commit` a new name. So transactions follow one another, whoever begins
//! them; and who lost the answer to a COMMIT waits for that row on a new connection and finds there whether it took place. Nothing is ever
//! sent twice.

use std::time::Duration;

use tenantry_replication::catalog::Stream;
use tenantry_replication::error::{DestinationErrorKind, may_pass};

use super::address::Address;
use super::connection::{Attempt, Connection, Failure, place};
use super::lease;
use super::stage::Stage;
use crate::sql::layout::{COMMIT, STATE_SCHEMA};

/// How often a server that does not answer is asked what became of a commit.
const QUESTIONS_MAX: u32 = 20;
/// Pause between two of these.
const PAUSE: Duration = Duration::from_millis(500);
/// How long the old connection's transaction is waited for, each time.
const PATIENCE: &str = "20s";

/// A connection with what is staged on it.
pub(super) struct Session {
    connection: Connection,
    pub(super) stage: Stage,
    /// Whether a transaction is under way. Found so by a later call, its own was cut off, and nobody knows where it stands.
    is_open: bool,
}

/// A writing transaction under way.
pub(super) struct Transaction {
    id: String,
    fence: Option<u64>,
}

impl Session {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, stage: Stage::default(), is_open: false }
    }

    /// The connection, and what is staged on it.
    pub(super) fn parts(&mut self) -> (&Connection, &mut Stage) {
        (&self.connection, &mut self.stage)
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Makes sure that there is a connection: opens another where the last one was lost.
    pub(super) async fn revive(&mut self, address: &Address) -> Attempt<()> {
        if self.is_open || self.connection.is_closed() {
            self.stage.lose();
            self.connection = Connection::open(address).await?;
            self.is_open = false;
        }
        Ok(())
    }

    /// Forgets what is staged for a stream, whatever became of it. Where the connection is gone, so are the rows.
    pub(super) async fn forget(&mut self, stream: &'static Stream) {
        if self.stage.discard(&self.connection, stream).await.is_err() {
            // Temporary tables that nobody knows of any more would be taken for those of the next rows.
            self.is_open = true;
        }
    }

    /// Begins a transaction that writes, under the lease `fence`.
    pub(super) async fn begin(&mut self, fence: Option<u64>) -> Attempt<Transaction> {
        self.is_open = true;
        let begun = self.begin_named(fence).await;
        if begun.is_err() {
            self.roll_back().await;
        }
        begun
    }

    async fn begin_named(&self, fence: Option<u64>) -> Attempt<Transaction> {
        self.connection.run("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE").await?;
        let table = place(STATE_SCHEMA, COMMIT.name);
        let renamed = format!("UPDATE {table} SET id = gen_random_uuid()::text RETURNING id");
        let row = self.connection.rows(&renamed, &[]).await?.into_iter().next();
        let row = row.ok_or_else(|| {
            Failure::new(
                DestinationErrorKind::Failed,
                format!("{table} has lost its row; a sync makes it anew"),
            )
        })?;
        let id = row.try_get(0)?;
        // Early, so that no work is done in vain; what counts is the look before the commit.
        lease::check(&self.connection, fence).await?;
        Ok(Transaction { id, fence })
    }

    /// Ends a transaction: commits what was done, or undoes it.
    ///
    /// The lease is looked at once more, and held until the commit is through: who takes it afterwards sees all of this.
    pub(super) async fn end<T>(
        &mut self,
        address: &Address,
        transaction: Transaction,
        done: Attempt<T>,
    ) -> Attempt<T> {
        let done = match done {
            Ok(value) => lease::pin(&self.connection, transaction.fence).await.map(|()| value),
            Err(failure) => Err(failure),
        };
        let value = match done {
            Ok(value) => value,
            Err(failure) => {
                self.roll_back().await;
                return Err(failure);
            }
        };
        match self.connection.run("COMMIT").await {
            Ok(()) => self.is_open = false,
            // Whatever has a connection's end for its cause leaves the outcome open.
            Err(failure) if failure.kind == DestinationErrorKind::Unavailable => {
                self.find_out(address, &transaction, failure).await?;
            }
            Err(failure) => {
                self.roll_back().await;
                return Err(failure);
            }
        }
        Ok(value)
    }

    /// Begins to read what is there now, as one state of it; temporary tables can be written.
    pub(super) async fn look(&mut self) -> Attempt<()> {
        self.is_open = true;
        self.connection.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE").await
    }

    /// Undoes a transaction. A failure says nothing new: with the connection the transaction ends as well.
    pub(super) async fn roll_back(&mut self) {
        if self.connection.run("ROLLBACK").await.is_ok() {
            self.is_open = false;
        }
    }

    /// The answer to a COMMIT was lost: waits on a new connection until the old transaction is over, and looks whether it took place.
    async fn find_out(&mut self, address: &Address, transaction: &Transaction, lost: Failure) -> Attempt<()> {
        self.stage.lose();
        let mut asked = 0;
        let (connection, name) = loop {
            match Self::last_commit(address).await {
                Ok(answer) => break answer,
                Err(failure) if may_pass(failure.kind) && asked < QUESTIONS_MAX => {
                    asked += 1;
                    pause().await;
                }
                Err(failure) => {
                    return Err(Failure::new(
                        DestinationErrorKind::Unavailable,
                        format!(
                            "the connection was lost during the commit ({}), and the server cannot be asked what became of it ({}): the next \
                             run goes on from whichever it was",
                            lost.message, failure.message
                        ),
                    ));
                }
            }
        };
        self.connection = connection;
        self.is_open = false;
        if name.as_deref() == Some(transaction.id.as_str()) {
            return Ok(());
        }
        let message = format!(
            "the connection was lost during the commit ({}), and the server says that it did not take place: nothing was written",
            lost.message
        );
        Err(Failure::new(DestinationErrorKind::Unavailable, message))
    }

    /// A new connection, and the name of the last transaction, once that is over.
    async fn last_commit(address: &Address) -> Attempt<(Connection, Option<String>)> {
        let connection = Connection::open(address).await?;
        connection.run(&format!("BEGIN; SET LOCAL lock_timeout = '{PATIENCE}'")).await?;
        let table = place(STATE_SCHEMA, COMMIT.name);
        let row = connection.row(&format!("SELECT id FROM {table} FOR UPDATE"), &[]).await?;
        let last = row.try_get(0)?;
        connection.run("ROLLBACK").await?;
        Ok((connection, last))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a destination has no clock, and a server that comes back takes real time"
)]
async fn pause() {
    tokio::time::sleep(PAUSE).await;
}
