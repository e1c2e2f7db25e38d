//! A publish: staged rows made free of doubles, then merged table by table, with sweeps and state, in one transaction. A comparison looks
//! for the same, and writes nothing.
//!
//! What happens to one table is in [`super::merge`] and [`super::compare`]. Staged rows are only ever read in the transaction: DuckDB lets one transaction write
//! to one database.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use tenantry_replication::catalog::{Column, Stream, system};
use tenantry_replication::destination::{Commit, Compared, Key, Published, Scope};

use super::connection::{Attempt, Connection, Failure, Place, quoted};
use super::limits::Limits;
use super::merge::Merge;
use super::stage::{Staged, drop_table, stage_values};
use super::summary::{key_text_columns, key_texts, text_of};
use super::{Names, STAGE, lease, state};
use crate::sql::record::RecordKey;

/// Publishes under the lease `fence`, and drops the staged tables whatever comes of it.
pub(super) fn publish(
    connection: &mut Connection,
    names: &Names,
    limits: &Limits,
    commit: &Commit,
    staged: Vec<Staged>,
    fence: Option<u64>,
) -> Attempt<Published> {
    let publish = Publish { connection, names, limits, commit, staged, aside: Vec::new() };
    publish.and_drop_staged(|publish| publish.run(fence))
}

/// Compares, and drops the staged tables whatever comes of it.
pub(super) fn compare(
    connection: &mut Connection,
    names: &Names,
    limits: &Limits,
    commit: &Commit,
    staged: Vec<Staged>,
    keys_max: usize,
) -> Attempt<Compared> {
    let publish = Publish { connection, names, limits, commit, staged, aside: Vec::new() };
    publish.and_drop_staged(|publish| publish.compare(keys_max))
}

struct Publish<'a> {
    connection: &'a mut Connection,
    names: &'a Names,
    limits: &'a Limits,
    commit: &'a Commit,
    staged: Vec<Staged>,
    /// Staged tables beside the rows: keys and quarantined records.
    aside: Vec<Place>,
}

/// Where keys of records are staged, as texts in columns `k0`, `k1`, ...
#[derive(Debug, Clone)]
pub(super) struct Keys(pub(super) Place);

/// What a commit says of records, staged.
struct Said {
    gone: Option<Keys>,
    spared: Option<Keys>,
    expected: Option<Keys>,
}

