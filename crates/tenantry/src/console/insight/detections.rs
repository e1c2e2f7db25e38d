//! What should make somebody look, and how the tenant is set up: findings by severity, hygiene checks, and the score that they make.

use axum::response::Response;
use maud::{Markup, html};
use tenantry_insight::{
    CHECKS, Check, Column, DETECTIONS, Detection, Severity, UNANSWERED, Verdict, posture,
};
use tenantry_replication::destination::Answer;

use super::super::kept::Figures;
use super::super::reply::{self, Content};
use super::super::server::nowhere;
use super::super::visit::Visit;
use super::super::words::Words;
use super::answers::{Found, Waiting, counting};
use super::draw::{self, Drawn};
use super::filter::{self, Chosen};
use super::one::behind;

/// Length of the gauge's ring.
const RING: f64 = 326.7;

/// How far a detection has come.
enum State {
    /// The tables that it reads were never filled.
    NoData,
    Counting,
    Answered(Found),
}

/// All of them.
pub(in crate::console) async fn index(visit: &Visit) -> Content {
    let words = visit.words;
    let figures = visit.console.figures().await?;
    let chosen = Chosen::read(&visit.query, figures.asked_at);
    let waiting = Waiting::many(&visit.console, &figures);
    let mut checks = Vec::with_capacity(CHECKS.len());
    for check in CHECKS {
        checks.push((check, verdict(&figures, check, waiting.check(check).await)));
    }
    let mut found = Vec::with_capacity(DETECTIONS.len());
    for detection in DETECTIONS {
        let answer = if is_there(&figures, detection.tables) {
            waiting.detection(detection, &chosen).await.map_or(State::Counting, State::Answered)
        } else {
            State::NoData
        };
        found.push((detection, answer));
    }
    let findings = |one: &(&Detection, State)| match &one.1 {
        State::Answered(Ok(answer)) => answer.len(),
        _ => 0,
    };
    found.sort_by_key(|one| (findings(one) == 0, std::cmp::Reverse(one.0.severity)));
    Ok(html! {
        div data-live="reload" {
            (posture_card(words, &checks))
            (filter_of(visit, &chosen))
            (detections(words, &chosen, &found))
            (hygiene(words, &checks))
            section {
                h2 { (words.say("What these tables cannot tell", "このデータでは分からないこと")) }
                ul.plain.is-columns { @for one in UNANSWERED { li { b { (words.text(one.title)) } " " span.fine { (words.text(one.why)) } } } }
            }
        }
    })
}

fn filter_of(visit: &Visit, chosen: &Chosen) -> Markup {
    // Only time narrows detections.
    filter::days(visit, chosen)
}

/// Whether any run has filled these tables.
fn is_there(figures: &Figures, tables: &[&str]) -> bool {
    tables
        .iter()
        .all(|name| figures.table(name).is_some_and(|table| table.last_success.is_some() || table.live > 0))
}

/// `None` while it is being counted.
fn verdict(figures: &Figures, check: &Check, answer: Option<Found>) -> Option<Verdict> {
    Some(match answer? {
        Ok(answer) if is_there(figures, check.tables) => match answer.len() {
            0 => Verdict::Pass,
            many => Verdict::Fail(many as u64),
        },
        _ => Verdict::Unknown,
    })
}

