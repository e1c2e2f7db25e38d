//! Arrow schemas of staged rows, derived from the catalog.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::catalog::{Table, Type, system};

/// The Arrow type that carries a logical type: text, booleans, 64-bit integers, and microseconds in UTC.
pub fn arrow_type(kind: Type) -> DataType {
    match kind {
        Type::String => DataType::Utf8,
        Type::Boolean => DataType::Boolean,
        Type::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Type::Integer => DataType::Int64,
    }
}

/// Schema of a [`super::Batch`] of this table: its data columns in catalog order, all nullable, then the page ordinal.
pub fn staged_schema(table: &Table) -> SchemaRef {
    let mut fields: Vec<Field> =
        table.data_columns().map(|column| Field::new(column.name, arrow_type(column.kind), true)).collect();
    fields.push(Field::new(system::PAGE, DataType::Int64, false));
    Arc::new(Schema::new(fields))
}
