//! What needs a look, from the figures of now: errors and warnings, each with what to do.
//!
//! A code never changes its meaning; [`super::explain`] has a page for each.

use tenantry_replication::clock::{MICROS_PER_SECOND, Micros};
use tenantry_replication::destination::TableSummary;

use super::Facts;
use super::explain::Code;
use super::kept::Figures;
use super::live::Now;
use super::words::Words;
use crate::terminal::text;

/// Less than one part in this many of the time that events are kept is little.
const LITTLE_LEFT: i64 = 4;
/// Tables that are named; more are counted.
const NAMED: usize = 4;

/// Something that needs a look.
pub(super) struct Alert {
    pub(super) code: Code,
    /// What it is about, as data: tables, times, counts.
    pub(super) about: String,
    /// What the engine said, in its own words.
    pub(super) said: Option<String>,
}

/// What needs a look now, the worst first.
pub(super) fn of(words: Words, figures: &Figures, live: &Now, facts: &Facts, now: Micros) -> Vec<Alert> {
    let mut alerts = Vec::new();
    if let Some((_, failure)) = &live.failure {
        alerts.push(Alert { code: Code::SyncFailed, about: String::new(), said: Some(failure.clone()) });
    }
    log_margin(words, figures, facts, now, &mut alerts);
    by_outcome(figures, "failed", Code::TableFailed, &mut alerts);
    if figures.losses.counts.0 > 0 {
        let about = words.counted(figures.losses.counts.0, "gap", "gaps", "件の欠落");
        alerts.push(Alert { code: Code::Gap, about, said: None });
    }
    by_outcome(figures, "stopped", Code::TableStopped, &mut alerts);
    if figures.losses.counts.1 > 0 {
        let about = words.counted(figures.losses.counts.1, "record", "records", "件");
        alerts.push(Alert { code: Code::Quarantine, about, said: None });
    }
    let drifted: u64 =
        figures.runs.first().map_or(0, |run| run.tables.iter().map(|table| table.drifted).sum());
    if drifted > 0 {
        let about = words.counted(drifted, "row", "rows", "行");
        alerts.push(Alert { code: Code::Drift, about, said: None });
    }
    by_outcome(figures, "skipped", Code::TableSkipped, &mut alerts);
    if figures.runs.is_empty() {
        alerts.push(Alert { code: Code::NeverSynced, about: String::new(), said: None });
    }
    alerts.sort_by_key(|alert| !alert.code.is_error());
    alerts
}

/// Time until the tenant forgets events that were not read; negative afterwards. `None` where it is not known.
pub(super) fn margin(figures: &Figures, facts: &Facts, now: Micros) -> Option<Micros> {
    let kept = i64::try_from(facts.retention?.as_micros()).ok()?;
    Some(figures.read_until?.saturating_add(kept).saturating_sub(now))
}

fn log_margin(words: Words, figures: &Figures, facts: &Facts, now: Micros, alerts: &mut Vec<Alert>) {
    let Some(left) = margin(figures, facts, now) else { return };
    let kept = facts.retention.and_then(|kept| i64::try_from(kept.as_micros()).ok()).unwrap_or(0);
    let code = if left <= 0 {
        Code::LogExpired
    } else if left < kept / LITTLE_LEFT {
        Code::LogExpiring
    } else {
        return;
    };
    let about = words.length(left.unsigned_abs() / MICROS_PER_SECOND.unsigned_abs());
    alerts.push(Alert { code, about, said: None });
}

/// Tables whose last run ended so, grouped by what was said of them.
fn by_outcome(figures: &Figures, outcome: &str, code: Code, alerts: &mut Vec<Alert>) {
    let mut groups: Vec<(Option<String>, Vec<&'static str>)> = Vec::new();
    for table in &figures.tables {
        let Some((word, said)) = ended(table) else { continue };
        if word != outcome {
            continue;
        }
        match groups.iter_mut().find(|(known, _)| known.as_deref() == said) {
            Some((_, names)) => names.push(table.table),
            None => groups.push((said.map(str::to_owned), vec![table.table])),
        }
    }
    for (said, names) in groups {
        let mut about = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
        if names.len() > NAMED {
            about = format!("{about} +{}", text::count((names.len() - NAMED) as u64));
        }
        alerts.push(Alert { code, about, said });
    }
}

/// How the last run ended for a table: the word, and what was said.
pub(super) fn ended(table: &TableSummary) -> Option<(&str, Option<&str>)> {
    let outcome = table.last_outcome.as_deref()?;
    Some(outcome.split_once(": ").map_or((outcome, None), |(word, said)| (word, Some(said))))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tenantry_replication::catalog::schema::Language;

    use super::*;

    const HOUR: Micros = 3_600 * MICROS_PER_SECOND;

    fn figures(read_hours_ago: i64, tables: Vec<TableSummary>) -> Figures {
        Figures {
            at: 0,
            tables,
            runs: Vec::new(),
            losses: tenantry_replication::destination::Losses { counts: (1, 0), ..Default::default() },
            read_until: Some(1_000 * HOUR - read_hours_ago * HOUR),
            has_aggregates: false,
            answers: std::sync::Arc::default(),
            asked_at: 0,
        }
    }

    fn codes(figures: &Figures, days: u64) -> Vec<Code> {
        let facts = Facts { retention: Some(Duration::from_hours(24 * days)), ..Facts::default() };
        let found = of(Words(Language::English), figures, &Now::default(), &facts, 1_000 * HOUR);
        found.iter().map(|alert| alert.code).collect()
    }

    #[test]
    fn little_time_left_is_a_warning_and_none_an_error() {
        assert!(!codes(&figures(1, Vec::new()), 1).contains(&Code::LogExpiring));
        assert!(codes(&figures(20, Vec::new()), 1).contains(&Code::LogExpiring));
        assert_eq!(codes(&figures(25, Vec::new()), 1)[0], Code::LogExpired, "errors come first");
    }

    #[test]
    fn tables_that_failed_for_one_reason_are_one_alert() {
        let table = |table: &'static str, outcome: &str| TableSummary {
            table,
            live: 0,
            deleted: 0,
            newest: None,
            last_success: None,
            last_outcome: Some(outcome.to_owned()),
            last: None,
        };
        let tables = vec![table("a", "failed: no: way"), table("b", "failed: no: way"), table("c", "done")];
        let facts = Facts::default();
        let found = of(Words(Language::English), &figures(0, tables), &Now::default(), &facts, 0);
        let failed: Vec<&Alert> = found.iter().filter(|alert| alert.code == Code::TableFailed).collect();
        assert_eq!(failed.len(), 1);
        assert_eq!((failed[0].about.as_str(), failed[0].said.as_deref()), ("a, b", Some("no: way")));
    }
}
