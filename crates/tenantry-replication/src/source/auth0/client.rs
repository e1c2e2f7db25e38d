//! One request to the Management API, until it has an answer or no hope of one: token, budget, retries.
//!
//! The bearer token goes to the tenant's own host and nowhere else. Decides on no retry itself: [`crate::error::retry`] does.

mod delays;
mod tenant_clock;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{Either, select};

use self::delays::{Delayed, OfStreams};
use super::allowance::Allowance;
use super::budget::{Budget, Group, Permit};
use super::failure::{self, Absent};
use super::settings::Settings;
use super::token::{self, Token, Tokens};
use super::transport::{
    Body, CollectError, Collected, HttpRequest, Method, Patience, Transport, TransportError,
};
use super::url::{self, Url};
use crate::catalog::Stream;
use crate::clock::{Clock, MICROS_PER_SECOND, Micros};
use crate::defects::{Defect, planted};
use crate::error::{Retry, SourceError, SourceErrorKind, SourceResult, retry};
use crate::source::Delays;

/// Times that a request is sent while the server or the network fails. Waits add up to a minute or two.
pub(super) const ATTEMPTS: u32 = 8;
/// Times that a request is sent while its answers are not what they should be: rarely a passing state.
const ATTEMPTS_MALFORMED: u32 = 4;
/// Times that a request is sent while the rate limit refuses it.
const ATTEMPTS_LIMITED: u32 = 12;
/// First step of the backoff; it doubles from there.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
/// Longest single wait of the backoff.
const BACKOFF_MAX: Duration = Duration::from_mins(1);
/// Shortest wait after a 429: a reset equal to now would make us ask again at once, in vain.
const LIMITED_WAIT_MIN: Duration = Duration::from_secs(1);
/// A wait asked for that is longer than this is not waited for: the run ends, and a later one goes on.
const LIMITED_WAIT_MAX: Duration = Duration::from_mins(15);
/// `x-ratelimit-reset` further ahead than this is a wrong clock: the slowest documented bucket fills in twelve seconds.
const RESET_MAX: Duration = Duration::from_mins(2);
/// Longest part added by chance to the wait after a 429.
const LIMITED_JITTER_MAX: Duration = Duration::from_secs(30);
/// Largest answer of the API: a page of 100 users of 1 MB each, the older profile limit.
const ANSWER_BYTES_MAX: u64 = 256 << 20;
/// Largest answer of the token endpoint.
const TOKEN_BYTES_MAX: u64 = 1 << 20;
/// A clock that differs by more than this makes a signed request for a token invalid (Auth0 allows 10 s).
const SKEW_TOLERATED: Micros = 5 * MICROS_PER_SECOND;
/// Path in front of every endpoint.
const API: &str = "/api/v2";

/// Everything shared by all reads of one tenant.
pub(super) struct Client {
    pub(super) settings: Settings,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) clock: Arc<dyn Clock>,
    tokens: Tokens,
    budget: Budget,
    allowance: Allowance,
    sent: AtomicU64,
    delays: OfStreams,
    /// What the tenant's clock showed when our monotonic one began to count, in microseconds; `i64::MIN` while unknown. Not how far it is
    /// ahead of our time of day, which may be set at any moment.
    epoch: AtomicI64,
    /// The latest that this run's answers have told.
    latest_epoch: AtomicI64,
}

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// What it is for, without values: `read page 3 of /users`.
    pub(super) action: String,
    pub(super) method: Method,
    /// Path below `/api/v2`, encoded.
    pub(super) path: String,
    /// Names and values, not encoded.
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
    /// What a 404 means.
    pub(super) absent: Absent,
}

impl Call {
    pub(super) fn get(action: impl Into<String>, path: impl Into<String>) -> Self {
        let (method, body) = (Method::Get, Bytes::new());
        Self {
            action: action.into(),
            method,
            path: path.into(),
            query: Vec::new(),
            body,
            absent: Absent::Feature,
        }
    }

