//! Transports for tests: a simulated tenant in the same process, and scripted answers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};
use tenantry_replication::catalog::{CATALOG, Stream};
use tenantry_replication::clock::Clock;
use tenantry_replication::source::auth0::{
    Auth0, Body, Credentials, Domain, Headers, HttpRequest, HttpResponse, Secret, Settings, Transport,
    TransportError,
};
use tenantry_replication::source::{Read, Source};
use tenantry_replication::state::Checkpoint;
use tenantry_simulator::{CLIENT_ID, CLIENT_SECRET, Config, Request, Simulation};

use super::Got;
use tenantry_replication::clock::VirtualClock;

/// A request as a test looks at it.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) method: &'static str,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) authorization: Option<String>,
    pub(crate) body: String,
    pub(crate) at: Duration,
    pub(crate) status: u16,
    /// What `x-ratelimit-limit` and `x-ratelimit-remaining` said.
    pub(crate) standing: Option<(i64, i64)>,
}

fn sent(request: &HttpRequest, at: Duration) -> Sent {
    let authorization =
        request.headers.iter().find(|(name, _)| *name == "authorization").map(|(_, value)| value.clone());
    Sent {
        method: request.method.name(),
        host: request.url.origin.host.clone(),
        path: request.url.path.clone(),
        query: request.url.query.clone(),
        authorization,
        body: String::from_utf8_lossy(&request.body).into_owned(),
        at,
        status: 0,
        standing: None,
    }
}

/// A body that breaks off.
pub(crate) struct Broken(pub Option<Bytes>);

#[async_trait]
impl Body for Broken {
    async fn next(&mut self) -> Result<Option<Bytes>, TransportError> {
        match self.0.take() {
            Some(bytes) => Ok(Some(bytes)),
            None => Err(TransportError::new("connection reset")),
        }
    }
}

/// A simulated tenant, answering after `latency` each way.
pub(crate) struct Tenant {
    pub(crate) clock: Arc<VirtualClock>,
    simulation: Mutex<Simulation>,
    log: Mutex<Vec<Sent>>,
    latency: Duration,
    /// Requests under way, and the most there have been.
    under_way: Mutex<(usize, usize)>,
}

impl Tenant {
    pub(crate) fn new(config: Config) -> Arc<Self> {
        Self::with(config, super::time::clock(), Duration::from_millis(20))
    }

    pub(crate) fn with(config: Config, clock: Arc<VirtualClock>, latency: Duration) -> Arc<Self> {
        let config = Config { start: super::time::START, ..config };
        let simulation = Mutex::new(Simulation::new(config));
        Arc::new(Self { clock, simulation, log: Mutex::default(), latency, under_way: Mutex::default() })
    }

    /// The source that reads it.
    pub(crate) fn source(self: &Arc<Self>) -> Auth0 {
        self.source_with(|_| {})
    }

    /// The source that reads it, with settings changed.
    pub(crate) fn source_with(self: &Arc<Self>, change: impl FnOnce(&mut Settings)) -> Auth0 {
        let mut settings = settings();
        change(&mut settings);
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        Auth0::new(settings, Arc::clone(self) as _, clock)
    }

    /// Reads a stream to its end with a fresh source.
    pub(crate) fn read(self: &Arc<Self>, stream: &str) -> Got {
        self.read_from(stream, Vec::new(), None)
    }

    /// Reads a stream to its end with a fresh source, for parents or from a checkpoint.
    pub(crate) fn read_from(
        self: &Arc<Self>,
        stream_name: &str,
        parents: Vec<String>,
        from: Option<Checkpoint>,
    ) -> Got {
        let source = self.source();
        let pages = source.open(Read { stream: stream(stream_name), parents, from, since: None });
        self.clock.run(super::read_all(pages)).expect("the read succeeds")
    }

    /// Drives the tenant by a control route.
    pub(crate) fn control(&self, path: &str, body: &Value) -> Value {
        let request = Request::new("POST", &format!("/__sim{path}")).json(body);
        let response = self.simulation.lock().unwrap().handle(&request, self.clock.truth());
        assert_eq!(response.status, 200, "{}", String::from_utf8_lossy(&response.body));
        response.json()
    }

    /// Orders a fault.
    pub(crate) fn fault(&self, fault: Value) {
        self.control("/faults", &json!({ "faults": Value::Array(vec![fault]) }));
    }

    /// The tenant as it is.
    pub(crate) fn truth(&self) -> Value {
        let mut simulation = self.simulation.lock().unwrap();
        simulation.handle(&Request::get("/__sim/stats"), self.clock.truth());
        simulation.truth()
    }

    /// Changes the tenant's state directly.
    pub(crate) fn with_simulation<T>(&self, change: impl FnOnce(&mut Simulation, i64) -> T) -> T {
        change(&mut self.simulation.lock().unwrap(), self.clock.truth())
    }

    /// Requests that came in.
    pub(crate) fn log(&self) -> Vec<Sent> {
        self.log.lock().unwrap().clone()
    }

    /// Requests to the Management API that came in.
    pub(crate) fn api_log(&self) -> Vec<Sent> {
        self.log().into_iter().filter(|sent| sent.path.starts_with("/api/")).collect()
    }

    /// The most requests that were under way at the same time.
    pub(crate) fn most_under_way(&self) -> usize {
        self.under_way.lock().unwrap().1
    }
}

