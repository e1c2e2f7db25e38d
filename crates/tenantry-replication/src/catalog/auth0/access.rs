//! What may be accessed and by whom: APIs, roles and the consents of users.
//!
//! Data only: no behaviour.

use super::super::column::{boolean, from_record, index, integer, string};
use super::super::system::{deleted, row_id, synced};
use super::super::{Endpoint, Example, Paging, Replication, Rows, Stream, Table, Text};

/// All APIs, those of Auth0 itself among them.
pub(super) const RESOURCE_SERVERS_STREAM: Stream = Stream {
    name: "resource_servers",
    endpoint: Some(Endpoint {
        path: "/resource-servers",
        collection: "resource_servers",
        paging: Paging::Offset,
        page_size: 100,
        scope: "read:resource_servers",
        query: &[("include_totals", "true")],
        record_path: Some("/resource-servers/{id}"),
        record_query: &[],
    }),
    replication: Replication::FullTable,
    parent: None,
    tables: &[RESOURCE_SERVER, RESOURCE_SERVER_SCOPES],
};

/// All roles of the tenant.
pub(super) const ROLES_STREAM: Stream = Stream {
    name: "roles",
    endpoint: Some(Endpoint {
        path: "/roles",
        collection: "roles",
        paging: Paging::Offset,
        page_size: 100,
        scope: "read:roles",
        query: &[("include_totals", "true")],
        record_path: Some("/roles/{id}"),
        record_query: &[],
    }),
    replication: Replication::FullTable,
    parent: None,
    tables: &[ROLE],
};

/// All consents of users.
pub(super) const GRANTS_STREAM: Stream = Stream {
    name: "grants",
    endpoint: Some(Endpoint {
        path: "/grants",
        collection: "grants",
        paging: Paging::Offset,
        page_size: 100,
        scope: "read:grants",
        query: &[("include_totals", "true")],
        record_path: None,
        record_query: &[],
    }),
    replication: Replication::FullTable,
    parent: None,
    tables: &[GRANTS, GRANT_SCOPE],
};

const RESOURCE_SERVER: Table = Table {
    name: "resource_server",
    key: &["id"],
    rows: Rows::Record,
    columns: &[
        string("id", "/id", "Identifies the API within the tenant.", "リソースサーバーを一意に識別するID")
            .primary(),
        deleted(),
        synced(),
        boolean(
            "allow_offline_access",
            "/allow_offline_access",
            "Whether refresh tokens may be issued for it.",
            "オフラインアクセスを許可するか",
        ),
        string(
            "client",
            "/client",
            "Application linked to the API, as JSON; Auth0 sends it for few tenants.",
            "クライアント",
        ),
        boolean(
            "enforce_policies",
            "/enforce_policies",
            "Whether role-based access control decides on the scopes of a token.",
            "ポリシーを強制するか",
        ),
        string(
            "identifier",
            "/identifier",
            "Identifier that applications ask tokens for (the audience).",
            "リソースサーバーの識別子（オーディエンス）",
        ),
        boolean("is_system", "/is_system", "Whether it is an API of Auth0 itself.", "システムAPIか"),
        string("name", "/name", "Name of the API.", "リソースサーバーの名称"),
        string(
            "signing_alg",
            "/signing_alg",
            "Algorithm that signs its access tokens, such as `RS256`.",
            "署名アルゴリズム",
        ),
        boolean(
            "skip_consent_for_verifiable_first_party_clients",
            "/skip_consent_for_verifiable_first_party_clients",
            "Whether users are not asked for consent by first-party applications that can be verified.",
            "検証可能なファーストパーティクライアントの同意をスキップするか",
        ),
        string(
            "token_dialect",
            "/token_dialect",
            "Format of its access tokens, such as `access_token` or `access_token_authz`.",
            "トークンの方言",
        ),
        integer(
            "token_lifetime",
            "/token_lifetime",
            "How long its access tokens are valid, in seconds.",
            "トークンの有効期間",
        ),
        integer(
            "token_lifetime_for_web",
            "/token_lifetime_for_web",
            "How long its access tokens are valid in browser flows, in seconds.",
            "Web用のトークンの有効期間",
        ),
    ],
    about: Text {
        en: "An API (resource server) for which the tenant issues access tokens.",
        ja: "テナントがアクセストークンを発行する対象のAPI（リソースサーバー）。",
    },
    tags: &["config", "access"],
    example: Example {
        asks: Text {
            en: "Which APIs issue access tokens that live longer than a day?",
            ja: "有効期間が1日を超えるアクセストークンを発行するAPIは？",
        },
        sql: "select name, identifier, token_lifetime / 3600 as hours
from auth0.resource_server
where token_lifetime > 86400 and not _fivetran_deleted
order by token_lifetime desc;",
    },
};

