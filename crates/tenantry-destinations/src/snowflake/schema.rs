//! Tables and columns as the catalog (and our own state) wants them: created, widened and described, never narrowed.
//!
//! Issues no statement for what is already as it should be, but comments that somebody has taken away are left away. Snowflake keeps no key
//! unique; nothing is declared that would only look like it.

use std::collections::{BTreeMap, BTreeSet};

use tenantry_replication::catalog::{Catalog, Replication, Stream, Table, Text, Type};
use tenantry_replication::error::DestinationErrorKind;

use super::connection::{Attempt, Connection, Failure};
use super::types::{literal, quoted, sql_type, state_type, stored, told_type};
use super::{Names, state};
use crate::Language;
use crate::sql::layout::{COMMIT, Kind, LAYOUT, LEASE, STATE_TABLES, StateTable};
use crate::sql::server::Connection as _;

/// A column of a log's root that events are gathered by besides their day, where there is one of this name.
const SORTED_BY: &str = "type";

/// A table as it should be.
struct Wanted {
    schema: String,
    name: &'static str,
    about: String,
    columns: Vec<WantedColumn>,
    /// What its rows are gathered by.
    cluster: Option<String>,
    /// Values of the one row that it has from the beginning, in SQL.
    row: Option<Vec<String>>,
}

/// A column as it should be.
struct WantedColumn {
    name: &'static str,
    sql_type: &'static str,
    about: String,
}

/// Creates and widens everything. Each statement is a transaction of its own, and may be repeated.
pub(super) async fn prepare(connection: &Connection, catalog: &Catalog, names: &Names) -> Attempt<()> {
    let mut wanted: Vec<Wanted> = STATE_TABLES
        .iter()
        .chain([&COMMIT])
        .map(|table| of_state(connection, table, names.language))
        .collect();
    for stream in catalog.streams {
        wanted.extend(stream.tables.iter().map(|table| of_catalog(stream, table, names)));
    }
    state::check_layout(connection).await?;
    ensure(connection, &[connection.state_schema(), &names.schema], &wanted).await
}

/// Creates the table of the lease alone, where it is missing.
pub(super) async fn ensure_lease(connection: &Connection, names: &Names) -> Attempt<()> {
    match STATE_TABLES.iter().find(|wanted| wanted.name == LEASE) {
        Some(wanted) if !connection.has_state_table(LEASE).await? => {
            let wanted = of_state(connection, wanted, names.language);
            ensure(connection, &[connection.state_schema()], &[wanted]).await
        }
        _ => Ok(()),
    }
}

fn of_state(connection: &Connection, table: &StateTable, language: Language) -> Wanted {
    let columns = table.columns.iter().map(|(name, kind, about)| WantedColumn {
        name,
        sql_type: state_type(*kind),
        about: say(language, *about),
    });
    // Rows that others wait for have to be there before anybody does.
    let first = |(at, (_, kind, _)): (usize, &(&str, Kind, Text))| match kind {
        Kind::Integer if at == 0 => {
            Some(if table.name == LEASE { "0".to_owned() } else { LAYOUT.to_string() })
        }
        Kind::Text if at == 0 => Some("''".to_owned()),
        _ => None,
    };
    let has_row = ["meta", LEASE, COMMIT.name].contains(&table.name);
    let values =
        || table.columns.iter().enumerate().map(|one| first(one).unwrap_or_else(|| "NULL".to_owned()));
    Wanted {
        schema: connection.state_schema().to_owned(),
        name: table.name,
        about: say(language, table.about),
        columns: columns.collect(),
        cluster: None,
        row: has_row.then(|| values().collect()),
    }
}

fn of_catalog(stream: &Stream, table: &'static Table, names: &Names) -> Wanted {
    let columns = table.columns.iter().map(|column| WantedColumn {
        name: column.name,
        sql_type: sql_type(column.kind),
        about: say(names.language, column.about),
    });
    let is_log = stream.replication == Replication::Log && table.name == stream.root().name;
    Wanted {
        schema: names.schema.clone(),
        name: table.name,
        about: say(names.language, table.about),
        columns: columns.collect(),
        cluster: if is_log { cluster(table) } else { None },
        row: None,
    }
}

/// Day of an event, then its kind: what people ask a log by.
fn cluster(table: &Table) -> Option<String> {
    let day = table.data_columns().find(|column| column.kind == Type::Timestamp)?;
    let kind = table.data_columns().find(|column| column.name == SORTED_BY);
    let kind = kind.map(|column| format!(", {}", quoted(column.name))).unwrap_or_default();
    Some(format!("TO_DATE({}){kind}", quoted(day.name)))
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
    for schema in schemas.iter().filter(|schema| !found.schemas.contains(&stored(schema))) {
        let database = quoted(connection.database());
        connection.run(&format!("CREATE SCHEMA IF NOT EXISTS {database}.{}", quoted(schema))).await?;
    }
    for table in wanted {
        for sql in found.ensure(connection, table) {
            connection.run(&sql).await.map_err(|failure| Failure {
                message: format!("{}.{}: {}", table.schema, table.name, failure.message),
                ..failure
            })?;
        }
    }
    Ok(())
}

