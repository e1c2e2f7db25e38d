//! Actions and the triggers that they run at.
//!
//! Data only: no behaviour.

use super::super::column::{boolean, from_record, index, integer, string, timestamp};
use super::super::system::{deleted, row_id, synced};
use super::super::{Endpoint, Example, Paging, Replication, Rows, Stream, Table, Text};

/// All actions, deployed or not.
pub(super) const ACTIONS_STREAM: Stream = Stream {
    name: "actions",
    endpoint: Some(Endpoint {
        path: "/actions/actions",
        collection: "actions",
        paging: Paging::Offset,
        page_size: 100,
        scope: "read:actions",
        query: &[],
        record_path: Some("/actions/actions/{id}"),
        record_query: &[],
    }),
    replication: Replication::FullTable,
    parent: None,
    tables: &[ACTION, ACTION_DEPENDENCY, ACTION_SECRET, ACTION_SUPPORTED_TRIGGER],
};

/// All versions of all triggers. The API sometimes lists a version twice, with other runtimes.
pub(super) const ACTION_TRIGGERS_STREAM: Stream = Stream {
    name: "action_triggers",
    endpoint: Some(Endpoint {
        path: "/actions/triggers",
        collection: "triggers",
        paging: Paging::None,
        page_size: 0,
        scope: "read:actions",
        query: &[],
        record_path: None,
        record_query: &[],
    }),
    replication: Replication::FullTable,
    parent: None,
    tables: &[ACTION_TRIGGER, ACTION_TRIGGER_COMPATIBLE, ACTION_TRIGGER_RUNTIME],
};

const ACTION: Table = Table {
    name: "action",
    key: &["id"],
    rows: Rows::Record,
    columns: &[
        string("id", "/id", "Identifies the action.", "アクションを一意に識別するID").primary(),
        deleted(),
        synced(),
        boolean(
            "all_changes_deployed",
            "/all_changes_deployed",
            "Whether the draft is the same as the deployed version.",
            "全ての変更がデプロイ済みか",
        ),
        string("code", "/code", "Source code of the draft.", "アクションのソースコード").sensitive(),
        timestamp(
            "created_at",
            "/created_at",
            "When the action was created (UTC).",
            "アクションが作成された日時 (UTC)",
        ),
        timestamp(
            "current_version_build_time",
            "/current_version/build_time",
            "When the current version was built (UTC).",
            "現行バージョンのビルド日時",
        ),
        string(
            "current_version_code",
            "/current_version/code",
            "Source code of the current version.",
            "現行バージョンのソースコード",
        )
        .sensitive(),
        timestamp(
            "current_version_created_at",
            "/current_version/created_at",
            "When the current version was created (UTC).",
            "現行バージョンが作成された日時",
        ),
        string(
            "current_version_id",
            "/current_version/id",
            "Identifies the current version.",
            "現行バージョンのID",
        ),
        integer(
            "current_version_number",
            "/current_version/number",
            "Number of the current version, counted from 1.",
            "現行バージョンの番号",
        ),
        string(
            "current_version_runtime",
            "/current_version/runtime",
            "Runtime of the current version, such as `node22`.",
            "現行バージョンの実行環境",
        ),
        string(
            "current_version_status",
            "/current_version/status",
            "Build status of the current version, such as `built`.",
            "現行バージョンのステータス",
        ),
        timestamp(
            "current_version_updated_at",
            "/current_version/updated_at",
            "When the current version was last changed (UTC).",
            "現行バージョンが更新された日時",
        ),
        timestamp(
            "deployed_version_built_at",
            "/deployed_version/built_at",
            "When the deployed version was built (UTC).",
            "デプロイ済みバージョンビルド日時",
        ),
        string(
            "deployed_version_code",
            "/deployed_version/code",
            "Source code of the deployed version.",
            "デプロイ済みバージョンのソースコード",
        )
        .sensitive(),
        timestamp(
            "deployed_version_created_at",
            "/deployed_version/created_at",
            "When the deployed version was created (UTC).",
            "デプロイ済みバージョンが作成された日時",
        ),
        boolean(
            "deployed_version_deployed",
            "/deployed_version/deployed",
            "Whether the deployed version is in use.",
            "デプロイ済みバージョンがデプロイされているか",
        ),
        string(
            "deployed_version_id",
            "/deployed_version/id",
            "Identifies the deployed version.",
            "デプロイ済みバージョンのID",
        ),
        integer(
            "deployed_version_number",
            "/deployed_version/number",
            "Number of the deployed version, counted from 1.",
            "デプロイ済みバージョンの番号",
        ),
        string(
            "deployed_version_runtime",
            "/deployed_version/runtime",
            "Runtime of the deployed version, such as `node22`.",
            "デプロイ済みバージョンの実行環境",
        ),
        string(
            "deployed_version_secrets",
            "/deployed_version/secrets",
            "Names and times of the deployed version's secrets, as JSON; values are never returned.",
            "デプロイ済みバージョンのシークレット情報",
        ),
        string(
            "deployed_version_status",
            "/deployed_version/status",
            "Build status of the deployed version, such as `built`.",
            "デプロイ済みバージョンのステータス",
        ),
        string(
            "deployed_version_supported_triggers",
            "/deployed_version/supported_triggers",
            "Triggers that the deployed version can run at, as JSON.",
            "デプロイ済みバージョンが対応するトリガー",
        ),
        timestamp(
            "deployed_version_updated_at",
            "/deployed_version/updated_at",
            "When the deployed version was last changed (UTC).",
            "デプロイ済みバージョンが更新された日時",
        ),
        string("name", "/name", "Name of the action.", "アクションの名称"),
        string("runtime", "/runtime", "Runtime of the draft, such as `node22`.", "実行環境"),
        string("status", "/status", "Build status of the draft, such as `built`.", "ステータス"),
        timestamp(
            "updated_at",
            "/updated_at",
            "When the action was last changed (UTC).",
            "アクションが最後に更新された日時 (UTC)",
        ),
    ],
    about: Text {
        en: "An action: code that runs at one of the tenant's triggers, with its draft, current and deployed versions.",
        ja: "アクション（テナントのトリガーで実行されるコード）。下書き・現行・デプロイ済みの各バージョンを含む。",
    },
    tags: &["config"],
    example: Example {
        asks: Text {
            en: "Which actions have changes that are not deployed?",
            ja: "デプロイされていない変更があるアクションは？",
        },
        sql: "select name, runtime, updated_at
from auth0.action
where not all_changes_deployed and not _fivetran_deleted
order by updated_at desc;",
    },
};

