//! What runs leave for people to look at, as tables of our own: runs, what they did to each table, gaps, quarantined records.
//!
//! Rows are merged by their key, so that what is written again after a crash stands there once.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use deltalake::DeltaTable;
use deltalake::datafusion::logical_expr::{Expr, Operator, binary_expr};
use deltalake::kernel::DataType;
use tenantry_replication::catalog::{Stream, Text};
use tenantry_replication::clock::Micros;
use tenantry_replication::source::Gap;
use tenantry_replication::state::{Quarantine, RunRecord};

use crate::failure::{Attempt, Failure};
use crate::tables::{Wanted, WantedColumn};

/// A table of ours.
pub(crate) struct Ledger {
    pub(crate) name: &'static str,
    /// Columns that identify a row.
    pub(crate) key: &'static [&'static str],
    about: Text,
    columns: &'static [(&'static str, Kind, Text)],
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Integer,
    Text,
    Time,
    Number,
}

impl Kind {
    const fn of(self) -> DataType {
        match self {
            Self::Integer => DataType::LONG,
            Self::Text => DataType::STRING,
            Self::Time => DataType::TIMESTAMP,
            Self::Number => DataType::DOUBLE,
        }
    }
}

const fn text(en: &'static str, ja: &'static str) -> Text {
    Text { en, ja }
}

const RUN_NUMBER: (&str, Kind, Text) = ("run", Kind::Integer, text("Number of the run.", "実行番号"));
const TABLE: (&str, Kind, Text) = ("table", Kind::Text, text("Name of the table.", "テーブル名"));
const REASON: (&str, Kind, Text) = ("reason", Kind::Text, text("Why.", "理由"));
const RECORDED_AT: (&str, Kind, Text) =
    ("recorded_at", Kind::Time, text("When it was recorded (UTC).", "記録された日時 (UTC)"));

pub(crate) const RUN: Ledger = Ledger {
    name: "run",
    key: &["run"],
    about: text("Finished runs.", "完了した実行"),
    columns: &[
        RUN_NUMBER,
        ("started_at", Kind::Time, text("When it began (UTC).", "開始日時 (UTC)")),
        ("finished_at", Kind::Time, text("When it ended (UTC).", "終了日時 (UTC)")),
        ("outcome", Kind::Text, text("How it ended.", "結果")),
        ("requests", Kind::Integer, text("Requests sent in all.", "送信したリクエストの総数")),
    ],
};

pub(crate) const RUN_TABLE: Ledger = Ledger {
    name: "run_table",
    key: &["run", "table"],
    about: text("What each finished run did to each table.", "実行ごとのテーブル別の結果"),
    columns: &[
        RUN_NUMBER,
        TABLE,
        ("finished_at", Kind::Time, text("When the run ended (UTC).", "実行の終了日時 (UTC)")),
        ("outcome", Kind::Text, text("How it ended for this table.", "結果")),
        ("message", Kind::Text, text("Why, and what to do, where it is not `done`.", "理由と対処")),
        ("inserted", Kind::Integer, text("Rows that were not there before.", "追加された行数")),
        ("updated", Kind::Integer, text("Rows whose values changed.", "更新された行数")),
        ("deleted", Kind::Integer, text("Rows newly marked deleted.", "新たに削除とされた行数")),
        ("unchanged", Kind::Integer, text("Rows that were already as they came.", "変更のなかった行数")),
        (
            "drifted",
            Kind::Integer,
            text(
                "Rows among those changed that a full read had to correct although the log had been followed.",
                "ログに記録がなく全件読み取りで訂正された行数",
            ),
        ),
        ("quarantined", Kind::Integer, text("Records that did not fit.", "隔離されたレコード数")),
        (
            "requests",
            Kind::Integer,
            text("Requests sent for the table's stream.", "ストリームのリクエスト数"),
        ),
        (
            "limited",
            Kind::Integer,
            text(
                "Requests of the table's stream that the tenant refused for its rate limit (HTTP 429).",
                "レート制限で拒否されたストリームのリクエスト数 (HTTP 429)",
            ),
        ),
        ("seconds", Kind::Number, text("Seconds from first request to publish.", "所要秒数")),
        (
            "waited",
            Kind::Number,
            text(
                "Seconds that requests of the table's stream waited for their turn or for another attempt, added up.",
                "ストリームのリクエストが送信または再試行を待った秒数の合計",
            ),
        ),
        (
            "began",
            Kind::Number,
            text("Seconds from the run's begin to that of the table's stream.", "実行開始からの秒数"),
        ),
    ],
};

pub(crate) const GAP: Ledger = Ledger {
    name: "gap",
    key: &["stream", "from", "to", "reason", "run"],
    about: text("Stretches of a stream that can no longer be read.", "取得できなくなった区間"),
    columns: &[
        ("stream", Kind::Text, text("Name of the stream.", "ストリーム名")),
        ("from", Kind::Text, text("First position not read.", "欠落区間の始点")),
        ("to", Kind::Text, text("First position read again; empty when nothing is left.", "欠落区間の終点")),
        REASON,
        RUN_NUMBER,
        RECORDED_AT,
    ],
};

pub(crate) const QUARANTINE: Ledger = Ledger {
    name: "quarantine",
    key: &["table", "key", "reason"],
    about: text("Records that did not fit a table, with secrets masked.", "隔離されたレコード"),
    columns: &[
        TABLE,
        ("key", Kind::Text, text("Merge key as far as it could be read, as JSON.", "キー (JSON)")),
        REASON,
        ("record", Kind::Text, text("The record as JSON.", "レコード (JSON)")),
        RUN_NUMBER,
        RECORDED_AT,
    ],
};

