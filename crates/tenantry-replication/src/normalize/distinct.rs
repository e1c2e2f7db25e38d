//! Remembers the keys of one array's elements, so that the first of two equal elements counts.

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_64;

/// So many elements are looked through one by one; most arrays have a few, and a table of hashes would cost more than the rest of a row.
const FEW: usize = 32;

/// A set of byte strings in one allocation. Exact: equal hashes are compared byte by byte.
#[derive(Debug, Default)]
pub(super) struct Distinct {
    bytes: Vec<u8>,
    /// Hash, begin and end of each.
    places: Vec<(u64, usize, usize)>,
    /// Where in `places` each hash is, once there are more than a few.
    index: HashMap<u64, Vec<usize>>,
}

impl Distinct {
    /// Forgets everything and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
        self.index.clear();
    }

    /// Adds what `write` appends; false when it is already there.
    pub(super) fn insert(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        let begin = self.bytes.len();
        write(&mut self.bytes);
        let (old, new) = self.bytes.split_at(begin);
        let hash = xxh3_64(new);
        let is_same = |&(other, from, to): &(u64, usize, usize)| other == hash && old[from..to] == *new;
        let known = if self.places.len() <= FEW {
            self.places.iter().any(is_same)
        } else {
            self.index.get(&hash).is_some_and(|at| at.iter().any(|at| is_same(&self.places[*at])))
        };
        if known {
            self.bytes.truncate(begin);
            return false;
        }
        self.places.push((hash, begin, self.bytes.len()));
        // Those that were few are put into the index with the first that makes them many.
        let unknown = if self.places.len() == FEW + 1 { 0 } else { self.places.len() - 1 };
        if self.places.len() > FEW {
            for at in unknown..self.places.len() {
                self.index.entry(self.places[at].0).or_default().push(at);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counts_once_however_many_there_are() {
        let mut distinct = Distinct::default();
        for _ in 0..2 {
            distinct.clear();
            for n in 0..200 {
                assert!(distinct.insert(|bytes| bytes.extend(format!("element {n}").bytes())), "{n}");
                for known in 0..=n {
                    let text = format!("element {known}");
                    assert!(!distinct.insert(|bytes| bytes.extend(text.bytes())), "{known} after {n}");
                }
            }
        }
    }
}
