//! Connections and the applications that may use them.
//!
//! Data only: no behaviour.

use super::super::column::{boolean, from_parent, from_record, index, string};
use super::super::system::{deleted, synced};
use super::super::{Endpoint, Example, Paging, Parent, Replication, Rows, Stream, Table, Text};

/// What columns take; `options`, with the secrets of identity providers, is not among them.
const FIELDS: &[(&str, &str)] =
    &[("fields", "id,name,strategy,is_domain_connection,realms"), ("include_fields", "true")];

/// All connections.
pub(super) const CONNECTIONS_STREAM: Stream = Stream {
    name: "connections",
    endpoint: Some(Endpoint {
        path: "/connections",
        collection: "connections",
        paging: Paging::Checkpoint,
        page_size: 100,
        scope: "read:connections",
        query: FIELDS,
        record_path: Some("/connections/{id}"),
        record_query: FIELDS,
    }),
    replication: Replication::FullTable,
    parent: None,
    tables: &[CONNECTION, CONNECTION_REALM],
};

/// Applications of each connection, from the endpoint that replaced `enabled_clients`.
pub(super) const CONNECTION_CLIENTS_STREAM: Stream = Stream {
    name: "connection_clients",
    endpoint: Some(Endpoint {
        path: "/connections/{parent}/clients",
        collection: "clients",
        paging: Paging::Checkpoint,
        page_size: 1000,
        scope: "read:connections",
        query: &[],
        record_path: None,
        record_query: &[],
    }),
    replication: Replication::FullTable,
    parent: Some(Parent { stream: "connections", column: "id" }),
    tables: &[CONNECTION_ENABLED_CLIENT],
};

const CONNECTION: Table = Table {
    name: "connection",
    key: &["id"],
    rows: Rows::Record,
    columns: &[
        string("id", "/id", "Identifies the connection.", "接続を一意に識別するID").primary(),
        deleted(),
        synced(),
        boolean(
            "is_domain_connection",
            "/is_domain_connection",
            "Whether third-party applications may use it (a domain-level connection).",
            "ドメイン接続か",
        ),
        string("name", "/name", "Name of the connection.", "接続の名称"),
        string(
            "strategy",
            "/strategy",
            "Kind of the connection, such as `auth0` or `google-oauth2`.",
            "認証ストラテジー（例: auth0 | google-oauth2）",
        ),
    ],
    about: Text {
        en: "A source of users: a database, a social provider or an enterprise directory.",
        ja: "ユーザーの認証元（データベース、ソーシャル、エンタープライズ）となる接続。",
    },
    tags: &["config", "identity"],
    example: Example {
        asks: Text {
            en: "How many connections are there of each strategy?",
            ja: "認証ストラテジーごとの接続数は？",
        },
        sql: "select strategy, count(*) as connections
from auth0.connection
where not _fivetran_deleted
group by strategy
order by connections desc, strategy;",
    },
};

const CONNECTION_REALM: Table = Table {
    name: "connection_realm",
    key: &["connection_id", "realms"],
    rows: Rows::Elements("/realms"),
    columns: &[
        string("realms", "", "Name of the realm; connections may share it.", "レルム名").primary(),
        from_record("connection_id", "/id", "Identifies the connection.", "関連する接続のID").foreign(),
        index(),
        deleted(),
        synced(),
    ],
    about: Text {
        en: "A realm under which a connection can be named at login.",
        ja: "ログイン時に接続を指定するためのレルム。",
    },
    tags: &["config", "child"],
    example: Example {
        asks: Text {
            en: "Which connections answer to a realm that is not their own name?",
            ja: "接続名と異なるレルムを持つ接続は？",
        },
        sql: r#"select c.name as connection_name, r.realms
from auth0.connection_realm as r
join auth0.connection as c on c.id = r.connection_id
where r.realms <> c.name and not r._fivetran_deleted
order by connection_name, r."index";"#,
    },
};

const CONNECTION_ENABLED_CLIENT: Table = Table {
    name: "connection_enabled_client",
    key: &["connection_id", "client_id"],
    rows: Rows::Record,
    columns: &[
        string("client_id", "/client_id", "Identifies the application.", "関連するクライアントのID")
            .primary(),
        from_parent("connection_id", "Identifies the connection.", "関連する接続のID").primary(),
        deleted(),
        synced(),
    ],
    about: Text {
        en: "An application whose users may log in with a connection.",
        ja: "接続を利用できるアプリケーション。",
    },
    tags: &["config", "access"],
    example: Example {
        asks: Text {
            en: "With how many applications can each connection be used?",
            ja: "各接続を利用できるアプリケーション数は？",
        },
        sql: "select c.name as connection_name, count(e.client_id) as clients
from auth0.connection as c
left join auth0.connection_enabled_client as e
  on e.connection_id = c.id and not e._fivetran_deleted
where not c._fivetran_deleted
group by c.name
order by clients desc, connection_name;",
    },
};
