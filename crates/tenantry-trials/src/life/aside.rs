//! What else a process does than one sync: it follows the tenant in rounds, and it verifies.
//!
//! A verification must change nothing, however it ends.

use std::time::Duration;

use tenantry_replication::catalog::{CATALOG, Catalog};
use tenantry_replication::clock::Micros;
use tenantry_replication::destination::{Destination as _, Row};
use tenantry_replication::state::{Checkpoint, State};
use tenantry_replication::sync::{
    Depth, Edges, Follower, Options, Report, SyncError, Verification, round, verify,
};

use super::Life;
use crate::sightings::Sighting;
use crate::trial::Step;
use crate::world::World;

/// Longest time between two rounds.
const REST: Duration = Duration::from_mins(2);

/// Follows the tenant for so many rounds; how the last one ended.
pub(super) async fn follow(
    edges: &Edges,
    catalog: &'static Catalog,
    options: &Options,
    world: &World,
    rounds: u32,
) -> Result<Report, SyncError> {
    let state = edges.destination.state().await?;
    let mut follower =
        Follower::new(edges.source.as_ref(), std::sync::Arc::clone(&edges.clock), catalog, &state);
    let mut left = rounds;
    loop {
        let hints = follower.take();
        let ended = follower.during(round(edges, catalog, options, &hints, false)).await;
        left -= 1;
        let report = ended?;
        if report.is_unfinished() {
            follower.give_back(hints);
        }
        if left == 0 {
            return Ok(report);
        }
        world.saw(Sighting::Followed);
        if follower.wait(REST).await {
            world.saw(Sighting::FeedHeard);
        }
    }
}

/// Everything that a destination keeps of tables and reads.
type Kept = (Vec<(&'static str, Vec<Row>)>, Option<State>);

impl Life<'_> {
    fn kept(&self) -> Kept {
        let memory = self.warehouse.memory();
        let rows = CATALOG.tables().map(|table| (table.name, memory.rows(table.name))).collect();
        (rows, self.world.clock.run(memory.state()).ok())
    }

    /// Moves the times that are on record a year on, as an earlier version noted them whose clock was wrong.
    pub(super) fn note_ahead(&self) {
        const YEAR: Micros = 365 * 86_400 * 1_000_000;
        let memory = self.warehouse.memory();
        let Ok(state) = self.world.clock.run(memory.state()) else { return };
        for (name, checkpoint) in state.checkpoints {
            let Checkpoint::Full { read_at, applied_at, behind_log, read_until } = checkpoint else {
                continue;
            };
            let moved = Checkpoint::Full {
                read_at: read_at + YEAR,
                applied_at: applied_at.map(|at| at + YEAR),
                behind_log,
                read_until: read_until.map(|at| at + YEAR),
            };
            let run = state.checkpoint_runs.get(&name).copied().unwrap_or_default();
            drop(self.world.clock.run(memory.keep(&name, &moved, run, read_at)));
            self.world.saw(Sighting::NotedAhead);
        }
    }

    /// Verifies. None where it is killed.
    pub(super) fn verify(
        &mut self,
        steps: &[Step],
        crash_at: Option<u64>,
        depth: Depth,
    ) -> Option<Result<Verification, SyncError>> {
        let before = self.kept();
        self.world.begin(steps, crash_at, self.after_crash);
        let edges = self.edges();
        edges.source.begin();
        let catalog = crate::catalog::with_pages_of(self.trial.page_size);
        let options = self.options(false, self.log_alone);
        let world = std::sync::Arc::clone(&self.world);
        let stop = || world.fate.struck().is_some();
        let ended = world.clock.run_until(verify(&edges, catalog, &options, depth), stop);
        match &ended {
            Some(Ok(_)) => world.saw(Sighting::Verified),
            Some(Err(error)) => self.keep_secrets(&error.to_string()),
            None => {
                world.trace("killed within a verification");
                world.saw(Sighting::CrashWithinVerify);
                self.restart();
            }
        }
        if self.kept() != before {
            world.violated("I6 idempotent", "a verification changes what it looks at");
        }
        world.overdue();
        ended
    }

    /// After all is equal: a verification compares every table and finds nothing.
    pub(super) fn verify_at_the_end(&mut self) {
        match self.verify(&[], None, Depth::Full) {
            Some(Ok(found)) if found.drifted() > 0 || !found.all_compared() => {
                let of = |table: &&tenantry_replication::sync::Verified| {
                    table.comparison.drifted() > 0 || table.message.is_some()
                };
                let told: Vec<String> =
                    found.tables.iter().filter(of).map(|t| format!("{t:?}")).take(2).collect();
                let found = format!("{} rows drifted: {}", found.drifted(), told.join("; "));
                self.world.violated("I5 verify agrees", found.chars().take(600).collect::<String>());
            }
            Some(Err(error)) => self.world.violated("I5 verify agrees", error.to_string()),
            Some(Ok(_)) | None => {}
        }
    }
}
