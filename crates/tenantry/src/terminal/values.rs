//! Record batches as text: a table for people, JSON and CSV for programs.
//!
//! Decides only on form. JSON and CSV hold every value in full; the table cuts long ones.

use std::fmt::Write as _;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow_array::{Array, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, DataType, TimeUnit};
use serde_json::{Map, Number, Value};
use tenantry_replication::clock::MICROS_PER_SECOND;

use super::table::{Align, TextTable};
use super::text;

/// Columns of the terminal that one value may take.
const VALUE_WIDTH_MAX: usize = 60;

/// Rows as an aligned table.
pub(crate) fn to_table(batches: &[RecordBatch]) -> Result<String, ArrowError> {
    let Some(first) = batches.first() else { return Ok(String::new()) };
    let schema = first.schema();
    let align = |kind: &DataType| if kind.is_numeric() { Align::Right } else { Align::Left };
    let columns = schema.fields().iter().map(|field| (field.name().as_str(), align(field.data_type())));
    let mut table = TextTable::new(columns);
    for_each_row(batches, |row| {
        table.row(
            row.iter().map(|(_, value)| text::cut(&text::visible(&plain(value, "NULL")), VALUE_WIDTH_MAX)),
        );
    })?;
    Ok(table.render())
}

/// Rows as an array of objects.
pub(crate) fn to_json(batches: &[RecordBatch]) -> Result<Value, ArrowError> {
    let mut rows = Vec::new();
    for_each_row(batches, |row| {
        let members: Map<String, Value> =
            row.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        rows.push(Value::Object(members));
    })?;
    Ok(Value::Array(rows))
}

/// Rows as RFC 4180 CSV with a heading. NULL is an empty field, empty text a quoted one.
///
/// Text that a spreadsheet would run as a formula gets a quote in front, as in Auth0's own exports.
pub(crate) fn to_csv(batches: &[RecordBatch]) -> Result<String, ArrowError> {
    let Some(first) = batches.first() else { return Ok(String::new()) };
    let schema = first.schema();
    let heading: Vec<String> = schema.fields().iter().map(|field| csv_text(field.name())).collect();
    let mut csv = heading.join(",") + "\r\n";
    for_each_row(batches, |row| {
        let cells: Vec<String> = row
            .iter()
            .map(|(_, value)| match value {
                Value::Null => String::new(),
                Value::Bool(_) | Value::Number(_) => value.to_string(),
                Value::String(_) | Value::Array(_) | Value::Object(_) => csv_text(&plain(value, "")),
            })
            .collect();
        let _ = write!(csv, "{}\r\n", cells.join(","));
    })?;
    Ok(csv)
}

