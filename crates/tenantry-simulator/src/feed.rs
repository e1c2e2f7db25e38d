//! The Events feed: what happened to users, organizations, memberships and connections, as `CloudEvents` by offset.
//!
//! Holds the history and answers what follows a position, as text of server-sent events; who listens and for how long
//! is the shell's business. Events may be delivered late, twice and out of order, as Auth0 says of its own.
//! The events themselves are made in `told.rs`.

use crate::random::{Random, hash};
use crate::time::{DAY, SECOND};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::fmt::Write as _;

/// Events kept, whatever their age: a bound on memory, not on behaviour.
const KEPT_MAX: usize = 200_000;
/// Events in one piece of an answer.
const PIECE_MAX: usize = 500;
/// How long after its first delivery an event may come again, or how late it may be.
const DISORDER: u64 = 3 * SECOND as u64;

/// The types of Auth0's catalogue, and those of connections that its newer clients know.
pub(crate) const TYPES: [&str; 25] = [
    "connection.created",
    "connection.deleted",
    "connection.updated",
    "group.created",
    "group.deleted",
    "group.member.added",
    "group.member.deleted",
    "group.role.assigned",
    "group.role.deleted",
    "group.updated",
    "organization.connection.added",
    "organization.connection.removed",
    "organization.connection.updated",
    "organization.created",
    "organization.deleted",
    "organization.group.role.assigned",
    "organization.group.role.deleted",
    "organization.member.added",
    "organization.member.deleted",
    "organization.member.role.assigned",
    "organization.member.role.deleted",
    "organization.updated",
    "user.created",
    "user.deleted",
    "user.updated",
];

/// One event in the order of delivery.
struct Told {
    /// When it can be read, microseconds.
    at: i64,
    kind: &'static str,
    json: Box<str>,
}

/// The history of one tenant's events.
pub(crate) struct Feed {
    /// Whether changes are told: the generated past is not.
    pub(crate) live: bool,
    /// Connections that listen now.
    pub(crate) open: u32,
    /// Code of an error that ends the next answer, as ordered.
    pub(crate) error: Option<String>,
    told: VecDeque<Told>,
    /// Events that are no longer kept: the position of the last of them.
    dropped: u64,
    /// Events on their way, in order of arrival.
    arriving: VecDeque<Told>,
    random: Random,
    seed: u64,
}

/// What follows a position.
pub(crate) struct Piece {
    /// Server-sent events, each with its blank line.
    pub(crate) text: String,
    /// Where to go on; `None` after an error, which ends the connection.
    pub(crate) position: Option<u64>,
}

