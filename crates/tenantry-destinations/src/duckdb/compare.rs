//! What a comparison of one table tells: rows in which staged and stored differ, by kind, and whether that was to be expected.
//!
//! Works on what [`Merge::find`] left in temporary tables; writes to temporary tables alone.

use tenantry_replication::destination::{Comparison, Differing};

use super::connection::{Attempt, Connection};
use super::merge::{Found, HITS, Merge, SWEPT, count};
use super::publish::is_named;
use super::summary::{key, key_text_columns, key_texts};

/// The temporary table of rows that differ: kind, whether it was to be expected, key as texts `k0`, `k1`, ...
const DIFFERENCES: &str = "temp.main.differences";

/// Ways to differ, in the order of the groups of a [`Comparison`].
#[derive(Debug, Clone, Copy)]
enum Kind {
    Missing,
    Stale,
    WronglyLive,
    WronglyDeleted,
}

/// The group of what was to be expected comes after the four kinds.
const UNSYNCED: usize = 4;

impl Merge<'_> {
    /// Compares. The table is left as it is.
    pub(super) fn compare(&self, connection: &mut Connection, keys_max: usize) -> Attempt<Comparison> {
        let found = self.find(connection)?;
        if found.has_hits {
            let [staged, stored] = connection
                .numbers(&format!("SELECT count(DISTINCT staged), count(DISTINCT target) FROM {HITS}"))?;
            if staged != found.hits.matched || stored != found.hits.matched {
                return Err(self.doubled());
            }
        }
        self.gather(connection, &found)?;
        let mut comparison =
            Comparison { equal: count(found.hits.matched - found.hits.changed), ..Comparison::default() };
        for (group, differing) in comparison.differing_mut().into_iter().enumerate() {
            *differing = self.group(connection, group, keys_max)?;
        }
        connection.run(&format!("DROP TABLE {DIFFERENCES}"))?;
        if found.has_hits {
            connection.run(&format!("DROP TABLE {HITS}"))?;
        }
        Ok(comparison)
    }

    /// Rows that differ although nothing was told of their record; 0 where that is not to be measured.
    pub(super) fn count_drifted(&self, connection: &mut Connection, found: &Found) -> Attempt<i64> {
        if self.expected.is_none_or(|expected| expected.anything) {
            return Ok(0);
        }
        let (join, is_expected) = self.expectation();
        let mut drifted = 0;
        for (_, rows) in self.differing(found) {
            let [unexpected] = connection
                .numbers(&format!("SELECT count(*) FILTER (WHERE NOT {is_expected}) FROM {rows} {join}"))?;
            drifted += unexpected;
        }
        Ok(drifted)
    }

    /// Fills [`DIFFERENCES`].
    fn gather(&self, connection: &mut Connection, found: &Found) -> Attempt<()> {
        connection.run(&format!(
            "CREATE OR REPLACE TEMP TABLE differences (kind INTEGER, expected BOOLEAN, {})",
            key_text_columns(self.table)
        ))?;
        let (join, is_expected) = self.expectation();
        let key = key_texts(self.table, "r");
        for (kind, rows) in self.differing(found) {
            let kind = kind as usize;
            connection.run(&format!(
                "INSERT INTO {DIFFERENCES} SELECT {kind}, {is_expected}, {key} FROM {rows} {join}"
            ))?;
        }
        Ok(())
    }

    /// One group out of [`DIFFERENCES`].
    fn group(&self, connection: &mut Connection, group: usize, keys_max: usize) -> Attempt<Differing> {
        let which = if group == UNSYNCED {
            "expected".to_owned()
        } else {
            format!("kind = {group} AND NOT expected")
        };
        let [rows] = connection.numbers(&format!("SELECT count(*) FROM {DIFFERENCES} WHERE {which}"))?;
        if rows == 0 {
            return Ok(Differing::default());
        }
        let parts: Vec<String> = (0..self.table.key.len()).map(|part| format!("k{part}")).collect();
        let parts = parts.join(", ");
        let keys = connection.texts(&format!(
            "SELECT {parts} FROM {DIFFERENCES} WHERE {which} ORDER BY {parts} LIMIT {keys_max}"
        ))?;
        Ok(Differing { rows: count(rows), keys: keys.into_iter().map(key).collect() })
    }

    /// Rows `r` of each kind, as what stands after `FROM`.
    fn differing(&self, found: &Found) -> Vec<(Kind, String)> {
        let mut differing = Vec::new();
        if let Some(staged) = self.staged.filter(|_| found.hits.staged > 0) {
            let place = &staged.place;
            let met =
                |which: &str| format!("(SELECT staged FROM {HITS} WHERE {which}) h ON h.staged = r.rowid");
            if found.has_hits {
                differing.push((Kind::Missing, format!("{place} r ANTI JOIN {}", met("true"))));
                differing.push((
                    Kind::Stale,
                    format!("{place} r SEMI JOIN {}", met("changed AND NOT was_deleted")),
                ));
                differing.push((Kind::WronglyDeleted, format!("{place} r SEMI JOIN {}", met("was_deleted"))));
            } else {
                differing.push((Kind::Missing, format!("{place} r")));
            }
        }
        if found.has_swept {
            differing.push((
                Kind::WronglyLive,
                format!("{} r SEMI JOIN {SWEPT} h ON h.target = r.rowid", self.target),
            ));
        }
        differing
    }

    /// A join to rows `r`, and the condition after it that a difference there was to be expected. The join multiplies no row.
    fn expectation(&self) -> (String, &'static str) {
        if self.expected.is_some_and(|expected| expected.anything) {
            return (String::new(), "true");
        }
        let positions: Vec<String> = self.record.positions().map(|position| format!("k{position}")).collect();
        let Some(keys) = self.expected_keys.filter(|_| !positions.is_empty()) else {
            return (String::new(), "false");
        };
        let matches = is_named(&self.record, "r");
        let positions = positions.join(", ");
        let keys = format!("(SELECT DISTINCT {positions}, true AS told FROM {})", keys.0);
        (format!("LEFT JOIN {keys} k ON {matches}"), "coalesce(k.told, false)")
    }
}
