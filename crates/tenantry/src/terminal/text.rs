//! Text as a terminal shows it: widths, numbers, times, and nothing that could steer the terminal.

use std::fmt::Write as _;
use std::time::Duration;

use tenantry_replication::clock::{MICROS_PER_SECOND, Micros};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns that `text` takes on a terminal.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// `text` with everything that could move the cursor, change colours or reorder what is read made visible.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => {
                shown.extend(character.escape_unicode());
            }
            _ if character.is_control() => shown.extend(character.escape_unicode()),
            _ => shown.push(character),
        }
    }
    shown
}

/// `text` cut to `columns` with `…` where something was left out.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut shown = String::new();
    let mut used = 0;
    for character in text.chars() {
        used += character.width().unwrap_or(0);
        if used + 1 > columns {
            break;
        }
        shown.push(character);
    }
    shown.push('…');
    shown
}

/// `12,345`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 table`, `2 tables`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// `0.4 s`, `75 s`.
pub(crate) fn seconds(seconds: f64) -> String {
    if seconds < 10.0 { format!("{seconds:.1} s") } else { format!("{seconds:.0} s") }
}

/// A length of time in its two largest units: `3 d 4 h`, `20 min`.
pub(crate) fn duration(duration: Duration) -> String {
    let minutes = duration.as_secs() / 60;
    let units = [(minutes / 1_440, "d"), (minutes / 60 % 24, "h"), (minutes % 60, "min")];
    let two = units.iter().skip_while(|(number, _)| *number == 0).take(2);
    let shown: Vec<String> =
        two.filter(|(number, _)| *number > 0).map(|(number, unit)| format!("{number} {unit}")).collect();
    if shown.is_empty() { "less than a minute".to_owned() } else { shown.join(" ") }
}

const DAYS_PER_ERA: i64 = 146_097;
const SECONDS_PER_DAY: i64 = 86_400;

/// `2026-11-02T08:00:00Z`, with a fraction only where there is one.
pub(crate) fn rfc3339(at: Micros) -> String {
    let seconds = at.div_euclid(MICROS_PER_SECOND);
    let fraction = at.rem_euclid(MICROS_PER_SECOND);
    let (year, month, day) = civil(seconds.div_euclid(SECONDS_PER_DAY));
    let clock = seconds.rem_euclid(SECONDS_PER_DAY);
    let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if fraction != 0 {
        let _ = write!(text, ".{fraction:06}");
        text.truncate(text.trim_end_matches('0').len());
    }
    text.push('Z');
    text
}

/// Year, month and day of a day number counted from 1970-01-01, in the Gregorian calendar carried on both ways.
fn civil(days: i64) -> (i64, i64, i64) {
    // Counted from 1 March of year 0, so that the leap day is the last of its year.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(DAYS_PER_ERA);
    let day_of_era = shifted.rem_euclid(DAYS_PER_ERA);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let shown: Vec<String> = [0, 12, 123, 1234, 123_456, 1_234_567].into_iter().map(count).collect();
        assert_eq!(shown, ["0", "12", "123", "1,234", "123,456", "1,234,567"]);
        assert_eq!((counted(1, "table"), counted(0, "row")), ("1 table".into(), "0 rows".into()));
    }

    #[test]
    fn times_are_utc_and_exact() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_793_606_400_000_000), "2026-11-02T08:00:00Z");
        assert_eq!(rfc3339(951_782_399_999_999), "2000-02-28T23:59:59.999999Z");
        assert_eq!(rfc3339(951_782_400_500_000), "2000-02-29T00:00:00.5Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59.999999Z");
    }

    #[test]
    fn text_of_the_tenant_cannot_steer_the_terminal() {
        let hostile = "a\u{1b}[31mb\u{7}\r\nc\u{202e}d\u{9b}";
        assert_eq!(visible(hostile), "a\\u{1b}[31mb\\u{7}\\r\\nc\\u{202e}d\\u{9b}");
        assert_eq!(visible("日本語 é"), "日本語 é");
    }

    #[test]
    fn long_text_is_cut_by_columns() {
        assert_eq!(cut("日本語", 6), "日本語");
        assert_eq!(cut("日本語です", 6), "日本…");
        assert_eq!(cut("abc", 2), "a…");
    }
}
