//! An answer drawn: lines, bars, a funnel, large numbers, and the table under each of them. Knows roles of columns, and no question.

use maud::{Markup, html};
use serde_json::{Value, json};
use tenantry_insight::{Chart, Column, Grain, Question, Role, events};
use tenantry_replication::catalog::CATALOG;
use tenantry_replication::destination::Answer;

use super::super::cells::{self, Kind};
use super::super::explore::{address_of, rows_of, text_of};
use super::super::reply::Trouble;
use super::super::visit::Visit;
use super::super::words::Words;
use crate::terminal::text;

/// Bars that are drawn; the table has all.
const BARS: usize = 15;
/// Bars and numbers of a question in small.
const BARS_SMALL: usize = 5;
/// Widest bar, in the units of its picture.
const WIDTH: f64 = 100.0;
/// Colours of lines, in the order in which the style and the script that draws have them; then they begin again.
const COLORS: usize = 8;

/// An answer's rows, with where its columns stand.
pub(super) struct Drawn {
    pub(super) rows: Vec<Vec<Value>>,
}

impl Drawn {
    pub(super) fn new(answer: &Answer) -> Result<Self, Trouble> {
        Ok(Self { rows: rows_of(answer)? })
    }
}

fn position(columns: &[Column], fits: impl Fn(&Role) -> bool) -> Option<usize> {
    columns.iter().position(|column| fits(&column.role))
}

fn numbers(columns: &[Column]) -> Vec<usize> {
    (0..columns.len()).filter(|at| matches!(columns[*at].role, Role::Value | Role::Percent)).collect()
}

/// The column that names a bar: what is said in words before what is a key.
fn naming(columns: &[Column]) -> Option<usize> {
    let said = position(columns, |role| matches!(role, Role::Label | Role::Step | Role::Event));
    said.or_else(|| position(columns, |role| matches!(role, Role::Key(_) | Role::Note)))
}

/// The picture of an answer.
pub(super) fn picture(visit: &Visit, question: &Question, drawn: &Drawn, small: bool) -> Markup {
    let words = visit.words;
    if drawn.rows.is_empty() {
        return html! { p.empty { (words.say("Nothing in this range.", "この範囲には該当がありません。")) } };
    }
    match question.chart {
        Chart::Lines => lines(words, question, drawn, small),
        Chart::Bars | Chart::Funnel => bars(words, question, drawn, small),
        Chart::Numbers => figures(words, question, drawn),
        Chart::Table if small => {
            html! { p.figure { (words.counted(drawn.rows.len() as u64, "row", "rows", "行")) } }
        }
        Chart::Table => html! {},
    }
}

/// A question in small.
pub(super) fn small(visit: &Visit, question: &Question, answer: &Answer) -> Markup {
    Drawn::new(answer).map_or_else(|_| html! {}, |drawn| picture(visit, question, &drawn, true))
}

fn lines(words: Words, question: &Question, drawn: &Drawn, small: bool) -> Markup {
    let columns = question.columns;
    let Some(x) = position(columns, |role| matches!(role, Role::Time(_))) else {
        return bars(words, question, drawn, small);
    };
    let values = numbers(columns);
    let points: Vec<Vec<&Value>> = std::iter::once(x)
        .chain(values.iter().copied())
        .map(|at| drawn.rows.iter().map(|row| &row[at]).collect())
        .collect();
    let names: Vec<&str> = values.iter().map(|at| words.text(columns[*at].title)).collect();
    let data = json!({ "kind": "line", "names": names, "points": points });
    html! {
        div.chart role="img" data-chart=(data.to_string()) data-small[small]
            aria-label={ (words.text(question.title)) " – " (words.say("the table has the same numbers", "表と同じ値")) } {}
        // In full, a chart says which line is which beside its values.
        @if small && names.len() > 1 { (legend(&names)) }
    }
}

fn legend(names: &[&str]) -> Markup {
    html! {
        p.legend {
            @for (at, name) in names.iter().enumerate() {
                span {
                    svg viewBox="0 0 10 10" width="10" height="10" aria-hidden="true" { rect class={ "c" (at % COLORS + 1) } width="10" height="10" rx="2" {} }
                    " " (name)
                }
            }
        }
    }
}

