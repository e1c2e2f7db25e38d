//! Every text runs on the catalog's tables, gives the columns that it says, and every link leads somewhere.

use std::collections::BTreeSet;

use arrow_schema::DataType;
use tenantry_insight::{
    AGGREGATES, CHECKS, Column, DETECTIONS, Filter, Grain, Pick, QUESTIONS, Role, Source, UNANSWERED,
};
use tenantry_replication::catalog::{CATALOG, Text};

use crate::database::{AGGREGATED, Answer, Database};

/// Filters that together make every place of a text appear and vanish.
fn filters() -> [Filter; 2] {
    let none = Filter::last_days(30, 1_790_000_000_000_000);
    let all = Filter {
        client: Some("it's \\ a {client}".to_owned()),
        connection: Some("con_\"1\"?".to_owned()),
        ..none.clone()
    };
    [none, all]
}

#[track_caller]
fn has_columns(what: &str, answer: &Answer, columns: &[Column]) {
    let names: Vec<&str> = answer.columns.iter().map(|(name, _)| name.as_str()).collect();
    let said: Vec<&str> = columns.iter().map(|column| column.name).collect();
    assert_eq!(names, said, "{what}");
    for ((name, kind), column) in answer.columns.iter().zip(columns) {
        let fits = match column.role {
            Role::Time(_) | Role::Instant => matches!(kind, DataType::Timestamp(_, None)),
            Role::Value => matches!(kind, DataType::Int64 | DataType::Int32),
            Role::Percent => matches!(kind, DataType::Float64),
            Role::Event | Role::Step | Role::Key(_) => matches!(kind, DataType::Utf8),
            Role::Label => matches!(kind, DataType::Utf8 | DataType::Int32),
            Role::Note => true,
        };
        assert!(fits, "{what}: {name} is {kind:?}, which is no {:?}", column.role);
        if let Role::Key(link) = column.role {
            let table =
                CATALOG.table(link.table).unwrap_or_else(|| panic!("{what}: no table {}", link.table));
            assert!(table.key.contains(&link.column), "{what}: {} does not lead to a row", column.name);
        }
        has_words(what, column.title);
    }
}

/// Tables that a text names.
fn tables_in(sql: &str) -> BTreeSet<&str> {
    let named = sql.split(" auth0.").skip(1);
    let end =
        |rest: &str| rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
    named.map(|rest| &rest[..end(rest)]).collect()
}

#[test]
fn every_detection_and_check_runs_and_names_its_tables() {
    let mut database = Database::new();
    let [filter, _] = filters();
    for detection in DETECTIONS {
        let (what, sql) = (detection.id, detection.sql(&filter));
        has_columns(what, &database.ask(&sql), detection.columns);
        for words in [detection.title, detection.about, detection.fix].into_iter().chain(detection.lacks) {
            has_words(what, words);
        }
        // Who belongs to an organization is a detail of a finding, not what it is found by.
        let mut named = tables_in(&sql);
        named.remove("organization_member");
        assert_eq!(named, detection.tables.iter().copied().collect(), "{what}");
        assert!(detection.time().is_some(), "{what}");
    }
    for check in CHECKS {
        let (what, sql) = (check.id, check.sql(&filter));
        has_columns(what, &database.ask(&sql), check.columns);
        for words in [check.title, check.about, check.fix] {
            has_words(what, words);
        }
        assert!((1..=5).contains(&check.weight), "{what}");
        let named = tables_in(&sql);
        assert!(check.tables.iter().all(|table| named.contains(table)), "{what}: {named:?}");
    }
}

#[test]
fn detections_checks_and_open_questions_have_names_of_their_own() {
    let ids: Vec<&str> = DETECTIONS
        .iter()
        .map(|detection| detection.id)
        .chain(CHECKS.iter().map(|check| check.id))
        .chain(UNANSWERED.iter().map(|open| open.id))
        .collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    assert!(ids.iter().all(|id| id.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
}

/// The published catalogue holds 34 questions; each is answered in full, in part, or not at all, and said to be.
#[test]
fn every_question_of_the_published_catalogue_has_its_place() {
    let answered: BTreeSet<&str> = DETECTIONS.iter().flat_map(|one| one.published).copied().collect();
    let open: BTreeSet<&str> = UNANSWERED.iter().flat_map(|one| one.published).copied().collect();
    assert!(answered.is_disjoint(&open));
    assert_eq!((answered.len(), open.len()), (30, 4));
}

#[track_caller]
fn has_words(what: &str, text: Text) {
    assert!(!text.en.is_empty() && text.en.is_ascii(), "{what}: {}", text.en);
    assert!(!text.ja.is_empty(), "{what}: {}", text.en);
    assert!(
        text.en.len() < 60 || text.ja.chars().any(|letter| letter >= '\u{3000}'),
        "{what} has no Japanese"
    );
}

#[test]
fn every_question_runs_and_gives_the_columns_that_it_says() {
    let mut database = Database::new();
    database.aggregate();
    for question in QUESTIONS {
        let what = question.id;
        has_words(what, question.title);
        has_words(what, question.about);
        for filter in filters() {
            for source in [Source::Tables, AGGREGATED] {
                let answer = database.ask(&question.sql(&filter, source));
                has_columns(what, &answer, question.columns);
            }
            let pick = Pick {
                label: Some("1'\\".into()),
                also: Some("?".into()),
                value: Some("x".into()),
                span: Some((0, 5)),
            };
            for pick in [Pick::default(), pick] {
                let Some(sql) = question.rows_sql(&filter, &pick, 5) else { continue };
                // A picked label is a number where the column is one.
                let sql = sql.replace("cast(('1''' || chr(92) || '') as integer)", "1");
                has_columns(what, &database.ask(&sql), question.rows_columns());
            }
        }
    }
}

#[test]
fn a_question_says_truly_which_filters_change_it() {
    for question in QUESTIONS {
        let [none, _] = filters();
        let plain = question.sql(&none, Source::Tables);
        let with = |change: fn(&mut Filter)| {
            let mut filter = none.clone();
            change(&mut filter);
            question.sql(&filter, Source::Tables) != plain
        };
        let takes = question.takes;
        assert_eq!(with(|filter| filter.client = Some("c".into())), takes.client, "{}: client", question.id);
        assert_eq!(
            with(|filter| filter.connection = Some("c".into())),
            takes.connection,
            "{}: connection",
            question.id
        );
        let moved = with(|filter| (filter.since, filter.until) = (0, 1_000_000));
        assert_eq!(moved, takes.time, "{}: time", question.id);
    }
}

#[test]
fn questions_have_names_of_their_own_and_read_what_they_name() {
    let ids: BTreeSet<&str> = QUESTIONS.iter().map(|question| question.id).collect();
    assert_eq!(ids.len(), QUESTIONS.len());
    for question in QUESTIONS {
        assert!(question.id.bytes().all(|b| b.is_ascii_lowercase() || b == b'-' || b.is_ascii_digit()));
        let sql = question.sql(&filters()[0], AGGREGATED);
        for aggregate in AGGREGATES {
            let named = question.reads.iter().any(|read| read.name == aggregate.name);
            assert_eq!(sql.contains(aggregate.name), named, "{} and {}", question.id, aggregate.name);
        }
        let time = |column: &&Column| matches!(column.role, Role::Time(_));
        if let Some(Role::Time(grain)) = question.columns.iter().find(time).map(|column| column.role) {
            assert!(grain >= question.grain() || grain == Grain::Hour, "{}", question.id);
        }
    }
}
