//! What a command can end with: an exit status, or an error with its causes and what to do next.
//!
//! The kind of an error decides the exit code; hints are data, rendered last. Nothing here knows where an error came from.

use std::error::Error;
use std::fmt::Write as _;
use std::io;

use serde_json::{Value, json};
use tenantry_replication::error::{DestinationError, DestinationErrorKind, SourceError, SourceErrorKind};
use tenantry_replication::sync::SyncError;

/// How a command ended. The codes are stable: scripts depend on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything asked for was done.
    Done,
    /// Finished, but some tables failed or were skipped, or a check found something.
    Incomplete,
    /// Wrong usage or configuration, or a bug.
    Usage,
    /// The credentials or their scopes are refused: nothing could run.
    Credentials,
    /// The allowance of requests or time is used up; a later run goes on.
    Budget,
    /// The destination cannot be opened, is locked or full, or refused what was asked.
    Destination,
    /// A stretch of the tenant's history can no longer be read, and that was recorded.
    Gap,
    /// Stopped by a signal; a later run goes on.
    Interrupted,
}

impl Exit {
    /// Every status, in the order of the codes.
    pub(crate) const ALL: [Self; 8] = [
        Self::Done,
        Self::Incomplete,
        Self::Usage,
        Self::Credentials,
        Self::Budget,
        Self::Destination,
        Self::Gap,
        Self::Interrupted,
    ];

    /// The process exit code.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Incomplete => 1,
            Self::Usage => 2,
            Self::Credentials => 3,
            Self::Budget => 4,
            Self::Destination => 5,
            Self::Gap => 6,
            Self::Interrupted => 130,
        }
    }

    /// The word that `--json` gives as `outcome`.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Incomplete => "incomplete",
            Self::Usage => "usage",
            Self::Credentials => "credentials",
            Self::Budget => "budget",
            Self::Destination => "destination",
            Self::Gap => "gap",
            Self::Interrupted => "interrupted",
        }
    }

    /// What it means, for the help and the documents.
    pub(crate) const fn about(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Incomplete => "some tables failed or were skipped, or a check found something to do",
            Self::Usage => "wrong usage or configuration",
            Self::Credentials => "credentials or scopes refused: nothing could run",
            Self::Budget => "allowance of requests or time used up; run again to go on",
            Self::Destination => "destination unavailable, locked, full or refusing",
            Self::Gap => "a gap in the tenant's logs was recorded",
            Self::Interrupted => "interrupted; run again to go on",
        }
    }
}

/// What a command gives back.
pub(crate) type CommandResult = Result<Exit, CommandError>;

/// A command that could not do what was asked.
#[derive(Debug)]
pub(crate) struct CommandError {
    /// What the process exits with; `None` for a closed pipe, which is no failure.
    exit: Option<Exit>,
    /// What failed and why; its sources are the causes.
    error: Box<dyn Error + Send + Sync>,
    /// What to do next, most useful first.
    hints: Vec<String>,
}

impl CommandError {
    /// An error that ends the process with `exit`.
    pub(crate) fn new(exit: Exit, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { exit: Some(exit), error: error.into(), hints: Vec::new() }
    }

    /// The user asked for something that cannot be.
    pub(crate) fn usage(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Exit::Usage, error)
    }

    /// The same with something to do about it.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The same with a hint where there is one.
    #[must_use]
    pub(crate) fn hint_if(self, hint: Option<String>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    /// What the process exits with. A reader that closed the pipe got what it wanted.
    pub(crate) fn exit(&self) -> Exit {
        self.exit.unwrap_or(Exit::Done)
    }

    /// Whether something to do is already said.
    pub(crate) fn has_hints(&self) -> bool {
        !self.hints.is_empty()
    }

    /// Whether there is nobody left to tell.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        self.exit.is_none()
    }

    /// What people read: the error, its causes, and after a blank line the hints. `label` paints a label such as `error:`.
    pub(crate) fn render(&self, label: impl Fn(&str) -> String) -> String {
        let mut text = format!("{} {}\n", label("error:"), self.error);
        for cause in self.causes() {
            let _ = writeln!(text, "  {} {cause}", label("caused by:"));
        }
        for (index, hint) in self.hints.iter().enumerate() {
            let gap = if index == 0 { "\n" } else { "" };
            let _ = writeln!(text, "{gap}{} {hint}", label("hint:"));
        }
        text
    }

    /// What programs read.
    pub(crate) fn to_json(&self) -> Value {
        let exit = self.exit();
        json!({
            "outcome": exit.word(),
            "exit_code": exit.code(),
            "error": self.error.to_string(),
            "causes": self.causes(),
            "hints": self.hints,
        })
    }

    /// The chain of sources, without one that only repeats what was said before it.
    fn causes(&self) -> Vec<String> {
        let mut said = self.error.to_string();
        let mut causes = Vec::new();
        let mut source = self.error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            if !said.ends_with(&text) {
                causes.push(text.clone());
                said = text;
            }
            source = cause.source();
        }
        causes
    }
}

impl From<io::Error> for CommandError {
    /// Failures to write to the terminal or a pipe; everything else is wrapped by whoever knows the path.
    fn from(error: io::Error) -> Self {
        let exit = (error.kind() != io::ErrorKind::BrokenPipe).then_some(Exit::Incomplete);
        Self { exit, error: error.into(), hints: Vec::new() }
    }
}

