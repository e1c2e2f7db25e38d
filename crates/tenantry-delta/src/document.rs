//! What a later run must know, as one small document that is replaced as a whole: tenant, lease, checkpoints, parked reads.
//!
//! Its versions are numbered objects. A new one is only ever created where none of its number is (`If-None-Match: *`), so that of two
//! writers one is told, and what the one that lost wrote stands nowhere. The lease is in the same object as the checkpoints: who has
//! lost the one can move none of the others. Not a Delta table, since that would cost several requests for each change and nobody
//! asks this for anything but its last version.

use std::collections::BTreeMap;
use std::sync::Arc;

use deltalake::logstore::object_store::{ObjectStoreExt as _, PutMode, PutOptions};
use deltalake::{ObjectStore, ObjectStoreError, Path};
use futures::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use tenantry_replication::clock::Micros;
use tenantry_replication::destination::{Holder, Lease, check_lease};
use tenantry_replication::error::DestinationErrorKind;
use tenantry_replication::state::{Checkpoint, Parked, State};
use uuid::Uuid;

use crate::failure::{Attempt, Failure};

/// Version of the layout below. A document with a higher one was written by a newer version of this tool.
const LAYOUT: u64 = 1;
/// Times that a change is tried against others who change at the same time.
const ATTEMPTS_MAX: usize = 30;
/// Versions that are left standing behind the last one, so that a late writer can see whether its own counts.
const KEPT_BEHIND: u64 = 32;

/// The document.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Document {
    layout: u64,
    /// Names the write that made this version.
    #[serde(default)]
    write: String,
    /// The write that made the version before.
    #[serde(default)]
    after: String,
    #[serde(default)]
    pub(crate) tenant: Option<String>,
    #[serde(default)]
    lease: Option<KeptLease>,
    #[serde(default)]
    pub(crate) checkpoints: BTreeMap<String, KeptCheckpoint>,
    /// By stream.
    #[serde(default)]
    pub(crate) parked: BTreeMap<String, KeptPark>,
    #[serde(default)]
    pub(crate) last_run: u64,
}

/// A checkpoint as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeptCheckpoint {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) run: u64,
    pub(crate) updated_at: Micros,
}

/// A parked read as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeptPark {
    pub(crate) parked: Parked,
    pub(crate) run: u64,
    pub(crate) updated_at: Micros,
    /// Objects with its rows by table, in the order in which they were staged.
    #[serde(default)]
    pub(crate) rows: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct KeptLease {
    token: u64,
    holder: String,
    place: Option<String>,
    process: u32,
    until: Option<Micros>,
}

impl Document {
    /// The last lease that was given.
    pub(crate) fn lease(&self) -> Option<Lease> {
        let kept = self.lease.clone()?;
        let holder = Holder { name: kept.holder, place: kept.place, process: kept.process };
        Some(Lease { token: kept.token, holder, until: kept.until })
    }

    pub(crate) fn set_lease(&mut self, lease: &Lease) {
        let Holder { name, place, process } = lease.holder.clone();
        self.lease = Some(KeptLease { token: lease.token, holder: name, place, process, until: lease.until });
    }

    /// Refuses where another lease than this one was given. Without a lease nobody is kept from writing.
    pub(crate) fn check(&self, fence: Option<u64>) -> Attempt<()> {
        Ok(fence.map_or(Ok(()), |token| check_lease(token, self.lease().as_ref()))?)
    }

    pub(crate) fn layout(&self) -> u64 {
        self.layout
    }

    pub(crate) fn state(&self) -> State {
        let checkpoints = self.checkpoints.iter();
        State {
            checkpoints: checkpoints
                .clone()
                .map(|(name, kept)| (name.clone(), kept.checkpoint.clone()))
                .collect(),
            checkpoint_runs: checkpoints.map(|(name, kept)| (name.clone(), kept.run)).collect(),
            parked: self.parked.iter().map(|(stream, kept)| (stream.clone(), kept.parked.clone())).collect(),
            last_run: self.last_run,
        }
    }
}

/// The versions of the document.
#[derive(Debug)]
pub(crate) struct Documents {
    store: Arc<dyn ObjectStore>,
    folder: Path,
}

impl Documents {
    /// The document below the folder of what is ours.
    pub(crate) fn new(store: Arc<dyn ObjectStore>, state: &str) -> Self {
        Self { store, folder: Path::from_iter([state, "state"]) }
    }

    /// The last version; `None` before the first.
    pub(crate) async fn read(&self) -> Attempt<Option<Document>> {
        Ok(self.last().await?.map(|(_, document)| document))
    }

    /// Changes the document, again and again until nobody else has changed it in between. Gives what `change` gave. Where it changes
    /// nothing, nothing is written.
    pub(crate) async fn change<T>(&self, change: impl Fn(&mut Document) -> Attempt<T>) -> Attempt<T> {
        for _ in 0..ATTEMPTS_MAX {
            let (number, before) = self.last().await?.unwrap_or_default();
            let mut document = Document { layout: LAYOUT, ..before.clone() };
            let given = change(&mut document)?;
            if document == before || self.write(number + 1, document).await? {
                return Ok(given);
            }
        }
        Err(Failure::conflict("the state"))
    }

