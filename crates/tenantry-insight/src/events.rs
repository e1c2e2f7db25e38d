//! The event codes of the log by family: what happened, and whether it went well. One place, because Auth0 adds codes and says that its own
//! grouping may change.
//!
//! Every published code is in exactly one family; groups are unions of families and codes for questions that cut across them.

use tenantry_replication::catalog::Text;

use crate::text;

/// Codes that mean the same kind of thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// Name in questions: `{codes:login}`.
    pub id: &'static str,
    /// What happened.
    pub title: Text,
    /// How it went.
    pub outcome: Outcome,
    /// The codes as they stand in the log.
    pub codes: &'static [&'static str],
}

/// How something went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As wanted.
    Success,
    /// Not as wanted.
    Failure,
    /// Neither: something worth knowing.
    Notice,
}

/// Codes of several families that a question takes together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Union {
    /// Name in questions.
    pub id: &'static str,
    /// What they have in common.
    pub title: Text,
    /// The codes.
    pub codes: &'static [&'static str],
}

const fn family(
    id: &'static str,
    outcome: Outcome,
    en: &'static str,
    ja: &'static str,
    codes: &'static [&'static str],
) -> Family {
    Family { id, title: text(en, ja), outcome, codes }
}

const fn union(
    id: &'static str,
    en: &'static str,
    ja: &'static str,
    codes: &'static [&'static str],
) -> Union {
    Union { id, title: text(en, ja), codes }
}

use Outcome::{Failure, Notice, Success};