fn posture_card(words: Words, checks: &[(&'static Check, Option<Verdict>)]) -> Markup {
    let is_whole = checks.iter().all(|(_, verdict)| verdict.is_some());
    let known = checks.iter().filter_map(|(check, verdict)| Some((*check, (*verdict)?)));
    // A part of the checks would make another score.
    let score = posture(known).filter(|_| is_whole);
    let passed = checks.iter().filter(|(_, verdict)| *verdict == Some(Verdict::Pass)).count();
    let length = f64::from(score.unwrap_or(0)) / 100.0 * RING;
    html! {
        section.panel.gauge aria-label=(words.say("Posture", "セキュリティ態勢")) {
            svg viewBox="0 0 120 120" role="img" aria-label={ (words.say("Posture score ", "態勢スコア ")) (score.map_or_else(|| "–".to_owned(), |score| score.to_string())) } {
                circle.gauge-track cx="60" cy="60" r="52" {}
                circle.gauge-value cx="60" cy="60" r="52" stroke-dasharray=(format!("{length:.1} {RING}")) transform="rotate(-90 60 60)" {}
                text.gauge-text x="60" y="69" text-anchor="middle" { (score.map_or_else(|| "–".to_owned(), |score| score.to_string())) }
            }
            div {
                h2 { (words.say("Posture score", "態勢スコア")) }
                @if is_whole { p { (passed) " / " (checks.len()) " " (words.say("checks pass", "項目が合格")) } }
                @else { p { (words.say("The checks are being counted.", "項目を集計しています。")) } }
                p.fine { (words.say("The weight of the checks that pass, of all that have an answer.", "回答のある項目の重みのうち、合格した割合。")) }
            }
        }
    }
}

fn detections(words: Words, chosen: &Chosen, found: &[(&'static Detection, State)]) -> Markup {
    html! {
        section {
            h2 { (words.say("Detections", "検出")) }
            div.scroll tabindex="0" role="region" aria-label=(words.say("Detections", "検出")) {
                table.rows {
                    thead { tr {
                        th scope="col" { (words.say("Severity", "重大度")) }
                        th.number scope="col" { (words.say("Findings", "件数")) }
                        th scope="col" { (words.say("Detection", "検出")) }
                    } }
                    tbody {
                        @for (detection, answer) in found {
                            tr {
                                td { (severity(words, detection.severity)) }
                                td.number {
                                    @match answer {
                                        State::Answered(Ok(answer)) => { @if answer.is_empty() { span.none { "0" } } @else { b { (answer.len()) @if answer.is_cut { "+" } } } },
                                        State::Answered(Err(_)) => { span.badge.is-bad { (words.say("failed", "失敗")) } },
                                        State::NoData => { span.none { (words.say("no data", "データなし")) } },
                                        State::Counting => { span.none { (words.say("counting…", "集計中…")) } }
                                    }
                                }
                                td.wide {
                                    a href=(chosen.behind(&format!("/detections/{}", detection.id))) { (words.text(detection.title)) }
                                    @if detection.lacks.is_some() { " " span.tag { (words.say("in part", "一部")) } }
                                    p.fine { (words.text(detection.about)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn severity(words: Words, severity: Severity) -> Markup {
    let class = match severity {
        Severity::High => "is-bad",
        Severity::Medium => "is-warn",
        Severity::Low => "is-plain",
    };
    html! { span.badge.(class) { (words.text(severity.title())) } }
}

fn hygiene(words: Words, checks: &[(&'static Check, Option<Verdict>)]) -> Markup {
    let mut sorted: Vec<_> = checks.iter().collect();
    sorted.sort_by_key(|(check, verdict)| {
        (!matches!(verdict, Some(Verdict::Fail(_))), std::cmp::Reverse(check.weight))
    });
    html! {
        section {
            h2 { (words.say("Hygiene", "設定の健全性")) }
            div.scroll tabindex="0" role="region" aria-label=(words.say("Hygiene", "設定の健全性")) {
                table.rows {
                    thead { tr {
                        th scope="col" { (words.say("Result", "結果")) }
                        th.number scope="col" { (words.say("Weight", "重み")) }
                        th scope="col" { (words.say("Check", "項目")) }
                    } }
                    tbody {
                        @for (check, verdict) in sorted {
                            tr {
                                td { @match verdict {
                                    Some(Verdict::Pass) => { span.badge.is-good { (words.say("pass", "合格")) } },
                                    Some(Verdict::Fail(many)) => { span.badge.is-bad { (words.say("fail", "不合格")) " " (many) } },
                                    Some(Verdict::Unknown) => { span.badge.is-plain { (words.say("no data", "データなし")) } },
                                    None => { span.none { (words.say("counting…", "集計中…")) } },
                                } }
                                td.number { (check.weight) }
                                td.wide {
                                    a href={ "/detections/" (check.id) } { (words.text(check.title)) }
                                    p.fine { (words.text(check.about)) }
                                    @if matches!(verdict, Some(Verdict::Fail(_))) { p { (words.text(check.fix)) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// One detection or check, with what it found.
pub(in crate::console) fn one(visit: &Visit, id: &str) -> Response {
    let own = visit.clone();
    if let Some(detection) = tenantry_insight::detection(id) {
        return reply::page(visit, visit.words.text(detection.title), async move {
            detected(&own, detection).await
        });
    }
    match tenantry_insight::check(id) {
        Some(check) => {
            reply::page(visit, visit.words.text(check.title), async move { checked(&own, check).await })
        }
        None => nowhere(visit),
    }
}

async fn detected(visit: &Visit, detection: &'static Detection) -> Content {
    let words = visit.words;
    let figures = visit.console.figures().await?;
    let chosen = Chosen::read(&visit.query, figures.asked_at);
    let waiting = Waiting::one(&visit.console, &figures);
    let answer = waiting.detection(detection, &chosen).await.transpose()?;
    Ok(html! {
        p.lead { (severity(words, detection.severity)) " " (words.text(detection.about)) }
        (filter_of(visit, &chosen))
        section.notice { h2 { (words.say("What to do", "対処")) } p { (words.text(detection.fix)) } }
        @if let Some(lacks) = detection.lacks { section.notice.is-warn { h2 { (words.say("What it cannot tell", "分からないこと")) } p { (words.text(lacks)) } } }
        (behind(visit, &detection.sql(&chosen.filter)))
        (list(visit, detection.columns, answer.as_deref())?)
    })
}

async fn checked(visit: &Visit, check: &'static Check) -> Content {
    let words = visit.words;
    let figures = visit.console.figures().await?;
    let answer = Waiting::one(&visit.console, &figures).check(check).await.transpose()?;
    let usual = Chosen::usual(figures.asked_at);
    Ok(html! {
        p.lead { (words.text(check.about)) }
        section.notice { h2 { (words.say("What to do", "対処")) } p { (words.text(check.fix)) } }
        (behind(visit, &check.sql(&usual.filter)))
        (list(visit, check.columns, answer.as_deref())?)
    })
}

fn list(visit: &Visit, columns: &[Column], answer: Option<&Answer>) -> Content {
    let words = visit.words;
    let Some(answer) = answer else { return Ok(html! { div data-live="reload" { (counting(visit)) } }) };
    let drawn = Drawn::new(answer)?;
    Ok(html! {
        @if drawn.rows.is_empty() { p.empty { (words.say("Nothing found.", "該当はありません。")) } }
        @else { (draw::table(words, columns, None, &drawn, |_, _| None)) }
    })
}
