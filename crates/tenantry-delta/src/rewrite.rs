//! A merge whose files another engine writes: it reads the files that can hold a changed row, puts the changes in their place, and writes
//! new files beside them. The commit that takes the old ones out and the new ones in is ours, so that what holds for every commit of ours
//! holds for this one too (docs/decisions/0022-merge-with.md).
//!
//! What came back is not believed: a file has to have the table's columns, and all together as many rows as those that were read.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema};
use bytes::Bytes;
use deltalake::datafusion::logical_expr::{SortExpr, lit};
use deltalake::datafusion::prelude::DataFrame;
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake::kernel::{Action, Add};
use deltalake::logstore::object_store::{ObjectMeta, ObjectStoreExt as _};
use deltalake::parquet::arrow::async_reader::MetadataFetch;
use deltalake::parquet::arrow::parquet_to_arrow_schema;
use deltalake::parquet::errors::{ParquetError, Result as ParquetResult};
use deltalake::parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use deltalake::protocol::DeltaOperation;
use deltalake::{DeltaTable, DeltaTableError, ObjectStore, Path};
use futures::future::BoxFuture;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tenantry_replication::catalog::{Table, Type, system};
use uuid::Uuid;

use crate::blocking;
use crate::changes::{CHANGE, Changes, NEW, SWEPT, WRITTEN};
use crate::engine::Engine;
use crate::failure::{Attempt, Failure};
use crate::narrow::name;
use crate::place::{Place, below};
use crate::range::Range;
use crate::spark::{Server, Session};
use crate::stage::encode;
use crate::statistics;
use crate::write::in_table_order;

/// Folder of changes on their way, below our own.
pub(crate) const MERGING: &str = "merging";
/// How the folders of written files begin, below a table.
const MERGED: &str = "merged-";
/// Bytes of stored files that one statement rewrites, about. Bounds the memory that it takes, and the range of keys that its files span.
const PART_BYTES: i64 = 128 << 20;
/// Statements at work at the same time.
const AT_ONCE: usize = 4;
/// Bytes of changes in one file, about.
const OBJECT_BYTES: usize = 16 << 20;
/// Bytes at the end of a file that are read at once, for what it says of itself.
const FOOTER_BYTES: usize = 64 << 10;
/// How stored and changed rows of a part are called in its statement, with its number.
const STORED: &str = "stored_";
const SOURCE: &str = "source_";

/// Has files rewritten by a server.
pub(crate) struct Rewriter {
    server: Server,
    place: Place,
    store: Arc<dyn ObjectStore>,
    /// Folder of the tables, and our own.
    schema: String,
    state: String,
}

/// Stored files that are rewritten together, with the changes for them.
struct Part {
    files: Vec<File>,
    keys: Range,
    changes: Objects,
}

/// A stored file.
struct File {
    path: String,
    size: i64,
    rows: i64,
    keys: Range,
    removed: Action,
}

/// A new file.
struct New {
    add: Add,
    rows: i64,
}

/// Files that are being written.
struct Objects {
    folder: Path,
    waiting: Vec<RecordBatch>,
    bytes: usize,
    written: Vec<Path>,
}

/// Whether the files of a table can be rewritten so. Those of a partition lack its column, and of a file with a deletion vector not all
/// rows count.
pub(crate) fn can_rewrite(stored: &DeltaTable) -> bool {
    stored.snapshot().is_ok_and(|snapshot| {
        let mut files = snapshot.log_data().into_iter();
        snapshot.metadata().partition_columns().is_empty()
            && files.all(|file| file.deletion_vector_descriptor().is_none())
    })
}

impl Rewriter {
    pub(crate) fn new(
        server: Server,
        place: Place,
        store: Arc<dyn ObjectStore>,
        schema: String,
        state: String,
    ) -> Self {
        Self { server, place, store, schema, state }
    }

