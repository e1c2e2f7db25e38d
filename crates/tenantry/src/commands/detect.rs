//! `tenantry detect`: what should make somebody look, and how well the tenant is set up.

use std::time::Duration;

use clap::Args;
use tenantry_insight::{CHECKS, Check, DETECTIONS, Detection, Filter, Severity, check, detection};
use tenantry_replication::catalog::CATALOG;
use tenantry_replication::catalog::schema::Language;
use tenantry_replication::clock::{Clock as _, micros};

use crate::cli::{DestinationArgs, LanguageArgs, TenantArgs};
use crate::clock::SystemClock;
use crate::config::{Config, duration_flag};
use crate::error::{CommandError, CommandResult, Exit, did_you_mean};
use crate::findings::{self, Asked};
use crate::selection::glob;
use crate::{terminal, wiring};

/// Look for attacks, mistakes and weak settings in what was replicated
///
/// Runs detections (what happened since a time) and hygiene checks (how things are set now) on the destination, and shows those that found
/// something, with the first findings of each, what to do, and a score of the tenant's posture from 0 to 100: the weight of the checks that
/// passed, of all that have an answer. Asks the destination alone, and is as fresh as the last sync.
///
/// Ends with 1 where anything was found, with 0 where nothing was. A detection or check whose tables were never filled is told as unknown,
/// and counts as nothing found.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(crate) struct DetectArgs {
    #[command(flatten)]
    tenant: TenantArgs,
    #[command(flatten)]
    destination: DestinationArgs,
    /// How far back detections look, such as 24h or 30d
    #[arg(long, value_name = "TIME", value_parser = duration_flag, default_value = "7d")]
    since: Duration,
    /// What to run: ids with * and ?, severity:WORD, `detections` or `hygiene`; several are a union [default: all]
    #[arg(long, value_name = "SEL", num_args = 1..)]
    select: Vec<String>,
    /// What to leave out; wins over --select
    #[arg(long, value_name = "SEL", num_args = 1..)]
    exclude: Vec<String>,
    /// Findings shown of each detection and check
    #[arg(long, value_name = "N", default_value_t = 3)]
    rows: usize,
    /// Show what found nothing too, and what the tables cannot answer
    #[arg(long)]
    all: bool,
    /// Print the SQL of one detection or check instead, to look at or to make a view of
    #[arg(long, value_name = "ID", conflicts_with_all = ["select", "exclude", "json"])]
    sql: Option<String>,
    #[command(flatten)]
    language: LanguageArgs,
    /// Print one JSON object instead of text, with every finding
    #[arg(long)]
    pub(crate) json: bool,
}

const AFTER: &str = "Examples:\n  tenantry detect --since 24h --select severity:high\n  \
    tenantry detect --select hygiene --json\n  tenantry detect --sql password-spraying\n\n\
    docs/detections.md describes each detection and check.";

pub(crate) async fn run(args: &DetectArgs) -> CommandResult {
    let now = SystemClock::new().now();
    let since = now.saturating_sub(micros(args.since));
    let filter = Filter { since, ..Filter::last_days(0, now) };
    if let Some(id) = &args.sql {
        terminal::print(&format!("{}\n", sql_of(id, &filter)?))?;
        return Ok(Exit::Done);
    }
    let (detections, checks) = selected(&args.select, &args.exclude)?;
    let config = Config::load()?.tenant(args.tenant.tenant.as_deref())?;
    let url = config.destination(args.destination.destination.as_deref())?;
    wiring::check_asked(&url)?;
    let destination = wiring::existing(&config, &url).await?;
    let filled: Vec<&str> = destination
        .summarize(&CATALOG)
        .await?
        .into_iter()
        .filter(|summary| summary.last_success.is_some())
        .map(|summary| summary.table)
        .collect();
    let asked = Asked { detections: &detections, checks: &checks, filter: &filter, filled: &filled };
    let found = findings::find(destination.as_ref(), &asked).await?;
    if args.json {
        terminal::print_json(&found.to_json())?;
    } else {
        let language: Language = args.language.lang.into();
        terminal::print(&found.to_text(language, args.rows, args.all))?;
    }
    Ok(found.exit())
}

