//! What a publish does to one table: finds which staged rows are there already, sweeps, and writes only what changed.
//!
//! A changed row is deleted and inserted anew rather than updated in place: an update rewrites the row's column segments at the next
//! checkpoint, eight times the work (docs/decisions/0004-duckdb-merge.md). Decides nothing about staged doubles: there are none left.

use std::fmt::Write as _;

use tenantry_replication::catalog::{Column, Table, system};
use tenantry_replication::clock::Micros;
use tenantry_replication::destination::{Counts, Expected, Scope};
use tenantry_replication::error::DestinationErrorKind;

use super::connection::{Attempt, Connection, Failure, Place, literal, quoted};
use super::limits::Limits;
use super::publish::{Keys, belongs, columns, equal, is_named};
use super::stage::Staged;
use crate::sql::record::RecordKey;

/// Rows staged times this are fewer than the table's: then it pays to sort out the table's rows by one key column first.
const FEW_STAGED_FACTOR: i64 = 4;

/// Most staged rows that are compared value by value.
const COMPARED_BY_VALUE_MAX: i64 = 100_000;

/// Rows that DuckDB keeps together.
pub(super) const ROWS_PER_VECTOR: i64 = 2048;
/// Memory that DuckDB needs, until the commit is through, for every vector in which rows are deleted: eight bytes for each row of it.
const BYTES_PER_TOUCHED_VECTOR: u64 = 16 << 10;

/// The merge of one table.
pub(super) struct Merge<'a> {
    pub(super) target: Place,
    pub(super) table: &'static Table,
    pub(super) staged: Option<&'a Staged>,
    /// Staged rows of the stream's root, which tell whose children are complete.
    pub(super) root: Option<&'a Staged>,
    pub(super) limits: &'a Limits,
    pub(super) record: RecordKey,
    pub(super) scope: &'a Scope,
    pub(super) spared: Option<&'a Keys>,
    pub(super) gone: Option<&'a Keys>,
    /// Which differences were to be expected; the keys are those of the records that it names.
    pub(super) expected: Option<&'a Expected>,
    pub(super) expected_keys: Option<&'a Keys>,
    pub(super) synced_at: Micros,
}

/// Staged rows by what they meet in the table.
#[derive(Default)]
pub(super) struct Hits {
    pub(super) staged: i64,
    pub(super) matched: i64,
    pub(super) changed: i64,
    pub(super) returned: i64,
}

/// How staged rows and the table's relate, before anything is written.
pub(super) struct Found {
    /// Rows of the table, and those that are live.
    total: i64,
    live: i64,
    pub(super) hits: Hits,
    /// Whether [`HITS`] is there.
    pub(super) has_hits: bool,
    /// Whether [`SWEPT`] is there, and holds rows.
    pub(super) has_swept: bool,
}

/// The temporary table of pairs that are yet to be compared.
const PAIRS: &str = "temp.main.pairs";
/// The temporary table of the table's rows that belong to the staged records.
const HELD: &str = "temp.main.held";
/// A row number that no table has.
const FAR_ROW: i64 = 1 << 45;
/// The temporary table of rows to mark deleted.
pub(super) const SWEPT: &str = "temp.main.swept";
/// The temporary table of pairs (row of the table, staged row) with one key.
pub(super) const HITS: &str = "temp.main.hits";

