//! One connection to the server: statements, binary COPY, and errors in our own kinds.
//!
//! Knows nothing of catalogs, streams or state, and tries nothing twice. A server's error is told by its code and message alone: the details
//! that it adds can hold values of rows.

use std::time::Duration;

use bytes::Bytes;
use futures::SinkExt as _;
use tenantry_replication::error::DestinationErrorKind;
use tokio_postgres::config::{ChannelBinding, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, NoTls, Row};

use super::address::{Address, Host, Tls};
use super::stage::{drop_tables, stage_texts};
use super::types::POSTGRES;
use super::{Names, Site, tls};
use crate::sql::server::Connection as _;
use crate::sql::server::{self, Texts};
use crate::sql::{Dialect, Keys};

pub(super) use crate::sql::server::{Attempt, Failure};

/// Longest time to reach the server.
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(15);
/// How long the other side may leave what was sent unacknowledged, or be silent on an idle connection.
const SILENCE_MAX: Duration = Duration::from_mins(2);
/// Oldest version of the server: from 15 on a unique key can hold NULL as one value (docs/decisions/0014-postgres.md).
const OLDEST: i32 = 15;

/// What holds in every session. Names are always given in full, so that nothing in a search path is taken for something else. A role's own
/// limit on statements is meant for people, not for a merge; a transaction whose client has gone silent ends by itself.
const SETTINGS: &str = "SET search_path = ''; SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET statement_timeout = 0; \
                        SET lock_timeout = '5min'; SET idle_in_transaction_session_timeout = '5min'; SET work_mem = '64MB'; \
                        SET bytea_output = 'hex'; SET standard_conforming_strings = on; SET client_min_messages = 'error'";

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        if let Some(told) = error.as_db_error() {
            let message = match told.code() {
                // Without these it cannot be told what the message is about.
                code if *code == SqlState::INSUFFICIENT_PRIVILEGE => {
                    format!(
                        "{}; see docs/destinations/postgres.md for what the role has to be granted",
                        told.message()
                    )
                }
                code => format!("{} (SQLSTATE {})", told.message(), code.code()),
            };
            return Self::new(kind_of(told.code()), message);
        }
        let mut message = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            let text = cause.to_string();
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            source = cause.source();
        }
        Self::new(DestinationErrorKind::Unavailable, message)
    }
}

fn kind_of(code: &SqlState) -> DestinationErrorKind {
    let of = |codes: &[SqlState]| codes.contains(code);
    let class = &code.code()[..2];
    let gone = [
        SqlState::TOO_MANY_CONNECTIONS,
        SqlState::UNDEFINED_DATABASE,
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
    ];
    if class == "08" || class == "28" || of(&gone) {
        DestinationErrorKind::Unavailable
    } else if of(&[SqlState::DISK_FULL]) {
        DestinationErrorKind::Full
    } else if of(&[SqlState::LOCK_NOT_AVAILABLE]) {
        DestinationErrorKind::Locked
    } else {
        DestinationErrorKind::Failed
    }
}

/// A connection, used by one task at a time.
pub(super) struct Connection {
    client: Client,
    names: Names,
}

impl Connection {
    /// Schema of the state tables.
    pub(super) fn state_schema(&self) -> &str {
        &self.names.state_schema
    }

    /// Connects, and sets what holds in every session. Fails where the server is too old, or its database no UTF-8.
    pub(super) async fn open(Site { address, names }: &Site) -> Attempt<Self> {
        let opened = match tokio::time::timeout(CONNECT_TIMEOUT_MAX, Self::connect(address, names)).await {
            Ok(connected) => connected,
            Err(_) => Err(Failure::new(DestinationErrorKind::Unavailable, "no answer within 15 s")),
        };
        let connection = opened.map_err(|failure| Failure {
            message: format!("{}: {}", address.name(), failure.message),
            ..failure
        })?;
        connection.run(SETTINGS).await?;
        let about = connection
            .row("SELECT current_setting('server_version_num')::int, current_setting('server_encoding')", &[])
            .await?;
        let (version, encoding): (i32, String) = (about.try_get(0)?, about.try_get(1)?);
        if version / 10_000 < OLDEST {
            let message = format!(
                "{}: the server is PostgreSQL {}, and {OLDEST} is the oldest that will do: a unique key must be able to hold NULL",
                address.name(),
                version / 10_000
            );
            return Err(Failure::new(DestinationErrorKind::Unavailable, message));
        }
        if encoding != "UTF8" {
            let message = format!(
                "{}: the database's encoding is {encoding}, and it must be UTF8, or not every name can be written",
                address.name()
            );
            return Err(Failure::new(DestinationErrorKind::Unavailable, message));
        }
        Ok(connection)
    }

