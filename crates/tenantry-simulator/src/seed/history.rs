//! The tenant's past: log events within retention, and `stats_daily` for longer than that.
//!
//! Sign-ups are those of the users who were made in that time; everything else is drawn by hour of day and day of
//! week. Where logs and statistics overlap they agree.

use crate::events::{Act, Cast, Stage};
use crate::logs::Event;
use crate::random::{Random, mix};
use crate::tenant::Tenant;
use crate::time::{self, DAY, DAY_MS, HOUR, SECOND};
use crate::users::Slot;
use std::collections::BTreeMap;

/// How much of a day's traffic falls into each UTC hour.
const HOURS: [u64; 24] =
    [12, 8, 6, 5, 6, 10, 25, 50, 80, 95, 100, 95, 85, 90, 95, 92, 85, 75, 60, 50, 40, 32, 25, 18];

/// Whether something may happen at that time, by hour and weekday.
fn busy(ms: i64, random: &mut Random) -> bool {
    let hour = ms.rem_euclid(DAY_MS) / 3_600_000;
    let weekend = time::weekday(ms.div_euclid(DAY_MS)) >= 5;
    let weight = HOURS[hour as usize] * if weekend { 4 } else { 10 };
    random.below(1_000) < weight
}

fn moment(first: i64, last: i64, random: &mut Random) -> i64 {
    for _ in 0..40 {
        let at = random.between(first, last);
        if busy(at, random) {
            return at;
        }
    }
    last
}

/// One act that is going to be played.
struct Planned {
    at: i64,
    act: Act,
    slot: Slot,
}

pub(super) fn write(tenant: &mut Tenant) {
    let start = tenant.config.start;
    let first = (start - tenant.config.retention() + HOUR) / 1000;
    let last = (start - 30 * SECOND) / 1000;
    let mut random = Random::derive(tenant.config.seed, "history");
    let first_day = first.div_euclid(DAY_MS);
    tenant.stats.undated_before = start.div_euclid(DAY) - 300;
    old_days(tenant, first_day);
    let mut plan = sign_ups(tenant, first, last);
    let mut events: usize = plan.iter().map(|p| p.act.events()).sum();
    let wanted = tenant.config.logs as usize;
    let users = tenant.users.next_slot();
    if users == 0 && wanted > 0 {
        return;
    }
    let tied = tenant.config.tied_users.min(users.saturating_sub(1));
    while events < wanted {
        let mut act = Act::draw(&mut random);
        if events + act.events() > wanted {
            act = Act::Machine;
        }
        let at = moment(first, last, &mut random);
        let slot = visitor(tenant, tied, at, &mut random);
        events += act.events();
        plan.push(Planned { at, act, slot });
    }
    plan.sort_by_key(|p| p.at);
    play(tenant, &plan, wanted, &mut random);
}

/// A user who existed then; the imported ones have never been seen since.
fn visitor(tenant: &Tenant, tied: Slot, at: i64, random: &mut Random) -> Slot {
    let count = u64::from(tenant.users.next_slot() - tied);
    let mut slot = tied;
    for _ in 0..8 {
        // Some people come more often than others.
        let skewed = (random.unit().powi(2) * count as f64) as u64;
        slot = tied + ((skewed * 7_919 + 13) % count) as Slot;
        if tenant.users.get(slot).is_some_and(|u| u.created < at) {
            return slot;
        }
    }
    slot
}

fn sign_ups(tenant: &Tenant, first: i64, last: i64) -> Vec<Planned> {
    let tied = tenant.config.tied_users;
    let mut plan: Vec<Planned> = tenant
        .users
        .iter()
        .filter(|(slot, u)| *slot >= tied && (first..last).contains(&u.created))
        .map(|(slot, u)| Planned { at: u.created, act: Act::SignUp, slot })
        .collect();
    plan.sort_by_key(|p| std::cmp::Reverse(p.at));
    // A tenant with many users and few events keeps room for what is not a sign-up.
    plan.truncate(tenant.config.logs as usize / 5);
    plan
}

fn play(tenant: &mut Tenant, plan: &[Planned], wanted: usize, random: &mut Random) {
    let cast = Cast::of(tenant);
    let mut events: Vec<(i64, Event)> = Vec::with_capacity(wanted);
    for planned in plan {
        let stage = Stage { tenant, cast: &cast, slot: planned.slot, at: planned.at };
        for event in stage.play(planned.act, random) {
            let taken_in = event.date * 1000 + random.below(6 * SECOND as u64) as i64;
            events.push((taken_in, event));
        }
        if planned.act.is_login() {
            log_in(tenant, planned, random);
        }
    }
    events.sort_by_key(|(taken_in, event)| (*taken_in, event.date));
    for (taken_in, event) in events {
        tenant.count(event.kind, event.date * 1000);
        tenant.logs.add(event, taken_in, 0);
    }
    tenant.logs.advance(tenant.config.start, tenant.config.retention());
}

fn log_in(tenant: &mut Tenant, planned: &Planned, random: &mut Random) {
    let first = planned.act == Act::SignUp;
    let at = if first { planned.at + 1_500 } else { planned.at };
    let ip = random.next();
    tenant.users.edit(planned.slot, None, |user| {
        user.logins = if first { 1 } else { user.logins + 1 };
        user.last_login = user.last_login.max(at);
        user.updated = user.updated.max(at);
        if user.ip == 0 || random.chance(200) {
            user.ip = ip;
        }
    });
}

/// Days before the logs begin: sign-ups by the users' own dates, logins by season and day of week.
fn old_days(tenant: &mut Tenant, first_day: i64) {
    let oldest = tenant.config.start.div_euclid(DAY) - i64::from(tenant.config.stats_days);
    let tied = tenant.config.tied_users;
    let mut sign_ups: BTreeMap<i64, u32> = BTreeMap::new();
    for (_, user) in tenant.users.iter().filter(|(slot, _)| *slot >= tied) {
        *sign_ups.entry(user.created.div_euclid(DAY_MS)).or_default() += 1;
    }
    let daily = u64::from(tenant.config.logs) / (tenant.config.retention() / DAY).max(1) as u64 / 3;
    for day in oldest..first_day {
        let chance = mix(tenant.config.seed ^ day as u64);
        let signed_up = sign_ups.get(&day).copied().unwrap_or_default();
        if chance.is_multiple_of(17) && signed_up == 0 {
            continue;
        }
        let share = if time::weekday(day) >= 5 { 4 } else { 10 };
        let logins = (daily * share / 10 * (70 + chance % 60) / 100) as u32 + signed_up;
        let leaked = if chance % 9 == 1 { 1 + (chance % 4) as u32 } else { 0 };
        tenant.stats.history(day, logins, signed_up, leaked);
    }
}
