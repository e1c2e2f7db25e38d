//! The real network: [`Transport`] on reqwest, TLS by rustls with the ring provider and the system's certificates.
//!
//! Follows no redirect, keeps no cookies, has no switch that weakens TLS. Unpacks gzip itself, so that a body cut short is always noticed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::gunzip::Gunzip;
use super::transport::{
    Body, Headers, HttpRequest, HttpResponse, Method, Patience, Transport, TransportError,
};
use super::url::Scheme;

/// Longest time to reach a host, TLS included.
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(15);
/// Part of an answer's time that may pass without a single byte: 45 s.
const IDLE_SHARE: u32 = 2;
/// Times of an answer's time that a file may take: 2 hours. 10 million users of 300 packed bytes over 10 Mbit/s take 40 minutes.
const FILE_TIMES: u32 = 80;

/// HTTP over the network.
#[derive(Debug, Clone)]
pub struct Https {
    /// TLS, through the proxy that the system is set up for, if any; or why there can be none.
    tls: Result<reqwest::Client, String>,
    /// Plain text to this machine itself, which no proxy can reach and no certificate is needed for.
    plain: reqwest::Client,
    /// Time for one answer of the API.
    answer_timeout: Duration,
}

impl Https {
    /// Prepares connection pools and TLS; connects to nothing yet. A system without certificates is told when they are first needed.
    /// `answer_timeout` is as in [`super::Settings`].
    pub fn new(answer_timeout: Duration) -> Result<Self, TransportError> {
        // reqwest finds the provider here; another one installed before by the program serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = || {
            reqwest::Client::builder()
                .user_agent(concat!("tenantry/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
                .gzip(false)
                .connect_timeout(CONNECT_TIMEOUT_MAX.min(answer_timeout))
                .read_timeout(answer_timeout / IDLE_SHARE)
        };
        let tls = builder().build().map_err(|error| {
            let reason = failed(&error).reason;
            format!("cannot prepare TLS ({reason}); install the system's certificates: apt-get install ca-certificates")
        });
        let plain = builder().no_proxy().tls_certs_only([]).build().map_err(|error| failed(&error))?;
        Ok(Self { tls, plain, answer_timeout })
    }

    fn client(&self, scheme: Scheme) -> Result<&reqwest::Client, TransportError> {
        match scheme {
            Scheme::Https => self.tls.as_ref().map_err(|reason| TransportError::new(reason.clone())),
            Scheme::Http => Ok(&self.plain),
        }
    }
}

#[async_trait]
impl Transport for Https {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
        };
        let (timeout, encoding) = match request.patience {
            Patience::Answer => (Some(self.answer_timeout), "gzip"),
            Patience::File => (Some(self.answer_timeout * FILE_TIMES), "gzip"),
            Patience::Endless => (None, "identity"),
        };
        let client = self.client(request.url.origin.scheme)?;
        let mut builder = client.request(method, request.url.full()).header("accept-encoding", encoding);
        if let Some(timeout) = timeout {
            builder = builder.timeout(timeout);
        }
        for (name, value) in &request.headers {
            let mut value = reqwest::header::HeaderValue::from_str(value).map_err(|_| {
                TransportError::new(format!("header {name} holds characters that cannot be sent"))
            })?;
            value.set_sensitive(*name == "authorization");
            builder = builder.header(*name, value);
        }
        if !request.body.is_empty() {
            builder = builder.body(request.body);
        }
        let response = builder.send().await.map_err(|error| failed(&error))?;
        answer(response)
    }
}

fn answer(response: reqwest::Response) -> Result<HttpResponse, TransportError> {
    let fields = response.headers().iter();
    let headers = Headers::new(
        fields
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())),
    );
    let status = response.status().as_u16();
    let chunked = headers.get("transfer-encoding").is_some_and(|coding| coding.contains("chunked"));
    let version_2 = response.version() >= reqwest::Version::HTTP_2;
    let framed = version_2 || chunked || headers.get("content-length").is_some();
    let plain = Plain(response);
    match headers.get("content-encoding").map(str::to_ascii_lowercase).as_deref() {
        None | Some("" | "identity") => Ok(HttpResponse { status, headers, framed, body: Box::new(plain) }),
        Some("gzip" | "x-gzip") => {
            let body = Box::new(Packed { plain, gunzip: Gunzip::new(), begun: false, ended: false });
            Ok(HttpResponse { status, headers, framed: true, body })
        }
        Some(_) => Err(TransportError::new("the answer is packed in a way that was not asked for")),
    }
}

struct Plain(reqwest::Response);

#[async_trait]
impl Body for Plain {
    async fn next(&mut self) -> Result<Option<Bytes>, TransportError> {
        self.0.chunk().await.map_err(|error| failed(&error))
    }
}

struct Packed {
    plain: Plain,
    gunzip: Gunzip,
    begun: bool,
    ended: bool,
}

#[async_trait]
impl Body for Packed {
    async fn next(&mut self) -> Result<Option<Bytes>, TransportError> {
        let broken = |error: std::io::Error| TransportError {
            reason: "the packed body is broken or cut short".into(),
            source: Some(error.into()),
        };
        while !self.ended {
            if let Some(part) = self.gunzip.pull().map_err(broken)? {
                return Ok(Some(Bytes::copy_from_slice(part)));
            }
            if let Some(input) = self.plain.next().await? {
                self.begun |= !input.is_empty();
                self.gunzip.push(input);
                continue;
            }
            self.ended = true;
            // An answer without a body may name an encoding all the same.
            let rest = if self.begun { self.gunzip.finish().map_err(broken)? } else { Vec::new() };
            if !rest.is_empty() {
                return Ok(Some(rest.into()));
            }
        }
        Ok(None)
    }
}

/// The failure in words, without the address: its query may hold secrets.
fn failed(error: &reqwest::Error) -> TransportError {
    let what = match () {
        () if error.is_timeout() => "timed out",
        () if error.is_connect() => "cannot connect",
        () if error.is_body() || error.is_decode() => "the connection broke while the answer was being read",
        () => "the request could not be sent",
    };
    let mut deepest: Option<String> = None;
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        deepest = Some(inner.to_string());
        cause = inner.source();
    }
    let reason = deepest.map_or_else(|| what.to_owned(), |cause| format!("{what}: {cause}"));
    TransportError::new(reason)
}

/// The real network behind the port. Fails at once when it cannot reach hosts by this scheme.
pub(super) fn network(
    scheme: Scheme,
    answer_timeout: Duration,
) -> Result<Arc<dyn Transport>, TransportError> {
    let https = Https::new(answer_timeout)?;
    https.client(scheme)?;
    Ok(Arc::new(https))
}
