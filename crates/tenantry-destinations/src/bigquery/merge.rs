//! What a publish does to one table: looks which staged rows are new or changed and which stored ones are gone, then writes those alone.
//!
//! Decides nothing about staged doubles: there are none left.

use tenantry_replication::catalog::{Column, system};
use tenantry_replication::clock::Micros;

use super::PASSING;
use super::types::{BIGQUERY, quoted};
use crate::sql::found::{Found, KIND, TOLD};
use crate::sql::merge::Merge;
use crate::sql::{Dialect as _, columns, equal, same_key};

const MICROS_PER_DAY: i64 = 86_400_000_000;
/// First and last moment that a time can be.
const TIMES: (Micros, Micros) = (-62_135_596_800_000_000, 253_402_300_799_999_999);

/// One table of a commit, and what is particular to it here.
pub(super) struct Target<'a> {
    pub(super) merge: Merge<'a>,
    /// The column by which the table is partitioned, with the first and the last time among the staged rows.
    pub(super) times: Option<(&'static Column, Micros, Micros)>,
    /// The table for rows that came new or changed.
    pub(super) came: String,
    /// The table for keys that went.
    pub(super) went: String,
}

impl Target<'_> {
    /// Tables that are made for it.
    pub(super) fn places(&self) -> Vec<String> {
        let came = self.merge.staged.map(|_| self.came.clone());
        came.into_iter().chain(self.goes().then(|| self.went.clone())).collect()
    }

    /// Whether rows can have gone.
    pub(super) fn goes(&self) -> bool {
        !self.merge.gone().is_empty()
    }

    /// Condition on rows called `of`: they are of a day that staged rows are of, or of none. The service reads no other partition.
    fn of_days(&self, of: &str) -> Option<String> {
        let (column, first, last) = self.times?;
        let column = format!("{of}.{}", quoted(column.name));
        let first = (first.div_euclid(MICROS_PER_DAY) * MICROS_PER_DAY).max(TIMES.0);
        let last = (last.div_euclid(MICROS_PER_DAY) * MICROS_PER_DAY + (MICROS_PER_DAY - 1)).min(TIMES.1);
        let (first, last) = (BIGQUERY.time(first), BIGQUERY.time(last));
        Some(format!("(({column} >= {first} AND {column} <= {last}) OR {column} IS NULL)"))
    }
}

/// Statements that look, each of which makes a table.
pub(super) fn look(target: &Target<'_>) -> Vec<String> {
    let merge = &target.merge;
    let mut statements = Vec::new();
    if let Some(staged) = merge.staged {
        let (join, is_expected) = merge.expectation("s");
        let stored = match target.of_days("o") {
            Some(days) => format!("(SELECT * FROM {} AS o WHERE {days})", merge.target),
            None => merge.target.clone(),
        };
        statements.push(format!(
            "CREATE OR REPLACE TABLE {} {PASSING} AS SELECT {}, {} AS {KIND}, {is_expected} AS {TOLD} \
             FROM {} AS s LEFT JOIN {stored} AS t ON {}{join} WHERE {}",
            target.came,
            columns(&BIGQUERY, merge.table.data_columns(), Some("s")),
            merge.kind(),
            staged.place,
            same_key(&BIGQUERY, "t", "s", staged),
            merge.differs(),
        ));
    }
    let (join, is_expected) = merge.expectation("t");
    let key = columns(&BIGQUERY, merge.table.key_columns(), Some("t"));
    let gone = merge.gone().into_iter().map(|condition| {
        format!("SELECT {key}, {is_expected} AS {TOLD} FROM {} AS t{join} WHERE {condition}", merge.target)
    });
    let gone: Vec<String> = gone.collect();
    if !gone.is_empty() {
        let query = gone.join(" UNION DISTINCT ");
        statements.push(format!("CREATE OR REPLACE TABLE {} {PASSING} AS {query}", target.went));
    }
    statements
}

/// Statements that write what was found; none where nothing has changed.
pub(super) fn write(target: &Target<'_>, found: &Found, synced_at: Micros) -> Vec<String> {
    let merge = &target.merge;
    let mut statements = Vec::new();
    let (deleted, synced) = (quoted(system::DELETED), quoted(system::SYNCED));
    let now = BIGQUERY.time(synced_at);
    if found.deleted > 0 {
        let nullable: &[&str] = if found.has_null_keys { merge.table.key } else { &[] };
        let pairs = merge.table.key_columns().map(|column| (column, column));
        let same = equal(&BIGQUERY, pairs, ("t", "k"), nullable);
        statements.push(format!(
            "UPDATE {} AS t SET {deleted} = true, {synced} = {now} FROM {} AS k WHERE {same}",
            merge.target, target.went
        ));
    }
    let Some(staged) = merge.staged else { return statements };
    let names = columns(&BIGQUERY, merge.table.data_columns(), None);
    let values = columns(&BIGQUERY, merge.table.data_columns(), Some("s"));
    let insert = format!("({names}, {deleted}, {synced})");
    if found.updated > 0 {
        let sets = merge.values().map(|column| format!("{0} = s.{0}, ", quoted(column.name)));
        let days = target.of_days("t").map(|days| format!(" AND {days}"));
        statements.push(format!(
            "MERGE {} AS t USING {} AS s ON {}{} \
             WHEN MATCHED THEN UPDATE SET {}{deleted} = false, {synced} = {now} \
             WHEN NOT MATCHED THEN INSERT {insert} VALUES ({values}, false, {now})",
            merge.target,
            target.came,
            same_key(&BIGQUERY, "t", "s", staged),
            days.unwrap_or_default(),
            sets.collect::<String>(),
        ));
    } else if found.inserted > 0 {
        // Costs what is new, where a merge costs the whole table.
        statements.push(format!(
            "INSERT INTO {} {insert} SELECT {values}, false, {now} FROM {} AS s",
            merge.target, target.came
        ));
    }
    statements
}
