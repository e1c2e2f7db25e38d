//! Actions, log streams, connections and users.

use super::BASE;
use crate::check::Check;
use crate::column::{Column, USERS, action, connection, note, stream};
use crate::text;

const ACTION: &[Column] = &[action(), note("name", "name", "名称"), note("setting", "setting", "設定")];

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "events-are-streamed",
        title: text("A log stream is active", "有効なログストリームがある"),
        about: text(
            "Somebody else keeps the events as they happen. The tenant forgets them after 1 to 30 days.",
            "イベントが発生と同時に外部へ送られている。テナントは1～30日で消去する。",
        ),
        weight: 2,
        fix: text(
            "Add a log stream to where alerts are made.",
            "アラートを行う先へのログストリームを追加する。",
        ),
        tables: &["log_stream"],
        columns: &[note("setting", "setting", "設定")],
        text: "select 'no active log stream' as setting
where not exists (select 1 from auth0.log_stream where not _fivetran_deleted and status = 'active')",
    },
    Check {
        id: "log-streams-run",
        title: text("No log stream has stopped", "停止しているログストリームがない"),
        about: text(
            "A stream that is paused or suspended loses what happens meanwhile.",
            "停止している間のイベントは届かない。",
        ),
        weight: 3,
        fix: text(
            "Repair the target and start the stream, or delete it.",
            "送信先を修復して再開するか、不要なら削除する。",
        ),
        tables: &["log_stream"],
        columns: &[stream(), note("name", "name", "名称"), note("setting", "setting", "設定")],
        text: "select id as log_stream_id, name, status as setting
from auth0.log_stream
where not _fivetran_deleted and status <> 'active'
order by 2, 1
limit {limit}",
    },
    Check {
        id: "actions-are-deployed",
        title: text("Every action's changes are deployed", "アクションの変更がすべてデプロイされている"),
        about: text("What is shown is not what runs.", "表示されている内容と実行される内容が異なる。"),
        weight: 1,
        fix: text("Deploy the change, or take it back.", "変更をデプロイするか、取り消す。"),
        tables: &["action"],
        text: "select id as action_id, name, 'undeployed changes' as setting
from auth0.action
where not _fivetran_deleted and not coalesce(all_changes_deployed, true)
order by 2, 1
limit {limit}",
        ..ACTIONS
    },
    Check {
        id: "actions-on-kept-runtimes",
        title: text(
            "Every action runs on a runtime that is kept",
            "アクションがサポート中の実行環境で動いている",
        ),
        about: text(
            "Node 12, 16 and 18 get no more security fixes.",
            "Node 12・16・18にはセキュリティ修正が提供されない。",
        ),
        weight: 3,
        fix: text(
            "Change the action's runtime to node22, and test it.",
            "実行環境をnode22に変更して検証する。",
        ),
        tables: &["action"],
        text: "select id as action_id, name, coalesce(deployed_version_runtime, runtime) as setting
from auth0.action
where not _fivetran_deleted and coalesce(deployed_version_runtime, runtime) in ('node12', 'node12-v1', 'node16', 'node18', 'node18-actions')
order by 2, 1
limit {limit}",
        ..ACTIONS
    },
    Check {
        id: "dependencies-are-pinned",
        title: text("Every dependency has a fixed version", "依存モジュールのバージョンが固定されている"),
        about: text(
            "With `latest` a stranger's next release runs in your login.",
            "latestを指定すると、第三者の次のリリースがそのままログイン処理で動く。",
        ),
        weight: 2,
        fix: text(
            "Give each dependency of the action a version.",
            "各依存モジュールにバージョンを指定する。",
        ),
        tables: &["action", "action_dependency"],
        text: "select a.id as action_id, a.name, d.name as setting
from auth0.action_dependency as d
join auth0.action as a on a.id = d.action_id and not a._fivetran_deleted
where not d._fivetran_deleted and coalesce(d.version, 'latest') in ('latest', '*', '')
order by 2, 1, 3
limit {limit}",
        ..ACTIONS
    },
    Check {
        id: "secrets-are-renewed",
        title: text(
            "No secret of an action is older than a year",
            "1年以上更新されていないアクションのシークレットがない",
        ),
        about: text(
            "A secret that never changes has been seen by more people than work with it today.",
            "更新されないシークレットは、現在の担当者以外にも知られている。",
        ),
        weight: 2,
        fix: text(
            "Renew the secret where it comes from, then in the action.",
            "発行元でシークレットを更新し、アクションに反映する。",
        ),
        tables: &["action", "action_secret"],
        text: "select a.id as action_id, a.name, s.name as setting
from auth0.action_secret as s
join auth0.action as a on a.id = s.action_id and not a._fivetran_deleted
where not s._fivetran_deleted and s.updated_at < {now} - interval '365 days'
order by 2, 1, 3
limit {limit}",
        ..ACTIONS
    },
    Check {
        id: "connections-are-used",
        title: text(
            "Every connection is enabled for an application",
            "すべての接続がアプリケーションで有効になっている",
        ),
        about: text(
            "A connection that no application uses is forgotten, and its keys are not renewed.",
            "どのアプリケーションでも使われない接続は忘れられ、鍵も更新されない。",
        ),
        weight: 1,
        fix: text(
            "Delete the connection, or enable it where it belongs.",
            "接続を削除するか、必要なアプリケーションで有効にする。",
        ),
        tables: &["connection", "connection_enabled_client"],
        columns: &[connection(), note("name", "name", "名称"), note("setting", "setting", "設定")],
        text: "select c.id as connection_id, c.name, c.strategy as setting
from auth0.connection as c
where not c._fivetran_deleted
  and not exists (select 1 from auth0.connection_enabled_client as e where e.connection_id = c.id and not e._fivetran_deleted)
order by 2, 1
limit {limit}",
    },
    Check {
        id: "dormant-users-are-blocked",
        title: text(
            "Nobody may log in who did not for two years",
            "2年以上ログインのないユーザーが有効のまま残っていない",
        ),
        about: text(
            "An account that nobody misses is the best one to take.",
            "使われていないアカウントは、乗っ取られても気づかれない。",
        ),
        weight: 2,
        fix: text(
            "Block or delete users who have not come for two years.",
            "2年以上ログインのないユーザーをブロックまたは削除する。",
        ),
        tables: &["users"],
        columns: USERS,
        text: "select id as user_id, email, created_at, last_login, logins_count, blocked
from auth0.users
where not _fivetran_deleted and not coalesce(blocked, false) and coalesce(last_login, created_at) < {now} - interval '730 days'
order by coalesce(last_login, created_at), id
limit {limit}",
    },
];

const ACTIONS: Check = Check { columns: ACTION, ..BASE };
