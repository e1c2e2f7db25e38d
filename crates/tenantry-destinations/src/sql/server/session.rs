//! The session that stages and writes: its transactions, and what became of one whose answer was lost.
//!
//! Every writing transaction begins by giving the row of the state table `commit` a new name. So transactions follow one another, whoever
//! begins them; and who lost the answer to a COMMIT waits for that row on a new connection and finds there whether it took place. Nothing is
//! ever sent twice.

use std::sync::Arc;
use std::time::Duration;

use tenantry_replication::catalog::Stream;
use tenantry_replication::clock::Micros;
use tenantry_replication::destination::{Lease, check_lease};
use tenantry_replication::error::{DestinationErrorKind, may_pass};

use super::connection::{Connection, pause};
use super::failure::{Attempt, Failure};

/// Pause between two questions what became of a commit.
const PAUSE: Duration = Duration::from_millis(500);

/// A connection that keeps what is staged and a transaction for as long as it lives.
pub(crate) trait Transactions: Connection + Sized + 'static {
    /// Where the server is, and what things are called there.
    type Site: Send + Sync;
    /// What is staged, and not yet taken.
    type Stage: Default + Send;

    /// How often a server that does not answer is asked what became of a commit.
    const QUESTIONS_MAX: u32;

    /// Opens a connection, and sets what holds in every session.
    fn open(site: &Self::Site) -> impl Future<Output = Attempt<Self>> + Send;

    /// Whether it cannot be used any more.
    fn is_closed(&self) -> bool;

    /// Ends it, as well as that can be told to the server.
    fn close(&self) -> impl Future<Output = ()> + Send;

    /// Begins a transaction that writes, and gives the row of `commit` a new name, which is returned.
    fn begin(&self) -> impl Future<Output = Attempt<String>> + Send;

    /// Name of the last transaction, once that is over.
    fn last_commit(&self) -> impl Future<Output = Attempt<Option<String>>> + Send;

    /// The last lease that was given.
    fn lease(&self) -> impl Future<Output = Attempt<Option<Lease>>> + Send;

    /// The same, and nobody is given another one until this transaction is over.
    fn pinned_lease(&self) -> impl Future<Output = Attempt<Option<Lease>>> + Send;

    /// Writes the one row of a stream in a state table, with a text in one of its columns, in the caller's transaction.
    fn replace(
        &self,
        table: &str,
        column: &str,
        row: (&str, &str),
        run: u64,
        at: Micros,
    ) -> impl Future<Output = Attempt<()>> + Send;

    /// Notes that the session is gone, and with it what was staged in it alone.
    fn lose(stage: &mut Self::Stage);

    /// Forgets everything that is staged for a stream, and what was lost of it.
    fn discard(
        &self,
        stage: &mut Self::Stage,
        stream: &'static Stream,
    ) -> impl Future<Output = Attempt<()>> + Send;
}

/// A session with what is staged in it.
pub(crate) struct Session<C: Transactions> {
    site: Arc<C::Site>,
    connection: C,
    pub(crate) stage: C::Stage,
    /// Whether a transaction is under way. Found so by a later call, its own was cut off, and nobody knows where it stands.
    pub(crate) is_open: bool,
}

/// A writing transaction under way.
pub(crate) struct Transaction {
    id: String,
    fence: Option<u64>,
}

impl<C: Transactions> Session<C> {
    pub(crate) fn new(site: Arc<C::Site>, connection: C) -> Self {
        Self { site, connection, stage: C::Stage::default(), is_open: false }
    }

    /// The connection, and what is staged on it.
    pub(crate) fn parts(&mut self) -> (&C, &mut C::Stage) {
        (&self.connection, &mut self.stage)
    }

    pub(crate) fn connection(&self) -> &C {
        &self.connection
    }

    /// Makes sure that there is a connection: opens another where the last one was lost.
    pub(crate) async fn revive(&mut self) -> Attempt<()> {
        if self.is_open || self.connection.is_closed() {
            C::lose(&mut self.stage);
            self.connection.close().await;
            self.connection = C::open(&self.site).await?;
            self.is_open = false;
        }
        Ok(())
    }

    /// Forgets what is staged for a stream, whatever became of it. Where the connection is gone, so are the rows.
    pub(crate) async fn forget(&mut self, stream: &'static Stream) {
        if self.connection.discard(&mut self.stage, stream).await.is_err() {
            // What nobody knows of any more would be taken for the next rows.
            self.is_open = true;
        }
    }

    /// Begins a transaction that writes, under the lease `fence`.
    pub(crate) async fn begin(&mut self, fence: Option<u64>) -> Attempt<Transaction> {
        self.is_open = true;
        let begun = begin_fenced(&self.connection, fence).await;
        if begun.is_err() {
            self.roll_back().await;
        }
        begun
    }

    /// Ends a transaction: commits what was done, or undoes it.
    ///
    /// The lease is looked at once more, and held until the commit is through: who takes it afterwards sees all of this.
    pub(crate) async fn end<T>(&mut self, transaction: Transaction, done: Attempt<T>) -> Attempt<T> {
        let done = match done {
            Ok(value) => pin(&self.connection, transaction.fence).await.map(|()| value),
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
            Err(failure) if failure.is_silence || failure.kind == DestinationErrorKind::Unavailable => {
                self.find_out(&transaction, failure).await?;
            }
            Err(failure) => {
                self.roll_back().await;
                return Err(failure);
            }
        }
        Ok(value)
    }

    /// Undoes a transaction. A failure says nothing new: the connection is given up then, and with it the transaction.
    pub(crate) async fn roll_back(&mut self) {
        if self.connection.run("ROLLBACK").await.is_ok() {
            self.is_open = false;
        }
    }

    /// The answer to a COMMIT was lost: ends the old connection, waits on a new one until the old transaction is over, and looks whether it
    /// took place.
    async fn find_out(&mut self, transaction: &Transaction, lost: Failure) -> Attempt<()> {
        C::lose(&mut self.stage);
        // Where the COMMIT has not come, this undoes the transaction; one that comes later finds no session. Only makes the wait shorter.
        self.connection.close().await;
        let mut asked = 0;
        let (connection, name) = loop {
            match Self::last_commit(&self.site).await {
                Ok(answer) => break answer,
                Err(failure) if may_pass(failure.kind) && asked < C::QUESTIONS_MAX => {
                    asked += 1;
                    pause(PAUSE).await;
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
    async fn last_commit(site: &C::Site) -> Attempt<(C, Option<String>)> {
        let connection = C::open(site).await?;
        match connection.last_commit().await {
            Ok(last) => Ok((connection, last)),
            Err(failure) => {
                connection.close().await;
                Err(failure)
            }
        }
    }
}

async fn begin_fenced<C: Transactions>(connection: &C, fence: Option<u64>) -> Attempt<Transaction> {
    let id = connection.begin().await?;
    // Early, so that no work is done in vain; what counts is the look before the commit.
    if let Some(token) = fence {
        check_lease(token, connection.lease().await?.as_ref())?;
    }
    Ok(Transaction { id, fence })
}

/// Refuses to go on where another lease was given since. Without a lease of its own a process is not kept from writing.
async fn pin<C: Transactions>(connection: &C, fence: Option<u64>) -> Attempt<()> {
    let Some(token) = fence else { return Ok(()) };
    Ok(check_lease(token, connection.pinned_lease().await?.as_ref())?)
}
