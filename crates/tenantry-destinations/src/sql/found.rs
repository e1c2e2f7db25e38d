//! What a look at one table found, where it is put aside before anything is written: which staged rows differ from the stored ones, and which
//! stored ones are gone.
//!
//! What is put aside has the columns [`KIND`] and [`TOLD`]. Writes nothing.

use tenantry_replication::destination::Counts;

use super::merge::{MISSING, Merge, WRONGLY_LIVE};

/// Of staged rows that were put aside: the way in which they differ, one of the kinds of [`super::merge`].
pub(crate) const KIND: &str = "_kind";
/// Of all rows that were put aside: whether that was to be expected.
pub(crate) const TOLD: &str = "_told";
/// Stands in the counts for all staged rows.
pub(crate) const ALL: i64 = -1;

/// What was found in one table.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Found {
    pub(crate) inserted: u64,
    pub(crate) updated: u64,
    pub(crate) deleted: u64,
    unexpected: u64,
    staged: u64,
    /// Whether a key that is gone has NULL in it.
    pub(crate) has_null_keys: bool,
}

impl Found {
    /// Takes in one line of what [`count`] asks for, and gives the number of its table.
    pub(crate) fn add(all: &mut [Self], line: &[i64]) {
        let &[at, kind, rows, unexpected, null_keys] = line else { return };
        let Some(found) = usize::try_from(at).ok().and_then(|at| all.get_mut(at)) else { return };
        let rows = rows.unsigned_abs();
        match kind {
            ALL => found.staged += rows,
            WRONGLY_LIVE => found.deleted += rows,
            MISSING => found.inserted += rows,
            _ => found.updated += rows,
        }
        found.unexpected += unexpected.unsigned_abs();
        found.has_null_keys |= null_keys > 0;
    }

    /// The counts to report; `None` where more rows differ than came, as the table holds several of one key.
    pub(crate) fn counts(&self, merge: &Merge<'_>) -> Option<Counts> {
        Some(Counts {
            inserted: self.inserted,
            updated: self.updated,
            deleted: self.deleted,
            unchanged: self.staged.checked_sub(self.inserted + self.updated)?,
            drifted: if merge.measures_drift() { self.unexpected } else { 0 },
        })
    }
}

/// Queries for what was found, to be united: number of the table, kind, rows, how many of them were not to be expected, how many have NULL in
/// their key. Rows that differ are in `came`, keys that are gone in `went`.
pub(crate) fn count(at: usize, merge: &Merge<'_>, came: &str, went: &str) -> Vec<String> {
    let (kind, told) = (merge.dialect.quoted(KIND), merge.dialect.quoted(TOLD));
    let unexpected = format!("COUNT(CASE WHEN NOT {told} THEN 1 END) AS unexpected");
    let mut queries = Vec::new();
    if let Some(staged) = merge.staged {
        queries.push(format!(
            "SELECT {at} AS of_table, {ALL} AS kind, COUNT(*) AS n, 0 AS unexpected, 0 AS null_keys FROM {}",
            staged.place
        ));
        queries.push(format!(
            "SELECT {at} AS of_table, {kind} AS kind, COUNT(*) AS n, {unexpected}, 0 AS null_keys FROM {came} GROUP BY {kind}"
        ));
    }
    if !merge.gone().is_empty() {
        let nulls = merge.table.key_columns().map(|column| merge.dialect.quoted(column.name) + " IS NULL");
        let nulls = nulls.collect::<Vec<_>>().join(" OR ");
        queries.push(format!(
            "SELECT {at} AS of_table, {WRONGLY_LIVE} AS kind, COUNT(*) AS n, {unexpected}, \
             COUNT(CASE WHEN {nulls} THEN 1 END) AS null_keys FROM {went}"
        ));
    }
    queries
}
