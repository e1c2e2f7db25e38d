//! Reads what the log told: while its events pass on their way to their own tables, or by themselves.
//!
//! Writes nothing.

use std::collections::BTreeSet;

use crate::catalog::{Catalog, Origin, Stream};
use crate::clock::Micros;
use crate::defects::{Defect, planted};
use crate::destination::Destination;
use crate::error::DestinationResult;
use crate::source::{Page, Read};

use super::Edges;
use super::changes::Changes;
use super::plan::{LISTS_OVERLAP, LOG_OVERLAP, Unapplied};
use super::replicate::StreamError;

/// Gathers changes from pages of events.
pub(super) struct Collector {
    pub(super) changes: Changes,
    known_are_applied: bool,
    read_since: Micros,
    /// Events from then on are told in any case: the lists that they were applied from may have trailed behind.
    unsettled: Micros,
    /// Whether the log is kept as far back as it was asked for.
    pub(super) reaches_back: bool,
}

impl Collector {
    pub(super) fn new(unapplied: Unapplied) -> Self {
        let Unapplied { since, read_since, known_are_applied } = unapplied;
        let unsettled = if planted(Defect::ListsThoughtSettled) {
            Micros::MAX
        } else {
            since + LOG_OVERLAP - LISTS_OVERLAP
        };
        Self { changes: Changes::default(), known_are_applied, read_since, unsettled, reaches_back: true }
    }

    /// The same, but what the destination holds counts as applied however young it is: for a run that only compares.
    pub(super) fn trusting(self) -> Self {
        Self { unsettled: Micros::MAX, ..self }
    }

    /// Takes in a page, before its events are written.
    pub(super) async fn take(
        &mut self,
        catalog: &Catalog,
        stream: &'static Stream,
        destination: &dyn Destination,
        page: &Page,
    ) -> DestinationResult<()> {
        let id = stream.root().key_columns().next();
        let Some((column, path)) = id.and_then(|column| match column.origin {
            Origin::Field(path) => Some((column.name, path)),
            _ => None,
        }) else {
            return Ok(());
        };
        // One that was not applied by a read, and that no run has written, is news however late it comes.
        let old = Changes::before(catalog, page, path, self.read_since);
        let mut telling = Changes::telling(catalog, page, path);
        telling.retain(|id| !old.contains(id));
        let mut known = BTreeSet::new();
        if self.known_are_applied {
            let settled = Changes::before(catalog, page, path, self.unsettled);
            let asked: BTreeSet<String> = telling.intersection(&settled).cloned().collect();
            let found =
                if asked.is_empty() { Vec::new() } else { destination.find(stream, column, &asked).await? };
            known.extend(found.into_iter().filter_map(|key| key.into_iter().next()));
        }
        if telling.len() > known.len() {
            known.extend(old);
            self.changes.take(catalog, page, path, &known);
        }
        Ok(())
    }
}

/// Reads the log from `since` (by the tenant's clock) for what it tells alone. False where it could not be read to its end.
pub(super) async fn listen(
    edges: &Edges,
    catalog: &Catalog,
    since: Micros,
    collector: &mut Collector,
) -> Result<bool, StreamError> {
    let Some(stream) = catalog.stream(catalog.feed.stream) else { return Ok(false) };
    let read = Read { stream, parents: Vec::new(), from: None, since: Some(since) };
    let mut pages = edges.source.open(read);
    while let Some(page) = pages.next().await? {
        collector.take(catalog, stream, edges.destination.as_ref(), &page).await?;
    }
    Ok(pages.complete() && pages.reaches_back())
}
