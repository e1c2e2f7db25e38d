//! Users, their identities and their metadata.
//!
//! Data only: no behaviour.

use super::super::column::{
    boolean, entry_name, entry_value, from_record, index, integer, string, timestamp,
};
use super::super::system::{deleted, row_id, synced};
use super::super::{Endpoint, Example, Paging, Replication, Rows, Stream, Table, Text};

/// What columns take, so that nothing else of a person travels.
const FIELDS: (&str, &str) = (
    "fields",
    "user_id,blocked,created_at,email,email_verified,last_ip,last_login,logins_count,name,nickname,updated_at,\
     username,picture,last_password_reset,app_metadata,identities",
);
const INCLUDED: (&str, &str) = ("include_fields", "true");

/// All users.
pub(super) const USERS_STREAM: Stream = Stream {
    name: "users",
    endpoint: Some(Endpoint {
        path: "/users",
        collection: "users",
        paging: Paging::Offset,
        page_size: 100,
        scope: "read:users",
        query: &[FIELDS, INCLUDED, ("include_totals", "true")],
        record_path: Some("/users/{id}"),
        record_query: &[FIELDS, INCLUDED],
    }),
    replication: Replication::Export,
    parent: None,
    tables: &[USERS, USER_APP_METADATA, USER_IDENTITIES],
};

/// A table of the former layout, kept so that queries on it go on working. Its paths are those of an identity of today.
pub(super) const USER_IDENTITIES_ARCHIVE_STREAM: Stream = Stream {
    name: "user_identities_archive",
    endpoint: None,
    replication: Replication::Frozen,
    parent: None,
    tables: &[USER_IDENTITIES_DISCONTINUED_20250812_000000],
};

const USERS: Table = Table {
    name: "users",
    key: &["id"],
    rows: Rows::Record,
    columns: &[
        string(
            "id",
            "/user_id",
            "Identifies the user, such as `auth0|…`; the part before the bar names the identity provider.",
            "ユーザーを一意に識別するID",
        )
        .primary(),
        deleted(),
        synced(),
        boolean(
            "blocked",
            "/blocked",
            "Whether the user is blocked; NULL when that was never set.",
            "ユーザーがブロックされているか",
        ),
        timestamp(
            "created_at",
            "/created_at",
            "When the user was created (UTC).",
            "ユーザーが作成された日時 (UTC)",
        ),
        string("email", "/email", "E-mail address.", "ユーザーのEメールアドレス"),
        boolean(
            "email_verified",
            "/email_verified",
            "Whether the e-mail address was verified.",
            "Eメールが検証済みか",
        ),
        string("last_ip", "/last_ip", "IP address of the last login.", "最後にログインしたIPアドレス"),
        timestamp(
            "last_login",
            "/last_login",
            "When the user last logged in (UTC).",
            "最後にログインした日時 (UTC)",
        ),
        integer("logins_count", "/logins_count", "How often the user has logged in.", "合計ログイン回数"),
        string("name", "/name", "Full name.", "ユーザーの氏名"),
        string("nickname", "/nickname", "Nickname.", "ユーザーのニックネーム"),
        timestamp(
            "updated_at",
            "/updated_at",
            "When the user was last changed (UTC); a login counts as a change.",
            "ユーザーが最後に更新された日時 (UTC)",
        ),
        string(
            "username",
            "/username",
            "Name to log in with, where the connection asks for one.",
            "ユーザー名",
        ),
        string("picture", "/picture", "URL of the profile picture.", "プロフィール画像のURL"),
        timestamp(
            "last_password_reset",
            "/last_password_reset",
            "When the password was last reset (UTC); database users only.",
            "最後にパスワードがリセットされた日時 (UTC)",
        ),
    ],
    about: Text { en: "A user of the tenant.", ja: "テナントのユーザー。" },
    tags: &["identity", "pii"],
    example: Example {
        asks: Text {
            en: "How many users signed up in each month, and how many of them verified their e-mail address?",
            ja: "月ごとの新規ユーザー数と、そのうちEメール検証済みの数は？",
        },
        sql: "select date_trunc('month', created_at) as signup_month,
       count(*) as users,
       count(*) filter (where email_verified) as verified
from auth0.users
where not _fivetran_deleted
group by 1
order by 1;",
    },
};

