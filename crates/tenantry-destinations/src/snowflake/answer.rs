//! Answers of the server as Arrow arrays: rows of texts, or Arrow streams in the server's own form. What has no Arrow type here becomes text.
//!
//! Knows no session.

use std::io::Cursor;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Decimal128Type, Int64Type};
use arrow_array::{
    Array as _, ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, RecordBatchOptions,
    StringArray, TimestampMicrosecondArray,
};
use arrow_cast::cast;
use arrow_ipc::reader::StreamReader;
use arrow_schema::{DataType, Field, Schema};
use serde::Deserialize;
use tenantry_replication::destination::Value;
use tenantry_replication::error::DestinationErrorKind;

use super::connection::{Attempt, Failure};

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// A column of an answer.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct ColumnInfo {
    pub(super) name: String,
    #[serde(rename = "type")]
    kind: String,
    scale: Option<i32>,
}

/// What values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Float,
    Boolean,
    Date,
    Time,
    /// With or without a zone.
    Timestamp(bool),
    Text,
}

impl ColumnInfo {
    fn kind(&self) -> Kind {
        match self.kind.to_ascii_lowercase().as_str() {
            "fixed" => Kind::Number,
            "real" => Kind::Float,
            "boolean" => Kind::Boolean,
            "date" => Kind::Date,
            "time" => Kind::Time,
            "timestamp_ntz" => Kind::Timestamp(false),
            "timestamp_tz" | "timestamp_ltz" => Kind::Timestamp(true),
            _ => Kind::Text,
        }
    }

    fn scale(&self) -> u32 {
        self.scale.unwrap_or(0).unsigned_abs()
    }
}

/// Rows of texts as one batch.
pub(super) fn of_texts(columns: &[ColumnInfo], rows: &[Vec<Option<String>>]) -> Attempt<RecordBatch> {
    let mut arrays = Vec::new();
    for (at, column) in columns.iter().enumerate() {
        let texts: Vec<Option<&str>> = rows.iter().map(|row| row.get(at)?.as_deref()).collect();
        arrays.push(of_column_of_texts(column, &texts)?);
    }
    batch(columns, arrays, rows.len())
}

fn of_column_of_texts(column: &ColumnInfo, texts: &[Option<&str>]) -> Attempt<ArrayRef> {
    let all = |read: fn(&str) -> Option<i64>| -> Option<Int64Array> {
        texts
            .iter()
            .map(|text| text.map(read).map_or(Some(None), |read| read.map(Some)))
            .collect::<Option<Vec<_>>>()
            .map(Int64Array::from)
    };
    let of_text = || Arc::new(texts.iter().copied().collect::<StringArray>()) as ArrayRef;
    Ok(match column.kind() {
        Kind::Number => match all(|text| text.parse().ok()) {
            Some(numbers) => Arc::new(numbers),
            None => of_text(),
        },
        Kind::Float => {
            let read = |text: Option<&str>| {
                text.map(|text| text.parse::<f64>().map_err(|_| unreadable(column))).transpose()
            };
            Arc::new(Float64Array::from(texts.iter().copied().map(read).collect::<Attempt<Vec<_>>>()?))
        }
        Kind::Boolean => {
            let is_true = |text: &str| text == "1" || text.eq_ignore_ascii_case("true");
            Arc::new(texts.iter().map(|text| text.map(is_true)).collect::<BooleanArray>())
        }
        Kind::Date => {
            let days = all(|text| text.parse().ok()).ok_or_else(|| unreadable(column))?;
            Arc::new(days.iter().map(|days| days.map(date_text)).collect::<StringArray>())
        }
        Kind::Timestamp(has_zone) => {
            let micros = all(|text| micros_of(text.split(' ').next()?)).ok_or_else(|| unreadable(column))?;
            times(micros.iter(), has_zone)
        }
        Kind::Time => {
            let micros = all(micros_of).ok_or_else(|| unreadable(column))?;
            Arc::new(micros.iter().map(|micros| micros.map(time_text)).collect::<StringArray>())
        }
        Kind::Text => of_text(),
    })
}

/// Seconds with a fraction, as microseconds.
fn micros_of(text: &str) -> Option<i64> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let (seconds, fraction): (i64, i64) = (seconds.parse().ok()?, digits.parse().ok()?);
    let fraction = if text.starts_with('-') { -fraction } else { fraction };
    seconds.checked_mul(MICROS_PER_SECOND)?.checked_add(fraction)
}

