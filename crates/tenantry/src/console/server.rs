//! From a request to a page: who may pass, which page an address means, and what is done by forms.
//!
//! The one list of all addresses. Nothing is done by a GET but to show; nothing is shown before the request has passed the door.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use maud::html;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::address::Pairs;
use super::reply::{self, Trouble};
use super::visit::{self, Theme, Visit};
use super::words::Words;
use super::{Console, assets, demo, diagram, explain, explore, export, insight, live, overview, sql, syncs};
use crate::error::CommandError;
use crate::terminal;

/// Bytes of a form.
const FORM_BYTES_MAX: usize = 256 << 10;
/// How long somebody who gave a wrong password waits for the answer.
const WRONG_PASSWORD: Duration = Duration::from_secs(1);
/// How long answers under way may go on when the console ends.
const FAREWELL: Duration = Duration::from_millis(500);

/// Serves until told to stop.
pub(super) async fn serve(
    console: Arc<Console>,
    listener: TcpListener,
    mut stop: watch::Receiver<bool>,
) -> Result<(), CommandError> {
    let keeping = tokio::spawn(Arc::clone(&console).keep_up());
    let router = Router::new().fallback(answer).with_state(Arc::clone(&console));
    let mut told = stop.clone();
    let until = async move {
        // The sender's end is word enough.
        let _ = told.wait_for(|asked| *asked).await;
    };
    let serving = axum::serve(listener, router).with_graceful_shutdown(until).into_future();
    let late = async {
        let _ = stop.wait_for(|asked| *asked).await;
        console.clock.sleep(FAREWELL).await;
    };
    let ended = tokio::select! {
        ended = serving => ended.map_err(CommandError::from),
        // A browser that watches does not hang up by itself.
        () = late => Ok(()),
    };
    keeping.abort();
    ended
}

async fn answer(State(console): State<Arc<Console>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let words = visit::language(&head.headers);
    let refuse = |refusal| reply::refuse(words, refusal, console.access.has_password(), false);
    if let Err(refusal) = console.access.check_origin(&head.method, &head.headers) {
        return refuse(refusal);
    }
    let path = head.uri.path().to_owned();
    let query = Pairs::parse(head.uri.query().unwrap_or_default().as_bytes());
    let reads = head.method == Method::GET || head.method == Method::HEAD;
    if !reads && head.method != Method::POST {
        return reply::part(StatusCode::METHOD_NOT_ALLOWED, "text/plain; charset=utf-8", "");
    }
    let form = if reads {
        Pairs::default()
    } else {
        match to_bytes(body, FORM_BYTES_MAX).await {
            Ok(bytes) => Pairs::parse(&bytes),
            Err(_) => return reply::part(StatusCode::PAYLOAD_TOO_LARGE, "text/plain; charset=utf-8", ""),
        }
    };
    if let Some(response) = before_the_door(&console, words, reads, &path, &query, &form).await {
        return response;
    }
    let session = match console.access.session(&head.headers) {
        Ok(session) => session,
        Err(refusal) => return refuse(refusal),
    };
    if !reads && let Err(refusal) = session.check_word(form.get("word")) {
        return refuse(refusal);
    }
    let theme = Theme::of(&head.headers);
    let visit = Visit { console: Arc::clone(&console), words, theme, session, path, query };
    if reads { show(&visit, &head.headers).await } else { act(&visit, &form).await }
}

/// What needs no session: style and scripts, which tell nothing, and the ways in.
async fn before_the_door(
    console: &Arc<Console>,
    words: Words,
    reads: bool,
    path: &str,
    query: &Pairs,
    form: &Pairs,
) -> Option<Response> {
    if let (true, Some(name)) = (reads, path.strip_prefix("/assets/")) {
        let missing = || reply::part(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "");
        return Some(assets::find(name).map_or_else(missing, reply::asset));
    }
    let admitted = match (reads, path) {
        (true, "/open") => {
            let admitted = console.access.open(query.get("token").unwrap_or_default());
            if admitted.is_ok() {
                say_next_link(console);
            }
            admitted
        }
        (false, "/login") if console.access.has_password() => {
            let admitted = console.access.log_in(form.get("password").unwrap_or_default());
            if admitted.is_err() {
                console.clock.sleep(WRONG_PASSWORD).await;
            }
            admitted
        }
        _ => return None,
    };
    Some(match admitted {
        Ok(cookie) => reply::with_cookie(reply::redirect("/"), &cookie),
        Err(refusal) => reply::refuse(words, refusal, console.access.has_password(), !reads),
    })
}