#[async_trait]
impl Transport for Tenant {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        {
            let mut under_way = self.under_way.lock().unwrap();
            under_way.0 += 1;
            under_way.1 = under_way.1.max(under_way.0);
        }
        self.clock.sleep(self.latency).await;
        let answer = self.answer(&request);
        self.clock.sleep(self.latency).await;
        self.under_way.lock().unwrap().0 -= 1;
        Ok(answer)
    }
}

impl Tenant {
    fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let mut record = sent(request, self.clock.monotonic());
        let mut asked = Request::new(record.method, &record.path);
        asked.query.clone_from(&record.query);
        asked.body = request.body.to_vec();
        for (name, value) in &request.headers {
            asked = asked.header(name, value);
        }
        asked = asked.header("host", &request.url.origin.authority());
        let response = self.simulation.lock().unwrap().handle(&asked, self.clock.truth());
        record.status = response.status;
        let number = |name: &str| response.header_value(name).and_then(|value| value.parse().ok());
        record.standing = number("x-ratelimit-limit").zip(number("x-ratelimit-remaining"));
        self.log.lock().unwrap().push(record);
        let cut: Option<usize> = response.header_value(":cut-after").and_then(|bytes| bytes.parse().ok());
        let headers = Headers::new(response.headers.into_iter().filter(|(name, _)| !name.starts_with(':')));
        let mut answer = HttpResponse::whole(response.status, headers, Bytes::new());
        let body = Bytes::from(response.body);
        answer.body = match cut {
            Some(bytes) => Box::new(Broken(Some(body.slice(..bytes.min(body.len()))))),
            None => HttpResponse::whole(200, Headers::default(), body).body,
        };
        answer
    }
}

/// Credentials of the simulated tenant.
pub(crate) fn settings() -> Settings {
    let secret = Secret::new(CLIENT_SECRET);
    let credentials = Credentials::ClientSecret { client_id: CLIENT_ID.into(), secret };
    Settings::new(Domain::parse("tenantry-demo.us.auth0.example.com").unwrap(), credentials)
}

/// A stream of the catalog.
pub(crate) fn stream(name: &str) -> &'static Stream {
    CATALOG.stream(name).unwrap_or_else(|| panic!("no stream {name}"))
}

/// One scripted answer: status, headers, body.
pub(crate) type Answer = (u16, Vec<(&'static str, String)>, String);

/// Answers from a function of the request, given how many of its path have come before.
type Rule = Box<dyn Fn(&Sent, usize) -> Result<Answer, TransportError> + Send + Sync>;

/// Scripted answers. Tokens are given without being asked for in the script.
pub(crate) struct Script {
    pub(crate) clock: Arc<VirtualClock>,
    rule: Rule,
    log: Mutex<Vec<Sent>>,
}

impl Script {
    pub(crate) fn new(
        rule: impl Fn(&Sent, usize) -> Result<Answer, TransportError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { clock: super::time::clock(), rule: Box::new(rule), log: Mutex::default() })
    }

    /// These answers to requests of the API, in order.
    pub(crate) fn answers(answers: impl IntoIterator<Item = Answer>) -> Arc<Self> {
        let answers: Mutex<VecDeque<Answer>> = Mutex::new(answers.into_iter().collect());
        Self::new(move |sent, _| {
            Ok(answers.lock().unwrap().pop_front().unwrap_or_else(|| panic!("no answer to {sent:?}")))
        })
    }

    pub(crate) fn source(self: &Arc<Self>) -> Auth0 {
        Auth0::new(settings(), Arc::clone(self) as _, Arc::clone(&self.clock) as _)
    }

    pub(crate) fn read(
        self: &Arc<Self>,
        stream_name: &str,
        from: Option<Checkpoint>,
    ) -> tenantry_replication::error::SourceResult<Got> {
        let pages =
            self.source().open(Read { stream: stream(stream_name), parents: Vec::new(), from, since: None });
        self.clock.run(super::read_all(pages))
    }

    /// Requests that came in, those for tokens left out.
    pub(crate) fn log(&self) -> Vec<Sent> {
        self.log.lock().unwrap().iter().filter(|sent| sent.path != "/oauth/token").cloned().collect()
    }
}

#[async_trait]
impl Transport for Script {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        let record = sent(&request, self.clock.monotonic());
        let before = self.log.lock().unwrap().iter().filter(|sent| sent.path == record.path).count();
        self.log.lock().unwrap().push(record.clone());
        let (status, headers, body) = if record.path == "/oauth/token" {
            ok(
                json!({ "access_token": format!("token-{before}"), "expires_in": 86_400, "scope": "read:everything read:actions" }),
            )
        } else {
            (self.rule)(&record, before)?
        };
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value));
        Ok(HttpResponse::whole(status, Headers::new(headers), body.into()))
    }
}

/// A success.
#[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
pub(crate) fn ok(body: Value) -> Answer {
    (200, vec![("content-type", "application/json; charset=utf-8".to_owned())], body.to_string())
}

/// A refusal in Auth0's shape.
pub(crate) fn refusal(status: u16, code: &str, message: &str) -> Answer {
    let body = json!({ "statusCode": status, "error": "Error", "message": message, "errorCode": code });
    (status, Vec::new(), body.to_string())
}

/// The value of a query parameter, decoded.
pub(crate) fn parameter(query: &str, name: &str) -> Option<String> {
    let pair = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    let bytes = pair.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' {
            out.push(u8::from_str_radix(&pair[at + 1..at + 3], 16).unwrap());
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    Some(String::from_utf8(out).unwrap())
}
