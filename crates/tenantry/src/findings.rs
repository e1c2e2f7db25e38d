//! What detections and checks found: asked of a destination one by one, then shown to people or to programs.
//!
//! Knows no detection and no check: what they are is data.

use std::fmt::Write as _;

use serde_json::{Value, json};
use tenantry_insight::{
    Check, Column, Detection, FINDINGS_MAX, Filter, OFFENDERS_MAX, UNANSWERED, Verdict, posture,
};
use tenantry_replication::catalog::schema::Language;
use tenantry_replication::destination::Destination;

use crate::error::{CommandError, Exit};
use crate::terminal::table::{Align, TextTable};
use crate::terminal::{ADVICE, BAD, FAINT, GOOD, HEADING, WARNING, paint, text, values};

/// Columns of the terminal that one value of a finding may take.
const VALUE_WIDTH_MAX: usize = 50;

/// What is asked, and of what.
pub(crate) struct Asked<'a> {
    pub(crate) detections: &'a [&'static Detection],
    pub(crate) checks: &'a [&'static Check],
    pub(crate) filter: &'a Filter,
    /// Tables that a run has filled.
    pub(crate) filled: &'a [&'a str],
}

/// All that was found.
pub(crate) struct Found {
    filter: Filter,
    detections: Vec<(&'static Detection, Outcome)>,
    checks: Vec<(&'static Check, Outcome)>,
}

/// How one detection or check ended.
enum Outcome {
    /// The rows that it found, each as an object.
    Rows(Vec<Value>),
    /// These tables, which it reads, were never filled.
    Unknown(Vec<&'static str>),
}

/// Asks them all.
pub(crate) async fn find(destination: &dyn Destination, asked: &Asked<'_>) -> Result<Found, CommandError> {
    let mut found = Found { filter: asked.filter.clone(), detections: Vec::new(), checks: Vec::new() };
    for detection in asked.detections {
        let outcome = ask(destination, asked.filled, detection.tables, &detection.sql(asked.filter)).await?;
        found.detections.push((detection, outcome));
    }
    for check in asked.checks {
        let outcome = ask(destination, asked.filled, check.tables, &check.sql(asked.filter)).await?;
        found.checks.push((check, outcome));
    }
    // The order of the data, but what should be looked at first comes first.
    found.detections.sort_by_key(|(detection, _)| std::cmp::Reverse(detection.severity));
    found.checks.sort_by_key(|(check, _)| std::cmp::Reverse(check.weight));
    Ok(found)
}

async fn ask(
    destination: &dyn Destination,
    filled: &[&str],
    tables: &[&'static str],
    sql: &str,
) -> Result<Outcome, CommandError> {
    let missing: Vec<&str> = tables.iter().copied().filter(|table| !filled.contains(table)).collect();
    if !missing.is_empty() {
        return Ok(Outcome::Unknown(missing));
    }
    let batches = destination.query(sql).await?;
    match values::to_json(&batches).map_err(|error| CommandError::new(Exit::Destination, error))? {
        Value::Array(rows) => Ok(Outcome::Rows(rows)),
        _ => Ok(Outcome::Rows(Vec::new())),
    }
}

impl Outcome {
    fn rows(&self) -> &[Value] {
        match self {
            Self::Rows(rows) => rows,
            Self::Unknown(_) => &[],
        }
    }

    fn verdict(&self) -> Verdict {
        match self {
            Self::Unknown(_) => Verdict::Unknown,
            Self::Rows(rows) if rows.is_empty() => Verdict::Pass,
            Self::Rows(rows) => Verdict::Fail(rows.len() as u64),
        }
    }

    /// How many were found; the texts stop at `limit`.
    fn count(&self, limit: usize) -> String {
        match self {
            Self::Unknown(_) => "unknown".to_owned(),
            Self::Rows(rows) if rows.len() >= limit => format!("{}+", text::count(limit as u64)),
            Self::Rows(rows) => text::count(rows.len() as u64),
        }
    }
}

impl Found {
    /// What the command ends with.
    pub(crate) fn exit(&self) -> Exit {
        let any = self.outcomes().any(|outcome| !outcome.rows().is_empty());
        if any { Exit::Incomplete } else { Exit::Done }
    }

    fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        let of_detections = self.detections.iter().map(|(_, outcome)| outcome);
        of_detections.chain(self.checks.iter().map(|(_, outcome)| outcome))
    }

    fn score(&self) -> Option<u32> {
        posture(self.checks.iter().map(|(check, outcome)| (*check, outcome.verdict())))
    }

    pub(crate) fn to_text(&self, language: Language, rows: usize, all: bool) -> String {
        let mut shown = String::new();
        if !self.detections.is_empty() {
            self.detections_table(&mut shown, language, all);
        }
        if !self.checks.is_empty() {
            self.checks_table(&mut shown, language, all);
        }
        for (detection, outcome) in &self.detections {
            let about = (detection.id, detection.fix.in_language(language));
            details(&mut shown, about, detection.columns, outcome, language, rows);
        }
        for (check, outcome) in &self.checks {
            let about = (check.id, check.fix.in_language(language));
            details(&mut shown, about, check.columns, outcome, language, rows);
        }
        if all {
            self.open(&mut shown, language);
        }
        self.unknown(&mut shown);
        shown
    }

    fn detections_table(&self, shown: &mut String, language: Language, all: bool) {
        let mut table = TextTable::new([
            ("severity", Align::Left),
            ("detection", Align::Left),
            ("findings", Align::Right),
            ("newest", Align::Left),
            ("what was found", Align::Left),
        ]);
        let mut clear = 0;
        for (detection, outcome) in &self.detections {
            if outcome.verdict() == Verdict::Pass {
                clear += 1;
            }
            if all || !outcome.rows().is_empty() {
                table.row([
                    detection.severity.title().in_language(language).to_owned(),
                    detection.id.to_owned(),
                    outcome.count(FINDINGS_MAX),
                    newest(detection, outcome).unwrap_or("-").to_owned(),
                    detection.title.in_language(language).to_owned(),
                ]);
            }
        }
        let found = self.detections.iter().filter(|(_, outcome)| !outcome.rows().is_empty()).count();
        if all || found > 0 {
            let _ = writeln!(shown, "{}", table.render());
        }
        let style = if found > 0 { BAD } else { GOOD };
        let since = text::rfc3339(self.filter.since);
        let _ = writeln!(
            shown,
            "{} since {since}; {clear} found nothing\n",
            paint(style, &format!("{} found something", text::counted(found as u64, "detection"))),
        );
    }

    fn checks_table(&self, shown: &mut String, language: Language, all: bool) {
        let mut table = TextTable::new([
            ("weight", Align::Right),
            ("check", Align::Left),
            ("offenders", Align::Right),
            ("what should hold", Align::Left),
        ]);
        for (check, outcome) in &self.checks {
            if all || !outcome.rows().is_empty() {
                table.row([
                    check.weight.to_string(),
                    check.id.to_owned(),
                    outcome.count(OFFENDERS_MAX),
                    check.title.in_language(language).to_owned(),
                ]);
            }
        }
        let of = |wanted: fn(Verdict) -> bool| {
            self.checks.iter().filter(|(_, outcome)| wanted(outcome.verdict())).count()
        };
        let failed = of(|verdict| matches!(verdict, Verdict::Fail(_)));
        if all || failed > 0 {
            let _ = writeln!(shown, "{}", table.render());
        }
        let score = self.score().map_or_else(|| "unknown".to_owned(), |score| format!("{score} of 100"));
        let style = if failed > 0 { WARNING } else { GOOD };
        let passed = of(|verdict| verdict == Verdict::Pass);
        let _ = writeln!(
            shown,
            "{}; {passed} checks passed, {failed} failed",
            paint(style, &format!("posture {score}"))
        );
    }

    /// What the tables cannot answer, and what of the answers is missing.
    fn open(&self, shown: &mut String, language: Language) {
        let _ = writeln!(shown, "\n{}", paint(HEADING, "What the tables cannot tell"));
        for (detection, _) in &self.detections {
            if let Some(lacks) = detection.lacks {
                let _ = writeln!(shown, "  {}: {}", detection.id, lacks.in_language(language));
            }
        }
        for open in UNANSWERED {
            let _ =
                writeln!(shown, "  {} {}", open.title.in_language(language), open.why.in_language(language));
        }
    }

    /// Detections and checks whose tables were never filled.
    fn unknown(&self, shown: &mut String) {
        let of_detections = self.detections.iter().map(|(one, outcome)| (one.id, outcome));
        let of_checks = self.checks.iter().map(|(one, outcome)| (one.id, outcome));
        let mut began = false;
        for (id, outcome) in of_detections.chain(of_checks) {
            if let Outcome::Unknown(tables) = outcome {
                if !began {
                    let _ =
                        writeln!(shown, "\n{}", paint(WARNING, "Unknown, as no run has filled these tables"));
                    began = true;
                }
                let _ = writeln!(shown, "  {id}: {}", tables.join(", "));
            }
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        let detection = |(detection, outcome): &(&'static Detection, Outcome)| {
            let mut value = json!({
                "id": detection.id,
                "title": detection.title.en,
                "severity": detection.severity.id(),
                "outcome": word(outcome, "clear", "found"),
                "findings": outcome.rows().len(),
                "newest": newest(detection, outcome),
                "rows": outcome.rows(),
                "fix": detection.fix.en,
                "cannot_tell": detection.lacks.map(|lacks| lacks.en),
            });
            missing(&mut value, outcome);
            value
        };
        let check = |(check, outcome): &(&'static Check, Outcome)| {
            let mut value = json!({
                "id": check.id,
                "title": check.title.en,
                "weight": check.weight,
                "outcome": word(outcome, "pass", "fail"),
                "offenders": outcome.rows().len(),
                "rows": outcome.rows(),
                "fix": check.fix.en,
            });
            missing(&mut value, outcome);
            value
        };
        let exit = self.exit();
        json!({
            "outcome": exit.word(),
            "exit_code": exit.code(),
            "since": text::rfc3339(self.filter.since),
            "until": text::rfc3339(self.filter.until),
            "posture": self.score(),
            "detections": self.detections.iter().map(detection).collect::<Vec<_>>(),
            "checks": self.checks.iter().map(check).collect::<Vec<_>>(),
            "unanswered": UNANSWERED
                .iter()
                .map(|open| json!({ "id": open.id, "question": open.title.en, "why": open.why.en }))
                .collect::<Vec<_>>(),
        })
    }
}

fn word(outcome: &Outcome, pass: &'static str, fail: &'static str) -> &'static str {
    match outcome.verdict() {
        Verdict::Pass => pass,
        Verdict::Fail(_) => fail,
        Verdict::Unknown => "unknown",
    }
}

/// Adds the tables without which there is no answer.
fn missing(value: &mut Value, outcome: &Outcome) {
    if let Outcome::Unknown(tables) = outcome {
        value["missing_tables"] = json!(tables);
    }
}

/// The newest time of the findings. Times are written so that they sort as text.
fn newest<'a>(detection: &Detection, outcome: &'a Outcome) -> Option<&'a str> {
    let time = detection.time()?;
    outcome.rows().iter().filter_map(|row| row[time].as_str()).max()
}

/// The first rows of what was found, and what to do.
fn details(
    shown: &mut String,
    (id, fix): (&str, &str),
    columns: &[Column],
    outcome: &Outcome,
    language: Language,
    rows: usize,
) {
    let found = outcome.rows();
    if found.is_empty() {
        return;
    }
    let _ = writeln!(shown, "\n{}", paint(HEADING, id));
    let mut table =
        TextTable::new(columns.iter().map(|column| (column.title.in_language(language), Align::Left)));
    for row in found.iter().take(rows) {
        let cell = |column: &Column| match &row[column.name] {
            Value::Null => "-".to_owned(),
            Value::String(value) => text::cut(&text::visible(value), VALUE_WIDTH_MAX),
            other => other.to_string(),
        };
        table.row(columns.iter().map(cell));
    }
    if rows > 0 {
        shown.push_str(&table.render());
    }
    if found.len() > rows {
        let _ = writeln!(
            shown,
            "{}",
            paint(FAINT, &format!("… {} more", text::count((found.len() - rows) as u64)))
        );
    }
    let _ = writeln!(shown, "{} {fix}", paint(ADVICE, "fix:"));
}
