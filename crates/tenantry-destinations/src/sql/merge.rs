//! How staged rows and those of a table relate: which came new or changed, which are gone, and which of that was to be expected.
//!
//! Gives conditions and queries on rows `s` (staged) and `t` (of the table); writes nothing. Staged doubles are gone by then.

use tenantry_replication::catalog::{Column, Table, system};
use tenantry_replication::destination::{Expected, Scope};

use super::record::RecordKey;
use super::{Dialect, Keys, Staged, same_key};

/// Staged rows without a stored row.
pub(crate) const MISSING: i64 = 0;
/// Staged rows that are stored live with other values.
pub(crate) const STALE: i64 = 1;
/// Rows stored live that are gone.
pub(crate) const WRONGLY_LIVE: i64 = 2;
/// Staged rows that are stored as deleted.
pub(crate) const WRONGLY_DELETED: i64 = 3;

/// One table of a commit.
pub(crate) struct Merge<'a> {
    pub(crate) dialect: &'static dyn Dialect,
    /// Full name of the table.
    pub(crate) target: String,
    pub(crate) table: &'static Table,
    pub(crate) staged: Option<&'a Staged>,
    /// Staged rows of the stream's root, which tell whose children are complete.
    pub(crate) root: Option<&'a Staged>,
    pub(crate) record: RecordKey,
    pub(crate) scope: &'a Scope,
    pub(crate) spared: Option<&'a Keys>,
    pub(crate) gone: Option<&'a Keys>,
    /// Which differences were to be expected; the keys are those of the records that it names.
    pub(crate) expected: Option<&'a Expected>,
    pub(crate) expected_keys: Option<&'a Keys>,
}

impl Merge<'_> {
    /// The way in which a staged row `s` differs from its stored row `t`, which may be none.
    pub(crate) fn kind(&self) -> String {
        let (deleted, synced) = (self.dialect.quoted(system::DELETED), self.dialect.quoted(system::SYNCED));
        format!(
            "CASE WHEN t.{synced} IS NULL THEN {MISSING} WHEN t.{deleted} THEN {WRONGLY_DELETED} ELSE {STALE} END"
        )
    }

    /// Condition: the staged row `s` has to be written, as its stored row `t` is not there, marked deleted or of other values.
    pub(crate) fn differs(&self) -> String {
        let (deleted, synced) = (self.dialect.quoted(system::DELETED), self.dialect.quoted(system::SYNCED));
        let values = self.values().map(|column| self.dialect.quoted(column.name));
        let values = values.map(|name| format!(" OR t.{name} IS DISTINCT FROM s.{name}"));
        format!(
            "(t.{synced} IS NULL OR t.{deleted} IS DISTINCT FROM false{})",
            values.collect::<Vec<_>>().concat()
        )
    }

    /// Columns besides the key.
    pub(crate) fn values(&self) -> impl Iterator<Item = &'static Column> {
        self.table.data_columns().filter(|column| !self.table.key.contains(&column.name))
    }

    /// Conditions on rows `t`: where one holds, the row is live and gone. At most two, and several may hold for one row.
    pub(crate) fn gone(&self) -> Vec<String> {
        let deleted = self.dialect.quoted(system::DELETED);
        let came = self.staged.map(|staged| {
            let same = same_key(self.dialect, "t", "s", staged);
            format!(" AND NOT EXISTS (SELECT 1 FROM {} AS s WHERE {same})", staged.place)
        });
        let came = came.unwrap_or_default();
        let named = self.gone.filter(|_| self.record.is_whole()).map(|gone| self.is_among("t", gone));
        let gone = self.absent().into_iter().chain(named);
        gone.map(|gone| format!("t.{deleted} IS DISTINCT FROM true AND {gone}{came}")).collect()
    }

    /// Condition: the row `t` is gone if it did not come; `None` where absence says nothing.
    fn absent(&self) -> Option<String> {
        let of_records = match self.scope {
            Scope::Rows => return None,
            Scope::Table { .. } => "true".to_owned(),
            Scope::Records { .. } => {
                let is_root = self.root.is_some_and(|root| root.table.name == self.table.name);
                let root = self.root.filter(|_| !is_root && self.record.is_whole())?;
                let same = self.record.equals(self.dialect, "t", "r", root);
                format!("EXISTS (SELECT 1 FROM {} AS r WHERE {same})", root.place)
            }
        };
        let spared = self.spared.map(|spared| format!(" AND NOT {}", self.is_among("t", spared)));
        Some(format!("{of_records}{}", spared.unwrap_or_default()))
    }

    /// Condition: the record of `row` is one of `keys`.
    fn is_among(&self, row: &str, keys: &Keys) -> String {
        let matches = self.record.matches(self.dialect, row, keys);
        format!("EXISTS (SELECT 1 FROM {} AS k WHERE {matches})", keys.place)
    }

    /// Whether differences are told apart by what was to be expected.
    pub(crate) fn measures_drift(&self) -> bool {
        self.expected.is_some_and(|expected| !expected.anything)
    }

    /// A join to rows `row`, and the condition after it that a difference there was to be expected. The join multiplies no row.
    pub(crate) fn expectation(&self, row: &str) -> (String, &'static str) {
        if self.expected.is_some_and(|expected| expected.anything) {
            return (String::new(), "true");
        }
        let positions: Vec<String> = self.record.positions().map(|position| format!("k{position}")).collect();
        let Some(keys) = self.expected_keys.filter(|_| !positions.is_empty()) else {
            return (String::new(), "false");
        };
        let (matches, positions) = (self.record.matches(self.dialect, row, keys), positions.join(", "));
        let keys = format!("(SELECT DISTINCT {positions}, true AS told FROM {})", keys.place);
        (format!(" LEFT JOIN {keys} AS k ON {matches}"), "coalesce(k.told, false)")
    }
}
