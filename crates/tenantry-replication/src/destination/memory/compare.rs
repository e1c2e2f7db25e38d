//! What a comparison means: staged rows beside stored ones, in groups. Changes nothing.

use super::publish::written;
use super::{Kept, Staged, Value};
use crate::destination::{Commit, Compared, Comparison, Key};
use crate::error::DestinationResult;

impl Kept {
    /// Compares.
    pub(super) fn compare(
        &self,
        staged: Staged,
        commit: &Commit,
        keys_max: usize,
    ) -> DestinationResult<Compared> {
        let came = self.came(staged, commit, "compare")?;
        let mut compared = Compared::default();
        for table in written(commit) {
            let stored = self.table(table, "compare")?;
            let mut comparison = Comparison::default();
            for (key, values) in &came.tables[table.name] {
                let differing = match stored.rows.get(key) {
                    Some(row) if !row.deleted && row.holds(values) => {
                        comparison.equal += 1;
                        continue;
                    }
                    _ if came.expects(commit, table, values) => &mut comparison.unsynced,
                    None => &mut comparison.missing,
                    Some(row) if row.deleted => &mut comparison.wrongly_deleted,
                    Some(_) => &mut comparison.stale,
                };
                differing.rows += 1;
                differing.keys.push(key_text(key));
            }
            for key in stored.swept(commit, &came) {
                let expected = came.expects(commit, table, &stored.rows[key].values);
                let differing =
                    if expected { &mut comparison.unsynced } else { &mut comparison.wrongly_live };
                differing.rows += 1;
                differing.keys.push(key_text(key));
            }
            for differing in comparison.differing_mut() {
                differing.keys.sort();
                differing.keys.truncate(keys_max);
            }
            compared.tables.push((table.name, comparison));
        }
        Ok(compared)
    }
}

fn key_text(key: &[Value]) -> Key {
    key.iter().map(Value::key_text).collect()
}
