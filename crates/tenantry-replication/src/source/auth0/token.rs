//! The access token: obtained once, shared by all requests, renewed before it ends and once when it is refused.
//!
//! Never two requests for a token at the same time. A token is shown to nobody but the tenant's own host.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

use super::assertion::{self, ASSERTION_TYPE, Claim};
use super::settings::{Credentials, Secret, Settings};
use crate::clock::Micros;
use crate::defects::{Defect, planted};
use crate::error::{SourceError, SourceErrorKind, SourceResult};

/// A token is renewed that long before it ends, or a tenth of its life before where that is shorter.
const RENEW_AHEAD: Duration = Duration::from_mins(5);

/// The end of a token is told in whole seconds, and may come that much earlier than its life says.
const ROUNDED: Duration = Duration::from_secs(1);

/// A token that can be sent.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) value: Secret,
    /// Number of the renewal that it came from.
    pub(super) generation: u64,
    /// Scopes, sorted; `None` when it does not tell.
    pub(super) scopes: Option<Vec<String>>,
    /// When to renew it, on the monotonic clock; `None`: when it is refused.
    renew_at: Option<Duration>,
}

/// Keeps the token.
pub(super) struct Tokens {
    current: Mutex<Current>,
    renewable: bool,
}

#[derive(Default)]
struct Current {
    token: Option<Token>,
    generation: u64,
}

/// The token endpoint's answer.
#[derive(Deserialize)]
struct Answer {
    access_token: String,
    #[serde(default)]
    expires_in: Option<serde_json::Value>,
    #[serde(default)]
    scope: Option<String>,
}

impl Tokens {
    pub(super) fn new(credentials: &Credentials) -> Self {
        let mut current = Current::default();
        if let Credentials::Token(value) = credentials {
            let scopes = scopes_inside(value.expose());
            current.token = Some(Token { value: value.clone(), generation: 0, scopes, renew_at: None });
        }
        Self { current: Mutex::new(current), renewable: !matches!(credentials, Credentials::Token(_)) }
    }

    /// Whether a refused token can be replaced.
    pub(super) fn renewable(&self) -> bool {
        self.renewable && !planted(Defect::TokenNotRenewed)
    }

    /// The token to send at `now`; `obtain` gets a new one where there is none that holds.
    pub(super) async fn get<F>(
        &self,
        now: impl Fn() -> Duration,
        obtain: impl FnOnce() -> F,
    ) -> SourceResult<Token>
    where
        F: Future<Output = SourceResult<Token>>,
    {
        let mut current = self.current.lock().await;
        if let Some(token) = &current.token
            && token.renew_at.is_none_or(|at| now() < at)
        {
            return Ok(token.clone());
        }
        let obtained = obtain().await?;
        current.generation += 1;
        let token = Token { generation: current.generation, ..obtained };
        current.token = Some(token.clone());
        Ok(token)
    }

    /// Forgets a token that was refused; does nothing when another has taken its place.
    pub(super) async fn refused(&self, generation: u64) {
        let mut current = self.current.lock().await;
        let is_this = |token: &Token| token.generation == generation || planted(Defect::TokenRefreshedTwice);
        if self.renewable && current.token.as_ref().is_some_and(is_this) {
            current.token = None;
        }
    }
}

/// Reads the token endpoint's answer. `asked` is when the request that brought it was sent; nobody has numbered the token yet.
pub(super) fn read(body: &[u8], asked: Duration) -> SourceResult<Token> {
    // The answer holds the token: nothing of it goes into an error.
    let answer: Answer = serde_json::from_slice(body).map_err(|_| {
        SourceError::new(
            SourceErrorKind::Malformed,
            "get a token",
            "the token endpoint's answer holds no access_token",
        )
    })?;
    let life =
        answer.expires_in.as_ref().and_then(|life| life.as_f64().or_else(|| life.as_str()?.parse().ok()));
    let renew_at = life.filter(|seconds| *seconds > 0.0 && *seconds < 1e9).map(|seconds| {
        let life = Duration::from_secs_f64(seconds);
        asked + life.saturating_sub(RENEW_AHEAD.min(life / 10).max(ROUNDED))
    });
    let scopes = answer.scope.as_deref().map(split_scopes).or_else(|| scopes_inside(&answer.access_token));
    Ok(Token { value: Secret::new(answer.access_token), generation: 0, scopes, renew_at })
}

