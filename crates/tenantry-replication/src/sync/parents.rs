//! Hands the keys of parent records from the stream that read them to the fan-out that waits for them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use futures::channel::oneshot;

use super::Outcome;
use super::plan::Task;

/// Keys of the parent records that a run has read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ParentKeys {
    /// In the order in which they came.
    pub(super) keys: Vec<String>,
    /// Whether these are all that the tenant has.
    pub(super) complete: bool,
}

/// Why there are no keys: what became of the parent stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("what it goes over was not read: {message}")]
pub(super) struct NoParents {
    pub(super) outcome: Outcome,
    pub(super) message: String,
}

/// The keys of a parent stream, or why there are none.
pub(super) type Given = Result<ParentKeys, NoParents>;

/// One place for each fan-out of the run.
pub(super) struct Parents {
    givers: Mutex<BTreeMap<&'static str, Vec<oneshot::Sender<Given>>>>,
    takers: Mutex<BTreeMap<&'static str, oneshot::Receiver<Given>>>,
}

impl Parents {
    /// Places for the fan-outs among these tasks.
    pub(super) fn of(tasks: &[Task]) -> Self {
        let mut givers: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let mut takers = BTreeMap::new();
        for task in tasks {
            if let Some(parent) = &task.stream.parent {
                let (giver, taker) = oneshot::channel();
                givers.entry(parent.stream).or_default().push(giver);
                takers.insert(task.stream.name, taker);
            }
        }
        Self { givers: Mutex::new(givers), takers: Mutex::new(takers) }
    }

    /// Tells the fan-outs over `stream` its keys, or why there are none. Only the first call counts.
    pub(super) fn give(&self, stream: &str, given: &Given) {
        let givers = self.givers.lock().unwrap_or_else(PoisonError::into_inner).remove(stream);
        for giver in givers.unwrap_or_default() {
            // A fan-out that no longer waits has failed for its own reasons.
            let _ = giver.send(given.clone());
        }
    }

    /// Waits for the keys that the fan-out `stream` goes over.
    pub(super) async fn take(&self, stream: &str) -> Given {
        let taker = self.takers.lock().unwrap_or_else(PoisonError::into_inner).remove(stream);
        let nobody = || NoParents { outcome: Outcome::Failed, message: "nobody reads it".to_owned() };
        match taker {
            Some(taker) => taker.await.unwrap_or_else(|_| Err(nobody())),
            None => Err(nobody()),
        }
    }
}
