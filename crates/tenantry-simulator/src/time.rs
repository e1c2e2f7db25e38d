//! Times as the Management API writes and reads them.
//!
//! Proleptic Gregorian UTC alone; no time zones, no leap seconds, no wall clock. Inside the simulator a moment
//! is microseconds since 1970 (`i64`); users, logs and jobs keep milliseconds, as Auth0 does.

/// Microseconds in a second.
pub(crate) const SECOND: i64 = 1_000_000;
/// Microseconds in an hour.
pub(crate) const HOUR: i64 = 3_600 * SECOND;
/// Microseconds in a day.
pub(crate) const DAY: i64 = 24 * HOUR;
/// Milliseconds in a day.
pub(crate) const DAY_MS: i64 = 86_400_000;

/// Year, month, day of a day number (days since 1970-01-01).
pub(crate) fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

/// Day number of a date.
pub(crate) fn days(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

/// Day of the week, 0 = Monday.
pub(crate) fn weekday(days: i64) -> i64 {
    (days + 3).rem_euclid(7)
}

/// `2026-06-01` and the seconds into that day, of microseconds.
fn date(micros: i64) -> (String, i64) {
    let (year, month, day) = civil(micros.div_euclid(DAY));
    (format!("{year:04}-{month:02}-{day:02}"), micros.rem_euclid(DAY) / SECOND)
}

/// `12:00:00` of seconds into the day.
fn clock(seconds: i64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// `2026-06-01T12:00:00.000Z` from milliseconds.
pub(crate) fn millis(ms: i64) -> String {
    let (date, seconds) = date(ms * 1000);
    format!("{date}T{}.{:03}Z", clock(seconds), ms.rem_euclid(1000))
}

/// `2026-06-01T12:00:00.123456789Z` from microseconds and the nanoseconds within the microsecond: what actions use.
pub(crate) fn nanos(micros: i64, nanos: i64) -> String {
    let (date, seconds) = date(micros);
    format!("{date}T{}.{:09}Z", clock(seconds), micros.rem_euclid(SECOND) * 1000 + nanos)
}

/// `20260601120000` from microseconds: the time inside a log id.
pub(crate) fn compact(micros: i64) -> String {
    let (date, seconds) = date(micros);
    format!("{date}{}", clock(seconds)).replace(['-', ':'], "")
}

/// `2026-06-01 12:00:00.123456UTC` from microseconds: the time inside a members cursor.
pub(crate) fn cursor(micros: i64) -> String {
    let (date, seconds) = date(micros);
    format!("{date} {}.{:06}UTC", clock(seconds), micros.rem_euclid(SECOND))
}

/// `Mon, 01 Jun 2026 12:00:00 GMT` from microseconds: the `date` header.
pub(crate) fn http_date(micros: i64) -> String {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let number = micros.div_euclid(DAY);
    let (year, month, day) = civil(number);
    let (weekday, month) = (DAYS[weekday(number) as usize], MONTHS[(month - 1) as usize]);
    format!("{weekday}, {day:02} {month} {year:04} {} GMT", clock(micros.rem_euclid(DAY) / SECOND))
}

/// The first and the last millisecond that a date or time text stands for: `2016-01` is a month long, a full
/// time one millisecond. `None` where the text is no date.
pub(crate) fn interval(text: &str) -> Option<(i64, i64)> {
    let text = text.trim().trim_matches('"');
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, ""));
    let mut parts = date.split('-').map(|p| p.parse::<i64>().ok());
    let year = parts.next()?.filter(|y| (0..=9999).contains(y) && date.len() >= 4)?;
    let month = parts.next();
    let day = parts.next();
    let (Some(month), Some(day)) = (month, day) else {
        let first = month.unwrap_or(Some(1))?;
        let (ny, nm) = match month {
            Some(Some(12)) | None => (year + 1, 1),
            Some(Some(m)) => (year, m + 1),
            Some(None) => return None,
        };
        return Some((days(year, first, 1) * DAY_MS, days(ny, nm, 1) * DAY_MS - 1));
    };
    let start =
        days(year, month.filter(|m| (1..=12).contains(m))?, day.filter(|d| (1..=31).contains(d))?) * DAY_MS;
    if time.is_empty() {
        return Some((start, start + DAY_MS - 1));
    }
    let (within, width) = time_of_day(time.trim_end_matches('Z').trim_end_matches("+00:00"))?;
    Some((start + within, start + within + width - 1))
}

/// Milliseconds into the day, and how many of them the text stands for.
fn time_of_day(text: &str) -> Option<(i64, i64)> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let parts: Vec<i64> = clock.split(':').map(|p| p.parse().ok()).collect::<Option<_>>()?;
    let mut total = 0;
    for (part, unit) in parts.iter().zip([3_600_000, 60_000, 1_000]) {
        total += part * unit;
    }
    let width = [3_600_000, 60_000, 1_000].get(parts.len().checked_sub(1)?).copied()?;
    if fraction.is_empty() {
        return Some((total, width));
    }
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    Some((total + digits.parse::<i64>().ok()?, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_four_centuries_round_trips() {
        let mut before = civil(-150_000);
        for day in -149_999..150_000 {
            let date = civil(day);
            assert!(date > before, "{date:?} after {before:?}");
            assert_eq!(days(date.0, date.1, date.2), day);
            before = date;
        }
    }

    #[test]
    fn texts_are_those_of_the_api() {
        let ms = interval("2026-06-01T12:34:56.789Z").expect("a time").0;
        assert_eq!(millis(ms), "2026-06-01T12:34:56.789Z");
        assert_eq!(nanos(ms * 1000 + 1, 9), "2026-06-01T12:34:56.789001009Z");
        assert_eq!(compact(ms * 1000), "20260601123456");
        assert_eq!(http_date(ms * 1000), "Mon, 01 Jun 2026 12:34:56 GMT");
        assert_eq!(cursor(ms * 1000), "2026-06-01 12:34:56.789000UTC");
    }

    #[test]
    fn a_coarse_date_is_an_interval() {
        let day = |text| interval(text).expect(text);
        assert_eq!(day("2016-01-01").1 - day("2016-01-01").0, DAY_MS - 1);
        assert_eq!(day("2016-12").1 + 1, day("2017-01-01").0);
        assert_eq!(day("2016").1 + 1, day("2017").0);
        assert_eq!(day("2016-01-01T10:00").1 - day("2016-01-01T10:00").0, 59_999);
        assert_eq!(
            day("2016-01-01T10:00:00.123456Z"),
            (day("2016-01-01").0 + 36_000_123, day("2016-01-01").0 + 36_000_123)
        );
        assert_eq!(interval("auth0|abc"), None);
    }
}
