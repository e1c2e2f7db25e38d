//! One session with the server: statements, files to its stage, and errors in our own kinds.
//!
//! Knows nothing of catalogs, streams or state, and tries nothing twice. A server's error about values is told by its code alone: its text can
//! hold values of rows.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tenantry_replication::destination::Value;
use tenantry_replication::error::DestinationErrorKind;

use super::address::Address;
use super::answer;
use super::client::{Client, Reply, is_session_lost};
use super::stage::stage_texts;
use super::types::{SNOWFLAKE, literal, quoted, stored};
use crate::sql::server::{self, Connection as _, Texts};
use crate::sql::{Dialect, Keys};

pub(super) use crate::sql::server::{Attempt, Failure};

/// The stage of the session, which ends with it.
const STAGE: &str = "TENANTRY_ROWS";

/// The other side was not reached, or fell silent.
pub(super) fn silence(message: String) -> Failure {
    Failure { is_silence: true, ..Failure::new(DestinationErrorKind::Unavailable, message) }
}

/// What the server said.
pub(super) fn told(code: String, said: &str, state: Option<&str>) -> Failure {
    let number = code.parse::<u32>().unwrap_or(0);
    let said = said.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    // Compilation, access and sessions. Others are about values, and quote them.
    let is_harmless = number < 100_000 || (390_000..400_000).contains(&number);
    let state = state.map(|state| format!(", SQLSTATE {state}")).unwrap_or_default();
    let message = match number {
        3001 => format!("{said}; see docs/destinations/snowflake.md for what the role has to be granted"),
        _ if is_harmless => format!("{said} (code {code}{state})"),
        _ => format!("the server refused it (code {code}{state}); its query history tells why"),
    };
    Failure { code, ..Failure::new(kind_of(number), message) }
}

fn kind_of(number: u32) -> DestinationErrorKind {
    match number {
        // No warehouse; the account is suspended; anything about tokens and users.
        606 | 666 | 667 | 390_000..=399_999 => DestinationErrorKind::Unavailable,
        // Waited for a lock in vain, or was chosen to give way.
        625 | 200_001 => DestinationErrorKind::Locked,
        90_073 => DestinationErrorKind::Full,
        _ => DestinationErrorKind::Failed,
    }
}

/// An answer, all of it.
pub(super) struct Answer {
    batches: Vec<RecordBatch>,
}

impl Answer {
    /// Its rows, value by value. A number that is not whole, and whatever has no type of its own here, is text.
    pub(super) fn rows(&self) -> Attempt<Vec<Vec<Value>>> {
        let mut rows = Vec::new();
        for batch in &self.batches {
            let columns: Result<Vec<_>, ArrowError> = batch
                .columns()
                .iter()
                .map(|column| match column.data_type() {
                    DataType::Float64 => cast(column, &DataType::Utf8),
                    _ => Ok(column.clone()),
                })
                .collect();
            let columns = columns?;
            for row in 0..batch.num_rows() {
                rows.push(
                    columns.iter().map(|column| Value::at(column, row).unwrap_or(Value::Null)).collect(),
                );
            }
        }
        Ok(rows)
    }

    pub(super) fn into_batches(self) -> Vec<RecordBatch> {
        self.batches
    }
}

/// A session, used by one task at a time.
pub(super) struct Connection {
    client: Client,
    database: String,
    schema: String,
    state_schema: String,
    is_closed: AtomicBool,
    /// State tables that are known to be there.
    known: Mutex<BTreeSet<String>>,
    is_staging: AtomicBool,
    folders: AtomicU32,
}

impl Connection {
    /// Logs in. Names without a schema are looked for among our own tables.
    pub(super) async fn open(address: &Address) -> Attempt<Self> {
        Self::open_in(address, &address.state_schema()).await
    }

    /// The same with another schema to look in.
    pub(super) async fn open_in(address: &Address, schema: &str) -> Attempt<Self> {
        let client = Client::login(address, schema).await?;
        Ok(Self {
            client,
            database: address.database.clone(),
            schema: address.schema.clone(),
            state_schema: address.state_schema(),
            is_closed: AtomicBool::new(false),
            known: Mutex::default(),
            is_staging: AtomicBool::new(false),
            folders: AtomicU32::new(0),
        })
    }

