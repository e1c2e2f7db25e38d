//! The users of a tenant: a compact record for each, rendered to Auth0's JSON on demand, with indexes by id, mail
//! address, creation and change, and the search engine's stale view of the most recent writes.
//!
//! A generated user costs about a hundred bytes: what the API shows is derived from one number until somebody
//! edits it. Knows nothing of HTTP, organizations or roles.

use crate::names;
use crate::profile;
use crate::random::hash;
use crate::time;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Index of a user in [`Users`]; never used again after a deletion.
pub(crate) type Slot = u32;

/// Where a user signs in: what of a connection shows in a user.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) connection_id: String,
    pub(crate) name: String,
    pub(crate) strategy: String,
}

impl Source {
    /// `auth0`, `google-oauth2`, …: the part before the bar of a user id.
    pub(crate) fn provider(&self) -> &str {
        &self.strategy
    }

    pub(crate) fn is_database(&self) -> bool {
        self.strategy == "auth0"
    }

    pub(crate) fn is_social(&self) -> bool {
        matches!(self.strategy.as_str(), "google-oauth2" | "github" | "apple" | "facebook" | "windowslive")
    }
}

/// One user. Times are milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) id: Box<str>,
    pub(crate) seed: u64,
    pub(crate) number: u32,
    pub(crate) source: u16,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    /// 0 = never.
    pub(crate) last_login: i64,
    pub(crate) logins: u32,
    pub(crate) ip: u64,
    pub(crate) blocked: Option<bool>,
    /// Whether a generated profile may hold what typed clients refuse.
    pub(crate) odd: bool,
    /// Every field but those above, once somebody has edited the user.
    pub(crate) document: Option<Box<Map<String, Value>>>,
}

/// The order in which Auth0 writes a user's fields.
const ORDER: [&str; 22] = [
    "created_at",
    "email",
    "email_verified",
    "family_name",
    "given_name",
    "identities",
    "name",
    "nickname",
    "phone_number",
    "phone_verified",
    "picture",
    "updated_at",
    "user_id",
    "user_metadata",
    "username",
    "app_metadata",
    "multifactor",
    "last_password_reset",
    "last_ip",
    "last_login",
    "logins_count",
    "blocked",
];

impl User {
    /// The user as `GET /users/{id}` shows it.
    pub(crate) fn render(&self, sources: &[Source]) -> Map<String, Value> {
        let mut from = self.document(sources);
        for (name, value) in self.own() {
            from.insert(name.into(), value);
        }
        let mut ordered = Map::with_capacity(from.len());
        for name in ORDER {
            if let Some(value) = from.swap_remove(name) {
                ordered.insert(name.into(), value);
            }
        }
        ordered.extend(from);
        ordered
    }

    /// Every field that is not one of the record's own.
    pub(crate) fn document(&self, sources: &[Source]) -> Map<String, Value> {
        match &self.document {
            Some(document) => (**document).clone(),
            None => {
                self.generated(sources).into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            }
        }
    }

    fn generated(&self, sources: &[Source]) -> Vec<(&'static str, Value)> {
        profile::fields(self, &sources[usize::from(self.source)], self.odd)
    }

    /// Every field of the user, without order: cheaper than [`User::render`], for exports of a million users.
    pub(crate) fn flat(&self, sources: &[Source]) -> Vec<(Cow<'static, str>, Value)> {
        let mut fields: Vec<(Cow<'static, str>, Value)> = match &self.document {
            Some(document) => document.iter().map(|(k, v)| (Cow::Owned(k.clone()), v.clone())).collect(),
            None => self.generated(sources).into_iter().map(|(k, v)| (Cow::Borrowed(k), v)).collect(),
        };
        for (name, value) in self.own() {
            fields.push((Cow::Borrowed(name), value));
        }
        fields
    }

