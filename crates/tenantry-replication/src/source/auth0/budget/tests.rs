//! The governor against modelled tenants: what it sends, what is refused, and what is left to others.

use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::Duration;

use super::governor::{Governor, Group, Standing, Ticket, Verdict};

/// A tenant's real bucket.
struct Real {
    limit: f64,
    rate: f64,
    level: f64,
    at: Duration,
}

impl Real {
    fn refill(&mut self, now: Duration) {
        self.level = (self.level + (now.saturating_sub(self.at)).as_secs_f64() * self.rate).min(self.limit);
        self.at = now;
    }
}

/// Something that happens; the earliest first, those of one instant in the order in which they were planned.
struct Event {
    at: Duration,
    number: u64,
    what: What,
}

enum What {
    Ask(Group),
    Send(Ticket),
    Arrive(Ticket),
    Answer(Ticket, Option<Standing>, bool),
    Others,
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}
impl Eq for Event {}
impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Event {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

const RUN: Duration = Duration::from_mins(10);
const SETTLED: Duration = Duration::from_mins(1);
/// Workers that want to send all the time, for each group.
const WORKERS: u32 = 6;

struct Model {
    governor: Governor,
    buckets: Vec<Real>,
    /// Buckets of each group.
    draws: BTreeMap<Group, Vec<usize>>,
    events: BinaryHeap<Event>,
    planned: u64,
    latency: Duration,
    /// Requests a second that somebody else sends to the first bucket.
    others: f64,
    /// Whose turn it is to ask, and who waits behind.
    turns: BTreeMap<Group, (bool, u32)>,
    for_news: VecDeque<Group>,
    served: BTreeMap<Group, u32>,
    refused: u32,
    refused_others: u32,
    /// Least part of a bucket that was left after one of our requests.
    left: f64,
}

impl Model {
    /// Buckets as (size, refill a second, groups).
    fn new(buckets: &[(f64, f64, &[Group])], share: f64, latency: u64) -> Self {
        let mut draws: BTreeMap<Group, Vec<usize>> = BTreeMap::new();
        for (number, (.., groups)) in buckets.iter().enumerate() {
            for group in *groups {
                draws.entry(*group).or_default().push(number);
            }
        }
        let real =
            |&(limit, rate, _): &(f64, f64, &[Group])| Real { limit, rate, level: limit, at: Duration::ZERO };
        Self {
            governor: Governor::new(share, None),
            buckets: buckets.iter().map(real).collect(),
            draws,
            events: BinaryHeap::new(),
            planned: 0,
            latency: Duration::from_millis(latency),
            others: 0.0,
            turns: BTreeMap::new(),
            for_news: VecDeque::new(),
            served: BTreeMap::new(),
            refused: 0,
            refused_others: 0,
            left: 1.0,
        }
    }

    fn plan(&mut self, at: Duration, what: What) {
        self.planned += 1;
        self.events.push(Event { at, number: self.planned, what });
    }

    fn run(mut self) -> Self {
        for group in self.draws.keys().copied().collect::<Vec<_>>() {
            for _ in 0..WORKERS {
                self.plan(Duration::ZERO, What::Ask(group));
            }
        }
        if self.others > 0.0 {
            self.plan(Duration::ZERO, What::Others);
        }
        while let Some(Event { at, what, .. }) = self.events.pop().filter(|event| event.at <= RUN) {
            match what {
                What::Ask(group) => self.ask(group, at),
                What::Send(ticket) => self.send(ticket, at),
                What::Arrive(ticket) => self.arrive(ticket, at),
                What::Answer(ticket, standing, served) => self.answer(&ticket, standing, served, at),
                What::Others => {
                    self.buckets[0].refill(at);
                    let refused = self.buckets[0].level < 1.0;
                    self.refused_others += u32::from(refused && at > SETTLED);
                    self.buckets[0].level -= if refused { 0.0 } else { 1.0 };
                    self.plan(at + Duration::from_secs_f64(1.0 / self.others), What::Others);
                }
            }
        }
        self
    }

    fn ask(&mut self, group: Group, now: Duration) {
        let (taken, behind) = self.turns.entry(group).or_default();
        if *taken {
            *behind += 1;
            return;
        }
        *taken = true;
        match self.governor.request(group, now) {
            Verdict::Go(ticket, wait) => self.plan(now + wait, What::Send(ticket)),
            Verdict::WaitForNews => self.for_news.push_back(group),
        }
    }

    fn send(&mut self, mut ticket: Ticket, now: Duration) {
        if let Some(wait) = self.governor.blocked(ticket.group(), now) {
            return self.plan(now + wait, What::Send(ticket));
        }
        let (taken, behind) = self.turns.entry(ticket.group()).or_default();
        *taken = false;
        if *behind > 0 {
            *behind -= 1;
            self.plan(now, What::Ask(ticket.group()));
        }
        self.governor.goes(&mut ticket, now);
        self.plan(now + self.latency, What::Arrive(ticket));
    }

    fn arrive(&mut self, ticket: Ticket, now: Duration) {
        let draws = &self.draws[&ticket.group()];
        let mut served = true;
        for draw in draws {
            self.buckets[*draw].refill(now);
            served &= self.buckets[*draw].level >= 1.0;
        }
        for draw in draws.iter().filter(|_| served) {
            let bucket = &mut self.buckets[*draw];
            bucket.level -= 1.0;
            if now > SETTLED {
                self.left = self.left.min(bucket.level.floor() / bucket.limit);
            }
        }
        if now > SETTLED {
            self.refused += u32::from(!served);
            *self.served.entry(ticket.group()).or_default() += u32::from(served);
        }
        let standing = |draw: &usize| Standing {
            limit: self.buckets[*draw].limit,
            remaining: self.buckets[*draw].level.floor(),
        };
        let scarcest = draws.iter().map(standing).min_by(|a, b| a.remaining.total_cmp(&b.remaining));
        self.plan(now + self.latency, What::Answer(ticket, scarcest, served));
    }

    fn answer(&mut self, ticket: &Ticket, standing: Option<Standing>, served: bool, now: Duration) {
        if served {
            self.governor.answered(ticket, standing, now);
        } else {
            self.governor.unanswered(ticket);
            self.governor.refused(ticket.group(), standing, now, now + Duration::from_secs(1));
        }
        self.plan(now, What::Ask(ticket.group()));
        for group in std::mem::take(&mut self.for_news) {
            self.turns.entry(group).or_default().0 = false;
            self.plan(now, What::Ask(group));
        }
    }

    /// Requests a second of all groups together.
    fn total(&self) -> f64 {
        f64::from(self.served.values().sum::<u32>()) / (RUN.saturating_sub(SETTLED)).as_secs_f64()
    }
}

const SOME: &[Group] = &[Group::Rest, Group::Users, Group::Clients];

/// That nothing is refused, a fifth is left, and our share is used: at least 97 % of it, and no more than 3 % too much.
fn assert_share(model: &Model, sustained: f64, what: &str) {
    let share = sustained * 0.8;
    assert_eq!(model.refused, 0, "{what}");
    assert!(model.left >= 0.2, "{what}: {} left", model.left);
    assert!((share * 0.97..share * 1.03).contains(&model.total()), "{what}: {} of {share}", model.total());
}

#[test]
fn a_bucket_for_all_is_shared_whatever_its_size_and_the_latency() {
    for latency in [1, 20, 75, 200] {
        for (limit, rate) in [(2.0, 2.0), (10.0, 2.0), (50.0, 16.0), (100.0, 7.0), (300.0, 11.0)] {
            let model = Model::new(&[(limit, rate, SOME)], 0.8, latency).run();
            assert_share(&model, rate, &format!("{limit} at {latency} ms"));
        }
    }
}

#[test]
fn groups_with_buckets_of_their_own_do_not_slow_each_other_down() {
    let buckets: &[(f64, f64, &[Group])] = &[
        (40.0, 500.0, &[Group::Users]),
        (10.0, 100.0, &[Group::Logs]),
        (10.0, 150.0, &[Group::Rest]),
        (5.0, 100.0, &[Group::Clients]),
        (5.0, 50.0, &[Group::Connections]),
        (5.0, 50.0, &[Group::Organizations]),
        (20.0, 200.0, &[Group::Members]),
    ];
    let a_second: Vec<_> =
        buckets.iter().map(|(limit, rate, groups)| (*limit, rate / 60.0, *groups)).collect();
    for latency in [5, 100] {
        let model = Model::new(&a_second, 0.8, latency).run();
        for (_, rate, groups) in &a_second {
            let served = f64::from(model.served[&groups[0]]) / (RUN.saturating_sub(SETTLED)).as_secs_f64();
            assert!(
                (rate * 0.8 * 0.97..rate * 0.8 * 1.03).contains(&served),
                "{groups:?}: {served} of {}",
                rate * 0.8
            );
        }
        assert!(model.refused == 0 && model.left >= 0.2, "{} {}", model.refused, model.left);
    }
}

#[test]
fn a_bucket_for_all_and_one_for_a_group_both_hold() {
    let all = &[Group::Rest, Group::Users, Group::Clients, Group::Organizations, Group::Members];
    let buckets: &[(f64, f64, &[Group])] = &[
        (50.0, 16.0, all),
        (10.0, 100.0 / 60.0, &[Group::Organizations]),
        (40.0, 500.0 / 60.0, &[Group::Members]),
    ];
    let model = Model::new(buckets, 0.8, 40).run();
    assert_share(&model, 16.0, "all");
}

#[test]
fn no_group_starves_behind_another() {
    let model = Model::new(&[(50.0, 16.0, SOME)], 0.8, 20).run();
    let (least, most) = (model.served.values().min().unwrap(), model.served.values().max().unwrap());
    assert!(least * 10 >= most * 9, "{:?}", model.served);
}

#[test]
fn others_come_first() {
    for (others, least) in [(8.0, 5.0), (14.0, 1.0)] {
        let mut model = Model::new(&[(50.0, 16.0, SOME)], 0.8, 20);
        model.others = others;
        let model = model.run();
        let wanted = others * (RUN.saturating_sub(SETTLED)).as_secs_f64();
        assert!(
            f64::from(model.refused_others) <= wanted / 500.0,
            "{} of {wanted} refused",
            model.refused_others
        );
        assert!(model.total() >= least && model.total() <= 16.0 - others, "{}", model.total());
    }
}

#[test]
fn a_fast_bucket_is_not_taken_for_a_slow_one_of_its_size() {
    let model = Model::new(&[(50.0, 50.0, SOME)], 0.8, 5).run();
    assert_eq!(model.refused, 0);
    assert!(model.total() > 38.0, "{}", model.total());
}

#[test]
fn without_headers_nothing_is_paced() {
    let mut governor = Governor::new(0.8, None);
    let now = Duration::ZERO;
    let Verdict::Go(first, Duration::ZERO) = governor.request(Group::Users, now) else {
        panic!("the first goes at once")
    };
    assert!(matches!(governor.request(Group::Users, now), Verdict::WaitForNews), "and alone");
    governor.answered(&first, None, now);
    for _ in 0..1_000 {
        assert!(matches!(governor.request(Group::Users, now), Verdict::Go(_, Duration::ZERO)));
    }
}

#[test]
fn a_refusal_that_shows_another_limit_does_not_make_groups_have_limits_of_their_own() {
    let mut governor = Governor::new(1.0, None);
    let mut now = Duration::ZERO;
    let ask = |governor: &mut Governor, group, at| match governor.request(group, at) {
        Verdict::Go(ticket, wait) => (ticket, at + wait),
        Verdict::WaitForNews => panic!("an answer is there"),
    };
    let whole = |remaining| Some(Standing { limit: 2.0, remaining });
    for group in [Group::Rest, Group::Users, Group::Logs] {
        let (ticket, at) = ask(&mut governor, group, now);
        now = at;
        governor.answered(&ticket, whole(1.0), now);
    }
    let (refused, at) = ask(&mut governor, Group::Logs, now);
    now = at;
    governor.unanswered(&refused);
    let other = Some(Standing { limit: 10.0, remaining: 0.0 });
    governor.refused(Group::Logs, other, now, now + Duration::from_secs(1));
    assert!(governor.blocked(Group::Logs, now).is_some());
    assert_eq!(governor.blocked(Group::Users, now), None);
    // All groups still draw on the one bucket: twice a second, and no more.
    now += Duration::from_mins(1);
    let begun = now;
    for group in [Group::Rest, Group::Users, Group::Logs].into_iter().cycle().take(42) {
        let (ticket, at) = ask(&mut governor, group, now);
        now = at;
        governor.answered(&ticket, whole(0.0), now);
    }
    let took = now.saturating_sub(begun).as_secs_f64();
    assert!((19.0..22.0).contains(&took), "{took}");
}

#[test]
fn an_answer_that_never_comes_holds_nobody_up() {
    let mut governor = Governor::new(0.8, None);
    let Verdict::Go(first, _) = governor.request(Group::Users, Duration::ZERO) else { panic!() };
    governor.unanswered(&first);
    assert!(matches!(governor.request(Group::Users, Duration::ZERO), Verdict::Go(..)));
}

#[test]
fn paths_are_counted_where_the_plans_count_them() {
    for (path, group) in [
        ("/users", Group::Users),
        ("/users/auth0%7Cx", Group::Users),
        ("/logs", Group::Logs),
        ("/clients", Group::Clients),
        ("/connections/con_1/clients", Group::Connections),
        ("/organizations", Group::Organizations),
        ("/organizations/org_1", Group::Organization),
        ("/organizations/org_1/members", Group::Members),
        ("/organizations/org_1/members/x/roles", Group::MemberRoles),
        ("/organizations/org_1/enabled_connections", Group::Organization),
        ("/roles", Group::Rest),
        ("/stats/daily", Group::Rest),
        ("/jobs/users-exports", Group::Rest),
        ("/log-streams", Group::Rest),
    ] {
        assert_eq!(Group::of(path), group, "{path}");
    }
}
