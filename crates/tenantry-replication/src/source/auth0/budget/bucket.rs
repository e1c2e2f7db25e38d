//! One rate limit as its headers let us know it: a token bucket whose size is told, and whose refill has to be found out.
//!
//! Two accounts are kept. `credit` is our share: it fills at our share of the refill, and a request costs one. `level` is what the tenant's
//! bucket still holds by the last header: it keeps us from taking what must be left when somebody else is busy too.

use std::time::Duration;

/// Refills a second that Auth0 documents for a bucket of this size, ascending.
fn documented(limit: f64) -> &'static [f64] {
    const FIVE: &[f64] = &[50.0 / 60.0, 100.0 / 60.0];
    const TEN: &[f64] = &[100.0 / 60.0, 2.0, 150.0 / 60.0];
    const TWENTY: &[f64] = &[200.0 / 60.0, 20.0];
    match limit as u64 {
        2 => &[2.0],
        5 => FIVE,
        10 => TEN,
        20 => TWENTY,
        30 => &[30.0],
        40 => &[500.0 / 60.0],
        50 => &[16.0, 50.0],
        250 => &[250.0],
        750 => &[750.0],
        1_500 => &[1_500.0],
        3_000 => &[3_000.0],
        5_000 => &[5_000.0],
        _ => &[],
    }
}

/// Seconds in which a bucket of unknown kind is taken to fill, until measured.
const FILL_SECONDS: f64 = 20.0;
/// A lower bound needs that long a measurement.
const LOWER_WINDOW: Duration = Duration::from_secs(1);
/// An upper bound needs that long a measurement.
const UPPER_WINDOW: Duration = Duration::from_secs(8);
/// A measurement begins afresh after that long, so that old traffic of others is forgotten.
const WINDOW_MAX: Duration = Duration::from_mins(1);
/// How long an upper bound counts.
const UPPER_HOLDS: Duration = Duration::from_mins(2);
/// How often our whole share of a full bucket is given at once, to find out whether it fills faster than thought.
const PROBE_EVERY: Duration = Duration::from_secs(30);
/// What a 429 takes off the rate.
const AFTER_REFUSAL: f64 = 0.7;
/// Guards comparisons of sums of floating-point numbers: a thousandth of a token.
const EPSILON: f64 = 1e-3;

/// One answer's word on a bucket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight {
    /// Number of the request, counted by the bucket.
    pub(super) index: u64,
    pub(super) remaining: f64,
    /// When the request went out.
    pub(super) sent: Duration,
    /// Requests that were without an answer when it went out.
    pub(super) unanswered: f64,
}

#[derive(Debug, Clone)]
pub(super) struct Bucket {
    pub(super) limit: f64,
    share: f64,
    credit: f64,
    level: f64,
    at: Duration,
    /// Requests sent that draw on it.
    sent: u64,
    answered: u64,
    pub(super) last: Option<Sight>,
    lower: f64,
    upper: f64,
    upper_until: Duration,
    window: Option<Sight>,
    probe_at: Duration,
}

impl Bucket {
    pub(super) fn new(limit: f64, share: f64, now: Duration) -> Self {
        let mut bucket = Self {
            limit,
            share,
            credit: 0.0,
            level: limit,
            at: now,
            sent: 0,
            answered: 0,
            last: None,
            lower: 0.0,
            upper: f64::INFINITY,
            upper_until: Duration::ZERO,
            window: None,
            probe_at: now + PROBE_EVERY,
        };
        bucket.credit = bucket.cap();
        bucket
    }

    /// Tokens of a full bucket that are ours: our share, and at least one.
    fn cap(&self) -> f64 {
        (self.limit * self.share + EPSILON).floor().max(1.0)
    }

    /// Tokens a second that come in, as far as we know.
    pub(super) fn rate(&self) -> f64 {
        let documented = documented(self.limit);
        if let Some(rate) = documented.iter().find(|rate| (self.lower..=self.upper).contains(*rate)) {
            return *rate;
        }
        if self.upper.is_finite() {
            return f64::midpoint(self.lower.min(self.upper), self.upper).max(1.0 / 60.0);
        }
        let assumed = documented.first().copied().unwrap_or(self.limit / FILL_SECONDS);
        assumed.max(self.lower)
    }

    fn advance(&mut self, now: Duration) {
        if self.upper_until <= now {
            self.upper = f64::INFINITY;
        }
        let elapsed = now.saturating_sub(self.at).as_secs_f64();
        let rate = self.rate();
        self.credit = (self.credit + elapsed * rate * self.share).min(self.cap());
        self.level = (self.level + elapsed * rate).min(self.limit);
        self.at = self.at.max(now);
    }