impl Publish<'_> {
    /// Does `work`, and drops the staged tables whatever comes of it.
    ///
    /// Where our own limit of memory does not do (changes spread over very many rows), DuckDB's default holds for this publish.
    fn and_drop_staged<T>(mut self, work: impl Fn(&mut Self) -> Attempt<T>) -> Attempt<T> {
        let mut done = work(&mut self);
        if done.as_ref().is_err_and(Failure::is_out_of_memory) && self.limits.memory.widen(self.connection) {
            done = work(&mut self);
        }
        self.limits.memory.restore(self.connection);
        let dropped = self.drop_staged();
        let limit_is_the_users = !self.limits.memory.is_ours;
        let done = done.map_err(|failure| failure.told_of_limit(limit_is_the_users))?;
        dropped?;
        Ok(done)
    }

    fn run(&mut self, fence: Option<u64>) -> Attempt<Published> {
        let quarantined = self.stage_quarantined()?;
        let said = self.settle()?;
        let Self { names, limits, staged, commit, .. } = self;
        self.connection.transaction(|connection| {
            lease::check(connection, fence)?;
            let mut published = Published::default();
            for merge in merges(names, limits, staged, commit, &said) {
                published.tables.push((merge.table.name, merge.run(connection)?));
            }
            state::write(connection, commit, quarantined.as_ref())?;
            Ok(published)
        })
    }

    fn compare(&mut self, keys_max: usize) -> Attempt<Compared> {
        let said = self.settle()?;
        let mut compared = Compared::default();
        for merge in merges(self.names, self.limits, &self.staged, self.commit, &said) {
            compared.tables.push((merge.table.name, merge.compare(self.connection, keys_max)?));
        }
        Ok(compared)
    }

    /// Leaves the staged rows that count, and stages what the commit says of records.
    fn settle(&mut self) -> Attempt<Said> {
        let commit = self.commit;
        let staged = self.staged.iter().map(|staged| staged.rows).sum();
        self.limits.threads.fit(self.connection, 0, staged);
        let gone = self.stage_keys("gone", &commit.gone)?;
        let spared = match &commit.scope {
            Scope::Rows => None,
            Scope::Records { spared } | Scope::Table { spared } => self.stage_keys("spared", spared)?,
        };
        if let Some(gone) = &gone {
            self.forget_gone(gone)?;
        }
        self.drop_doubles()?;
        let expected = self.stage_expected()?;
        Ok(Said { gone, spared, expected })
    }

    /// A name for a staged table that no other publish uses: publishes follow one another, and each drops its own.
    fn aside(&mut self, name: &str) -> Place {
        let place = Place::new(STAGE, "main", format!("{name}#of {}", self.commit.stream.name));
        self.aside.push(place.clone());
        place
    }

    /// An empty staged table for keys of the stream's records.
    fn stage_no_keys(&mut self, name: &str) -> Attempt<Place> {
        let place = self.aside(name);
        let columns = key_text_columns(self.commit.stream.root());
        self.connection.run(&format!("CREATE OR REPLACE TABLE {place} ({columns})"))?;
        Ok(place)
    }

    fn stage_keys(&mut self, name: &str, keys: &[Key]) -> Attempt<Option<Keys>> {
        if keys.is_empty() {
            return Ok(None);
        }
        let parts = self.commit.stream.root().key.len();
        let place = self.stage_no_keys(name)?;
        let column = |part: usize| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(
                keys.iter().map(|key| key.get(part).map_or("", String::as_str)),
            ))
        };
        let rows = RecordBatch::try_from_iter_with_nullable(
            (0..parts).map(|part| (format!("k{part}"), column(part), true)),
        )?;
        self.connection.ingest(&place, vec![rows])?;
        Ok(Some(Keys(place)))
    }

    /// Keys of the records that were told of, by what is staged and what is stored; `None` where none was, or where any may be meant.
    fn stage_expected(&mut self) -> Attempt<Option<Keys>> {
        let Some(expected) = self.commit.expected.as_ref().filter(|expected| !expected.anything) else {
            return Ok(None);
        };
        let root = self.commit.stream.root();
        let place = self.stage_no_keys("expected")?;
        let stored = self.names.table(root.name);
        let staged = self.staged.iter().find(|staged| staged.table.name == root.name);
        let staged = staged.map(|staged| staged.place.clone());
        let keys = key_texts(root, "r");
        for (column, values) in &expected.told {
            let told = self.aside("told");
            stage_values(self.connection, &told, values)?;
            for rows in staged.iter().chain([&stored]) {
                let value = text_of(column, "r");
                self.connection.run(&format!(
                    "INSERT INTO {place} SELECT {keys} FROM {rows} r WHERE {value} IN (SELECT value FROM {told})"
                ))?;
            }
            if root.key == [*column] {
                self.connection.run(&format!("INSERT INTO {place} SELECT value FROM {told}"))?;
            }
        }
        if let (Some((column, since)), Some(staged)) = (expected.since, &staged) {
            let column = quoted(column);
            self.connection.run(&format!(
                "INSERT INTO {place} SELECT {keys} FROM {staged} r WHERE r.{column} >= make_timestamp({since})"
            ))?;
        }
        Ok(Some(Keys(place)))
    }

    fn stage_quarantined(&mut self) -> Attempt<Option<Place>> {
        if self.commit.quarantined.is_empty() {
            return Ok(None);
        }
        let place = self.aside("quarantine");
        let Commit { quarantined, run, synced_at, .. } = self.commit;
        state::stage_quarantined(self.connection, &place, quarantined, *run, *synced_at)?;
        Ok(Some(place))
    }

    /// What the tenant no longer has is not written, even if it came before it went.
    fn forget_gone(&mut self, gone: &Keys) -> Attempt<()> {
        for staged in &self.staged {
            let record = RecordKey::of(self.commit.stream, staged.table);
            if record.is_whole() {
                let (place, matches) = (&staged.place, is_named(&record, "s"));
                self.connection.run(&format!("DELETE FROM {place} s USING {} k WHERE {matches}", gone.0))?;
            }
        }
        Ok(())
    }

    /// Leaves one row for each key; of a record that came on several pages, only the children of the last.
    fn drop_doubles(&mut self) -> Attempt<()> {
        let root = self.commit.stream.root().name;
        let (of_root, children): (Vec<_>, Vec<_>) =
            self.staged.iter().partition(|staged| staged.table.name == root);
        for root in of_root {
            let doubles = Doubles::find(self.connection, root)?;
            if doubles.on_several_pages > 0 {
                for child in &children {
                    keep_last_page(self.connection, self.commit.stream, root, child)?;
                }
            }
            doubles.drop(self.connection, root)?;
        }
        for child in children {
            Doubles::find(self.connection, child)?.drop(self.connection, child)?;
        }
        Ok(())
    }

    fn drop_staged(&mut self) -> Attempt<()> {
        let places = self.staged.iter().map(|staged| &staged.place).chain(&self.aside);
        places.map(|place| drop_table(self.connection, place)).fold(Ok(()), Attempt::and)
    }
}