    /// The record's own fields.
    fn own(&self) -> Vec<(&'static str, Value)> {
        let mut own: Vec<(&'static str, Value)> = Vec::with_capacity(7);
        own.push(("created_at", time::millis(self.created).into()));
        own.push(("updated_at", time::millis(self.updated).into()));
        own.push(("user_id", self.id.as_ref().into()));
        if self.last_login != 0 {
            own.push(("last_ip", names::ip(self.ip).into()));
            own.push(("last_login", time::millis(self.last_login).into()));
            own.push(("logins_count", self.logins.into()));
        }
        if let Some(blocked) = self.blocked {
            own.push(("blocked", blocked.into()));
        }
        own
    }

    /// One field by name, without rendering the others where that can be avoided.
    pub(crate) fn field(&self, name: &str, sources: &[Source]) -> Option<Value> {
        match name {
            "user_id" => Some(self.id.as_ref().into()),
            "created_at" => Some(time::millis(self.created).into()),
            "updated_at" => Some(time::millis(self.updated).into()),
            "last_login" => (self.last_login != 0).then(|| time::millis(self.last_login).into()),
            "last_ip" => (self.last_login != 0).then(|| names::ip(self.ip).into()),
            "logins_count" => (self.last_login != 0).then(|| self.logins.into()),
            "blocked" => self.blocked.map(Value::Bool),
            _ => match &self.document {
                Some(document) => document.get(name).cloned(),
                None if name == "email" => {
                    profile::email(self, &sources[usize::from(self.source)]).map(Value::String)
                }
                None => self.generated(sources).into_iter().find(|(n, _)| *n == name).map(|(_, v)| v),
            },
        }
    }

    pub(crate) fn email(&self, sources: &[Source]) -> Option<String> {
        self.field("email", sources)?.as_str().map(str::to_owned)
    }

    /// The identities array: provider, connection and id of each account.
    pub(crate) fn identities(&self, sources: &[Source]) -> Vec<Value> {
        let value = self.field("identities", sources).unwrap_or(json!([]));
        value.as_array().cloned().unwrap_or_default()
    }
}

fn email_key(email: &str) -> u64 {
    hash(email.to_lowercase().as_bytes())
}

/// All users and their indexes.
#[derive(Default)]
pub(crate) struct Users {
    slots: Vec<Option<User>>,
    pub(crate) sources: Vec<Source>,
    by_id: BTreeMap<Box<str>, Slot>,
    by_email: BTreeSet<(u64, Slot)>,
    by_created: BTreeSet<(i64, Slot)>,
    by_updated: BTreeSet<(i64, Slot)>,
    /// What the search engine still shows of users with a write under way; `None` = not yet there.
    stale: BTreeMap<Slot, Option<Box<User>>>,
    /// When the search engine catches up, in order.
    catching_up: VecDeque<(i64, Slot)>,
}

/// Which of the indexes by time.
#[derive(Clone, Copy)]
pub(crate) enum By {
    Created,
    Updated,
}

impl Users {
    pub(crate) fn slot(&self, id: &str) -> Option<Slot> {
        self.by_id.get(id).copied()
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<&User> {
        self.slots.get(slot as usize)?.as_ref()
    }

    pub(crate) fn by_id(&self, id: &str) -> Option<&User> {
        self.get(self.slot(id)?)
    }

    /// Every user in order of its slot, i.e. of creation in this process.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Slot, &User)> {
        self.slots.iter().enumerate().filter_map(|(slot, user)| Some((slot as Slot, user.as_ref()?)))
    }

    /// The number of the slot that the next user will get.
    pub(crate) fn next_slot(&self) -> Slot {
        self.slots.len() as Slot
    }

    /// A user of at least that slot, round the end; `None` only where there are no users.
    pub(crate) fn at_or_after(&self, slot: Slot) -> Option<Slot> {
        let count = self.slots.len();
        let found = (0..count).map(|n| (slot as usize + n) % count).find(|&s| self.slots[s].is_some())?;
        Some(found as Slot)
    }

    /// Adds a user that the search engine sees at once (`visible_at` = `None`) or later.
    pub(crate) fn insert(&mut self, user: User, visible_at: Option<i64>) -> Slot {
        let slot = self.next_slot();
        if let Some(at) = visible_at {
            self.stale.insert(slot, None);
            self.catching_up.push_back((at, slot));
        }
        self.slots.push(Some(user));
        self.index(slot);
        slot
    }

    /// Changes a user; the search engine goes on showing the old one until `visible_at`.
    pub(crate) fn edit(&mut self, slot: Slot, visible_at: Option<i64>, change: impl FnOnce(&mut User)) {
        self.remember(slot, visible_at);
        self.unindex(slot);
        if let Some(user) = self.slots[slot as usize].as_mut() {
            change(user);
        }
        self.index(slot);
    }

    pub(crate) fn remove(&mut self, slot: Slot, visible_at: Option<i64>) {
        self.remember(slot, visible_at);
        self.unindex(slot);
        self.slots[slot as usize] = None;
    }

    fn remember(&mut self, slot: Slot, visible_at: Option<i64>) {
        let Some(at) = visible_at else { return };
        let before = self.slots[slot as usize].clone().map(Box::new);
        self.stale.entry(slot).or_insert(before);
        self.catching_up.push_back((at, slot));
    }

    /// Lets the search engine catch up with writes until `now` (microseconds).
    pub(crate) fn advance(&mut self, now: i64) {
        while let Some(&(_, slot)) = self.catching_up.front().filter(|(at, _)| *at <= now) {
            self.stale.remove(&slot);
            self.catching_up.pop_front();
        }
    }

    fn keys(&self, slot: Slot) -> Option<(Box<str>, Option<u64>, i64, i64)> {
        let user = self.get(slot)?;
        let email = user.email(&self.sources).map(|e| email_key(&e));
        Some((user.id.clone(), email, user.created, user.updated))
    }

