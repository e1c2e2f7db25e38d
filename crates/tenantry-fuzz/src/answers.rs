//! Answers of a server that says anything: paging, the log, searches, the export, the feed and tokens, through the source's own port.
//!
//! An input is a list of answers, parted by the byte 0x1e. Each is a status, header lines up to an empty line, and the body, which arrives
//! in pieces that the byte 0x1f parts. When the answers run out the network is down. Waits take no time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use tenantry_replication::catalog::{CATALOG, Replication, Stream};
use tenantry_replication::clock::{Clock as _, Micros, VirtualClock};
use tenantry_replication::source::auth0::{
    Auth0, Body, Credentials, Domain, Headers, HttpRequest, HttpResponse, Secret, Settings, Transport,
    TransportError,
};
use tenantry_replication::source::{Read, Source as _};
use tenantry_replication::state::Checkpoint;

/// What parts answers.
pub(crate) const BETWEEN: u8 = 0x1e;
/// What parts the pieces of a body.
const PIECES: u8 = 0x1f;
const HOST: &str = "tenant.eu.auth0.example.com";
const SECRET: &str = "the-secret-of-the-client";
const TOKEN: &str = "the-token-of-the-tenant";
/// 2 November 2026, 08:00 UTC.
const START: Micros = 1_793_606_400_000_000;
/// Requests for one input, at most: each answer is retried a few times, and then the network is down.
const REQUESTS_MAX: usize = 5_000;
/// What a feed is asked for, at most: it never ends.
const HEARD_MAX: usize = 50;

struct Server {
    answers: Mutex<VecDeque<Vec<u8>>>,
    /// Whether tokens are answers like others.
    tokens_too: bool,
    requests: Mutex<usize>,
}

impl Server {
    fn new(input: &[u8], tokens_too: bool) -> Arc<Self> {
        let answers = input.split(|byte| *byte == BETWEEN).map(<[u8]>::to_vec).collect();
        Arc::new(Self { answers: Mutex::new(answers), tokens_too, requests: Mutex::new(0) })
    }
}

#[async_trait]
impl Transport for Server {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        {
            let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
            *requests += 1;
            assert!(*requests <= REQUESTS_MAX, "requests without end");
        }
        let carries_token = request.headers.iter().any(|(name, _)| *name == "authorization");
        if carries_token {
            assert_eq!(request.url.origin.authority(), HOST, "the token goes to the tenant alone");
        }
        if request.url.path == "/oauth/token" && !self.tokens_too {
            let body = format!("{{\"access_token\":\"{TOKEN}\",\"expires_in\":86400}}");
            return Ok(HttpResponse::whole(200, Headers::default(), body.into()));
        }
        let next = self.answers.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        next.as_deref().map(answer).ok_or_else(|| TransportError::new("connection reset"))
    }
}

/// What the bytes of an answer say.
fn answer(bytes: &[u8]) -> HttpResponse {
    let mut rest = bytes;
    let mut line = || {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let line = String::from_utf8_lossy(&rest[..end]).into_owned();
        rest = &rest[end + 1..];
        Some(line).filter(|line| !line.is_empty())
    };
    let status = line().and_then(|line| line.trim().parse().ok()).unwrap_or(200);
    let mut fields = Vec::new();
    while let Some(line) = line() {
        fields.extend(line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
    let pieces = rest.split(|byte| *byte == PIECES).map(Bytes::copy_from_slice).collect();
    let framed = !fields.iter().any(|(name, _)| name == "unframed");
    HttpResponse { status, headers: Headers::new(fields), framed, body: Box::new(Pieces(pieces)) }
}

/// A body as it arrives.
struct Pieces(VecDeque<Bytes>);

#[async_trait]
impl Body for Pieces {
    async fn next(&mut self) -> Result<Option<Bytes>, TransportError> {
        Ok(self.0.pop_front())
    }
}

fn source(input: &[u8], tokens_too: bool) -> (Auth0, Arc<VirtualClock>) {
    let clock = VirtualClock::new(START, 1);
    let credentials = Credentials::ClientSecret { client_id: "client".into(), secret: Secret::new(SECRET) };
    let domain = Domain::parse(HOST).expect("a domain");
    let server = Server::new(input, tokens_too);
    (Auth0::new(Settings::new(domain, credentials), server, Arc::clone(&clock) as _), clock)
}

/// Reads to the end of the pages or to the first error.
fn read(input: &[u8], read: Read) {
    let (source, clock) = source(input, false);
    let mut pages = source.open(read);
    clock.run(async {
        loop {
            match pages.next().await {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => {
                    assert!(!pages.complete(), "a read that failed is not complete");
                    let shown = format!("{error} {error:?}");
                    assert!(!shown.contains(TOKEN) && !shown.contains(SECRET), "an error shows a secret");
                    break;
                }
            }
        }
    });
}

fn of(replication: Replication) -> &'static Stream {
    CATALOG.streams.iter().find(|stream| stream.replication == replication).expect("a stream of that kind")
}

/// The log from its begin, or from a checkpoint, by the first byte.
pub(crate) fn log(input: &[u8]) {
    let Some((first, answers)) = input.split_first() else { return };
    let at =
        |id: &str| Checkpoint::Log { log_id: id.to_owned(), newest: None, whole_until: None, read_at: None };
    let from = match first % 3 {
        0 => None,
        1 => Some(at("90020261102075700000000000000000000000000000000000000001")),
        _ => Some(at("90020261001075700000000000000000000000000000000000000001")),
    };
    read(answers, Read { stream: of(Replication::Log), parents: Vec::new(), from, since: None });
}

/// A list of the stream that the first byte picks; a fan-out over two parents.
pub(crate) fn list(input: &[u8]) {
    let Some((first, answers)) = input.split_first() else { return };
    let stream = &CATALOG.streams[usize::from(*first) % CATALOG.streams.len()];
    let parents = if stream.parent.is_some() { vec!["one".into(), "two".into()] } else { Vec::new() };
    read(answers, Read { stream, parents, from: None, since: None });
}

/// Users by windows over the time of their change.
pub(crate) fn users(input: &[u8]) {
    let since = Some(START - 7_200_000_000);
    read(input, Read { stream: of(Replication::Export), parents: Vec::new(), from: None, since });
}

/// The export of all users: job, link and file.
pub(crate) fn export(input: &[u8]) {
    read(input, Read { stream: of(Replication::Export), parents: Vec::new(), from: None, since: None });
}

/// The feed of events.
pub(crate) fn feed(input: &[u8]) {
    let (source, clock) = source(input, false);
    let from = Some(Checkpoint::Events { offset: "offset".to_owned() });
    let mut feed = source.follow(from);
    clock.run(async {
        for _ in 0..HEARD_MAX {
            if feed.next().await.is_err() {
                break;
            }
        }
    });
    assert!(clock.monotonic().as_secs() < 10 * 365 * 86_400, "waits without end");
}

/// The answer to a request for a token.
pub(crate) fn token(input: &[u8]) {
    let (source, clock) = source(input, true);
    if let Err(error) = clock.run(source.connect()) {
        assert!(!format!("{error} {error:?}").contains(SECRET), "an error shows a secret");
    }
}
