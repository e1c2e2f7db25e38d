//! Remembers the keys of one array's elements, so that the first of two equal elements counts.

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_64;

/// A set of byte strings in one allocation. Exact: equal hashes are compared byte by byte.
#[derive(Debug, Default)]
pub(super) struct Distinct {
    bytes: Vec<u8>,
    places: HashMap<u64, Vec<(usize, usize)>>,
}

impl Distinct {
    /// Forgets everything and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
    }

    /// Adds what `write` appends; false when it is already there.
    pub(super) fn insert(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        let begin = self.bytes.len();
        write(&mut self.bytes);
        let end = self.bytes.len();
        let places = self.places.entry(xxh3_64(&self.bytes[begin..end])).or_default();
        if places.iter().any(|&(from, to)| self.bytes[from..to] == self.bytes[begin..end]) {
            self.bytes.truncate(begin);
            return false;
        }
        places.push((begin, end));
        true
    }
}
