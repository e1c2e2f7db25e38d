//! Small tables over the log, made once per run by whoever reads: what questions count is counted there already.
//!
//! An aggregate is a SELECT. Where a reader has made tables of them, questions read those; elsewhere the same SELECT stands in the
//! question itself ([`crate::Source`]), so both give the same numbers by construction.

use tenantry_replication::catalog::Text;

use crate::render::template;
use crate::text;

/// A small table over the log.
#[derive(Debug, PartialEq, Eq)]
pub struct Aggregate {
    /// Name under which it is made, and by which questions read it.
    pub name: &'static str,
    /// What a row is.
    pub about: Text,
    /// The coarsest time that a row stands for: ranges of time are widened to it.
    pub grain: Grain,
    /// Its names in words of the template; see [`Aggregate::sql`].
    text: &'static str,
}

/// How finely time is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grain {
    /// Not at all: microseconds.
    Instant,
    /// Whole hours, UTC.
    Hour,
    /// Whole days, UTC.
    Day,
}

impl Aggregate {
    /// The SELECT that makes it: `CREATE TABLE name AS …`. Takes no parameters.
    pub fn sql(&self) -> String {
        template(self.text)
    }
}

/// All of them.
pub const AGGREGATES: &[&Aggregate] =
    &[&ACTIVITY, &REACH, &REFUSALS, &SURFACE, &FACTORS, &BREAKTHROUGHS, &RENEWALS];

/// Events by hour, type, application and connection.
pub(crate) const ACTIVITY: Aggregate = Aggregate {
    name: "insight_activity",
    about: text(
        "Log events of one hour, type, application and connection.",
        "1時間・種類・アプリケーション・接続ごとのログイベント数。",
    ),
    grain: Grain::Hour,
    text: r#"select date_trunc('hour', "date") as "hour", type, coalesce(client_id, '') as client_id,
       coalesce(connection_id, '') as connection_id, count(*) as events
from auth0.logs
group by 1, 2, 3, 4"#,
};

