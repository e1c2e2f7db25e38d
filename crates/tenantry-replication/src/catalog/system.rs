//! The columns that every table gets, in the words of the layout that we keep.

use super::{Column, Mark, Origin, Text, Type};

/// Name of the soft-delete flag.
pub const DELETED: &str = "_fivetran_deleted";
/// Name of the column that tells when a row was last written.
pub const SYNCED: &str = "_fivetran_synced";
/// Name of the surrogate key of tables without a natural one.
pub const ROW_ID: &str = "_fivetran_id";
/// Staging only: ordinal of the page that a row came from, so that the later of two answers wins.
pub const PAGE: &str = "_page";

/// `_fivetran_deleted`: true once the tenant no longer holds what the row stands for.
pub const fn deleted() -> Column {
    Column {
        name: DELETED,
        kind: Type::Boolean,
        origin: Origin::Deleted,
        mark: Mark::None,
        sensitive: false,
        about: Text {
            en: "Whether the tenant no longer holds what this row stands for; its last values are kept.",
            ja: "Fivetran削除フラグ",
        },
    }
}

/// `_fivetran_synced`: when the row was last written.
pub const fn synced() -> Column {
    Column {
        name: SYNCED,
        kind: Type::Timestamp,
        origin: Origin::Synced,
        mark: Mark::None,
        sensitive: false,
        about: Text {
            en: "When this row was last written (UTC); a row that did not change is not rewritten.",
            ja: "Fivetranによってデータが最後に同期された日時 (UTC)",
        },
    }
}

/// `_fivetran_id`: a stable hash of `natural_key`, the columns that identify the row.
pub const fn row_id(natural_key: &'static [&'static str]) -> Column {
    Column {
        name: ROW_ID,
        kind: Type::String,
        origin: Origin::RowHash(natural_key),
        mark: Mark::Primary,
        sensitive: false,
        about: Text {
            en: "Stable hash of the row's natural key.",
            ja: "Fivetranが生成したレコードの一意なID",
        },
    }
}
