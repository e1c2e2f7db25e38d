//! From log events to what must be looked at again: pure, by the catalog's rules.
//!
//! Reads no row out of an event: an event says that something changed, and the tenant says what it is now.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::feed::{Effect, Feed, Key, Write};
use crate::catalog::{Catalog, Replication};
use crate::clock::Micros;
use crate::json::Json;
use crate::normalize::parse_timestamp;
use crate::source::{Page, Records};

/// What a stretch of the log told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// By stream.
    pub(super) streams: BTreeMap<&'static str, Told>,
    /// Whether a write was seen that no rule knows: then every list may have changed.
    pub(super) unknown: bool,
}

/// What was told of one stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// The whole list may have changed.
    pub(super) anything: bool,
    /// Keys of records to look at again.
    pub(super) records: BTreeSet<String>,
    /// Keys of parent records whose children to read again.
    pub(super) parents: BTreeSet<String>,
    /// When the first of all this happened, by the tenant's clock; the begin of time where an event did not say.
    pub(super) earliest: Option<Micros>,
}

impl Told {
    /// Notes that some of it happened at this time.
    fn happened(&mut self, at: Option<Micros>) {
        self.earliest = [self.earliest, at].into_iter().flatten().min();
    }
}

impl Changes {
    /// Takes in the events of a page, but for those whose id (at `id` in the event) is among `known`. What is no event tells nothing.
    pub(super) fn take(&mut self, catalog: &Catalog, page: &Page, id: &str, known: &BTreeSet<String>) {
        for event in events(page) {
            let is_known = || event.at(id).and_then(Json::text).is_some_and(|id| known.contains(&*id));
            if known.is_empty() || !is_known() {
                self.event(catalog, event);
            }
        }
    }

