//! Users as they are: who is dormant, how they are known, and where they belong.

use super::BASE;
use crate::aggregate::ACTIVITY;
use crate::column::{USERS, at, day, label, organization, step, value};
use crate::question::{Chart, Group, Question, Rows, Step, Takes};
use crate::text;

pub(super) const QUESTIONS: &[Question] = &[
    Question {
        id: "last-logins",
        title: text("When users last logged in", "最終ログインからの経過"),
        about: text(
            "All users by the time since their last login. Those who never logged in stand apart.",
            "全ユーザーを最終ログインからの経過期間で分類。一度もログインしていないユーザーは別に数える。",
        ),
        chart: Chart::Bars,
        takes: Takes::CONNECTION,
        columns: &[
            step("since_login", "last login", "最終ログイン"),
            value("users", "users", "ユーザー"),
            value("blocked", "of them blocked", "うちブロック"),
        ],
        steps: &[
            Step { id: "1-month", title: text("in the last 30 days", "30日以内") },
            Step { id: "2-quarter", title: text("30 to 90 days ago", "30～90日前") },
            Step { id: "3-half-year", title: text("90 to 180 days ago", "90～180日前") },
            Step { id: "4-year", title: text("180 to 365 days ago", "180～365日前") },
            Step { id: "5-longer", title: text("longer than a year ago", "1年以上前") },
            Step { id: "6-never", title: text("never", "なし") },
        ],
        rows: Rows::List {
            text: "select id as user_id, email, created_at, last_login, logins_count, blocked
from auth0.users as u
where not _fivetran_deleted{connection: and exists (
    select 1 from auth0.user_identities as i join auth0.connection as c on c.name = i.connection
    where i.users_id = u.id and not i._fivetran_deleted and c.id = ?)}{label: and case when last_login is null then '6-never' when last_login >= {now} - interval '30 days' then '1-month' when last_login >= {now} - interval '90 days' then '2-quarter' when last_login >= {now} - interval '180 days' then '3-half-year' when last_login >= {now} - interval '365 days' then '4-year' else '5-longer' end = ?}{value: and (? = 'users' or blocked)}
order by last_login desc nulls last, id
limit {limit}",
            columns: USERS,
        },
        text: "select case when last_login is null then '6-never' when last_login >= {now} - interval '30 days' then '1-month' when last_login >= {now} - interval '90 days' then '2-quarter' when last_login >= {now} - interval '180 days' then '3-half-year' when last_login >= {now} - interval '365 days' then '4-year' else '5-longer' end as since_login,
       count(*) as users, count(*) filter (where blocked) as blocked
from auth0.users as u
where not _fivetran_deleted{connection: and exists (
    select 1 from auth0.user_identities as i join auth0.connection as c on c.name = i.connection
    where i.users_id = u.id and not i._fivetran_deleted and c.id = ?)}
group by 1
order by 1",
        ..PEOPLE
    },
    Question {
        id: "dormant-users",
        title: text("Dormant users", "休眠ユーザー"),
        about: text(
            "Users who may log in but did not for 365 days, or never and were created before that. The longest absent first.",
            "ログイン可能だが365日以上ログインしていない、または作成から365日以上経っても一度もログインしていないユーザー。不在の長い順。",
        ),
        takes: Takes::CONNECTION,
        columns: USERS,
        text: "select id as user_id, email, created_at, last_login, logins_count, blocked
from auth0.users as u
where not _fivetran_deleted and not coalesce(blocked, false) and coalesce(last_login, created_at) < {now} - interval '365 days'{connection: and exists (
    select 1 from auth0.user_identities as i join auth0.connection as c on c.name = i.connection
    where i.users_id = u.id and not i._fivetran_deleted and c.id = ?)}
order by coalesce(last_login, created_at), id
limit {limit}",
        ..PEOPLE
    },
    Question {
        id: "identities-by-provider",
        title: text("Identities by provider", "プロバイダー別のID"),
        about: text(
            "How users are known: identities by provider and connection, and the users who hold them.",
            "ユーザーの認証元。プロバイダーと接続ごとのID数と、それを持つユーザー数。",
        ),
        chart: Chart::Bars,
        takes: Takes::NOTHING,
        columns: &[
            label("connection", "connection", "接続"),
            label("provider", "provider", "プロバイダー"),
            value("identities", "identities", "ID"),
            value("users", "users", "ユーザー"),
        ],
        rows: Rows::List {
            text: "select u.id as user_id, u.email, u.created_at, u.last_login, u.logins_count, u.blocked
from auth0.users as u
where not u._fivetran_deleted and exists (
  select 1 from auth0.user_identities as i where i.users_id = u.id and not i._fivetran_deleted{label: and coalesce(i.connection, '') = ?}{also: and coalesce(i.provider, '') = ?})
order by u.last_login desc nulls last, u.id
limit {limit}",
            columns: USERS,
        },
        text: "select coalesce(connection, '') as connection, coalesce(provider, '') as provider, count(*) as identities,
       count(distinct users_id) as users
from auth0.user_identities
where not _fivetran_deleted
group by 1, 2
order by identities desc, 1, 2
limit {limit}",
        ..PEOPLE
    },
    Question {
        id: "linked-identities",
        title: text("Users by number of identities", "ID数別のユーザー"),
        about: text(
            "How many identities are linked to a user: more than one means linked accounts.",
            "1人のユーザーに紐づくIDの数。2つ以上はアカウントのリンクを意味する。",
        ),
        chart: Chart::Bars,
        takes: Takes::NOTHING,
        columns: &[label("identities", "identities", "ID数"), value("users", "users", "ユーザー")],
        rows: Rows::List {
            text: "select u.id as user_id, u.email, u.created_at, u.last_login, u.logins_count, u.blocked
from auth0.users as u
join (
  select users_id, cast(count(*) as integer) as identities from auth0.user_identities where not _fivetran_deleted group by 1
) as i on i.users_id = u.id
where not u._fivetran_deleted{label: and i.identities = cast(? as integer)}
order by u.id
limit {limit}",
            columns: USERS,
        },
        text: "select identities, count(*) as users
from (
  select i.users_id, cast(count(*) as integer) as identities
  from auth0.user_identities as i
  join auth0.users as u on u.id = i.users_id and not u._fivetran_deleted
  where not i._fivetran_deleted
  group by 1
) as counted
group by 1
order by 1",
        ..PEOPLE
    },
    Question {
        id: "same-email",
        title: text("One email, several users", "同じメールアドレスの複数ユーザー"),
        about: text(
            "Emails (compared without case) that stand in more than one user: the same person with several connections, or somebody who takes another's address.",
            "複数のユーザーに登録されているメールアドレス（大文字小文字は区別しない）。同一人物が複数の接続を使っているか、他人のアドレスを使っている可能性がある。",
        ),
        takes: Takes::NOTHING,
        columns: &[
            label("email", "email", "メールアドレス"),
            value("users", "users", "ユーザー"),
            value("unverified", "unverified", "未確認"),
            at("newest", "newest (UTC)", "最新の作成（UTC）"),
        ],
        rows: Rows::List {
            text: "select id as user_id, email, created_at, last_login, logins_count, blocked
from auth0.users
where not _fivetran_deleted and email <> ''{label: and lower(email) = ?}
order by created_at desc, id
limit {limit}",
            columns: USERS,
        },
        text: "select lower(email) as email, count(*) as users, count(*) filter (where not coalesce(email_verified, false)) as unverified,
       max(created_at) as newest
from auth0.users
where not _fivetran_deleted and email <> ''
group by 1
having count(*) > 1
order by users desc, 1
limit {limit}",
        ..PEOPLE
    },
    Question {
        id: "organizations",
        title: text("Organizations by members and activity", "組織のメンバー数と活動"),
        about: text(
            "Members of each organization, how many of them logged in within 30 days, and how many never did. The log's organization is not among the core columns, so a member's logins elsewhere count too.",
            "組織ごとのメンバー数、30日以内にログインした人数、一度もログインしていない人数。ログの組織はコア列にないため、組織外でのログインも含む。",
        ),
        takes: Takes::NOTHING,
        columns: &[
            organization(),
            label("name", "name", "名称"),
            value("members", "members", "メンバー"),
            value("active", "active in 30 days", "30日以内に活動"),
            value("never", "never logged in", "未ログイン"),
            at("last_login", "last login (UTC)", "最終ログイン（UTC）"),
        ],
        rows: Rows::List {
            text: "select u.id as user_id, u.email, u.created_at, u.last_login, u.logins_count, u.blocked
from auth0.organization_member as m
join auth0.users as u on u.id = m.id and not u._fivetran_deleted
where not m._fivetran_deleted{label: and m.organization_id = ?}{value: and case ? when 'active' then u.last_login >= {now} - interval '30 days' when 'never' then u.last_login is null else true end}
order by u.last_login desc nulls last, u.id
limit {limit}",
            columns: USERS,
        },
        text: "select o.id as organization_id, coalesce(o.display_name, o.name) as name, count(u.id) as members,
       count(*) filter (where u.last_login >= {now} - interval '30 days') as active,
       count(u.id) filter (where u.last_login is null) as never, max(u.last_login) as last_login
from auth0.organization as o
left join auth0.organization_member as m on m.organization_id = o.id and not m._fivetran_deleted
left join auth0.users as u on u.id = m.id and not u._fivetran_deleted
where not o._fivetran_deleted
group by 1, 2
order by members desc, 1
limit {limit}",
        ..PEOPLE
    },
    Question {
        id: "joining-organizations",
        title: text("Joining organizations", "組織への参加"),
        about: text(
            "Invitations accepted (si) and members added (organization_member_added) by day, and invitations that failed (fi).",
            "招待の承諾（si）、メンバー追加（organization_member_added）、招待の失敗（fi）の日別件数。",
        ),
        chart: Chart::Lines,
        takes: Takes::ALL,
        reads: &[&ACTIVITY],
        columns: &[day(), value("joined", "joined", "参加"), value("failed", "failed", "失敗")],
        rows: Rows::Events(
            "(type in ({codes:joined}) or type in ({codes:failed_invitation})){value: and case when type in ({codes:joined}) then 'joined' else 'failed' end = ?}",
        ),
        text: r#"select date_trunc('day', "hour") as "day",
       cast(sum(case when type in ({codes:joined}) then events else 0 end) as bigint) as joined,
       cast(sum(case when type in ({codes:failed_invitation}) then events else 0 end) as bigint) as failed
from {insight_activity} as a
where "hour" >= {since} and "hour" < {until}{client: and client_id = ?}{connection: and connection_id = ?}
group by 1
order by 1"#,
        ..PEOPLE
    },
    Question {
        id: "unverified-users",
        title: text("Users with an unverified email", "メールアドレス未確認のユーザー"),
        about: text(
            "Users of database connections whose email was never verified, newest first.",
            "データベース接続のユーザーのうち、メールアドレスが未確認のもの。新しい順。",
        ),
        takes: Takes::NOTHING,
        columns: USERS,
        text: "select u.id as user_id, u.email, u.created_at, u.last_login, u.logins_count, u.blocked
from auth0.users as u
where not u._fivetran_deleted and not coalesce(u.email_verified, false) and u.email <> ''
  and exists (select 1 from auth0.user_identities as i where i.users_id = u.id and i.provider = 'auth0' and not i._fivetran_deleted)
order by u.created_at desc, u.id
limit {limit}",
        ..PEOPLE
    },
];

const PEOPLE: Question = Question { group: Group::People, ..BASE };
