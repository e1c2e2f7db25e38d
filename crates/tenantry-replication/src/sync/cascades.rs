//! What ends with a record of another stream, and has no event of its own: marked from what the destination holds.

use std::collections::BTreeSet;

use crate::destination::{Commit, Scope};
use crate::error::DestinationResult;

use super::plan::{Action, Reach, Task};
use super::report::StreamReport;
use super::{Outcome, PoisonError, Run};

/// Follows the records that ended in this run into the streams that depend on them. A stream that was read whole has seen it itself.
pub(super) async fn follow(run: &Run, tasks: &[Task], reports: &mut [StreamReport]) -> DestinationResult<()> {
    if !run.follows_log {
        return Ok(());
    }
    let ended = run.ended.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for cascade in run.catalog.feed.cascades {
        let Some(keys) = ended.get(cascade.of).filter(|keys| !keys.is_empty()) else { continue };
        let dependent =
            tasks.iter().find(|task| task.stream.name == cascade.stream && task.action == Action::Read);
        let Some(task) = dependent.filter(|task| task.reach != Reach::Whole && !task.tables.is_empty())
        else {
            continue;
        };
        let Some(report) = reports.iter_mut().find(|report| report.stream.name == cascade.stream) else {
            continue;
        };
        if report.outcome == Outcome::Done {
            end(run, task, cascade.column, keys, report).await?;
        }
    }
    Ok(())
}

async fn end(
    run: &Run,
    task: &Task,
    column: &'static str,
    values: &BTreeSet<String>,
    report: &mut StreamReport,
) -> DestinationResult<()> {
    let gone = run.edges.destination.find(task.stream, column, values).await?;
    if gone.is_empty() {
        return Ok(());
    }
    let commit = Commit {
        stream: task.stream,
        tables: task.tables.clone(),
        scope: Scope::Rows,
        gone,
        checkpoint: None,
        synced_at: run.started_at,
        run: run.number,
        quarantined: Vec::new(),
        gaps: Vec::new(),
        expected: None,
    };
    let published = run.edges.destination.publish(commit).await?;
    for (table, counts) in &published.tables {
        report.counts.entry(table).or_default().deleted += counts.deleted;
    }
    Ok(())
}