/// The link is spent; the next one lets another browser in.
fn say_next_link(console: &Console) {
    if let Ok(link) = console.link() {
        terminal::message(&format!("the console was opened; for another browser, once: {link}"));
    }
}

/// Shows a page.
async fn show(visit: &Visit, headers: &HeaderMap) -> Response {
    let words = visit.words;
    let segments: Vec<String> = visit.path.split('/').skip(1).map(decoded).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let own = visit.clone();
    match segments.as_slice() {
        [""] => reply::page(visit, words.say("Overview", "概要"), async move { overview::page(&own).await }),
        ["explain", code] => match explain::of(code) {
            Some(code) => reply::page(visit, code.title(words), async move { Ok(explain::page(&own, code)) }),
            None => nowhere(visit),
        },
        ["insight"] => {
            reply::page(visit, words.say("Insight", "インサイト"), async move { insight::index(&own).await })
        }
        ["insight", id] => insight::question(visit, id),
        ["insight", id, "rows"] => insight::rows(visit, id),
        ["detections"] => reply::page(visit, words.say("Detections", "検出"), async move {
            insight::detections::index(&own).await
        }),
        ["detections", id] => insight::detections::one(visit, id),
        ["explore"] => {
            reply::page(visit, words.say("Explore", "データ"), async move { explore::index(&own).await })
        }
        ["explore", table] => explore::table(visit, table),
        ["explore", table, "row"] => explore::row(visit, table),
        ["sql"] => reply::page(visit, "SQL", async move { sql::page(&own).await }),
        ["sql", "export"] => export::file(visit).await,
        ["sql", "names"] => sql::names(visit),
        ["diagram"] => {
            reply::page(visit, words.say("Diagram", "ER図"), async move { diagram::page(&own).await })
        }
        ["syncs"] => reply::page(visit, words.say("Syncs", "同期"), async move { syncs::page(&own).await }),
        ["demo"] if visit.console.stage.is_some() => {
            reply::page(visit, words.say("Demo", "デモ"), async move { demo::page(&own).await })
        }
        ["syncs", "events"] => live::events(&visit.console.live, headers),
        ["syncs", run] => syncs::run(visit, run),
        _ => nowhere(visit),
    }
}

/// Does what a form asks for, and goes on to a page.
async fn act(visit: &Visit, form: &Pairs) -> Response {
    match visit.path.as_str() {
        "/choose" => choose(form),
        "/demo" => demo::act(visit, form),
        "/syncs" => syncs::order(visit, form).await,
        _ => nowhere(visit),
    }
}

/// Keeps a choice of language or theme.
fn choose(form: &Pairs) -> Response {
    let mut response = reply::redirect(form.get("back").unwrap_or("/"));
    if let Some(words) = form.get("language").and_then(Words::of_code) {
        response = reply::with_cookie(response, &visit::choice("language", words.code()));
    }
    if let Some(theme) = form.get("theme") {
        response = reply::with_cookie(response, &visit::choice("theme", Theme::of_code(theme).code()));
    }
    response
}

/// There is no such page.
pub(super) fn nowhere(visit: &Visit) -> Response {
    let words = visit.words;
    let trouble = Trouble {
        what: words.say("There is no such page.", "このページはありません。").to_owned(),
        hint: None,
    };
    let content = html! {
        (reply::sorry(words, &trouble))
        p { a href="/" { (words.say("Go to the overview", "概要へ")) } }
    };
    reply::whole(visit, StatusCode::NOT_FOUND, words.say("Not found", "見つかりません"), &content)
}

/// A segment of a path as it is meant.
fn decoded(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned()
}
