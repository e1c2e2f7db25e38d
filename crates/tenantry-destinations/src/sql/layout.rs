//! The state tables, in the schema `_tenantry` of every destination ([`crate::state_schema`]): what they are called, what they hold, what is
//! said of them.
//!
//! The one list; each destination gives the columns its own types. Holds no state.

use tenantry_replication::catalog::Text;

/// Version of the layout below. A destination with a higher one was written by a newer version of this tool.
pub(crate) const LAYOUT: i64 = 1;

/// Name of the table that holds the lease.
pub(crate) const LEASE: &str = "lease";
/// Name of the table of parked reads, and beginning of the names of those that hold their rows.
pub(crate) const PARKED: &str = "parked";

/// What a column of a state table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text.
    Text,
    /// Whole numbers of 64 bits.
    Integer,
    /// Fractions.
    Float,
    /// Times, to the microsecond.
    Time,
}

/// One state table.
pub(crate) struct StateTable {
    pub(crate) name: &'static str,
    pub(crate) about: Text,
    pub(crate) columns: &'static [(&'static str, Kind, Text)],
}

const fn text(en: &'static str, ja: &'static str) -> Text {
    Text { en, ja }
}

const RUN: (&str, Kind, Text) = ("run", Kind::Integer, text("Number of the run.", "実行番号"));
const TABLE: (&str, Kind, Text) = ("table", Kind::Text, text("Name of the table.", "テーブル名"));
const STREAM: (&str, Kind, Text) = ("stream", Kind::Text, text("Name of the stream.", "ストリーム名"));
const REASON: (&str, Kind, Text) = ("reason", Kind::Text, text("Why.", "理由"));
const RECORDED_AT: (&str, Kind, Text) =
    ("recorded_at", Kind::Time, text("When it was recorded (UTC).", "記録された日時 (UTC)"));

