//! A publish: staged rows made free of doubles, then merged table by table, with sweeps and state, in one transaction. A comparison looks
//! for the same, and writes nothing.
//!
//! Which rows count and which are swept is said in [`crate::sql`]; what happens to one table is in [`super::merge`] and [`super::compare`].

use std::collections::BTreeSet;

use tenantry_replication::destination::{Commit, Compared, Published, Scope};

use super::connection::{Attempt, Connection, literal};
use super::merge::Target;
use super::schema::short_index_name;
use super::stage::{Settled, drop_tables, stage_texts};
use super::types::POSTGRES;
use super::{Names, merge, state};
use crate::sql::merge::Merge;
use crate::sql::record::RecordKey;
use crate::sql::{Keys, Staged, key_names, settle};

/// What a commit says of records, staged.
struct Said {
    gone: Option<Keys>,
    spared: Option<Keys>,
    expected: Option<Keys>,
    /// Temporary tables that end with the transaction's use of them.
    aside: Vec<String>,
}

/// Publishes, inside the caller's transaction. The caller forgets what was staged.
pub(super) async fn publish(
    connection: &Connection,
    names: &Names,
    commit: &Commit,
    staged: &[Settled],
) -> Attempt<Published> {
    let said = settle(connection, names, commit, staged).await?;
    let partial = partial_indexes(connection, names, commit).await?;
    let mut published = Published::default();
    for target in targets(names, commit, staged, &said, &partial) {
        published
            .tables
            .push((target.merge.table.name, merge::run(connection, names, &target, commit).await?));
    }
    state::write(connection, commit).await?;
    said.forget(connection).await?;
    Ok(published)
}

/// Compares, inside the caller's transaction, which is undone afterwards.
pub(super) async fn compare(
    connection: &Connection,
    names: &Names,
    commit: &Commit,
    staged: &[Settled],
    keys_max: usize,
) -> Attempt<Compared> {
    let said = settle(connection, names, commit, staged).await?;
    let partial = partial_indexes(connection, names, commit).await?;
    let mut compared = Compared::default();
    for target in targets(names, commit, staged, &said, &partial) {
        let comparison = super::compare::run(connection, &target, keys_max).await?;
        compared.tables.push((target.merge.table.name, comparison));
    }
    Ok(compared)
}

impl Said {
    async fn forget(self, connection: &Connection) -> Attempt<()> {
        let keys = [self.gone, self.spared, self.expected].into_iter().flatten().map(|keys| keys.place);
        let places: Vec<String> = keys.chain(self.aside).collect();
        if places.is_empty() { Ok(()) } else { connection.run(&drop_tables(&places)).await }
    }
}

/// Leaves the staged rows that count, and stages what the commit says of records.
async fn settle(
    connection: &Connection,
    names: &Names,
    commit: &Commit,
    staged: &[Settled],
) -> Attempt<Said> {
    let root = commit.stream.root();
    let parts = root.key.len();
    let gone = match commit.gone.as_slice() {
        [] => None,
        gone => Some(stage_texts(connection, "gone", parts, gone.iter().cloned()).await?),
    };
    let spared = match &commit.scope {
        Scope::Rows => None,
        Scope::Records { spared } | Scope::Table { spared } if spared.is_empty() => None,
        Scope::Records { spared } | Scope::Table { spared } => {
            Some(stage_texts(connection, "spared", parts, spared.iter().cloned()).await?)
        }
    };
    if let Some(gone) = &gone {
        let forget =
            staged.iter().filter_map(|one| settle::forget_gone(&POSTGRES, commit.stream, &one.staged, gone));
        for sql in forget {
            connection.run(&sql).await?;
        }
    }
    drop_doubles(connection, commit, staged).await?;
    let staged_root = staged.iter().find(|one| one.staged.table.name == root.name);
    let (expected, aside) =
        stage_expected(connection, names, commit, staged_root.map(|one| &one.staged)).await?;
    Ok(Said { gone, spared, expected, aside })
}

