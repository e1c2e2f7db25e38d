//! Decides when a request may be sent: a plain function of time and of the headers seen so far.
//!
//! Auth0 limits the whole API, or groups of endpoints, or both, and its headers show one bucket without naming it. So a bucket is known by
//! its size and the groups that show it: groups that show the same size share one bucket, until the sizes of unrelated groups prove that
//! there is no bucket for the whole API. Without any header nothing is paced.

use std::collections::BTreeMap;
use std::time::Duration;

use super::bucket::{Bucket, Sight};

/// Endpoints that Auth0 counts together, on some plan or other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Group {
    Rest,
    Users,
    Logs,
    Clients,
    Connections,
    Organizations,
    Organization,
    Members,
    MemberRoles,
}

impl Group {
    pub(super) const COUNT: usize = 9;

    /// Groups that have a bucket of their own wherever there is none for the whole API.
    const TELLING: [Self; 4] = [Self::Users, Self::Logs, Self::Clients, Self::Connections];

    /// The group of a path below `/api/v2`.
    pub(in super::super) fn of(path: &str) -> Self {
        let mut segments = path.split('/').filter(|segment| !segment.is_empty());
        match (segments.next(), segments.next(), segments.next(), segments.next(), segments.next()) {
            (Some("users"), ..) => Self::Users,
            (Some("logs"), ..) => Self::Logs,
            (Some("clients"), ..) => Self::Clients,
            (Some("connections"), ..) => Self::Connections,
            (Some("organizations"), None, ..) => Self::Organizations,
            (Some("organizations"), _, Some("members"), None, _) => Self::Members,
            (Some("organizations"), _, Some("members"), _, Some("roles")) => Self::MemberRoles,
            (Some("organizations"), ..) => Self::Organization,
            _ => Self::Rest,
        }
    }
}

/// What an answer's headers say of one bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in super::super) struct Standing {
    /// Size of the bucket.
    pub(in super::super) limit: f64,
    /// Requests left in it.
    pub(in super::super) remaining: f64,
}

/// What to do about a request.
pub(super) enum Verdict {
    /// It has its place: send it after that long.
    Go(Ticket, Duration),
    /// Ask again when an answer has come.
    WaitForNews,
}

/// A request that was let through.
#[derive(Debug)]
pub(super) struct Ticket {
    group: Group,
    /// When it goes out.
    sent: Duration,
    /// Buckets that it drew on, its number there, and how many were without an answer.
    draws: Vec<(usize, u64, f64)>,
    /// Bucket that it was charged to for want of a better one.
    charged: Option<usize>,
}

#[cfg(test)]
impl Ticket {
    pub(super) fn group(&self) -> Group {
        self.group
    }
}

#[derive(Debug, Default)]
struct Known {
    /// Buckets that answers to this group have shown.
    buckets: Vec<usize>,
    answered: bool,
    /// Requests without an answer.
    asked: u32,
    blocked_until: Duration,
}

#[derive(Debug)]
pub(super) struct Governor {
    share: f64,
    /// Least time between two requests, and when the next may go.
    pace: Option<(Duration, Duration)>,
    buckets: Vec<Bucket>,
    groups: BTreeMap<Group, Known>,
    blocked_until: Duration,
    /// There is no bucket for the whole API.
    separate: bool,
}

impl Governor {
    /// `share` of each limit is ours, from 0.05 to 1.
    pub(super) fn new(share: f64, max_rps: Option<f64>) -> Self {
        let pace = max_rps
            .filter(|rps| *rps > 0.0)
            .map(|rps| (Duration::from_secs_f64(1.0 / rps.max(1e-3)), Duration::ZERO));
        Self {
            share,
            pace,
            buckets: Vec::new(),
            groups: BTreeMap::new(),
            blocked_until: Duration::ZERO,
            separate: false,
        }
    }

