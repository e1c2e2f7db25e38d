//! Planted defects: trials with a mistake in the engine, and which seed shows which.
//!
//! Every mistake must be caught by some seed below [`SEEDS`]. The table of the seeds that do is kept, so that replaying it is enough to see
//! that they still do. Only in builds with the feature `planted-defects`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;

use tenantry_replication::defects::{self, Defect, plant};

use crate::life::run;
use crate::trial::Trial;
use crate::world::Violation;

/// A mistake that no seed below this shows is one that the trials are blind to.
pub const SEEDS: u64 = 500;
/// Where the table is kept.
pub const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/planted.txt");
/// Characters of what a check found that a line shows.
const FOUND_MAX: usize = 110;

/// A mistake that was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catch {
    /// The mistake.
    pub defect: Defect,
    /// The seed whose trial showed it.
    pub seed: u64,
    /// The check that did.
    pub invariant: String,
    /// What that check found, cut to a line.
    pub found: String,
}

impl Catch {
    /// One line of a report.
    pub fn line(&self) -> String {
        format!("{:<26} seed {:<4} {}: {}", self.defect.name(), self.seed, self.invariant, self.found)
    }
}

/// Mistakes whose places the trial of a seed comes by: no other can show in it. Fails where the trial does, without any mistake.
pub fn reached(seed: u64) -> Result<Vec<Defect>, Violation> {
    plant(None);
    defects::reached();
    let verdict = run(&Trial::new(seed, &BTreeSet::new()), false);
    let reached = defects::reached();
    verdict.violations.into_iter().next().map_or(Ok(reached), Err)
}

/// Runs the trial of a seed with a mistake; what shows it, if anything.
pub fn try_seed(defect: Defect, seed: u64) -> Option<Catch> {
    plant(Some(defect));
    let trial = Trial { stops_early: true, ..Trial::new(seed, &BTreeSet::new()) };
    let verdict = run(&trial, false);
    plant(None);
    let violation = verdict.violations.into_iter().next()?;
    let found = violation.found.chars().take(FOUND_MAX).collect();
    Some(Catch { defect, seed, invariant: violation.invariant.to_owned(), found })
}

/// The first of these seeds that shows each mistake, told as they are found. Tries a seed only with mistakes whose places its trial comes by.
pub fn hunt(defects: &[Defect], seeds: Range<u64>, mut tell: impl FnMut(&Catch)) -> Vec<Catch> {
    let mut catches: Vec<Catch> = Vec::new();
    for seed in seeds {
        let is_open = |defect: &Defect| catches.iter().all(|catch| catch.defect != *defect);
        let open: BTreeSet<Defect> = defects.iter().copied().filter(is_open).collect();
        if open.is_empty() {
            break;
        }
        let Ok(reached) = reached(seed) else { continue };
        let found = reached.into_iter().filter(|defect| open.contains(defect));
        for catch in found.filter_map(|defect| try_seed(defect, seed)).collect::<Vec<_>>() {
            tell(&catch);
            catches.push(catch);
        }
    }
    catches.sort_by_key(|catch| catch.defect);
    catches
}

/// The seed that is kept for a mistake.
pub fn recorded(defect: Defect) -> Option<u64> {
    let mut words = include_str!("../planted.txt").lines().map(str::split_whitespace);
    words.find_map(|mut words| (words.next()? == defect.name()).then(|| words.next()?.parse().ok())?)
}

/// The table as it is kept.
pub fn table(catches: &[Catch]) -> String {
    let mut text = String::from(
        "# Planted defect, seed of the trial that shows it, check that says so. Made by `cargo xtask simulate --planted`.\n",
    );
    for Catch { defect, seed, invariant, .. } in catches {
        let _ = writeln!(text, "{:<26} {seed:<4} {invariant}", defect.name());
    }
    text
}
