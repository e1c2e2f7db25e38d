//! Applications, connections, grants and tokens: what is allowed, and what of it is used.

use super::BASE;
use crate::aggregate::{ACTIVITY, RENEWALS, SURFACE};
use crate::column::{api, at, client, connection, day, grant, label, note, user, value};
use crate::question::{Chart, Group, Question, Rows, Takes};
use crate::text;

pub(super) const QUESTIONS: &[Question] = &[
    Question {
        id: "unused-clients",
        title: text("Applications not used in 90 days", "90日間使われていないアプリケーション"),
        about: text(
            "Applications without a login or an issued token in the last 90 days of the log, and when they were last used as far as it reaches. While the log reaches back less than 90 days, an application that is used seldom is listed too.",
            "直近90日間のログにログインもトークン発行もないアプリケーションと、ログで確認できる最終利用日時。ログが90日分に満たない間は、利用頻度の低いものも含まれる。",
        ),
        takes: Takes::NOTHING,
        reads: &[&ACTIVITY],
        columns: &[
            client(),
            label("name", "name", "名称"),
            note("is_first_party", "first-party", "ファーストパーティ"),
            at("last_used", "last used (UTC)", "最終利用（UTC）"),
            at("log_begins", "log begins (UTC)", "ログの開始（UTC）"),
        ],
        text: r#"with used as (
  select client_id, max("hour") as last_used
  from {insight_activity} as a
  where type in ({codes:login}) or type in ({codes:token}) or type in ({codes:silent_login})
  group by 1
), begins as (
  select min("hour") as log_begins from {insight_activity} as b
)
select c.id as client_id, c.name, c.is_first_party, u.last_used, b.log_begins
from auth0.client as c
cross join begins as b
left join used as u on u.client_id = c.id
where not c._fivetran_deleted and not coalesce(c."global", false)
  and (u.last_used is null or u.last_used < {now} - interval '90 days')
order by u.last_used nulls first, c.name, c.id
limit {limit}"#,
        ..APPLICATIONS
    },
    Question {
        id: "broad-grants",
        title: text("Broad machine-to-machine grants", "範囲の広いM2M権限付与"),
        about: text(
            "Grants by number of scopes, and how many of these change or delete something. Grants on the tenant's own Management API come first.",
            "権限付与ごとのスコープ数と、変更・削除を許すスコープの数。テナントのManagement APIへの権限付与を先頭に表示。",
        ),
        takes: Takes::CLIENT,
        columns: &[
            grant(),
            client(),
            label("name", "application", "アプリケーション"),
            note("audience", "API", "API"),
            note("management_api", "Management API", "Management API"),
            value("scopes", "scopes", "スコープ"),
            value("writing", "of them writing", "うち書き込み"),
        ],
        rows: Rows::List {
            text: "select g.client_id, s.client_grant_id as grant_id, g.audience, s.scope
from auth0.client_grant_scope as s
join auth0.client_grant as g on g.id = s.client_grant_id
where not s._fivetran_deleted and not g._fivetran_deleted{client: and g.client_id = ?}{label: and g.id = ?}{value: and (? = 'scopes' or s.scope like 'create:%' or s.scope like 'update:%' or s.scope like 'delete:%' or s.scope like 'write:%')}
order by 1, 2, 4
limit {limit}",
            columns: &[client(), grant(), note("audience", "API", "API"), note("scope", "scope", "スコープ")],
        },
        text: "select g.id as grant_id, g.client_id, coalesce(c.name, '') as name, g.audience,
       g.audience like '%/api/v2/' as management_api, count(s.scope) as scopes,
       count(*) filter (where s.scope like 'create:%' or s.scope like 'update:%' or s.scope like 'delete:%' or s.scope like 'write:%') as writing
from auth0.client_grant as g
left join auth0.client as c on c.id = g.client_id
left join auth0.client_grant_scope as s on s.client_grant_id = g.id and not s._fivetran_deleted
where not g._fivetran_deleted{client: and g.client_id = ?}
group by 1, 2, 3, 4, 5
order by management_api desc, writing desc, scopes desc, 1
limit {limit}",
        ..APPLICATIONS
    },
    Question {
        id: "unused-grants",
        title: text("Grants never used", "使われていない権限付与"),
        about: text(
            "Machine-to-machine grants for whose API the application got no token in the whole log that was read. What a token was used for is not logged: whether single scopes are needed cannot be told.",
            "読み取ったログ全体で、対象APIのトークンが一度も発行されていないM2M権限付与。トークンの用途は記録されないため、個々のスコープが必要かどうかは判断できない。",
        ),
        takes: Takes::CLIENT,
        reads: &[&SURFACE],
        columns: &[
            grant(),
            client(),
            label("name", "application", "アプリケーション"),
            note("audience", "API", "API"),
            value("scopes", "scopes", "スコープ"),
        ],
        text: "with used as (
  select distinct client_id, audience from {insight_surface} as s where type in ({codes:token})
)
select g.id as grant_id, g.client_id, coalesce(c.name, '') as name, g.audience,
       (select count(*) from auth0.client_grant_scope as s where s.client_grant_id = g.id and not s._fivetran_deleted) as scopes
