//! What people ask as well, and why these tables cannot tell.

use tenantry_replication::catalog::Text;

use crate::text;

/// A question without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unanswered {
    /// Name in addresses, in kebab case.
    pub id: &'static str,
    /// What is asked.
    pub title: Text,
    /// Why the tables cannot tell.
    pub why: Text,
    /// The questions of Auth0's published detection catalogue that stay open with it, by their names there.
    pub published: &'static [&'static str],
}

/// All of them.
pub const UNANSWERED: &[Unanswered] = &[
    Unanswered {
        id: "template-injection",
        title: text(
            "Was code put into a login page or mail template?",
            "ログインページやメールテンプレートにコードが埋め込まれたか？",
        ),
        why: text(
            "The template's text stands in the event's details, of which the core tables keep only single fields.",
            "テンプレートの内容はイベントの詳細にあり、コアのテーブルには一部の項目しか残らない。",
        ),
        published: &["liquidjs_xss_vulnerability"],
    },
    Unanswered {
        id: "tls-fingerprints",
        title: text(
            "Do logins come with known bad TLS fingerprints?",
            "不審なTLSフィンガープリントのログインはあるか？",
        ),
        why: text(
            "JA3 and JA4 stand in the event's security context, which the core tables leave out.",
            "JA3・JA4はイベントのセキュリティコンテキストにあり、コアのテーブルに含まれない。",
        ),
        published: &["logins_from_suspicious_tls_fingerprints"],
    },
    Unanswered {
        id: "shared-phone",
        title: text(
            "Do several users enrol the same phone?",
            "同じ電話番号が複数ユーザーの多要素認証に登録されていないか？",
        ),
        why: text(
            "The phone stands in the event's details, which the core tables leave out.",
            "電話番号はイベントの詳細にあり、コアのテーブルに含まれない。",
        ),
        published: &["multiple_phone_numbers_are_registered_as_mfa"],
    },
    Unanswered {
        id: "shared-authenticator",
        title: text(
            "Do several users enrol the same Guardian app?",
            "同じGuardianアプリが複数ユーザーに登録されていないか？",
        ),
        why: text(
            "The device stands in the event's details, which the core tables leave out.",
            "端末の情報はイベントの詳細にあり、コアのテーブルに含まれない。",
        ),
        published: &["same_guardian_app_is_registered_for_mfa_in_multiple_users"],
    },
    Unanswered {
        id: "before-and-after",
        title: text(
            "What was a setting before a change, and after it?",
            "設定は変更の前後でどう変わったか？",
        ),
        why: text(
            "The tables hold what is, not what was; the request's body stands in the event's details, which they leave out.",
            "テーブルは現在の状態だけを持ち、履歴はない。変更内容を含むリクエスト本文も残らない。",
        ),
        published: &[],
    },
    Unanswered {
        id: "organization-activity",
        title: text("Which organization did a login belong to?", "ログインはどの組織に属していたか？"),
        why: text(
            "The event's organization is not among the core columns; members' last logins stand for it.",
            "ログの組織はコア列にない。メンバーの最終ログインで代用する。",
        ),
        published: &[],
    },
    Unanswered {
        id: "login-countries",
        title: text("From which countries do people log in?", "どの国からログインしているか？"),
        why: text(
            "The event's location is not among the core columns, and no address database comes with the program.",
            "ログの位置情報はコア列になく、IPアドレスのデータベースも同梱していない。",
        ),
        published: &[],
    },
    Unanswered {
        id: "enrolled-factors",
        title: text(
            "Which second factors does each user have?",
            "各ユーザーがどの多要素認証を登録しているか？",
        ),
        why: text(
            "Auth0 lists factors user by user only, and no table holds them; enrolments in the log stand for them.",
            "登録済みの要素は対応するテーブルがなく取得できない。ログの登録イベントで代用する。",
        ),
        published: &[],
    },
    Unanswered {
        id: "needed-scopes",
        title: text(
            "Which scopes of a grant are really used?",
            "付与されたスコープのうち実際に使われているのはどれか？",
        ),
        why: text(
            "Auth0 logs that a token was issued, not what the API let it do.",
            "Auth0が記録するのはトークンの発行までで、APIでの利用内容は分からない。",
        ),
        published: &[],
    },
    Unanswered {
        id: "users-by-role",
        title: text("Who has which role?", "どのユーザーがどのロールを持つか？"),
        why: text(
            "The core tables hold roles but not who has them.",
            "コアのテーブルにはロールの一覧だけがあり、割り当ては含まれない。",
        ),
        published: &[],
    },
];
