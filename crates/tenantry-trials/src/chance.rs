//! Seeded chance: streams of numbers, and single throws that depend on nothing but their name.
//!
//! Nothing here is random: the same seed and the same questions give the same answers.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A stream of numbers, of its own for each label.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64, label: &str) -> Self {
        Self(xxh3_64_with_seed(label.as_bytes(), seed))
    }

    /// The next number (splitmix64).
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// A number from 0 up to but not including `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// A number of a range, both ends included.
    pub(crate) fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    /// A number in `0.0..1.0`.
    pub(crate) fn share(&mut self) -> f64 {
        share(self.next())
    }

    /// True as often as `probability` says.
    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        self.share() < probability
    }

    /// One of several.
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// A number of a range whose small ones are as likely as its large ones, by order of magnitude.
    pub(crate) fn magnitude(&mut self, least: f64, most: f64) -> f64 {
        least * (most / least).powf(self.share())
    }
}

/// A throw for the `number`-th occasion of a kind, in `0.0..1.0`: other kinds and occasions do not change it.
pub(crate) fn throw(seed: u64, label: &str, number: u64) -> f64 {
    share(mix(xxh3_64_with_seed(label.as_bytes(), seed) ^ mix(number)))
}

fn mix(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

fn share(number: u64) -> f64 {
    (number >> 11) as f64 / (1u64 << 53) as f64
}