    /// Ids of the events of a page that a rule reads.
    pub(super) fn telling(catalog: &Catalog, page: &Page, id: &str) -> BTreeSet<String> {
        let feed = &catalog.feed;
        let tells = |event: &Json<'_>| {
            let kind = event.get(feed.kind).and_then(Json::text).unwrap_or_default();
            feed.write_kinds.contains(&&*kind) || feed.events.iter().any(|rule| rule.kinds.contains(&&*kind))
        };
        events(page).filter(tells).filter_map(|event| event.at(id)?.text().map(Cow::into_owned)).collect()
    }

    /// Takes in what another stretch told.
    pub(super) fn extend(&mut self, other: Self) {
        self.unknown |= other.unknown;
        for (stream, told) in other.streams {
            let sum = self.told(stream);
            sum.anything |= told.anything;
            sum.records.extend(told.records);
            sum.parents.extend(told.parents);
            sum.happened(told.earliest);
        }
    }

    /// Takes in an event of the feed of changes; into `renewed`, by stream, records that it tells to have changed and to be there still. False
    /// where no rule knows it.
    pub(super) fn hear(
        &mut self,
        catalog: &Catalog,
        event: Json<'_>,
        renewed: &mut BTreeMap<&'static str, BTreeSet<String>>,
    ) -> bool {
        let Some(kind) = event.get(catalog.feed.kind).and_then(Json::text) else { return false };
        let rules = catalog.feed.heard.iter().filter(|rule| rule.kinds.contains(&&*kind));
        let effects: Vec<Effect> = rules.flat_map(|rule| rule.effects).copied().collect();
        for effect in &effects {
            match *effect {
                Effect::Renewed(stream, key) => match read(key, event, &[]) {
                    keys if keys.is_empty() => self.effects(catalog, &[*effect], event, &[]),
                    keys => renewed.entry(stream).or_default().extend(keys),
                },
                _ => self.effects(catalog, &[*effect], event, &[]),
            }
        }
        !effects.is_empty()
    }

    /// Ids of the events of a page that happened before `since`. One that does not say when is none of them.
    pub(super) fn before(catalog: &Catalog, page: &Page, id: &str, since: Micros) -> BTreeSet<String> {
        let is_before = |event: &Json<'_>| time(catalog, *event).is_some_and(|time| time < since);
        events(page).filter(is_before).filter_map(|event| event.at(id)?.text().map(Cow::into_owned)).collect()
    }

    /// What was told of a stream; nothing where it was not mentioned.
    pub(super) fn of(&self, catalog: &Catalog, stream: &str) -> Told {
        let mut told = self.streams.get(stream).cloned().unwrap_or_default();
        let lists =
            |name| catalog.stream(name).is_some_and(|stream| stream.replication == Replication::FullTable);
        told.anything |= self.unknown && lists(stream);
        told
    }

    fn event(&mut self, catalog: &Catalog, event: Json<'_>) {
        let feed = &catalog.feed;
        let Some(kind) = event.get(feed.kind).and_then(Json::text) else { return };
        if feed.write_kinds.contains(&&*kind) {
            self.write(catalog, event);
        }
        for rule in feed.events.iter().filter(|rule| rule.kinds.contains(&&*kind)) {
            self.effects(catalog, rule.effects, event, &[]);
        }
    }

    fn write(&mut self, catalog: &Catalog, event: Json<'_>) {
        let feed = &catalog.feed;
        let text = |path| event.at(path).and_then(Json::text);
        let (Some(method), Some(path)) = (text("/details/request/method"), text("/details/request/path"))
        else {
            return;
        };
        let method = method.to_ascii_lowercase();
        let path = path.split(['?', '#']).next().unwrap_or_default();
        // Writes elsewhere than in this API touch nothing that is replicated.
        let Some(path) = path.strip_prefix(feed.path_prefix) else { return };
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        match feed.writes.iter().find(|write| fits(write, &method, &segments)) {
            Some(write) => self.effects(catalog, write.effects, event, &segments_with_key(write, &segments)),
            None => self.unruled(feed, &segments),
        }
    }

    /// A write that no rule knows.
    fn unruled(&mut self, feed: &Feed, segments: &[&str]) {
        let first = segments.first().copied().unwrap_or_default();
        self.unknown |= !feed.unrelated.contains(&first);
    }

    fn effects(&mut self, catalog: &Catalog, effects: &[Effect], event: Json<'_>, path: &[Option<&str>]) {
        for effect in effects {
            match *effect {
                Effect::Anything(stream) => self.told(stream).anything = true,
                Effect::Record(stream, key)
                | Effect::Renewed(stream, key)
                | Effect::Children(stream, key) => {
                    let keys = read(key, event, path);
                    let told = self.told(stream);
                    told.anything |= keys.is_empty();
                    told.happened(time(catalog, event).or(Some(Micros::MIN)));
                    match effect {
                        Effect::Children(..) => told.parents.extend(keys),
                        _ => told.records.extend(keys),
                    }
                }
            }
        }
        debug_assert!(self.streams.keys().all(|name| catalog.stream(name).is_some()));
    }

    fn told(&mut self, stream: &'static str) -> &mut Told {
        self.streams.entry(stream).or_default()
    }
}

/// When an event happened, where it says so.
fn time(catalog: &Catalog, event: Json<'_>) -> Option<Micros> {
    event.get(catalog.feed.time).and_then(Json::text).and_then(|time| parse_timestamp(&time))
}

/// The events of a page.
fn events(page: &Page) -> impl Iterator<Item = Json<'_>> {
    let array = Json::document(&page.body).ok().and_then(|answer| match page.records {
        Records::Array("") => Some(answer),
        Records::Array(member) => answer.get(member),
        Records::Lines | Records::One => None,
    });
    array.into_iter().flat_map(Json::elements).filter_map(Result::ok)
}

