//! The `/__sim` routes: how a test drives the tenant, looks at the truth, and counts requests.
//!
//! They need no token and count nowhere. What they change, they change as Auth0 would: churn and logins write log
//! events and move indexes with the usual lag.

use crate::api::dispatch::render;
use crate::api::{ApiError, Outcome, ok};
use crate::churn::{self, Churn};
use crate::http::{Request, Response};
use crate::scenes::{self, Scene};
use crate::simulation::{Counters, Simulation, counted};
use crate::tenant::Tenant;
use crate::time::SECOND;
use crate::traffic;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

fn body<T: DeserializeOwned>(request: &Request) -> Result<T, ApiError> {
    let bytes: &[u8] = if request.body.is_empty() { b"{}" } else { &request.body };
    serde_json::from_slice(bytes).map_err(|e| ApiError::bad(&e.to_string(), Some("invalid_body")))
}

/// Answers a request under `/__sim`.
pub(crate) fn answer(simulation: &mut Simulation, request: &Request, now: i64) -> Response {
    let outcome = match (request.method.as_str(), request.path.trim_start_matches("/__sim")) {
        ("GET", "/stats") => ok(counted(&simulation.counters)),
        ("POST", "/stats/reset") => {
            simulation.counters = Counters::new();
            ok(json!({}))
        }
        ("GET", "/tenant") => ok(dump(&mut simulation.tenant, now)),
        ("GET", "/clock") => ok(json!({ "now": crate::time::millis(now / 1000), "micros": now })),
        ("POST", "/clock") => clock(simulation, request, now),
        ("POST", "/churn") => body(request).and_then(|churn: Churn| ok(simulation.churn(&churn, now))),
        ("POST", "/logins") => {
            body(request).and_then(|n: Number| ok(simulation.logins(n.count, n.seed, now)))
        }
        ("POST", "/import") => {
            body(request).and_then(|n: Number| ok(simulation.import(n.count, n.seed, now)))
        }
        ("POST", path) if path.starts_with("/scenes/") => {
            let wanted = path.trim_start_matches("/scenes/");
            match Scene::ALL.into_iter().find(|scene| scene.name() == wanted) {
                Some(scene) => body(request).and_then(|order: Order| {
                    ok(simulation.scene(scene, order.size.unwrap_or(SCENE_SIZE), order.seed, now))
                }),
                None => Err(ApiError::not_found("no such scene", None)),
            }
        }
        ("POST", "/scopes") => body(request).and_then(|s: Scopes| {
            simulation.tenant.config.scopes = s.scopes;
            ok(json!({}))
        }),
        ("POST", "/config") => body(request).and_then(|s: Switches| {
            s.apply(&mut simulation.tenant);
            ok(json!({}))
        }),
        ("POST", "/faults") => faults(&mut simulation.tenant, request),
        ("DELETE", "/faults") => {
            simulation.tenant.faults.clear();
            ok(json!({ "pending": 0 }))
        }
        _ => Err(ApiError::not_found("no such control route", None)),
    };
    render(outcome)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_seconds: f64,
}