    pub(super) fn post(action: impl Into<String>, path: impl Into<String>, body: String) -> Self {
        Self { method: Method::Post, body: body.into(), ..Self::get(action, path) }
    }

    /// The same with query parameters added.
    #[must_use]
    pub(super) fn with(mut self, query: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        self.query.extend(query);
        self
    }

    /// The same for a position in a stream that may be gone.
    #[must_use]
    pub(super) fn of_position(mut self) -> Self {
        self.absent = Absent::Position;
        self
    }

    /// The same for a record or parent that may be gone.
    #[must_use]
    pub(super) fn of_record(mut self) -> Self {
        self.absent = Absent::Record;
        self
    }

    fn error(&self, kind: SourceErrorKind, message: impl Into<String>) -> SourceError {
        SourceError::new(kind, self.action.as_str(), message)
    }
}

/// A read's handle on the client: counts what the read sends, and what its stream's requests wait for.
#[derive(Clone)]
pub(super) struct Reader {
    pub(super) client: Arc<Client>,
    sent: Arc<AtomicU64>,
    delayed: Arc<Delayed>,
}

impl Reader {
    pub(super) fn new(client: Arc<Client>, stream: &'static Stream) -> Self {
        let delayed = client.delays.of(stream);
        Self { client, sent: Arc::default(), delayed }
    }

    /// Requests sent through this handle and its clones.
    pub(super) fn requests(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Sends a request, again where that may help, and gives what `decode` makes of the answer.
    ///
    /// What `decode` refuses counts as malformed and is asked for again; its error is shown, so it must hold no values.
    pub(super) async fn call<T>(
        &self,
        call: &Call,
        decode: impl Fn(&Collected) -> Result<T, String> + Send + Sync,
    ) -> SourceResult<T>
    where
        T: Send,
    {
        let mut tries = Tries::default();
        loop {
            let error = match self.once(call, &mut tries).await {
                Ok(answer) => match decode(&answer) {
                    Ok(value) => return Ok(value),
                    Err(reason) => call.error(SourceErrorKind::Malformed, reason),
                },
                Err(error) => error,
            };
            let begun = self.client.clock.monotonic();
            let waited = self.client.before_retry(error, &mut tries).await;
            self.delayed.waited(self.client.clock.monotonic().saturating_sub(begun));
            waited?;
        }
    }

    async fn once(&self, call: &Call, tries: &mut Tries) -> SourceResult<Collected> {
        let client = &self.client;
        let group = Group::of(&call.path);
        let begun = client.clock.monotonic();
        let permit = client.admit(call, group).await;
        self.delayed.waited(client.clock.monotonic().saturating_sub(begun));
        let permit = permit?;
        // Not before: a token may end while a request waits for its turn.
        let token = client.token().await?;
        tries.generation = token.generation;
        self.sent.fetch_add(1, Ordering::Relaxed);
        client.sent.fetch_add(1, Ordering::Relaxed);
        let answer = client.exchange(call, &token).await?;
        permit.answered(answer.status, &answer.headers);
        if (200..300).contains(&answer.status) {
            Ok(answer)
        } else {
            let error = client.refusal(call, group, &answer);
            if error.kind == SourceErrorKind::RateLimited {
                self.delayed.limited();
            }
            Err(error)
        }
    }
}

/// How often a request was sent for which reason.
#[derive(Default)]
struct Tries {
    failed: u32,
    malformed: u32,
    limited: u32,
    renewed: bool,
    generation: u64,
}

impl Client {
    pub(super) fn new(settings: Settings, transport: Arc<dyn Transport>, clock: Arc<dyn Clock>) -> Self {
        let tokens = Tokens::new(&settings.credentials);
        let budget = Budget::new(&settings, Arc::clone(&clock));
        let allowance = Allowance::new(&settings, clock.monotonic());
        let unknown = || AtomicI64::new(i64::MIN);
        let (epoch, latest_epoch) = (unknown(), unknown());
        let (sent, delays) = (AtomicU64::new(0), OfStreams::default());
        Self { settings, transport, clock, tokens, budget, allowance, sent, delays, epoch, latest_epoch }
    }

