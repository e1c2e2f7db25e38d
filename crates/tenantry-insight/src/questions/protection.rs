//! What attack protection stopped, and how the second factor is used.

use super::BASE;
use crate::aggregate::{ACTIVITY, FACTORS};
use crate::column::{USERS, at, day, event, hour, note, percent, user, value};
use crate::question::{Chart, Group, Question, Rows, Takes};
use crate::text;

pub(super) const QUESTIONS: &[Question] = &[
    Question {
        id: "protection-by-day",
        title: text("What attack protection caught", "攻撃防御の検知"),
        about: text(
            "Blocked accounts (limit_wc), throttled addresses (limit_sul, limit_mu), breached passwords (pwd_leak and its kin) and bot assessments (pla) by day. Auth0 records a breached password once an hour for an address.",
            "アカウントのブロック（limit_wc）、IPアドレスの制限（limit_sul, limit_mu）、漏洩パスワード（pwd_leakなど）、ボット判定（pla）の日別件数。漏洩パスワードは同じIPアドレスにつき1時間に1回だけ記録される。",
        ),
        chart: Chart::Lines,
        takes: Takes::ALL,
        reads: &[&ACTIVITY],
        columns: &[
            day(),
            value("brute_force", "accounts blocked", "アカウントのブロック"),
            value("throttled", "addresses throttled", "IPアドレスの制限"),
            value("breached", "breached passwords", "漏洩パスワード"),
            value("bots", "bot assessments", "ボット判定"),
        ],
        rows: Rows::Events(
            "(type in ({codes:flagged}) or type in ({codes:bot_assessed})){value: and case when type in ({codes:brute_force}) then 'brute_force' when type in ({codes:ip_throttled}) then 'throttled' when type in ({codes:breached_password}) then 'breached' else 'bots' end = ?}",
        ),
        text: r#"select date_trunc('day', "hour") as "day",
       cast(sum(case when type in ({codes:brute_force}) then events else 0 end) as bigint) as brute_force,
       cast(sum(case when type in ({codes:ip_throttled}) then events else 0 end) as bigint) as throttled,
       cast(sum(case when type in ({codes:breached_password}) then events else 0 end) as bigint) as breached,
       cast(sum(case when type in ({codes:bot_assessed}) then events else 0 end) as bigint) as bots
from {insight_activity} as a
where "hour" >= {since} and "hour" < {until}{client: and client_id = ?}{connection: and connection_id = ?}
group by 1
order by 1"#,
        ..PROTECTION
    },
    Question {
        id: "blocks-in-force",
        title: text("Blocks that may still hold", "継続中とみられるブロック"),
        about: text(
            "The latest block of each user and address in the range that no release (ublkdu) followed. Auth0 lifts blocks after a time of its own, which the log does not tell.",
            "期間内のユーザー・IPアドレスごとの最新のブロックのうち、解除（ublkdu）が後に続いていないもの。時間経過による自動解除はログに残らない。",
        ),
        takes: Takes::TIME,
        columns: &[
            at("date", "blocked at (UTC)", "ブロック日時（UTC）"),
            event(),
            user(),
            note("ip", "IP address", "IPアドレス"),
            value("blocks", "blocks in the range", "期間内の回数"),
        ],
        text: r#"with blocks as (
  select type, coalesce(user_id, '') as user_id, coalesce(ip, '') as ip, max("date") as "date", count(*) as blocks
  from auth0.logs
  where (type in ({codes:brute_force}) or type in ({codes:ip_throttled})) and "date" >= {since} and "date" < {until}
  group by 1, 2, 3
), released as (
  select coalesce(user_id, '') as user_id, max("date") as "date"
  from auth0.logs
  where type in ({codes:unblocked}) and "date" >= {since} and "date" < {until}
  group by 1
)
select b."date", b.type, b.user_id, b.ip, b.blocks
from blocks as b
left join released as r on r.user_id = b.user_id and b.user_id <> ''
where r."date" is null or r."date" < b."date"
order by b."date" desc, b.user_id, b.ip
limit {limit}"#,
        ..PROTECTION
    },
    Question {
        id: "blocked-users",
        title: text("Users blocked by an administrator", "管理者がブロックしたユーザー"),
        about: text(
            "Users who may not log in (blocked), as they are now.",
            "ログインを禁止されているユーザー（blocked）の現在の一覧。",
        ),
        takes: Takes::CONNECTION,
        columns: USERS,
        text: "select id as user_id, email, created_at, last_login, logins_count, blocked
from auth0.users as u
where blocked and not _fivetran_deleted{connection: and exists (
    select 1 from auth0.user_identities as i join auth0.connection as c on c.name = i.connection
    where i.users_id = u.id and not i._fivetran_deleted and c.id = ?)}
order by last_login desc nulls last, id
limit {limit}",
        ..PROTECTION
    },
    Question {
        id: "breached-passwords",
        title: text("Breached passwords", "漏洩パスワード"),
        about: text(
            "Breached passwords that Auth0 met at logins, sign-ups and password resets, from its daily stats.",
            "ログイン・登録・パスワード再設定の際に検出された漏洩パスワードの件数（日次統計）。",
        ),
        chart: Chart::Lines,
        takes: Takes::TIME,
        columns: &[
            day(),
            value("at_login", "at login", "ログイン時"),
            value("at_signup", "at sign-up", "登録時"),
            value("at_reset", "at reset", "再設定時"),
        ],
        rows: Rows::Events(
            "type in ({codes:breached_password}){value: and case type when 'signup_pwd_leak' then 'at_signup' when 'reset_pwd_leak' then 'at_reset' else 'at_login' end = ?}",
        ),
        text: r#"select "date" as "day", coalesce(leaked_passwords, 0) as at_login, coalesce(leaked_passwords_signup, 0) as at_signup,
       coalesce(leaked_passwords_reset, 0) as at_reset
from auth0.stats_daily
where "date" >= {since} and "date" < {until} and not _fivetran_deleted
order by 1"#,
        ..PROTECTION
    },
    Question {
        id: "mfa-by-day",
        title: text("Second factor by day", "日別の多要素認証"),
        about: text(
            "Second factors accepted and refused, and factors enrolled and removed.",
            "多要素認証の成功・失敗と、要素の登録・解除。",
        ),
        chart: Chart::Lines,
        takes: Takes::TIME,
        reads: &[&FACTORS],
        columns: &[
            day(),
            value("accepted", "accepted", "成功"),
            value("refused", "refused", "失敗"),
            value("enrolled", "enrolled", "登録"),
            value("removed", "removed", "解除"),
        ],
        rows: Rows::Events(
            "(type in ({codes:mfa_success}) or type in ({codes:mfa_failure}) or type in ({codes:mfa_enrolled}) or type in ({codes:mfa_removed})){value: and case when type in ({codes:mfa_success}) then 'accepted' when type in ({codes:mfa_failure}) then 'refused' when type in ({codes:mfa_enrolled}) then 'enrolled' else 'removed' end = ?}",
        ),
        text: r#"select "day",
       cast(sum(case when type in ({codes:mfa_success}) then events else 0 end) as bigint) as accepted,
       cast(sum(case when type in ({codes:mfa_failure}) then events else 0 end) as bigint) as refused,
       cast(sum(case when type in ({codes:mfa_enrolled}) then events else 0 end) as bigint) as enrolled,
       cast(sum(case when type in ({codes:mfa_removed}) then events else 0 end) as bigint) as removed
from {insight_factors} as f
where "day" >= {since} and "day" < {until}
group by 1
order by 1"#,
        ..PROTECTION
    },
    Question {
        id: "mfa-adoption",
        title: text("How many use a second factor", "多要素認証の普及"),
        about: text(
            "Users who are not blocked, and how many of them enrolled or passed a second factor in the whole log that was read, unless they removed it later. The tables hold no list of factors: what was enrolled before the log begins is not seen.",
            "ブロックされていないユーザーと、読み取ったログ全体で多要素認証を登録または通過した人数（後に解除した人を除く）。要素の一覧は取得できないため、ログより前の登録は分からない。",
        ),
        chart: Chart::Numbers,
        takes: Takes::NOTHING,
        reads: &[&FACTORS],
        columns: &[
            value("users", "users", "ユーザー"),
            value("with_factor", "with a second factor", "多要素認証あり"),
            percent("percent", "share (%)", "割合（%）"),
        ],
        rows: Rows::List {
            text: r#"with factors as (
  select user_id, max(case when type in ({codes:mfa_removed}) then null else "date" end) as used,
         max(case when type in ({codes:mfa_removed}) then "date" end) as removed
  from auth0.logs
  where user_id <> '' and (type in ({codes:mfa_success}) or type in ({codes:mfa_enrolled}) or type in ({codes:mfa_removed}))
  group by 1
)
select u.id as user_id, u.email, u.created_at, u.last_login, u.logins_count, u.blocked
from auth0.users as u
left join factors as f on f.user_id = u.id and f.used is not null and (f.removed is null or date_trunc('day', f.removed) <= date_trunc('day', f.used))
where not coalesce(u.blocked, false) and not u._fivetran_deleted{value: and (? = 'users' or f.user_id is not null)}
order by u.last_login desc nulls last, u.id
limit {limit}"#,
            columns: USERS,
        },
        text: r#"with factors as (
  select user_id, max(case when type in ({codes:mfa_removed}) then null else "day" end) as used,
         max(case when type in ({codes:mfa_removed}) then "day" end) as removed
  from {insight_factors} as f
  where user_id <> '' and (type in ({codes:mfa_success}) or type in ({codes:mfa_enrolled}) or type in ({codes:mfa_removed}))
  group by 1
), counted as (
  select count(*) as users, count(f.user_id) as with_factor
  from auth0.users as u
  left join factors as f on f.user_id = u.id and f.used is not null and (f.removed is null or f.removed <= f.used)
  where not coalesce(u.blocked, false) and not u._fivetran_deleted
)
select users, with_factor, cast(round(100.0 * with_factor / nullif(users, 0), 1) as double precision) as percent
from counted"#,
        ..PROTECTION
    },
    Question {
        id: "mfa-fatigue",
        title: text("Many pushes or messages to one user", "1人のユーザーへの大量の通知"),
        about: text(
            "Users to whom ten or more pushes, SMS or calls were sent within one hour, and how many they rejected. Somebody may hold the password and hope that the user gives in.",
            "1時間に10回以上のプッシュ通知・SMS・音声通話が送られたユーザーと、拒否した回数。パスワードを持つ第三者が根負けを狙っている可能性がある。",
        ),
        takes: Takes::TIME,
        columns: &[
            user(),
            hour(),
            value("sent", "sent", "送信"),
            value("rejected", "rejected", "拒否"),
            value("accepted", "accepted", "承認"),
        ],
        rows: Rows::Events("type in ({codes:mfa}){label: and coalesce(user_id, '') = ?}"),
        text: r#"select user_id, date_trunc('hour', "date") as "hour",
       cast(sum(case when type in ({codes:challenged}) then 1 else 0 end) as bigint) as sent,
       cast(sum(case when type = 'gd_auth_rejected' then 1 else 0 end) as bigint) as rejected,
       cast(sum(case when type in ({codes:mfa_success}) then 1 else 0 end) as bigint) as accepted
from auth0.logs
where "date" >= {since} and "date" < {until} and user_id <> ''
  and (type in ({codes:challenged}) or type = 'gd_auth_rejected' or type in ({codes:mfa_success}))
group by 1, 2
having sum(case when type in ({codes:challenged}) then 1 else 0 end) >= 10
order by sent desc, 1, 2
limit {limit}"#,
        ..PROTECTION
    },
    Question {
        id: "mfa-by-type",
        title: text("Events of the second factor", "多要素認証のイベント"),
        about: text(
            "Every kind of event of multi-factor authentication, with how many users it concerned.",
            "多要素認証に関するイベントの種類ごとの件数とユーザー数。",
        ),
        chart: Chart::Bars,
        takes: Takes::TIME,
        reads: &[&FACTORS],
        columns: &[event(), value("events", "events", "件数"), value("users", "users", "ユーザー")],
        rows: Rows::Events("type in ({codes:mfa}){label: and type = ?}"),
        text: r#"select type, cast(sum(events) as bigint) as events, count(distinct nullif(user_id, '')) as users
from {insight_factors} as f
where "day" >= {since} and "day" < {until}
group by 1
order by events desc, 1"#,
        ..PROTECTION
    },
];

const PROTECTION: Question = Question { group: Group::Protection, ..BASE };
