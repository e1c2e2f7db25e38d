//! Random change: every kind of entity made, changed and taken, by a seed and a budget.
//!
//! What has a route of the Management API is changed through that route, by the same handlers that requests reach,
//! so log events and cascades are Auth0's; logins, which have none, come from `traffic`.

use crate::administrator::call;
use crate::http::encode;
use crate::random::Random;
use crate::seed::people;
use crate::tenant::Tenant;
use crate::traffic;
use crate::users::Slot;
use serde::Deserialize;
use serde_json::{Value, json};

/// How much of each change is wanted. Everything is 0 unless said.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Churn {
    /// The same seed on the same tenant changes the same things.
    pub seed: u64,
    /// Users made, changed (names, metadata, blocks) and deleted through the API.
    pub users_created: u32,
    /// Users changed.
    pub users_updated: u32,
    /// Users deleted.
    pub users_deleted: u32,
    /// Pairs of users linked: the second of each vanishes without an event of its own.
    pub users_linked: u32,
    /// Logins and other acts of random users.
    pub logins: u32,
    /// Logins with no other act between them.
    pub bare_logins: u32,
    /// Clients made.
    pub clients_created: u32,
    /// Clients changed.
    pub clients_updated: u32,
    /// Clients deleted; never the global one or the reader's own.
    pub clients_deleted: u32,
    /// Client grants made.
    pub client_grants_created: u32,
    /// Client grants changed.
    pub client_grants_updated: u32,
    /// Client grants deleted; never the reader's own.
    pub client_grants_deleted: u32,
    /// Connections made.
    pub connections_created: u32,
    /// Connections changed.
    pub connections_updated: u32,
    /// Connections deleted: those without users only.
    pub connections_deleted: u32,
    /// Clients enabled for or taken from connections.
    pub connection_clients_changed: u32,
    /// Organizations made.
    pub organizations_created: u32,
    /// Organizations changed.
    pub organizations_updated: u32,
    /// Organizations deleted.
    pub organizations_deleted: u32,
    /// Members added.
    pub members_added: u32,
    /// Members removed.
    pub members_removed: u32,
    /// APIs made.
    pub resource_servers_created: u32,
    /// APIs changed.
    pub resource_servers_updated: u32,
    /// APIs deleted; never the Management API.
    pub resource_servers_deleted: u32,
    /// Roles made.
    pub roles_created: u32,
    /// Roles changed.
    pub roles_updated: u32,
    /// Roles deleted.
    pub roles_deleted: u32,
    /// Actions made.
    pub actions_created: u32,
    /// Actions changed.
    pub actions_updated: u32,
    /// Actions deployed.
    pub actions_deployed: u32,
    /// Actions deleted.
    pub actions_deleted: u32,
    /// Log streams made.
    pub log_streams_created: u32,
    /// Log streams changed.
    pub log_streams_updated: u32,
    /// Log streams deleted.
    pub log_streams_deleted: u32,
    /// Consents that users gave: no event tells.
    pub grants_created: u32,
    /// Consents withdrawn.
    pub grants_deleted: u32,
}

/// Applies a churn; gives back how many changes of each kind were made and the ids concerned.
pub(crate) fn apply(tenant: &mut Tenant, churn: &Churn, now: i64) -> Value {
    let random = Random::derive(churn.seed, "churn");
    let mut run = Run { tenant, random, now, done: serde_json::Map::new(), serial: churn.seed % 100_000 };
    run.users(churn);
    run.clients(churn);
    run.client_grants(churn);
    run.connections(churn);
    run.organizations(churn);
    run.resource_servers(churn);
    run.roles(churn);
    run.actions(churn);
    run.log_streams(churn);
    run.grants(churn);
    run.done.into()
}

struct Run<'a> {
    tenant: &'a mut Tenant,
    random: Random,
    now: i64,
    /// Kind of change -> ids.
    done: serde_json::Map<String, Value>,
    serial: u64,
}

