//! Arrow rows in PostgreSQL's binary COPY form, straight from the arrays: <https://www.postgresql.org/docs/current/sql-copy.html>.
//!
//! Holds one piece at a time; knows no connection.

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array as _, ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use bytes::{BufMut as _, Bytes, BytesMut};
use tenantry_replication::error::DestinationErrorKind;

use super::connection::{Attempt, Failure};
use crate::sql::server::held;

/// What every stream begins with: signature, no flags, no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// Microseconds from 1970 to 2000, where PostgreSQL's time begins.
const EPOCH: i64 = 946_684_800_000_000;
/// Most bytes of one value that PostgreSQL takes.
const VALUE_BYTES_MAX: usize = 1 << 30;

/// A column of one of the four types that rows travel in.
enum Cells<'a> {
    Text(&'a StringArray),
    Boolean(&'a BooleanArray),
    Integer(&'a Int64Array),
    Time(&'a TimestampMicrosecondArray),
}

impl<'a> Cells<'a> {
    fn of(column: &'a ArrayRef) -> Option<Self> {
        let text = || column.as_string_opt().map(Self::Text);
        let boolean = || column.as_boolean_opt().map(Self::Boolean);
        let integer = || column.as_primitive_opt::<Int64Type>().map(Self::Integer);
        let time = || column.as_primitive_opt::<TimestampMicrosecondType>().map(Self::Time);
        text().or_else(boolean).or_else(integer).or_else(time)
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Text(cells) => cells.is_null(row),
            Self::Boolean(cells) => cells.is_null(row),
            Self::Integer(cells) => cells.is_null(row),
            Self::Time(cells) => cells.is_null(row),
        }
    }

    fn put(&self, row: usize, out: &mut BytesMut) -> Attempt<()> {
        if self.is_null(row) {
            out.put_i32(-1);
            return Ok(());
        }
        match self {
            Self::Text(cells) => {
                let text = held(cells.value(row));
                let length = i32::try_from(text.len()).ok().filter(|_| text.len() < VALUE_BYTES_MAX);
                let length = length.ok_or_else(|| {
                    Failure::new(
                        DestinationErrorKind::Failed,
                        "a value has more than the 1 GB that PostgreSQL takes",
                    )
                })?;
                out.put_i32(length);
                out.put_slice(text.as_bytes());
            }
            Self::Boolean(cells) => {
                out.put_i32(1);
                out.put_u8(u8::from(cells.value(row)));
            }
            Self::Integer(cells) => put_i64(cells.value(row), out),
            Self::Time(cells) => put_i64(cells.value(row) - EPOCH, out),
        }
        Ok(())
    }
}

fn put_i64(value: i64, out: &mut BytesMut) {
    out.put_i32(8);
    out.put_i64(value);
}

/// Rows that are gathered to be copied.
#[derive(Default)]
pub(super) struct Piece {
    bytes: BytesMut,
    rows: u64,
}

impl Piece {
    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds rows, each with its number behind its own columns, counted from `first`.
    pub(super) fn add(&mut self, batch: &RecordBatch, first: u64) -> Attempt<()> {
        if self.bytes.is_empty() {
            self.bytes.put_slice(HEADER);
        }
        let columns: Option<Vec<Cells<'_>>> = batch.columns().iter().map(Cells::of).collect();
        let columns = columns.ok_or_else(|| {
            Failure::new(DestinationErrorKind::Failed, "a column is of a type that no column here has")
        })?;
        let count = i16::try_from(columns.len() + 1)
            .map_err(|_| Failure::new(DestinationErrorKind::Failed, "a table has too many columns"))?;
        for row in 0..batch.num_rows() {
            self.bytes.put_i16(count);
            for column in &columns {
                column.put(row, &mut self.bytes)?;
            }
            put_i64(first.cast_signed() + row as i64, &mut self.bytes);
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Hands over what was gathered, as a whole stream, and how many rows that are; `None` when there are none.
    pub(super) fn take(&mut self) -> Option<(Bytes, u64)> {
        let rows = std::mem::take(&mut self.rows);
        let mut bytes = std::mem::take(&mut self.bytes);
        if rows == 0 {
            return None;
        }
        bytes.put_i16(-1);
        Some((bytes.freeze(), rows))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn rows_are_written_as_the_manual_says() {
        let columns: [(&str, ArrayRef); 4] = [
            ("text", Arc::new(StringArray::from(vec![Some("a\0é"), None]))),
            ("flag", Arc::new(BooleanArray::from(vec![Some(true), None]))),
            ("number", Arc::new(Int64Array::from(vec![Some(-2), None]))),
            ("time", Arc::new(TimestampMicrosecondArray::from(vec![Some(EPOCH + 1), None]))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut piece = Piece::default();
        assert!(piece.take().is_none());
        piece.add(&batch, 7).unwrap();
        let (bytes, rows) = piece.take().unwrap();
        let mut expected = HEADER.to_vec();
        expected.extend([0, 5, 0, 0, 0, 6]);
        expected.extend("a\u{fffd}é".as_bytes());
        expected.extend([0, 0, 0, 1, 1, 0, 0, 0, 8, 255, 255, 255, 255, 255, 255, 255, 254]);
        expected.extend([0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 7]);
        expected.extend([0, 5]);
        expected.extend([255; 16]);
        expected.extend([0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 8, 255, 255]);
        assert_eq!((rows, bytes.as_ref()), (2, expected.as_slice()));
        assert!(piece.take().is_none(), "a piece is handed over once");
    }
}
