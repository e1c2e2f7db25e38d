//! Reads that are not over, kept with the rows that they have staged.
//!
//! Keeps copies: a crash takes what is staged and leaves what is parked.

use std::collections::BTreeMap;

use super::{Held, Kept, StagedRow, Value};
use crate::catalog::Stream;
use crate::destination::{LeftOut, Parking};
use crate::state::Parked;

/// A parked read as it is kept.
#[derive(Debug, Clone)]
pub(super) struct KeptPark {
    parked: Parked,
    rows: BTreeMap<&'static str, Vec<StagedRow>>,
}

impl Held<'_> {
    pub(super) fn park(&mut self, parking: &Parking) {
        let staged = |table: &&'static str| self.own.staged.get(*table).cloned().unwrap_or_default();
        let tables = parking.stream.tables.iter().map(|table| table.name).filter(|_| parking.rows);
        let rows = tables.map(|table| (table, staged(&table))).collect();
        let kept = KeptPark { parked: parking.parked.clone(), rows };
        self.kept.parked.insert(parking.stream.name, kept);
        self.kept.keep_quarantined(&parking.quarantined, parking.run);
    }

    pub(super) fn resume(&mut self, stream: &'static Stream, left_out: Option<&LeftOut>) -> bool {
        self.unstage(stream);
        let Some(kept) = self.kept.parked.get(stream.name).cloned() else { return false };
        for (table, mut rows) in kept.rows {
            let column = stream.table(table).zip(left_out);
            let column =
                column.and_then(|(table, left_out)| Some((left_out.column_of(stream, table)?, left_out)));
            if let Some((column, left_out)) = column {
                let holds = |value: &Value| left_out.values.contains(&value.key_text());
                rows.retain(|row| !row.values.get(column).is_some_and(holds));
            }
            self.own.staged.insert(table, rows);
        }
        true
    }

    pub(super) fn unstage(&mut self, stream: &'static Stream) {
        for table in stream.tables {
            self.own.staged.remove(table.name);
        }
    }
}

impl Kept {
    pub(super) fn parked_reads(&self) -> BTreeMap<String, Parked> {
        self.parked.iter().map(|(stream, kept)| ((*stream).to_owned(), kept.parked.clone())).collect()
    }
}