impl Feed {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            live: false,
            open: 0,
            error: None,
            told: VecDeque::new(),
            dropped: 0,
            arriving: VecDeque::new(),
            random: Random::derive(seed, "events feed"),
            seed,
        }
    }

    /// A fresh id of an event.
    pub(crate) fn id(&mut self) -> String {
        format!("evt_{}", self.random.alphanumeric(22))
    }

    /// Takes an event in that can be read from `at` (microseconds) on. Of a thousand, `disorder` come late, and as many
    /// come twice.
    pub(crate) fn add(&mut self, kind: &'static str, event: &Value, at: i64, disorder: u32) {
        let json: Box<str> = event.to_string().into();
        let mut late = |often: u32| {
            let late = self.random.chance(u64::from(often));
            late.then(|| 1 + self.random.below(DISORDER) as i64)
        };
        let (lateness, again) = (late(disorder).unwrap_or_default(), late(disorder));
        if let Some(again) = again {
            self.arrive(Told { at: at + again, kind, json: json.clone() });
        }
        self.arrive(Told { at: at + lateness, kind, json });
    }

    fn arrive(&mut self, event: Told) {
        let at = self.arriving.partition_point(|other| other.at <= event.at);
        self.arriving.insert(at, event);
    }

    /// Lets events arrive, and drops those older than the retention (microseconds).
    pub(crate) fn advance(&mut self, now: i64, retention: i64) {
        while let Some(event) = self.arriving.pop_front_if(|event| event.at <= now) {
            self.told.push_back(event);
        }
        while self.told.len() > KEPT_MAX || self.told.front().is_some_and(|first| first.at < now - retention)
        {
            self.told.pop_front();
            self.dropped += 1;
        }
    }

    /// The position behind everything that can be read.
    pub(crate) fn latest(&self) -> u64 {
        self.dropped + self.told.len() as u64
    }

    /// The position before the first event of that time or later (microseconds).
    pub(crate) fn at(&self, time: i64) -> u64 {
        self.dropped + self.told.partition_point(|event| event.at < time) as u64
    }

    /// Whether what follows a position is still kept.
    pub(crate) fn is_kept(&self, position: u64) -> bool {
        position >= self.dropped
    }

    /// A position as the opaque text that clients hand back.
    pub(crate) fn offset(&self, position: u64) -> String {
        URL_SAFE_NO_PAD.encode(format!("{position}.{:016x}", hash(&(position ^ self.seed).to_be_bytes())))
    }

    /// The position in such a text; `None` where it was never given out.
    pub(crate) fn position(&self, offset: &str) -> Option<u64> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(offset).ok()?).ok()?;
        let position = text.split_once('.')?.0.parse().ok().filter(|position| *position <= self.latest())?;
        (self.offset(position) == offset).then_some(position)
    }

    /// What follows a position now, of these types (all where none is named): events, and a bare offset where others
    /// passed or where `greet` asks for one.
    pub(crate) fn follow(&mut self, position: u64, types: &[String], greet: bool) -> Piece {
        if let Some(code) = self.error.take() {
            return self.broken(&code, position);
        }
        if !self.is_kept(position) {
            return self.broken("cursor_expired", position);
        }
        let begin = (position - self.dropped) as usize;
        let (mut text, mut at, mut shown) = (String::new(), position, position);
        for event in self.told.iter().skip(begin).take(PIECE_MAX) {
            at += 1;
            if types.is_empty() || types.iter().any(|wanted| wanted == event.kind) {
                let offset = self.offset(at);
                let (kind, json) = (event.kind, &event.json);
                let _ = write!(
                    text,
                    "id: {offset}\nevent: {kind}\ndata: {{\"offset\":\"{offset}\",\"event\":{json}}}\n\n"
                );
                shown = at;
            }
        }
        if at > shown || (greet && text.is_empty()) {
            let offset = self.offset(at);
            let _ = write!(text, "id: {offset}\nevent: offset-only\ndata: {{\"offset\":\"{offset}\"}}\n\n");
        }
        Piece { text, position: Some(at) }
    }

    fn broken(&self, code: &str, position: u64) -> Piece {
        let message = "The stream ends here.";
        let error = json!({ "error": { "code": code, "message": message, "offset": self.offset(position) } });
        Piece { text: format!("event: error\ndata: {error}\n\n"), position: None }
    }
}

/// How long events are kept unless something else is said. Auth0 publishes no figure.
pub(crate) const RETENTION: i64 = 3 * DAY;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_opaque_and_cannot_be_made_up() {
        let mut feed = Feed::new(7);
        feed.add("user.created", &json!({}), 5, 0);
        assert_eq!(feed.position(&feed.offset(1)), None, "not yet there");
        feed.advance(5, DAY);
        assert_eq!(feed.position(&feed.offset(1)), Some(1));
        assert_eq!(feed.position("MS4w"), None);
        assert_eq!(feed.position(&Feed::new(8).offset(1)), None, "another tenant's");
    }

    #[test]
    fn what_is_not_asked_for_moves_the_offset_alone() {
        let mut feed = Feed::new(7);
        feed.add("user.created", &json!({ "n": 1 }), 0, 0);
        feed.add("organization.created", &json!({ "n": 2 }), 0, 0);
        feed.advance(0, DAY);
        let piece = feed.follow(0, &["user.created".into()], false);
        assert!(piece.text.contains("event: user.created") && piece.text.contains("event: offset-only"));
        assert!(!piece.text.contains("organization"), "{}", piece.text);
        assert_eq!(piece.position, Some(2));
        assert_eq!(feed.follow(2, &[], false).text, "");
        assert!(feed.follow(2, &[], true).text.contains(&feed.offset(2)));
    }

    #[test]
    fn disorder_loses_nothing() {
        let mut feed = Feed::new(7);
        for n in 0..100 {
            feed.add("user.updated", &json!({ "n": n }), n, 300);
        }
        feed.advance(10 * SECOND, DAY);
        let text = feed.follow(0, &[], false).text;
        let seen: Vec<&str> = text.split("\"event\":").skip(1).filter_map(|t| t.split('}').next()).collect();
        assert!(seen.len() > 110 && !seen.is_sorted());
        assert!((0..100).all(|n| seen.contains(&format!("{{\"n\":{n}").as_str())));
    }
}
