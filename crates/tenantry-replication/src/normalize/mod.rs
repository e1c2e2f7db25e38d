//! One JSON record becomes rows of a root table and its children, straight into Arrow builders, from the catalog alone.
//!
//! A record is walked once: members that no column asks for are skipped by their brackets. Normalizing cannot fail a stream: a record
//! or row that does not fit is quarantined with its reason, and what it stands for counts as seen. Knows no tables by name, sends nothing.

mod distinct;
mod program;
mod row_id;
mod rows;
mod time;
mod value;

use std::collections::BTreeSet;

use crate::catalog::{Catalog, Rows, Stream};
use crate::destination::{Batch, Key};
use crate::json::{self, Cursor, Json, JsonError, Kind};
use crate::source::{Page, Records};
use crate::state::Quarantine;

use program::Program;
pub use row_id::row_id;
use rows::{Place, TableRows};
pub use time::parse_timestamp;

/// Rows that are gathered before they leave as a batch: large enough for bulk loads, small enough to stay in cache and memory.
pub const BATCH_ROWS: usize = 16_384;
/// Text bytes that are gathered before a batch leaves, whatever its rows.
pub const BATCH_BYTES: usize = 32 << 20;

/// Turns pages of one stream into batches of its tables.
pub struct Normalizer {
    catalog: &'static Catalog,
    program: Program,
    tables: Vec<TableRows>,
    page: i64,
    /// Records seen so far.
    records: u64,
    quarantined: Vec<Quarantine>,
    spared: BTreeSet<Key>,
    nameless: bool,
}

impl Normalizer {
    /// A normalizer for the tables of `stream`.
    pub fn new(catalog: &'static Catalog, stream: &'static Stream) -> Self {
        let mut program = Program::default();
        let tables = stream.tables.iter().map(|table| TableRows::new(table, &mut program)).collect();
        Self {
            catalog,
            program,
            tables,
            page: 0,
            records: 0,
            quarantined: Vec::new(),
            spared: BTreeSet::new(),
            nameless: false,
        }
    }

    /// Takes the records of one page, in order. Fails only where the page itself is not JSON.
    pub fn page(&mut self, page: &Page) -> Result<(), JsonError> {
        self.page += 1;
        let parent = page.parent.as_deref();
        let mut cursor = Cursor::new(&page.body);
        match page.records {
            Records::Array("") => self.array(&mut cursor, parent)?,
            Records::Array(member) => self.member_array(&mut cursor, member, parent)?,
            Records::Lines => {
                for line in json::lines(&page.body) {
                    self.line(line, parent);
                }
                return Ok(());
            }
            Records::One => self.record(&mut cursor, parent)?,
        }
        if cursor.is_at_end() {
            Ok(())
        } else {
            Err(JsonError { offset: cursor.position(), reason: "more after the end of the answer" })
        }
    }

    /// The records of the array at the cursor.
    fn array(&mut self, cursor: &mut Cursor<'_>, parent: Option<&str>) -> Result<(), JsonError> {
        if !cursor.begins_with(b'[') {
            return Err(JsonError { offset: cursor.position(), reason: "expected a list of records" });
        }
        cursor.enter();
        while cursor.element()? {
            self.record(cursor, parent)?;
        }
        Ok(())
    }

    /// The records of the array that is a member of the object at the cursor.
    fn member_array(
        &mut self,
        cursor: &mut Cursor<'_>,
        member: &str,
        parent: Option<&str>,
    ) -> Result<(), JsonError> {
        let mut found = false;
        if cursor.begins_with(b'{') {
            cursor.enter();
            while let Some(name) = cursor.member()? {
                if name.is(member) {
                    found = true;
                    self.array(cursor, parent)?;
                } else {
                    cursor.value()?;
                }
            }
        }
        if found {
            Ok(())
        } else {
            Err(JsonError { offset: 0, reason: "the answer holds no list of records" })
        }
    }

    /// The record that is a line of its own. A line that cannot be read costs itself alone.
    fn line(&mut self, line: &[u8], parent: Option<&str>) {
        let mut cursor = Cursor::new(line);
        let read = self.record(&mut cursor, parent);
        if let Err(error) = read {
            self.records += 1;
            self.unreadable(&error);
        } else if !cursor.is_at_end() {
            self.unreadable(&JsonError {
                offset: cursor.position(),
                reason: "more after the end of the record",
            });
        }
    }

    /// Goes on where another normalizer was after so many pages, with what it knew of rows that are missing.
    pub fn resume(&mut self, pages: i64, spared: BTreeSet<Key>, nameless: bool) {
        (self.page, self.spared, self.nameless) = (pages, spared, nameless);
    }

    /// Pages taken so far.
    pub fn pages(&self) -> i64 {
        self.page
    }

