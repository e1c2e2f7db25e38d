//! What narrows a question: a range of time, an application, a connection, and what was picked in a chart. Typed, and rendered as literals
//! by this crate alone: text from outside never becomes part of a statement in any other way.

use jiff::Timestamp;
use tenantry_replication::clock::{MICROS_PER_SECOND, Micros};

use crate::aggregate::Grain;

/// Microseconds of an hour and of a day.
const HOUR: Micros = 3_600 * MICROS_PER_SECOND;
const DAY: Micros = 24 * HOUR;

/// What is looked at. Times are microseconds since 1970, UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// From then on.
    pub since: Micros,
    /// Up to, but without, then.
    pub until: Micros,
    /// What counts as now, for questions such as "not in the last 90 days".
    pub now: Micros,
    /// Only this application, where the question can tell ([`crate::Takes::client`]).
    pub client: Option<String>,
    /// Only this connection, where the question can tell ([`crate::Takes::connection`]).
    pub connection: Option<String>,
}

/// What was picked in an answer, to see the rows behind it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pick {
    /// The value of the column that is a label, step, event or key: a bar, a line of a table. The first such column of the question.
    pub label: Option<String>,
    /// The value of the second such column.
    pub also: Option<String>,
    /// The name of the column whose number was picked, where there are several.
    pub value: Option<String>,
    /// Beginning and end of the hour or day that was picked; narrows the filter.
    pub span: Option<(Micros, Micros)>,
}

impl Filter {
    /// The last `days` days before `now`, and nothing else.
    pub fn last_days(days: u32, now: Micros) -> Self {
        Self {
            since: now.saturating_sub(Micros::from(days) * DAY),
            until: now,
            now,
            client: None,
            connection: None,
        }
    }

    /// The range widened to whole hours or days: what an aggregate of that grain can answer exactly.
    pub fn range(&self, grain: Grain) -> (Micros, Micros) {
        let unit = match grain {
            Grain::Instant => return (self.since, self.until),
            Grain::Hour => HOUR,
            Grain::Day => DAY,
        };
        let floor = |at: Micros| at.div_euclid(unit) * unit;
        (floor(self.since), floor(self.until.saturating_add(unit - 1)))
    }

    /// The same, narrowed to what lies in `span` too.
    pub(crate) fn within(&self, span: Option<(Micros, Micros)>) -> Self {
        let mut narrowed = self.clone();
        if let Some((from, to)) = span {
            narrowed.since = narrowed.since.max(from);
            narrowed.until = narrowed.until.min(to).max(narrowed.since);
        }
        narrowed
    }
}

/// Text as a literal, for a database that reads backslashes in literals and for one that does not. A NUL, which no stored text holds,
/// becomes a character that finds nothing.
pub(crate) fn literal(text: &str) -> String {
    let quoted = |part: &str| format!("'{}'", part.replace('\'', "''").replace('\0', "\u{fffd}"));
    if !text.contains('\\') {
        return quoted(text);
    }
    let parts: Vec<String> = text.split('\\').map(quoted).collect();
    format!("({})", parts.join(" || chr(92) || "))
}

/// An instant as a literal; years that the databases' calendars lack are cut to the nearest that they have.
pub(crate) fn instant(at: Micros) -> String {
    let at = at.clamp(Timestamp::UNIX_EPOCH.as_microsecond(), LAST);
    let text = Timestamp::from_microsecond(at).map_or_else(
        |_| "9999-12-30 00:00:00".to_owned(),
        |at| at.strftime("%Y-%m-%d %H:%M:%S%.f").to_string(),
    );
    format!("timestamp '{text}'")
}

/// 9999-12-30.
const LAST: Micros = 253_402_128_000 * MICROS_PER_SECOND;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text_whatever_it_holds() {
        assert_eq!(literal("abc"), "'abc'");
        assert_eq!(literal("'; drop table x; --"), "'''; drop table x; --'");
        assert_eq!(literal(r"\'"), r"('' || chr(92) || '''')");
        assert_eq!(literal("a\0b"), "'a\u{fffd}b'");
        assert!(!literal(r"\\'\").contains('\\'));
    }

    #[test]
    fn instants_are_written_to_the_microsecond_and_stay_in_the_calendar() {
        assert_eq!(instant(0), "timestamp '1970-01-01 00:00:00'");
        assert_eq!(instant(1_500_000), "timestamp '1970-01-01 00:00:01.5'");
        assert_eq!(instant(Micros::MAX), "timestamp '9999-12-30 00:00:00'");
        assert_eq!(instant(Micros::MIN), "timestamp '1970-01-01 00:00:00'");
    }

    #[test]
    fn ranges_are_widened_and_never_narrowed() {
        let filter = Filter { since: HOUR + 1, until: 3 * HOUR, ..Filter::last_days(1, 0) };
        assert_eq!(filter.range(Grain::Instant), (HOUR + 1, 3 * HOUR));
        assert_eq!(filter.range(Grain::Hour), (HOUR, 3 * HOUR));
        assert_eq!(filter.range(Grain::Day), (0, DAY));
    }
}