/// Distinct users who logged in on a day, in the 7 and in the 30 days up to it.
///
/// Whether an application or a connection is filtered changes who is distinct, so each combination has rows of its own; NULL is "all".
/// Each day on which a user logged in covers the days from it on until the user's next login day or the end of the window,
/// whichever comes first. The stretches of one user do not overlap, so on any day the sum of those that have begun less those that have
/// ended is the number of users. Users, and applications with connections, are numbered first: what is sorted for each of them is small then.
/// Stretches that begin and end alike are counted before they are laid end to end.
pub(crate) const REACH: Aggregate = Aggregate {
    name: "insight_reach",
    about: text(
        "Users who logged in on one day, and in the 7 and 30 days up to it; for all, and for each application and connection.",
        "ある日と、その日までの7日間・30日間にログインしたユーザー数。全体、およびアプリケーション・接続ごと。",
    ),
    grain: Grain::Day,
    text: r#"with logins as (
  select cast("date" as date) as "day", user_id, coalesce(client_id, '') as client_id, coalesce(connection_id, '') as connection_id
  from auth0.logs
  where type in ({codes:login}) and user_id <> ''
), people as (
  select user_id, row_number() over () as person from (select distinct user_id from logins) as known
), places as (
  select client_id, connection_id, row_number() over () as place
  from (select distinct client_id, connection_id from logins) as known
), person_days as (
  select distinct l."day", p.person, s.place
  from logins as l
  join people as p on p.user_id = l.user_id
  join places as s on s.client_id = l.client_id and s.connection_id = l.connection_id
), scopes as (
  select place, client_id, connection_id, dense_rank() over (order by client_id, connection_id) as scope
  from (
    select place, client_id, connection_id from places
    union all
    select place, null, connection_id from places
    union all
    select place, client_id, null from places
    union all
    select place, null, null from places
  ) as known
), seen as (
  select distinct d."day", d.person, s.scope
  from person_days as d
  join scopes as s on s.place = d.place
), gaps as (
  select "day", scope, least(coalesce(lead("day") over (partition by person, scope order by "day") - "day", 30), 30) as gap
  from seen
), stretches as (
  select cast(g."day" as timestamp) as "day", g.gap, s.client_id, s.connection_id, g.users
  from (select "day", gap, scope, count(*) as users from gaps group by 1, 2, 3) as g
  join (select distinct scope, client_id, connection_id from scopes) as s on s.scope = g.scope
), digits as (
  select n from (values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) as d(n)
), span as (
  select min("day") as first_day,
         (select date_trunc('day', max("date")) from auth0.logs) as last_day
  from stretches
), calendar as (
  select first_day + (a.n + 10 * b.n + 100 * c.n + 1000 * d.n) * interval '1 day' as "day"
  from span, digits as a, digits as b, digits as c, digits as d
), turns as (
  select "day", client_id, connection_id, users as daily, users as weekly, users as monthly from stretches
  union all
  select "day" + interval '1 day', client_id, connection_id, -users, 0, 0 from stretches
  union all
  select "day" + least(gap, 7) * interval '1 day', client_id, connection_id, 0, -users, 0 from stretches
  union all
  select "day" + gap * interval '1 day', client_id, connection_id, 0, 0, -users from stretches
  union all
  select c."day", k.client_id, k.connection_id, 0, 0, 0
  from calendar as c, span, (select distinct client_id, connection_id from stretches) as k
  where c."day" <= span.last_day
), net as (
  select "day", client_id, connection_id, sum(daily) as daily, sum(weekly) as weekly, sum(monthly) as monthly
  from turns
  group by "day", client_id, connection_id
), counted as (
  select "day", client_id, connection_id,
         cast(sum(daily) over so_far as bigint) as daily,
         cast(sum(weekly) over so_far as bigint) as weekly,
         cast(sum(monthly) over so_far as bigint) as monthly
  from net
  window so_far as (partition by client_id, connection_id order by "day" rows unbounded preceding)
)
select counted.* from counted, span where "day" <= span.last_day"#,
};

/// Failed logins, with who and from where.
pub(crate) const REFUSALS: Aggregate = Aggregate {
    name: "insight_refusals",
    about: text(
        "Failed logins of one hour, type, reason, IP address, user, application and connection.",
        "1時間・種類・理由・IPアドレス・ユーザー・アプリケーション・接続ごとのログイン失敗数。",
    ),
    grain: Grain::Hour,
    text: r#"select date_trunc('hour', "date") as "hour", type, coalesce(description, '') as reason, coalesce(ip, '') as ip,
       coalesce(user_id, '') as user_id, coalesce(client_id, '') as client_id,
       coalesce(connection_id, '') as connection_id, count(*) as events
from auth0.logs
where type in ({codes:failed_login})
group by 1, 2, 3, 4, 5, 6, 7"#,
};

/// Events by day, host name and kind of device.
pub(crate) const SURFACE: Aggregate = Aggregate {
    name: "insight_surface",
    about: text(
        "Log events of one day, type, host name, kind of device, audience, application and connection.",
        "1日・種類・ホスト名・端末種別・オーディエンス・アプリケーション・接続ごとのログイベント数。",
    ),
    grain: Grain::Day,
    text: r#"select date_trunc('day', "date") as "day", type, coalesce(hostname, '') as hostname, coalesce(is_mobile, false) as is_mobile,
       coalesce(audience, '') as audience, coalesce(client_id, '') as client_id,
       coalesce(connection_id, '') as connection_id, count(*) as events
from auth0.logs
where type in ({codes:login}) or type in ({codes:token})
group by 1, 2, 3, 4, 5, 6, 7"#,
};

