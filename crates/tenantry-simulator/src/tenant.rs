//! The state of one tenant, and the consequences that one change has for other entities.
//!
//! Every entity is kept as the API shows it, keyed by id; relations are kept both ways so that a deletion costs what
//! it touches. Knows nothing of requests; handlers, the generator and churn all change the tenant through this file.

use crate::api::Object;
use crate::config::Config;
use crate::exports::Jobs;
use crate::faults::Faults;
use crate::feed::Feed;
use crate::limits::Limits;
use crate::logs::{Event, Logs};
use crate::random::{Random, hash};
use crate::stats::{Count, Stats};
use crate::time;
use crate::users::{Slot, User, Users};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Objects by id.
pub(crate) type Table = BTreeMap<String, Object>;

/// A user's membership in an organization.
#[derive(Clone, Debug)]
pub(crate) struct Membership {
    /// When the member list begins and ceases to show it, microseconds.
    pub(crate) shown_from: i64,
    pub(crate) shown_until: i64,
    pub(crate) roles: BTreeSet<String>,
}

/// The members of one organization, in order of joining (microseconds, user).
#[derive(Clone, Debug, Default)]
pub(crate) struct Members {
    pub(crate) by_time: BTreeMap<(i64, Slot), Membership>,
    joined: BTreeMap<Slot, i64>,
    /// Those who have left and are still shown: until when, in order of leaving.
    leaving: VecDeque<(i64, (i64, Slot))>,
}

impl Members {
    /// The membership of a user who has not left.
    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut Membership> {
        self.by_time.get_mut(&(*self.joined.get(&slot)?, slot))
    }

    /// Everyone who has not left.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> {
        self.joined.keys().copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.joined.len()
    }
}

/// A consent: whose, and what the API shows.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) user: Slot,
    pub(crate) object: Object,
}

/// Everything about one tenant.
pub(crate) struct Tenant {
    pub(crate) config: Config,
    pub(crate) random: Random,
    pub(crate) users: Users,
    pub(crate) actions: Table,
    /// Deployed versions of each action, oldest first.
    pub(crate) action_versions: BTreeMap<String, Vec<Object>>,
    pub(crate) triggers: Vec<Value>,
    pub(crate) bindings: BTreeMap<String, Vec<Object>>,
    pub(crate) clients: Table,
    pub(crate) client_grants: Table,
    pub(crate) connections: Table,
    pub(crate) connection_clients: BTreeMap<String, BTreeSet<String>>,
    pub(crate) organizations: Table,
    pub(crate) members: BTreeMap<String, Members>,
    pub(crate) memberships: BTreeMap<Slot, BTreeSet<String>>,
    pub(crate) organization_connections: BTreeMap<String, BTreeMap<String, Object>>,
    pub(crate) organization_grants: BTreeMap<String, BTreeSet<String>>,
    pub(crate) resource_servers: Table,
    pub(crate) roles: Table,
    pub(crate) role_permissions: BTreeMap<String, Vec<(String, String)>>,
    pub(crate) role_users: BTreeMap<String, BTreeSet<Slot>>,
    pub(crate) user_roles: BTreeMap<Slot, BTreeSet<String>>,
    pub(crate) user_permissions: BTreeMap<Slot, Vec<(String, String)>>,
    pub(crate) grants: BTreeMap<String, Grant>,
    pub(crate) user_grants: BTreeMap<Slot, BTreeSet<String>>,
    pub(crate) log_streams: Table,
    pub(crate) logs: Logs,
    pub(crate) feed: Feed,
    pub(crate) stats: Stats,
    pub(crate) jobs: Jobs,
    pub(crate) limits: Limits,
    pub(crate) faults: Faults,
}

impl Tenant {
    /// A tenant without anything in it.
    pub(crate) fn empty(config: Config) -> Self {
        Self {
            random: Random::derive(config.seed, "live"),
            users: Users::default(),
            actions: Table::new(),
            action_versions: BTreeMap::new(),
            triggers: Vec::new(),
            bindings: BTreeMap::new(),
            clients: Table::new(),
            client_grants: Table::new(),
            connections: Table::new(),
            connection_clients: BTreeMap::new(),
            organizations: Table::new(),
            members: BTreeMap::new(),
            memberships: BTreeMap::new(),
            organization_connections: BTreeMap::new(),
            organization_grants: BTreeMap::new(),
            resource_servers: Table::new(),
            roles: Table::new(),
            role_permissions: BTreeMap::new(),
            role_users: BTreeMap::new(),
            user_roles: BTreeMap::new(),
            user_permissions: BTreeMap::new(),
            grants: BTreeMap::new(),
            user_grants: BTreeMap::new(),
            log_streams: Table::new(),
            logs: Logs::new(config.seed),
            feed: Feed::new(config.seed),
            stats: Stats::default(),
            jobs: Jobs::default(),
            limits: Limits::new(config.plan),
            faults: Faults::default(),
            config,
        }
    }

