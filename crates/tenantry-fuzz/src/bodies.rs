//! Bodies of pages, as arrays and as lines, for every stream.

use bytes::Bytes;
use serde_json::Value;
use tenantry_replication::catalog::{CATALOG, Replication, Stream};
use tenantry_replication::normalize::Normalizer;
use tenantry_replication::source::{Page, Records};

/// The first byte picks the stream, the rest is the body of a page.
pub(crate) fn page(input: &[u8]) {
    let Some((first, body)) = input.split_first() else { return };
    let stream = stream(*first);
    let read = normalize(stream, Records::Array(""), body);
    // What a strict reader takes must be taken, element for element; the other way round bad text is mended and not refused.
    if let Ok(Value::Array(elements)) = serde_json::from_slice::<Value>(body) {
        assert_eq!(read, Some(elements.len() as u64), "{}", stream.name);
    }
}

/// Lines of an export: one that cannot be read costs itself alone.
pub(crate) fn lines(input: &[u8]) {
    let Some(stream) = CATALOG.streams.iter().find(|stream| stream.replication == Replication::Export) else {
        return;
    };
    let lines = input.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
    assert_eq!(normalize(stream, Records::Lines, input), Some(lines as u64));
}

fn stream(number: u8) -> &'static Stream {
    &CATALOG.streams[usize::from(number) % CATALOG.streams.len()]
}

/// Records that were taken or quarantined; `None` where the body was refused as a whole.
fn normalize(stream: &'static Stream, records: Records, body: &[u8]) -> Option<u64> {
    let mut normalizer = Normalizer::new(&CATALOG, stream);
    let parent = stream.parent.as_ref().map(|_| "parent".to_owned());
    let page = Page { body: Bytes::copy_from_slice(body), records, parent, checkpoint: None };
    let taken = normalizer.page(&page);
    let root = stream.root().name;
    let batches = normalizer.take(true);
    let rows = batches.iter().filter(|batch| batch.table.name == root).map(|batch| batch.rows.num_rows());
    let quarantined = normalizer.take_quarantined();
    let lost = quarantined.iter().filter(|quarantined| quarantined.table == root).count();
    let known = normalizer.records();
    assert!(
        rows.sum::<usize>() as u64 + lost as u64 >= known.min(1),
        "{root}: {known} records became nothing"
    );
    taken.is_ok().then_some(known)
}