    /// Waits until a request may be sent, by what the tenant's limits leave us and by what the operator allows.
    async fn admit(&self, call: &Call, group: Group) -> SourceResult<Permit<'_>> {
        let spent = |reason| call.error(SourceErrorKind::AllowanceSpent, reason);
        let taken = self.allowance.take().map_err(spent)?;
        let permit = match self.allowance.ends_in(self.clock.monotonic()) {
            None => self.budget.admit(group).await,
            Some(Duration::ZERO) => return Err(spent(self.allowance.over())),
            Some(left) => match select(pin!(self.budget.admit(group)), pin!(self.clock.sleep(left))).await {
                Either::Left((permit, _)) => permit,
                Either::Right(_) => return Err(spent(self.allowance.over())),
            },
        };
        taken.sent();
        Ok(permit)
    }

    /// What an answer that is no success means; after a 429 nothing of its group goes out for a while.
    fn refusal(&self, call: &Call, group: Group, answer: &Collected) -> SourceError {
        let sent: Vec<&str> = call.query.iter().map(|(_, value)| value.as_str()).collect();
        let key = call.path.rsplit('/').map(url::decode).collect::<Vec<_>>();
        let sent =
            sent.into_iter().chain(key.iter().map(String::as_str).filter(|part| part.contains(['|', '_'])));
        let mut error = failure::of_answer(&call.action, answer, call.absent, &sent.collect::<Vec<_>>());
        if error.kind == SourceErrorKind::RateLimited {
            let wait = self.wait_asked_for(&error, answer);
            error.retry_after = Some(wait);
            // Who listens already is no reason for anybody else to wait.
            if call.absent != Absent::Position {
                self.budget.refused(group, &answer.headers, wait.min(LIMITED_WAIT_MAX));
            }
        }
        error
    }

    /// Sends a request whose answer has no end of its own, once, and gives its body as soon as it begins: from then on it holds no place
    /// among the requests under way. No allowance counts it, since it outlives runs.
    pub(super) async fn listen(&self, call: &Call, position: Option<&str>) -> SourceResult<Box<dyn Body>> {
        let token = self.token().await?;
        let group = Group::of(&call.path);
        let permit = self.budget.admit(group).await;
        self.sent.fetch_add(1, Ordering::Relaxed);
        let mut headers = vec![
            ("authorization", format!("Bearer {}", token.value.expose())),
            ("accept", "text/event-stream".into()),
        ];
        headers.extend(position.map(|position| ("last-event-id", position.to_owned())));
        let query = url::query(call.query.iter().map(|(name, value)| (*name, value.as_str())));
        let url = self.settings.domain.origin().url(format!("{API}{}", call.path), query);
        let (body, limit, patience) = (Bytes::new(), u64::MAX, Patience::Endless);
        let sent = self.clock.monotonic();
        let request = HttpRequest { method: call.method, url, headers, body, limit, patience };
        let failed = |error: TransportError| {
            call.error(SourceErrorKind::Unavailable, error.reason.clone()).caused_by(error)
        };
        let response = self.transport.send(request).await.map_err(failed)?;
        self.learn_clock(&response.headers, sent);
        permit.answered(response.status, &response.headers);
        if (200..300).contains(&response.status) {
            let kind = response.headers.get("content-type").unwrap_or_default();
            return if kind.starts_with("text/event-stream") {
                Ok(response.body)
            } else {
                Err(call.error(SourceErrorKind::Malformed, "the answer is no stream of events"))
            };
        }
        let answer = response.collect(ANSWER_BYTES_MAX).await.map_err(|error| match error {
            CollectError::Failed(error) => failed(error),
            CollectError::TooLarge => call.error(SourceErrorKind::LimitExceeded, "the answer is too large"),
        })?;
        let error = self.refusal(call, group, &answer);
        if error.kind == SourceErrorKind::Unauthorized {
            self.tokens.refused(token.generation).await;
        }
        Err(error)
    }

