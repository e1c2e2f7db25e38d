//! What is replicated: streams, tables and columns as constant data, and the questions others ask of it.
//!
//! [`auth0`] is the one declarative place; no code outside this folder names a replicated table or column. DDL, documents, scopes,
//! the ER diagram and tests are all derived from here. Reads and writes nothing itself.

mod auth0;
mod column;
pub mod feed;
mod references;
pub mod schema;
pub mod system;
#[cfg(test)]
mod tests;

pub use auth0::CATALOG;
pub use references::Reference;

/// Everything that is replicated from one kind of source.
#[derive(Debug, Clone)]
pub struct Catalog {
    /// Streams in the order in which they are read: parents before the streams that fan out over them.
    pub streams: &'static [Stream],
    /// Names of all tables in the order of the published diagram.
    pub diagram: &'static [&'static str],
    /// What log events tell of changes.
    pub feed: feed::Feed,
    /// Lines between tables, in the order of the published diagram.
    pub relationships: &'static [Relationship],
    /// Names (compared without case) of JSON members whose values are secrets wherever they stand.
    ///
    /// Parts of names, in lower case: a member is secret when its name holds one of them and is not in `plain_members`.
    pub secret_members: &'static [&'static str],
    /// Whole names, in lower case, of members that would count as secrets by their name but hold none (`token_lifetime`).
    pub plain_members: &'static [&'static str],
}

/// One endpoint read to its end. It feeds a root table and the root's child tables.
#[derive(Debug, Clone)]
pub struct Stream {
    /// Name of the stream, as `tenantry tables` shows it.
    pub name: &'static str,
    /// How it is read; `None` for a frozen table that no endpoint feeds.
    pub endpoint: Option<Endpoint>,
    /// How later runs go on.
    pub replication: Replication,
    /// For a stream that is read once for each record of another: that other stream.
    pub parent: Option<Parent>,
    /// Tables it feeds; the first one is the root, whose rows stand for whole records.
    pub tables: &'static [Table],
}

/// How a stream is asked for.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Path below `/api/v2`, with `{parent}` where the parent's key goes.
    pub path: &'static str,
    /// Member of the answer that holds the records; `""` when the answer is a bare array.
    pub collection: &'static str,
    /// How its pages follow each other.
    pub paging: Paging,
    /// Records asked for in one page: the API's maximum, or 0 where [`Paging::None`] leaves nothing to ask for.
    pub page_size: u32,
    /// Scope that the token needs.
    pub scope: &'static str,
    /// Query parameters sent with each request of the list, `include_totals` included where the list takes it; only the paging's own
    /// parameters (`page`, `per_page`, `from`, `take`) and a range of days or a search come from elsewhere.
    pub query: &'static [(&'static str, &'static str)],
    /// Path of one record by the root key (`{id}`), where the API has one: confirms that a record is gone.
    pub record_path: Option<&'static str>,
    /// Query parameters sent when one record is read by `record_path`.
    pub record_query: &'static [(&'static str, &'static str)],
}

/// How an endpoint's pages follow each other (facts of the Management API, not a choice of ours).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paging {
    /// One answer holds everything.
    None,
    /// `page` and `per_page`, at most 1,000 records reachable on some endpoints.
    Offset,
    /// `from` and `take`; the answer's `next` is the next `from`. Unbounded.
    Checkpoint,
    /// A first page by `page`, `per_page` and `include_totals`; where its total says that there is more, a walk by checkpoint. For short
    /// lists whose checkpoint walk ends with an empty page only: one request instead of two.
    CountedCheckpoint,
    /// `from` and `take` by log id; the `Link` header tells the next request. Unbounded.
    LogCheckpoint,
}

/// How a stream's tables are brought up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replication {
    /// Every run reads the whole list; what a complete list no longer holds is soft-deleted.
    FullTable,
    /// Read in bulk by an export job, or by windows over `updated_at` where the job is not allowed.
    Export,
    /// Events are only ever added; the checkpoint is the last log id. Never soft-deleted by absence.
    Log,
    /// One record a day; the checkpoint is the last complete day. Never soft-deleted by absence.
    Daily,
    /// Created, never written.
    Frozen,
}

/// The stream that a fan-out goes over.
#[derive(Debug, Clone)]
pub struct Parent {
    /// Name of the parent stream.
    pub stream: &'static str,
    /// Column of the parent's root table whose value goes into the path.
    pub column: &'static str,
}

/// One destination table.
#[derive(Debug)]
pub struct Table {
    /// Name in the destination.
    pub name: &'static str,
    /// Columns that identify a row (the merge key). A superset of the diagram's key marks.
    pub key: &'static [&'static str],
    /// How many rows a record gives.
    pub rows: Rows,
    /// Columns in the order of the published diagram, system columns included.
    pub columns: &'static [Column],
    /// What a row is.
    pub about: Text,
    /// Words to select it by: `security`, `identity`, `config`, `pii`, `child`, ...
    pub tags: &'static [&'static str],
    /// A question that the table answers.
    pub example: Example,
}

/// A question, and the query that answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Example {
    /// The question.
    pub asks: Text,
    /// The query, in the SQL that DuckDB and PostgreSQL share; tables stand in the schema [`schema::NAMESPACE`].
    pub sql: &'static str,
}

