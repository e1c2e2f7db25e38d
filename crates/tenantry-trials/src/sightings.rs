//! Interesting states that trials must reach: a generator that cannot produce them shows nothing.
//!
//! Counts and names; whoever sees one notes it.

use std::collections::BTreeMap;

use crate::faults::Group;

macro_rules! sightings {
    ($($(#[$doc:meta])* $variant:ident,)+) => {
        /// A state that some trial must have been in.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Sighting {
            $($(#[$doc])* $variant,)+
            /// A fault of this group struck.
            Struck(Group),
        }

        impl Sighting {
            const STATES: &[Self] = &[$(Self::$variant,)+];
        }
    };
}

sightings! {
    /// A crash while rows were staged and not published.
    CrashBetweenStageAndPublish,
    /// A crash after a commit, before anybody knew of it.
    CrashRightAfterCommit,
    /// A crash with a request under way.
    CrashDuringRequest,
    /// A crash in the middle of a body.
    CrashDuringBody,
    /// A crash in the run that followed a crash.
    CrashTwiceInARow,
    /// A crash while children of many parents were read.
    CrashWithinFanOut,
    /// A 401 while children of many parents were read.
    RevokedWithinFanOut,
    /// A second token within one run.
    TokenRenewed,
    /// A 429 of the tenant's own limits, and a later success at the same address.
    OwnLimitObeyed,
    /// A failed request, and the same page again, with success.
    PageRetried,
    /// A page of a list that was not its first failed and was asked for again.
    LaterPageRetried,
    /// The tenant changed between two pages of one list.
    ChangedBetweenPages,
    /// Users came by an export job.
    UsersExported,
    /// Users came by a walk over their time of change.
    UsersWalked,
    /// More users of one instant than a page holds.
    TiedUsersSplit,
    /// A record that a list no longer held was asked for by its key and is gone.
    GoneConfirmedByKey,
    /// A record that a list did not hold was asked for by its key and is there.
    AbsentButThere,
    /// A row was marked deleted.
    SoftDeleted,
    /// A row that was marked deleted came back.
    KeyReturned,
    /// A run followed the log and read no list of users.
    LogFollowed,
    /// The log was gone on with after a crash.
    LogResumed,
    /// An event became readable after one with a higher id.
    LateEvent,
    /// A checkpoint of the log outlived what the tenant keeps.
    GapRecorded,
    /// A gap, and what it stands for was really lost.
    EventsLost,
    /// A record was quarantined.
    Quarantined,
    /// A table was skipped.
    TableSkipped,
    /// A stream failed, and its tables stayed as they were.
    StreamFailed,
    /// A read was stopped by its allowance.
    ReadStopped,
    /// A parked read was gone on with.
    ReadResumed,
    /// A run ended with an error of the destination.
    DestinationFailed,
    /// A run ended with an error of the source.
    SourceFailed,
    /// A user was linked to another and vanished without an event of its own.
    UserLinkedAway,
    /// More than 50 records changed or went between two runs.
    ManyChanged,
    /// The log's retention became shorter.
    RetentionShrunk,
    /// Events expired behind the position at which a run was reading the log.
    ExpiredWhileRead,
    /// A second process was kept out by the lease.
    LeaseRefused,
    /// A process lost its lease while it ran, and was refused to write.
    LeaseLost,
    /// A round of following was followed by another.
    Followed,
    /// A round began because the feed told of something.
    FeedHeard,
    /// A verification came to its end.
    Verified,
    /// A crash within a verification.
    CrashWithinVerify,
    /// A commit that was not acknowledged was made again by the next run.
    CommitRepeated,
    /// A list's next position led back to an earlier one that it was not at.
    WideCircle,
    /// A list was read beyond its end.
    ReadBeyondEnd,
    /// A read counted as not complete although it came to its end.
    ReadIncomplete,
    /// A record of a list that others depend on was quarantined by its key.
    ParentQuarantined,
    /// A run read the log alone.
    LogAlone,
    /// A run began with a token that it was given.
    TokenGiven,
    /// A run began with times on record that had not come yet.
    NotedAhead,
}

impl Sighting {
    /// Every state and every group of faults.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::STATES.iter().copied().chain(Group::ALL.iter().map(|group| Self::Struck(*group)))
    }

    /// As reports show it.
    pub fn name(self) -> String {
        match self {
            Self::Struck(group) => format!("fault {}", group.name()),
            state => format!("{state:?}"),
        }
    }
}

/// How often each state was seen.
#[derive(Debug, Clone, Default)]
pub struct Sightings(BTreeMap<Sighting, u64>);

impl Sightings {
    pub(crate) fn note(&mut self, sighting: Sighting) {
        *self.0.entry(sighting).or_default() += 1;
    }

    /// Adds those of another trial.
    pub fn add(&mut self, other: &Self) {
        for (sighting, count) in &other.0 {
            *self.0.entry(*sighting).or_default() += count;
        }
    }

    /// How often a state was seen.
    pub fn count(&self, sighting: Sighting) -> u64 {
        self.0.get(&sighting).copied().unwrap_or_default()
    }

    /// States that were never seen.
    pub fn missing(&self) -> Vec<Sighting> {
        Sighting::all().filter(|sighting| self.count(*sighting) == 0).collect()
    }
}