/// An Arrow stream in the server's form as batches.
pub(super) fn of_arrow(columns: &[ColumnInfo], bytes: &[u8]) -> Attempt<Vec<RecordBatch>> {
    let mut batches = Vec::new();
    for rows in StreamReader::try_new(Cursor::new(bytes), None)? {
        let rows = rows?;
        if rows.num_columns() != columns.len() {
            return Err(Failure::new(
                DestinationErrorKind::Failed,
                "the answer has other columns than it says",
            ));
        }
        let arrays: Attempt<Vec<_>> =
            columns.iter().zip(rows.columns()).map(|(column, array)| of_array(column, array)).collect();
        batches.push(batch(columns, arrays?, rows.num_rows())?);
    }
    Ok(batches)
}

fn of_array(column: &ColumnInfo, array: &ArrayRef) -> Attempt<ArrayRef> {
    let scaled = || Ok::<_, Failure>(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone());
    Ok(match column.kind() {
        Kind::Number => numbers(column, array)?,
        Kind::Float => cast(array, &DataType::Float64)?,
        Kind::Boolean => cast(array, &DataType::Boolean)?,
        Kind::Timestamp(has_zone) => match array.as_struct_opt() {
            Some(parts) => {
                let part = |name: &str| {
                    parts.column_by_name(name).map(|part| cast(part, &DataType::Int64)).transpose()
                };
                let (Some(epoch), fraction) = (part("epoch")?, part("fraction")?) else {
                    return Err(unreadable(column));
                };
                let epoch = epoch.as_primitive::<Int64Type>().clone();
                let micros = (0..array.len()).map(|row| {
                    if array.is_null(row) || epoch.is_null(row) {
                        return None;
                    }
                    let seconds = epoch.value(row);
                    Some(match &fraction {
                        Some(fraction) => {
                            seconds * MICROS_PER_SECOND
                                + fraction.as_primitive::<Int64Type>().value(row) / 1000
                        }
                        None => to_micros(seconds, column.scale()),
                    })
                });
                times(micros, has_zone)
            }
            None => times(scaled()?.iter().map(|value| Some(to_micros(value?, column.scale()))), has_zone),
        },
        Kind::Time => {
            let scale = column.scale();
            let text = |value: Option<i64>| Some(time_text(to_micros(value?, scale)));
            Arc::new(scaled()?.iter().map(text).collect::<StringArray>())
        }
        Kind::Date | Kind::Text => cast(array, &DataType::Utf8)?,
    })
}

/// Numbers of any width: 64 bits where they are whole and fit, else text.
fn numbers(column: &ColumnInfo, array: &ArrayRef) -> Attempt<ArrayRef> {
    let (wide, scale) = if let DataType::Decimal128(_, scale) = array.data_type() {
        let wide: Vec<Option<i128>> = array.as_primitive::<Decimal128Type>().iter().collect();
        (wide, u32::from(scale.unsigned_abs()))
    } else {
        let numbers = cast(array, &DataType::Int64)?;
        let numbers = numbers.as_primitive::<Int64Type>();
        (numbers.iter().map(|number| number.map(i128::from)).collect(), column.scale())
    };
    if scale == 0 {
        let whole: Option<Vec<Option<i64>>> =
            wide.iter().map(|number| number.map(i64::try_from).transpose().ok()).collect();
        if let Some(whole) = whole {
            return Ok(Arc::new(Int64Array::from(whole)));
        }
    }
    let text = |number: Option<i128>| number.map(|number| decimal_text(number, scale));
    Ok(Arc::new(wide.into_iter().map(text).collect::<StringArray>()))
}

fn decimal_text(number: i128, scale: u32) -> String {
    if scale == 0 {
        return number.to_string();
    }
    let unit = 10_u128.pow(scale.min(38));
    let (whole, fraction) = (number.unsigned_abs() / unit, number.unsigned_abs() % unit);
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{whole}.{fraction:0width$}", width = scale as usize)
}

fn to_micros(value: i64, scale: u32) -> i64 {
    if scale > 6 {
        value.div_euclid(10_i64.pow((scale - 6).min(18)))
    } else {
        value.saturating_mul(10_i64.pow(6 - scale))
    }
}

