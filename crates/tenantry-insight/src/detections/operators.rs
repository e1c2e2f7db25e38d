//! What administrators and programs did with their rights.

use super::BASE;
use crate::column::{action, at, client, hour, log, note, organization, value};
use crate::detection::{Detection, Severity};
use crate::text;

pub(super) const DETECTIONS: &[Detection] = &[
    Detection {
        id: "mass-deletion",
        title: text("Deletions in bulk", "大量削除"),
        about: text(
            "One person or program deleted ten or more things through the Management API within ten minutes: a mistake in a script, or somebody who destroys.",
            "1人の管理者またはプログラムが、Management APIで10分間に10件以上を削除。スクリプトの誤りか、破壊行為の可能性がある。",
        ),
        severity: Severity::High,
        fix: text(
            "Ask who is behind it and stop the script. The rows are marked as deleted here and keep their last values: make what is missing again from them.",
            "実行者に確認し、スクリプトを止める。削除された行は最後の値とともに残っているため、そこから復元する。",
        ),
        columns: &[
            hour(),
            note("person", "person or application", "実行者"),
            value("in_ten_minutes", "most in ten minutes", "10分間の最大"),
            value("deletions", "deletions", "削除"),
            note("example", "one of the paths", "パスの例"),
        ],
        text: r#"with deleted as (
  select coalesce(nullif({person}, ''), client_id, '') as person, "date", request_path
  from auth0.logs
  where type in ({codes:api_write}) and request_method = 'delete' and "date" >= {since} and "date" < {until}
), counted as (
  select person, "date", request_path,
         count(*) over (partition by person order by "date" range between interval '10 minutes' preceding and current row) as recent
  from deleted
)
select date_trunc('hour', "date") as "hour", person, max(recent) as in_ten_minutes, count(*) as deletions, min(request_path) as example
from counted
group by 1, 2
having max(recent) >= 10
order by 1 desc, 2
limit {limit}"#,
        ..BASE
    },
    Detection {
        id: "organization-deleted",
        title: text("An organization was deleted", "組織の削除"),
        about: text(
            "An organization was deleted through the Management API. Its members and their roles went with it.",
            "Management APIで組織が削除された。メンバーとロールの割り当ても失われる。",
        ),
        severity: Severity::Medium,
        fix: text(
            "If nobody meant it: its members are still here, marked as deleted; make it again from them.",
            "意図しない削除なら、削除済みとして残っているメンバーの行から復元する。",
        ),
        tables: &["logs", "organization"],
        columns: &[
            at("date", "time (UTC)", "日時（UTC）"),
            organization(),
            note("name", "name", "名称"),
            value("members", "members it had", "メンバー数"),
            note("person", "person or application", "実行者"),
            note("ip", "IP address", "IPアドレス"),
        ],
        text: r#"with deleted as (
  select "date", log_id, split_part(request_path, '/organizations/', 2) as organization_id,
         coalesce(nullif({person}, ''), client_id, '') as person, coalesce(request_ip, ip) as ip
  from auth0.logs
  where type in ({codes:api_write}) and request_method = 'delete' and request_path like '%/organizations/%'
    and "date" >= {since} and "date" < {until}
)
select d."date", d.organization_id, coalesce(o.display_name, o.name, '') as name,
       (select count(*) from auth0.organization_member as m where m.organization_id = d.organization_id) as members, d.person, d.ip