/// All families. A code that is in none of them is newer than this list.
pub const FAMILIES: &[Family] = &[
    family("login", Success, "Login", "ログイン成功", &["s", "scoa", "sens"]),
    family("silent_login", Success, "Silent login", "サイレント認証成功", &["ssa", "sdelsa"]),
    family(
        "logout",
        Success,
        "Logout",
        "ログアウト",
        &["slo", "universal_logout_succeeded", "oidc_backchannel_logout_succeeded"],
    ),
    family(
        "failed_login",
        Failure,
        "Failed login",
        "ログイン失敗",
        &["f", "fp", "fu", "fc", "fco", "fcoa", "fens"],
    ),
    family("failed_silent_login", Failure, "Failed silent login", "サイレント認証失敗", &["fsa", "fdelsa"]),
    family(
        "failed_logout",
        Failure,
        "Failed logout",
        "ログアウト失敗",
        &["flo", "federated_logout_failed", "universal_logout_failed", "oidc_backchannel_logout_failed"],
    ),
    family(
        "login_step",
        Notice,
        "Step of a login",
        "ログイン途中の処理",
        &[
            "w",
            "wn",
            "scv",
            "cs",
            "cls",
            "passkey_challenge_started",
            "ciba_start_succeeded",
            "fpar",
            "fdeaz",
            "fdeac",
            "fdecc",
            "passkey_challenge_failed",
            "ciba_start_failed",
            "acul_sdk_notice",
        ],
    ),
    family(
        "token",
        Success,
        "Token issued",
        "トークン発行",
        &[
            "seacft",
            "seccft",
            "secte",
            "sede",
            "seoobft",
            "seotpft",
            "sepft",
            "sepkoobft",
            "sepkotpft",
            "sepkrcft",
            "sercft",
            "sertft",
            "seta",
            "sd",
            "sdel",
            "sdeleacft",
            "ciba_exchange_succeeded",
            "idjag_exchange_succeeded",
            "success_on_behalf_of_token_exchange",
        ],
    ),
    family(
        "failed_token",
        Failure,
        "Token refused",
        "トークン発行失敗",
        &[
            "feacft",
            "feccft",
            "fecte",
            "fede",
            "feoobft",
            "feotpft",
            "fepft",
            "fepotpft",
            "fercft",
            "fertft",
            "ferrt",
            "feta",
            "fd",
            "fdeleacft",
            "ciba_exchange_failed",
            "idjag_exchange_failed",
            "jwt_bearer_exchange_failed",
            "failed_on_behalf_of_token_exchange",
        ],
    ),
    family("token_revoked", Notice, "Token revoked", "トークン失効", &["srrt", "resource_cleanup"]),
    family("signup", Success, "Sign-up", "ユーザー登録", &["ss"]),
    family("failed_signup", Failure, "Failed sign-up", "ユーザー登録失敗", &["fs", "fpurh"]),
    family("verified", Success, "Email verified", "メールアドレス確認完了", &["sv"]),
    family("verification", Notice, "Verification mail", "確認メール", &["svr", "fv", "fvr"]),
    family("joined", Success, "Joined an organization", "組織への参加", &["si", "organization_member_added"]),
    family("failed_invitation", Failure, "Failed invitation", "招待の失敗", &["fi"]),
    family(
        "account_change",
        Success,
        "Account changed by its user",
        "本人によるアカウント変更",
        &[
            "scp",
            "scpr",
            "sce",
            "scpn",
            "scu",
            "connected_accounts_connection_succeeded",
            "connected_accounts_delete_succeeded",
            "my_account_authentication_method_succeeded",
        ],
    ),
    family(
        "failed_account_change",
        Failure,
        "Failed account change",
        "アカウント変更の失敗",
        &[
            "fcp",
            "fcpr",
            "fcph",
            "fce",
            "fcpn",
            "fcu",
            "wum",
            "connected_accounts_connection_failed",
            "connected_accounts_delete_failed",
            "my_account_authentication_method_failed",
        ],
    ),
    family("user_deleted", Success, "User deleted", "ユーザー削除", &["sdu"]),
    family("failed_user_deletion", Failure, "Failed user deletion", "ユーザー削除の失敗", &["fdu"]),
    family(
        "provisioned",
        Success,
        "Users provisioned",
        "ユーザーのプロビジョニング",
        &[
            "sui",
            "sscim",
            "directory_sync_started",
            "directory_sync_completed",
            "ss_sso_success",
            "ss_sso_info",
        ],
    ),
    family(
        "failed_provisioning",
        Failure,
        "Failed provisioning",
        "プロビジョニングの失敗",
        &["fui", "fscim", "fcpro", "directory_sync_failed", "ss_sso_failure"],
    ),
    family(
        "brute_force",
        Notice,
        "Account blocked after many failures",
        "ブルートフォースによるブロック",
        &["limit_wc"],
    ),
    family("ip_throttled", Notice, "IP address throttled", "IPアドレスの制限", &["limit_sul", "limit_mu"]),
    family("unblocked", Notice, "Block released", "ブロック解除", &["ublkdu"]),
    family(
        "breached_password",
        Notice,
        "Breached password",
        "漏洩パスワードの検出",
        &["pwd_leak", "signup_pwd_leak", "reset_pwd_leak"],
    ),
    family("bot_assessed", Notice, "Bot assessment", "ボット判定", &["pla", "acls_summary"]),
    family(
        "mfa_success",
        Success,
        "Second factor accepted",
        "多要素認証成功",
        &["gd_auth_succeed", "gd_recovery_succeed", "gd_auth_email_verification"],
    ),
    family(
        "mfa_failure",
        Failure,
        "Second factor refused",
        "多要素認証失敗",
        &[
            "gd_auth_failed",
            "gd_auth_rejected",
            "gd_otp_rate_limit_exceed",
            "gd_recovery_failed",
            "gd_webauthn_challenge_failed",
        ],
    ),
    family(
        "mfa_challenge",
        Notice,
        "Second factor asked for",
        "多要素認証の要求",
        &["mfar", "gd_start_auth"],
    ),
    family(
        "mfa_sent",
        Notice,
        "Code or push sent",
        "コード・プッシュ通知の送信",
        &["gd_send_pn", "gd_send_sms", "gd_send_voice", "gd_send_email", "gd_send_email_verification"],
    ),
    family(
        "mfa_not_sent",
        Failure,
        "Code or push not sent",
        "コード・プッシュ通知の送信失敗",
        &["gd_send_pn_failure", "gd_send_sms_failure", "gd_send_voice_failure", "limit_phone"],
    ),
    family(
        "mfa_enrolled",
        Success,
        "Second factor enrolled",
        "多要素認証の登録",
        &["gd_enrollment_complete"],
    ),
    family(
        "mfa_enrolment",
        Notice,
        "Step of an enrolment",
        "多要素認証の登録途中",
        &[
            "gd_start_enroll",
            "gd_start_enroll_failed",
            "gd_webauthn_enrollment_failed",
            "gd_update_device_account",
        ],
    ),
    family("mfa_removed", Notice, "Second factor removed", "多要素認証の解除", &["gd_unenroll"]),
    family("api_write", Success, "Change by the Management API", "管理APIによる変更", &["sapi"]),
    family(
        "secret_read",
        Notice,
        "Secret read by the Management API",
        "管理APIによるシークレット参照",
        &["mgmt_api_read"],
    ),
    family(
        "rate_limited",
        Notice,
        "Rate limit",
        "レート制限",
        &["api_limit", "api_limit_warning", "appi", "limit_delegation"],
    ),
    family(
        "failed_extension",
        Failure,
        "Failed action, form or flow",
        "アクション・フォーム・フローの失敗",
        &[
            "actions_execution_failed",
            "forms_submission_failed",
            "flows_execution_failed",
            "rich_consents_access_error",
        ],
    ),
    family(
        "extension",
        Success,
        "Form or flow done",
        "フォーム・フローの完了",
        &["forms_submission_succeeded", "flows_execution_completed"],
    ),
    family("failed_notification", Failure, "Mail or message not sent", "通知の送信失敗", &["fn"]),
    family(
        "tenant_notice",
        Notice,
        "About the tenant",
        "テナントに関する通知",
        &[
            "depnote",
            "gd_tenant_update",
            "custom_domain_verification_failed",
            "kms_key_management_success",
            "kms_key_management_failure",
            "kms_key_state_changed",
        ],
    ),
];

