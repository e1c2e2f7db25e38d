//! Logical types as BigQuery's, and how BigQuery writes what every engine has.
//!
//! Converts no value: U+0000 becomes U+FFFD as in the other servers, which [`held`] sees to.

use tenantry_replication::catalog::Type;
use tenantry_replication::clock::Micros;
use tenantry_replication::destination::Value;

use crate::sql::Dialect;
use crate::sql::layout::Kind;
use crate::sql::server::held;

/// How BigQuery writes it.
pub(super) struct BigQuery;

/// The one of its kind.
pub(super) static BIGQUERY: BigQuery = BigQuery;

impl Dialect for BigQuery {
    fn quoted(&self, name: &str) -> String {
        quoted(name)
    }

    fn text(&self, value: &str, kind: Type) -> String {
        match kind {
            Type::String => value.to_owned(),
            Type::Boolean | Type::Integer => format!("CAST({value} AS STRING)"),
            Type::Timestamp => time_text(value),
        }
    }

    fn time(&self, micros: Micros) -> String {
        format!("TIMESTAMP '{}+00'", Value::Timestamp(micros).key_text())
    }

    fn by_bytes(&self, text: &str) -> String {
        // Text is ordered by its bytes anyway.
        text.to_owned()
    }

    fn equal_or_null(&self, left: &str, right: &str, kind: Type) -> String {
        // Equalities of what each side gives alone, as no outer join and no correlated subquery takes anything else.
        let some = match kind {
            Type::String => "''",
            Type::Boolean => "false",
            Type::Integer => "0",
            Type::Timestamp => "TIMESTAMP '1970-01-01 00:00:00+00'",
        };
        format!("(IFNULL({left}, {some}) = IFNULL({right}, {some}) AND ({left} IS NULL) = ({right} IS NULL))")
    }
}

/// A time as a key has it: year of four digits, no zone, and no more of a fraction than there is.
fn time_text(value: &str) -> String {
    let micros = format!("MOD(MOD(UNIX_MICROS({value}), 1000000) + 1000000, 1000000)");
    format!(
        "CONCAT(LPAD(CAST(EXTRACT(YEAR FROM {value}) AS STRING), 4, '0'), FORMAT_TIMESTAMP('-%m-%d %H:%M:%S', {value}), \
         IF({micros} = 0, '', RTRIM(CONCAT('.', LPAD(CAST({micros} AS STRING), 6, '0')), '0')))"
    )
}

/// An identifier.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

/// A text as a literal. U+0000 has no place in one.
pub(super) fn literal(text: &str) -> String {
    let mut written = String::with_capacity(text.len() + 2);
    written.push('\'');
    for char in held(text).chars() {
        match char {
            '\\' => written.push_str("\\\\"),
            '\'' => written.push_str("\\'"),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            other => written.push(other),
        }
    }
    written.push('\'');
    written
}

/// The same of a text that may be missing.
pub(super) fn maybe_literal(text: Option<&str>) -> String {
    text.map_or_else(|| "CAST(NULL AS STRING)".to_owned(), literal)
}

/// The column type for a logical type, as the API names it.
pub(super) fn sql_type(kind: Type) -> &'static str {
    match kind {
        Type::String => "STRING",
        Type::Boolean => "BOOLEAN",
        Type::Integer => "INTEGER",
        Type::Timestamp => "TIMESTAMP",
    }
}

/// The column type of a column of a state table.
pub(super) fn state_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "STRING",
        Kind::Integer => "INTEGER",
        Kind::Float => "FLOAT",
        Kind::Time => "TIMESTAMP",
    }
}

/// A type as the API names it, of the two names that some have.
pub(super) fn canonical(name: &str) -> &str {
    match name {
        "BOOL" => "BOOLEAN",
        "INT64" => "INTEGER",
        "FLOAT64" => "FLOAT",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_end_its_literal() {
        assert_eq!(literal("it's \\ a\nb\0"), "'it\\'s \\\\ a\\nb\u{fffd}'");
        assert_eq!(quoted("a`b"), "`a\\`b`");
    }

    #[test]
    fn times_are_written_with_their_zone() {
        assert_eq!(BIGQUERY.time(-62_135_596_800_000_000), "TIMESTAMP '0001-01-01 00:00:00+00'");
        assert_eq!(BIGQUERY.time(1), "TIMESTAMP '1970-01-01 00:00:00.000001+00'");
    }
}
