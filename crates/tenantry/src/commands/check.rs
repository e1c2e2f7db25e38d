//! `tenantry check`: whether a run would work, and what to do where it would not.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use tenantry_destinations::Access;
use tenantry_replication::catalog::CATALOG;
use tenantry_replication::clock::Clock as _;
use tenantry_replication::source;
use tenantry_replication::source::auth0::EVENTS_SCOPE;

use crate::cli::{DestinationArgs, TenantArgs};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::error::{CommandError, CommandResult, Exit};
use crate::wiring::{self, Tenant};
use crate::{report, terminal};

/// Seconds that the tenant's clock and ours may differ before it is worth a word.
const CLOCK_SECONDS_MAX: i64 = 60;
/// How long the tenant may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Check token, scopes, clock and destination before a run
///
/// Says of each whether it is fine or what to do. Reads no records and writes no rows; makes an empty destination where there is none.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    tenant: TenantArgs,
    #[command(flatten)]
    destination: DestinationArgs,
    /// Print one JSON object instead of lines
    #[arg(long)]
    pub(crate) json: bool,
}

/// How one thing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Fine,
    Look,
    Wrong(Exit),
}

/// One thing that was looked at.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    verdict: Verdict,
    subject: &'static str,
    text: String,
    advice: Option<String>,
}

impl Finding {
    fn new(verdict: Verdict, subject: &'static str, text: impl Into<String>) -> Self {
        Self { verdict, subject, text: text.into(), advice: None }
    }

    fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// An error as a finding: what failed and why, and its first hint.
    fn error(subject: &'static str, error: &CommandError) -> Self {
        let json = error.to_json();
        let texts = |member: &str| {
            let values = json[member].as_array().into_iter().flatten();
            values.filter_map(|value| value.as_str().map(str::to_owned)).collect::<Vec<_>>()
        };
        let mut text = json["error"].as_str().unwrap_or_default().to_owned();
        for cause in texts("causes") {
            text = format!("{text}: {cause}");
        }
        let finding = Self::new(Verdict::Wrong(error.exit()), subject, text);
        match texts("hints").into_iter().next() {
            Some(hint) => finding.advice(hint),
            None => finding,
        }
    }
}

pub(crate) async fn run(args: &CheckArgs) -> CommandResult {
    super::for_each_tenant(&args.tenant, args.json, async |config| check(args, config).await).await
}

async fn check(args: &CheckArgs, config: &Config) -> CommandResult {
    let mut findings = Vec::new();
    if let Some(path) = config.path() {
        findings.push(Finding::new(Verdict::Fine, "configuration", format!("{} read", path.display())));
    }
    let clock = Arc::new(SystemClock::new());
    match wiring::tenant(config, Arc::clone(&clock) as _) {
        Ok(tenant) => check_tenant(&tenant, &clock, &mut findings).await,
        Err(error) => findings.push(Finding::error("token", &error)),
    }
    let url = config.destination(args.destination.destination.as_deref())?;
    findings.push(check_destination(config, &url).await);
    let exit = worst(&findings);
    if args.json {
        terminal::print_json(&config.labelled(to_json(&findings, exit)))?;
    } else {
        terminal::print(&to_text(&findings))?;
    }
    Ok(exit)
}

async fn check_tenant(tenant: &Tenant, clock: &SystemClock, findings: &mut Vec<Finding>) {
    let connected = tokio::select! {
        connected = tenant.connect() => connected.map_err(CommandError::from),
        () = clock.sleep(PATIENCE) => Err(no_answer(&tenant.domain)),
    };
    match connected {
        Ok(access) => {
            let application =
                tenant.client_id.as_deref().map_or_else(String::new, |id| format!(" of application {id}"));
            let text = format!("{} accepts the {}{application}", tenant.domain, tenant.means);
            findings.push(Finding::new(Verdict::Fine, "token", text));
            findings.extend(scopes(&access, tenant.client_id.as_deref()));
            findings.push(time(access.clock_ahead_seconds));
        }
        Err(error) => findings.push(Finding::error("token", &error)),
    }
}

/// A run would go on trying; whoever checks wants to know.
fn no_answer(domain: &str) -> CommandError {
    let error = format!("{domain} did not answer within {} s", PATIENCE.as_secs());
    CommandError::new(Exit::Incomplete, error).hint("check the network and AUTH0_DOMAIN")
}