    fn index(&mut self, slot: Slot) {
        let Some((id, email, created, updated)) = self.keys(slot) else { return };
        self.by_id.insert(id, slot);
        self.by_created.insert((created, slot));
        self.by_updated.insert((updated, slot));
        if let Some(email) = email {
            self.by_email.insert((email, slot));
        }
    }

    fn unindex(&mut self, slot: Slot) {
        let Some((id, email, created, updated)) = self.keys(slot) else { return };
        self.by_id.remove(&id);
        self.by_created.remove(&(created, slot));
        self.by_updated.remove(&(updated, slot));
        if let Some(email) = email {
            self.by_email.remove(&(email, slot));
        }
    }

    /// Users with that mail address, without case, immediately consistent.
    pub(crate) fn with_email(&self, email: &str) -> Vec<&User> {
        let key = email_key(email);
        let candidates =
            self.by_email.range((key, 0)..=(key, Slot::MAX)).filter_map(|(_, slot)| self.get(*slot));
        let same = |u: &&User| u.email(&self.sources).is_some_and(|e| e.eq_ignore_ascii_case(email));
        candidates.filter(same).collect()
    }

    /// What the search engine shows of a slot.
    pub(crate) fn searchable(&self, slot: Slot) -> Option<&User> {
        match self.stale.get(&slot) {
            Some(before) => before.as_deref(),
            None => self.get(slot),
        }
    }

    fn settled(&self, slot: Slot) -> bool {
        self.stale.is_empty() || !self.stale.contains_key(&slot)
    }

    fn unsettled(&self) -> impl Iterator<Item = Slot> {
        self.stale.iter().filter(|(_, before)| before.is_some()).map(|(slot, _)| *slot)
    }

    /// Slots that the search engine may show for a range of times (milliseconds, inclusive); not yet filtered.
    pub(crate) fn search_times(&self, by: By, low: i64, high: i64) -> Vec<Slot> {
        if low > high {
            return Vec::new();
        }
        let index = match by {
            By::Created => &self.by_created,
            By::Updated => &self.by_updated,
        };
        let settled = index.range((low, 0)..=(high, Slot::MAX)).map(|(_, s)| *s).filter(|s| self.settled(*s));
        settled.chain(self.unsettled()).collect()
    }

    /// Slots that the search engine may show for a range of ids (inclusive, `None` = open); not yet filtered.
    pub(crate) fn search_ids(&self, low: Option<&str>, high: Option<&str>) -> Vec<Slot> {
        use std::ops::Bound::{Included, Unbounded};
        if let (Some(low), Some(high)) = (low, high)
            && low > high
        {
            return Vec::new();
        }
        let bounds = (low.map_or(Unbounded, Included), high.map_or(Unbounded, Included));
        let range = self.by_id.range::<str, _>(bounds);
        range.map(|(_, s)| *s).filter(|s| self.settled(*s)).chain(self.unsettled()).collect()
    }

    /// Every slot that the search engine shows.
    pub(crate) fn search_all(&self) -> Vec<Slot> {
        let live = self.iter().map(|(slot, _)| slot).filter(|s| self.settled(*s));
        live.chain(self.unsettled()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Source {
        Source { connection_id: "con_1".into(), name: "db".into(), strategy: "auth0".into() }
    }

    fn user(n: u32) -> User {
        User {
            id: format!("auth0|{n:024}").into(),
            seed: u64::from(n),
            number: n,
            source: 0,
            created: i64::from(n),
            updated: i64::from(n),
            last_login: 0,
            logins: 0,
            ip: 0,
            blocked: None,
            odd: true,
            document: None,
        }
    }

    #[test]
    fn the_search_engine_catches_up_later() {
        let mut users = Users { sources: vec![source()], ..Users::default() };
        let old = users.insert(user(1), None);
        users.insert(user(2), Some(100));
        users.edit(old, Some(200), |u| u.updated = 50);
        users.advance(99);
        assert_eq!(users.search_times(By::Updated, 1, 1), [old]);
        assert_eq!(users.searchable(old).map(|u| u.updated), Some(1));
        assert_eq!(users.search_all().len(), 1);
        users.advance(100);
        assert_eq!(users.search_all().len(), 2);
        users.advance(200);
        assert_eq!(users.searchable(old).map(|u| u.updated), Some(50));
        users.remove(old, Some(300));
        assert!(users.by_id("auth0|000000000000000000000001").is_none());
        assert_eq!(users.search_all().len(), 2, "a deleted user lingers");
        users.advance(300);
        assert_eq!(users.search_all().len(), 1);
    }

    #[test]
    fn mail_addresses_are_found_without_case() {
        let mut users = Users { sources: vec![source()], ..Users::default() };
        let slot = users.insert(user(7), None);
        let email = users.get(slot).and_then(|u| u.email(&users.sources)).expect("an address");
        assert_eq!(users.with_email(&email.to_uppercase()).len(), 1);
        assert!(users.with_email("nobody@example.com").is_empty());
    }
}
