//! Snowflake's own protocol over HTTP: log in with a signed claim, run statements, wait for long ones, keep a session's token fresh.
//!
//! Sends no statement twice, but where the server said that it did not take it. An error holds no SQL, no value of a row and no token.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};
use serde::Deserialize;
use serde_json::{Value, json};
use tenantry_replication::error::DestinationErrorKind;
use tenantry_replication::source::auth0::Secret;
use tokio::sync::Mutex;

use super::address::Address;
use super::answer::ColumnInfo;
use super::connection::{Attempt, Failure, silence, told};
use super::key::Key;
use super::upload::{Put, StageInfo};
use crate::sql::server::pause;

/// Longest time to reach the server, TLS included.
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(15);
/// Longest time for one answer: the server itself answers within a minute, if only that the statement still runs.
const ANSWER_TIMEOUT_MAX: Duration = Duration::from_mins(5);
/// Longest time to send a file.
const UPLOAD_TIMEOUT_MAX: Duration = Duration::from_mins(30);
/// How often the result of a statement may fail to be asked for, one time after another.
const QUESTIONS_MAX: u32 = 5;
/// How often the server may say that a statement still runs, at about a minute each: six hours.
const WAITS_MAX: u32 = 500;
/// Pause before a question is asked again.
const PAUSE: Duration = Duration::from_secs(1);
/// Bytes that an answer may have.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// Codes of the server: what it said of a token, and of a statement that still runs.
const SESSION_EXPIRED: &str = "390112";
const SESSION_GONE: [&str; 5] = ["390104", "390111", "390113", "390114", "390115"];
const STILL_RUNNING: [&str; 2] = ["333333", "333334"];

/// What holds in every session: times in UTC and written whole, plain JSON answers, one statement at a time, and no wait for a lock that
/// another process keeps for longer than it may.
fn parameters() -> Value {
    json!({
        "TIMEZONE": "UTC",
        "TIMESTAMP_INPUT_FORMAT": "AUTO",
        "TIMESTAMP_NTZ_OUTPUT_FORMAT": "YYYY-MM-DD HH24:MI:SS.FF6",
        "AUTOCOMMIT": true,
        "LOCK_TIMEOUT": 900,
        "STATEMENT_TIMEOUT_IN_SECONDS": 21600,
        "MULTI_STATEMENT_COUNT": 1,
        "QUOTED_IDENTIFIERS_IGNORE_CASE": false,
        "BINARY_OUTPUT_FORMAT": "HEX",
        "QUERY_TAG": "tenantry",
        "CLIENT_SESSION_KEEP_ALIVE": false,
    })
}

/// A session with the server.
pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    tokens: Mutex<Tokens>,
    sequence: AtomicU64,
}

struct Tokens {
    session: Secret,
    master: Secret,
}

/// Any answer.
#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    success: bool,
    code: Option<String>,
    message: Option<String>,
    data: Option<Value>,
}

/// What came of a statement.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reply {
    #[serde(default)]
    pub(super) rowtype: Vec<ColumnInfo>,
    #[serde(default)]
    pub(super) rowset: Option<Vec<Vec<Option<String>>>>,
    #[serde(default)]
    pub(super) rowset_base64: Option<String>,
    #[serde(default)]
    pub(super) chunks: Vec<Chunk>,
    #[serde(default)]
    pub(super) chunk_headers: Option<std::collections::BTreeMap<String, String>>,
    #[serde(default)]
    qrmk: Option<String>,
    #[serde(default)]
    pub(super) query_result_format: Option<String>,
    #[serde(default)]
    pub(super) statement_type_id: Option<i64>,
    #[serde(default)]
    pub(super) stage_info: Option<StageInfo>,
    #[serde(default)]
    pub(super) encryption_material: Option<Value>,
    #[serde(default)]
    get_result_url: Option<String>,
}

/// A part of a large answer.
#[derive(Deserialize)]
pub(super) struct Chunk {
    url: String,
}

