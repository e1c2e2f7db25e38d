//! The catalog as SQL that creates its tables, in the dialect that DuckDB and PostgreSQL share.
//!
//! For reading, and for making empty tables by hand. Destinations make theirs by their own means.

use std::fmt::Write as _;

use super::super::{Catalog, Table, Type};
use super::{Language, NAMESPACE};

/// Column names that one engine or another reserves.
const RESERVED: &[&str] = &["date", "global", "index"];

/// `CREATE SCHEMA`, then `CREATE TABLE` with its `COMMENT ON` statements for each table in the published order.
///
/// Times are UTC without a zone. The merge key is a comment: no constraint is asked for.
pub fn sql(catalog: &Catalog, language: Language) -> String {
    let mut out = format!("CREATE SCHEMA IF NOT EXISTS {NAMESPACE};\n");
    for table in catalog.diagram.iter().filter_map(|name| catalog.table(name)) {
        create(&mut out, table);
        comment(&mut out, table, language);
    }
    out
}

fn create(out: &mut String, table: &Table) {
    let _ = write!(out, "\n-- merge key: {}\n", table.key.join(", "));
    let _ = writeln!(out, "CREATE TABLE IF NOT EXISTS {NAMESPACE}.{} (", table.name);
    let columns: Vec<String> = table
        .columns
        .iter()
        .map(|column| format!("    {} {}", identifier(column.name), sql_type(column.kind)))
        .collect();
    out.push_str(&columns.join(",\n"));
    out.push_str("\n);\n");
}

fn comment(out: &mut String, table: &Table, language: Language) {
    let about = literal(table.about.in_language(language));
    let _ = writeln!(out, "COMMENT ON TABLE {NAMESPACE}.{} IS {about};", table.name);
    for column in table.columns {
        let name = identifier(column.name);
        let about = literal(column.about.in_language(language));
        let _ = writeln!(out, "COMMENT ON COLUMN {NAMESPACE}.{}.{name} IS {about};", table.name);
    }
}

fn identifier(name: &str) -> String {
    if RESERVED.contains(&name) { format!("\"{name}\"") } else { name.to_owned() }
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

const fn sql_type(kind: Type) -> &'static str {
    match kind {
        Type::String => "VARCHAR",
        Type::Boolean => "BOOLEAN",
        Type::Timestamp => "TIMESTAMP",
        Type::Integer => "BIGINT",
    }
}
