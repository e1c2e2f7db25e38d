//! A proxy between the command and the simulated tenant, on real sockets: passes everything on as it is, but for the faults that a test
//! has ordered.
//!
//! Closes each connection after its one answer, so that a fault meets the answer that it was ordered for and no other.

use std::io::{self, Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Time that bytes get to arrive before the connection is broken.
const MOMENT: Duration = Duration::from_millis(20);

/// What goes wrong with an answer.
pub(crate) enum Fault {
    /// The connection is broken after so many of its bytes, the head included.
    Reset(usize),
    /// After so many of its bytes nothing more comes, and the connection stays.
    Stall(usize),
    /// It comes in so many pieces, with this pause before each.
    Drip(usize, Duration),
    /// It is another one.
    Change(Change),
}

type Change = Box<dyn Fn(&Asked, &mut Answer) + Send + Sync>;

/// A fault with any change of the answer.
pub(crate) fn change(change: impl Fn(&Asked, &mut Answer) + Send + Sync + 'static) -> Fault {
    Fault::Change(Box::new(change))
}

/// A fault, and which answers it meets.
struct Order {
    /// Of requests to this path; a `*` at its end stands for anything.
    path: &'static str,
    /// How many of them it lets pass first.
    skip: usize,
    /// How many it meets.
    times: usize,
    met: usize,
    fault: Arc<Fault>,
}

/// One request.
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// Names as they came, without those about the connection.
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    tenant: SocketAddr,
}

/// One answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Without those about length and connection.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) length: Length,
}

/// What an answer says of its length.
pub(crate) enum Length {
    True,
    Claimed(usize),
    /// Nothing: it ends with the connection.
    Unsaid,
}

struct Shared {
    tenant: SocketAddr,
    orders: Mutex<Vec<Order>>,
    /// Methods and paths of all requests.
    seen: Mutex<Vec<String>>,
    closed: AtomicBool,
}

/// A proxy in front of a tenant.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Proxy {
    /// In front of the tenant that listens at this address.
    pub(crate) fn before(tenant: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Shared {
            tenant,
            orders: Mutex::default(),
            seen: Mutex::default(),
            closed: AtomicBool::new(false),
        };
        let shared = Arc::new(shared);
        let inside = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), false) = (client, inside.closed.load(Ordering::Relaxed)) else { return };
                let inside = Arc::clone(&inside);
                // A client that went away is what many faults are about.
                thread::spawn(move || drop(inside.serve(client)));
            }
        });
        Self { address, shared }
    }

    /// `http://127.0.0.1:port`, without a closing slash.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Orders a fault for the next answer of this path; a `*` at its end stands for anything.
    pub(crate) fn once(&self, path: &'static str, fault: Fault) {
        self.order(path, 0, 1, fault);
    }

    /// The same for every answer from now on.
    pub(crate) fn always(&self, path: &'static str, fault: Fault) {
        self.order(path, 0, usize::MAX, fault);
    }

    /// The same for so many answers, after so many others.
    pub(crate) fn order(&self, path: &'static str, skip: usize, times: usize, fault: Fault) {
        held(&self.shared.orders).push(Order { path, skip, times, met: 0, fault: Arc::new(fault) });
    }

    /// Ends all faults. Each must have met an answer: one that never happened shows nothing.
    pub(crate) fn heal(&self) {
        for order in held(&self.shared.orders).drain(..) {
            assert!(
                order.met > 0,
                "no request to {} met its fault: {:?}",
                order.path,
                held(&self.shared.seen)
            );
        }
    }

    /// Ends all faults, those that met nothing as well.
    pub(crate) fn forget(&self) {
        held(&self.shared.orders).clear();
    }

    /// How many requests came to paths that begin so.
    pub(crate) fn asked(&self, path: &str) -> usize {
        held(&self.shared.seen).iter().filter(|seen| seen.starts_with(path)).count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        // Wakes who waits for connections.
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        let Some(asked) = read_request(&mut client, self.tenant)? else { return Ok(()) };
        held(&self.seen).push(path_of(&asked.target).to_owned());
        let fault = self.fault_for(&asked);
        let mut answer = asked.again(&asked.target)?;
        if let Some(Fault::Change(change)) = fault.as_deref() {
            change(&asked, &mut answer);
        }
        let bytes = answer.bytes();
        match fault.as_deref() {
            None | Some(Fault::Change(_)) => client.write_all(&bytes)?,
            Some(Fault::Reset(after)) => {
                client.write_all(&bytes[..bytes.len().min(*after)])?;
                thread::sleep(MOMENT);
                socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO))?;
            }
            Some(Fault::Stall(after)) => {
                client.write_all(&bytes[..bytes.len().min(*after)])?;
                // Until the client has had enough.
                let _ = client.read(&mut [0])?;
            }
            Some(Fault::Drip(pieces, pause)) => {
                for piece in bytes.chunks(bytes.len().div_ceil(*pieces)) {
                    thread::sleep(*pause);
                    client.write_all(piece)?;
                }
            }
        }
        Ok(())
    }

    /// The fault that was ordered first for this request, of those that still meet something.
    fn fault_for(&self, asked: &Asked) -> Option<Arc<Fault>> {
        let path = path_of(&asked.target);
        let meets = |order: &&mut Order| {
            let matches = match order.path.strip_suffix('*') {
                Some(begin) => path.starts_with(begin),
                None => path == order.path,
            };
            matches && order.met < order.times
        };
        let mut orders = held(&self.orders);
        let order = orders.iter_mut().find(meets)?;
        if order.skip > 0 {
            order.skip -= 1;
            return None;
        }
        order.met += 1;
        Some(Arc::clone(&order.fault))
    }
}

