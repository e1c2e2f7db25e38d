//! Who may look: the name that the console is reached by, the site that a request comes from, and the session that its cookie stands for.
//!
//! A browser sends cookies for anybody's page. So each request shows in four ways that it is ours: its Host, its `Sec-Fetch-Site`, a cookie
//! that no script reads and no other site sends, and for everything that does something a word from our own form.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderMap, Method, header};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::error::CommandError;

/// Sessions at a time; the oldest goes first.
const SESSIONS_MAX: usize = 32;
/// Bytes of a token.
const TOKEN_BYTES: usize = 32;

/// The door.
pub(super) struct Access {
    /// Values of the Host header that are meant for us.
    hosts: BTreeSet<String>,
    /// Name of the session's cookie. Cookies do not tell ports apart: each port has a name of its own.
    cookie: String,
    /// Opens the console once.
    link: Mutex<Option<String>>,
    /// Opens it as often as it is given, where the console is reached from other machines.
    password: Option<String>,
    sessions: Mutex<Vec<Session>>,
}

/// A browser that was let in.
#[derive(Clone)]
pub(super) struct Session {
    id: String,
    /// The word that its forms carry.
    pub(super) word: String,
}

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It names another host: a page that pretends to be us by its own DNS.
    Host,
    /// It comes from another site.
    Site,
    /// It has no session.
    Session,
    /// It carries no word of ours.
    Word,
}

impl Access {
    pub(super) fn new(
        address: SocketAddr,
        names: &[String],
        password: Option<String>,
    ) -> Result<Self, CommandError> {
        let port = address.port();
        let mut hosts: BTreeSet<String> =
            ["127.0.0.1", "localhost", "[::1]"].iter().map(|name| format!("{name}:{port}")).collect();
        if !address.ip().is_unspecified() {
            hosts.insert(address.to_string());
        }
        for name in names {
            let name = name.to_ascii_lowercase();
            hosts.insert(format!("{name}:{port}"));
            // Behind a proxy of the usual ports.
            hosts.insert(name);
        }
        let access = Self {
            hosts,
            cookie: format!("tenantry_{port}"),
            link: Mutex::default(),
            password,
            sessions: Mutex::default(),
        };
        access.renew_link()?;
        Ok(access)
    }

    /// A new token for the link; the old one opens nothing any more.
    pub(super) fn renew_link(&self) -> Result<String, CommandError> {
        let token = token()?;
        *locked(&self.link) = Some(token.clone());
        Ok(token)
    }

    /// Whether a request is meant for us and comes from our own pages, or from a person.
    pub(super) fn check_origin(&self, method: &Method, headers: &HeaderMap) -> Result<(), Refusal> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let host = text("host").map(str::to_ascii_lowercase).unwrap_or_default();
        if headers.get_all(header::HOST).iter().count() != 1 || !self.hosts.contains(&host) {
            return Err(Refusal::Host);
        }
        let reads = *method == Method::GET || *method == Method::HEAD;
        match text("sec-fetch-site") {
            Some("same-origin") => Ok(()),
            Some("none") | None if reads => Ok(()),
            Some(_) => Err(Refusal::Site),
            // No browser of today: whatever it is says at least where it posts from.
            None => {
                let origin = text("origin").unwrap_or_default().to_ascii_lowercase();
                let ours = ["http", "https"].iter().any(|scheme| origin == format!("{scheme}://{host}"));
                if ours { Ok(()) } else { Err(Refusal::Site) }
            }
        }
    }

    /// The session of a request.
    pub(super) fn session(&self, headers: &HeaderMap) -> Result<Session, Refusal> {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let id = cookies.flat_map(|text| text.split(';')).find_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            (name == self.cookie).then_some(value)
        });
        let sessions = locked(&self.sessions);
        let found = id.and_then(|id| sessions.iter().find(|session| same(&session.id, id)));
        found.cloned().ok_or(Refusal::Session)
    }

    /// Lets a browser in that has the link's token, which is spent then. Gives the cookie.
    pub(super) fn open(&self, given: &str) -> Result<String, Refusal> {
        {
            let mut link = locked(&self.link);
            if !link.as_deref().is_some_and(|token| same(token, given)) {
                return Err(Refusal::Session);
            }
            *link = None;
        }
        self.admit()
    }

    /// Whether there is a password that opens the console.
    pub(super) fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// Lets a browser in whose user knows the password.
    pub(super) fn log_in(&self, given: &str) -> Result<String, Refusal> {
        if self.password.as_deref().is_some_and(|password| same(password, given)) {
            self.admit()
        } else {
            Err(Refusal::Session)
        }
    }

    fn admit(&self) -> Result<String, Refusal> {
        let (Ok(id), Ok(word)) = (token(), token()) else { return Err(Refusal::Session) };
        let cookie = format!("{}={id}; Path=/; HttpOnly; SameSite=Strict", self.cookie);
        let mut sessions = locked(&self.sessions);
        if sessions.len() >= SESSIONS_MAX {
            sessions.remove(0);
        }
        sessions.push(Session { id, word });
        Ok(cookie)
    }
}

