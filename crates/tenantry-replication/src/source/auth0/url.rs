//! Addresses that we send to: a tenant's domain and the links that its API hands out.
//!
//! Refuses everything that could send a secret or a request somewhere unexpected: user info, other schemes, plain HTTP to anything
//! but the loopback interface, hosts that resolvers read as numbers.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Longest host name that DNS allows.
const HOST_LENGTH_MAX: usize = 253;
/// Longest label of a host name.
const LABEL_LENGTH_MAX: usize = 63;

/// How to reach a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// TLS.
    Https,
    /// Plain text; for loopback addresses only.
    Http,
}

/// Scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// How to reach it.
    pub scheme: Scheme,
    /// Host name in lower case, or an address (IPv6 in brackets).
    pub host: String,
    /// Port where it is not the scheme's own.
    pub port: Option<u16>,
}

/// One address. Path and query stay as they are sent: percent-encoded.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    /// Where to.
    pub origin: Origin,
    /// Path, beginning with `/`.
    pub path: String,
    /// Query without the `?`; empty for none.
    pub query: String,
}

/// The domain of a tenant: `tenant.region.auth0.com`, or a loopback address of a simulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain(Origin);

/// Why a text is not an address that we would send to. Never repeats the text: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidUrl(&'static str);

impl Domain {
    /// Reads `tenant.us.auth0.com`, also with `https://` in front and one slash behind; `http://` for loopback addresses alone.
    pub fn parse(text: &str) -> Result<Self, InvalidUrl> {
        let text = text.trim();
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (scheme_of(scheme)?, rest),
            None => (Scheme::Https, text),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.is_empty() {
            return Err(InvalidUrl("the domain is empty; expected a host such as tenant.us.auth0.com"));
        }
        if authority.contains('@') {
            return Err(InvalidUrl("a domain takes no user name or password"));
        }
        if authority.contains(['/', '?', '#', '\\']) {
            return Err(InvalidUrl("a domain is a host alone, without a path"));
        }
        let origin = Origin::parse(scheme, authority)?;
        if !origin.is_loopback() {
            if origin.port.is_some() {
                return Err(InvalidUrl("a domain takes no port, except on a loopback address"));
            }
            if !origin.host.contains('.') {
                return Err(InvalidUrl(
                    "the domain is not complete; expected a host such as tenant.us.auth0.com",
                ));
            }
        }
        Ok(Self(origin))
    }

    /// Where the tenant's API answers.
    pub fn origin(&self) -> &Origin {
        &self.0
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.scheme {
            Scheme::Https => write!(f, "{}", self.0.authority()),
            Scheme::Http => write!(f, "{}", self.0),
        }
    }
}

impl Origin {
    fn parse(scheme: Scheme, authority: &str) -> Result<Self, InvalidUrl> {
        let (host, port) = split_port(authority)?;
        let host = valid_host(host)?;
        let origin = Self { scheme, host, port };
        if scheme == Scheme::Http && !origin.is_loopback() {
            return Err(InvalidUrl("http:// is for loopback addresses alone; use https://"));
        }
        Ok(origin)
    }

    /// Host and port as they stand in an address.
    pub fn authority(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }

    /// Whether it is this machine.
    pub fn is_loopback(&self) -> bool {
        let address = self.host.trim_start_matches('[').trim_end_matches(']');
        self.host == "localhost"
            || address.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
            || address.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
    }

    /// An address on this host.
    pub fn url(&self, path: impl Into<String>, query: impl Into<String>) -> Url {
        Url { origin: self.clone(), path: path.into(), query: query.into() }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Https => "https",
            Scheme::Http => "http",
        };
        write!(f, "{scheme}://{}", self.authority())
    }
}

impl Url {
    /// Reads a link that an API handed out: https, or http to a loopback address.
    pub fn parse(text: &str) -> Result<Self, InvalidUrl> {
        let (scheme, rest) = text.split_once("://").ok_or(InvalidUrl("the link has no scheme"))?;
        let scheme = scheme_of(scheme)?;
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        if authority.contains(['@', '\\']) {
            return Err(InvalidUrl("the link holds a user name or password"));
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if !path.chars().chain(query.chars()).all(|c| c.is_ascii_graphic()) {
            return Err(InvalidUrl("the link holds characters that must be encoded"));
        }
        let path = if path.is_empty() { "/" } else { path };
        Ok(Origin::parse(scheme, authority)?.url(path, query))
    }

    /// The whole address. Holds query values, which may be secrets: for sending, not for messages.
    pub fn full(&self) -> String {
        let mark = if self.query.is_empty() { "" } else { "?" };
        format!("{}{}{mark}{}", self.origin, self.path, self.query)
    }
}

/// Shows no query: links carry signatures, searches carry personal data.
impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path)
    }
}

fn scheme_of(text: &str) -> Result<Scheme, InvalidUrl> {
    match text.to_ascii_lowercase().as_str() {
        "https" => Ok(Scheme::Https),
        "http" => Ok(Scheme::Http),
        _ => Err(InvalidUrl("only https:// is taken")),
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), InvalidUrl> {
    let after_address = authority.rfind(']').map_or(0, |end| end + 1);
    let Some(colon) = authority[after_address..].find(':') else { return Ok((authority, None)) };
    let (host, port) = authority.split_at(after_address + colon);
    let digits = &port[1..];
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(InvalidUrl("the port is not a number"));
    }
    let port = digits.parse().map_err(|_| InvalidUrl("the port is not a number up to 65535"))?;
    Ok((host, Some(port)))
}