impl Client {
    /// Logs in.
    pub(super) async fn login(address: &Address, schema: &str) -> Attempt<Self> {
        // reqwest finds the provider here; another one installed before by the program serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = reqwest::Client::builder()
            .user_agent(concat!("tenantry/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT_MAX)
            .timeout(ANSWER_TIMEOUT_MAX);
        let builder = if address.base.starts_with("http://") {
            builder.no_proxy().tls_certs_only([])
        } else {
            builder.https_only(true)
        };
        let http = builder.build().map_err(|error| unreachable(&error))?;
        let client = Self {
            http,
            base: address.base.clone(),
            tokens: Mutex::new(Tokens { session: Secret::new(""), master: Secret::new("") }),
            sequence: AtomicU64::new(0),
        };
        let tokens = client.prove(address, schema).await?;
        *client.tokens.lock().await = tokens;
        Ok(client)
    }

    async fn prove(&self, address: &Address, schema: &str) -> Attempt<Tokens> {
        let unusable = |why: &str| Failure::new(DestinationErrorKind::Unavailable, why.to_owned());
        let pem = address.key.as_ref().ok_or_else(|| unusable("SNOWFLAKE_PRIVATE_KEY is not set"))?;
        let key = Key::read(pem.expose()).map_err(unusable)?;
        let claim = key.claim(&address.account_claimed(), &address.user, now()).map_err(unusable)?;
        let body = json!({ "data": {
            "ACCOUNT_NAME": address.account_claimed(),
            "LOGIN_NAME": address.user,
            "AUTHENTICATOR": "SNOWFLAKE_JWT",
            "TOKEN": claim,
            "CLIENT_APP_ID": "Tenantry",
            "CLIENT_APP_VERSION": env!("CARGO_PKG_VERSION"),
            "CLIENT_ENVIRONMENT": { "APPLICATION": "Tenantry", "OS": std::env::consts::OS },
            "SESSION_PARAMETERS": parameters(),
        }});
        let mut query = vec![("databaseName", address.database.as_str()), ("schemaName", schema)];
        query.extend(address.warehouse.as_deref().map(|name| ("warehouse", name)));
        query.extend(address.role.as_deref().map(|name| ("roleName", name)));
        let path = format!("/session/v1/login-request?{}", encoded(&query));
        let answer = self.post(&path, &body, None).await.map_err(|failure| Failure {
            kind: DestinationErrorKind::Unavailable,
            message: format!("log in to {} as {}: {}", address.name(), address.user, failure.message),
            ..failure
        })?;
        let token = |name: &str| answer.get(name).and_then(Value::as_str).map(Secret::new);
        let session = token("token").ok_or_else(|| unusable("the login gave no token"))?;
        Ok(Tokens { session, master: token("masterToken").unwrap_or_else(|| Secret::new("")) })
    }

    /// Runs one statement to its end, with a text for each `?`; or only has it described.
    pub(super) async fn query(
        &self,
        sql: &str,
        bound: &[Option<String>],
        is_described: bool,
    ) -> Attempt<Reply> {
        let bindings: serde_json::Map<String, Value> = (1..)
            .zip(bound)
            .map(|(at, value): (u32, _)| (at.to_string(), json!({ "type": "TEXT", "value": value })))
            .collect();
        let mut body = json!({
            "sqlText": sql,
            "asyncExec": false,
            "sequenceId": self.sequence.fetch_add(1, Ordering::Relaxed) + 1,
            "describeOnly": is_described,
            "isInternal": false,
        });
        if !bindings.is_empty() {
            body["bindings"] = Value::Object(bindings);
        }
        let path = format!("/queries/v1/query-request?requestId={}", identifier()?);
        let answer = self.authorized(&path, Some(&body)).await?;
        let mut reply = read(answer)?;
        let mut waits = 0;
        while let Some(url) = reply.get_result_url.take() {
            waits += 1;
            if waits > WAITS_MAX {
                return Err(Failure::new(
                    DestinationErrorKind::Unavailable,
                    "the statement runs for too long",
                ));
            }
            reply = read(self.result(&url).await?)?;
        }
        Ok(reply)
    }

    /// Asks for the result of a statement that runs. To ask again changes nothing.
    async fn result(&self, path: &str) -> Attempt<Value> {
        let mut failed = 0;
        loop {
            match self.authorized(path, None).await {
                Err(failure) if failure.is_silence && failed < QUESTIONS_MAX => {
                    failed += 1;
                    pause(PAUSE).await;
                }
                answer => return answer,
            }
        }
    }

    /// Sends a request of the session; with a new token where the old one has run out, which the server says before it does anything.
    async fn authorized(&self, path: &str, body: Option<&Value>) -> Attempt<Value> {
        let token = self.tokens.lock().await.session.clone();
        match self.send(path, body, Some(&token)).await {
            Err(failure) if failure.code == SESSION_EXPIRED => {
                let token = self.renew(&token).await?;
                self.send(path, body, Some(&token)).await
            }
            answer => answer,
        }
    }

    /// Gets a new token for the session in place of `old`, unless somebody has done so already.
    async fn renew(&self, old: &Secret) -> Attempt<Secret> {
        let mut tokens = self.tokens.lock().await;
        if tokens.session != *old {
            return Ok(tokens.session.clone());
        }
        let body = json!({ "oldSessionToken": old.expose(), "requestType": "RENEW" });
        let path = format!("/session/token-request?requestId={}", identifier()?);
        let answer = self.post(&path, &body, Some(&tokens.master)).await?;
        let token = |name: &str| answer.get(name).and_then(Value::as_str).map(Secret::new);
        tokens.session = token("sessionToken").ok_or_else(|| {
            Failure::new(DestinationErrorKind::Unavailable, "the session's token could not be renewed")
        })?;
        if let Some(master) = token("masterToken") {
            tokens.master = master;
        }
        Ok(tokens.session.clone())
    }

    /// Ends the session, which undoes a transaction that is under way. Its end by itself comes later.
    pub(super) async fn close(&self) {
        let token = self.tokens.lock().await.session.clone();
        drop(self.post("/session?delete=true", &json!({}), Some(&token)).await);
    }

    /// Puts a file where the answer to a PUT said.
    pub(super) async fn upload(&self, put: Put, bytes: Vec<u8>) -> Attempt<()> {
        let mut request = self.http.put(put.url).timeout(UPLOAD_TIMEOUT_MAX).body(bytes);
        for (name, value) in put.headers {
            request = request.header(name, sensitive(&value)?);
        }
        let response = request.send().await.map_err(|error| unreachable(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let message = format!("the stage did not take a file (HTTP {})", status.as_u16());
        Err(Failure::new(DestinationErrorKind::Unavailable, message))
    }

    /// Fetches a part of a large answer.
    pub(super) async fn chunk(&self, reply: &Reply, chunk: &Chunk) -> Attempt<Vec<u8>> {
        let mut failed = 0;
        loop {
            match self.fetch(reply, chunk).await {
                Err(failure) if failure.is_silence && failed < QUESTIONS_MAX => {
                    failed += 1;
                    pause(PAUSE).await;
                }
                bytes => return bytes,
            }
        }
    }

    async fn fetch(&self, reply: &Reply, chunk: &Chunk) -> Attempt<Vec<u8>> {
        let mut request = self.http.get(&chunk.url);
        for (name, value) in reply.chunk_headers.iter().flatten() {
            request = request.header(name, sensitive(value)?);
        }
        if let (None, Some(key)) = (&reply.chunk_headers, &reply.qrmk) {
            request = request
                .header("x-amz-server-side-encryption-customer-algorithm", "AES256")
                .header("x-amz-server-side-encryption-customer-key", sensitive(key)?);
        }
        let response = request.send().await.map_err(|error| unreachable(&error))?;
        if !response.status().is_success() {
            let message =
                format!("a part of the answer could not be fetched (HTTP {})", response.status().as_u16());
            return Err(Failure::new(DestinationErrorKind::Unavailable, message));
        }
        body_of(response).await
    }

    async fn post(&self, path: &str, body: &Value, token: Option<&Secret>) -> Attempt<Value> {
        self.send(path, Some(body), token).await
    }

    /// Sends a request and gives the data of its answer.
    async fn send(&self, path: &str, body: Option<&Value>, token: Option<&Secret>) -> Attempt<Value> {
        let url = format!("{}{path}", self.base);
        let request = match body {
            Some(body) => {
                self.http.post(url).header("content-type", "application/json").body(body.to_string())
            }
            None => self.http.get(url),
        };
        let mut request = request.header("accept", "application/json");
        if let Some(token) = token {
            let value = format!("Snowflake Token=\"{}\"", token.expose());
            request = request.header("authorization", sensitive(&value)?);
        }
        let response = request.send().await.map_err(|error| unreachable(&error))?;
        let status = response.status();
        let bytes = body_of(response).await?;
        let Ok(envelope) = serde_json::from_slice::<Envelope>(&bytes) else {
            let message = format!("the server's answer cannot be read (HTTP {})", status.as_u16());
            return Err(Failure::new(DestinationErrorKind::Unavailable, message));
        };
        let code = envelope.code.unwrap_or_default();
        if envelope.success || STILL_RUNNING.contains(&code.as_str()) {
            return Ok(envelope.data.unwrap_or_default());
        }
        let state = envelope.data.as_ref().and_then(|data| data.get("sqlState")).and_then(Value::as_str);
        Err(told(code, envelope.message.unwrap_or_default().as_str(), state))
    }
}

/// Whether the server says by this code that it does not know the session any more.
pub(super) fn is_session_lost(code: &str) -> bool {
    SESSION_GONE.contains(&code)
}

fn read(answer: Value) -> Attempt<Reply> {
    serde_json::from_value(answer).map_err(|_| {
        Failure::new(DestinationErrorKind::Failed, "the server's answer has not the form that is documented")
    })
}

async fn body_of(mut response: reqwest::Response) -> Attempt<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|error| unreachable(&error))? {
        if bytes.len() + part.len() > ANSWER_BYTES_MAX {
            return Err(Failure::new(DestinationErrorKind::Failed, "the answer is larger than 256 MB"));
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}

/// The other side was not reached, or fell silent. Tells the cause without the URL, which may be signed.
fn unreachable(error: &reqwest::Error) -> Failure {
    let mut causes = Vec::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    let what = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "cannot connect"
    } else {
        "the connection was lost"
    };
    let why = causes.last().map(|cause| format!(": {cause}")).unwrap_or_default();
    silence(format!("{what}{why}"))
}

fn sensitive(value: &str) -> Attempt<reqwest::header::HeaderValue> {
    let mut value = reqwest::header::HeaderValue::from_str(value).map_err(|_| {
        Failure::new(DestinationErrorKind::Failed, "a header holds characters that cannot be sent")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn encoded(pairs: &[(&str, &str)]) -> String {
    let value = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    pairs.iter().map(|(name, text)| format!("{name}={}", value(text))).collect::<Vec<_>>().join("&")
}

/// A random name in the form of a UUID.
pub(super) fn identifier() -> Attempt<String> {
    let mut bytes = [0_u8; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Failure::new(DestinationErrorKind::Failed, "the system gives no random numbers"))?;
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = format!("{:032x}", u128::from_be_bytes(bytes));
    Ok(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a claim is good for a time by the server's clock, which no port knows"
)]
fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
