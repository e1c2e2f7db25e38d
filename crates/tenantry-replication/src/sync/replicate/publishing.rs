//! What a read comes to: rows, deletes and checkpoint, published together.
//!
//! Decides what may be concluded from what was read, and when; reads nothing.

use crate::catalog::Replication;
use crate::defects::{Defect, planted};
use crate::destination::{Commit, Published, Scope};
use crate::state::Checkpoint;

use super::super::plan::Task;
use super::super::{Run, cascades};
use super::{Reading, StreamError};

/// A stream that publishes as it goes spends at most one part in this many of its time on publishing.
const PUBLISH_SHARE: u32 = 10;

impl Reading<'_> {
    /// Publishes everything that the read came to.
    pub(super) async fn publish(&mut self, run: &Run, task: &Task) -> Result<(), StreamError> {
        self.gone.extend(cascades::gone(run, task, &self.came).await?);
        run.note_ended(self.stream.name, self.gone.iter().filter_map(|key| key.first().cloned()));
        let checkpoint = self.final_checkpoint(run, task);
        self.publish_as(run, checkpoint).await
    }

    /// Publishes what came so far of a stream that does so as it goes.
    pub(in crate::sync) async fn publish_taken(&mut self, run: &Run) -> Result<(), StreamError> {
        self.stage(run, true).await?;
        self.publish_as(run, self.checkpoint.clone()).await
    }

    /// Publishes what is staged, or compares it in a run that compares.
    pub(in crate::sync) async fn publish_as(
        &mut self,
        run: &Run,
        checkpoint: Option<Checkpoint>,
    ) -> Result<(), StreamError> {
        if self.tables.is_empty() {
            // Nothing is published, but what was parked of it is no longer needed.
            return Ok(run.edges.destination.discard(self.stream).await?);
        }
        let begun = run.edges.clock.monotonic();
        let commit = self.commit(run, checkpoint);
        if let Some(keys_max) = run.compares {
            self.compare(run, commit, keys_max).await?;
        } else {
            if let Some((name, checkpoint)) = &commit.checkpoint
                && planted(Defect::CheckpointFirst)
            {
                run.edges.destination.keep(name, checkpoint, run.number, run.started_at).await?;
            }
            let again = planted(Defect::CommitRetriedBlindly).then(|| commit.clone());
            let published = match (run.edges.destination.publish(commit).await, again) {
                (Err(_), Some(again)) => run.edges.destination.publish(again).await?,
                (published, _) => published?,
            };
            self.count(&published);
        }
        self.gaps_published = self.gaps.len();
        let ended = run.edges.clock.monotonic();
        self.published = Some((ended, ended.saturating_sub(begun)));
        Ok(())
    }

    async fn compare(&mut self, run: &Run, commit: Commit, keys_max: usize) -> Result<(), StreamError> {
        for (table, comparison) in run.edges.destination.compare(commit, keys_max).await?.tables {
            self.compared.entry(table).or_default().add(comparison, keys_max);
        }
        Ok(())
    }

    fn commit(&mut self, run: &Run, checkpoint: Option<Checkpoint>) -> Commit {
        Commit {
            stream: self.stream,
            tables: if planted(Defect::HalfPublished) {
                self.tables[..self.tables.len().div_ceil(2)].to_vec()
            } else {
                self.tables.to_vec()
            },
            scope: self.scope(),
            gone: std::mem::take(&mut self.gone).into_iter().collect(),
            checkpoint: checkpoint.map(|checkpoint| (self.checkpoint_name.clone(), checkpoint)),
            synced_at: run.started_at,
            run: run.number,
            quarantined: std::mem::take(&mut self.quarantined),
            gaps: if self.gaps.len() > self.gaps_published && planted(Defect::GapUnwritten) {
                Vec::new()
            } else {
                self.gaps[self.gaps_published..].to_vec()
            },
            expected: self.expected.clone(),
        }
    }

    /// What the rows that came say about rows that did not.
    fn scope(&self) -> Scope {
        let spared = || {
            let spared = self.normalizer.spared().iter().filter(|_| !planted(Defect::QuarantineSwallowed));
            spared.cloned().collect()
        };
        if self.sweeps() && !planted(Defect::SweepSkipped) {
            Scope::Table { spared: spared() }
        } else if self.publishes_as_it_goes() || self.stream.parent.is_some() || self.normalizer.nameless() {
            Scope::Rows
        } else {
            Scope::Records { spared: spared() }
        }
    }

    /// Whether so much time has passed since the last publish that another is worth its cost.
    pub(super) fn is_due(&self, run: &Run) -> bool {
        self.published.is_none_or(|(ended, took)| {
            run.edges.clock.monotonic().saturating_sub(ended) >= took * (PUBLISH_SHARE - 1)
        })
    }

    /// Where the next run goes on after this one. A read that was not complete leaves that where it was, and so does one that could not tell
    /// what ended, as a record had no key: no event would tell of that again.
    fn final_checkpoint(&self, run: &Run, task: &Task) -> Option<Checkpoint> {
        let ends_unseen = self.whole && !self.sweeps();
        match self.stream.replication {
            Replication::Log | Replication::Daily => self.checkpoint.clone(),
            Replication::Frozen => None,
            Replication::FullTable | Replication::Export
                if (!self.complete || ends_unseen) && !planted(Defect::IncompleteMovesCheckpoint) =>
            {
                None
            }
            Replication::FullTable | Replication::Export if self.whole => {
                Some(self.parking.checkpoint(run.tenant_now()))
            }
            Replication::FullTable | Replication::Export => match task.from {
                // What ended with records that this run could not tell of has to be told again.
                Some(Checkpoint::Full { read_at, applied_at, read_until, .. })
                    if cascades::stays_behind(run, task) =>
                {
                    Some(Checkpoint::Full { read_at, applied_at, behind_log: true, read_until })
                }
                Some(Checkpoint::Full { read_at, read_until, .. }) => {
                    let applied_at = Some(run.tenant_time);
                    Some(Checkpoint::Full { read_at, applied_at, behind_log: false, read_until })
                }
                _ => None,
            },
        }
    }

    fn count(&mut self, published: &Published) {
        for (table, counts) in &published.tables {
            let sum = self.counts.entry(table).or_default();
            sum.inserted += counts.inserted;
            sum.updated += counts.updated;
            sum.deleted += counts.deleted;
            sum.unchanged += counts.unchanged;
            sum.drifted += counts.drifted;
        }
    }
}