/// Whether a write is the one that a rule means.
fn fits(write: &Write, method: &str, segments: &[&str]) -> bool {
    if !write.methods.is_empty() && !write.methods.contains(&method) {
        return false;
    }
    let pattern: Vec<&str> = write.path.split('/').filter(|segment| !segment.is_empty()).collect();
    let (pattern, open) = match pattern.split_last() {
        Some((&"**", rest)) => (rest, true),
        _ => (&pattern[..], false),
    };
    let length = if open { segments.len() >= pattern.len() } else { segments.len() == pattern.len() };
    length
        && pattern
            .iter()
            .zip(segments)
            .all(|(pattern, segment)| matches!(*pattern, "{id}" | "*") || pattern == segment)
}

/// The segments of a path, the record's key first (`None` where the rule's path has none).
fn segments_with_key<'a>(write: &Write, segments: &[&'a str]) -> Vec<Option<&'a str>> {
    let at =
        write.path.split('/').filter(|segment| !segment.is_empty()).position(|segment| segment == "{id}");
    let key = at.and_then(|at| segments.get(at).copied());
    std::iter::once(key).chain(segments.iter().map(|segment| Some(*segment))).collect()
}

/// Reads a key; `path` holds the record's key and then all segments. Two where an event does not tell whether it names the key or the
/// part of it behind the provider: asking for one that there is not does no harm.
fn read(key: Key, event: Json<'_>, path: &[Option<&str>]) -> Vec<String> {
    let text = |field: &str| {
        event
            .at(field)
            .and_then(|value| value.text().map(Cow::into_owned).or_else(|| Some(value.as_i64()?.to_string())))
    };
    let segment = |at: usize| path.get(at).copied().flatten().map(decode);
    let mut keys = match key {
        Key::Path => segment(0).into_iter().collect(),
        Key::PathPair(skip) => {
            let pair = segment(1 + skip).zip(segment(2 + skip));
            pair.into_iter().map(|(provider, id)| format!("{provider}|{id}")).collect()
        }
        Key::Field(field) => text(field).into_iter().collect(),
        Key::Pair(provider, id) => of_provider(text(provider), text(id)),
        Key::Words { field, before, provider } => {
            let words = text(field);
            // Ids of custom databases may hold blanks.
            let id =
                words.as_deref().and_then(|words| Some(words.split(before).nth(1)?.lines().next()?.trim()));
            of_provider(text(provider), id.map(str::to_owned))
        }
    };
    keys.retain(|key| !key.is_empty());
    keys
}

/// The keys that an id may mean: ids of some databases and enterprise connections hold a bar of their own.
fn of_provider(provider: Option<String>, id: Option<String>) -> Vec<String> {
    let Some(id) = id.filter(|id| !id.is_empty()) else { return Vec::new() };
    let has_bar = id.contains('|');
    let prefixed = provider.map(|provider| format!("{provider}|"));
    match prefixed {
        Some(prefix) if id.starts_with(&prefix) => vec![id],
        Some(prefix) if has_bar => vec![format!("{prefix}{id}"), id],
        Some(prefix) => vec![format!("{prefix}{id}")],
        None if has_bar => vec![id],
        None => Vec::new(),
    }
}

