//! What happens in the tenant: log events, daily counts, and where events are sent.
//!
//! Data only: no behaviour.

use super::super::column::{
    boolean, entry_name, from_record, index, integer, masked_entry_value, string, timestamp,
};
use super::super::system::{deleted, synced};
use super::super::{Endpoint, Example, Paging, Replication, Rows, Stream, Table, Text};

/// All log streams.
pub(super) const LOG_STREAMS_STREAM: Stream = Stream {
    name: "log_streams",
    endpoint: Some(Endpoint {
        path: "/log-streams",
        collection: "",
        paging: Paging::None,
        page_size: 0,
        scope: "read:log_streams",
        query: &[],
        record_path: Some("/log-streams/{id}"),
        record_query: &[],
    }),
    replication: Replication::FullTable,
    parent: None,
    tables: &[LOG_STREAM, LOG_STREAM_SINK],
};

/// All log events that the tenant still keeps.
pub(super) const LOGS_STREAM: Stream = Stream {
    name: "logs",
    endpoint: Some(Endpoint {
        path: "/logs",
        collection: "",
        paging: Paging::LogCheckpoint,
        page_size: 100,
        scope: "read:logs",
        query: &[],
        record_path: Some("/logs/{id}"),
        record_query: &[],
    }),
    replication: Replication::Log,
    parent: None,
    tables: &[LOGS, LOG_DETAIL_ACCESSED_SECRET],
};

/// Counts of all days; the API leaves out days without activity.
pub(super) const STATS_DAILY_STREAM: Stream = Stream {
    name: "stats_daily",
    endpoint: Some(Endpoint {
        path: "/stats/daily",
        collection: "",
        paging: Paging::None,
        page_size: 0,
        scope: "read:stats",
        query: &[],
        record_path: None,
        record_query: &[],
    }),
    replication: Replication::Daily,
    parent: None,
    tables: &[STATS_DAILY],
};

const LOG_STREAM: Table = Table {
    name: "log_stream",
    key: &["id"],
    rows: Rows::Record,
    columns: &[
        string("id", "/id", "Identifies the log stream.", "ログストリームを一意に識別するID").primary(),
        deleted(),
        synced(),
        string("name", "/name", "Name of the log stream.", "ログストリームの名称"),
        string("type", "/type", "Kind of target, such as `eventbridge` or `http`.", "ストリームのタイプ"),
        string("status", "/status", "Status: `active`, `paused` or `suspended`.", "ストリームのステータス"),
    ],
    about: Text {
        en: "A log stream: where the tenant sends its log events as they happen.",
        ja: "ログイベントの送信先となるログストリーム。",
    },
    tags: &["config", "security"],
    example: Example {
        asks: Text {
            en: "Which log streams are not active?", ja: "アクティブではないログストリームは？"
        },
        sql: "select name, type, status
from auth0.log_stream
where status <> 'active' and not _fivetran_deleted
order by name;",
    },
};

const LOG_STREAM_SINK: Table = Table {
    name: "log_stream_sink",
    key: &["log_stream_id", "name"],
    rows: Rows::Entries("/sink"),
    columns: &[
        from_record("log_stream_id", "/id", "Identifies the log stream.", "関連するログストリームのID")
            .primary(),
        entry_name("name", "Name of the setting, such as `awsRegion`.", "Sinkのキー名").primary(),
        deleted(),
        synced(),
        masked_entry_value(
            "value",
            "Value of the setting; anything but text is JSON, and a credential comes as `***`.",
            "Sinkの値",
        )
        .sensitive(),
    ],
    about: Text {
        en: "A setting of a log stream's target; credentials are masked.",
        ja: "ログストリームの送信先設定。資格情報はマスクされる。",
    },
    tags: &["config", "security", "child"],
    example: Example {
        asks: Text {
            en: "Where do the log streams send events to?", ja: "ログストリームの送信先は？"
        },
        sql: "select s.name as stream_name, s.type, k.name as setting, k.value
from auth0.log_stream_sink as k
join auth0.log_stream as s on s.id = k.log_stream_id
where not k._fivetran_deleted
order by stream_name, setting;",
    },
};

