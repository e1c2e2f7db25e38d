//! Times as Auth0 writes them, to microseconds since 1970 in UTC.

use crate::clock::{MICROS_PER_SECOND, Micros};

/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999Z: what every destination can hold.
const EARLIEST: Micros = -62_135_596_800_000_000;
const LATEST: Micros = 253_402_300_799_999_999;

/// Reads RFC 3339 with any number of fraction digits (cut to microseconds), with a space or `T`, with an offset, `Z` or neither (UTC),
/// or a date alone (midnight). `None` for anything else, and outside the years 1 to 9999. A leap second is the next second's begin.
pub fn parse_timestamp(text: &str) -> Option<Micros> {
    let bytes = text.as_bytes();
    let year = number(bytes, 0, 4)?;
    let month = number(bytes, 5, 2)?;
    let day = number(bytes, 8, 2)?;
    if bytes[4] != b'-'
        || bytes[7] != b'-'
        || !(1..=12).contains(&month)
        || day < 1
        || day > days_in_month(year, month)
    {
        return None;
    }
    let days = days_from_civil(year, month, day);
    let of_day = if bytes.len() == 10 { 0 } else { time_of_day(bytes)? };
    let micros = days * 86_400 * MICROS_PER_SECOND + of_day;
    (EARLIEST..=LATEST).contains(&micros).then_some(micros)
}

/// Micros of the day, less the offset: may lie outside of the day.
fn time_of_day(bytes: &[u8]) -> Option<i64> {
    if !matches!(bytes.get(10), Some(b'T' | b't' | b' '))
        || bytes.get(13) != Some(&b':')
        || bytes.get(16) != Some(&b':')
    {
        return None;
    }
    let hour = number(bytes, 11, 2)?;
    let minute = number(bytes, 14, 2)?;
    let second = number(bytes, 17, 2)?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction, rest) = fraction(&bytes[19..])?;
    let offset = offset_seconds(rest)?;
    Some((hour * 3_600 + minute * 60 + second - offset) * MICROS_PER_SECOND + fraction)
}

fn fraction(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let Some(digits) = bytes.strip_prefix(b".") else { return Some((0, bytes)) };
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 {
        return None;
    }
    let micros =
        (0..6).fold(0, |sum, at| sum * 10 + if at < count { i64::from(digits[at] - b'0') } else { 0 });
    Some((micros, &digits[count..]))
}

fn offset_seconds(bytes: &[u8]) -> Option<i64> {
    let sign = match bytes.first() {
        None => return Some(0),
        Some(b'Z' | b'z') => return (bytes.len() == 1).then_some(0),
        Some(b'+') => 1,
        Some(b'-') => -1,
        Some(_) => return None,
    };
    let hours = number(bytes, 1, 2)?;
    let minutes = match bytes.len() {
        3 => 0,
        5 => number(bytes, 3, 2)?,
        6 if bytes[3] == b':' => number(bytes, 4, 2)?,
        _ => return None,
    };
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3_600 + minutes * 60))
}

fn number(bytes: &[u8], at: usize, count: usize) -> Option<i64> {
    let digits = bytes.get(at..at + count)?;
    digits.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar, by counting from 1 March of year 0.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_auth0_writes_them() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-01-01T00:00:00.001Z", Some(1_000)),
            ("2024-02-29T12:34:56.123456789Z", Some(1_709_210_096_123_456)),
            ("2024-02-29T12:34:56.1Z", Some(1_709_210_096_100_000)),
            ("2024-02-29 12:34:56", Some(1_709_210_096_000_000)),
            ("2024-02-29T21:34:56+09:00", Some(1_709_210_096_000_000)),
            ("2024-02-29T07:34:56-0500", Some(1_709_210_096_000_000)),
            ("2024-02-29", Some(1_709_164_800_000_000)),
            ("2016-12-31T23:59:60Z", Some(1_483_228_800_000_000)),
            ("1969-12-31T23:59:59.999999999Z", Some(-1)),
            ("0001-01-01T00:00:00Z", Some(EARLIEST)),
            ("9999-12-31T23:59:59.999999999Z", Some(LATEST)),
            ("0000-12-31T23:59:59Z", None),
            ("10000-01-01T00:00:00Z", None),
            ("9999-12-31T23:59:59-01:00", None),
            ("2023-02-29T00:00:00Z", None),
            ("2024-13-01T00:00:00Z", None),
            ("2024-01-01T24:00:00Z", None),
            ("2024-01-01T00:00:00.Z", None),
            ("2024-01-01T00:00:00Zx", None),
            ("2024-01-01T00:00", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(parse_timestamp(text), expected, "{text}");
        }
    }
}
