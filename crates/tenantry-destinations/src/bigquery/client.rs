//! The REST API of BigQuery: one request, with credentials, and errors in our own kinds.
//!
//! Knows nothing of catalogs, streams or state. Repeats a request that met a passing failure: every request made here may be repeated, as
//! jobs have names of our own (docs/decisions/0019-bigquery.md). Refuses redirects.

use std::time::Duration;

use google_cloud_auth::credentials::{Builder, CacheableResource, Credentials};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;
use tenantry_replication::error::{DestinationError, DestinationErrorKind};

use super::address::Address;
pub(super) use crate::sql::server::{Attempt, Failure, pause};

/// What the credentials are asked to allow.
const SCOPE: &str = "https://www.googleapis.com/auth/bigquery";
/// Longest time to reach the service.
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(15);
/// Longest time for one answer. The service answers a question about a job long before.
const ANSWER_TIMEOUT_MAX: Duration = Duration::from_mins(5);
/// How often a request is made in all that meets passing failures.
const ATTEMPTS_MAX: u32 = 5;
/// Pause before the second attempt; doubles with each.
const PAUSE: Duration = Duration::from_millis(500);
/// Characters of a message of the service that are passed on.
const MESSAGE_CHARS_MAX: usize = 500;
/// Reasons by which the service says that a limit on the pace was hit.
const PACE: [&str; 3] = ["rateLimitExceeded", "jobRateLimitExceeded", "userRateLimitExceeded"];

impl Failure {
    pub(super) fn is_not_found(&self) -> bool {
        self.status == Some(404) || self.code == "notFound"
    }

    pub(super) fn is_duplicate(&self) -> bool {
        self.status == Some(409)
    }

    /// Whether the service refused the request, and did nothing.
    pub(super) fn is_refusal(&self) -> bool {
        self.status.is_some_and(|status| (400..500).contains(&status) && ![408, 409, 429].contains(&status))
    }

    /// Whether it is a job that failed, and not the way to it.
    pub(super) fn is_of_job(&self) -> bool {
        self.status.is_none() && !self.code.is_empty()
    }
}

/// What the service says of a job or a request that failed: `reason` and `message` of its error.
pub(super) fn told(status: Option<u16>, reason: &str, message: &str) -> Failure {
    let kind = kind_of(status, reason, message);
    let message: String = message.chars().take(MESSAGE_CHARS_MAX).collect();
    let message = match reason {
        // Without these it cannot be told what the message is about.
        "accessDenied" => {
            format!("{message}; see docs/destinations/bigquery.md for the roles that the account needs")
        }
        _ => message,
    };
    Failure { status, code: reason.to_owned(), ..Failure::new(kind, message) }
}

/// The error to report, with what was being done.
pub(super) fn reported(failure: Failure, action: String) -> DestinationError {
    let message = match failure.kind {
        // Whoever asks may be told what is wrong with the own words.
        DestinationErrorKind::Query => failure.message,
        _ => without_values(&failure.message),
    };
    DestinationError::new(failure.kind, action, message)
}

/// A message without what it quotes: the service quotes values of rows. Names stand between backquotes, or bare.
fn without_values(message: &str) -> String {
    let mut kept = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(at) = rest.find(['\'', '"']) {
        let quote = if rest[at..].starts_with('"') { '"' } else { '\'' };
        let is_apostrophe = quote == '\'' && rest[..at].ends_with(char::is_alphanumeric);
        kept.push_str(&rest[..=at]);
        rest = &rest[at + 1..];
        if is_apostrophe {
            continue;
        }
        // What does not end is quoted to its end.
        kept.push('…');
        rest = rest.find(quote).map_or("", |end| &rest[end..]);
        if !rest.is_empty() {
            kept.push(quote);
            rest = &rest[1..];
        }
    }
    kept.push_str(rest);
    kept
}

