//! From a question's text to SQL: places in braces become literals, event codes and sources. Knows no question.
//!
//! In a text `{since}`, `{until}` and `{now}` are instants, `{limit}` is a number, `{codes:NAME}` the codes of a family or group of
//! events, `{insight_…}` an aggregate. `{client: and x = ?}` is its words with the value for `?` where the filter has one, and nothing
//! otherwise; likewise `connection`, `label`, `also` and
//! `value`. `{no client: …}` is its words where the filter has none.
//! `{person}` is who made an API request, `{channel}` by what, `{own_machine}` whether a callback `b` leads to the user's machine.

use crate::aggregate::{AGGREGATES, Aggregate};
use crate::events;
use crate::filter::{Filter, Pick, instant, literal};

/// Where questions over the log read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source<'a> {
    /// The replicated tables: always true, slow on millions of events.
    Tables,
    /// Tables that were made of [`crate::AGGREGATES`] under their names, in this schema: `memory.main`.
    Aggregates(&'a str),
}

/// Email or name of the user who made an API request, from the JSON that the log gives; what is no JSON as it is.
const PERSON: &str = "case when left(request_auth_user, 1) = chr(123) then coalesce(cast(request_auth_user as json) ->> 'email', \
                      cast(request_auth_user as json) ->> 'name', '') else coalesce(request_auth_user, '') end";
/// The dashboard, or what else the request came by.
const CHANNEL: &str =
    "case when request_channel like 'https://%' then 'dashboard' else coalesce(request_channel, '') end";
/// Whether a callback leads to the machine of the user; a host that only begins like that is another one.
const OWN_MACHINE: &str = "(split_part(split_part(split_part(b.callback, '://', 2), '/', 1), ':', 1) in ('localhost', '127.0.0.1') \
                           or b.callback like '%://[::1]%')";

/// Everything that a text can ask for.
pub(crate) struct Values<'a> {
    pub(crate) filter: &'a Filter,
    pub(crate) range: (i64, i64),
    pub(crate) pick: &'a Pick,
    pub(crate) limit: usize,
    pub(crate) source: Source<'a>,
}

/// Renders a text that takes no values.
pub(crate) fn template(text: &str) -> String {
    expand(text, &|_| None)
}

/// Renders a text, with the aggregates that it reads in front where they do not stand as tables.
pub(crate) fn render(text: &str, reads: &[&Aggregate], values: &Values<'_>) -> String {
    let sql = expand(text, &|place| values.at(place));
    if values.source != Source::Tables || reads.is_empty() {
        return sql;
    }
    let named = reads.iter().map(|read| format!("{} as (\n{}\n)", read.name, read.sql())).collect::<Vec<_>>();
    match sql.strip_prefix("with ") {
        Some(rest) => format!("with {}, {rest}", named.join(", ")),
        None => format!("with {}\n{sql}", named.join(", ")),
    }
}

impl Values<'_> {
    fn at(&self, place: &str) -> Option<String> {
        if let Some((name, words)) = place.split_once(':') {
            let (name, absent) = name.strip_prefix("no ").map_or((name, false), |name| (name, true));
            let chosen = match name {
                "client" => self.filter.client.as_ref(),
                "connection" => self.filter.connection.as_ref(),
                "label" => self.pick.label.as_ref(),
                "also" => self.pick.also.as_ref(),
                "value" => self.pick.value.as_ref(),
                _ => return None,
            };
            if absent {
                return Some(if chosen.is_none() {
                    expand(words, &|place| self.at(place))
                } else {
                    String::new()
                });
            }
            let words = |value: &String| {
                let parts: Vec<String> =
                    words.split('?').map(|part| expand(part, &|place| self.at(place))).collect();
                parts.join(&literal(value))
            };
            return Some(chosen.map(words).unwrap_or_default());
        }
        match place {
            "since" => Some(instant(self.range.0)),
            "until" => Some(instant(self.range.1)),
            "now" => Some(instant(self.filter.now)),
            "limit" => Some(self.limit.to_string()),
            "person" => Some(PERSON.to_owned()),
            "channel" => Some(CHANNEL.to_owned()),
            "own_machine" => Some(OWN_MACHINE.to_owned()),
            _ => {
                let aggregate = AGGREGATES.iter().find(|aggregate| aggregate.name == place)?;
                Some(match self.source {
                    Source::Tables => aggregate.name.to_owned(),
                    Source::Aggregates(schema) => format!("{schema}.{}", aggregate.name),
                })
            }
        }
    }
}

/// Replaces each place in braces. One that nobody knows stays as it is, and no database takes it.
fn expand(text: &str, value: &dyn Fn(&str) -> Option<String>) -> String {
    let mut sql = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        sql.push_str(&rest[..open]);
        rest = &rest[open + 1..];
        let Some(close) = closing(rest) else {
            sql.push('{');
            continue;
        };
        let place = &rest[..close];
        let codes = place.strip_prefix("codes:").and_then(events::codes_of);
        let rendered = codes
            .map(|codes| codes.iter().map(|code| literal(code)).collect::<Vec<_>>().join(", "))
            .or_else(|| value(place));
        sql.push_str(&rendered.unwrap_or_else(|| format!("{{{place}}}")));
        rest = &rest[close + 1..];
    }
    sql.push_str(rest);
    sql
}

/// Where the brace that is already open closes.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::ACTIVITY;

    fn rendered(text: &str, filter: &Filter, pick: &Pick, source: Source<'_>) -> String {
        let values = Values { filter, range: (filter.since, filter.until), pick, limit: 7, source };
        render(text, &[&ACTIVITY], &values)
    }

    #[test]
    fn places_become_literals_and_what_is_not_filtered_vanishes() {
        let mut filter = Filter { until: 1_000_000, ..Filter::last_days(0, 0) };
        let text = "select 1 from {insight_activity} as a where x >= {since}{client: and c = ?}{label: and (l = ? or t in ({codes:breached_password}))} limit {limit}";
        let source = Source::Aggregates("memory.main");
        assert_eq!(
            rendered(text, &filter, &Pick::default(), source),
            "select 1 from memory.main.insight_activity as a where x >= timestamp '1970-01-01 00:00:00' limit 7"
        );
        filter.client = Some("it's {limit} ?".into());
        let pick = Pick { label: Some("a".into()), ..Pick::default() };
        assert_eq!(
            rendered(text, &filter, &pick, source),
            "select 1 from memory.main.insight_activity as a where x >= timestamp '1970-01-01 00:00:00' and c = 'it''s {limit} ?' \
             and (l = 'a' or t in ('pwd_leak', 'signup_pwd_leak', 'reset_pwd_leak')) limit 7"
        );
    }

    #[test]
    fn aggregates_stand_in_front_where_there_are_no_tables_of_them() {
        let filter = Filter::last_days(0, 0);
        for (text, begins) in [
            ("select 1 from {insight_activity}", "with insight_activity as (\nselect "),
            ("with x as (select 1) select 1 from {insight_activity}", "with insight_activity as (\nselect "),
        ] {
            let sql = rendered(text, &filter, &Pick::default(), Source::Tables);
            assert!(sql.starts_with(begins) && sql.ends_with("select 1 from insight_activity"), "{sql}");
            assert_eq!(sql.matches("with ").count(), 1, "{sql}");
        }
    }

    #[test]
    fn a_place_that_nobody_knows_stays_for_the_database_to_refuse() {
        assert_eq!(template("x {nothing} {"), "x {nothing} {");
    }
}
