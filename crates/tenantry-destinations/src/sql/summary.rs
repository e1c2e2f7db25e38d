//! A table's line of a summary, as far as the runs on record tell it. Reads nothing.

use std::collections::BTreeMap;

use tenantry_replication::catalog::Table;
use tenantry_replication::destination::TableSummary;

/// How runs ended for a table.
pub(crate) struct Ended {
    /// When one last finished it well.
    pub(crate) success: Option<i64>,
    /// How the last one ended.
    pub(crate) outcome: Option<String>,
    /// Requests and seconds of the last one.
    pub(crate) took: Option<(u64, f64)>,
}

/// The line of a table of which no rows are known.
pub(crate) fn line(table: &'static Table, outcomes: &BTreeMap<String, Ended>) -> TableSummary {
    let ended = outcomes.get(table.name);
    TableSummary {
        table: table.name,
        live: 0,
        deleted: 0,
        newest: None,
        last_success: ended.and_then(|ended| ended.success),
        last_outcome: ended.and_then(|ended| ended.outcome.clone()),
        last: ended.and_then(|ended| ended.took),
    }
}
