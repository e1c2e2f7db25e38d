//! Defects that the trials find: each is replayed with the seed that is known to show it.

use std::fmt::Write as _;
use std::io::Write as _;

use tenantry_replication::defects::Defect;
use tenantry_trials::planted::{hunt, recorded, try_seed};

#[test]
fn planted_defects_are_caught() {
    let (mut lines, mut blind, mut open) = (String::new(), Vec::new(), Vec::new());
    for defect in Defect::ALL.iter().copied() {
        let Some(seed) = recorded(defect) else {
            open.push(defect.name());
            continue;
        };
        let known = try_seed(defect, seed);
        let moved = known.is_none();
        match known.or_else(|| hunt(defect)) {
            Some(found) => {
                let note = if moved { "  (`cargo xtask simulate --planted` keeps the new seed)" } else { "" };
                let _ = writeln!(lines, "{}{note}", found.line());
            }
            None => blind.push(defect.name()),
        }
    }
    // Past the test's capture, so that every test run says which seed caught what.
    let open =
        if open.is_empty() { String::new() } else { format!("no seed on record for: {}\n", open.join(", ")) };
    let _ = write!(std::io::stdout(), "planted defects, and what caught them:\n{lines}{open}");
    assert!(blind.is_empty(), "no longer caught by any seed: {}", blind.join(", "));
}

#[test]
fn the_table_of_seeds_names_no_defect_that_is_gone() {
    let table = include_str!("../../planted.txt");
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    let names: Vec<&str> = lines.filter_map(|line| line.split_whitespace().next()).collect();
    let known = |name: &&&str| Defect::ALL.iter().any(|defect| defect.name() == **name);
    assert!(names.iter().filter(known).count() == names.len() && names.len() >= 20, "{names:?}");
}