fn sql_of(id: &str, filter: &Filter) -> Result<String, CommandError> {
    let detection = detection(id).map(|detection| detection.sql(filter));
    detection.or_else(|| check(id).map(|check| check.sql(filter))).ok_or_else(|| unknown(id))
}

/// What `select` asks for (everything, when it is empty), without what `exclude` names.
fn selected(
    select: &[String],
    exclude: &[String],
) -> Result<(Vec<&'static Detection>, Vec<&'static Check>), CommandError> {
    let words = |selectors: &[String]| -> Vec<String> {
        selectors.iter().flat_map(|one| one.split_whitespace().map(str::to_owned)).collect()
    };
    let (select, exclude) = (words(select), words(exclude));
    for word in select.iter().chain(&exclude) {
        let fits = DETECTIONS.iter().any(|one| takes_detection(word, one))
            || CHECKS.iter().any(|one| takes_check(word, one));
        if !fits {
            return Err(unknown(word));
        }
    }
    let detections = DETECTIONS.iter().filter(|one| {
        (select.is_empty() || select.iter().any(|word| takes_detection(word, one)))
            && !exclude.iter().any(|word| takes_detection(word, one))
    });
    let checks = CHECKS.iter().filter(|one| {
        (select.is_empty() || select.iter().any(|word| takes_check(word, one)))
            && !exclude.iter().any(|word| takes_check(word, one))
    });
    let (detections, checks): (Vec<_>, Vec<_>) = (detections.collect(), checks.collect());
    if detections.is_empty() && checks.is_empty() {
        return Err(CommandError::usage(
            "nothing is left to run: --exclude takes away all that --select asks for",
        ));
    }
    Ok((detections, checks))
}

fn takes_detection(word: &str, detection: &Detection) -> bool {
    match word.split_once(':') {
        Some(("severity", severity)) => severity == detection.severity.id(),
        Some(_) => false,
        None => word == "detections" || glob(word, detection.id),
    }
}

fn takes_check(word: &str, check: &Check) -> bool {
    word == "hygiene" || glob(word, check.id)
}

fn unknown(word: &str) -> CommandError {
    let severities = Severity::ALL.iter().map(|severity| format!("severity:{}", severity.id()));
    let severities: Vec<String> = severities.collect();
    let known = DETECTIONS
        .iter()
        .map(|one| one.id)
        .chain(CHECKS.iter().map(|one| one.id))
        .chain(["detections", "hygiene"])
        .chain(severities.iter().map(String::as_str));
    CommandError::usage(format!("there is no detection or check `{word}`"))
        .hint_if(did_you_mean(word, known))
        .hint("`tenantry detect --all` names all of them, docs/detections.md describes them")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(select: &[&str], exclude: &[&str]) -> Result<Vec<&'static str>, String> {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let (detections, checks) =
            selected(&owned(select), &owned(exclude)).map_err(|error| error.render(str::to_owned))?;
        Ok(detections.iter().map(|one| one.id).chain(checks.iter().map(|one| one.id)).collect())
    }

    #[test]
    fn nothing_said_is_everything_and_words_take_what_they_fit() {
        assert_eq!(ids(&[], &[]).unwrap().len(), DETECTIONS.len() + CHECKS.len());
        assert_eq!(ids(&["detections"], &[]).unwrap().len(), DETECTIONS.len());
        assert_eq!(ids(&["hygiene"], &[]).unwrap().len(), CHECKS.len());
        assert_eq!(
            ids(&["password-spraying mass-deletion"], &[]).unwrap(),
            ["password-spraying", "mass-deletion"]
        );
        assert_eq!(
            ids(&["refresh-token*"], &["refresh-token-reuse"]).unwrap(),
            ["refresh-token-agents", "refresh-token-places", "refresh-tokens-end"]
        );
        let high = ids(&["severity:high"], &[]).unwrap();
        assert!(high.contains(&"password-spraying") && !high.contains(&"sms-bombing"), "{high:?}");
    }

    #[test]
    fn a_misspelling_is_an_error_and_so_is_nothing_left() {
        let said = ids(&["password-spraing"], &[]).unwrap_err();
        assert!(said.contains("did you mean `password-spraying`?"), "{said}");
        assert!(ids(&["hygiene"], &["*"]).unwrap_err().contains("nothing is left to run"));
        assert!(sql_of("passwords", &Filter::last_days(1, 0)).is_err());
    }
}
