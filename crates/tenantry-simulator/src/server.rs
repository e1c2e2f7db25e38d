//! The HTTP shell: turns sockets into [`Request`]s and [`Response`]s, and the machine's clock into the tenant's.
//!
//! Listens on loopback alone and speaks plain HTTP/1.1. The tenant's clock begins at its configured start and runs
//! with the machine's; nothing else here has state. Connections that stay open are those of `live`.

use crate::http::{HINT_CUT, HINT_DELAY, HINT_FOLLOW, Request, Response};
use crate::live;
use crate::simulation::Simulation;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use futures::StreamExt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Largest request body, bytes.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// The machine's clock, microseconds UTC since 1970.
#[expect(clippy::disallowed_methods, reason = "the one place where the simulator reads the wall clock")]
pub fn wall_clock() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as i64)
}

/// What every connection shares.
#[derive(Clone)]
pub(crate) struct Shell {
    simulation: Arc<Mutex<Simulation>>,
    /// What makes the tenant's clock of the machine's, microseconds.
    offset: i64,
    stopping: Arc<AtomicBool>,
}

impl Shell {
    pub(crate) fn simulation(&self) -> MutexGuard<'_, Simulation> {
        self.simulation.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Now by the clock that the tenant's follows, microseconds.
    pub(crate) fn clock(&self) -> i64 {
        wall_clock() + self.offset
    }

    /// Whether connections that would stay open are to end.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

/// A running server. Dropping it stops it without waiting.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    simulation: Arc<Mutex<Simulation>>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

/// Serves a tenant on `127.0.0.1:port`; port 0 takes any that is free. Fails where the port is taken.
pub async fn start(simulation: Simulation, port: u16) -> std::io::Result<Server> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    let address = listener.local_addr()?;
    let offset = simulation.start() - wall_clock();
    let simulation = Arc::new(Mutex::new(simulation));
    let stopping = Arc::new(AtomicBool::new(false));
    let shell = Shell { simulation: Arc::clone(&simulation), offset, stopping: Arc::clone(&stopping) };
    let router = Router::new().fallback(answer).with_state(shell);
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(async move {
        let until = async move {
            // Either word or the sender's end stops the server.
            let _ = stopped.await;
            stopping.store(true, Ordering::Relaxed);
        };
        axum::serve(listener, router).with_graceful_shutdown(until).await
    });
    Ok(Server { address, simulation, stop, task })
}

impl Server {
    /// Stops taking connections and gives those that are open a second to end.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        let mut task = self.task;
        if tokio::time::timeout(Duration::from_secs(1), &mut task).await.is_err() {
            task.abort();
        }
    }

    /// The tenant itself, for a test that looks inside or changes it directly.
    pub fn simulation(&self) -> Arc<Mutex<Simulation>> {
        Arc::clone(&self.simulation)
    }

    /// `http://127.0.0.1:port`, without a closing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn answer(State(shell): State<Shell>, request: axum::extract::Request) -> axum::response::Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return plain(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let headers = head.headers.iter();
    let text = |v: &HeaderValue| String::from_utf8_lossy(v.as_bytes()).into_owned();
    let request = Request {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: headers.map(|(name, value)| (name.as_str().to_owned(), text(value))).collect(),
        body: body.to_vec(),
    };
    let (response, follow, now) = {
        let mut simulation = shell.simulation();
        let response = simulation.handle(&request, shell.clock());
        let stays = response.header_value(HINT_CUT).is_none();
        let follow = response.header_value(HINT_FOLLOW).filter(|_| stays).and_then(|at| at.parse().ok());
        simulation.tenant.feed.open += u32::from(follow.is_some());
        (response, follow, simulation.now())
    };
    match follow {
        Some(position) => {
            let first = response.body.clone();
            let body = live::body(shell, request.query, position, first, now);
            headed(&response, Body::from_stream(body))
        }
        None => send(response).await,
    }
}

fn plain(status: StatusCode) -> axum::response::Response {
    let mut response = axum::response::Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

#[expect(clippy::disallowed_methods, reason = "an ordered delay is real time, and only here")]
async fn hold(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

/// Some bytes, a moment for them to go out, and the end of the connection.
fn cut_short(kept: Vec<u8>) -> impl futures::Stream<Item = std::io::Result<Vec<u8>>> {
    let broken = async {
        hold(20).await;
        Err(std::io::Error::other("the connection was cut as ordered"))
    };
    futures::stream::iter([Ok(kept)]).chain(futures::stream::once(broken))
}

async fn send(response: Response) -> axum::response::Response {
    let hint = |name: &str| response.header_value(name).and_then(|v| v.parse::<u64>().ok());
    let (delay, cut) = (hint(HINT_DELAY), hint(HINT_CUT));
    if let Some(delay) = delay {
        hold(delay).await;
    }
    let length = response.body.len();
    let body = match cut {
        None => Body::from(response.body),
        Some(bytes) => {
            let mut kept = response.body;
            kept.truncate(bytes as usize);
            Body::from_stream(cut_short(kept))
        }
    };
    let mut answer = headed(&Response { body: Vec::new(), ..response }, body);
    if cut.is_some() {
        answer.headers_mut().insert("content-length", HeaderValue::from(length));
    }
    answer
}

/// Status and headers of an answer in front of a body.
fn headed(response: &Response, body: Body) -> axum::response::Response {
    let mut answer = axum::response::Response::new(body);
    *answer.status_mut() = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in response.headers.iter().filter(|(name, _)| !name.starts_with(':')) {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            answer.headers_mut().append(name, value);
        }
    }
    answer
}
