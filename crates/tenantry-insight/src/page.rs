//! The questions and detections as pages of documentation, in both languages. Writes no file.

use std::fmt::Write as _;

use tenantry_replication::catalog::Text;
use tenantry_replication::catalog::schema::Language;

use crate::aggregate::AGGREGATES;
use crate::check::Check;
use crate::detection::{Detection, Severity};
use crate::events::{FAMILIES, Outcome};
use crate::question::{Group, Question, Takes};
use crate::{CHECKS, DETECTIONS, QUESTIONS, UNANSWERED, text};

/// What can be asked: the page of questions, events and aggregates.
pub fn questions_page(language: Language) -> String {
    let say = |en, ja| text(en, ja).in_language(language);
    let mut page = heading(language, "What can be asked", "質問の一覧");
    page.push_str(say(QUESTIONS_INTRO_EN, QUESTIONS_INTRO_JA));
    for group in Group::ALL {
        let _ = writeln!(page, "\n## {}\n", group.title().in_language(language));
        table(
            &mut page,
            &[
                say("question", "質問"),
                say("id", "ID"),
                say("narrowed by", "絞り込み"),
                say("what is counted", "内容"),
            ],
        );
        for question in QUESTIONS.iter().filter(|question| question.group == group) {
            row(
                &mut page,
                &[
                    question.title.in_language(language),
                    &format!("`{}`", question.id),
                    &narrowed(question, language),
                    question.about.in_language(language),
                ],
            );
        }
    }
    let _ = writeln!(page, "\n## {}\n", say("What stays open", "答えられない質問"));
    open(&mut page, language);
    let _ = writeln!(page, "\n## {}\n", say("Events by family", "イベントの分類"));
    page.push_str(say(
        "Auth0 writes a code into each event. Questions take codes by family; a code that is newer than this list is counted in none.\n\n",
        "Auth0は各イベントに種類のコードを付ける。質問はこの分類でコードを扱う。一覧より新しいコードはどの分類にも数えない。\n\n",
    ));
    table(&mut page, &[say("family", "分類"), say("outcome", "結果"), say("codes", "コード")]);
    for family in FAMILIES {
        let outcome = match family.outcome {
            Outcome::Success => say("success", "成功"),
            Outcome::Failure => say("failure", "失敗"),
            Outcome::Notice => say("notice", "通知"),
        };
        let codes: Vec<String> = family.codes.iter().map(|code| format!("`{code}`")).collect();
        row(&mut page, &[family.title.in_language(language), outcome, &codes.join(" ")]);
    }
    let _ = writeln!(page, "\n## {}\n", say("Aggregates", "集計テーブル"));
    page.push_str(say(
        "A reader that is asked often makes these small tables once per run, and questions read them instead of the log. Each is one SELECT; elsewhere \
         the same SELECT stands in the question, so the numbers are the same. Ranges of time are widened to whole hours or days in both cases.\n\n",
        "繰り返し質問する読み手は、実行ごとに一度これらの小さなテーブルを作り、質問はログの代わりにそれを読む。いずれも1つのSELECTで、ない場合は同じSELECTを\
         質問に含めるため、数値は一致する。期間はどちらの場合も時間または日の単位に広げる。\n\n",
    ));
    table(&mut page, &[say("name", "名前"), say("a row is", "1行の内容")]);
    for aggregate in AGGREGATES {
        row(&mut page, &[&format!("`{}`", aggregate.name), aggregate.about.in_language(language)]);
    }
    page
}

/// What is looked for: the page of detections and hygiene checks.
pub fn detections_page(language: Language) -> String {
    let say = |en, ja| text(en, ja).in_language(language);
    let mut page = heading(language, "Detections and hygiene checks", "検出と健全性チェック");
    page.push_str(say(DETECTIONS_INTRO_EN, DETECTIONS_INTRO_JA));
    for severity in Severity::ALL {
        let word = severity.title().in_language(language);
        let _ = writeln!(page, "\n## {}{word}\n", say("Severity: ", "重大度: "));
        for detection in DETECTIONS.iter().filter(|detection| detection.severity == severity) {
            describe(&mut page, detection, language);
        }
    }
    let _ = writeln!(page, "## {}\n", say("Hygiene checks", "健全性チェック"));
    let mut checks: Vec<&Check> = CHECKS.iter().collect();
    checks.sort_by_key(|check| std::cmp::Reverse(check.weight));
    table(
        &mut page,
        &[
            say("weight", "重み"),
            say("id", "ID"),
            say("what should hold", "あるべき状態"),
            say("why", "理由"),
            say("fix", "対処"),
        ],
    );
    for check in checks {
        row(
            &mut page,
            &[
                &check.weight.to_string(),
                &format!("`{}`", check.id),
                check.title.in_language(language),
                check.about.in_language(language),
                check.fix.in_language(language),
            ],
        );
    }
    let _ = writeln!(page, "\n## {}\n", say("What the tables cannot tell", "テーブルから分からないこと"));
    open(&mut page, language);
    page
}

