//! Reads that are not over: their rows in objects below our own folder, and where they stand in the document that names those objects.
//!
//! An object is written before the document names it, and removed after no document names it any more: a crash leaves at most one that
//! nobody knows, which maintenance removes.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;
use deltalake::Path;
use deltalake::logstore::object_store::ObjectStoreExt as _;
use tenantry_replication::catalog::{Stream, Table};
use tenantry_replication::destination::{LeftOut, Parking, Value, staged_schema};
use uuid::Uuid;

use crate::document::{Document, KeptPark};
use crate::engine::Call;
use crate::failure::Attempt;
use crate::ledger::{self, QUARANTINE};
use crate::stage::{Staged, decode, encode};
use crate::{Inner, blocking};

/// Folder of the objects below our own.
pub(crate) const PARKED: &str = "parked";
/// Bytes of rows in one object, about.
const OBJECT_BYTES: usize = 64 << 20;

impl Inner {
    /// Keeps a read with what is staged for it.
    pub(crate) fn park<'a>(&'a self, parking: &'a Parking) -> Call<'a, ()> {
        Box::pin(async move {
            self.check_lease().await?;
            let mut rows = BTreeMap::new();
            if !parking.rows {
                self.stage(|stage| {
                    stage.note_unparked(parking.stream);
                    Ok(())
                })?;
            }
            for table in parking.stream.tables.iter().filter(|_| parking.rows) {
                let staged = self.stage(|stage| Ok(stage.of(table)))?;
                let Some(staged) = staged else { continue };
                rows.insert(table.name.to_owned(), self.park_rows(parking.stream, staged).await?);
            }
            if !parking.quarantined.is_empty() {
                let rows = ledger::of_quarantined(&parking.quarantined, parking.run, parking.synced_at)?;
                self.note(&QUARANTINE, rows).await?;
            }
            let unneeded = self.documents.change(|document| {
                document.check(self.fence())?;
                let kept = KeptPark {
                    parked: parking.parked.clone(),
                    run: parking.run,
                    updated_at: parking.synced_at,
                    rows: rows.clone(),
                };
                let before = document.parked.insert(parking.stream.name.to_owned(), kept);
                let before = before.into_iter().flat_map(|before| before.rows.into_values().flatten());
                let still: BTreeSet<&String> = rows.values().flatten().collect();
                Ok(before.filter(|object| !still.contains(object)).collect::<Vec<_>>())
            });
            let unneeded = unneeded.await?;
            self.remove(unneeded).await;
            Ok(())
        })
    }

    /// Writes rows that are not parked yet to new objects; gives all objects of the table.
    async fn park_rows(&self, stream: &Stream, staged: Staged) -> Attempt<Vec<String>> {
        let mut objects: Vec<String> = Vec::new();
        let (mut rows, mut bytes, table) = (Vec::new(), 0, staged.table);
        for (index, piece) in staged.pieces.iter().enumerate() {
            if let Some(object) = &piece.parked {
                if objects.last() != Some(object) {
                    objects.push(object.clone());
                }
                continue;
            }
            let batch = piece.read()?;
            bytes += batch.get_array_memory_size();
            rows.push(batch);
            let is_last = staged.pieces.get(index + 1).is_none_or(|next| next.parked.is_some());
            if is_last || bytes > OBJECT_BYTES {
                let object = self.park_object(stream, table, std::mem::take(&mut rows)).await?;
                self.stage(|stage| {
                    stage.note_parked(table, index + 1, &object);
                    Ok(())
                })?;
                objects.push(object);
                bytes = 0;
            }
        }
        Ok(objects)
    }

    async fn park_object(&self, stream: &Stream, table: &Table, rows: Vec<RecordBatch>) -> Attempt<String> {
        let name = format!("{}-{}.parquet", table.name, Uuid::new_v4());
        let object = Path::from_iter([self.tables.state.as_str(), PARKED, stream.name, name.as_str()]);
        let bytes = blocking(move || encode(&rows)).await?;
        self.store.put(&object, bytes.into()).await?;
        Ok(object.to_string())
    }

    /// Stages what is parked for a stream; false where there is nothing, or where its rows have not the columns of now.
    pub(crate) fn resume<'a>(
        &'a self,
        stream: &'static Stream,
        left_out: Option<&'a LeftOut>,
    ) -> Call<'a, bool> {
        Box::pin(async move {
            self.stage(|stage| Ok(stage.take(stream)))?;
            let document = self.documents.read().await?.unwrap_or_default();
            let Some(kept) = document.parked.get(stream.name) else { return Ok(false) };
            let mut read = Vec::new();
            for (name, objects) in &kept.rows {
                let Some(table) = stream.table(name) else { return Ok(false) };
                for object in objects {
                    let bytes = self.store.get(&Path::parse(object)?).await?.bytes().await?;
                    let rows = blocking(move || decode(bytes)).await?;
                    if *rows.schema() != *staged_schema(table) {
                        return Ok(false);
                    }
                    read.push((table, rows, object.clone()));
                }
            }
            for (table, rows, object) in read {
                let kept = without(stream, table, &rows, left_out)?;
                // What lost a row is not what is parked any more: it is parked anew.
                let parked = (kept.num_rows() == rows.num_rows()).then_some(object);
                self.stage(|stage| stage.restage(table, kept, parked))?;
            }
            Ok(true)
        })
    }

    /// Forgets what is parked for a stream.
    pub(crate) fn forget_parked<'a>(&'a self, stream: &'static Stream) -> Call<'a, ()> {
        Box::pin(async move {
            let forget = |document: &mut Document| {
                document.check(self.fence())?;
                let parked = document.parked.remove(stream.name);
                Ok(parked.into_iter().flat_map(|parked| parked.rows.into_values().flatten()).collect())
            };
            let parked: Vec<String> = self.documents.change(forget).await?;
            self.remove(parked).await;
            Ok(())
        })
    }

    /// Removes objects that nothing names any more. What cannot be removed now is removed by maintenance.
    pub(crate) async fn remove(&self, objects: Vec<String>) {
        for object in objects {
            if let Ok(path) = Path::parse(&object) {
                self.store.delete(&path).await.ok();
            }
        }
    }
}

/// Rows but those of records that are left out.
fn without(
    stream: &'static Stream,
    table: &'static Table,
    rows: &RecordBatch,
    left_out: Option<&LeftOut>,
) -> Attempt<RecordBatch> {
    let column = left_out.and_then(|left_out| Some((left_out.column_of(stream, table)?, left_out)));
    let array = column.and_then(|(column, left_out)| Some((rows.column_by_name(column)?, left_out)));
    let Some((array, left_out)) = array else { return Ok(rows.clone()) };
    let is_kept = |row: usize| {
        let value = Value::at(array, row);
        Some(value.is_none_or(|value| !left_out.values.contains(&value.key_text())))
    };
    let kept: BooleanArray = (0..rows.num_rows()).map(is_kept).collect();
    Ok(filter_record_batch(rows, &kept)?)
}