    /// Asks to send a request. Places are given in the order in which they are asked for, whatever the group.
    pub(super) fn request(&mut self, group: Group, now: Duration) -> Verdict {
        let known = self.groups.get(&group);
        // What a group's limits are only its first answer tells: one request goes ahead alone, and the very first of all as well.
        let answered = known.is_some_and(|known| known.answered);
        let asked = known.map_or(0, |known| known.asked);
        let nothing_known = self.groups.values().all(|known| !known.answered);
        let any_asked = self.groups.values().any(|known| known.asked > 0);
        if (!answered && asked > 0) || (nothing_known && any_asked) {
            return Verdict::WaitForNews;
        }
        let draws = self.draws(group);
        let charged = if answered { None } else { self.scarcest().filter(|bucket| !draws.contains(bucket)) };
        let all = draws.iter().copied().chain(charged);
        let mut wait = all.map(|bucket| self.buckets[bucket].wait(now)).max().unwrap_or_default();
        if let Some((gap, next)) = &mut self.pace {
            wait = wait.max(next.saturating_sub(now));
            *next = (*next).max(now) + *gap;
        }
        let draws = draws.into_iter().map(|bucket| (bucket, self.buckets[bucket].take(now), 0.0)).collect();
        if let Some(charged) = charged {
            self.buckets[charged].charge(now);
        }
        self.groups.entry(group).or_default().asked += 1;
        Verdict::Go(Ticket { group, sent: now + wait, draws, charged }, wait)
    }

    /// A request that had its place goes out now.
    pub(super) fn goes(&self, ticket: &mut Ticket, now: Duration) {
        ticket.sent = now;
        for (bucket, index, unanswered) in &mut ticket.draws {
            *unanswered = self.buckets[*bucket].unanswered_before(*index);
        }
    }

    /// How long a request that has its place must wait all the same, because the tenant refused another one.
    pub(super) fn blocked(&self, group: Group, now: Duration) -> Option<Duration> {
        let until = self
            .groups
            .get(&group)
            .map_or(Duration::ZERO, |known| known.blocked_until)
            .max(self.blocked_until);
        until.checked_sub(now).filter(|wait| *wait > Duration::ZERO)
    }

    /// How long so many requests of each group take at the least. `None` where nothing is known that would hold them up.
    pub(super) fn pace(
        &mut self,
        requests: impl Iterator<Item = (Group, u64)>,
        now: Duration,
    ) -> Option<Duration> {
        let mut of_bucket = vec![0; self.buckets.len()];
        let mut all = 0;
        for (group, requests) in requests {
            let mut draws = self.draws(group);
            if draws.is_empty() {
                draws.extend(self.scarcest());
            }
            for bucket in draws {
                of_bucket[bucket] += requests;
            }
            all += requests;
        }
        let buckets = self.buckets.iter_mut().zip(of_bucket);
        let held_up = buckets.map(|(bucket, requests)| bucket.time_for(requests, now)).max();
        let paced = self.pace.map(|(gap, _)| gap.saturating_mul(u32::try_from(all).unwrap_or(u32::MAX)));
        held_up.max(paced)
    }

    /// The smallest bucket: the one to assume for a group that nothing is known of.
    fn scarcest(&self) -> Option<usize> {
        let limit = |bucket: &usize| self.buckets[*bucket].limit;
        (0..self.buckets.len()).min_by(|a, b| limit(a).total_cmp(&limit(b)))
    }

    /// Buckets that a request of this group draws on, as far as is known.
    fn draws(&self, group: Group) -> Vec<usize> {
        let mut draws = self.groups.get(&group).map(|known| known.buckets.clone()).unwrap_or_default();
        if let Some(whole) = self.whole_api().filter(|whole| !draws.contains(whole)) {
            draws.push(whole);
        }
        draws
    }

    /// The bucket of the whole API, where there is one: unrelated groups show it.
    fn whole_api(&self) -> Option<usize> {
        let rest = self.groups.get(&Group::Rest)?;
        rest.buckets
            .iter()
            .copied()
            .find(|bucket| self.telling().filter(|known| known.buckets.contains(bucket)).count() >= 2)
    }

    fn telling(&self) -> impl Iterator<Item = &Known> {
        Group::TELLING.iter().filter_map(|group| self.groups.get(group))
    }

    /// Whether unrelated groups show buckets of different sizes: then each group has its own, also where sizes are equal.
    fn has_no_whole(&self) -> bool {
        let mut limits = self
            .telling()
            .filter_map(|known| known.buckets.first())
            .map(|bucket| self.buckets[*bucket].limit);
        let first = limits.next();
        first.is_some_and(|first| limits.any(|limit| (limit - first).abs() > 0.5))
    }

