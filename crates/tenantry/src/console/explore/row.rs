//! One row with everything that belongs to it: its values, the rows that it names, the rows that name it.
//!
//! What belongs together is what the catalog says; so a user's page gathers identities, metadata, organizations, grants and events, and any
//! other row's page what there is to it.

use maud::{Markup, html};
use serde_json::Value;
use tenantry_replication::catalog::{CATALOG, Column, Reference, Table};
use tenantry_replication::destination::{Answer, Condition, PageOf, Test, Wanted};
use tenantry_replication::error::DestinationResult;

use super::super::address::Pairs;
use super::super::cells::{self, Kind};
use super::super::reply::{Content, Later, Parts, Trouble};
use super::super::visit::Visit;
use super::super::words::Words;
use super::table::{cell, is_deleted};
use super::{address_of, filters, key_of, rows_of, text_of};

/// Rows of each kind that are shown; the rest is a link away.
const RELATED: usize = 8;
/// Columns of them.
const COLUMNS: usize = 6;

/// The row's own values first, then what belongs to it, one kind after the other.
pub(super) async fn page(
    visit: &Visit,
    table: &'static Table,
    key: Vec<Option<String>>,
) -> Result<Parts, Trouble> {
    let words = visit.words;
    let conditions =
        table.key_columns().zip(&key).map(|(column, value)| is(column, value.as_deref())).collect();
    let rows = Wanted { conditions, with_deleted: true };
    let one = PageOf { table, rows, by: None, descending: false, from: None, size: 1 };
    let found = rows_of(&visit.console.reader.rows(&one).await?)?;
    let Some(row) = found.first() else {
        let what = words.say("There is no such row.", "この行はありません。").to_owned();
        return Err(Trouble { what, hint: None });
    };
    let references = CATALOG.references();
    let first = html! {
        p.lead {
            a href={ "/explore/" (table.name) } { (table.name) } " · " (words.text(table.about))
            @if is_deleted(table, row) { " " span.badge.is-bad { (words.say("marked deleted", "削除済み")) } }
        }
        (own_values(visit, &references, table, row))
    };
    let later = references.into_iter().filter(|one| one.parent.name == table.name).map(|one| {
        let (visit, row) = (visit.clone(), row.clone());
        Box::pin(async move { belonging(&visit, &one, table, &row).await }) as Later
    });
    Ok(Parts { first, later: later.collect() })
}

fn is(column: &'static Column, value: Option<&str>) -> Condition {
    match value {
        Some(value) => Condition { column, test: Test::Is, value: value.to_owned() },
        None => Condition { column, test: Test::Missing, value: String::new() },
    }
}

fn own_values(visit: &Visit, references: &[Reference], table: &Table, row: &[Value]) -> Markup {
    let revealed = visit.query.has("reveal");
    let words = visit.words;
    let hides = table.columns.iter().any(|column| column.sensitive);
    html! {
        section {
            @if hides {
                @let other = if revealed { visit.query.clone().without("reveal") } else { visit.query.clone().with("reveal", "1") };
                p { a.chip href=(other.behind(&visit.path)) {
                    @if revealed { (words.say("Hide sensitive values", "機微な値を隠す")) } @else { (words.say("Show sensitive values", "機微な値を表示")) }
                } }
            }
            dl.values.(if is_deleted(table, row) { "is-deleted" } else { "" }) {
                @for (column, value) in table.columns.iter().zip(row) {
                    div {
                        dt title=(words.text(column.about)) { (column.name) }
                        dd { (full(visit, references, table, column, value, revealed)) }
                    }
                }
            }
        }
    }
}

/// A value with all of it; what names a row is a link to it.
fn full(
    visit: &Visit,
    references: &[Reference],
    table: &Table,
    column: &Column,
    value: &Value,
    revealed: bool,
) -> Markup {
    if super::reference_of(references, table, column).is_some() || !cells::is_shown(column, revealed) {
        return cell(visit, references, table, column, value, revealed);
    }
    let shown = cells::long(visit.words, Kind::of(column.kind), value);
    match value {
        Value::String(text) if text.contains('\n') => html! { pre.code { (shown) } },
        _ => shown,
    }
}