    /// Records taken so far, quarantined ones included.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Batches of the tables that have gathered enough rows; with `all`, of every table that has any.
    /// The root table's batch comes before those of its children.
    pub fn take(&mut self, all: bool) -> Vec<Batch> {
        if all || self.tables.iter().any(TableRows::is_full) {
            self.tables.iter_mut().filter_map(TableRows::take).collect()
        } else {
            Vec::new()
        }
    }

    /// What did not fit since the last call.
    pub fn take_quarantined(&mut self) -> Vec<Quarantine> {
        std::mem::take(&mut self.quarantined)
    }

    /// Root keys that count as seen although a row is missing: their absence means nothing.
    pub fn spared(&self) -> &BTreeSet<Key> {
        &self.spared
    }

    /// Whether a record came whose key could not be read: then no absence at all means anything.
    pub fn nameless(&self) -> bool {
        self.nameless
    }

    /// Takes the record at the cursor and steps over it. Fails only where its end cannot be found.
    fn record(&mut self, cursor: &mut Cursor<'_>, parent: Option<&str>) -> Result<(), JsonError> {
        let begin = cursor.position();
        let mut slots = vec![None; self.program.slots()];
        let read = match self.program.walk(cursor, &mut slots) {
            Ok(()) if cursor.since(begin).kind() == Kind::Object => Ok(()),
            Ok(()) => Err("not an object".to_owned()),
            Err(error) => {
                cursor.rewind(begin);
                cursor.value()?;
                Err(error.to_string())
            }
        };
        self.records += 1;
        let record = cursor.since(begin);
        if let Err(reason) = read {
            self.nameless = true;
            self.quarantine(0, String::new(), reason, record);
            return Ok(());
        }
        let place = Place { record: &slots, parent, element: None, index: 0, name: None, page: self.page };
        if let Err(rejected) = self.tables[0].push(self.catalog, &place) {
            self.spare(rejected.key);
            self.quarantine(0, rejected.key_text, rejected.reason, record);
            return Ok(());
        }
        for table in 1..self.tables.len() {
            self.children(table, &place, record);
        }
        Ok(())
    }

    /// Rows of one child table for one record.
    fn children(&mut self, table: usize, place: &Place<'_>, record: Json<'_>) {
        let rows = &mut self.tables[table];
        let Some(container) = rows.container(place.record).filter(|container| !container.is_null()) else {
            return;
        };
        let mut rejected = Vec::new();
        match (rows.table().rows, container.kind()) {
            (Rows::Elements(_), Kind::Array) => {
                rows.begin_elements();
                for (index, element) in container.elements().enumerate() {
                    let place = Place { index: index as i64, ..*place };
                    let pushed = match element {
                        Ok(element) => rows.push(self.catalog, &Place { element: Some(element), ..place }),
                        Err(error) => Err(rows.unreadable(self.catalog, &place, error)),
                    };
                    rejected.extend(pushed.err());
                }
            }
            (Rows::Entries(_), Kind::Object) => {
                for (index, member) in container.members().enumerate() {
                    let place = Place { index: index as i64, ..*place };
                    let pushed = match member {
                        Ok((name, value)) => rows.push(
                            self.catalog,
                            &Place { element: Some(value), name: Some(&name.text()), ..place },
                        ),
                        Err(error) => Err(rows.unreadable(self.catalog, &place, error)),
                    };
                    rejected.extend(pushed.err());
                }
            }
            (Rows::Elements(_), _) => rejected.push(rows.unreadable(self.catalog, place, "not a list")),
            (Rows::Entries(_), _) => rejected.push(rows.unreadable(self.catalog, place, "not an object")),
            (Rows::Record, _) => rejected.extend(rows.push(self.catalog, place).err()),
        }
        if rejected.is_empty() {
            return;
        }
        let key = self.tables[0].key_of(place);
        self.spare(key);
        for rejected in rejected {
            self.quarantine(table, rejected.key_text, rejected.reason, record);
        }
    }

    /// Counts a root key as seen, or gives up on absence altogether where it could not be read.
    fn spare(&mut self, key: Option<Key>) {
        match key {
            Some(key) => {
                self.spared.insert(key);
            }
            None => self.nameless = true,
        }
    }

    fn unreadable(&mut self, error: &JsonError) {
        self.nameless = true;
        self.quarantined.push(Quarantine {
            table: self.tables[0].table().name,
            key: String::new(),
            reason: error.to_string(),
            record: String::new(),
        });
    }

    fn quarantine(&mut self, table: usize, key: String, reason: String, record: Json<'_>) {
        let catalog = self.catalog;
        self.quarantined.push(Quarantine {
            table: self.tables[table].table().name,
            key,
            reason,
            // Where the record cannot be rewritten it cannot be masked either, and is left out.
            record: record.compact_masked(&|name| catalog.is_secret_member(name)).unwrap_or_default(),
        });
    }
}
