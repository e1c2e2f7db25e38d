//! The groups of faults that a trial draws from, each of which can be switched off.
//!
//! Names and odds alone; what a fault does stands where it strikes: `network` and `warehouse`.

use crate::chance::Chance;

macro_rules! groups {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// A group of faults.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Group {
            $($(#[$doc])* $variant,)+
        }

        impl Group {
            /// Every group.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name that `--without` takes.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

groups! {
    /// The connection is refused: the tenant hears nothing.
    Refused = "refused",
    /// The tenant answers, and the answer is lost.
    AnswerLost = "answer-lost",
    /// The connection breaks in the middle of a body.
    Cut = "cut",
    /// A body ends early without anything that says so.
    Unframed = "unframed",
    /// A body ends early in a well-formed answer.
    Truncated = "truncated",
    /// An export file ends at a line's end, before its own.
    ShortFile = "short-file",
    /// An export file arrives with wrong bytes in it.
    Corrupt = "corrupt",
    /// Nothing comes until time is out.
    Stalled = "stalled",
    /// An answer takes long.
    Slow = "slow",
    /// 408, 409, 500, 502, 503, 504.
    ServerError = "server-error",
    /// 429, with all kinds of headers.
    Limited = "limited",
    /// The token is no longer valid from here on.
    Revoked = "revoked",
    /// The credentials are refused for the rest of a run.
    Denied = "denied",
    /// An endpoint is refused for the rest of a run: its scope was taken, or the plan does not have it.
    Withheld = "withheld",
    /// A web page with status 200.
    WebPage = "web-page",
    /// JSON of another shape.
    WrongShape = "wrong-shape",
    /// A list's next position is one that it was at before.
    Circling = "circling",
    /// A list names another position for ever.
    Endless = "endless",
    /// A list's total is more than it holds.
    Miscounted = "miscounted",
    /// A page of a list comes once more in place of the next one.
    PageAgain = "page-again",
    /// A page holds more than was asked for.
    LargerPage = "larger-page",
    /// A record that does not fit its table, once.
    OddRecord = "odd-record",
    /// A redirect to another host.
    Redirected = "redirected",
    /// The link to an export file has expired.
    LinkExpired = "link-expired",
    /// An export job fails, expires or is not known any more.
    JobFailed = "job-failed",
    /// Our clock is wrong, and jumps.
    ClockWrong = "clock-wrong",
    /// A run may send only so many requests.
    Allowance = "allowance",
    /// No space is left when rows are staged or parked.
    DiskFull = "disk-full",
    /// The destination cannot be read.
    ReadFailed = "read-failed",
    /// A commit is refused: nothing of it happened.
    CommitRefused = "commit-refused",
    /// A commit happened, and its acknowledgement is lost.
    CommitUnacknowledged = "commit-unacknowledged",
    /// The destination takes its time.
    SlowDestination = "slow-destination",
}

impl Group {
    /// How often it strikes, by occasion (a request, a call of the destination); drawn anew for each trial.
    pub(crate) fn odds(self, chance: &mut Chance) -> f64 {
        match self {
            Self::Slow | Self::SlowDestination => chance.magnitude(0.02, 0.3),
            Self::LinkExpired | Self::JobFailed | Self::Corrupt | Self::ShortFile => {
                chance.magnitude(0.1, 0.6)
            }
            Self::Withheld | Self::Redirected => chance.magnitude(0.001, 0.01),
            Self::Allowance | Self::ClockWrong => chance.magnitude(0.1, 0.7),
            Self::DiskFull | Self::ReadFailed | Self::CommitRefused | Self::CommitUnacknowledged => {
                chance.magnitude(0.002, 0.05)
            }
            Self::Denied => chance.magnitude(0.05, 0.3),
            Self::Circling | Self::Endless | Self::LargerPage => chance.magnitude(0.01, 0.15),
            Self::OddRecord | Self::Miscounted => chance.magnitude(0.03, 0.3),
            _ => chance.magnitude(0.003, 0.06),
        }
    }
}
