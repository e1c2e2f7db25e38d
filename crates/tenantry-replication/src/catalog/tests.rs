//! The catalog against the published diagram (`fixtures/erd.mermaid.md`), and against its own promises.

mod diagram;
mod fixtures;
mod rendering;

use std::collections::BTreeSet;

use diagram::published;

use super::schema;
use super::{CATALOG, Mark, Origin, Paging, Replication, Rows, Stream, Table, Type, system};

fn tables() -> impl Iterator<Item = (&'static Stream, &'static Table)> {
    CATALOG.streams.iter().flat_map(|stream| stream.tables.iter().map(move |table| (stream, table)))
}

#[test]
fn the_published_diagram_has_33_tables_272_columns_and_27_relationships() {
    let published = published();
    assert_eq!(published.tables.len(), 33);
    assert_eq!(published.tables.iter().map(|table| table.columns.len()).sum::<usize>(), 272);
    assert_eq!(published.relationships.len(), 27);
}

#[test]
fn the_catalog_holds_exactly_the_published_diagram() {
    let words = |kind: Type| match kind {
        Type::String => "STRING",
        Type::Boolean => "BOOLEAN",
        Type::Timestamp => "TIMESTAMP",
        Type::Integer => "INTEGER",
    };
    let marks = |mark: Mark| match mark {
        Mark::None => "",
        Mark::Primary => "PK",
        Mark::Foreign => "FK",
    };
    let published = published();
    let names: Vec<&str> = published.tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(CATALOG.diagram, names);
    assert_eq!(CATALOG.tables().count(), names.len());
    for expected in &published.tables {
        let table = CATALOG.table(&expected.name).unwrap_or_else(|| panic!("no table {}", expected.name));
        let columns: Vec<[String; 4]> = table
            .columns
            .iter()
            .map(|column| {
                [words(column.kind), column.name, marks(column.mark), column.about.ja].map(str::to_owned)
            })
            .collect();
        assert_eq!(columns, expected.columns, "{}", expected.name);
    }
    let relationships: Vec<[String; 3]> = CATALOG
        .relationships
        .iter()
        .map(|line| [line.parent, line.child, line.column].map(str::to_owned))
        .collect();
    assert_eq!(relationships, published.relationships);
}

#[test]
fn names_are_unique() {
    let mut seen = BTreeSet::new();
    for (_, table) in tables() {
        assert!(seen.insert(table.name), "table {} stands twice", table.name);
        let columns: BTreeSet<&str> = table.columns.iter().map(|column| column.name).collect();
        assert_eq!(columns.len(), table.columns.len(), "{} has two columns of one name", table.name);
    }
    let streams: BTreeSet<&str> = CATALOG.streams.iter().map(|stream| stream.name).collect();
    assert_eq!(streams.len(), CATALOG.streams.len());
}

#[test]
fn merge_keys_exist_and_hold_every_marked_column() {
    for (_, table) in tables() {
        assert!(!table.key.is_empty(), "{} has no key", table.name);
        assert_eq!(
            table.key.iter().collect::<BTreeSet<_>>().len(),
            table.key.len(),
            "{} repeats a key column",
            table.name
        );
        for name in table.key {
            let column = table.column(name).unwrap_or_else(|| panic!("{}.{name} does not exist", table.name));
            assert!(!column.is_system(), "{}.{name} cannot be a key", table.name);
        }
        for column in table.columns.iter().filter(|column| column.mark == Mark::Primary) {
            assert!(
                table.key.contains(&column.name),
                "{}.{} is marked PK but not in the key",
                table.name,
                column.name
            );
        }
    }
}

