//! A publish in two jobs: one that only looks (which staged rows count, which differ, which stored ones are gone), then one transaction that
//! writes what differs. A comparison looks for the same, and writes nothing.
//!
//! What was looked up is in tables of the state dataset that end by themselves, so that a transaction reads and locks as little as can be, and
//! a table that nothing changes is not written, which BigQuery would charge for by its size. Which rows count and which are swept is said in
//! [`crate::sql`].

use tenantry_replication::destination::{Commit, Compared, Published};
use tenantry_replication::error::DestinationErrorKind;

use super::client::{Attempt, Failure};
use super::connection::Connection;
use super::merge::Target;
use super::schema::is_by_day;
use super::settle::counting;
use super::stage::{Settled, Stage, no_keys};
use super::state::{self, Told};
use super::{PASSING, commit, compare, merge, park};
use crate::sql::found::{self, Found};
use crate::sql::server::{Connection as _, Said};
use crate::sql::{Keys, Staged};

/// What a look takes, and the tables that hold what it finds.
struct Looked {
    /// Statements that have to run first.
    sql: Vec<String>,
    /// Staged rows that count, table by table.
    settled: Vec<Staged>,
    said: Said,
    /// Passing tables to be removed.
    places: Vec<String>,
}

/// Publishes. The caller forgets what was staged.
pub(super) async fn publish(
    connection: &Connection,
    stage: &mut Stage,
    commit: &Commit,
    fence: Option<u64>,
) -> Attempt<Published> {
    let staged = stage.settle_all(connection, commit.stream).await?;
    let mut looked = prepare(connection, commit, &staged).await?;
    let (mut sql, mut places) = (std::mem::take(&mut looked.sql), std::mem::take(&mut looked.places));
    let targets = targets(connection, commit, &staged, &looked);
    let mut counts = Vec::new();
    for (at, target) in targets.iter().enumerate() {
        sql.extend(merge::look(target));
        places.extend(target.places());
        counts.extend(found::count(at, &target.merge, &target.came, &target.went));
    }
    let mut found = vec![Found::default(); targets.len()];
    if !counts.is_empty() {
        let sql = format!("{};\n{};", sql.join(";\n"), counts.join(" UNION ALL "));
        for line in connection.number_rows(&sql).await? {
            Found::add(&mut found, &line);
        }
    }
    let (mut statements, mut published) = (Vec::new(), Published::default());
    for (target, found) in targets.iter().zip(&found) {
        let counts = found.counts(&target.merge).ok_or_else(|| doubled(target))?;
        published.tables.push((target.merge.table.name, counts));
        statements.extend(merge::write(target, found, commit.synced_at));
    }
    let told = Told::bring(connection, &commit.quarantined, &commit.gaps).await?;
    let is_parked = park::is_parked(connection, commit.stream).await?;
    statements.extend(state::write(connection, commit, &told, is_parked)?);
    let mut afterwards: Vec<String> =
        places.iter().map(|place| format!("DROP TABLE IF EXISTS {place}")).collect();
    if is_parked {
        afterwards.extend(park::leftovers(connection, commit.stream));
    }
    commit::commit(connection, fence, &statements, &afterwards).await?;
    Ok(published)
}

/// Rows do not add up.
fn doubled(target: &Target<'_>) -> Failure {
    let message = format!("{} holds several rows with one key: nothing was written", target.merge.target);
    Failure::new(DestinationErrorKind::Failed, message)
}

/// Compares, and writes nothing but passing tables of our own.
pub(super) async fn compare(
    connection: &Connection,
    stage: &mut Stage,
    commit: &Commit,
    keys_max: usize,
) -> Attempt<Compared> {
    let staged = stage.settle_all(connection, commit.stream).await?;
    let mut looked = prepare(connection, commit, &staged).await?;
    let (mut sql, mut places) = (std::mem::take(&mut looked.sql), std::mem::take(&mut looked.places));
    let targets = targets(connection, commit, &staged, &looked);
    for target in &targets {
        sql.extend(merge::look(target));
        places.extend(target.places());
    }
    let mut compared = Compared::default();
    if !sql.is_empty() {
        connection.run(&format!("{};", sql.join(";\n"))).await?;
    }
    for target in &targets {
        let comparison = compare::run(connection, target, keys_max).await?;
        compared.tables.push((target.merge.table.name, comparison));
    }
    let drops: Vec<String> = places.iter().map(|place| format!("DROP TABLE IF EXISTS {place};")).collect();
    if !drops.is_empty() {
        // They end by themselves where this fails.
        let _ = connection.run(&drops.concat()).await;
    }
    Ok(compared)
}

/// What has to be known before tables are looked at: which staged rows count, and what the commit says of records.
async fn prepare(connection: &Connection, commit: &Commit, staged: &[Settled]) -> Attempt<Looked> {
    let root = commit.stream.root();
    let mut said = Said::of_records(connection, commit).await?;
    let (mut sql, mut settled, mut places) = (Vec::new(), Vec::new(), Vec::new());
    let staged_root = staged.iter().find(|one| one.staged.table.name == root.name).map(|one| &one.staged);
    for one in staged {
        let place = connection.state(&connection.name("settled", one.staged.table.name));
        let rows = counting(commit.stream, &one.staged, staged_root, said.gone.as_ref());
        sql.push(format!("CREATE OR REPLACE TABLE {place} {PASSING} AS {rows}"));
        places.push(place.clone());
        settled.push(Staged { place, ..one.staged.clone() });
    }
    let settled_root = settled.iter().find(|one| one.table.name == root.name);
    if let Some(expected) = commit.expected.as_ref().filter(|expected| !expected.anything) {
        let mut queries = said.queries_told(connection, commit, expected, settled_root).await?;
        if queries.is_empty() {
            queries.push(no_keys(root.key.len()));
        }
        let place = connection.state(&connection.name("expected", root.name));
        sql.push(format!("CREATE OR REPLACE TABLE {place} {PASSING} AS {}", queries.join(" UNION ALL ")));
        places.push(place.clone());
        // What is stored can hold the empty text, whatever was asked for.
        said.expected = Some(Keys { place, blank: true });
    }
    Ok(Looked { sql, settled, said, places })
}

/// Each table that the commit is about.
fn targets<'a>(
    connection: &'a Connection,
    commit: &'a Commit,
    staged: &[Settled],
    looked: &'a Looked,
) -> Vec<Target<'a>> {
    let merges = looked.said.merges(connection, commit, &looked.settled);
    let target = |merge: crate::sql::merge::Merge<'a>| {
        let name = merge.table.name;
        let of_table = staged.iter().find(|one| one.staged.table.name == name);
        Target {
            times: of_table.and_then(|one| one.times).filter(|_| is_by_day(commit.stream, merge.table)),
            came: connection.state(&connection.name("came", name)),
            went: connection.state(&connection.name("went", name)),
            merge,
        }
    };
    merges.map(target).collect()
}
