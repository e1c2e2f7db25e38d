//! Conditions and order of a table's page, as its address has them and as its forms add to them.
//!
//! `w=column~test~value` for each condition, `by` and `down` for the order, `deleted` for rows marked deleted, `at` for the position.

use maud::{Markup, html};
use tenantry_replication::catalog::{CATALOG, Column, Table, Type, system};
use tenantry_replication::destination::{Condition, Mark, PageOf, Test, Wanted};

use super::super::address::Pairs;
use super::super::visit::Visit;
use super::super::words::Words;

/// Conditions that a page may have.
const CONDITIONS_MAX: usize = 12;
/// Rows of a page.
pub(super) const SIZE: usize = 50;

/// Tests with the words for them, in the order in which a form offers them.
const TESTS: [(Test, &str, (&str, &str)); 8] = [
    (Test::Is, "is", ("is", "一致")),
    (Test::IsNot, "not", ("is not", "不一致")),
    (Test::Contains, "has", ("contains", "含む")),
    (Test::Begins, "begins", ("begins with", "で始まる")),
    (Test::AtLeast, "from", ("from (≥)", "以上 (≥)")),
    (Test::Below, "below", ("below (<)", "未満 (<)")),
    (Test::Missing, "none", ("has no value", "値なし")),
    (Test::Present, "some", ("has a value", "値あり")),
];

/// What a condition looks like in an address.
pub(super) fn written(column: &str, test: Test, value: &str) -> String {
    let code = TESTS.iter().find(|(known, ..)| *known == test).map_or("is", |(_, code, _)| code);
    format!("{column}~{code}~{value}")
}

fn read(table: &'static Table, written: &str) -> Option<Condition> {
    let mut parts = written.splitn(3, '~');
    let column = table.column(parts.next()?)?;
    let code = parts.next()?;
    let test = TESTS.iter().find(|(_, known, _)| *known == code)?.0;
    Some(Condition { column, test, value: parts.next().unwrap_or_default().to_owned() })
}

/// Which rows an address means.
pub(super) fn wanted(query: &Pairs, table: &'static Table) -> Wanted {
    let conditions = query.all("w").filter_map(|text| read(table, text)).take(CONDITIONS_MAX).collect();
    Wanted { conditions, with_deleted: query.has("deleted") }
}

/// The page that an address means. Without a word about the order, events come newest first and all else by key.
pub(super) fn page_of(query: &Pairs, table: &'static Table) -> PageOf {
    let asked = query.get("by").and_then(|name| table.column(name));
    let (by, descending) = match asked {
        Some(column) => (Some(column), query.has("down")),
        None => usual_order(table),
    };
    let from: Option<Mark> = query.get("at").and_then(|text| serde_json::from_str(text).ok());
    let from = from.filter(|mark| mark.key.len() == table.key.len());
    PageOf { table, rows: wanted(query, table), by, descending, from, size: SIZE }
}

/// Events newest first, by the first time that they tell themselves.
pub(super) fn usual_order(table: &'static Table) -> (Option<&'static Column>, bool) {
    use tenantry_replication::catalog::Replication;
    let tells_time = CATALOG
        .stream_of(table.name)
        .is_some_and(|stream| matches!(stream.replication, Replication::Log | Replication::Daily));
    let time = table.data_columns().find(|column| column.kind == Type::Timestamp).filter(|_| tells_time);
    (time, time.is_some())
}

/// Where a form's new condition leads: the same address with it, from the first page on. `None` where there is none.
pub(super) fn taken_up(visit: &Visit, table: &'static Table) -> Option<String> {
    let column = visit.query.get("c")?;
    let query = visit.query.clone();
    let value = query.get("v").unwrap_or_default().to_owned();
    let code = query.get("o").unwrap_or("is").to_owned();
    let written = format!("{column}~{code}~{value}");
    let rest = query.without("c").without("o").without("v").without("at");
    let next = if read(table, &written).is_some() {
        rest.without_pair("w", &written).and("w", &written)
    } else {
        rest
    };
    Some(next.behind(&visit.path))
}

/// Conditions that hold, each with a way to drop it, and a form to add one.
pub(super) fn form(visit: &Visit, table: &'static Table) -> Markup {
    let words = visit.words;
    let query = &visit.query;
    html! {
        div.filters {
            @for text in query.all("w") {
                @if let Some(condition) = read(table, text) {
                    a.chip href=(query.clone().without_pair("w", text).without("at").behind(&visit.path))
                        title=(words.say("Remove this filter", "この条件を解除")) {
                        (condition.column.name) " " (test_words(words, condition.test)) " "
                        @if !matches!(condition.test, Test::Missing | Test::Present) { b { (condition.value) } }
                        span aria-hidden="true" { " ×" }
                    }
                }
            }
            @let with_deleted = query.has("deleted");
            @let other = if with_deleted { query.clone().without("deleted") } else { query.clone().with("deleted", "1") };
            a.chip.(if with_deleted { "is-on" } else { "" }) href=(other.without("at").behind(&visit.path)) {
                @if with_deleted { (words.say("Hide deleted rows", "削除済みの行を隠す")) }
                @else { (words.say("Show deleted rows", "削除済みの行も表示")) }
            }
            form.filter method="get" action=(visit.path) {
                @for (name, value) in query.iter().filter(|(name, _)| *name != "at") {
                    input type="hidden" name=(name) value=(value);
                }
                label.hidden-text for="c" { (words.say("Column", "カラム")) }
                select #c name="c" {
                    @for column in table.columns.iter().filter(|column| column.name != system::DELETED) {
                        option value=(column.name) { (column.name) }
                    }
                }
                label.hidden-text for="o" { (words.say("Comparison", "条件")) }
                select #o name="o" {
                    @for (_, code, said) in TESTS { option value=(code) { (words.say(said.0, said.1)) } }
                }
                label.hidden-text for="v" { (words.say("Value", "値")) }
                input #v type="search" name="v" data-focus="/" placeholder=(words.say("value  ( / )", "値（ / ）"));
                button.button type="submit" { (words.say("Filter", "絞り込む")) }
            }
        }
    }
}

fn test_words(words: Words, test: Test) -> &'static str {
    let said = TESTS.iter().find(|(known, ..)| *known == test).map_or(("", ""), |(.., said)| *said);
    words.say(said.0, said.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> &'static Table {
        CATALOG.streams[0].root()
    }

    #[test]
    fn an_address_says_which_rows_are_meant() {
        let column = table().columns[0].name;
        let text = written(column, Test::Contains, "a~b");
        let query = Pairs::default().and("w", &text).and("w", "no_such_column~is~x").and("w", "nonsense");
        let wanted = wanted(&query, table());
        assert_eq!(wanted.conditions.len(), 1);
        let condition = &wanted.conditions[0];
        assert_eq!(
            (condition.column.name, condition.test, condition.value.as_str()),
            (column, Test::Contains, "a~b")
        );
        assert!(!wanted.with_deleted);
    }

    #[test]
    fn a_position_of_another_table_is_the_beginning() {
        let mark = r#"{"by":null,"key":["a","b","c"],"before":false}"#;
        let query = Pairs::default().and("at", mark);
        let of = |query: &Pairs| page_of(query, table()).from;
        assert_eq!(table().key.len(), 1);
        assert_eq!(of(&query), None);
        assert_eq!(of(&Pairs::default().and("at", "{")), None);
        assert!(of(&Pairs::default().and("at", r#"{"by":null,"key":["a"],"before":true}"#)).is_some());
    }
}
