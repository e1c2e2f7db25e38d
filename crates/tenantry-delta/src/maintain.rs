//! Keeps the tables quick to read and small: joins small files, lets go of versions that nobody can need any more, and of objects that a
//! crash left behind. Changes no row.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use deltalake::operations::vacuum::VacuumMode;
use deltalake::{DeltaTable, Path};
use futures::TryStreamExt as _;
use tenantry_replication::catalog::Catalog;
use tenantry_replication::destination::{Maintained, Maintenance};

use crate::Inner;
use crate::engine::Call;
use crate::failure::{Attempt, Failure};
use crate::ledger::LEDGERS;
use crate::park::PARKED;
use crate::rewrite::MERGING;
use crate::write::properties;

/// Times that the notes of a removal are tried against others who write.
const ATTEMPTS_MAX: usize = 5;

impl Inner {
    /// Puts every table in order; files that only versions older than `keep` need are removed.
    pub(crate) fn maintain<'a>(&'a self, catalog: &'static Catalog, keep: Duration) -> Call<'a, Maintenance> {
        Box::pin(async move {
            let _turn = self.turn.lock().await;
            let replicated = catalog.tables().map(|table| (self.tables.schema.as_str(), table.name));
            let ours = LEDGERS.iter().map(|ledger| (self.tables.state.as_str(), ledger.name));
            let mut maintenance = Maintenance::default();
            for (schema, name) in replicated.chain(ours) {
                self.check_lease().await?;
                if let Some(stored) = self.tables.find(schema, name).await? {
                    let (joined, removed) = self.put_in_order(stored, keep).await?;
                    let table = format!("{schema}.{name}");
                    maintenance.tables.push(Maintained { table, joined: joined.0, into: joined.1, removed });
                }
            }
            maintenance.left_behind = self.remove_left_behind().await?;
            Ok(maintenance)
        })
    }

    /// Gives how many files were joined into how many, and how many were removed.
    async fn put_in_order(&self, stored: DeltaTable, keep: Duration) -> Attempt<((u64, u64), u64)> {
        let (stored, joined) = stored
            .clone()
            .optimize()
            .with_session_state(Arc::new(self.engine.state()))
            .with_commit_properties(properties(&stored, self.fence()).await?)
            .await?;
        let keep = chrono::Duration::from_std(keep).map_err(|_| Failure::failed("the time is too long"))?;
        let (_, removed) = stored
            .clone()
            .vacuum()
            .with_mode(VacuumMode::Full)
            .with_retention_period(keep)
            .with_enforce_retention_duration(false)
            // It notes its beginning and its end in commits of their own.
            .with_commit_properties(properties(&stored, self.fence()).await?.with_max_retries(ATTEMPTS_MAX))
            .await?;
        Ok(((joined.num_files_removed, joined.num_files_added), removed.files_deleted.len() as u64))
    }

    /// Removes objects with parked rows that the document does not name, and changes that are on their way to nowhere: nobody parks or
    /// merges under another lease.
    async fn remove_left_behind(&self) -> Attempt<u64> {
        let folder = |name| Path::from_iter([self.tables.state.as_str(), name]);
        let mut objects: Vec<_> = self.store.list(Some(&folder(PARKED))).try_collect().await?;
        objects.extend(self.store.list(Some(&folder(MERGING))).try_collect::<Vec<_>>().await?);
        let document = self.documents.read().await?.unwrap_or_default();
        document.check(self.fence())?;
        let named: BTreeSet<&String> =
            document.parked.values().flat_map(|parked| parked.rows.values().flatten()).collect();
        let left = objects.into_iter().map(|object| object.location.to_string());
        let left: Vec<String> = left.filter(|object| !named.contains(object)).collect();
        let count = left.len() as u64;
        self.remove(left).await;
        Ok(count)
    }
}
