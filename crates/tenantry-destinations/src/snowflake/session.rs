//! The session that stages and writes: its transactions, and what became of one whose answer was lost.
//!
//! Every writing transaction begins by giving the row of `_TENANTRY.COMMIT` a new name. So transactions follow one another, whoever begins
//! them; and who lost the answer to a COMMIT waits for that row in a new session and finds there whether it took place. Nothing is ever sent
//! twice.

use tenantry_replication::catalog::Stream;
use tenantry_replication::error::{DestinationErrorKind, may_pass};

use super::address::Address;
use super::client::{identifier, pause};
use super::connection::{Attempt, Connection, Failure, text};
use super::lease;
use super::stage::Stage;
use crate::sql::layout::COMMIT;

/// How often a server that does not answer is asked what became of a commit. A try takes up to some minutes where the server is silent.
const QUESTIONS_MAX: u32 = 20;

/// A session with what is staged in it.
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

    /// The session, and what is staged in it.
    pub(super) fn parts(&mut self) -> (&Connection, &mut Stage) {
        (&self.connection, &mut self.stage)
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Makes sure that there is a session: opens another where the last one was lost.
    pub(super) async fn revive(&mut self, address: &Address) -> Attempt<()> {
        if self.is_open || self.connection.is_closed() {
            self.stage.lose();
            self.connection.close().await;
            self.connection = Connection::open(address).await?;
            self.is_open = false;
        }
        Ok(())
    }

    /// Forgets what is staged for a stream, whatever became of it.
    pub(super) fn forget(&mut self, stream: &'static Stream) {
        self.stage.discard(stream);
    }

    /// Begins a transaction that writes, under the lease `fence`. Until it ends nothing may be created or dropped: that would commit it.
    pub(super) async fn begin(&mut self, fence: Option<u64>) -> Attempt<Transaction> {
        self.is_open = true;
        let begun = begin_named(&self.connection, fence).await;
        if begun.is_err() {
            self.roll_back().await;
        }
        begun
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
            // Whatever has the loss of the session or of the line for its cause leaves the outcome open.
            Err(failure) if failure.is_silence() || failure.kind == DestinationErrorKind::Unavailable => {
                self.find_out(address, &transaction, failure).await?;
            }
            Err(failure) => {
                self.roll_back().await;
                return Err(failure);
            }
        }
        Ok(value)
    }

    /// Undoes a transaction. A failure says nothing new: the session is given up then, and with it the transaction.
    pub(super) async fn roll_back(&mut self) {
        if self.connection.run("ROLLBACK").await.is_ok() {
            self.is_open = false;
        }
    }

    /// The answer to a COMMIT was lost: ends the old session, waits in a new one until the old transaction is over, and looks whether it took
    /// place.
    async fn find_out(&mut self, address: &Address, transaction: &Transaction, lost: Failure) -> Attempt<()> {
        self.stage.lose();
        // Undoes the transaction if the COMMIT has not come; one that comes later finds no session. Only makes the wait shorter.
        self.connection.close().await;
        let mut asked = 0;
        let (connection, named) = loop {
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
        if named.as_deref() == Some(transaction.id.as_str()) {
            return Ok(());
        }
        let message = format!(
            "the connection was lost during the commit ({}), and the server says that it did not take place: nothing was written",
            lost.message
        );
        Err(Failure::new(DestinationErrorKind::Unavailable, message))
    }

    /// A new session, and the name of the last transaction, once that is over: to change its row waits for whoever has changed it.
    async fn last_commit(address: &Address) -> Attempt<(Connection, Option<String>)> {
        let connection = Connection::open(address).await?;
        let table = connection.state_place(COMMIT.name);
        let looked = async {
            connection.run("BEGIN TRANSACTION").await?;
            connection.run(&format!("UPDATE {table} SET \"ID\" = \"ID\"")).await?;
            let row = connection.rows(&format!("SELECT \"ID\" FROM {table}")).await?.into_iter().next();
            connection.run("ROLLBACK").await?;
            Ok::<_, Failure>(text(row.unwrap_or_default().first()))
        }
        .await;
        match looked {
            Ok(last) => Ok((connection, last)),
            Err(failure) => {
                connection.close().await;
                Err(failure)
            }
        }
    }
}

async fn begin_named(connection: &Connection, fence: Option<u64>) -> Attempt<Transaction> {
    connection.run("BEGIN TRANSACTION").await?;
    let (table, id) = (connection.state_place(COMMIT.name), identifier()?);
    let changed = connection.change(&format!("UPDATE {table} SET \"ID\" = ?"), &[Some(id.clone())]).await?;
    if changed.first() != Some(&1) {
        let message = format!("{table} has lost its row; drop it, and a sync makes it anew");
        return Err(Failure::new(DestinationErrorKind::Failed, message));
    }
    // Early, so that no work is done in vain; what counts is the look before the commit.
    lease::check(connection, fence).await?;
    Ok(Transaction { id, fence })
}
