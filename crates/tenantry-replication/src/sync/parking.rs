//! Keeps a read of a whole stream while it is under way, so that a run that is killed or stopped costs no page twice.
//!
//! Decides when to park and how to go on; parks no read that is narrowed to what the log told, as those are cheap, and none that publishes
//! as it goes.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::catalog::Origin;
use crate::clock::Micros;
use crate::defects::{Defect, planted};
use crate::destination::{self, LeftOut};
use crate::normalize::Normalizer;
use crate::source::{Page, Pages, Position, Read};
use crate::state::{Checkpoint, Parked};

use super::Run;
use super::replicate::{Reading, StreamError};

/// A read spends at most one part in this many of its time on parking.
const PARK_SHARE: u32 = 10;
/// What the first park of a read is thought to take: lists that are read in a moment are not parked at all.
const PARK_ASSUMED: Duration = Duration::from_millis(15);

/// What of a read is parked.
pub(super) struct Parking {
    /// The read of an earlier run that this one goes on with, until it is taken up.
    earlier: Option<Parked>,
    /// When the read began, by the tenant's clock.
    begun_at: Micros,
    behind_log: bool,
    /// Parents that rows of a fan-out have come for.
    pub(super) children_of: BTreeSet<String>,
    /// Where the read was broken off, or ended.
    pub(super) stands_at: Option<Position>,
    /// The position that is parked.
    parked_at: Option<String>,
    /// When this read was last parked, and how long that took.
    last: Option<(Duration, Duration)>,
}

impl Parking {
    pub(super) fn new(earlier: Option<Parked>, now: Micros, behind_log: bool) -> Self {
        Self {
            earlier,
            begun_at: now,
            behind_log,
            children_of: BTreeSet::new(),
            stands_at: None,
            parked_at: None,
            last: None,
        }
    }

    /// The checkpoint that the read ends in, its last page having come before now.
    pub(super) fn checkpoint(&self, now: Micros) -> Checkpoint {
        Checkpoint::Full {
            read_at: self.begun_at,
            applied_at: None,
            behind_log: self.behind_log,
            read_until: Some(now),
        }
    }
}

impl Reading<'_> {
    /// Opens a read: goes on with the parked one where there is one that can.
    pub(super) async fn open(&mut self, run: &Run, read: Read) -> Result<Box<dyn Pages>, StreamError> {
        let begun = run.edges.clock.monotonic();
        self.parking.last = self.parking.last.or(Some((begun, PARK_ASSUMED)));
        let Some(parked) = self.parking.earlier.take() else { return Ok(run.edges.source.open(read)) };
        let of_now: BTreeSet<&String> = read.parents.iter().collect();
        let lost: BTreeSet<String> =
            parked.children_of.iter().filter(|parent| !of_now.contains(parent)).cloned().collect();
        let pages = run.edges.source.resume(read.clone(), &parked.position);
        if let Some(pages) = pages
            && run.edges.destination.resume(self.stream, self.left_out(lost.clone())).await?
        {
            self.take_up(parked, &lost);
            return Ok(pages);
        }
        run.edges.destination.discard(self.stream).await?;
        Ok(run.edges.source.open(read))
    }

    /// Children of parents that have gone since are not what the tenant holds.
    fn left_out(&self, lost: BTreeSet<String>) -> Option<LeftOut> {
        let column = self.stream.root().columns.iter().find(|column| column.origin == Origin::Parent)?;
        (!lost.is_empty()).then_some(LeftOut { column: column.name, values: lost })
    }

    fn take_up(&mut self, parked: Parked, lost: &BTreeSet<String>) {
        let root = self.stream.root();
        let of_parent = root.key_columns().position(|column| column.origin == Origin::Parent);
        let is_lost =
            |key: &Vec<String>| of_parent.and_then(|at| key.get(at)).is_some_and(|key| lost.contains(key));
        let spared = parked.spared.into_iter().filter(|key| !is_lost(key)).collect();
        self.normalizer.resume(parked.pages, spared, parked.nameless);
        self.gone = parked.gone;
        self.again = parked.again;
        if let Some(parents) = &mut self.parent_keys {
            parents.keys = parked.parents;
        }
        if !planted(Defect::ResumedReadIsFresh) {
            self.parking.begun_at = parked.begun_at;
            // Events of the time since may have been written by the runs between.
            self.parking.behind_log = true;
        }
        self.parking.children_of = parked.children_of;
        self.parking.parked_at = Some(parked.position);
    }

    /// Whether the read is parked after this page.
    pub(super) fn parks(&self, run: &Run, page: &Page) -> bool {
        let is_due = self.parking.last.is_none_or(|(ended, took)| {
            run.edges.clock.monotonic().saturating_sub(ended) >= took * (PARK_SHARE - 1)
        });
        let is_kept = self.whole && !self.publishes_as_it_goes() && run.compares.is_none();
        is_kept && (is_due || page.body.is_empty())
    }

    /// Parks the read as it stands. One that has ended is parked only where it is `last`: else its publish is about to come.
    pub(super) async fn park(
        &mut self,
        run: &Run,
        position: Option<Position>,
        last: bool,
    ) -> Result<(), StreamError> {
        let unless_kept =
            |at: &Position| at.keeps_rows || last || self.parking.parked_at.as_ref() != Some(&at.text);
        let Some(position) = position.filter(unless_kept).filter(|at| last || !at.ended) else {
            return Ok(());
        };
        if position.keeps_rows {
            self.stage(run, true).await?;
        }
        let begun = run.edges.clock.monotonic();
        let parking = destination::Parking {
            stream: self.stream,
            parked: self.parked(&position),
            rows: position.keeps_rows,
            quarantined: std::mem::take(&mut self.quarantined),
            synced_at: run.started_at,
            run: run.number,
        };
        run.edges.destination.park(parking).await?;
        let ended = run.edges.clock.monotonic();
        self.parking.last = Some((ended, ended.saturating_sub(begun)));
        self.parking.parked_at = Some(position.text);
        Ok(())
    }

    fn parked(&self, position: &Position) -> Parked {
        // Where the rows are not kept, what they told comes again with them.
        let normalizer = Some(&self.normalizer).filter(|_| position.keeps_rows);
        let parents = self.parent_keys.as_ref().filter(|_| position.keeps_rows);
        Parked {
            checkpoint: self.checkpoint_name.clone(),
            position: position.text.clone(),
            begun_at: self.parking.begun_at,
            pages: normalizer.map_or(0, Normalizer::pages),
            spared: normalizer.map(|normalizer| normalizer.spared().clone()).unwrap_or_default(),
            nameless: normalizer.is_some_and(Normalizer::nameless),
            gone: self.gone.clone(),
            again: self.again,
            parents: parents.map(|parents| parents.keys.clone()).unwrap_or_default(),
            children_of: self.parking.children_of.clone(),
        }
    }

    /// After a failure that a later run goes on from: keeps what came, and forgets what is staged.
    pub(super) async fn break_off(&mut self, run: &Run) -> Result<(), StreamError> {
        if self.publishes_as_it_goes() {
            return self.publish_taken(run).await;
        }
        let position = self.parking.stands_at.take();
        // Nothing came that would be lost.
        let is_worth = |at: &Position| self.normalizer.pages() > 0 || self.again || !at.keeps_rows;
        self.park(run, position.filter(is_worth), true).await?;
        Ok(run.edges.destination.unstage(self.stream).await?)
    }
}