impl From<SourceError> for CommandError {
    fn from(error: SourceError) -> Self {
        let (exit, hint) = match error.kind {
            SourceErrorKind::Unauthorized => (
                Exit::Credentials,
                Some(
                    "check the domain, client id and secret of the application; `tenantry check` shows each of them",
                ),
            ),
            SourceErrorKind::ScopeMissing => {
                (Exit::Credentials, Some("`tenantry check` lists which scope each table needs"))
            }
            SourceErrorKind::NotOffered => (Exit::Credentials, None),
            SourceErrorKind::RateLimited => {
                (Exit::Budget, Some("run the same command again later: it goes on where this one stopped"))
            }
            SourceErrorKind::AllowanceSpent => {
                (Exit::Budget, Some("run the same command again: it goes on where this one stopped"))
            }
            SourceErrorKind::LimitExceeded => (Exit::Budget, None),
            SourceErrorKind::Unavailable => (
                Exit::Incomplete,
                Some("check the network and AUTH0_DOMAIN, then run the same command again"),
            ),
            SourceErrorKind::NotFound
            | SourceErrorKind::Refused
            | SourceErrorKind::PositionExpired
            | SourceErrorKind::Malformed => (Exit::Incomplete, None),
        };
        Self::new(exit, error).hint_if(hint.map(str::to_owned))
    }
}

impl From<DestinationError> for CommandError {
    fn from(error: DestinationError) -> Self {
        let hint = match error.kind {
            DestinationErrorKind::Locked => Some(
                "close the other process that has it open (another run, or a database shell), then try again",
            ),
            DestinationErrorKind::Held => {
                Some("let the other process do the work, or stop it; then run the same command again")
            }
            DestinationErrorKind::Full => {
                Some("make room, then run the same command again: nothing was lost")
            }
            DestinationErrorKind::OtherTenant => Some(
                "give each tenant a file or a database of its own, such as --destination duckdb:OTHER.duckdb (or remove the file, if it was only a demo)",
            ),
            DestinationErrorKind::Newer => {
                Some("use the newer version of tenantry that wrote it, or another --destination")
            }
            DestinationErrorKind::SchemaConflict => {
                Some("rename or drop the table that is in the way, or use another --destination")
            }
            DestinationErrorKind::Unavailable
            | DestinationErrorKind::Absent
            | DestinationErrorKind::Query
            | DestinationErrorKind::Failed => None,
        };
        Self::new(Exit::Destination, error).hint_if(hint.map(str::to_owned))
    }
}

impl From<SyncError> for CommandError {
    fn from(error: SyncError) -> Self {
        match error {
            SyncError::Source(error) => error.into(),
            SyncError::Destination(error) => error.into(),
        }
    }
}

/// The name among `known` that `name` is most likely a misspelling of.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |candidate: &str| match strsim::osa_distance(name, candidate) {
        // One slip of the fingers, however short the name.
        0 | 1 => 1.0,
        _ => strsim::jaro_winkler(name, candidate),
    };
    known
        .into_iter()
        .filter(|candidate| likeness(candidate) > LIKENESS_MIN)
        .max_by(|left, right| likeness(left).total_cmp(&likeness(right)).then_with(|| right.cmp(left)))
}

/// Likeness from which on a name is suggested (1 is equal).
const LIKENESS_MIN: f64 = 0.8;

/// `did you mean …?` where a known name is near.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(name, known).map(|candidate| format!("did you mean `{candidate}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(label: &str) -> String {
        label.to_owned()
    }

    #[test]
    fn an_error_shows_its_causes_and_then_its_hints() {
        let cause = SourceError::new(SourceErrorKind::Unavailable, "connect to host", "connection refused");
        let error =
            SourceError::new(SourceErrorKind::Unavailable, "read /users", "no answer").caused_by(cause);
        let rendered = CommandError::from(error).hint("another").render(plain);
        insta::assert_snapshot!(rendered, @r"
        error: read /users: no answer
          caused by: connect to host: connection refused

        hint: check the network and AUTH0_DOMAIN, then run the same command again
        hint: another
        ");
    }

    #[test]
    fn a_cause_that_repeats_the_error_is_said_once() {
        let cause = io::Error::other("no route to host");
        let error =
            SourceError::new(SourceErrorKind::Malformed, "read /roles", "no route to host").caused_by(cause);
        assert_eq!(CommandError::from(error).render(plain), "error: read /roles: no route to host\n");
    }

    #[test]
    fn a_closed_pipe_is_success() {
        let error = CommandError::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(error.is_broken_pipe());
        assert_eq!(error.exit(), Exit::Done);
        assert_eq!(CommandError::from(io::Error::from(io::ErrorKind::StorageFull)).exit(), Exit::Incomplete);
    }

    #[test]
    fn codes_are_the_documented_ones() {
        let codes = Exit::ALL.map(|exit| (exit.word(), exit.code()));
        assert_eq!(
            codes,
            [
                ("done", 0),
                ("incomplete", 1),
                ("usage", 2),
                ("credentials", 3),
                ("budget", 4),
                ("destination", 5),
                ("gap", 6),
                ("interrupted", 130)
            ]
        );
    }

    #[test]
    fn suggests_only_what_is_near() {
        assert_eq!(nearest("domian", ["domain", "audience"]), Some("domain"));
        assert_eq!(nearest("tga", ["scope", "tag"]), Some("tag"));
        assert_eq!(nearest("zzz", ["domain", "audience"]), None);
    }
}
