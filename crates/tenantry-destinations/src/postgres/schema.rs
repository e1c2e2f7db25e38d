//! Tables and columns as the catalog (and our own state) wants them: created, widened and described, never narrowed.
//!
//! Issues no statement for what is already as it should be. Each table of the catalog has a unique index on its merge key, in which NULL is
//! a value like any other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use tenantry_replication::catalog::{Catalog, Table, Text};
use tenantry_replication::error::DestinationErrorKind;

use super::connection::{Attempt, Connection, Failure, literal, place, quoted};
use super::stage::key_bytes;
use super::types::{sql_type, state_type};
use super::{Names, state};
use crate::Language;
use crate::sql::layout::{COMMIT, STATE_TABLES, StateTable};
use crate::sql::server::Connection as _;

/// Most bytes that the texts of a key may have to be in its index: an entry must fit a third of a page of 8 KB.
pub(super) const KEY_BYTES_MAX: usize = 2000;
/// What keeps two processes apart that make tables at once: any number that others have no reason to take.
const LOCK: i64 = 0x7465_6e61_6e74_7279;

/// A table as it should be.
struct Wanted {
    schema: String,
    name: &'static str,
    about: String,
    columns: Vec<WantedColumn>,
    /// What makes its index, where it has one.
    index: Option<(String, String)>,
}

/// A column as it should be.
struct WantedColumn {
    name: &'static str,
    sql_type: &'static str,
    /// Whether it is ordered by bytes: that is the same on every system, and the fastest.
    by_bytes: bool,
    about: String,
}

/// Name of the index on the whole table's keys.
fn index_name(table: &Table) -> String {
    format!("{}_merge_key", table.name)
}

/// Name of the index that leaves out keys that are too long, which takes the other's place once one came.
pub(super) fn short_index_name(table: &str) -> String {
    format!("{table}_merge_key_short")
}

/// Condition on rows called `of` that the index of short keys holds.
pub(super) fn is_short(table: &Table, of: Option<&str>) -> String {
    format!("{} <= {KEY_BYTES_MAX}", key_bytes(table, of))
}