fn kind_of(status: Option<u16>, reason: &str, message: &str) -> DestinationErrorKind {
    let is_conflict = message.contains("concurrent update") || message.contains("Could not serialize");
    match (status, reason) {
        _ if is_conflict => DestinationErrorKind::Locked,
        (_, "quotaExceeded" | "billingTierLimitExceeded" | "bytesBilledLimitExceeded") => {
            DestinationErrorKind::Full
        }
        (_, "accessDenied" | "backendError" | "internalError" | "jobBackendError" | "jobInternalError") => {
            DestinationErrorKind::Unavailable
        }
        (_, reason) if PACE.contains(&reason) => DestinationErrorKind::Unavailable,
        (Some(401 | 403 | 408 | 429 | 500..), _) => DestinationErrorKind::Unavailable,
        _ => DestinationErrorKind::Failed,
    }
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let mut message = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            let text = cause.to_string();
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            source = cause.source();
        }
        Self::new(DestinationErrorKind::Unavailable, message)
    }
}

/// The service, and who asks it.
pub(super) struct Client {
    http: reqwest::Client,
    credentials: Option<Credentials>,
    endpoint: String,
    project: String,
}

impl Client {
    /// Finds the default credentials; connects to nothing yet.
    pub(super) fn new(address: &Address) -> Attempt<Self> {
        // Both libraries find the provider here; another one installed before by the program serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let unavailable = |message: String| Failure::new(DestinationErrorKind::Unavailable, message);
        let credentials = if address.is_anonymous {
            None
        } else {
            let built = Builder::default().with_scopes([SCOPE]).build();
            Some(built.map_err(|error| {
                unavailable(format!(
                    "there are no credentials for Google Cloud: {error}; see docs/destinations/bigquery.md"
                ))
            })?)
        };
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("tenantry/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT_MAX)
            .timeout(ANSWER_TIMEOUT_MAX);
        if address.is_anonymous {
            builder = builder.no_proxy().tls_certs_only([]);
        }
        let http = builder.build()?;
        let (endpoint, project) = (address.endpoint.clone(), address.project.clone());
        Ok(Self { http, credentials, endpoint, project })
    }

    /// A request for a path below the project. `path` begins with a slash and may hold a query.
    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}/bigquery/v2/projects/{}{path}", self.endpoint, self.project))
    }

    /// A request to begin an upload that makes a job.
    pub(super) fn upload(&self) -> RequestBuilder {
        let (endpoint, project) = (&self.endpoint, &self.project);
        self.http.post(format!("{endpoint}/upload/bigquery/v2/projects/{project}/jobs?uploadType=resumable"))
    }

    /// A request to go on with an upload, at the address that the service gave for it. Only the service itself is given our bytes.
    pub(super) fn uploading(&self, location: &str) -> Attempt<RequestBuilder> {
        if !location.starts_with(&format!("{}/", self.endpoint)) {
            return Err(Failure::new(
                DestinationErrorKind::Failed,
                "the service wants the upload to go to another host than its own",
            ));
        }
        Ok(self.http.put(location))
    }

    /// The answer to a request without a body.
    pub(super) async fn get(&self, path: &str) -> Attempt<Value> {
        self.json(|| Ok(self.request(Method::GET, path))).await
    }

    /// The answer to a request with one.
    pub(super) async fn send(&self, method: Method, path: &str, body: &Value) -> Attempt<Value> {
        self.json(|| Ok(self.request(method.clone(), path).json_body(body))).await
    }

    /// Removes something; what is not there counts as removed.
    pub(super) async fn delete(&self, path: &str) -> Attempt<()> {
        match self.json(|| Ok(self.request(Method::DELETE, path))).await {
            Err(failure) if !failure.is_not_found() => Err(failure),
            _ => Ok(()),
        }
    }

    /// The answer to a request as JSON; NULL where it is empty.
    pub(super) async fn json(&self, make: impl Fn() -> Attempt<RequestBuilder>) -> Attempt<Value> {
        let response = self.answer(make).await?;
        let bytes = response.bytes().await?;
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|_| {
            Failure::new(DestinationErrorKind::Unavailable, "the service answered with what is not JSON")
        })
    }

    /// The answer to a request: a good one, or 308, which asks for more of an upload.
    pub(super) async fn answer(
        &self,
        make: impl Fn() -> Attempt<RequestBuilder>,
    ) -> Attempt<reqwest::Response> {
        let mut attempt = 1;
        loop {
            let failure = match self.once(make()?).await {
                Ok(response) => return Ok(response),
                Err(failure) => failure,
            };
            let passes = match failure.status {
                None | Some(408 | 429 | 500..) => failure.kind == DestinationErrorKind::Unavailable,
                Some(_) => PACE.contains(&failure.code.as_str()),
            };
            if !passes || attempt == ATTEMPTS_MAX {
                return Err(failure);
            }
            pause(PAUSE * 2_u32.pow(attempt - 1)).await;
            attempt += 1;
        }
    }

    async fn once(&self, request: RequestBuilder) -> Attempt<reqwest::Response> {
        let mut request = request;
        if let Some(credentials) = &self.credentials {
            let headers = credentials.headers(http::Extensions::new()).await.map_err(|error| {
                Failure::new(
                    DestinationErrorKind::Unavailable,
                    format!("Google Cloud gave no token: {error}; see docs/destinations/bigquery.md"),
                )
            })?;
            if let CacheableResource::New { data, .. } = headers {
                request = request.headers(data);
            }
        }
        let response = request.send().await?;
        let status = response.status();
        if status.is_success() || status == StatusCode::PERMANENT_REDIRECT {
            return Ok(response);
        }
        let answer: Value = response
            .bytes()
            .await
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        let error = &answer["error"];
        let reason = error["errors"][0]["reason"].as_str().unwrap_or_default();
        let message =
            error["message"].as_str().map_or_else(|| format!("the service answered {status}"), str::to_owned);
        Err(told(Some(status.as_u16()), reason, &message))
    }
}

