//! Defects that the trials must find: each is replayed with the seed that is known to show it.

use std::fmt::Write as _;
use std::io::Write as _;

use tenantry_replication::defects::Defect;
use tenantry_trials::planted::{SEEDS, hunt, recorded, try_seed};

#[test]
fn every_planted_defect_is_caught() {
    let (mut lines, mut blind) = (String::new(), Vec::new());
    for defect in Defect::ALL.iter().copied() {
        let known = recorded(defect).and_then(|seed| try_seed(defect, seed));
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
    let _ = write!(std::io::stdout(), "planted defects, and what caught them:\n{lines}");
    assert!(blind.is_empty(), "not caught by any of {SEEDS} seeds: {}", blind.join(", "));
}

#[test]
fn the_table_of_seeds_names_no_defect_that_is_gone() {
    let table = include_str!("../../planted.txt");
    let named = table.lines().filter(|line| !line.starts_with('#'));
    let names: Vec<&str> = named.filter_map(|line| line.split_whitespace().next()).collect();
    let all: Vec<&str> = Defect::ALL.iter().map(|defect| defect.name()).collect();
    assert_eq!(names, all);
}
