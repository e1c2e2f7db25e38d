//! The program that serves, asked over the wire; what the kernel counts for it is the measure.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// How long answers and aggregates may take to be there at first.
const PATIENCE: f64 = 1_800.0;
/// Begin of a page's content.
const CONTENT: &[u8] = b"<main id='content'";
/// Seconds between two pieces of one part at the most.
const GO: f64 = 0.002;
/// Ticks of the kernel's accounting in a second.
const TICKS: f64 = 100.0;

pub(crate) struct Console {
    child: Child,
    host: String,
    cookie: String,
}

pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) body: String,
    /// Seconds to the first byte.
    pub(crate) first: f64,
    /// Seconds until the first part of the content was there: rows to read, links and forms to use. What is counted, and what belongs to
    /// a row, may follow.
    pub(crate) usable: f64,
    /// Seconds to the last byte.
    pub(crate) whole: f64,
}

impl Console {
    pub(crate) fn serve(folder: &Path, url: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tenantry"))
            .args(["serve", "--no-sync", "--port", "0", "--destination", url])
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut link = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut link).unwrap();
        let rest = link.trim().strip_prefix("http://").unwrap();
        let (host, path) = rest.split_once('/').unwrap();
        let mut console = Self { child, host: host.to_owned(), cookie: String::new() };
        let head = console.get(&format!("/{path}")).head;
        let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
        cookie.split(';').next().unwrap().clone_into(&mut console.cookie);
        console
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        let begun = now();
        let (host, cookie) = (&self.host, &self.cookie);
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let (mut bytes, mut buffer) = (Vec::new(), vec![0; 1 << 20]);
        let (mut first, mut usable) = (None, None);
        loop {
            let count = stream.read(&mut buffer).unwrap();
            let at = now() - begun;
            if count == 0 {
                break;
            }
            first = first.or(Some(at));
            bytes.extend_from_slice(&buffer[..count]);
            // A part may come in several pieces: what counts is the last of those that came in one go.
            if usable.is_none_or(|last| at - last < GO)
                && bytes.windows(CONTENT.len()).any(|part| part == CONTENT)
            {
                usable = Some(at);
            }
        }
        let whole = now() - begun;
        let text = String::from_utf8_lossy(&bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let (head, body) = (head.to_owned(), body.to_owned());
        Answer { head, body, first: first.unwrap(), usable: usable.unwrap_or(whole), whole }
    }

    /// The address of the first row that a table's page shows.
    pub(crate) fn first_row(&self, table: &str) -> String {
        let body = self.get(table).body;
        let sign = format!("href=\"{table}/row?");
        let from = body.find(&sign).unwrap() + "href=\"".len();
        body[from..].split('"').next().unwrap().to_owned()
    }

    /// Seconds of processor that it has taken.
    pub(crate) fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / TICKS
    }

    /// Megabytes of memory at the most.
    pub(crate) fn peak_mb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
    }

    /// Waits until it has nothing left to do: what it prepares after a run is there.
    pub(crate) fn rest(&self) {
        let begun = now();
        let (mut before, mut quiet) = (self.cpu(), 0);
        while quiet < 4 {
            assert!(now() - begun < PATIENCE, "the console is still at work");
            std::thread::sleep(Duration::from_millis(500));
            let cpu = self.cpu();
            quiet = if cpu - before <= 0.02 { quiet + 1 } else { 0 };
            before = cpu;
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub(crate) fn now() -> f64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
