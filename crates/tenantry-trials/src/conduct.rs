//! How a run behaves towards the tenant: what it asks for without need, and what it gives up on without need.
//!
//! Looks at requests and answers as they pass. Judges a run by what could be known at its end, and gives it the benefit of every doubt.

use std::collections::BTreeMap;
use std::time::Duration;

use tenantry_replication::clock::Clock as _;
use tenantry_replication::sync::{Outcome, Report, SyncError};

use crate::faults::Group;
use crate::sightings::Sighting;
use crate::world::World;

/// A token may be renewed so long before it ends, or a tenth of its life before where that is shorter, and a second in any case.
const RENEWED_AHEAD: Duration = Duration::from_mins(5);

/// Refused requests of a trial that are no matter: every process learns the limits anew.
const REFUSED_TO_LEARN: u64 = 20;
/// Of more requests than those, one in so many may be refused.
const REFUSED_ONE_IN: u64 = 100;

/// What is noted of one run.
#[derive(Debug, Default)]
pub(crate) struct Conduct {
    /// Times that each address had no good answer.
    stumbles: BTreeMap<String, u32>,
    /// Whether a fault struck that a run need not outlast.
    pub(crate) hard: bool,
    /// Whether the tenant changed while it ran.
    pub(crate) changed: bool,
    /// Whether it is more than one sync, of which one report tells not all.
    pub(crate) several: bool,
    /// Records that were spoiled such that they fit no table, in answers that arrived.
    pub(crate) spoiled: u64,
}

/// Requests to the API in a whole trial, and those that the tenant's own limits refused; but for the time in which another process sends some
/// as well, of which neither knows.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    pub(crate) asked: u64,
    pub(crate) refused: u64,
}

/// A token that arrived, and was not refused.
#[derive(Debug)]
pub(crate) struct Held {
    authorization: String,
    /// When it may be renewed, on the monotonic clock.
    renewed_from: Duration,
}

impl Group {
    /// Whether a stream outlasts one fault of the group.
    pub(crate) const fn passes(self) -> bool {
        matches!(
            self,
            Self::Refused
                | Self::AnswerLost
                | Self::Cut
                | Self::Unframed
                | Self::Truncated
                | Self::Stalled
                | Self::Slow
                | Self::ServerError
                | Self::Revoked
                | Self::WebPage
                | Self::WrongShape
                | Self::ClockWrong
                | Self::SlowDestination
        )
    }
}

/// Notes that a request had no good answer.
pub(crate) fn stumbled(world: &World, target: &str) {
    *world.state().run.conduct.stumbles.entry(target.to_owned()).or_default() += 1;
}

/// I7: a token is asked for only where none is held that can be sent.
pub(crate) fn token_is_asked_for(world: &World) {
    let now = world.clock.monotonic();
    let holds = world.state().held.as_ref().is_some_and(|held| now < held.renewed_from);
    if holds {
        world.violated("I7 bounded", "a token is asked for although the last one still holds");
    }
}

/// Notes the token of an answer that was asked for at `asked` and arrives as it is.
pub(crate) fn token_came(world: &World, body: &[u8], asked: Duration) {
    let Ok(answer) = serde_json::from_slice::<serde_json::Value>(body) else { return };
    let (Some(token), Some(life)) = (answer["access_token"].as_str(), answer["expires_in"].as_f64()) else {
        return;
    };
    let life = Duration::from_secs_f64(life);
    let ahead = RENEWED_AHEAD.min(life / 10).max(Duration::from_secs(1));
    let renewed_from = asked + life.saturating_sub(ahead);
    world.state().held = Some(Held { authorization: format!("Bearer {token}"), renewed_from });
}

/// Notes that an authorization was refused.
pub(crate) fn token_refused(world: &World, authorization: &str) {
    world.state().held.take_if(|held| held.authorization == authorization);
}

/// I8: the tenant's own limits refuse few requests, but for those that it takes to learn them.
pub(crate) fn limits_are_kept(world: &World) {
    let Limits { asked, refused } = world.state().limits;
    // One that was held up on its way arrives beside others, which nobody can foresee.
    let struck = |group| world.state().sightings.count(Sighting::Struck(group));
    let held_up = struck(Group::Slow) + struck(Group::Stalled);
    if refused > REFUSED_TO_LEARN + asked / REFUSED_ONE_IN + held_up {
        world.violated("I8 limits", format!("the tenant's limits refuse {refused} of {asked} requests"));
    }
}

/// I10: what passes fails no stream, and what does not fit is told.
pub(crate) fn judge(world: &World, finished: Result<&Report, &SyncError>) {
    let (excused, spoiled) = {
        let conduct = &world.state().run.conduct;
        let often = conduct.stumbles.values().any(|times| *times > 1);
        (conduct.hard || conduct.changed || often, if conduct.several { 0 } else { conduct.spoiled })
    };
    let report = match finished {
        Ok(report) => report,
        Err(error) => {
            if !excused && matches!(error, SyncError::Source(_)) {
                world.violated("I10 no needless failure", format!("a run fails by what passes: {error}"));
            }
            return;
        }
    };
    let done = [Outcome::Done.word(), Outcome::Frozen.word()];
    let mute = |table: &&tenantry_replication::state::TableRecord| {
        !done.contains(&table.outcome.as_str()) && table.message.as_deref().unwrap_or_default().is_empty()
    };
    if let Some(table) = report.tables.iter().find(mute) {
        let found = format!("{} is {}, and nothing says why", table.table, table.outcome);
        world.violated("I10 named failures", found);
    }
    let failed = report.tables.iter().find(|table| table.outcome == Outcome::Failed.word());
    if let Some(failed) = failed.filter(|_| !excused) {
        let why = failed.message.as_deref().unwrap_or_default();
        world.violated("I10 no needless failure", format!("{} fails by what passes: {why}", failed.table));
    }
    let told: u64 = report.tables.iter().map(|table| table.quarantined).sum();
    if spoiled > 0 && told == 0 && report.all_done() {
        world.violated(
            "I10 nothing dropped silently",
            format!("{spoiled} records that do not fit are not told"),
        );
    }
}
