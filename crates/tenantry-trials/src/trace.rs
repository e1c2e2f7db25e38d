//! What happened in a trial, line by line: hashed always, kept where somebody wants to read it.

use std::fmt::Write as _;

use xxhash_rust::xxh3::Xxh3;

/// A growing account.
pub(crate) struct Trace {
    hash: Xxh3,
    kept: Option<String>,
}

impl Trace {
    pub(crate) fn new(keeps: bool) -> Self {
        Self { hash: Xxh3::new(), kept: keeps.then(String::new) }
    }

    pub(crate) fn line(&mut self, line: &str) {
        self.hash.update(line.as_bytes());
        self.hash.update(b"\n");
        if let Some(kept) = &mut self.kept {
            let _ = writeln!(kept, "{line}");
        }
    }

    /// Tells two accounts apart.
    pub(crate) fn digest(&self) -> u64 {
        self.hash.digest()
    }

    pub(crate) fn kept(&self) -> Option<String> {
        self.kept.clone()
    }
}
