//! A table: what it is, its columns, and its rows page by page.
//!
//! A page is found by its first or last row, never by counting rows before it.

use maud::{Markup, html};
use serde_json::Value;
use tenantry_replication::catalog::{CATALOG, Column, Mark as KeyMark, Reference, Table, system};
use tenantry_replication::destination::{Mark, PageOf};

use super::super::cells::{self, Kind};
use super::super::reply::{Later, Parts, Trouble};
use super::super::visit::Visit;
use super::super::words::Words;
use super::{address_of, filters, key_of, reference_of, rows_of, text_of};
use crate::terminal::text;

/// Rows are counted up to here; more are `more than`.
const COUNTED_MAX: u64 = 100_000;

/// The rows first; how many fit where that has to be counted.
pub(super) async fn page(visit: &Visit, table: &'static Table) -> Result<Parts, Trouble> {
    let page = filters::page_of(&visit.query, table);
    let (answer, figures) = tokio::join!(visit.console.reader.rows(&page), visit.console.figures());
    let figures = figures?;
    let about =
        about(visit, table, figures.table(table.name).map_or((0, 0), |line| (line.live, line.deleted)));
    let form = filters::form(visit, table);
    let answer = match answer {
        Ok(answer) => answer,
        // A value that is none of its column's type: the form stays, so that it can be mended.
        Err(error) => {
            let trouble = super::super::reply::sorry(visit.words, &Trouble::from(error));
            return Ok(html! { (about) (form) (trouble) }.into());
        }
    };
    let rows = rows_of(&answer)?;
    let is_filtered = !page.rows.conditions.is_empty();
    let is_all = page.from.is_none() && !answer.is_cut;
    let first = html! {
        (about)
        (form)
        (grid(visit, &page, &rows))
        (pager(visit, &page, &rows, answer.is_cut))
        @if !is_filtered && rows.is_empty() { p.found role="status" { (visit.words.say("No rows.", "行がありません。")) } }
        @if is_filtered && is_all { (found(visit.words, rows.len() as u64)) }
    };
    let visit = visit.clone();
    let counting: Later = Box::pin(async move {
        let count = visit.console.reader.count(table, &page.rows, COUNTED_MAX).await?;
        Ok(found(visit.words, count))
    });
    Ok(Parts { first, later: if is_filtered && !is_all { vec![counting] } else { Vec::new() } })
}

fn about(visit: &Visit, table: &Table, (live, deleted): (u64, u64)) -> Markup {
    let words = visit.words;
    html! {
        p.lead { (words.text(table.about)) }
        p.fine {
            (words.counted(live, "row", "rows", "行"))
            @if deleted > 0 { " · " (words.counted(deleted, "marked deleted", "marked deleted", "行が削除済み")) }
            @for tag in table.tags { " " span.tag { (tag) } }
        }
        details.columns {
            summary { (words.say("Columns, keys and relationships", "カラム・キー・リレーション")) }
            (columns(visit, table))
        }
    }
}

fn columns(visit: &Visit, table: &Table) -> Markup {
    let words = visit.words;
    let references = CATALOG.references();
    html! {
        div.scroll tabindex="0" role="region" aria-label=(words.say("Columns", "カラム")) {
            table.rows {
                thead { tr {
                    th scope="col" { (words.say("Column", "カラム")) }
                    th scope="col" { (words.say("Type", "型")) }
                    th scope="col" { (words.say("Key", "キー")) }
                    th scope="col" { (words.say("Meaning", "説明")) }
                } }
                tbody {
                    @for column in table.columns {
                        tr {
                            td { code { (column.name) } }
                            td { (kind_name(column)) }
                            td {
                                @if table.key.contains(&column.name) { span.tag { (words.say("key", "キー")) } " " }
                                @match column.mark { KeyMark::Primary => "PK", KeyMark::Foreign => "FK", KeyMark::None => "" }
                                @for one in references.iter().filter(|one| one.child.name == table.name && one.columns.iter().any(|(own, _)| own.name == column.name)) {
                                    " → " a href={ "/explore/" (one.parent.name) } { (one.parent.name) }
                                }
                            }
                            td.wide { (words.text(column.about)) }
                        }
                    }
                }
            }
        }
        @let children: Vec<&Reference> = references.iter().filter(|one| one.parent.name == table.name).collect();
        @if !children.is_empty() {
            p.fine {
                (words.say("Referred to by: ", "参照元："))
                @for one in children { a href={ "/explore/" (one.child.name) } { (one.child.name) } " " }
            }
        }
    }
}

fn kind_name(column: &Column) -> &'static str {
    use tenantry_replication::catalog::Type;
    match column.kind {
        Type::String => "STRING",
        Type::Boolean => "BOOLEAN",
        Type::Timestamp => "TIMESTAMP",
        Type::Integer => "INTEGER",
    }
}

fn found(words: Words, count: u64) -> Markup {
    html! {
        p.found role="status" {
            @if count >= COUNTED_MAX {
                (words.say("more than ", "")) (text::count(COUNTED_MAX)) (words.say(" rows fit", "行以上が該当"))
            } @else {
                (words.counted(count, "row fits", "rows fit", "行が該当"))
            }
        }
    }
}

