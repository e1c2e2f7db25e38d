//! Questions in SQL: an editor with the catalog's names at hand, the answer as a table and as a chart, the question in the address.
//!
//! Read-only on one moment of the tables, with limits on rows and time; whoever goes away ends their question.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::{Value, json};
use tenantry_replication::catalog::{CATALOG, schema};
use tenantry_replication::destination::Answer;

use super::Console;
use super::address::Pairs;
use super::assets::address;
use super::cells::{self, Kind};
use super::reply::{self, Content, Trouble};
use super::visit::Visit;
use crate::terminal::{text, values};

/// Rows that a page shows.
const ROWS_MAX: usize = 500;
/// How long a question may take.
pub(super) const TIME_MAX: Duration = Duration::from_secs(30);
/// Points that a chart draws.
const POINTS_MAX: usize = 2_000;

pub(super) async fn page(visit: &Visit) -> Content {
    let question = visit.query.get("q").map(str::trim).filter(|question| !question.is_empty());
    let answer = match question {
        Some(question) => Some(answered(visit, question).await),
        None => None,
    };
    Ok(html! {
        (editor(visit, question))
        @match answer {
            Some(Ok(answer)) => (answer),
            Some(Err(trouble)) => (reply::sorry(visit.words, &trouble)),
            None => (examples(visit)),
        }
    })
}

fn editor(visit: &Visit, question: Option<&str>) -> Markup {
    let words = visit.words;
    html! {
        form #question.question method="get" action="/sql" data-names="/sql/names" {
            label.hidden-text for="q" { (words.say("Question in SQL", "SQL")) }
            div.editor {
                textarea #q name="q" rows="6" spellcheck="false" autocapitalize="off" autocomplete="off" data-focus="/"
                    role="combobox" aria-autocomplete="list" aria-expanded="false" aria-controls="names" aria-label=(words.say("Question in SQL", "SQL"))
                    placeholder=(format!("select * from {}.{} limit 10", schema::NAMESPACE, CATALOG.streams[0].root().name)) { (question.unwrap_or_default()) }
                ul #names.offers role="listbox" aria-label=(words.say("Suggestions", "候補")) hidden {}
            }
            div.actions {
                button.button type="submit" { (words.say("Run", "実行")) " " kbd { "Ctrl ⏎" } }
                button #cancel.button.is-quiet type="button" hidden { (words.say("Cancel", "中止")) }
                @if visit.query.has("reveal") { input type="hidden" name="reveal" value="1"; }
                span.fine {
                    (words.say("Read-only, at most ", "読み取り専用、最大")) (text::count(ROWS_MAX as u64)) (words.say(" rows and ", "行・")) (TIME_MAX.as_secs()) (words.say(" s", "秒"))
                }
            }
        }
        script defer src=(address("sql.js")) {}
    }
}

/// Asks within the limits.
pub(super) async fn asked(console: &Console, question: &str, rows_max: usize) -> Result<Answer, Trouble> {
    tokio::select! {
        answer = console.reader.ask(question, rows_max) => Ok(answer?),
        () = console.clock.sleep(TIME_MAX) => Err(Trouble {
            what: format!("the question took longer than {} s and was ended", TIME_MAX.as_secs()),
            hint: None,
        }),
    }
}

async fn answered(visit: &Visit, question: &str) -> Content {
    let words = visit.words;
    let begun = visit.console.clock.monotonic();
    let answer = asked(&visit.console, question, ROWS_MAX).await?;
    let took = visit.console.clock.monotonic().saturating_sub(begun);
    let hides = is_sensitive(question, &answer);
    let revealed = visit.query.has("reveal");
    Ok(html! {
        p.found role="status" {
            (words.counted(answer.len() as u64, "row", "rows", "行")) @if answer.is_cut { "+" }
            " · " (format!("{:.0} ms", took.as_secs_f64() * 1_000.0))
            @if revealed || !hides.contains(&true) { (exports(visit, question)) }
        }
        @if hides.iter().any(|hides| *hides) {
            @let other = if revealed { visit.query.clone().without("reveal") } else { visit.query.clone().with("reveal", "1") };
            p { a.chip href=(other.behind("/sql")) {
                @if revealed { (words.say("Hide sensitive values", "機微な値を隠す")) } @else { (words.say("Show sensitive values", "機微な値を表示")) }
            } }
        }
        (chart(visit, &answer))
        (table(visit, &answer, &hides, revealed)?)
    })
}

/// Ways to take the answer along; sensitive values go along where they are shown.
fn exports(visit: &Visit, question: &str) -> Markup {
    let asked = Pairs::default().with("q", question);
    let asked = if visit.query.has("reveal") { asked.with("reveal", "1") } else { asked };
    html! {
        span.exports {
            (visit.words.say("Export: ", "エクスポート："))
            @for (kind, name) in [("csv", "CSV"), ("json", "JSON"), ("parquet", "Parquet")] {
                a href=(asked.clone().with("as", kind).behind("/sql/export")) { (name) } " "
            }
        }
    }
}

