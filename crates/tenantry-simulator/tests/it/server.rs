//! The shell: real sockets in front of the same core.

use crate::support::small;
use std::io::{Read, Write};
use std::net::TcpStream;
use tenantry_simulator::{Simulation, server};

fn exchange(address: std::net::SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.write_all(request.as_bytes()).expect("a request");
    let mut text = Vec::new();
    // A cut connection is an error here and an answer all the same.
    let _ = stream.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_serves_loopback_and_stops() {
    let server = server::start(Simulation::new(small()), 0).await.expect("a server");
    let address = server.address;
    assert!(address.ip().is_loopback());
    let ask = move |request: &str| {
        let request = request.to_owned();
        tokio::task::spawn_blocking(move || exchange(address, &request))
    };
    let text =
        ask("GET /api/v2/users HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.expect("an answer");
    assert!(text.starts_with("HTTP/1.1 401"), "{text}");
    assert!(
        text.contains("content-type: application/json; charset=utf-8")
            && text.contains("date: Mon, 02 Nov 2026"),
        "{text}"
    );
    let body = r#"{"faults": [{"path": "/api/v2/*", "cut": 4, "times": 1}]}"#;
    let head = "POST /__sim/faults HTTP/1.1\r\nhost: x\r\nconnection: close";
    let order = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let text = ask(&order).await.expect("an answer");
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    let text =
        ask("GET /api/v2/users HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.expect("an answer");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    assert!(body.len() <= 4 && !head.contains("content-length: 4\r\n"), "{text}");
    let requests = server.simulation().lock().expect("the tenant").stats()["requests"].clone();
    assert_eq!(requests, 2);
    server.stop().await;
    assert!(TcpStream::connect(address).is_err());
}
