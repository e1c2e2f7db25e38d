//! What a comparison of staged rows with stored ones tells, and which differences were to be expected.
//!
//! Data types only. Names rows by their merge keys; no other value of a row is ever told.

use std::collections::BTreeSet;

use super::Key;
use crate::clock::Micros;

/// Where the tenant is known to have changed since the stored rows were last brought up to date: a row that differs there is not wrong,
/// only not written yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// Anything may have changed.
    pub anything: bool,
    /// Columns of the stream's root table, with values: records that hold one of them there, by what is staged or stored, were told of.
    pub told: Vec<(&'static str, BTreeSet<String>)>,
    /// A column of the root table that tells when a record changed, and the time from which on staged records count.
    pub since: Option<(&'static str, Micros)>,
}

/// How staged rows and stored rows relate, table by table in the stream's order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compared {
    /// One entry for each table that the comparison was about.
    pub tables: Vec<(&'static str, Comparison)>,
}

/// How the rows of one table relate. Rows that are stored, were not staged and mean nothing by that are in no group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Staged rows that are stored live, with the same values.
    pub equal: u64,
    /// Staged rows without a stored row.
    pub missing: Differing,
    /// Staged rows that are stored live with other values.
    pub stale: Differing,
    /// Rows stored live that the scope, or [`super::Commit::gone`], says are gone.
    pub wrongly_live: Differing,
    /// Staged rows that are stored as deleted.
    pub wrongly_deleted: Differing,
    /// Rows that would be in one of the four groups before, but for [`Expected`].
    pub unsynced: Differing,
}

/// Rows that differ in one way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differing {
    /// All of them.
    pub rows: u64,
    /// Their merge keys in order, as many as were asked for.
    pub keys: Vec<Key>,
}

impl Comparison {
    /// Rows that are not as they should be; those that were to be expected are not among them.
    pub fn drifted(&self) -> u64 {
        self.missing.rows + self.stale.rows + self.wrongly_live.rows + self.wrongly_deleted.rows
    }

    /// Adds what another part of the same table came to. At most `keys_max` keys of each kind are kept.
    pub fn add(&mut self, other: Self, keys_max: usize) {
        self.equal += other.equal;
        let parts = [other.missing, other.stale, other.wrongly_live, other.wrongly_deleted, other.unsynced];
        for (sum, part) in self.differing_mut().into_iter().zip(parts) {
            sum.rows += part.rows;
            sum.keys.extend(part.keys);
            sum.keys.truncate(keys_max);
        }
    }

    /// The groups that differ, in the order of the fields.
    pub fn differing_mut(&mut self) -> [&mut Differing; 5] {
        [
            &mut self.missing,
            &mut self.stale,
            &mut self.wrongly_live,
            &mut self.wrongly_deleted,
            &mut self.unsynced,
        ]
    }
}
