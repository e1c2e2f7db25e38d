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
/// No bucket is taken to fill more slowly than this, whatever was measured: others' traffic looks like a slow refill.
const SLOWEST_FILL_SECONDS: f64 = 60.0;
/// Part of a bucket, and tokens at least, that may be missing where it may have been full a moment before.
const NEARLY_FULL: (f64, f64) = (0.1, 2.0);
/// A lower bound needs that long a measurement.
const LOWER_WINDOW: Duration = Duration::from_secs(1);
/// An upper bound needs that long a measurement.
const UPPER_WINDOW: Duration = Duration::from_secs(8);
/// A measurement begins afresh after that long, so that old traffic of others is forgotten.
const WINDOW_MAX: Duration = Duration::from_mins(1);
/// How long an upper bound counts before it is loosened: others may have stopped.
const UPPER_HOLDS: Duration = Duration::from_secs(30);
/// How much it is loosened each time, so that others who have not stopped are not run over.
const UPPER_GROWTH: f64 = 1.5;
/// When half our share of a full bucket is given at once, to find out whether it fills faster than thought; twice as late each time.
const PROBE_EVERY: Duration = Duration::from_secs(30);
/// How long a measured refill that excludes a faster one keeps us from trying again.
const PROBE_AGAIN: Duration = Duration::from_mins(30);
/// What a 429 takes off the rate.
const AFTER_REFUSAL: f64 = 0.7;
/// Least part of the refill that is counted on while others use what must be left to them.
const OURS_MIN: f64 = 0.1;
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
    last: Option<Sight>,
    lower: f64,
    upper: f64,
    upper_until: Duration,
    /// Best guess between the two, for buckets of which no documented refill fits.
    measured: Option<f64>,
    /// Where the measurements of the lower and of the upper bound began.
    window: Option<Sight>,
    upper_window: Option<Sight>,
    probe_at: Duration,
    probe_every: Duration,
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
            measured: None,
            window: None,
            upper_window: None,
            probe_at: now + PROBE_EVERY,
            probe_every: PROBE_EVERY,
        };
        bucket.credit = bucket.cap();
        bucket
    }

    /// Whether it is of this size.
    pub(super) fn is_of(&self, limit: f64) -> bool {
        (self.limit - limit).abs() < 0.5
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
        let assumed = documented.first().copied().unwrap_or(self.limit / FILL_SECONDS);
        let rate = self.measured.unwrap_or(assumed).max(self.lower).min(self.upper);
        rate.max(self.limit / SLOWEST_FILL_SECONDS)
    }

    fn advance(&mut self, now: Duration) {
        while self.upper.is_finite() && self.upper_until <= now {
            self.upper *= UPPER_GROWTH;
            self.upper_until += UPPER_HOLDS;
            if self.upper > self.limit {
                self.upper = f64::INFINITY;
            }
        }
        let elapsed = now.saturating_sub(self.at).as_secs_f64();
        let rate = self.rate();
        self.credit = (self.credit + elapsed * rate * self.share).min(self.cap());
        self.level = (self.level + elapsed * rate).min(self.limit);
        self.at = self.at.max(now);
    }

    /// How long until the next request may go out.
    pub(super) fn wait(&mut self, now: Duration) -> Duration {
        self.advance(now);
        let rate = self.rate();
        let for_credit = (1.0 - self.credit) / (rate * self.share);
        let left = self.limit - self.cap();
        // Where what must be left has been used by others, they need what comes in now: we wait for our part of it alone.
        let theirs = self.last.is_some_and(|last| last.remaining < left);
        let ours = if theirs { (1.0 - self.share).max(OURS_MIN) } else { 1.0 };
        let for_level = (left + 1.0 - self.level) / (rate * ours);
        let seconds = for_credit.max(for_level);
        // A microsecond more, so that the wait is never found too short by rounding.
        if seconds * rate <= EPSILON {
            Duration::ZERO
        } else {
            Duration::from_secs_f64(seconds) + Duration::from_micros(1)
        }
    }

    /// How long so many requests take at the least, if nobody else sends any.
    pub(super) fn time_for(&mut self, requests: u64, now: Duration) -> Duration {
        self.advance(now);
        let beyond = requests as f64 - self.credit.max(0.0);
        Duration::try_from_secs_f64((beyond / (self.rate() * self.share)).max(0.0)).unwrap_or(Duration::MAX)
    }

    /// Counts a request, also one that waits as [`Self::wait`] said. Gives its number.
    pub(super) fn take(&mut self, now: Duration) -> u64 {
        self.charge(now);
        self.sent += 1;
        self.sent
    }

    /// How many of the requests before this one have no answer yet.
    pub(super) fn unanswered_before(&self, index: u64) -> f64 {
        (index - 1).saturating_sub(self.answered) as f64
    }

    /// A bucket in the same state that has measured nothing.
    pub(super) fn parted(&self) -> Self {
        Self {
            answered: self.sent,
            last: None,
            lower: 0.0,
            upper: f64::INFINITY,
            measured: None,
            window: None,
            upper_window: None,
            ..self.clone()
        }
    }

    /// Charges a request that may not be drawn on this bucket at all: it is paid for, but does not count in what is measured.
    pub(super) fn charge(&mut self, now: Duration) {
        self.advance(now);
        self.credit -= 1.0;
        self.level -= 1.0;
    }

    /// Counts a request that was charged before and has been answered. Gives its number.
    pub(super) fn count(&mut self) -> u64 {
        self.sent += 1;
        self.answered += 1;
        self.sent
    }

    /// A request's answer will tell nothing (more).
    pub(super) fn settle(&mut self) {
        self.answered = (self.answered + 1).min(self.sent);
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
            self.credit = (self.cap() / 2.0).floor();
            self.probe_every *= 2;
            self.probe_at = now + self.probe_every;
        }
    }

    fn is_full(&self, sight: &Sight) -> bool {
        sight.remaining + 1.0 >= self.limit
    }

    fn may_be_faster(&self) -> bool {
        self.upper.is_infinite() && documented(self.limit).last().is_none_or(|fastest| *fastest > self.rate())
    }

    /// Narrows the refill down: remaining plus sent grows by exactly what came in, as long as the bucket was not full and nobody else
    /// took from it. Either only makes it grow less, so the lower bound always holds.
    fn measure(&mut self, sight: &Sight, now: Duration) {
        let rate = |start: &Sight| {
            let gained = sight.remaining - start.remaining + (sight.index - start.index) as f64;
            let uncertain = 2.0 + sight.unanswered + start.unanswered;
            let time = sight.sent.saturating_sub(start.sent);
            (gained, uncertain, time)
        };
        let start = self.window.get_or_insert(*sight);
        let (gained, uncertain, time) = rate(start);
        if time >= LOWER_WINDOW {
            self.lower = self.lower.max((gained - uncertain) / time.as_secs_f64());
        }
        if self.is_full(sight) || time >= WINDOW_MAX {
            self.window = Some(*sight);
        }
        let missing = NEARLY_FULL.1.max(self.limit * NEARLY_FULL.0);
        let start = self.upper_window.get_or_insert(*sight);
        let (gained, uncertain, time) = rate(start);
        if sight.remaining + 1.0 + missing >= self.limit {
            self.upper_window = Some(*sight);
        } else if time >= UPPER_WINDOW {
            self.upper = (gained + uncertain).max(1.0) / time.as_secs_f64();
            let lower = if self.lower > 0.0 { self.lower.min(self.upper) } else { self.upper };
            self.measured = Some(f64::midpoint(lower, self.upper));
            self.upper_until = now + UPPER_HOLDS;
            self.probe_at = now + PROBE_AGAIN;
            if time >= WINDOW_MAX {
                self.upper_window = Some(*sight);
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
        self.measured = Some(self.upper);
        self.upper_until = now + UPPER_HOLDS;
        self.window = None;
        self.upper_window = None;
    }
}