from deleted as d
left join auth0.organization as o on o.id = d.organization_id
where d.organization_id not like '%/%'
order by 1 desc, 2
limit {limit}"#,
        ..BASE
    },
    Detection {
        id: "administrators-removed",
        title: text("Administrators were removed", "管理者の削除"),
        about: text(
            "Two or more administrators of the tenant were removed within an hour. After an invitation this is how a tenant is taken over.",
            "テナントの管理者が1時間に2人以上削除された。直前に招待があれば、テナント乗っ取りの手口にあたる。",
        ),
        severity: Severity::High,
        fix: text(
            "Call the administrators who are left. Auth0's support restores access to a tenant that was taken over.",
            "残っている管理者に電話などで確認する。乗っ取られた場合はAuth0のサポートが復旧を支援する。",
        ),
        lacks: Some(text(
            "Whom an invitation was for and as what stands in the event's details. Where Auth0 Teams is used, none of it is in the tenant's log.",
            "招待の相手と権限はイベントの詳細にある。Auth0 Teamsを使う場合、これらはテナントのログに残らない。",
        )),
        published: &["risk_of_tenant_takeover"],
        columns: &[
            hour(),
            value("removed", "removed", "削除"),
            value("invited", "invited", "招待"),
            note("person", "one of who did it", "実行者の例"),
            note("ip", "one of the addresses", "IPアドレスの例"),
        ],
        text: r#"select date_trunc('hour', "date") as "hour", count(*) filter (where description = 'Delete tenant member') as removed,
       count(*) filter (where description like 'Create tenant invitations%') as invited,
       min(case when description = 'Delete tenant member' then {person} end) as person, min(coalesce(request_ip, ip)) as ip
from auth0.logs
where type in ({codes:api_write}) and (description = 'Delete tenant member' or description like 'Create tenant invitations%')
  and "date" >= {since} and "date" < {until}
group by 1
having count(*) filter (where description = 'Delete tenant member') >= 2
order by 1 desc
limit {limit}"#,
        ..BASE
    },
    Detection {
        id: "client-secret-read",
        title: text("A client secret was read", "クライアントシークレットの参照"),
        about: text(
            "A client secret was read by a person in the dashboard, or by a program that holds the scope. Looking at an application's settings is enough.",
            "クライアントシークレットが、ダッシュボードの操作またはプログラムから読み取られた。アプリケーションの設定を開くだけでも記録される。",
        ),
        severity: Severity::Low,
        fix: text(
            "If nobody had a reason to, rotate the secret. Better: a private key instead of a secret, and `read:client_keys` for nobody.",
            "理由のない参照ならシークレットを更新する。秘密鍵による認証へ移行し、read:client_keysを外すのが望ましい。",
        ),
        published: &["risk_of_copying_client_credentials"],
        tables: &["logs", "log_detail_accessed_secret"],
        columns: &[
            at("newest", "newest (UTC)", "最新（UTC）"),
            note("person", "person or application", "実行者"),
            note("channel", "channel", "経路"),
            note("ip", "IP address", "IPアドレス"),
            value("reads", "reads", "参照"),
            value("applications", "applications", "アプリケーション"),
        ],
        text: r#"with reads as (
  select l."date", coalesce(nullif({person}, ''), l.client_id, '') as person, {channel} as channel, coalesce(l.request_ip, l.ip, '') as ip,
         coalesce(nullif(split_part(split_part(l.request_path, '/clients/', 2), '?', 1), ''), l.response_client_id) as client_id
  from auth0.logs as l
  join auth0.log_detail_accessed_secret as s on s.log_id = l.log_id
  where s.accessedsecret = 'client_secret' and l."date" >= {since} and l."date" < {until}
)
select max("date") as newest, person, channel, ip, count(*) as reads, count(distinct client_id) as applications
from reads
group by 2, 3, 4
order by 1 desc, 2, 3, 4
limit {limit}"#,
        ..BASE
    },
    Detection {
        id: "explorer-token",
        title: text("The API Explorer's token was issued", "API Explorerのトークン発行"),
        about: text(
            "A token of the application behind the dashboard's API Explorer was issued: it may do everything, for as long as it lives. Opening the page in the dashboard is enough.",
            "ダッシュボードのAPI Explorer用アプリケーションのトークンが発行された。有効期間中はあらゆる操作が可能。該当ページを開くだけでも発行される。",
        ),
        severity: Severity::Medium,
        fix: text(
            "Shorten the life of that token, or delete the application where nobody needs it.",
            "トークンの有効期間を短くするか、不要であればこのアプリケーションを削除する。",
        ),
        published: &["risk_of_copying_the_most_powerful_token"],
        tables: &["logs", "client"],
        columns: &[
            log(),
            at("date", "time (UTC)", "日時（UTC）"),
            client(),
            note("ip", "IP address", "IPアドレス"),
            note("user_agent", "user agent", "ユーザーエージェント"),
        ],
        text: r#"select l.log_id, l."date", l.client_id, l.ip, l.user_agent
from auth0.logs as l
left join auth0.client as c on c.id = l.client_id
where l.type = 'seccft' and coalesce(c.name, l.client_name) like 'API Explorer Application%' and l."date" >= {since} and l."date" < {until}
order by l."date" desc, l.log_id
limit {limit}"#,
        ..BASE
    },
    Detection {
        id: "administrator-new-address",
        title: text("An administrator from a new address", "新しいIPアドレスからの管理操作"),
        about: text(
            "A person changed something in the dashboard from an address that none of their changes in the log came from before, after at least a week of changes from others.",
            "1週間以上の操作履歴がある管理者が、これまで使っていないIPアドレスからダッシュボードで変更を行った。",
        ),
        severity: Severity::Low,
        fix: text(
            "Ask the person. If it was not them, remove their access and look at all their changes.",
            "本人に確認する。心当たりがなければアクセス権を外し、すべての変更を点検する。",
        ),
        columns: &[
            at("date", "time (UTC)", "日時（UTC）"),
            note("person", "person", "実行者"),
            note("ip", "IP address", "IPアドレス"),
            value("changes", "changes from there", "そこからの変更"),
            at("known_since", "known since (UTC)", "初回の操作（UTC）"),
        ],
        text: r#"with changes as (
  select {person} as person, coalesce(request_ip, ip) as ip, "date"
  from auth0.logs
  where type in ({codes:api_write}) and request_channel like 'https://%' and "date" < {until}
), places as (
  select person, ip, min("date") as "date", count(*) as changes from changes where person <> '' and ip <> '' group by 1, 2
), people as (
  select person, min("date") as known_since from places group by 1
)
select p."date", p.person, p.ip, p.changes, k.known_since
from places as p
join people as k on k.person = p.person
where p."date" >= {since} and p."date" >= k.known_since + interval '7 days'
order by 1 desc, 2, 3
limit {limit}"#,
        ..BASE
    },
    Detection {
        id: "rapid-registration",
        title: text("Applications registered in bulk", "アプリケーションの大量登録"),
        about: text(
            "Five or more applications were made by dynamic client registration within an hour: anybody can, where it is on.",
            "動的クライアント登録により1時間に5つ以上のアプリケーションが作成された。有効な場合は誰でも登録できる。",
        ),
        severity: Severity::Medium,
        fix: text(
            "Turn dynamic client registration off, or guard its endpoint; delete what was made.",
            "動的クライアント登録を無効にするか保護し、作成されたものを削除する。",
        ),
        published: &["rapid_creation_of_clients_with_dynamic_registration"],
        columns: &[
            hour(),
            value("applications", "applications", "アプリケーション"),
            value("addresses", "addresses", "IPアドレス"),
            note("example", "one of the applications", "アプリケーションの例"),
        ],
        text: r#"select date_trunc('hour', "date") as "hour", count(*) as applications, count(distinct ip) as addresses,
       min(response_client_id) as example
from auth0.logs
where type in ({codes:api_write}) and description = 'Dynamic client registration' and "date" >= {since} and "date" < {until}
group by 1
having count(*) >= 5
order by 1 desc
limit {limit}"#,
        ..BASE
    },
    Detection {
        id: "failing-action",
        title: text("Actions fail", "アクションの実行失敗"),
        about: text(
            "Ten or more executions of actions failed within an hour. A failing action of the login flow refuses logins.",
            "アクションの実行が1時間に10件以上失敗。ログインフローのアクションが失敗するとログインできなくなる。",
        ),
        severity: Severity::Medium,
        fix: text(
            "Look at the newest deployed version first, and roll back.",
            "直近にデプロイしたバージョンを確認し、必要なら元に戻す。",
        ),
        lacks: Some(text(
            "Which action failed stands in the event's details; the actions deployed last are the likely ones.",
            "失敗したアクション名はイベントの詳細にある。直近にデプロイされたアクションを疑う。",
        )),
        tables: &["logs", "action"],
        columns: &[
            hour(),
            value("failures", "failures", "失敗"),
            value("users", "users", "ユーザー"),
            action(),
            note("deployed_last", "deployed last before", "直前のデプロイ"),
        ],
        text: r#"with failures as (
  select date_trunc('hour', "date") as "hour", count(*) as failures, count(distinct nullif(user_id, '')) as users, min("date") as begun
  from auth0.logs
  where type = 'actions_execution_failed' and "date" >= {since} and "date" < {until}
  group by 1
  having count(*) >= 10
), suspects as (
  select f."hour", f.failures, f.users, a.id as action_id, a.name as deployed_last,
         row_number() over (partition by f."hour" order by a.deployed_version_built_at desc nulls last, a.id) as place
  from failures as f
  left join auth0.action as a on not a._fivetran_deleted and a.deployed_version_built_at <= f.begun
)
select "hour", failures, users, action_id, deployed_last
from suspects
where place = 1
order by 1 desc
limit {limit}"#,
        ..BASE
    },
];