/// Percent-decodes a path segment, once.
fn decode(segment: &str) -> String {
    let bytes = segment.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|byte| (*byte as char).to_digit(16));
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::*;
    use crate::catalog::CATALOG;

    /// What events tell, in one line for each stream.
    fn check(events: &[Value], expected: &str) {
        let body = Bytes::from(serde_json::to_vec(events).unwrap());
        let mut changes = Changes::default();
        let page = Page { body, records: Records::Array(""), parent: None, checkpoint: None };
        changes.take(&CATALOG, &page, "/log_id", &BTreeSet::new());
        let mut shown: Vec<String> = changes
            .streams
            .iter()
            .map(|(stream, told)| {
                let anything = if told.anything { " anything" } else { "" };
                let keys = |what, keys: &BTreeSet<String>| {
                    if keys.is_empty() {
                        String::new()
                    } else {
                        format!(" {what} {}", keys.iter().cloned().collect::<Vec<_>>().join(" "))
                    }
                };
                format!(
                    "{stream}:{anything}{}{}",
                    keys("records", &told.records),
                    keys("parents", &told.parents)
                )
            })
            .collect();
        shown.extend(changes.unknown.then(|| "unknown".to_owned()));
        assert_eq!(shown.join("; "), expected);
    }

    fn write(method: &str, path: &str) -> Value {
        json!({ "type": "sapi", "details": { "request": { "method": method, "path": path }, "response": { "body": {} } } })
    }

    #[test]
    fn writes_tell_which_record_to_look_at() {
        check(&[write("patch", "/api/v2/clients/abc")], "clients: records abc");
        check(&[write("post", "/api/v2/clients/abc/rotate-secret")], "clients: records abc");
        check(&[write("delete", "/api/v2/users/auth0%7C61%2532")], "users: records auth0|61%32");
        check(&[write("patch", "/api/v2/users/auth0%7C61")], "");
        check(&[write("post", "/api/v2/client-grants")], "client_grants: anything");
        check(&[write("POST", "/api/v2/organizations/org_1/members")], "organization_members: parents org_1");
        check(&[write("patch", "/api/v2/connections/con_1/clients")], "connection_clients: parents con_1");
        check(&[write("delete", "/api/v2/connections/con_1")], "connections: records con_1; users: anything");
        check(
            &[write("delete", "/api/v2/users/a%7C1/identities/google-oauth2/77")],
            "users: records a|1 google-oauth2|77",
        );
        check(&[write("post", "/api/v2/actions/actions/x/deploy")], "actions: records x");
    }

    #[test]
    fn created_records_are_named_by_the_answer_or_the_list_is_read() {
        let mut created = write("post", "/api/v2/clients");
        check(&[created.clone()], "clients: anything");
        created["details"]["response"]["body"]["client_id"] = json!("abc");
        check(&[created], "clients: records abc");
    }

    #[test]
    fn unknown_paths_put_every_list_in_doubt_and_unrelated_ones_none() {
        check(&[write("patch", "/api/v2/tenants/settings")], "");
        check(&[write("post", "/api/v2/what-is-this/1")], "unknown");
        check(&[write("post", "/api/v2/client-grants/1/what-is-this")], "unknown");
        check(&[json!({ "type": "sapi" }), json!({ "type": "s", "user_id": "auth0|1" }), json!(1)], "");
    }

    #[test]
    fn a_deleted_user_is_named_by_words_alone() {
        let deleted = |description: &str, strategy: &str| json!({ "type": "sdu", "user_id": "", "description": description, "strategy": strategy });
        check(&[deleted("user_id: 6132", "auth0")], "users: records auth0|6132");
        check(&[deleted("user_id: 6132 of legacy", "auth0")], "users: records auth0|6132 of legacy");
        check(&[deleted("user_id: google-oauth2|7", "google-oauth2")], "users: records google-oauth2|7");
        check(&[deleted("gone", "auth0")], "users: anything");
    }

    /// What an event of the feed tells: streams and keys, and which of them are said to be there still.
    fn heard(kind: &str, object: &Value) -> String {
        let event = serde_json::to_vec(&json!({ "type": kind, "data": { "object": object } })).unwrap();
        let (mut changes, mut renewed) = (Changes::default(), BTreeMap::new());
        let known = changes.hear(&CATALOG, Json::document(&event).unwrap(), &mut renewed);
        assert_eq!(known, !(changes.streams.is_empty() && renewed.is_empty()));
        let told = changes.streams.iter().map(|(stream, told)| {
            let keys: Vec<&str> = told.records.iter().chain(&told.parents).map(String::as_str).collect();
            format!("{stream} {}{}", if told.anything { "anything" } else { "" }, keys.join(" "))
        });
        let renewed =
            renewed.iter().map(|(stream, keys)| format!("{stream} is there: {}", keys.first().unwrap()));
        told.chain(renewed).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn events_of_the_feed_name_people_organizations_and_connections() {
        let user = json!({ "user_id": "auth0|1", "email": "someone@example.com" });
        assert_eq!(heard("user.created", &user), "users is there: auth0|1");
        assert_eq!(heard("user.updated", &user), "users is there: auth0|1");
        assert_eq!(heard("user.deleted", &user), "users auth0|1");
        assert_eq!(heard("user.updated", &json!({})), "users anything");
        assert_eq!(heard("organization.deleted", &json!({ "id": "org_1" })), "organizations org_1");
        let member = json!({ "organization": { "id": "org_1" }, "user": { "user_id": "auth0|1" } });
        assert_eq!(heard("organization.member.added", &member), "organization_members org_1");
        let connection = json!({ "id": "con_1" });
        assert_eq!(heard("connection.created", &connection), "connection_clients con_1; connections con_1");
        assert_eq!(heard("connection.deleted", &connection), "connections con_1");
        for untold in ["group.created", "organization.member.role.assigned", "user.vanished"] {
            assert_eq!(heard(untold, &member), "");
        }
    }

    #[test]
    fn linked_accounts_name_both_users() {
        let mut link = write("post", "/api/v2/users/auth0%7C1/identities");
        link["details"]["request"]["body"] = json!({ "provider": "github", "user_id": 42 });
        check(&[link.clone()], "users: records auth0|1 github|42");
        link["details"]["request"]["body"] = json!({ "provider": "auth0", "user_id": "auth0|2" });
        check(&[link], "users: records auth0|1 auth0|2");
    }

    #[test]
    fn an_id_with_a_bar_of_its_own_is_looked_for_both_ways() {
        let mut link = write("post", "/api/v2/users/auth0%7C1/identities");
        link["details"]["request"]["body"] = json!({ "provider": "samlp", "user_id": "corp|ada" });
        check(&[link], "users: records auth0|1 corp|ada samlp|corp|ada");
        let deleted = json!({ "type": "sdu", "description": "user_id: customers|14", "strategy": "auth0" });
        check(&[deleted], "users: records auth0|customers|14 customers|14");
    }

    #[test]
    fn every_rule_names_streams_and_columns_that_exist() {
        let feed = &CATALOG.feed;
        let effects = feed
            .writes
            .iter()
            .map(|write| write.effects)
            .chain(feed.events.iter().map(|rule| rule.effects))
            .chain(feed.heard.iter().map(|rule| rule.effects))
            .flatten();
        for effect in effects {
            let (Effect::Record(stream, _)
            | Effect::Renewed(stream, _)
            | Effect::Children(stream, _)
            | Effect::Anything(stream)) = *effect;
            let stream = CATALOG.stream(stream).unwrap();
            match effect {
                Effect::Record(..) | Effect::Renewed(..) => {
                    assert!(stream.endpoint.as_ref().unwrap().record_path.is_some(), "{}", stream.name);
                }
                Effect::Children(..) => assert!(stream.parent.is_some(), "{}", stream.name),
                Effect::Anything(_) => {}
            }
        }
        for timed in feed.timed {
            let column = CATALOG.stream(timed.stream).unwrap().root().column(timed.column);
            assert_eq!(column.unwrap().kind, crate::catalog::Type::Timestamp, "{timed:?}");
        }
        for cascade in feed.cascades {
            let of = CATALOG.stream(cascade.of).unwrap();
            assert!(
                of.endpoint.as_ref().unwrap().record_path.is_some() && of.root().key.len() == 1,
                "{cascade:?}"
            );
            assert!(
                CATALOG.stream(cascade.stream).unwrap().root().column(cascade.column).is_some(),
                "{cascade:?}"
            );
            // Whatever depends on others is read after them: so nothing may wait for it in its turn.
            assert!(feed.cascades.iter().all(|other| other.of != cascade.stream), "{cascade:?}");
            let is_parent = |stream: &crate::catalog::Stream| {
                stream.parent.as_ref().is_some_and(|parent| parent.stream == cascade.stream)
            };
            assert!(!CATALOG.streams.iter().any(is_parent), "{cascade:?}");
        }
    }
}