    async fn connect(address: &Address, names: &Names) -> Attempt<Self> {
        let mut config = Config::new();
        config.user(&address.user).dbname(&address.database).port(address.port);
        config.application_name("tenantry").connect_timeout(CONNECT_TIMEOUT_MAX);
        config.tcp_user_timeout(SILENCE_MAX).keepalives_idle(SILENCE_MAX / 2);
        match &address.host {
            Host::Network(host) => config.host(host),
            Host::Socket(folder) => config.host_path(folder),
        };
        if let Some(password) = &address.password {
            config.password(password.expose());
        }
        match &address.tls {
            Tls::Disabled => {
                config.ssl_mode(SslMode::Disable).channel_binding(ChannelBinding::Disable);
                let (client, connection) = config.connect(NoTls).await?;
                tokio::spawn(connection);
                Ok(Self { client, names: names.clone() })
            }
            Tls::Verified { name, roots } => {
                config.ssl_mode(SslMode::Require);
                let (client, connection) = config.connect(tls::connector(*name, roots.as_deref())?).await?;
                tokio::spawn(connection);
                Ok(Self { client, names: names.clone() })
            }
        }
    }

    /// Runs a statement with a value for each `$1`, `$2`, …, and gives the number of rows that it changed.
    pub(super) async fn change(&self, sql: &str, values: &[(&(dyn ToSql + Sync), Type)]) -> Attempt<u64> {
        Ok(self.client.execute_typed(sql, values).await?)
    }

    /// Runs a query and gives its whole answer.
    pub(super) async fn rows(&self, sql: &str, values: &[(&(dyn ToSql + Sync), Type)]) -> Attempt<Vec<Row>> {
        Ok(self.client.query_typed(sql, values).await?)
    }

    /// Runs a query whose answer is one row.
    pub(super) async fn row(&self, sql: &str, values: &[(&(dyn ToSql + Sync), Type)]) -> Attempt<Row> {
        let row = self.rows(sql, values).await?.into_iter().next();
        row.ok_or_else(|| Failure::new(DestinationErrorKind::Failed, "expected one row"))
    }

    /// The client itself, for answers of unknown shape.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Appends rows in PostgreSQL's binary form to a table with exactly these columns. The server counts what came.
    pub(super) async fn copy(&self, place: &str, rows: Bytes, count: u64) -> Attempt<()> {
        let sink = self.client.copy_in(&format!("COPY {place} FROM STDIN (FORMAT binary)")).await?;
        let mut sink = std::pin::pin!(sink);
        sink.send(rows).await?;
        let taken = sink.finish().await?;
        if taken == count {
            return Ok(());
        }
        let message = format!("the server took {taken} of {count} rows");
        Err(Failure::new(DestinationErrorKind::Failed, message))
    }
}

impl server::Connection for Connection {
    fn dialect(&self) -> &'static dyn Dialect {
        &POSTGRES
    }

    fn table(&self, name: &str) -> String {
        self.names.table(name)
    }

    fn state(&self, name: &str) -> String {
        place(&self.names.state_schema, name)
    }

    /// Takes several statements as well.
    async fn run(&self, sql: &str) -> Attempt<()> {
        Ok(self.client.batch_execute(sql).await?)
    }

    async fn number_rows(&self, sql: &str) -> Attempt<Vec<Vec<i64>>> {
        let number = |row: &Row, at| Ok(row.try_get::<_, Option<i64>>(at)?.unwrap_or(0));
        let numbers = |row: &Row| (0..row.len()).map(|at| number(row, at)).collect();
        self.rows(sql, &[]).await?.iter().map(numbers).collect()
    }

    async fn texts(&self, sql: &str) -> Attempt<Vec<Vec<Option<String>>>> {
        let texts = |row: &Row| (0..row.len()).map(|at| Ok(row.try_get(at)?)).collect();
        self.rows(sql, &[]).await?.iter().map(texts).collect()
    }

    async fn stage_texts(&self, name: &str, texts: Texts) -> Attempt<Keys> {
        stage_texts(self, name, texts).await
    }

    async fn grown(&self, keys: &Keys) -> Attempt<()> {
        self.run(&format!("ANALYZE {}", keys.place)).await
    }

    async fn put_away(&self, keys: Vec<Keys>) -> Attempt<()> {
        let places: Vec<String> = keys.into_iter().map(|keys| keys.place).collect();
        if places.is_empty() { Ok(()) } else { self.run(&drop_tables(&places)).await }
    }
}

/// An identifier as SQL.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text literal as SQL. For texts of our own; values from outside travel as parameters or by COPY.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A table's full name.
pub(super) fn place(schema: &str, table: &str) -> String {
    format!("{}.{}", quoted(schema), quoted(table))
}
