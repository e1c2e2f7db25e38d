//! What a simulated tenant is made of and how it misbehaves.
//!
//! Every knob is data: nothing here reads the environment or a clock.

use crate::{feed, time};
use std::str::FromStr;

/// Auth0's subscription plans, as far as they differ in limits and log retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// 2 requests a second, logs kept 1 day.
    Free,
    /// Per-endpoint buckets a minute, logs kept 5 days.
    Essentials,
    /// 16 requests a second with bursts of 50, logs kept 30 days.
    Enterprise,
    /// No limits and no rate-limit headers; logs kept 30 days. No real plan: for tests of speed.
    Unlimited,
}

impl Plan {
    /// Days for which log events are kept.
    pub fn retention_days(self) -> i64 {
        match self {
            Self::Free => 1,
            Self::Essentials => 5,
            Self::Enterprise | Self::Unlimited => 30,
        }
    }

    /// How many connections may listen to the Events feed at a time.
    pub(crate) fn event_connections(self) -> u32 {
        match self {
            Self::Free => 1,
            Self::Essentials => 4,
            Self::Enterprise | Self::Unlimited => 8,
        }
    }

    /// The name that `FromStr` takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Essentials => "essentials",
            Self::Enterprise => "enterprise",
            Self::Unlimited => "unlimited",
        }
    }
}

impl FromStr for Plan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plans = [Self::Free, Self::Essentials, Self::Enterprise, Self::Unlimited];
        let found = plans.into_iter().find(|p| p.name() == text);
        found.ok_or_else(|| format!("unknown plan {text:?}: free, essentials, enterprise or unlimited"))
    }
}

/// How a tenant is generated and how it behaves.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Config {
    /// The same seed and numbers give the same bytes.
    pub seed: u64,
    /// The tenant's name and host: `{tenant}.us.auth0.example.com` in texts.
    pub tenant: String,
    /// Number of users.
    pub users: u32,
    /// How many of the users share one `created_at` and `updated_at` (a bulk import).
    pub tied_users: u32,
    /// Number of log events before `start`.
    pub logs: u32,
    /// Number of organizations.
    pub organizations: u32,
    /// Members of each organization.
    pub members_per_organization: u32,
    /// Number of clients that the list shows, the global one and the reader's own among them; at least 3.
    pub clients: u32,
    /// Number of connections; at least 1.
    pub connections: u32,
    /// Number of roles.
    pub roles: u32,
    /// Number of APIs, the Management API among them; at least 1.
    pub resource_servers: u32,
    /// Number of actions (Auth0 allows 100).
    pub actions: u32,
    /// Number of user consents.
    pub grants: u32,
    /// Days of `stats_daily` before `start`.
    pub stats_days: u32,
    /// Limits and log retention.
    pub plan: Plan,
    /// Log retention in days instead of the plan's.
    pub retention_days: Option<i64>,
    /// Scopes of a token; `None` grants every one.
    pub scopes: Option<Vec<String>>,
    /// The tenant's "now" at creation, microseconds UTC.
    pub start: i64,
    /// Whether `POST /jobs/users-exports` is allowed.
    pub export_allowed: bool,
    /// How long an export job runs, microseconds.
    pub export_micros: i64,
    /// Lifetime of a Management API token, microseconds.
    pub token_micros: i64,
    /// How long the user search and member lists lag behind a write, microseconds.
    pub search_lag_micros: i64,
    /// How long at most an event waits until its log entry is made, microseconds. Auth0: 0 to 6 s.
    pub log_lag_micros: i64,
    /// Of a thousand events, how many become readable after later ones.
    pub late_logs_per_mille: u32,
    /// How long after, at most, microseconds.
    pub late_log_micros: i64,
    /// Whether `from` with a log id older than retention is refused (400) instead of starting at the oldest kept.
    pub expired_from_is_error: bool,
    /// Whether the reader's own traffic is logged: `seccft` for tokens, `mgmt_api_read` for secrets, `sapi` for jobs.
    pub log_own_traffic: bool,
    /// Whether what happens is logged at all: what changes while it is not has no event, ever.
    pub log_events: bool,
    /// Whether answers hold what Auth0's own typed clients cannot read, as real tenants' answers now and then do:
    /// `scope` and `client_id` of log events as arrays, `email_verified` as text.
    pub oddities: bool,
    /// Whether deleting a connection deletes its users.
    pub connection_takes_users: bool,
    /// Status with which the Events feed is refused, 404 or 403, as where a tenant does not have it.
    pub events_refused_with: Option<u16>,
    /// How long after a change its event can be read, microseconds.
    pub event_lag_micros: i64,
    /// Of a thousand events, how many are delivered late, behind others; as many are delivered twice.
    pub event_disorder_per_mille: u32,
    /// How long events are kept, microseconds.
    pub event_retention_micros: i64,
    /// After how long a connection to the feed is closed by design, microseconds.
    pub event_connection_micros: i64,
    /// After how long without an event a connection gets a heartbeat, microseconds.
    pub event_heartbeat_micros: i64,
}

/// Monday, 2 November 2026, 08:00 UTC.
const DEFAULT_START_DAY: (i64, i64, i64) = (2026, 11, 2);

impl Default for Config {
    fn default() -> Self {
        let (year, month, day) = DEFAULT_START_DAY;
        Self {
            seed: 1,
            tenant: "tenantry-demo".into(),
            users: 2_000,
            tied_users: 40,
            logs: 10_000,
            organizations: 20,
            members_per_organization: 15,
            clients: 12,
            connections: 8,
            roles: 6,
            resource_servers: 5,
            actions: 7,
            grants: 400,
            stats_days: 400,
            plan: Plan::Enterprise,
            retention_days: None,
            scopes: None,
            start: time::days(year, month, day) * time::DAY + 8 * time::HOUR,
            export_allowed: true,
            export_micros: 2 * time::SECOND,
            token_micros: time::DAY,
            search_lag_micros: time::SECOND,
            log_lag_micros: 2 * time::SECOND,
            late_logs_per_mille: 0,
            late_log_micros: 30 * time::SECOND,
            expired_from_is_error: true,
            log_own_traffic: true,
            log_events: true,
            oddities: true,
            connection_takes_users: true,
            events_refused_with: None,
            event_lag_micros: time::SECOND / 5,
            event_disorder_per_mille: 0,
            event_retention_micros: feed::RETENTION,
            event_connection_micros: 5 * 60 * time::SECOND,
            event_heartbeat_micros: 15 * time::SECOND,
        }
    }
}

impl Config {
    /// Log retention in microseconds.
    pub(crate) fn retention(&self) -> i64 {
        self.retention_days.unwrap_or(self.plan.retention_days()) * time::DAY
    }

    /// The tenant's canonical host as its own texts name it.
    pub(crate) fn host(&self) -> String {
        format!("{}.us.auth0.example.com", self.tenant)
    }

    /// The audience of Management API tokens.
    pub(crate) fn audience(&self) -> String {
        format!("https://{}/api/v2/", self.host())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_known_by_name() {
        assert_eq!("essentials".parse(), Ok(Plan::Essentials));
        assert!("gold".parse::<Plan>().is_err());
    }

    #[test]
    fn the_default_start_is_a_monday_morning() {
        assert_eq!(time::millis(Config::default().start / 1000), "2026-11-02T08:00:00.000Z");
        assert_eq!(time::weekday(Config::default().start.div_euclid(time::DAY)), 0);
    }
}