/// Leaves one row for each key; of a record that came on several pages, only the children of the last.
async fn drop_doubles(connection: &Connection, commit: &Commit, staged: &[Settled]) -> Attempt<()> {
    let is_root = |one: &&Settled| one.staged.table.name == commit.stream.root().name;
    let (root, children): (Vec<_>, Vec<_>) = staged.iter().partition(is_root);
    for root in root {
        let [doubles, on_several_pages] =
            connection.numbers(&settle::count_doubles(&POSTGRES, &root.staged)).await?;
        if on_several_pages > 0 {
            for child in &children {
                let sql = settle::keep_last_page(&POSTGRES, commit.stream, &root.staged, &child.staged);
                connection.run(&sql.unwrap_or_default()).await?;
            }
        }
        if doubles > 0 {
            connection.run(&settle::drop_doubles(&POSTGRES, &root.staged)).await?;
        }
    }
    for child in children {
        let [doubles, _] = connection.numbers(&settle::count_doubles(&POSTGRES, &child.staged)).await?;
        if doubles > 0 {
            connection.run(&settle::drop_doubles(&POSTGRES, &child.staged)).await?;
        }
    }
    Ok(())
}

/// Keys of the records that were told of, by what is staged and what is stored; `None` where none was, or where any may be meant.
async fn stage_expected(
    connection: &Connection,
    names: &Names,
    commit: &Commit,
    staged: Option<&Staged>,
) -> Attempt<(Option<Keys>, Vec<String>)> {
    let Some(expected) = commit.expected.as_ref().filter(|expected| !expected.anything) else {
        return Ok((None, Vec::new()));
    };
    let root = commit.stream.root();
    let told = stage_texts(connection, "expected", root.key.len(), std::iter::empty()).await?;
    let (place, columns) = (&told.place, key_names(root));
    let stored = names.table(root.name);
    let mut aside = Vec::new();
    for (turn, (column, values)) in expected.told.iter().enumerate() {
        let values = values.iter().map(|value| vec![value.clone()]);
        let values = stage_texts(connection, &format!("told {turn}"), 1, values).await?;
        for rows in staged.map(|staged| staged.place.as_str()).into_iter().chain([stored.as_str()]) {
            if let Some(query) = settle::keys_told(&POSTGRES, root, rows, column, &values) {
                connection.run(&format!("INSERT INTO {place} ({columns}) {query}")).await?;
            }
        }
        if root.key == [*column] {
            connection
                .run(&format!("INSERT INTO {place} ({columns}) SELECT k0 FROM {}", values.place))
                .await?;
        }
        aside.push(values.place);
    }
    if let (Some((column, since)), Some(staged)) = (expected.since, staged) {
        let query = settle::keys_since(&POSTGRES, staged, column, since);
        connection.run(&format!("INSERT INTO {place} ({columns}) {query}")).await?;
    }
    connection.run(&format!("ANALYZE {place}")).await?;
    // What is stored can hold the empty text, whatever was asked for.
    Ok((Some(Keys { blank: true, ..told }), aside))
}

/// Tables whose index leaves out long keys.
async fn partial_indexes(
    connection: &Connection,
    names: &Names,
    commit: &Commit,
) -> Attempt<BTreeSet<&'static str>> {
    let of = |table: &'static str| (table, short_index_name(table));
    let tables: Vec<_> = commit.tables.iter().map(|table| of(table)).collect();
    let listed: Vec<String> = tables.iter().map(|(_, index)| literal(index)).collect();
    if listed.is_empty() {
        return Ok(BTreeSet::new());
    }
    let sql = format!(
        "SELECT c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = {} AND c.relkind = 'i' AND c.relname IN ({})",
        literal(&names.schema),
        listed.join(", ")
    );
    let found: BTreeSet<String> = connection.texts(&sql).await?.into_iter().flatten().flatten().collect();
    Ok(tables.into_iter().filter(|(_, index)| found.contains(index)).map(|(table, _)| table).collect())
}

/// Each table that the commit is about.
fn targets<'a>(
    names: &'a Names,
    commit: &'a Commit,
    staged: &'a [Settled],
    said: &'a Said,
    partial: &'a BTreeSet<&'static str>,
) -> impl Iterator<Item = Target<'a>> {
    let of = move |table: &str| staged.iter().find(|one| one.staged.table.name == table);
    let tables = commit.stream.tables.iter().filter(|table| commit.tables.contains(&table.name));
    tables.map(move |table| Target {
        has_partial_index: partial.contains(table.name),
        has_long_keys: of(table.name).is_some_and(|one| one.long_keys),
        merge: Merge {
            dialect: &POSTGRES,
            target: names.table(table.name),
            table,
            staged: of(table.name).map(|one| &one.staged),
            root: of(commit.stream.root().name).map(|one| &one.staged),
            record: RecordKey::of(commit.stream, table),
            scope: &commit.scope,
            spared: said.spared.as_ref(),
            gone: said.gone.as_ref(),
            expected: commit.expected.as_ref(),
            expected_keys: said.expected.as_ref(),
        },
    })
}