    /// How long until a request may go out.
    pub(super) fn wait(&mut self, now: Duration) -> Duration {
        self.advance(now);
        let rate = self.rate();
        let for_credit = (1.0 - self.credit) / (rate * self.share);
        let left = self.limit - self.cap();
        let for_level = (left + 1.0 - self.level) / rate;
        let seconds = for_credit.max(for_level);
        // A microsecond more, so that the wait is never found too short by rounding.
        if seconds * rate <= EPSILON {
            Duration::ZERO
        } else {
            Duration::from_secs_f64(seconds) + Duration::from_micros(1)
        }
    }

    /// Counts a request. Gives its number and how many were without an answer before it.
    pub(super) fn take(&mut self, now: Duration) -> (u64, f64) {
        self.advance(now);
        self.credit -= 1.0;
        self.level -= 1.0;
        self.sent += 1;
        (self.sent, (self.sent - 1 - self.answered) as f64)
    }

    /// A request's answer will tell nothing (more).
    pub(super) fn settle(&mut self) {
        self.answered = (self.answered + 1).min(self.sent);
    }

    /// Whether `sight`, by another group than the last one, cannot be of the same bucket: more is left than can have come in since.
    ///
    /// Others' requests only ever lower what is left, so nothing but a second bucket explains it. No documented bucket fills in less
    /// than a second.
    pub(super) fn contradicts(&self, sight: &Sight, now: Duration) -> bool {
        let Some(last) = &self.last else { return false };
        if sight.index <= last.index {
            return false;
        }
        let elapsed = now.saturating_sub(last.sent).as_secs_f64();
        let between = (sight.index - last.index) as f64;
        let most = last.remaining - between + elapsed * self.limit + last.unanswered + sight.unanswered + 2.0;
        sight.remaining > most
    }

    /// Learns from an answer.
    pub(super) fn see(&mut self, sight: Sight, now: Duration) {
        if self.last.is_some_and(|last| sight.index <= last.index) {
            return;
        }
        self.last = Some(sight);
        self.measure(&sight, now);
        // What is left now: what the answer said, what came in since, less what went out since.
        self.advance(now);
        let after = (self.sent - sight.index) as f64;
        let since = now.saturating_sub(sight.sent).as_secs_f64() * self.rate();
        self.level = (sight.remaining + since).min(self.limit) - after;
        if self.is_full(&sight) && now >= self.probe_at && self.may_be_faster() {
            self.credit = self.cap();
            self.probe_at = now + PROBE_EVERY;
        }
    }

    fn is_full(&self, sight: &Sight) -> bool {
        sight.remaining + 1.0 + sight.unanswered >= self.limit
    }

    fn may_be_faster(&self) -> bool {
        self.upper.is_infinite() && documented(self.limit).last().is_none_or(|fastest| *fastest > self.rate())
    }

    /// Narrows the refill down: remaining plus sent grows by exactly what came in, as long as the bucket was not full and nobody else
    /// took from it. Either only makes it grow less, so the lower bound always holds.
    fn measure(&mut self, sight: &Sight, now: Duration) {
        let Some(start) = self.window else {
            self.window = Some(*sight);
            return;
        };
        let time = sight.sent.saturating_sub(start.sent);
        let gained = sight.remaining - start.remaining + (sight.index - start.index) as f64;
        let uncertain = 1.0 + sight.unanswered + start.unanswered;
        if time >= LOWER_WINDOW {
            let lower = (gained - uncertain) / time.as_secs_f64();
            self.lower = self.lower.max(lower);
        }
        if self.is_full(sight) {
            self.window = Some(*sight);
        } else if time >= UPPER_WINDOW {
            self.upper = (gained + uncertain) / time.as_secs_f64();
            self.upper_until = now + UPPER_HOLDS;
            self.probe_at = now + UPPER_HOLDS;
            if time >= WINDOW_MAX {
                self.window = Some(*sight);
            }
        }
    }

    /// A 429: the bucket is empty, and fills more slowly than thought.
    pub(super) fn refused(&mut self, now: Duration) {
        self.advance(now);
        let rate = self.rate();
        self.level = 0.0;
        self.credit = self.credit.min(0.0);
        self.lower = 0.0;
        self.upper = rate * AFTER_REFUSAL;
        self.upper_until = now + UPPER_HOLDS;
        self.window = None;
    }
}
