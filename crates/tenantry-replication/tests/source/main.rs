//! The Auth0 source against a simulated tenant and against scripted answers, on virtual time: no socket, no waiting.
//!
//! `time` is the clock and the loop that moves it; `network` puts the simulator's pure core, or a script, behind the transport.
//! Only `wire` uses sockets: it holds the real transport to its promises.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod budget;
mod expiring;
mod faults;
mod feed;
mod follow;
mod lists;
mod log;
mod network;
mod resume;
mod time;
mod token;
mod trust;
mod users;
mod wire;

use std::collections::BTreeMap;

use serde_json::Value;
use tenantry_replication::error::SourceResult;
use tenantry_replication::source::{Page, Pages, Records};
use tenantry_replication::sync::{Event, Observer};

/// Nobody looks on.
pub(crate) struct Nobody;

impl Observer for Nobody {
    fn event(&self, _: &Event) {}
}

/// Everything that a read gave.
#[derive(Default)]
pub(crate) struct Got {
    /// Each page's parent and records.
    pub(crate) pages: Vec<(Option<String>, Vec<Value>)>,
    /// The last page's checkpoint.
    pub(crate) checkpoint: Option<tenantry_replication::state::Checkpoint>,
    /// Whether the end was that of a complete read.
    pub(crate) complete: bool,
    /// Requests that the read counted.
    pub(crate) requests: u64,
    /// Gaps that it found.
    pub(crate) gaps: Vec<tenantry_replication::source::Gap>,
}

impl Got {
    /// All records in order.
    pub(crate) fn records(&self) -> impl Iterator<Item = &Value> {
        self.pages.iter().flat_map(|(_, records)| records)
    }

    /// How often each value of a member came.
    pub(crate) fn counts(&self, member: &str) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for record in self.records() {
            *counts.entry(record[member].as_str().unwrap_or("?").to_owned()).or_insert(0) += 1;
        }
        counts
    }
}

/// The records of a page.
pub(crate) fn records(page: &Page) -> Vec<Value> {
    let parse = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("a record is JSON");
    match page.records {
        Records::One => vec![parse(&page.body)],
        Records::Lines => {
            page.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(parse).collect()
        }
        Records::Array(member) => {
            let answer = parse(&page.body);
            let array = if member.is_empty() { &answer } else { &answer[member] };
            array.as_array().expect("records are an array").clone()
        }
    }
}

/// Reads to the end.
pub(crate) async fn read_all(mut pages: Box<dyn Pages>) -> SourceResult<Got> {
    let mut got = Got::default();
    assert!(!pages.complete(), "nothing is complete before its end");
    while let Some(page) = pages.next().await? {
        got.pages.push((page.parent.clone(), records(&page)));
        got.checkpoint = page.checkpoint.or(got.checkpoint);
    }
    got.complete = pages.complete();
    got.requests = pages.requests();
    got.gaps = pages.gaps().to_vec();
    assert!(pages.next().await?.is_none(), "after the end there is nothing");
    Ok(got)
}