impl Merge<'_> {
    /// Merges, inside the caller's transaction.
    pub(super) fn run(&self, connection: &mut Connection) -> Attempt<Counts> {
        let found = self.find(connection)?;
        let Found { total, live, hits, .. } = &found;
        let inserted = hits.staged - hits.matched;
        if inserted < 0 {
            return Err(self.doubled());
        }
        let drifted = self.count_drifted(connection, &found)?;
        let swept = if found.has_swept { self.mark_swept(connection)? } else { 0 };
        if let Some(staged) = self.staged.filter(|_| inserted > 0 || hits.changed > 0) {
            self.limits.threads.fit(connection, 0, hits.staged);
            let touched = hits.changed.min(total / ROWS_PER_VECTOR + 1);
            self.limits.memory.allow(connection, count(touched) * BYTES_PER_TOUCHED_VECTOR);
            self.write(connection, staged, hits)?;
        }
        if found.has_hits {
            connection.run(&format!("DROP TABLE {HITS}"))?;
        }
        if inserted > 0 || hits.changed > 0 || swept > 0 {
            let [_, now_live] = connection.numbers(&self.count_rows())?;
            if now_live != live + inserted + hits.returned - swept {
                return Err(self.doubled());
            }
        }
        Ok(Counts {
            inserted: count(inserted),
            updated: count(hits.changed),
            deleted: count(swept),
            unchanged: count(hits.matched - hits.changed),
            drifted: count(drifted),
        })
    }

    /// Finds out how staged rows and the table's relate, into [`HITS`] and [`SWEPT`]. Writes nothing.
    pub(super) fn find(&self, connection: &mut Connection) -> Attempt<Found> {
        let [total, live] = connection.numbers(&self.count_rows())?;
        let mut hits = Hits::default();
        if let Some(staged) = self.staged {
            [hits.staged] = connection.numbers(&format!("SELECT count(*) FROM {}", staged.place))?;
        }
        self.limits.threads.fit(connection, total, hits.staged);
        let is_held = total > 0 && self.hold(connection)?;
        let matchable = self.staged.filter(|_| total > 0 && hits.staged > 0);
        if let Some(staged) = matchable {
            self.find_hits(connection, staged, total, is_held, &mut hits)?;
        }
        let has_hits = matchable.is_some();
        let has_swept = total > 0 && self.find_swept(connection, has_hits, is_held)?;
        if is_held {
            connection.run(&format!("DROP TABLE {HELD}"))?;
        }
        Ok(Found { total, live, hits, has_hits, has_swept })
    }

    /// Puts aside what the table holds of the staged records, where those are few and nothing else can matter: then the table is read once,
    /// and not for pairs, values and sweep by turns. False where it is not so.
    fn hold(&self, connection: &mut Connection) -> Attempt<bool> {
        let is_root = self.root.is_some_and(|root| root.table.name == self.table.name);
        let Some(root) = self.root.filter(|root| !is_root && root.rows <= COMPARED_BY_VALUE_MAX) else {
            return Ok(false);
        };
        let of_records = matches!(self.scope, Scope::Records { .. });
        if !of_records
            || !self.record.is_whole()
            || !self.record.pairs().all(|(own, _)| self.table.key.contains(&own.name))
        {
            return Ok(false);
        }
        if let Some(staged) = self.staged {
            // Staged rows without their record would be looked for in vain.
            let same = belongs(&self.record, "s", "r", root.null_keys);
            let strays =
                format!("SELECT count(*) FROM {} s ANTI JOIN {} r ON {same}", staged.place, root.place);
            if staged.rows > COMPARED_BY_VALUE_MAX || connection.numbers(&strays)? != [0] {
                return Ok(false);
            }
        }
        connection.run(&format!(
            "CREATE OR REPLACE TEMP TABLE held AS SELECT t.rowid AS target, t.{}, {} FROM {} t {}",
            quoted(system::DELETED),
            columns(self.table.data_columns(), Some("t")),
            self.target,
            self.of_records(root),
        ))?;
        Ok(true)
    }

    /// The join that leaves the rows of `t` that belong to staged records.
    fn of_records(&self, root: &Staged) -> String {
        let same = belongs(&self.record, "t", "r", root.null_keys);
        format!("SEMI JOIN (SELECT * FROM {} s WHERE {}) r ON {same}", root.place, unknown_true("s"))
    }

    /// Rows in all, and rows not marked deleted: by a scan of the flag, not by what the table's metadata says.
    fn count_rows(&self) -> String {
        let deleted = quoted(system::DELETED);
        format!(
            "SELECT count(*), count(*) FILTER (WHERE {deleted} IS DISTINCT FROM true) FROM {}",
            self.target
        )
    }

    /// Pairs staged rows with the table's, and compares them.
    ///
    /// Few rows are paired by key alone, and compared value by value where a pair was found. Many are compared while they are paired, by
    /// a 64-bit hash of their values, so that the join need not hold the values: that one of 10,000,000 changed rows is taken for
    /// unchanged has a chance of one in 10^12.
    fn find_hits(
        &self,
        connection: &mut Connection,
        staged: &Staged,
        total: i64,
        is_held: bool,
        hits: &mut Hits,
    ) -> Attempt<()> {
        connection.run(
            "CREATE OR REPLACE TEMP TABLE hits (target BIGINT, staged BIGINT, changed BOOLEAN, was_deleted BOOLEAN)",
        )?;
        if is_held {
            self.pair_held(connection, staged)?;
        } else if hits.staged > COMPARED_BY_VALUE_MAX {
            self.pair(connection, HITS, staged, total, hits)?;
        } else {
            connection.run(
                "CREATE OR REPLACE TEMP TABLE pairs (target BIGINT, staged BIGINT, changed BOOLEAN, was_deleted BOOLEAN)",
            )?;
            if self.pair(connection, PAIRS, staged, total, hits)? > 0 {
                self.compare_pairs(connection, staged)?;
            }
            connection.run(&format!("DROP TABLE {PAIRS}"))?;
        }
        [hits.matched, hits.changed, hits.returned] = connection.numbers(&format!(
            "SELECT count(*), count(*) FILTER (WHERE changed), count(*) FILTER (WHERE was_deleted) FROM {HITS}"
        ))?;
        Ok(())
    }

    /// Pairs what was put aside with staged rows, and compares them.
    fn pair_held(&self, connection: &mut Connection, staged: &Staged) -> Attempt<()> {
        let deleted = quoted(system::DELETED);
        let same = equal(self.table.key_columns().map(|column| (column, column)), "t", "s", staged.null_keys);
        let changed =
            [vec![format!("t.{deleted} IS DISTINCT FROM false")], self.differs()].concat().join(" OR ");
        connection.run(&format!(
            "INSERT INTO {HITS} SELECT t.target, s.rowid, {changed}, t.{deleted} IS NOT DISTINCT FROM true \
             FROM {HELD} t, {} s WHERE {same}",
            staged.place,
        ))?;
        Ok(())
    }

    /// Conditions of which one holds where the values of `t` and `s` differ.
    fn differs(&self) -> Vec<String> {
        let names = self.values().map(|column| quoted(column.name));
        names.map(|name| format!("t.{name} IS DISTINCT FROM s.{name}")).collect()
    }

    /// Pairs by key, into `into`; whether a row changed is known afterwards only where there are many. Gives the number of pairs.
    ///
    /// Where few are staged, their keys go down to the table's scan as a Bloom filter (see [`unknown_true`]).
    fn pair(
        &self,
        connection: &mut Connection,
        into: &str,
        staged: &Staged,
        total: i64,
        hits: &Hits,
    ) -> Attempt<u64> {
        let (target, place) = (&self.target, &staged.place);
        let filter = unknown_true("s");
        let mut join =
            equal(self.table.key_columns().map(|column| (column, column)), "t", "s", staged.null_keys);
        if self.table.key.len() > 1 && !staged.null_keys && hits.staged * FEW_STAGED_FACTOR < total {
            let first = quoted(self.table.key[0]);
            let _ = write!(join, " AND t.{first} IN (SELECT {first} FROM {place} s WHERE {filter})");
        }
        let (mut hash, mut differs) = ("0".to_owned(), "false".to_owned());
        if into == HITS && self.values().next().is_some() {
            hash = format!("hash({})", columns(self.values(), None));
            differs = format!("hash({}) <> s.row_hash", columns(self.values(), Some("t")));
        }
        let key = columns(self.table.key_columns(), None);
        let deleted = quoted(system::DELETED);
        connection.run(&format!(
            "INSERT INTO {into} SELECT t.rowid, s.staged_row, {differs} OR t.{deleted} IS DISTINCT FROM false, \
               t.{deleted} IS NOT DISTINCT FROM true \
             FROM {target} t, (SELECT {key}, rowid AS staged_row, {hash} AS row_hash FROM {place} s WHERE {filter}) s \
             WHERE {join}"
        ))
    }

    /// Compares the values of pairs.
    ///
    /// The pair far beyond the table's last row keeps DuckDB from a perfect hash table, with which there would be no Bloom filter, and
    /// every value of the table would be decoded.
    fn compare_pairs(&self, connection: &mut Connection, staged: &Staged) -> Attempt<()> {
        let changed = [vec!["s.changed".to_owned()], self.differs()].concat().join(" OR ");
        connection.run(&format!(
            "INSERT INTO {HITS} SELECT t.rowid, s.staged, {changed}, s.was_deleted \
             FROM {} t, (\
               SELECT p.*, s.* FROM (FROM {PAIRS} UNION ALL SELECT {FAR_ROW}, max(staged), false, false FROM {PAIRS}) p, {} s \
               WHERE s.rowid = p.staged AND hash(p.target) >= 0) s \
             WHERE t.rowid = s.target",
            self.target, staged.place,
        ))?;
        Ok(())
    }

    /// Columns besides the key.
    fn values(&self) -> impl Iterator<Item = &'static Column> {
        self.table.data_columns().filter(|column| !self.table.key.contains(&column.name))
    }

    /// Looks for live rows that the scope says are gone, and those of records that the tenant no longer has; whether there are any. A row
    /// that came is neither.
    ///
    /// Looks for them by explicit joins: a correlated `EXISTS` makes DuckDB put the whole table aside in memory.
    fn find_swept(&self, connection: &mut Connection, has_hits: bool, is_held: bool) -> Attempt<bool> {
        let all = (format!("{} t", self.target), "t.rowid");
        let gone = self.gone.filter(|_| self.record.is_whole());
        let gone = gone.map(|gone| format!("SEMI JOIN {} k ON {}", gone.0, is_named(&self.record, "t")));
        let absent = self.absent(is_held).map(|joins| {
            let looked_at = if is_held { (format!("{HELD} t"), "t.target") } else { all.clone() };
            (looked_at, joins)
        });
        let deleted = quoted(system::DELETED);
        let mut found = 0;
        for ((rows, row), joins) in absent.into_iter().chain(gone.map(|joins| (all, joins))) {
            if found == 0 {
                connection.run("CREATE OR REPLACE TEMP TABLE swept (target BIGINT)")?;
            }
            let came = format!("ANTI JOIN {HITS} h ON h.target = {row}");
            let came = if has_hits { came } else { String::new() };
            found += connection.run(&format!(
                "INSERT INTO {SWEPT} SELECT {row} FROM {rows} {joins} {came} WHERE t.{deleted} IS DISTINCT FROM true"
            ))?;
        }
        Ok(found > 0)
    }

    /// Marks the rows deleted that are to be swept.
    fn mark_swept(&self, connection: &mut Connection) -> Attempt<i64> {
        let (deleted, synced) = (quoted(system::DELETED), quoted(system::SYNCED));
        let swept = connection.run(&format!(
            "UPDATE {} SET {deleted} = true, {synced} = make_timestamp({}) WHERE rowid IN (SELECT target FROM {SWEPT})",
            self.target, self.synced_at
        ))?;
        Ok(i64::try_from(swept).unwrap_or(i64::MAX))
    }

    /// Joins that leave the rows of `t` that are gone if no row came for them; `None` where absence says nothing.
    fn absent(&self, is_held: bool) -> Option<String> {
        let of_records = match self.scope {
            Scope::Rows => return None,
            Scope::Table { .. } => String::new(),
            Scope::Records { .. } if is_held => String::new(),
            Scope::Records { .. } => {
                let is_root = self.root.is_some_and(|root| root.table.name == self.table.name);
                self.of_records(self.root.filter(|_| !is_root && self.record.is_whole())?)
            }
        };
        let spared =
            self.spared.map(|spared| format!("ANTI JOIN {} k ON {}", spared.0, is_named(&self.record, "t")));
        Some(format!("{of_records} {}", spared.unwrap_or_default()))
    }

    /// Writes new and changed rows.
    fn write(&self, connection: &mut Connection, staged: &Staged, hits: &Hits) -> Attempt<()> {
        let mut skipped = None;
        if hits.changed > 0 {
            if self.has_foreign_columns(connection)? {
                self.update_in_place(connection, staged)?;
                skipped = Some("true");
            } else {
                let target = &self.target;
                connection.run(&format!(
                    "DELETE FROM {target} WHERE rowid IN (SELECT target FROM {HITS} WHERE changed)"
                ))?;
            }
        }
        if hits.matched > 0 && skipped.is_none() {
            skipped = Some("NOT changed");
        }
        let mut sql = format!(
            "INSERT INTO {} ({}, {}, {}) SELECT {}, false, make_timestamp({}) FROM {} s",
            self.target,
            columns(self.table.data_columns(), None),
            quoted(system::DELETED),
            quoted(system::SYNCED),
            columns(self.table.data_columns(), Some("s")),
            self.synced_at,
            staged.place,
        );
        if let Some(skipped) = skipped {
            let _ =
                write!(sql, " ANTI JOIN (SELECT staged FROM {HITS} WHERE {skipped}) h ON h.staged = s.rowid");
        }
        connection.run(&sql)?;
        Ok(())
    }

    /// Whether the table has columns that are the user's own: then rows are not replaced, as that would empty them.
    fn has_foreign_columns(&self, connection: &mut Connection) -> Attempt<bool> {
        let Place { catalog, schema, table } = &self.target;
        let own: Vec<String> =
            self.table.columns.iter().map(|column| literal(&column.name.to_lowercase())).collect();
        let [foreign] = connection.numbers(&format!(
            "SELECT count(*) FROM duckdb_columns() WHERE database_name = {} AND lower(schema_name) = {} AND lower(table_name) = {} \
             AND lower(column_name) NOT IN ({})",
            literal(catalog),
            literal(&schema.to_lowercase()),
            literal(&table.to_lowercase()),
            own.join(", "),
        ))?;
        Ok(foreign > 0)
    }

    fn update_in_place(&self, connection: &mut Connection, staged: &Staged) -> Attempt<()> {
        let sets: Vec<String> = self
            .table
            .data_columns()
            .map(|column| quoted(column.name))
            .map(|name| format!("{name} = s.{name}"))
            .collect();
        connection.run(&format!(
            "UPDATE {} t SET {}, {} = false, {} = make_timestamp({}) FROM {} s, {HITS} h \
             WHERE h.changed AND h.target = t.rowid AND h.staged = s.rowid",
            self.target,
            sets.join(", "),
            quoted(system::DELETED),
            quoted(system::SYNCED),
            self.synced_at,
            staged.place,
        ))?;
        Ok(())
    }

    /// Rows do not add up.
    pub(super) fn doubled(&self) -> Failure {
        let Place { schema, table, .. } = &self.target;
        let message = format!(
            "{schema}.{table} holds several rows with one key, or was changed by something else: nothing was written"
        );
        Failure::new(DestinationErrorKind::Failed, message)
    }
}

/// A condition on staged rows that always holds, though DuckDB does not know: only from a filtered side of a join does it hand a Bloom
/// filter of the keys down to the scan of the other side.
fn unknown_true(staged: &str) -> String {
    format!("hash({staged}.{}) >= 0", quoted(system::PAGE))
}

pub(super) fn count(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or(0)
}
