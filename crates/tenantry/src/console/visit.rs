//! One request, as pages see it: who asks, in which language, for what.

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use tenantry_replication::clock::Micros;

use super::Console;
use super::access::Session;
use super::address::Pairs;
use super::words::Words;

/// A request that was let in.
#[derive(Clone)]
pub(super) struct Visit {
    pub(super) console: Arc<Console>,
    pub(super) words: Words,
    pub(super) theme: Theme,
    pub(super) session: Session,
    pub(super) path: String,
    pub(super) query: Pairs,
}

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Theme {
    /// As the system has it.
    System,
    Light,
    Dark,
}

impl Theme {
    pub(super) fn of_code(code: &str) -> Self {
        match code {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::System,
        }
    }

    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    pub(super) fn of(headers: &HeaderMap) -> Self {
        cookie(headers, "tenantry_theme").map_or(Self::System, Self::of_code)
    }
}

/// The language that was chosen, or that the browser likes best.
pub(super) fn language(headers: &HeaderMap) -> Words {
    let chosen = cookie(headers, "tenantry_language").and_then(Words::of_code);
    chosen.unwrap_or_else(|| {
        let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        Words::of_browser(accepted.unwrap_or_default())
    })
}

/// The cookie that keeps a choice for a year; no secret.
pub(super) fn choice(name: &str, value: &str) -> String {
    format!("tenantry_{name}={value}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Strict")
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|text| text.split(';')).find_map(|pair| {
        let (known, value) = pair.trim().split_once('=')?;
        (known == name).then_some(value)
    })
}

impl Visit {
    /// Now, microseconds UTC.
    pub(super) fn now(&self) -> Micros {
        self.console.clock.now()
    }

    /// The address of this page.
    pub(super) fn here(&self) -> String {
        self.query.behind(&self.path)
    }
}
