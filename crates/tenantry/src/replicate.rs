//! One run of the engine with a terminal in front of it: progress, signals, and the report.
//!
//! `sync`, `run` and `demo` share it; neither the engine nor the edges know of it.

use std::sync::Arc;
use std::time::Duration;

use tenantry_replication::catalog::CATALOG;
use tenantry_replication::clock::{Clock, Micros};
use tenantry_replication::destination::Destination;
use tenantry_replication::source::Source;
use tenantry_replication::state::RunRecord;
use tenantry_replication::sync::{
    Depth, Edges, Event, Forecast, Hints, Observer, Options, Report, Verification, forecast, round, sync,
    verify,
};

use crate::error::{CommandError, Exit};
use crate::lease::Keeper;
use crate::signals::Signals;
use crate::terminal;
use crate::terminal::progress::Progress;

/// How long a run that was told to stop may take to note that down.
const FAREWELL: Duration = Duration::from_millis(1500);

/// What is noted down of a run that could not begin, or not go on.
const FAILED: &str = "failed";

/// How long a run may say nothing before the first event.
const SILENCE: Duration = Duration::from_secs(5);

/// What a run is between.
pub(crate) struct Ends {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) destination: Arc<dyn Destination>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Whether somebody watches how far it is.
    pub(crate) watched: bool,
}

/// Shows nothing.
struct Unwatched;

impl Observer for Unwatched {
    fn event(&self, _: &Event) {}
}

/// Runs the engine until it is done or a signal comes. Nobody else writes to the destination meanwhile.
pub(crate) async fn replicate(
    ends: &Ends,
    options: &Options,
    keeper: &Keeper,
) -> Result<Report, CommandError> {
    under_lease(ends, keeper, None, async |edges| Ok(sync(edges, &CATALOG, options).await?)).await
}

/// The same with somebody else who wants to know how far it is.
pub(crate) async fn replicate_for(
    ends: &Ends,
    options: &Options,
    keeper: &Keeper,
    observer: Arc<dyn Observer>,
) -> Result<Report, CommandError> {
    under_lease(ends, keeper, Some(observer), async |edges| Ok(sync(edges, &CATALOG, options).await?)).await
}

/// The same for one round of following.
pub(crate) async fn replicate_round(
    ends: &Ends,
    options: &Options,
    keeper: &Keeper,
    hints: &Hints,
    on_record: bool,
) -> Result<Report, CommandError> {
    let work = async |edges: &Edges| Ok(round(edges, &CATALOG, options, hints, on_record).await?);
    under_lease(ends, keeper, None, work).await
}

/// Does work that writes, under the lease.
async fn under_lease(
    ends: &Ends,
    keeper: &Keeper,
    observer: Option<Arc<dyn Observer>>,
    work: impl AsyncFnOnce(&Edges) -> Result<Report, CommandError>,
) -> Result<Report, CommandError> {
    let started_at = ends.clock.now();
    let destination = ends.destination.as_ref();
    let kept = async |edges: &Edges| {
        keeper.take(destination).await?;
        tokio::select! {
            report = work(edges) => report,
            Err(lost) = keeper.prolong(destination) => Err(lost),
        }
    };
    let ended = match until_signal(ends, observer, kept).await {
        Ok(Some(report)) => Ok(report),
        Ok(None) => return Err(interrupted(ends, started_at, keeper).await),
        Err(error) => {
            // Without the lease, what happened here is nobody's business there.
            if keeper.has_lease() {
                note(ends, started_at, FAILED).await;
            }
            Err(error)
        }
    };
    if !keeper.stays() {
        keeper.release(destination).await;
    }
    ended
}

/// Reckons what a run would take, until that is done or a signal comes.
pub(crate) async fn reckon(ends: &Ends, options: &Options) -> Result<Forecast, CommandError> {
    let work = async |edges: &Edges| Ok(forecast(edges, &CATALOG, options).await?);
    let reckoned = until_signal(ends, None, work).await?;
    reckoned.ok_or_else(|| CommandError::new(Exit::Interrupted, "interrupted; nothing was changed"))
}

/// Compares the tables with the tenant until that is done or a signal comes.
pub(crate) async fn compare(
    ends: &Ends,
    options: &Options,
    depth: Depth,
) -> Result<Verification, CommandError> {
    compare_with(ends, options, depth, None).await
}

/// The same with somebody else who wants to know how far it is.
pub(crate) async fn compare_for(
    ends: &Ends,
    options: &Options,
    depth: Depth,
    observer: Arc<dyn Observer>,
) -> Result<Verification, CommandError> {
    compare_with(ends, options, depth, Some(observer)).await
}

async fn compare_with(
    ends: &Ends,
    options: &Options,
    depth: Depth,
    observer: Option<Arc<dyn Observer>>,
) -> Result<Verification, CommandError> {
    let work = async |edges: &Edges| Ok(verify(edges, &CATALOG, options, depth).await?);
    let found = until_signal(ends, observer, work).await?;
    found.ok_or_else(|| CommandError::new(Exit::Interrupted, "interrupted; nothing was changed"))
}

/// Does `work` with a progress display, or with another observer; `None` where a signal came first.
async fn until_signal<T>(
    ends: &Ends,
    observer: Option<Arc<dyn Observer>>,
    work: impl AsyncFnOnce(&Edges) -> Result<T, CommandError>,
) -> Result<Option<T>, CommandError> {
    let signals = Signals::listen()?;
    let progress = Arc::new(Progress::new(Arc::clone(&ends.clock), terminal::can_redraw()));
    let edges = Edges {
        source: Arc::clone(&ends.source),
        destination: Arc::clone(&ends.destination),
        clock: Arc::clone(&ends.clock),
        observer: match observer {
            Some(observer) => observer,
            None if ends.watched => Arc::clone(&progress) as _,
            None => Arc::new(Unwatched),
        },
    };
    let say_if_slow = async {
        ends.clock.sleep(SILENCE).await;
        if ends.watched && progress.is_silent() {
            terminal::message("still waiting for the tenant's first answer");
        }
        std::future::pending::<()>().await;
    };
    let outcome = tokio::select! {
        outcome = work(&edges) => Some(outcome),
        () = signals.first() => None,
        () = say_if_slow => None,
    };
    progress.clear();
    outcome.transpose()
}

/// Notes down a run that came to no report, as far as the destination takes it.
async fn note(ends: &Ends, started_at: Micros, outcome: &str) {
    if let Ok(state) = ends.destination.state().await {
        let run = RunRecord {
            run: state.next_run(),
            started_at,
            finished_at: ends.clock.now(),
            outcome: outcome.to_owned(),
            requests: ends.source.requests(),
            tables: Vec::new(),
        };
        // Where it does not, the error that ended the run says more.
        drop(ends.destination.record(&run).await);
    }
}

/// What was published stays, with its checkpoints; what was staged is forgotten. Notes the run down if that is quickly done.
async fn interrupted(ends: &Ends, started_at: Micros, keeper: &Keeper) -> CommandError {
    let farewell = async {
        note(ends, started_at, Exit::Interrupted.word()).await;
        keeper.release(ends.destination.as_ref()).await;
    };
    tokio::select! {
        () = farewell => {}
        () = ends.clock.sleep(FAREWELL) => {}
    }
    CommandError::new(Exit::Interrupted, "interrupted; what was published stays")
        .hint("run the same command again: it goes on from there")
}
