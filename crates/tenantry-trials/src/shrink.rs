//! Makes a failing trial small: leaves out parts while the same invariant still does not hold.
//!
//! Finds a small trial, not the smallest there is.

use std::collections::BTreeSet;

use crate::life::run;
use crate::trial::Trial;

/// Trials that one shrinking runs, at most.
const TRIALS_MAX: usize = 400;

/// The names of parts that can be left out of a failing trial; `None` where it does not fail.
pub fn shrink(seed: u64) -> Option<BTreeSet<String>> {
    let fails_by = |without: &BTreeSet<String>| {
        let verdict = run(&Trial::new(seed, without), false);
        verdict.violations.first().map(|violation| violation.invariant)
    };
    let mut without = BTreeSet::new();
    let invariant = fails_by(&without)?;
    let mut trials = 0;
    loop {
        let mut smaller = false;
        for part in Trial::new(seed, &without).parts() {
            if trials >= TRIALS_MAX {
                return Some(without);
            }
            trials += 1;
            let mut tried = without.clone();
            tried.insert(part);
            if fails_by(&tried) == Some(invariant) {
                without = tried;
                smaller = true;
            }
        }
        if !smaller {
            return Some(without);
        }
    }
}
