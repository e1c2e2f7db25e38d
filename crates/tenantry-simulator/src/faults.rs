//! Faults that a test orders beforehand: for matching requests the tenant answers with a given status, cuts the
//! body short, closes the connection or is slow, so many times.
//!
//! Only what was ordered happens; there is no randomness here. The control route parses the orders.

use crate::http::{HINT_CUT, HINT_DELAY, Response};
use crate::search::like;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// One ordered fault.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    /// Method that matches; every one without.
    #[serde(default)]
    method: Option<String>,
    /// Path pattern; `*` stands for any run of characters.
    path: String,
    /// How many matching requests pass before the fault begins.
    #[serde(default)]
    skip: u64,
    /// How many requests it hits.
    #[serde(default = "once")]
    times: u64,
    /// Status of the answer instead of the real one; the request then changes nothing.
    #[serde(default)]
    status: Option<u16>,
    /// Headers of that answer, or added to the real one.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Body of that answer: a string as it is, anything else as JSON.
    #[serde(default)]
    body: Value,
    /// Keep so many bytes of the real body, with a length header to match: a well-formed answer of broken JSON.
    #[serde(default)]
    truncate: Option<usize>,
    /// Send so many bytes of the real body, then close the connection.
    #[serde(default)]
    cut: Option<usize>,
    /// Hold the answer back, milliseconds.
    #[serde(default)]
    delay_ms: Option<u64>,
}

fn once() -> u64 {
    1
}

/// All ordered faults, in the order of the orders.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn order(&mut self, faults: Vec<Fault>) {
        self.0.extend(faults);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn pending(&self) -> usize {
        self.0.len()
    }

    /// The fault that hits this request, if any; it is used up by that.
    pub(crate) fn hit(&mut self, method: &str, path: &str) -> Option<Fault> {
        let matches = |f: &Fault| {
            f.method.as_deref().is_none_or(|m| m.eq_ignore_ascii_case(method)) && like(path, &f.path)
        };
        let at = self.0.iter().position(matches)?;
        let fault = &mut self.0[at];
        if fault.skip > 0 {
            fault.skip -= 1;
            return None;
        }
        fault.times = fault.times.saturating_sub(1);
        let hit = fault.clone();
        if fault.times == 0 {
            self.0.remove(at);
        }
        Some(hit)
    }
}

impl Fault {
    /// The answer that replaces the real one; `None` where the request is answered first.
    pub(crate) fn instead(&self) -> Option<Response> {
        let status = self.status?;
        let (kind, body) = match &self.body {
            Value::Null => ("text/plain", Vec::new()),
            Value::String(text) => ("text/html", text.clone().into_bytes()),
            other => ("application/json; charset=utf-8", other.to_string().into_bytes()),
        };
        let headers = vec![("content-type".to_owned(), kind.to_owned())];
        Some(Response { status, headers, body })
    }

    /// Spoils an answer as ordered.
    pub(crate) fn spoil(&self, mut response: Response) -> Response {
        if let Some(keep) = self.truncate {
            response.body.truncate(keep);
        }
        if let Some(bytes) = self.cut {
            response.headers.push((HINT_CUT.into(), bytes.to_string()));
        }
        if let Some(delay) = self.delay_ms {
            response.headers.push((HINT_DELAY.into(), delay.to_string()));
        }
        for (name, value) in &self.headers {
            response.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
            response.headers.push((name.to_lowercase(), value.clone()));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_fault_hits_as_often_as_ordered() {
        let mut faults = Faults::default();
        let order = json!({"path": "/api/v2/users*", "skip": 1, "times": 2, "status": 503, "body": {"a": 1}});
        faults.order(vec![serde_json::from_value(order).expect("an order")]);
        assert!(faults.hit("GET", "/api/v2/clients").is_none());
        assert!(faults.hit("GET", "/api/v2/users").is_none(), "the first passes");
        for _ in 0..2 {
            let hit = faults.hit("GET", "/api/v2/users/1").and_then(|f| f.instead()).expect("a fault");
            assert_eq!((hit.status, hit.json()), (503, json!({"a": 1})));
        }
        assert!(faults.hit("GET", "/api/v2/users").is_none());
    }
}