#[test]
fn merge_keys_are_the_designed_ones_where_the_marks_would_collapse_rows() {
    let designed: [(&str, &[&str]); 12] = [
        ("action_trigger", &["id", "version"]),
        ("action_supported_trigger", &["action_id", "id", "version"]),
        ("action_trigger_compatible", &["action_trigger_id", "action_trigger_version", "id", "version"]),
        ("action_trigger_runtime", &["action_trigger_id", "action_trigger_version", "runtime"]),
        ("client_grant_scope", &["client_grant_id", "scope"]),
        ("client_grant_type", &["client_id", "grant_type"]),
        ("connection_realm", &["connection_id", "realms"]),
        ("grant_scope", &["grant_id", "scope"]),
        ("log_detail_accessed_secret", &["log_id", "accessedsecret"]),
        ("organization_member", &["organization_id", "id"]),
        ("user_identities", &["users_id", "provider", "connection", "user_identity_id"]),
        ("client_grant", &["id"]),
    ];
    for (table, key) in designed {
        assert_eq!(CATALOG.table(table).unwrap().key, key, "{table}");
    }
    let wide: BTreeSet<&str> = designed[..11].iter().map(|(table, _)| *table).collect();
    for (_, table) in tables().filter(|(_, table)| !wide.contains(table.name)) {
        let marked: BTreeSet<&str> = table
            .columns
            .iter()
            .filter(|column| column.mark == Mark::Primary)
            .map(|column| column.name)
            .collect();
        assert_eq!(table.key.iter().copied().collect::<BTreeSet<_>>(), marked, "{}", table.name);
    }
}

#[test]
fn a_child_table_carries_the_whole_key_of_its_record() {
    for stream in CATALOG.streams {
        let root = stream.root();
        assert_eq!(root.rows, Rows::Record, "{} is a root", root.name);
        assert!(stream.parent_key(root).is_empty(), "{} has no record above it", root.name);
        for child in stream.children() {
            let pairs = stream.parent_key(child);
            let carried: Vec<&str> = pairs.iter().map(|(root, _)| root.name).collect();
            assert_eq!(carried, root.key, "{} does not carry the key of {}", child.name, root.name);
            for (root_column, column) in pairs {
                assert_eq!(root_column.kind, column.kind);
                let tells_apart = |key: &[&str]| key.contains(&column.name);
                let in_hash = child
                    .columns
                    .iter()
                    .any(|part| matches!(part.origin, Origin::RowHash(key) if tells_apart(key)));
                assert!(tells_apart(child.key) || in_hash, "{}: records are told apart", child.name);
            }
        }
    }
}

#[test]
fn every_table_has_both_system_columns_and_a_hash_of_columns_it_has() {
    for (_, table) in tables() {
        let origin = |name: &str| table.column(name).map(|column| column.origin);
        assert_eq!(origin(system::DELETED), Some(Origin::Deleted), "{}", table.name);
        assert_eq!(origin(system::SYNCED), Some(Origin::Synced), "{}", table.name);
        for column in table.columns {
            if let Origin::RowHash(key) = column.origin {
                assert_eq!(column.name, system::ROW_ID);
                assert_eq!(table.key, [system::ROW_ID], "{}", table.name);
                assert!(!key.is_empty());
                for name in key {
                    let part =
                        table.column(name).unwrap_or_else(|| panic!("{}.{name} does not exist", table.name));
                    assert!(!part.is_system() && part.name != system::ROW_ID);
                }
            }
        }
    }
}

#[test]
fn origins_fit_the_rows_they_stand_in() {
    for (stream, table) in tables() {
        for column in table.columns {
            let fits = match column.origin {
                Origin::Field(_) => !matches!(table.rows, Rows::Entries(_)),
                Origin::Record(_) => table.rows != Rows::Record,
                Origin::Index => matches!(table.rows, Rows::Elements(_)) && column.kind == Type::Integer,
                Origin::EntryName | Origin::EntryValue | Origin::EntryValueMasked => {
                    matches!(table.rows, Rows::Entries(_)) && column.kind == Type::String
                }
                Origin::Parent => stream.parent.is_some() && table.rows == Rows::Record,
                Origin::RowHash(_) => column.kind == Type::String,
                Origin::Deleted => column.kind == Type::Boolean,
                Origin::Synced => column.kind == Type::Timestamp,
            };
            assert!(fits, "{}.{}: {:?} in {:?}", table.name, column.name, column.origin, table.rows);
        }
    }
}