const ACTION_DEPENDENCY: Table = Table {
    name: "action_dependency",
    key: &["_fivetran_id"],
    rows: Rows::Elements("/dependencies"),
    columns: &[
        row_id(&["action_id", "name"]),
        deleted(),
        synced(),
        from_record("action_id", "/id", "Identifies the action.", "関連するアクションのID").foreign(),
        string("name", "/name", "Name of the module.", "依存モジュールの名称"),
        string("version", "/version", "Version of the module.", "依存モジュールのバージョン"),
    ],
    about: Text {
        en: "An npm module that an action's draft depends on.",
        ja: "アクションの下書きが依存するnpmモジュール。",
    },
    tags: &["config", "child"],
    example: Example {
        asks: Text {
            en: "Which modules do the actions depend on, and how often?",
            ja: "アクションが依存するモジュールとその使用数は？",
        },
        sql: "select name, version, count(*) as actions
from auth0.action_dependency
where not _fivetran_deleted
group by name, version
order by actions desc, name;",
    },
};

const ACTION_SECRET: Table = Table {
    name: "action_secret",
    key: &["_fivetran_id"],
    rows: Rows::Elements("/secrets"),
    columns: &[
        row_id(&["action_id", "name"]),
        deleted(),
        synced(),
        from_record("action_id", "/id", "Identifies the action.", "関連するアクションのID").foreign(),
        string("name", "/name", "Name of the secret.", "シークレットの名称"),
        timestamp(
            "updated_at",
            "/updated_at",
            "When the secret was last changed (UTC).",
            "シークレットが最後に更新された日時 (UTC)",
        ),
    ],
    about: Text {
        en: "A secret that an action's draft can read: its name and age, never its value.",
        ja: "アクションの下書きが参照するシークレット。名称と更新日時のみで、値は含まない。",
    },
    tags: &["config", "security", "child"],
    example: Example {
        asks: Text {
            en: "Which secrets have gone longest without being changed?",
            ja: "最も長く更新されていないシークレットは？",
        },
        sql: "select a.name as action_name, s.name as secret_name, s.updated_at
from auth0.action_secret as s
join auth0.action as a on a.id = s.action_id
where not s._fivetran_deleted
order by s.updated_at
limit 20;",
    },
};

const ACTION_SUPPORTED_TRIGGER: Table = Table {
    name: "action_supported_trigger",
    key: &["action_id", "id", "version"],
    rows: Rows::Elements("/supported_triggers"),
    columns: &[
        string(
            "id",
            "/id",
            "Identifies the trigger, such as `post-login`; many actions share it.",
            "対応トリガーのID",
        )
        .primary(),
        from_record("action_id", "/id", "Identifies the action.", "関連するアクションのID").foreign(),
        string("version", "/version", "Version of the trigger, such as `v3`.", "対応トリガーのバージョン"),
        deleted(),
        synced(),
    ],
    about: Text {
        en: "A trigger that an action can run at.", ja: "アクションが実行可能なトリガー。"
    },
    tags: &["config", "child"],
    example: Example {
        asks: Text {
            en: "How many actions are written for each trigger?",
            ja: "トリガーごとのアクション数は？",
        },
        sql: "select id as trigger_id, version, count(*) as actions
from auth0.action_supported_trigger
where not _fivetran_deleted
group by id, version
order by actions desc, trigger_id;",
    },
};

