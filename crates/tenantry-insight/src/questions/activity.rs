//! Who logs in, how often, and how people become users.

use super::BASE;
use crate::aggregate::{ACTIVITY, REACH, SURFACE};
use crate::column::{USERS, client, connection, day, hour, label, step, value};
use crate::question::{Chart, Group, Question, Rows, Step, Takes};
use crate::text;

const LOGINS_OR_FAILURES: &str = "(type in ({codes:login}) or type in ({codes:failed_login})){value: and case when type in ({codes:login}) then 'logins' else 'failures' end = ?}";

pub(super) const QUESTIONS: &[Question] = &[
    Question {
        id: "logins-by-day",
        title: text("Logins and failures by day", "日別のログイン成功と失敗"),
        about: text(
            "Logins (s, scoa, sens) and failed logins (f, fp, fu, fc, fco, fcoa, fens) counted from the log. Silent logins and token exchanges are not counted. A day without any event has no point.",
            "ログから数えたログイン成功（s, scoa, sens）と失敗（f, fp, fu, fc, fco, fcoa, fens）。サイレント認証とトークン交換は含まない。イベントのない日は表示されない。",
        ),
        chart: Chart::Lines,
        reads: &[&ACTIVITY],
        columns: &[day(), value("logins", "logins", "成功"), value("failures", "failures", "失敗")],
        rows: Rows::Events(LOGINS_OR_FAILURES),
        text: r#"select date_trunc('day', "hour") as "day",
       cast(sum(case when type in ({codes:login}) then events else 0 end) as bigint) as logins,
       cast(sum(case when type in ({codes:failed_login}) then events else 0 end) as bigint) as failures
from {insight_activity} as a
where "hour" >= {since} and "hour" < {until}{client: and client_id = ?}{connection: and connection_id = ?}
group by 1
order by 1"#,
        ..ACTIVITIES
    },
    Question {
        id: "logins-by-hour",
        title: text("Logins and failures by hour", "時間別のログイン成功と失敗"),
        about: text(
            "The same by hour: for the last days, and to see when an attack began.",
            "同じ内容を1時間単位で表示。直近の動きや攻撃の始まりを見るのに向く。",
        ),
        chart: Chart::Lines,
        reads: &[&ACTIVITY],
        columns: &[hour(), value("logins", "logins", "成功"), value("failures", "failures", "失敗")],
        rows: Rows::Events(LOGINS_OR_FAILURES),
        text: r#"select "hour",
       cast(sum(case when type in ({codes:login}) then events else 0 end) as bigint) as logins,
       cast(sum(case when type in ({codes:failed_login}) then events else 0 end) as bigint) as failures
from {insight_activity} as a
where "hour" >= {since} and "hour" < {until}{client: and client_id = ?}{connection: and connection_id = ?}
group by 1
order by 1"#,
        ..ACTIVITIES
    },
    Question {
        id: "logins-week-on-week",
        title: text("Logins against the week before", "ログイン数の前週比"),
        about: text(
            "Logins of each day beside those of the same weekday a week earlier. Empty where the log does not reach back that far.",
            "各日のログイン数と、1週間前の同じ曜日のログイン数。ログがさかのぼれない日は空になる。",
        ),
        chart: Chart::Lines,
        reads: &[&ACTIVITY],
        columns: &[
            day(),
            value("logins", "logins", "当日"),
            value("week_before", "a week before", "1週間前"),
        ],
        rows: Rows::Events("type in ({codes:login})"),
        text: r#"with days as (
  select date_trunc('day', "hour") as "day", cast(sum(events) as bigint) as logins
  from {insight_activity} as a
  where type in ({codes:login}){client: and client_id = ?}{connection: and connection_id = ?}
  group by 1
)
select d."day", d.logins, w.logins as week_before
from days as d
left join days as w on w."day" = d."day" - interval '7 days'
where d."day" >= date_trunc('day', {since}) and d."day" < {until}
order by 1"#,
        ..ACTIVITIES
    },
    Question {
        id: "logins-by-hour-of-day",
        title: text("When people log in", "ログインの多い時間帯"),
        about: text(
            "Logins and failures by hour of the day, UTC.",
            "1日のうちの時刻（UTC）ごとのログイン成功と失敗。",
        ),
        chart: Chart::Bars,
        reads: &[&ACTIVITY],
        columns: &[
            label("hour_of_day", "hour of the day (UTC)", "時刻（UTC）"),
            value("logins", "logins", "成功"),
            value("failures", "failures", "失敗"),
        ],
        rows: Rows::Events(
            r#"(type in ({codes:login}) or type in ({codes:failed_login})){label: and cast(extract(hour from "date") as integer) = cast(? as integer)}{value: and case when type in ({codes:login}) then 'logins' else 'failures' end = ?}"#,
        ),
        text: r#"select cast(extract(hour from "hour") as integer) as hour_of_day,
       cast(sum(case when type in ({codes:login}) then events else 0 end) as bigint) as logins,
       cast(sum(case when type in ({codes:failed_login}) then events else 0 end) as bigint) as failures
from {insight_activity} as a
where "hour" >= {since} and "hour" < {until}
  and (type in ({codes:login}) or type in ({codes:failed_login})){client: and client_id = ?}{connection: and connection_id = ?}
group by 1
order by 1"#,
        ..ACTIVITIES
    },
    Question {
        id: "active-users",
        title: text("Daily, weekly and monthly active users", "日次・週次・月次のアクティブユーザー"),
        about: text(
            "Distinct users who logged in on a day (DAU), in the 7 days up to it (WAU) and in the 30 days up to it (MAU). The first 30 days of the log's history count too few: what came before is not known.",
            "その日（DAU）、その日までの7日間（WAU）、30日間（MAU）にログインした重複なしのユーザー数。ログの最初の30日間は、それ以前が不明なため少なく出る。",
        ),
        chart: Chart::Lines,
        reads: &[&REACH],
        columns: &[
            day(),
            value("daily", "in one day", "日次"),
            value("weekly", "in 7 days", "週次"),
            value("monthly", "in 30 days", "月次"),
        ],
        rows: Rows::Events("type in ({codes:login}) and user_id <> ''"),
        text: r#"select "day", daily, weekly, monthly
from {insight_reach} as r
where "day" >= {since} and "day" < {until}{client: and client_id = ?}{no client: and client_id is null}{connection: and connection_id = ?}{no connection: and connection_id is null}
order by 1"#,
        ..ACTIVITIES
    },
    Question {
        id: "logins-by-client",
        title: text("Logins by application", "アプリケーション別のログイン"),
        about: text(
            "Logins and failures of each application. Events without an application stand under an empty name.",
            "アプリケーションごとのログイン成功と失敗。アプリケーション不明のイベントは空欄にまとめる。",
        ),
        chart: Chart::Bars,
        takes: Takes::ALL,
        reads: &[&ACTIVITY],
        columns: &[
            client(),
            label("name", "name", "名称"),
            value("logins", "logins", "成功"),
            value("failures", "failures", "失敗"),
        ],
        rows: Rows::Events(
            "(type in ({codes:login}) or type in ({codes:failed_login})){label: and coalesce(client_id, '') = ?}{value: and case when type in ({codes:login}) then 'logins' else 'failures' end = ?}",
        ),
        text: r#"select a.client_id, coalesce(c.name, '') as name,
       cast(sum(case when type in ({codes:login}) then events else 0 end) as bigint) as logins,
       cast(sum(case when type in ({codes:failed_login}) then events else 0 end) as bigint) as failures
from {insight_activity} as a
left join auth0.client as c on c.id = a.client_id
where "hour" >= {since} and "hour" < {until}
  and (type in ({codes:login}) or type in ({codes:failed_login})){client: and a.client_id = ?}{connection: and connection_id = ?}
group by 1, 2
order by logins desc, failures desc, 1
limit {limit}"#,
        ..ACTIVITIES
    },
    Question {
        id: "logins-by-connection",
        title: text("Logins by connection", "接続別のログイン"),
        about: text(
            "Logins and failures of each connection with its strategy.",
            "接続とその認証方式ごとのログイン成功と失敗。",
        ),
        chart: Chart::Bars,
        reads: &[&ACTIVITY],
        columns: &[
            connection(),
            label("name", "name", "名称"),
            label("strategy", "strategy", "認証方式"),
            value("logins", "logins", "成功"),
            value("failures", "failures", "失敗"),
        ],
        rows: Rows::Events(
            "(type in ({codes:login}) or type in ({codes:failed_login})){label: and coalesce(connection_id, '') = ?}{value: and case when type in ({codes:login}) then 'logins' else 'failures' end = ?}",
        ),
        text: r#"select a.connection_id, coalesce(c.name, '') as name, coalesce(c.strategy, '') as strategy,
       cast(sum(case when type in ({codes:login}) then events else 0 end) as bigint) as logins,
       cast(sum(case when type in ({codes:failed_login}) then events else 0 end) as bigint) as failures
from {insight_activity} as a
left join auth0.connection as c on c.id = a.connection_id
where "hour" >= {since} and "hour" < {until}
  and (type in ({codes:login}) or type in ({codes:failed_login})){client: and client_id = ?}{connection: and a.connection_id = ?}
group by 1, 2, 3
order by logins desc, failures desc, 1
limit {limit}"#,
        ..ACTIVITIES
    },
    Question {
        id: "logins-by-host",
        title: text("Logins by host name", "ホスト名別のログイン"),
        about: text(
            "Which of the tenant's host names people log in on, and how many of them on a mobile device. Logins on the tenant's own name pass by the custom domain.",
            "ログインに使われたホスト名と、そのうちモバイル端末の割合。テナント固有のホスト名でのログインはカスタムドメインを経由していない。",
        ),
        chart: Chart::Bars,
        reads: &[&SURFACE],
        columns: &[
            label("hostname", "host name", "ホスト名"),
            value("logins", "logins", "ログイン"),
            value("mobile", "of them mobile", "うちモバイル"),
        ],
        rows: Rows::Events(
            "type in ({codes:login}){label: and coalesce(hostname, '') = ?}{value: and (? = 'logins' or is_mobile)}",
        ),
        text: r#"select hostname, cast(sum(events) as bigint) as logins,
       cast(sum(case when is_mobile then events else 0 end) as bigint) as mobile
from {insight_surface} as s
where "day" >= {since} and "day" < {until} and type in ({codes:login}){client: and client_id = ?}{connection: and connection_id = ?}
group by 1
order by logins desc, 1
limit {limit}"#,
        ..ACTIVITIES
    },
    Question {
        id: "signup-funnel",
        title: text("Sign-up funnel", "登録から定着まで"),
        about: text(
            "Users created in the range who still exist: how many verified their email, logged in, and came back. Counted from the users as they are now.",
            "期間内に作成され現存するユーザーのうち、メール確認・初回ログイン・2回目のログインに至った人数。ユーザーの現在の状態から数える。",
        ),
        chart: Chart::Funnel,
        takes: Takes { time: true, client: false, connection: true },
        columns: &[step("step", "step", "段階"), value("users", "users", "ユーザー")],
        steps: &[
            Step { id: "1-created", title: text("Signed up", "登録") },
            Step { id: "2-verified", title: text("Email verified", "メール確認済み") },
            Step { id: "3-logged-in", title: text("Verified and logged in", "確認後にログイン") },
            Step { id: "4-came-back", title: text("Logged in again", "2回目のログイン") },
        ],
        rows: Rows::List {
            text: "select id as user_id, email, created_at, last_login, logins_count, blocked
from auth0.users as u
where created_at >= {since} and created_at < {until} and not _fivetran_deleted{connection: and exists (
    select 1 from auth0.user_identities as i join auth0.connection as c on c.name = i.connection
    where i.users_id = u.id and not i._fivetran_deleted and c.id = ?)}{label: and (? = '1-created' or email_verified) and (? not in ('3-logged-in', '4-came-back') or logins_count >= 1) and (? <> '4-came-back' or logins_count >= 2)}
order by created_at desc, id
limit {limit}",
            columns: USERS,
        },
        text: "with new_users as (
  select coalesce(email_verified, false) as verified, coalesce(logins_count, 0) as logins
  from auth0.users as u
  where created_at >= {since} and created_at < {until} and not _fivetran_deleted{connection: and exists (
    select 1 from auth0.user_identities as i join auth0.connection as c on c.name = i.connection
    where i.users_id = u.id and not i._fivetran_deleted and c.id = ?)}
)
select '1-created' as step, count(*) as users from new_users
union all
select '2-verified', count(*) from new_users where verified
union all
select '3-logged-in', count(*) from new_users where verified and logins >= 1
union all
select '4-came-back', count(*) from new_users where verified and logins >= 2
order by 1",
        ..ACTIVITIES
    },
    Question {
        id: "signups-by-day",
        title: text("Sign-ups by day", "日別の登録"),
        about: text(
            "Sign-ups that succeeded (ss) and failed (fs). The first login of a social or enterprise user creates it without a sign-up event.",
            "登録の成功（ss）と失敗（fs）。ソーシャル・エンタープライズのユーザーは初回ログインで作成され、登録イベントは残らない。",
        ),
        chart: Chart::Lines,
        reads: &[&ACTIVITY],
        columns: &[day(), value("signups", "sign-ups", "登録"), value("failures", "failures", "失敗")],
        rows: Rows::Events(
            "(type in ({codes:signup}) or type in ({codes:failed_signup})){value: and case when type in ({codes:signup}) then 'signups' else 'failures' end = ?}",
        ),
        text: r#"select date_trunc('day', "hour") as "day",
       cast(sum(case when type in ({codes:signup}) then events else 0 end) as bigint) as signups,
       cast(sum(case when type in ({codes:failed_signup}) then events else 0 end) as bigint) as failures
from {insight_activity} as a
where "hour" >= {since} and "hour" < {until}{client: and client_id = ?}{connection: and connection_id = ?}
group by 1
order by 1"#,
        ..ACTIVITIES
    },
    Question {
        id: "stats-beside-log",
        title: text("Daily stats beside the log", "日次統計とログの突き合わせ"),
        about: text(
            "Logins and sign-ups as Auth0 counts them, beside the same counted from the log. Auth0 does not publish its definition, and the first day of the log is cut; a lasting difference means that events are missing.",
            "Auth0の日次統計によるログイン・登録数と、ログから数えた値。Auth0の集計定義は非公開で、ログの初日は途中から始まる。差が続く場合はイベントの欠落が疑われる。",
        ),
        chart: Chart::Lines,
        takes: Takes::TIME,
        reads: &[&ACTIVITY],
        columns: &[
            day(),
            value("logins", "logins (stats)", "ログイン（統計）"),
            value("logins_logged", "logins (log)", "ログイン（ログ）"),
            value("signups", "sign-ups (stats)", "登録（統計）"),
            value("signups_logged", "sign-ups (log)", "登録（ログ）"),
        ],
        rows: Rows::Events(
            "(type in ({codes:login}) or type in ({codes:signup})){value: and (type in ({codes:login})) = (? in ('logins', 'logins_logged'))}",
        ),
        text: r#"with logged as (
  select date_trunc('day', "hour") as "day",
         cast(sum(case when type in ({codes:login}) then events else 0 end) as bigint) as logins,
         cast(sum(case when type in ({codes:signup}) then events else 0 end) as bigint) as signups
  from {insight_activity} as a
  group by 1
)
select s."date" as "day", coalesce(s.logins, 0) as logins, coalesce(l.logins, 0) as logins_logged,
       coalesce(s.signups, 0) as signups, coalesce(l.signups, 0) as signups_logged
from auth0.stats_daily as s
left join logged as l on l."day" = s."date"
where s."date" >= date_trunc('day', {since}) and s."date" < {until} and not s._fivetran_deleted
order by 1"#,
        ..ACTIVITIES
    },
];

const ACTIVITIES: Question = Question { group: Group::Activity, ..BASE };