/// All state tables.
pub(crate) const STATE_TABLES: &[StateTable] = &[
    StateTable {
        name: "meta",
        about: text("Version of the layout of this schema.", "このスキーマの構成バージョン"),
        columns: &[
            ("layout", Kind::Integer, text("Version of the layout.", "構成バージョン")),
            ("tenant", Kind::Text, text("Tenant whose tables these are.", "このテーブルのテナント")),
        ],
    },
    StateTable {
        name: "checkpoint",
        about: text("How far each stream got, committed together with its rows.", "各ストリームの到達位置"),
        columns: &[
            STREAM,
            ("checkpoint", Kind::Text, text("Where the next run goes on, as JSON.", "次回の開始位置 (JSON)")),
            RUN,
            ("updated_at", Kind::Time, text("Sync time of the run that wrote it (UTC).", "更新日時 (UTC)")),
        ],
    },
    StateTable {
        name: PARKED,
        about: text(
            "Reads that are not over; their rows so far are in the tables parked_*.",
            "途中の読み取り (取得済みの行は parked_* テーブル)",
        ),
        columns: &[
            STREAM,
            ("parked", Kind::Text, text("Where the read goes on, as JSON.", "再開位置 (JSON)")),
            RUN,
            ("updated_at", Kind::Time, text("Sync time of the run that wrote it (UTC).", "更新日時 (UTC)")),
        ],
    },
    StateTable {
        name: LEASE,
        about: text(
            "Which process may write to these tables, and until when.",
            "書き込み中のプロセスとその期限",
        ),
        columns: &[
            ("token", Kind::Integer, text("Number of the lease; grows with each.", "リース番号 (増加のみ)")),
            (
                "holder",
                Kind::Text,
                text("Who has it: command, process, host.", "保持者 (コマンド、プロセス、ホスト)"),
            ),
            (
                "place",
                Kind::Text,
                text("Where the process number means something.", "プロセス番号の有効範囲"),
            ),
            ("process", Kind::Integer, text("Process number of the holder.", "保持者のプロセス番号")),
            (
                "until",
                Kind::Time,
                text(
                    "When it ends by itself (UTC); empty once it was given back.",
                    "期限 (UTC、返却済みなら空)",
                ),
            ),
        ],
    },
    StateTable {
        name: "run",
        about: text("Finished runs.", "完了した実行"),
        columns: &[
            RUN,
            ("started_at", Kind::Time, text("When it began (UTC).", "開始日時 (UTC)")),
            ("finished_at", Kind::Time, text("When it ended (UTC).", "終了日時 (UTC)")),
            ("outcome", Kind::Text, text("How it ended.", "結果")),
            ("requests", Kind::Integer, text("Requests sent in all.", "送信したリクエストの総数")),
        ],
    },
    StateTable {
        name: "run_table",
        about: text("What each finished run did to each table.", "実行ごとのテーブル別の結果"),
        columns: &[
            RUN,
            TABLE,
            ("outcome", Kind::Text, text("How it ended for this table.", "結果")),
            ("message", Kind::Text, text("Why, and what to do, where it is not `done`.", "理由と対処")),
            ("inserted", Kind::Integer, text("Rows that were not there before.", "追加された行数")),
            ("updated", Kind::Integer, text("Rows whose values changed.", "更新された行数")),
            ("deleted", Kind::Integer, text("Rows newly marked deleted.", "新たに削除とされた行数")),
            ("unchanged", Kind::Integer, text("Rows that were already as they came.", "変更のなかった行数")),
            ("quarantined", Kind::Integer, text("Records that did not fit.", "隔離されたレコード数")),
            (
                "requests",
                Kind::Integer,
                text("Requests sent for the table's stream.", "ストリームのリクエスト数"),
            ),
            ("seconds", Kind::Float, text("Seconds from first request to publish.", "所要秒数")),
            (
                "drifted",
                Kind::Integer,
                text(
                    "Rows among those changed that a full read had to correct although the log had been followed.",
                    "ログに記録がなく全件読み取りで訂正された行数",
                ),
            ),
            (
                "limited",
                Kind::Integer,
                text(
                    "Requests of the table's stream that the tenant refused for its rate limit (HTTP 429).",
                    "レート制限で拒否されたストリームのリクエスト数 (HTTP 429)",
                ),
            ),
            (
                "waited",
                Kind::Float,
                text(
                    "Seconds that requests of the table's stream waited for their turn or for another attempt, added up.",
                    "ストリームのリクエストが送信または再試行を待った秒数の合計",
                ),
            ),
            (
                "began",
                Kind::Float,
                text("Seconds from the run's begin to that of the table's stream.", "実行開始からの秒数"),
            ),
        ],
    },
    StateTable {
        name: "gap",
        about: text("Stretches of a stream that can no longer be read.", "取得できなくなった区間"),
        columns: &[
            STREAM,
            ("from", Kind::Text, text("First position not read.", "欠落区間の始点")),
            (
                "to",
                Kind::Text,
                text("First position read again; empty when nothing is left.", "欠落区間の終点"),
            ),
            REASON,
            RUN,
            RECORDED_AT,
        ],
    },
    StateTable {
        name: "quarantine",
        about: text("Records that did not fit a table, with secrets masked.", "隔離されたレコード"),
        columns: &[
            TABLE,
            ("key", Kind::Text, text("Merge key as far as it could be read, as JSON.", "キー (JSON)")),
            REASON,
            ("record", Kind::Text, text("The record as JSON.", "レコード (JSON)")),
            RUN,
            RECORDED_AT,
        ],
    },
];

/// One row that each writing transaction changes first: for destinations whose transactions run side by side, and whose answer to a commit
/// can get lost.
pub(crate) const COMMIT: StateTable = StateTable {
    name: "commit",
    about: text(
        "The last transaction that wrote here: who writes waits for it, and who lost the answer to a commit finds it here.",
        "最後に書き込んだトランザクション",
    ),
    columns: &[("id", Kind::Text, text("Name of the transaction.", "トランザクション名"))],
};
