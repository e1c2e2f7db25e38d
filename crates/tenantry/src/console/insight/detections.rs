//! What should make somebody look, and how the tenant is set up: findings by severity, hygiene checks, and the score that they make.

use std::sync::Arc;

use axum::response::Response;
use maud::{Markup, html};
use tenantry_insight::{
    CHECKS, Check, Column, DETECTIONS, Detection, Severity, UNANSWERED, Verdict, posture,
};
use tenantry_replication::destination::Answer;

use super::super::kept::Figures;
use super::super::reply::{self, Content, Trouble};
use super::super::server::nowhere;
use super::super::visit::Visit;
use super::super::words::Words;
use super::draw::{self, Drawn};
use super::filter::{self, Chosen};
use super::one::behind;

/// Length of the gauge's ring.
const RING: f64 = 326.7;

/// What a detection found; `None` where the tables that it reads were never filled.
type Found = Option<Result<Arc<Answer>, Trouble>>;

/// All of them.
pub(in crate::console) async fn index(visit: &Visit) -> Content {
    let words = visit.words;
    let console = &visit.console;
    let figures = console.figures().await?;
    let chosen = Chosen::read(&visit.query, figures.at);
    let mut checks = Vec::with_capacity(CHECKS.len());
    for check in CHECKS {
        checks.push((check, verdict(&figures, check, console.check(&figures, check).await)));
    }
    let mut found = Vec::with_capacity(DETECTIONS.len());
    for detection in DETECTIONS {
        let can = is_there(&figures, detection.tables);
        let answer = if can { Some(console.detect(&figures, detection, &chosen).await) } else { None };
        found.push((detection, answer));
    }
    let findings = |one: &(&Detection, Found)| match &one.1 {
        Some(Ok(answer)) => answer.len(),
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

fn verdict(figures: &Figures, check: &Check, answer: Result<Arc<Answer>, Trouble>) -> Verdict {
    match answer {
        Ok(answer) if is_there(figures, check.tables) => match answer.len() {
            0 => Verdict::Pass,
            many => Verdict::Fail(many as u64),
        },
        _ => Verdict::Unknown,
    }
}

fn posture_card(words: Words, checks: &[(&'static Check, Verdict)]) -> Markup {
    let score = posture(checks.iter().map(|(check, verdict)| (*check, *verdict)));
    let passed = checks.iter().filter(|(_, verdict)| *verdict == Verdict::Pass).count();
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
                p { (passed) " / " (checks.len()) " " (words.say("checks pass", "項目が合格")) }
                p.fine { (words.say("The weight of the checks that pass, of all that have an answer.", "回答のある項目の重みのうち、合格した割合。")) }
            }
        }
    }
}

fn detections(words: Words, chosen: &Chosen, found: &[(&'static Detection, Found)]) -> Markup {
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
                                        Some(Ok(answer)) => { @if answer.is_empty() { span.none { "0" } } @else { b { (answer.len()) @if answer.is_cut { "+" } } } },
                                        Some(Err(_)) => { span.badge.is-bad { (words.say("failed", "失敗")) } },
                                        None => { span.none { (words.say("no data", "データなし")) } }
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

fn hygiene(words: Words, checks: &[(&'static Check, Verdict)]) -> Markup {
    let mut sorted: Vec<_> = checks.iter().collect();
    sorted.sort_by_key(|(check, verdict)| {
        (!matches!(verdict, Verdict::Fail(_)), std::cmp::Reverse(check.weight))
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
                                    Verdict::Pass => { span.badge.is-good { (words.say("pass", "合格")) } },
                                    Verdict::Fail(many) => { span.badge.is-bad { (words.say("fail", "不合格")) " " (many) } },
                                    Verdict::Unknown => { span.badge.is-plain { (words.say("no data", "データなし")) } },
                                } }
                                td.number { (check.weight) }
                                td.wide {
                                    a href={ "/detections/" (check.id) } { (words.text(check.title)) }
                                    p.fine { (words.text(check.about)) }
                                    @if matches!(verdict, Verdict::Fail(_)) { p { (words.text(check.fix)) } }
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
    let chosen = Chosen::read(&visit.query, figures.at);
    let answer = visit.console.detect(&figures, detection, &chosen).await?;
    Ok(html! {
        p.lead { (severity(words, detection.severity)) " " (words.text(detection.about)) }
        (filter_of(visit, &chosen))
        section.notice { h2 { (words.say("What to do", "対処")) } p { (words.text(detection.fix)) } }
        @if let Some(lacks) = detection.lacks { section.notice.is-warn { h2 { (words.say("What it cannot tell", "分からないこと")) } p { (words.text(lacks)) } } }
        (behind(visit, &detection.sql(&chosen.filter)))
        (list(words, detection.columns, &answer)?)
    })
}

async fn checked(visit: &Visit, check: &'static Check) -> Content {
    let words = visit.words;
    let figures = visit.console.figures().await?;
    let answer = visit.console.check(&figures, check).await?;
    let usual = Chosen::usual(figures.at);
    Ok(html! {
        p.lead { (words.text(check.about)) }
        section.notice { h2 { (words.say("What to do", "対処")) } p { (words.text(check.fix)) } }
        (behind(visit, &check.sql(&usual.filter)))
        (list(words, check.columns, &answer)?)
    })
}

fn list(words: Words, columns: &[Column], answer: &Answer) -> Content {
    let drawn = Drawn::new(answer)?;
    Ok(html! {
        @if drawn.rows.is_empty() { p.empty { (words.say("Nothing found.", "該当はありません。")) } }
        @else { (draw::table(words, columns, None, &drawn, |_, _| None)) }
    })
}
