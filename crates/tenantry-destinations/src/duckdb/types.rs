//! Logical types as DuckDB column types, and arrays in the form in which DuckDB takes them.
//!
//! Converts no value: whatever a batch holds arrives as it is.

use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use tenantry_replication::catalog::Type;

use super::connection::Attempt;

/// The column type for a logical type.
///
/// Times are plain `TIMESTAMP` in UTC: what a date function says of them depends neither on the reader's time zone nor on an extension
/// (docs/decisions/0003-duckdb-timestamps.md).
pub(super) fn sql_type(kind: Type) -> &'static str {
    match kind {
        Type::String => "VARCHAR",
        Type::Boolean => "BOOLEAN",
        Type::Integer => "BIGINT",
        Type::Timestamp => "TIMESTAMP",
    }
}

/// The same rows with times that carry no zone, so that no conversion by the session's zone can happen on the way. Copies nothing.
pub(super) fn without_zones(rows: &RecordBatch) -> Attempt<RecordBatch> {
    let strip = |column: &ArrayRef| -> ArrayRef {
        match column.as_primitive_opt::<TimestampMicrosecondType>() {
            Some(times) => Arc::new(times.clone().with_timezone_opt(None::<Arc<str>>)),
            None => Arc::clone(column),
        }
    };
    let fields: Vec<Field> = rows
        .schema_ref()
        .fields()
        .iter()
        .map(|field| match field.data_type() {
            DataType::Timestamp(TimeUnit::Microsecond, _) => Field::new(
                field.name(),
                DataType::Timestamp(TimeUnit::Microsecond, None),
                field.is_nullable(),
            ),
            other => Field::new(field.name(), other.clone(), field.is_nullable()),
        })
        .collect();
    let columns = rows.columns().iter().map(strip).collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}
