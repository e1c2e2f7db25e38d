//! The first page: is the copy true and fresh, what needs a look, what did the last runs change.

use maud::{Markup, html};
use tenantry_replication::catalog::{CATALOG, Stream};
use tenantry_replication::clock::{MICROS_PER_SECOND, Micros};
use tenantry_replication::state::RunRecord;

use super::kept::Figures;
use super::live::Now;
use super::reply::Content;
use super::visit::Visit;
use super::words::clock_time;
use super::{alerts, cells, kept};
use crate::terminal::text;

/// Runs that are shown.
const RUNS: usize = 6;
/// A day, microseconds.
const DAY: Micros = 86_400 * MICROS_PER_SECOND;

pub(super) async fn page(visit: &Visit) -> Content {
    let figures = visit.console.figures().await?;
    let live = visit.console.live.now();
    let now = visit.now();
    Ok(html! {
        div data-live="reload" {
            (health(visit, &figures, &live, now))
            (needs_a_look(visit, &figures, &live, now))
            (changes(visit, &figures.runs, now))
            (tables(visit, &figures, &live, now))
            p.fine {
                (visit.words.say("Counted ", "集計日時：")) time datetime=(text::rfc3339(figures.at)) { (clock_time(figures.at)) " UTC" }
            }
        }
    })
}

fn health(visit: &Visit, figures: &Figures, live: &Now, now: Micros) -> Markup {
    let words = visit.words;
    let facts = &visit.console.facts;
    let known: Vec<&str> = figures.tables.iter().filter_map(|table| Some(alerts::ended(table)?.0)).collect();
    let fresh = known.iter().filter(|word| ["done", "frozen"].contains(word)).count();
    let is_whole = !known.is_empty() && fresh == known.len() && live.failure.is_none();
    let last = figures.tables.iter().filter_map(|table| table.last_success).max();
    let margin = alerts::margin(figures, facts, now);
    let next = live.due.values().min().copied();
    let spent = Spent::of(&figures.runs, now);
    html! {
        section.cards aria-label=(words.say("Health", "状態")) {
            div.card.(if is_whole { "is-good" } else { "is-warn" }) {
                h2 { (words.say("Copy", "コピーの状態")) }
                p.figure {
                    @if is_whole { (words.say("up to date", "最新")) }
                    @else { (fresh) " / " (CATALOG.tables().count()) }
                }
                p { (words.say("last success ", "最終成功：")) (cells::moment(words, last, now)) }
            }
            div.card {
                h2 { (words.say("Rows", "行数")) }
                p.figure { (text::count(figures.live())) }
                p { (words.counted(figures.tables.iter().map(|table| table.deleted).sum(), "marked deleted", "marked deleted", "行が削除済み")) }
            }
            div.card.(margin.map_or("", |left| if left <= 0 { "is-bad" } else { "" })) {
                h2 { (words.say("Unread log expires", "未取得ログの失効まで")) }
                @match margin {
                    Some(left) => {
                        p.figure { (words.length(left.max(0).unsigned_abs() / MICROS_PER_SECOND.unsigned_abs())) }
                        p { (words.say("read up to ", "取得済み：")) (cells::moment(words, figures.read_until, now)) }
                    }
                    None => {
                        p.figure { "–" }
                        p { (words.say("tell the plan with TENANTRY_PLAN", "TENANTRY_PLANでプランを指定してください")) }
                    }
                }
            }
            (requests(visit, &spent, live.rate))
            div.card {
                h2 { (words.say("Next sync", "次回の同期")) }
                @if let Some((what, since)) = live.running {
                    p.figure.is-running { (words.say("running", "実行中")) }
                    p { (what) " · " (cells::moment(words, Some(since), now)) }
                } @else {
                    p.figure { @match next { Some(at) => (words.told_from_now(at.max(now), now)), None => "–" } }
                    p { @if next.is_none() { (words.say("this console does not sync", "このコンソールは同期しません")) } @else { a href="/syncs" { (words.say("Syncs", "同期")) } } }
                }
            }
        }
    }
}

/// What the last day's runs have asked of the tenant.
struct Spent {
    /// How long that was, seconds: a day, or less where more runs than are kept began since.
    seconds: u64,
    requests: u64,
    /// Of them, those that the tenant refused for its rate limit.
    limited: u64,
}

