//! Rows of one table: each column's origin is looked up once, then every row goes cell by cell into Arrow builders.

use std::borrow::Cow;
use std::fmt::Display;
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;

use crate::catalog::{Catalog, Origin, Rows, Table, Type};
use crate::defects::{Defect, planted};
use crate::destination::{Batch, Key, staged_schema};
use crate::json::{Cursor, Json};

use super::distinct::Distinct;
use super::program::Program;
use super::row_id::row_id;
use super::value::{Cell, read};
use super::{BATCH_BYTES, BATCH_ROWS};

/// Where a row stands: what its cells may be taken from.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// The record's values, by slot.
    pub(super) record: &'a [Option<Json<'a>>],
    /// Key of the parent record, in a fan-out.
    pub(super) parent: Option<&'a str>,
    /// The array element or member value, for child tables.
    pub(super) element: Option<Json<'a>>,
    /// Its position.
    pub(super) index: i64,
    /// The member's name.
    pub(super) name: Option<&'a str>,
    /// Ordinal of the page.
    pub(super) page: i64,
}

/// A row that did not fit.
pub(super) struct Rejected {
    /// The merge key's values, where all of them could be read.
    pub(super) key: Option<Key>,
    /// The merge key as JSON, as far as it could be read.
    pub(super) key_text: String,
    /// Which column, and why.
    pub(super) reason: String,
}

/// Gathers the rows of one table.
pub(super) struct TableRows {
    table: &'static Table,
    columns: Vec<Column>,
    /// Positions of the merge key's columns.
    key: Vec<usize>,
    /// Positions of the columns that tell rows of one record apart.
    identity: Vec<usize>,
    /// Slot of the array or object that holds the rows.
    container: Option<usize>,
    element: Program,
    schema: SchemaRef,
    builders: Vec<Builder>,
    pages: Int64Builder,
    rows: usize,
    bytes: usize,
    distinct: Distinct,
}

struct Column {
    name: &'static str,
    kind: Type,
    from: From,
}

enum From {
    /// Slot of the record.
    Record(usize),
    /// Slot of the element.
    Element(usize),
    Parent,
    Index,
    EntryName,
    EntryValue {
        masked: bool,
    },
    /// Positions of the columns that are hashed.
    RowHash(Vec<usize>),
}

enum Builder {
    Text(StringBuilder),
    Boolean(BooleanBuilder),
    Integer(Int64Builder),
    Timestamp(TimestampMicrosecondBuilder),
}

/// What stands in a column instead of a secret.
const MASK: &str = "***";

impl TableRows {
    /// Adds the paths that the table's columns need to `record`, the program for whole records.
    pub(super) fn new(table: &'static Table, record: &mut Program) -> Self {
        let mut element = Program::default();
        let container = match table.rows {
            Rows::Record => None,
            Rows::Elements(path) | Rows::Entries(path) => Some(record.slot(path)),
        };
        let position = |name: &str| table.data_columns().position(|column| column.name == name);
        let columns: Vec<Column> = table
            .data_columns()
            .map(|column| Column {
                name: column.name,
                kind: column.kind,
                from: match column.origin {
                    Origin::Field(path) if container.is_some() => From::Element(element.slot(path)),
                    Origin::Field(path) | Origin::Record(path) => From::Record(record.slot(path)),
                    Origin::Parent => From::Parent,
                    Origin::EntryName => From::EntryName,
                    Origin::EntryValue => From::EntryValue { masked: false },
                    Origin::EntryValueMasked => From::EntryValue { masked: true },
                    Origin::RowHash(names) => {
                        From::RowHash(names.iter().filter_map(|name| position(name)).collect())
                    }
                    // System columns are no data columns; an index is all that is left.
                    Origin::Index | Origin::Deleted | Origin::Synced => From::Index,
                },
            })
            .collect();
        let key: Vec<usize> = table.key.iter().filter_map(|name| position(name)).collect();
        let mut identity = Vec::new();
        for &at in &key {
            match &columns[at].from {
                From::RowHash(natural) => {
                    identity.extend(natural.iter().filter(|&&at| columns[at].is_own(container.is_some())));
                }
                _ if columns[at].is_own(container.is_some()) => identity.push(at),
                _ => {}
            }
        }
        let builders = columns.iter().map(|column| Builder::new(column.kind)).collect();
        Self {
            table,
            columns,
            key,
            identity,
            container,
            element,
            schema: staged_schema(table),
            builders,
            pages: Int64Builder::new(),
            rows: 0,
            bytes: 0,
            distinct: Distinct::default(),
        }
    }

