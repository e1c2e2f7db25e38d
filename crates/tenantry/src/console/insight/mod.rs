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
use self::filter::Chosen;
use super::reply::{self, Content};
use super::server::nowhere;
use super::visit::Visit;

/// All questions, in their groups, each drawn small.
pub(super) async fn index(visit: &Visit) -> Content {
    let words = visit.words;
    let figures = visit.console.figures().await?;
    let chosen = Chosen::read(&visit.query, figures.at);
    let grouped = |group: Group| QUESTIONS.iter().filter(move |question| question.group == group);
    Ok(html! {
        (filter::form(visit, &chosen, None))
        @for group in Group::ALL {
            section {
                h2 { (words.text(group.title())) }
                div.grid { @for question in grouped(group) { (panel(visit, &figures.answers, question, &chosen)) } }
            }
        }
        section {
            h2 { (words.say("What these tables cannot tell", "このデータでは分からないこと")) }
            ul.plain.is-columns { @for one in UNANSWERED { li { b { (words.text(one.title)) } " " span.fine { (words.text(one.why)) } } } }
        }
    })
}

/// A question in small: drawn where its answer is there already.
fn panel(visit: &Visit, answers: &Answers, question: &'static Question, chosen: &Chosen) -> Markup {
    let words = visit.words;
    let address = chosen.behind(&format!("/insight/{}", question.id));
    html! {
        article.panel {
            h3 { a href=(address) { (words.text(question.title)) } }
            @match answers.peek(&answers::key(question, chosen)) {
                Some(answer) => (draw::small(visit, question, &answer)),
                None => { p.fine { (words.text(question.about)) } }
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