impl Run<'_> {
    fn call(&mut self, method: &str, path: &str, body: &Value) -> Option<Value> {
        call(self.tenant, &mut self.now, method, path, body)
    }

    fn note(&mut self, what: &str, id: impl Into<Value>) {
        let list = self.done.entry(what).or_insert_with(|| json!([]));
        if let Value::Array(list) = list {
            list.push(id.into());
        }
    }

    fn serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial * 1_000 + self.random.below(1_000)
    }

    fn pick(&mut self, ids: &[String]) -> Option<String> {
        (!ids.is_empty()).then(|| self.random.pick(ids).clone())
    }

    fn user(&mut self) -> Option<(Slot, String)> {
        let at = self.random.below(u64::from(self.tenant.users.next_slot())) as Slot;
        let slot = self.tenant.users.at_or_after(at)?;
        Some((slot, self.tenant.users.get(slot)?.id.to_string()))
    }

    fn users(&mut self, churn: &Churn) {
        for _ in 0..churn.users_created {
            let serial = self.serial();
            let email = format!("new.{serial}@example.com");
            let mut body =
                json!({ "connection": self.database(), "email": email, "password": "correct horse" });
            if self.random.chance(500) {
                body["app_metadata"] = json!({ "plan": "free", "tags": ["new", serial] });
            }
            if let Some(user) = self.call("POST", "/users", &body) {
                self.note("users_created", user["user_id"].clone());
            }
        }
        for _ in 0..churn.users_updated {
            let Some((_, id)) = self.user() else { break };
            let serial = self.serial();
            let body = match self.random.below(3) {
                0 => json!({ "name": format!("Renamed {serial}"), "nickname": format!("r{serial}") }),
                1 => json!({ "app_metadata": { "plan": "pro", "seen": serial, "legacy_id": null } }),
                _ => json!({ "blocked": self.random.chance(500) }),
            };
            if self.call("PATCH", &format!("/users/{}", encode(&id)), &body).is_some() {
                self.note("users_updated", id);
            }
        }
        self.link_and_delete(churn);
        let played = traffic::logins(self.tenant, churn.logins, churn.seed, self.now);
        if churn.logins > 0 {
            self.done.insert("logins".into(), played);
        }
        if churn.bare_logins > 0 {
            let played = traffic::bare_logins(self.tenant, churn.bare_logins, churn.seed, self.now);
            self.done.insert("bare_logins".into(), played);
        }
    }

    fn link_and_delete(&mut self, churn: &Churn) {
        for _ in 0..churn.users_linked {
            let (Some((_, first)), Some((_, second))) = (self.user(), self.user()) else { break };
            let (provider, local) = second.split_once('|').unwrap_or(("", &second));
            let body = json!({ "provider": provider, "user_id": local });
            if self.call("POST", &format!("/users/{}/identities", encode(&first)), &body).is_some() {
                self.note("users_linked", json!([first, second]));
            }
        }
        for _ in 0..churn.users_deleted {
            let Some((_, id)) = self.user() else { break };
            if self.call("DELETE", &format!("/users/{}", encode(&id)), &Value::Null).is_some() {
                self.note("users_deleted", id);
            }
        }
    }

    /// The name of a database connection; of the first one where there is none.
    fn database(&self) -> String {
        let text = |c: &crate::api::Object, name: &str| {
            c.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let connections = &self.tenant.connections;
        let database =
            connections.values().find(|c| text(c, "strategy") == "auth0").or(connections.values().next());
        database.map(|c| text(c, "name")).unwrap_or_default()
    }

    fn made(&mut self, what: &str, path: &str, id: &str, body: &Value) {
        if let Some(made) = self.call("POST", path, body) {
            self.note(what, made[id].clone());
        }
    }

    fn changed(&mut self, what: &str, path: &str, ids: &[String], body: &Value) {
        if let Some(id) = self.pick(ids)
            && self.call("PATCH", &format!("{path}/{id}"), body).is_some()
        {
            self.note(what, id);
        }
    }

    fn deleted(&mut self, what: &str, path: &str, ids: &[String]) {
        if let Some(id) = self.pick(ids)
            && self.call("DELETE", &format!("{path}/{id}"), &Value::Null).is_some()
        {
            self.note(what, id);
        }
    }

    fn clients(&mut self, churn: &Churn) {
        for _ in 0..churn.clients_created {
            let n = self.serial();
            let body = json!({ "name": format!("New App {n}"), "app_type": "spa",
                "callbacks": [format!("https://app{n}.example.com/cb")], "client_metadata": { "made": n.to_string() } });
            self.made("clients_created", "/clients", "client_id", &body);
        }
        let own = |t: &Tenant| -> Vec<String> {
            let kept = t.clients.iter().filter(|(id, c)| {
                id.as_str() != crate::CLIENT_ID && c.get("global").and_then(Value::as_bool) != Some(true)
            });
            kept.map(|(id, _)| id.clone()).collect()
        };
        for _ in 0..churn.clients_updated {
            let n = self.serial();
            let ids = own(self.tenant);
            let body = json!({ "name": format!("App {n}"), "callbacks": [format!("https://app{n}.example.com/cb"), "https://example.org/cb"],
                "grant_types": ["refresh_token", "authorization_code"] });
            self.changed("clients_updated", "/clients", &ids, &body);
        }
        for _ in 0..churn.clients_deleted {
            let ids = own(self.tenant);
            self.deleted("clients_deleted", "/clients", &ids);
        }
    }

    fn client_grants(&mut self, churn: &Churn) {
        for _ in 0..churn.client_grants_created {
            let clients: Vec<String> = self.tenant.clients.keys().cloned().collect();
            let (Some(client), Some(server)) = (self.pick(&clients), self.api()) else { break };
            let body =
                json!({ "client_id": client, "audience": server, "scope": ["read:orders", "write:orders"] });
            self.made("client_grants_created", "/client-grants", "id", &body);
        }
        let own = |t: &Tenant| -> Vec<String> {
            let kept = t
                .client_grants
                .iter()
                .filter(|(_, g)| g.get("client_id").and_then(Value::as_str) != Some(crate::CLIENT_ID));
            kept.map(|(id, _)| id.clone()).collect()
        };
        for _ in 0..churn.client_grants_updated {
            let ids = own(self.tenant);
            let scope = format!("read:thing{}", self.serial());
            self.changed(
                "client_grants_updated",
                "/client-grants",
                &ids,
                &json!({ "scope": [scope, "read:orders"] }),
            );
        }
        for _ in 0..churn.client_grants_deleted {
            let ids = own(self.tenant);
            self.deleted("client_grants_deleted", "/client-grants", &ids);
        }
    }

    /// The identifier of one of the tenant's own APIs.
    fn api(&mut self) -> Option<String> {
        let own = self.tenant.resource_servers.values().filter(|s| !s.contains_key("is_system"));
        let ids: Vec<String> = own.filter_map(|s| s.get("identifier")?.as_str().map(str::to_owned)).collect();
        self.pick(&ids)
    }

    fn connections(&mut self, churn: &Churn) {
        for _ in 0..churn.connections_created {
            let n = self.serial();
            let body = json!({ "name": format!("new-oidc-{n}"), "strategy": "oidc", "realms": [format!("new-oidc-{n}"), "extra"],
                "options": { "client_id": "x", "client_secret": "not-a-real-secret" } });
            self.made("connections_created", "/connections", "id", &body);
        }
        for _ in 0..churn.connections_updated {
            let n = self.serial();
            let ids: Vec<String> = self.tenant.connections.keys().cloned().collect();
            let body =
                json!({ "is_domain_connection": self.random.chance(500), "realms": [format!("realm-{n}")] });
            self.changed("connections_updated", "/connections", &ids, &body);
        }
        for _ in 0..churn.connection_clients_changed {
            let connections: Vec<String> = self.tenant.connections.keys().cloned().collect();
            let clients: Vec<String> = self.tenant.clients.keys().cloned().collect();
            let (Some(connection), Some(client)) = (self.pick(&connections), self.pick(&clients)) else {
                break;
            };
            let body = json!([{ "client_id": client, "status": self.random.chance(600) }]);
            if self.call("PATCH", &format!("/connections/{connection}/clients"), &body).is_some() {
                self.note("connection_clients_changed", json!([connection, client]));
            }
        }
        for _ in 0..churn.connections_deleted {
            let sources = &self.tenant.users.sources;
            let used = |id: &str| sources.iter().any(|s| s.connection_id == id);
            let ids: Vec<String> = self.tenant.connections.keys().filter(|id| !used(id)).cloned().collect();
            self.deleted("connections_deleted", "/connections", &ids);
        }
    }

    fn organizations(&mut self, churn: &Churn) {
        for _ in 0..churn.organizations_created {
            let n = self.serial();
            let body = json!({ "name": format!("new-org-{n}"), "display_name": format!("New Org {n}"), "metadata": { "made": n.to_string() } });
            self.made("organizations_created", "/organizations", "id", &body);
        }
        let all = |t: &Tenant| -> Vec<String> { t.organizations.keys().cloned().collect() };
        for _ in 0..churn.organizations_updated {
            let n = self.serial();
            let ids = all(self.tenant);
            let body = json!({ "display_name": format!("Org {n}"), "branding": { "colors": { "primary": "#123456" } } });
            self.changed("organizations_updated", "/organizations", &ids, &body);
        }
        for _ in 0..churn.members_added {
            let ids = all(self.tenant);
            let (Some(id), Some((_, user))) = (self.pick(&ids), self.user()) else { break };
            if self
                .call("POST", &format!("/organizations/{id}/members"), &json!({ "members": [user] }))
                .is_some()
            {
                self.note("members_added", json!([id, user]));
            }
        }
        for _ in 0..churn.members_removed {
            let peopled = self.tenant.members.iter().filter(|(_, m)| m.len() > 0);
            let ids: Vec<String> = peopled.map(|(id, _)| id.clone()).collect();
            let Some(id) = self.pick(&ids) else { break };
            let slots: Vec<Slot> = self.tenant.members[&id].slots().collect();
            let slot = *self.random.pick(&slots);
            let Some(user) = self.tenant.users.get(slot).map(|u| u.id.to_string()) else { continue };
            if self
                .call("DELETE", &format!("/organizations/{id}/members"), &json!({ "members": [user] }))
                .is_some()
            {
                self.note("members_removed", json!([id, user]));
            }
        }
        for _ in 0..churn.organizations_deleted {
            let ids = all(self.tenant);
            self.deleted("organizations_deleted", "/organizations", &ids);
        }
    }

    fn resource_servers(&mut self, churn: &Churn) {
        for _ in 0..churn.resource_servers_created {
            let n = self.serial();
            let body = json!({ "name": format!("New API {n}"), "identifier": format!("https://new{n}.example.com"),
                "scopes": [{ "value": "read:new", "description": "Read" }, { "value": "write:new" }] });
            self.made("resource_servers_created", "/resource-servers", "id", &body);
        }
        let own = |t: &Tenant| -> Vec<String> {
            t.resource_servers
                .iter()
                .filter(|(_, s)| !s.contains_key("is_system"))
                .map(|(id, _)| id.clone())
                .collect()
        };
        for _ in 0..churn.resource_servers_updated {
            let n = self.serial();
            let ids = own(self.tenant);
            let body = json!({ "name": format!("API {n}"), "token_lifetime": 3_600 + n, "scopes": [{ "value": format!("s{n}"), "description": "New" }] });
            self.changed("resource_servers_updated", "/resource-servers", &ids, &body);
        }
        for _ in 0..churn.resource_servers_deleted {
            let ids = own(self.tenant);
            self.deleted("resource_servers_deleted", "/resource-servers", &ids);
        }
    }

    fn roles(&mut self, churn: &Churn) {
        for _ in 0..churn.roles_created {
            let n = self.serial();
            self.made("roles_created", "/roles", "id", &json!({ "name": format!("New role {n}") }));
        }
        let all = |t: &Tenant| -> Vec<String> { t.roles.keys().cloned().collect() };
        for _ in 0..churn.roles_updated {
            let n = self.serial();
            let ids = all(self.tenant);
            self.changed("roles_updated", "/roles", &ids, &json!({ "description": format!("Changed {n}") }));
        }
        for _ in 0..churn.roles_deleted {
            let ids = all(self.tenant);
            self.deleted("roles_deleted", "/roles", &ids);
        }
    }

    fn actions(&mut self, churn: &Churn) {
        for _ in 0..churn.actions_created {
            let n = self.serial();
            let body = json!({ "name": format!("New action {n}"), "code": "// new", "runtime": "node22",
                "supported_triggers": [{ "id": "post-login", "version": "v3" }],
                "secrets": [{ "name": "TOKEN", "value": "not-a-real-secret" }], "dependencies": [{ "name": "dayjs", "version": "1.11.0" }] });
            self.made("actions_created", "/actions/actions", "id", &body);
        }
        let all = |t: &Tenant| -> Vec<String> { t.actions.keys().cloned().collect() };
        for _ in 0..churn.actions_updated {
            let n = self.serial();
            let ids = all(self.tenant);
            let body = json!({ "code": format!("// {n}"), "dependencies": [{ "name": "lodash", "version": format!("4.17.{n}") }] });
            self.changed("actions_updated", "/actions/actions", &ids, &body);
        }
        for _ in 0..churn.actions_deployed {
            let ids = all(self.tenant);
            let Some(id) = self.pick(&ids) else { break };
            if self.call("POST", &format!("/actions/actions/{id}/deploy"), &Value::Null).is_some() {
                self.note("actions_deployed", id);
            }
        }
        for _ in 0..churn.actions_deleted {
            let ids = all(self.tenant);
            let Some(id) = self.pick(&ids) else { break };
            if self.call("DELETE", &format!("/actions/actions/{id}?force=true"), &Value::Null).is_some() {
                self.note("actions_deleted", id);
            }
        }
    }

    fn log_streams(&mut self, churn: &Churn) {
        for _ in 0..churn.log_streams_created {
            let n = self.serial();
            let body = json!({ "name": format!("New stream {n}"), "type": "http",
                "sink": { "httpEndpoint": format!("https://hook{n}.example.com"), "httpContentFormat": "JSONARRAY" } });
            self.made("log_streams_created", "/log-streams", "id", &body);
        }
        let all = |t: &Tenant| -> Vec<String> { t.log_streams.keys().cloned().collect() };
        for _ in 0..churn.log_streams_updated {
            let ids = all(self.tenant);
            let status = *self.random.pick(&["active", "paused"]);
            self.changed("log_streams_updated", "/log-streams", &ids, &json!({ "status": status }));
        }
        for _ in 0..churn.log_streams_deleted {
            let ids = all(self.tenant);
            self.deleted("log_streams_deleted", "/log-streams", &ids);
        }
    }

    fn grants(&mut self, churn: &Churn) {
        for _ in 0..churn.grants_created {
            let clients: Vec<String> = self.tenant.clients.keys().cloned().collect();
            let (Some((slot, user)), Some(client)) = (self.user(), self.pick(&clients)) else { break };
            let id = self.tenant.object_id(self.now);
            let audience = format!("https://{}/userinfo", self.tenant.config.host());
            let row = people::consent(&id, &user, &client, &audience, &mut self.random);
            self.tenant.add_grant(id.clone(), slot, row);
            self.note("grants_created", id);
        }
        for _ in 0..churn.grants_deleted {
            let ids: Vec<String> = self.tenant.grants.keys().cloned().collect();
            self.deleted("grants_deleted", "/grants", &ids);
        }
    }
}
