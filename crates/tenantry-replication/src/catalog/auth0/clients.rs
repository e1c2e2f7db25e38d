//! Applications and what they may call on their own behalf.
//!
//! Data only: no behaviour.

use super::super::column::{boolean, entry_name, entry_value, from_record, index, integer, string};
use super::super::system::{deleted, row_id, synced};
use super::super::{Endpoint, Example, Paging, Replication, Rows, Stream, Table, Text};

/// Leaves secrets out rather than naming what to send: some members that columns take are no longer documented, and naming one of those
/// might be refused.
const WITHOUT_SECRETS: &[(&str, &str)] =
    &[("fields", "client_secret,signing_keys,encryption_key"), ("include_fields", "false")];

/// All applications, the global client among them: nothing here filters by `is_global`.
pub(super) const CLIENTS_STREAM: Stream = Stream {
    name: "clients",
    endpoint: Some(Endpoint {
        path: "/clients",
        collection: "clients",
        paging: Paging::Checkpoint,
        page_size: 100,
        scope: "read:clients",
        query: WITHOUT_SECRETS,
        record_path: Some("/clients/{id}"),
        record_query: WITHOUT_SECRETS,
    }),
    replication: Replication::FullTable,
    parent: None,
    tables: &[CLIENT, CLIENT_CALLBACK, CLIENT_GRANT_TYPE, CLIENT_METADATA],
};

/// All machine-to-machine permissions.
pub(super) const CLIENT_GRANTS_STREAM: Stream = Stream {
    name: "client_grants",
    endpoint: Some(Endpoint {
        path: "/client-grants",
        collection: "client_grants",
        paging: Paging::Checkpoint,
        page_size: 100,
        scope: "read:client_grants",
        query: &[],
        record_path: Some("/client-grants/{id}"),
        record_query: &[],
    }),
    replication: Replication::FullTable,
    parent: None,
    tables: &[CLIENT_GRANT, CLIENT_GRANT_SCOPE],
};

