//! A connection to a server that takes SQL: what [`super::said`], [`super::state`] and [`super::summary`] need of one.
//!
//! Knows nothing of how rows get there, which each server has a way of its own for, nor of transactions: [`super::session`] does.

use std::borrow::Cow;
use std::time::Duration;

use tenantry_replication::error::DestinationErrorKind;

use super::failure::{Attempt, Failure};
use crate::sql::{Dialect, Keys};

/// A connection, used by one task at a time.
pub(crate) trait Connection: Send + Sync {
    /// How the server writes it.
    fn dialect(&self) -> &'static dyn Dialect;

    /// Full name of a replicated table.
    fn table(&self, name: &str) -> String;

    /// Full name of a state table.
    fn state(&self, name: &str) -> String;

    /// Runs a statement of our own.
    fn run(&self, sql: &str) -> impl Future<Output = Attempt<()>> + Send;

    /// Runs a query whose answer is whole numbers in every column; gives it row by row. NULL is 0.
    fn number_rows(&self, sql: &str) -> impl Future<Output = Attempt<Vec<Vec<i64>>>> + Send;

    /// Runs a query whose answer is text in every column; gives it row by row.
    fn texts(&self, sql: &str) -> impl Future<Output = Attempt<Vec<Vec<Option<String>>>>> + Send;

    /// Puts texts where a query can read them, beside those of any other `name`; texts of the same name give way.
    fn stage_texts(&self, name: &str, texts: Texts) -> impl Future<Output = Attempt<Keys>> + Send;

    /// Says that rows were put into such a place since, to a server that plans by how many there are.
    fn grown(&self, _keys: &Keys) -> impl Future<Output = Attempt<()>> + Send {
        std::future::ready(Ok(()))
    }

    /// Puts staged texts away that nobody will read any more.
    fn put_away(&self, keys: Vec<Keys>) -> impl Future<Output = Attempt<()>> + Send;

    /// Runs a query whose answer is one row of whole numbers; NULL is 0.
    fn numbers<const N: usize>(&self, sql: &str) -> impl Future<Output = Attempt<[i64; N]>> + Send {
        async move {
            let row = self.number_rows(sql).await?.into_iter().next();
            let row = row.ok_or_else(|| Failure::new(DestinationErrorKind::Failed, "expected one row"))?;
            Ok(std::array::from_fn(|at| row.get(at).copied().unwrap_or(0)))
        }
    }
}

/// Texts on their way to a server, column by column: keys, or values as keys of one part.
#[derive(Debug)]
pub(crate) struct Texts {
    pub(crate) columns: Vec<Vec<String>>,
    pub(crate) rows: usize,
    /// Whether one of them is the empty text.
    pub(crate) blank: bool,
}

impl Texts {
    /// Rows of so many parts, as servers can hold them.
    pub(crate) fn new(parts: usize, rows: impl Iterator<Item = Vec<String>>) -> Self {
        let mut texts = Self { columns: vec![Vec::new(); parts], rows: 0, blank: false };
        for row in rows {
            for (part, column) in texts.columns.iter_mut().enumerate() {
                let text = row.get(part).map_or("", String::as_str);
                texts.blank |= text.is_empty();
                column.push(held(text).into_owned());
            }
            texts.rows += 1;
        }
        texts
    }

    /// Values, each a row of its own.
    pub(crate) fn of_values<'a>(values: impl IntoIterator<Item = &'a String>) -> Self {
        Self::new(1, values.into_iter().map(|value| vec![value.clone()]))
    }
}

/// A text as every server, and every reader of one, can take it: without U+0000 (docs/hostile-data.md).
pub(crate) fn held(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// Waits for a server.
#[expect(
    clippy::disallowed_methods,
    reason = "a destination has no clock, and a server that comes back takes real time"
)]
pub(crate) async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}
