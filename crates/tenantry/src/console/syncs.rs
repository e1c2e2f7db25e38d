//! Syncs: the one under way as it goes, what can be asked for, the history, and one run table by table.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::{Value, json};
use tenantry_replication::catalog::CATALOG;
use tenantry_replication::clock::{MICROS_PER_SECOND, Micros};
use tenantry_replication::state::{RunRecord, TableRecord};
use tenantry_replication::sync::Verification;

use super::address::Pairs;
use super::live::{Now, Order};
use super::overview::changed;
use super::reply::{self, Content, Trouble};
use super::server::nowhere;
use super::visit::Visit;
use super::words::{Words, clock_time};
use super::{cells, layout};
use crate::terminal::text;
use crate::verification;

/// Width of the longest bar of a run.
const BAR: f64 = 90.0;

pub(super) async fn page(visit: &Visit) -> Content {
    let figures = visit.console.figures().await?;
    let live = visit.console.live.now();
    let now = visit.now();
    Ok(html! {
        (under_way(visit, &live))
        (buttons(visit))
        @if let Some((at, found)) = &live.verified { (verified(visit.words, *at, found, now)) }
        div data-live="reload" { (history(visit, &figures.runs, now)) }
    })
}

/// The sync under way. A script fills in what happens; without one the page shows how it stood.
pub(super) fn under_way(visit: &Visit, live: &Now) -> Markup {
    let words = visit.words;
    let lines =
        CATALOG.streams.iter().filter_map(|stream| Some((stream.name, live.streams.get(stream.name)?)));
    html! {
        section #live data-events="/syncs/events" data-idle=(words.say("No sync is running.", "実行中の同期はありません。"))
            data-running=(words.say("Running", "実行中")) data-words=(states(words).to_string()) {
            h2 { (words.say("Now", "現在")) }
            p.live-state role="status" aria-live="polite" {
                @match live.running {
                    Some((what, _)) => { (words.say("Running", "実行中")) ": " (states(words)[what].as_str().unwrap_or(what)) }
                    None => { (words.say("No sync is running.", "実行中の同期はありません。")) }
                }
            }
            @if let Some((at, failure)) = &live.failure {
                pre.message { (clock_time(*at)) " UTC\n" (failure) }
            }
            table.rows.live-lines hidden[live.running.is_none() && live.streams.is_empty()] {
                thead { tr {
                    th scope="col" { (words.say("List", "一覧")) }
                    th scope="col" { (words.say("State", "状態")) }
                    th.number scope="col" { (words.say("Records", "レコード")) }
                    th.number scope="col" { (words.say("Requests", "リクエスト")) }
                } }
                tbody {
                    @for (name, line) in lines {
                        tr data-stream=(name) {
                            td { (name) }
                            td { (states(words)[line.state].as_str().unwrap_or(line.state)) }
                            td.number { (text::count(line.records)) }
                            td.number { (text::count(line.requests)) }
                        }
                    }
                }
            }
        }
    }
}

/// Words for what a script is told by its name.
fn states(words: Words) -> Value {
    json!({
        "sync": words.say("sync", "同期"),
        "resync": words.say("reading again in full", "全件再取得"),
        "verify": words.say("verification", "検証"),
        "reading": words.say("reading", "読み取り中"),
        "done": words.outcome("done"),
        "skipped": words.outcome("skipped"),
        "failed": words.outcome("failed"),
        "stopped": words.outcome("stopped"),
        "frozen": words.outcome("frozen"),
    })
}