impl Session {
    /// Whether a form is one that this session was given.
    pub(super) fn check_word(&self, given: Option<&str>) -> Result<(), Refusal> {
        if given.is_some_and(|given| same(&self.word, given)) { Ok(()) } else { Err(Refusal::Word) }
    }
}

/// Compares digests, so that the time it takes tells nothing of the secret.
fn same(secret: &str, given: &str) -> bool {
    digest(&SHA256, secret.as_bytes()).as_ref() == digest(&SHA256, given.as_bytes()).as_ref()
}

/// A word that nobody guesses, in hexadecimal digits.
fn token() -> Result<String, CommandError> {
    let mut bytes = [0; TOKEN_BYTES];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| CommandError::usage("the system gives no random numbers"))?;
    Ok(hexadecimal(&bytes))
}

/// Bytes as two digits each.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn access() -> Access {
        Access::new("127.0.0.1:8750".parse().unwrap(), &["console.example.com".to_owned()], None).unwrap()
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn only_our_own_names_are_answered() {
        let access = access();
        let check = |host: &str| access.check_origin(&Method::GET, &headers(&[("host", host)]));
        for host in
            ["127.0.0.1:8750", "localhost:8750", "[::1]:8750", "LOCALHOST:8750", "console.example.com"]
        {
            assert_eq!(check(host), Ok(()), "{host}");
        }
        for host in
            ["attacker.example.com:8750", "127.0.0.1", "127.0.0.1:80", "localhost:8750.example.com", ""]
        {
            assert_eq!(check(host), Err(Refusal::Host), "{host}");
        }
        assert_eq!(access.check_origin(&Method::GET, &HeaderMap::new()), Err(Refusal::Host));
    }

    #[test]
    fn other_sites_neither_read_nor_write() {
        let access = access();
        let check = |method: Method, site: &str| {
            access.check_origin(&method, &headers(&[("host", "localhost:8750"), ("sec-fetch-site", site)]))
        };
        for site in ["cross-site", "same-site", "anything"] {
            assert_eq!(check(Method::GET, site), Err(Refusal::Site), "{site}");
            assert_eq!(check(Method::POST, site), Err(Refusal::Site), "{site}");
        }
        assert_eq!(check(Method::GET, "none"), Ok(()));
        assert_eq!(
            check(Method::POST, "none"),
            Err(Refusal::Site),
            "no form of ours is posted by a person alone"
        );
        assert_eq!(check(Method::POST, "same-origin"), Ok(()));
    }

    #[test]
    fn what_tells_no_site_must_tell_its_origin_to_write() {
        let access = access();
        let check = |origin: &[(&'static str, &str)]| {
            let mut all = headers(origin);
            all.insert("host", HeaderValue::from_static("localhost:8750"));
            access.check_origin(&Method::POST, &all)
        };
        assert_eq!(check(&[("origin", "http://localhost:8750")]), Ok(()));
        assert_eq!(check(&[]), Err(Refusal::Site));
        assert_eq!(check(&[("origin", "null")]), Err(Refusal::Site));
        assert_eq!(check(&[("origin", "http://localhost:9999")]), Err(Refusal::Site));
    }

    #[test]
    fn a_link_opens_once_and_makes_a_session_of_its_own() {
        let access = access();
        let token = access.renew_link().unwrap();
        assert!(access.open("guess").is_err());
        let cookie = access.open(&token).unwrap();
        assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{cookie}");
        assert_eq!(access.open(&token), Err(Refusal::Session), "it was spent");
        let pair = cookie.split(';').next().unwrap();
        let session = access.session(&headers(&[("cookie", &format!("other=1; {pair}"))])).unwrap();
        assert_eq!(session.check_word(None), Err(Refusal::Word));
        assert_eq!(session.check_word(Some("x")), Err(Refusal::Word));
        assert_eq!(session.check_word(Some(&session.word.clone())), Ok(()));
        assert!(access.session(&headers(&[("cookie", "tenantry_8750=x")])).is_err());
        assert!(access.session(&HeaderMap::new()).is_err());
    }

    #[test]
    fn a_password_opens_where_there_is_one() {
        let access = Access::new("10.0.0.1:80".parse().unwrap(), &[], Some("horse".to_owned())).unwrap();
        assert!(
            access.log_in("horse").is_ok() && access.log_in("hors").is_err() && access.log_in("").is_err()
        );
        assert!(super::tests::access().log_in("").is_err(), "no password opens nothing");
    }
}