#[test]
fn paths_are_well_formed() {
    let check = |path: &str| {
        assert!(path.starts_with('/'), "{path}");
        assert!(path[1..].split('/').all(|part| !part.is_empty()), "{path}");
        assert!(!path.contains(['~', '.', '[', ' ', '%', '?']), "{path}");
    };
    for (_, table) in tables() {
        if let Rows::Elements(path) | Rows::Entries(path) = table.rows {
            check(path);
        }
        for column in table.columns {
            match column.origin {
                Origin::Field("") => {
                    assert!(matches!(table.rows, Rows::Elements(_)), "{}.{}", table.name, column.name);
                }
                Origin::Field(path) | Origin::Record(path) => check(path),
                _ => {}
            }
        }
    }
}

#[test]
fn no_two_columns_of_a_table_take_the_same_value() {
    for (_, table) in tables() {
        for (position, column) in table.columns.iter().enumerate() {
            assert!(
                table.columns[..position].iter().all(|earlier| earlier.origin != column.origin),
                "{}.{} repeats an origin",
                table.name,
                column.name
            );
        }
    }
}

#[test]
fn every_stream_but_the_frozen_one_has_an_endpoint() {
    for stream in CATALOG.streams {
        assert_eq!(stream.endpoint.is_none(), stream.replication == Replication::Frozen, "{}", stream.name);
        let Some(endpoint) = &stream.endpoint else { continue };
        assert!(endpoint.scope.starts_with("read:"), "{}", endpoint.scope);
        assert!(endpoint.scope["read:".len()..].chars().all(|c| c.is_ascii_lowercase() || c == '_'));
        assert!(endpoint.path.starts_with('/') && !endpoint.path.ends_with('/'), "{}", endpoint.path);
        assert_eq!(endpoint.path.contains("{parent}"), stream.parent.is_some(), "{}", stream.name);
        assert_eq!(endpoint.page_size == 0, endpoint.paging == Paging::None, "{}", stream.name);
        if let Some(path) = endpoint.record_path {
            assert_eq!(path, format!("{}/{{id}}", endpoint.path), "{}", stream.name);
            assert_eq!(stream.root().key.len(), 1, "{}: one id cannot tell its records apart", stream.name);
        } else {
            assert!(endpoint.record_query.is_empty(), "{}", stream.name);
        }
    }
}

#[test]
fn field_selections_name_what_columns_take_and_nothing_else() {
    let mut selections = 0;
    for stream in CATALOG.streams {
        let Some(endpoint) = &stream.endpoint else { continue };
        for query in [endpoint.query, endpoint.record_query] {
            let value =
                |name: &str| query.iter().find(|(parameter, _)| *parameter == name).map(|(_, value)| *value);
            let Some(fields) = value("fields") else { continue };
            let fields: BTreeSet<&str> = fields.split(',').collect();
            let taken: BTreeSet<&str> = stream.members().into_iter().collect();
            selections += 1;
            match value("include_fields") {
                Some("true") => assert_eq!(fields, taken, "{}", stream.name),
                Some("false") => assert!(fields.is_disjoint(&taken), "{}", stream.name),
                other => panic!("{}: include_fields is {other:?}", stream.name),
            }
        }
    }
    assert_eq!(selections, 7);
}

#[test]
fn fan_outs_go_over_an_earlier_stream_and_carry_its_key() {
    for (position, stream) in CATALOG.streams.iter().enumerate() {
        let Some(parent) = &stream.parent else {
            assert!(stream.root().parent_column().is_none());
            continue;
        };
        let earlier = CATALOG.streams[..position].iter().find(|earlier| earlier.name == parent.stream);
        let earlier = earlier.unwrap_or_else(|| panic!("{} is read before {}", stream.name, parent.stream));
        assert_eq!(earlier.root().key, [parent.column]);
        let column = stream.root().parent_column().expect("a column for the parent's key");
        assert!(
            stream.root().key.contains(&column.name),
            "{}: parents are told apart by the key",
            stream.name
        );
        assert!(
            CATALOG.relationships.iter().any(|line| {
                line.parent == earlier.root().name
                    && line.child == stream.root().name
                    && line.column == column.name
            }),
            "{} has a line in the diagram",
            stream.name
        );
    }
}

