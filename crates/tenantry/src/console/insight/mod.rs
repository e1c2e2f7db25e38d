//! What people ask of the tables: each question drawn, with its SQL one click away and every number leading to its rows.
//!
//! The questions are data of `tenantry-insight`; answers are kept per run, so that a page only draws.

mod answers;
pub(super) mod detections;
mod draw;
mod filter;
mod one;

use axum::response::Response;
use maud::{Markup, html};
use tenantry_insight::{Group, QUESTIONS, Question, UNANSWERED};

pub(super) use self::answers::Answers;
use self::answers::{Found, Waiting, counting};
use self::filter::Chosen;
use super::reply::{self, Content};
use super::server::nowhere;
use super::visit::Visit;

/// All questions, in their groups, each drawn small.
pub(super) async fn index(visit: &Visit) -> Content {
    let words = visit.words;
    let figures = visit.console.figures().await?;
    let chosen = Chosen::read(&visit.query, figures.asked_at);
    let waiting = Waiting::many(&visit.console, &figures);
    let mut found = Vec::with_capacity(QUESTIONS.len());
    for question in QUESTIONS {
        found.push((question, waiting.question(question, &chosen).await));
    }
    let grouped = |group: Group| found.iter().filter(move |(question, _)| question.group == group);
    Ok(html! {
        (filter::form(visit, &chosen, None))
        @for group in Group::ALL {
            section {
                h2 { (words.text(group.title())) }
                div.grid data-live="reload" { @for (question, found) in grouped(group) { (panel(visit, question, found.as_ref(), &chosen)) } }
            }
        }
        section {
            h2 { (words.say("What these tables cannot tell", "このデータでは分からないこと")) }
            ul.plain.is-columns { @for one in UNANSWERED { li { b { (words.text(one.title)) } " " span.fine { (words.text(one.why)) } } } }
        }
    })
}

/// A question in small.
fn panel(visit: &Visit, question: &Question, found: Option<&Found>, chosen: &Chosen) -> Markup {
    let words = visit.words;
    let address = chosen.behind(&format!("/insight/{}", question.id));
    html! {
        article.panel {
            h3 { a href=(address) { (words.text(question.title)) } }
            @match found {
                Some(Ok(answer)) => (draw::small(visit, question, answer)),
                // Its page says why.
                Some(Err(_)) => { p.fine { (words.text(question.about)) } span.badge.is-bad { (words.say("failed", "失敗")) } },
                None => (counting(visit)),
            }
        }
    }
}

/// One question.
pub(super) fn question(visit: &Visit, id: &str) -> Response {
    let Some(question) = tenantry_insight::question(id) else { return nowhere(visit) };
    let own = visit.clone();
    reply::page(visit, visit.words.text(question.title), async move { one::page(&own, question).await })
}

/// The rows behind a number.
pub(super) fn rows(visit: &Visit, id: &str) -> Response {
    let Some(question) = tenantry_insight::question(id) else { return nowhere(visit) };
    let own = visit.clone();
    reply::page(visit, visit.words.text(question.title), async move { one::rows(&own, question).await })
}