/// All of them.
pub(crate) const LEDGERS: &[&Ledger] = &[&RUN, &RUN_TABLE, &GAP, &QUARANTINE];

/// The tables as they should be, below the folder of what is ours.
pub(crate) fn wanted(state: &str, say: fn(Text) -> &'static str) -> Vec<Wanted> {
    let of = |ledger: &&Ledger| Wanted {
        schema: state.to_owned(),
        name: ledger.name,
        about: say(ledger.about),
        columns: ledger
            .columns
            .iter()
            .map(|(name, kind, about)| WantedColumn { name, kind: kind.of(), about: say(*about) })
            .collect(),
        partition: None,
        indexed: ledger.key.to_vec(),
    };
    LEDGERS.iter().map(of).collect()
}

impl Ledger {
    /// That a stored row has the key of a written one. No column of a key is ever NULL here.
    pub(crate) fn same_key(
        &self,
        of: impl Fn(&str, &str) -> Expr,
        stored: &str,
        written: &str,
    ) -> Attempt<Expr> {
        let part = |key: &&str| binary_expr(of(stored, key), Operator::Eq, of(written, key));
        let same = self.key.iter().map(part).reduce(Expr::and);
        same.ok_or_else(|| Failure::failed("the table has no key"))
    }

    fn rows(&self, columns: Vec<ArrayRef>) -> Attempt<RecordBatch> {
        let names = self.columns.iter().map(|(name, ..)| *name);
        let rows = RecordBatch::try_from_iter_with_nullable(
            names.zip(columns).map(|(name, array)| (name, array, true)),
        );
        Ok(rows?)
    }
}

/// The row of a run.
pub(crate) fn of_run(run: &RunRecord) -> Attempt<RecordBatch> {
    RUN.rows(vec![
        numbers([run.run]),
        times([run.started_at]),
        times([run.finished_at]),
        texts([run.outcome.as_str()]),
        numbers([run.requests]),
    ])
}

/// Rows of what a run did to each table.
pub(crate) fn of_tables(run: &RunRecord) -> Attempt<RecordBatch> {
    let lines = || run.tables.iter();
    RUN_TABLE.rows(vec![
        numbers(lines().map(|_| run.run)),
        texts(lines().map(|line| line.table.as_str())),
        times(lines().map(|_| run.finished_at)),
        texts(lines().map(|line| line.outcome.as_str())),
        Arc::new(lines().map(|line| line.message.as_deref()).collect::<StringArray>()),
        numbers(lines().map(|line| line.inserted)),
        numbers(lines().map(|line| line.updated)),
        numbers(lines().map(|line| line.deleted)),
        numbers(lines().map(|line| line.unchanged)),
        numbers(lines().map(|line| line.drifted)),
        numbers(lines().map(|line| line.quarantined)),
        numbers(lines().map(|line| line.requests)),
        numbers(lines().map(|line| line.limited)),
        seconds(lines().map(|line| line.seconds)),
        seconds(lines().map(|line| line.waited)),
        seconds(lines().map(|line| line.began)),
    ])
}

/// Rows of gaps, each once.
pub(crate) fn of_gaps(stream: &Stream, gaps: &[Gap], run: u64, at: Micros) -> Attempt<RecordBatch> {
    let mut seen = BTreeSet::new();
    let is_first = |gap: &&Gap| seen.insert((gap.from.clone(), gap.to.clone(), gap.reason.clone()));
    let each: Vec<&Gap> = gaps.iter().filter(is_first).collect();
    GAP.rows(vec![
        texts(each.iter().map(|_| stream.name)),
        texts(each.iter().map(|gap| gap.from.as_str())),
        texts(each.iter().map(|gap| gap.to.as_str())),
        texts(each.iter().map(|gap| gap.reason.as_str())),
        numbers(each.iter().map(|_| run)),
        times(each.iter().map(|_| at)),
    ])
}

/// Rows of quarantined records, the last of each key and reason.
pub(crate) fn of_quarantined(quarantined: &[Quarantine], run: u64, at: Micros) -> Attempt<RecordBatch> {
    let mut seen = BTreeSet::new();
    let is_last = |one: &&Quarantine| seen.insert((one.table, one.key.clone(), one.reason.clone()));
    let last: Vec<&Quarantine> = quarantined.iter().rev().filter(is_last).collect();
    QUARANTINE.rows(vec![
        texts(last.iter().map(|one| one.table)),
        texts(last.iter().map(|one| one.key.as_str())),
        texts(last.iter().map(|one| one.reason.as_str())),
        texts(last.iter().map(|one| one.record.as_str())),
        numbers(last.iter().map(|_| run)),
        times(last.iter().map(|_| at)),
    ])
}

/// A table of ours, which was prepared.
pub(crate) fn prepared(found: Option<DeltaTable>, ledger: &Ledger) -> Attempt<DeltaTable> {
    found.ok_or_else(|| Failure::failed(format!("our table {} is not prepared", ledger.name)))
}

fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(texts))
}

fn numbers(numbers: impl IntoIterator<Item = u64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(
        numbers.into_iter().map(|number| i64::try_from(number).unwrap_or(i64::MAX)),
    ))
}

fn seconds(seconds: impl IntoIterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(seconds))
}

fn times(times: impl IntoIterator<Item = Micros>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))
}
