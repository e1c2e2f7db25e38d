//! Keeps a second process from writing while this one does: takes the destination's lease, prolongs it during a sync, gives it back.
//!
//! `sync` and its like have it for one sync, `run` from its first to its last, also while the destination is closed.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tenantry_replication::clock::{Clock, micros};
use tenantry_replication::destination::{Claim, Destination, Holder, Lease};
use tenantry_replication::error::{DestinationErrorKind, DestinationResult};

use crate::config::process;
use crate::error::{CommandError, Exit};
use crate::terminal::text;

/// How long a lease lasts unless it is prolonged: how long others wait for a process of which nothing is known but that it ended.
const LASTS: Duration = Duration::from_mins(5);
/// How long giving back the lease may take at the end.
const FAREWELL: Duration = Duration::from_secs(2);
/// How often it is prolonged during a sync: several attempts may fail before it ends.
const PROLONGED_EVERY: Duration = Duration::from_mins(1);

/// Holds the lease on a destination for this process.
pub(crate) struct Keeper {
    holder: Holder,
    clock: Arc<dyn Clock>,
    /// Whether more syncs follow, and the lease stays in between.
    stays: bool,
    /// Number of the lease; 0 without one.
    token: AtomicU64,
}

impl Keeper {
    /// For one sync of a command.
    pub(crate) fn once(command: &str, clock: Arc<dyn Clock>) -> Self {
        Self { holder: process::this(command), clock, stays: false, token: AtomicU64::new(0) }
    }

    /// For a command that syncs again and again.
    pub(crate) fn staying(command: &str, clock: Arc<dyn Clock>) -> Self {
        Self { stays: true, ..Self::once(command, clock) }
    }

    /// Whether there is a lease to give back.
    pub(crate) fn has_lease(&self) -> bool {
        self.token().is_some()
    }

    /// Whether the lease stays after a sync.
    pub(crate) fn stays(&self) -> bool {
        self.stays
    }

    fn token(&self) -> Option<u64> {
        Some(self.token.load(Ordering::Relaxed)).filter(|token| *token > 0)
    }

    /// Takes the lease, or says who has it. From then on the destination refuses to write once another process has taken it.
    pub(crate) async fn take(&self, destination: &dyn Destination) -> Result<(), CommandError> {
        let over = match destination.lease().await? {
            Some(last) if self.token() == Some(last.token) || process::is_dead(&last.holder) => Some(last),
            Some(last) if last.holds(self.clock.now()) => return Err(held(&last)),
            _ => None,
        };
        let over = over.filter(|last| last.until.is_some()).map(|last| last.token);
        self.hold(destination, over, LASTS).await?;
        Ok(())
    }

    /// Prolongs the lease again and again. Ends only with the error that another process has it.
    pub(crate) async fn prolong(&self, destination: &dyn Destination) -> Result<Infallible, CommandError> {
        loop {
            self.clock.sleep(PROLONGED_EVERY).await;
            match self.hold(destination, self.token(), LASTS).await {
                Err(error) if error.kind == DestinationErrorKind::Held => return Err(error.into()),
                // What else stands in the way may pass before the lease ends.
                Ok(()) | Err(_) => {}
            }
        }
    }

    /// Keeps the lease while nothing happens for `pause`.
    pub(crate) async fn rest(&self, destination: &dyn Destination, pause: Duration) -> DestinationResult<()> {
        match self.token() {
            Some(token) => self.hold(destination, Some(token), pause.saturating_add(LASTS)).await,
            None => Ok(()),
        }
    }

    /// Gives the lease back. Should that fail, it ends by itself.
    pub(crate) async fn release(&self, destination: &dyn Destination) {
        if let Some(token) = self.token() {
            self.token.store(0, Ordering::Relaxed);
            // Others wait a little longer then, or see that we are gone.
            drop(destination.release(token).await);
            destination.fence(None);
        }
    }

    /// Opens the destination once more to give the lease back, where it was not given back already; does not wait long for it.
    pub(crate) async fn give_back(
        &self,
        open: impl Future<Output = Result<Arc<dyn Destination>, CommandError>>,
    ) {
        if self.token().is_none() {
            return;
        }
        let give_back = async {
            // Should somebody read just now, the lease ends by itself, or is taken from the dead.
            if let Ok(destination) = open.await {
                self.release(destination.as_ref()).await;
            }
        };
        tokio::select! {
            () = give_back => {}
            () = self.clock.sleep(FAREWELL) => {}
        }
    }

    async fn hold(
        &self,
        destination: &dyn Destination,
        over: Option<u64>,
        lasts: Duration,
    ) -> DestinationResult<()> {
        let now = self.clock.now();
        let until = now.saturating_add(micros(lasts));
        let claim = Claim { holder: self.holder.clone(), over, now, until };
        let given = destination.hold(claim).await?;
        self.token.store(given.token, Ordering::Relaxed);
        destination.fence(Some(given.token));
        Ok(())
    }
}

/// Who has the lease, and what to do about it.
fn held(lease: &Lease) -> CommandError {
    let name = &lease.holder.name;
    let until = lease.until.map_or_else(String::new, |until| format!(" until {}", text::rfc3339(until)));
    CommandError::new(
        Exit::Destination,
        format!("{name} writes to this destination: it has the lease{until}"),
    )
    .hint("stop that process, or let it do the work; the lease of one that died elsewhere ends at that time")
}

#[cfg(test)]
mod tests {
    use tenantry_replication::destination::MemoryDestination;

    use super::*;
    use crate::clock::SystemClock;

    fn keeper(process: u32) -> Keeper {
        let mut keeper = Keeper::once("sync", Arc::new(SystemClock::new()));
        keeper.holder = Holder { name: format!("process {process}"), place: None, process };
        keeper
    }

    #[tokio::test]
    async fn the_second_is_told_who_is_first_until_that_one_has_ended() {
        let destination = MemoryDestination::new();
        let (first, second) = (keeper(1), keeper(2));
        first.take(&destination).await.unwrap();
        first.take(&destination).await.unwrap();
        first.rest(&destination, Duration::from_hours(1)).await.unwrap();
        let refused = second.take(&destination).await.unwrap_err();
        assert_eq!(refused.exit(), Exit::Destination);
        let said = refused.render(str::to_owned);
        assert!(
            said.starts_with("error: process 1 writes to this destination: it has the lease until 2"),
            "{said}"
        );
        first.release(&destination).await;
        second.take(&destination).await.unwrap();
        assert_eq!(destination.lease().await.unwrap().unwrap().token, 2);
        first.release(&destination).await;
        assert!(destination.lease().await.unwrap().unwrap().until.is_some(), "it had nothing to give back");
    }
}
