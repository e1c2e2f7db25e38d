//! Rate limits: token buckets for the whole API and for groups of endpoints, as each plan has them.
//!
//! Exact integer arithmetic on the request's clock: nothing sleeps, nothing rounds. Both the tenant-wide bucket and
//! the endpoint's must hold a token; a refused request takes none.

use crate::config::Plan;
use crate::time::SECOND;
use std::collections::BTreeMap;

/// Which bucket an endpoint draws from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Group {
    /// The whole Management API.
    Global,
    /// What no other group names.
    Other,
    Token,
    Users,
    Logs,
    Clients,
    Connections,
    Organizations,
    Organization,
    MembersOfOrganization,
    MemberRoles,
    UserOrganizations,
}

/// Burst, and so many tokens in so many microseconds.
#[derive(Clone, Copy, Debug)]
struct Rate {
    burst: i64,
    tokens: i64,
    micros: i64,
}

const fn a_second(group: Group, burst: i64, tokens: i64) -> (Group, Rate) {
    (group, Rate { burst, tokens, micros: SECOND })
}

const fn a_minute(group: Group, burst: i64, tokens: i64) -> (Group, Rate) {
    (group, Rate { burst, tokens, micros: 60 * SECOND })
}

const FREE: &[(Group, Rate)] = &[a_second(Group::Global, 2, 2), a_second(Group::Token, 30, 30)];

const ESSENTIALS: &[(Group, Rate)] = &[
    a_second(Group::Token, 25, 25),
    a_minute(Group::Users, 40, 500),
    a_minute(Group::UserOrganizations, 40, 500),
    a_minute(Group::Logs, 10, 100),
    a_minute(Group::Clients, 5, 100),
    a_minute(Group::Connections, 5, 50),
    a_minute(Group::Organizations, 5, 50),
    a_minute(Group::Organization, 20, 200),
    a_minute(Group::MembersOfOrganization, 20, 200),
    a_minute(Group::MemberRoles, 20, 200),
    a_minute(Group::Other, 10, 150),
];

const ENTERPRISE: &[(Group, Rate)] = &[
    a_second(Group::Global, 50, 16),
    a_second(Group::Token, 100, 100),
    a_minute(Group::Organizations, 10, 100),
    a_minute(Group::MembersOfOrganization, 40, 500),
    a_minute(Group::UserOrganizations, 40, 500),
    a_minute(Group::MemberRoles, 20, 200),
];

/// Auth0's published figures, burst and sustained; `None` = no bucket of its own.
fn rate_of(plan: Plan, group: Group) -> Option<Rate> {
    let table = match plan {
        Plan::Free => FREE,
        Plan::Essentials => ESSENTIALS,
        Plan::Enterprise => ENTERPRISE,
        Plan::Unlimited => &[],
    };
    table.iter().find(|(g, _)| *g == group).map(|(_, rate)| *rate)
}

/// Tokens times the rate's microseconds, so that refilling needs no division.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    rate: Rate,
    level: i64,
    at: i64,
}

impl Bucket {
    fn new(rate: Rate, now: i64) -> Self {
        Self { rate, level: rate.burst * rate.micros, at: now }
    }

    fn refill(&mut self, now: i64) {
        let elapsed = (now - self.at).clamp(0, 1_000_000 * SECOND);
        self.level = (self.level + elapsed * self.rate.tokens).min(self.rate.burst * self.rate.micros);
        self.at = self.at.max(now);
    }

    fn remaining(&self) -> i64 {
        self.level / self.rate.micros
    }

    /// When there will be one token more, in whole Unix seconds, rounded up.
    fn reset(&self) -> i64 {
        let missing = self.rate.micros - self.level % self.rate.micros;
        let at = self.at + missing.div_euclid(self.rate.tokens) + 1;
        at.div_euclid(SECOND) + 1
    }
}

/// What the headers of an answer say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) limit: i64,
    pub(crate) remaining: i64,
    /// Unix seconds.
    pub(crate) reset: i64,
    /// Whether it is the tenant-wide bucket.
    pub(crate) global: bool,
}

/// All buckets of a tenant.
#[derive(Debug)]
pub(crate) struct Limits {
    plan: Plan,
    buckets: BTreeMap<Group, Bucket>,
}

impl Limits {
    pub(crate) fn new(plan: Plan) -> Self {
        Self { plan, buckets: BTreeMap::new() }
    }

    /// Takes one token for a request; `Err` = refused. The standing is that of the scarcest bucket, `None` where
    /// the plan knows no limit.
    pub(crate) fn take(&mut self, group: Group, now: i64) -> Result<Option<Standing>, Standing> {
        let groups: &[Group] = if group == Group::Token { &[Group::Token] } else { &[Group::Global, group] };
        let limited: Vec<Group> =
            groups.iter().copied().filter(|g| rate_of(self.plan, *g).is_some()).collect();
        for group in &limited {
            if let Some(rate) = rate_of(self.plan, *group) {
                self.buckets.entry(*group).or_insert_with(|| Bucket::new(rate, now)).refill(now);
            }
        }
        let empty = limited.iter().find(|g| self.buckets[g].remaining() == 0);
        if let Some(empty) = empty {
            return Err(standing(*empty, &self.buckets[empty]));
        }
        for group in &limited {
            if let Some(bucket) = self.buckets.get_mut(group) {
                bucket.level -= bucket.rate.micros;
            }
        }
        let scarcest = limited.iter().min_by_key(|g| self.buckets[g].remaining());
        Ok(scarcest.map(|g| standing(*g, &self.buckets[g])))
    }
}

fn standing(group: Group, bucket: &Bucket) -> Standing {
    let global = group == Group::Global;
    Standing { limit: bucket.rate.burst, remaining: bucket.remaining(), reset: bucket.reset(), global }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_tenant_answers_twice_a_second() {
        let mut limits = Limits::new(Plan::Free);
        let start = 1_000 * SECOND;
        assert_eq!(
            limits.take(Group::Users, start),
            Ok(Some(Standing { limit: 2, remaining: 1, reset: 1_001, global: true }))
        );
        assert_eq!(limits.take(Group::Logs, start).map(|s| s.map(|s| s.remaining)), Ok(Some(0)));
        assert!(limits.take(Group::Users, start).is_err());
        assert!(limits.take(Group::Users, start + SECOND / 2 - 1).is_err());
        assert!(limits.take(Group::Users, start + SECOND / 2).is_ok());
        let served = (0..10_000)
            .filter(|n| limits.take(Group::Users, start + 10 * SECOND + n * 1_000).is_ok())
            .count();
        assert_eq!(served, 2 + 19, "burst and ten seconds of refill, the first instant not counted");
    }

    #[test]
    fn both_buckets_must_hold_a_token() {
        let mut limits = Limits::new(Plan::Enterprise);
        let served = (0..20).filter(|_| limits.take(Group::Organizations, SECOND).is_ok()).count();
        assert_eq!(served, 10);
        let rest = (0..100).filter(|_| limits.take(Group::Other, SECOND).is_ok()).count();
        assert_eq!(rest, 40, "the refused ones took nothing");
    }

    #[test]
    fn an_unlimited_tenant_says_nothing_of_limits() {
        assert_eq!(Limits::new(Plan::Unlimited).take(Group::Users, 0), Ok(None));
    }
}
