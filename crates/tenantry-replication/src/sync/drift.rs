//! Which changes a full read was bound to find, where the log was followed all along: what else it corrects has drifted.
//!
//! Only says what was to be expected; the destination counts. Measures nothing where the log says that anything may have changed, or where
//! changes have no events.

use crate::destination::Expected;
use crate::state::Checkpoint;

use super::Run;
use super::collect::{Collector, listen};
use super::plan::{self, LOG_OVERLAP, Reach, Task, Unapplied};
use super::replicate::{Reading, StreamError};

/// The changes that what was read is bound to show; `None` where drift is not measured.
///
/// The log is asked once more for what happened since this run read it: a list that was read later may show that too.
pub(super) async fn expected(
    run: &Run,
    task: &Task,
    reading: &Reading<'_>,
) -> Result<Option<Expected>, StreamError> {
    let was_followed = matches!(task.from, Some(Checkpoint::Full { .. }));
    let is_due = was_followed && task.reach == Reach::Whole && reading.sweeps() && !task.tables.is_empty();
    let Some(told) = run.told.as_ref().filter(|_| is_due) else { return Ok(None) };
    if plan::expected(run.catalog, task, told).anything {
        return Ok(None);
    }
    let since = run.tenant_time - LOG_OVERLAP;
    let mut later = Collector::new(Unapplied { since, read_since: since, known_are_applied: false });
    match listen(&run.edges, run.catalog, since, &mut later).await {
        Ok(true) => {}
        // Not knowing what changed, nothing is measured; that is no reason to fail.
        Ok(false) | Err(StreamError::Source(_)) => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut told = told.clone();
    told.extend(later.changes);
    Ok(Some(plan::expected(run.catalog, task, &told)))
}
