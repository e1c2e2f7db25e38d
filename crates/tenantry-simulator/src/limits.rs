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

const MINUTE: i64 = 60 * SECOND;

const fn rate(burst: i64, tokens: i64, micros: i64) -> Option<Rate> {
    Some(Rate { burst, tokens, micros })
}

/// Auth0's published figures, burst and sustained.
fn rate_of(plan: Plan, group: Group) -> Option<Rate> {
    use Group::{
        Clients, Connections, Global, Logs, MemberRoles, MembersOfOrganization, Organization, Organizations,
        Other, Token, UserOrganizations, Users,
    };
    match (plan, group) {
        (Plan::Unlimited, _) => None,
        (Plan::Free, Global) => rate(2, 2, SECOND),
        (Plan::Free, Token) => rate(30, 30, SECOND),
        (Plan::Enterprise, Global) => rate(50, 16, SECOND),
        (Plan::Enterprise, Token) => rate(100, 100, SECOND),
        (Plan::Essentials, Token) => rate(25, 25, SECOND),
        (Plan::Enterprise, Organizations) => rate(10, 100, MINUTE),
        (Plan::Enterprise, MembersOfOrganization | UserOrganizations) => rate(40, 500, MINUTE),
        (Plan::Essentials, Users | UserOrganizations) => rate(40, 500, MINUTE),
        (Plan::Essentials, Logs) => rate(10, 100, MINUTE),
        (Plan::Essentials, Clients) => rate(5, 100, MINUTE),
        (Plan::Essentials, Connections | Organizations) => rate(5, 50, MINUTE),
        (Plan::Essentials, Organization | MembersOfOrganization) => rate(20, 200, MINUTE),
        (Plan::Essentials | Plan::Enterprise, MemberRoles) => rate(20, 200, MINUTE),
        (Plan::Essentials, Other) => rate(10, 150, MINUTE),
        (Plan::Free | Plan::Enterprise, _) | (Plan::Essentials, Global) => None,
    }
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
            return Err(standing(&self.buckets[empty]));
        }
        for group in &limited {
            if let Some(bucket) = self.buckets.get_mut(group) {
                bucket.level -= bucket.rate.micros;
            }
        }
        let scarcest = limited.iter().map(|g| &self.buckets[g]).min_by_key(|b| b.remaining());
        Ok(scarcest.map(standing))
    }
}

fn standing(bucket: &Bucket) -> Standing {
    Standing { limit: bucket.rate.burst, remaining: bucket.remaining(), reset: bucket.reset() }
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
            Ok(Some(Standing { limit: 2, remaining: 1, reset: 1_001 }))
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