const QUESTIONS_INTRO_EN: &str = "`tenantry sql --question ID` answers each of these from the replicated tables; `--since 7d`, `--client ID` and `--connection ID` narrow it, \
and `--print` shows its SQL, to look at or to make a view of. The SQL is the same for DuckDB and PostgreSQL (with the session in UTC).\n";
const QUESTIONS_INTRO_JA: &str = "`tenantry sql --question ID` で、複製されたテーブルから回答を得る。`--since 7d`、`--client ID`、`--connection ID` で絞り込み、`--print` でSQLを表示する\
（確認やビューの作成に使える）。SQLはDuckDBとPostgreSQL（セッションのタイムゾーンはUTC）で共通。\n";
const DETECTIONS_INTRO_EN: &str = "`tenantry detect` runs all of these on the destination; it needs no tenant, and is as fresh as the last sync. `--since 24h` says how far back detections look, \
`--select` and `--exclude` take ids (with `*` and `?`), `severity:high`, `detections` or `hygiene`, and `--sql ID` prints the SQL of one.\n\n\
Exit codes: 0 nothing was found; 1 something was found; 2 wrong usage; 5 the destination cannot be read. What reads a table that no run has filled is told as unknown, \
and counts as nothing found.\n\n\
**Detections** look at what happened in the range. **Hygiene checks** look at how things are now, and make the **posture score**: the sum of the weights of the checks that \
passed, divided by the sum of the weights of all checks that have an answer, times 100, rounded down. A check passes or fails as a whole, however many offend.\n\n\
Where a detection answers a question of [Auth0's published catalogue](https://github.com/auth0/auth0-customer-detections), its name there is given. Our queries are written from the questions: \
thresholds and results differ.\n";
const DETECTIONS_INTRO_JA: &str = "`tenantry detect` は、これらをすべて複製先に対して実行する。テナントには接続せず、内容は最後の同期時点のもの。`--since 24h` で検出の対象期間を指定し、`--select` と `--exclude` には\
ID（`*` と `?` が使える）、`severity:high`、`detections`、`hygiene` を指定できる。`--sql ID` はそのSQLを表示する。\n\n\
終了コード: 0 該当なし、1 該当あり、2 使い方の誤り、5 複製先を読めない。一度も同期されていないテーブルを読むものは「不明」とし、該当なしとして扱う。\n\n\
**検出**は期間内に起きたことを、**健全性チェック**は現在の状態を調べる。**態勢スコア**は、合格したチェックの重みの合計を、判定できたすべてのチェックの重みの合計で割り、100を掛けて切り捨てた値。\
該当件数によらず、各チェックは合格か不合格のいずれかになる。\n\n\
[Auth0が公開する検出カタログ](https://github.com/auth0/auth0-customer-detections)の質問に答えるものには、カタログでの名前を示す。クエリは質問をもとに独自に書いたもので、しきい値や結果は異なる。\n";

fn heading(language: Language, en: &'static str, ja: &'static str) -> String {
    let note = text(
        "Made by `make docs` from the code; edits here are overwritten.",
        "`make docs` がコードから生成する。直接の編集は上書きされる。",
    );
    format!("# {}\n\n{}\n\n", text(en, ja).in_language(language), note.in_language(language))
}

fn describe(page: &mut String, detection: &Detection, language: Language) {
    let say = |en, ja| text(en, ja).in_language(language);
    let _ = writeln!(page, "### {}\n", detection.title.in_language(language));
    let _ = writeln!(page, "`{}` — {}\n", detection.id, detection.about.in_language(language));
    let mut point = |name: &str, words: &str| {
        let _ = writeln!(page, "- {name}: {words}");
    };
    point(say("Fix", "対処"), detection.fix.in_language(language));
    if let Some(lacks) = detection.lacks {
        point(say("Cannot tell", "分からないこと"), lacks.in_language(language));
    }
    point(say("Reads", "参照するテーブル"), &quoted(detection.tables));
    if !detection.published.is_empty() {
        point(say("In the published catalogue", "公開カタログでの名前"), &quoted(detection.published));
    }
    page.push('\n');
}

fn narrowed(question: &Question, language: Language) -> String {
    let Takes { time, client, connection } = question.takes;
    let parts = [
        (time, text("time", "期間")),
        (client, text("application", "アプリケーション")),
        (connection, text("connection", "接続")),
    ];
    let taken: Vec<&str> =
        parts.iter().filter(|(takes, _)| *takes).map(|(_, words)| words.in_language(language)).collect();
    if taken.is_empty() { "-".to_owned() } else { taken.join(text(", ", "・").in_language(language)) }
}

fn open(page: &mut String, language: Language) {
    let say = |words: Text| words.in_language(language);
    table(page, &[say(text("question", "質問")), say(text("why not", "理由"))]);
    for open in UNANSWERED {
        row(page, &[say(open.title), say(open.why)]);
    }
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn table(page: &mut String, columns: &[&str]) {
    row(page, columns);
    let _ = writeln!(page, "|{}", "---|".repeat(columns.len()));
}

fn row(page: &mut String, cells: &[&str]) {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_detection_and_check_is_on_its_page() {
        for language in [Language::English, Language::Japanese] {
            let questions = questions_page(language);
            assert!(QUESTIONS.iter().all(|one| questions.contains(&format!("`{}`", one.id))));
            let detections = detections_page(language);
            assert!(DETECTIONS.iter().all(|one| detections.contains(&format!("`{}`", one.id))));
            assert!(CHECKS.iter().all(|one| detections.contains(&format!("`{}`", one.id))));
            assert!(UNANSWERED.iter().all(|one| detections.contains(one.why.in_language(language))));
        }
    }
}
