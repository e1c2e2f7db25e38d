//! The few spellings of time that the API uses: RFC 3339, `YYYYMMDD…`, and HTTP dates.
//!
//! Proleptic Gregorian calendar, UTC, no leap seconds. Takes nothing it is not sure of.

use crate::clock::{MICROS_PER_SECOND, Micros};

/// Microseconds in a day.
pub(super) const MICROS_PER_DAY: Micros = 86_400 * MICROS_PER_SECOND;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A point in time, taken apart.
struct Civil {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
}

impl Civil {
    fn of(at: Micros) -> Self {
        let (days, rest) = (at.div_euclid(MICROS_PER_DAY), at.rem_euclid(MICROS_PER_DAY));
        let (year, month, day) = date_of(days);
        let seconds = rest / MICROS_PER_SECOND;
        Self {
            year,
            month,
            day,
            hour: seconds / 3600,
            minute: seconds / 60 % 60,
            second: seconds % 60,
            micros: rest % MICROS_PER_SECOND,
        }
    }

    fn micros(&self) -> Option<Micros> {
        let fits = (0..=9999).contains(&self.year)
            && (1..=12).contains(&self.month)
            && (1..=days_in(self.year, self.month)).contains(&self.day)
            && (0..24).contains(&self.hour)
            && (0..60).contains(&self.minute)
            && (0..60).contains(&self.second);
        // A year of twenty digits is nothing to reckon with.
        if !fits {
            return None;
        }
        let seconds = days_from(self.year, self.month, self.day) * 86_400
            + self.hour * 3600
            + self.minute * 60
            + self.second;
        Some(seconds * MICROS_PER_SECOND + self.micros)
    }
}

/// `2026-01-02T03:04:05Z`, cut to seconds.
pub(super) fn iso_seconds(at: Micros) -> String {
    let Civil { year, month, day, hour, minute, second, .. } = Civil::of(at);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// `2026-01-02T03:04:05.678Z`, cut to milliseconds.
pub(super) fn iso_millis(at: Micros) -> String {
    let Civil { year, month, day, hour, minute, second, micros } = Civil::of(at);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", micros / 1000)
}

/// `2026-01-02`.
pub(super) fn iso_date(at: Micros) -> String {
    let Civil { year, month, day, .. } = Civil::of(at);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `20260102030405`, cut to seconds.
pub(super) fn compact(at: Micros) -> String {
    let Civil { year, month, day, hour, minute, second, .. } = Civil::of(at);
    format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}")
}

/// Reads `20260102030405`.
pub(super) fn parse_compact(text: &str) -> Option<Micros> {
    if text.len() != 14 {
        return None;
    }
    let part = |from: usize, to: usize| digits(text.get(from..to)?);
    let civil = Civil {
        year: part(0, 4)?,
        month: part(4, 6)?,
        day: part(6, 8)?,
        hour: part(8, 10)?,
        minute: part(10, 12)?,
        second: part(12, 14)?,
        micros: 0,
    };
    civil.micros()
}

/// Reads `2026-01-02`.
pub(super) fn parse_date(text: &str) -> Option<Micros> {
    parse_compact(&format!("{}000000", text.replace('-', ""))).filter(|_| text.len() == 10)
}

/// Reads `2026-01-02T03:04:05.678Z` with any number of fraction digits; no other zone than `Z`.
pub(super) fn parse_iso(text: &str) -> Option<Micros> {
    let (seconds, fraction) = text.strip_suffix('Z')?.split_at_checked(19)?;
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if !separators.iter().all(|(at, byte)| seconds.as_bytes()[*at] == *byte) {
        return None;
    }
    let whole = parse_compact(&seconds.replace(['-', 'T', ':'], ""))?;
    if fraction.is_empty() {
        return Some(whole);
    }
    let fraction = fraction
        .strip_prefix('.')
        .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))?;
    let padded = format!("{fraction:0<6}");
    Some(whole + digits(&padded[..6])?)
}

/// Reads an HTTP date: `Fri, 02 Jan 2026 03:04:05 GMT`.
pub(super) fn parse_http(text: &str) -> Option<Micros> {
    let mut words = text.trim().strip_suffix("GMT")?.split_once(", ")?.1.split_ascii_whitespace();
    let day = digits(words.next()?)?;
    let name = words.next()?;
    let month = MONTHS.iter().position(|month| *month == name)? as i64 + 1;
    let year = digits(words.next()?)?;
    let mut time = words.next()?.split(':');
    let mut part = || digits(time.next()?);
    let civil = Civil { year, month, day, hour: part()?, minute: part()?, second: part()?, micros: 0 };
    civil.micros()
}

fn digits(text: &str) -> Option<i64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn days_in(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01, counting years from March so that the leap day is the last.
fn days_from(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let years = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * years + years / 4 - years / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + years + i64::from(month <= 2);
    (year, month, of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_instant_agree() {
        let at = 1_767_323_045_678_000;
        assert_eq!(iso_millis(at), "2026-01-02T03:04:05.678Z");
        assert_eq!(compact(at), "20260102030405");
        assert_eq!(iso_date(at), "2026-01-02");
        assert_eq!(parse_iso("2026-01-02T03:04:05.678Z"), Some(at));
        assert_eq!(parse_iso("2026-01-02T03:04:05.678999999Z"), Some(at + 999));
        assert_eq!(parse_iso("2026-01-02T03:04:05Z"), Some(at - 678_000));
        assert_eq!(parse_compact("20260102030405"), Some(at - 678_000));
        assert_eq!(parse_http("Fri, 02 Jan 2026 03:04:05 GMT"), Some(at - 678_000));
        assert_eq!(parse_date("2026-01-02"), parse_compact("20260102000000"));
    }

    #[test]
    fn every_day_of_eight_centuries_goes_there_and_back() {
        for day in -146_097..146_097 {
            let at = day * MICROS_PER_DAY;
            assert_eq!(parse_compact(&compact(at)), Some(at), "{day}");
        }
    }

    #[test]
    fn what_is_no_time_is_not_taken() {
        for wrong in [
            "",
            "2026-01-02",
            "2026-13-02T03:04:05Z",
            "2026-02-29T03:04:05Z",
            "2026-01-02T24:00:00Z",
            "2026-01-02T03:04:05+01:00",
        ] {
            assert_eq!(parse_iso(wrong), None, "{wrong}");
        }
        for wrong in [
            "2026-01-02T03:04:05.Z",
            "2026-01-02T03:04:05.1a2Z",
            "2026-01-02 03:04:05Z",
            "+026-01-02T03:04:05Z",
            "2026-01-02T03:04:0\u{e9}Z",
        ] {
            assert_eq!(parse_iso(wrong), None, "{wrong}");
        }
        for wrong in ["", "2026010203040", "2026010203040x", "20260230000000"] {
            assert_eq!(parse_compact(wrong), None, "{wrong}");
        }
        for wrong in [
            "",
            "Fri, 02 Jan 2026 03:04:05",
            "Fri, 02 Foo 2026 03:04:05 GMT",
            "now",
            "Fri, 02 Jan 2026026100000000 03:04:05 GMT",
        ] {
            assert_eq!(parse_http(wrong), None, "{wrong}");
        }
        assert_eq!(parse_date("2026-1-2"), None);
    }
}
