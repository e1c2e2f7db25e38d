//! What administrators and automation did, and the state of actions and log streams.

use super::BASE;
use crate::column::{action, at, client, label, log, note, stream, value};
use crate::question::{Chart, Group, Question, Rows, Takes};
use crate::text;

pub(super) const QUESTIONS: &[Question] = &[
    Question {
        id: "admin-changes",
        title: text("Changes by administrators and automation", "管理者・自動処理による変更"),
        about: text(
            "Every successful change through the Management API (sapi), newest first: who, from where, by the dashboard or by a program, and what. The old and the new value are not among the core columns.",
            "Management APIによる変更（sapi）の一覧。実行者、接続元、ダッシュボードかプログラムか、内容を新しい順に表示。変更前後の値はコア列に含まれない。",
        ),
        takes: Takes::TIME_AND_CLIENT,
        columns: CHANGES,
        text: r#"select log_id, "date", description, request_method, request_path, response_status_code,
       {person} as person,
       {channel} as channel,
       client_id, coalesce(request_ip, ip) as ip
from auth0.logs
where type in ({codes:api_write}) and "date" >= {since} and "date" < {until}{client: and client_id = ?}
order by "date" desc, log_id desc
limit {limit}"#,
        ..ADMINISTRATION
    },
    Question {
        id: "changes-by-person",
        title: text("Who changes most", "変更の多い管理者"),
        about: text(
            "Changes through the Management API by the person, or by the application where no person stands behind it, and how many of them delete something.",
            "Management APIによる変更を実行者ごとに集計。個人でない場合はアプリケーションで表示。うち削除の件数も示す。",
        ),
        chart: Chart::Bars,
        takes: Takes::TIME_AND_CLIENT,
        columns: &[
            label("person", "person or application", "実行者"),
            value("changes", "changes", "変更"),
            value("deletions", "of them deletions", "うち削除"),
            value("addresses", "addresses", "IPアドレス"),
            at("newest", "newest (UTC)", "最新（UTC）"),
        ],
        rows: Rows::List {
            text: r#"select log_id, "date", description, request_method, request_path, response_status_code,
       {person} as person,
       {channel} as channel,
       client_id, coalesce(request_ip, ip) as ip
from auth0.logs
where type in ({codes:api_write}) and "date" >= {since} and "date" < {until}{client: and client_id = ?}{label: and coalesce(nullif({person}, ''), client_id, '') = ?}{value: and (? <> 'deletions' or request_method = 'delete')}
order by "date" desc, log_id desc
limit {limit}"#,
            columns: CHANGES,
        },
        text: r#"with changes as (
  select coalesce(nullif({person}, ''), client_id, '') as person,
         request_method, coalesce(request_ip, ip) as ip, "date"
  from auth0.logs
  where type in ({codes:api_write}) and "date" >= {since} and "date" < {until}{client: and client_id = ?}
)
select person, count(*) as changes, count(*) filter (where request_method = 'delete') as deletions, count(distinct ip) as addresses,
       max("date") as newest
from changes
group by 1
order by changes desc, 1
limit {limit}"#,
        ..ADMINISTRATION
    },
    Question {
        id: "protection-settings-changed",
        title: text("Changes to protection and MFA settings", "防御・多要素認証の設定変更"),
        about: text(
            "Changes to attack protection, to the policies and factors of multi-factor authentication, and to risk assessment. The new value is not among the core columns: look at the setting itself.",
            "攻撃防御、多要素認証のポリシーと要素、リスク評価の設定変更。変更後の値はコア列にないため、設定画面で確認する。",
        ),
        takes: Takes::TIME,
        columns: CHANGES,
        text: r#"select log_id, "date", description, request_method, request_path, response_status_code,
       {person} as person,
       {channel} as channel,
       client_id, coalesce(request_ip, ip) as ip
from auth0.logs
where type in ({codes:api_write}) and "date" >= {since} and "date" < {until}
  and (request_path like '%/attack-protection/%' or request_path like '%/anomaly/captcha%' or request_path like '%/guardian/%'
       or request_path like '%/risk-assessments/%')
order by "date" desc, log_id desc
limit {limit}"#,
        ..ADMINISTRATION
    },
    Question {
        id: "secrets-read",
        title: text("Secrets read, and by whom", "シークレットの参照と参照者"),
        about: text(
            "Answers of the Management API that held a secret (mgmt_api_read): which field, of which application, read by whom and from where.",
            "シークレットを含むManagement APIの応答（mgmt_api_read）。項目、対象アプリケーション、参照者と接続元。",
        ),
        takes: Takes::TIME_AND_CLIENT,
        columns: &[
            log(),
            at("date", "time (UTC)", "日時（UTC）"),
            note("secret", "secret", "シークレット"),
            note("request_path", "path", "パス"),
            note("person", "person", "実行者"),
            client(),
            note("ip", "IP address", "IPアドレス"),
        ],
        text: r#"select l.log_id, l."date", s.accessedsecret as secret, l.request_path,
       {person} as person,
       l.client_id, coalesce(l.request_ip, l.ip) as ip
from auth0.log_detail_accessed_secret as s
join auth0.logs as l on l.log_id = s.log_id
where l."date" >= {since} and l."date" < {until}{client: and l.client_id = ?}
order by l."date" desc, l.log_id desc, s.accessedsecret
limit {limit}"#,
        ..ADMINISTRATION
    },
    Question {
        id: "actions",
        title: text("Actions and their state", "アクションの状態"),
        about: text(
            "Actions whose changes are not deployed, whose runtime is old (before node22), whose dependencies have no fixed version, or whose secrets are older than a year.",
            "未デプロイの変更がある、実行環境が古い（node22より前）、依存モジュールのバージョンが固定されていない、またはシークレットが1年以上前のアクション。",
        ),
        takes: Takes::NOTHING,
        columns: &[
            action(),
            label("name", "name", "名称"),
            note("undeployed", "undeployed changes", "未デプロイの変更"),
            note("runtime", "runtime", "実行環境"),
            value("loose", "loose dependencies", "固定されていない依存"),
            value("stale_secrets", "secrets older than a year", "1年以上前のシークレット"),
            at("updated_at", "updated (UTC)", "更新（UTC）"),
        ],
        text: "with weighed as (
  select a.id as action_id, a.name, not coalesce(a.all_changes_deployed, true) as undeployed, coalesce(a.runtime, '') as runtime,
         (select count(*) from auth0.action_dependency as d where d.action_id = a.id and not d._fivetran_deleted
          and coalesce(d.version, 'latest') = 'latest') as loose,
         (select count(*) from auth0.action_secret as s where s.action_id = a.id and not s._fivetran_deleted
          and s.updated_at < {now} - interval '365 days') as stale_secrets,
         a.updated_at
  from auth0.action as a
  where not a._fivetran_deleted
)
select action_id, name, undeployed, runtime, loose, stale_secrets, updated_at
from weighed
where undeployed or runtime in ('node12', 'node16', 'node18') or loose > 0 or stale_secrets > 0
order by name, 1
limit {limit}",
        ..ADMINISTRATION
    },
    Question {
        id: "failed-actions",
        title: text("Failed actions, forms and messages", "アクション・フォーム・通知の失敗"),
        about: text(
            "Executions that failed and mails that were not sent, by kind and by Auth0's words.",
            "実行に失敗したアクション・フォーム・フローと、送信できなかった通知。種類とAuth0の記録した内容で集計。",
        ),
        chart: Chart::Bars,
        takes: Takes::ALL,
        columns: &[
            crate::column::event(),
            label("reason", "description", "説明"),
            value("failures", "failures", "失敗"),
            at("newest", "newest (UTC)", "最新（UTC）"),
        ],
        rows: Rows::Events(
            "(type in ({codes:failed_extension}) or type in ({codes:failed_notification})){label: and type = ?}{also: and coalesce(description, '') = ?}",
        ),
        text: r#"select type, coalesce(description, '') as reason, count(*) as failures, max("date") as newest
from auth0.logs
where "date" >= {since} and "date" < {until}
  and (type in ({codes:failed_extension}) or type in ({codes:failed_notification})){client: and client_id = ?}{connection: and connection_id = ?}
group by 1, 2
order by failures desc, 1, 2
limit {limit}"#,
        ..ADMINISTRATION
    },
    Question {
        id: "log-streams",
        title: text("Log streams", "ログストリーム"),
        about: text(
            "Where the tenant sends its events, and whether it still does.",
            "ログイベントの送信先と、送信が続いているかどうか。",
        ),
        takes: Takes::NOTHING,
        columns: &[
            stream(),
            label("name", "name", "名称"),
            note("type", "target", "送信先"),
            note("status", "status", "状態"),
            value("settings", "settings", "設定"),
        ],
        text: "select s.id as log_stream_id, s.name, s.type, s.status, count(k.name) as settings
from auth0.log_stream as s
left join auth0.log_stream_sink as k on k.log_stream_id = s.id and not k._fivetran_deleted
where not s._fivetran_deleted
group by 1, 2, 3, 4
order by case when s.status = 'active' then 1 else 0 end, s.name, 1
limit {limit}",
        ..ADMINISTRATION
    },
];

/// What every list of changes shows.
const CHANGES: &[crate::column::Column] = &[
    log(),
    at("date", "time (UTC)", "日時（UTC）"),
    note("description", "change", "変更内容"),
    note("request_method", "method", "メソッド"),
    note("request_path", "path", "パス"),
    note("response_status_code", "status", "ステータス"),
    note("person", "person", "実行者"),
    note("channel", "channel", "経路"),
    client(),
    note("ip", "IP address", "IPアドレス"),
];

const ADMINISTRATION: Question =
    Question { group: Group::Administration, chart: Chart::Table, takes: Takes::TIME, ..BASE };