fn grid(visit: &Visit, page: &PageOf, rows: &[Vec<Value>]) -> Markup {
    let table = page.table;
    let references = CATALOG.references();
    let revealed = visit.query.has("reveal");
    let order: Vec<usize> = shown_order(page);
    html! {
        div.scroll.is-tall tabindex="0" role="region" aria-label=(table.name) {
            table.rows.is-data {
                thead { tr {
                    th.narrow scope="col" { span.hidden-text { (visit.words.say("Open", "開く")) } }
                    @for at in &order { (heading(visit, page, &table.columns[*at], revealed)) }
                } }
                tbody {
                    @for row in rows {
                        tr.(if is_deleted(table, row) { "is-deleted" } else { "" }) {
                            td.narrow {
                                a.open href=(address_of(table, &key_of(table, row))) aria-label=(visit.words.say("Open this row", "この行を開く")) { "↗" }
                            }
                            @for at in &order {
                                @let column = &table.columns[*at];
                                td.(Kind::of(column.kind).class()) { (cell(visit, &references, table, column, &row[*at], revealed)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The key and what rows are ordered by first, what the replication keeps with a row last.
fn shown_order(page: &PageOf) -> Vec<usize> {
    let columns = page.table.columns;
    let by = page.by.map(|by| by.name);
    let rank = |at: &usize| match &columns[*at] {
        column if page.table.key.contains(&column.name) => 0,
        column if by == Some(column.name) => 1,
        column if column.is_system() => 3,
        _ => 2,
    };
    let mut order: Vec<usize> = (0..columns.len()).collect();
    order.sort_by_key(rank);
    order
}

fn heading(visit: &Visit, page: &PageOf, column: &Column, revealed: bool) -> Markup {
    let is_by = page.by.is_some_and(|by| by.name == column.name);
    let next = visit.query.clone().without("at").without("down").with("by", column.name);
    let next = if is_by && !page.descending { next.with("down", "1") } else { next };
    let sorted = is_by.then_some(if page.descending { "descending" } else { "ascending" });
    html! {
        th.(Kind::of(column.kind).class()) scope="col" aria-sort=[sorted] title=(visit.words.text(column.about)) {
            a href=(next.behind(&visit.path)) {
                (column.name)
                @if is_by { span aria-hidden="true" { @if page.descending { " ↓" } @else { " ↑" } } }
            }
            @if column.sensitive {
                @let other = if revealed { visit.query.clone().without("reveal") } else { visit.query.clone().with("reveal", "1") };
                " " a.fine href=(other.behind(&visit.path)) { @if revealed { (visit.words.say("hide", "隠す")) } @else { (visit.words.say("show", "表示")) } }
            }
        }
    }
}

/// A cell: linked to the row that it names, where it names one.
pub(super) fn cell(
    visit: &Visit,
    references: &[Reference],
    table: &Table,
    column: &Column,
    value: &Value,
    revealed: bool,
) -> Markup {
    let kind = Kind::of(column.kind);
    if !value.is_null() && !cells::is_shown(column, revealed) {
        return cells::hidden(visit.words);
    }
    let shown = cells::short(visit.words, kind, value);
    match reference_of(references, table, column) {
        Some(one) if !value.is_null() => {
            html! { a href=(address_of(one.parent, &[text_of(value)])) { (shown) } }
        }
        _ => shown,
    }
}

pub(super) fn is_deleted(table: &Table, row: &[Value]) -> bool {
    let at = table.columns.iter().position(|column| column.name == system::DELETED);
    at.and_then(|at| row.get(at)) == Some(&Value::Bool(true))
}

fn pager(visit: &Visit, page: &PageOf, rows: &[Vec<Value>], is_cut: bool) -> Markup {
    let words = visit.words;
    let backwards = page.from.as_ref().is_some_and(|mark| mark.before);
    let mark = |row: Option<&Vec<Value>>, before: bool| {
        let row = row?;
        let by = page.by.and_then(|by| page.table.columns.iter().position(|column| column.name == by.name));
        let mark = Mark { by: by.and_then(|at| text_of(&row[at])), key: key_of(page.table, row), before };
        let text = serde_json::to_string(&mark).ok()?;
        Some(visit.query.clone().with("at", &text).behind(&visit.path))
    };
    let (has_before, has_after) = if backwards { (is_cut, true) } else { (page.from.is_some(), is_cut) };
    let before = mark(rows.first(), true).filter(|_| has_before);
    let after = mark(rows.last(), false).filter(|_| has_after);
    html! {
        nav.pager aria-label=(words.say("Pages", "ページ")) {
            @if page.from.is_some() { a.button.is-quiet href=(visit.query.clone().without("at").behind(&visit.path)) { (words.say("First", "最初")) } }
            @if let Some(to) = before { a.button.is-quiet rel="prev" href=(to) { "← " (words.say("Previous", "前へ")) } }
            @if let Some(to) = after { a.button.is-quiet rel="next" href=(to) { (words.say("Next", "次へ")) " →" } }
        }
    }
}