/// How many rows a record gives to a table. Paths are slash-separated member names from the record, e.g. `/details/request/ip`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// One: the record itself.
    Record,
    /// One for each element of the array at this path.
    Elements(&'static str),
    /// One for each member of the object at this path.
    Entries(&'static str),
}

/// One column.
#[derive(Debug)]
pub struct Column {
    /// Name in the destination.
    pub name: &'static str,
    /// Logical type.
    pub kind: Type,
    /// Where its values come from.
    pub origin: Origin,
    /// The diagram's key mark: a hint for readers; the merge key is [`Table::key`].
    pub mark: Mark,
    /// Whether its values are shown to people only when they ask for them: source code, settings of others' systems, credentials.
    pub sensitive: bool,
    /// What it means.
    pub about: Text,
}

/// Logical types: the four that the published diagram uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// UTF-8 text; arrays and objects arrive as compact JSON text.
    String,
    /// True or false.
    Boolean,
    /// An instant in UTC, microseconds.
    Timestamp,
    /// 64-bit signed integer.
    Integer,
}

/// Where a column's values come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Path inside what the row stands for (record or array element); `""` is the element itself.
    Field(&'static str),
    /// Path inside the record, for rows of child tables.
    Record(&'static str),
    /// Key of the parent record, for streams that fan out.
    Parent,
    /// Position in the array, from 0.
    Index,
    /// Name of the object member.
    EntryName,
    /// Value of the object member.
    EntryValue,
    /// Like `EntryValue`, but the text `***` for a member whose name is secret by [`Catalog::is_secret_member`]; `null` stays NULL.
    EntryValueMasked,
    /// Stable hash of these columns of the same row: `_fivetran_id`.
    RowHash(&'static [&'static str]),
    /// Soft-delete flag, set by the destination.
    Deleted,
    /// When the row was last written, set by the destination.
    Synced,
}

/// Key marks of the published diagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// No mark.
    None,
    /// `PK`.
    Primary,
    /// `FK`.
    Foreign,
}

/// A description in both languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    /// English.
    pub en: &'static str,
    /// Japanese; for columns the diagram's own words.
    pub ja: &'static str,
}

/// One line of the diagram: `parent ||--o{ child : column`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relationship {
    /// Table that is referred to.
    pub parent: &'static str,
    /// Table that refers.
    pub child: &'static str,
    /// Column of the child that refers.
    pub column: &'static str,
}

impl Catalog {
    /// All tables in stream order.
    pub fn tables(&self) -> impl Iterator<Item = &'static Table> {
        self.streams.iter().flat_map(|stream| stream.tables)
    }

    /// The table of this name.
    pub fn table(&self, name: &str) -> Option<&'static Table> {
        self.tables().find(|table| table.name == name)
    }

    /// The stream of this name.
    pub fn stream(&self, name: &str) -> Option<&'static Stream> {
        self.streams.iter().find(|stream| stream.name == name)
    }

    /// The stream that feeds the table of this name.
    pub fn stream_of(&self, table: &str) -> Option<&'static Stream> {
        self.streams.iter().find(|stream| stream.tables.iter().any(|candidate| candidate.name == table))
    }

    /// Whether values of JSON members of this name are secrets, wherever they stand. The name's case does not matter.
    pub fn is_secret_member(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        !self.plain_members.contains(&name.as_str())
            && self.secret_members.iter().any(|secret| name.contains(secret))
    }
}

impl Stream {
    /// The table whose rows stand for whole records.
    pub fn root(&self) -> &'static Table {
        &self.tables[0]
    }

    /// Tables whose rows belong to a row of the root.
    pub fn children(&self) -> &'static [Table] {
        &self.tables[1..]
    }

    /// Pairs (root key column, column of `child` that holds the same value): how a child row finds its record.
    ///
    /// Empty only for the root itself. A child table always carries its record's whole key (a test of the catalog holds this).
    pub fn parent_key(&self, child: &Table) -> Vec<(&'static Column, &'static Column)> {
        let root = self.root();
        let mut pairs = Vec::new();
        for name in root.key {
            let Some(root_column) = root.column(name) else { continue };
            let Origin::Field(path) = root_column.origin else { continue };
            if let Some(column) = self
                .table(child.name)
                .and_then(|table| table.columns.iter().find(|column| column.origin == Origin::Record(path)))
            {
                pairs.push((root_column, column));
            }
        }
        pairs
    }

    /// Names of the top-level members of a record that any column of the stream takes, in catalog order, each once.
    ///
    /// What a field selection or an export job has to name. Empty for a record that is not an object.
    pub fn members(&self) -> Vec<&'static str> {
        let mut members = Vec::new();
        let mut take = |path: &'static str| {
            let member = path.trim_start_matches('/').split('/').next().unwrap_or_default();
            if !member.is_empty() && !members.contains(&member) {
                members.push(member);
            }
        };
        for table in self.tables {
            if let Rows::Elements(path) | Rows::Entries(path) = table.rows {
                take(path);
            }
            for column in table.columns {
                match column.origin {
                    Origin::Record(path) => take(path),
                    Origin::Field(path) if table.rows == Rows::Record => take(path),
                    _ => {}
                }
            }
        }
        members
    }

    /// The stream's own table of this name.
    pub fn table(&self, name: &str) -> Option<&'static Table> {
        self.tables.iter().find(|table| table.name == name)
    }
}

impl Table {
    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&'static Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Columns that come from the source: all but the soft-delete flag and the sync time.
    pub fn data_columns(&self) -> impl Iterator<Item = &'static Column> {
        self.columns.iter().filter(|column| !column.is_system())
    }

    /// For the root table of a fan-out: the column that holds the parent record's key.
    pub fn parent_column(&self) -> Option<&'static Column> {
        self.columns.iter().find(|column| column.origin == Origin::Parent)
    }

    /// The columns of the merge key, in key order.
    pub fn key_columns(&self) -> impl Iterator<Item = &'static Column> {
        self.key.iter().filter_map(|name| self.column(name))
    }
}

impl Column {
    /// Whether the destination, not the source, sets it (`_fivetran_id` comes from the source's values).
    pub fn is_system(&self) -> bool {
        matches!(self.origin, Origin::Deleted | Origin::Synced)
    }
}
