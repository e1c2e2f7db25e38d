//! A publish in two jobs: one that only looks (which staged rows count, which differ, which stored ones are gone), then one transaction that
//! writes what differs. A comparison looks for the same, and writes nothing.
//!
//! What was looked up is in tables of the state dataset that end by themselves, so that a transaction reads and locks as little as can be, and
//! a table that nothing changes is not written, which BigQuery would charge for by its size. Which rows count and which are swept is said in
//! [`crate::sql`].

use tenantry_replication::catalog::{Column, Table};
use tenantry_replication::clock::Micros;
use tenantry_replication::destination::{Commit, Compared, Counts, Expected, Published, Scope};

use super::client::{Attempt, Client};
use super::job::Rows;
use super::merge::Target;
use super::schema::is_by_day;
use super::settle;
use super::stage::{Settled, Stage};
use super::state::{self, Told};
use super::types::BIGQUERY;
use super::{Names, PASSING, commit, compare, merge, park};
use crate::sql::merge::{MISSING, Merge, WRONGLY_LIVE};
use crate::sql::record::RecordKey;
use crate::sql::{Keys, Staged};

/// What a commit says of records, where a query can read it.
struct Said {
    gone: Option<Keys>,
    spared: Option<Keys>,
    expected: Option<Keys>,
}

/// What a look found, and the tables that hold it.
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
    client: &Client,
    names: &Names,
    stage: &mut Stage,
    commit: &Commit,
    fence: Option<u64>,
) -> Attempt<Published> {
    let staged = stage.settle_all(client, names, commit.stream).await?;
    let mut looked = prepare(client, names, stage, commit, &staged).await?;
    let (mut sql, mut places) = (std::mem::take(&mut looked.sql), std::mem::take(&mut looked.places));
    let targets = targets(names, stage, commit, &staged, &looked);
    let mut counts = Vec::new();
    for (at, target) in targets.iter().enumerate() {
        sql.extend(merge::look(target));
        places.extend(target.places());
        counts.extend(merge::count(at, target));
    }
    let is_parked = park::is_parked(client, names, commit.stream).await?;
    let mut found = vec![merge::Found::default(); targets.len()];
    if !counts.is_empty() {
        let sql = format!("{};\n{};", sql.join(";\n"), counts.join(" UNION ALL "));
        for row in client.rows(names, &sql).await?.rows {
            let at = usize::try_from(Rows::number(&row, 0)?).unwrap_or(usize::MAX);
            if let Some(found) = found.get_mut(at) {
                found.add(&row)?;
            }
        }
    }
    let mut statements = Vec::new();
    for (target, found) in targets.iter().zip(&found) {
        statements.extend(merge::write(target, found, commit.synced_at));
    }
    let told = Told::bring(stage, client, names, &commit.quarantined, &commit.gaps).await?;
    statements.extend(state::write(names, commit, &told, is_parked)?);
    let mut afterwards: Vec<String> =
        places.iter().map(|place| format!("DROP TABLE IF EXISTS {place}")).collect();
    if is_parked {
        afterwards.extend(park::leftovers(names, commit.stream));
    }
    commit::commit(client, names, fence, &statements, &afterwards).await?;
    let tables = targets.iter().zip(&found).map(|(target, found)| {
        let mut counts = found.counts;
        if !target.merge.measures_drift() {
            counts.drifted = 0;
        }
        (target.merge.table.name, counts)
    });
    Ok(Published { tables: tables.collect() })
}

/// Compares, and writes nothing but passing tables of our own.
pub(super) async fn compare(
    client: &Client,
    names: &Names,
    stage: &mut Stage,
    commit: &Commit,
    keys_max: usize,
) -> Attempt<Compared> {
    let staged = stage.settle_all(client, names, commit.stream).await?;
    let mut looked = prepare(client, names, stage, commit, &staged).await?;
    let (mut sql, mut places) = (std::mem::take(&mut looked.sql), std::mem::take(&mut looked.places));
    let targets = targets(names, stage, commit, &staged, &looked);
    for target in &targets {
        sql.extend(merge::look(target));
        places.extend(target.places());
    }
    let mut compared = Compared::default();
    if !sql.is_empty() {
        client.run(names, &format!("{};", sql.join(";\n"))).await?;
    }
    for target in &targets {
        let comparison = compare::run(client, names, target, keys_max).await?;
        compared.tables.push((target.merge.table.name, comparison));
    }
    let drops: Vec<String> = places.iter().map(|place| format!("DROP TABLE IF EXISTS {place};")).collect();
    if !drops.is_empty() {
        // They end by themselves where this fails.
        let _ = client.run(names, &drops.concat()).await;
    }
    Ok(compared)
}