    /// Merges changes into a table that stands as it was read.
    pub(crate) async fn merge(
        &self,
        engine: &Engine,
        stored: &DeltaTable,
        table: &'static Table,
        changes: &Arc<Changes>,
        properties: CommitProperties,
    ) -> Attempt<Result<(), DeltaTableError>> {
        let id = Uuid::new_v4().to_string();
        let staged = Path::from_iter([self.state.as_str(), MERGING, id.as_str()]);
        let written = Path::from_iter([self.schema.as_str(), table.name]).join(format!("{MERGED}{id}"));
        let made =
            Making { rewriter: self, engine, stored, table, changes, staged: &staged, written: &written };
        let actions = made.actions().await;
        self.remove(&staged).await;
        let actions = match actions {
            Ok(actions) => actions,
            Err(failure) => {
                self.remove(&written).await;
                return Err(failure);
            }
        };
        let operation = DeltaOperation::Merge {
            predicate: None,
            merge_predicate: None,
            matched_predicates: Vec::new(),
            not_matched_predicates: Vec::new(),
            not_matched_by_source_predicates: Vec::new(),
        };
        let commit = CommitBuilder::from(properties).with_actions(actions);
        // Files of a commit whose fate is not known stay: maintenance removes those that no version names.
        Ok(commit.build(Some(stored.snapshot()?.snapshot()), stored.log_store(), operation).await.map(drop))
    }

    /// Removes what is below a folder. What cannot be removed now is removed by maintenance.
    async fn remove(&self, folder: &Path) {
        let found: Result<Vec<_>, _> = self.store.list(Some(folder)).try_collect().await;
        for object in found.unwrap_or_default() {
            self.store.delete(&object.location).await.ok();
        }
    }
}

/// One merge on its way.
struct Making<'a> {
    rewriter: &'a Rewriter,
    engine: &'a Engine,
    stored: &'a DeltaTable,
    table: &'static Table,
    changes: &'a Arc<Changes>,
    /// Folder of the changes.
    staged: &'a Path,
    /// Folder of the new files.
    written: &'a Path,
}

