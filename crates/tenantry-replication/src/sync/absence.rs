//! Decides what the absence of a key means: only what the tenant confirms, or a complete second read repeats, is soft-deleted.
//!
//! A list that is read in pages can miss a live record while others come and go, and search indexes trail behind. So a key that a
//! complete read did not hold is asked for by itself where the API can answer that, and else the list is read once more. A file has no end
//! that shows: where one of its absent keys is still there, it was short, and is read again as well.

use std::collections::BTreeSet;

use crate::catalog::{Paging, Replication, Stream};
use crate::defects::{Defect, planted};
use crate::destination::Key;

use super::replicate::{Reading, StreamError};
use super::{Run, plan::Task};

/// Absent keys that are confirmed one by one; more than that and a second read of the list costs less.
pub(super) const CONFIRMED_ONE_BY_ONE_MAX: usize = 50;

/// How the absence of root keys is confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Confirmation {
    /// By asking for each key.
    ByKey,
    /// By reading the list once more.
    BySecondRead,
    /// By asking for some of the keys.
    BySample,
    /// Not needed: one answer, or a walk that does not shift, holds everything.
    None,
}

/// Confirms what `reading` found absent: stages what is still there.
pub(super) async fn confirm(run: &Run, task: &Task, reading: &mut Reading<'_>) -> Result<(), StreamError> {
    let is_export = task.stream.replication == Replication::Export;
    if reading.again && !is_export || planted(Defect::AbsenceUnconfirmed) {
        // An earlier run has read the list to its end, and this one has read it once more.
        return Ok(());
    }
    let absent = run.edges.destination.absent(task.stream, CONFIRMED_ONE_BY_ONE_MAX + 1).await?;
    match confirmation(task.stream, &absent) {
        Confirmation::None => Ok(()),
        Confirmation::BySecondRead => {
            reading.again = true;
            reading.read_all(run, task).await
        }
        Confirmation::ByKey | Confirmation::BySample => {
            let absent = absent.iter().take(CONFIRMED_ONE_BY_ONE_MAX);
            // Those that an earlier run has asked for are known to be gone.
            let keys = absent.filter(|key| !reading.gone.contains(*key));
            let keys: BTreeSet<String> = keys.filter_map(|key| key.first().cloned()).collect();
            reading.look_at(run, &keys).await?;
            let stay = keys.into_iter().filter(|key| !reading.gone.contains(&vec![key.clone()])).collect();
            if is_export { make_up(run, task, reading, stay).await } else { Ok(()) }
        }
    }
}

/// Reads an export once more that did not hold these records, although they are there: it was short, and of others too perhaps that no table
/// holds yet. One that is short again counts as not complete.
async fn make_up(
    run: &Run,
    task: &Task,
    reading: &mut Reading<'_>,
    stay: BTreeSet<String>,
) -> Result<(), StreamError> {
    if stay.is_empty() {
        return Ok(());
    }
    // They are staged: what comes from here on is of the second file.
    reading.stage(run, true).await?;
    reading.awaited = stay;
    reading.read_all(run, task).await?;
    reading.stage(run, true).await?;
    if !reading.awaited.is_empty() {
        reading.came_short();
    }
    Ok(())
}

fn confirmation(stream: &Stream, absent: &[Key]) -> Confirmation {
    let Some(endpoint) = stream.endpoint.as_ref().filter(|_| !absent.is_empty()) else {
        return Confirmation::None;
    };
    let by_key = endpoint.record_path.is_some() && stream.root().key.len() == 1;
    match (by_key, endpoint.paging) {
        (true, _) if absent.len() <= CONFIRMED_ONE_BY_ONE_MAX => Confirmation::ByKey,
        // An export is one snapshot, not a walk over shifting pages.
        (true, _) if stream.replication == Replication::Export => Confirmation::BySample,
        (_, Paging::Offset) | (true, Paging::Checkpoint | Paging::CountedCheckpoint) => {
            Confirmation::BySecondRead
        }
        (_, Paging::None | Paging::Checkpoint | Paging::CountedCheckpoint | Paging::LogCheckpoint) => {
            Confirmation::None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::CATALOG;

    #[test]
    fn absence_is_confirmed_as_the_api_allows() {
        let keys = |count: usize| (0..count).map(|key| vec![key.to_string()]).collect::<Vec<_>>();
        let check = |stream: &str, count, expected| {
            let stream = CATALOG.stream(stream).unwrap();
            assert_eq!(confirmation(stream, &keys(count)), expected, "{} {count}", stream.name);
        };
        check("clients", 0, Confirmation::None);
        check("clients", 3, Confirmation::ByKey);
        check("clients", CONFIRMED_ONE_BY_ONE_MAX + 1, Confirmation::BySecondRead);
        check("users", 3, Confirmation::ByKey);
        check("users", CONFIRMED_ONE_BY_ONE_MAX + 1, Confirmation::BySample);
        check("grants", 1, Confirmation::BySecondRead);
        check("action_triggers", 1, Confirmation::None);
        check("organization_members", 1, Confirmation::None);
    }
}
