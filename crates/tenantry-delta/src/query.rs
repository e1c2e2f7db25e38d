//! Queries of the user's: one statement that reads, over the replicated tables and our own, each as it is when it is asked for.
//!
//! Refuses everything else before it runs: no statement can name a file, an address, or a table elsewhere.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use async_trait::async_trait;
use deltalake::Path;
use deltalake::datafusion::catalog::{
    CatalogProvider, MemTable, MemoryCatalogProvider, SchemaProvider, TableProvider,
};
use deltalake::datafusion::error::{DataFusionError, Result as FusionResult};
use deltalake::datafusion::execution::context::SQLOptions;
use deltalake::datafusion::prelude::SessionContext;
use tenantry_replication::error::DestinationErrorKind;

use crate::Inner;
use crate::document::{Document, Documents};
use crate::engine::Call;
use crate::failure::{Attempt, Failure};
use crate::ledger::LEDGERS;
use crate::place::STATE;

/// Name of the one catalog.
const CATALOG: &str = "tenantry";
/// Tables that the document is shown as.
const SHOWN: &[&str] = &["meta", "lease", "checkpoint", "parked"];

/// Answers a query, with the replicated tables' schema as the default.
pub(crate) fn answer<'a>(inner: &'a Arc<Inner>, sql: &'a str) -> Call<'a, Vec<RecordBatch>> {
    Box::pin(async move {
        let session = readers_session(inner, schemas(inner).await?)?;
        let only_reads =
            SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        let rows = session.sql_with_options(sql, only_reads).await.map_err(|error| refused(&error))?;
        let schema = Arc::new(rows.schema().as_arrow().clone());
        let answer = rows.collect().await.map_err(|error| refused(&error))?;
        Ok(if answer.is_empty() { vec![RecordBatch::new_empty(schema)] } else { answer })
    })
}

/// All schemas at the place, as several tenants may share it, with the names of their tables.
async fn schemas(inner: &Arc<Inner>) -> Attempt<Vec<Schema>> {
    let mut names = folders(inner, None).await?;
    names.extend([inner.tables.schema.clone(), inner.tables.state.clone()]);
    let mut schemas = Vec::new();
    for schema in names {
        let names = if schema.starts_with(STATE) {
            LEDGERS.iter().map(|ledger| ledger.name).chain(SHOWN.iter().copied()).map(str::to_owned).collect()
        } else {
            folders(inner, Some(&Path::from_iter([schema.as_str()]))).await?.into_iter().collect()
        };
        schemas.push(Schema { inner: Arc::clone(inner), name: schema, names });
    }
    Ok(schemas)
}

/// Names of the folders below one.
async fn folders(inner: &Inner, folder: Option<&Path>) -> Attempt<BTreeSet<String>> {
    let found = inner.store.list_with_delimiter(folder).await?;
    Ok(found.common_prefixes.iter().filter_map(|path| path.filename().map(str::to_owned)).collect())
}

fn readers_session(inner: &Inner, schemas: Vec<Schema>) -> Attempt<SessionContext> {
    // What is opened for a query is registered with the engine, whose memory and stores this shares.
    let engine = inner.engine.session();
    let mut config = engine.copied_config();
    let settings = [
        ("datafusion.sql_parser.enable_ident_normalization", "true"),
        ("datafusion.catalog.information_schema", "true"),
        ("datafusion.catalog.default_catalog", CATALOG),
        ("datafusion.catalog.default_schema", inner.tables.schema.as_str()),
    ];
    for (setting, value) in settings {
        config.options_mut().set(setting, value)?;
    }
    let session = SessionContext::new_with_config_rt(config, engine.runtime_env());
    let catalog = MemoryCatalogProvider::new();
    for schema in schemas {
        let name = schema.name.clone();
        catalog.register_schema(&name, Arc::new(schema))?;
    }
    session.register_catalog(CATALOG, Arc::new(catalog));
    Ok(session)
}

fn refused(error: &DataFusionError) -> Failure {
    Failure::new(DestinationErrorKind::Query, error.find_root().to_string())
}

