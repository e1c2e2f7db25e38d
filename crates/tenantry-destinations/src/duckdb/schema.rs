//! Tables and columns as the catalog (and our own state) wants them: created, widened and described, never narrowed.
//!
//! Issues no statement for what is already as it should be. Makes no key, no constraint and no index
//! (docs/decisions/0004-duckdb-merge.md).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use tenantry_replication::catalog::{Catalog, Text};
use tenantry_replication::error::DestinationErrorKind;

use super::connection::{Attempt, Connection, Failure, Place, literal, quoted};
use super::state::{self, exists, note_layout};
use super::types::sql_type;
use super::{DATABASE, Names};
use crate::Language;
use crate::sql::layout::{STATE_SCHEMA, STATE_TABLES};

/// A table as it should be.
pub(super) struct Wanted {
    pub(super) place: Place,
    pub(super) about: String,
    pub(super) columns: Vec<WantedColumn>,
}

/// A column as it should be.
pub(super) struct WantedColumn {
    pub(super) name: &'static str,
    pub(super) sql_type: &'static str,
    pub(super) about: String,
}

/// Creates and widens everything in one transaction.
pub(super) fn prepare(connection: &mut Connection, catalog: &Catalog, names: &Names) -> Attempt<()> {
    let mut wanted = Vec::new();
    wanted.extend(STATE_TABLES.iter().map(|table| state::wanted(table, names.language)));
    wanted.extend(catalog.tables().map(|table| {
        Wanted {
            place: names.table(table.name),
            about: say(names.language, table.about),
            columns: table
                .columns
                .iter()
                .map(|column| WantedColumn {
                    name: column.name,
                    sql_type: sql_type(column.kind),
                    about: say(names.language, column.about),
                })
                .collect(),
        }
    }));
    connection.transaction(|connection| {
        ensure(connection, &[STATE_SCHEMA, &names.schema], &wanted)?;
        note_layout(connection)
    })
}

/// Creates one of our own tables alone, where it is missing, in the caller's transaction.
pub(super) fn ensure_state_table(connection: &mut Connection, names: &Names, table: &str) -> Attempt<()> {
    match STATE_TABLES.iter().find(|wanted| wanted.name == table) {
        Some(wanted) if !exists(connection, table)? => {
            ensure(connection, &[STATE_SCHEMA], &[state::wanted(wanted, names.language)])
        }
        _ => Ok(()),
    }
}

fn ensure(connection: &mut Connection, schemas: &[&str], wanted: &[Wanted]) -> Attempt<()> {
    let found = Found::read(connection)?;
    let conflicts: Vec<String> = wanted.iter().flat_map(|table| found.conflicts(table)).collect();
    if !conflicts.is_empty() {
        return Err(Failure::new(DestinationErrorKind::SchemaConflict, conflicts.join("; ")));
    }
    for schema in schemas {
        if !found.schemas.contains(&schema.to_lowercase()) {
            connection.run(&format!("CREATE SCHEMA {}.{}", quoted(DATABASE), quoted(schema)))?;
        }
    }
    for table in wanted {
        found.ensure(connection, table)?;
    }
    Ok(())
}

/// A description in the chosen language.
pub(super) fn say(language: Language, text: Text) -> String {
    match language {
        Language::English => text.en.to_owned(),
        Language::Japanese => text.ja.to_owned(),
    }
}

/// What is there. Names in lower case, as DuckDB compares them.
struct Found {
    schemas: BTreeSet<String>,
    tables: BTreeMap<(String, String), FoundTable>,
}

#[derive(Default)]
struct FoundTable {
    comment: Option<String>,
    /// Type and comment by name.
    columns: BTreeMap<String, (String, Option<String>)>,
}

