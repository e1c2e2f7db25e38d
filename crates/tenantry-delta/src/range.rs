//! Between which keys the rows of a file lie, as far as the table's log tells: which changes can be about it.

use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, RecordBatch};
use arrow_select::concat::concat_batches;

use crate::failure::{Attempt, Failure};

/// Values of the first column of the key that rows may have.
#[derive(Debug, Clone)]
pub(crate) struct Range {
    /// The smallest and the largest; `None` where that is not known.
    pub(crate) texts: Option<(String, String)>,
    /// Whether there can be NULL.
    pub(crate) null: bool,
}

impl Range {
    pub(crate) fn smallest(&self) -> Option<&str> {
        self.texts.as_ref().map(|(smallest, _)| smallest.as_str())
    }

    pub(crate) fn widen(&mut self, other: &Self) {
        self.null |= other.null;
        self.texts = match (self.texts.take(), &other.texts) {
            (Some((smallest, largest)), Some((from, to))) => {
                Some((smallest.min(from.clone()), largest.max(to.clone())))
            }
            _ => None,
        };
    }

    /// Whether one of some values in order can be among the rows.
    pub(crate) fn holds_any_of(&self, keys: &[Option<String>]) -> bool {
        let Some((smallest, largest)) = &self.texts else { return true };
        let nulls = keys.first().is_some_and(Option::is_none);
        let from = keys.partition_point(|key| key.as_deref().is_none_or(|key| key < smallest.as_str()));
        let is_inside = |key: &Option<String>| key.as_deref().is_some_and(|key| key <= largest.as_str());
        nulls && self.null || keys.get(from).is_some_and(is_inside)
    }

    /// Rows, sorted by the column, that are inside; all where that is not known.
    pub(crate) fn of(&self, batch: &RecordBatch, column: Option<&str>) -> Attempt<RecordBatch> {
        let array = column.and_then(|column| batch.column_by_name(column));
        let Some((array, (smallest, largest))) = array.zip(self.texts.as_ref()) else {
            return Ok(batch.clone());
        };
        let texts = array
            .as_string_opt::<i32>()
            .ok_or_else(|| Failure::failed("a key column is of an unforeseen type"))?;
        let nulls = texts.null_count();
        let point = |is_before: &dyn Fn(&str) -> bool| {
            let (mut low, mut high) = (nulls, texts.len());
            while low < high {
                let middle = low.midpoint(high);
                if is_before(texts.value(middle)) { low = middle + 1 } else { high = middle }
            }
            low
        };
        let from = point(&|text| text < smallest.as_str());
        let to = point(&|text| text <= largest.as_str());
        let inside = batch.slice(from, to.saturating_sub(from));
        if self.null && nulls > 0 {
            return Ok(concat_batches(&batch.schema(), [&batch.slice(0, nulls), &inside])?);
        }
        Ok(inside)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, StringArray};

    use super::*;

    fn range(smallest: &str, largest: &str, null: bool) -> Range {
        Range { texts: Some((smallest.to_owned(), largest.to_owned())), null }
    }

    #[test]
    fn a_file_is_left_alone_where_no_changed_key_lies_in_its_range() {
        let keys = [None, Some("b".to_owned()), Some("f".to_owned())];
        for (range, holds) in [
            (range("a", "b", false), true),
            (range("c", "e", false), false),
            (range("c", "e", true), true),
            (range("f", "f", false), true),
            (range("g", "z", false), false),
            (Range { texts: None, null: false }, true),
        ] {
            assert_eq!(range.holds_any_of(&keys), holds, "{range:?}");
        }
        assert!(!range("c", "e", true).holds_any_of(&keys[1..]));
    }

    #[test]
    fn of_sorted_rows_those_inside_are_cut_out() {
        let ids: ArrayRef = Arc::new(StringArray::from(vec![None, None, Some("a"), Some("b"), Some("d")]));
        let batch = RecordBatch::try_from_iter_with_nullable([("id", ids, true)]).unwrap();
        for (range, rows) in [
            (range("a", "b", false), 2),
            (range("a", "b", true), 4),
            (range("c", "c", false), 0),
            (range("", "z", false), 3),
            (Range { texts: None, null: false }, 5),
        ] {
            assert_eq!(range.of(&batch, Some("id")).unwrap().num_rows(), rows, "{range:?}");
        }
    }
}
