//! One commit to one table: new rows are appended, which touches no file that is there; otherwise the files that hold a changed row are
//! written anew with it.
//!
//! A commit is refused where the table is not as it was read any more. One whose answer was lost is looked for in the table's log by
//! the name that it was given, never guessed at.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::Field;
use deltalake::datafusion::common::{Column as Name, ScalarValue};
use deltalake::datafusion::logical_expr::{Expr, Operator, SortExpr, binary_expr, cast, lit};
use deltalake::datafusion::prelude::DataFrame;
use deltalake::delta_datafusion::DeltaColumn;
use deltalake::kernel::transaction::CommitProperties;
use deltalake::kernel::{CommitInfo, Transaction};
use deltalake::operations::merge::MergeBuilder;
use deltalake::protocol::SaveMode;
use deltalake::{DeltaTable, DeltaTableError};
use futures::TryStreamExt as _;
use tenantry_replication::catalog::{Table, system};
use tenantry_replication::error::DestinationErrorKind;
use uuid::Uuid;

use crate::changes::{CHANGE, Changes, SWEPT};
use crate::engine::Engine;
use crate::failure::{Attempt, Failure};
use crate::ledger::Ledger;
use crate::narrow::{Values, name};
use crate::rewrite::{Rewriter, can_rewrite};

/// Name of this tool among the applications that a table's log knows.
const APPLICATION: &str = "tenantry";
/// In a commit's information: the name that the commit was given.
const NAME: &str = "tenantry.commit";
/// Commits behind the last one in which one of ours is looked for.
const LOOKED_BACK: usize = 50;
/// Names of stored and written rows in a merge.
const STORED: &str = "stored";
const SOURCE: &str = "source";

/// A commit that is about to be made.
struct Pending {
    properties: CommitProperties,
    name: String,
}

impl Pending {
    /// A commit under the lease `fence`. Refuses where a process with a later lease has written to the table.
    async fn new(stored: &DeltaTable, fence: Option<u64>) -> Attempt<Self> {
        let name = Uuid::new_v4().to_string();
        let properties =
            properties(stored, fence).await?.with_metadata([(NAME.to_owned(), name.clone().into())]);
        Ok(Self { properties, name })
    }

    /// What became of the commit, where it did not say that it was made.
    async fn outcome(&self, stored: &DeltaTable, error: DeltaTableError) -> Attempt<()> {
        let mut now = stored.clone();
        now.update_state().await?;
        let is_ours = |commit: &CommitInfo| commit.info.get(NAME).is_some_and(|name| *name == *self.name);
        let made =
            now.history(Some(LOOKED_BACK)).try_any(|commit| std::future::ready(is_ours(&commit))).await?;
        if made { Ok(()) } else { Err(error.into()) }
    }
}

/// How a commit is made under the lease `fence`. Refuses where a process with a later lease has written to the table.
pub(crate) async fn properties(stored: &DeltaTable, fence: Option<u64>) -> Attempt<CommitProperties> {
    let log = stored.log_store();
    let before = stored.snapshot()?.transaction_version(log.as_ref(), APPLICATION).await?;
    let before = before.and_then(|token| u64::try_from(token).ok()).unwrap_or(0);
    let token = fence.unwrap_or(before);
    if token < before {
        let message = "a process that has taken the lease since has written to the table";
        return Err(Failure::new(DestinationErrorKind::Held, message));
    }
    let transaction = Transaction::new(APPLICATION, i64::try_from(token).unwrap_or(i64::MAX));
    Ok(CommitProperties::default().with_max_retries(0).with_application_transaction(transaction))
}

/// Writes changes to a table that stands as it was read; files are written anew by `rewriter` where there is one.
pub(crate) async fn write(
    engine: &Engine,
    rewriter: Option<&Rewriter>,
    stored: &DeltaTable,
    table: &'static Table,
    changes: Arc<Changes>,
    fence: Option<u64>,
) -> Attempt<()> {
    let pending = Pending::new(stored, fence).await?;
    let rows = || Attempt::Ok(engine.session().read_table(changes.provider()?)?);
    let made = if changes.are_new {
        append(engine, stored, table, rows()?, &pending).await?
    } else if let Some(rewriter) = rewriter.filter(|_| can_rewrite(stored)) {
        rewriter.merge(engine, stored, table, &changes, pending.properties.clone()).await?
    } else {
        merge(engine, stored, table, rows()?, &changes, &pending).await?
    };
    match made {
        Ok(()) => Ok(()),
        Err(error) => pending.outcome(stored, error).await,
    }
}

