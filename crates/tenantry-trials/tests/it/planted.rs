//! Defects that the trials find: each on record is replayed with the seed that is known to show it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use tenantry_replication::defects::Defect;
use tenantry_trials::planted::{SEEDS, hunt, reached, recorded, try_seed};

#[test]
fn planted_defects_are_caught() {
    let (mut lines, mut moved) = (String::new(), Vec::new());
    // A trial that fails without a defect shows none.
    let mut clean = BTreeMap::new();
    for defect in Defect::ALL.iter().copied() {
        // One that was planted only now has none yet.
        let Some(seed) = recorded(defect) else {
            moved.push(defect);
            continue;
        };
        let reached = clean.entry(seed).or_insert_with(|| reached(seed).unwrap_or_default());
        match Some(seed).filter(|_| reached.contains(&defect)).and_then(|seed| try_seed(defect, seed)) {
            Some(found) => drop(writeln!(lines, "{}", found.line())),
            None => moved.push(defect),
        }
    }
    let found = hunt(&moved, 0..SEEDS, |found| {
        let _ = writeln!(lines, "{}  (`cargo xtask simulate --planted` keeps the new seed)", found.line());
    });
    // Past the test's capture, so that every test run says which seed caught what.
    let _ = write!(std::io::stdout(), "planted defects, and what caught them:\n{lines}");
    moved.retain(|defect| found.iter().all(|found| found.defect != *defect));
    assert!(moved.is_empty(), "caught by no seed: {moved:?}");
}

#[test]
fn the_table_of_seeds_names_no_defect_that_is_gone() {
    let table = include_str!("../../planted.txt");
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    let names: Vec<&str> = lines.filter_map(|line| line.split_whitespace().next()).collect();
    let known = |name: &&&str| Defect::ALL.iter().any(|defect| defect.name() == **name);
    assert!(names.iter().filter(known).count() == names.len(), "{names:?}");
}