impl Making<'_> {
    /// Has new files written; gives what the commit is to say of them and of those that they take the place of.
    async fn actions(&self) -> Attempt<Vec<Action>> {
        let mut parts = self.parts()?;
        self.hand_out(&mut parts).await?;
        let session = Session::begin(&self.rewriter.server).await?;
        let rewrite = |(number, part)| self.rewrite(&session, number, part);
        let statements: Vec<_> = parts.iter().enumerate().map(rewrite).collect();
        let rewritten = stream::iter(statements).buffer_unordered(AT_ONCE).try_collect::<Vec<_>>().await;
        session.end().await;
        let mut added = rewritten?;
        added.push(self.insert().await?);
        let removed = parts.into_iter().flat_map(|part| part.files).map(|file| file.removed);
        let added = added.into_iter().flatten().map(Action::Add);
        Ok(removed.chain(added).collect())
    }

    /// Stored files that can hold a changed row, in parts that lie beside each other by their keys.
    fn parts(&self) -> Attempt<Vec<Part>> {
        let keys = self.changed_keys()?;
        let mut files = Vec::new();
        for file in self.stored.snapshot()?.log_data() {
            let (range, rows) = statistics::told(file.stats().as_deref(), self.first_key());
            if keys.as_ref().is_none_or(|keys| range.holds_any_of(keys)) {
                let rows = rows.ok_or_else(|| {
                    Failure::failed(
                        "a stored file does not say how many rows it has: let the process merge it",
                    )
                })?;
                let removed = Action::Remove(file.remove_action(true));
                files.push(File {
                    path: file.path().into_owned(),
                    size: file.size(),
                    rows,
                    keys: range,
                    removed,
                });
            }
        }
        files.sort_by(|one, other| one.keys.smallest().cmp(&other.keys.smallest()));
        let mut parts: Vec<Part> = Vec::new();
        for file in files {
            let fits = |part: &&mut Part| part.bytes() + file.size <= PART_BYTES;
            if let Some(part) = parts.last_mut().filter(fits) {
                part.add(file);
            } else {
                let folder = self.staged.clone().join(parts.len().to_string());
                let keys = file.keys.clone();
                parts.push(Part { keys, files: vec![file], changes: Objects::new(folder) });
            }
        }
        Ok(parts)
    }

    /// The first column of the key, where rows can be told apart by its texts.
    fn first_key(&self) -> Option<&'static str> {
        self.table.key_columns().next().filter(|column| column.kind == Type::String).map(|column| column.name)
    }

    /// Keys of changed rows in order, NULL first; `None` where they are not texts.
    fn changed_keys(&self) -> Attempt<Option<Vec<Option<String>>>> {
        let Some(first) = self.first_key() else { return Ok(None) };
        let mut keys = Vec::new();
        self.changes.texts(first, |text| keys.push(text.map(str::to_owned)))?;
        keys.sort_unstable();
        keys.dedup();
        Ok(Some(keys))
    }

    /// Changed rows in the order of their keys.
    fn rows(&self) -> Attempt<DataFrame> {
        let rows = self.engine.session().read_table(self.changes.provider()?)?;
        let order: Vec<SortExpr> = self.table.key.iter().map(|key| name(key).sort(true, true)).collect();
        Ok(rows.sort(order)?)
    }

    /// Writes each part's changes to files of its own.
    async fn hand_out(&self, parts: &mut [Part]) -> Attempt<()> {
        let changed = self.rows()?.filter(name(CHANGE).not_eq(lit(NEW)))?;
        let mut rows = changed.execute_stream().await?;
        while let Some(batch) = rows.try_next().await? {
            for part in &mut *parts {
                let of_part = part.keys.of(&batch, self.first_key())?;
                part.changes.add(of_part);
                part.changes.flush(&*self.rewriter.store, OBJECT_BYTES).await?;
            }
        }
        for part in parts {
            part.changes.flush(&*self.rewriter.store, 0).await?;
        }
        Ok(())
    }

    /// Writes new rows to files of their own, which needs nobody else.
    async fn insert(&self) -> Attempt<Vec<Add>> {
        let new = self.rows()?.filter(name(CHANGE).eq(lit(NEW)))?;
        let mut rows = in_table_order(self.stored, new)?.execute_stream().await?;
        let folder = self.written.clone().join("new");
        let mut objects = Objects::new(folder.clone());
        while let Some(batch) = rows.try_next().await? {
            objects.add(batch);
            objects.flush(&*self.rewriter.store, OBJECT_BYTES * 4).await?;
        }
        objects.flush(&*self.rewriter.store, 0).await?;
        Ok(self.files_below(&folder).await?.into_iter().map(|file| file.add).collect())
    }

    /// Has the server write a part anew; gives what the log is told of the new files.
    async fn rewrite(&self, session: &Session<'_>, number: usize, part: &Part) -> Attempt<Vec<Add>> {
        let place = &self.rewriter.place;
        let changes = part.changes.written.iter().map(|path| place.object(path)).collect::<Attempt<_>>()?;
        let stored = part.files.iter().map(|file| self.url(&file.path)).collect::<Attempt<_>>()?;
        session.call(&format!("{SOURCE}{number}"), changes, None).await?;
        // Files from before a column was added have it not.
        let schema = serde_json::to_string(self.stored.snapshot()?.schema().as_ref())
            .map_err(|error| Failure::failed(error.to_string()))?;
        session.call(&format!("{STORED}{number}"), stored, Some(schema)).await?;
        let folder = self.written.clone().join(number.to_string());
        session.write(self.statement(number)?, place.object(&folder)?).await?;
        let files = self.files_below(&folder).await?;
        let came: i64 = files.iter().map(|file| file.rows).sum();
        let wanted: i64 = part.files.iter().map(|file| file.rows).sum();
        if came != wanted {
            let message =
                format!("the server wrote {came} rows where {wanted} are stored; nothing was committed");
            return Err(Failure::failed(message));
        }
        Ok(files.into_iter().map(|file| file.add).collect())
    }

    /// The rows of a part with its changes, as a query. It has the names of columns in it, and no value.
    fn statement(&self, number: usize) -> Attempt<String> {
        let quoted = |name: &str| format!("`{}`", name.replace('`', "``"));
        let schema = self.stored.snapshot()?.snapshot().arrow_schema();
        let column = |name: &str| {
            let column = quoted(name);
            let stored = format!("stored.{column}");
            let Some(known) = self.table.columns.iter().find(|known| known.name == name) else {
                // A column of the user's own.
                return format!("{stored} AS {column}");
            };
            let swept = match known.name {
                system::DELETED => format!(" WHEN {SWEPT} THEN true"),
                system::SYNCED => format!(" WHEN {SWEPT} THEN source.{column}"),
                _ => String::new(),
            };
            let change = quoted(CHANGE);
            format!(
                "CASE source.{change} WHEN {WRITTEN} THEN source.{column}{swept} ELSE {stored} END AS {column}"
            )
        };
        let columns: Vec<String> = schema.fields().iter().map(|field| column(field.name())).collect();
        let key: Vec<String> = self.table.key.iter().map(|key| quoted(key)).collect();
        let same: Vec<String> = key.iter().map(|key| format!("source.{key} <=> stored.{key}")).collect();
        Ok(format!(
            "SELECT {} FROM {SOURCE}{number} AS source RIGHT JOIN {STORED}{number} AS stored ON {} SORT BY {}",
            columns.join(", "),
            same.join(" AND "),
            key.join(", "),
        ))
    }

    /// Address of a file of the table.
    fn url(&self, path: &str) -> Attempt<String> {
        Ok(below(self.stored.table_url(), path.split('/'))?.to_string())
    }

    /// The files below a folder of the table.
    async fn files_below(&self, folder: &Path) -> Attempt<Vec<New>> {
        let objects: Vec<_> = self.rewriter.store.list(Some(folder)).try_collect().await?;
        let mut files = Vec::new();
        for object in &objects {
            let name = object.location.filename().unwrap_or_default();
            if name.ends_with(".parquet") && !name.starts_with(['_', '.']) {
                files.push(self.look_at(object).await?);
            }
        }
        Ok(files)
    }

    /// What the log is told of a new file. Refuses one that has not the columns of the table.
    async fn look_at(&self, object: &ObjectMeta) -> Attempt<New> {
        let footer = Footer { store: &*self.rewriter.store, file: &object.location };
        let reader = ParquetMetaDataReader::new().with_prefetch_hint(Some(FOOTER_BYTES));
        let metadata: ParquetMetaData = reader.load_and_finish(footer, object.size).await?;
        let snapshot = self.stored.snapshot()?;
        let told = |schema: &Schema| -> Vec<(String, DataType)> {
            schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect()
        };
        let schema = parquet_to_arrow_schema(metadata.file_metadata().schema_descr(), None)?;
        if told(&schema) != told(&snapshot.snapshot().arrow_schema()) {
            let message = "the server wrote other columns than those of the table; nothing was committed";
            return Err(Failure::failed(message));
        }
        let indexed = snapshot.metadata().configuration().get("delta.dataSkippingStatsColumns");
        let indexed: Vec<&str> =
            indexed.map(|names| names.split(',').map(str::trim).collect()).unwrap_or_default();
        // Below the table, whose folder is two deep.
        let path: Path = object.location.parts().skip(2).collect();
        let add = Add {
            path: path.to_string(),
            size: i64::try_from(object.size).unwrap_or(i64::MAX),
            modification_time: object.last_modified.timestamp_millis(),
            data_change: true,
            stats: Some(statistics::of(&metadata, &indexed).to_string()),
            ..Add::default()
        };
        Ok(New { add, rows: metadata.file_metadata().num_rows() })
    }
}

