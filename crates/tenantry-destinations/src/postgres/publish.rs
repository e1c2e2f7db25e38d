//! A publish: staged rows made free of doubles, then merged table by table, with sweeps and state, in one transaction. A comparison looks
//! for the same, and writes nothing.
//!
//! Which rows count and which are swept is said in [`crate::sql`]; what happens to one table is in [`super::merge`] and [`super::compare`].

use std::collections::BTreeSet;

use tenantry_replication::destination::{Commit, Compared, Published};

use super::connection::{Attempt, Connection, literal};
use super::merge::Target;
use super::schema::short_index_name;
use super::stage::Settled;
use super::{Names, merge, state};
use crate::sql::Staged;
use crate::sql::server::{Connection as _, Said, settle};

/// Publishes, inside the caller's transaction. The caller forgets what was staged.
pub(super) async fn publish(
    connection: &Connection,
    names: &Names,
    commit: &Commit,
    staged: &[Settled],
) -> Attempt<Published> {
    let rows: Vec<Staged> = staged.iter().map(|one| one.staged.clone()).collect();
    let said = settle(connection, commit, &rows).await?;
    let partial = partial_indexes(connection, names, commit).await?;
    let mut published = Published::default();
    for target in targets(connection, commit, (staged, &rows), &said, &partial) {
        published
            .tables
            .push((target.merge.table.name, merge::run(connection, names, &target, commit).await?));
    }
    state::write(connection, commit).await?;
    said.put_away(connection).await?;
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
    let rows: Vec<Staged> = staged.iter().map(|one| one.staged.clone()).collect();
    let said = settle(connection, commit, &rows).await?;
    let partial = partial_indexes(connection, names, commit).await?;
    let mut compared = Compared::default();
    for target in targets(connection, commit, (staged, &rows), &said, &partial) {
        let comparison = super::compare::run(connection, &target, keys_max).await?;
        compared.tables.push((target.merge.table.name, comparison));
    }
    Ok(compared)
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
    connection: &'a Connection,
    commit: &'a Commit,
    (staged, rows): (&'a [Settled], &'a [Staged]),
    said: &'a Said,
    partial: &'a BTreeSet<&'static str>,
) -> impl Iterator<Item = Target<'a>> {
    let of = move |table: &str| staged.iter().find(|one| one.staged.table.name == table);
    said.merges(connection, commit, rows).map(move |merge| Target {
        has_partial_index: partial.contains(merge.table.name),
        has_long_keys: of(merge.table.name).is_some_and(|one| one.long_keys),
        merge,
    })
}
