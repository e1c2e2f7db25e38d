//! The lease on a destination: which process may write to it, and until when. One rule for all destinations, which only keep it.
//!
//! Judges no process by itself: whether one is dead is told by whoever can know.

use crate::clock::Micros;
use crate::error::{DestinationError, DestinationErrorKind, DestinationResult};

/// A process that writes, or wants to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// What people know it by: command, process, host.
    pub name: String,
    /// Where its process number means something, as far as that can be told: another process of the same place can look for it.
    pub place: Option<String>,
    /// Its process number.
    pub process: u32,
}

/// The last lease that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Number of the lease; grows with each that is given, from 1.
    pub token: u64,
    /// Who has it.
    pub holder: Holder,
    /// When it ends unless it is prolonged, microseconds UTC; `None` once it was given back.
    pub until: Option<Micros>,
}

/// What a process asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Who asks.
    pub holder: Holder,
    /// The lease that may be taken over before it ends: one's own, to prolong it, or that of a process that is known to be dead.
    pub over: Option<u64>,
    /// The time, microseconds UTC.
    pub now: Micros,
    /// Until when the lease is asked for.
    pub until: Micros,
}

impl Lease {
    /// Whether it keeps others out at `now`.
    pub fn holds(&self, now: Micros) -> bool {
        self.until.is_some_and(|until| until > now)
    }
}

impl Claim {
    /// The lease that the claim comes to after `last`. Refuses with `Held` while that is another's and has not ended.
    pub fn settle(self, last: Option<Lease>) -> DestinationResult<Lease> {
        let token = match last {
            None => 1,
            Some(last) if self.over == Some(last.token) && last.holder == self.holder => {
                // A late wish to prolong must not bring back a lease that nobody would give back any more.
                last.until.ok_or_else(|| refusal("prolong the lease", "it was given back".to_owned()))?;
                last.token
            }
            Some(last) if self.over == Some(last.token) || !last.holds(self.now) => last.token + 1,
            Some(last) => return Err(refusal("take the lease", format!("{} has it", last.holder.name))),
        };
        Ok(Lease { token, holder: self.holder, until: Some(self.until) })
    }
}

/// Refuses writes under the lease `token` with `Held` where another was given since.
pub fn check(token: u64, last: Option<&Lease>) -> DestinationResult<()> {
    match last {
        Some(last) if last.token == token => Ok(()),
        Some(last) => Err(refusal("write", format!("{} has taken the lease since", last.holder.name))),
        None => Err(refusal("write", "the lease is not there any more".to_owned())),
    }
}

fn refusal(action: &str, message: String) -> DestinationError {
    DestinationError::new(DestinationErrorKind::Held, action, message)
}
