//! Rows of an answer as Arrow arrays. What has no Arrow type here comes as text, and is asked for as text.
//!
//! Knows no connection.

use std::sync::Arc;
use std::time::SystemTime;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray,
    TimestampMicrosecondArray,
};
use arrow_schema::{Field, Schema};
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Column, Row};

use super::connection::Attempt;

/// Microseconds from 1970 to 2000, where PostgreSQL's time begins.
const EPOCH: i64 = 946_684_800_000_000;

/// Whether values of this type have an Arrow type of their own here.
pub(super) fn is_native(kind: &Type) -> bool {
    native(kind) || is_text(kind)
}

fn native(kind: &Type) -> bool {
    [
        Type::BOOL,
        Type::INT2,
        Type::INT4,
        Type::INT8,
        Type::FLOAT4,
        Type::FLOAT8,
        Type::TIMESTAMPTZ,
        Type::TIMESTAMP,
    ]
    .contains(kind)
}

fn is_text(kind: &Type) -> bool {
    [Type::TEXT, Type::VARCHAR, Type::BPCHAR, Type::NAME, Type::UNKNOWN].contains(kind)
}

/// Rows as one batch.
pub(super) fn batch(columns: &[Column], rows: &[Row]) -> Attempt<RecordBatch> {
    batch_named(columns, columns, rows)
}

/// The same, with names of their own for the columns.
pub(super) fn batch_named(named: &[Column], columns: &[Column], rows: &[Row]) -> Attempt<RecordBatch> {
    let (mut fields, mut arrays) = (Vec::new(), Vec::new());
    for (at, column) in columns.iter().enumerate() {
        let array = array(at, column.type_(), rows)?;
        let name = named.get(at).map_or(column.name(), Column::name);
        fields.push(Field::new(name, array.data_type().clone(), true));
        arrays.push(array);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)?)
}

fn array(at: usize, kind: &Type, rows: &[Row]) -> Attempt<ArrayRef> {
    Ok(match *kind {
        Type::BOOL => Arc::new(BooleanArray::from(values::<bool>(at, rows)?)),
        Type::INT2 => Arc::new(wider::<i16, i64>(at, rows)?.into_iter().collect::<Int64Array>()),
        Type::INT4 => Arc::new(wider::<i32, i64>(at, rows)?.into_iter().collect::<Int64Array>()),
        Type::INT8 => Arc::new(Int64Array::from(values::<i64>(at, rows)?)),
        Type::FLOAT4 => Arc::new(wider::<f32, f64>(at, rows)?.into_iter().collect::<Float64Array>()),
        Type::FLOAT8 => Arc::new(Float64Array::from(values::<f64>(at, rows)?)),
        Type::TIMESTAMPTZ => Arc::new(times(at, rows)?.with_timezone("UTC")),
        Type::TIMESTAMP => Arc::new(times(at, rows)?),
        _ => Arc::new(StringArray::from(values::<&str>(at, rows)?)),
    })
}

fn values<'a, T: FromSql<'a>>(at: usize, rows: &'a [Row]) -> Attempt<Vec<Option<T>>> {
    rows.iter().map(|row| Ok(row.try_get(at)?)).collect()
}

fn wider<'a, T: FromSql<'a>, Wide: From<T>>(at: usize, rows: &'a [Row]) -> Attempt<Vec<Option<Wide>>> {
    Ok(values::<T>(at, rows)?.into_iter().map(|one| one.map(Wide::from)).collect())
}

fn times(at: usize, rows: &[Row]) -> Attempt<TimestampMicrosecondArray> {
    let micros = values::<Micros>(at, rows)?.into_iter();
    Ok(micros.map(|time| time.map(|Micros(micros)| micros)).collect())
}

/// A time as it comes: microseconds since 2000.
struct Micros(i64);

impl<'a> FromSql<'a> for Micros {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        let micros = i64::from_be_bytes(raw.try_into()?);
        // The two infinities stay at the ends.
        Ok(Self(micros.saturating_add(EPOCH)))
    }

    fn accepts(kind: &Type) -> bool {
        <SystemTime as FromSql<'_>>::accepts(kind)
    }
}
