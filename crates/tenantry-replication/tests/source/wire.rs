//! The real transport against a real socket: it follows nothing, leaks nothing, and notices every cut.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use flate2::Compression;
use flate2::write::GzEncoder;
use tenantry_replication::source::auth0::{
    ANSWER_TIMEOUT, Domain, HttpRequest, HttpResponse, Https, Method, Patience, Transport, TransportError,
};

/// Serves one scripted answer, byte for byte, and gives the request's head.
fn serve(answer: Vec<u8>) -> (Domain, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
            head.push(byte[0]);
        }
        stream.write_all(&answer).unwrap();
        stream.flush().unwrap();
        let _ = sender.send(String::from_utf8(head).unwrap().to_lowercase());
    });
    (Domain::parse(&format!("http://{address}")).unwrap(), receiver)
}

/// Status, whether the end is marked, and the body or how it failed.
type Outcome = (u16, bool, Result<Vec<u8>, TransportError>);

fn exchange(answer: impl Into<Vec<u8>>) -> (Outcome, String) {
    let (domain, head) = serve(answer.into());
    let request = HttpRequest {
        method: Method::Get,
        url: domain.origin().url("/api/v2/users/auth0%7Ca%252Fb", "q=a%3Ab"),
        headers: vec![("authorization", "Bearer secret-token".into())],
        body: bytes::Bytes::new(),
        limit: 1 << 20,
        patience: Patience::Answer,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(async {
        let transport: Arc<dyn Transport> = Arc::new(Https::new(ANSWER_TIMEOUT).unwrap());
        let response = transport.send(request).await.unwrap();
        let (status, framed) = (response.status, response.framed);
        (status, framed, read(response).await)
    });
    (outcome, head.recv().unwrap())
}

async fn read(mut response: HttpResponse) -> Result<Vec<u8>, TransportError> {
    let mut all = Vec::new();
    while let Some(piece) = response.body.next().await? {
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn with_head(head: &str, body: &[u8]) -> Vec<u8> {
    [head.replace('\n', "\r\n").as_bytes(), body].concat()
}

#[test]
fn a_request_goes_out_as_it_was_given() {
    let ((status, framed, body), head) = exchange(with_head("HTTP/1.1 200 OK\ncontent-length: 2\n\n", b"{}"));
    assert_eq!((status, framed, body.unwrap()), (200, true, b"{}".to_vec()));
    assert!(head.starts_with("get /api/v2/users/auth0%7ca%252fb?q=a%3ab http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nuser-agent: tenantry/0"), "{head}");
    assert!(head.contains("\r\nauthorization: bearer secret-token\r\n"), "{head}");
    assert!(head.contains("\r\naccept-encoding: gzip\r\n"), "{head}");
    assert!(!head.contains("cookie") && !head.contains("referer"), "{head}");
}

#[test]
fn redirects_are_answers() {
    let answer = with_head("HTTP/1.1 302 Found\nlocation: http://127.0.0.1:9/\ncontent-length: 0\n\n", b"");
    assert_eq!(exchange(answer).0.0, 302);
}

#[test]
fn packed_answers_are_unpacked() {
    let packed = gzip(b"{\"users\":[]}");
    let head = format!("HTTP/1.1 200 OK\ncontent-encoding: gzip\ncontent-length: {}\n\n", packed.len());
    let ((_, framed, body), _) = exchange(with_head(&head, &packed));
    assert_eq!((framed, body.unwrap()), (true, b"{\"users\":[]}".to_vec()));
    let ((_, framed, body), _) =
        exchange(with_head("HTTP/1.1 200 OK\ncontent-encoding: gzip\nconnection: close\n\n", &packed));
    assert_eq!((framed, body.unwrap()), (true, b"{\"users\":[]}".to_vec()), "the trailer proves the end");
    let ((_, _, body), _) =
        exchange(with_head("HTTP/1.1 200 OK\ncontent-encoding: gzip\ncontent-length: 0\n\n", b""));
    assert_eq!(body.unwrap(), b"");
}

#[test]
fn every_cut_is_noticed() {
    let packed = gzip(&b"some text and then some more of it".repeat(50));
    let mut wrong = packed.clone();
    let crc = wrong.len() - 7;
    wrong[crc] ^= 1;
    for answer in [
        with_head("HTTP/1.1 200 OK\ncontent-length: 20\n\n", b"{\"users\":["),
        with_head("HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n", b"5\r\n{\"use\r\n"),
        with_head("HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n", b"zz\r\n"),
        with_head(
            "HTTP/1.1 200 OK\ncontent-encoding: gzip\nconnection: close\n\n",
            &packed[..packed.len() - 8],
        ),
        with_head(
            "HTTP/1.1 200 OK\ncontent-encoding: gzip\nconnection: close\n\n",
            &packed[..packed.len() / 2],
        ),
        with_head("HTTP/1.1 200 OK\ncontent-encoding: gzip\nconnection: close\n\n", &packed[..3]),
        with_head("HTTP/1.1 200 OK\ncontent-encoding: gzip\nconnection: close\n\n", &wrong),
    ] {
        let ((_, _, body), _) = exchange(answer);
        let error = body.unwrap_err().to_string();
        assert!(!error.contains("127.0.0.1") && !error.contains("q=a"), "{error}");
    }
}

#[test]
fn an_end_that_nothing_marks_is_told() {
    let ((_, framed, body), _) =
        exchange(with_head("HTTP/1.1 200 OK\nconnection: close\n\n", b"{\"a\":1}\n"));
    assert_eq!((framed, body.unwrap()), (false, b"{\"a\":1}\n".to_vec()));
}

#[test]
fn tls_is_never_left_out() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut first = [0];
        let _ = stream.read(&mut first);
        let _ = sender.send(first[0]);
    });
    let url = Domain::parse(&format!("https://localhost:{port}")).unwrap().origin().url("/", "");
    let request = HttpRequest {
        method: Method::Get,
        url,
        headers: Vec::new(),
        body: bytes::Bytes::new(),
        limit: 1,
        patience: Patience::Answer,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime
        .block_on(async { Https::new(ANSWER_TIMEOUT).unwrap().send(request).await.map(|_| ()).unwrap_err() });
    assert_eq!(receiver.recv().unwrap(), 0x16, "a TLS handshake was begun");
    assert!(error.to_string().starts_with("cannot connect"), "{error}");
}

#[test]
fn a_system_without_certificates_reaches_this_machine_and_says_what_it_lacks_for_others() {
    // Another process, since certificates are found by its environment.
    let (domain, head) = serve(with_head("HTTP/1.1 200 OK\ncontent-length: 2\n\n", b"{}"));
    let address = domain.origin().to_string();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture", "wire::in_a_process_of_its_own"])
        .env("TENANTRY_TEST_ADDRESS", &address)
        .env("SSL_CERT_FILE", "/nonexistent/file")
        .env("SSL_CERT_DIR", "/nonexistent/dir")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("status 200") && said.contains("apt-get install ca-certificates"), "{said}");
    assert!(head.recv().unwrap().starts_with("get / "));
}

#[test]
#[ignore = "run by another test, in a process of its own"]
fn in_a_process_of_its_own() {
    #[expect(clippy::disallowed_methods, reason = "the only way to tell a child process an address")]
    let address = std::env::var("TENANTRY_TEST_ADDRESS").unwrap();
    let send = |domain: &str| {
        let url = Domain::parse(domain).unwrap().origin().url("/", "");
        let (method, patience) = (Method::Get, Patience::Answer);
        HttpRequest { method, url, headers: Vec::new(), body: bytes::Bytes::new(), limit: 10, patience }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let https = Https::new(ANSWER_TIMEOUT).unwrap();
        println!("status {}", https.send(send(&address)).await.unwrap().status);
        println!("{}", https.send(send("tenant.us.auth0.example.com")).await.map(|_| ()).unwrap_err());
    });
}
