//! What every destination has to do, as cases that each destination's tests run: see [`crate::destination_conformance`].
//!
//! Works on a small catalog of its own ([`tables`]), so that a change of the real one changes nothing here. Knows no destination: what it
//! must know of one is in [`Subject`].

#![expect(missing_docs, reason = "the name of a case says what it shows")]
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a case fails by panicking")]

mod compare;
mod hostile;
mod lease;
mod park;
mod prepare;
mod publish;
mod reference;
mod remember;
mod sweep;
pub mod tables;
mod values;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use async_trait::async_trait;

pub use compare::*;
pub use hostile::*;
pub use lease::*;
pub use park::*;
pub use prepare::*;
pub use publish::*;
pub use reference::*;
pub use remember::*;
pub use sweep::*;
pub use values::*;

use super::memory::column;
use super::{Batch, Commit, Counts, Destination, Key, Row, Scope, Value, staged_schema};
use crate::catalog::{Origin, Stream, Table};
use crate::clock::Micros;
use crate::state::Checkpoint;

/// A destination under test.
#[async_trait]
pub trait Subject: Send + Sync {
    /// Opens the destination: empty the first time, later with what was published before. Everything opened earlier is dropped by then.
    async fn open(&self) -> Arc<dyn Destination>;

    /// The query, in the destination's own SQL, that gives all columns of a table in catalog order, and its rows in key order.
    fn all_rows(&self, table: &Table) -> String;

    /// Statements that write, or reach outside, and have to be refused.
    fn forbidden(&self, table: &Table) -> Vec<String>;
}

/// Makes one test of each case. `$subject` is an expression that makes a new [`Subject`].
#[macro_export]
macro_rules! destination_conformance {
    ($subject:expr) => {
        $crate::destination_conformance! { $subject =>
            preparing_twice_changes_nothing
            a_missing_column_is_added
            a_column_of_another_type_is_a_conflict
            staged_rows_are_invisible_until_published
            publishing_the_same_twice_changes_nothing
            of_equal_keys_in_a_batch_the_last_counts
            of_equal_keys_the_later_page_counts_whatever_came_last
            children_of_a_record_on_several_pages_are_those_of_the_last
            children_of_equal_records_in_a_page_are_united
            composite_keys_with_null_in_them_are_one_key
            discarding_forgets_what_was_staged
            streams_do_not_mix
            tables_that_the_commit_does_not_name_stay_as_they_are
            rows_staged_during_a_publish_wait_for_the_next
            a_failed_publish_leaves_nothing_behind
            an_empty_publish_moves_the_checkpoint_alone
            children_are_replaced_record_by_record
            spared_records_keep_their_other_children
            a_complete_read_sweeps_what_it_did_not_hold
            a_complete_read_of_nothing_sweeps_everything
            spared_keys_and_their_children_are_not_swept
            rows_scope_sweeps_nothing
            what_is_gone_is_marked_in_any_scope
            a_returning_row_is_an_update_that_clears_the_flag
            a_comparison_names_every_way_to_differ_and_writes_nothing
            absence_differs_only_where_the_scope_gives_it_a_meaning
            keys_of_differing_rows_are_limited_and_their_count_is_not
            what_was_told_of_is_not_synced_yet
            rows_that_nothing_told_of_have_drifted
            a_sample_is_drawn_by_its_seed
            absent_keys_come_in_order
            rows_are_found_by_any_column
            a_parked_read_survives_and_stays_invisible
            parking_again_adds_what_came_since
            a_resumed_read_is_parked_further
            parking_anew_forgets_what_was_parked_before
            a_position_is_parked_without_rows
            rows_of_lost_records_are_left_out
            publishing_drops_what_was_parked
            discarding_drops_what_was_parked_and_unstaging_does_not
            parked_reads_of_streams_do_not_mix
            a_failed_publish_leaves_what_was_parked
            every_value_survives_parking
            every_type_holds_null
            extreme_values_survive
            awkward_text_survives
            hostile_records_have_one_outcome_each
            many_rows_survive
            a_slice_of_a_batch_is_taken_as_the_slice
            checkpoint_and_rows_come_together_and_stay
            a_checkpoint_of_its_own_is_kept_and_replaced
            runs_are_remembered
            another_tenant_is_refused
            a_lease_keeps_others_out_until_it_ends
            a_lease_is_prolonged_given_back_and_taken_from_the_dead
            who_lost_the_lease_writes_nothing
            quarantined_records_and_gaps_are_kept
            the_summary_counts_rows
            queries_that_write_are_refused
            agrees_with_the_reference
        }
    };
    ($subject:expr => $($case:ident)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                $crate::destination::conformance::$case(&$subject).await;
            }
        )*
    };
}

/// A destination that is prepared, and the words to work with it.
pub(super) struct Scene<'a> {
    subject: &'a dyn Subject,
    destination: Arc<dyn Destination>,
}

