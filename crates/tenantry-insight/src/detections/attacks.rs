//! Attacks on logins and tokens.

use super::BASE;
use crate::column::{at, client, hour, note, user, value};
use crate::detection::{Detection, Severity};
use crate::text;

pub(super) const DETECTIONS: &[Detection] = &[
    Detection {
        id: "password-spraying",
        title: text("Password spraying", "パスワードスプレー攻撃"),
        about: text(
            "An address failed for ten or more users within one hour. An office or a mobile network behind one address can look the same, but rarely with so many wrong names or passwords.",
            "1つのIPアドレスから1時間に10人以上のユーザーでログインに失敗。企業や携帯回線の共有IPアドレスでも起こりうるが、これほどの誤りはまれ。",
        ),
        severity: Severity::High,
        fix: text(
            "Block the address at the edge, turn on suspicious IP throttling and bot detection, and see in `takeover-after-failures` whether a login followed.",
            "IPアドレスを遮断し、不審なIPの制限とボット検知を有効にする。続くログイン成功がないかtakeover-after-failuresで確認する。",
        ),
        columns: &[
            hour(),
            note("ip", "IP address", "IPアドレス"),
            value("users", "users tried", "試行されたユーザー"),
            value("failures", "failures", "失敗"),
        ],
        text: r#"select date_trunc('hour', "date") as "hour", ip,
       count(distinct case when user_id <> '' then user_id else log_id end) as users, count(*) as failures
from auth0.logs
where type in ({codes:wrong_credentials}) and ip <> '' and "date" >= {since} and "date" < {until}
group by 1, 2
having count(distinct case when user_id <> '' then user_id else log_id end) >= 10
order by 1 desc, failures desc, 2
limit {limit}"#,
        ..BASE
    },
    Detection {
        id: "takeover-after-failures",
        title: text("Login right after many failures", "大量の失敗直後のログイン成功"),
        about: text(
            "A login from an address that in the hour before failed for five or more users, or five times for this one. Somebody who forgot a password looks like the second.",
            "直前の1時間に5人以上のユーザーで、または同じユーザーで5回以上失敗したIPアドレスからのログイン成功。パスワードを忘れた本人も後者に該当する。",
        ),
        severity: Severity::High,
        fix: text(
            "Ask the user. If it was not them: end the sessions, reset the password, require a second factor.",
            "本人に確認する。心当たりがなければセッションを終了し、パスワードを再設定して多要素認証を必須にする。",
        ),
        columns: &[
            at("date", "time (UTC)", "日時（UTC）"),
            user(),
            note("ip", "IP address", "IPアドレス"),
            value("users", "users tried", "試行されたユーザー"),
            value("failures", "failures for this user", "このユーザーの失敗"),
            client(),
        ],
        text: r#"with failures as (
  select ip, "date", user_id, case when user_id <> '' then user_id else log_id end as tried
  from auth0.logs
  where type in ({codes:wrong_credentials}) and ip <> '' and "date" >= {since} - interval '1 hour' and "date" < {until}
)
select s."date", s.user_id, s.ip, count(distinct f.tried) as users, count(*) filter (where f.user_id = s.user_id) as failures, s.client_id
from auth0.logs as s
join failures as f on f.ip = s.ip and f."date" < s."date" and f."date" >= s."date" - interval '1 hour'
where s.type in ({codes:login}) and s."date" >= {since} and s."date" < {until}
group by s.log_id, s."date", s.user_id, s.ip, s.client_id
having count(distinct f.tried) >= 5 or count(*) filter (where f.user_id = s.user_id) >= 5
order by s."date" desc, s.log_id
limit {limit}"#,
        ..BASE
    },
    Detection {
        id: "credential-stuffing",
        title: text("Credential stuffing", "クレデンシャルスタッフィング"),
        about: text(
            "An hour with 50 or more failed logins, breached passwords and blocks together, more of them than logins, from three or more addresses. A broken application that retries comes from few addresses.",
            "ログイン失敗・漏洩パスワード・ブロックの合計が1時間に50件以上で、ログイン成功より多く、3つ以上のIPアドレスにわたる時間帯。再試行を繰り返す不具合は少数のIPアドレスに限られる。",
        ),
        severity: Severity::High,
        fix: text(
            "Turn on bot detection and breached password detection, and challenge logins of the applications that are hit.",
            "ボット検知と漏洩パスワード検知を有効にし、対象アプリケーションのログインに追加の確認を求める。",
        ),
        published: &["credential_stuffing_signals"],
        columns: &[
            hour(),
            value("signs", "signs", "兆候"),
            value("logins", "logins", "ログイン"),
            value("addresses", "addresses", "IPアドレス"),
            value("users", "known users", "既存ユーザー"),
        ],
        text: r#"with counted as (
  select date_trunc('hour', "date") as "hour", count(*) filter (where type in ({codes:credential_stuffing})) as signs,
         count(*) filter (where type in ({codes:login})) as logins,
         count(distinct case when type in ({codes:credential_stuffing}) then ip end) as addresses,
         count(distinct case when type in ({codes:credential_stuffing}) then nullif(user_id, '') end) as users
  from auth0.logs
  where (type in ({codes:credential_stuffing}) or type in ({codes:login})) and "date" >= {since} and "date" < {until}
  group by 1
)
select "hour", signs, logins, addresses, users from counted
where signs >= 50 and signs > logins and addresses >= 3
order by 1 desc
limit {limit}"#,
        ..BASE
    },
    Detection {
        id: "flagged-address-let-in",
        title: text("Login or sign-up from a flagged address", "検知済みIPアドレスからのログイン・登録"),
        about: text(
            "An address that attack protection flagged (a block, throttling, a breached password) logged in or signed up within 24 hours. A shared address can be flagged for one user and used by another.",
            "攻撃防御が検知したIPアドレス（ブロック・制限・漏洩パスワード）からの、24時間以内のログインまたは登録。共有IPアドレスでは別人の場合もある。",
        ),
        severity: Severity::Medium,
        fix: text(
            "Look at what the user did since, and require a second factor or a new password.",
            "そのユーザーのその後の操作を確認し、多要素認証かパスワードの変更を求める。",
        ),
        lacks: Some(text(
            "Whether bot detection asked for a challenge (pla) stands in the event's details: addresses that only bot detection flagged are not seen.",
            "ボット検知が確認を求めたか（pla）はイベントの詳細にあるため、ボット検知だけが検知したIPアドレスは分からない。",
        )),
        published: &["logins_or_signups_from_suspicious_ips"],
        columns: &[
            at("date", "time (UTC)", "日時（UTC）"),
            user(),
            note("ip", "IP address", "IPアドレス"),
            note("event", "event", "イベント"),
            note("flagged_as", "flagged as", "検知の種類"),
            at("flagged_at", "flagged at (UTC)", "検知日時（UTC）"),
        ],
        text: r#"with flagged as (
  select ip, type, "date" from auth0.logs
  where type in ({codes:flagged}) and ip <> '' and "date" >= {since} - interval '1 day' and "date" < {until}
)
select s."date", s.user_id, s.ip, s.type as event, min(f.type) as flagged_as, max(f."date") as flagged_at
from auth0.logs as s
join flagged as f on f.ip = s.ip and f."date" <= s."date" and f."date" >= s."date" - interval '1 day'
where (s.type in ({codes:login}) or s.type in ({codes:signup})) and s."date" >= {since} and s."date" < {until}
group by s.log_id, s."date", s.user_id, s.ip, s.type
order by s."date" desc, s.log_id
limit {limit}"#,
        ..BASE
    },
    Detection {
        id: "malformed-authorizations",
        title: text("Many malformed authorization requests", "不正な認可リクエストの多発"),
        about: text(
            "Ten or more logins of one application failed within an hour for an unregistered callback, client, API, response type or code challenge. A wrong release of the application does the same.",
            "登録外のコールバック・クライアント・API・レスポンスタイプ・コードチャレンジによる失敗が、1つのアプリケーションで1時間に10件以上。アプリケーションのリリースミスでも起こる。",
        ),
        severity: Severity::Medium,
        fix: text(
            "Compare the callbacks with what the application sends. Where nobody released anything, block the address.",
            "登録済みのコールバックとアプリケーションの送信内容を照合する。リリースがなければ送信元を遮断する。",
        ),
        published: &["many_failed_authorization_requests"],
        columns: &[
            hour(),
            client(),
            value("failures", "failures", "失敗"),
            value("addresses", "addresses", "IPアドレス"),
            note("example", "one of the descriptions", "説明の例"),
        ],
        text: r#"select date_trunc('hour', "date") as "hour", coalesce(client_id, '') as client_id, count(*) as failures,
       count(distinct ip) as addresses, min(description) as example
from auth0.logs
where type = 'f' and "date" >= {since} and "date" < {until}
  and (lower(description) like '%mismatch%' or lower(description) like '%unknown client%' or lower(description) like '%unsupported response type%'
       or lower(description) like '%service not found%' or lower(description) like '%not supported by this server%'
       or lower(description) like '%redirect_uri%not valid%')
group by 1, 2
having count(*) >= 10
order by 1 desc, failures desc, 2
limit {limit}"#,
        ..BASE
    },
    Detection {
        id: "refresh-token-reuse",
        title: text("A used refresh token came again", "使用済みリフレッシュトークンの再利用"),
        about: text(
            "The exchange of a rotating refresh token failed because it had been used before (ferrt). Somebody may hold a copy; a client that loses an answer and tries again looks the same.",
            "ローテーション済みのリフレッシュトークンが再び使われ、交換に失敗（ferrt）。複製を持つ第三者か、応答を受け損ねたクライアントの再試行の可能性がある。",
        ),
        severity: Severity::High,
        fix: text(
            "Auth0 revoked the token's family already: ask the user to log in again, and look for how the token leaked.",
            "トークンファミリーはAuth0が失効済み。再ログインを求め、トークンが漏れた経路を調べる。",
        ),
        published: &["refresh_token_reuse"],
        columns: &[
            hour(),
            user(),
            client(),
            value("reuses", "reuses", "再利用"),
            value("addresses", "addresses", "IPアドレス"),
            value("agents", "user agents", "ユーザーエージェント"),
        ],
        text: r#"select date_trunc('hour', "date") as "hour", coalesce(user_id, '') as user_id, coalesce(client_id, '') as client_id, count(*) as reuses,
       count(distinct ip) as addresses, count(distinct user_agent) as agents
from auth0.logs
where type = 'ferrt' and "date" >= {since} and "date" < {until}
group by 1, 2, 3
order by 1 desc, reuses desc, 2, 3
limit {limit}"#,
        ..BASE
    },
    Detection {
        id: "refresh-token-agents",
        title: text(
            "Refresh tokens of one user from many user agents",
            "多数のユーザーエージェントからのトークン更新",
        ),
        about: text(
            "Within one hour refresh tokens of one user and application were used with three or more user agents.",
            "1人のユーザー・1つのアプリケーションのリフレッシュトークンが、1時間に3種類以上のユーザーエージェントで使われた。",
        ),
        severity: Severity::Medium,
        fix: text(
            "Ask the user about the devices. If one is not theirs, revoke the refresh tokens.",
            "端末に心当たりがあるか本人に確認し、なければリフレッシュトークンを失効させる。",
        ),
        lacks: Some(TOKEN_FAMILY),
        published: &["refresh_token_from_multiple_user_agent"],
        columns: &[
            hour(),
            user(),
            client(),
            value("agents", "user agents", "ユーザーエージェント"),
            value("uses", "uses", "使用"),
        ],
        text: r#"select date_trunc('hour', "date") as "hour", user_id, coalesce(client_id, '') as client_id, count(distinct user_agent) as agents,
       count(*) as uses
from auth0.logs
where type in ({codes:refresh}) and user_id <> '' and "date" >= {since} and "date" < {until}
group by 1, 2, 3
having count(distinct user_agent) >= 3
order by 1 desc, agents desc, 2, 3
limit {limit}"#,
        ..BASE
    },
    Detection {
        id: "refresh-token-places",
        title: text("Refresh tokens of one user from many addresses", "多数のIPアドレスからのトークン更新"),
        about: text(
            "Within one hour refresh tokens of one user and application were used from four or more addresses. Mobile networks change addresses too.",
            "1人のユーザー・1つのアプリケーションのリフレッシュトークンが、1時間に4つ以上のIPアドレスで使われた。携帯回線ではIPアドレスが変わることもある。",
        ),
        severity: Severity::Medium,
        fix: text(
            "Ask the user. If they did not travel, revoke the refresh tokens and turn on rotation.",
            "本人に確認し、心当たりがなければリフレッシュトークンを失効させてローテーションを有効にする。",
        ),
        lacks: Some(TOKEN_FAMILY),
        published: &["refresh_token_from_too_many_locations"],
        columns: &[
            hour(),
            user(),
            client(),
            value("addresses", "addresses", "IPアドレス"),
            value("uses", "uses", "使用"),
        ],
        text: r#"select date_trunc('hour', "date") as "hour", user_id, coalesce(client_id, '') as client_id, count(distinct ip) as addresses,
       count(*) as uses
from auth0.logs
where type in ({codes:refresh}) and user_id <> '' and "date" >= {since} and "date" < {until}
group by 1, 2, 3
having count(distinct ip) >= 4
order by 1 desc, addresses desc, 2, 3
limit {limit}"#,
        ..BASE
    },
    Detection {
        id: "tenant-hostname",
        title: text("Logins past the custom domain", "カスタムドメインを経由しないログイン"),
        about: text(
            "Most logins go by a custom domain, and some went by the tenant's own host name: past whatever guards the custom domain. An application that was not moved yet does so too.",
            "ログインの大半がカスタムドメイン経由なのに、テナント固有のホスト名が使われている。カスタムドメイン側の防御を避けている可能性がある。移行前のアプリケーションでも起こる。",
        ),
        severity: Severity::Low,
        fix: text(
            "Move the applications to the custom domain, then block the tenant's own host name with a tenant access control list.",
            "アプリケーションをカスタムドメインに移行し、テナント固有のホスト名をアクセス制御リストで遮断する。",
        ),
        published: &["use_of_auth0_tenant_name_url"],
        columns: &[
            at("newest", "newest (UTC)", "最新（UTC）"),
            client(),
            note("hostname", "host name", "ホスト名"),
            value("logins", "logins", "ログイン"),
        ],
        text: r#"with logins as (
  select client_id, hostname, "date" from auth0.logs
  where type in ({codes:login}) and hostname <> '' and "date" >= {since} and "date" < {until}
), custom as (
  select count(*) filter (where hostname not like '%.auth0.com') as by_custom, count(*) as all_logins from logins
)
select max("date") as newest, coalesce(client_id, '') as client_id, hostname, count(*) as logins
from logins, custom
where hostname like '%.auth0.com' and custom.by_custom * 2 > custom.all_logins
group by 2, 3
order by 1 desc, 2, 3
limit {limit}"#,
        ..BASE
    },
];

const TOKEN_FAMILY: tenantry_replication::catalog::Text = text(
    "The token's family stands in the event's details: tokens of several devices of one user count together.",
    "トークンファミリーはイベントの詳細にあるため、同じユーザーの複数端末のトークンが合算される。",
);
