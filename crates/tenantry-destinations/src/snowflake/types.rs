//! Logical types as Snowflake's, and how Snowflake writes what every engine has.
//!
//! Names are written in upper case, as Snowflake stores them when they are written without quotes: `SELECT * FROM users` finds the table.

use tenantry_replication::catalog::Type;
use tenantry_replication::clock::Micros;
use tenantry_replication::destination::Value;

use crate::sql::Dialect;
use crate::sql::layout::Kind;

/// How Snowflake writes it.
pub(super) struct Snowflake;

/// The one of its kind.
pub(super) static SNOWFLAKE: Snowflake = Snowflake;

impl Dialect for Snowflake {
    fn quoted(&self, name: &str) -> String {
        quoted(name)
    }

    fn text(&self, value: &str, kind: Type) -> String {
        match kind {
            Type::String => value.to_owned(),
            Type::Boolean | Type::Integer => format!("TO_VARCHAR({value})"),
            Type::Timestamp => {
                // With as many digits of a fraction as it needs; the session writes six.
                let text = format!("TO_VARCHAR(CONVERT_TIMEZONE('UTC', {value})::TIMESTAMP_NTZ(6))");
                format!("CASE WHEN {text} LIKE '%.%' THEN RTRIM(RTRIM({text}, '0'), '.') ELSE {text} END")
            }
        }
    }

    fn time(&self, micros: Micros) -> String {
        format!("'{}'::TIMESTAMP_TZ(6)", time_text(micros))
    }

    fn by_bytes(&self, text: &str) -> String {
        text.to_owned()
    }
}

/// A time as Snowflake reads it.
pub(super) fn time_text(micros: Micros) -> String {
    format!("{}+00:00", Value::Timestamp(micros).key_text())
}

/// An identifier as SQL.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", stored(name).replace('"', "\"\""))
}

/// A name as Snowflake stores it.
pub(super) fn stored(name: &str) -> String {
    name.to_ascii_uppercase()
}

/// A text literal as SQL. For texts of our own; values from outside travel as parameters or in files.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// The column type for a logical type.
pub(super) fn sql_type(kind: Type) -> &'static str {
    match kind {
        Type::String => "VARCHAR",
        Type::Boolean => "BOOLEAN",
        Type::Integer => "NUMBER(19,0)",
        Type::Timestamp => "TIMESTAMP_TZ(6)",
    }
}

/// The column type of a column of a state table.
pub(super) fn state_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "VARCHAR",
        Kind::Integer => "NUMBER(19,0)",
        Kind::Float => "FLOAT",
        Kind::Time => "TIMESTAMP_TZ(6)",
    }
}

/// What the server's own tables of tables call a column type.
pub(super) fn told_type(sql_type: &str) -> &str {
    match sql_type.split('(').next().unwrap_or_default() {
        "VARCHAR" => "TEXT",
        other => other,
    }
}
