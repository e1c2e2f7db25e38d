//! One JSON value becomes one cell: lenient where the meaning is certain, refused where it is not.

use std::borrow::Cow;

use crate::catalog::Type;
use crate::clock::MICROS_PER_SECOND;
use crate::json::{Json, Kind};

use super::time::parse_timestamp;

/// What a column of one row holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell<'a> {
    /// Absent, or JSON null.
    Null,
    Text(Cow<'a, str>),
    Boolean(bool),
    Integer(i64),
    /// Microseconds since 1970, UTC.
    Timestamp(i64),
}

impl Cell<'_> {
    /// The cell as text, as keys and hashes use it; `None` for NULL.
    pub(super) fn to_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Null => None,
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Boolean(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
            Self::Integer(value) | Self::Timestamp(value) => Some(Cow::Owned(value.to_string())),
        }
    }
}

/// Reads a value as a type; the error says what does not fit, and never the value.
pub(super) fn read(kind: Type, value: Option<Json<'_>>) -> Result<Cell<'_>, &'static str> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(Cell::Null) };
    match kind {
        Type::String => text(value),
        Type::Boolean => boolean(value),
        Type::Integer => integer(value),
        Type::Timestamp => timestamp(value),
    }
}

/// Strings as they are; everything else as compact JSON text.
fn text(value: Json<'_>) -> Result<Cell<'_>, &'static str> {
    if let Some(text) = value.text() {
        return Ok(Cell::Text(text));
    }
    value.compact().map(|text| Cell::Text(Cow::Owned(text))).map_err(|_| "not well-formed JSON inside")
}

/// `true` and `false`, also as strings and as 1 and 0. The empty string is false: identity providers that send no value send that.
fn boolean(value: Json<'_>) -> Result<Cell<'_>, &'static str> {
    if let Some(value) = value.as_bool() {
        return Ok(Cell::Boolean(value));
    }
    if let Some(text) = value.text() {
        return match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" => Ok(Cell::Boolean(true)),
            "false" | "0" | "" => Ok(Cell::Boolean(false)),
            _ => Err("not a boolean"),
        };
    }
    match value.as_i64() {
        Some(1) => Ok(Cell::Boolean(true)),
        Some(0) => Ok(Cell::Boolean(false)),
        _ => Err("not a boolean"),
    }
}

/// Whole numbers, also as strings. An empty string holds no number.
fn integer(value: Json<'_>) -> Result<Cell<'_>, &'static str> {
    if let Some(number) = value.as_i64() {
        return Ok(Cell::Integer(number));
    }
    match value.text().as_deref().map(str::trim) {
        Some("") => Ok(Cell::Null),
        Some(text) => text.parse().map(Cell::Integer).map_err(|_| "not a whole number of 64 bits"),
        None => Err("not a whole number of 64 bits"),
    }
}

/// Numbers in these ranges can only be seconds or milliseconds since 1970: as the other unit they would lie before 1971 or after 5000.
const EPOCH_SECONDS: std::ops::Range<i64> = 100_000_000..100_000_000_000;
const EPOCH_MILLIS: std::ops::Range<i64> = 100_000_000_000..100_000_000_000_000;

/// Times as text, or as seconds or milliseconds since 1970. An empty string holds no time.
fn timestamp(value: Json<'_>) -> Result<Cell<'_>, &'static str> {
    if value.kind() == Kind::String {
        let text = value.text().unwrap_or_default();
        return match text.trim() {
            "" => Ok(Cell::Null),
            text => {
                parse_timestamp(text).map(Cell::Timestamp).ok_or("not a time between the years 1 and 9999")
            }
        };
    }
    match value.as_i64() {
        Some(seconds) if EPOCH_SECONDS.contains(&seconds) => Ok(Cell::Timestamp(seconds * MICROS_PER_SECOND)),
        Some(millis) if EPOCH_MILLIS.contains(&millis) => Ok(Cell::Timestamp(millis * 1_000)),
        _ => Err("not a time between the years 1 and 9999"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `json` as `kind` and shows the outcome.
    fn check(kind: Type, cases: &[(&str, &str)]) {
        for (json, expected) in cases {
            let cell = read(kind, Some(Json::document(json.as_bytes()).unwrap()));
            let shown = match cell {
                Ok(Cell::Null) => "NULL".to_owned(),
                Ok(Cell::Text(text)) => format!("text {text}"),
                Ok(Cell::Boolean(value)) => value.to_string(),
                Ok(Cell::Integer(value) | Cell::Timestamp(value)) => value.to_string(),
                Err(reason) => format!("refused: {reason}"),
            };
            assert_eq!(&shown, expected, "{kind:?} {json}");
        }
    }

    #[test]
    fn strings_take_everything() {
        check(
            Type::String,
            &[
                (r#""a""#, "text a"),
                (r#""""#, "text "),
                ("null", "NULL"),
                ("12", "text 12"),
                ("1e400", "text 1e400"),
                ("true", "text true"),
                (r#"{"a": [1, "x"]}"#, r#"text {"a":[1,"x"]}"#),
                ("[]", "text []"),
                ("[1 2]", "refused: not well-formed JSON inside"),
            ],
        );
    }

    #[test]
    fn booleans_are_read_where_the_meaning_is_certain() {
        check(
            Type::Boolean,
            &[
                ("true", "true"),
                (r#""true""#, "true"),
                (r#""False""#, "false"),
                (r#""""#, "false"),
                ("1", "true"),
                (r#""jane@example.com""#, "refused: not a boolean"),
                ("2", "refused: not a boolean"),
                ("{}", "refused: not a boolean"),
            ],
        );
    }

    #[test]
    fn integers_are_whole_and_fit() {
        check(
            Type::Integer,
            &[
                ("7", "7"),
                ("7.0", "7"),
                (r#""7""#, "7"),
                (r#""""#, "NULL"),
                ("7.5", "refused: not a whole number of 64 bits"),
                ("18446744073709551616", "refused: not a whole number of 64 bits"),
                ("true", "refused: not a whole number of 64 bits"),
            ],
        );
    }

    #[test]
    fn timestamps_are_instants() {
        check(
            Type::Timestamp,
            &[
                (r#""1970-01-01T00:00:01.5Z""#, "1500000"),
                ("1700000000", "1700000000000000"),
                ("1700000000000", "1700000000000000"),
                (r#""""#, "NULL"),
                ("12", "refused: not a time between the years 1 and 9999"),
                (r#"{"$date":"1970-01-01T00:00:00Z"}"#, "refused: not a time between the years 1 and 9999"),
                (r#""0000-00-00T00:00:00Z""#, "refused: not a time between the years 1 and 9999"),
            ],
        );
    }
}
