//! A second process at the same destination: it is kept out while the first has the lease, and takes over once that has ended.
//!
//! Stands in for a process that was suspended for long: the first never prolongs its lease here, and must write nothing once it has lost it.

use std::sync::Arc;
use std::time::Duration;

use tenantry_replication::clock::{Clock as _, Micros};
use tenantry_replication::destination::{Claim, Destination as _, Holder};
use tenantry_replication::error::DestinationErrorKind;
use tenantry_replication::sync::{Edges, sync};

use super::{Life, catalog};
use crate::sightings::Sighting;
use crate::trial::Rival;
use crate::warehouse::Warehouse;
use crate::world::World;

fn claim(world: &World, process: u32, over: Option<u64>, lasts: Duration) -> Claim {
    let now = world.clock.truth();
    let until = now + Micros::try_from(lasts.as_micros()).unwrap_or(Micros::MAX);
    let holder = Holder { name: format!("process {process}"), place: None, process };
    Claim { holder, over, now, until }
}

impl Life<'_> {
    /// Takes the lease for the run that is about to begin, over whoever had it: no process is alive but this one.
    pub(super) fn take_lease(&self, rival: &Rival) {
        let memory = self.warehouse.memory();
        let last = self.world.clock.run(memory.lease()).ok().flatten().filter(|last| last.until.is_some());
        let claim = claim(&self.world, 1, last.map(|last| last.token), rival.lasts);
        match self.world.clock.run(memory.hold(claim)) {
            Ok(lease) => memory.fence(Some(lease.token)),
            Err(error) => {
                self.world.violated("lease", format!("a lease that nobody has is refused: {error}"));
            }
        }
    }

    /// The second process, from its first attempt to its run.
    pub(super) fn rival(&self, rival: &Rival) -> impl Future<Output = ()> + use<> {
        let (world, lasts, tries_after) = (Arc::clone(&self.world), rival.lasts, rival.tries_after);
        let warehouse = Arc::new(self.warehouse.beside());
        let source = self.source_of_rival();
        let catalog = catalog::with_pages_of(self.trial.page_size);
        let options = self.options(false, self.log_alone);
        async move {
            let memory = warehouse.memory();
            world.clock.sleep(tries_after).await;
            let held =
                memory.lease().await.ok().flatten().is_some_and(|last| last.holds(world.clock.truth()));
            match memory.hold(claim(&world, 2, None, lasts)).await {
                Err(error) if error.kind == DestinationErrorKind::Held && held => {
                    world.saw(Sighting::LeaseRefused);
                }
                Ok(_) if !held => {}
                other => {
                    world.violated("lease", format!("held: {held}, and a second process gets {other:?}"));
                }
            }
            world.clock.sleep(lasts).await;
            let Ok(lease) = memory.hold(claim(&world, 2, None, lasts)).await else { return };
            memory.fence(Some(lease.token));
            world.trace("another process has taken the lease");
            world.state().run.lease_lost = true;
            let edges = Edges {
                source,
                destination: Arc::clone(&warehouse) as _,
                clock: Arc::clone(&world.clock) as _,
                observer: Arc::new(super::Silent),
            };
            let ended = sync(&edges, catalog, &options).await;
            world.trace(&format!(
                "the other process ends: {}",
                ended.map_or_else(|e| e.to_string(), |_| "well".to_owned())
            ));
            drop(warehouse.memory().release(lease.token).await);
        }
    }
}

impl Warehouse {
    /// A write of this process has happened.
    pub(crate) fn wrote(&self, what: &str) {
        let lost = !self.is_rival() && self.world().state().run.lease_lost;
        if lost {
            self.world().violated("lease", format!("{what} by a process that has lost the lease"));
        }
    }

    /// A write of this process was refused because it has lost the lease.
    pub(crate) fn refused(&self) {
        if !self.is_rival() && self.world().state().run.lease_lost {
            self.world().saw(Sighting::LeaseLost);
        }
    }
}