/// Writes rows to a table of ours by their key.
pub(crate) async fn upsert(
    engine: &Engine,
    stored: &DeltaTable,
    ledger: &Ledger,
    rows: RecordBatch,
    fence: Option<u64>,
) -> Attempt<()> {
    let pending = Pending::new(stored, fence).await?;
    let columns: Vec<String> = rows.schema().fields().iter().map(|field| field.name().clone()).collect();
    let rows = engine.session().read_batch(rows)?;
    let same_key = ledger.same_key(of, STORED, SOURCE)?;
    let made = async {
        merging(engine, stored, rows, same_key, &pending)
            .when_matched_update(|update| {
                columns.iter().fold(update, |update, name| update.update(column(name), of(SOURCE, name)))
            })?
            .when_not_matched_insert(|insert| {
                columns.iter().fold(insert, |insert, name| insert.set(column(name), of(SOURCE, name)))
            })?
            .await
    };
    match made.await {
        Ok(_) => Ok(()),
        Err(error) => pending.outcome(stored, error).await,
    }
}

/// Files are sorted by key, so that a later merge finds the few that a key can be in.
async fn append(
    engine: &Engine,
    stored: &DeltaTable,
    table: &'static Table,
    rows: DataFrame,
    pending: &Pending,
) -> Attempt<Result<(), DeltaTableError>> {
    let order: Vec<SortExpr> = table.key.iter().map(|key| name(key).sort(true, true)).collect();
    let (_, plan) = in_table_order(stored, rows)?.sort(order)?.into_parts();
    let made = stored
        .clone()
        .write(Vec::new())
        .with_input_plan(plan)
        .with_save_mode(SaveMode::Append)
        .with_session_state(Arc::new(engine.state()))
        .with_commit_properties(pending.properties.clone())
        .await;
    Ok(made.map(drop))
}

/// Rows with the columns of a table in its own order, with NULL for those of the user's own.
pub(crate) fn in_table_order(stored: &DeltaTable, rows: DataFrame) -> Attempt<DataFrame> {
    let fields = stored.snapshot()?.snapshot().arrow_schema();
    let written = |field: &Arc<Field>| match rows.schema().field_with_unqualified_name(field.name()) {
        Ok(_) => name(field.name()),
        Err(_) => cast(lit(ScalarValue::Null), field.data_type().clone()).alias(field.name()),
    };
    let columns: Vec<Expr> = fields.fields().iter().map(written).collect();
    Ok(rows.select(columns)?)
}

async fn merge(
    engine: &Engine,
    stored: &DeltaTable,
    table: &'static Table,
    rows: DataFrame,
    changes: &Arc<Changes>,
    pending: &Pending,
) -> Attempt<Result<(), DeltaTableError>> {
    let columns: Vec<String> = rows
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .filter(|name| name != CHANGE)
        .collect();
    let same_key = same_key(table, changes)?;
    let is_swept = || of(SOURCE, CHANGE).eq(lit(SWEPT));
    let made = async {
        merging(engine, stored, rows, same_key, pending)
            .when_matched_update(|update| {
                columns.iter().fold(update.predicate(!is_swept()), |update, name| {
                    update.update(column(name), of(SOURCE, name))
                })
            })?
            .when_matched_update(|update| {
                update
                    .predicate(is_swept())
                    .update(system::DELETED, lit(true))
                    .update(system::SYNCED, of(SOURCE, system::SYNCED))
            })?
            .when_not_matched_insert(|insert| {
                columns.iter().fold(insert.predicate(!is_swept()), |insert, name| {
                    insert.set(column(name), of(SOURCE, name))
                })
            })?
            .await
    };
    Ok(made.await.map(drop))
}

/// A merge of rows into a table that stands as it was read, before it is said what becomes of them.
fn merging(
    engine: &Engine,
    stored: &DeltaTable,
    rows: DataFrame,
    same_key: Expr,
    pending: &Pending,
) -> MergeBuilder {
    let merge = stored.clone().merge(rows, same_key);
    merge
        .with_source_alias(SOURCE)
        .with_target_alias(STORED)
        .with_session_state(Arc::new(engine.state()))
        .with_commit_properties(pending.properties.clone())
}

/// That a stored row has the key of a written one; with the keys themselves where they are few, which lets files be skipped.
fn same_key(table: &'static Table, changes: &Arc<Changes>) -> Attempt<Expr> {
    let operator = if changes.null_keys()? { Operator::IsNotDistinctFrom } else { Operator::Eq };
    let part = |key: &&str| binary_expr(of(STORED, key), operator, of(SOURCE, key));
    let same = table.key.iter().map(part).reduce(Expr::and);
    let same = same.ok_or_else(|| Failure::failed("the table has no merge key"))?;
    let Some(first) = table.key_columns().next().filter(|_| operator == Operator::Eq) else {
        return Ok(same);
    };
    let mut values = Values::default();
    changes.texts(first.name, |text| values.add(text))?;
    Ok(match values.condition_if_few(first, &of(STORED, first.name)) {
        Some(few) => same.and(few),
        None => same,
    })
}

fn of(rows: &str, column: &str) -> Expr {
    Expr::Column(Name::new(Some(rows), column))
}

fn column(name: &str) -> DeltaColumn {
    Name::from_name(name).into()
}