impl Spent {
    fn of(runs: &[RunRecord], now: Micros) -> Self {
        let oldest =
            (runs.len() >= kept::RUNS).then(|| runs.iter().map(|run| run.started_at).min()).flatten();
        let from = oldest.unwrap_or(Micros::MIN).max(now - DAY);
        let recent = || runs.iter().filter(|run| run.started_at >= from);
        Self {
            seconds: ((now - from).max(MICROS_PER_SECOND) / MICROS_PER_SECOND).unsigned_abs(),
            requests: recent().map(|run| run.requests).sum(),
            limited: recent().map(limited_of).sum(),
        }
    }

    /// Percent of what could have been sent at this rate, requests per second.
    fn share(&self, rate: f64) -> f64 {
        self.requests as f64 / (rate * self.seconds as f64) * 100.0
    }
}

fn requests(visit: &Visit, spent: &Spent, rate: Option<f64>) -> Markup {
    let words = visit.words;
    let length = if spent.seconds == (DAY / MICROS_PER_SECOND).unsigned_abs() {
        words.say("24 h", "24時間").to_owned()
    } else {
        words.length(spent.seconds)
    };
    html! {
        div.card {
            h2 { (words.say("Requests in ", "リクエスト数：")) (length) }
            p.figure { (text::count(spent.requests)) }
            p {
                @match rate {
                    Some(rate) => {
                        b { (format!("{:.2} %", spent.share(rate))) }
                        (words.say(" of what the tenant allows (", "（テナントの許容量に対する割合。毎秒"))
                        (format!("{rate:.1}")) (words.say(" a second)", "件まで）"))
                    }
                    None => { (words.say("within the tenant's rate limits", "テナントのレート制限内")) }
                }
            }
            @if let Some(most) = visit.console.facts.max_requests {
                p { (words.say("allowed per sync: ", "1回の上限：")) (text::count(most)) }
            }
            @if spent.limited > 0 { p { (words.counted(spent.limited, "refused for the rate limit", "refused for the rate limit", "件がレート制限で拒否")) } }
        }
    }
}

fn needs_a_look(visit: &Visit, figures: &Figures, live: &Now, now: Micros) -> Markup {
    let words = visit.words;
    let found = alerts::of(words, figures, live, &visit.console.facts, now);
    html! {
        section {
            h2 { (words.say("Needs a look", "確認が必要な項目")) " " span.pill { (found.len()) } }
            @if found.is_empty() {
                p.empty { (words.say("Nothing: no table failed, nothing was lost.", "ありません。失敗したテーブルも、失われたデータもありません。")) }
            }
            ul.alerts {
                @for alert in &found {
                    li.(if alert.code.is_error() { "is-bad" } else { "is-warn" }) {
                        p {
                            span.badge.(if alert.code.is_error() { "is-bad" } else { "is-warn" }) {
                                @if alert.code.is_error() { (words.say("Error", "エラー")) } @else { (words.say("Warning", "警告")) }
                            }
                            " " a href={ "/explain/" (alert.code.name()) } { (alert.code.title(words)) }
                            @if !alert.about.is_empty() { " · " (alert.about) }
                        }
                        @if let Some(said) = &alert.said { p.message { (said) } }
                        p.fine { (alert.code.fix(words)) }
                    }
                }
            }
        }
    }
}

/// Requests of a run that the tenant refused for its rate limit: tables of one list tell the same.
fn limited_of(run: &RunRecord) -> u64 {
    let of_list = |list: &Stream| run.tables.iter().find(|table| list.table(&table.table).is_some());
    CATALOG.streams.iter().filter_map(of_list).map(|table| table.limited).sum()
}

/// Rows that a run inserted, updated and deleted.
pub(super) fn changed(run: &RunRecord) -> [u64; 3] {
    let sum =
        |number: fn(&tenantry_replication::state::TableRecord) -> u64| run.tables.iter().map(number).sum();
    [sum(|table| table.inserted), sum(|table| table.updated), sum(|table| table.deleted)]
}

