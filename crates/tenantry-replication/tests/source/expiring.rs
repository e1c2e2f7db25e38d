//! A log whose events expire while it is being read.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tenantry_replication::source::{Gap, Read, Source};
use tenantry_replication::state::Checkpoint;

use super::network::{Script, ok, parameter, refusal, stream};
use super::records;

/// Events there ever were.
const EVENTS: usize = 2_000;

/// Ids of events, one a minute, the last of them four weeks before the clock starts.
fn id(minute: usize) -> String {
    format!("900202610{:02}{:02}{:02}00{}", 1 + minute / 1440, minute / 60 % 24, minute % 60, "7".repeat(39))
}

/// Whether the server refuses positions of events that have expired.
#[derive(Clone, Copy, PartialEq)]
enum Expired {
    Refused,
    Skipped,
}

/// A log that keeps only events from `kept_from(requests so far)` on.
fn server(expired: Expired, kept_from: impl Fn(usize) -> usize + Send + Sync + 'static) -> Arc<Script> {
    let requests = AtomicUsize::new(0);
    Script::new(move |sent, _| {
        let kept = kept_from(requests.fetch_add(1, Ordering::Relaxed))..EVENTS;
        let page = |ids: &mut dyn Iterator<Item = usize>| {
            ids.map(|n| json!({ "log_id": id(n), "date": "2026-10-01T00:00:00.000Z", "type": "s" }))
                .take(100)
                .collect::<Vec<Value>>()
        };
        if let Some(asked) = sent.path.strip_prefix("/api/v2/logs/") {
            return Ok(match kept.clone().find(|n| id(*n) == asked) {
                Some(n) => ok(page(&mut [n].into_iter()).remove(0)),
                None => refusal(404, "inexistent_log", "The log does not exist."),
            });
        }
        let Some(from) = parameter(&sent.query, "from") else {
            return Ok(ok(page(&mut kept.into_iter()).into()));
        };
        let is_event = !from.ends_with('0');
        if expired == Expired::Refused && is_event && from < id(kept.start) {
            return Ok(refusal(400, "invalid_checkpoint", "The log checkpoint has expired."));
        }
        Ok(ok(page(&mut kept.into_iter().filter(|n| id(*n) > from)).into()))
    })
}

/// What reads came to.
#[derive(Default)]
struct Table {
    ids: BTreeSet<String>,
    gaps: Vec<Gap>,
    checkpoint: Option<Checkpoint>,
    requests: u64,
}

impl Table {
    /// Reads on, at most so many pages: as if the process was killed behind the last of them.
    fn read(&mut self, script: &Arc<Script>, pages_max: usize) {
        let read =
            Read { stream: stream("logs"), parents: Vec::new(), from: self.checkpoint.take(), since: None };
        self.checkpoint.clone_from(&read.from);
        let mut pages = script.source().open(read);
        script.clock.run(async {
            for _ in 0..pages_max {
                let Some(page) = pages.next().await.unwrap() else { break };
                self.ids
                    .extend(records(&page).iter().map(|event| event["log_id"].as_str().unwrap().to_owned()));
                self.checkpoint = page.checkpoint.or(self.checkpoint.take());
            }
        });
        self.gaps.extend_from_slice(pages.gaps());
        self.requests += pages.requests();
    }

    /// Every event is there or in a gap, from the first that ever was there; so many are in a gap alone.
    #[track_caller]
    fn lacks(&self, count: usize) {
        let missing = (0..EVENTS).map(id).filter(|id| !self.ids.contains(id));
        let (told, untold): (Vec<_>, Vec<_>) = missing.partition(|id| {
            self.gaps.iter().any(|gap| gap.from < *id && (gap.to.is_empty() || *id < gap.to))
        });
        assert_eq!((told.len(), untold.len()), (count, 0), "{:?}, {:?}", self.gaps, untold.first());
    }
}

#[test]
fn events_that_expire_between_two_pages_are_told_as_a_gap() {
    for expired in [Expired::Refused, Expired::Skipped] {
        // The requests of a whole read: 21 pages and the proofs between them.
        for moment in 1..24 {
            let kept_from = move |request| if request < moment { 0 } else { 1_150 };
            let script = server(expired, kept_from);
            let mut table = Table::default();
            table.read(&script, usize::MAX);
            table.lacks(1_150 - table.ids.range(..id(1_150)).count());
            assert!(table.gaps.len() <= 1, "{:?}", table.gaps);
            let again = table.checkpoint.clone();
            assert!(matches!(again, Some(Checkpoint::Log { whole_until: None, .. })), "{again:?}");
            table.read(&script, usize::MAX);
            assert!(table.gaps.len() <= 1, "a gap is told once: {:?}", table.gaps);
        }
    }
}

