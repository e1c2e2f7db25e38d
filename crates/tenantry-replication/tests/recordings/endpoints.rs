//! Which stream of the catalog an answer belongs to, found by the endpoint's path alone, and the answer as a page of that stream.
//!
//! Names no table.

use bytes::Bytes;
use serde_json::Value;
use tenantry_replication::catalog::{CATALOG, Stream};
use tenantry_replication::source::{Page, Records};

/// An answer that some stream would have asked for.
pub(crate) struct Answer {
    pub(crate) stream: &'static Stream,
    pub(crate) page: Page,
}

/// Endpoints that no stream reads, whose answers hold the same records as one that is read.
const SAME_RECORDS: &[(&str, &str)] = &[
    ("/client-grants/{id}/organizations", "/organizations"),
    ("/clients/{id}/connections", "/connections"),
    ("/organizations/name/{id}", "/organizations/{id}"),
    ("/users-by-email", "/users"),
    ("/users/{id}/logs", "/logs"),
    ("/users/{id}/organizations", "/organizations"),
    ("/users/{id}/roles", "/roles"),
];

/// The answer to a GET of `path` (below `/api/v2`) as a page of the stream that reads it; `None` where no stream does.
pub(crate) fn answer(path: &str, body: &Value) -> Option<Answer> {
    let same = SAME_RECORDS.iter().find(|(pattern, _)| matches(pattern, "{id}", path).is_some());
    let path = same.map_or(path, |(_, path)| path);
    CATALOG.streams.iter().find_map(|stream| {
        let endpoint = stream.endpoint.as_ref()?;
        let page = |records, parent| Page {
            body: Bytes::from(serde_json::to_vec(body).unwrap()),
            records,
            parent,
            checkpoint: None,
        };
        if let Some(parent) = matches(endpoint.path, "{parent}", path) {
            let parent = stream.parent.as_ref().map(|_| parent.to_owned());
            return Some(Answer { stream, page: page(records(endpoint.collection, body), parent) });
        }
        matches(endpoint.record_path?, "{id}", path)?;
        Some(Answer { stream, page: page(Records::One, None) })
    })
}

/// Where the records are: in the answer itself, or in the member that the catalog names, or (the catalog asks for the bare form, and the
/// answer has the other one) in its only array.
fn records(collection: &'static str, body: &Value) -> Records {
    let Some(object) = body.as_object() else { return Records::Array("") };
    if !collection.is_empty() {
        return Records::Array(collection);
    }
    let mut arrays = object.iter().filter(|(_, value)| value.is_array());
    let (name, _) = arrays.next().expect("a list holds an array");
    assert!(arrays.next().is_none(), "a list holds one array");
    Records::Array(String::leak(name.clone()))
}

/// What stands in the place of `hole` where `path` has the form of `pattern`; empty for a pattern without one.
fn matches<'a>(pattern: &str, hole: &str, path: &'a str) -> Option<&'a str> {
    let (pattern, path): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
    if pattern.len() != path.len() {
        return None;
    }
    pattern.iter().zip(path).try_fold("", |held, (expected, found)| match *expected {
        part if part == hole => Some(found),
        part => (part == found).then_some(held),
    })
}
