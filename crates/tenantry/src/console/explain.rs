//! What each alert means, why it comes, and what to do: one page for each code.

use maud::{Markup, html};

use super::visit::Visit;
use super::words::Words;

/// Something that can need a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    SyncFailed,
    TableFailed,
    TableStopped,
    TableSkipped,
    LogExpiring,
    LogExpired,
    Gap,
    Quarantine,
    Drift,
    NeverSynced,
}

/// What is said of a code, in both languages.
struct Said {
    code: &'static str,
    is_error: bool,
    title: (&'static str, &'static str),
    why: (&'static str, &'static str),
    fix: (&'static str, &'static str),
}

const CODES: [Code; 10] = [
    Code::SyncFailed,
    Code::TableFailed,
    Code::TableStopped,
    Code::TableSkipped,
    Code::LogExpiring,
    Code::LogExpired,
    Code::Gap,
    Code::Quarantine,
    Code::Drift,
    Code::NeverSynced,
];

/// The code of this name.
pub(super) fn of(name: &str) -> Option<Code> {
    CODES.into_iter().find(|code| code.name() == name)
}

impl Code {
    pub(super) const fn name(self) -> &'static str {
        self.said().code
    }

    pub(super) const fn is_error(self) -> bool {
        self.said().is_error
    }

    pub(super) const fn title(self, words: Words) -> &'static str {
        let (en, ja) = self.said().title;
        words.say(en, ja)
    }

    pub(super) const fn fix(self, words: Words) -> &'static str {
        let (en, ja) = self.said().fix;
        words.say(en, ja)
    }

    const fn said(self) -> &'static Said {
        match self {
            Self::SyncFailed => &SYNC_FAILED,
            Self::TableFailed => &TABLE_FAILED,
            Self::TableStopped => &TABLE_STOPPED,
            Self::TableSkipped => &TABLE_SKIPPED,
            Self::LogExpiring => &LOG_EXPIRING,
            Self::LogExpired => &LOG_EXPIRED,
            Self::Gap => &GAP,
            Self::Quarantine => &QUARANTINE,
            Self::Drift => &DRIFT,
            Self::NeverSynced => &NEVER_SYNCED,
        }
    }
}

/// The page of a code.
pub(super) fn page(visit: &Visit, code: Code) -> Markup {
    let (words, said) = (visit.words, code.said());
    let severity =
        if said.is_error { words.say("Error", "エラー") } else { words.say("Warning", "警告") };
    html! {
        article.prose {
            p { span.badge.(if said.is_error { "is-bad" } else { "is-warn" }) { (severity) } " " code { (said.code) } }
            h2 { (words.say("Why it comes", "原因")) }
            p { (words.say(said.why.0, said.why.1)) }
            h2 { (words.say("What to do", "対処")) }
            p { (words.say(said.fix.0, said.fix.1)) }
            p { a href="/" { (words.say("Back to the overview", "概要へ戻る")) } }
        }
    }
}

const SYNC_FAILED: Said = Said {
    code: "sync-failed",
    is_error: true,
    title: ("The last sync did not run", "直近の同期を実行できませんでした"),
    why: (
        "The tenant could not be reached, refused the credentials, or the destination refused to be written. The tables are as they were last \
         published.",
        "テナントに接続できない、認証情報が拒否された、または保存先に書き込めなかったためです。テーブルは最後に公開された状態のままです。",
    ),
    fix: (
        "Read the message; `tenantry check` looks at domain, credentials, scopes and destination one by one. The sync is tried again by itself.",
        "メッセージを確認してください。`tenantry check`はドメイン、認証情報、スコープ、保存先を順に確認します。同期は自動的に再試行されます。",
    ),
};

const TABLE_FAILED: Said = Said {
    code: "table-failed",
    is_error: true,
    title: ("Tables are not up to date", "最新でないテーブルがあります"),
    why: (
        "Their list could not be read to its end. Other tables went on; these kept what was published before.",
        "一覧を最後まで読み取れませんでした。他のテーブルは更新され、これらは以前の内容を保持しています。",
    ),
    fix: (
        "The next sync tries again. If it fails again, the message says what the tenant answered.",
        "次回の同期で再試行されます。繰り返し失敗する場合は、メッセージにテナントの応答が示されています。",
    ),
};