    /// Whether the session cannot be used any more.
    pub(super) fn has_ended(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    /// Ends the session, as well as that can be told to the server.
    pub(super) async fn log_out(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
        self.client.close().await;
    }

    /// Full name of a table.
    pub(super) fn place(&self, schema: &str, table: &str) -> String {
        format!("{}.{}.{}", quoted(&self.database), quoted(schema), quoted(table))
    }

    /// Schema of our own tables.
    pub(super) fn state_schema(&self) -> &str {
        &self.state_schema
    }

    /// Schema of the replicated tables.
    pub(super) fn schema(&self) -> &str {
        &self.schema
    }

    pub(super) fn database(&self) -> &str {
        &self.database
    }

    async fn send(&self, sql: &str, bound: &[Option<String>], is_described: bool) -> Attempt<Reply> {
        let reply = self.client.query(sql, bound, is_described).await;
        if let Err(failure) = &reply
            && (failure.is_silence || is_session_lost(&failure.code))
        {
            self.is_closed.store(true, Ordering::Relaxed);
        }
        reply
    }

    /// Runs a statement with a text for each `?`, and gives what it says of rows: one number for what each of its parts changed.
    pub(super) async fn change(&self, sql: &str, bound: &[Option<String>]) -> Attempt<Vec<i64>> {
        let answer = self.rows_of(self.send(sql, bound, false).await?).await?;
        let row = answer.rows()?.into_iter().next().unwrap_or_default();
        Ok(row.iter().map(|value| number(Some(value))).collect())
    }

    /// Runs a query and gives its whole answer.
    pub(super) async fn answer(&self, sql: &str, bound: &[Option<String>]) -> Attempt<Answer> {
        self.rows_of(self.send(sql, bound, false).await?).await
    }

    /// What kind of statement the server takes this for, without running it.
    pub(super) async fn described(&self, sql: &str) -> Attempt<Option<i64>> {
        Ok(self.send(sql, &[], true).await?.statement_type_id)
    }

    /// The same, row by row.
    pub(super) async fn rows(&self, sql: &str) -> Attempt<Vec<Vec<Value>>> {
        self.answer(sql, &[]).await?.rows()
    }

    async fn rows_of(&self, reply: Reply) -> Attempt<Answer> {
        let mut batches = Vec::new();
        let is_arrow = reply.query_result_format.as_deref() == Some("arrow");
        if is_arrow {
            let first = reply.rowset_base64.as_deref().unwrap_or_default();
            let bytes = STANDARD.decode(first).map_err(|_| unreadable())?;
            if !bytes.is_empty() {
                batches.extend(answer::of_arrow(&reply.rowtype, &bytes)?);
            }
        } else {
            batches.push(answer::of_texts(&reply.rowtype, reply.rowset.as_deref().unwrap_or_default())?);
        }
        for chunk in &reply.chunks {
            let bytes = unpacked(self.client.chunk(&reply, chunk).await?)?;
            if is_arrow {
                batches.extend(answer::of_arrow(&reply.rowtype, &bytes)?);
            } else {
                // Rows with commas between them, and nothing around.
                let list = [b"[", bytes.as_slice(), b"]"].concat();
                let rows: Vec<Vec<Option<String>>> =
                    serde_json::from_slice(&list).map_err(|_| unreadable())?;
                batches.push(answer::of_texts(&reply.rowtype, &rows)?);
            }
        }
        if batches.is_empty() {
            batches.push(answer::of_texts(&reply.rowtype, &[])?);
        }
        Ok(Answer { batches })
    }

    /// Whether one of our own tables is there.
    pub(super) async fn has_state_table(&self, table: &str) -> Attempt<bool> {
        if self.known.lock().is_ok_and(|known| known.contains(table)) {
            return Ok(true);
        }
        let sql = format!(
            "SELECT COUNT(*) FROM {}.INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}",
            quoted(&self.database),
            literal(&stored(&self.state_schema)),
            literal(&stored(table))
        );
        let is_there = self.numbers::<1>(&sql).await? == [1];
        if is_there && let Ok(mut known) = self.known.lock() {
            known.insert(table.to_owned());
        }
        Ok(is_there)
    }

    /// Loads Parquet files into a table: by the stage of the session, whose files are gone afterwards. `columns` are what the table's columns
    /// are made of, in its order. The server counts what came.
    pub(super) async fn load(
        &self,
        table: &str,
        columns: &[String],
        files: Vec<Vec<u8>>,
        rows: u64,
    ) -> Attempt<()> {
        self.stage().await?;
        let folder = self.folders.fetch_add(1, Ordering::Relaxed);
        for (turn, bytes) in files.into_iter().enumerate() {
            let name = format!("{turn}.parquet");
            let reply = self
                .send(
                    &format!(
                        "PUT 'file:///{name}' @{STAGE}/{folder}/ AUTO_COMPRESS = FALSE SOURCE_COMPRESSION = NONE OVERWRITE = TRUE"
                    ),
                    &[],
                    false,
                )
                .await?;
            if wants_encryption(reply.encryption_material.as_ref()) {
                let message = "the session's stage wants files encrypted by the client, although it was made to encrypt by itself";
                return Err(Failure::new(DestinationErrorKind::Failed, message));
            }
            let info = reply.stage_info.ok_or_else(unreadable)?;
            self.client.upload(info.put(&name)?, bytes).await?;
        }
        let answer = self
            .answer(
                &format!(
                    "COPY INTO {table} FROM (SELECT {} FROM @{STAGE}/{folder}/) FILE_FORMAT = (TYPE = PARQUET) PURGE = TRUE",
                    columns.join(", ")
                ),
                &[],
            )
            .await?;
        let mut loaded = 0;
        for batch in answer.into_batches() {
            if let Some(column) = batch.column_by_name("rows_loaded") {
                let counts = cast(column, &DataType::Int64)?;
                loaded += counts.as_primitive::<Int64Type>().iter().flatten().sum::<i64>();
            }
        }
        if loaded.unsigned_abs() == rows {
            return Ok(());
        }
        let message = format!("the server took {loaded} of {rows} rows");
        Err(Failure::new(DestinationErrorKind::Failed, message))
    }

    /// Makes the session's stage, and our own schema the one where temporary tables are.
    pub(super) async fn stage(&self) -> Attempt<()> {
        if self.is_staging.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.run(&format!("USE SCHEMA {}.{}", quoted(&self.database), quoted(&self.state_schema))).await?;
        // Encrypted by the cloud: so files can be sent as they are.
        self.run(&format!(
            "CREATE TEMPORARY STAGE IF NOT EXISTS {STAGE} ENCRYPTION = (TYPE = 'SNOWFLAKE_SSE')"
        ))
        .await?;
        self.is_staging.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl server::Connection for Connection {
    fn dialect(&self) -> &'static dyn Dialect {
        &SNOWFLAKE
    }

    fn table(&self, name: &str) -> String {
        self.place(&self.schema, name)
    }

    fn state(&self, name: &str) -> String {
        self.place(&self.state_schema, name)
    }

    async fn run(&self, sql: &str) -> Attempt<()> {
        self.send(sql, &[], false).await.map(drop)
    }

    async fn number_rows(&self, sql: &str) -> Attempt<Vec<Vec<i64>>> {
        let numbers = |row: &Vec<Value>| row.iter().map(|value| number(Some(value))).collect();
        Ok(self.rows(sql).await?.iter().map(numbers).collect())
    }

    async fn texts(&self, sql: &str) -> Attempt<Vec<Vec<Option<String>>>> {
        let texts = |row: &Vec<Value>| row.iter().map(|value| text(Some(value))).collect();
        Ok(self.rows(sql).await?.iter().map(texts).collect())
    }

    async fn stage_texts(&self, name: &str, texts: Texts) -> Attempt<Keys> {
        stage_texts(self, name, texts).await
    }

    async fn put_away(&self, _keys: Vec<Keys>) -> Attempt<()> {
        // To drop a table in a transaction would commit it. They end with the session, or give way to the next.
        Ok(())
    }
}

/// A number that a value is; NULL is 0.
pub(super) fn number(value: Option<&Value>) -> i64 {
    match value {
        Some(Value::Integer(number) | Value::Timestamp(number)) => *number,
        Some(Value::Text(text)) => text.parse().unwrap_or(0),
        Some(Value::Boolean(boolean)) => i64::from(*boolean),
        Some(Value::Null) | None => 0,
    }
}

/// A text that a value is.
pub(super) fn text(value: Option<&Value>) -> Option<String> {
    match value {
        Some(Value::Null) | None => None,
        Some(other) => Some(other.key_text()),
    }
}

fn unreadable() -> Failure {
    Failure::new(DestinationErrorKind::Failed, "the server's answer has not the form that is documented")
}

/// Whether files have to be encrypted before they are sent: a key to do so came.
fn wants_encryption(material: Option<&serde_json::Value>) -> bool {
    let one = |material: &serde_json::Value| {
        material
            .get("queryStageMasterKey")
            .and_then(serde_json::Value::as_str)
            .is_some_and(|key| !key.is_empty())
    };
    match material {
        Some(serde_json::Value::Array(all)) => all.iter().any(one),
        Some(material) => one(material),
        None => false,
    }
}

/// A file that may be packed by gzip.
fn unpacked(bytes: Vec<u8>) -> Attempt<Vec<u8>> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).map_err(|_| unreadable())?;
    Ok(plain)
}