    /// Lets time pass until `now` (microseconds).
    pub(crate) fn advance(&mut self, now: i64) {
        self.users.advance(now);
        self.logs.advance(now, self.config.retention());
        self.jobs.advance(now);
        self.feed.advance(now, self.config.event_retention_micros);
    }

    /// When the search engine sees a write made now; `None` = at once.
    pub(crate) fn search_sees(&self, now: i64) -> Option<i64> {
        (self.config.search_lag_micros > 0).then(|| now + self.config.search_lag_micros)
    }

    /// An id of Auth0's form: prefix and 16 characters.
    pub(crate) fn id(&mut self, prefix: &str) -> String {
        format!("{prefix}_{}", self.random.alphanumeric(16))
    }

    /// 24 hex digits that begin with the time, as document databases make them.
    pub(crate) fn object_id(&mut self, now: i64) -> String {
        format!("{:08x}{}", now.div_euclid(time::SECOND), self.random.hex(16))
    }

    /// Writes an event that happens now into the log.
    pub(crate) fn emit(&mut self, kind: &'static str, now: i64, fields: Object) {
        if !self.config.log_events {
            return;
        }
        let lag = self.random.below(self.config.log_lag_micros.max(0) as u64 + 1) as i64;
        let late = self.random.chance(u64::from(self.config.late_logs_per_mille));
        let lateness =
            if late { self.random.below(self.config.late_log_micros.max(1) as u64) as i64 } else { 0 };
        self.count(kind, now);
        self.logs.add(Event { date: now / 1000, kind, fields }, now + lag, lateness);
    }

    /// Counts an event for `stats_daily`.
    pub(crate) fn count(&mut self, kind: &str, now: i64) {
        let count = match kind {
            "s" => Count::Login,
            "ss" => Count::Signup,
            "pwd_leak" => Count::LeakedPassword,
            "signup_pwd_leak" => Count::LeakedPasswordAtSignup,
            _ => return,
        };
        self.stats.count(count, now);
    }

    /// Index of a connection in the users' sources; made where it is new.
    pub(crate) fn source(&mut self, connection_id: &str) -> Option<u16> {
        let found = self.users.sources.iter().position(|s| s.connection_id == connection_id);
        if let Some(found) = found {
            return Some(found as u16);
        }
        let connection = self.connections.get(connection_id)?;
        let text = |name: &str| connection.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let source = crate::users::Source {
            connection_id: connection_id.into(),
            name: text("name"),
            strategy: text("strategy"),
        };
        self.users.sources.push(source);
        Some((self.users.sources.len() - 1) as u16)
    }

    /// The id of the connection of that name.
    pub(crate) fn connection_named(&self, name: &str) -> Option<String> {
        let found =
            self.connections.iter().find(|(_, c)| c.get("name").and_then(Value::as_str) == Some(name));
        found.map(|(id, _)| id.clone())
    }

    pub(crate) fn add_user(&mut self, user: User, now: i64) -> Slot {
        let visible = self.search_sees(now);
        let slot = self.users.insert(user, visible);
        self.tell_user("user.created", slot, now);
        slot
    }

    /// Changes a user and its `updated_at`.
    pub(crate) fn edit_user(&mut self, slot: Slot, now: i64, change: impl FnOnce(&mut User)) {
        let visible = self.search_sees(now);
        self.users.edit(slot, visible, |user| {
            change(user);
            user.updated = now / 1000;
        });
        self.tell_user("user.updated", slot, now);
    }

    /// Changes a user's document (every field that is not the record's own) and its `updated_at`.
    pub(crate) fn edit_document(&mut self, slot: Slot, now: i64, change: impl FnOnce(&mut Object)) {
        let Some(mut document) = self.users.get(slot).map(|u| u.document(&self.users.sources)) else {
            return;
        };
        change(&mut document);
        self.edit_user(slot, now, |user| user.document = Some(Box::new(document)));
    }

    /// Takes a user with memberships, roles, permissions and consents.
    pub(crate) fn remove_user(&mut self, slot: Slot, now: i64) {
        let visible = self.search_sees(now);
        for organization in self.memberships.get(&slot).cloned().unwrap_or_default() {
            self.remove_member(&organization, slot, now);
        }
        for role in self.user_roles.remove(&slot).unwrap_or_default() {
            if let Some(users) = self.role_users.get_mut(&role) {
                users.remove(&slot);
            }
        }
        self.user_permissions.remove(&slot);
        for grant in self.user_grants.remove(&slot).unwrap_or_default() {
            self.grants.remove(&grant);
        }
        self.tell_user_deleted(slot, now);
        self.users.remove(slot, visible);
    }

