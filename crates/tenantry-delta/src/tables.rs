//! The tables: opened, created, widened and described, never narrowed.
//!
//! Keeps to reader version 1 and writer version 2 of the protocol, which every reader knows.

use std::collections::HashMap;

use deltalake::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake::kernel::{Action, DataType, MetadataExt as _, MetadataValue, StructField, StructType};
use deltalake::operations::create::CreateBuilder;
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::{DeltaTable, DeltaTableError};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tenantry_replication::catalog::{Catalog, Replication, Stream, Table, Text, Type, system};
use tenantry_replication::error::DestinationErrorKind;
use tokio::sync::Mutex;

use crate::engine::Call;
use crate::failure::{Attempt, Failure};
use crate::ledger;
use crate::place::{Place, STATE};
use crate::record::Record;

/// Partition column of a log's root table.
const DAY: &str = "_day";
const DAY_ABOUT: Text = Text {
    en: "Day of the event (UTC), which the files are sorted into.",
    ja: "イベントの日付 (UTC、パーティション列)",
};
/// Metadata of a column that readers show as its description.
const COMMENT: &str = "comment";
/// Bytes of a file of a table whose rows change: what a change of one row rewrites, at most.
const FILE_BYTES: u64 = 32 << 20;

/// Tables that are looked at, or created, at the same time.
const AT_ONCE: usize = 8;

/// A column that rows are partitioned by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Day {
    pub(crate) name: &'static str,
    /// The column whose day it is.
    pub(crate) of: &'static str,
}

impl Day {
    /// The partition of a table: the root of a log goes by the day of its events.
    fn of(stream: &Stream, table: &'static Table) -> Option<Self> {
        let is_root = stream.replication == Replication::Log && table.name == stream.root().name;
        let time = table.data_columns().find(|column| column.kind == Type::Timestamp).filter(|_| is_root)?;
        Some(Self { name: DAY, of: time.name })
    }

    /// The same, where the table has it: one that the user had made before may not.
    pub(crate) fn of_stored(
        stored: &DeltaTable,
        stream: &Stream,
        table: &'static Table,
    ) -> Attempt<Option<Self>> {
        let columns = stored.snapshot()?.metadata().partition_columns().to_vec();
        Ok(Self::of(stream, table).filter(|day| columns.iter().any(|column| column == day.name)))
    }
}

/// A table as it should be.
pub(crate) struct Wanted {
    pub(crate) schema: String,
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) columns: Vec<WantedColumn>,
    /// The partition column.
    pub(crate) partition: Option<&'static str>,
    /// Columns of which files tell their smallest and largest value.
    pub(crate) indexed: Vec<&'static str>,
}

/// A column as it should be.
pub(crate) struct WantedColumn {
    pub(crate) name: &'static str,
    pub(crate) kind: DataType,
    pub(crate) about: &'static str,
}

impl Wanted {
    fn of(
        schema: &str,
        stream: &'static Stream,
        table: &'static Table,
        say: fn(Text) -> &'static str,
    ) -> Self {
        let day = Day::of(stream, table);
        let mut columns: Vec<WantedColumn> = table
            .columns
            .iter()
            .map(|column| WantedColumn {
                name: column.name,
                kind: kind_of(column.kind),
                about: say(column.about),
            })
            .collect();
        if let Some(day) = day {
            columns.push(WantedColumn { name: day.name, kind: DataType::DATE, about: say(DAY_ABOUT) });
        }
        let record = Record::of(stream, table);
        let is_record = |name: &str| record.columns.iter().any(|column| column.name == name);
        let is_indexed = |column: &&tenantry_replication::catalog::Column| {
            table.key.contains(&column.name) || column.kind == Type::Timestamp || is_record(column.name)
        };
        let indexed = table.columns.iter().filter(is_indexed).map(|column| column.name);
        Self {
            schema: schema.to_owned(),
            name: table.name,
            about: say(table.about),
            columns,
            partition: day.map(|day| day.name),
            indexed: indexed.chain([system::DELETED]).collect(),
        }
    }

    /// The fields of the schema.
    fn fields(&self) -> impl Iterator<Item = StructField> {
        self.columns.iter().map(|column| described(column.name, &column.kind, column.about))
    }
}

fn described(name: &str, kind: &DataType, about: &str) -> StructField {
    StructField::nullable(name, kind.clone())
        .with_metadata([(COMMENT, MetadataValue::String(about.to_owned()))])
}

fn kind_of(kind: Type) -> DataType {
    match kind {
        Type::String => DataType::STRING,
        Type::Boolean => DataType::BOOLEAN,
        Type::Timestamp => DataType::TIMESTAMP,
        Type::Integer => DataType::LONG,
    }
}

/// The tables below a place.
pub(crate) struct Tables {
    place: Place,
    /// Schema of the replicated tables.
    pub(crate) schema: String,
    /// Schema of our own.
    pub(crate) state: String,
    /// What was opened, by schema and name: the log of a table is read once and then followed.
    opened: Mutex<HashMap<(String, String), DeltaTable>>,
}

impl Tables {
    pub(crate) fn new(place: Place, schema: String, state: String) -> Attempt<Self> {
        if schema.is_empty() || schema.starts_with(STATE) || schema.contains('/') || !state.starts_with(STATE)
        {
            let message = format!("`{schema}` cannot be the schema of the tables");
            return Err(Failure::new(DestinationErrorKind::Unavailable, message));
        }
        Ok(Self { place, schema, state, opened: Mutex::default() })
    }