/// A merge for each table that the commit is about.
fn merges<'a>(
    names: &'a Names,
    limits: &'a Limits,
    staged: &'a [Staged],
    commit: &'a Commit,
    said: &'a Said,
) -> impl Iterator<Item = Merge<'a>> {
    let of = move |table: &str| staged.iter().find(|staged| staged.table.name == table);
    let tables = commit.stream.tables.iter().filter(|table| commit.tables.contains(&table.name));
    tables.map(move |table| Merge {
        target: names.table(table.name),
        table,
        staged: of(table.name),
        root: of(commit.stream.root().name),
        limits,
        record: RecordKey::of(commit.stream, table),
        scope: &commit.scope,
        spared: said.spared.as_ref(),
        gone: said.gone.as_ref(),
        expected: commit.expected.as_ref(),
        expected_keys: said.expected.as_ref(),
        synced_at: commit.synced_at,
    })
}

/// Drops children that came before the last page of their record.
fn keep_last_page(
    connection: &mut Connection,
    stream: &'static Stream,
    root: &Staged,
    child: &Staged,
) -> Attempt<()> {
    let record = RecordKey::of(stream, child.table);
    if !record.is_whole() {
        return Ok(());
    }
    let (page, key) = (quoted(system::PAGE), columns(root.table.key_columns(), None));
    let same = belongs(&record, "c", "r", root.null_keys);
    connection.run(&format!(
        "DELETE FROM {} c USING (\
           SELECT {key}, max({page}) AS last_page FROM {} GROUP BY {key} HAVING min({page}) < max({page})) r \
         WHERE {same} AND c.{page} < r.last_page",
        child.place, root.place,
    ))?;
    Ok(())
}

/// Keys that several staged rows of a table have.
#[derive(Default)]
struct Doubles {
    keys: i64,
    on_several_pages: i64,
}

impl Doubles {
    /// Looks by the keys' hashes first: that takes a fraction of the memory, and mostly there are none.
    fn find(connection: &mut Connection, staged: &Staged) -> Attempt<Self> {
        let suspects = suspects(staged);
        if connection.numbers(&format!("SELECT count(*) FROM ({suspects})"))? == [0] {
            return Ok(Self::default());
        }
        let (page, key) = (quoted(system::PAGE), columns(staged.table.key_columns(), None));
        let [keys, on_several_pages] = connection.numbers(&format!(
            "SELECT count(*), count(*) FILTER (WHERE first_page < last_page) FROM (\
               SELECT min({page}) AS first_page, max({page}) AS last_page FROM {} \
               WHERE {} IN ({suspects}) GROUP BY {key} HAVING count(*) > 1)",
            staged.place,
            key_hash(staged),
        ))?;
        Ok(Self { keys, on_several_pages })
    }

    /// Keeps, for each key, the row of the last page, and of that page the last.
    fn drop(self, connection: &mut Connection, staged: &Staged) -> Attempt<()> {
        if self.keys == 0 {
            return Ok(());
        }
        let (page, key) = (quoted(system::PAGE), columns(staged.table.key_columns(), None));
        connection.run(&format!(
            "DELETE FROM {place} WHERE rowid IN (SELECT id FROM (\
               SELECT rowid AS id, row_number() OVER (PARTITION BY {key} ORDER BY {page} DESC, rowid DESC) AS turn \
               FROM {place} WHERE {} IN ({})) \
             WHERE turn > 1)",
            key_hash(staged),
            suspects(staged),
            place = staged.place,
        ))?;
        Ok(())
    }
}

/// Query for the key hashes that several staged rows have.
fn suspects(staged: &Staged) -> String {
    format!(
        "SELECT {hash} FROM {} GROUP BY {hash} HAVING count(*) > 1",
        staged.place,
        hash = key_hash(staged)
    )
}

fn key_hash(staged: &Staged) -> String {
    format!("hash({})", columns(staged.table.key_columns(), None))
}

/// Condition: the row's record is the key `k` of [`Keys`].
pub(super) fn is_named(record: &RecordKey, row: &str) -> String {
    record.matches_by(|own| text_of(own.name, row))
}

/// Condition: `row` belongs to the record of `root`.
pub(super) fn belongs(record: &RecordKey, row: &str, root: &str, null_keys: bool) -> String {
    equal(record.pairs(), row, root, null_keys)
}

/// Condition that pairs of columns are equal; with `null_keys`, NULL equals NULL. Plain equality is what DuckDB joins fastest on.
pub(super) fn equal(
    pairs: impl Iterator<Item = (&'static Column, &'static Column)>,
    left: &str,
    right: &str,
    null_keys: bool,
) -> String {
    let operator = if null_keys { "IS NOT DISTINCT FROM" } else { "=" };
    let pair = |(one, other): (&Column, &Column)| {
        format!("{left}.{} {operator} {right}.{}", quoted(one.name), quoted(other.name))
    };
    pairs.map(pair).collect::<Vec<_>>().join(" AND ")
}

/// A list of columns.
pub(super) fn columns(columns: impl Iterator<Item = &'static Column>, of: Option<&str>) -> String {
    let column = |column: &Column| match of {
        Some(of) => format!("{of}.{}", quoted(column.name)),
        None => quoted(column.name),
    };
    columns.map(column).collect::<Vec<_>>().join(", ")
}