    pub(super) fn table(&self) -> &'static Table {
        self.table
    }

    /// The array or object that holds this table's rows; anything for a table with one row a record.
    pub(super) fn container<'a>(&self, record: &[Option<Json<'a>>]) -> Option<Json<'a>> {
        self.container.and_then(|slot| record[slot])
    }

    /// Begins a record's array: equal elements are looked for from here on.
    pub(super) fn begin_elements(&mut self) {
        self.distinct.clear();
    }

    /// Adds one row, all of it or nothing. The second of two equal elements adds nothing.
    pub(super) fn push(&mut self, catalog: &Catalog, place: &Place<'_>) -> Result<(), Rejected> {
        let mut slots = vec![None; self.element.slots()];
        if let Some(element) = place.element
            && let Err(error) = self.element.walk(&mut Cursor::new(element.bytes()), &mut slots)
        {
            return Err(self.rejected(&[], error.to_string()));
        }
        let mut cells = Vec::with_capacity(self.columns.len());
        let mut wrong = None;
        for column in &self.columns {
            let cell = column.cell(catalog, place, &slots).unwrap_or_else(|reason| {
                wrong.get_or_insert_with(|| format!("{}: {reason}", column.name));
                Cell::Null
            });
            cells.push(cell);
        }
        self.fill_row_ids(&mut cells);
        let wrong = wrong.or_else(|| self.lost_key(&cells));
        if let Some(reason) = wrong {
            return Err(self.rejected(&cells, reason));
        }
        if self.lacks_key(&cells) {
            return Err(self.rejected(&cells, format!("{}: no key", self.table.key.join(", "))));
        }
        if matches!(self.table.rows, Rows::Elements(_)) && !self.is_first(&cells) {
            return Ok(());
        }
        self.append(&cells, place.page);
        Ok(())
    }

    /// Whether what tells rows apart is missing. A record needs all of its key: what is left of it would be that of another one.
    fn lacks_key(&self, cells: &[Cell<'_>]) -> bool {
        let is_missing = |at: &usize| cells[*at] == Cell::Null;
        let lacks_part = self.container.is_none() && self.key.iter().any(is_missing);
        lacks_part && !planted(Defect::PartOfKeyIsEnough) || self.identity.iter().all(is_missing)
    }

    /// A record is known by its key: one that is not text could not be told from others, nor be asked for.
    fn lost_key(&self, cells: &[Cell<'_>]) -> Option<String> {
        let is_lost = |at: &&usize| matches!(&cells[**at], Cell::Text(text) if text.contains(char::REPLACEMENT_CHARACTER));
        let lost = self.key.iter().filter(|_| self.container.is_none()).find(is_lost)?;
        Some(format!("{}: a key that is not text", self.columns[*lost].name))
    }

    /// What is left to say where the array or object that holds the rows, or the rest of it, cannot be read.
    pub(super) fn unreadable(&self, catalog: &Catalog, place: &Place<'_>, reason: impl Display) -> Rejected {
        let (Rows::Elements(path) | Rows::Entries(path)) = self.table.rows else {
            return self.rejected(&[], reason.to_string());
        };
        let slots = vec![None; self.element.slots()];
        let cells: Vec<Cell<'_>> = self
            .columns
            .iter()
            .map(|column| column.cell(catalog, place, &slots).unwrap_or(Cell::Null))
            .collect();
        self.rejected(&cells, format!("{}: {reason}", path.trim_start_matches('/')))
    }

    /// The merge key of the row that stands here, where all of it can be read. For the root table.
    pub(super) fn key_of(&self, place: &Place<'_>) -> Option<Key> {
        self.key
            .iter()
            .map(|&at| match self.columns[at].from {
                From::Record(slot) => {
                    read(self.columns[at].kind, place.record[slot]).ok()?.to_text().map(Cow::into_owned)
                }
                From::Parent => place.parent.map(str::to_owned),
                _ => None,
            })
            .collect()
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    /// The rows gathered so far, if any.
    pub(super) fn take(&mut self) -> Option<Batch> {
        if self.rows == 0 {
            return None;
        }
        let mut arrays: Vec<ArrayRef> = self.builders.iter_mut().map(Builder::finish).collect();
        arrays.push(Arc::new(self.pages.finish()));
        (self.rows, self.bytes) = (0, 0);
        let rows = RecordBatch::try_new(Arc::clone(&self.schema), arrays).ok()?;
        Some(Batch { table: self.table, rows })
    }

    /// Row ids are hashed last: their natural key may stand to the right of them.
    fn fill_row_ids(&self, cells: &mut [Cell<'_>]) {
        for (at, column) in self.columns.iter().enumerate() {
            if let From::RowHash(natural) = &column.from {
                let texts: Vec<_> = natural.iter().map(|&at| cells[at].to_text()).collect();
                let id = row_id(texts.iter().map(Option::as_deref));
                cells[at] = Cell::Text(Cow::Owned(id));
            }
        }
    }

    fn is_first(&mut self, cells: &[Cell<'_>]) -> bool {
        let identity = &self.identity;
        self.distinct.insert(|bytes| {
            for &at in identity {
                match cells[at].to_text() {
                    Some(text) => {
                        bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
                        bytes.extend_from_slice(text.as_bytes());
                    }
                    None => bytes.extend_from_slice(&u64::MAX.to_be_bytes()),
                }
            }
        })
    }

    fn append(&mut self, cells: &[Cell<'_>], page: i64) {
        for (builder, cell) in self.builders.iter_mut().zip(cells) {
            self.bytes += builder.append(cell);
        }
        self.pages.append_value(page);
        self.rows += 1;
    }

    fn rejected(&self, cells: &[Cell<'_>], reason: String) -> Rejected {
        let texts: Vec<Option<String>> =
            self.key.iter().map(|&at| cells.get(at).and_then(Cell::to_text).map(Cow::into_owned)).collect();
        let shown: serde_json::Map<String, serde_json::Value> = self
            .table
            .key
            .iter()
            .zip(&texts)
            .map(|(name, text)| ((*name).to_owned(), text.clone().into()))
            .collect();
        Rejected {
            key: texts.into_iter().collect(),
            key_text: serde_json::Value::Object(shown).to_string(),
            reason,
        }
    }
}

impl Column {
    /// Whether the column's value is the row's own, and not that of the record or parent it belongs to.
    fn is_own(&self, child: bool) -> bool {
        match self.from {
            From::Parent => false,
            From::Record(_) => !child,
            _ => true,
        }
    }

    fn cell<'a>(
        &self,
        catalog: &Catalog,
        place: &Place<'a>,
        element: &[Option<Json<'a>>],
    ) -> Result<Cell<'a>, &'static str> {
        match &self.from {
            From::Record(slot) => read(self.kind, place.record[*slot]),
            From::Element(slot) => read(self.kind, element[*slot]),
            From::Parent => Ok(place.parent.map_or(Cell::Null, |key| Cell::Text(Cow::Borrowed(key)))),
            From::Index => Ok(Cell::Integer(place.index)),
            From::EntryName => Ok(place.name.map_or(Cell::Null, |name| Cell::Text(Cow::Borrowed(name)))),
            From::EntryValue { masked } => {
                let hide = *masked
                    && place.element.is_some_and(|value| !value.is_null())
                    && place.name.is_some_and(|name| catalog.is_secret_member(name));
                if hide { Ok(Cell::Text(Cow::Borrowed(MASK))) } else { read(self.kind, place.element) }
            }
            // Filled once the whole row is known.
            From::RowHash(_) => Ok(Cell::Null),
        }
    }
}

impl Builder {
    fn new(kind: Type) -> Self {
        match kind {
            Type::String => Self::Text(StringBuilder::new()),
            Type::Boolean => Self::Boolean(BooleanBuilder::new()),
            Type::Integer => Self::Integer(Int64Builder::new()),
            Type::Timestamp => Self::Timestamp(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
        }
    }

    /// Appends a cell of the column's type (anything else as NULL); gives the text bytes it took.
    fn append(&mut self, cell: &Cell<'_>) -> usize {
        match (self, cell) {
            (Self::Text(builder), Cell::Text(text)) => {
                builder.append_value(text);
                return text.len();
            }
            (Self::Text(builder), _) => builder.append_null(),
            (Self::Boolean(builder), Cell::Boolean(value)) => builder.append_value(*value),
            (Self::Boolean(builder), _) => builder.append_null(),
            (Self::Integer(builder), Cell::Integer(value)) => builder.append_value(*value),
            (Self::Integer(builder), _) => builder.append_null(),
            (Self::Timestamp(builder), Cell::Timestamp(value)) => builder.append_value(*value),
            (Self::Timestamp(builder), _) => builder.append_null(),
        }
        0
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::Integer(builder) => Arc::new(builder.finish()),
            Self::Timestamp(builder) => Arc::new(builder.finish()),
        }
    }
}