/// Which columns of an answer hold what is shown only when it is asked for: by name, where the question names their table.
pub(super) fn is_sensitive(question: &str, answer: &Answer) -> Vec<bool> {
    let question = question.to_ascii_lowercase();
    let words: Vec<&str> = question.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).collect();
    let named = CATALOG.tables().filter(|table| words.contains(&table.name));
    let hidden: Vec<&str> = named
        .flat_map(|table| table.columns)
        .filter(|column| column.sensitive)
        .map(|column| column.name)
        .collect();
    let schema = answer.batches.first().map(arrow_array::RecordBatch::schema);
    let fields = schema.iter().flat_map(|schema| schema.fields().iter());
    fields.map(|field| hidden.contains(&field.name().as_str())).collect()
}

/// An answer as a table.
pub(super) fn table(visit: &Visit, answer: &Answer, hides: &[bool], revealed: bool) -> Content {
    let words = visit.words;
    let Some(first) = answer.batches.first() else { return Ok(html! {}) };
    let schema = first.schema();
    let kinds: Vec<Kind> = schema.fields().iter().map(|field| Kind::of_arrow(field.data_type())).collect();
    let mut rows: Vec<Markup> = Vec::with_capacity(answer.len());
    values::for_each_row(&answer.batches, |row| {
        rows.push(html! { tr { @for (at, (_, value)) in row.iter().enumerate() {
            td.(kinds[at].class()) {
                @if hides.get(at) == Some(&true) && !revealed && !value.is_null() { (cells::hidden(words)) } @else { (cells::short(words, kinds[at], value)) }
            }
        } } });
    })?;
    Ok(html! {
        @if rows.is_empty() { p.empty { (words.say("No rows.", "行がありません。")) } }
        @else {
            div.scroll.is-tall tabindex="0" role="region" aria-label=(words.say("Answer", "結果")) {
                table.rows.is-data {
                    thead { tr { @for (field, kind) in schema.fields().iter().zip(&kinds) { th.(kind.class()) scope="col" { (field.name()) } } } }
                    tbody { @for row in rows { (row) } }
                }
            }
        }
    })
}

/// A chart where the answer has something to draw: numbers over a time, or over a few names.
fn chart(visit: &Visit, answer: &Answer) -> Markup {
    let Some(drawn) = drawn(answer) else { return html! {} };
    let words = visit.words;
    html! {
        figure.chart data-chart=(drawn.to_string()) role="img" aria-label=(words.say("Chart of the answer; the table has the same numbers", "結果のグラフ（表と同じ値）")) {}
    }
}

/// What a chart needs: the kind, the names of the series, and the points, column by column.
fn drawn(answer: &Answer) -> Option<Value> {
    let schema = answer.batches.first()?.schema();
    let kinds: Vec<Kind> = schema.fields().iter().map(|field| Kind::of_arrow(field.data_type())).collect();
    let numbers: Vec<usize> = (0..kinds.len()).filter(|at| kinds[*at] == Kind::Number).collect();
    let x = (0..kinds.len()).find(|at| matches!(kinds[*at], Kind::Time | Kind::Text))?;
    if numbers.is_empty() || !(2..=POINTS_MAX).contains(&answer.len()) {
        return None;
    }
    let mut columns: Vec<Vec<Value>> = vec![Vec::new(); numbers.len() + 1];
    values::for_each_row(&answer.batches, |row| {
        columns[0].push(row[x].1.clone());
        for (to, from) in numbers.iter().enumerate() {
            columns[to + 1].push(row[*from].1.clone());
        }
    })
    .ok()?;
    let names: Vec<&str> = numbers.iter().map(|at| schema.field(*at).name().as_str()).collect();
    let kind = if kinds[x] == Kind::Time { "line" } else { "bars" };
    Some(json!({ "kind": kind, "names": names, "points": columns }))
}

/// Questions to begin with: those of the tables.
fn examples(visit: &Visit) -> Markup {
    let words = visit.words;
    html! {
        section {
            h2 { (words.say("Questions to begin with", "はじめの質問")) }
            ul.plain.is-columns {
                @for table in CATALOG.tables() {
                    li { a href=(Pairs::default().with("q", table.example.sql).behind("/sql")) { (words.text(table.example.asks)) } " " span.fine { (table.name) } }
                }
            }
        }
    }
}

/// The catalog's names with what they mean, for the editor.
pub(super) fn names(visit: &Visit) -> Response {
    let words = visit.words;
    let tables: Vec<Value> = CATALOG
        .tables()
        .map(|table| {
            let columns: Vec<[&str; 2]> =
                table.columns.iter().map(|column| [column.name, words.text(column.about)]).collect();
            json!({ "name": table.name, "about": words.text(table.about), "columns": columns })
        })
        .collect();
    let document = json!({ "schema": schema::NAMESPACE, "tables": tables });
    reply::part(StatusCode::OK, "application/json", document.to_string())
}