impl Found {
    fn read(connection: &mut Connection) -> Attempt<Self> {
        let mut found = Self { schemas: BTreeSet::new(), tables: BTreeMap::new() };
        let database = literal(DATABASE);
        let schemas =
            format!("SELECT lower(schema_name) FROM duckdb_schemas() WHERE database_name = {database}");
        for row in connection.texts(&schemas)? {
            let [Some(schema)] = row.as_slice() else { continue };
            found.schemas.insert(schema.clone());
        }
        let tables = format!(
            "SELECT lower(schema_name), lower(table_name), comment FROM duckdb_tables() WHERE database_name = {database}"
        );
        for row in connection.texts(&tables)? {
            let [Some(schema), Some(table), comment] = row.as_slice() else { continue };
            let entry = found.tables.entry((schema.clone(), table.clone())).or_default();
            entry.comment.clone_from(comment);
        }
        let columns = format!(
            "SELECT lower(schema_name), lower(table_name), lower(column_name), data_type, comment FROM duckdb_columns() \
             WHERE database_name = {database}"
        );
        for row in connection.texts(&columns)? {
            let [Some(schema), Some(table), Some(column), Some(kind), comment] = row.as_slice() else {
                continue;
            };
            // Views have columns too, but no entry among the tables.
            if let Some(entry) = found.tables.get_mut(&(schema.clone(), table.clone())) {
                entry.columns.insert(column.clone(), (kind.clone(), comment.clone()));
            }
        }
        Ok(found)
    }

    fn table(&self, place: &Place) -> Option<&FoundTable> {
        self.tables.get(&(place.schema.to_lowercase(), place.table.to_lowercase()))
    }

    /// What stands in the way of a table, in words.
    fn conflicts(&self, wanted: &Wanted) -> Vec<String> {
        let Some(found) = self.table(&wanted.place) else { return Vec::new() };
        let conflict = |column: &WantedColumn| {
            let (kind, _) = found.columns.get(&column.name.to_lowercase())?;
            (kind != column.sql_type).then(|| {
                let Place { schema, table, .. } = &wanted.place;
                format!("{schema}.{table}.{} is {kind} and would have to be {}", column.name, column.sql_type)
            })
        };
        wanted.columns.iter().filter_map(conflict).collect()
    }

    /// Makes a table as it should be.
    fn ensure(&self, connection: &mut Connection, wanted: &Wanted) -> Attempt<()> {
        let place = &wanted.place;
        let nothing = FoundTable::default();
        let found = self.table(place);
        if found.is_none() {
            connection.run(&create(wanted)).map_err(|failure| not_a_table(failure, place))?;
        }
        let found_table = found.unwrap_or(&nothing);
        for column in &wanted.columns {
            let known = found_table.columns.get(&column.name.to_lowercase());
            if found.is_some() && known.is_none() {
                let name = quoted(column.name);
                connection.run(&format!("ALTER TABLE {place} ADD COLUMN {name} {}", column.sql_type))?;
            }
            if known.is_none_or(|(_, comment)| comment.as_ref() != Some(&column.about)) {
                let (name, about) = (quoted(column.name), literal(&column.about));
                connection.run(&format!("COMMENT ON COLUMN {place}.{name} IS {about}"))?;
            }
        }
        if found_table.comment.as_ref() != Some(&wanted.about) {
            connection.run(&format!("COMMENT ON TABLE {place} IS {}", literal(&wanted.about)))?;
        }
        Ok(())
    }
}

/// The statement that creates a table. Explicit, as DuckDB 2.0.0 loses rows of tables that were created empty from a query.
fn create(wanted: &Wanted) -> String {
    let mut sql = format!("CREATE TABLE {} (", wanted.place);
    for (index, column) in wanted.columns.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        let _ = write!(sql, "{comma}{} {}", quoted(column.name), column.sql_type);
    }
    sql.push(')');
    sql
}

/// A view or macro of the user's may stand where a table should.
fn not_a_table(failure: Failure, place: &Place) -> Failure {
    if failure.message.contains("already exists") {
        let message = format!("{}.{} exists and is not a table", place.schema, place.table);
        return Failure::new(DestinationErrorKind::SchemaConflict, message);
    }
    failure
}
