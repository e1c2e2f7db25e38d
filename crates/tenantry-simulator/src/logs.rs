//! The tenant's log: events by log id, retention, late arrival.
//!
//! A log id is made when the event is taken in, up to some seconds after it happened, and holds that time, so ids
//! ascend while dates need not. Events are kept as rendered JSON. Knows nothing of what the events say.

use crate::random::Random;
use crate::time;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

/// One event before it gets its log id.
pub(crate) struct Event {
    /// When it happened, milliseconds.
    pub(crate) date: i64,
    /// Everything but `date`, `type`, `log_id`, `_id`.
    pub(crate) kind: &'static str,
    pub(crate) fields: Map<String, Value>,
}

/// One stored event.
pub(crate) struct Entry {
    pub(crate) date: i64,
    pub(crate) user_id: Option<Box<str>>,
    pub(crate) json: Box<str>,
}

/// Events by log id, and those that are still on their way.
pub(crate) struct Logs {
    entries: BTreeMap<Box<str>, Entry>,
    /// Readable from, log id, event: in order of the first.
    arriving: VecDeque<(i64, Box<str>, Entry)>,
    random: Random,
    sequence: u64,
    last_time: i64,
}

/// What a log id starts with.
const PREFIX: &str = "900";
/// The sequence numbers of the ids' tails begin here.
const FIRST_SEQUENCE: u64 = 1_223_372_040_000_000_000;

impl Logs {
    pub(crate) fn new(seed: u64) -> Self {
        let random = Random::derive(seed, "logs");
        Self {
            entries: BTreeMap::new(),
            arriving: VecDeque::new(),
            random,
            sequence: FIRST_SEQUENCE,
            last_time: 0,
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.entries.len()
    }

    /// A fresh id for an event taken in at `time` (microseconds): always greater than every one before.
    fn id(&mut self, time: i64) -> Box<str> {
        self.last_time = self.last_time.max(time);
        self.sequence += 1 + self.random.below(900);
        let micros = self.last_time.rem_euclid(time::SECOND);
        format!("{PREFIX}{}{micros:06}{:012}{:021}", time::compact(self.last_time), 0, self.sequence).into()
    }

    /// Takes an event in at `time` (microseconds) or just after the one before, if that came later; it can be read
    /// from then on, or `lateness` microseconds after.
    pub(crate) fn add(&mut self, event: Event, time: i64, lateness: i64) {
        let id = self.id(time);
        let entry = stored(event, &id);
        let readable = self.last_time + lateness;
        let at = self.arriving.partition_point(|(r, ..)| *r <= readable);
        self.arriving.insert(at, (readable, id, entry));
    }

    /// Lets events arrive and drops those older than retention (microseconds).
    pub(crate) fn advance(&mut self, now: i64, retention: i64) {
        while self.arriving.front().is_some_and(|(readable, ..)| *readable <= now) {
            if let Some((_, id, entry)) = self.arriving.pop_front() {
                self.entries.insert(id, entry);
            }
        }
        let oldest = format!("{PREFIX}{}", time::compact(now - retention));
        while let Some(first) = self.entries.first_entry() {
            if first.key().as_ref() >= oldest.as_str() {
                break;
            }
            first.remove();
        }
    }

    /// Lets everything arrive, however late it is, and drops nothing.
    #[cfg(test)]
    fn settle(&mut self) {
        self.entries.extend(self.arriving.drain(..).map(|(_, id, entry)| (id, entry)));
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Entry> {
        self.entries.get(id)
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(id, entry)| (id.as_ref(), entry))
    }

    /// Events after a log id, ascending.
    pub(crate) fn after<'a>(&'a self, id: &str) -> impl Iterator<Item = (&'a str, &'a Entry)> + use<'a> {
        let range = self.entries.range::<str, _>((Bound::Excluded(id), Bound::Unbounded));
        range.map(|(id, entry)| (id.as_ref(), entry))
    }
}

/// The time in a log id as text, `YYYYMMDDHHMMSS`; `None` where it is no log id.
pub(crate) fn time_in(id: &str) -> Option<&str> {
    let digits = id.len() == 56 && id.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| &id[3..17])
}

fn stored(event: Event, id: &str) -> Entry {
    let mut fields = Map::with_capacity(event.fields.len() + 4);
    fields.insert("date".into(), time::millis(event.date).into());
    fields.insert("type".into(), event.kind.into());
    let user_id =
        event.fields.get("user_id").and_then(Value::as_str).filter(|u| !u.is_empty()).map(Into::into);
    fields.extend(event.fields);
    fields.insert("log_id".into(), id.into());
    fields.insert("_id".into(), id.into());
    fields.entry("isMobile").or_insert(false.into());
    Entry { date: event.date, user_id, json: Value::Object(fields).to_string().into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(date: i64) -> Event {
        Event { date, kind: "s", fields: Map::new() }
    }

    #[test]
    fn ids_have_56_digits_and_ascend() {
        let mut logs = Logs::new(1);
        for n in 0..100 {
            logs.add(event(n), n * 700_000, 0);
        }
        logs.settle();
        let ids: Vec<_> = logs.iter().map(|(id, _)| id.to_owned()).collect();
        assert_eq!(ids.len(), 100);
        assert!(ids.iter().all(|id| time_in(id).is_some()), "{ids:?}");
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(logs.after(&ids[97]).count(), 2);
    }

    #[test]
    fn retention_drops_and_lateness_delays() {
        let mut logs = Logs::new(1);
        logs.add(event(0), time::DAY, 0);
        logs.add(event(1), 2 * time::DAY, 30);
        logs.add(event(2), 2 * time::DAY + 1, 0);
        logs.advance(2 * time::DAY + 20, 5 * time::DAY);
        assert_eq!(logs.len(), 2, "the second is late");
        logs.advance(2 * time::DAY + 30, time::DAY / 2);
        let dates: Vec<_> = logs.iter().map(|(_, e)| e.date).collect();
        assert_eq!(dates, [1, 2], "late, yet before the one that came earlier");
        logs.settle();
        assert_eq!(logs.len(), 2);
    }
}
