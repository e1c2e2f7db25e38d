//! Applications, their tokens and grants, and APIs.

use super::BASE;
use crate::check::Check;
use crate::column::{Column, api, client, grant, note, value};
use crate::text;

/// What most offenders show.
const APPLICATION: &[Column] = &[client(), note("name", "name", "名称"), note("setting", "setting", "設定")];
const API: &[Column] = &[api(), note("name", "name", "名称"), note("setting", "setting", "設定")];

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "no-implicit-or-password-grant",
        title: text(
            "No application allows the implicit or the password grant",
            "implicit・passwordグラントを許可するアプリケーションがない",
        ),
        about: text(
            "The implicit grant hands tokens out in addresses; the password grant shows the application the password.",
            "implicitグラントはトークンをURLに載せ、passwordグラントはパスワードをアプリケーションに渡す。",
        ),
        weight: 5,
        fix: text(
            "Move the application to the authorization code grant with PKCE.",
            "PKCE付きの認可コードグラントへ移行する。",
        ),
        tables: &["client", "client_grant_type"],
        text: r#"select c.id as client_id, c.name, g.grant_type as setting
from auth0.client_grant_type as g
join auth0.client as c on c.id = g.client_id and not c._fivetran_deleted and not coalesce(c."global", false)
where not g._fivetran_deleted and g.grant_type in ('implicit', 'password', 'http://auth0.com/oauth/grant-type/password-realm')
order by 2, 1, 3
limit {limit}"#,
        ..APPLICATIONS
    },
    Check {
        id: "callbacks-use-tls",
        title: text("Every callback uses TLS", "すべてのコールバックがTLSを使っている"),
        about: text(
            "A code or token that is sent to a plain http address can be read on the way. The machine's own address (localhost) does not count.",
            "httpのアドレスに送られたコードやトークンは途中で読み取られうる。自端末（localhost）は対象外。",
        ),
        weight: 4,
        fix: text(
            "Serve the callback over https, and remove the plain one.",
            "コールバックをhttpsにし、httpのものを削除する。",
        ),
        tables: &["client", "client_callback"],
        text: r#"select c.id as client_id, c.name, b.callback as setting
from auth0.client_callback as b
join auth0.client as c on c.id = b.client_id and not c._fivetran_deleted and not coalesce(c."global", false)
where not b._fivetran_deleted and b.callback like 'http://%' and not {own_machine}
order by 2, 1, 3
limit {limit}"#,
        ..APPLICATIONS
    },
    Check {
        id: "no-wildcard-callbacks",
        title: text("No callback holds a wildcard", "ワイルドカードのコールバックがない"),
        about: text(
            "With a wildcard whoever gets a subdomain gets the codes.",
            "ワイルドカードがあると、サブドメインを得た者がコードを受け取れる。",
        ),
        weight: 4,
        fix: text("List the callbacks one by one.", "コールバックを1つずつ登録する。"),
        tables: &["client", "client_callback"],
        text: r#"select c.id as client_id, c.name, b.callback as setting
from auth0.client_callback as b
join auth0.client as c on c.id = b.client_id and not c._fivetran_deleted and not coalesce(c."global", false)
where not b._fivetran_deleted and b.callback like '%*%'
order by 2, 1, 3
limit {limit}"#,
        ..APPLICATIONS
    },
    Check {
        id: "no-localhost-callbacks",
        title: text("No callback leads to the user's own machine", "localhostへのコールバックがない"),
        about: text(
            "A callback to localhost is for development; in production any program on the user's machine may take the code.",
            "localhostへのコールバックは開発用。本番では、ユーザーの端末上のどのプログラムでもコードを受け取れる。",
        ),
        weight: 2,
        fix: text("Keep development in a tenant of its own.", "開発用のテナントを分ける。"),
        tables: &["client", "client_callback"],
        text: r#"select c.id as client_id, c.name, b.callback as setting
from auth0.client_callback as b
join auth0.client as c on c.id = b.client_id and not c._fivetran_deleted and not coalesce(c."global", false)
where not b._fivetran_deleted and {own_machine}
order by 2, 1, 3
limit {limit}"#,
        ..APPLICATIONS
    },
    Check {
        id: "refresh-tokens-end",
        title: text("Refresh tokens rotate or expire", "リフレッシュトークンがローテーションまたは失効する"),
        about: text(
            "A refresh token that neither rotates nor expires is good for ever once it is copied.",
            "ローテーションも期限もないリフレッシュトークンは、複製されると永久に使われうる。",
        ),
        weight: 4,
        fix: text(
            "Turn on rotation, or set an absolute lifetime.",
            "ローテーションを有効にするか、絶対的な有効期間を設定する。",
        ),
        tables: &["client", "client_grant_type"],
        text: r#"select c.id as client_id, c.name, c.refresh_token_rotation_type as setting
from auth0.client as c
where not c._fivetran_deleted and not coalesce(c."global", false) and coalesce(c.refresh_token_rotation_type, 'non-rotating') = 'non-rotating'
  and (coalesce(c.refresh_token_infinite_token_lifetime, false) or c.refresh_token_expiration_type = 'non-expiring')
  and exists (select 1 from auth0.client_grant_type as g
              where g.client_id = c.id and g.grant_type = 'refresh_token' and not g._fivetran_deleted)
order by 2, 1
limit {limit}"#,
        ..APPLICATIONS
    },
    Check {
        id: "tokens-signed-with-keys",
        title: text("ID tokens are signed with a private key", "IDトークンが秘密鍵で署名されている"),
        about: text(
            "With HS256 whoever checks a token can also make one.",
            "HS256では、トークンを検証できる者が偽造もできる。",
        ),
        weight: 3,
        fix: text("Change the signature to RS256.", "署名をRS256に変更する。"),
        tables: &["client"],
        text: r#"select c.id as client_id, c.name, c.jwt_configuration_alg as setting
from auth0.client as c
where not c._fivetran_deleted and not coalesce(c."global", false) and c.jwt_configuration_alg = 'HS256'
order by 2, 1
limit {limit}"#,
        ..APPLICATIONS
    },
    Check {
        id: "no-cross-origin-authentication",
        title: text(
            "No application allows cross-origin authentication",
            "クロスオリジン認証を許可するアプリケーションがない",
        ),
        about: text(
            "Passwords are then typed into the application's own page instead of the tenant's.",
            "許可すると、テナントではなくアプリケーションのページにパスワードが入力される。",
        ),
        weight: 2,
        fix: text("Use Universal Login, and turn it off.", "ユニバーサルログインに移行して無効にする。"),
        tables: &["client"],
        text: r#"select c.id as client_id, c.name, coalesce(c.allowed_origins, '') as setting
from auth0.client as c
where not c._fivetran_deleted and not coalesce(c."global", false) and coalesce(c.cross_origin_authentication, c.cross_origin_auth, false)
order by 2, 1
limit {limit}"#,
        ..APPLICATIONS
    },
    Check {
        id: "oidc-conformant",
        title: text(
            "Every application follows OpenID Connect",
            "すべてのアプリケーションがOIDCに準拠している",
        ),
        about: text(
            "Applications that do not still use endpoints and tokens that Auth0 keeps for old code only.",
            "準拠しないアプリケーションは、互換性のためだけに残された古い仕組みを使い続ける。",
        ),
        weight: 2,
        fix: text(
            "Turn on OIDC Conformant in the application's advanced settings, after testing.",
            "検証のうえ、詳細設定でOIDC準拠を有効にする。",
        ),
        tables: &["client"],
        text: r#"select c.id as client_id, c.name, cast(c.oidc_conformant as varchar) as setting
from auth0.client as c
where not c._fivetran_deleted and not coalesce(c."global", false) and not coalesce(c.oidc_conformant, true)
order by 2, 1
limit {limit}"#,
        ..APPLICATIONS
    },
    Check {
        id: "no-trusted-ip-header",
        title: text(
            "No application vouches for its users' addresses",
            "IPアドレスを自己申告できるアプリケーションがない",
        ),
        about: text(
            "An application whose header is trusted can claim any address for its users, and so pass by throttling.",
            "ヘッダーが信頼されたアプリケーションは任意のIPアドレスを名乗れるため、制限を回避できる。",
        ),
        weight: 2,
        fix: text(
            "Turn the setting off where the application is no server of yours.",
            "自社サーバーでないアプリケーションでは無効にする。",
        ),
        tables: &["client"],
        text: r#"select c.id as client_id, c.name, 'auth0-forwarded-for' as setting
from auth0.client as c
where not c._fivetran_deleted and not coalesce(c."global", false) and coalesce(c.is_token_endpoint_ip_header_trusted, false)
order by 2, 1
limit {limit}"#,
        ..APPLICATIONS
    },
    Check {
        id: "few-management-writers",
        title: text(
            "At most three applications may change the tenant",
            "テナントを変更できるアプリケーションが3つ以下",
        ),
        about: text(
            "Every application with writing scopes of the Management API is a way to take over the tenant.",
            "Management APIの書き込み権限を持つアプリケーションは、いずれもテナント乗っ取りの入口になる。",
        ),
        weight: 4,
        fix: text(
            "Take writing scopes from all that do not deploy or provision.",
            "デプロイやプロビジョニングに使わないものから書き込みスコープを外す。",
        ),
        tables: &["client_grant", "client_grant_scope"],
        columns: &[
            grant(),
            client(),
            note("name", "name", "名称"),
            value("scopes", "writing scopes", "書き込みスコープ"),
        ],
        text: "with writers as (
  select g.id as grant_id, g.client_id, coalesce(c.name, '') as name, count(*) as scopes
  from auth0.client_grant as g
  join auth0.client_grant_scope as s on s.client_grant_id = g.id and not s._fivetran_deleted
    and (s.scope like 'create:%' or s.scope like 'update:%' or s.scope like 'delete:%')
  left join auth0.client as c on c.id = g.client_id
  where not g._fivetran_deleted and g.audience like '%/api/v2/'
  group by 1, 2, 3
)
select grant_id, client_id, name, scopes from writers
where (select count(distinct client_id) from writers) > 3
order by scopes desc, 1
limit {limit}",
    },
    Check {
        id: "api-tokens-end-within-a-day",
        title: text("Access tokens live at most a day", "アクセストークンの有効期間が1日以内"),
        about: text(
            "An access token cannot be taken back before it ends.",
            "アクセストークンは期限前に取り消せない。",
        ),
        weight: 2,
        fix: text(
            "Shorten the token's lifetime; use refresh tokens for long sessions.",
            "有効期間を短くし、長いセッションにはリフレッシュトークンを使う。",
        ),
        tables: &["resource_server"],
        text: "select r.id as api_id, r.name, cast(r.token_lifetime as varchar) as setting
from auth0.resource_server as r
where not r._fivetran_deleted and not coalesce(r.is_system, false) and r.token_lifetime > 86400
order by r.token_lifetime desc, 2, 1
limit {limit}",
        ..APIS
    },
    Check {
        id: "api-tokens-signed-with-keys",
        title: text(
            "Access tokens are signed with a private key",
            "アクセストークンが秘密鍵で署名されている",
        ),
        about: text(
            "With HS256 every API that checks tokens can make them.",
            "HS256では、トークンを検証するAPIがトークンを偽造できる。",
        ),
        weight: 3,
        fix: text("Change the API's signature to RS256.", "APIの署名をRS256に変更する。"),
        tables: &["resource_server"],
        text: "select r.id as api_id, r.name, r.signing_alg as setting
from auth0.resource_server as r
where not r._fivetran_deleted and not coalesce(r.is_system, false) and r.signing_alg = 'HS256'
order by 2, 1
limit {limit}",
        ..APIS
    },
    Check {
        id: "apis-enforce-roles",
        title: text("Every API enforces role-based access", "すべてのAPIがRBACを適用している"),
        about: text(
            "Without it a user's token holds every scope that the application asks for.",
            "適用しないと、アプリケーションが要求したすべてのスコープがトークンに含まれる。",
        ),
        weight: 2,
        fix: text(
            "Turn on RBAC in the API's settings, and give scopes by roles.",
            "APIの設定でRBACを有効にし、ロールでスコープを与える。",
        ),
        tables: &["resource_server"],
        text: "select r.id as api_id, r.name, cast(coalesce(r.enforce_policies, false) as varchar) as setting
from auth0.resource_server as r
where not r._fivetran_deleted and not coalesce(r.is_system, false) and not coalesce(r.enforce_policies, false)
order by 2, 1
limit {limit}",
        ..APIS
    },
];

const APPLICATIONS: Check = Check { columns: APPLICATION, ..BASE };
const APIS: Check = Check { columns: API, ..BASE };
