//! Rows and commits of the conformance suite's small catalog, for tests of one destination.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use tenantry_replication::catalog::Stream;
use tenantry_replication::destination::conformance::tables::{events, things};
use tenantry_replication::destination::{Batch, Commit, Scope, staged_schema};
use tenantry_replication::state::Checkpoint;

/// Rows of the root `thing`, by id and name.
pub(crate) fn named(rows: &[(&str, &str)]) -> Batch {
    let table = things().root();
    let count = rows.len();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.iter().map(|(id, _)| id))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|(_, name)| name))),
        Arc::new(BooleanArray::from(vec![None; count])),
        Arc::new(Int64Array::from(vec![None; count])),
        Arc::new(TimestampMicrosecondArray::from(vec![None; count]).with_timezone("UTC")),
        Arc::new(Int64Array::from(vec![0; count])),
    ];
    Batch { table, rows: RecordBatch::try_new(staged_schema(table), columns).unwrap() }
}

/// The same with one name for all.
pub(crate) fn rows(ids: &[&str]) -> Batch {
    named(&ids.iter().map(|id| (*id, "name")).collect::<Vec<_>>())
}

/// Rows of `event`.
pub(crate) fn happened(ids: &[&str]) -> Batch {
    let table = events().root();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(ids.to_vec())),
        Arc::new(TimestampMicrosecondArray::from(vec![1; ids.len()]).with_timezone("UTC")),
        Arc::new(Int64Array::from(vec![0; ids.len()])),
    ];
    Batch { table, rows: RecordBatch::try_new(staged_schema(table), columns).unwrap() }
}

/// A commit of a complete read.
pub(crate) fn commit(stream: &'static Stream, synced_at: i64) -> Commit {
    let checkpoint =
        Checkpoint::Full { read_at: synced_at, applied_at: None, behind_log: false, read_until: None };
    Commit {
        stream,
        tables: stream.tables.iter().map(|table| table.name).collect(),
        scope: Scope::Table { spared: Vec::new() },
        gone: Vec::new(),
        checkpoint: Some((stream.name.to_owned(), checkpoint)),
        synced_at,
        run: 1,
        quarantined: Vec::new(),
        gaps: Vec::new(),
        expected: None,
    }
}