/// A line for each scope that a table needs, one for that of the feed, and one for those that nothing needs.
fn scopes(access: &source::Access, client_id: Option<&str>) -> Vec<Finding> {
    let Some(granted) = &access.scopes else {
        return vec![Finding::new(
            Verdict::Look,
            "scope",
            "the token does not tell which scopes it has; a run will",
        )];
    };
    let mut findings = Vec::new();
    let needed: BTreeSet<&str> =
        CATALOG.streams.iter().filter_map(|stream| Some(stream.endpoint.as_ref()?.scope)).collect();
    let missing = report::missing_scopes(&CATALOG, access, CATALOG.tables().map(|table| table.name));
    for scope in &needed {
        let tables = CATALOG
            .streams
            .iter()
            .filter(|stream| stream.endpoint.as_ref().is_some_and(|one| one.scope == *scope));
        let names: Vec<&str> = tables.flat_map(|stream| stream.tables).map(|table| table.name).collect();
        let names = names.join(", ");
        findings.push(match missing.get_key_value(scope) {
            None => Finding::new(Verdict::Fine, "scope", format!("{scope}: {names}")),
            Some((scope, tables)) => {
                let advice =
                    report::grant_hint(&[(*scope, tables.clone())].into(), client_id).unwrap_or_default();
                let text = format!("{scope} is missing, these are skipped: {names}");
                Finding::new(Verdict::Wrong(Exit::Incomplete), "scope", text).advice(advice)
            }
        });
    }
    let text = if granted.iter().any(|scope| scope == EVENTS_SCOPE) {
        format!("{EVENTS_SCOPE}: events for `tenantry sync --follow`")
    } else {
        format!(
            "{EVENTS_SCOPE} is not granted; it is optional: without it `tenantry sync --follow` goes by the log alone"
        )
    };
    findings.push(Finding::new(Verdict::Fine, "scope", text));
    let spare: Vec<&str> = granted
        .iter()
        .map(String::as_str)
        .filter(|scope| !needed.contains(scope) && *scope != EVENTS_SCOPE)
        .collect();
    if !spare.is_empty() {
        let text = format!("{} that no table needs, such as {}", count_scopes(spare.len()), spare[0]);
        let advice =
            format!("take away what nothing else of this application needs: {}", report::WHERE_TO_GRANT);
        findings.push(Finding::new(Verdict::Look, "scope", text).advice(advice));
    }
    findings
}

fn count_scopes(number: usize) -> String {
    terminal::text::counted(number as u64, "scope")
}

fn time(ahead_seconds: Option<i64>) -> Finding {
    match ahead_seconds {
        None => Finding::new(Verdict::Look, "clock", "the tenant does not tell its time"),
        Some(seconds) if seconds.abs() > CLOCK_SECONDS_MAX => {
            let side = if seconds > 0 { "behind" } else { "ahead of" };
            let text = format!("this machine's clock is {} s {side} the tenant's", seconds.abs());
            Finding::new(Verdict::Look, "clock", text).advice("set this machine's clock, best by NTP")
        }
        Some(_) => Finding::new(Verdict::Fine, "clock", "as the tenant's"),
    }
}

/// Opens it as a run would: so it is known that it can be made, or written, and that nobody else holds it.
async fn check_destination(config: &Config, url: &str) -> Finding {
    let opened = match wiring::destination(config, url, Access::Write).await {
        Ok(destination) => destination.state().await.map_err(CommandError::from),
        Err(error) => Err(error),
    };
    match opened {
        Ok(state) if state.last_run == 0 => {
            Finding::new(Verdict::Fine, "destination", format!("{url} can be written; no run so far"))
        }
        Ok(state) => Finding::new(
            Verdict::Fine,
            "destination",
            format!("{url} can be written; {} so far", terminal::text::counted(state.last_run, "run")),
        ),
        Err(error) => Finding::error("destination", &error),
    }
}

/// The exit status of the gravest finding: nothing can run without credentials or a destination; the rest comes after.
fn worst(findings: &[Finding]) -> Exit {
    let wrong: Vec<Exit> = findings
        .iter()
        .filter_map(|finding| match finding.verdict {
            Verdict::Wrong(exit) => Some(exit),
            Verdict::Fine | Verdict::Look => None,
        })
        .collect();
    let gravest =
        [Exit::Usage, Exit::Credentials, Exit::Destination].into_iter().find(|exit| wrong.contains(exit));
    gravest.or_else(|| wrong.first().copied()).unwrap_or(Exit::Done)
}