fn valid_host(host: &str) -> Result<String, InvalidUrl> {
    const WRONG: InvalidUrl =
        InvalidUrl("the host is not a host name; expected one such as tenant.us.auth0.com");
    if let Some(address) = host.strip_prefix('[') {
        let address = address.strip_suffix(']').ok_or(WRONG)?;
        let address: Ipv6Addr = address.parse().map_err(|_| WRONG)?;
        return Ok(format!("[{address}]"));
    }
    let host = host.to_ascii_lowercase();
    let label_fits = |label: &str| {
        (1..=LABEL_LENGTH_MAX).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if host.len() > HOST_LENGTH_MAX || !host.split('.').all(label_fits) {
        return Err(WRONG);
    }
    // Resolvers read `127.1` and `0x7f.1` as addresses: only the plain spelling may look like one.
    let last = host.rsplit('.').next().unwrap_or_default();
    let numeric = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
    if numeric && host.parse::<Ipv4Addr>().is_err() {
        return Err(WRONG);
    }
    Ok(host)
}

/// Percent-encodes everything but RFC 3986's unreserved characters: one path segment or one query value.
pub(super) fn encode(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte as char);
        } else {
            out.push('%');
            out.push(HEX[usize::from(byte >> 4)] as char);
            out.push(HEX[usize::from(byte & 15)] as char);
        }
    }
    out
}

/// Puts a key into a path as one segment; `None` for keys that no spelling keeps from being read as a step up or down.
pub(super) fn fill(path: &str, place: &str, key: &str) -> Option<String> {
    (!matches!(key, "" | "." | "..")).then(|| path.replace(place, &encode(key)))
}

/// Decodes `%XX` and `+` of a query value; what is not an escape stays as it is.
pub(super) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|byte| (*byte as char).to_digit(16));
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if let (b'%', Some(high), Some(low)) = (byte, digit(at + 1), digit(at + 2)) {
            out.push((high * 16 + low) as u8);
            at += 3;
        } else {
            out.push(if byte == b'+' { b' ' } else { byte });
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A query string from names and values, in order.
pub(super) fn query<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = String::new();
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(&encode(name));
        out.push('=');
        out.push_str(&encode(value));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_hosts_and_nothing_else() {
        for (text, expected) in [
            ("tenant.us.auth0.com", "https://tenant.us.auth0.com"),
            (" https://Tenant.US.auth0.com/ ", "https://tenant.us.auth0.com"),
            ("HTTPS://login.example.com", "https://login.example.com"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://127.9.8.7", "http://127.9.8.7"),
            ("http://localhost:3000/", "http://localhost:3000"),
            ("http://[::1]:9", "http://[::1]:9"),
            ("http://[0:0:0:0:0:0:0:1]", "http://[::1]"),
            ("https://localhost:8443", "https://localhost:8443"),
            ("192.0.2.7", "https://192.0.2.7"),
        ] {
            let domain = Domain::parse(text).map(|domain| domain.origin().to_string());
            assert_eq!(domain.as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_could_send_secrets_elsewhere_is_refused() {
        for text in [
            "",
            "https://",
            "tenant",
            "tenant.us.auth0.com/api",
            "tenant.us.auth0.com//",
            "tenant.us.auth0.com?x=1",
            "tenant.us.auth0.com#x",
            "tenant.us.auth0.com:8443",
            "https://user:word@tenant.us.auth0.com",
            "user@tenant.us.auth0.com",
            "https://tenant.us.auth0.com\\@example.com",
            "http://tenant.us.auth0.com",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "http://127.1",
            "http://0x7f.1",
            "http://2130706433",
            "http://[::ffff:7f00:1]",
            "http://[fe80::1]",
            "http://0.0.0.0",
            "ftp://tenant.us.auth0.com",
            "file:///etc/passwd",
            "tenant..auth0.com",
            "-tenant.auth0.com",
            "tenant.auth0.com.",
            "ten ant.auth0.com",
            "tenänt.auth0.com",
            "tenant%2eauth0.com",
            "http://127.0.0.1:99999",
            "http://127.0.0.1:",
            "http://127.0.0.1:+80",
        ] {
            assert!(Domain::parse(text).is_err(), "{text}");
        }
        let wrong = Domain::parse("https://user:correcthorse@tenant.us.auth0.com").unwrap_err().to_string();
        assert!(!wrong.contains("correcthorse"), "{wrong}");
    }

    #[test]
    fn links_keep_their_spelling() {
        let link = "https://files.example.com/a%2Fb.json.gz?Expires=1&Signature=a%2Bb";
        assert_eq!(Url::parse(link).unwrap().full(), link);
        assert_eq!(format!("{:?}", Url::parse(link).unwrap()), "https://files.example.com/a%2Fb.json.gz");
        assert_eq!(Url::parse("https://files.example.com?x").unwrap().full(), "https://files.example.com/?x");
        for wrong in [
            "http://files.example.com/",
            "https://a@b.example.com/",
            "//x",
            "https://a b.example.com/",
            "https://x.example.com/ü",
        ] {
            assert!(Url::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_segment_is_encoded_exactly_once() {
        assert_eq!(encode("auth0|a%7Cb/c d.~_-"), "auth0%7Ca%257Cb%2Fc%20d.~_-");
        assert_eq!(encode("ü"), "%C3%BC");
        for text in ["auth0|a%7Cb/c d+e", "ü", "100%", "%zz"] {
            assert_eq!(decode(&encode(text)), text);
        }
        assert_eq!(query([("q", "a:[b TO c}"), ("page", "0")]), "q=a%3A%5Bb%20TO%20c%7D&page=0");
    }
}
