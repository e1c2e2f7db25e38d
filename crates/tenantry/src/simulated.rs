//! Simulated tenants as the commands use them: data up to the last midnight.
//!
//! So a tenant made twice on one day from one seed is the same, and yet as fresh as a real one.

use std::io;

use tenantry_replication::clock::{Clock as _, MICROS_PER_SECOND, Micros};
use tenantry_simulator::server::{self, Server};
use tenantry_simulator::{Config, Request, Simulation};

use crate::clock::SystemClock;

const MICROS_PER_DAY: Micros = 86_400 * MICROS_PER_SECOND;

/// Midnight that began this day, UTC.
pub(crate) fn midnight() -> Micros {
    let now = SystemClock::new().now();
    now - now.rem_euclid(MICROS_PER_DAY)
}

/// Makes a tenant as it stood at midnight and serves it, its clock as ours, on the loopback address; port 0 takes a free one.
pub(crate) async fn serve(config: Config, port: u16) -> io::Result<Server> {
    let midnight = midnight();
    let mut simulation = Simulation::new(Config { start: midnight, ..config });
    let seconds = (SystemClock::new().now() - midnight) / MICROS_PER_SECOND;
    let mut advance = Request::new("POST", "/__sim/clock");
    advance.body = format!("{{\"advance_seconds\": {seconds}}}").into_bytes();
    let answer = simulation.handle(&advance, midnight);
    if answer.status != 200 {
        return Err(io::Error::other(format!(
            "the simulated clock could not be set: status {}",
            answer.status
        )));
    }
    server::start(simulation, port).await
}
