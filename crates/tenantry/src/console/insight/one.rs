//! The page of one question, and the page of the rows behind one of its numbers.

use maud::{Markup, html};
use serde_json::Value;
use tenantry_insight::{Chart, Pick, Question, Role, Rows, Source};
use tenantry_replication::clock::Micros;

use super::super::address::Pairs;
use super::super::explore::text_of;
use super::super::reply::Content;
use super::super::sql::asked;
use super::super::visit::Visit;
use super::answers::{Waiting, counting};
use super::draw::{self, Drawn};
use super::filter::{self, Chosen};

/// Rows behind a number that are shown.
const ROWS: usize = 500;

pub(super) async fn page(visit: &Visit, question: &'static Question) -> Content {
    let words = visit.words;
    let console = &visit.console;
    let figures = console.figures().await?;
    let chosen = Chosen::read(&visit.query, figures.asked_at);
    let found = Waiting::one(console, &figures).question(question, &chosen).await.transpose()?;
    let drawn = found.map(|answer| Drawn::new(&answer)).transpose()?;
    let sql = question.sql(&chosen.heeded(question.takes).filter, Source::Tables);
    Ok(html! {
        p.lead { (words.text(question.about)) }
        (filter::form(visit, &chosen, Some(question)))
        div data-live="reload" {
            @match &drawn { Some(drawn) => (draw::picture(visit, question, drawn, false)), None => (counting(visit)) }
        }
        (behind(visit, &sql))
        div data-live="reload" {
            @if let Some(drawn) = drawn.as_ref().filter(|drawn| question.chart == Chart::Table || !drawn.rows.is_empty()) {
                h2 { (words.say("The same as a table", "表で表示")) }
                (draw::table(words, question.columns, Some(question), drawn, |row, at| leads(question, &chosen, row, at)))
            }
        }
    })
}

/// The SQL, and the way to the editor with it.
pub(super) fn behind(visit: &Visit, sql: &str) -> Markup {
    let words = visit.words;
    html! {
        details.columns {
            summary { "SQL" }
            pre.code { (sql) }
            p { a href=(Pairs::default().with("q", sql).behind("/sql")) { (words.say("Open in the editor", "エディターで開く")) " →" } }
        }
    }
}

/// Where a number leads: to the rows behind it.
fn leads(question: &Question, chosen: &Chosen, row: &[Value], at: usize) -> Option<String> {
    if matches!(question.rows, Rows::Itself) || !matches!(question.columns[at].role, Role::Value) {
        return None;
    }
    let mut pairs = chosen.pairs().with("value", question.columns[at].name);
    let mut labels = ["label", "also"].iter();
    for (column, value) in question.columns.iter().zip(row) {
        match column.role {
            Role::Label | Role::Step | Role::Event | Role::Key(_) => {
                if let Some(name) = labels.next() {
                    pairs = pairs.with(name, &text_of(value).unwrap_or_default());
                }
            }
            Role::Time(_) => pairs = pairs.with("at", &text_of(value).unwrap_or_default()),
            _ => {}
        }
    }
    Some(pairs.behind(&format!("/insight/{}/rows", question.id)))
}

/// What was picked, as the address has it.
fn picked(query: &Pairs, question: &Question) -> Pick {
    let text = |name: &str| query.all(name).next().map(str::to_owned);
    let grain = question.columns.iter().find_map(|column| match column.role {
        Role::Time(grain) => Some(grain),
        _ => None,
    });
    let at = query.get("at").and_then(micros);
    let span = grain.zip(at).map(|(grain, at)| (at, at.saturating_add(draw::length(grain))));
    Pick { label: text("label"), also: text("also"), value: text("value"), span }
}

fn micros(rfc3339: &str) -> Option<Micros> {
    rfc3339.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_microsecond)
}

pub(super) async fn rows(visit: &Visit, question: &'static Question) -> Content {
    let words = visit.words;
    let figures = visit.console.figures().await?;
    let chosen = Chosen::read(&visit.query, figures.asked_at);
    let pick = picked(&visit.query, question);
    let sql = question
        .rows_sql(&chosen.filter, &pick, ROWS)
        .unwrap_or_else(|| question.sql(&chosen.filter, Source::Tables));
    let answer = asked(&visit.console, &sql, ROWS).await?;
    let drawn = Drawn::new(&answer)?;
    Ok(html! {
        p.lead {
            a href=(chosen.behind(&format!("/insight/{}", question.id))) { (words.text(question.title)) }
            " · " (words.say("the rows behind a number", "数値の根拠となる行"))
            @for text in [visit.query.get("at"), visit.query.get("label"), visit.query.get("also")].into_iter().flatten() { " · " b { (text) } }
        }
        (behind(visit, &sql))
        @if drawn.rows.len() == ROWS { p.fine { (words.say("The first of them; the SQL has no end but its limit.", "先頭のみ表示（SQLの上限まで）。")) } }
        @if drawn.rows.is_empty() { p.empty { (words.say("No rows.", "行がありません。")) } }
        @else { (draw::table(words, question.rows_columns(), None, &drawn, |_, _| None)) }
    })
}
