//! The console: what it refuses, what it shows, and how it looks to a browser.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod browser_runs;
#[allow(dead_code, reason = "these tests need a part of it")]
#[path = "../it/harness.rs"]
mod harness;
mod pages;
mod safety;
mod served;
