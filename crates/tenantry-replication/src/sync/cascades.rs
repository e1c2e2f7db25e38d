//! What ends with a record of another stream, and has no event of its own: found in what the destination holds.
//!
//! Reads nothing of the tenant. A stream that depends on others waits until they are read, and publishes what ended with their records
//! together with its own rows and checkpoint: a run that is killed in between leaves nothing half done.

use std::collections::BTreeSet;

use crate::catalog::feed::Cascade;
use crate::catalog::{Catalog, Stream};
use crate::defects::{Defect, planted};
use crate::destination::Key;
use crate::error::DestinationResult;

use super::plan::{Reach, Task};
use super::{PoisonError, Run};

/// Whether records of the stream end with those of others, and it is not read whole: then it would see that by itself.
pub(super) fn depends(catalog: &Catalog, task: &Task) -> bool {
    task.reach != Reach::Whole && of(catalog, task.stream).next().is_some()
}

fn of(catalog: &Catalog, stream: &Stream) -> impl Iterator<Item = &'static Cascade> {
    let cascades = catalog.feed.cascades.iter();
    cascades.filter(move |cascade| cascade.stream == stream.name)
}

/// Whether the log must tell once more what it told: of records that those of this stream depend on, where this run could not bring
/// them up to date. Nothing would tell of their end afterwards, should they end before they were ever read.
pub(super) fn stays_behind(run: &Run, task: &Task) -> bool {
    let Some(told) = &run.told else { return false };
    let unfinished = run.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
    of(run.catalog, task.stream).any(|cascade| {
        let told = told.of(run.catalog, cascade.of);
        unfinished.contains(cascade.of) && (told.anything || !told.records.is_empty())
    })
}

/// Keys that the log told of in a stream that others depend on.
pub(super) fn told(run: &Run, task: &Task) -> BTreeSet<String> {
    let is_cause = run.catalog.feed.cascades.iter().any(|cascade| cascade.of == task.stream.name);
    let told = run.told.as_ref().filter(|_| is_cause);
    told.map(|told| told.of(run.catalog, task.stream.name).records).unwrap_or_default()
}

/// Root keys of the stream that ended with records of others in this run: of rows that the destination holds, and of those that `came` all
/// the same, as far as their keys tell.
pub(super) async fn gone(run: &Run, task: &Task, came: &BTreeSet<Key>) -> DestinationResult<BTreeSet<Key>> {
    let mut gone = BTreeSet::new();
    if !depends(run.catalog, task) || planted(Defect::CascadeDropped) {
        return Ok(gone);
    }
    let ended = run.ended.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for cascade in of(run.catalog, task.stream) {
        let Some(keys) = ended.get(cascade.of).filter(|keys| !keys.is_empty()) else { continue };
        gone.extend(run.edges.destination.find(task.stream, cascade.column, keys).await?);
        if let Some(at) = task.stream.root().key.iter().position(|column| *column == cascade.column) {
            gone.extend(came.iter().filter(|key| keys.contains(&key[at])).cloned());
        }
    }
    Ok(gone)
}
