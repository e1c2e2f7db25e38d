//! Syncs while the console is served: on the intervals of `tenantry run`, and whenever somebody asks for one.
//!
//! The destination stays open all the time, since this process is the one that shows it. A sync that fails is tried again later and told on
//! the pages; it never ends the console.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tenantry_replication::catalog::CATALOG;
use tenantry_replication::clock::micros;
use tenantry_replication::sync::{Depth, Observer, Options};
use tokio::sync::{mpsc, watch};

use super::live::{Live, Order};
use crate::commands::run::{Schedule, backoff, show_failure};
use crate::error::{CommandError, Exit};
use crate::lease::Keeper;
use crate::replicate::{Ends, compare_for, replicate_for};
use crate::terminal::text;
use crate::{report, terminal};

/// Records of each list that a comparison looks at.
const SAMPLE: u64 = 100;
/// Requests of which is asked how long they take.
const MANY: u64 = 1_000_000;

/// Syncs on intervals and on request.
pub(crate) struct Service {
    pub(crate) ends: Ends,
    pub(crate) options: Options,
    pub(crate) keeper: Keeper,
    pub(crate) schedule: Schedule,
    pub(crate) live: Arc<Live>,
    pub(crate) orders: mpsc::Receiver<Order>,
    /// Schema of what runs leave for later ones.
    pub(crate) state_schema: String,
}

impl Service {
    /// Until told to stop. Gives the lease back.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut failed = 0;
        loop {
            self.tell_due();
            let now = self.ends.clock.monotonic();
            let pause = self.schedule.next().saturating_sub(now);
            let order = tokio::select! {
                biased;
                _ = stop.wait_for(|asked| *asked) => break,
                Some(order) = self.orders.recv() => order,
                () = self.ends.clock.sleep(pause) => Order::Sync(self.schedule.take(self.ends.clock.monotonic())),
            };
            let scheduled = self.tables_of(&order);
            match self.fill(&order).await {
                Ok(()) => failed = 0,
                Err(error) if error.exit() == Exit::Interrupted => break,
                Err(error) => {
                    failed += 1;
                    let at = self.ends.clock.monotonic() + backoff(failed);
                    self.schedule.put_off(&scheduled, at);
                    // Stderr closed is no reason to stop serving.
                    drop(show_failure(&error, self.ends.clock.now(), false));
                }
            }
        }
        self.keeper.release(self.ends.destination.as_ref()).await;
    }

    /// Does what was asked, and tells how it went.
    async fn fill(&mut self, order: &Order) -> Result<(), CommandError> {
        self.live.begin(order, self.ends.clock.now());
        let done = match order {
            Order::Verify => self.verify().await,
            Order::Sync(_) => self.sync(self.tables_of(order), self.options.full).await,
            Order::Resync(_) => self.sync(self.tables_of(order), true).await,
        };
        self.live.rate(self.rate());
        let failure = done.as_ref().err().map(|error| (self.ends.clock.now(), error.render(str::to_owned)));
        self.live.end(failure);
        done
    }

    /// The tables that an order is about. A table comes with the others of its list.
    fn tables_of(&self, order: &Order) -> BTreeSet<&'static str> {
        let named = match order {
            Order::Sync(tables) | Order::Resync(tables) if !tables.is_empty() => tables,
            _ => return self.options.tables.clone(),
        };
        let meant = CATALOG
            .streams
            .iter()
            .filter(|stream| stream.tables.iter().any(|table| named.contains(table.name)));
        meant.flat_map(|stream| stream.tables).map(|table| table.name).collect()
    }

    async fn sync(&mut self, tables: BTreeSet<&'static str>, full: bool) -> Result<(), CommandError> {
        let options = Options { tables, full, ..self.options.clone() };
        let observer = Arc::clone(&self.live) as Arc<dyn Observer>;
        let report = replicate_for(&self.ends, &options, &self.keeper, observer).await?;
        // From the second on a run goes on from the first, whatever the first was told.
        self.options.full = false;
        // Where it cannot be kept, the next sync will say so.
        drop(self.keeper.rest(self.ends.destination.as_ref(), self.pause()).await);
        // A run that found nothing new is on record; the terminal has better to say.
        if report.touched().next().is_some() {
            let now = text::rfc3339(self.ends.clock.now());
            terminal::message(&format!(
                "{now} {}: {}",
                report::exit(&report).word(),
                report::summary(&report)
            ));
        }
        for warning in report::warnings(&report, &self.state_schema) {
            terminal::warn(&warning);
        }
        Ok(())
    }

    async fn verify(&self) -> Result<(), CommandError> {
        let observer = Arc::clone(&self.live) as Arc<dyn Observer>;
        let found = compare_for(&self.ends, &self.options, Depth::Sample(SAMPLE), observer).await?;
        self.live.verified(self.ends.clock.now(), found);
        Ok(())
    }

    /// Requests per second that can be kept up. What a bucket holds for a moment counts for nothing among so many.
    fn rate(&self) -> Option<f64> {
        let feed = CATALOG.stream(CATALOG.feed.stream)?;
        let time = self.ends.source.pace(&[(feed, MANY)])?;
        (time > Duration::ZERO).then(|| MANY as f64 / time.as_secs_f64())
    }

    fn pause(&self) -> Duration {
        self.schedule.next().saturating_sub(self.ends.clock.monotonic())
    }

    /// Tells when each table is due next.
    fn tell_due(&self) {
        let (now, monotonic) = (self.ends.clock.now(), self.ends.clock.monotonic());
        let due = self.schedule.due();
        self.live.due(due.map(|(table, at)| (table, now + micros(at.saturating_sub(monotonic)))).collect());
    }
}
