//! The console: pages that show the tables, their health and their answers, served to one person's browser on this machine.
//!
//! Reads the destination through its [`Reader`] and writes nothing there itself; syncs are asked for through [`Live`]. No page names a table
//! or column: what there is comes from the catalog.

mod access;
mod address;
mod alerts;
mod assets;
mod cells;
pub(crate) mod demo;
mod diagram;
mod explain;
mod explore;
mod export;
mod insight;
mod kept;
mod layout;
pub(crate) mod live;
mod overview;
mod reply;
mod server;
pub(crate) mod service;
mod sql;
mod syncs;
mod visit;
mod words;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tenantry_replication::clock::Clock;
use tenantry_replication::destination::Reader;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use self::access::Access;
use self::demo::Stage;
use self::kept::Kept;
use self::live::Live;
use crate::error::CommandError;

/// What the console is opened with.
pub(crate) struct Opened {
    /// Looks at the tables.
    pub(crate) reader: Arc<dyn Reader>,
    pub(crate) clock: Arc<dyn Clock>,
    /// What is going on, and where syncs are asked for.
    pub(crate) live: Arc<Live>,
    pub(crate) facts: Facts,
    /// The simulated tenant, where the console is the demo's.
    pub(crate) stage: Option<Stage>,
}

/// What pages say of what they show.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// The tenant, where it is known.
    pub(crate) tenant: Option<String>,
    /// Where the tables are.
    pub(crate) destination: String,
    /// How long the tenant keeps log events.
    pub(crate) retention: Option<Duration>,
    /// Requests that one sync may send.
    pub(crate) max_requests: Option<u64>,
}

/// Where the console is served.
pub(crate) struct Place {
    pub(crate) address: SocketAddr,
    /// Other names that it is reached by.
    pub(crate) names: Vec<String>,
    pub(crate) password: Option<String>,
}

/// A console that is served.
pub(crate) struct Console {
    reader: Arc<dyn Reader>,
    clock: Arc<dyn Clock>,
    live: Arc<Live>,
    facts: Facts,
    kept: Kept,
    access: Access,
    address: SocketAddr,
    stage: Option<Stage>,
    /// Turns for what pages of many answers ask for: one at a time, since each takes all processors.
    turns: Semaphore,
}

/// A console that waits to be served: its address is taken.
pub(crate) struct Ready {
    console: Arc<Console>,
    listener: TcpListener,
}

impl Ready {
    /// Takes the address. Fails where it is taken, or not this machine's.
    pub(crate) async fn new(opened: Opened, place: Place) -> Result<Self, CommandError> {
        let listener = TcpListener::bind(place.address).await.map_err(|error| {
            CommandError::usage(format!("listen on {}: {error}", place.address))
                .hint("`--port 0` takes a free one")
        })?;
        let address = listener.local_addr()?;
        let access = Access::new(address, &place.names, place.password)?;
        let Opened { reader, clock, live, facts, stage } = opened;
        let (kept, turns) = (Kept::default(), Semaphore::new(1));
        let console = Console { reader, clock, live, facts, kept, access, address, stage, turns };
        Ok(Self { console: Arc::new(console), listener })
    }

    /// Where it is served, with what opens it once.
    pub(crate) fn link(&self) -> Result<String, CommandError> {
        self.console.link()
    }

    /// Serves until told to stop.
    pub(crate) async fn serve(self, stop: watch::Receiver<bool>) -> Result<(), CommandError> {
        server::serve(self.console, self.listener, stop).await
    }
}

impl Console {
    fn link(&self) -> Result<String, CommandError> {
        Ok(format!("http://{}/open?token={}", self.address, self.access.renew_link()?))
    }
}
