//! The session that stages and writes: what it is to begin a transaction here, and to wait for one that is over.
//!
//! What follows from that is said in [`crate::sql::server`]. Until a transaction ends nothing may be created or dropped: that would commit it.

use tenantry_replication::catalog::Stream;
use tenantry_replication::clock::Micros;
use tenantry_replication::destination::Lease;
use tenantry_replication::error::DestinationErrorKind;

use super::client::identifier;
use super::connection::{Attempt, Connection, Failure};
use super::stage::Stage;
use super::{Site, lease, state};
use crate::sql::layout::COMMIT;
use crate::sql::server::{self, Connection as _, Transactions};

/// A session with what is staged in it.
pub(super) type Session = server::Session<Connection>;

impl Transactions for Connection {
    type Site = Site;
    type Stage = Stage;

    /// A try takes up to some minutes where the server is silent.
    const QUESTIONS_MAX: u32 = 20;

    async fn open(site: &Site) -> Attempt<Self> {
        Self::open(&site.address).await
    }

    fn is_closed(&self) -> bool {
        self.has_ended()
    }

    async fn close(&self) {
        self.log_out().await;
    }

    async fn begin(&self) -> Attempt<String> {
        self.run("BEGIN TRANSACTION").await?;
        let (table, id) = (self.state(COMMIT.name), identifier()?);
        let changed = self.change(&format!("UPDATE {table} SET \"ID\" = ?"), &[Some(id.clone())]).await?;
        if changed.first() != Some(&1) {
            let message = format!("{table} has lost its row; drop it, and a sync makes it anew");
            return Err(Failure::new(DestinationErrorKind::Failed, message));
        }
        Ok(id)
    }

    /// To change the row waits for whoever has changed it.
    async fn last_commit(&self) -> Attempt<Option<String>> {
        let table = self.state(COMMIT.name);
        self.run("BEGIN TRANSACTION").await?;
        self.run(&format!("UPDATE {table} SET \"ID\" = \"ID\"")).await?;
        let last = self.texts(&format!("SELECT \"ID\" FROM {table}")).await?;
        self.run("ROLLBACK").await?;
        Ok(last.into_iter().flatten().flatten().next())
    }

    async fn lease(&self) -> Attempt<Option<Lease>> {
        lease::read(self).await
    }

    async fn pinned_lease(&self) -> Attempt<Option<Lease>> {
        lease::pinned(self).await
    }

    async fn replace(
        &self,
        table: &str,
        column: &str,
        row: (&str, &str),
        run: u64,
        at: Micros,
    ) -> Attempt<()> {
        state::replace(self, table, column, row, run, at).await
    }

    fn lose(stage: &mut Stage) {
        stage.lose();
    }

    async fn discard(&self, stage: &mut Stage, stream: &'static Stream) -> Attempt<()> {
        stage.discard(stream);
        Ok(())
    }
}
