//! A source without a network: requests go to a function, and time passes only by waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tenantry_replication::clock::{Clock, Micros};
use tenantry_replication::source::auth0::{
    Auth0, Credentials, Domain, Headers, HttpRequest, HttpResponse, Secret, Settings, Transport,
    TransportError,
};

/// Host of the tenant.
pub(crate) const HOST: &str = "rebuilt.us.auth0.com";

/// An answer as a function gives it.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl Answer {
    /// A JSON answer.
    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        let headers = vec![("Content-Type".to_owned(), "application/json; charset=utf-8".to_owned())];
        Self { status, headers, body: serde_json::to_vec(body).unwrap().into() }
    }
}

/// Something that answers requests.
pub(crate) trait Answers: Send + Sync + 'static {
    fn answer(&self, request: &HttpRequest, now: Micros) -> Answer;
}

/// A source that asks `answers`, with a clock of its own.
pub(crate) fn source(answers: Arc<dyn Answers>, clock: &Arc<Virtual>) -> Auth0 {
    let credentials = Credentials::ClientSecret {
        client_id: tenantry_simulator::CLIENT_ID.to_owned(),
        secret: Secret::new(tenantry_simulator::CLIENT_SECRET),
    };
    let mut settings = Settings::new(Domain::parse(HOST).unwrap(), credentials);
    settings.leave = 0.0;
    let transport = Arc::new(Direct { answers, clock: Arc::clone(clock) });
    Auth0::new(settings, transport, Arc::clone(clock) as Arc<dyn Clock>)
}

struct Direct {
    answers: Arc<dyn Answers>,
    clock: Arc<Virtual>,
}

#[async_trait]
impl Transport for Direct {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        let answer = self.answers.answer(&request, self.clock.now());
        Ok(HttpResponse::whole(answer.status, Headers::new(answer.headers), answer.body))
    }
}

/// A clock that moves when somebody waits.
pub(crate) struct Virtual {
    begun: Micros,
    passed: AtomicI64,
}

impl Virtual {
    /// A clock that shows `now`.
    pub(crate) fn at(now: Micros) -> Arc<Self> {
        Arc::new(Self { begun: now, passed: AtomicI64::new(0) })
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, duration: Duration) {
        self.passed.fetch_add(duration.as_micros() as i64, Ordering::Relaxed);
    }
}

#[async_trait]
impl Clock for Virtual {
    fn now(&self) -> Micros {
        self.begun + self.passed.load(Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.passed.load(Ordering::Relaxed) as u64)
    }

    async fn sleep(&self, duration: Duration) {
        self.pass(duration);
        tokio::task::yield_now().await;
    }

    fn jitter(&self) -> f64 {
        0.5
    }
}

/// The value of a query parameter, decoded.
pub(crate) fn parameter(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key == name).then(|| decode(value))
    })
}

/// Decodes `%XX`.
pub(crate) fn decode(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let byte = match (first, after) {
            (b'%', [high, low, ..]) => {
                u8::from_str_radix(std::str::from_utf8(&[*high, *low]).unwrap(), 16).unwrap()
            }
            _ => *first,
        };
        out.push(byte);
        rest = if *first == b'%' { &after[2..] } else { after };
    }
    String::from_utf8(out).unwrap()
}