/// All unions.
pub const UNIONS: &[Union] = &[
    union(
        "mfa",
        "Multi-factor authentication",
        "多要素認証",
        &[
            "mfar",
            "gd_start_auth",
            "gd_auth_succeed",
            "gd_auth_failed",
            "gd_auth_rejected",
            "gd_auth_email_verification",
            "gd_otp_rate_limit_exceed",
            "gd_recovery_succeed",
            "gd_recovery_failed",
            "gd_webauthn_challenge_failed",
            "gd_send_pn",
            "gd_send_sms",
            "gd_send_voice",
            "gd_send_email",
            "gd_send_email_verification",
            "gd_send_pn_failure",
            "gd_send_sms_failure",
            "gd_send_voice_failure",
            "gd_enrollment_complete",
            "gd_start_enroll",
            "gd_start_enroll_failed",
            "gd_webauthn_enrollment_failed",
            "gd_update_device_account",
            "gd_unenroll",
        ],
    ),
    union(
        "wrong_credentials",
        "Wrong user name or password",
        "ユーザー名またはパスワードの誤り",
        &["f", "fp", "fu"],
    ),
    union(
        "credential_stuffing",
        "Signs of credential stuffing",
        "クレデンシャルスタッフィングの兆候",
        &["f", "fp", "fu", "pwd_leak", "limit_wc", "limit_sul", "limit_mu"],
    ),
    union(
        "flagged",
        "Flagged by attack protection",
        "攻撃防御による検知",
        &["limit_wc", "limit_sul", "limit_mu", "pwd_leak", "signup_pwd_leak", "reset_pwd_leak"],
    ),
    union("refresh", "Use of refresh tokens", "リフレッシュトークンの使用", &["sertft", "fertft", "ferrt"]),
    union(
        "challenged",
        "Message sent for a second factor",
        "二要素目のメッセージ送信",
        &["gd_send_pn", "gd_send_sms", "gd_send_voice"],
    ),
    union("texted", "SMS or call sent", "SMS・音声通話の送信", &["gd_send_sms", "gd_send_voice", "cs"]),
];

/// The codes of a family or union.
pub fn codes_of(id: &str) -> Option<&'static [&'static str]> {
    let family = FAMILIES.iter().find(|family| family.id == id).map(|family| family.codes);
    family.or_else(|| UNIONS.iter().find(|union| union.id == id).map(|union| union.codes))
}

/// The family that a code of the log belongs to; `None` for one that is newer than this list.
pub fn family_of(code: &str) -> Option<&'static Family> {
    FAMILIES.iter().find(|family| family.codes.contains(&code))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_code_is_in_one_family_and_unions_hold_known_codes() {
        let mut seen = BTreeSet::new();
        for code in FAMILIES.iter().flat_map(|family| family.codes) {
            assert!(seen.insert(*code), "{code} is in two families");
        }
        for union in UNIONS {
            assert!(union.codes.iter().all(|code| seen.contains(code)), "{}", union.id);
        }
        let ids: BTreeSet<&str> =
            FAMILIES.iter().map(|family| family.id).chain(UNIONS.iter().map(|union| union.id)).collect();
        assert_eq!(ids.len(), FAMILIES.len() + UNIONS.len());
    }

    /// The published schemas of the log's events, one for each code.
    #[test]
    fn every_published_code_is_in_a_family() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/auth0/openapi");
        let schemas = std::fs::read_dir(&folder).ok().and_then(|mut entries| {
            let is_logs = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("tenant-logs-schema");
            entries.find_map(|entry| entry.ok().filter(|entry| is_logs(&entry.file_name())))
        });
        let Some(schemas) = schemas else {
            println!("skipped: no published log schemas in {}", folder.display());
            return;
        };
        let schemas: serde_json::Value =
            serde_json::from_slice(&std::fs::read(schemas.path()).unwrap()).unwrap();
        let codes = schemas["components"]["schemas"].as_object().unwrap();
        assert!(codes.len() > 160);
        let known = |code: &str| family_of(code).is_some();
        let missing: Vec<&String> = codes.keys().filter(|code| !known(code)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
