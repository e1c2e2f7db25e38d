//! `stats_daily`: logins, sign-ups and leaked passwords by UTC day.
//!
//! As observed on real tenants: a day without activity has no row, a row is rewritten at minute 21 of each hour, and
//! rows from before some day lack `created_at` and `updated_at`. Counts alone; who calls decides what counts.

use crate::time::{self, HOUR, SECOND};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    Login,
    Signup,
    LeakedPassword,
    LeakedPasswordAtSignup,
}

#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
struct Counts {
    logins: u32,
    signups: u32,
    leaked: u32,
    leaked_at_signup: u32,
}

impl Counts {
    fn add(&mut self, count: Count) {
        match count {
            Count::Login => self.logins += 1,
            Count::Signup => self.signups += 1,
            Count::LeakedPassword => self.leaked += 1,
            Count::LeakedPasswordAtSignup => self.leaked_at_signup += 1,
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Day {
    published: Counts,
    current: Counts,
    /// When `current` becomes `published`, microseconds; 0 = nothing to do.
    due: i64,
    created: i64,
    updated: i64,
}

/// Counts by day number.
#[derive(Default)]
pub(crate) struct Stats {
    days: BTreeMap<i64, Day>,
    /// Days before this one have neither `created_at` nor `updated_at`.
    pub(crate) undated_before: i64,
}

/// The minute and some seconds past the hour at which rows are rewritten.
const REWRITE: i64 = 21 * 60 * SECOND + 33 * SECOND;

fn next_rewrite(at: i64) -> i64 {
    let hour = at.div_euclid(HOUR) * HOUR + REWRITE;
    if hour >= at { hour } else { hour + HOUR }
}

impl Stats {
    /// Counts something that happened at `at` (microseconds).
    pub(crate) fn count(&mut self, count: Count, at: i64) {
        let day = self.days.entry(at.div_euclid(time::DAY)).or_default();
        day.publish(at);
        day.current.add(count);
        if day.due == 0 {
            day.due = next_rewrite(at);
        }
    }

    /// Counts for a day long past, whose row was last rewritten at 23:21.
    pub(crate) fn history(&mut self, day: i64, logins: u32, signups: u32, leaked: u32) {
        let row = self.days.entry(day).or_default();
        row.current.logins += logins;
        row.current.signups += signups;
        row.current.leaked += leaked;
        if row.due == 0 {
            row.due = day * time::DAY + 9 * HOUR + REWRITE;
        }
        row.publish(row.due);
        row.updated = day * time::DAY + 23 * HOUR + REWRITE;
    }

    /// The rows of a range of days as the API gives them at `now`.
    pub(crate) fn rows(&mut self, first: i64, last: i64, now: i64) -> Vec<Value> {
        if first > last {
            return Vec::new();
        }
        let undated = self.undated_before;
        let rows = self.days.range_mut(first..=last).filter_map(|(day, row)| {
            row.publish(now);
            (row.published != Counts::default()).then(|| row.render(*day, *day < undated))
        });
        rows.collect()
    }
}

impl Day {
    fn publish(&mut self, now: i64) {
        if self.due == 0 || self.due > now {
            return;
        }
        if self.created == 0 {
            self.created = self.due;
        }
        self.updated = self.due;
        self.published = self.current;
        self.due = 0;
    }

    fn render(&self, day: i64, undated: bool) -> Value {
        let jitter = |at: i64| at / 1000 + (day * 37 + at / SECOND).rem_euclid(1000);
        let mut row = Map::new();
        row.insert("date".into(), time::millis(day * time::DAY_MS).into());
        if !undated {
            row.insert("created_at".into(), time::millis(jitter(self.created)).into());
        }
        row.insert("leaked_passwords".into(), self.published.leaked.into());
        if self.published.leaked_at_signup > 0 {
            row.insert("leaked_passwords_signup".into(), self.published.leaked_at_signup.into());
        }
        row.insert("logins".into(), self.published.logins.into());
        row.insert("signups".into(), self.published.signups.into());
        if !undated {
            row.insert("updated_at".into(), time::millis(jitter(self.updated)).into());
        }
        Value::Object(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_appears_at_minute_21_and_is_rewritten_each_hour() {
        let mut stats = Stats::default();
        let noon = 20_000 * time::DAY + 12 * HOUR;
        stats.count(Count::Login, noon);
        assert!(stats.rows(20_000, 20_000, noon + 20 * 60 * SECOND).is_empty());
        let rows = stats.rows(20_000, 20_000, noon + HOUR);
        assert_eq!(rows[0]["logins"], 1);
        assert!(rows[0]["created_at"].as_str().is_some_and(|t| t.contains("T12:21:")));
        stats.count(Count::Login, noon + HOUR + 1);
        assert_eq!(stats.rows(20_000, 20_000, noon + HOUR + 2)[0]["logins"], 1);
        let later = stats.rows(20_000, 20_000, noon + 2 * HOUR);
        assert_eq!(later[0]["logins"], 2);
        assert_eq!(later[0]["created_at"], rows[0]["created_at"]);
        assert_ne!(later[0]["updated_at"], rows[0]["updated_at"]);
        assert!(stats.rows(20_001, 20_010, noon + 9 * time::DAY).is_empty(), "idle days are missing");
    }
}