const CLIENT: Table = Table {
    name: "client",
    key: &["id"],
    rows: Rows::Record,
    columns: &[
        string(
            "id",
            "/client_id",
            "Identifies the application (its client ID).",
            "クライアントを一意に識別するID",
        )
        .primary(),
        deleted(),
        synced(),
        string(
            "allowed_origins",
            "/allowed_origins",
            "Origins allowed to make cross-origin requests, as a JSON array of URLs.",
            "許可されたオリジンのリスト",
        ),
        boolean(
            "callback_url_template",
            "/callback_url_template",
            "Whether callback URLs may hold templates (a legacy setting).",
            "コールバックURLテンプレートフラグ",
        ),
        boolean(
            "cross_origin_auth",
            "/cross_origin_auth",
            "Whether cross-origin authentication is on; the former name of `cross_origin_authentication`.",
            "クロスオリジン認証が有効か",
        ),
        boolean(
            "cross_origin_authentication",
            "/cross_origin_authentication",
            "Whether cross-origin authentication is on.",
            "クロスオリジン認証",
        ),
        boolean(
            "custom_login_page_on",
            "/custom_login_page_on",
            "Whether the application uses a login page of its own.",
            "カスタムログインページが有効か",
        ),
        boolean(
            "global",
            "/global",
            "Whether it is the tenant's global client (\"All Applications\").",
            "グローバルクライアントか",
        ),
        boolean(
            "is_first_party",
            "/is_first_party",
            "Whether the application is first-party.",
            "ファーストパーティクライアントか",
        ),
        boolean(
            "is_token_endpoint_ip_header_trusted",
            "/is_token_endpoint_ip_header_trusted",
            "Whether the token endpoint trusts the `auth0-forwarded-for` header for the end user's IP address.",
            "トークンエンドポイントのIPヘッダーを信頼するか",
        ),
        string(
            "jwt_configuration_alg",
            "/jwt_configuration/alg",
            "Algorithm that signs its ID tokens, such as `RS256`.",
            "JWT署名アルゴリズム",
        ),
        integer(
            "jwt_configuration_lifetime_in_seconds",
            "/jwt_configuration/lifetime_in_seconds",
            "How long its ID tokens are valid, in seconds.",
            "JWTの有効期間（秒）",
        ),
        boolean(
            "jwt_configuration_secret_encoded",
            "/jwt_configuration/secret_encoded",
            "Whether the client secret is Base64-encoded.",
            "JWTのシークレットがエンコードされているか",
        ),
        string("name", "/name", "Name of the application.", "クライアントの名称"),
        boolean(
            "oidc_conformant",
            "/oidc_conformant",
            "Whether it follows the OpenID Connect specification strictly.",
            "OIDCに準拠しているか",
        ),
        string(
            "refresh_token_expiration_type",
            "/refresh_token/expiration_type",
            "Whether refresh tokens expire: `expiring` or `non-expiring`.",
            "リフレッシュトークンの有効期限タイプ",
        ),
        integer(
            "refresh_token_idle_token_lifetime",
            "/refresh_token/idle_token_lifetime",
            "How long an unused refresh token stays valid, in seconds.",
            "リフレッシュトークンのアイドル有効期間",
        ),
        boolean(
            "refresh_token_infinite_idle_token_lifetime",
            "/refresh_token/infinite_idle_token_lifetime",
            "Whether unused refresh tokens stay valid without limit.",
            "リフレッシュトークンのアイドル有効期間が無制限か",
        ),
        boolean(
            "refresh_token_infinite_token_lifetime",
            "/refresh_token/infinite_token_lifetime",
            "Whether refresh tokens stay valid without limit.",
            "リフレッシュトークンの有効期間が無制限か",
        ),
        integer(
            "refresh_token_leeway",
            "/refresh_token/leeway",
            "How long a rotated refresh token is still accepted, in seconds.",
            "リフレッシュトークンの猶予期間",
        ),
        string(
            "refresh_token_rotation_type",
            "/refresh_token/rotation_type",
            "Whether refresh tokens rotate: `rotating` or `non-rotating`.",
            "リフレッシュトークンのローテーションタイプ",
        ),
        integer(
            "refresh_token_token_lifetime",
            "/refresh_token/token_lifetime",
            "How long a refresh token is valid, in seconds.",
            "リフレッシュトークンの有効期間",
        ),
        boolean("sso_disabled", "/sso_disabled", "Whether single sign-on is turned off.", "SSOが無効か"),
        string("tenant", "/tenant", "Name of the tenant.", "テナント名"),
    ],
    about: Text {
        en: "An application (client) that authenticates users or calls APIs; the tenant's global client is among them.",
        ja: "ユーザー認証やAPI呼び出しを行うアプリケーション（クライアント）。テナントのグローバルクライアントも含む。",
    },
    tags: &["config", "access"],
    example: Example {
        asks: Text {
            en: "Which applications hold refresh tokens that do not rotate?",
            ja: "リフレッシュトークンをローテーションしないアプリケーションは？",
        },
        sql: "select name, refresh_token_expiration_type, refresh_token_token_lifetime
from auth0.client
where refresh_token_rotation_type = 'non-rotating' and not _fivetran_deleted
order by name;",
    },
};

const CLIENT_CALLBACK: Table = Table {
    name: "client_callback",
    key: &["_fivetran_id"],
    rows: Rows::Elements("/callbacks"),
    columns: &[
        row_id(&["client_id", "callback"]),
        deleted(),
        synced(),
        string("callback", "", "Callback URL.", "コールバックURL"),
        from_record("client_id", "/client_id", "Identifies the application.", "関連するクライアントのID")
            .foreign(),
    ],
    about: Text {
        en: "A URL that an application may be called back at after login.",
        ja: "ログイン後にアプリケーションへ戻ることを許可されたコールバックURL。",
    },
    tags: &["config", "security", "child"],
    example: Example {
        asks: Text {
            en: "Which callback URLs are not protected by https?",
            ja: "httpsで保護されていないコールバックURLは？",
        },
        sql: "select c.name as client_name, b.callback
from auth0.client_callback as b
join auth0.client as c on c.id = b.client_id
where b.callback like 'http://%' and not b._fivetran_deleted
order by client_name, b.callback;",
    },
};