/// The end of a file.
struct Footer<'a> {
    store: &'a dyn ObjectStore,
    file: &'a Path,
}

impl MetadataFetch for Footer<'_> {
    fn fetch(&mut self, range: std::ops::Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        let (store, file) = (self.store, self.file);
        Box::pin(async move {
            store.get_range(file, range).await.map_err(|error| ParquetError::External(Box::new(error)))
        })
    }
}

impl Part {
    fn bytes(&self) -> i64 {
        self.files.iter().map(|file| file.size).sum()
    }

    fn add(&mut self, file: File) {
        self.keys.widen(&file.keys);
        self.files.push(file);
    }
}

impl Objects {
    fn new(folder: Path) -> Self {
        Self { folder, waiting: Vec::new(), bytes: 0, written: Vec::new() }
    }

    fn add(&mut self, batch: RecordBatch) {
        if batch.num_rows() > 0 {
            self.bytes += batch.get_array_memory_size();
            self.waiting.push(batch);
        }
    }

    /// Writes what waits where it is more than so many bytes.
    async fn flush(&mut self, store: &dyn ObjectStore, more_than: usize) -> Attempt<()> {
        if self.waiting.is_empty() || self.bytes < more_than {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.waiting);
        self.bytes = 0;
        let bytes = blocking(move || encode(&rows)).await?;
        let path = self.folder.clone().join(format!("{}.parquet", self.written.len()));
        store.put(&path, bytes.into()).await?;
        self.written.push(path);
        Ok(())
    }
}
