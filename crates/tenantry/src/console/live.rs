//! What is going on: the sync under way, list by list, told to whoever watches; and the place where syncs are asked for.
//!
//! Syncs nothing itself: [`super::service`] takes the orders.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use serde_json::{Value, json};
use tenantry_replication::clock::Micros;
use tenantry_replication::sync::{Event, Observer, Verification};
use tokio::sync::{broadcast, mpsc, watch};

use super::reply;

/// Events that a slow browser may fall behind before it is given the whole again.
const BACKLOG: usize = 256;
/// Orders that may wait.
const ORDERS_MAX: usize = 8;
/// How often somebody who watches gets a sign of life.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    /// Bring these tables up to date, all of them when empty.
    Sync(BTreeSet<&'static str>),
    /// Read these tables again in full, all of them when empty.
    Resync(BTreeSet<&'static str>),
    /// Compare samples of all tables with the tenant.
    Verify,
}

impl Order {
    const fn word(&self) -> &'static str {
        match self {
            Self::Sync(_) => "sync",
            Self::Resync(_) => "resync",
            Self::Verify => "verify",
        }
    }
}

/// Shared by the service that syncs and the pages that show it.
pub(crate) struct Live {
    now: Mutex<Now>,
    told: broadcast::Sender<String>,
    ended: watch::Sender<u64>,
    orders: Option<mpsc::Sender<Order>>,
}

/// What is going on now.
#[derive(Debug, Clone, Default)]
pub(super) struct Now {
    /// What runs, since when.
    pub(super) running: Option<(&'static str, Micros)>,
    /// Lists of the run, by stream.
    pub(super) streams: BTreeMap<&'static str, Line>,
    /// When each table is due next.
    pub(super) due: BTreeMap<&'static str, Micros>,
    /// Why the last attempt came to no report.
    pub(super) failure: Option<(Micros, String)>,
    /// What the last comparison with the tenant found.
    pub(super) verified: Option<(Micros, Verification)>,
    /// Requests per second that the tenant's rate limits leave us, as its answers told; `None` as long as none has.
    pub(super) rate: Option<f64>,
}

/// A list that is being read.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Line {
    pub(super) state: &'static str,
    pub(super) records: u64,
    pub(super) requests: u64,
}

impl Live {
    /// With a service that takes orders, whose end of the queue this gives; or without one.
    pub(crate) fn new(takes_orders: bool) -> (Self, Option<mpsc::Receiver<Order>>) {
        let (sender, receiver) = mpsc::channel(ORDERS_MAX);
        let (orders, taken) = if takes_orders { (Some(sender), Some(receiver)) } else { (None, None) };
        let live = Self {
            now: Mutex::default(),
            told: broadcast::channel(BACKLOG).0,
            ended: watch::channel(0).0,
            orders,
        };
        (live, taken)
    }

    pub(super) fn now(&self) -> Now {
        self.locked().clone()
    }

    /// Whether syncs can be asked for.
    pub(super) fn takes_orders(&self) -> bool {
        self.orders.is_some()
    }

    /// Asks for something; false where nobody takes orders, or too many wait.
    pub(super) fn order(&self, order: Order) -> bool {
        self.orders.as_ref().is_some_and(|orders| orders.try_send(order).is_ok())
    }

    /// Changes with the end of each run.
    pub(super) fn ended(&self) -> watch::Receiver<u64> {
        self.ended.subscribe()
    }

    /// A run begins.
    pub(super) fn begin(&self, order: &Order, at: Micros) {
        {
            let mut now = self.locked();
            now.running = Some((order.word(), at));
            now.streams.clear();
        }
        self.tell("begun", &json!({ "what": order.word() }));
    }

    /// A run ended.
    pub(super) fn end(&self, failure: Option<(Micros, String)>) {
        {
            let mut now = self.locked();
            now.running = None;
            now.failure = failure;
        }
        self.ended.send_modify(|ended| *ended += 1);
        self.tell("ended", &json!({}));
    }

    /// What a comparison found.
    pub(super) fn verified(&self, at: Micros, found: Verification) {
        self.locked().verified = Some((at, found));
    }

    /// What the tenant's rate limits leave us, requests per second.
    pub(super) fn rate(&self, rate: Option<f64>) {
        self.locked().rate = rate;
    }

    /// When tables are due next.
    pub(super) fn due(&self, due: BTreeMap<&'static str, Micros>) {
        self.locked().due = due;
    }

    /// New figures are there to be shown.
    pub(super) fn tell_figures(&self) {
        self.tell("figures", &json!({}));
    }

    fn tell(&self, event: &str, data: &Value) {
        // Nobody may be watching.
        let _ = self.told.send(format!("event: {event}\ndata: {data}\n\n"));
    }

    fn locked(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The whole as one event, for a browser that begins to watch.
    fn whole(&self) -> String {
        let now = self.now();
        let lines: Vec<Value> = now.streams.iter().map(|(stream, line)| to_json(stream, line)).collect();
        let what = now.running.map(|(what, _)| what);
        format!("event: now\ndata: {}\n\n", json!({ "what": what, "streams": lines }))
    }
}

impl Observer for Live {
    fn event(&self, event: &Event) {
        let (stream, line) = match event {
            Event::Started { stream } => (*stream, Line { state: "reading", ..Line::default() }),
            Event::Progress { stream, records, requests } => {
                (*stream, Line { state: "reading", records: *records, requests: *requests })
            }
            Event::Finished { stream, outcome } => {
                let last = self.locked().streams.get(stream).cloned().unwrap_or_default();
                (*stream, Line { state: outcome.word(), ..last })
            }
        };
        let data = to_json(stream, &line);
        self.locked().streams.insert(stream, line);
        self.tell("stream", &data);
    }
}

fn to_json(stream: &str, line: &Line) -> Value {
    json!({ "stream": stream, "state": line.state, "records": line.records, "requests": line.requests })
}

/// Server-sent events: first the whole, then each change as it happens. One that missed some gets the whole again.
pub(super) fn events(live: &std::sync::Arc<Live>, _: &HeaderMap) -> Response {
    let (live, receiver) = (std::sync::Arc::clone(live), live.told.subscribe());
    let first = format!("retry: 2000\n\n{}", live.whole());
    let changes = stream::unfold((live, receiver), async |(live, mut receiver)| {
        let text = match tokio::time::timeout(HEARTBEAT, receiver.recv()).await {
            Ok(Ok(text)) => text,
            Ok(Err(broadcast::error::RecvError::Lagged(_))) => live.whole(),
            Ok(Err(broadcast::error::RecvError::Closed)) => return None,
            Err(_) => ": still here\n\n".to_owned(),
        };
        Some((text, (live, receiver)))
    });
    let first = stream::once(std::future::ready(first));
    let all = futures::StreamExt::map(futures::StreamExt::chain(first, changes), |text| {
        Ok::<_, std::convert::Infallible>(Bytes::from(text))
    });
    reply::part(StatusCode::OK, "text/event-stream", Body::from_stream(all))
}