    pub(crate) fn add_member(&mut self, organization: &str, slot: Slot, now: i64) {
        let lag = self.config.search_lag_micros.max(0);
        let members = self.members.entry(organization.to_owned()).or_default();
        if members.joined.contains_key(&slot) {
            return;
        }
        let membership = Membership { shown_from: now + lag, shown_until: i64::MAX, roles: BTreeSet::new() };
        members.joined.insert(slot, now);
        members.by_time.insert((now, slot), membership);
        self.memberships.entry(slot).or_default().insert(organization.to_owned());
        self.tell_member("organization.member.added", organization, slot, now);
    }

    /// Ends a membership; the list goes on showing it until the search engine has caught up.
    pub(crate) fn remove_member(&mut self, organization: &str, slot: Slot, now: i64) {
        let lag = self.config.search_lag_micros.max(0);
        if let Some(members) = self.members.get_mut(organization) {
            while let Some((_, key)) = members.leaving.front().filter(|(until, _)| *until <= now) {
                members.by_time.remove(key);
                members.leaving.pop_front();
            }
            if let Some(joined) = members.joined.remove(&slot) {
                if lag == 0 {
                    members.by_time.remove(&(joined, slot));
                } else if let Some(membership) = members.by_time.get_mut(&(joined, slot)) {
                    membership.shown_until = now + lag;
                    members.leaving.push_back((now + lag, (joined, slot)));
                }
                self.tell_member("organization.member.deleted", organization, slot, now);
            }
        }
        if let Some(organizations) = self.memberships.get_mut(&slot) {
            organizations.remove(organization);
            if organizations.is_empty() {
                self.memberships.remove(&slot);
            }
        }
    }

    pub(crate) fn assign_role(&mut self, role: &str, slot: Slot) {
        self.role_users.entry(role.to_owned()).or_default().insert(slot);
        self.user_roles.entry(slot).or_default().insert(role.to_owned());
    }

    pub(crate) fn unassign_role(&mut self, role: &str, slot: Slot) {
        if let Some(users) = self.role_users.get_mut(role) {
            users.remove(&slot);
        }
        if let Some(roles) = self.user_roles.get_mut(&slot) {
            roles.remove(role);
        }
    }

    pub(crate) fn add_grant(&mut self, id: String, user: Slot, object: Object) {
        self.user_grants.entry(user).or_default().insert(id.clone());
        self.grants.insert(id, Grant { user, object });
    }

    pub(crate) fn remove_grant(&mut self, id: &str) {
        if let Some(grant) = self.grants.remove(id)
            && let Some(grants) = self.user_grants.get_mut(&grant.user)
        {
            grants.remove(id);
        }
    }

    fn remove_grants(&mut self, of: impl Fn(&Object) -> bool) {
        let ids: Vec<String> =
            self.grants.iter().filter(|(_, g)| of(&g.object)).map(|(id, _)| id.clone()).collect();
        for id in &ids {
            self.remove_grant(id);
        }
    }

    /// Takes a client grant with its links to organizations.
    pub(crate) fn remove_client_grant(&mut self, id: &str) {
        self.client_grants.remove(id);
        self.organization_grants.values_mut().for_each(|grants| {
            grants.remove(id);
        });
    }

    fn remove_client_grants(&mut self, of: impl Fn(&Object) -> bool) {
        let ids: Vec<String> =
            self.client_grants.iter().filter(|(_, g)| of(g)).map(|(id, _)| id.clone()).collect();
        for id in &ids {
            self.remove_client_grant(id);
        }
    }

    /// Takes a client with its grants, client grants and enabled connections.
    pub(crate) fn remove_client(&mut self, id: &str) {
        self.clients.remove(id);
        self.remove_client_grants(|g| g.get("client_id").and_then(Value::as_str) == Some(id));
        self.remove_grants(|g| g.get("clientID").and_then(Value::as_str) == Some(id));
        self.connection_clients.values_mut().for_each(|clients| {
            clients.remove(id);
        });
    }

    /// Takes a connection with its enabled clients, its place in organizations and, as configured, its users.
    pub(crate) fn remove_connection(&mut self, id: &str, now: i64) {
        self.tell_connection("connection.deleted", id, now);
        self.connections.remove(id);
        self.connection_clients.remove(id);
        let enabled = self.organization_connections.iter().filter(|(_, rows)| rows.contains_key(id));
        let enabled: Vec<String> = enabled.map(|(organization, _)| organization.clone()).collect();
        for organization in &enabled {
            self.disable_connection(organization, id, now);
        }
        let source = self.users.sources.iter().position(|s| s.connection_id == id);
        if let Some(source) = source.filter(|_| self.config.connection_takes_users) {
            let gone: Vec<Slot> = self
                .users
                .iter()
                .filter(|(_, u)| usize::from(u.source) == source)
                .map(|(slot, _)| slot)
                .collect();
            for slot in gone {
                self.remove_user(slot, now);
            }
        }
    }

