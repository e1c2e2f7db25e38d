//! Logical types as PostgreSQL's, and how PostgreSQL writes what every engine has.
//!
//! Converts no value: text there cannot hold U+0000, which [`crate::sql::server::held`] sees to.

use tenantry_replication::catalog::Type;
use tenantry_replication::clock::Micros;
use tenantry_replication::destination::Value;

use super::connection::quoted;
use crate::sql::Dialect;
use crate::sql::layout::Kind;

/// How PostgreSQL writes it.
pub(super) struct Postgres;

/// The one of its kind.
pub(super) static POSTGRES: Postgres = Postgres;

impl Dialect for Postgres {
    fn quoted(&self, name: &str) -> String {
        quoted(name)
    }

    fn text(&self, value: &str, kind: Type) -> String {
        match kind {
            Type::String => value.to_owned(),
            Type::Boolean | Type::Integer => format!("{value}::text"),
            // Without a zone PostgreSQL writes it as a key has it.
            Type::Timestamp => format!("({value} AT TIME ZONE 'UTC')::text"),
        }
    }

    fn time(&self, micros: Micros) -> String {
        format!("timestamptz '{}+00'", Value::Timestamp(micros).key_text())
    }

    fn by_bytes(&self, text: &str) -> String {
        format!("{text} COLLATE \"C\"")
    }
}

/// The column type for a logical type, as the server names it.
pub(super) fn sql_type(kind: Type) -> &'static str {
    match kind {
        Type::String => "text",
        Type::Boolean => "boolean",
        Type::Integer => "bigint",
        Type::Timestamp => "timestamp with time zone",
    }
}

/// The column type of a column of a state table.
pub(super) fn state_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::Integer => "bigint",
        Kind::Float => "double precision",
        Kind::Time => "timestamp with time zone",
    }
}

/// A time as microseconds, of a value in SQL.
pub(super) fn micros(value: &str) -> String {
    format!("(extract(epoch FROM {value}) * 1000000)::bigint")
}