fn key_list(table: &Table) -> String {
    table.key.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

/// What an `ON CONFLICT` names.
pub(super) fn conflict(table: &Table, is_partial: bool) -> String {
    let condition = if is_partial { format!(" WHERE {}", is_short(table, None)) } else { String::new() };
    format!("({}){condition}", key_list(table))
}

/// Gives up the index on all keys for one on those that are short enough. Inside the caller's transaction.
pub(super) fn leave_out_long_keys(names: &Names, table: &Table) -> String {
    format!(
        "CREATE UNIQUE INDEX {} ON {} ({}) NULLS NOT DISTINCT WHERE {}; DROP INDEX IF EXISTS {}",
        quoted(&short_index_name(table.name)),
        names.table(table.name),
        key_list(table),
        is_short(table, None),
        place(&names.schema, &index_name(table)),
    )
}

/// Keeps others that make tables away until the transaction is over.
pub(super) async fn lock(connection: &Connection) -> Attempt<()> {
    connection.run(&format!("SELECT pg_advisory_xact_lock({LOCK})")).await
}

/// Creates and widens everything in one transaction.
pub(super) async fn prepare(connection: &Connection, catalog: &Catalog, names: &Names) -> Attempt<()> {
    let mut wanted: Vec<Wanted> = STATE_TABLES
        .iter()
        .chain([&COMMIT])
        .map(|table| of_state(connection, table, names.language))
        .collect();
    wanted.extend(catalog.tables().map(|table| of_catalog(table, names)));
    connection.run("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE").await?;
    let done = async {
        lock(connection).await?;
        state::check_layout(connection).await?;
        ensure(connection, &[connection.state_schema(), &names.schema], &wanted).await?;
        state::note_layout(connection).await
    };
    match done.await {
        Ok(()) => connection.run("COMMIT").await,
        Err(failure) => {
            // With the connection the transaction ends as well.
            let _ = connection.run("ROLLBACK").await;
            Err(failure)
        }
    }
}

/// Creates one of our own tables alone, where it is missing, in the caller's transaction.
pub(super) async fn ensure_state_table(connection: &Connection, names: &Names, table: &str) -> Attempt<()> {
    match STATE_TABLES.iter().find(|wanted| wanted.name == table) {
        Some(wanted) if !state::exists(connection, table).await? => {
            ensure(connection, &[connection.state_schema()], &[of_state(connection, wanted, names.language)])
                .await
        }
        _ => Ok(()),
    }
}

fn of_state(connection: &Connection, table: &StateTable, language: Language) -> Wanted {
    let columns = table.columns.iter().map(|(name, kind, about)| WantedColumn {
        name,
        sql_type: state_type(*kind),
        by_bytes: false,
        about: say(language, *about),
    });
    Wanted {
        schema: connection.state_schema().to_owned(),
        name: table.name,
        about: say(language, table.about),
        columns: columns.collect(),
        index: None,
    }
}

fn of_catalog(table: &'static Table, names: &Names) -> Wanted {
    let columns = table.columns.iter().map(|column| WantedColumn {
        name: column.name,
        sql_type: sql_type(column.kind),
        by_bytes: table.key.contains(&column.name) && sql_type(column.kind) == "text",
        about: say(names.language, column.about),
    });
    let index = format!(
        "CREATE UNIQUE INDEX {} ON {} ({}) NULLS NOT DISTINCT",
        quoted(&index_name(table)),
        names.table(table.name),
        key_list(table)
    );
    Wanted {
        schema: names.schema.clone(),
        name: table.name,
        about: say(names.language, table.about),
        columns: columns.collect(),
        index: Some((index_name(table), index)),
    }
}

/// A description in the chosen language.
fn say(language: Language, text: Text) -> String {
    match language {
        Language::English => text.en.to_owned(),
        Language::Japanese => text.ja.to_owned(),
    }
}

async fn ensure(connection: &Connection, schemas: &[&str], wanted: &[Wanted]) -> Attempt<()> {
    let found = Found::read(connection, schemas).await?;
    let conflicts: Vec<String> = wanted.iter().flat_map(|table| found.conflicts(table)).collect();
    if !conflicts.is_empty() {
        return Err(Failure::new(DestinationErrorKind::SchemaConflict, conflicts.join("; ")));
    }
    let mut sql = String::new();
    for schema in schemas.iter().filter(|schema| !found.schemas.contains(**schema)) {
        let _ = write!(sql, "CREATE SCHEMA {}; ", quoted(schema));
    }
    connection.run(&sql).await?;
    for table in wanted {
        let mut sql = String::new();
        found.ensure(table, &mut sql);
        if sql.is_empty() {
            continue;
        }
        connection.run(&sql).await.map_err(|failure| Failure {
            message: format!("{}.{}: {}", table.schema, table.name, failure.message),
            ..failure
        })?;
    }
    Ok(())
}

/// What is there.
struct Found {
    schemas: BTreeSet<String>,
    /// By schema and name; what is no table has its kind.
    relations: BTreeMap<(String, String), FoundTable>,
}

#[derive(Default)]
struct FoundTable {
    kind: String,
    comment: Option<String>,
    /// Type and comment by name.
    columns: BTreeMap<String, (String, Option<String>)>,
}

impl Found {
    async fn read(connection: &Connection, schemas: &[&str]) -> Attempt<Self> {
        let mut found = Self { schemas: BTreeSet::new(), relations: BTreeMap::new() };
        let among: Vec<String> = schemas.iter().map(|schema| literal(schema)).collect();
        let among = among.join(", ");
        let named = format!("SELECT nspname::text FROM pg_catalog.pg_namespace WHERE nspname IN ({among})");
        found.schemas.extend(connection.texts(&named).await?.into_iter().flatten().flatten());
        let relations = format!(
            "SELECT n.nspname::text, c.relname::text, c.relkind::text, pg_catalog.obj_description(c.oid, 'pg_class') \
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ({among})"
        );
        for row in connection.texts(&relations).await? {
            let [Some(schema), Some(name), Some(kind), comment] = row.as_slice() else { continue };
            let relation =
                FoundTable { kind: kind.clone(), comment: comment.clone(), columns: BTreeMap::new() };
            found.relations.insert((schema.clone(), name.clone()), relation);
        }
        let columns = format!(
            "SELECT n.nspname::text, c.relname::text, a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), \
               pg_catalog.col_description(c.oid, a.attnum) \
             FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname IN ({among}) AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p')"
        );
        for row in connection.texts(&columns).await? {
            let [Some(schema), Some(table), Some(column), Some(kind), comment] = row.as_slice() else {
                continue;
            };
            if let Some(entry) = found.relations.get_mut(&(schema.clone(), table.clone())) {
                entry.columns.insert(column.clone(), (kind.clone(), comment.clone()));
            }
        }
        Ok(found)
    }

    fn relation(&self, schema: &str, name: &str) -> Option<&FoundTable> {
        self.relations.get(&(schema.to_owned(), name.to_owned()))
    }

    /// What stands in the way of a table, in words.
    fn conflicts(&self, wanted: &Wanted) -> Vec<String> {
        let Wanted { schema, name, .. } = wanted;
        let Some(found) = self.relation(schema, name) else { return Vec::new() };
        if !["r", "p"].contains(&found.kind.as_str()) {
            return vec![format!("{schema}.{name} exists and is not a table")];
        }
        let conflict = |column: &WantedColumn| {
            let (kind, _) = found.columns.get(column.name)?;
            (kind != column.sql_type).then(|| {
                format!("{schema}.{name}.{} is {kind} and would have to be {}", column.name, column.sql_type)
            })
        };
        wanted.columns.iter().filter_map(conflict).collect()
    }

    /// Statements that make a table as it should be.
    fn ensure(&self, wanted: &Wanted, sql: &mut String) {
        let table = place(&wanted.schema, wanted.name);
        let nothing = FoundTable::default();
        let found = self.relation(&wanted.schema, wanted.name);
        if found.is_none() {
            let columns: Vec<String> = wanted.columns.iter().map(declared).collect();
            let _ = write!(sql, "CREATE TABLE {table} ({}); ", columns.join(", "));
        }
        let known = found.unwrap_or(&nothing);
        for column in &wanted.columns {
            let before = known.columns.get(column.name);
            if found.is_some() && before.is_none() {
                let _ = write!(sql, "ALTER TABLE {table} ADD COLUMN {}; ", declared(column));
            }
            if before.is_none_or(|(_, comment)| comment.as_ref() != Some(&column.about)) {
                let (name, about) = (quoted(column.name), literal(&column.about));
                let _ = write!(sql, "COMMENT ON COLUMN {table}.{name} IS {about}; ");
            }
        }
        if known.comment.as_ref() != Some(&wanted.about) {
            let _ = write!(sql, "COMMENT ON TABLE {table} IS {}; ", literal(&wanted.about));
        }
        if let Some((name, create)) = &wanted.index {
            let has = |name: &str| self.relation(&wanted.schema, name).is_some();
            if !has(name) && !has(&short_index_name(wanted.name)) {
                let _ = write!(sql, "{create}; ");
            }
        }
    }
}

/// A column as it is declared.
fn declared(column: &WantedColumn) -> String {
    let collation = if column.by_bytes { " COLLATE \"C\"" } else { "" };
    format!("{} {}{collation}", quoted(column.name), column.sql_type)
}