#[test]
fn relationships_join_columns_of_one_type() {
    for line in CATALOG.relationships {
        let child = CATALOG.table(line.child).unwrap_or_else(|| panic!("{line:?}"));
        let column = child.column(line.column).unwrap_or_else(|| panic!("{line:?}"));
        let parent = CATALOG.table(line.parent).unwrap_or_else(|| panic!("{line:?}"));
        let key = parent.columns.iter().find(|column| column.mark == Mark::Primary).unwrap();
        assert_eq!(column.kind, key.kind, "{line:?}");
    }
}

#[test]
fn descriptions_are_sentences_in_both_languages() {
    for (_, table) in tables() {
        let asks = table.example.asks;
        assert!(asks.en.ends_with('?') && asks.ja.ends_with('？'), "{}", table.name);
        let texts =
            table.columns.iter().map(|column| (column.name, column.about)).chain([("(table)", table.about)]);
        for (name, about) in texts {
            assert!(
                about.en.ends_with('.') && !about.en.ends_with(".."),
                "{}.{name}: {}",
                table.name,
                about.en
            );
            assert!(about.en.starts_with(|c: char| c.is_ascii_uppercase()), "{}.{name}", table.name);
            assert!(about.en.len() <= 120, "{}.{name} is long: {}", table.name, about.en);
            assert!(!about.ja.is_empty() && !about.ja.contains('"'), "{}.{name}", table.name);
        }
        assert!(!table.tags.is_empty(), "{}", table.name);
    }
}

#[test]
fn example_queries_ask_only_tables_that_exist() {
    for (_, table) in tables() {
        let sql = table.example.sql;
        assert!(sql.starts_with("select ") && sql.ends_with(';') && !sql.contains('\t'), "{}", table.name);
        let prefix = format!("{}.", schema::NAMESPACE);
        let mentioned: BTreeSet<&str> =
            sql.split_whitespace().filter_map(|word| word.strip_prefix(&prefix)).collect();
        assert!(mentioned.contains(table.name), "{}: {mentioned:?}", table.name);
        for name in mentioned {
            assert!(CATALOG.table(name).is_some(), "{} asks {name}", table.name);
        }
    }
}

#[test]
fn credentials_are_secret_and_settings_are_not() {
    let secret = [
        "client_secret",
        "signing_secret",
        "httpAuthorization",
        "httpCustomHeaders",
        "datadogApiKey",
        "splunkToken",
        "segmentWriteKey",
        "sumoSourceAddress",
        "mixpanelServiceAccountPassword",
        "access_token",
        "refresh_token",
        "password",
        "password_hash",
        "api_key",
        "API-Key",
        "privateKey",
        "signing_keys",
        "client_assertion",
    ];
    for name in secret {
        assert!(CATALOG.is_secret_member(name), "{name}");
    }
    let open = [
        "awsAccountId",
        "awsRegion",
        "awsPartnerEventSource",
        "azureSubscriptionId",
        "azurePartnerTopic",
        "httpEndpoint",
        "httpContentType",
        "httpContentFormat",
        "datadogRegion",
        "splunkDomain",
        "splunkPort",
        "splunkSecure",
        "mixpanelRegion",
        "mixpanelProjectId",
        "mixpanelServiceAccountUsername",
        "token_lifetime",
        "token_lifetime_for_web",
        "token_dialect",
        "last_password_reset",
        "leaked_passwords",
        "client_id",
        "name",
        "user_id",
        "token_endpoint_auth_method",
        "accessedSecrets",
    ];
    for name in open {
        assert!(!CATALOG.is_secret_member(name), "{name}");
    }
    for name in CATALOG.secret_members.iter().chain(CATALOG.plain_members) {
        assert_eq!(*name, name.to_ascii_lowercase());
    }
    for name in CATALOG.plain_members {
        assert!(CATALOG.secret_members.iter().any(|part| name.contains(part)), "{name} needs no exception");
    }
}

#[test]
fn sink_values_are_masked() {
    let masked: Vec<&str> = tables()
        .flat_map(|(_, table)| table.columns.iter().map(move |column| (table, column)))
        .filter(|(_, column)| column.origin == Origin::EntryValueMasked)
        .map(|(table, _)| table.name)
        .collect();
    assert_eq!(masked, ["log_stream_sink"]);
}