from auth0.client_grant as g
left join auth0.client as c on c.id = g.client_id
left join used as u on u.client_id = g.client_id and u.audience = g.audience
where not g._fivetran_deleted and u.client_id is null{client: and g.client_id = ?}
order by scopes desc, 1
limit {limit}",
        ..APPLICATIONS
    },
    Question {
        id: "risky-clients",
        title: text("Applications with risky settings", "リスクのある設定のアプリケーション"),
        about: text(
            "Applications by number of settings that weaken them: implicit or password grants, callbacks without TLS or with a wildcard, cross-origin authentication, refresh tokens that neither rotate nor expire, tokens signed with a shared secret (HS256).",
            "安全性を下げる設定の数でアプリケーションを並べたもの。対象はimplicit/passwordグラント、TLSなし・ワイルドカードのコールバック、クロスオリジン認証、ローテーションも期限もないリフレッシュトークン、共有鍵（HS256）による署名。",
        ),
        takes: Takes::CLIENT,
        columns: &[
            client(),
            label("name", "name", "名称"),
            value("risks", "risky settings", "リスクのある設定"),
            note("risky_grants", "implicit or password grant", "implicit/passwordグラント"),
            note("risky_callbacks", "weak callback", "弱いコールバック"),
            note("cross_origin", "cross-origin authentication", "クロスオリジン認証"),
            note("endless_refresh", "endless refresh tokens", "無期限リフレッシュトークン"),
            note("shared_secret", "HS256", "HS256"),
        ],
        text: r#"with weighed as (
  select c.id as client_id, c.name,
         exists (select 1 from auth0.client_grant_type as g where g.client_id = c.id and not g._fivetran_deleted
                 and g.grant_type in ('implicit', 'password', 'http://auth0.com/oauth/grant-type/password-realm')) as risky_grants,
         exists (select 1 from auth0.client_callback as b where b.client_id = c.id and not b._fivetran_deleted
                 and ((b.callback like 'http://%' and not {own_machine})
                      or b.callback like '%*%')) as risky_callbacks,
         coalesce(c.cross_origin_authentication, c.cross_origin_auth, false) as cross_origin,
         c.refresh_token_rotation_type = 'non-rotating' and coalesce(c.refresh_token_infinite_token_lifetime, false)
           and exists (select 1 from auth0.client_grant_type as g where g.client_id = c.id and not g._fivetran_deleted
                       and g.grant_type = 'refresh_token') as endless_refresh,
         coalesce(c.jwt_configuration_alg, '') = 'HS256' as shared_secret
  from auth0.client as c
  where not c._fivetran_deleted and not coalesce(c."global", false){client: and c.id = ?}
), counted as (
  select client_id, name, risky_grants, risky_callbacks, cross_origin, coalesce(endless_refresh, false) as endless_refresh, shared_secret,
         case when risky_grants then 1 else 0 end + case when risky_callbacks then 1 else 0 end + case when cross_origin then 1 else 0 end
           + case when endless_refresh then 1 else 0 end + case when shared_secret then 1 else 0 end as risks
  from weighed
)
select client_id, name, risks, risky_grants, risky_callbacks, cross_origin, endless_refresh, shared_secret
from counted
where risks > 0
order by risks desc, name, 1
limit {limit}"#,
        ..APPLICATIONS
    },
    Question {
        id: "connections",
        title: text("Connections and their use", "接続とその利用状況"),
        about: text(
            "Each connection with the applications it is enabled for, the identities in it, and the logins and failures through it in the range.",
            "接続ごとの、有効なアプリケーション数、ID数、期間内のログイン成功と失敗。",
        ),
        takes: Takes { time: true, client: false, connection: true },
        reads: &[&ACTIVITY],
        columns: &[
            connection(),
            label("name", "name", "名称"),
            label("strategy", "strategy", "認証方式"),
            value("clients", "applications", "アプリケーション"),
            value("identities", "identities", "ID"),
            value("logins", "logins", "成功"),
            value("failures", "failures", "失敗"),
        ],
        rows: Rows::Events(
            "(type in ({codes:login}) or type in ({codes:failed_login})){label: and coalesce(connection_id, '') = ?}{value: and (? <> 'logins' or type in ({codes:login})) and (? <> 'failures' or type in ({codes:failed_login}))}",
        ),
        text: r#"with used as (
  select connection_id, cast(sum(case when type in ({codes:login}) then events else 0 end) as bigint) as logins,
         cast(sum(case when type in ({codes:failed_login}) then events else 0 end) as bigint) as failures
  from {insight_activity} as a
  where "hour" >= {since} and "hour" < {until}
  group by 1
), enabled as (
  select connection_id, count(*) as clients from auth0.connection_enabled_client where not _fivetran_deleted group by 1
), held as (
  select connection, count(*) as identities from auth0.user_identities where not _fivetran_deleted group by 1
)
select c.id as connection_id, c.name, c.strategy, coalesce(e.clients, 0) as clients, coalesce(h.identities, 0) as identities,
       coalesce(u.logins, 0) as logins, coalesce(u.failures, 0) as failures