    async fn last(&self) -> Attempt<Option<(u64, Document)>> {
        for _ in 0..ATTEMPTS_MAX {
            let Some(number) = self.numbers().await?.into_iter().max() else { return Ok(None) };
            match self.store.get(&self.object(number)).await {
                Ok(object) => return Ok(Some((number, read(&object.bytes().await?)?))),
                // Two newer ones came in between.
                Err(ObjectStoreError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Failure::conflict("the state"))
    }

    /// Writes a version; false where another has one of this number, or a later one.
    async fn write(&self, number: u64, mut document: Document) -> Attempt<bool> {
        document.after = std::mem::replace(&mut document.write, Uuid::new_v4().to_string());
        let json = serde_json::to_vec(&document)
            .map_err(|error| Failure::failed(format!("the state cannot be written down: {error}")))?;
        let only_new = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let put = self.store.put_opts(&self.object(number), json.into(), only_new).await;
        if let Err(error) = put {
            // The answer may have been lost, or be that to a repeated request of ours: what stands there tells.
            let stands = self.version(number).await.ok().flatten();
            match stands {
                Some(stands) if stands.write == document.write => {}
                Some(_) => return Ok(false),
                None => return Err(error.into()),
            }
        }
        let numbers = self.numbers().await?;
        if numbers.iter().any(|other| *other > number) {
            return self.counts(number, &document).await;
        }
        for old in numbers.into_iter().filter(|old| old + KEPT_BEHIND < number) {
            // What cannot be removed now is removed next time.
            self.store.delete(&self.object(old)).await.ok();
        }
        Ok(true)
    }

    /// Whether a write counts that has others of higher numbers beside it: where the next was made from it. Otherwise its number was
    /// free only because it had been let go of while the writer slept.
    async fn counts(&self, number: u64, document: &Document) -> Attempt<bool> {
        let Some(next) = self.version(number + 1).await? else {
            return Err(Failure::failed("what became of a change of the state cannot be told any more"));
        };
        if next.after != document.write {
            self.store.delete(&self.object(number)).await.ok();
        }
        Ok(next.after == document.write)
    }

    async fn version(&self, number: u64) -> Attempt<Option<Document>> {
        match self.store.get(&self.object(number)).await {
            Ok(object) => read(&object.bytes().await?).map(Some),
            Err(ObjectStoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn numbers(&self) -> Attempt<Vec<u64>> {
        let objects: Vec<_> = self.store.list(Some(&self.folder)).try_collect().await?;
        let number = |path: &Path| path.filename()?.strip_suffix(".json")?.parse().ok();
        Ok(objects.iter().filter_map(|object| number(&object.location)).collect())
    }

    fn object(&self, number: u64) -> Path {
        self.folder.clone().join(format!("{number:020}.json"))
    }
}

/// Reads a version; refuses one of a newer tool before it looks at the rest.
fn read(json: &[u8]) -> Attempt<Document> {
    #[derive(Deserialize)]
    struct Layout {
        layout: u64,
    }
    let newer = |message: String| Failure::new(DestinationErrorKind::Newer, message);
    let unreadable = |error: serde_json::Error| newer(format!("the state cannot be read: {error}"));
    let Layout { layout } = serde_json::from_slice(json).map_err(unreadable)?;
    if layout > LAYOUT {
        return Err(newer(format!(
            "it was written by a newer version of this tool (layout {layout}, known up to {LAYOUT}): upgrade, or use another place"
        )));
    }
    serde_json::from_slice(json).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use deltalake::logstore::object_store::memory::InMemory;

    use super::*;

    fn documents() -> Documents {
        Documents::new(Arc::new(InMemory::new()), "_tenantry")
    }

    async fn add_run(documents: &Documents) -> u64 {
        let add = |document: &mut Document| {
            document.last_run += 1;
            Ok(document.last_run)
        };
        documents.change(add).await.unwrap()
    }

    #[tokio::test]
    async fn no_change_of_two_writers_is_lost() {
        let one = documents();
        let other = Documents { store: Arc::clone(&one.store), folder: one.folder.clone() };
        for _ in 0..20 {
            tokio::join!(add_run(&one), add_run(&other));
        }
        assert_eq!(one.read().await.unwrap().unwrap().last_run, 40);
        assert!(one.numbers().await.unwrap().len() as u64 <= KEPT_BEHIND + 1, "old versions go");
    }

    #[tokio::test]
    async fn who_slept_while_its_number_was_let_go_of_changes_nothing() {
        let documents = documents();
        add_run(&documents).await;
        let (number, read) = documents.last().await.unwrap().unwrap();
        for _ in 0..50 {
            add_run(&documents).await;
        }
        let late = Document { last_run: 1000, ..read };
        assert!(documents.write(number + 1, late).await.is_err(), "it is told that it cannot be known");
        assert_eq!(documents.read().await.unwrap().unwrap().last_run, 51);
    }

    #[tokio::test]
    async fn who_writes_on_an_old_version_is_refused() {
        let documents = documents();
        add_run(&documents).await;
        let (number, read) = documents.last().await.unwrap().unwrap();
        add_run(&documents).await;
        assert!(!documents.write(number + 1, Document { last_run: 1000, ..read }).await.unwrap());
        assert_eq!(documents.read().await.unwrap().unwrap().last_run, 2);
    }

    #[tokio::test]
    async fn a_newer_layout_is_refused() {
        let documents = documents();
        let json = serde_json::json!({ "layout": LAYOUT + 1, "unheard": "of" }).to_string();
        documents.store.put(&documents.object(1), json.into()).await.unwrap();
        assert_eq!(documents.read().await.unwrap_err().kind, DestinationErrorKind::Newer);
    }
}