const CLIENT_GRANT_TYPE: Table = Table {
    name: "client_grant_type",
    key: &["client_id", "grant_type"],
    rows: Rows::Elements("/grant_types"),
    columns: &[
        string(
            "grant_type",
            "",
            "Grant type, such as `authorization_code`; applications share it.",
            "認可グラントタイプ",
        )
        .primary(),
        from_record("client_id", "/client_id", "Identifies the application.", "関連するクライアントのID")
            .foreign(),
        index(),
        deleted(),
        synced(),
    ],
    about: Text {
        en: "An OAuth 2.0 grant type that an application may use.",
        ja: "アプリケーションが利用できるOAuth 2.0のグラントタイプ。",
    },
    tags: &["config", "security", "child"],
    example: Example {
        asks: Text {
            en: "Which applications still allow the implicit or password grant?",
            ja: "インプリシットまたはパスワードグラントを許可しているアプリケーションは？",
        },
        sql: "select c.name as client_name, g.grant_type
from auth0.client_grant_type as g
join auth0.client as c on c.id = g.client_id
where g.grant_type in ('implicit', 'password', 'http://auth0.com/oauth/grant-type/password-realm')
  and not g._fivetran_deleted
order by client_name, g.grant_type;",
    },
};

const CLIENT_METADATA: Table = Table {
    name: "client_metadata",
    key: &["client_id", "name"],
    rows: Rows::Entries("/client_metadata"),
    columns: &[
        entry_name("name", "Name of the entry.", "メタデータのキー（名称）").primary(),
        from_record("client_id", "/client_id", "Identifies the application.", "関連するクライアントのID")
            .primary(),
        deleted(),
        synced(),
        entry_value("value", "Value of the entry; anything but text is JSON.", "メタデータの値"),
    ],
    about: Text {
        en: "A name and value that the tenant's administrators keep with an application.",
        ja: "管理者がアプリケーションに付与したメタデータの名称と値。",
    },
    tags: &["config", "child"],
    example: Example {
        asks: Text {
            en: "Which metadata do applications carry?",
            ja: "アプリケーションに付与されているメタデータは？",
        },
        sql: "select c.name as client_name, m.name, m.value
from auth0.client_metadata as m
join auth0.client as c on c.id = m.client_id
where not m._fivetran_deleted
order by client_name, m.name;",
    },
};

const CLIENT_GRANT: Table = Table {
    name: "client_grant",
    key: &["id"],
    rows: Rows::Record,
    columns: &[
        string("id", "/id", "Identifies the grant.", "権限付与を一意に識別するID").primary(),
        string(
            "client_id",
            "/client_id",
            "Identifies the application; NULL for a grant that holds for all applications.",
            "権限を要求するクライアントのID",
        )
        .foreign(),
        deleted(),
        synced(),
        string(
            "audience",
            "/audience",
            "Identifier (audience) of the API.",
            "権限の対象となるAPI（オーディエンス）",
        ),
    ],
    about: Text {
        en: "Permission for an application to call an API on its own behalf (machine to machine).",
        ja: "アプリケーション自身によるAPI呼び出し（M2M）の権限付与。",
    },
    tags: &["access", "security"],
    example: Example {
        asks: Text {
            en: "Which applications may call which APIs?",
            ja: "どのアプリケーションがどのAPIを呼び出せるか？",
        },
        sql: "select c.name as client_name, g.audience
from auth0.client_grant as g
join auth0.client as c on c.id = g.client_id
where not g._fivetran_deleted
order by client_name, g.audience;",
    },
};

const CLIENT_GRANT_SCOPE: Table = Table {
    name: "client_grant_scope",
    key: &["client_grant_id", "scope"],
    rows: Rows::Elements("/scope"),
    columns: &[
        string("scope", "", "Scope, such as `read:messages`; grants share it.", "要求された権限スコープ")
            .primary(),
        from_record(
            "client_grant_id",
            "/id",
            "Identifies the client grant.",
            "関連するクライアント権限付与のID",
        )
        .foreign(),
        from_record(
            "client_id",
            "/client_id",
            "Identifies the application; NULL for a grant that holds for all applications.",
            "関連するクライアントのID",
        )
        .foreign(),
        index(),
        deleted(),
        synced(),
    ],
    about: Text {
        en: "A scope that a client grant gives.", ja: "クライアント権限付与に含まれるスコープ。"
    },
    tags: &["access", "security", "child"],
    example: Example {
        asks: Text {
            en: "Which applications may delete something?",
            ja: "削除系のスコープを持つアプリケーションは？",
        },
        sql: "select c.name as client_name, g.audience, s.scope
from auth0.client_grant_scope as s
join auth0.client_grant as g on g.id = s.client_grant_id
join auth0.client as c on c.id = s.client_id
where s.scope like 'delete:%' and not s._fivetran_deleted
order by client_name, s.scope;",
    },
};
