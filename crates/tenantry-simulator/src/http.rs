//! Requests and responses as the pure core sees them, and the little of HTTP that it needs: query strings
//! and percent-coding.
//!
//! Knows nothing of sockets, of Auth0, or of time. The server and a simulated network both build these values.

use serde_json::Value;

/// One HTTP request as the core sees it.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Upper-case method, e.g. `GET`.
    pub method: String,
    /// Raw path, still percent-encoded, without the query.
    pub path: String,
    /// Raw query string without the `?`; empty when there is none.
    pub query: String,
    /// Header names in any case; repeated names stay repeated.
    pub headers: Vec<(String, String)>,
    /// The body's bytes, empty when there is none.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without body. `target` is path and query, e.g. `/api/v2/users?page=0`.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// A request without body and headers. `target` is path and query.
    pub fn new(method: &str, target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self { method: method.into(), path: path.into(), query: query.into(), ..Self::default() }
    }

    /// The same request with a JSON body.
    #[must_use]
    pub fn json(mut self, body: &Value) -> Self {
        self.headers.push(("content-type".into(), "application/json".into()));
        self.body = body.to_string().into_bytes();
        self
    }

    /// The same request with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same request with a bearer token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// The first header of that name (compared without case).
    pub fn header_value(&self, name: &str) -> Option<&str> {
        find_header(&self.headers, name)
    }
}

/// One HTTP answer. A header name that starts with `:` is a hint to the shell and never sent.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// HTTP status code.
    pub status: u16,
    /// Header names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body's bytes.
    pub body: Vec<u8>,
}

/// Hint to the shell: hold the answer back for that many milliseconds.
pub(crate) const HINT_DELAY: &str = ":delay-ms";
/// Hint to the shell: send this many bytes of the body, then cut the connection.
pub(crate) const HINT_CUT: &str = ":cut-after";
/// Hint to the shell: the body goes on with the events after this position.
pub(crate) const HINT_FOLLOW: &str = ":follow";

impl Response {
    /// The first header of that name (compared without case).
    pub fn header_value(&self, name: &str) -> Option<&str> {
        find_header(&self.headers, name)
    }

    /// The body as JSON; `Null` where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

fn find_header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
}

/// A parsed query string: decoded pairs in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes `a=b&c=d`; `+` is a space, as in form bodies.
    pub(crate) fn parse(raw: &str) -> Self {
        let pair = |part: &str| {
            let (k, v) = part.split_once('=').unwrap_or((part, ""));
            (decode_form(k), decode_form(v))
        };
        Self(raw.split('&').filter(|p| !p.is_empty()).map(pair).collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Every value of a repeated parameter (`name` and `name[]`), commas splitting one value into several.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let matches = |k: &str| k == name || k.strip_suffix("[]") == Some(name);
        self.0.iter().filter(|(k, _)| matches(k)).flat_map(|(_, v)| v.split(',')).collect()
    }

    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }
}

/// Decodes `%XX`; leaves a `%` that is not followed by two hex digits alone.
pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = |b: u8| char::from(b).to_digit(16);
        match (bytes[i], bytes.get(i + 1).copied().and_then(hex), bytes.get(i + 2).copied().and_then(hex)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                i += 3;
            }
            (byte, ..) => {
                out.push(byte);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn decode_form(text: &str) -> String {
    decode(&text.replace('+', " "))
}

/// Encodes everything but the unreserved characters of RFC 3986: one path segment or query value.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let hex = |digit: u8| char::from(b"0123456789ABCDEF"[usize::from(digit)]);
            out.extend(['%', hex(byte >> 4), hex(byte & 15)]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_decoded_exactly_once() {
        assert_eq!(decode("auth0%7Cab%2Fc"), "auth0|ab/c");
        assert_eq!(decode("auth0%7Cab%252Fc"), "auth0|ab%2Fc");
        assert_eq!(decode("100%"), "100%");
        assert_eq!(encode("auth0|ab%2Fc d"), "auth0%7Cab%252Fc%20d");
        assert_eq!(decode(&encode("ü|%25 /x")), "ü|%25 /x");
    }

    #[test]
    fn queries_keep_order_and_lists() {
        let query = Query::parse("q=a%3Ab+c&strategy=auth0&strategy=samlp,oidc&empty=");
        assert_eq!(query.get("q"), Some("a:b c"));
        assert_eq!(query.all("strategy"), ["auth0", "samlp", "oidc"]);
        assert_eq!(query.get("empty"), Some(""));
        assert!(!query.has("missing"));
    }
}