#[test]
fn a_log_that_expires_to_its_end_while_it_is_read_is_a_gap_without_an_end() {
    for expired in [Expired::Refused, Expired::Skipped] {
        let script = server(expired, |request| if request < 7 { 0 } else { EVENTS });
        let mut table = Table::default();
        table.read(&script, usize::MAX);
        table.lacks(EVENTS - table.ids.len());
        assert_eq!((table.gaps.len(), table.gaps[0].to.as_str()), (1, ""));
        table.read(&script, usize::MAX);
        assert_eq!(table.gaps.len(), 1, "a gap is told once");
    }
}

#[test]
fn what_a_killed_read_had_not_proven_is_proven_by_the_next_or_told() {
    for expired in [Expired::Refused, Expired::Skipped] {
        for moment in 1..20 {
            for killed_after in [1, 2, 3, 5, 8] {
                let kept_from = move |request| if request < moment { 0 } else { 900 };
                let script = server(expired, kept_from);
                let mut table = Table::default();
                table.read(&script, killed_after);
                table.read(&script, usize::MAX);
                table.lacks(900 - table.ids.range(..id(900)).count());
                // Two where events expired just behind the page that was read again.
                assert!(table.gaps.len() <= 2, "{:?}", table.gaps);
            }
        }
    }
}

#[test]
fn an_oldest_event_by_date_that_is_not_the_first_by_id_is_no_gap() {
    // The last hundred events happened before all others and became readable after them: a page of the oldest by date holds them alone.
    let script = Script::new(|sent, _| {
        let event = |n: usize| json!({ "log_id": id(n), "date": "2026-10-01T00:00:00.000Z", "type": "s" });
        if let Some(asked) = sent.path.strip_prefix("/api/v2/logs/") {
            let found = (0..EVENTS).find(|n| id(*n) == asked).expect("an event that there is");
            return Ok(ok(event(found)));
        }
        Ok(ok(match parameter(&sent.query, "from") {
            None => (EVENTS - 100..EVENTS).map(event).collect(),
            Some(from) => (0..EVENTS).filter(|n| id(*n) > from).take(100).map(event).collect(),
        }))
    });
    let mut table = Table::default();
    table.read(&script, 3);
    table.read(&script, usize::MAX);
    table.lacks(0);
    assert_eq!(table.gaps, []);
}

#[test]
fn what_an_earlier_read_came_to_shows_that_nothing_behind_it_is_lost() {
    // While the second read goes over what was read before, all but the last of that expires. The oldest by date are late ones again.
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    let script = Script::new(move |sent, _| {
        let event = |n: usize| json!({ "log_id": id(n), "date": "2026-10-01T00:00:00.000Z", "type": "s" });
        let kept = if counted.fetch_add(1, Ordering::Relaxed) < 103 { 0 } else { 990 };
        if let Some(asked) = sent.path.strip_prefix("/api/v2/logs/") {
            let found = (kept..EVENTS).find(|n| id(*n) == asked);
            let expired = || refusal(404, "inexistent_log", "The log does not exist.");
            return Ok(found.map_or_else(expired, |found| ok(event(found))));
        }
        Ok(ok(match parameter(&sent.query, "from") {
            None => (EVENTS - 100..EVENTS).map(event).collect(),
            Some(from) => (kept..EVENTS).filter(|n| id(*n) > from).take(100).map(event).collect(),
        }))
    });
    let mut table = Table::default();
    table.read(&script, 10);
    requests.store(100, Ordering::Relaxed);
    table.read(&script, usize::MAX);
    table.lacks(0);
    assert_eq!(table.gaps, []);
}

#[test]
fn the_proof_of_a_long_old_log_costs_a_few_requests() {
    let script = server(Expired::Refused, |_| 0);
    let mut table = Table::default();
    table.read(&script, usize::MAX);
    table.lacks(0);
    assert!(table.gaps.is_empty());
    // 20 pages, the empty one behind them, and proofs at the pages 2, 4, 8, 16 and at the end.
    assert_eq!(table.requests, 21 + 5);
}
