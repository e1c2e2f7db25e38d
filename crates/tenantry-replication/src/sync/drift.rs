//! Which changes a full read was bound to find, where the log was followed all along: what else it corrects has drifted.
//!
//! Only says what was to be expected; the destination counts. Measures nothing where the log says that anything may have changed, or where
//! changes have no events.

use tokio::sync::Mutex;

use crate::clock::Micros;
use crate::destination::Expected;
use crate::state::Checkpoint;

use super::Run;
use super::changes::Changes;
use super::collect::{Collector, listen};
use super::plan::{self, LOG_OVERLAP, Reach, Task, Unapplied};
use super::replicate::{Reading, StreamError};

/// What the log told after this run read it, as far as it was asked so far. Lists ask one after the other, each from where the one before
/// it came to: a long run of many lists reads its own time once, and not once for each.
#[derive(Debug)]
pub(super) struct Later(Mutex<Heard>);

#[derive(Debug)]
struct Heard {
    told: Changes,
    /// By the tenant's clock.
    until: Micros,
}

impl Later {
    /// Of a run that began at `tenant_time`.
    pub(super) fn new(tenant_time: Micros) -> Self {
        Self(Mutex::new(Heard { told: Changes::default(), until: tenant_time }))
    }
}

impl Heard {
    /// Where the log is asked from: events from before may have become readable late.
    fn since(&self) -> Micros {
        self.until - LOG_OVERLAP
    }

    /// Takes in what was told to the question that was asked when the tenant's clock showed `asked_at`.
    fn take(&mut self, told: Changes, asked_at: Option<Micros>) {
        self.told.extend(told);
        self.until = asked_at.map_or(self.until, |at| at.max(self.until));
    }
}

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
    let mut heard = run.later.0.lock().await;
    let (since, asked_at) = (heard.since(), run.edges.source.now());
    let mut later = Collector::new(Unapplied { since, read_since: since, known_are_applied: false });
    match listen(&run.edges, run.catalog, since, &mut later).await {
        Ok(true) => {}
        // Not knowing what changed, nothing is measured; that is no reason to fail.
        Ok(false) | Err(StreamError::Source(_)) => return Ok(None),
        Err(error) => return Err(error),
    }
    heard.take(later.changes, asked_at);
    let mut told = told.clone();
    told.extend(heard.told.clone());
    Ok(Some(plan::expected(run.catalog, task, &told)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::MICROS_PER_SECOND;

    #[test]
    fn each_list_hears_the_log_from_where_the_one_before_it_came_to() {
        let seconds = |count: i64| count * MICROS_PER_SECOND;
        let mut heard = Heard { told: Changes::default(), until: seconds(1_000) };
        assert_eq!(heard.since(), seconds(1_000) - LOG_OVERLAP);
        let told = Changes { unknown: true, ..Changes::default() };
        heard.take(told.clone(), Some(seconds(5_000)));
        assert_eq!(heard.since(), seconds(5_000) - LOG_OVERLAP);
        // One out of a cache tells an earlier time, and where none is told all is heard again.
        for asked_at in [Some(seconds(2_000)), None] {
            heard.take(Changes::default(), asked_at);
            assert_eq!(heard.since(), seconds(5_000) - LOG_OVERLAP);
        }
        assert_eq!(heard.told, told, "what the lists before heard counts for those after them");
    }
}
