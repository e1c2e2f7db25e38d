//! Seeds that must hold, states that they must reach, and courses that must repeat.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use tenantry_trials::{Sighting, Sightings, Trial, replay, run};

/// Trials of the normal test run.
const SEEDS: u64 = 200;

/// Each trial runs in one thread; several run at the same time.
#[test]
fn nothing_is_lost_doubled_or_falsely_deleted_in_200_trials_and_every_interesting_state_is_reached() {
    let next = AtomicU64::new(0);
    let found: Mutex<(Sightings, Vec<String>)> = Mutex::default();
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= SEEDS {
                return;
            }
            let verdict = run(&Trial::new(seed, &BTreeSet::new()), false);
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.0.add(&verdict.sightings);
            for violation in verdict.violations.iter().take(3) {
                let again = replay(seed, &BTreeSet::new());
                found.1.push(format!("{}: {} ({again} --shrink)", violation.invariant, violation.found));
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(4);
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let (sightings, violations) = found.into_inner().unwrap();
    assert!(violations.is_empty(), "{}", violations.join("\n"));
    let missing: Vec<String> = sightings.missing().into_iter().map(Sighting::name).collect();
    assert!(missing.is_empty(), "never reached: {}", missing.join(", "));
}

#[test]
fn a_seed_gives_the_same_course_to_the_byte() {
    for seed in [1, 7, 12] {
        let course = || run(&Trial::new(seed, &BTreeSet::new()), true);
        let (first, second) = (course(), course());
        assert_eq!(first.trace, second.trace, "seed {seed}");
        assert_eq!(first.digest, second.digest);
        assert!(first.trace.unwrap().lines().count() > 100, "seed {seed}");
    }
    let digest = |seed| run(&Trial::new(seed, &BTreeSet::new()), false).digest;
    assert_ne!(digest(1), digest(7));
}

#[test]
fn parts_can_be_left_out_of_a_trial() {
    let all = Trial::new(3, &BTreeSet::new());
    let parts: BTreeSet<String> = all.parts().into_iter().collect();
    assert!(parts.len() > 5, "{parts:?}");
    assert_eq!(Trial::new(3, &parts).parts(), Vec::<String>::new());
    let verdict = run(&Trial::new(3, &parts), false);
    assert!(verdict.violations.is_empty(), "{:?}", verdict.violations);
}
