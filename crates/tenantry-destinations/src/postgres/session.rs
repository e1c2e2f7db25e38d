//! The session that stages and writes: what it is to begin a transaction here, and to wait for one that is over.
//!
//! What follows from that is said in [`crate::sql::server`].

use tenantry_replication::catalog::Stream;
use tenantry_replication::clock::Micros;
use tenantry_replication::destination::Lease;
use tenantry_replication::error::DestinationErrorKind;
use tokio_postgres::types::{ToSql, Type};

use super::connection::{Attempt, Connection, Failure};
use super::stage::Stage;
use super::types::POSTGRES;
use super::{Site, lease};
use crate::sql::Dialect as _;
use crate::sql::layout::COMMIT;
use crate::sql::server::{self, Connection as _, Transactions};

/// How long the old connection's transaction is waited for, each time.
const PATIENCE: &str = "20s";

/// A connection with what is staged on it.
pub(super) type Session = server::Session<Connection>;

impl Session {
    /// Begins to read what is there now, as one state of it; temporary tables can be written.
    pub(super) async fn look(&mut self) -> Attempt<()> {
        self.is_open = true;
        self.connection().run("BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE").await
    }
}

impl Transactions for Connection {
    type Site = Site;
    type Stage = Stage;

    const QUESTIONS_MAX: u32 = 20;

    async fn open(site: &Site) -> Attempt<Self> {
        Self::open(site).await
    }

    fn is_closed(&self) -> bool {
        self.client().is_closed()
    }

    async fn close(&self) {
        // Whoever lets go of it ends it.
    }

    async fn begin(&self) -> Attempt<String> {
        self.run("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE").await?;
        let table = self.state(COMMIT.name);
        let renamed = format!("UPDATE {table} SET id = gen_random_uuid()::text RETURNING id");
        let row = self.rows(&renamed, &[]).await?.into_iter().next();
        let row = row.ok_or_else(|| {
            Failure::new(
                DestinationErrorKind::Failed,
                format!("{table} has lost its row; a sync makes it anew"),
            )
        })?;
        Ok(row.try_get(0)?)
    }

    async fn last_commit(&self) -> Attempt<Option<String>> {
        self.run(&format!("BEGIN; SET LOCAL lock_timeout = '{PATIENCE}'")).await?;
        let row = self.row(&format!("SELECT id FROM {} FOR UPDATE", self.state(COMMIT.name)), &[]).await?;
        let last = row.try_get(0)?;
        self.run("ROLLBACK").await?;
        Ok(last)
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
        (name, text): (&str, &str),
        run: u64,
        at: Micros,
    ) -> Attempt<()> {
        let (table, run) = (self.state(table), i64::try_from(run).unwrap_or(i64::MAX));
        self.change(&format!("DELETE FROM {table} WHERE stream = $1"), &[(&name, Type::TEXT)]).await?;
        let sql = format!(
            "INSERT INTO {table} (stream, {column}, run, updated_at) VALUES ($1, $2, $3, {})",
            POSTGRES.time(at)
        );
        let values: [(&(dyn ToSql + Sync), Type); 3] =
            [(&name, Type::TEXT), (&text, Type::TEXT), (&run, Type::INT8)];
        self.change(&sql, &values).await?;
        Ok(())
    }

    fn lose(stage: &mut Stage) {
        stage.lose();
    }

    async fn discard(&self, stage: &mut Stage, stream: &'static Stream) -> Attempt<()> {
        stage.discard(self, stream).await
    }
}