fn csv_text(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if guard.is_empty() && !text.is_empty() && !text.contains(['"', ',', '\r', '\n']) {
        return text.to_owned();
    }
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

/// A value without JSON's quotes; arrays and objects as compact JSON.
fn plain(value: &Value, null: &str) -> String {
    match value {
        Value::Null => null.to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Calls `take` with the names and values of each row in turn.
pub(crate) fn for_each_row(
    batches: &[RecordBatch],
    mut take: impl FnMut(&[(&str, Value)]),
) -> Result<(), ArrowError> {
    for batch in batches {
        let schema = batch.schema();
        for row in 0..batch.num_rows() {
            let mut values = Vec::with_capacity(batch.num_columns());
            for (field, column) in schema.fields().iter().zip(batch.columns()) {
                values.push((field.name().as_str(), value(column.as_ref(), row)?));
            }
            take(&values);
        }
    }
    Ok(())
}

/// One value as JSON: numbers and truth values as such, times as RFC 3339 in UTC, nested values nested, the rest as text.
fn value(array: &dyn Array, row: usize) -> Result<Value, ArrowError> {
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match array.data_type() {
        DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
        DataType::Float32 => float(f64::from(array.as_primitive::<Float32Type>().value(row))),
        DataType::Float64 => float(array.as_primitive::<Float64Type>().value(row)),
        DataType::Timestamp(unit, _) => Value::String(text::rfc3339(micros(array, *unit, row))),
        DataType::List(_) => elements(array.as_list::<i32>().value(row).as_ref())?,
        DataType::LargeList(_) => elements(array.as_list::<i64>().value(row).as_ref())?,
        DataType::Struct(fields) => {
            let mut members = Map::new();
            for (field, column) in fields.iter().zip(array.as_struct().columns()) {
                members.insert(field.name().clone(), value(column.as_ref(), row)?);
            }
            Value::Object(members)
        }
        kind => {
            let shown = ArrayFormatter::try_new(array, &FormatOptions::default())?.value(row).to_string();
            match shown.parse::<Number>() {
                Ok(number) if kind.is_numeric() => Value::Number(number),
                _ => Value::String(shown),
            }
        }
    })
}

fn elements(array: &dyn Array) -> Result<Value, ArrowError> {
    (0..array.len()).map(|row| value(array, row)).collect::<Result<Vec<_>, _>>().map(Value::Array)
}

/// JSON has no infinities: they become text.
fn float(number: f64) -> Value {
    Number::from_f64(number).map_or_else(|| Value::String(number.to_string()), Value::Number)
}

fn micros(array: &dyn Array, unit: TimeUnit, row: usize) -> i64 {
    match unit {
        TimeUnit::Second => {
            array.as_primitive::<TimestampSecondType>().value(row).saturating_mul(MICROS_PER_SECOND)
        }
        TimeUnit::Millisecond => {
            array.as_primitive::<TimestampMillisecondType>().value(row).saturating_mul(1000)
        }
        TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().value(row),
        TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().value(row).div_euclid(1000),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::types::Int32Type;
    use arrow_array::{ArrayRef, TimestampMicrosecondArray};
    use arrow_array::{BooleanArray, Decimal128Array, Float64Array, Int64Array, ListArray, StringArray};

    use super::*;

    fn rows() -> Vec<RecordBatch> {
        let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None]);
        let hugeint = Decimal128Array::from(vec![Some(42), None]).with_precision_and_scale(38, 0);
        let columns: [(&str, ArrayRef); 7] = [
            ("name", Arc::new(StringArray::from(vec![Some("=1+1,\"x\""), Some("")]))),
            ("ok", Arc::new(BooleanArray::from(vec![Some(true), None]))),
            ("big", Arc::new(Int64Array::from(vec![Some(9_007_199_254_740_993), None]))),
            ("share", Arc::new(Float64Array::from(vec![Some(0.5), Some(f64::NAN)]))),
            ("at", Arc::new(TimestampMicrosecondArray::from(vec![Some(0), None]).with_timezone("UTC"))),
            ("list", Arc::new(list)),
            ("sum", Arc::new(hugeint.unwrap())),
        ];
        vec![
            RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true)))
                .unwrap(),
        ]
    }

    #[test]
    fn json_keeps_numbers_exact() {
        let json = to_json(&rows()).unwrap().to_string();
        insta::assert_snapshot!(json, @r#"[{"name":"=1+1,\"x\"","ok":true,"big":9007199254740993,"share":0.5,"at":"1970-01-01T00:00:00Z","list":[1,null],"sum":42},{"name":"","ok":null,"big":null,"share":"NaN","at":null,"list":null,"sum":null}]"#);
    }

    #[test]
    fn csv_tells_null_from_empty_and_defuses_formulas() {
        let csv = to_csv(&rows()).unwrap();
        assert_eq!(
            csv,
            "name,ok,big,share,at,list,sum\r\n\
             \"'=1+1,\"\"x\"\"\",true,9007199254740993,0.5,1970-01-01T00:00:00Z,\"[1,null]\",42\r\n\
             \"\",,,NaN,,,\r\n"
        );
    }

    #[test]
    fn a_table_aligns_numbers_to_the_right() {
        let table = anstream::adapter::strip_str(&to_table(&rows()).unwrap()).to_string();
        insta::assert_snapshot!(table, @r#"
        name      ok                 big  share  at                    list       sum
        =1+1,"x"  true  9007199254740993    0.5  1970-01-01T00:00:00Z  [1,null]    42
                  NULL              NULL    NaN  NULL                  NULL      NULL
        "#);
    }

    #[test]
    fn no_batches_are_no_rows() {
        assert_eq!(to_table(&[]).unwrap(), "");
        assert_eq!(to_json(&[]).unwrap().to_string(), "[]");
    }
}