fn buttons(visit: &Visit) -> Markup {
    let words = visit.words;
    if !visit.console.live.takes_orders() {
        return html! { p.fine { (words.say(
            "This console only shows: it was started with --no-sync.",
            "このコンソールは表示専用です（--no-syncで起動）。"
        )) } };
    }
    html! {
        div.actions {
            form method="post" action="/syncs" {
                (layout::word(visit))
                button.button type="submit" name="what" value="sync" { (words.say("Sync now", "今すぐ同期")) }
                button.button.is-quiet type="submit" name="what" value="verify" { (words.say("Verify a sample", "サンプルを検証")) }
            }
            form method="post" action="/syncs" {
                (layout::word(visit))
                label.hidden-text for="table" { (words.say("Table", "テーブル")) }
                select #table name="table" {
                    option value="" { (words.say("all tables", "全テーブル")) }
                    @for table in CATALOG.tables() { option value=(table.name) { (table.name) } }
                }
                button.button.is-quiet type="submit" name="what" value="resync" { (words.say("Read again in full", "全件を再取得")) }
            }
        }
    }
}

/// Asks for what a form asks for.
pub(super) async fn order(visit: &Visit, form: &Pairs) -> Response {
    let words = visit.words;
    let tables: BTreeSet<&'static str> =
        form.get("table").and_then(|name| CATALOG.table(name)).map(|table| table.name).into_iter().collect();
    let order = match form.get("what") {
        Some("sync") => Order::Sync(BTreeSet::new()),
        Some("resync") => Order::Resync(tables),
        Some("verify") => Order::Verify,
        _ => return nowhere(visit),
    };
    if visit.console.live.order(order) {
        // The page that comes shall show it running.
        visit.console.clock.sleep(std::time::Duration::from_millis(50)).await;
        return reply::redirect("/syncs");
    }
    let what = words.say("Nothing can be asked for now.", "現在は受け付けられません。").to_owned();
    let content = reply::sorry(words, &Trouble { what, hint: None });
    reply::whole(visit, StatusCode::SERVICE_UNAVAILABLE, words.say("Syncs", "同期"), &content)
}

fn verified(words: Words, at: Micros, found: &Verification, now: Micros) -> Markup {
    let drifted = found.drifted();
    html! {
        section.notice.(if drifted > 0 { "is-bad" } else { "is-good" }) {
            h2 { (words.say("Verified", "検証結果")) " " (cells::moment(words, Some(at), now)) }
            p {
                @if drifted > 0 { (words.counted(drifted, "row is not as it should be", "rows are not as they should be", "行に差異があります")) }
                @else { (words.say("Every row that was looked at is as the tenant has it.", "確認したすべての行がテナントと一致しました。")) }
            }
            details { summary { (words.say("Details", "詳細")) } pre.code { (anstream::adapter::strip_str(&verification::to_text(found)).to_string()) } }
        }
    }
}

