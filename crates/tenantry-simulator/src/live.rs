//! Connections that stay open: the Events feed over a socket, asked of the core again and again.
//!
//! Knows nothing of events: sends the core's text as it comes, heartbeats in silence, and ends when the core, the
//! connection's time or the server says so.

use crate::server::Shell;
use axum::body::Bytes;
use futures::Stream;
use std::time::Duration;

/// How often a connection looks for something new.
const LOOK: Duration = Duration::from_millis(25);

/// A connection that listens; it counts as open until it is dropped.
struct Live {
    shell: Shell,
    query: String,
    position: u64,
    opened: i64,
    spoke: i64,
}

impl Drop for Live {
    fn drop(&mut self) {
        let mut simulation = self.shell.simulation();
        simulation.tenant.feed.open = simulation.tenant.feed.open.saturating_sub(1);
    }
}

/// What the core said of a connection.
enum Look {
    Nothing,
    Say(Vec<u8>),
    SayLast(Vec<u8>),
    End,
}

impl Live {
    fn look(&mut self) -> Look {
        if self.shell.is_stopping() {
            return Look::End;
        }
        let clock = self.shell.clock();
        let mut simulation = self.shell.simulation();
        let (text, position) = simulation.follow(self.position, &self.query, clock);
        let now = simulation.now();
        let config = &simulation.tenant.config;
        if !text.is_empty() {
            let Some(position) = position else { return Look::SayLast(text.into_bytes()) };
            drop(simulation);
            (self.position, self.spoke) = (position, now);
            return Look::Say(text.into_bytes());
        }
        if now - self.opened >= config.event_connection_micros {
            return Look::End;
        }
        if now - self.spoke >= config.event_heartbeat_micros {
            drop(simulation);
            self.spoke = now;
            return Look::Say(b": heartbeat\n\n".to_vec());
        }
        Look::Nothing
    }
}

/// The body of a connection that listens: `first`, and then what follows `position`. The caller has counted it as open.
pub(crate) fn body(
    shell: Shell,
    query: String,
    position: u64,
    first: Vec<u8>,
    now: i64,
) -> impl Stream<Item = std::io::Result<Bytes>> {
    let live = Live { shell, query, position, opened: now, spoke: now };
    futures::stream::unfold((Some(first), Some(live)), |(first, live)| async move {
        let mut live = live?;
        if let Some(first) = first.filter(|first| !first.is_empty()) {
            return Some((Ok(Bytes::from(first)), (None, Some(live))));
        }
        loop {
            match live.look() {
                Look::Nothing => wait().await,
                Look::Say(text) => return Some((Ok(text.into()), (None, Some(live)))),
                Look::SayLast(text) => return Some((Ok(text.into()), (None, None))),
                Look::End => return None,
            }
        }
    })
}

#[expect(clippy::disallowed_methods, reason = "a socket that waits is real time")]
async fn wait() {
    tokio::time::sleep(LOOK).await;
}
