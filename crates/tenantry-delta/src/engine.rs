//! The query engine inside: its sessions, within a limit of memory.
//!
//! View types are off, so that what it writes is read by every reader of Parquet.

use std::sync::Arc;

use arrow_array::RecordBatch;
use deltalake::DeltaTable;
use deltalake::datafusion::execution::SendableRecordBatchStream;
use deltalake::datafusion::execution::context::SessionState;
use deltalake::datafusion::logical_expr::Expr;
use deltalake::datafusion::prelude::{DataFrame, SessionContext};
use deltalake::delta_datafusion::{DeltaRuntimeEnvBuilder, DeltaSessionContext};
use futures::TryStreamExt as _;
use futures::future::BoxFuture;
use tenantry_replication::error::DestinationErrorKind;

use crate::failure::{Attempt, Failure};
use crate::narrow::name;

/// Memory for everything that runs inside, unless it is said otherwise.
const MEMORY: usize = 1 << 30;
/// Bytes that may be written beside the memory while rows are sorted and joined.
const SPILLED_MAX: u64 = 200 << 30;
/// Settings of every session.
const SETTINGS: &[(&str, &str)] = &[
    ("datafusion.execution.parquet.schema_force_view_types", "false"),
    ("datafusion.sql_parser.map_string_types_to_utf8view", "false"),
];

/// Memory, shared out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// For staged rows.
    pub(crate) stage: usize,
    /// For the query engine.
    engine: usize,
}

impl Memory {
    /// Shares out what is allowed, as it is written: `300MB`.
    pub(crate) fn of(limit: Option<&str>) -> Attempt<Self> {
        let all = limit.map_or(Ok(MEMORY), bytes)?;
        Ok(Self { stage: all / 4, engine: all / 4 * 3 })
    }
}

/// A size as it is written: a number with `KB`, `MB`, `GB` or the binary `KiB`, `MiB`, `GiB`.
fn bytes(text: &str) -> Attempt<usize> {
    let wrong = || {
        let message = format!("the limit of memory must be a size such as 300MB, not `{text}`");
        Failure::new(DestinationErrorKind::Unavailable, message)
    };
    let text_ = text.trim();
    let unit = text_.find(|sign: char| !sign.is_ascii_digit() && sign != '.').ok_or_else(wrong)?;
    let number: f64 = text_[..unit].parse().map_err(|_| wrong())?;
    let factor = match text_[unit..].trim().to_ascii_uppercase().as_str() {
        "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "KIB" => 1024.0,
        "MIB" => 1024.0 * 1024.0,
        "GIB" => 1024.0 * 1024.0 * 1024.0,
        _ => return Err(wrong()),
    };
    Ok((number * factor) as usize)
}

/// What the methods of a trait wait for. A plan of the query engine is a tree of many types, and the compiler takes seconds to prove that one may
/// go from thread to thread. It remembers that for good where it is asked in a function without bounds, such as one that gives this; in a method
/// that `async_trait` writes it would prove it each time anew.
pub(crate) type Call<'a, T> = BoxFuture<'a, Attempt<T>>;

/// A session, of which is said here, once, that it may go from thread to thread: the same proof for whatever holds one.
trait Session: Send + Sync {
    fn context(&self) -> &SessionContext;
}

impl Session for SessionContext {
    fn context(&self) -> &SessionContext {
        self
    }
}

/// The query engine.
pub(crate) struct Engine {
    session: Box<dyn Session>,
}

impl Engine {
    pub(crate) fn new(memory: Memory) -> Attempt<Self> {
        Ok(Self { session: Box::new(session(memory)?) })
    }

    pub(crate) fn session(&self) -> &SessionContext {
        self.session.context()
    }

    pub(crate) fn state(&self) -> SessionState {
        self.session().state()
    }

    /// The rows of a table as it stands in `table`.
    pub(crate) async fn rows(&self, table: &DeltaTable) -> Attempt<DataFrame> {
        let state = self.state();
        table.update_datafusion_session(&state)?;
        let provider = table.table_provider().with_session(Arc::new(state)).await?;
        Ok(self.session().read_table(provider)?)
    }

    /// Some columns of the rows that a condition lets through.
    pub(crate) async fn scan<'a>(
        &self,
        table: &DeltaTable,
        columns: impl IntoIterator<Item = &'a str>,
        condition: Option<Expr>,
    ) -> Attempt<SendableRecordBatchStream> {
        let mut rows = self.rows(table).await?;
        if let Some(condition) = condition {
            rows = rows.filter(condition)?;
        }
        let rows = rows.select(columns.into_iter().map(name).collect::<Vec<_>>())?;
        Ok(rows.execute_stream().await?)
    }

    /// Shows each batch of such rows.
    pub(crate) async fn visit<'a>(
        &self,
        table: &DeltaTable,
        columns: impl IntoIterator<Item = &'a str>,
        condition: Option<Expr>,
        mut show: impl FnMut(RecordBatch) -> Attempt<()>,
    ) -> Attempt<()> {
        let mut rows = self.scan(table, columns, condition).await?;
        while let Some(batch) = rows.try_next().await? {
            show(batch)?;
        }
        Ok(())
    }
}

/// A session of its own, which knows no table yet.
fn session(memory: Memory) -> Attempt<SessionContext> {
    let runtime = DeltaRuntimeEnvBuilder::new()
        .with_max_spill_size(memory.engine)
        .with_max_temp_directory_size(SPILLED_MAX)
        .build();
    let mut state = DeltaSessionContext::with_runtime_env(runtime).state();
    for (setting, value) in SETTINGS {
        state.config_mut().options_mut().set(setting, value)?;
    }
    Ok(SessionContext::new_with_state(state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_written() {
        for (text, size) in [("300MB", 300_000_000), (" 1.5 GiB", 1_610_612_736), ("64kb", 64_000)] {
            assert_eq!(bytes(text).unwrap(), size);
        }
        for text in ["", "300", "MB", "1TBB", "-1MB"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
