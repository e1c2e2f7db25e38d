//! One page of documentation for each table, and the index of them, in Markdown.

use std::fmt::Write as _;

use super::super::{Catalog, Mark, Origin, Replication, Rows, Stream, Table, Text};
use super::Language;
use super::mermaid::type_name;

/// The index of all pages: each table in reading order with what a row is, linked to its page beside the index.
pub fn index_page(catalog: &Catalog, language: Language) -> String {
    let words = Words { language };
    let mut out = format!("{}\n\n", words.say("# Tables", "# テーブル"));
    let tables = catalog.tables().count();
    let columns: usize = catalog.tables().map(|table| table.columns.len()).sum();
    let _ = match language {
        Language::English => writeln!(out, "{tables} tables with {columns} columns.\n"),
        Language::Japanese => writeln!(out, "全{tables}テーブル、{columns}カラム。\n"),
    };
    out.push_str(words.say(
        "| Table | A row is | Endpoint | Scope |\n|---|---|---|---|\n",
        "| テーブル | 1行が表すもの | エンドポイント | スコープ |\n|---|---|---|---|\n",
    ));
    for stream in catalog.streams {
        for table in stream.tables {
            let about = cell(table.about.in_language(language));
            let _ = write!(out, "| [{0}]({0}.md) | {about} |", table.name);
            let _ = match &stream.endpoint {
                Some(endpoint) => writeln!(out, " `{}` | `{}` |", endpoint.path, endpoint.scope),
                None => writeln!(out, " | |"),
            };
        }
    }
    out
}

/// The page of one table: what a row is, where rows come from and how they stay true, columns, relationships, an example query.
pub fn table_page(catalog: &Catalog, table: &Table, language: Language) -> String {
    let words = Words { language };
    let mut out = format!("# {}\n\n{}\n\n", table.name, table.about.in_language(language));
    if let Some(stream) = catalog.stream_of(table.name) {
        words.facts(&mut out, stream, table);
    }
    words.columns(&mut out, table);
    words.relationships(&mut out, catalog, table);
    let _ = writeln!(
        out,
        "{}\n\n{}\n\n```sql\n{}\n```",
        words.say("## Example", "## クエリ例"),
        table.example.asks.in_language(language),
        table.example.sql
    );
    out
}

/// Says things in one language.
struct Words {
    language: Language,
}

