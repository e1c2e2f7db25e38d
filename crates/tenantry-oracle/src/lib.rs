//! What the tables must hold, worked out naively: raw API objects in, one map of text cells for each row out.
//!
//! Written from Auth0's documents and the published diagram alone. It depends on no other crate of ours and shares no code with the
//! replicator, so that the two cannot agree on a mistake. Tests compare with it; nothing else uses it.

mod cells;
mod project;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

pub use cells::show_micros;
pub use project::project;

/// A tenant's records as its API gives them, by entity kind.
#[derive(Debug, Clone, Default)]
pub struct Tenant {
    /// `/actions/actions`.
    pub actions: Vec<Value>,
    /// `/actions/triggers`, repeated ones included.
    pub triggers: Vec<Value>,
    /// `/clients`.
    pub clients: Vec<Value>,
    /// `/client-grants`.
    pub client_grants: Vec<Value>,
    /// `/connections`.
    pub connections: Vec<Value>,
    /// Connection id to the ids of its clients.
    pub connection_clients: BTreeMap<String, Vec<String>>,
    /// `/organizations`.
    pub organizations: Vec<Value>,
    /// Organization id to the ids of its members.
    pub organization_members: BTreeMap<String, Vec<String>>,
    /// `/resource-servers`.
    pub resource_servers: Vec<Value>,
    /// `/roles`.
    pub roles: Vec<Value>,
    /// `/log-streams`.
    pub log_streams: Vec<Value>,
    /// `/logs`.
    pub logs: Vec<Value>,
    /// `/grants`.
    pub grants: Vec<Value>,
    /// `/stats/daily`.
    pub stats_daily: Vec<Value>,
    /// `/users`.
    pub users: Vec<Value>,
}

/// What a column of one row holds, as text: numbers in decimal, times as `2024-01-02T03:04:05.678901Z`; `None` for NULL.
pub type Cell = Option<String>;
/// Column to cell, without the two columns that every table gets.
pub type Row = BTreeMap<&'static str, Cell>;
/// Merge key's cells, NULL as `\0`, to row.
pub type Rows = BTreeMap<Vec<String>, Row>;
/// Table to rows.
pub type Tables = BTreeMap<&'static str, Rows>;

impl Tenant {
    /// Reads one JSON object with an array (or, for the two fan-outs, an object of arrays of ids) for each entity kind.
    pub fn from_dump(dump: &Value) -> Self {
        let list = |name: &str| dump[name].as_array().cloned().unwrap_or_default();
        let fan_out = |name: &str| {
            let parents = dump[name].as_object().cloned().unwrap_or_else(Map::new);
            let ids = |ids: Value| {
                ids.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
            };
            parents.into_iter().map(|(parent, list)| (parent, ids(list))).collect()
        };
        Self {
            actions: list("actions"),
            triggers: list("triggers"),
            clients: list("clients"),
            client_grants: list("client_grants"),
            connections: list("connections"),
            connection_clients: fan_out("connection_clients"),
            organizations: list("organizations"),
            organization_members: fan_out("organization_members"),
            resource_servers: list("resource_servers"),
            roles: list("roles"),
            log_streams: list("log_streams"),
            logs: list("logs"),
            grants: list("grants"),
            stats_daily: list("stats_daily"),
            users: list("users"),
        }
    }
}