fn times(micros: impl Iterator<Item = Option<i64>>, has_zone: bool) -> ArrayRef {
    let times = micros.collect::<TimestampMicrosecondArray>();
    Arc::new(if has_zone { times.with_timezone("UTC") } else { times })
}

fn date_text(days: i64) -> String {
    Value::Timestamp(days.saturating_mul(SECONDS_PER_DAY * MICROS_PER_SECOND)).key_text()[..10].to_owned()
}

fn time_text(micros: i64) -> String {
    Value::Timestamp(micros.rem_euclid(SECONDS_PER_DAY * MICROS_PER_SECOND)).key_text()[11..].to_owned()
}

fn batch(columns: &[ColumnInfo], arrays: Vec<ArrayRef>, rows: usize) -> Attempt<RecordBatch> {
    let fields: Vec<Field> = columns
        .iter()
        .zip(&arrays)
        .map(|(column, array)| Field::new(&column.name, array.data_type().clone(), true))
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)?)
}

fn unreadable(column: &ColumnInfo) -> Failure {
    let message = format!("column {} of the answer cannot be read as {}", column.name, column.kind);
    Failure::new(DestinationErrorKind::Failed, message)
}

#[cfg(test)]
mod tests {
    use arrow_array::types::Int32Type;
    use arrow_array::{Int8Array, StructArray};
    use arrow_schema::Fields;

    use super::*;

    fn column(kind: &str, scale: i32) -> ColumnInfo {
        ColumnInfo { name: "c".to_owned(), kind: kind.to_owned(), scale: Some(scale) }
    }

    fn told(kind: &str, scale: i32, text: &str) -> Value {
        let rows = vec![vec![Some(text.to_owned())], vec![None]];
        let batch = of_texts(&[column(kind, scale)], &rows).unwrap();
        assert!(batch.column(0).is_null(1));
        Value::at(batch.column(0), 0).unwrap()
    }

    #[test]
    fn texts_are_read_as_the_server_writes_them() {
        let text = |text: &str| Value::Text(text.to_owned());
        assert_eq!(told("fixed", 0, "-9223372036854775808"), Value::Integer(i64::MIN));
        assert_eq!(told("fixed", 2, "1.50"), text("1.50"));
        assert_eq!(told("boolean", 0, "1"), Value::Boolean(true));
        assert_eq!(told("boolean", 0, "false"), Value::Boolean(false));
        assert_eq!(told("date", 0, "19723"), text("2024-01-01"));
        assert_eq!(told("time", 9, "3661.500000000"), text("01:01:01.5"));
        assert_eq!(told("timestamp_ntz", 9, "1704067200.123456789"), Value::Timestamp(1_704_067_200_123_456));
        assert_eq!(told("timestamp_tz", 6, "-1.500000 1440"), Value::Timestamp(-1_500_000));
        assert_eq!(told("timestamp_ltz", 0, "0"), Value::Timestamp(0));
        assert_eq!(told("variant", 0, "{}"), text("{}"));
        assert!(
            of_texts(&[column("timestamp_tz", 0)], &[vec![Some("canary".to_owned())]])
                .unwrap_err()
                .message
                .contains("column c")
        );
    }

    #[test]
    fn arrays_are_read_as_the_server_builds_them() {
        let small: ArrayRef = Arc::new(Int8Array::from(vec![Some(12), None]));
        let of = |kind, scale, array: &ArrayRef| {
            Value::at(&of_array(&column(kind, scale), array).unwrap(), 0).unwrap()
        };
        assert_eq!(of("fixed", 0, &small), Value::Integer(12));
        assert_eq!(of("fixed", 1, &small), Value::Text("1.2".to_owned()));
        assert_eq!(of("timestamp_ntz", 0, &small), Value::Timestamp(12_000_000));
        let epoch: ArrayRef = Arc::new(Int64Array::from(vec![-1]));
        let fraction: ArrayRef = Arc::new(arrow_array::PrimitiveArray::<Int32Type>::from(vec![500_000_000]));
        let fields = Fields::from(vec![
            Field::new("epoch", DataType::Int64, false),
            Field::new("fraction", DataType::Int32, false),
        ]);
        let parts: ArrayRef = Arc::new(StructArray::new(fields, vec![epoch, fraction], None));
        assert_eq!(of("timestamp_tz", 9, &parts), Value::Timestamp(-500_000));
        assert_eq!(decimal_text(-5, 3), "-0.005");
    }
}