/// What has to be known before tables are looked at: which staged rows count, and what the commit says of records.
async fn prepare(
    client: &Client,
    names: &Names,
    stage: &mut Stage,
    commit: &Commit,
    staged: &[Settled],
) -> Attempt<Looked> {
    let root = commit.stream.root();
    let parts = root.key.len();
    let gone = match commit.gone.as_slice() {
        [] => None,
        gone => Some(stage.texts(client, names, parts, gone.iter().cloned()).await?),
    };
    let spared = match &commit.scope {
        Scope::Rows => None,
        Scope::Records { spared } | Scope::Table { spared } if spared.is_empty() => None,
        Scope::Records { spared } | Scope::Table { spared } => {
            Some(stage.texts(client, names, parts, spared.iter().cloned()).await?)
        }
    };
    let (mut sql, mut settled, mut places) = (Vec::new(), Vec::new(), Vec::new());
    let staged_root = staged.iter().find(|one| one.staged.table.name == root.name).map(|one| &one.staged);
    for one in staged {
        let place = names.state(&stage.name("settled", one.staged.table.name));
        let rows = settle::counting(commit.stream, &one.staged, staged_root, gone.as_ref());
        sql.push(format!("CREATE OR REPLACE TABLE {place} {PASSING} AS {rows}"));
        places.push(place.clone());
        settled.push(Staged { place, ..one.staged.clone() });
    }
    let settled_root = settled.iter().find(|one| one.table.name == root.name);
    let expected = match commit.expected.as_ref().filter(|expected| !expected.anything) {
        Some(expected) => {
            let query = told_of(client, names, stage, commit, expected, settled_root).await?;
            let place = names.state(&stage.name("expected", root.name));
            sql.push(format!("CREATE OR REPLACE TABLE {place} {PASSING} AS {query}"));
            places.push(place.clone());
            // What is stored can hold the empty text, whatever was asked for.
            Some(Keys { place, blank: true })
        }
        None => None,
    };
    Ok(Looked { sql, settled, said: Said { gone, spared, expected }, places })
}

/// Query for the keys of the records that were told of, by what is staged and what is stored.
async fn told_of(
    client: &Client,
    names: &Names,
    stage: &mut Stage,
    commit: &Commit,
    expected: &Expected,
    settled: Option<&Staged>,
) -> Attempt<String> {
    let root = commit.stream.root();
    let stored = names.table(root.name);
    let mut queries = Vec::new();
    for (column, values) in &expected.told {
        let values = values.iter().map(|value| vec![value.clone()]);
        let values = stage.texts(client, names, 1, values).await?;
        for rows in settled.map(|staged| staged.place.as_str()).into_iter().chain([stored.as_str()]) {
            queries.extend(crate::sql::settle::keys_told(&BIGQUERY, root, rows, column, &values));
        }
        if root.key == [*column] {
            queries.push(format!("SELECT v.k0 FROM {} AS v", values.place));
        }
    }
    if let (Some((column, since)), Some(staged)) = (expected.since, settled) {
        queries.push(crate::sql::settle::keys_since(&BIGQUERY, staged, column, since));
    }
    if queries.is_empty() {
        queries.push(super::stage::no_keys(root.key.len()));
    }
    Ok(queries.join(" UNION ALL "))
}

/// Each table that the commit is about.
fn targets<'a>(
    names: &Names,
    stage: &Stage,
    commit: &'a Commit,
    staged: &[Settled],
    looked: &'a Looked,
) -> Vec<Target<'a>> {
    let of = |table: &str| looked.settled.iter().find(|one| one.table.name == table);
    let times = |table: &Table| -> Option<(&'static Column, Micros, Micros)> {
        let of_table = staged.iter().find(|one| one.staged.table.name == table.name)?;
        of_table.times.filter(|_| is_by_day(commit.stream, table))
    };
    let tables = commit.stream.tables.iter().filter(|table| commit.tables.contains(&table.name));
    let target = |table: &'static Table| Target {
        times: times(table),
        came: names.state(&stage.name("came", table.name)),
        went: names.state(&stage.name("went", table.name)),
        merge: Merge {
            dialect: &BIGQUERY,
            target: names.table(table.name),
            table,
            staged: of(table.name),
            root: of(commit.stream.root().name),
            record: RecordKey::of(commit.stream, table),
            scope: &commit.scope,
            spared: looked.said.spared.as_ref(),
            gone: looked.said.gone.as_ref(),
            expected: commit.expected.as_ref(),
            expected_keys: looked.said.expected.as_ref(),
        },
    };
    tables.map(target).collect()
}

impl merge::Found {
    /// Takes in one line of what [`merge::count`] asks for.
    fn add(&mut self, row: &[serde_json::Value]) -> Attempt<()> {
        let (kind, rows, unexpected) = (Rows::number(row, 1)?, Rows::number(row, 2)?, Rows::number(row, 3)?);
        let rows = rows.unsigned_abs();
        let Counts { inserted, updated, deleted, unchanged, drifted } = &mut self.counts;
        match kind {
            merge::ALL => {
                // All that count, of which those that differ are taken off.
                *unchanged = unchanged.wrapping_add(rows);
                return Ok(());
            }
            WRONGLY_LIVE => {
                *deleted += rows;
                self.has_null_keys |= Rows::number(row, 4)? > 0;
            }
            MISSING => {
                *inserted += rows;
                *unchanged = unchanged.wrapping_sub(rows);
            }
            _ => {
                *updated += rows;
                *unchanged = unchanged.wrapping_sub(rows);
            }
        }
        *drifted += unexpected.unsigned_abs();
        Ok(())
    }
}
