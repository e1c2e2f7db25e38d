//! How often each column was filled. Counts only: no value is kept.

use std::collections::BTreeMap;

use arrow_array::Array as _;
use tenantry_replication::catalog::{CATALOG, Stream};
use tenantry_replication::normalize::Normalizer;
use tenantry_replication::source::Page;
use tenantry_replication::state::Quarantine;

/// Rows by table, and filled cells by table and column.
#[derive(Default)]
pub(crate) struct Fills {
    rows: BTreeMap<&'static str, u64>,
    cells: BTreeMap<(&'static str, &'static str), u64>,
}

impl Fills {
    /// Normalizes pages of one read, counts what was filled, and gives what did not fit.
    pub(crate) fn take(&mut self, stream: &'static Stream, pages: &[Page]) -> Vec<Quarantine> {
        let mut normalizer = Normalizer::new(&CATALOG, stream);
        for page in pages {
            normalizer.page(page).unwrap_or_else(|error| panic!("an answer of {}: {error}", stream.name));
        }
        for batch in normalizer.take(true) {
            self.count(batch.table.name, batch.rows.num_rows() as u64);
            for (column, array) in batch.table.data_columns().zip(batch.rows.columns()) {
                self.fill(batch.table.name, column.name, (array.len() - array.null_count()) as u64);
            }
        }
        normalizer.take_quarantined()
    }

    /// Counts rows.
    pub(crate) fn count(&mut self, table: &'static str, rows: u64) {
        *self.rows.entry(table).or_default() += rows;
    }

    /// Counts filled cells.
    pub(crate) fn fill(&mut self, table: &'static str, column: &'static str, cells: u64) {
        *self.cells.entry((table, column)).or_default() += cells;
    }

    /// Rows of a table.
    pub(crate) fn rows(&self, table: &'static str) -> u64 {
        self.rows.get(table).copied().unwrap_or_default()
    }

    /// How often a column was filled.
    pub(crate) fn filled(&self, table: &'static str, column: &'static str) -> u64 {
        self.cells.get(&(table, column)).copied().unwrap_or_default()
    }
}
