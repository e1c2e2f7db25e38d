//! What to do for each stream of a run: pure decisions from catalog, selection, scopes and checkpoints.

use crate::catalog::{Catalog, Replication, Stream};
use crate::source::Access;
use crate::state::{Checkpoint, State};

use super::{Options, Outcome};

/// What a run does for one stream.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Task {
    pub(super) stream: &'static Stream,
    /// The stream's tables that are written; none for a parent that is read for its fan-out alone.
    pub(super) tables: Vec<&'static str>,
    pub(super) action: Action,
    /// Where the last run stopped, for streams that go on from there.
    pub(super) from: Option<Checkpoint>,
    /// Whether a fan-out waits for this stream's keys.
    pub(super) is_parent: bool,
}

impl PartialEq for Stream {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// Whether a stream is read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    /// Read it.
    Read,
    /// Leave its tables as they are, and say why.
    Leave { outcome: Outcome, message: Option<String> },
}

/// One task for each stream that a selected table needs, in catalog order.
pub(super) fn tasks(catalog: &'static Catalog, options: &Options, access: &Access, state: &State) -> Vec<Task> {
    let selected = |stream: &Stream| stream.tables.iter().any(|table| options.tables.contains(table.name));
    let needed_by_fan_out = |stream: &Stream| {
        catalog.streams.iter().any(|other| selected(other) && other.parent.as_ref().is_some_and(|parent| parent.stream == stream.name))
    };
    catalog
        .streams
        .iter()
        .filter(|stream| selected(stream) || needed_by_fan_out(stream))
        .map(|stream| Task {
            stream,
            tables: stream.tables.iter().map(|table| table.name).filter(|name| options.tables.contains(name)).collect(),
            action: action(stream, access),
            from: if options.full { None } else { resume(stream, state) },
            is_parent: needed_by_fan_out(stream),
        })
        .collect()
}

fn action(stream: &Stream, access: &Access) -> Action {
    let Some(endpoint) = &stream.endpoint else { return Action::Leave { outcome: Outcome::Frozen, message: None } };
    match &access.scopes {
        Some(granted) if !granted.iter().any(|scope| scope == endpoint.scope) => {
            Action::Leave { outcome: Outcome::Skipped, message: Some(missing_scope(endpoint.scope)) }
        }
        _ => Action::Read,
    }
}

/// What the report says of a table whose scope the token lacks.
pub(super) fn missing_scope(scope: &str) -> String {
    format!("the token lacks `{scope}`")
}

/// The checkpoint to go on from, for streams that do not read everything each time.
fn resume(stream: &Stream, state: &State) -> Option<Checkpoint> {
    match stream.replication {
        Replication::Log | Replication::Daily => state.checkpoints.get(stream.name).cloned(),
        Replication::FullTable | Replication::Export | Replication::Frozen => None,
    }
}