const LOGS: Table = Table {
    name: "logs",
    key: &["log_id"],
    rows: Rows::Record,
    columns: &[
        string(
            "log_id",
            "/log_id",
            "Identifies the event; ids sort in the order in which events were stored.",
            "ログエントリを一意に識別するID",
        )
        .primary(),
        deleted(),
        synced(),
        string(
            "audience",
            "/audience",
            "Identifier (audience) of the API that a token was asked for.",
            "オーディエンス",
        ),
        string("client_id", "/client_id", "Identifies the application.", "関連するクライアントのID")
            .foreign(),
        string("client_name", "/client_name", "Name of the application at that time.", "クライアントの名称"),
        string("connection_id", "/connection_id", "Identifies the connection.", "関連する接続のID").foreign(),
        timestamp("date", "/date", "When the event happened (UTC).", "イベントが発生した日時 (UTC)"),
        string("description", "/description", "What happened, in words.", "イベントの説明"),
        string("hostname", "/hostname", "Host name that was called.", "ホスト名"),
        string("ip", "/ip", "IP address from which the request came.", "IPアドレス"),
        boolean(
            "is_mobile",
            "/isMobile",
            "Whether the request came from a mobile device.",
            "モバイルデバイスからのアクセスか",
        ),
        string(
            "request_auth_credential",
            "/details/request/auth/credentials",
            "Credential that authenticated the API request, such as the token's `jti`, as JSON.",
            "リクエストの認証資格情報",
        )
        .sensitive(),
        string(
            "request_auth_user",
            "/details/request/auth/user",
            "User who made the API request, as JSON.",
            "リクエストの認証ユーザー",
        ),
        string("scope", "/scope", "Scopes asked for; a list comes as JSON.", "要求されたスコープ"),
        string("strategy", "/strategy", "Strategy of the connection, such as `auth0`.", "認証ストラテジー"),
        string(
            "strategy_type",
            "/strategy_type",
            "Kind of strategy: `database`, `social`, `enterprise` or `passwordless`.",
            "認証ストラテジーのタイプ",
        ),
        string(
            "type",
            "/type",
            "Code of the event type, such as `s` (login) or `fp` (wrong password).",
            "ログイベントのタイプ",
        ),
        string("user_agent", "/user_agent", "User agent that made the request.", "ユーザーエージェント"),
        string("user_id", "/user_id", "Identifies the user.", "関連するユーザーのID").foreign(),
        string(
            "request_channel",
            "/details/request/channel",
            "Where an API request was made: `api`, or the address of the dashboard.",
            "リクエストチャネル",
        ),
        string(
            "request_ip",
            "/details/request/ip",
            "IP address from which an API request came.",
            "リクエスト元のIPアドレス",
        ),
        string(
            "response_client_id",
            "/details/response/body/client_id",
            "Client ID in the answer to an API request.",
            "レスポンスのクライアントID",
        ),
        string(
            "request_auth_strategy",
            "/details/request/auth/strategy",
            "How an API request was authenticated, such as `jwt`.",
            "リクエストの認証ストラテジー",
        ),
        string("request_path", "/details/request/path", "Path of an API request.", "リクエストパス"),
        string(
            "request_method",
            "/details/request/method",
            "HTTP method of an API request, in lower case.",
            "リクエストメソッド",
        ),
        string(
            "request_user_agent",
            "/details/request/userAgent",
            "User agent of an API request.",
            "リクエストのユーザーエージェント",
        ),
        integer(
            "response_status_code",
            "/details/response/statusCode",
            "HTTP status of the answer to an API request.",
            "レスポンスのステータスコード",
        ),
    ],
    about: Text {
        en: "An event of the tenant's log: a login, a failure, a change made through the API, and so on.",
        ja: "テナントのログイベント（ログイン、失敗、APIによる変更など）。",
    },
    tags: &["activity", "security", "pii"],
    example: Example {
        asks: Text {
            en: "From which IP addresses did most failed logins come in the last 7 days?",
            ja: "直近7日間でログイン失敗が最も多いIPアドレスは？",
        },
        sql: r#"select ip, count(*) as failures, count(distinct user_id) as users
from auth0.logs
where type in ('f', 'fp', 'fu') and "date" >= current_date - 7
group by ip
order by failures desc
limit 20;"#,
    },
};

const LOG_DETAIL_ACCESSED_SECRET: Table = Table {
    name: "log_detail_accessed_secret",
    key: &["log_id", "accessedsecret"],
    rows: Rows::Elements("/details/accessedSecrets"),
    columns: &[
        string(
            "accessedsecret",
            "",
            "Name of the secret field that was read; events share it.",
            "アクセスされたシークレット",
        )
        .primary(),
        index(),
        from_record("log_id", "/log_id", "Identifies the log event.", "関連するログのID").foreign(),
        deleted(),
        synced(),
    ],
    about: Text {
        en: "A secret that an API request read: the name of the field, never its value.",
        ja: "API呼び出しで参照されたシークレットの項目名（値は含まない）。",
    },
    tags: &["activity", "security", "child"],
    example: Example {
        asks: Text {
            en: "Who read which secrets?", ja: "誰がどのシークレットを参照したか？"
        },
        sql: r#"select l."date", l.request_auth_user, l.request_path, s.accessedsecret
from auth0.log_detail_accessed_secret as s
join auth0.logs as l on l.log_id = s.log_id
order by l."date" desc
limit 50;"#,
    },
};

const STATS_DAILY: Table = Table {
    name: "stats_daily",
    key: &["date"],
    rows: Rows::Record,
    columns: &[
        timestamp("date", "/date", "Day that is counted (midnight UTC).", "統計対象の日付").primary(),
        deleted(),
        synced(),
        timestamp(
            "created_at",
            "/created_at",
            "When the count was first made (UTC); old days lack it.",
            "レコードが作成された日時 (UTC)",
        ),
        integer(
            "leaked_passwords",
            "/leaked_passwords",
            "Number of leaked passwords detected.",
            "漏洩したパスワードの数",
        ),
        integer(
            "leaked_passwords_signup",
            "/leaked_passwords_signup",
            "Number of sign-ups with a leaked password.",
            "サインアップ時漏洩パスワード数",
        ),
        integer("logins", "/logins", "Number of logins.", "その日のログイン回数"),
        integer("signups", "/signups", "Number of sign-ups.", "その日のサインアップ数"),
        timestamp(
            "updated_at",
            "/updated_at",
            "When the count was last updated (UTC); old days lack it.",
            "レコードが最後に更新された日時 (UTC)",
        ),
        integer(
            "leaked_passwords_reset",
            "/leaked_passwords_reset",
            "Number of password resets with a leaked password.",
            "リセット時漏洩パスワード数",
        ),
    ],
    about: Text {
        en: "Counts of one day's logins, sign-ups and leaked passwords; a day without activity has no row.",
        ja: "1日ごとのログイン・サインアップ・漏洩パスワードの集計。活動のない日は行が存在しない。",
    },
    tags: &["activity"],
    example: Example {
        asks: Text {
            en: "How did logins and sign-ups develop over the last 30 days?",
            ja: "直近30日間のログイン数とサインアップ数の推移は？",
        },
        sql: r#"select cast("date" as date) as day, logins, signups, leaked_passwords
from auth0.stats_daily
where "date" >= current_date - 30 and not _fivetran_deleted
order by day;"#,
    },
};
