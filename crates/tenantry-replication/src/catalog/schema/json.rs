//! The catalog as one JSON document, for programs in other languages.

use serde_json::{Value, json as object};

use super::super::{Catalog, Column, Endpoint, Mark, Origin, Paging, Replication, Rows, Stream, Table, Text};
use super::NAMESPACE;
use super::mermaid::type_name;

/// The whole catalog, indented, with a newline at its end: streams with their tables in reading order, then relationships.
///
/// Names of members and of kinds are stable; members may be added.
pub fn json(catalog: &Catalog) -> String {
    let document = object!({
        "schema": NAMESPACE,
        "streams": catalog.streams.iter().map(stream).collect::<Vec<_>>(),
        "diagram_order": catalog.diagram,
        "relationships": catalog.relationships.iter().map(|line| object!({
            "parent": line.parent,
            "child": line.child,
            "column": line.column,
        })).collect::<Vec<_>>(),
    });
    format!("{document:#}\n")
}

fn stream(stream: &Stream) -> Value {
    object!({
        "name": stream.name,
        "endpoint": stream.endpoint.as_ref().map(endpoint),
        "replication": replication(stream.replication),
        "parent": stream.parent.as_ref().map(|parent| object!({ "stream": parent.stream, "column": parent.column })),
        "tables": stream.tables.iter().map(table).collect::<Vec<_>>(),
    })
}

fn endpoint(endpoint: &Endpoint) -> Value {
    object!({
        "path": endpoint.path,
        "collection": endpoint.collection,
        "paging": paging(endpoint.paging),
        "page_size": endpoint.page_size,
        "scope": endpoint.scope,
        "query": endpoint.query,
        "record_path": endpoint.record_path,
        "record_query": endpoint.record_query,
    })
}

fn table(table: &Table) -> Value {
    let (rows, path) = match table.rows {
        Rows::Record => ("record", None),
        Rows::Elements(path) => ("elements", Some(path)),
        Rows::Entries(path) => ("entries", Some(path)),
    };
    object!({
        "name": table.name,
        "description": text(table.about),
        "merge_key": table.key,
        "rows": rows,
        "path": path,
        "tags": table.tags,
        "example": { "question": text(table.example.asks), "sql": table.example.sql },
        "columns": table.columns.iter().map(column).collect::<Vec<_>>(),
    })
}

fn column(column: &Column) -> Value {
    let (origin, path) = match column.origin {
        Origin::Field(path) => ("field", Some(path)),
        Origin::Record(path) => ("record", Some(path)),
        Origin::Parent => ("parent", None),
        Origin::Index => ("index", None),
        Origin::EntryName => ("entry_name", None),
        Origin::EntryValue => ("entry_value", None),
        Origin::EntryValueMasked => ("entry_value_masked", None),
        Origin::RowHash(_) => ("row_hash", None),
        Origin::Deleted => ("deleted", None),
        Origin::Synced => ("synced", None),
    };
    let mark = match column.mark {
        Mark::None => None,
        Mark::Primary => Some("PK"),
        Mark::Foreign => Some("FK"),
    };
    let mut value = object!({
        "name": column.name,
        "type": type_name(column.kind),
        "key_mark": mark,
        "origin": origin,
        "path": path,
        "description": text(column.about),
    });
    if let Origin::RowHash(natural_key) = column.origin {
        value["hash_of"] = object!(natural_key);
    }
    value
}

fn text(text: Text) -> Value {
    object!({ "en": text.en, "ja": text.ja })
}

const fn replication(replication: Replication) -> &'static str {
    match replication {
        Replication::FullTable => "full_table",
        Replication::Export => "export",
        Replication::Log => "log",
        Replication::Daily => "daily",
        Replication::Frozen => "frozen",
    }
}

const fn paging(paging: Paging) -> &'static str {
    match paging {
        Paging::None => "none",
        Paging::Offset => "offset",
        Paging::Checkpoint => "checkpoint",
        Paging::CountedCheckpoint => "counted_checkpoint",
        Paging::LogCheckpoint => "log_checkpoint",
    }
}
