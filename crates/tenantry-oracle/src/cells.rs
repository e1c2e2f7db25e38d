//! One JSON value to one text cell, by a general JSON parser and a general time library.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::Cell;

/// Text as it is; everything else as JSON text; null and absent as NULL.
pub(crate) fn text(record: &Value, pointer: &str) -> Cell {
    match record.pointer(pointer) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(other) => Some(other.to_string()),
    }
}

/// `true` or `false`, also where a provider sent them as text.
pub(crate) fn boolean(record: &Value, pointer: &str) -> Cell {
    let text = text(record, pointer)?;
    Some(if text == "true" { "true" } else { "false" }.to_owned())
}

/// A whole number.
pub(crate) fn integer(record: &Value, pointer: &str) -> Cell {
    text(record, pointer)
}

/// A time in UTC, cut to microseconds. A date alone is midnight.
pub(crate) fn time(record: &Value, pointer: &str) -> Cell {
    let text = text(record, pointer)?;
    let text = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text };
    text.parse::<Timestamp>().ok().map(instant)
}

/// How tests write an instant.
pub(crate) fn instant(time: Timestamp) -> String {
    show_micros(time.as_microsecond())
}

/// Microseconds since 1970 as `2024-01-02T03:04:05.678901Z`.
pub fn show_micros(micros: i64) -> String {
    Timestamp::from_microsecond(micros).map_or_else(|_| micros.to_string(), |time| format!("{time:.6}"))
}

/// The documented rule of `_fivetran_id`: SHA-256 over length and text of each part, 16 bytes of it in URL-safe base64.
pub(crate) fn row_id(parts: &[&Cell]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        match part {
            Some(text) => {
                digest.update((text.len() as u64).to_be_bytes());
                digest.update(text.as_bytes());
            }
            None => digest.update([0xff; 8]),
        }
    }
    URL_SAFE_NO_PAD.encode(&digest.finalize()[..16])
}
