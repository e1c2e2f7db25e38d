//! A publish: what was staged for a stream becomes visible table by table, then what it stands for is written down. A comparison looks for
//! the same, and writes nothing.
//!
//! There is no transaction over several tables. Each table has one commit; the checkpoint comes last, so that a crash between them leaves
//! it behind the rows, and the next run finds those as they should be (docs/decisions/0021-delta-publish.md).

use std::sync::Arc;

use arrow_array::RecordBatch;
use tenantry_replication::catalog::Table;
use tenantry_replication::destination::{Commit, Compared, Comparison, Counts, Key, Published};

use crate::cells::Columns;
use crate::changes::Changes;
use crate::diff::{Found, Said, counts, diff};
use crate::document::{Document, KeptCheckpoint};
use crate::engine::Call;
use crate::failure::{Attempt, Failure};
use crate::ledger::{self, GAP, Ledger, QUARANTINE};
use crate::settle::{Settled, Stored, is_told};
use crate::stage::Staged;
use crate::tables::Day;
use crate::{Inner, blocking, write};

/// Times that a table is read and written again because somebody else changed it in between.
const ATTEMPTS_MAX: usize = 5;

impl Inner {
    /// Publishes what was staged.
    pub(crate) fn publish<'a>(&'a self, staged: Vec<Staged>, commit: &'a Commit) -> Call<'a, Published> {
        Box::pin(async move {
            let _turn = self.turn.lock().await;
            self.check_lease().await?;
            let mut settled = self.settle(staged, commit).await?;
            let mut published = Published::default();
            for table in written(commit) {
                published.tables.push((table.name, self.publish_table(&mut settled, commit, table).await?));
            }
            self.leave(commit).await?;
            let parked = self.documents.change(|document| self.conclude(document, commit)).await?;
            self.remove(parked).await;
            Ok(published)
        })
    }

    /// Compares what was staged with what is stored.
    pub(crate) fn compare<'a>(
        &'a self,
        staged: Vec<Staged>,
        commit: &'a Commit,
        keys_max: usize,
    ) -> Call<'a, Compared> {
        Box::pin(async move {
            let _turn = self.turn.lock().await;
            let mut settled = self.settle(staged, commit).await?;
            let mut compared = Compared::default();
            for table in written(commit) {
                let stored = self.tables.replicated(table).await?;
                let said = Said::of(commit, &settled, table);
                let found = diff(&self.engine, &stored, &mut settled, &said).await?;
                compared.tables.push((table.name, comparison(&settled, &said, &found, keys_max)?));
            }
            Ok(compared)
        })
    }

    /// Sorts out what counts of the staged rows. Fails where a table is missing, before anything is written.
    async fn settle(&self, staged: Vec<Staged>, commit: &Commit) -> Attempt<Settled> {
        let stored =
            futures::future::try_join_all(written(commit).map(|table| self.tables.replicated(table)));
        stored.await?;
        let owned = commit.clone();
        let settle = move || Settled::of(owned.stream, &staged, Some(&owned));
        let mut settled = blocking(settle).await?;
        self.expect_stored(&mut settled, commit).await?;
        Ok(settled)
    }

    /// Adds the records that were told of by what is stored of them.
    async fn expect_stored(&self, settled: &mut Settled, commit: &Commit) -> Attempt<()> {
        let Some(expected) = commit.expected.as_ref().filter(|expected| !expected.anything) else {
            return Ok(());
        };
        if expected.told.is_empty() {
            return Ok(());
        }
        let root = commit.stream.root();
        let Some(stored) = self.tables.find(&self.tables.schema, root.name).await? else { return Ok(()) };
        let mut columns: Vec<&str> = root.key.to_vec();
        for (column, _) in &expected.told {
            if !columns.contains(column) {
                columns.push(column);
            }
        }
        let hasher = settled.hasher;
        let told = &mut settled.expected;
        let show = |batch: RecordBatch| {
            let keys = Columns::of(&batch, root.key_columns(), hasher)?;
            let rows = (0..batch.num_rows()).filter(|row| is_told(expected, &batch, *row));
            told.extend(rows.map(|row| keys.key(row)));
            Ok(())
        };
        self.engine.visit(&stored, columns, None, show).await
    }

    /// One table: as often as somebody else changes it meanwhile.
    async fn publish_table(
        &self,
        settled: &mut Settled,
        commit: &Commit,
        table: &'static Table,
    ) -> Attempt<Counts> {
        for _ in 0..ATTEMPTS_MAX {
            let stored = self.tables.replicated(table).await?;
            let said = Said::of(commit, settled, table);
            let found = diff(&self.engine, &stored, settled, &said).await?;
            let counts = counts(settled, &said, &found)?;
            let day = Day::of_stored(&stored, commit.stream, table)?;
            let changes = Arc::new(Changes::of(table, settled, found, day, commit.synced_at));
            if changes.rows == 0 {
                return Ok(counts);
            }
            self.check_lease().await?;
            let rewriter = self.rewriter.as_ref();
            match write::write(&self.engine, rewriter, &stored, table, changes, self.fence()).await {
                Ok(()) => return Ok(counts),
                Err(failure) if failure.is_conflict => {}
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::conflict(&format!("table {}", table.name)))
    }

    /// Writes down what a commit leaves beside rows and checkpoint.
    async fn leave(&self, commit: &Commit) -> Attempt<()> {
        let Commit { stream, quarantined, gaps, run, synced_at, .. } = commit;
        if !quarantined.is_empty() {
            self.note(&QUARANTINE, ledger::of_quarantined(quarantined, *run, *synced_at)?).await?;
        }
        if !gaps.is_empty() {
            self.note(&GAP, ledger::of_gaps(stream, gaps, *run, *synced_at)?).await?;
        }
        Ok(())
    }

    /// Writes rows to a table of ours.
    pub(crate) fn note<'a>(&'a self, ledger: &'a Ledger, rows: RecordBatch) -> Call<'a, ()> {
        Box::pin(async move {
            for _ in 0..ATTEMPTS_MAX {
                let stored =
                    ledger::prepared(self.tables.find(&self.tables.state, ledger.name).await?, ledger)?;
                match write::upsert(&self.engine, &stored, ledger, rows.clone(), self.fence()).await {
                    Err(failure) if failure.is_conflict => {}
                    done => return done,
                }
            }
            Err(Failure::conflict(&format!("our table {}", ledger.name)))
        })
    }

    /// The checkpoint, and the end of what is parked; gives the objects that nobody needs any more.
    fn conclude(&self, document: &mut Document, commit: &Commit) -> Attempt<Vec<String>> {
        document.check(self.fence())?;
        if let Some((name, checkpoint)) = &commit.checkpoint {
            let checkpoint = KeptCheckpoint {
                checkpoint: checkpoint.clone(),
                run: commit.run,
                updated_at: commit.synced_at,
            };
            document.checkpoints.insert(name.clone(), checkpoint);
        }
        let parked = document.parked.remove(commit.stream.name);
        Ok(parked.into_iter().flat_map(|parked| parked.rows.into_values().flatten()).collect())
    }
}

