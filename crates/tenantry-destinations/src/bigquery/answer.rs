//! Rows of an answer as Arrow arrays. What has no Arrow type here stays text, as the service writes it; lists and records become JSON text.
//!
//! Knows no connection.

use std::str::FromStr;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray,
    TimestampMicrosecondArray,
};
use arrow_schema::{Field, Schema};
use serde_json::Value;
use tenantry_replication::error::DestinationErrorKind;

use super::client::{Attempt, Failure};
use super::job::Rows;
use super::types::canonical;

/// Rows as one batch.
pub(super) fn batch(answer: &Rows) -> Attempt<RecordBatch> {
    let (mut fields, mut arrays) = (Vec::new(), Vec::new());
    for (at, field) in answer.fields.iter().enumerate() {
        let array = array(at, field, &answer.rows)?;
        fields.push(Field::new(field["name"].as_str().unwrap_or_default(), array.data_type().clone(), true));
        arrays.push(array);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(answer.rows.len()));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)?)
}

fn array(at: usize, field: &Value, rows: &[Vec<Value>]) -> Attempt<ArrayRef> {
    let is_list = field["mode"] == "REPEATED";
    let kind = if is_list { "" } else { canonical(field["type"].as_str().unwrap_or_default()) };
    Ok(match kind {
        "BOOLEAN" => Arc::new(BooleanArray::from(parsed::<bool>(at, rows)?)),
        "INTEGER" => Arc::new(Int64Array::from(parsed::<i64>(at, rows)?)),
        "FLOAT" => Arc::new(Float64Array::from(parsed::<f64>(at, rows)?)),
        "TIMESTAMP" => {
            Arc::new(TimestampMicrosecondArray::from(parsed::<i64>(at, rows)?).with_timezone("UTC"))
        }
        _ => Arc::new(rows.iter().map(|row| row.get(at).and_then(plain)).collect::<StringArray>()),
    })
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn parsed<T: FromStr>(at: usize, rows: &[Vec<Value>]) -> Attempt<Vec<Option<T>>> {
    let value = |row: &Vec<Value>| match row.get(at) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_str().and_then(|text| text.parse().ok()).map(Some).ok_or_else(|| {
            let message = "the service gave a value that is not of its column's type";
            Failure::new(DestinationErrorKind::Failed, message)
        }),
    };
    rows.iter().map(value).collect()
}
