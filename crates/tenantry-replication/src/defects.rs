//! Defects that can be planted, to show that the trials find them: each is a mistake that somebody could make.
//!
//! Each has one place in the engine that asks [`planted`] for it. Without the feature `planted-defects`, which only builds of tests have,
//! that is `false` for the compiler, and nothing of them is left in the program. Decides nothing else.

#[cfg(all(feature = "planted-defects", not(debug_assertions)))]
compile_error!("planted defects are for tests: build the release without them");

macro_rules! defects {
    ($($(#[$doc:meta])* $variant:ident,)+) => {
        /// A mistake.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Defect {
            $($(#[$doc])* $variant,)+
        }

        impl Defect {
            /// Every mistake.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($variant),)+
                }
            }
        }
    };
}

defects! {
    // What absence means.
    /// What a complete list no longer holds is not soft-deleted.
    SweepSkipped,
    /// What a list did not hold is soft-deleted although it was not read to its end.
    PartialReadSwept,
    /// Absence is not confirmed: one read is enough to soft-delete.
    AbsenceUnconfirmed,
    /// What a list no longer holds is soft-deleted where its sync time is older than the run, by the clock.
    ClockUsedForDeletes,
    /// A quarantined record counts as gone.
    QuarantineSwallowed,
    /// A record that lacks a part of its key is taken by the rest of it.
    PartOfKeyIsEnough,
    /// A record whose key cannot be read does not keep others from being soft-deleted.
    NamelessSwept,
    /// Children of a quarantined parent are not read, and yet nothing keeps them from being swept.
    QuarantinedParentDropped,
    /// What depends on a record that ended stays.
    CascadeDropped,
    /// A record that is not there is taken for a failure, and its stream is left.
    GoneIsFailure,

    // What a publish writes.
    /// The log's checkpoint is kept before the rows that it stands for.
    CheckpointFirst,
    /// Only half of a stream's tables are published, the checkpoint all the same.
    HalfPublished,
    /// Children that a record no longer has stay.
    ChildrenUpserted,
    /// Children of the earlier pages that a record came on stay.
    EarlierPagesKept,
    /// A row of a fan-out is told apart by its own id alone, without its parent's.
    KeyWithoutParent,
    /// A row that was marked deleted and comes again as it was stays deleted.
    TombstoneForever,
    /// A publish that was not acknowledged is sent again as it was: its rows are no longer staged.
    CommitRetriedBlindly,
    /// Rows that an earlier run staged are published with the next one's.
    StaleStageKept,
    /// A record that does not fit is dropped silently.
    QuarantineUnwritten,
    /// A read that was not complete moves its checkpoint.
    IncompleteMovesCheckpoint,

    /// A process that has lost the lease goes on writing.
    FenceIgnored,

    // How lists are read.
    /// The last page of a list that is read from position to position is dropped.
    LastPageDropped,
    /// A total that moves while a list is read by page numbers says nothing.
    MovedTotalIgnored,
    /// A list of pages that may have shifted is believed where the log told of changes in it.
    ShiftedPagesTrusted,
    /// An answer that is not JSON counts as an empty list.
    MalformedIsEmpty,
    /// A list that goes in a circle is read on.
    CircleFollowed,
    /// A list that names a new position for ever, and gives nothing there, is read on.
    EmptyPagesFollowed,
    /// A page with more records than were asked for is believed.
    LargerPageBelieved,
    /// Users of one instant that fill a page are not told apart.
    TiesSkipped,
    /// Changed users are asked for after the last change, not from it on.
    ExclusiveLowerBound,
    /// Changed users are asked for from the last run on, without an overlap.
    UsersOverlapDropped,
    /// An export file that ends early counts as whole.
    ShortFileIsWhole,
    /// A parked read that is gone on with counts from now, not from when it began.
    ResumedReadIsFresh,

    // How the log is read, and what it tells.
    /// A log whose pages lead back to earlier ones is read on.
    LogCircleFollowed,
    /// Nothing before the log's checkpoint is read again.
    LogOverlapDropped,
    /// A gap is seen and not written down.
    GapUnwritten,
    /// Nobody looks whether the log still reaches back to its checkpoint.
    GapOverlooked,
    /// A log with a gap narrows what is read all the same.
    GapNarrows,
    /// A log that is shorter than the time since a stream was up to date narrows what is read all the same.
    ShortLogNarrows,
    /// Events that are written count as applied, whatever became of the run that wrote them.
    WrittenMeansApplied,
    /// Lists are thought to hold what the log tells as soon as it tells it.
    ListsThoughtSettled,
    /// Run numbers are given again after a crash.
    RunNumberReused,

    // Time.
    /// Changes are timed by our own clock, not by the tenant's.
    OwnClockTrusted,
    /// With a token that was given, changes are timed by our own clock before the tenant has told its own.
    OwnClockForGivenToken,
    /// A checkpoint from the future is believed.
    FutureBelieved,

    // Requests.
    /// A token that is refused takes the one with it that has come since.
    TokenRefreshedTwice,
    /// A refused token is not replaced.
    TokenNotRenewed,
    /// The token goes to the host of the export files.
    TokenSentToFileHost,
    /// A broken connection ends a read.
    NeverRetried,
    /// However long the API asks to wait, it is waited for.
    EndlessPatience,
    /// Requests go out whatever the tenant's limits leave.
    LimitsIgnored,
    /// An error tells whose record was asked for.
    KeyInMessage,
}

#[cfg(feature = "planted-defects")]
mod selected {
    //! Which mistake the thread makes, and at the places of which it came by: a trial runs in one thread.

    use std::cell::Cell;

    use super::Defect;

    thread_local! {
        static PLANTED: Cell<Option<Defect>> = const { Cell::new(None) };
        /// One bit for each mistake.
        static REACHED: Cell<u128> = const { Cell::new(0) };
    }

    const _: () = assert!(Defect::ALL.len() <= u128::BITS as usize);

    /// Plants a mistake in all that this thread runs from now on, or none.
    pub fn plant(defect: Option<Defect>) {
        PLANTED.set(defect);
    }

    /// Mistakes whose places this thread came by since it was last asked: others cannot have shown.
    pub fn reached() -> Vec<Defect> {
        let reached = REACHED.take();
        Defect::ALL.iter().copied().filter(|defect| reached >> (*defect as u32) & 1 == 1).collect()
    }

    /// Whether the thread makes this mistake.
    pub(crate) fn planted(defect: Defect) -> bool {
        REACHED.set(REACHED.get() | 1 << (defect as u32));
        PLANTED.get() == Some(defect)
    }
}

#[cfg(feature = "planted-defects")]
pub(crate) use selected::planted;
#[cfg(feature = "planted-defects")]
pub use selected::{plant, reached};

/// Whether this mistake is made: never, in a build without planted defects.
#[cfg(not(feature = "planted-defects"))]
pub(crate) const fn planted(_: Defect) -> bool {
    false
}
