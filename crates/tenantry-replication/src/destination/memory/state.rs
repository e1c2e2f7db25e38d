//! What the destination in memory remembers beside its rows: checkpoints, gaps, quarantined records, and what runs did.
//!
//! Writes no row.

use super::{Kept, KeptGap, KeptQuarantine};
use crate::catalog::Table;
use crate::destination::{Commit, TableSummary};
use crate::state::{Quarantine, RunRecord};

impl Kept {
    pub(super) fn keep_state(&mut self, commit: &Commit) {
        let stream = commit.stream.name;
        self.parked.remove(stream);
        if let Some((name, checkpoint)) = &commit.checkpoint {
            self.checkpoints.insert(name.clone(), checkpoint.clone());
            self.checkpoint_runs.insert(name.clone(), commit.run);
        }
        self.gaps.extend(commit.gaps.iter().map(|gap| KeptGap { stream, gap: gap.clone(), run: commit.run }));
        self.keep_quarantined(&commit.quarantined, commit.run);
    }

    pub(super) fn keep_quarantined(&mut self, quarantined: &[Quarantine], run: u64) {
        for quarantine in quarantined {
            let same = (quarantine.table, quarantine.key.clone(), quarantine.reason.clone());
            self.quarantined.insert(same, KeptQuarantine { quarantine: quarantine.clone(), run });
        }
    }

    pub(super) fn summary(&self, table: &'static Table) -> TableSummary {
        let rows = || self.tables.get(table.name).into_iter().flat_map(|stored| stored.rows.values());
        let of_runs = || {
            let lines = |run: &RunRecord| {
                let line = run.tables.iter().find(|line| line.table == table.name).cloned();
                line.map(|line| (run.finished_at, line))
            };
            self.runs.values().filter_map(lines).collect::<Vec<_>>()
        };
        TableSummary {
            table: table.name,
            live: rows().filter(|row| !row.deleted).count() as u64,
            deleted: rows().filter(|row| row.deleted).count() as u64,
            newest: rows().map(|row| row.synced_at).max(),
            last_success: of_runs()
                .into_iter()
                .filter(|(_, line)| line.outcome == "done")
                .map(|(at, _)| at)
                .max(),
            last: of_runs().pop().map(|(_, line)| (line.requests, line.seconds)),
            last_outcome: of_runs().pop().map(|(_, line)| match line.message {
                Some(message) => format!("{}: {message}", line.outcome),
                None => line.outcome,
            }),
        }
    }
}
