//! Values as a page shows them: numbers to the right, times readable, what is long cut, what is sensitive hidden until asked for.
//!
//! What is hidden never reaches the browser. Every value is escaped where it becomes markup.

use maud::{Markup, html};
use serde_json::Value;
use tenantry_replication::catalog::{Column, Type};
use tenantry_replication::clock::Micros;

use super::words::{Words, clock_time, readable};
use crate::terminal::text;

/// Characters of a value that stand in a row; the row's own page has all of them.
const SHOWN_MAX: usize = 90;

/// How a column's values stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Time,
    Truth,
}

impl Kind {
    pub(super) const fn of(kind: Type) -> Self {
        match kind {
            Type::String => Self::Text,
            Type::Integer => Self::Number,
            Type::Timestamp => Self::Time,
            Type::Boolean => Self::Truth,
        }
    }

    /// The kind of an answer's column.
    pub(super) fn of_arrow(kind: &arrow_schema::DataType) -> Self {
        use arrow_schema::DataType;
        match kind {
            kind if kind.is_numeric() => Self::Number,
            DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => Self::Time,
            DataType::Boolean => Self::Truth,
            _ => Self::Text,
        }
    }

    /// Its class.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Time => "time",
            Self::Truth => "truth",
        }
    }
}

/// A value in a row of a table.
pub(super) fn short(words: Words, kind: Kind, value: &Value) -> Markup {
    shown(words, kind, value, SHOWN_MAX)
}

/// A value with all of it.
pub(super) fn long(words: Words, kind: Kind, value: &Value) -> Markup {
    shown(words, kind, value, usize::MAX)
}

fn shown(words: Words, kind: Kind, value: &Value, most: usize) -> Markup {
    match value {
        Value::Null => html! { span.none title=(words.say("no value", "値なし")) { "–" } },
        Value::Bool(true) => html! { span.yes { (words.say("yes", "はい")) } },
        Value::Bool(false) => html! { span.no { (words.say("no", "いいえ")) } },
        Value::Number(number) => html! { (grouped(&number.to_string())) },
        Value::String(text) if text.is_empty() => {
            html! { span.none { (words.say("(empty)", "(空)")) } }
        }
        Value::String(at) if kind == Kind::Time => html! { time datetime=(at) { (readable(at)) } },
        Value::String(text) => cut(text, most),
        nested => cut(&nested.to_string(), most),
    }
}

fn cut(value: &str, most: usize) -> Markup {
    let Some((end, _)) = value.char_indices().nth(most) else { return html! { (value) } };
    html! { span title=(value.chars().take(1_000).collect::<String>()) { (value[..end]) "…" } }
}

/// A value that is hidden until it is asked for.
pub(super) fn hidden(words: Words) -> Markup {
    html! { span.masked title=(words.say("hidden until asked for", "表示を求められるまで非表示")) { "••••••" } }
}

/// Whether a column's values are shown, given what was asked for.
pub(super) fn is_shown(column: &Column, revealed: bool) -> bool {
    !column.sensitive || revealed
}

/// A number with its thousands apart; what else a number may look like stays as it is.
pub(super) fn grouped(number: &str) -> String {
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |digits| ("-", digits));
    let (whole, fraction) =
        digits.split_once('.').map_or((digits, None), |(whole, fraction)| (whole, Some(fraction)));
    let Ok(count) = whole.parse::<u64>() else { return number.to_owned() };
    let fraction =
        fraction.map(|fraction| format!(".{}", &fraction[..fraction.len().min(4)])).unwrap_or_default();
    format!("{sign}{}{fraction}", text::count(count))
}

/// A time with how long ago it is.
pub(super) fn moment(words: Words, at: Option<Micros>, now: Micros) -> Markup {
    let Some(at) = at else { return html! { span.none { "–" } } };
    html! { time datetime=(text::rfc3339(at)) title=(clock_time(at)) { (words.told_from_now(at, now)) } }
}

/// How something ended, as a badge.
pub(super) fn outcome(words: Words, outcome: &str) -> Markup {
    let class = match outcome {
        "done" => "is-good",
        "frozen" | "skipped" | "interrupted" => "is-plain",
        "failed" => "is-bad",
        _ => "is-warn",
    };
    html! { span.badge.(class) { (words.outcome(outcome)) } }
}

/// A count that is left out of sight when it is zero.
pub(super) fn count(number: u64) -> Markup {
    html! { @if number == 0 { span.none { "0" } } @else { (text::count(number)) } }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tenantry_replication::catalog::schema::Language;

    use super::*;

    const EN: Words = Words(Language::English);

    #[test]
    fn values_are_escaped_wherever_they_stand() {
        let hostile = json!("<script>alert(1)</script>\"'");
        for shown in [short(EN, Kind::Text, &hostile), long(EN, Kind::Time, &hostile)] {
            assert!(!shown.0.contains("<script"), "{}", shown.0);
        }
        let nested = json!({ "<b>": ["<i>"] });
        assert!(!short(EN, Kind::Text, &nested).0.contains("<b>"));
        let long_value = json!(format!("<u>{}", "x".repeat(200)));
        assert!(!short(EN, Kind::Text, &long_value).0.contains("<u>"));
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, shown) in
            [("1234567", "1,234,567"), ("-1234.56789", "-1,234.5678"), ("1e300", "1e300"), ("0", "0")]
        {
            assert_eq!(grouped(number), shown);
        }
    }
}