    /// Takes a connection from an organization.
    pub(crate) fn disable_connection(&mut self, organization: &str, connection: &str, now: i64) {
        let rows = self.organization_connections.get_mut(organization);
        if rows.is_some_and(|rows| rows.remove(connection).is_some()) {
            self.tell_organization_connection(
                "organization.connection.removed",
                organization,
                connection,
                now,
            );
        }
    }

    /// Takes an organization with its members, connections, grants and its own roles.
    pub(crate) fn remove_organization(&mut self, id: &str, now: i64) {
        for slot in self.members.get(id).map(|m| m.slots().collect::<Vec<_>>()).unwrap_or_default() {
            self.tell_member("organization.member.deleted", id, slot, now);
        }
        self.tell_organization("organization.deleted", id, now);
        self.organizations.remove(id);
        self.organization_connections.remove(id);
        self.organization_grants.remove(id);
        for slot in self.members.remove(id).map(|m| m.slots().collect::<Vec<_>>()).unwrap_or_default() {
            if let Some(organizations) = self.memberships.get_mut(&slot) {
                organizations.remove(id);
            }
        }
        let owned: Vec<String> = self
            .roles
            .iter()
            .filter(|(_, r)| r.get("owner_id").and_then(Value::as_str) == Some(id))
            .map(|(role, _)| role.clone())
            .collect();
        for role in &owned {
            self.remove_role(role);
        }
    }

    /// Takes a role from everyone who has it.
    pub(crate) fn remove_role(&mut self, id: &str) {
        self.roles.remove(id);
        self.role_permissions.remove(id);
        for slot in self.role_users.remove(id).unwrap_or_default() {
            if let Some(roles) = self.user_roles.get_mut(&slot) {
                roles.remove(id);
            }
        }
        for members in self.members.values_mut() {
            members.by_time.values_mut().for_each(|m| {
                m.roles.remove(id);
            });
        }
    }

    /// Takes an API with its client grants, consents and every permission on it.
    pub(crate) fn remove_resource_server(&mut self, id: &str) {
        let Some(server) = self.resource_servers.remove(id) else { return };
        let identifier = server.get("identifier").cloned().unwrap_or_default();
        self.remove_client_grants(|g| g.get("audience") == Some(&identifier));
        self.remove_grants(|g| g.get("audience") == Some(&identifier));
        let on_it = |permission: &(String, String)| identifier.as_str() == Some(permission.0.as_str());
        self.role_permissions.values_mut().for_each(|p| p.retain(|p| !on_it(p)));
        self.user_permissions.values_mut().for_each(|p| p.retain(|p| !on_it(p)));
    }

    /// Moves the secondary account's identities to the primary one; the secondary vanishes.
    pub(crate) fn link(&mut self, primary: Slot, secondary: Slot, now: i64) -> Vec<Value> {
        let sources = &self.users.sources;
        let Some((first, second)) = self.users.get(primary).zip(self.users.get(secondary)) else {
            return Vec::new();
        };
        let profile = second.document(sources);
        let mut moved = second.identities(sources);
        if let Some(Value::Object(identity)) = moved.first_mut() {
            let keep =
                ["email", "email_verified", "given_name", "family_name", "name", "nickname", "picture"];
            let data: Object = profile.into_iter().filter(|(k, _)| keep.contains(&k.as_str())).collect();
            identity.insert("profileData".into(), Value::Object(data));
        }
        let mut identities = first.identities(sources);
        identities.extend(moved);
        self.remove_user(secondary, now);
        let all = identities.clone();
        self.edit_document(primary, now, |d| {
            d.insert("identities".into(), Value::Array(all));
        });
        identities
    }

    /// The tenant's stable choice of a secret: never random, so that dumps can be compared.
    pub(crate) fn secret(&self, of: &str, length: usize) -> String {
        Random::new(hash(of.as_bytes()) ^ self.config.seed).alphanumeric(length)
    }

    /// Signing keys as every client shows them.
    pub(crate) fn signing_keys(&self) -> Value {
        let pem = |name: &str| {
            format!("-----BEGIN {name}-----\r\n{}\r\n-----END {name}-----", self.secret(name, 64))
        };
        json!([{ "cert": pem("CERTIFICATE"), "pkcs7": pem("PKCS7"), "subject": "deprecated" }])
    }
}