/// Events of the second factor by day and user.
pub(crate) const FACTORS: Aggregate = Aggregate {
    name: "insight_factors",
    about: text(
        "Events of multi-factor authentication of one day, type and user.",
        "1日・種類・ユーザーごとの多要素認証イベント数。",
    ),
    grain: Grain::Day,
    text: r#"select date_trunc('day', "date") as "day", type, coalesce(user_id, '') as user_id, count(*) as events
from auth0.logs
where type in ({codes:mfa})
group by 1, 2, 3"#,
};

/// Logins from addresses that had just failed for many users.
///
/// An address and hour that with the hour before has no five failures has no such login: only what is left is looked at event by event.
pub(crate) const BREAKTHROUGHS: Aggregate = Aggregate {
    name: "insight_breakthroughs",
    about: text(
        "Logins from an address that in the hour before failed for five or more users, with those failures.",
        "直前の1時間に5人以上のユーザーで失敗したIPアドレスからのログインと、その失敗数。",
    ),
    grain: Grain::Instant,
    text: r#"with tries as (
  select ip, date_trunc('hour', "date") as "hour", count(*) as tries
  from auth0.logs
  where type in ({codes:wrong_credentials}) and ip <> ''
  group by 1, 2
), suspects as (
  select ip, "hour" from (
    select ip, "hour", tries from tries
    union all
    select ip, "hour" + interval '1 hour', tries from tries
  ) as both_hours
  group by 1, 2
  having sum(tries) >= 5
), failures as (
  select ip, "date", case when user_id <> '' then user_id else log_id end as tried
  from auth0.logs
  where type in ({codes:wrong_credentials}) and ip in (select ip from suspects)
), logins as (
  select s.log_id, s."date", s.user_id, s.ip, s.client_id, s.connection_id
  from auth0.logs as s
  join suspects as p on p.ip = s.ip and p."hour" = date_trunc('hour', s."date")
  where s.type in ({codes:login})
)
select s."date", s.user_id, s.ip, count(*) as failures, count(distinct f.tried) as users, s.client_id, s.connection_id
from logins as s
join failures as f on f.ip = s.ip and f."date" < s."date" and f."date" >= s."date" - interval '1 hour'
group by s.log_id, s."date", s.user_id, s.ip, s.client_id, s.connection_id
having count(distinct f.tried) >= 5"#,
};

/// Uses of refresh tokens where they came from many places, or a used one came again.
///
/// Holds a user, application and day only where all connections together stand out: of one connection no more can stand out.
pub(crate) const RENEWALS: Aggregate = Aggregate {
    name: "insight_renewals",
    about: text(
        "Uses of refresh tokens of one day, user, application, connection, address, user agent and type, where that day stands out.",
        "目立つ日のリフレッシュトークン使用数（1日・ユーザー・アプリケーション・接続・IPアドレス・ユーザーエージェント・種類ごと）。",
    ),
    grain: Grain::Day,
    text: r#"with busy as (
  select date_trunc('day', "date") as "day", coalesce(user_id, '') as user_id, coalesce(client_id, '') as client_id
  from auth0.logs
  where type in ({codes:refresh})
  group by 1, 2, 3
  having count(*) >= 3 or max(case when type = 'ferrt' then 1 else 0 end) = 1
), renewals as (
  select b."day", b.user_id, b.client_id, coalesce(l.connection_id, '') as connection_id, l.ip, l.user_agent, l.type, count(*) as events
  from auth0.logs as l
  join busy as b on b."day" = date_trunc('day', l."date") and b.user_id = coalesce(l.user_id, '') and b.client_id = coalesce(l.client_id, '')
  where l.type in ({codes:refresh})
  group by 1, 2, 3, 4, 5, 6, 7
), striking as (
  select "day", user_id, client_id
  from renewals
  group by 1, 2, 3
  having count(distinct ip) >= 3 or count(distinct user_agent) >= 3 or max(case when type = 'ferrt' then 1 else 0 end) = 1
)
select r."day", r.user_id, r.client_id, r.connection_id, r.ip, r.user_agent, r.type, r.events
from renewals as r
join striking as s on s."day" = r."day" and s.user_id = r.user_id and s.client_id = r.client_id"#,
};
