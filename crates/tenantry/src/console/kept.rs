//! What pages show at once: figures of the whole destination, made once after each run and kept until the next.
//!
//! A page never counts ten million rows; it shows what was counted, and says as of when.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tenantry_replication::catalog::CATALOG;
use tenantry_replication::clock::{MICROS_PER_SECOND, Micros};
use tenantry_replication::destination::{Losses, TableSummary};
use tenantry_replication::error::DestinationResult;
use tenantry_replication::source::auth0::read_until;
use tenantry_replication::state::RunRecord;

use super::Console;
use super::insight::Answers;

/// Runs that are kept for pages.
pub(super) const RUNS: usize = 100;
/// Losses of each kind that are kept for pages.
const LOSSES: usize = 20;
/// Answers are asked for again after so long, also where no run has changed anything: what is counted up to now moves on.
const ASKED_AGAIN: Micros = 15 * 60 * MICROS_PER_SECOND;
/// How long after a failure the figures are made again.
const AGAIN: Duration = Duration::from_secs(2);

/// The figures of now.
#[derive(Default)]
pub(super) struct Kept(RwLock<Option<Arc<Figures>>>);

/// Figures of one moment.
pub(super) struct Figures {
    /// When they were made.
    pub(super) at: Micros,
    /// One for each table, in catalog order.
    pub(super) tables: Vec<TableSummary>,
    /// The last runs, newest first.
    pub(super) runs: Vec<RunRecord>,
    pub(super) losses: Losses,
    /// Up to when the log was read.
    pub(super) read_until: Option<Micros>,
    /// Whether the aggregates are those of these figures.
    pub(super) has_aggregates: bool,
    /// Answers as of these figures, or of older ones that no run has changed anything since.
    pub(super) answers: Arc<Answers>,
    /// What counts as now for these answers.
    pub(super) asked_at: Micros,
}

impl Figures {
    /// The line of a table.
    pub(super) fn table(&self, name: &str) -> Option<&TableSummary> {
        self.tables.iter().find(|table| table.table == name)
    }

    /// What tells whether the log has grown: its rows, and when the newest was written.
    fn log(&self) -> Option<(u64, Option<Micros>)> {
        let log = CATALOG.stream(CATALOG.feed.stream)?.root();
        self.table(log.name).map(|line| (line.live, line.newest))
    }

    /// What tells whether any row of any table is another one.
    fn rows(&self) -> Vec<(u64, u64, Option<Micros>)> {
        self.tables.iter().map(|table| (table.live, table.deleted, table.newest)).collect()
    }

    /// Rows that the tenant still has, in all tables.
    pub(super) fn live(&self) -> u64 {
        self.tables.iter().map(|table| table.live).sum()
    }
}

impl Console {
    /// The figures of now; made now where there are none yet.
    pub(super) async fn figures(&self) -> DestinationResult<Arc<Figures>> {
        match self.kept.get() {
            Some(figures) => Ok(figures),
            None => self.renew().await,
        }
    }

    /// Makes the figures anew, in haste: the aggregates follow.
    async fn renew(&self) -> DestinationResult<Arc<Figures>> {
        let figures = Arc::new(self.count(false).await?);
        self.kept.put(&figures);
        Ok(figures)
    }

    async fn count(&self, has_aggregates: bool) -> DestinationResult<Figures> {
        let at = self.clock.now();
        Ok(Figures {
            at,
            tables: self.reader.summarize(&CATALOG).await?,
            runs: self.reader.runs(RUNS).await?,
            losses: self.reader.losses(LOSSES).await?,
            read_until: self.reader.state().await?.checkpoints.values().filter_map(read_until).max(),
            has_aggregates,
            answers: Arc::default(),
            asked_at: at,
        })
    }

    /// Makes figures and aggregates anew; pages go on with the old ones until both are there. Aggregates of a log that has not grown stay.
    async fn renew_all(&self) -> DestinationResult<Arc<Figures>> {
        let before = self.figures().await?;
        let mut figures = self.count(false).await?;
        if !(before.has_aggregates && before.log() == figures.log()) {
            self.aggregate().await?;
        }
        figures.has_aggregates = true;
        let is_young = figures.at.saturating_sub(before.asked_at) < ASKED_AGAIN;
        if before.has_aggregates && is_young && before.rows() == figures.rows() {
            (figures.answers, figures.asked_at) = (Arc::clone(&before.answers), before.asked_at);
        }
        let figures = Arc::new(figures);
        self.kept.put(&figures);
        Ok(figures)
    }

    /// Makes the figures anew after each run, for as long as the console is served.
    pub(super) async fn keep_up(self: Arc<Self>) {
        let mut ended = self.live.ended();
        loop {
            ended.mark_unchanged();
            match self.renew_all().await {
                Ok(figures) => {
                    self.live.tell_figures();
                    self.prepare(&figures).await;
                    if ended.changed().await.is_err() {
                        return;
                    }
                }
                // Pages say what is wrong when they need them.
                Err(_) => self.clock.sleep(AGAIN).await,
            }
        }
    }
}

impl Kept {
    fn put(&self, figures: &Arc<Figures>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(figures));
    }

    fn get(&self) -> Option<Arc<Figures>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
