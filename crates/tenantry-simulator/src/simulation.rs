//! The pure core: a function from state, request and clock to response.
//!
//! What happens to a request, in order: time passes, an ordered fault may strike, the rate limit, the token, the
//! scope, the handler, the audit log. No socket, no thread, no clock of its own, so a whole run can be repeated.

use crate::api::ApiError;
use crate::api::dispatch::{self, render};
use crate::api::routes::{self, Found};
use crate::config::Config;
use crate::control;
use crate::http::{Query, Request, Response};
use crate::limits::{Group, Standing};
use crate::tenant::Tenant;
use crate::{audit, exports, seed, time, token};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Answers by method and path template: status and how often.
pub(crate) type Counters = BTreeMap<String, BTreeMap<u16, u64>>;

/// A simulated tenant and the time in it.
pub struct Simulation {
    pub(crate) tenant: Tenant,
    pub(crate) counters: Counters,
    /// What `/__sim/clock` has added to the caller's clock, microseconds.
    pub(crate) offset: i64,
    now: i64,
    /// The minute in which a refusal was last logged.
    limit_logged: Option<i64>,
    /// The token of the last call.
    token: Option<token::Genuine>,
}

impl Simulation {
    /// Generates a tenant. The same configuration gives the same bytes.
    pub fn new(config: Config) -> Self {
        let now = config.start;
        let mut tenant = seed::tenant(config);
        tenant.feed.live = true;
        Self { tenant, counters: Counters::new(), offset: 0, now, limit_logged: None, token: None }
    }

    /// The tenant's time at creation, microseconds UTC.
    pub fn start(&self) -> i64 {
        self.tenant.config.start
    }

    /// The latest time that the tenant has seen, microseconds UTC.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// Answers one request that comes in at `now_micros` (UTC). Time never runs backwards: an earlier time than
    /// that of the request before is taken as the same.
    pub fn handle(&mut self, request: &Request, now_micros: i64) -> Response {
        let now = self.tick(now_micros);
        if request.path.starts_with("/__sim") {
            return control::answer(self, request, now);
        }
        let (name, mut response) = self.serve(request, now);
        response.headers.push(("date".into(), time::http_date(now)));
        *self.counters.entry(name).or_default().entry(response.status).or_default() += 1;
        response
    }

    /// Moves the clock and everything that waits for it.
    pub(crate) fn tick(&mut self, now_micros: i64) -> i64 {
        self.now = self.now.max(now_micros + self.offset);
        self.tenant.advance(self.now);
        self.now
    }

    /// What follows a position of the Events feed, for a connection that asked with this query: text of server-sent
    /// events, and the position to go on from; `None` when the connection is to end.
    pub(crate) fn follow(&mut self, position: u64, query: &str, now_micros: i64) -> (String, Option<u64>) {
        self.tick(now_micros);
        let types = crate::api::events::types(&Query::parse(query));
        let piece = self.tenant.feed.follow(position, &types, false);
        (piece.text, piece.position)
    }

    /// The counter's name and the answer.
    fn serve(&mut self, request: &Request, now: i64) -> (String, Response) {
        let fault = self.tenant.faults.hit(&request.method, &request.path);
        let found = request.path.strip_prefix("/api/v2").and_then(|path| routes::find(&request.method, path));
        let template = match &found {
            Some(Found::Route(route, _)) => format!("/api/v2{}", route.template),
            Some(Found::Other(template, ..)) => format!("/api/v2{template}"),
            None if request.path.starts_with("/exports/") => "/exports/{job}".into(),
            None if request.path == "/oauth/token" => "/oauth/token".into(),
            None => "(unknown)".into(),
        };
        let name = format!("{} {template}", request.method);
        if let Some(response) = fault.as_ref().and_then(crate::faults::Fault::instead) {
            return (name, fault.map_or(response.clone(), |f| f.spoil(response)));
        }
        let response = match (request.method.as_str(), request.path.as_str()) {
            ("GET" | "HEAD", path) if path.starts_with("/exports/") => {
                exports::download(&mut self.tenant, request, now)
            }
            ("POST", "/oauth/token") => {
                self.limited(Group::Token, now, |sim| render(token::issue(&mut sim.tenant, request, now)))
            }
            _ => {
                let group = routes::group(template.trim_start_matches("/api/v2"));
                self.limited(group, now, |sim| sim.managed(request, found, now))
            }
        };
        (name, fault.map_or(response.clone(), |f| f.spoil(response)))
    }

    /// Answers within the rate limit, and says how it stands.
    fn limited(&mut self, group: Group, now: i64, answer: impl FnOnce(&mut Self) -> Response) -> Response {
        let (mut response, standing) = match self.tenant.limits.take(group, now) {
            Ok(standing) => (answer(self), standing),
            Err(standing) => (self.too_many(standing, now), Some(standing)),
        };
        if let Some(standing) = standing {
            response.headers.extend(limit_headers(standing));
        }
        response
    }

    /// The refusal, which the tenant's owner can read in the log, once a minute.
    fn too_many(&mut self, standing: Standing, now: i64) -> Response {
        let error = ApiError::new(429, "Global limit has been reached", Some("too_many_requests"));
        let mut response = render(Err(error));
        if !standing.global {
            // Only buckets of single endpoints say how long to wait.
            let wait = (standing.reset - now.div_euclid(time::SECOND)).max(1);
            response.headers.push(("retry-after".into(), wait.to_string()));
        }
        let minute = now.div_euclid(60 * time::SECOND);
        if self.limit_logged != Some(minute) && self.tenant.config.log_own_traffic {
            self.limit_logged = Some(minute);
            audit::limited(&mut self.tenant, standing, now);
        }
        response
    }

    /// A call of the Management API that the limit let through.
    fn managed(&mut self, request: &Request, found: Option<Found>, now: i64) -> Response {
        let Some(found) = found else { return render(Err(ApiError::not_found("Not Found", None))) };
        match token::verify(&self.tenant, &mut self.token, request, now) {
            Ok(caller) => dispatch::perform(&mut self.tenant, request, &found, caller, now),
            Err(error) => render(Err(error)),
        }
    }
}

fn limit_headers(standing: Standing) -> [(String, String); 3] {
    [
        ("x-ratelimit-limit".into(), standing.limit.to_string()),
        ("x-ratelimit-remaining".into(), standing.remaining.to_string()),
        ("x-ratelimit-reset".into(), standing.reset.to_string()),
    ]
}

/// The counters as `/__sim/stats` shows them.
pub(crate) fn counted(counters: &Counters) -> Value {
    let mut total = 0;
    let mut limited = 0;
    let mut api = 0;
    let mut by_route = Map::new();
    for (name, statuses) in counters {
        let count: u64 = statuses.values().sum();
        total += count;
        if name.contains(" /api/v2/") {
            api += count;
        }
        limited += statuses.get(&429).copied().unwrap_or_default();
        let statuses: Map<String, Value> =
            statuses.iter().map(|(s, n)| (s.to_string(), (*n).into())).collect();
        by_route.insert(name.clone(), json!({ "requests": count, "statuses": statuses }));
    }
    json!({ "requests": total, "management_api": api, "too_many_requests": limited, "by_route": by_route })
}
