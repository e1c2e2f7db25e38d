//! A tenant put together from recordings: of every entity that a live tenant showed, its latest representation as it was sent.
//!
//! Takes no answer that a recorder rewrote, and none that a selection of fields cut down.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::archive::Recording;

/// Lists that every tenant has: path, member that holds the records, their id.
const LISTS: &[(&str, &str, &str)] = &[
    ("/actions/actions", "actions", "id"),
    ("/clients", "clients", "client_id"),
    ("/client-grants", "client_grants", "id"),
    ("/connections", "connections", "id"),
    ("/organizations", "organizations", "id"),
    ("/resource-servers", "resource_servers", "id"),
    ("/roles", "roles", "id"),
    ("/users", "users", "user_id"),
    ("/log-streams", "", "id"),
    ("/logs", "", "log_id"),
    ("/grants", "grants", "id"),
    ("/stats/daily", "", "date"),
];

/// The entities of a tenant, as answers hold them.
#[derive(Default)]
pub(crate) struct Rebuilt {
    /// By path of the list, then by id.
    lists: BTreeMap<&'static str, BTreeMap<String, Value>>,
    /// One answer of the triggers' list, versions that it gives twice included.
    pub(crate) triggers: Vec<Value>,
    /// Members of each organization, by organization and user.
    pub(crate) members: BTreeMap<String, BTreeMap<String, Value>>,
    /// Clients of each connection, by connection and client.
    pub(crate) connection_clients: BTreeMap<String, BTreeMap<String, Value>>,
}

impl Rebuilt {
    /// Puts a tenant together.
    pub(crate) fn from(recordings: &[Recording]) -> Self {
        let as_sent = |recording: &&Recording| {
            recording.is_read() && !recording.rewritten && recording.parameter("fields").is_none()
        };
        let mut answers: Vec<&Recording> = recordings.iter().filter(as_sent).collect();
        answers.sort_by_key(|recording| (recording.seen.as_str(), recording.source.as_str(), recording.seq));
        let mut tenant = Self::default();
        for answer in &answers {
            tenant.take(answer);
        }
        tenant.triggers = triggers(&answers);
        tenant
    }

    /// Records of a list, by id.
    pub(crate) fn list(&self, path: &str) -> Vec<Value> {
        self.lists.get(path).into_iter().flat_map(BTreeMap::values).cloned().collect()
    }

    /// How many entities there are.
    pub(crate) fn entities(&self) -> usize {
        let nested =
            self.members.values().chain(self.connection_clients.values()).map(BTreeMap::len).sum::<usize>();
        self.lists.values().map(BTreeMap::len).sum::<usize>() + self.triggers.len() + nested
    }

    fn take(&mut self, answer: &Recording) {
        let body = &answer.body;
        for (path, collection, id) in LISTS {
            let one = answer.path.strip_prefix(path).and_then(|rest| rest.strip_prefix('/'));
            let records = match one {
                None if answer.path == *path => records(body, collection),
                Some(rest) if !rest.contains('/') => std::slice::from_ref(body),
                _ => continue,
            };
            let known = self.lists.entry(path).or_default();
            for record in records {
                // Old events have another id only, and are not to be had by it.
                if let Some(id) = record[*id].as_str() {
                    known.insert(id.to_owned(), record.clone());
                }
            }
        }
        let nested = |parent: &str, child: &str| {
            let id = answer.path.strip_prefix(parent)?.strip_suffix(child)?;
            (!id.contains('/')).then(|| id.to_owned())
        };
        if let Some(id) = nested("/organizations/", "/members") {
            put(self.members.entry(id).or_default(), records(body, "members"), "user_id");
        }
        if let Some(id) = nested("/connections/", "/clients") {
            put(self.connection_clients.entry(id).or_default(), records(body, "clients"), "client_id");
        }
    }
}

fn put(known: &mut BTreeMap<String, Value>, records: &[Value], id: &str) {
    known.extend(records.iter().map(|record| (record[id].as_str().unwrap().to_owned(), record.clone())));
}

fn records<'a>(body: &'a Value, collection: &str) -> &'a [Value] {
    let list = if body.is_array() { body } else { &body[collection] };
    list.as_array().unwrap()
}

/// The latest answer that gives some version twice (some do), and behind it the versions that only other answers know.
fn triggers(answers: &[&Recording]) -> Vec<Value> {
    let version =
        |trigger: &Value| (trigger["id"].clone().to_string(), trigger["version"].clone().to_string());
    let lists: Vec<&[Value]> = answers
        .iter()
        .filter(|answer| answer.path == "/actions/triggers")
        .map(|answer| records(&answer.body, "triggers"))
        .collect();
    let repeats = |list: &&[Value]| {
        let versions: std::collections::BTreeSet<_> = list.iter().map(version).collect();
        versions.len() < list.len()
    };
    let mut triggers: Vec<Value> = lists.iter().rfind(|list| repeats(list)).unwrap().to_vec();
    for trigger in lists.iter().rev().flat_map(|list| list.iter()) {
        if !triggers.iter().any(|known| version(known) == version(trigger)) {
            triggers.push(trigger.clone());
        }
    }
    triggers
}
