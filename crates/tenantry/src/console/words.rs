//! What the console says, in the reader's language, and how numbers and times are written.
//!
//! Both languages stand side by side where something is said: neither can be forgotten.

use tenantry_replication::catalog::Text;
use tenantry_replication::catalog::schema::Language;
use tenantry_replication::clock::{MICROS_PER_SECOND, Micros};

use crate::terminal::text;

/// Seconds that nobody counts.
const JUST_NOW: u64 = 3;

/// A language to say things in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Words(pub(super) Language);

impl Words {
    /// The language of this code; `None` for one that we do not speak.
    pub(super) fn of_code(code: &str) -> Option<Self> {
        match code.split(['-', '_']).next()? {
            "en" => Some(Self(Language::English)),
            "ja" => Some(Self(Language::Japanese)),
            _ => None,
        }
    }

    /// The best that a browser's `Accept-Language` asks for; English where it asks for neither.
    pub(super) fn of_browser(accepted: &str) -> Self {
        let weighed = accepted.split(',').filter_map(|entry| {
            let (code, rest) = entry.split_once(';').unwrap_or((entry, ""));
            let weight =
                rest.trim().strip_prefix("q=").map_or(Some(1.0), |weight| weight.parse::<f64>().ok())?;
            Some((Self::of_code(code.trim().to_ascii_lowercase().as_str())?, weight))
        });
        // Of equal weights the first counts.
        let best = weighed.reduce(|best, next| if next.1 > best.1 { next } else { best });
        best.map_or(Self(Language::English), |(words, _)| words)
    }

    pub(super) const fn code(self) -> &'static str {
        match self.0 {
            Language::English => "en",
            Language::Japanese => "ja",
        }
    }

    pub(super) const fn say(self, en: &'static str, ja: &'static str) -> &'static str {
        self.text(Text { en, ja })
    }

    pub(super) const fn text(self, text: Text) -> &'static str {
        text.in_language(self.0)
    }

    /// `12 rows` / `12行`.
    pub(super) fn counted(self, number: u64, one: &str, many: &str, ja: &str) -> String {
        match self.0 {
            Language::English => format!("{} {}", text::count(number), if number == 1 { one } else { many }),
            Language::Japanese => format!("{}{ja}", text::count(number)),
        }
    }

    /// How long ago, or how soon: `3 min ago`, `in 2 h`.
    pub(super) fn told_from_now(self, at: Micros, now: Micros) -> String {
        let seconds = (now - at).unsigned_abs() / MICROS_PER_SECOND.unsigned_abs();
        if seconds < JUST_NOW {
            return self.say("just now", "たった今").to_owned();
        }
        let length = self.length(seconds);
        match (self.0, at <= now) {
            (Language::English, true) => format!("{length} ago"),
            (Language::English, false) => format!("in {length}"),
            (Language::Japanese, true) => format!("{length}前"),
            (Language::Japanese, false) => format!("{length}後"),
        }
    }

    /// A length of time in its largest unit.
    pub(super) fn length(self, seconds: u64) -> String {
        let (number, en, ja) = match seconds {
            0..120 => (seconds, "s", "秒"),
            120..7_200 => (seconds / 60, "min", "分"),
            7_200..172_800 => (seconds / 3_600, "h", "時間"),
            _ => (seconds / 86_400, "days", "日"),
        };
        match self.0 {
            Language::English => format!("{} {en}", text::count(number)),
            Language::Japanese => format!("{}{ja}", text::count(number)),
        }
    }

    /// The word for how a table or run ended.
    pub(super) fn outcome(self, outcome: &str) -> String {
        let words = match outcome {
            "done" => ("done", "完了"),
            "skipped" => ("skipped", "対象外"),
            "failed" => ("failed", "失敗"),
            "stopped" => ("stopped", "中断"),
            "frozen" => ("frozen", "凍結"),
            "incomplete" => ("incomplete", "一部未完了"),
            "interrupted" => ("interrupted", "割り込み"),
            other => return other.to_owned(),
        };
        self.say(words.0, words.1).to_owned()
    }
}

/// `2026-11-02 08:00:00`, for people; UTC.
pub(super) fn clock_time(at: Micros) -> String {
    readable(&text::rfc3339(at - at.rem_euclid(MICROS_PER_SECOND)))
}

/// An RFC 3339 time in UTC as people read it.
pub(super) fn readable(rfc3339: &str) -> String {
    rfc3339.trim_end_matches('Z').replacen('T', " ", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_gets_the_language_that_it_likes_best() {
        for (accepted, code) in [
            ("ja", "ja"),
            ("ja-JP,ja;q=0.9,en;q=0.8", "ja"),
            ("en-GB,en;q=0.9,ja;q=0.8", "en"),
            ("de,ja;q=0.5,en;q=0.7", "en"),
            ("fr", "en"),
            ("", "en"),
            ("ja;q=nonsense,en;q=0.1", "en"),
        ] {
            assert_eq!(Words::of_browser(accepted).code(), code, "{accepted}");
        }
    }

    #[test]
    fn times_are_told_from_now() {
        let (en, ja) = (Words(Language::English), Words(Language::Japanese));
        assert_eq!(en.told_from_now(0, 180 * MICROS_PER_SECOND), "3 min ago");
        assert_eq!(en.told_from_now(3 * 3_600 * MICROS_PER_SECOND, 0), "in 3 h");
        assert_eq!(ja.told_from_now(0, 180 * MICROS_PER_SECOND), "3分前");
        assert_eq!(clock_time(1_000_000), "1970-01-01 00:00:01");
    }
}