const TABLE_STOPPED: Said = Said {
    code: "table-stopped",
    is_error: false,
    title: ("Tables wait for the next sync", "次回の同期を待っているテーブルがあります"),
    why: (
        "The requests or the time that one sync may take were used up. What was read so far is kept.",
        "1回の同期に許可されたリクエスト数または時間を使い切りました。読み取り済みの内容は保持されています。",
    ),
    fix: (
        "Nothing: the next sync goes on there. Raise TENANTRY_MAX_REQUESTS or TENANTRY_MAX_MINUTES if it never gets through.",
        "対処は不要です。次回の同期は続きから始まります。完了しない場合はTENANTRY_MAX_REQUESTSまたはTENANTRY_MAX_MINUTESを増やしてください。",
    ),
};

const TABLE_SKIPPED: Said = Said {
    code: "table-skipped",
    is_error: false,
    title: ("Tables are left out", "対象外のテーブルがあります"),
    why: (
        "The application lacks a scope, or the tenant does not offer the feature. All other tables are replicated.",
        "アプリケーションにスコープがないか、テナントがその機能を提供していません。他のテーブルは同期されています。",
    ),
    fix: (
        "Grant the scope that the message names in the Auth0 Dashboard, or leave the table out with TENANTRY_EXCLUDE.",
        "メッセージに示されたスコープをAuth0ダッシュボードで付与するか、TENANTRY_EXCLUDEで対象から外してください。",
    ),
};

const LOG_EXPIRING: Said = Said {
    code: "log-expiring",
    is_error: false,
    title: ("Log events will soon be forgotten", "ログイベントがまもなく失効します"),
    why: (
        "The tenant keeps log events for a limited time, and less than a quarter of it is left for those that were not read yet.",
        "テナントがログイベントを保持する期間は限られており、未取得のイベントに残された時間は4分の1未満です。",
    ),
    fix: (
        "Sync now, and see why no sync came through.",
        "今すぐ同期し、これまで同期が完了しなかった理由を確認してください。",
    ),
};

const LOG_EXPIRED: Said = Said {
    code: "log-expired",
    is_error: true,
    title: ("Log events may be lost", "ログイベントが失われた可能性があります"),
    why: (
        "The log was last read longer ago than the tenant keeps its events.",
        "前回ログを読み取ってから、テナントの保持期間を過ぎています。",
    ),
    fix: (
        "Sync now: what can still be read is read, and what is lost is recorded as a gap.",
        "今すぐ同期してください。残っているイベントは取得され、失われた区間は記録されます。",
    ),
};

const GAP: Said = Said {
    code: "gap",
    is_error: true,
    title: ("The log has gaps", "ログに欠落があります"),
    why: (
        "The tenant no longer kept some events when they were to be read. Each such stretch is recorded.",
        "読み取る時点で、テナントが保持していなかったイベントがあります。欠落した区間はすべて記録されています。",
    ),
    fix: (
        "They cannot be read again. Sync more often than the tenant's retention, for example with `tenantry run`.",
        "再取得はできません。`tenantry run`などで、保持期間より短い間隔で同期してください。",
    ),
};

const QUARANTINE: Said = Said {
    code: "quarantine",
    is_error: false,
    title: ("Records did not fit", "テーブルに合わないレコードがあります"),
    why: (
        "A value was not of its column's type. The record is kept aside with the reason, and its old row stays.",
        "値がカラムの型に合いませんでした。レコードは理由とともに隔離され、以前の行は残っています。",
    ),
    fix: (
        "Look at them: `tenantry sql \"from _tenantry.quarantine\"`. A value that ought to fit is a fault: please report it.",
        "`tenantry sql \"from _tenantry.quarantine\"`で内容を確認してください。正しい値であれば不具合ですのでご報告ください。",
    ),
};

const DRIFT: Said = Said {
    code: "drift",
    is_error: false,
    title: ("Rows had drifted", "差異のあった行があります"),
    why: (
        "A full read found rows that had changed although the log told nothing of it. It corrected them.",
        "ログに記録のない変更が全件読み取りで見つかり、訂正されました。",
    ),
    fix: (
        "Nothing, unless it happens often: then read in full more often (TENANTRY_FULL_EVERY).",
        "頻繁でなければ対処は不要です。頻繁な場合は全件読み取りの間隔（TENANTRY_FULL_EVERY）を短くしてください。",
    ),
};

const NEVER_SYNCED: Said = Said {
    code: "never-synced",
    is_error: false,
    title: ("No sync has run yet", "まだ同期されていません"),
    why: ("The destination holds no run.", "保存先に実行の記録がありません。"),
    fix: (
        "Start one on the page Syncs, or with `tenantry sync`.",
        "「同期」ページまたは`tenantry sync`で開始してください。",
    ),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page_of_its_own() {
        for code in CODES {
            assert_eq!(of(code.name()), Some(code));
        }
        assert_eq!(of("nonsense"), None);
    }
}