/// The tables that a commit is about, in the stream's order.
fn written(commit: &Commit) -> impl Iterator<Item = &'static Table> {
    commit.stream.tables.iter().filter(|table| commit.tables.contains(&table.name))
}

fn comparison(settled: &Settled, said: &Said<'_>, found: &Found, keys_max: usize) -> Attempt<Comparison> {
    let mut comparison = Comparison::default();
    if let Some(staged) = settled.table(said.table) {
        staged.visit(settled.hasher, |batch, counting| {
            let keys = Columns::of(batch, said.table.key_columns(), settled.hasher)?;
            let mut record = said.record.in_batch(batch, settled.hasher)?;
            for (row, came) in counting {
                let differing = match came.stored {
                    Stored::Equal => {
                        comparison.equal += 1;
                        continue;
                    }
                    _ if said.expects(&mut record, *row) => &mut comparison.unsynced,
                    Stored::Missing => &mut comparison.missing,
                    Stored::Stale => &mut comparison.stale,
                    Stored::Deleted => &mut comparison.wrongly_deleted,
                };
                differing.rows += 1;
                keep_smallest(&mut differing.keys, keys.key(*row), keys_max);
            }
            Ok(())
        })?;
    }
    for batch in &found.swept {
        let keys = Columns::of(batch, said.table.key_columns(), settled.hasher)?;
        let mut record = said.record.in_batch(batch, settled.hasher)?;
        for row in 0..batch.num_rows() {
            let is_expected = said.expects(&mut record, row);
            let differing = if is_expected { &mut comparison.unsynced } else { &mut comparison.wrongly_live };
            differing.rows += 1;
            keep_smallest(&mut differing.keys, keys.key(row), keys_max);
        }
    }
    Ok(comparison)
}

/// Keeps the smallest keys in order.
fn keep_smallest(keys: &mut Vec<Key>, key: Key, max: usize) {
    let place = keys.partition_point(|other| *other <= key);
    if place < max {
        keys.insert(place, key);
        keys.truncate(max);
    }
}
