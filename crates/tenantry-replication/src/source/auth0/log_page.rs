//! What a page of the log says of where it stands: ids and times of its events, and the position of the next page.
//!
//! Reads each answer once, and no more of an event than that: backlogs are long. What is wrong inside an event is for that event alone.

use std::borrow::Cow;

use bytes::Bytes;

use super::transport::{Collected, Headers};
use super::{calendar, log_id, paging, url};
use crate::clock::Micros;
use crate::json::{Cursor, Json, JsonError, Kind};
use crate::source::Records;

/// What an answer holds.
pub(super) struct Events {
    pub(super) records: Records,
    pub(super) count: u64,
    pub(super) body: Bytes,
    /// Ids of the events, in the order of the answer.
    pub(super) ids: Vec<String>,
    pub(super) newest: Option<Micros>,
    /// Position that the answer's `Link` names.
    pub(super) next: Option<String>,
}

impl Events {
    /// The first of the ids, in the order of the log.
    pub(super) fn first(&self) -> Option<&str> {
        self.ids.iter().map(String::as_str).min_by_key(|id| log_id::rank(id))
    }

    /// The last of the ids, in the order of the log.
    pub(super) fn last(&self) -> Option<&str> {
        self.ids.iter().map(String::as_str).max_by_key(|id| log_id::rank(id))
    }

    /// Takes in the list at the cursor.
    fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonError> {
        cursor.enter();
        while cursor.element()? {
            self.count += 1;
            let begin = cursor.position();
            let mut told = Told::default();
            if told.read(cursor).is_err() {
                // What is wrong inside an event is for that event alone: only its end must be found.
                cursor.rewind(begin);
                cursor.value()?;
            }
            let text = |value: Option<Json<'_>>| value.and_then(Json::text).map(Cow::into_owned);
            self.ids.extend(text(told.log_id).or_else(|| text(told.id)));
            self.newest = self.newest.max(text(told.date).and_then(|date| calendar::parse_iso(&date)));
        }
        Ok(())
    }
}

/// Reads what paging needs to know of an answer, in one pass over it: backlogs are long.
pub(super) fn events(answer: &Collected, collection: &'static str) -> Result<Events, String> {
    let document = Json::begin(&answer.body);
    let (array, records) = if document.kind() == Kind::Array {
        (document, Records::Array(""))
    } else {
        let records = paging::head(&answer.body, collection)?.records;
        let list = Json::document(&answer.body).ok().and_then(|document| document.get(collection));
        (list.ok_or_else(|| format!("the answer has no member {collection}"))?, records)
    };
    let mut events = Events {
        records,
        count: 0,
        body: answer.body.clone(),
        ids: Vec::new(),
        newest: None,
        next: next_position(&answer.headers),
    };
    let mut cursor = Cursor::new(array.bytes());
    events.read(&mut cursor).map_err(|error| error.to_string())?;
    if !cursor.is_at_end() {
        return Err(format!("more after the end of the list, at byte {}", cursor.position()));
    }
    if events.count > 0 && events.ids.is_empty() {
        return Err("the events have no log_id".into());
    }
    Ok(events)
}

/// What of one event says where it stands.
#[derive(Default)]
struct Told<'a> {
    log_id: Option<Json<'a>>,
    id: Option<Json<'a>>,
    date: Option<Json<'a>>,
}

impl<'a> Told<'a> {
    /// Steps over the event at the cursor. Of duplicate members the last counts.
    fn read(&mut self, cursor: &mut Cursor<'a>) -> Result<(), JsonError> {
        if !cursor.begins_with(b'{') {
            return cursor.value().map(|_| ());
        }
        cursor.enter();
        while let Some(name) = cursor.member()? {
            let value = cursor.value()?;
            for (wanted, place) in
                [("log_id", &mut self.log_id), ("_id", &mut self.id), ("date", &mut self.date)]
            {
                if name.is(wanted) {
                    *place = Some(value);
                }
            }
        }
        Ok(())
    }
}

/// The `from` of the link to the next page. Whatever else the link holds is of no interest.
fn next_position(headers: &Headers) -> Option<String> {
    let mut links = headers.all("link").flat_map(|value| value.split(", <"));
    let target = links.find_map(|link| {
        let (target, parameters) = link.trim_start_matches('<').split_once('>')?;
        let next = parameters
            .split(';')
            .any(|parameter| parameter.trim().trim_end_matches(',').replace('"', "") == "rel=next");
        next.then_some(target)
    })?;
    let (_, query) = target.split_once('?')?;
    let from = query.split('&').find_map(|pair| pair.strip_prefix("from="))?;
    Some(url::decode(from)).filter(|from| !from.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(link: &str) -> Option<String> {
        next_position(&Headers::new([("Link".to_owned(), link.to_owned())]))
    }

    #[test]
    fn links_are_read_for_their_position_alone() {
        assert_eq!(
            position("<https://tenant.us.auth0.com/api/v2/logs?from=900&take=100>; rel=\"next\"").as_deref(),
            Some("900")
        );
        assert_eq!(
            position("<http://elsewhere.example.com/?take=1&from=9%300>; rel=next").as_deref(),
            Some("900")
        );
        assert_eq!(position("<https://a.example.com/?page=0>; rel=\"first\", <https://a.example.com/?from=7>; rel=\"next\"").as_deref(), Some("7"));
        for none in [
            "",
            "<https://a.example.com/?from=7>; rel=\"last\"",
            "https://a.example.com/?from=7; rel=\"next\"",
            "<https://a.example.com/?from=>; rel=\"next\"",
        ] {
            assert_eq!(position(none), None, "{none}");
        }
    }
}