/// What is there. Names as they are stored.
struct Found {
    schemas: BTreeSet<String>,
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
        let among: Vec<String> = schemas.iter().map(|schema| literal(&stored(schema))).collect();
        let (among, told) =
            (among.join(", "), format!("{}.INFORMATION_SCHEMA", quoted(connection.database())));
        let named = format!("SELECT SCHEMA_NAME FROM {told}.SCHEMATA WHERE SCHEMA_NAME IN ({among})");
        found.schemas.extend(connection.texts(&named).await?.into_iter().flatten().flatten());
        let relations = format!(
            "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, COMMENT FROM {told}.TABLES WHERE TABLE_SCHEMA IN ({among})"
        );
        for row in connection.texts(&relations).await? {
            let [Some(schema), Some(name), Some(kind), comment] = row.as_slice() else { continue };
            let relation =
                FoundTable { kind: kind.clone(), comment: comment.clone(), columns: BTreeMap::new() };
            found.relations.insert((schema.clone(), name.clone()), relation);
        }
        let columns = format!(
            "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, DATA_TYPE, COMMENT FROM {told}.COLUMNS WHERE TABLE_SCHEMA IN ({among})"
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

    fn relation(&self, wanted: &Wanted) -> Option<&FoundTable> {
        self.relations.get(&(stored(&wanted.schema), stored(wanted.name)))
    }

    /// What stands in the way of a table, in words.
    fn conflicts(&self, wanted: &Wanted) -> Vec<String> {
        let Wanted { schema, name, .. } = wanted;
        let Some(found) = self.relation(wanted) else { return Vec::new() };
        if found.kind != "BASE TABLE" {
            return vec![format!("{schema}.{name} exists and is not a table")];
        }
        let conflict = |column: &WantedColumn| {
            let (kind, _) = found.columns.get(&stored(column.name))?;
            (kind != told_type(column.sql_type)).then(|| {
                format!("{schema}.{name}.{} is {kind} and would have to be {}", column.name, column.sql_type)
            })
        };
        wanted.columns.iter().filter_map(conflict).collect()
    }

    /// Statements that make a table as it should be.
    fn ensure(&self, connection: &Connection, wanted: &Wanted) -> Vec<String> {
        let table = connection.place(&wanted.schema, wanted.name);
        let mut statements = Vec::new();
        let Some(found) = self.relation(wanted) else {
            statements.push(create(&table, wanted));
            if wanted.row.is_some() {
                statements.push(comment(&table, wanted));
                statements.extend(wanted.columns.iter().map(|column| describe(&table, column)));
            }
            return statements;
        };
        let is_described_anew = found.comment.as_deref().unwrap_or_default() != wanted.about;
        for column in &wanted.columns {
            match found.columns.get(&stored(column.name)) {
                None => statements.push(format!("ALTER TABLE {table} ADD COLUMN {}", declared(column))),
                Some((_, told)) => {
                    let differs = told.as_ref().is_some_and(|told| !told.is_empty() && *told != column.about);
                    if is_described_anew || differs {
                        statements.push(describe(&table, column));
                    }
                }
            }
        }
        if is_described_anew {
            statements.push(comment(&table, wanted));
        }
        statements
    }
}

fn create(table: &str, wanted: &Wanted) -> String {
    if let Some(row) = &wanted.row {
        // The table and its row are there at once, whoever makes it.
        let values: Vec<String> = wanted
            .columns
            .iter()
            .zip(row)
            .map(|(column, value)| format!("{value}::{} AS {}", column.sql_type, quoted(column.name)))
            .collect();
        return format!("CREATE TABLE IF NOT EXISTS {table} AS SELECT {}", values.join(", "));
    }
    let columns: Vec<String> = wanted.columns.iter().map(declared).collect();
    let cluster = wanted.cluster.as_ref().map(|by| format!(" CLUSTER BY ({by})")).unwrap_or_default();
    format!(
        "CREATE TABLE IF NOT EXISTS {table} ({}){cluster} COMMENT = {}",
        columns.join(", "),
        literal(&wanted.about)
    )
}

fn comment(table: &str, wanted: &Wanted) -> String {
    format!("COMMENT ON TABLE {table} IS {}", literal(&wanted.about))
}

fn describe(table: &str, column: &WantedColumn) -> String {
    format!("ALTER TABLE {table} ALTER COLUMN {} COMMENT {}", quoted(column.name), literal(&column.about))
}

/// A column as it is declared.
fn declared(column: &WantedColumn) -> String {
    format!("{} {} COMMENT {}", quoted(column.name), column.sql_type, literal(&column.about))
}
