//! What a commit says of records, staged beside its rows; and its staged rows, of which those are left that count.
//!
//! Which rows count is said in [`crate::sql::settle`].

use tenantry_replication::destination::{Commit, Expected, Scope};

use super::connection::{Connection, Texts};
use super::failure::Attempt;
use crate::sql::merge::Merge;
use crate::sql::record::RecordKey;
use crate::sql::{Keys, Staged, key_names, settle};

/// What a commit says of records, where a query can read it.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) gone: Option<Keys>,
    pub(crate) spared: Option<Keys>,
    pub(crate) expected: Option<Keys>,
    /// Values that it took to find the expected ones.
    told: Vec<Keys>,
}

impl Said {
    /// Stages the keys that are named.
    pub(crate) async fn of_records<C: Connection>(connection: &C, commit: &Commit) -> Attempt<Self> {
        let parts = commit.stream.root().key.len();
        let gone = match commit.gone.as_slice() {
            [] => None,
            gone => {
                let gone = Texts::new(parts, gone.iter().cloned());
                Some(connection.stage_texts("gone", gone).await?)
            }
        };
        let spared = match &commit.scope {
            Scope::Rows => None,
            Scope::Records { spared } | Scope::Table { spared } if spared.is_empty() => None,
            Scope::Records { spared } | Scope::Table { spared } => {
                let spared = Texts::new(parts, spared.iter().cloned());
                Some(connection.stage_texts("spared", spared).await?)
            }
        };
        Ok(Self { gone, spared, expected: None, told: Vec::new() })
    }

    /// Puts all of it away.
    pub(crate) async fn put_away<C: Connection>(self, connection: &C) -> Attempt<()> {
        let named = [self.gone, self.spared, self.expected].into_iter().flatten();
        connection.put_away(named.chain(self.told).collect()).await
    }

    /// Queries for the keys of the records that were told of, by what is staged and what is stored.
    pub(crate) async fn queries_told<C: Connection>(
        &mut self,
        connection: &C,
        commit: &Commit,
        expected: &Expected,
        staged_root: Option<&Staged>,
    ) -> Attempt<Vec<String>> {
        let (root, dialect) = (commit.stream.root(), connection.dialect());
        let stored = connection.table(root.name);
        let mut queries = Vec::new();
        for (turn, (column, values)) in expected.told.iter().enumerate() {
            let values = connection.stage_texts(&format!("told_{turn}"), Texts::of_values(values)).await?;
            for rows in staged_root.map(|staged| staged.place.as_str()).into_iter().chain([stored.as_str()]) {
                queries.extend(settle::keys_told(dialect, root, rows, column, &values));
            }
            if root.key == [*column] {
                queries.push(format!("SELECT v.k0 FROM {} AS v", values.place));
            }
            self.told.push(values);
        }
        if let (Some((column, since)), Some(staged)) = (expected.since, staged_root) {
            queries.push(settle::keys_since(dialect, staged, column, since));
        }
        Ok(queries)
    }

    /// Each table that the commit is about, with what came for it.
    pub(crate) fn merges<'a, C: Connection>(
        &'a self,
        connection: &'a C,
        commit: &'a Commit,
        staged: &'a [Staged],
    ) -> impl Iterator<Item = Merge<'a>> {
        let of = |table: &str| staged.iter().find(|one| one.table.name == table);
        let tables = commit.stream.tables.iter().filter(|table| commit.tables.contains(&table.name));
        tables.map(move |table| Merge {
            dialect: connection.dialect(),
            target: connection.table(table.name),
            table,
            staged: of(table.name),
            root: of(commit.stream.root().name),
            record: RecordKey::of(commit.stream, table),
            scope: &commit.scope,
            spared: self.spared.as_ref(),
            gone: self.gone.as_ref(),
            expected: commit.expected.as_ref(),
            expected_keys: self.expected.as_ref(),
        })
    }
}

/// Leaves the staged rows that count, by deleting the others, and stages what the commit says of records.
pub(crate) async fn settle<C: Connection>(
    connection: &C,
    commit: &Commit,
    staged: &[Staged],
) -> Attempt<Said> {
    let mut said = Said::of_records(connection, commit).await?;
    if let Some(gone) = &said.gone {
        for one in staged {
            if let Some(sql) = settle::forget_gone(connection.dialect(), commit.stream, one, gone) {
                connection.run(&sql).await?;
            }
        }
    }
    drop_doubles(connection, commit, staged).await?;
    if let Some(expected) = commit.expected.as_ref().filter(|expected| !expected.anything) {
        let root = commit.stream.root();
        let staged_root = staged.iter().find(|one| one.table.name == root.name);
        let none = Texts::new(root.key.len(), std::iter::empty());
        let told = connection.stage_texts("expected", none).await?;
        let queries = said.queries_told(connection, commit, expected, staged_root).await?;
        // What is stored can hold the empty text, whatever was asked for.
        let told = Keys { blank: true, ..told };
        if !queries.is_empty() {
            let sql = queries.join(" UNION ALL ");
            connection.run(&format!("INSERT INTO {} ({}) {sql}", told.place, key_names(root))).await?;
            connection.grown(&told).await?;
        }
        said.expected = Some(told);
    }
    Ok(said)
}

/// Leaves one row for each key; of a record that came on several pages, only the children of the last.
async fn drop_doubles<C: Connection>(connection: &C, commit: &Commit, staged: &[Staged]) -> Attempt<()> {
    let dialect = connection.dialect();
    let counts = staged.iter().enumerate().map(|(turn, one)| settle::count_doubles(dialect, turn, one));
    let counts: Vec<String> = counts.collect();
    if counts.is_empty() {
        return Ok(());
    }
    let mut with_doubles = Vec::new();
    for row in connection.number_rows(&counts.join(" UNION ALL ")).await? {
        let [turn, doubles, on_several_pages] = row.as_slice() else { continue };
        let Some(one) = usize::try_from(*turn).ok().and_then(|turn| staged.get(turn)) else { continue };
        if *doubles > 0 {
            with_doubles.push(one);
        }
        if one.table.name != commit.stream.root().name || *on_several_pages == 0 {
            continue;
        }
        // Before the doubles of the root are gone, which tell of the pages.
        for child in staged.iter().filter(|child| child.table.name != one.table.name) {
            if let Some(sql) = settle::keep_last_page(dialect, commit.stream, one, child) {
                connection.run(&sql).await?;
            }
        }
    }
    for one in with_doubles {
        connection.run(&settle::drop_doubles(dialect, one)).await?;
    }
    Ok(())
}