impl Words {
    const fn say(&self, en: &'static str, ja: &'static str) -> &'static str {
        Text { en, ja }.in_language(self.language)
    }

    fn facts(&self, out: &mut String, stream: &Stream, table: &Table) {
        out.push_str("| | |\n|---|---|\n");
        let mut fact = |name: &str, value: String| {
            let _ = writeln!(out, "| {name} | {value} |");
        };
        fact(self.say("Stream", "ストリーム"), format!("`{}`", stream.name));
        if let Some(endpoint) = &stream.endpoint {
            let path = endpoint.path.replace("{parent}", "{id}");
            fact(self.say("Endpoint", "エンドポイント"), format!("`GET /api/v2{path}`"));
            fact(self.say("Scope", "スコープ"), format!("`{}`", endpoint.scope));
        }
        fact(self.say("Rows", "行"), self.rows(stream, table));
        fact(self.say("Kept up to date", "更新方法"), self.upkeep(stream).to_owned());
        fact(self.say("Merge key", "マージキー"), names(table.key));
        fact(self.say("Tags", "タグ"), names(table.tags));
        out.push('\n');
    }

    fn rows(&self, stream: &Stream, table: &Table) -> String {
        match (table.rows, &stream.parent) {
            (Rows::Record, None) => self.say("One for each record.", "レコードごとに1行。").to_owned(),
            (Rows::Record, Some(parent)) => match self.language {
                Language::English => format!("One for each record of each of the `{}`.", parent.stream),
                Language::Japanese => format!("`{}`の各要素に属するレコードごとに1行。", parent.stream),
            },
            (Rows::Elements(path), _) => match self.language {
                Language::English => format!("One for each distinct element of `{}`.", dotted(path)),
                Language::Japanese => format!("`{}`の要素ごとに1行（重複は除く）。", dotted(path)),
            },
            (Rows::Entries(path), _) => match self.language {
                Language::English => format!("One for each member of `{}`.", dotted(path)),
                Language::Japanese => format!("`{}`のメンバーごとに1行。", dotted(path)),
            },
        }
    }

    const fn upkeep(&self, stream: &Stream) -> &'static str {
        match stream.replication {
            Replication::FullTable => self.say(
                "Each run reads the whole list. A row that a complete list no longer holds is marked `_fivetran_deleted`.",
                "実行のたびに全件を読み取る。完全な一覧に存在しなくなった行は`_fivetran_deleted`となる。",
            ),
            Replication::Export => self.say(
                "Read by an export job, or by windows over `updated_at` where the job is not allowed. A row that a complete read no \
                 longer holds is marked `_fivetran_deleted`.",
                "エクスポートジョブ（許可されない場合は`updated_at`の範囲検索）で読み取る。完全な読み取りに存在しなくなった行は`_fivetran_deleted`となる。",
            ),
            Replication::Log => self.say(
                "Each run goes on from the last event read. Events are added, and never marked deleted when the tenant's retention ends.",
                "実行のたびに前回の続きから読み取る。イベントは追加のみで、保持期間を過ぎても削除扱いにはならない。",
            ),
            Replication::Daily => self.say(
                "Each run goes on from the last complete day. Days are never marked deleted.",
                "実行のたびに最後の完全な日から読み取る。削除扱いにはならない。",
            ),
            Replication::Frozen => {
                self.say("Created, and never written by a run.", "作成のみ行い、同期では書き込まない。")
            }
        }
    }

    fn columns(&self, out: &mut String, table: &Table) {
        out.push_str(self.say(
            "## Columns\n\n| Column | Type | Key | From | Description |\n|---|---|---|---|---|\n",
            "## カラム\n\n| カラム | 型 | キー | 取得元 | 説明 |\n|---|---|---|---|---|\n",
        ));
        for column in table.columns {
            let mark = match column.mark {
                Mark::None => "",
                Mark::Primary => "PK",
                Mark::Foreign => "FK",
            };
            let about = cell(column.about.in_language(self.language));
            let from = self.from(table, column.origin);
            let _ = writeln!(
                out,
                "| `{}` | {} | {mark} | {from} | {about} |",
                column.name,
                type_name(column.kind)
            );
        }
        out.push('\n');
    }

    fn from(&self, table: &Table, origin: Origin) -> String {
        let base = match table.rows {
            Rows::Record => String::new(),
            Rows::Elements(path) => format!("{}[]", dotted(path)),
            Rows::Entries(path) => dotted(path),
        };
        match origin {
            Origin::Field(path) => {
                format!("`{}`", format!("{base}.{}", dotted(path)).trim_matches('.'))
            }
            Origin::Record(path) => format!("`{}`", dotted(path)),
            Origin::Parent => self.say("the record in the path", "パス中のレコード").to_owned(),
            Origin::Index => format!("`{base}` {}", self.say("position", "位置")),
            Origin::EntryName => format!("`{base}` {}", self.say("member name", "メンバー名")),
            Origin::EntryValue => format!("`{base}` {}", self.say("member value", "メンバー値")),
            Origin::EntryValueMasked => {
                format!(
                    "`{base}` {}",
                    self.say("member value, credentials masked", "メンバー値（資格情報はマスク）")
                )
            }
            Origin::RowHash(key) => format!("{} {}", self.say("hash of", "ハッシュ"), names(key)),
            Origin::Deleted | Origin::Synced => self.say("set on writing", "書き込み時に設定").to_owned(),
        }
    }

    fn relationships(&self, out: &mut String, catalog: &Catalog, table: &Table) {
        let mut lines = Vec::new();
        for line in catalog.relationships.iter().filter(|line| line.child == table.name) {
            let key = catalog
                .table(line.parent)
                .and_then(|parent| parent.columns.iter().find(|column| column.mark == Mark::Primary))
                .map_or("", |column| column.name);
            lines.push(format!("- `{}` → [{1}]({1}.md).`{key}`", line.column, line.parent));
        }
        for line in catalog.relationships.iter().filter(|line| line.parent == table.name) {
            lines.push(format!(
                "- [{0}]({0}.md).`{1}` → {2}",
                line.child,
                line.column,
                self.say("here", "このテーブル")
            ));
        }
        if !lines.is_empty() {
            let _ = writeln!(
                out,
                "{}\n\n{}\n",
                self.say("## Relationships", "## リレーションシップ"),
                lines.join("\n")
            );
        }
    }
}

/// `/details/request/ip` as `details.request.ip`.
fn dotted(path: &str) -> String {
    path.trim_start_matches('/').replace('/', ".")
}

fn names(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Text that may stand in a cell of a Markdown table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