fn history(visit: &Visit, runs: &[RunRecord], now: Micros) -> Markup {
    let words = visit.words;
    html! {
        section {
            h2 { (words.say("History", "履歴")) }
            @if runs.is_empty() { p.empty { (words.say("None yet.", "まだありません。")) } }
            @else {
                div.scroll.is-tall tabindex="0" role="region" aria-label=(words.say("History", "履歴")) {
                    table.rows {
                        thead { tr {
                            th scope="col" { (words.say("Run", "実行")) }
                            th scope="col" { (words.say("Began", "開始")) }
                            th.number scope="col" { (words.say("Took", "所要時間")) }
                            th scope="col" { (words.say("Outcome", "結果")) }
                            th.number scope="col" { (words.say("Inserted", "追加")) }
                            th.number scope="col" { (words.say("Updated", "更新")) }
                            th.number scope="col" { (words.say("Deleted", "削除")) }
                            th.number scope="col" { (words.say("Requests", "リクエスト")) }
                            th.number scope="col" { (words.say("Tables", "テーブル")) }
                        } }
                        tbody {
                            @for run in runs {
                                tr {
                                    td { a href={ "/syncs/" (run.run) } { "#" (run.run) } }
                                    td { (cells::moment(words, Some(run.started_at), now)) }
                                    td.number { (text::seconds(took(run))) }
                                    td { (cells::outcome(words, &run.outcome)) }
                                    @for number in changed(run) { td.number { (cells::count(number)) } }
                                    td.number { (cells::count(run.requests)) }
                                    td.number { (run.tables.len()) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The last runs, for pages beside this one.
pub(super) async fn latest(visit: &Visit) -> Content {
    let figures = visit.console.figures().await?;
    let runs = &figures.runs[..figures.runs.len().min(8)];
    Ok(history(visit, runs, visit.now()))
}

fn took(run: &RunRecord) -> f64 {
    (run.finished_at - run.started_at).max(0) as f64 / MICROS_PER_SECOND as f64
}

/// One run.
pub(super) fn run(visit: &Visit, number: &str) -> Response {
    let Ok(number) = number.parse::<u64>() else { return nowhere(visit) };
    let own = visit.clone();
    let title = format!("{} #{number}", visit.words.say("Run", "実行"));
    reply::page(visit, &title, async move { one(&own, number).await })
}

async fn one(visit: &Visit, number: u64) -> Content {
    let words = visit.words;
    let Some(run) = visit.console.reader.run(number).await? else {
        let what = words.say("There is no such run.", "この実行の記録はありません。").to_owned();
        return Err(Trouble { what, hint: None });
    };
    // Runs that an older version recorded do not tell when a list began: they all begin at once.
    let longest = run.tables.iter().map(|table| table.began + table.seconds).fold(0.001, f64::max);
    Ok(html! {
        p.lead {
            (cells::outcome(words, &run.outcome)) " "
            time datetime=(text::rfc3339(run.started_at)) { (clock_time(run.started_at)) " UTC" }
            " · " (text::seconds(took(&run))) " · " (words.counted(run.requests, "request", "requests", "リクエスト"))
        }
        div.scroll tabindex="0" role="region" aria-label=(words.say("Tables of the run", "実行のテーブル")) {
            table.rows {
                thead { tr {
                    th scope="col" { (words.say("Table", "テーブル")) }
                    th scope="col" { (words.say("Outcome", "結果")) }
                    th scope="col" { (words.say("Timeline", "経過")) }
                    th.number scope="col" { (words.say("Requests", "リクエスト")) }
                    th.number scope="col" title=(words.say("Requests that the tenant refused for its rate limit", "レート制限で拒否されたリクエスト")) { "429" }
                    th.number scope="col" title=(words.say("How long the list's requests waited for their turn, added up", "一覧のリクエストが送信を待った時間の合計")) { (words.say("Waited", "待機")) }
                    th.number scope="col" { (words.say("Inserted", "追加")) }
                    th.number scope="col" { (words.say("Updated", "更新")) }
                    th.number scope="col" { (words.say("Deleted", "削除")) }
                    th.number scope="col" { (words.say("Unchanged", "変更なし")) }
                    th.number scope="col" { (words.say("Drifted", "差異")) }
                    th.number scope="col" { (words.say("Quarantined", "隔離")) }
                } }
                tbody { @for table in &run.tables { (line(words, table, longest)) } }
            }
        }
    })
}

fn line(words: Words, table: &TableRecord, longest: f64) -> Markup {
    let width = (table.seconds / longest * BAR).max(1.0);
    let from = (table.began / longest * BAR).min(BAR - width);
    let sent = [table.requests, table.limited];
    let rows =
        [table.inserted, table.updated, table.deleted, table.unchanged, table.drifted, table.quarantined];
    html! {
        tr {
            td {
                a href={ "/explore/" (table.table) } { (table.table) }
                @if let Some(message) = &table.message { p.fine { (message) } }
            }
            td { (cells::outcome(words, &table.outcome)) }
            td.bar {
                svg viewBox="0 0 90 8" width="90" height="8" aria-hidden="true" { rect.bar-fill x=(format!("{from:.1}")) width=(format!("{width:.1}")) height="8" rx="2" {} }
                " " (text::seconds(table.seconds))
            }
            @for number in sent { td.number { (cells::count(number)) } }
            td.number { @if table.waited < 0.05 { span.none { "0" } } @else { (text::seconds(table.waited)) } }
            @for number in rows { td.number { (cells::count(number)) } }
        }
    }
}