/// Tables that are opened when a query names them.
struct Schema {
    inner: Arc<Inner>,
    name: String,
    names: Vec<String>,
}

impl fmt::Debug for Schema {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "schema {}", self.name)
    }
}

impl Schema {
    fn open<'a>(&'a self, name: &'a str) -> Call<'a, Option<Arc<dyn TableProvider>>> {
        Box::pin(async move {
            if self.name.starts_with(STATE) && SHOWN.contains(&name) {
                let documents = Documents::new(Arc::clone(&self.inner.store), &self.name);
                let document = documents.read().await?.unwrap_or_default();
                let rows = shown(&document, name)?;
                let shown: Arc<dyn TableProvider> =
                    Arc::new(MemTable::try_new(rows.schema(), vec![vec![rows]])?);
                return Ok(Some(shown));
            }
            if !self.table_exist(name) {
                return Ok(None);
            }
            let Some(table) = self.inner.tables.find(&self.name, name).await? else {
                return Ok(None);
            };
            let state = self.inner.engine.state();
            table.update_datafusion_session(&state)?;
            Ok(Some(table.table_provider().with_session(Arc::new(state)).await?))
        })
    }
}

#[async_trait]
impl SchemaProvider for Schema {
    fn table_names(&self) -> Vec<String> {
        self.names.clone()
    }

    async fn table(&self, name: &str) -> FusionResult<Option<Arc<dyn TableProvider>>> {
        self.open(name).await.map_err(failed)
    }

    fn table_exist(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }
}

fn failed(failure: Failure) -> DataFusionError {
    DataFusionError::Execution(failure.message)
}

/// A part of the document as rows.
fn shown(document: &Document, name: &str) -> Attempt<RecordBatch> {
    let json = |value: serde_json::Result<String>| value.map_err(|error| Failure::failed(error.to_string()));
    let texts = |texts: Vec<Option<String>>| -> ArrayRef { Arc::new(StringArray::from(texts)) };
    let numbers = |numbers: Vec<u64>| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(numbers.into_iter().map(|number| number as i64)))
    };
    let times = |times: Vec<Option<i64>>| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC"))
    };
    let columns: Vec<(&str, ArrayRef)> = match name {
        "meta" => vec![
            ("layout", numbers(vec![document.layout()])),
            ("tenant", texts(vec![document.tenant.clone()])),
        ],
        "lease" => {
            let leases: Vec<_> = document.lease().into_iter().collect();
            vec![
                ("token", numbers(leases.iter().map(|lease| lease.token).collect())),
                ("holder", texts(leases.iter().map(|lease| Some(lease.holder.name.clone())).collect())),
                ("place", texts(leases.iter().map(|lease| lease.holder.place.clone()).collect())),
                ("process", numbers(leases.iter().map(|lease| u64::from(lease.holder.process)).collect())),
                ("until", times(leases.iter().map(|lease| lease.until).collect())),
            ]
        }
        "checkpoint" => {
            let kept = || document.checkpoints.values();
            let each: Attempt<Vec<_>> =
                kept().map(|kept| json(serde_json::to_string(&kept.checkpoint)).map(Some)).collect();
            vec![
                ("stream", texts(document.checkpoints.keys().cloned().map(Some).collect())),
                ("checkpoint", texts(each?)),
                ("run", numbers(kept().map(|kept| kept.run).collect())),
                ("updated_at", times(kept().map(|kept| Some(kept.updated_at)).collect())),
            ]
        }
        _ => {
            let kept = || document.parked.values();
            let each: Attempt<Vec<_>> =
                kept().map(|kept| json(serde_json::to_string(&kept.parked)).map(Some)).collect();
            vec![
                ("stream", texts(document.parked.keys().cloned().map(Some).collect())),
                ("parked", texts(each?)),
                ("run", numbers(kept().map(|kept| kept.run).collect())),
                ("updated_at", times(kept().map(|kept| Some(kept.updated_at)).collect())),
            ]
        }
    };
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
}
