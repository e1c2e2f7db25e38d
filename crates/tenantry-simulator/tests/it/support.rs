//! A client of the tenant for tests: it holds a token and a clock.

use serde_json::{Value, json};
use tenantry_simulator::{CLIENT_ID, CLIENT_SECRET, Config, Plan, Request, Response, Simulation};

/// Microseconds in a second.
pub(crate) const SECOND: i64 = 1_000_000;

/// A tenant small enough for every test, without limits and without lag.
pub(crate) fn small() -> Config {
    Config {
        users: 120,
        tied_users: 30,
        logs: 900,
        organizations: 7,
        members_per_organization: 25,
        clients: 14,
        grants: 60,
        plan: Plan::Unlimited,
        search_lag_micros: 0,
        log_lag_micros: 0,
        ..Config::default()
    }
}

/// A tenant and someone who talks to it.
pub(crate) struct Session {
    pub(crate) simulation: Simulation,
    pub(crate) token: String,
    pub(crate) now: i64,
}

impl Session {
    pub(crate) fn new(config: Config) -> Self {
        let now = config.start;
        let mut session = Self { simulation: Simulation::new(config), token: String::new(), now };
        session.log_in();
        session
    }

    /// Fetches a token; gives back the whole answer.
    pub(crate) fn log_in(&mut self) -> Response {
        let body = json!({ "grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
            "audience": "https://demo.us.auth0.example.com/api/v2/" });
        let response = self.send(&Request::new("POST", "/oauth/token").json(&body));
        response.json()["access_token"].as_str().unwrap_or_default().clone_into(&mut self.token);
        response
    }

    /// Sends a request as it is.
    pub(crate) fn send(&mut self, request: &Request) -> Response {
        let request = request.clone().header("host", "127.0.0.1:7000");
        self.simulation.handle(&request, self.now)
    }

    /// Calls the Management API; `target` comes after `/api/v2`.
    pub(crate) fn call(&mut self, method: &str, target: &str, body: &Value) -> Response {
        let mut request = Request::new(method, &format!("/api/v2{target}")).bearer(&self.token);
        if !body.is_null() {
            request = request.json(body);
        }
        self.send(&request)
    }

    /// A GET that must succeed.
    pub(crate) fn get(&mut self, target: &str) -> Value {
        let response = self.call("GET", target, &Value::Null);
        assert_eq!(response.status, 200, "GET {target}: {}", response.json());
        response.json()
    }

    /// A GET that must be refused; its status and body.
    pub(crate) fn refused(&mut self, target: &str) -> (u16, Value) {
        let response = self.call("GET", target, &Value::Null);
        assert!(response.status >= 400, "GET {target} was answered");
        (response.status, response.json())
    }

    /// A write that must succeed.
    pub(crate) fn write(&mut self, method: &str, target: &str, body: &Value) -> Value {
        let response = self.call(method, target, body);
        assert!(response.status < 300, "{method} {target}: {} {}", response.status, response.json());
        response.json()
    }

    /// A `/__sim` route.
    pub(crate) fn control(&mut self, method: &str, path: &str, body: &Value) -> Value {
        let mut request = Request::new(method, &format!("/__sim{path}"));
        if !body.is_null() {
            request = request.json(body);
        }
        let response = self.send(&request);
        assert_eq!(response.status, 200, "{method} {path}: {}", response.json());
        response.json()
    }

    /// The truth.
    pub(crate) fn tenant(&mut self) -> Value {
        self.control("GET", "/tenant", &Value::Null)
    }

    /// Every row of a checkpoint list, and the number of requests that it took.
    pub(crate) fn walk(&mut self, target: &str, collection: &str) -> (Vec<Value>, usize) {
        let mut rows = Vec::new();
        let mut from = String::new();
        for requests in 1..500 {
            let separator = if target.contains('?') { '&' } else { '?' };
            let page = self.get(&format!("{target}{separator}{from}"));
            rows.extend(page[collection].as_array().expect("an array").clone());
            match page["next"].as_str() {
                Some(next) => from = format!("from={}", next.replace('+', "%2B")),
                None => return (rows, requests),
            }
        }
        panic!("{target} never ends");
    }

    /// Every event after a log id, by checkpoint, following the `Link` header; and the last link.
    pub(crate) fn events(&mut self, from: &str) -> (Vec<Value>, String) {
        let mut target = format!("/logs?from={from}&take=100");
        let mut events = Vec::new();
        loop {
            let response = self.call("GET", &target, &Value::Null);
            assert_eq!(response.status, 200, "{target}: {}", response.json());
            let page = response.json();
            let page = page.as_array().expect("an array");
            let link = response.header_value("link").unwrap_or_default().to_owned();
            if page.is_empty() {
                return (events, link);
            }
            events.extend(page.clone());
            let next = link.trim_start_matches('<').split('>').next().unwrap_or_default();
            next.rsplit_once("/api/v2").expect("an address").1.clone_into(&mut target);
        }
    }

    /// Events after the given number of known ones.
    pub(crate) fn new_events(&mut self, known: usize) -> Vec<Value> {
        self.events("").0.split_off(known)
    }
}

/// The strings at a name of each row, sorted.
pub(crate) fn ids(rows: &Value, name: &str) -> Vec<String> {
    let rows = rows.as_array().expect("an array");
    let mut ids: Vec<String> = rows.iter().map(|r| r[name].as_str().expect(name).to_owned()).collect();
    ids.sort();
    ids
}

/// One segment of a path, encoded.
pub(crate) fn segment(text: &str) -> String {
    let keep = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().map(|b| if keep(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