fn bars(words: Words, question: &Question, drawn: &Drawn, small: bool) -> Markup {
    let columns = question.columns;
    let (Some(name), Some(value)) = (naming(columns), numbers(columns).first().copied()) else {
        return html! {};
    };
    let number = |row: &Vec<Value>| row[value].as_f64().unwrap_or(0.0);
    let most = drawn.rows.iter().map(number).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let shown = if small { BARS_SMALL } else { BARS };
    let mut rows: Vec<&Vec<Value>> = drawn.rows.iter().collect();
    // Where few are shown they are the largest, whatever the order of the answer; steps have one of their own.
    if small && question.chart == Chart::Bars {
        rows.sort_by(|a, b| number(b).total_cmp(&number(a)));
    }
    html! {
        div.hbars.(if small { "" } else { "panel" }) role="img" aria-label={ (words.text(question.title)) " – " (words.say("the table has the same numbers", "表と同じ値")) } {
            @for row in rows.into_iter().take(shown) {
                span { (said(words, question, &columns[name], &row[name])) }
                svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" { rect.c1 width=(format!("{:.2}", number(row) / most * WIDTH)) height="8" {} }
                span.number { (cells::short(words, Kind::Number, &row[value])) }
            }
        }
        @if !small && drawn.rows.len() > BARS { p.fine { "+" (drawn.rows.len() - BARS) " " (words.say("more in the table", "件は表に表示")) } }
    }
}

fn figures(words: Words, question: &Question, drawn: &Drawn) -> Markup {
    let columns = question.columns;
    html! {
        div.cards {
            @for at in numbers(columns) {
                div.card { h2 { (words.text(columns[at].title)) } p.figure { (cells::short(words, Kind::Number, &drawn.rows[0][at])) @if columns[at].role == Role::Percent { " %" } } }
            }
        }
    }
}

/// A value in words: codes and steps have some.
pub(super) fn said(words: Words, question: &Question, column: &Column, value: &Value) -> String {
    let plain = text_of(value).filter(|text| !text.is_empty()).unwrap_or_else(|| "–".to_owned());
    match column.role {
        Role::Step => {
            let step = question.steps.iter().find(|step| step.id == plain);
            step.map_or(plain, |step| words.text(step.title).to_owned())
        }
        Role::Event => event(words, &plain),
        _ => plain,
    }
}

fn event(words: Words, code: &str) -> String {
    events::family_of(code)
        .map_or_else(|| code.to_owned(), |family| format!("{} ({code})", words.text(family.title)))
}

/// A value of an answer as a cell.
pub(super) fn cell(words: Words, column: &Column, steps: Option<&Question>, value: &Value) -> Markup {
    match column.role {
        Role::Key(link) => {
            let text = text_of(value).filter(|text| !text.is_empty());
            let table = CATALOG.table(link.table).filter(|table| table.key == [link.column]);
            match (text, table) {
                (Some(text), Some(table)) => {
                    html! { a href=(address_of(table, &[Some(text.clone())])) { (text) } }
                }
                (Some(text), None) => html! { (text) },
                (None, _) => html! { span.none { "–" } },
            }
        }
        Role::Time(Grain::Day) => {
            html! { (text_of(value).unwrap_or_default().split('T').next().unwrap_or_default()) }
        }
        Role::Time(_) | Role::Instant => cells::short(words, Kind::Time, value),
        Role::Value | Role::Percent => cells::short(words, Kind::Number, value),
        Role::Event => html! { (text_of(value).map_or_else(|| "–".to_owned(), |code| event(words, &code))) },
        Role::Step => match steps {
            Some(question) => html! { (said(words, question, column, value)) },
            None => cells::short(words, Kind::Text, value),
        },
        Role::Label | Role::Note => cells::short(words, Kind::Text, value),
    }
}

pub(super) fn class(role: &Role) -> &'static str {
    match role {
        Role::Value | Role::Percent => "number",
        Role::Time(_) | Role::Instant => "time",
        _ => "text",
    }
}

/// Rows under their headings; `leads` gives where a number of a row leads.
pub(super) fn table(
    words: Words,
    columns: &[Column],
    steps: Option<&Question>,
    drawn: &Drawn,
    leads: impl Fn(&[Value], usize) -> Option<String>,
) -> Markup {
    html! {
        div.scroll.is-tall tabindex="0" role="region" aria-label=(words.say("Rows", "行")) {
            table.rows.is-data {
                thead { tr { @for column in columns { th.(class(&column.role)) scope="col" { (words.text(column.title)) @if column.role == Role::Percent { " %" } } } } }
                tbody {
                    @for row in &drawn.rows {
                        tr { @for (at, column) in columns.iter().enumerate() {
                            td.(class(&column.role)) {
                                @let shown = cell(words, column, steps, row.get(at).unwrap_or(&Value::Null));
                                @match leads(row, at) { Some(to) => { a href=(to) { (shown) } }, None => (shown) }
                            }
                        } }
                    }
                }
            }
        }
        p.fine { (text::count(drawn.rows.len() as u64)) " " (words.say("rows", "行")) }
    }
}

/// Length of what a time on the axis stands for, microseconds.
pub(super) const fn length(grain: Grain) -> i64 {
    match grain {
        Grain::Day => 86_400_000_000,
        Grain::Hour => 3_600_000_000,
        Grain::Instant => 1,
    }
}