impl<'a> Scene<'a> {
    async fn new(subject: &'a dyn Subject) -> Self {
        let destination = subject.open().await;
        destination.prepare(&tables::CATALOG).await.unwrap();
        Self { subject, destination }
    }

    /// Ends this process, so to speak, and begins another.
    async fn reopened(self) -> Self {
        let Self { subject, destination } = self;
        drop(destination);
        Self::new(subject).await
    }

    /// Stages rows, each with its page first.
    async fn stage(&self, table: &'static Table, rows: &[(i64, Vec<Value>)]) {
        self.destination.stage(batch(table, rows)).await.unwrap();
    }

    /// Publishes, and gives what happened to each table.
    async fn publish(&self, commit: Commit) -> BTreeMap<&'static str, Counts> {
        self.destination.publish(commit).await.unwrap().tables.into_iter().collect()
    }

    async fn rows(&self, table: &'static Table) -> Vec<Row> {
        rows(self.subject, self.destination.as_ref(), table).await
    }

    /// Values of one column in key order, live rows only.
    async fn live(&self, table: &'static Table, column: &str) -> Vec<Value> {
        let rows = self.rows(table).await;
        rows.into_iter().filter(|row| !row.deleted).map(|row| row.values[column].clone()).collect()
    }

    async fn absent(&self, stream: &'static Stream) -> Vec<Key> {
        self.destination.absent(stream, 100).await.unwrap()
    }
}

/// All rows of a table.
async fn rows(subject: &dyn Subject, destination: &dyn Destination, table: &'static Table) -> Vec<Row> {
    let batches = destination.query(&subject.all_rows(table)).await.unwrap();
    batches.iter().flat_map(|batch| (0..batch.num_rows()).map(|row| read_row(table, batch, row))).collect()
}

fn read_row(table: &'static Table, batch: &RecordBatch, row: usize) -> Row {
    let mut read = Row { values: BTreeMap::new(), deleted: false, synced_at: 0 };
    assert_eq!(batch.num_columns(), table.columns.len(), "columns of {}", table.name);
    for (column, array) in table.columns.iter().zip(batch.columns()) {
        let value = Value::at(array, row).unwrap();
        assert!(value.fits(column.kind), "{}.{} holds {value:?}", table.name, column.name);
        match (column.origin, value) {
            (Origin::Deleted, Value::Boolean(deleted)) => read.deleted = deleted,
            (Origin::Synced, Value::Timestamp(micros)) => read.synced_at = micros,
            (Origin::Deleted | Origin::Synced, value) => panic!("{} is {value:?}", column.name),
            (_, value) => {
                read.values.insert(column.name, value);
            }
        }
    }
    read
}

/// Rows for staging, each with its page first; values in the order of the data columns.
fn batch(table: &'static Table, rows: &[(i64, Vec<Value>)]) -> Batch {
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for (index, wanted) in table.data_columns().enumerate() {
        arrays.push(column(wanted.kind, rows.iter().map(|(_, values)| &values[index])));
    }
    arrays.push(Arc::new(Int64Array::from_iter_values(rows.iter().map(|(page, _)| *page))));
    Batch { table, rows: RecordBatch::try_new(staged_schema(table), arrays).unwrap() }
}

/// A commit of a stream's whole set of tables.
fn commit(stream: &'static Stream, scope: Scope, synced_at: Micros) -> Commit {
    Commit {
        stream,
        tables: stream.tables.iter().map(|table| table.name).collect(),
        scope,
        gone: Vec::new(),
        checkpoint: Some((
            stream.name.to_owned(),
            Checkpoint::Full { read_at: synced_at, applied_at: None, behind_log: false, read_until: None },
        )),
        synced_at,
        run: 1,
        quarantined: Vec::new(),
        gaps: Vec::new(),
        expected: None,
    }
}

/// A complete read without anything spared.
fn whole() -> Scope {
    Scope::Table { spared: Vec::new() }
}

/// Complete records without anything spared.
fn records() -> Scope {
    Scope::Records { spared: Vec::new() }
}

impl Scene<'_> {
    /// A text as the destination can hold it.
    fn held(&self, text: &str) -> String {
        if self.destination.capabilities().holds_nul {
            text.to_owned()
        } else {
            text.replace('\0', "\u{fffd}")
        }
    }

    /// The same of a value.
    fn held_value(&self, value: &Value) -> Value {
        match value {
            Value::Text(text) => Value::Text(self.held(text)),
            other => other.clone(),
        }
    }
}

fn key(parts: &[&str]) -> Key {
    parts.iter().map(|part| (*part).to_owned()).collect()
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn texts(texts: &[&str]) -> Vec<Value> {
    texts.iter().map(|one| text(one)).collect()
}

fn counts(inserted: u64, updated: u64, deleted: u64, unchanged: u64) -> Counts {
    Counts { inserted, updated, deleted, unchanged, drifted: 0 }
}
