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
pub const AGGREGATES: &[&Aggregate] = &[&ACTIVITY, &REACH, &REFUSALS, &SURFACE, &FACTORS];

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
/// ended is the number of users.
pub(crate) const REACH: Aggregate = Aggregate {
    name: "insight_reach",
    about: text(
        "Users who logged in on one day, and in the 7 and 30 days up to it; for all, and for each application and connection.",
        "ある日と、その日までの7日間・30日間にログインしたユーザー数。全体、およびアプリケーション・接続ごと。",
    ),
    grain: Grain::Day,
    text: r#"with person_days as (
  select distinct date_trunc('day', "date") as "day", user_id, coalesce(client_id, '') as client_id,
         coalesce(connection_id, '') as connection_id
  from auth0.logs
  where type in ({codes:login}) and user_id <> ''
), seen as (
  select "day", user_id, client_id, connection_id from person_days
  union
  select "day", user_id, null, connection_id from person_days
  union
  select "day", user_id, client_id, null from person_days
  union
  select "day", user_id, null, null from person_days
), stretches as (
  select "day", client_id, connection_id,
         lead("day") over (partition by user_id, client_id, connection_id order by "day") as following
  from seen
), digits as (
  select n from (values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) as d(n)
), span as (
  select min("day") as first_day,
         (select date_trunc('day', max("date")) from auth0.logs) as last_day
  from person_days
), calendar as (
  select first_day + (a.n + 10 * b.n + 100 * c.n + 1000 * d.n) * interval '1 day' as "day"
  from span, digits as a, digits as b, digits as c, digits as d
), turns as (
  select "day", client_id, connection_id, 1 as daily, 1 as weekly, 1 as monthly from stretches
  union all
  select "day" + interval '1 day', client_id, connection_id, -1, 0, 0 from stretches
  union all
  select least(coalesce(following, "day" + interval '7 days'), "day" + interval '7 days'), client_id, connection_id, 0, -1, 0
  from stretches
  union all
  select least(coalesce(following, "day" + interval '30 days'), "day" + interval '30 days'), client_id, connection_id, 0, 0, -1
  from stretches
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