    /// Waits, unless that would take longer than the operator allows.
    pub(super) async fn wait(&self, action: &str, wait: Duration) -> SourceResult<()> {
        if self.allowance.ends_in(self.clock.monotonic()).is_some_and(|left| left < wait) {
            let reason = self.allowance.over();
            return Err(SourceError::new(SourceErrorKind::AllowanceSpent, action, reason));
        }
        self.clock.sleep(wait).await;
        Ok(())
    }

    /// How long requests to these paths take at the least, by the limits known so far; `None` where none is known.
    pub(super) fn pace<'a>(&self, requests: impl Iterator<Item = (&'a str, u64)>) -> Option<Duration> {
        self.budget.pace(requests.map(|(path, requests)| (Group::of(path), requests)))
    }

    /// Counts requests and allowance from now on.
    pub(super) fn begin(&self) {
        self.sent.store(0, Ordering::Relaxed);
        self.latest_epoch.store(i64::MIN, Ordering::Relaxed);
        self.delays.forget();
        self.allowance.renew(self.clock.monotonic());
    }

    /// Requests sent to the Management API in this run. Tokens and files are not among them: no limit of the API counts them.
    pub(super) fn requests(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// What held up the requests for a stream in this run.
    pub(super) fn delays(&self, stream: &'static Stream) -> Delays {
        self.delays.of(stream).told()
    }

    /// Waits as the kind of error asks, or gives the error back when it is no use to go on.
    async fn before_retry(&self, error: SourceError, tries: &mut Tries) -> SourceResult<()> {
        match retry(error.kind) {
            Retry::Never => return Err(error),
            Retry::Backoff if planted(Defect::NeverRetried) => return Err(error),
            Retry::AfterRenewal => {
                if tries.renewed || !self.tokens.renewable() {
                    return Err(error);
                }
                tries.renewed = true;
                self.tokens.refused(tries.generation).await;
            }
            Retry::WhenAllowed => {
                tries.limited += 1;
                let too_long = |wait| wait > LIMITED_WAIT_MAX && !planted(Defect::EndlessPatience);
                if tries.limited >= ATTEMPTS_LIMITED || error.retry_after.is_some_and(too_long) {
                    return Err(error);
                }
                // The budget lets nothing through before the wait is over; this spreads those that come after it.
                let spread = LIMITED_JITTER_MAX.min(BACKOFF_FIRST * 2u32.pow(tries.limited - 1));
                let wait =
                    error.retry_after.unwrap_or(LIMITED_WAIT_MIN) + spread.mul_f64(self.clock.jitter());
                self.wait(&error.action, wait).await?;
            }
            Retry::Backoff => {
                let (count, most) = match error.kind {
                    SourceErrorKind::Malformed => (&mut tries.malformed, ATTEMPTS_MALFORMED),
                    _ => (&mut tries.failed, ATTEMPTS),
                };
                *count += 1;
                if *count >= most {
                    return Err(error);
                }
                let count = *count;
                self.backoff(&error.action, count, error.retry_after).await?;
            }
        }
        Ok(())
    }

    /// Waits before the next attempt after `failed` ones: a random part of a time that doubles, and at least what was asked for.
    pub(super) async fn backoff(
        &self,
        action: &str,
        failed: u32,
        asked: Option<Duration>,
    ) -> SourceResult<()> {
        self.wait(action, self.backoff_after(failed, asked)).await
    }

    /// How long that is.
    pub(super) fn backoff_after(&self, failed: u32, asked: Option<Duration>) -> Duration {
        let longest = BACKOFF_MAX.min(BACKOFF_FIRST * 2u32.pow(failed.saturating_sub(1).min(16)));
        longest.mul_f64(self.clock.jitter()).max(asked.unwrap_or_default().min(BACKOFF_MAX))
    }

    /// How long a 429 asks us to wait: its `Retry-After`, the time until its reset by the tenant's own clock, and a second at least.
    fn wait_asked_for(&self, error: &SourceError, answer: &Collected) -> Duration {
        let reset = answer.headers.number("x-ratelimit-reset").unwrap_or(0).saturating_mul(MICROS_PER_SECOND);
        let until_reset = u64::try_from(reset.saturating_sub(self.tenant_now())).unwrap_or(0);
        let until_reset = Duration::from_micros(until_reset).min(RESET_MAX);
        error.retry_after.unwrap_or_default().max(until_reset).max(LIMITED_WAIT_MIN)
    }

    /// Sends one request and reads the answer to its end.
    async fn exchange(&self, call: &Call, token: &Token) -> SourceResult<Collected> {
        let query = url::query(call.query.iter().map(|(name, value)| (*name, value.as_str())));
        let url = self.settings.domain.origin().url(format!("{API}{}", call.path), query);
        let mut headers = vec![
            ("authorization", format!("Bearer {}", token.value.expose())),
            ("accept", "application/json".into()),
        ];
        if !call.body.is_empty() {
            headers.push(("content-type", "application/json".into()));
        }
        let answer =
            self.send(&call.action, call.method, url, headers, call.body.clone(), ANSWER_BYTES_MAX).await?;
        if (200..300).contains(&answer.status)
            && answer.headers.get("content-type").is_some_and(|kind| kind.contains("html"))
        {
            return Err(call.error(SourceErrorKind::Malformed, "the answer is a web page, not JSON"));
        }
        Ok(answer)
    }

    async fn send(
        &self,
        action: &str,
        method: Method,
        url: Url,
        headers: Vec<(&'static str, String)>,
        body: Bytes,
        limit: u64,
    ) -> SourceResult<Collected> {
        let sent = self.clock.monotonic();
        let request = HttpRequest { method, url, headers, body, limit, patience: Patience::Answer };
        let response = self.transport.send(request).await;
        let collected = match response {
            Ok(response) => response.collect(limit).await,
            Err(error) => Err(CollectError::Failed(error)),
        };
        match collected {
            Ok(answer) => {
                self.learn_clock(&answer.headers, sent);
                Ok(answer)
            }
            Err(CollectError::Failed(error)) => {
                Err(SourceError::new(SourceErrorKind::Unavailable, action, error.reason.clone())
                    .caused_by(error))
            }
            Err(CollectError::TooLarge) => {
                let reason = format!("the answer is larger than {limit} bytes");
                Err(SourceError::new(SourceErrorKind::LimitExceeded, action, reason))
            }
        }
    }

    /// The token to send.
    pub(super) async fn token(&self) -> SourceResult<Token> {
        self.tokens.get(|| self.clock.monotonic(), || self.obtain()).await
    }

    /// Asks the token endpoint, again where that may help.
    async fn obtain(&self) -> SourceResult<Token> {
        const ACTION: &str = "get a token";
        let mut tries = Tries::default();
        let mut corrected = false;
        loop {
            let assumed = self.ahead().unwrap_or(0);
            let body = token::request(&self.settings, self.tenant_now())?;
            let url = self.settings.domain.origin().url("/oauth/token", "");
            let json = || "application/json".to_owned();
            let headers = vec![("content-type", json()), ("accept", json())];
            let asked = self.clock.monotonic();
            let answer = self.send(ACTION, Method::Post, url, headers, body.into(), TOKEN_BYTES_MAX).await;
            let mut error = match answer {
                Ok(answer) if answer.status == 200 => match token::read(&answer.body, asked) {
                    Ok(token) => return Ok(token),
                    Err(error) => error,
                },
                Ok(answer) => {
                    let mut error = failure::of_answer(ACTION, &answer, Absent::Feature, &[]);
                    error.retry_after = (answer.status == 429).then(|| self.wait_asked_for(&error, &answer));
                    error
                }
                Err(error) => error,
            };
            let clock_was_wrong = (self.ahead().unwrap_or(0) - assumed).abs() > SKEW_TOLERATED;
            if matches!(error.status, Some(400..=404)) {
                if clock_was_wrong && !corrected {
                    corrected = true;
                    continue;
                }
                error.kind = SourceErrorKind::Unauthorized;
                return Err(error);
            }
            self.before_retry(error, &mut tries).await?;
        }
    }
}