impl Asked {
    /// What the tenant answers to the same request for another target.
    pub(crate) fn again(&self, target: &str) -> io::Result<Answer> {
        let mut tenant = TcpStream::connect(self.tenant)?;
        let begin = format!("{} {target} HTTP/1.1", self.method);
        let length = format!("content-length: {}\r\n", self.body.len());
        tenant.write_all(&message(&begin, &self.headers, &length, &self.body))?;
        let mut all = Vec::new();
        tenant.read_to_end(&mut all)?;
        let (lines, body) = split_head(&all).ok_or(io::ErrorKind::InvalidData)?;
        let status = lines[0].split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or(io::ErrorKind::InvalidData)?;
        Ok(Answer { status, headers: fields(&lines), body: body.to_vec(), length: Length::True })
    }
}

impl Answer {
    /// The same with other text as body.
    pub(crate) fn say(&mut self, status: u16, kind: &str, body: impl Into<Vec<u8>>) {
        let headers = vec![("content-type".to_owned(), kind.to_owned())];
        *self = Self { status, headers, body: body.into(), length: Length::True };
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn bytes(&self) -> Vec<u8> {
        let length = match self.length {
            Length::True => format!("content-length: {}\r\n", self.body.len()),
            Length::Claimed(length) => format!("content-length: {length}\r\n"),
            Length::Unsaid => String::new(),
        };
        message(&format!("HTTP/1.1 {} Anything", self.status), &self.headers, &length, &self.body)
    }
}

/// A request or an answer as it goes over the wire, on a connection that ends with it.
fn message(begin: &str, headers: &[(String, String)], length: &str, body: &[u8]) -> Vec<u8> {
    let lines: String = headers.iter().flat_map(|(name, value)| [name, ": ", value, "\r\n"]).collect();
    [begin.as_bytes(), b"\r\nconnection: close\r\n", lines.as_bytes(), length.as_bytes(), b"\r\n", body]
        .concat()
}

/// Somewhere else, where nobody should come: keeps the heads of all requests, and answers them with this body.
pub(crate) struct Elsewhere {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Elsewhere {
    pub(crate) fn that_answers(body: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let inside = Arc::clone(&heads);
        thread::spawn(move || {
            for client in listener.incoming() {
                let mut client = client.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") && client.read_exact(head_room(&mut head)).is_ok() {}
                held(&inside).push(String::from_utf8_lossy(&head).to_lowercase());
                let mut answer =
                    Answer { status: 0, headers: Vec::new(), body: Vec::new(), length: Length::True };
                answer.say(200, "application/octet-stream", body.clone());
                let _ = client.write_all(&answer.bytes());
            }
        });
        Self { address, heads }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Heads of the requests that came, in lower case.
    pub(crate) fn heads(&self) -> Vec<String> {
        held(&self.heads).clone()
    }
}

/// Room for one more byte.
fn head_room(head: &mut Vec<u8>) -> &mut [u8] {
    head.push(0);
    let last = head.len() - 1;
    &mut head[last..]
}

fn path_of(target: &str) -> &str {
    target.split('?').next().unwrap_or_default()
}

/// Lines of a head, and what follows it.
fn split_head(bytes: &[u8]) -> Option<(Vec<String>, &[u8])> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let lines = String::from_utf8_lossy(&bytes[..end]).split("\r\n").map(str::to_owned).collect();
    Some((lines, &bytes[end + 4..]))
}

/// Header fields but for those about length and connection.
fn fields(lines: &[String]) -> Vec<(String, String)> {
    let fields = lines.iter().skip(1).filter_map(|line| line.split_once(": "));
    let fields = fields.map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    fields
        .filter(|(name, _)| !["content-length", "connection", "transfer-encoding"].contains(&&**name))
        .collect()
}

/// The next request; `None` where the client closes without one.
fn read_request(client: &mut TcpStream, tenant: SocketAddr) -> io::Result<Option<Asked>> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    let (lines, mut body) = loop {
        let read = client.read(&mut piece)?;
        if read == 0 {
            return Ok(None);
        }
        bytes.extend_from_slice(&piece[..read]);
        if let Some((lines, body)) = split_head(&bytes) {
            break (lines, body.to_vec());
        }
    };
    let length =
        lines.iter().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let length: usize = length.unwrap_or(0);
    while body.len() < length {
        let read = client.read(&mut piece)?;
        if read == 0 {
            return Ok(None);
        }
        body.extend_from_slice(&piece[..read]);
    }
    let mut words = lines[0].split(' ').map(str::to_owned);
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
    Ok(Some(Asked { method, target, headers: fields(&lines), body, tenant }))
}