const USER_APP_METADATA: Table = Table {
    name: "user_app_metadata",
    key: &["users_id", "name"],
    rows: Rows::Entries("/app_metadata"),
    columns: &[
        entry_name(
            "name",
            "Name of the entry (top level of the metadata object).",
            "メタデータのキー（名称）",
        )
        .primary(),
        from_record("users_id", "/user_id", "Identifies the user.", "関連するユーザーのID").primary(),
        deleted(),
        synced(),
        entry_value("value", "Value of the entry; anything but text is JSON.", "メタデータの値"),
    ],
    about: Text {
        en: "A name and value that the tenant's applications keep with a user; the user cannot change it.",
        ja: "アプリケーションがユーザーに付与したメタデータの名称と値（ユーザー自身は変更不可）。",
    },
    tags: &["identity", "pii", "child"],
    example: Example {
        asks: Text {
            en: "Which names are in use, and on how many users?",
            ja: "使用されているキーとその利用ユーザー数は？",
        },
        sql: "select name, count(*) as users
from auth0.user_app_metadata
where not _fivetran_deleted
group by name
order by users desc, name;",
    },
};

const USER_IDENTITIES: Table = Table {
    name: "user_identities",
    key: &["users_id", "provider", "connection", "user_identity_id"],
    rows: Rows::Elements("/identities"),
    columns: &[
        from_record("users_id", "/user_id", "Identifies the user.", "関連するユーザーのID").primary(),
        index(),
        deleted(),
        synced(),
        string(
            "user_identity_id",
            "/user_id",
            "Identifies the user at the identity provider.",
            "IDプロバイダにおけるユーザーID",
        )
        .primary(),
        boolean("is_social", "/isSocial", "Whether the provider is a social one.", "ソーシャルログインか"),
        string(
            "provider",
            "/provider",
            "Name of the identity provider, such as `auth0` or `google-oauth2`.",
            "IDプロバイダ名",
        ),
        string("connection", "/connection", "Name of the connection.", "接続名"),
    ],
    about: Text {
        en: "An identity with which a user can log in; linked accounts have several.",
        ja: "ユーザーがログインに利用できるアイデンティティ。アカウントリンク時は複数存在する。",
    },
    tags: &["identity", "pii", "child"],
    example: Example {
        asks: Text {
            en: "Through which providers do users log in?",
            ja: "ユーザーはどのIDプロバイダを利用しているか？",
        },
        sql: "select provider, connection, count(distinct users_id) as users
from auth0.user_identities
where not _fivetran_deleted
group by provider, connection
order by users desc, provider, connection;",
    },
};

const USER_IDENTITIES_DISCONTINUED_20250812_000000: Table = Table {
    name: "user_identities_discontinued_20250812_000000",
    key: &["_fivetran_id"],
    rows: Rows::Record,
    columns: &[
        row_id(&["user_id", "provider", "connection"]),
        deleted(),
        synced(),
        string("connection", "/connection", "Name of the connection.", "接続名"),
        boolean("is_social", "/isSocial", "Whether the provider is a social one.", "ソーシャルログインか"),
        string("provider", "/provider", "Name of the identity provider.", "IDプロバイダ名"),
        string("user_id", "/user_id", "Identifies the user.", "関連するユーザーのID").foreign(),
    ],
    about: Text {
        en: "User identities as the layout kept them before 12 August 2025; frozen, and empty unless a migration filled it.",
        ja: "2025年8月12日以前のレイアウトによるユーザーアイデンティティ。凍結済みで、移行によってのみ格納される。",
    },
    tags: &["identity", "pii", "archive"],
    example: Example {
        asks: Text {
            en: "Which archived identities belong to users who still exist?",
            ja: "現存するユーザーに属するアーカイブ済みアイデンティティは？",
        },
        sql: "select a.user_id, a.provider, a.connection
from auth0.user_identities_discontinued_20250812_000000 as a
join auth0.users as u on u.id = a.user_id
where not u._fivetran_deleted
order by a.user_id, a.provider;",
    },
};
