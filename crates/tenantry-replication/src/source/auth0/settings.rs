//! What an operator decides about the connection to a tenant: which one, as whom, and how much of its budget to use.
//!
//! Reads no environment and no files; secrets have a type that cannot be printed.

use std::fmt;
use std::time::Duration;

use super::url::Domain;

/// Share of each rate limit that stays for the tenant's own traffic.
pub const LEAVE: f64 = 0.2;
/// Requests under way at the same time, at most. Enough to fill 16 requests a second at half a second each.
pub const IN_FLIGHT: usize = 8;
/// Time for one answer of the API: Auth0 itself gives up on a search after 2 s.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(90);
/// Greatest share that can be left: something must remain to work with.
pub const LEAVE_MAX: f64 = 0.95;

/// A value that is never printed, logged or serialized.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// As whom we ask.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// A machine-to-machine application with a client secret.
    ClientSecret {
        /// The application's client id.
        client_id: String,
        /// Its secret.
        secret: Secret,
    },
    /// A machine-to-machine application that signs its requests for a token.
    PrivateKey {
        /// The application's client id.
        client_id: String,
        /// RSA private key as PEM text (`PRIVATE KEY` or `RSA PRIVATE KEY`).
        pem: Secret,
        /// How to sign.
        algorithm: Algorithm,
        /// Id of the key, where the application has several.
        key_id: Option<String>,
    },
    /// A token obtained elsewhere; it cannot be renewed.
    Token(Secret),
}

/// Signature algorithms that Auth0 takes for client assertions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PSS with SHA-256.
    Ps256,
}

/// Everything that [`super::Auth0`] has to be told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The tenant's own domain, not a custom one: tokens of the Management API are issued for it.
    pub domain: Domain,
    /// As whom we ask.
    pub credentials: Credentials,
    /// Audience of the token, where it is not `https://{domain}/api/v2/`.
    pub audience: Option<String>,
    /// Share of each rate limit, from 0 to 0.95, that stays for the tenant's own traffic.
    pub leave: f64,
    /// Requests a second, at most, whatever the tenant would allow.
    pub max_rps: Option<f64>,
    /// Requests under way at the same time, at most; at least 1.
    pub in_flight: usize,
    /// Time for one answer of the API. Half of it without a single byte ends an answer sooner; a file may take eighty times as long.
    pub answer_timeout: Duration,
    /// Requests in all, at most; one that would pass this fails with [`crate::error::SourceErrorKind::AllowanceSpent`].
    pub max_requests: Option<u64>,
    /// Time in all, at most, from the making of the source on; a wait that would pass it fails in the same way.
    pub max_time: Option<Duration>,
}

impl Settings {
    /// Settings with the defaults.
    pub fn new(domain: Domain, credentials: Credentials) -> Self {
        Self {
            domain,
            credentials,
            audience: None,
            leave: LEAVE,
            max_rps: None,
            in_flight: IN_FLIGHT,
            answer_timeout: ANSWER_TIMEOUT,
            max_requests: None,
            max_time: None,
        }
    }

    /// The audience to ask a token for.
    pub(super) fn audience(&self) -> String {
        self.audience.clone().unwrap_or_else(|| format!("{}/api/v2/", self.domain.origin()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        let credentials =
            Credentials::ClientSecret { client_id: "app".into(), secret: Secret::new("correcthorse") };
        let mut settings = Settings::new(Domain::parse("tenant.us.auth0.com").unwrap(), credentials);
        assert!(!format!("{settings:?}").contains("correcthorse"));
        assert_eq!(settings.audience(), "https://tenant.us.auth0.com/api/v2/");
        settings.credentials = Credentials::Token(Secret::new("correcthorse"));
        assert!(!format!("{settings:?} {}", Secret::new("correcthorse")).contains("correcthorse"));
    }
}