fn changes(visit: &Visit, runs: &[RunRecord], now: Micros) -> Markup {
    let words = visit.words;
    html! {
        section {
            h2 { (words.say("What the last runs changed", "最近の実行による変更")) }
            @if !runs.iter().any(tells) { p.empty { (words.say("None yet.", "まだありません。")) } }
            @else {
                div.scroll tabindex="0" role="region" aria-label=(words.say("Last runs", "最近の実行")) {
                    table.rows {
                        thead { tr {
                            th scope="col" { (words.say("Run", "実行")) }
                            th scope="col" { (words.say("Began", "開始")) }
                            th scope="col" { (words.say("Outcome", "結果")) }
                            th.number scope="col" { (words.say("Inserted", "追加")) }
                            th.number scope="col" { (words.say("Updated", "更新")) }
                            th.number scope="col" { (words.say("Deleted", "削除")) }
                            th.number scope="col" { (words.say("Requests", "リクエスト")) }
                            th scope="col" { (words.say("Tables changed", "変更されたテーブル")) }
                        } }
                        tbody { @for run in runs.iter().filter(|run| tells(run)).take(RUNS) { (line(visit, run, now)) } }
                    }
                }
            }
        }
    }
}

/// Whether a run changed something, or did not end well.
fn tells(run: &RunRecord) -> bool {
    run.outcome != "done" || changed(run).iter().any(|rows| *rows > 0)
}

fn line(visit: &Visit, run: &RunRecord, now: Micros) -> Markup {
    let touched = run.tables.iter().filter(|table| table.inserted + table.updated + table.deleted > 0);
    let touched: Vec<&str> = touched.map(|table| table.table.as_str()).collect();
    html! {
        tr {
            td { a href={ "/syncs/" (run.run) } { "#" (run.run) } }
            td { (cells::moment(visit.words, Some(run.started_at), now)) }
            td { (cells::outcome(visit.words, &run.outcome)) }
            @for number in changed(run) { td.number { (cells::count(number)) } }
            td.number { (cells::count(run.requests)) }
            td.names {
                @for name in touched.iter().take(4) { a href={ "/explore/" (name) } { (name) } " " }
                @if touched.len() > 4 { span.fine { "+" (touched.len() - 4) } }
            }
        }
    }
}

fn tables(visit: &Visit, figures: &Figures, live: &Now, now: Micros) -> Markup {
    let words = visit.words;
    html! {
        section {
            h2 { (words.say("Tables", "テーブル")) }
            div.scroll tabindex="0" role="region" aria-label=(words.say("Tables", "テーブル")) {
                table.rows {
                    thead { tr {
                        th scope="col" { (words.say("Table", "テーブル")) }
                        th.number scope="col" { (words.say("Rows", "行数")) }
                        th.number scope="col" { (words.say("Deleted", "削除済み")) }
                        th scope="col" { (words.say("Newest row", "最新の行")) }
                        th scope="col" { (words.say("Last success", "最終成功")) }
                        th scope="col" { (words.say("Next", "次回")) }
                        th scope="col" { (words.say("Outcome", "結果")) }
                    } }
                    tbody {
                        @for table in &figures.tables {
                            tr {
                                td { a href={ "/explore/" (table.table) } { (table.table) } }
                                td.number { (cells::count(table.live)) }
                                td.number { (cells::count(table.deleted)) }
                                td { (cells::moment(words, table.newest, now)) }
                                td { (cells::moment(words, table.last_success, now)) }
                                td { (cells::moment(words, live.due.get(table.table).map(|at| (*at).max(now)), now)) }
                                td {
                                    @match alerts::ended(table) {
                                        Some((word, _)) => (cells::outcome(words, word)),
                                        None => { span.none { "–" } }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(started_at: Micros) -> RunRecord {
        let outcome = "done".to_owned();
        RunRecord { run: 1, started_at, finished_at: started_at, outcome, requests: 100, tables: Vec::new() }
    }

    #[test]
    fn requests_are_held_against_what_the_tenant_allows_in_the_time_that_is_on_record() {
        let now = 3 * DAY;
        let few = [run(now - DAY / 2), run(now - 2 * DAY)];
        let spent = Spent::of(&few, now);
        assert_eq!((spent.requests, spent.seconds), (100, 86_400), "the run of two days ago does not count");
        assert!((spent.share(10.0) - 100.0 / 864_000.0 * 100.0).abs() < 1e-9);

        // More runs in an hour than are kept: what came before them is not known, so it is neither counted nor divided by.
        let many: Vec<RunRecord> =
            (0..kept::RUNS as i64).map(|at| run(now - at * 36 * MICROS_PER_SECOND)).collect();
        let spent = Spent::of(&many, now);
        assert_eq!((spent.requests, spent.seconds), (100 * kept::RUNS as u64, 36 * (kept::RUNS as u64 - 1)));
    }
}
