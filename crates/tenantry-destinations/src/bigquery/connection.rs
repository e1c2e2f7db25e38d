//! The service with what things are called there: what asks it for something in SQL.
//!
//! There is nothing to lose and nothing to begin: every statement is a job of its own, and a transaction is one script ([`super::commit`]).

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use std::sync::Arc;

use super::address::Address;
use super::client::Client;
use super::job::Rows;
use super::schema;
use super::spool::Spool;
use super::stage::{field, no_keys};
use super::types::{BIGQUERY, literal, quoted};
use crate::Language;
use crate::sql::server::{self, Attempt, Texts};
use crate::sql::{ARRIVAL, Dialect, Keys};

/// Bytes of texts that are written into a statement; more of them are loaded.
const INLINE_BYTES_MAX: usize = 32 << 10;
/// Texts that are written into a statement at most.
const INLINE_ROWS_MAX: usize = 500;

/// The service, and our datasets there.
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) names: Names,
    /// Part of the names of our passing tables, so that no two processes share any.
    id: String,
    /// Number of the next table of texts.
    texts: AtomicU64,
}

/// What things are called, and where they are.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) project: String,
    pub(super) dataset: String,
    pub(super) state_dataset: String,
    pub(super) language: Language,
    pub(super) bytes_billed_max: Option<u64>,
    /// Where missing datasets are made.
    wanted_location: Option<String>,
    /// Where the datasets are, once that is known.
    location: OnceLock<String>,
}

impl Names {
    /// Where jobs are done and datasets are made.
    pub(super) fn location(&self) -> Option<&str> {
        self.location.get().or(self.wanted_location.as_ref()).map(String::as_str)
    }
}

impl Connection {
    /// Finds the default credentials; connects to nothing yet.
    pub(super) fn new(address: &Address, language: Language) -> Attempt<Self> {
        let names = Names {
            project: address.project.clone(),
            dataset: address.dataset.clone(),
            state_dataset: address.state_dataset.clone(),
            language,
            bytes_billed_max: address.bytes_billed_max,
            wanted_location: address.location.clone(),
            location: OnceLock::new(),
        };
        let id = uuid::Uuid::new_v4().simple().to_string();
        Ok(Self { client: Client::new(address)?, names, id, texts: AtomicU64::new(0) })
    }

    fn place(&self, dataset: &str, name: &str) -> String {
        quoted(&format!("{}.{dataset}.{name}", self.names.project))
    }

    /// Whether a dataset is there; notes where.
    pub(super) async fn look_at(&self, dataset: &str) -> Attempt<bool> {
        match self.client.get(&format!("/datasets/{dataset}")).await {
            Err(failure) if failure.is_not_found() => Ok(false),
            found => {
                if let Some(location) = found?["location"].as_str() {
                    // One job reads both datasets: they are in one place, or nothing works.
                    let _ = self.names.location.set(location.to_owned());
                }
                Ok(true)
            }
        }
    }

    /// The answer to a question about a state table; `None` where that table is not there. Of a table in a dataset that is missing, too, the
    /// service may say no more than that it might not be allowed.
    pub(super) async fn if_there<T>(&self, table: &str, answer: Attempt<T>) -> Attempt<Option<T>> {
        let failure = match answer {
            Ok(answer) => return Ok(Some(answer)),
            Err(failure) => failure,
        };
        let path = schema::path(&self.names.state_dataset, table);
        if failure.is_not_found() || self.client.get(&path).await.is_err_and(|error| error.is_not_found()) {
            return Ok(None);
        }
        Err(failure)
    }

    /// Name of a passing table of ours.
    pub(super) fn name(&self, what: &str, of: &str) -> String {
        format!("{what}_{}_{of}", self.id)
    }

    /// Removes a passing table, which would end by itself: a failure says nothing new.
    pub(super) async fn drop_passing(&self, name: &str) {
        let _ = self.client.delete(&schema::path(&self.names.state_dataset, name)).await;
    }
}

impl server::Connection for Connection {
    fn dialect(&self) -> &'static dyn Dialect {
        &BIGQUERY
    }

    fn table(&self, name: &str) -> String {
        self.place(&self.names.dataset, name)
    }

    fn state(&self, name: &str) -> String {
        self.place(&self.names.state_dataset, name)
    }

    async fn run(&self, sql: &str) -> Attempt<()> {
        self.job(sql).await.map(drop)
    }

    async fn number_rows(&self, sql: &str) -> Attempt<Vec<Vec<i64>>> {
        let rows = self.rows(sql).await?.rows;
        rows.iter().map(|row| (0..row.len()).map(|at| Rows::number(row, at)).collect()).collect()
    }

    async fn texts(&self, sql: &str) -> Attempt<Vec<Vec<Option<String>>>> {
        let texts = |row: &Vec<serde_json::Value>| (0..row.len()).map(|at| Rows::text(row, at)).collect();
        Ok(self.rows(sql).await?.rows.iter().map(texts).collect())
    }

    /// A few are written into the query itself; more are loaded into a table that ends by itself.
    async fn stage_texts(&self, _name: &str, texts: Texts) -> Attempt<Keys> {
        let blank = texts.blank;
        let all = || texts.columns.iter().flatten();
        let is_plain =
            |text: &String| !text.chars().any(|char| char.is_control() && !"\n\r\t".contains(char));
        if texts.rows <= INLINE_ROWS_MAX
            && all().map(String::len).sum::<usize>() <= INLINE_BYTES_MAX
            && all().all(is_plain)
        {
            return Ok(Keys { place: inline(&texts), blank });
        }
        let parts = texts.columns.len();
        let name = self.name("texts", &self.texts.fetch_add(1, Ordering::Relaxed).to_string());
        let fields = (0..parts).map(|part| Field::new(format!("k{part}"), DataType::Utf8, false));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let arrays = texts.columns.into_iter().map(|column| Arc::new(StringArray::from(column)) as ArrayRef);
        let mut spool = Spool::new(&schema)?;
        spool.add(&RecordBatch::try_new(schema, arrays.collect())?, 0)?;
        let mut described: Vec<_> = (0..parts).map(|part| field(&format!("k{part}"), "STRING")).collect();
        described.push(field(ARRIVAL, "INTEGER"));
        self.make_passing(&name, described).await?;
        self.load(&name, &mut spool.end()?).await?;
        Ok(Keys { place: self.state(&name), blank })
    }

    async fn put_away(&self, _keys: Vec<Keys>) -> Attempt<()> {
        // They end by themselves, and what is written into queries is nowhere else.
        Ok(())
    }
}

/// A few texts as a query of their own.
fn inline(texts: &Texts) -> String {
    let row = |at: usize| {
        let columns = texts.columns.iter().enumerate();
        let named = columns.map(|(part, column)| format!("{} AS k{part}", literal(&column[at])));
        format!("SELECT {}", named.collect::<Vec<_>>().join(", "))
    };
    if texts.rows == 0 {
        return format!("({})", no_keys(texts.columns.len()));
    }
    format!("({})", (0..texts.rows).map(row).collect::<Vec<_>>().join(" UNION ALL "))
}
