//! Constructors of columns, so that a column of the catalog is one line: name, path, meaning in English, meaning in Japanese.
//!
//! Checks nothing: what the catalog promises is held by its tests.

use super::{Column, Mark, Origin, Text, Type};

/// Text at a path inside what the row stands for.
pub(super) const fn string(
    name: &'static str,
    path: &'static str,
    en: &'static str,
    ja: &'static str,
) -> Column {
    column(name, Type::String, Origin::Field(path), en, ja)
}

/// True or false at a path inside what the row stands for.
pub(super) const fn boolean(
    name: &'static str,
    path: &'static str,
    en: &'static str,
    ja: &'static str,
) -> Column {
    column(name, Type::Boolean, Origin::Field(path), en, ja)
}

/// An instant at a path inside what the row stands for.
pub(super) const fn timestamp(
    name: &'static str,
    path: &'static str,
    en: &'static str,
    ja: &'static str,
) -> Column {
    column(name, Type::Timestamp, Origin::Field(path), en, ja)
}

/// A whole number at a path inside what the row stands for.
pub(super) const fn integer(
    name: &'static str,
    path: &'static str,
    en: &'static str,
    ja: &'static str,
) -> Column {
    column(name, Type::Integer, Origin::Field(path), en, ja)
}

/// Text at a path inside the record that a child row belongs to.
pub(super) const fn from_record(
    name: &'static str,
    path: &'static str,
    en: &'static str,
    ja: &'static str,
) -> Column {
    column(name, Type::String, Origin::Record(path), en, ja)
}

/// The key of the record that a fan-out is reading for.
pub(super) const fn from_parent(name: &'static str, en: &'static str, ja: &'static str) -> Column {
    column(name, Type::String, Origin::Parent, en, ja)
}

/// The name of an object's member.
pub(super) const fn entry_name(name: &'static str, en: &'static str, ja: &'static str) -> Column {
    column(name, Type::String, Origin::EntryName, en, ja)
}

/// The value of an object's member.
pub(super) const fn entry_value(name: &'static str, en: &'static str, ja: &'static str) -> Column {
    column(name, Type::String, Origin::EntryValue, en, ja)
}

/// The value of an object's member, masked where the member's name says that it is a credential.
pub(super) const fn masked_entry_value(name: &'static str, en: &'static str, ja: &'static str) -> Column {
    column(name, Type::String, Origin::EntryValueMasked, en, ja)
}

/// `index`: the position in the array.
pub(super) const fn index() -> Column {
    column(
        "index",
        Type::Integer,
        Origin::Index,
        "Position in the list, counted from 0.",
        "リスト内のインデックス",
    )
}

impl Column {
    /// The same, marked `PK` as in the published diagram.
    pub(super) const fn primary(mut self) -> Self {
        self.mark = Mark::Primary;
        self
    }

    /// The same, marked `FK` as in the published diagram.
    pub(super) const fn foreign(mut self) -> Self {
        self.mark = Mark::Foreign;
        self
    }

    /// The same, shown only to those who ask for it.
    pub(super) const fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }
}

const fn column(
    name: &'static str,
    kind: Type,
    origin: Origin,
    en: &'static str,
    ja: &'static str,
) -> Column {
    Column { name, kind, origin, mark: Mark::None, sensitive: false, about: Text { en, ja } }
}