/// A body of JSON, for which the HTTP client needs no feature of its own.
pub(super) trait JsonBody {
    fn json_body(self, body: &Value) -> Self;
}

impl JsonBody for RequestBuilder {
    fn json_body(self, body: &Value) -> Self {
        self.header(reqwest::header::CONTENT_TYPE, "application/json").body(body.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_service_quotes_is_left_out() {
        let told = super::told(None, "invalidQuery", "Bad int64 value: \"canary\"; it's `table` and 'canary");
        let error = reported(told, "publish".to_owned()).to_string();
        assert!(
            error.contains("Bad int64 value: \"…\"; it's `table` and '…") && !error.contains("canary"),
            "{error}"
        );
    }

    #[test]
    fn failures_are_told_apart() {
        use DestinationErrorKind::{Failed, Full, Locked, Unavailable};
        let kind = |status, reason, message| told(status, reason, message).kind;
        assert_eq!(
            kind(None, "invalidQuery", "Transaction is aborted due to concurrent update against table"),
            Locked
        );
        assert_eq!(kind(Some(403), "quotaExceeded", "Quota exceeded"), Full);
        assert_eq!(kind(None, "bytesBilledLimitExceeded", "Query exceeded limit for bytes billed"), Full);
        assert_eq!(kind(Some(403), "accessDenied", "Access Denied"), Unavailable);
        assert_eq!(kind(Some(403), "rateLimitExceeded", "Exceeded rate limits"), Unavailable);
        assert_eq!(kind(Some(503), "backendError", "Error"), Unavailable);
        assert_eq!(kind(None, "invalidQuery", "Syntax error"), Failed);
        assert!(told(Some(400), "invalid", "").is_refusal());
        assert!(!told(Some(409), "duplicate", "").is_refusal());
        assert!(told(None, "invalidQuery", "").is_of_job());
    }
}
