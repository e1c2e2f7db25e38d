//! A publish: staged rows made free of doubles, then merged table by table, with sweeps and state, in one transaction. A comparison looks
//! for the same, and writes nothing.
//!
//! Everything that is only for the merge is made before the transaction, in temporary tables: to make a table commits. Which rows count and
//! which are swept is said in [`crate::sql`]; what happens to one table is in [`super::merge`] and [`super::compare`].

use tenantry_replication::destination::{Commit, Compared, Published};

use super::connection::{Attempt, Connection};
use super::stage::Settled;
use super::{merge, park, state};
use crate::sql::Staged;
use crate::sql::found::{self, Found};
use crate::sql::merge::Merge;
use crate::sql::server::{Connection as _, Said, settle};

/// What [`publish`] needs, made before its transaction.
pub(super) struct Made {
    staged: Vec<Staged>,
    said: Said,
    pub(super) kept: park::Kept,
}

/// Makes everything ready that [`publish`] needs, before its transaction.
pub(super) async fn make(connection: &Connection, commit: &Commit, settled: &[Settled]) -> Attempt<Made> {
    connection.stage().await?;
    let staged = staged(settled);
    let said = settle(connection, commit, &staged).await?;
    for merge in said.merges(connection, commit, &staged) {
        merge::make(connection, &merge).await?;
    }
    let kept = park::Kept::read(connection, commit.stream).await?;
    Ok(Made { staged, said, kept })
}

fn staged(settled: &[Settled]) -> Vec<Staged> {
    settled.iter().map(|one| one.staged.clone()).collect()
}

/// Publishes, inside the caller's transaction. The caller forgets what was staged.
pub(super) async fn publish(connection: &Connection, commit: &Commit, made: &Made) -> Attempt<Published> {
    let merges: Vec<Merge<'_>> = made.said.merges(connection, commit, &made.staged).collect();
    let mut counts = Vec::new();
    for (at, merge) in merges.iter().enumerate() {
        merge::look(connection, merge).await?;
        counts.extend(found::count(at, merge, &merge::came(merge), &merge::went(merge)));
    }
    let mut found = vec![Found::default(); merges.len()];
    // One question for all tables: each statement costs a turn, and the warehouse is paid by the second.
    if !counts.is_empty() {
        for line in connection.number_rows(&counts.join(" UNION ALL ")).await? {
            Found::add(&mut found, &line);
        }
    }
    let mut published = Published::default();
    for (merge, found) in merges.iter().zip(&found) {
        let counts = merge::write(connection, merge, found, commit).await?;
        published.tables.push((merge.table.name, counts));
    }
    state::write(connection, commit, &made.kept).await?;
    Ok(published)
}

/// Compares.
pub(super) async fn compare(
    connection: &Connection,
    commit: &Commit,
    settled: &[Settled],
    keys_max: usize,
) -> Attempt<Compared> {
    let staged = staged(settled);
    let said = settle(connection, commit, &staged).await?;
    let mut compared = Compared::default();
    for merge in said.merges(connection, commit, &staged) {
        let comparison = super::compare::run(connection, &merge, keys_max).await?;
        compared.tables.push((merge.table.name, comparison));
    }
    Ok(compared)
}
