//! Values of rows as bytes to hash: typed, where NULL differs from everything, and as the texts that keys of records are told in.
//!
//! Rows are told apart by hashes of 128 bits under a seed that nobody outside knows, so that an index of a million rows takes tens of
//! megabytes, whatever the rows hold.

use std::hash::{BuildHasher as _, RandomState};

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array as _, ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use tenantry_replication::catalog::Column;
use tenantry_replication::destination::{Key, Value};
use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::failure::{Attempt, Failure};

/// Hash of some values of a row.
pub(crate) type Hash = u128;

/// Hashes under one seed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hasher {
    seed: u64,
}

impl Hasher {
    /// With a seed of its own.
    pub(crate) fn new() -> Self {
        Self { seed: RandomState::new().hash_one("tenantry") }
    }

    /// Hash of texts, one after the other.
    pub(crate) fn texts<'a>(self, texts: impl Iterator<Item = &'a str>) -> Hash {
        let mut bytes = Vec::new();
        for text in texts {
            put_text(text, &mut bytes);
        }
        xxh3_128_with_seed(&bytes, self.seed)
    }
}

/// One column of a batch.
enum Cells<'a> {
    Text(&'a StringArray),
    Boolean(&'a BooleanArray),
    Integer(&'a Int64Array),
    Timestamp(&'a TimestampMicrosecondArray),
}

impl<'a> Cells<'a> {
    fn of(array: &'a ArrayRef) -> Option<Self> {
        array
            .as_string_opt::<i32>()
            .map(Self::Text)
            .or_else(|| array.as_boolean_opt().map(Self::Boolean))
            .or_else(|| array.as_primitive_opt::<Int64Type>().map(Self::Integer))
            .or_else(|| array.as_primitive_opt::<TimestampMicrosecondType>().map(Self::Timestamp))
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Text(cells) => cells.is_null(row),
            Self::Boolean(cells) => cells.is_null(row),
            Self::Integer(cells) => cells.is_null(row),
            Self::Timestamp(cells) => cells.is_null(row),
        }
    }

    fn put(&self, row: usize, bytes: &mut Vec<u8>) {
        if self.is_null(row) {
            bytes.push(0);
            return;
        }
        match self {
            Self::Text(cells) => {
                bytes.push(1);
                put_text(cells.value(row), bytes);
            }
            Self::Boolean(cells) => bytes.extend([2, u8::from(cells.value(row))]),
            Self::Integer(cells) => {
                bytes.push(3);
                bytes.extend(cells.value(row).to_le_bytes());
            }
            Self::Timestamp(cells) => {
                bytes.push(4);
                bytes.extend(cells.value(row).to_le_bytes());
            }
        }
    }
}

fn put_text(text: &str, bytes: &mut Vec<u8>) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

/// Some columns of a batch, to hash row by row.
pub(crate) struct Columns<'a> {
    arrays: Vec<&'a ArrayRef>,
    cells: Vec<Cells<'a>>,
    hasher: Hasher,
    bytes: Vec<u8>,
}

impl<'a> Columns<'a> {
    /// The columns of these names.
    pub(crate) fn of(
        batch: &'a RecordBatch,
        columns: impl IntoIterator<Item = &'static Column>,
        hasher: Hasher,
    ) -> Attempt<Self> {
        let (mut arrays, mut cells) = (Vec::new(), Vec::new());
        for column in columns {
            let array = batch.column_by_name(column.name);
            let array =
                array.ok_or_else(|| Failure::failed(format!("column {} is not there", column.name)))?;
            arrays.push(array);
            cells.push(Cells::of(array).ok_or_else(|| {
                Failure::failed(format!("column {} is of an unforeseen type", column.name))
            })?);
        }
        Ok(Self { arrays, cells, hasher, bytes: Vec::new() })
    }

    /// Hash of a row's values; NULL is like NULL alone.
    pub(crate) fn values(&mut self, row: usize) -> Hash {
        self.bytes.clear();
        for cells in &self.cells {
            cells.put(row, &mut self.bytes);
        }
        xxh3_128_with_seed(&self.bytes, self.hasher.seed)
    }

    /// Hash of a row's values as texts: the hash of a [`Key`] of these columns.
    pub(crate) fn texts(&mut self, row: usize) -> Hash {
        self.bytes.clear();
        for (cells, array) in self.cells.iter().zip(&self.arrays) {
            match cells {
                Cells::Text(cells) if cells.is_valid(row) => put_text(cells.value(row), &mut self.bytes),
                _ => put_text(&text(array, row), &mut self.bytes),
            }
        }
        xxh3_128_with_seed(&self.bytes, self.hasher.seed)
    }

    /// A row's values as texts.
    pub(crate) fn key(&self, row: usize) -> Key {
        self.arrays.iter().map(|array| text(array, row)).collect()
    }

    /// A row's values, to be put in order.
    pub(crate) fn ordered(&self, row: usize) -> Vec<Value> {
        self.arrays.iter().map(|array| Value::at(array, row).unwrap_or(Value::Null)).collect()
    }
}

fn text(array: &ArrayRef, row: usize) -> String {
    Value::at(array, row).map_or_else(String::new, |value| value.key_text())
}