const ACTION_TRIGGER: Table = Table {
    name: "action_trigger",
    key: &["id", "version"],
    rows: Rows::Record,
    columns: &[
        string(
            "id",
            "/id",
            "Identifies the trigger together with its version, such as `post-login`.",
            "トリガーを一意に識別するID",
        )
        .primary(),
        string("version", "/version", "Version of the trigger, such as `v3`.", "トリガーのバージョン"),
        deleted(),
        synced(),
        string(
            "default_runtime",
            "/default_runtime",
            "Runtime that a new action gets, such as `node22`.",
            "デフォルトの実行環境",
        ),
        string(
            "status",
            "/status",
            "Status of this version: `CURRENT` or `DEPRECATED`.",
            "トリガーのステータス",
        ),
    ],
    about: Text {
        en: "A point in Auth0's flows where actions can run; each version is a row of its own.",
        ja: "アクションを実行できるAuth0フロー上のトリガー。バージョンごとに1行。",
    },
    tags: &["config"],
    example: Example {
        asks: Text {
            en: "Which actions are written for a trigger version that is not the current one?",
            ja: "現行ではないトリガーバージョン向けのアクションは？",
        },
        sql: "select a.name as action_name, t.id as trigger_id, t.version, t.status
from auth0.action_trigger as t
join auth0.action_supported_trigger as s on s.id = t.id and s.version = t.version
join auth0.action as a on a.id = s.action_id
where t.status <> 'CURRENT' and not t._fivetran_deleted and not s._fivetran_deleted
order by action_name, trigger_id;",
    },
};

const ACTION_TRIGGER_COMPATIBLE: Table = Table {
    name: "action_trigger_compatible",
    key: &["action_trigger_id", "action_trigger_version", "id", "version"],
    rows: Rows::Elements("/compatible_triggers"),
    columns: &[
        string("id", "/id", "Identifies the compatible trigger.", "互換性のあるトリガーのID").primary(),
        from_record(
            "action_trigger_id",
            "/id",
            "Identifies the trigger that lists it.",
            "関連するアクショントリガーのID",
        )
        .foreign(),
        from_record(
            "action_trigger_version",
            "/version",
            "Version of the trigger that lists it.",
            "関連するアクショントリガーのバージョン",
        ),
        index(),
        deleted(),
        synced(),
        string(
            "version",
            "/version",
            "Version of the compatible trigger.",
            "互換性のあるトリガーのバージョン",
        ),
    ],
    about: Text {
        en: "A trigger version whose actions also run at another trigger version.",
        ja: "あるトリガーバージョンと互換性のあるトリガー。",
    },
    tags: &["config", "child"],
    example: Example {
        asks: Text {
            en: "Which other triggers is each trigger compatible with?",
            ja: "各トリガーと互換性のあるトリガーは？",
        },
        sql: r#"select action_trigger_id, action_trigger_version, id as compatible_id, version as compatible_version
from auth0.action_trigger_compatible
where not _fivetran_deleted
order by action_trigger_id, action_trigger_version, "index";"#,
    },
};

const ACTION_TRIGGER_RUNTIME: Table = Table {
    name: "action_trigger_runtime",
    key: &["action_trigger_id", "action_trigger_version", "runtime"],
    rows: Rows::Elements("/runtimes"),
    columns: &[
        string("runtime", "", "Name of the runtime, such as `node22`; triggers share it.", "実行環境")
            .primary(),
        from_record("action_trigger_id", "/id", "Identifies the trigger.", "関連するアクショントリガーのID")
            .foreign(),
        from_record(
            "action_trigger_version",
            "/version",
            "Version of the trigger.",
            "関連するアクショントリガーのバージョン",
        ),
        deleted(),
        synced(),
    ],
    about: Text {
        en: "A runtime in which actions of a trigger version can run.",
        ja: "トリガーバージョンのアクションで利用できる実行環境。",
    },
    tags: &["config", "child"],
    example: Example {
        asks: Text {
            en: "Which actions use a runtime that their trigger no longer offers?",
            ja: "トリガーが提供しなくなった実行環境を使うアクションは？",
        },
        sql: "select a.name as action_name, a.runtime, s.id as trigger_id, s.version
from auth0.action as a
join auth0.action_supported_trigger as s on s.action_id = a.id and not s._fivetran_deleted
left join auth0.action_trigger_runtime as r
  on r.action_trigger_id = s.id and r.action_trigger_version = s.version
  and r.runtime = a.runtime and not r._fivetran_deleted
where r.runtime is null and not a._fivetran_deleted
order by action_name;",
    },
};
