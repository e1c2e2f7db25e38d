//! The catalog with smaller pages, so that paging matters in small tenants.
//!
//! Changes nothing else of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tenantry_replication::catalog::{CATALOG, Catalog, Endpoint, Stream};

/// The catalog whose lists are read in pages of at most `page_size` records. Kept for ever, once for each size.
pub(crate) fn with_pages_of(page_size: u32) -> &'static Catalog {
    static MADE: Mutex<BTreeMap<u32, &'static Catalog>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    made.entry(page_size).or_insert_with(|| Box::leak(Box::new(make(page_size))))
}

fn make(page_size: u32) -> Catalog {
    let smaller =
        |endpoint: &Endpoint| Endpoint { page_size: endpoint.page_size.min(page_size), ..endpoint.clone() };
    let stream =
        |stream: &Stream| Stream { endpoint: stream.endpoint.as_ref().map(smaller), ..stream.clone() };
    let streams: Vec<Stream> = CATALOG.streams.iter().map(stream).collect();
    Catalog { streams: Box::leak(streams.into_boxed_slice()), ..CATALOG.clone() }
}
