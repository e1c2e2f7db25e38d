//! A publish: staged rows made free of doubles, then merged table by table, with sweeps and state, in one transaction. A comparison looks
//! for the same, and writes nothing.
//!
//! Everything that is only for the merge is made before the transaction, in temporary tables: to make a table commits. Which rows count and
//! which are swept is said in [`crate::sql`]; what happens to one table is in [`super::merge`] and [`super::compare`].

use tenantry_replication::destination::{Commit, Compared, Published, Scope};

use super::connection::{Attempt, Connection};
use super::stage::{Settled, stage_texts};
use super::types::SNOWFLAKE;
use super::{Names, merge, park, state};
use crate::sql::merge::Merge;
use crate::sql::record::RecordKey;
use crate::sql::{Keys, Staged, key_names, settle};

/// What a commit says of records, staged.
pub(super) struct Said {
    gone: Option<Keys>,
    spared: Option<Keys>,
    expected: Option<Keys>,
}

/// Makes everything ready that [`publish`] needs, before its transaction.
pub(super) async fn make(
    connection: &Connection,
    names: &Names,
    commit: &Commit,
    staged: &[Settled],
) -> Attempt<(Said, park::Kept)> {
    connection.stage().await?;
    let said = settle(connection, names, commit, staged).await?;
    for merge in merges(connection, names, commit, staged, &said) {
        merge::make(connection, &merge).await?;
    }
    let kept = park::Kept::read(connection, commit.stream).await?;
    Ok((said, kept))
}

/// Publishes, inside the caller's transaction. The caller forgets what was staged.
pub(super) async fn publish(
    connection: &Connection,
    names: &Names,
    commit: &Commit,
    staged: &[Settled],
    (said, kept): &(Said, park::Kept),
) -> Attempt<Published> {
    let mut published = Published::default();
    for merge in merges(connection, names, commit, staged, said) {
        published.tables.push((merge.table.name, merge::run(connection, &merge, commit).await?));
    }
    state::write(connection, commit, kept).await?;
    Ok(published)
}

/// Compares.
pub(super) async fn compare(
    connection: &Connection,
    names: &Names,
    commit: &Commit,
    staged: &[Settled],
    keys_max: usize,
) -> Attempt<Compared> {
    let said = settle(connection, names, commit, staged).await?;
    let mut compared = Compared::default();
    for merge in merges(connection, names, commit, staged, &said) {
        let comparison = super::compare::run(connection, &merge, keys_max).await?;
        compared.tables.push((merge.table.name, comparison));
    }
    Ok(compared)
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
        gone => Some(stage_texts(connection, "GONE", parts, gone.iter().cloned()).await?),
    };
    let spared = match &commit.scope {
        Scope::Rows => None,
        Scope::Records { spared } | Scope::Table { spared } if spared.is_empty() => None,
        Scope::Records { spared } | Scope::Table { spared } => {
            Some(stage_texts(connection, "SPARED", parts, spared.iter().cloned()).await?)
        }
    };
    if let Some(gone) = &gone {
        let forget =
            staged.iter().filter_map(|one| settle::forget_gone(&SNOWFLAKE, commit.stream, &one.staged, gone));
        for sql in forget {
            connection.run(&sql).await?;
        }
    }
    drop_doubles(connection, commit, staged).await?;
    let staged_root = staged.iter().find(|one| one.staged.table.name == root.name);
    let expected = stage_expected(connection, names, commit, staged_root.map(|one| &one.staged)).await?;
    Ok(Said { gone, spared, expected })
}

/// Leaves one row for each key; of a record that came on several pages, only the children of the last.
async fn drop_doubles(connection: &Connection, commit: &Commit, staged: &[Settled]) -> Attempt<()> {
    let is_root = |one: &&Settled| one.staged.table.name == commit.stream.root().name;
    let (root, children): (Vec<_>, Vec<_>) = staged.iter().partition(is_root);
    for root in root {
        let [doubles, on_several_pages] =
            connection.numbers(&settle::count_doubles(&SNOWFLAKE, &root.staged)).await?;
        if on_several_pages > 0 {
            for child in &children {
                let sql = settle::keep_last_page(&SNOWFLAKE, commit.stream, &root.staged, &child.staged);
                if let Some(sql) = sql {
                    connection.run(&sql).await?;
                }
            }
        }
        if doubles > 0 {
            connection.run(&settle::drop_doubles(&SNOWFLAKE, &root.staged)).await?;
        }
    }
    for child in children {
        let [doubles, _] = connection.numbers(&settle::count_doubles(&SNOWFLAKE, &child.staged)).await?;
        if doubles > 0 {
            connection.run(&settle::drop_doubles(&SNOWFLAKE, &child.staged)).await?;
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
) -> Attempt<Option<Keys>> {
    let Some(expected) = commit.expected.as_ref().filter(|expected| !expected.anything) else {
        return Ok(None);
    };
    let root = commit.stream.root();
    let told = stage_texts(connection, "EXPECTED", root.key.len(), std::iter::empty()).await?;
    let (place, columns) = (&told.place, key_names(root));
    let stored = connection.place(&names.schema, root.name);
    for (turn, (column, values)) in expected.told.iter().enumerate() {
        let values = values.iter().map(|value| vec![value.clone()]);
        let values = stage_texts(connection, &format!("TOLD_{turn}"), 1, values).await?;
        for rows in staged.map(|staged| staged.place.as_str()).into_iter().chain([stored.as_str()]) {
            if let Some(query) = settle::keys_told(&SNOWFLAKE, root, rows, column, &values) {
                connection.run(&format!("INSERT INTO {place} ({columns}) {query}")).await?;
            }
        }
        if root.key == [*column] {
            connection
                .run(&format!("INSERT INTO {place} ({columns}) SELECT k0 FROM {}", values.place))
                .await?;
        }
    }
    if let (Some((column, since)), Some(staged)) = (expected.since, staged) {
        let query = settle::keys_since(&SNOWFLAKE, staged, column, since);
        connection.run(&format!("INSERT INTO {place} ({columns}) {query}")).await?;
    }
    // What is stored can hold the empty text, whatever was asked for.
    Ok(Some(Keys { blank: true, ..told }))
}

/// Each table that the commit is about.
fn merges<'a>(
    connection: &'a Connection,
    names: &'a Names,
    commit: &'a Commit,
    staged: &'a [Settled],
    said: &'a Said,
) -> impl Iterator<Item = Merge<'a>> {
    let of = move |table: &str| staged.iter().find(|one| one.staged.table.name == table);
    let tables = commit.stream.tables.iter().filter(|table| commit.tables.contains(&table.name));
    tables.map(move |table| Merge {
        dialect: &SNOWFLAKE,
        target: connection.place(&names.schema, table.name),
        table,
        staged: of(table.name).map(|one| &one.staged),
        root: of(commit.stream.root().name).map(|one| &one.staged),
        record: RecordKey::of(commit.stream, table),
        scope: &commit.scope,
        spared: said.spared.as_ref(),
        gone: said.gone.as_ref(),
        expected: commit.expected.as_ref(),
        expected_keys: said.expected.as_ref(),
    })
}