    /// An answer came at `now`.
    pub(super) fn answered(&mut self, ticket: &Ticket, standing: Option<Standing>, now: Duration) {
        self.settle(ticket);
        self.groups.entry(ticket.group).or_default().answered = true;
        let Some(standing) = standing else { return };
        let bucket = self.bucket_of(ticket.group, standing.limit, now);
        let sight = self.sight(ticket, bucket, standing);
        self.buckets[bucket].see(sight, now);
        if !self.separate && self.has_no_whole() {
            self.separate = true;
            self.part();
        }
    }

    fn sight(&mut self, ticket: &Ticket, bucket: usize, standing: Standing) -> Sight {
        let drawn = ticket.draws.iter().find(|(drawn, ..)| *drawn == bucket);
        let (index, unanswered) = if let Some((_, index, unanswered)) = drawn {
            (*index, *unanswered)
        } else if ticket.charged == Some(bucket) {
            (self.buckets[bucket].count(), 0.0)
        } else {
            self.buckets[bucket].charge(ticket.sent);
            (self.buckets[bucket].count(), 0.0)
        };
        Sight { index, remaining: standing.remaining, sent: ticket.sent, unanswered }
    }

    /// No answer came.
    pub(super) fn unanswered(&mut self, ticket: &Ticket) {
        self.settle(ticket);
    }

    fn settle(&mut self, ticket: &Ticket) {
        let known = self.groups.entry(ticket.group).or_default();
        known.asked = known.asked.saturating_sub(1);
        for (bucket, ..) in &ticket.draws {
            self.buckets[*bucket].settle();
        }
    }

    /// The group's bucket of that size, where it has shown one.
    fn shown(&self, group: Group, limit: f64) -> Option<usize> {
        let buckets = &self.groups.get(&group)?.buckets;
        buckets.iter().copied().find(|own| self.buckets[*own].is_of(limit))
    }

    /// The bucket of that size for this group: its own, or one that other groups have shown too, or a new one.
    fn bucket_of(&mut self, group: Group, limit: f64, now: Duration) -> usize {
        if let Some(own) = self.shown(group, limit) {
            return own;
        }
        let found = self.buckets.iter().position(|bucket| bucket.is_of(limit)).filter(|_| !self.separate);
        let bucket = found.unwrap_or_else(|| {
            self.buckets.push(Bucket::new(limit, self.share, now));
            self.buckets.len() - 1
        });
        self.groups.entry(group).or_default().buckets.push(bucket);
        bucket
    }

    /// Gives each group buckets of its own, which begin where the shared one stands.
    fn part(&mut self) {
        let mut owners: BTreeMap<usize, usize> = BTreeMap::new();
        for bucket in self.groups.values().flat_map(|known| &known.buckets) {
            *owners.entry(*bucket).or_default() += 1;
        }
        for known in self.groups.values_mut() {
            for bucket in known.buckets.iter_mut().filter(|bucket| owners[bucket] > 1) {
                self.buckets.push(self.buckets[*bucket].parted());
                *bucket = self.buckets.len() - 1;
            }
        }
    }

    /// A 429: nothing that draws on the bucket goes out before `until`; nothing at all where no header tells which bucket it was, and nothing
    /// of the group where it is one that no good answer has shown.
    pub(super) fn refused(
        &mut self,
        group: Group,
        standing: Option<Standing>,
        now: Duration,
        until: Duration,
    ) {
        let buckets = match standing {
            Some(standing) => self.shown(group, standing.limit).into_iter().collect(),
            None => self.groups.get(&group).map(|known| known.buckets.clone()).unwrap_or_default(),
        };
        for bucket in &buckets {
            self.buckets[*bucket].refused(now);
        }
        self.groups.entry(group).or_default().blocked_until = until;
        for known in self
            .groups
            .values_mut()
            .filter(|known| known.buckets.iter().any(|bucket| buckets.contains(bucket)))
        {
            known.blocked_until = known.blocked_until.max(until);
        }
        if standing.is_none() {
            self.blocked_until = self.blocked_until.max(until);
        }
    }
}
