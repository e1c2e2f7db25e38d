//! One value, out of Arrow and into it again.
//!
//! For the reference destination and for tests, which compare values one by one; rows in bulk stay in Arrow.

use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array as _, ArrayRef, BooleanArray, Int64Array, StringArray, TimestampMicrosecondArray};

use crate::catalog::Type;
use crate::clock::{MICROS_PER_SECOND, Micros};

/// A value of one of the four logical types, or NULL. Ordered as destinations order: NULL first, text by its bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// NULL.
    Null,
    /// Text.
    Text(String),
    /// True or false.
    Boolean(bool),
    /// Whole number.
    Integer(i64),
    /// Instant, microseconds UTC.
    Timestamp(Micros),
}

impl Value {
    /// The value in a row of a column; `None` when the column is of none of the four types. Time zones of the column do not matter.
    pub fn at(column: &ArrayRef, row: usize) -> Option<Self> {
        if column.is_null(row) {
            return Some(Self::Null);
        }
        if let Some(texts) = column.as_string_opt::<i32>() {
            return Some(Self::Text(texts.value(row).to_owned()));
        }
        if let Some(booleans) = column.as_boolean_opt() {
            return Some(Self::Boolean(booleans.value(row)));
        }
        if let Some(integers) = column.as_primitive_opt::<Int64Type>() {
            return Some(Self::Integer(integers.value(row)));
        }
        column.as_primitive_opt::<TimestampMicrosecondType>().map(|times| Self::Timestamp(times.value(row)))
    }

    /// The value as a part of a [`super::super::Key`]: NULL is the empty text, an instant `YYYY-MM-DD HH:MM:SS` with as many digits of a
    /// fraction as it needs.
    pub fn key_text(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Text(text) => text.clone(),
            Self::Boolean(boolean) => boolean.to_string(),
            Self::Integer(integer) => integer.to_string(),
            Self::Timestamp(micros) => time_text(*micros),
        }
    }

    /// Whether a column of this type can hold the value.
    pub fn fits(&self, kind: Type) -> bool {
        matches!(
            (self, kind),
            (Self::Null, _)
                | (Self::Text(_), Type::String)
                | (Self::Boolean(_), Type::Boolean)
                | (Self::Integer(_), Type::Integer)
                | (Self::Timestamp(_), Type::Timestamp)
        )
    }
}

/// A column of this type with these values; a value of another type becomes NULL.
pub(crate) fn column<'a>(kind: Type, values: impl Iterator<Item = &'a Value>) -> ArrayRef {
    match kind {
        Type::String => Arc::new(
            values
                .map(|value| if let Value::Text(text) = value { Some(text.as_str()) } else { None })
                .collect::<StringArray>(),
        ),
        Type::Boolean => Arc::new(
            values
                .map(|value| if let Value::Boolean(boolean) = value { Some(*boolean) } else { None })
                .collect::<BooleanArray>(),
        ),
        Type::Integer => Arc::new(
            values
                .map(|value| if let Value::Integer(integer) = value { Some(*integer) } else { None })
                .collect::<Int64Array>(),
        ),
        Type::Timestamp => Arc::new(
            values
                .map(|value| if let Value::Timestamp(micros) = value { Some(*micros) } else { None })
                .collect::<TimestampMicrosecondArray>()
                .with_timezone("UTC"),
        ),
    }
}

fn time_text(micros: Micros) -> String {
    const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
    let (year, month, day) = date(micros.div_euclid(MICROS_PER_DAY));
    let of_day = micros.rem_euclid(MICROS_PER_DAY);
    let (seconds, fraction) = (of_day / MICROS_PER_SECOND, of_day % MICROS_PER_SECOND);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let text = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
    if fraction == 0 { text } else { format!("{text}.{fraction:06}").trim_end_matches('0').to_owned() }
}

/// Date of a day counted from 1970-01-01, in the proleptic Gregorian calendar: year, month, day.
///
/// Counts in eras of 400 years whose years begin in March, so that the leap day is the last of a year
/// (<https://howardhinnant.github.io/date_algorithms.html>).
fn date(days_since_1970: i64) -> (i64, i64, i64) {
    const DAYS_PER_ERA: i64 = 146_097;
    const FROM_MARCH_OF_YEAR_0: i64 = 719_468;
    let days = days_since_1970 + FROM_MARCH_OF_YEAR_0;
    let era = days.div_euclid(DAYS_PER_ERA);
    let day_of_era = days.rem_euclid(DAYS_PER_ERA);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::time_text;

    #[test]
    fn instants_are_written_as_dates() {
        let cases = [
            (0, "1970-01-01 00:00:00"),
            (951_782_400_500_000, "2000-02-29 00:00:00.5"),
            (-1, "1969-12-31 23:59:59.999999"),
            (-62_135_596_800_000_000, "0001-01-01 00:00:00"),
            (253_402_300_799_999_999, "9999-12-31 23:59:59.999999"),
        ];
        for (micros, text) in cases {
            assert_eq!(time_text(micros), text);
        }
    }
}