fn split_scopes(text: &str) -> Vec<String> {
    let mut scopes: Vec<String> = text.split_ascii_whitespace().map(str::to_owned).collect();
    scopes.sort_unstable();
    scopes.dedup();
    scopes
}

/// Scopes that a JWT names in its middle part. Whether it is genuine is the server's to judge.
fn scopes_inside(token: &str) -> Option<Vec<String>> {
    let mut parts = token.split('.');
    let (_, payload, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else {
        return None;
    };
    let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&payload).ok()?;
    claims.get("scope")?.as_str().map(split_scopes)
}

/// The body of a request for a token. `now` is the tenant's time.
pub(super) fn request(settings: &Settings, now: Micros) -> SourceResult<String> {
    let audience = settings.audience();
    let body = match &settings.credentials {
        Credentials::ClientSecret { client_id, secret } => json!({
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": secret.expose(),
            "audience": audience,
        }),
        Credentials::PrivateKey { client_id, pem, algorithm, key_id } => {
            let issuer = format!("{}/", settings.domain.origin());
            let key_id = key_id.as_deref();
            let claim = Claim { client_id, audience: &issuer, algorithm: *algorithm, key_id, now };
            let assertion = assertion::sign(&claim, pem.expose()).map_err(|error| {
                SourceError::new(SourceErrorKind::Refused, "sign the request for a token", error.to_string())
            })?;
            json!({
                "grant_type": "client_credentials",
                "client_id": client_id,
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": assertion,
                "audience": audience,
            })
        }
        Credentials::Token(_) => {
            let reason = "the token is not accepted, and without client credentials no other can be obtained";
            return Err(SourceError::new(SourceErrorKind::Unauthorized, "get a token", reason));
        }
    };
    Ok(body.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(body: &str) -> Token {
        read(body.as_bytes(), Duration::from_secs(100)).unwrap()
    }

    #[test]
    fn a_token_is_renewed_before_it_ends() {
        let at = |body| token(body).renew_at.map(|at| at.as_millis());
        assert_eq!(at(r#"{"access_token":"t","expires_in":86400}"#), Some(86_200_000));
        assert_eq!(at(r#"{"access_token":"t","expires_in":3}"#), Some(102_000), "its end is told in seconds");
        assert_eq!(at(r#"{"access_token":"t","expires_in":1}"#), Some(100_000), "for one request");
        assert_eq!(at(r#"{"access_token":"t","expires_in":"60"}"#), Some(154_000));
        for body in [
            r#"{"access_token":"t"}"#,
            r#"{"access_token":"t","expires_in":-5}"#,
            r#"{"access_token":"t","expires_in":null}"#,
        ] {
            assert_eq!(at(body), None, "{body}: until it is refused");
        }
    }

    #[test]
    fn scopes_come_from_the_answer_or_from_the_token() {
        assert_eq!(
            token(r#"{"access_token":"t","scope":"read:users read:clients read:users"}"#).scopes,
            Some(vec!["read:clients".into(), "read:users".into()])
        );
        let payload = URL_SAFE_NO_PAD.encode(r#"{"aud":"x","scope":"read:logs"}"#);
        assert_eq!(scopes_inside(&format!("h.{payload}.s")), Some(vec!["read:logs".into()]));
        for opaque in ["opaque", "a.b", "a.b.c.d", "a.!!.c", "a.e30.c"] {
            assert_eq!(scopes_inside(opaque), None, "{opaque}");
        }
    }

    #[test]
    fn an_answer_without_a_token_is_malformed_and_not_shown() {
        let error = read(br#"{"acces_token":"very-secret"}"#, Duration::ZERO).map(|_| ()).unwrap_err();
        assert_eq!(error.kind, SourceErrorKind::Malformed);
        assert!(!format!("{error} {error:?}").contains("very-secret"));
    }
}