fn to_text(findings: &[Finding]) -> String {
    let mut shown = String::new();
    for finding in findings {
        let (style, word) = match finding.verdict {
            Verdict::Fine => (terminal::GOOD, "ok   "),
            Verdict::Look => (terminal::WARNING, "look "),
            Verdict::Wrong(_) => (terminal::BAD, "wrong"),
        };
        let text = terminal::text::visible(&finding.text);
        let _ = writeln!(shown, "{}  {:<13}  {text}", terminal::paint(style, word), finding.subject);
        if let Some(advice) = &finding.advice {
            let label = terminal::paint(terminal::ADVICE, "to do:");
            let _ = writeln!(shown, "{:22}{label} {}", "", terminal::text::visible(advice));
        }
    }
    shown
}

fn to_json(findings: &[Finding], exit: Exit) -> serde_json::Value {
    let finding = |finding: &Finding| {
        let verdict = match finding.verdict {
            Verdict::Fine => "ok",
            Verdict::Look => "look",
            Verdict::Wrong(_) => "wrong",
        };
        json!({ "verdict": verdict, "subject": finding.subject, "text": finding.text, "to_do": finding.advice })
    };
    json!({
        "outcome": exit.word(),
        "exit_code": exit.code(),
        "findings": findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(scopes: &[&str]) -> source::Access {
        source::Access {
            scopes: Some(scopes.iter().map(|scope| (*scope).to_owned()).collect()),
            clock_ahead_seconds: Some(0),
        }
    }

    fn needed() -> Vec<&'static str> {
        CATALOG.streams.iter().filter_map(|stream| Some(stream.endpoint.as_ref()?.scope)).collect()
    }

    #[test]
    fn every_needed_scope_gets_a_line() {
        let findings = scopes(&granted(&needed()), None);
        assert!(findings.iter().all(|finding| finding.verdict == Verdict::Fine), "{findings:?}");
        assert_eq!(findings.len(), needed().into_iter().collect::<BTreeSet<_>>().len() + 1);
    }

    #[test]
    fn the_scope_of_the_feed_is_optional_and_never_spare() {
        let of_feed = |scopes: &[&str]| {
            let findings = self::scopes(&granted(scopes), None);
            assert_eq!(worst(&findings), Exit::Done);
            assert!(findings.iter().all(|finding| finding.verdict == Verdict::Fine), "{findings:?}");
            findings.iter().find(|finding| finding.text.starts_with(EVENTS_SCOPE)).unwrap().text.clone()
        };
        let mut scopes = needed();
        assert!(of_feed(&scopes).contains("optional"));
        scopes.push(EVENTS_SCOPE);
        assert!(!of_feed(&scopes).contains("optional"));
    }

    #[test]
    fn a_missing_scope_is_named_with_its_tables_and_where_to_grant_it() {
        let all = needed();
        let missing = all[0];
        let rest: Vec<&str> = all.iter().copied().filter(|scope| *scope != missing).collect();
        let findings = scopes(&granted(&rest), Some("app"));
        let wrong: Vec<&Finding> =
            findings.iter().filter(|finding| finding.verdict == Verdict::Wrong(Exit::Incomplete)).collect();
        assert_eq!(wrong.len(), 1);
        assert!(wrong[0].text.starts_with(missing));
        assert!(wrong[0].text.contains(CATALOG.streams[0].root().name));
        assert_eq!(
            wrong[0].advice,
            Some(format!("grant `{missing}` to application app: {}", report::WHERE_TO_GRANT))
        );
        assert_eq!(worst(&findings), Exit::Incomplete);
    }

    #[test]
    fn spare_scopes_are_worth_a_look() {
        let mut all = needed();
        all.push("update:users");
        let findings = scopes(&granted(&all), None);
        let looks: Vec<&Finding> =
            findings.iter().filter(|finding| finding.verdict == Verdict::Look).collect();
        assert_eq!(looks.len(), 1);
        assert!(looks[0].text.contains("update:users"));
        assert_eq!(worst(&findings), Exit::Done);
    }

    #[test]
    fn a_clock_that_is_off_is_worth_a_look() {
        assert_eq!(time(Some(-3)).verdict, Verdict::Fine);
        assert_eq!(time(Some(90)).text, "this machine's clock is 90 s behind the tenant's");
        assert_eq!(time(Some(-90)).text, "this machine's clock is 90 s ahead of the tenant's");
    }

    #[test]
    fn what_stops_everything_decides_the_exit_code() {
        let wrong = |exit| Finding::new(Verdict::Wrong(exit), "x", "y");
        assert_eq!(worst(&[wrong(Exit::Incomplete), wrong(Exit::Destination)]), Exit::Destination);
        assert_eq!(worst(&[wrong(Exit::Destination), wrong(Exit::Credentials)]), Exit::Credentials);
        assert_eq!(worst(&[]), Exit::Done);
    }
}