from auth0.connection as c
left join used as u on u.connection_id = c.id
left join enabled as e on e.connection_id = c.id
left join held as h on h.connection = c.name
where not c._fivetran_deleted{connection: and c.id = ?}
order by logins desc, identities desc, 1
limit {limit}"#,
        ..APPLICATIONS
    },
    Question {
        id: "tokens-by-client",
        title: text("Tokens by application and API", "アプリケーション・API別のトークン"),
        about: text(
            "Tokens issued to each application for each audience.",
            "アプリケーションとオーディエンスごとのトークン発行数。",
        ),
        chart: Chart::Bars,
        takes: Takes::ALL,
        reads: &[&SURFACE],
        columns: &[
            client(),
            label("audience", "API", "API"),
            label("name", "application", "アプリケーション"),
            value("tokens", "tokens", "トークン"),
            value("machine", "of them machine to machine", "うちM2M"),
        ],
        rows: Rows::Events(
            "type in ({codes:token}){label: and coalesce(client_id, '') = ?}{also: and coalesce(audience, '') = ?}{value: and (? = 'tokens' or type = 'seccft')}",
        ),
        text: r#"select s.client_id, s.audience, coalesce(c.name, '') as name, cast(sum(events) as bigint) as tokens,
       cast(sum(case when type = 'seccft' then events else 0 end) as bigint) as machine
from {insight_surface} as s
left join auth0.client as c on c.id = s.client_id
where "day" >= {since} and "day" < {until} and type in ({codes:token}){client: and s.client_id = ?}{connection: and connection_id = ?}
group by 1, 2, 3
order by tokens desc, 1, 2
limit {limit}"#,
        ..APPLICATIONS
    },
    Question {
        id: "rate-limits",
        title: text("Rate limits and refused tokens", "レート制限とトークン発行の失敗"),
        about: text(
            "Calls over a rate limit (api_limit and its warnings) and token requests that were refused, by day.",
            "レート制限の超過（api_limitとその警告）と、拒否されたトークン要求の日別件数。",
        ),
        chart: Chart::Lines,
        takes: Takes::ALL,
        reads: &[&ACTIVITY],
        columns: &[
            day(),
            value("limited", "rate limits", "レート制限"),
            value("refused", "tokens refused", "トークン発行失敗"),
        ],
        rows: Rows::Events(
            "(type in ({codes:rate_limited}) or type in ({codes:failed_token})){value: and case when type in ({codes:rate_limited}) then 'limited' else 'refused' end = ?}",
        ),
        text: r#"select date_trunc('day', "hour") as "day",
       cast(sum(case when type in ({codes:rate_limited}) then events else 0 end) as bigint) as limited,
       cast(sum(case when type in ({codes:failed_token}) then events else 0 end) as bigint) as refused
from {insight_activity} as a
where "hour" >= {since} and "hour" < {until}{client: and client_id = ?}{connection: and connection_id = ?}
group by 1
order by 1"#,
        ..APPLICATIONS
    },
    Question {
        id: "refresh-token-use",
        title: text("Refresh tokens used from several places", "複数の場所で使われたリフレッシュトークン"),
        about: text(
            "For each user and application the addresses and user agents from which refresh tokens were used on one day, where there are three or more of either, and how often a used one came again (ferrt). The token's family is not among the core columns: several devices of one user count together.",
            "ユーザーとアプリケーションごとに、1日にリフレッシュトークンが使われたIPアドレス数とユーザーエージェント数（いずれか3つ以上）、および再利用の検出（ferrt）回数。トークンファミリーはコア列にないため、同じユーザーの複数端末も合算される。",
        ),
        takes: Takes::ALL,
        reads: &[&RENEWALS],
        columns: &[
            user(),
            client(),
            day(),
            value("addresses", "addresses", "IPアドレス"),
            value("agents", "user agents", "ユーザーエージェント"),
            value("uses", "uses", "使用"),
            value("reuses", "reuses", "再利用"),
        ],
        rows: Rows::Events(
            "type in ({codes:refresh}){label: and coalesce(user_id, '') = ?}{also: and coalesce(client_id, '') = ?}",
        ),
        text: r#"select user_id, client_id, "day", count(distinct ip) as addresses, count(distinct user_agent) as agents,
       cast(sum(events) as bigint) as uses, cast(sum(case when type = 'ferrt' then events else 0 end) as bigint) as reuses
from {insight_renewals} as r
where "day" >= {since} and "day" < {until}{client: and client_id = ?}{connection: and connection_id = ?}
group by 1, 2, 3
having count(distinct ip) >= 3 or count(distinct user_agent) >= 3 or sum(case when type = 'ferrt' then events else 0 end) > 0
order by reuses desc, addresses desc, agents desc, 1, 2, 3
limit {limit}"#,
        ..APPLICATIONS
    },
    Question {
        id: "consents",
        title: text("What users consented to", "ユーザーの同意"),
        about: text(
            "Scopes that users granted to applications, by API.",
            "ユーザーがアプリケーションに同意したスコープ（API別）。",
        ),
        chart: Chart::Bars,
        takes: Takes::CLIENT,
        columns: &[
            label("scope", "scope", "スコープ"),
            label("audience", "API", "API"),
            value("consents", "consents", "同意"),
            value("users", "users", "ユーザー"),
            value("clients", "applications", "アプリケーション"),
        ],
        rows: Rows::List {
            text: "select g.user_id, g.client_id, g.audience, s.scope
from auth0.grant_scope as s
join auth0.grants as g on g.id = s.grant_id
where not s._fivetran_deleted and not g._fivetran_deleted{client: and g.client_id = ?}{label: and s.scope = ?}{also: and coalesce(g.audience, '') = ?}
order by 1, 2
limit {limit}",
            columns: &[user(), client(), note("audience", "API", "API"), note("scope", "scope", "スコープ")],
        },
        text: "select s.scope, coalesce(g.audience, '') as audience, count(*) as consents, count(distinct g.user_id) as users,
       count(distinct g.client_id) as clients
from auth0.grant_scope as s
join auth0.grants as g on g.id = s.grant_id
where not s._fivetran_deleted and not g._fivetran_deleted{client: and g.client_id = ?}
group by 1, 2
order by consents desc, 1, 2
limit {limit}",
        ..APPLICATIONS
    },
    Question {
        id: "api-settings",
        title: text("APIs and how their tokens are issued", "APIとトークンの設定"),
        about: text(
            "Each API with the life and signature of its access tokens, and the applications granted access to it.",
            "APIごとのアクセストークンの有効期間・署名方式と、権限を付与されたアプリケーション数。",
        ),
        takes: Takes::NOTHING,
        columns: &[
            api(),
            label("name", "name", "名称"),
            note("identifier", "identifier", "識別子"),
            value("token_lifetime", "token lifetime (s)", "トークン有効期間（秒）"),
            note("signing_alg", "signature", "署名"),
            note("enforce_policies", "role-based access", "RBAC"),
            value("clients", "applications", "アプリケーション"),
        ],
        text: "select r.id as api_id, r.name, r.identifier, r.token_lifetime, r.signing_alg, r.enforce_policies,
       count(distinct g.client_id) as clients
from auth0.resource_server as r
left join auth0.client_grant as g on g.audience = r.identifier and not g._fivetran_deleted
where not r._fivetran_deleted
group by 1, 2, 3, 4, 5, 6
order by clients desc, r.name, 1
limit {limit}",
        ..APPLICATIONS
    },
];

const APPLICATIONS: Question = Question { group: Group::Applications, ..BASE };
