//! What the Events feed tells of each change: `CloudEvents` in the shapes of Auth0's published catalogue.
//!
//! The tenant's own changes call these, cascades included, so no way to change an entity goes untold. Nothing is told
//! while the tenant is generated.

use crate::api::Object;
use crate::tenant::Tenant;
use crate::time;
use crate::users::{Slot, User};
use serde_json::{Value, json};

/// Fields of a user that events do not show.
const UNTOLD: [&str; 1] = ["last_password_reset"];

/// What an organization's events show of it.
const ORGANIZATION: [&str; 5] = ["id", "name", "display_name", "metadata", "branding"];

impl Tenant {
    /// Tells of a change that happens now.
    fn tell(&mut self, kind: &'static str, now: i64, object: impl Into<Value>) {
        if !self.feed.live {
            return;
        }
        let id = self.feed.id();
        let event = json!({
            "specversion": "1.0",
            "type": kind,
            "source": format!("urn:auth0:{}.us.auth0.example.com", self.config.tenant),
            "id": id,
            "time": time::millis(now / 1000),
            "data": { "object": object.into(), "context": { "tenant": { "id": self.config.tenant } } },
            "a0tenant": self.config.tenant,
            "a0stream": "est_simulated0000000000001",
        });
        self.feed.add(
            kind,
            &event,
            now + self.config.event_lag_micros.max(0),
            self.config.event_disorder_per_mille,
        );
    }

    fn shown(&self, user: &User) -> Object {
        let mut object = user.render(&self.users.sources);
        object.retain(|name, _| !UNTOLD.contains(&name.as_str()));
        object
    }

    /// `user.created` or `user.updated`.
    pub(crate) fn tell_user(&mut self, kind: &'static str, slot: Slot, now: i64) {
        if let Some(user) = self.users.get(slot).filter(|_| self.feed.live) {
            let object = self.shown(user);
            self.tell(kind, now, object);
        }
    }

    /// `user.deleted`, before the user is gone.
    pub(crate) fn tell_user_deleted(&mut self, slot: Slot, now: i64) {
        if let Some(user) = self.users.get(slot).filter(|_| self.feed.live) {
            let mut object = self.shown(user);
            object.insert("deleted_at".into(), time::millis(now / 1000).into());
            self.tell("user.deleted", now, object);
        }
    }

    /// `organization.created`, `.updated` or `.deleted`, while the organization is there.
    pub(crate) fn tell_organization(&mut self, kind: &'static str, id: &str, now: i64) {
        if let Some(row) = self.organizations.get(id).filter(|_| self.feed.live) {
            let shown = row.iter().filter(|(name, _)| ORGANIZATION.contains(&name.as_str()));
            let object: Object = shown.map(|(name, value)| (name.clone(), value.clone())).collect();
            self.tell(kind, now, object);
        }
    }

    /// An organization as the events of what belongs to it name it.
    fn named(&self, organization: &str) -> Value {
        let name = self.organizations.get(organization).and_then(|row| row.get("name"));
        json!({ "id": organization, "name": name })
    }

    /// `organization.member.added` or `.deleted`.
    pub(crate) fn tell_member(&mut self, kind: &'static str, organization: &str, slot: Slot, now: i64) {
        if let Some(user) = self.users.get(slot).filter(|_| self.feed.live) {
            let object = json!({ "organization": self.named(organization), "user": { "user_id": user.id } });
            self.tell(kind, now, object);
        }
    }

    /// `organization.member.role.assigned` or `.deleted`.
    pub(crate) fn tell_member_role(
        &mut self,
        kind: &'static str,
        organization: &str,
        slot: Slot,
        role: &str,
        now: i64,
    ) {
        if let Some(user) = self.users.get(slot).filter(|_| self.feed.live) {
            let name = self.roles.get(role).and_then(|row| row.get("name"));
            let object = json!({ "organization": { "id": organization }, "user": { "user_id": user.id },
                "role": { "id": role, "name": name } });
            self.tell(kind, now, object);
        }
    }

    /// `organization.connection.added`, `.updated` or `.removed`.
    pub(crate) fn tell_organization_connection(
        &mut self,
        kind: &'static str,
        organization: &str,
        connection: &str,
        now: i64,
    ) {
        let mut object =
            json!({ "organization": self.named(organization), "connection": { "id": connection } });
        let enabled = self.organization_connections.get(organization).and_then(|rows| rows.get(connection));
        if let Some(row) = enabled.filter(|_| kind != "organization.connection.removed") {
            for name in ["assign_membership_on_login", "show_as_button", "is_signup_enabled"] {
                object[name] = row.get(name).cloned().unwrap_or_default();
            }
        }
        self.tell(kind, now, object);
    }

    /// `connection.created`, `.updated` or `.deleted`, while the connection is there.
    pub(crate) fn tell_connection(&mut self, kind: &'static str, id: &str, now: i64) {
        if let Some(row) = self.connections.get(id).filter(|_| self.feed.live) {
            let object = json!({ "id": id, "name": row.get("name"), "strategy": row.get("strategy") });
            self.tell(kind, now, object);
        }
    }
}
