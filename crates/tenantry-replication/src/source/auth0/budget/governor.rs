//! Decides when a request may be sent: a plain function of time and of the headers seen so far.
//!
//! Auth0 limits the whole API, or groups of endpoints, or both, and its headers show one bucket without naming it. So a bucket is known by
//! the group that asked and by its size: groups that show the same size share one bucket until an answer proves that they do not.
//! Without any header nothing is paced.

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
    /// Send it.
    Go(Ticket),
    /// Ask again after that long.
    Wait(Duration),
    /// Ask again when an answer has come.
    WaitForNews,
}

/// A request that was let through.
#[derive(Debug)]
pub(super) struct Ticket {
    group: Group,
    sent: Duration,
    /// Buckets that it drew on, its number there, and how many were without an answer.
    draws: Vec<(usize, u64, f64)>,
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
}

impl Governor {
    /// `share` of each limit is ours, from 0.05 to 1.
    pub(super) fn new(share: f64, max_rps: Option<f64>) -> Self {
        let pace = max_rps
            .filter(|rps| *rps > 0.0)
            .map(|rps| (Duration::from_secs_f64(1.0 / rps.max(1e-3)), Duration::ZERO));
        Self { share, pace, buckets: Vec::new(), groups: BTreeMap::new(), blocked_until: Duration::ZERO }
    }

    /// Asks to send a request at `now`.
    pub(super) fn request(&mut self, group: Group, now: Duration) -> Verdict {
        let known = self.groups.get(&group);
        let blocked = known.map_or(Duration::ZERO, |known| known.blocked_until).max(self.blocked_until);
        if let Some(wait) = blocked.checked_sub(now).filter(|wait| *wait > Duration::ZERO) {
            return Verdict::Wait(wait);
        }
        // What a group's limits are only its first answer tells: one request goes ahead alone, and the very first of all as well.
        let answered = known.is_some_and(|known| known.answered);
        let asked = known.map_or(0, |known| known.asked);
        let nothing_known = self.groups.values().all(|known| !known.answered);
        let any_asked = self.groups.values().any(|known| known.asked > 0);
        if (!answered && asked > 0) || (nothing_known && any_asked) {
            return Verdict::WaitForNews;
        }
        let draws = self.draws(group);
        let mut wait = draws.iter().map(|bucket| self.buckets[*bucket].wait(now)).max().unwrap_or_default();
        if let Some((_, next)) = self.pace {
            wait = wait.max(next.saturating_sub(now));
        }
        if wait > Duration::ZERO {
            return Verdict::Wait(wait);
        }
        if let Some((gap, next)) = &mut self.pace {
            // From the time that was due, not from now: waking late must not add up.
            *next = (*next + *gap).max(now);
        }
        let draw = |bucket: usize, buckets: &mut Vec<Bucket>| {
            let (index, unanswered) = buckets[bucket].take(now);
            (bucket, index, unanswered)
        };
        let draws = draws.into_iter().map(|bucket| draw(bucket, &mut self.buckets)).collect();
        self.groups.entry(group).or_default().asked += 1;
        Verdict::Go(Ticket { group, sent: now, draws })
    }

    /// Buckets that a request of this group draws on. Of a group not yet known the scarcest bucket is assumed.
    fn draws(&self, group: Group) -> Vec<usize> {
        let mut draws = self.groups.get(&group).map(|known| known.buckets.clone()).unwrap_or_default();
        if draws.is_empty() && self.groups.get(&group).is_none_or(|known| !known.answered) {
            let scarcest = (0..self.buckets.len())
                .min_by(|a, b| self.buckets[*a].limit.total_cmp(&self.buckets[*b].limit));
            draws.extend(scarcest);
        }
        if let Some(whole) = self.whole_api().filter(|whole| !draws.contains(whole)) {
            draws.push(whole);
        }
        draws
    }

    /// The bucket of the whole API, where there is one: unrelated groups show it.
    fn whole_api(&self) -> Option<usize> {
        let rest = self.groups.get(&Group::Rest)?;
        rest.buckets.iter().copied().find(|bucket| {
            let shows =
                |group: &&Group| self.groups.get(group).is_some_and(|known| known.buckets.contains(bucket));
            Group::TELLING.iter().filter(shows).count() >= 2
        })
    }

    /// An answer came at `now`.
    pub(super) fn answered(&mut self, ticket: &Ticket, standing: Option<Standing>, now: Duration) {
        self.settle(ticket);
        self.groups.entry(ticket.group).or_default().answered = true;
        let Some(standing) = standing else { return };
        let bucket = self.bucket_of(ticket.group, standing.limit, now);
        let sight = self.sight(ticket, bucket, standing);
        let shared = self.groups.values().filter(|known| known.buckets.contains(&bucket)).count() > 1;
        if shared && self.buckets[bucket].contradicts(&sight, now) {
            let own = self.part(ticket.group, bucket, now);
            let (index, _) = self.buckets[own].take(now);
            self.buckets[own].settle();
            self.buckets[own].see(Sight { index, ..sight }, now);
        } else {
            self.buckets[bucket].see(sight, now);
        }
    }

    fn sight(&mut self, ticket: &Ticket, bucket: usize, standing: Standing) -> Sight {
        let drawn = ticket.draws.iter().find(|(drawn, ..)| *drawn == bucket);
        let (index, unanswered) = drawn.map_or_else(
            || {
                let taken = self.buckets[bucket].take(ticket.sent);
                self.buckets[bucket].settle();
                taken
            },
            |(_, index, unanswered)| (*index, *unanswered),
        );
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

    /// The bucket of that size for this group: its own, or one that other groups have shown too, or a new one.
    fn bucket_of(&mut self, group: Group, limit: f64, now: Duration) -> usize {
        let same = |bucket: &Bucket| (bucket.limit - limit).abs() < 0.5;
        let known = self.groups.entry(group).or_default();
        if let Some(own) = known.buckets.iter().copied().find(|own| same(&self.buckets[*own])) {
            return own;
        }
        let found = self.buckets.iter().position(same);
        let bucket = found.unwrap_or_else(|| {
            self.buckets.push(Bucket::new(limit, self.share, now));
            self.buckets.len() - 1
        });
        known.buckets.push(bucket);
        bucket
    }

    /// Gives a group a bucket of its own in place of a shared one.
    fn part(&mut self, group: Group, shared: usize, now: Duration) -> usize {
        let limit = self.buckets[shared].limit;
        self.buckets.push(Bucket::new(limit, self.share, now));
        let own = self.buckets.len() - 1;
        let known = self.groups.entry(group).or_default();
        known.buckets.retain(|bucket| *bucket != shared);
        known.buckets.push(own);
        own
    }

    /// A 429: nothing that draws on the bucket goes out before `until`; nothing at all where no header tells which bucket it was.
    pub(super) fn refused(
        &mut self,
        group: Group,
        standing: Option<Standing>,
        now: Duration,
        until: Duration,
    ) {
        let buckets = match standing {
            Some(standing) => vec![self.bucket_of(group, standing.limit, now)],
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
