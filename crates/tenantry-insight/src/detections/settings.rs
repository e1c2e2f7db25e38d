//! Settings that were changed in the range, and what they are now where the tables hold it.

use super::BASE;
use crate::column::{Column, at, client, grant, log, note, value};
use crate::detection::{Detection, Severity};
use crate::text;

/// What every changed setting shows.
const CHANGE: &[Column] = &[
    log(),
    at("date", "time (UTC)", "日時（UTC）"),
    note("description", "change", "変更内容"),
    note("request_path", "path", "パス"),
    note("person", "person or application", "実行者"),
    note("ip", "IP address", "IPアドレス"),
];

/// What is missing of all of them.
const NEW_VALUE: Option<tenantry_replication::catalog::Text> = Some(text(
    "What the setting was changed to stands in the event's details: a change that strengthens it is found too.",
    "変更後の値はイベントの詳細にあるため、設定を強化する変更も検出される。",
));

const UNDO: tenantry_replication::catalog::Text = text(
    "Look at the setting in the dashboard, ask the person, and set it back if nobody meant it.",
    "ダッシュボードで設定を確認し、実行者に意図を尋ね、意図しない変更なら元に戻す。",
);

pub(super) const DETECTIONS: &[Detection] = &[
    Detection {
        id: "brute-force-settings",
        title: text("Brute-force protection was changed", "ブルートフォース防御の設定変更"),
        about: text(
            "The settings of brute-force protection were changed: on or off, the limit, or the allowlist.",
            "ブルートフォース防御の有効・無効、しきい値、許可リストのいずれかが変更された。",
        ),
        published: &[
            "brute_force_critical_settings_manipulated",
            "attack_protection_features_turned_off",
            "unrecognized_ip_in_allowlist",
        ],
        text: r#"select log_id, "date", description, request_path, coalesce(nullif({person}, ''), client_id, '') as person, coalesce(request_ip, ip) as ip
from auth0.logs
where type in ({codes:api_write}) and request_path like '%/attack-protection/brute-force-protection%'
  and "date" >= {since} and "date" < {until}
order by "date" desc, log_id desc
limit {limit}"#,
        ..CHANGED
    },
    Detection {
        id: "ip-throttling-settings",
        title: text("Suspicious IP throttling was changed", "不審なIP制限の設定変更"),
        about: text(
            "The settings of suspicious IP throttling were changed: on or off, the limits, or the allowlist.",
            "不審なIP制限の有効・無効、しきい値、許可リストのいずれかが変更された。",
        ),
        published: &[
            "suspicious_ip_throttling_critical_settings_manipulated",
            "attack_protection_features_turned_off",
            "unrecognized_ip_in_allowlist",
        ],
        text: r#"select log_id, "date", description, request_path, coalesce(nullif({person}, ''), client_id, '') as person, coalesce(request_ip, ip) as ip
from auth0.logs
where type in ({codes:api_write}) and request_path like '%/attack-protection/suspicious-ip-throttling%'
  and "date" >= {since} and "date" < {until}
order by "date" desc, log_id desc
limit {limit}"#,
        ..CHANGED
    },
    Detection {
        id: "breached-password-settings",
        title: text("Breached password detection was changed", "漏洩パスワード検知の設定変更"),
        about: text(
            "The settings of breached password detection were changed: on or off, or what it does.",
            "漏洩パスワード検知の有効・無効、または検知時の動作が変更された。",
        ),
        published: &[
            "breached_password_detection_settings_manipulated",
            "attack_protection_features_turned_off",
        ],
        text: r#"select log_id, "date", description, request_path, coalesce(nullif({person}, ''), client_id, '') as person, coalesce(request_ip, ip) as ip
from auth0.logs
where type in ({codes:api_write}) and request_path like '%/attack-protection/breached-password-detection%'
  and "date" >= {since} and "date" < {until}
order by "date" desc, log_id desc
limit {limit}"#,
        ..CHANGED
    },
    Detection {
        id: "bot-detection-settings",
        title: text("Bot detection was changed", "ボット検知の設定変更"),
        about: text(
            "The settings of bot detection or of its CAPTCHA were changed.",
            "ボット検知またはCAPTCHAの設定が変更された。",
        ),
        published: &["bot_detection_turned_off", "unrecognized_ip_in_allowlist"],
        text: r#"select log_id, "date", description, request_path, coalesce(nullif({person}, ''), client_id, '') as person, coalesce(request_ip, ip) as ip
from auth0.logs
where type in ({codes:api_write}) and (request_path like '%/anomaly/captcha%' or request_path like '%/attack-protection/bot-detection%' or request_path like '%/attack-protection/captcha%')
  and "date" >= {since} and "date" < {until}
order by "date" desc, log_id desc
limit {limit}"#,
        ..CHANGED
    },
    Detection {
        id: "mfa-policy-settings",
        title: text("The MFA policy was changed", "多要素認証ポリシーの変更"),
        about: text(
            "The policy that says when a second factor is asked for was changed.",
            "多要素認証を求める条件（ポリシー）が変更された。",
        ),
        published: &["mfa_downgrade_disable_mfa_policies"],
        text: r#"select log_id, "date", description, request_path, coalesce(nullif({person}, ''), client_id, '') as person, coalesce(request_ip, ip) as ip
from auth0.logs
where type in ({codes:api_write}) and request_path like '%/guardian/policies%'
  and "date" >= {since} and "date" < {until}
order by "date" desc, log_id desc
limit {limit}"#,
        ..CHANGED
    },
    Detection {
        id: "mfa-factor-settings",
        title: text("A second factor was turned on or off", "多要素認証の要素の変更"),
        about: text(
            "A factor of multi-factor authentication was turned on or off for the tenant, or its provider changed.",
            "テナント全体で多要素認証の要素の有効・無効、またはプロバイダーが変更された。",
        ),
        published: &["mfa_downgrade_detect_disable_factors"],
        text: r#"select log_id, "date", description, request_path, coalesce(nullif({person}, ''), client_id, '') as person, coalesce(request_ip, ip) as ip
from auth0.logs
where type in ({codes:api_write}) and request_path like '%/guardian/factors/%'
  and "date" >= {since} and "date" < {until}
order by "date" desc, log_id desc
limit {limit}"#,
        ..CHANGED
    },
    Detection {
        id: "risk-assessment-settings",
        title: text("Risk assessment was changed", "リスク評価の設定変更"),
        about: text(
            "The settings by which Auth0 weighs the risk of a login were changed.",
            "ログインのリスク評価に関する設定が変更された。",
        ),
        published: &["mfa_donwgrade_risk_assessment_disabled"],
        text: r#"select log_id, "date", description, request_path, coalesce(nullif({person}, ''), client_id, '') as person, coalesce(request_ip, ip) as ip
from auth0.logs
where type in ({codes:api_write}) and request_path like '%/risk-assessments/%'
  and "date" >= {since} and "date" < {until}
order by "date" desc, log_id desc
limit {limit}"#,
        ..CHANGED
    },
    Detection {
        id: "management-grant",
        title: text("Write access to the Management API was granted", "Management APIの書き込み権限の付与"),
        about: text(
            "A grant was made or changed in the range, and the application now may change or delete things in the tenant through the Management API.",
            "期間内に権限付与が作成・変更され、そのアプリケーションがManagement APIでテナントの変更や削除を行えるようになっている。",
        ),
        severity: Severity::High,
        fix: text(
            "Ask the person. Take every scope from the grant that the application does not need.",
            "実行者に確認し、アプリケーションに不要なスコープを外す。",
        ),
        lacks: None,
        published: &["grant_mgn_api_scopes"],
        tables: &["logs", "client_grant", "client_grant_scope"],
        columns: GRANTED,
        text: r#"select l."date", l.request_method as method, g.client_id, g.id as grant_id, g.audience,
       (select count(*) from auth0.client_grant_scope as s where s.client_grant_id = g.id and not s._fivetran_deleted
        and (s.scope like 'create:%' or s.scope like 'update:%' or s.scope like 'delete:%')) as scopes,
       coalesce(nullif({person}, ''), l.client_id, '') as person
from auth0.logs as l
join auth0.client_grant as g on not g._fivetran_deleted and g.audience like '%/api/v2/'
  and (l.request_path like '%/client-grants/' || g.id or (l.request_path like '%/client-grants' and l.response_client_id = g.client_id))
where l.type in ({codes:api_write}) and l.request_method in ('post', 'patch') and l."date" >= {since} and l."date" < {until}
  and exists (select 1 from auth0.client_grant_scope as s where s.client_grant_id = g.id and not s._fivetran_deleted
              and (s.scope like 'create:%' or s.scope like 'update:%' or s.scope like 'delete:%'))
order by 1 desc, 3, 4
limit {limit}"#,
    },
    Detection {
        id: "broad-grant",
        title: text("A grant of very many scopes", "過大な権限付与"),
        about: text(
            "A grant was made or changed in the range, and now holds 30 or more scopes.",
            "期間内に作成・変更された権限付与が、30以上のスコープを持っている。",
        ),
        severity: Severity::Medium,
        fix: text(
            "Give the application only the scopes that it needs; one application for each task.",
            "必要なスコープだけに絞り、用途ごとにアプリケーションを分ける。",
        ),
        lacks: None,
        published: &["client_with_overpermissive_granted_scopes"],
        tables: &["logs", "client_grant", "client_grant_scope"],
        columns: GRANTED,
        text: r#"with broad as (
  select g.id, g.client_id, g.audience, count(*) as scopes
  from auth0.client_grant as g
  join auth0.client_grant_scope as s on s.client_grant_id = g.id and not s._fivetran_deleted
  where not g._fivetran_deleted
  group by 1, 2, 3
  having count(*) >= 30
)
select l."date", l.request_method as method, g.client_id, g.id as grant_id, g.audience, g.scopes,
       coalesce(nullif({person}, ''), l.client_id, '') as person
from auth0.logs as l
join broad as g on l.request_path like '%/client-grants/' || g.id or (l.request_path like '%/client-grants' and l.response_client_id = g.client_id)
where l.type in ({codes:api_write}) and l.request_method in ('post', 'patch') and l."date" >= {since} and l."date" < {until}
order by 1 desc, 3, 4
limit {limit}"#,
    },
    Detection {
        id: "insecure-grant-type",
        title: text(
            "An application with insecure grants was changed",
            "安全でないグラントのアプリケーションの変更",
        ),
        about: text(
            "An application was made or changed in the range, and now allows the implicit or the password grant.",
            "期間内に作成・変更されたアプリケーションが、implicitまたはpasswordグラントを許可している。",
        ),
        severity: Severity::Medium,
        fix: text(
            "Use the authorization code grant with PKCE, and turn the others off.",
            "PKCE付きの認可コードグラントを使い、他のグラントを無効にする。",
        ),
        lacks: None,
        published: &["insecure_grants_enabled_for_applications"],
        tables: &["logs", "client", "client_grant_type"],
        columns: APPLICATION,
        text: r#"select l."date", l.request_method as method, c.id as client_id, c.name,
       (select min(g.grant_type) from auth0.client_grant_type as g where g.client_id = c.id and not g._fivetran_deleted
        and g.grant_type in ('implicit', 'password', 'http://auth0.com/oauth/grant-type/password-realm')) as setting,
       coalesce(nullif({person}, ''), l.client_id, '') as person
from auth0.logs as l
join auth0.client as c on not c._fivetran_deleted
  and (l.request_path like '%/clients/' || c.id or (l.request_path like '%/clients' and l.response_client_id = c.id))
where l.type in ({codes:api_write}) and l.request_method in ('post', 'patch') and l."date" >= {since} and l."date" < {until}
  and exists (select 1 from auth0.client_grant_type as g where g.client_id = c.id and not g._fivetran_deleted
              and g.grant_type in ('implicit', 'password', 'http://auth0.com/oauth/grant-type/password-realm'))
order by 1 desc, 3
limit {limit}"#,
    },
    Detection {
        id: "cross-origin-enabled",
        title: text(
            "An application with cross-origin authentication was changed",
            "クロスオリジン認証のアプリケーションの変更",
        ),
        about: text(
            "An application was made or changed in the range, and now allows cross-origin authentication: other pages may send passwords for it.",
            "期間内に作成・変更されたアプリケーションが、クロスオリジン認証を許可している。他のページからパスワードを送信できる。",
        ),
        severity: Severity::Medium,
        fix: text(
            "Use Universal Login, and turn cross-origin authentication off.",
            "ユニバーサルログインに移行し、クロスオリジン認証を無効にする。",
        ),
        lacks: None,
        published: &["cross_origin_authentication_enabled"],
        tables: &["logs", "client"],
        columns: APPLICATION,
        text: r#"select l."date", l.request_method as method, c.id as client_id, c.name, coalesce(c.allowed_origins, '') as setting,
       coalesce(nullif({person}, ''), l.client_id, '') as person
from auth0.logs as l
join auth0.client as c on not c._fivetran_deleted
  and (l.request_path like '%/clients/' || c.id or (l.request_path like '%/clients' and l.response_client_id = c.id))
where l.type in ({codes:api_write}) and l.request_method in ('post', 'patch') and l."date" >= {since} and l."date" < {until}
  and coalesce(c.cross_origin_authentication, c.cross_origin_auth, false)
order by 1 desc, 3
limit {limit}"#,
    },
];

const CHANGED: Detection =
    Detection { severity: Severity::Medium, fix: UNDO, lacks: NEW_VALUE, columns: CHANGE, ..BASE };

const GRANTED: &[Column] = &[
    at("date", "time (UTC)", "日時（UTC）"),
    note("method", "method", "メソッド"),
    client(),
    grant(),
    note("audience", "API", "API"),
    value("scopes", "scopes", "スコープ"),
    note("person", "person or application", "実行者"),
];

const APPLICATION: &[Column] = &[
    at("date", "time (UTC)", "日時（UTC）"),
    note("method", "method", "メソッド"),
    client(),
    note("name", "name", "名称"),
    note("setting", "setting", "設定"),
    note("person", "person or application", "実行者"),
];
