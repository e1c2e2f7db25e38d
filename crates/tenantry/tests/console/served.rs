//! A console that is served by the program itself, and requests to it written by hand: no client adds or leaves out a header.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::harness::Place;

/// How long one answer may take, a machine under load included.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running `tenantry serve`; told to stop when it is dropped.
pub(crate) struct Served {
    child: Child,
    /// What opens it, as it was printed.
    pub(crate) link: String,
    /// `127.0.0.1:PORT`.
    pub(crate) host: String,
    cookie: Option<String>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Served {
    /// Serves what is in a place, with these arguments.
    pub(crate) fn start(place: &Place, arguments: &[&str]) -> Self {
        let mut command = place.command(&[&["serve", "--port", "0"], arguments].concat());
        Self::of(&mut command, place)
    }

    /// Starts a command that prints the link as its first line.
    pub(crate) fn of(command: &mut Command, place: &Place) -> Self {
        let aside = std::fs::File::create(place.path("messages")).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(aside).spawn().unwrap();
        let mut link = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        while !link.contains("/open?token=") {
            link.clear();
            let read = out.read_line(&mut link).unwrap();
            assert!(read > 0, "it ended: {}", std::fs::read_to_string(place.path("messages")).unwrap());
        }
        let link = link.trim().to_owned();
        let host = link.trim_start_matches("http://").split('/').next().unwrap().to_owned();
        Self { child, link, host, cookie: None }
    }

    /// Opens the link as a browser does, and keeps the cookie.
    pub(crate) fn open(mut self) -> Self {
        let path = self.link.split_once(&self.host).unwrap().1.to_owned();
        let answer = self.get_with(&path, &[]);
        assert_eq!(answer.status, 303, "{answer:?}");
        let cookie = answer.headers["set-cookie"].split(';').next().unwrap().to_owned();
        self.cookie = Some(cookie);
        self
    }

    /// A page as the person whom the console was opened for sees it.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[("cookie", self.cookie.as_deref().unwrap_or_default())])
    }

    /// The same in one piece of text, the page being there.
    #[track_caller]
    pub(crate) fn page(&self, path: &str) -> String {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }

    pub(crate) fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", path, headers, "")
    }

    /// A form of this session.
    pub(crate) fn post(&self, path: &str, form: &str) -> Answer {
        let page = self.page("/syncs");
        let word =
            page.split("name=\"word\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        let form = format!("word={word}&{form}");
        let cookie = self.cookie.as_deref().unwrap_or_default();
        self.send("POST", path, &[("cookie", cookie), ("sec-fetch-site", "same-origin")], &form)
    }

    /// One request, with these headers and no others but the host, which they may name too.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let own = if headers.iter().any(|(name, _)| *name == "host") {
            None
        } else {
            Some(("host", self.host.as_str()))
        };
        let length = body.len().to_string();
        let fixed = [("connection", "close"), ("content-length", length.as_str())];
        let mut request = format!("{method} {path} HTTP/1.1\r\n");
        for (name, value) in fixed.into_iter().chain(own).chain(headers.iter().copied()) {
            for part in [name, ": ", value, "\r\n"] {
                request.push_str(part);
            }
        }
        stream.write_all(format!("{request}\r\n{body}").as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        Answer::parse(&bytes)
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// The cookie of the session.
    pub(crate) fn cookie(&self) -> &str {
        self.cookie.as_deref().expect("it was opened")
    }

    /// Tells it to stop, and gives its exit code.
    pub(crate) fn stop(mut self) -> i32 {
        let process = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &process]).status().unwrap().success());
        self.child.wait().unwrap().code().expect("ended by itself")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let header = |line: &str| {
            let (name, value) = line.split_once(':').expect("a header");
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        let headers: BTreeMap<String, String> = lines.map(header).collect();
        let chunked = headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked");
        let body = if chunked { unchunked(body) } else { body.to_owned() };
        Self { status: status.expect("a status"), headers, body }
    }
}

/// The text of chunks. Their lengths count bytes.
fn unchunked(mut rest: &str) -> String {
    let mut text = String::new();
    while let Some((length, after)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length.trim(), 16).expect("a length");
        if length == 0 {
            break;
        }
        text.push_str(&after[..length]);
        rest = &after[length + 2..];
    }
    text
}

/// Text as it may stand in a query.
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        encoded.push('%');
        encoded.push(char::from(b"0123456789ABCDEF"[usize::from(byte >> 4)]));
        encoded.push(char::from(b"0123456789ABCDEF"[usize::from(byte & 15)]));
    }
    encoded
}
