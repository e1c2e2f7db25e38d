//! Why logins fail, from where, and what looks like an attack.

use super::BASE;
use crate::aggregate::{ACTIVITY, BREAKTHROUGHS, REFUSALS};
use crate::column::{at, client, connection, event, hour, label, note, percent, user, value};
use crate::question::{Chart, Group, Question, Rows, Takes};
use crate::text;

pub(super) const QUESTIONS: &[Question] = &[
    Question {
        id: "failures-by-reason",
        title: text("Why logins fail", "ログイン失敗の理由"),
        about: text(
            "Failed logins by event type and by Auth0's own words for the reason.",
            "ログイン失敗を、イベントの種類とAuth0が記録した理由で集計。",
        ),
        chart: Chart::Bars,
        reads: &[&REFUSALS],
        columns: &[
            label("reason", "reason", "理由"),
            event(),
            value("failures", "failures", "失敗"),
            value("users", "users", "ユーザー"),
        ],
        rows: Rows::Events(
            "type in ({codes:failed_login}){label: and coalesce(description, '') = ?}{also: and type = ?}",
        ),
        text: r#"select reason, type, cast(sum(events) as bigint) as failures, count(distinct nullif(user_id, '')) as users
from {insight_refusals} as r
where "hour" >= {since} and "hour" < {until}{client: and client_id = ?}{connection: and connection_id = ?}
group by 1, 2
order by failures desc, 1, 2
limit {limit}"#,
        ..FAILURES
    },
    Question {
        id: "failures-by-type",
        title: text("Failed logins over time", "ログイン失敗の推移"),
        about: text(
            "Wrong passwords (fp), unknown users (fu), and everything else, by hour.",
            "パスワード誤り（fp）、存在しないユーザー（fu）、その他を1時間ごとに表示。",
        ),
        chart: Chart::Lines,
        reads: &[&ACTIVITY],
        columns: &[
            hour(),
            value("wrong_password", "wrong password", "パスワード誤り"),
            value("unknown_user", "unknown user", "存在しないユーザー"),
            value("other", "other", "その他"),
        ],
        rows: Rows::Events(
            "type in ({codes:failed_login}){value: and case type when 'fp' then 'wrong_password' when 'fu' then 'unknown_user' else 'other' end = ?}",
        ),
        text: r#"select "hour",
       cast(sum(case when type = 'fp' then events else 0 end) as bigint) as wrong_password,
       cast(sum(case when type = 'fu' then events else 0 end) as bigint) as unknown_user,
       cast(sum(case when type in ('fp', 'fu') then 0 else events end) as bigint) as other
from {insight_activity} as a
where "hour" >= {since} and "hour" < {until} and type in ({codes:failed_login}){client: and client_id = ?}{connection: and connection_id = ?}
group by 1
order by 1"#,
        ..FAILURES
    },
    Question {
        id: "failures-by-ip",
        title: text("Failed logins by IP address", "IPアドレス別のログイン失敗"),
        about: text(
            "The addresses with most failed logins, and how many users they tried. Unknown users (fu) have no user id and are counted apart. The hour of the last failure is shown.",
            "ログイン失敗の多いIPアドレスと、試行されたユーザー数。存在しないユーザー（fu）にはユーザーIDがないため別に数える。最後に失敗した時刻は1時間単位。",
        ),
        reads: &[&REFUSALS],
        columns: &[
            label("ip", "IP address", "IPアドレス"),
            value("failures", "failures", "失敗"),
            value("users", "known users", "既存ユーザー"),
            value("unknown", "unknown users", "存在しないユーザー"),
            at("last_hour", "last hour (UTC)", "最終時刻（UTC）"),
        ],
        rows: Rows::Events("type in ({codes:failed_login}){label: and coalesce(ip, '') = ?}"),
        text: r#"select ip, cast(sum(events) as bigint) as failures, count(distinct nullif(user_id, '')) as users,
       cast(sum(case when type = 'fu' then events else 0 end) as bigint) as unknown, max("hour") as last_hour
from {insight_refusals} as r
where "hour" >= {since} and "hour" < {until}{client: and client_id = ?}{connection: and connection_id = ?}
group by 1
order by failures desc, 1
limit {limit}"#,
        ..FAILURES
    },
    Question {
        id: "failures-by-client",
        title: text("Failed logins by application", "アプリケーション別のログイン失敗"),
        about: text(
            "Failures of each application, and what part of its logins and failures together they are.",
            "アプリケーションごとのログイン失敗数と、成功・失敗の合計に占める割合。",
        ),
        chart: Chart::Bars,
        reads: &[&ACTIVITY],
        columns: &[
            client(),
            label("name", "name", "名称"),
            value("failures", "failures", "失敗"),
            percent("failed_percent", "failed (%)", "失敗率（%）"),
        ],
        rows: Rows::Events("type in ({codes:failed_login}){label: and coalesce(client_id, '') = ?}"),
        text: r#"select a.client_id, coalesce(c.name, '') as name,
       cast(sum(case when type in ({codes:failed_login}) then events else 0 end) as bigint) as failures,
       cast(round(100.0 * sum(case when type in ({codes:failed_login}) then events else 0 end) / sum(events), 1) as double precision) as failed_percent
from {insight_activity} as a
left join auth0.client as c on c.id = a.client_id
where "hour" >= {since} and "hour" < {until}
  and (type in ({codes:login}) or type in ({codes:failed_login})){client: and a.client_id = ?}{connection: and connection_id = ?}
group by 1, 2
having sum(case when type in ({codes:failed_login}) then events else 0 end) > 0
order by failures desc, 1
limit {limit}"#,
        ..FAILURES
    },
    Question {
        id: "failing-across-users",
        title: text("Addresses that try many users", "多数のユーザーを試すIPアドレス"),
        about: text(
            "IP addresses that within one hour failed for at least five users, known or not: the mark of password spraying. An office behind one address can look the same.",
            "1時間以内に5人以上のユーザー（存在しないものを含む）で失敗したIPアドレス。パスワードスプレー攻撃の特徴だが、同じIPアドレスを共有する組織も該当しうる。",
        ),
        reads: &[&REFUSALS],
        columns: &[
            label("ip", "IP address", "IPアドレス"),
            hour(),
            value("users", "known users", "既存ユーザー"),
            value("unknown", "unknown users", "存在しないユーザー"),
            value("failures", "failures", "失敗"),
        ],
        rows: Rows::Events("type in ({codes:wrong_credentials}){label: and coalesce(ip, '') = ?}"),
        text: r#"select ip, "hour", count(distinct nullif(user_id, '')) as users,
       cast(sum(case when type = 'fu' then events else 0 end) as bigint) as unknown,
       cast(sum(events) as bigint) as failures
from {insight_refusals} as r
where "hour" >= {since} and "hour" < {until} and type in ({codes:wrong_credentials}) and ip <> ''{client: and client_id = ?}{connection: and connection_id = ?}
group by 1, 2
having count(distinct nullif(user_id, '')) + sum(case when type = 'fu' then events else 0 end) >= 5
order by failures desc, 1, 2
limit {limit}"#,
        ..FAILURES
    },
    Question {
        id: "stuffing-signal",
        title: text("Signs of credential stuffing", "クレデンシャルスタッフィングの兆候"),
        about: text(
            "For each hour the events that Auth0 itself counts as signs (f, fp, fu, pwd_leak, limit_wc, limit_sul, limit_mu) beside the logins. An hour in which signs outnumber logins is worth a look.",
            "Auth0が兆候として数えるイベント（f, fp, fu, pwd_leak, limit_wc, limit_sul, limit_mu）とログイン数を1時間ごとに比較。兆候がログインを上回る時間帯は確認が必要。",
        ),
        chart: Chart::Lines,
        reads: &[&ACTIVITY],
        columns: &[hour(), value("signs", "signs", "兆候"), value("logins", "logins", "ログイン")],
        rows: Rows::Events(
            "(type in ({codes:credential_stuffing}) or type in ({codes:login})){value: and case when type in ({codes:login}) then 'logins' else 'signs' end = ?}",
        ),
        text: r#"select "hour",
       cast(sum(case when type in ({codes:credential_stuffing}) then events else 0 end) as bigint) as signs,
       cast(sum(case when type in ({codes:login}) then events else 0 end) as bigint) as logins
from {insight_activity} as a
where "hour" >= {since} and "hour" < {until}{client: and client_id = ?}{connection: and connection_id = ?}
group by 1
order by 1"#,
        ..FAILURES
    },
    Question {
        id: "success-after-failures",
        title: text("Logins right after failures", "失敗直後のログイン成功"),
        about: text(
            "Logins from an address that in the hour before failed for at least five users: the attempt may have found a password.",
            "直前の1時間に5人以上のユーザーで失敗したIPアドレスからのログイン成功。パスワードを突き止められた可能性がある。",
        ),
        reads: &[&BREAKTHROUGHS],
        columns: &[
            at("date", "time (UTC)", "日時（UTC）"),
            user(),
            note("ip", "IP address", "IPアドレス"),
            value("failures", "failures before", "直前の失敗"),
            value("users", "users tried", "試行されたユーザー"),
            client(),
            connection(),
        ],
        rows: Rows::Itself,
        text: r#"select "date", user_id, ip, failures, users, client_id, connection_id
from {insight_breakthroughs} as b
where "date" >= {since} and "date" < {until}{client: and client_id = ?}{connection: and connection_id = ?}
order by "date" desc, user_id, ip
limit {limit}"#,
        ..FAILURES
    },
];

const FAILURES: Question = Question { group: Group::Failures, takes: Takes::ALL, ..BASE };