/// Rows of another table that name this one.
async fn belonging(visit: &Visit, one: &Reference, table: &'static Table, row: &[Value]) -> Content {
    let value = |column: &Column| {
        let at = table.columns.iter().position(|known| known.name == column.name)?;
        text_of(&row[at])
    };
    let pairs: Vec<(&'static Column, Option<String>)> =
        one.columns.iter().map(|(own, key)| (*own, value(key))).collect();
    let conditions = pairs.iter().map(|(own, value)| is(own, value.as_deref())).collect();
    let (by, descending) = filters::usual_order(one.child);
    let rows = Wanted { conditions, with_deleted: true };
    let page = PageOf { table: one.child, rows, by, descending, from: None, size: RELATED };
    let answer = visit.console.reader.rows(&page).await;
    let all = pairs.iter().fold(Pairs::default(), |query, (own, value)| {
        let (test, value) = value.as_deref().map_or((Test::Missing, ""), |value| (Test::Is, value));
        query.and("w", &filters::written(own.name, test, value))
    });
    let all = all.and("deleted", "1").behind(&format!("/explore/{}", one.child.name));
    part(visit, one, answer, &all)
}

fn part(visit: &Visit, one: &Reference, answer: DestinationResult<Answer>, all: &str) -> Content {
    let words = visit.words;
    let answer = answer?;
    let rows = rows_of(&answer)?;
    let references = CATALOG.references();
    let columns = telling(one);
    Ok(html! {
        section.related {
            h2 {
                a href=(all) { (one.child.name) }
                " " span.pill { (rows.len()) @if answer.is_cut { "+" } }
            }
            p.fine { (words.text(one.child.about)) }
            @if rows.is_empty() { p.empty { (none(words)) } }
            @else {
                div.scroll tabindex="0" role="region" aria-label=(one.child.name) {
                    table.rows {
                        thead { tr {
                            th.narrow scope="col" { span.hidden-text { (words.say("Open", "開く")) } }
                            @for at in &columns {
                                @let column = &one.child.columns[*at];
                                th.(Kind::of(column.kind).class()) scope="col" title=(words.text(column.about)) { (column.name) }
                            }
                        } }
                        tbody {
                            @for row in &rows {
                                tr.(if is_deleted(one.child, row) { "is-deleted" } else { "" }) {
                                    td.narrow { a.open href=(address_of(one.child, &key_of(one.child, row))) aria-label=(words.say("Open this row", "この行を開く")) { "↗" } }
                                    @for at in &columns {
                                        @let column = &one.child.columns[*at];
                                        td.(Kind::of(column.kind).class()) { (cell(visit, &references, one.child, column, &row[*at], visit.query.has("reveal"))) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
            @if answer.is_cut { p { a href=(all) { (words.say("All of them", "すべて表示")) " →" } } }
        }
    })
}

const fn none(words: Words) -> &'static str {
    words.say("None.", "ありません。")
}

/// The columns that tell most of a row beside the one that is the same in all of them: times and texts that are no hash.
fn telling(one: &Reference) -> Vec<usize> {
    let table = one.child;
    let same = |column: &Column| one.columns.iter().any(|(own, _)| own.name == column.name);
    let (order, _) = filters::usual_order(table);
    let mut columns: Vec<usize> = Vec::new();
    columns.extend(order.and_then(|by| table.columns.iter().position(|column| column.name == by.name)));
    for (at, column) in table.columns.iter().enumerate() {
        let hash = matches!(column.origin, tenantry_replication::catalog::Origin::RowHash(_));
        if !column.is_system() && !same(column) && !hash && !columns.contains(&at) && columns.len() < COLUMNS
        {
            columns.push(at);
        }
    }
    columns
}
