//! The catalog rendered as diagram, SQL, JSON and pages.

use super::super::CATALOG;
use super::super::schema::{self, Language};
use super::diagram::{Diagram, published};
use super::tables;

#[test]
fn the_japanese_diagram_parses_to_the_published_one() {
    assert_eq!(Diagram::parse(&schema::mermaid(&CATALOG, Language::Japanese)), published());
}

#[test]
fn the_english_diagram_differs_only_in_descriptions() {
    let mut english = Diagram::parse(&schema::mermaid(&CATALOG, Language::English));
    let mut published = published();
    for column in english.tables.iter_mut().chain(&mut published.tables).flat_map(|table| &mut table.columns)
    {
        column[3].clear();
    }
    assert_eq!(english, published);
}

#[test]
fn sql_creates_and_comments_everything() {
    for language in [Language::English, Language::Japanese] {
        let sql = schema::sql(&CATALOG, language);
        assert_eq!(sql.matches("CREATE TABLE ").count(), 33);
        assert_eq!(sql.matches("COMMENT ON TABLE ").count(), 33);
        assert_eq!(sql.matches("COMMENT ON COLUMN ").count(), 272);
        assert!(sql.contains("    \"index\" BIGINT"));
        assert!(sql.contains("\nCOMMENT ON COLUMN auth0.stats_daily.\"date\" IS '"));
    }
    let english = schema::sql(&CATALOG, Language::English);
    assert!(english.contains("the tenant''s"), "quotes are doubled");
}

#[test]
fn json_holds_every_column_once() {
    let document: serde_json::Value = serde_json::from_str(&schema::json(&CATALOG)).unwrap();
    let mut columns = 0;
    for (stream, value) in CATALOG.streams.iter().zip(document["streams"].as_array().unwrap()) {
        assert_eq!(value["name"], stream.name);
        assert_eq!(value["endpoint"].is_null(), stream.endpoint.is_none());
        for (table, value) in stream.tables.iter().zip(value["tables"].as_array().unwrap()) {
            assert_eq!(value["name"], table.name);
            assert_eq!(value["merge_key"], serde_json::json!(table.key));
            for (column, value) in table.columns.iter().zip(value["columns"].as_array().unwrap()) {
                assert_eq!(value["name"], column.name);
                assert_eq!(value["description"]["ja"], column.about.ja);
                columns += 1;
            }
        }
    }
    assert_eq!(columns, 272);
    assert_eq!(document["relationships"].as_array().unwrap().len(), 27);
}

#[test]
fn a_page_tells_endpoint_scope_columns_and_relationships() {
    for (stream, table) in tables() {
        for language in [Language::English, Language::Japanese] {
            let page = schema::table_page(&CATALOG, table, language);
            assert!(page.starts_with(&format!("# {}\n\n{}", table.name, table.about.in_language(language))));
            if let Some(endpoint) = &stream.endpoint {
                assert!(page.contains(&format!("`{}`", endpoint.scope)));
            }
            for column in table.columns {
                let row = page.lines().find(|line| line.starts_with(&format!("| `{}` |", column.name)));
                assert_eq!(
                    row.map(|row| row.replace("\\|", "/").matches('|').count()),
                    Some(6),
                    "{}",
                    column.name
                );
            }
            for line in CATALOG.relationships.iter().filter(|line| line.child == table.name) {
                assert!(page.contains(&format!("[{0}]({0}.md)", line.parent)), "{}", table.name);
            }
            assert!(page.contains(table.example.sql));
        }
    }
}

#[test]
fn a_page_reads_like_this() {
    let page = schema::table_page(&CATALOG, CATALOG.table("client_grant_scope").unwrap(), Language::English);
    insta::assert_snapshot!("client_grant_scope_page", page);
}