const RESOURCE_SERVER_SCOPES: Table = Table {
    name: "resource_server_scopes",
    key: &["_fivetran_id"],
    rows: Rows::Elements("/scopes"),
    columns: &[
        row_id(&["resource_server_id", "value"]),
        deleted(),
        synced(),
        string(
            "description",
            "/description",
            "What the scope allows, in the words of the API's owner.",
            "スコープの説明",
        ),
        from_record("resource_server_id", "/id", "Identifies the API.", "関連するリソースサーバーのID")
            .foreign(),
        string(
            "value",
            "/value",
            "Name of the scope, such as `read:messages`.",
            "スコープの値（例: read:messages）",
        ),
    ],
    about: Text { en: "A scope that an API defines.", ja: "APIが定義するスコープ。" },
    tags: &["config", "access", "child"],
    example: Example {
        asks: Text {
            en: "Which scopes does no client grant ask for?",
            ja: "どのクライアント権限付与にも使われていないスコープは？",
        },
        sql: "select r.name as api_name, s.value as scope
from auth0.resource_server_scopes as s
join auth0.resource_server as r on r.id = s.resource_server_id
left join auth0.client_grant as g on g.audience = r.identifier and not g._fivetran_deleted
left join auth0.client_grant_scope as c
  on c.client_grant_id = g.id and c.scope = s.value and not c._fivetran_deleted
where not s._fivetran_deleted and not r.is_system
group by r.name, s.value
having count(c.scope) = 0
order by api_name, scope;",
    },
};

const ROLE: Table = Table {
    name: "role",
    key: &["id"],
    rows: Rows::Record,
    columns: &[
        string("id", "/id", "Identifies the role.", "ロールを一意に識別するID").primary(),
        deleted(),
        synced(),
        string("description", "/description", "What the role is for.", "ロールの説明"),
        string("name", "/name", "Name of the role.", "ロールの名称"),
    ],
    about: Text {
        en: "A role that can be given to users.", ja: "ユーザーに割り当て可能なロール。"
    },
    tags: &["access"],
    example: Example {
        asks: Text { en: "Which roles lack a description?", ja: "説明のないロールは？" },
        sql: "select id, name
from auth0.role
where coalesce(description, '') = '' and not _fivetran_deleted
order by name;",
    },
};

const GRANTS: Table = Table {
    name: "grants",
    key: &["id"],
    rows: Rows::Record,
    columns: &[
        string("id", "/id", "Identifies the consent.", "権限付与を一意に識別するID").primary(),
        deleted(),
        synced(),
        string(
            "audience",
            "/audience",
            "Identifier (audience) of the API.",
            "権限の対象となるAPI（オーディエンス）",
        ),
        string(
            "client_id",
            "/clientID",
            "Identifies the application that was given consent.",
            "権限を要求したクライアントのID",
        )
        .foreign(),
        string("user_id", "/user_id", "Identifies the user who gave consent.", "権限を同意したユーザーのID")
            .foreign(),
    ],
    about: Text {
        en: "A user's consent that an application may call an API for them.",
        ja: "アプリケーションによるAPI呼び出しへのユーザーの同意。",
    },
    tags: &["access", "security", "pii"],
    example: Example {
        asks: Text {
            en: "Which applications were given most consents?",
            ja: "最も多くの同意を得ているアプリケーションは？",
        },
        sql: "select c.name as client_name, count(distinct g.user_id) as users
from auth0.grants as g
join auth0.client as c on c.id = g.client_id
where not g._fivetran_deleted
group by c.name
order by users desc, client_name;",
    },
};

const GRANT_SCOPE: Table = Table {
    name: "grant_scope",
    key: &["grant_id", "scope"],
    rows: Rows::Elements("/scope"),
    columns: &[
        string("scope", "", "Scope, such as `openid`; consents share it.", "要求された権限スコープ")
            .primary(),
        from_record("grant_id", "/id", "Identifies the consent.", "関連する権限付与のID").foreign(),
        index(),
        deleted(),
        synced(),
    ],
    about: Text {
        en: "A scope that a user's consent covers.", ja: "ユーザーの同意に含まれるスコープ。"
    },
    tags: &["access", "child"],
    example: Example {
        asks: Text {
            en: "Which scopes did users consent to most often?",
            ja: "最も多く同意されたスコープは？",
        },
        sql: "select scope, count(*) as consents
from auth0.grant_scope
where not _fivetran_deleted
group by scope
order by consents desc, scope;",
    },
};