fn clock(simulation: &mut Simulation, request: &Request, now: i64) -> Outcome {
    let advance: Advance = body(request)?;
    if !(0.0..=1e9).contains(&advance.advance_seconds) {
        return Err(ApiError::body("advance_seconds must be from 0 to 1,000,000,000"));
    }
    let micros = (advance.advance_seconds * SECOND as f64) as i64;
    simulation.offset += micros;
    let now = simulation.tick(now - simulation.offset + micros);
    ok(json!({ "now": crate::time::millis(now / 1000), "micros": now }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Number {
    count: u32,
    #[serde(default)]
    seed: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    /// Users tried or deleted.
    size: Option<u32>,
    #[serde(default)]
    seed: u64,
}

/// How many users a scene is about where nobody says.
const SCENE_SIZE: u32 = 40;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scopes {
    /// `null` grants every scope.
    scopes: Option<Vec<String>>,
}

/// What can be switched while the tenant runs; what is left out stays as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Switches {
    export_allowed: Option<bool>,
    export_micros: Option<i64>,
    token_micros: Option<i64>,
    search_lag_micros: Option<i64>,
    log_lag_micros: Option<i64>,
    late_logs_per_mille: Option<u32>,
    expired_from_is_error: Option<bool>,
    log_own_traffic: Option<bool>,
    log_events: Option<bool>,
    connection_takes_users: Option<bool>,
    retention_days: Option<i64>,
    /// 0 offers the feed again.
    events_refused_with: Option<u16>,
    event_lag_micros: Option<i64>,
    event_disorder_per_mille: Option<u32>,
    event_retention_micros: Option<i64>,
    event_connection_micros: Option<i64>,
    event_heartbeat_micros: Option<i64>,
    /// Ends the next answer of the feed with this error code.
    event_error: Option<String>,
}

impl Switches {
    fn apply(self, tenant: &mut Tenant) {
        fn set<T>(target: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *target = value;
            }
        }
        let config = &mut tenant.config;
        set(&mut config.export_allowed, self.export_allowed);
        set(&mut config.export_micros, self.export_micros);
        set(&mut config.token_micros, self.token_micros);
        set(&mut config.search_lag_micros, self.search_lag_micros);
        set(&mut config.log_lag_micros, self.log_lag_micros);
        set(&mut config.late_logs_per_mille, self.late_logs_per_mille);
        set(&mut config.expired_from_is_error, self.expired_from_is_error);
        set(&mut config.log_own_traffic, self.log_own_traffic);
        set(&mut config.log_events, self.log_events);
        set(&mut config.connection_takes_users, self.connection_takes_users);
        if self.retention_days.is_some() {
            config.retention_days = self.retention_days;
        }
        if let Some(status) = self.events_refused_with {
            config.events_refused_with = Some(status).filter(|status| *status != 0);
        }
        set(&mut config.event_lag_micros, self.event_lag_micros);
        set(&mut config.event_disorder_per_mille, self.event_disorder_per_mille);
        set(&mut config.event_retention_micros, self.event_retention_micros);
        set(&mut config.event_connection_micros, self.event_connection_micros);
        set(&mut config.event_heartbeat_micros, self.event_heartbeat_micros);
        if self.event_error.is_some() {
            tenant.feed.error = self.event_error;
        }
    }
}

fn faults(tenant: &mut Tenant, request: &Request) -> Outcome {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Orders {
        faults: Vec<crate::faults::Fault>,
    }
    let orders: Orders = body(request)?;
    tenant.faults.order(orders.faults);
    ok(json!({ "pending": tenant.faults.pending() }))
}

/// The whole truth at once: every entity as the API would show it to a caller with every scope.
pub(crate) fn dump(tenant: &mut Tenant, now: i64) -> Value {
    let mut dump = entities(tenant, now);
    let logs = tenant.logs.iter().filter_map(|(_, e)| serde_json::from_str(&e.json).ok()).collect();
    dump["logs"] = Value::Array(logs);
    dump
}

/// The truth without the log, which may be long.
fn entities(tenant: &mut Tenant, now: i64) -> Value {
    let stats = tenant.stats.rows(i64::MIN, i64::MAX, now);
    let tenant = &*tenant;
    let objects = |table: &crate::tenant::Table| table.values().cloned().map(Value::from).collect::<Vec<_>>();
    let users: Vec<Value> =
        tenant.users.iter().map(|(_, u)| Value::from(u.render(&tenant.users.sources))).collect();
    let id = |slot: crate::users::Slot| tenant.users.get(slot).map(|u| u.id.as_ref());
    let mut members = Map::new();
    for organization in tenant.organizations.keys() {
        let slots = tenant.members.get(organization).into_iter().flat_map(crate::tenant::Members::slots);
        members.insert(organization.clone(), slots.filter_map(id).collect::<Vec<_>>().into());
    }
    let enabled: Map<String, Value> = tenant
        .connections
        .keys()
        .map(|c| (c.clone(), tenant.connection_clients.get(c).map_or(json!([]), |clients| json!(clients))))
        .collect();
    let grants: Vec<Value> = tenant.grants.values().map(|g| g.object.clone().into()).collect();
    let user_roles: Map<String, Value> = tenant
        .user_roles
        .iter()
        .filter_map(|(slot, roles)| Some((id(*slot)?.to_owned(), json!(roles))))
        .collect();
    json!({
        "users": users,
        "clients": objects(&tenant.clients),
        "client_grants": objects(&tenant.client_grants),
        "connections": objects(&tenant.connections),
        "connection_clients": enabled,
        "organizations": objects(&tenant.organizations),
        "organization_members": members,
        "resource_servers": objects(&tenant.resource_servers),
        "roles": objects(&tenant.roles),
        "user_roles": user_roles,
        "actions": objects(&tenant.actions),
        "triggers": tenant.triggers,
        "log_streams": objects(&tenant.log_streams),
        "logs": [],
        "grants": grants,
        "stats_daily": stats,
    })
}

impl Simulation {
    /// The whole truth as one JSON object of arrays, as `GET /__sim/tenant` gives it.
    pub fn truth(&mut self) -> Value {
        let now = self.now();
        dump(&mut self.tenant, now)
    }

    /// The truth as [`Simulation::truth`] gives it, its log left empty.
    pub fn entities(&mut self) -> Value {
        let now = self.now();
        entities(&mut self.tenant, now)
    }

    /// How long log events are kept now, microseconds.
    pub fn retention_micros(&self) -> i64 {
        self.tenant.config.retention()
    }

    /// Log ids and events, as JSON text, that can be read at the tenant's time `now`, in order of id.
    pub fn events(&mut self, now: i64) -> impl Iterator<Item = (&str, &str)> {
        self.tick(now - self.offset);
        self.tenant.logs.iter().map(|(id, event)| (id, event.json.as_ref()))
    }

    /// Changes entities of every kind at random, at the tenant's time `now` (see [`Simulation::now`]); says what
    /// was done.
    pub fn churn(&mut self, churn: &Churn, now: i64) -> Value {
        let now = self.tick(now - self.offset);
        churn::apply(&mut self.tenant, churn, now)
    }

    /// Lets random users act until `count` of them have logged in, at the tenant's time `now`.
    pub fn logins(&mut self, count: u32, seed: u64, now: i64) -> Value {
        let now = self.tick(now - self.offset);
        traffic::logins(&mut self.tenant, count, seed, now)
    }

    /// Imports users in bulk at the tenant's time `now`: all with one timestamp, and one `sui` in the log.
    pub fn import(&mut self, count: u32, seed: u64, now: i64) -> Value {
        let now = self.tick(now - self.offset);
        traffic::import(&mut self.tenant, count, seed, now)
    }

    /// Plays a scene about so many users, at the tenant's time `now`; says what was done.
    pub fn scene(&mut self, scene: Scene, size: u32, seed: u64, now: i64) -> Value {
        let now = self.tick(now - self.offset);
        scenes::play(&mut self.tenant, scene, size, seed, now)
    }

    /// Requests since creation or the last reset, as `GET /__sim/stats` gives them.
    pub fn stats(&self) -> Value {
        counted(&self.counters)
    }
}