    /// A table as it is now; `None` where there is none.
    pub(crate) async fn find(&self, schema: &str, name: &str) -> Attempt<Option<DeltaTable>> {
        let key = (schema.to_owned(), name.to_owned());
        let opened = self.opened.lock().await.get(&key).cloned();
        let mut table = if let Some(table) = opened {
            table
        } else {
            let log = self.place.log(schema, name)?;
            // Loading a table whose local folder is missing fails by another error than that there is none.
            if !log.is_delta_table_location().await? {
                return Ok(None);
            }
            DeltaTable::new(log)
        };
        match table.update_state().await {
            Ok(()) => {}
            Err(DeltaTableError::NotATable(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        self.opened.lock().await.insert(key, table.clone());
        Ok(Some(table))
    }

    /// A replicated table as it is now. Fails where there is none.
    pub(crate) async fn replicated(&self, table: &Table) -> Attempt<DeltaTable> {
        let found = self.find(&self.schema, table.name).await?;
        found.ok_or_else(|| Failure::failed(format!("table {} is not prepared", table.name)))
    }

    /// Creates and widens the tables of a catalog and our own. Conflicts are found before anything is changed.
    pub(crate) fn prepare<'a>(
        &'a self,
        catalog: &'static Catalog,
        say: fn(Text) -> &'static str,
    ) -> Call<'a, ()> {
        Box::pin(async move {
            let replicated = catalog.streams.iter().flat_map(|stream| {
                stream.tables.iter().map(move |table| Wanted::of(&self.schema, stream, table, say))
            });
            let wanted: Vec<Wanted> =
                ledger::wanted(&self.state, say).into_iter().chain(replicated).collect();
            let finding: Vec<_> =
                wanted.iter().map(|wanted| self.find(&wanted.schema, wanted.name)).collect();
            let found: Vec<_> = stream::iter(finding).buffered(AT_ONCE).try_collect().await?;
            let mut conflicts = Vec::new();
            for (wanted, found) in wanted.iter().zip(&found) {
                if let Some(found) = found {
                    conflicts.extend(conflicts_with(found, wanted)?);
                }
            }
            if !conflicts.is_empty() {
                return Err(Failure::new(DestinationErrorKind::SchemaConflict, conflicts.join("; ")));
            }
            let prepare = |(wanted, found)| self.prepare_one(wanted, found);
            let preparing: Vec<_> = wanted.iter().zip(found).map(prepare).collect();
            stream::iter(preparing).buffered(AT_ONCE).try_collect().await
        })
    }

    async fn prepare_one(&self, wanted: &Wanted, found: Option<DeltaTable>) -> Attempt<()> {
        let found = match found {
            Some(found) => found,
            None => self.create(wanted).await?,
        };
        self.widen(wanted, found).await
    }

    async fn create(&self, wanted: &Wanted) -> Attempt<DeltaTable> {
        let log = self.place.log(&wanted.schema, wanted.name)?;
        let configuration = [
            ("delta.dataSkippingStatsColumns", Some(wanted.indexed.join(","))),
            ("delta.targetFileSize", Some(FILE_BYTES.to_string())),
        ];
        let mut create = CreateBuilder::new()
            .with_log_store(log)
            .with_table_name(wanted.name)
            .with_comment(wanted.about)
            .with_columns(wanted.fields())
            .with_configuration(configuration)
            .with_save_mode(SaveMode::Ignore);
        if let Some(partition) = wanted.partition {
            create = create.with_partition_columns([partition]);
        }
        Ok(create.await?)
    }

    /// Adds missing columns, and brings descriptions up to date, in one commit where anything is to be done.
    async fn widen(&self, wanted: &Wanted, found: DeltaTable) -> Attempt<()> {
        let snapshot = found.snapshot()?;
        let schema = snapshot.schema();
        let about = |field: &StructField| {
            let of = wanted.columns.iter().find(|column| column.name == field.name());
            of.map_or_else(
                || field.clone(),
                |column| {
                    let comment = [(COMMENT.to_owned(), MetadataValue::String(column.about.to_owned()))];
                    field.clone().add_metadata(comment)
                },
            )
        };
        let present: Vec<StructField> = schema.fields().map(about).collect();
        let added: Vec<StructField> = wanted
            .fields()
            .filter(|field| {
                schema.field(field.name()).is_none() && Some(field.name().as_str()) != wanted.partition
            })
            .collect();
        let is_described = snapshot.metadata().description() == Some(wanted.about);
        if added.is_empty() && is_described && present.iter().eq(schema.fields()) {
            return Ok(());
        }
        let wider = StructType::try_new(present.into_iter().chain(added.clone()))
            .map_err(|error| Failure::failed(error.to_string()))?;
        let metadata = snapshot
            .metadata()
            .clone()
            .with_description(wanted.about.to_owned())
            .map_err(DeltaTableError::from)?;
        let metadata = metadata.with_schema(&wider).map_err(DeltaTableError::from)?;
        let operation = DeltaOperation::AddColumn { fields: added };
        CommitBuilder::from(CommitProperties::default())
            .with_actions(vec![Action::Metadata(metadata)])
            .build(Some(snapshot.snapshot()), found.log_store(), operation)
            .await?;
        Ok(())
    }
}

/// What stands in the way of a table, in words.
fn conflicts_with(found: &DeltaTable, wanted: &Wanted) -> Attempt<Vec<String>> {
    let schema = found.snapshot()?.schema();
    let conflict = |column: &WantedColumn| {
        let field = schema.field(column.name)?;
        (*field.data_type() != column.kind).then(|| {
            let (kind, wanted_kind) = (field.data_type(), &column.kind);
            format!(
                "{}.{}.{} is {kind} and would have to be {wanted_kind}",
                wanted.schema, wanted.name, column.name
            )
        })
    };
    Ok(wanted.columns.iter().filter_map(conflict).collect())
}
