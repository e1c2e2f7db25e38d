//! A short run of every target: its seeds, and inputs that are made from them by small changes, the same in each run.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tenantry_fuzz::TARGETS;

/// Inputs for each target, besides its seeds.
const INPUTS: u64 = 10_000;
/// Bytes that decoders look out for.
const TELLING: &[u8] = b"\"\\{}[]:,\n\r\0 019eE+-.Zu\x1e\x1f\xff";

/// Numbers from a seed (`SplitMix64`).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end.max(1) as u64).unwrap_or(0)
    }
}

/// Changes an input in a few places, as often as not with a piece of another one.
fn change(input: &mut Vec<u8>, other: &[u8], chance: &mut Chance) {
    for _ in 0..=chance.below(4) {
        let at = chance.below(input.len() + 1);
        match chance.below(6) {
            0 => input.insert(at, TELLING[chance.below(TELLING.len())]),
            1 if at < input.len() => input[at] = TELLING[chance.below(TELLING.len())],
            2 if at < input.len() => input[at] ^= 1 << chance.below(8),
            3 => input.truncate(at),
            4 => {
                let end = (at + chance.below(40)).min(input.len());
                input.drain(at..end);
            }
            _ => {
                let from = chance.below(other.len() + 1);
                let to = (from + chance.below(60)).min(other.len());
                input.splice(at..at, other[from..to].iter().copied());
            }
        }
    }
}

#[test]
fn no_target_breaks_on_its_seeds_or_on_what_is_near_them() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{}", target.name);
        for seed in &seeds {
            (target.run)(seed);
        }
        for number in 0..INPUTS {
            let mut chance = Chance(number);
            let mut input = seeds[chance.below(seeds.len())].clone();
            let other = &seeds[chance.below(seeds.len())];
            change(&mut input, other, &mut chance);
            let ended = catch_unwind(AssertUnwindSafe(|| (target.run)(&input)));
            assert!(ended.is_ok(), "{}: {:?}", target.name, String::from_utf8_lossy(&input));
        }
    }
}

#[test]
fn every_target_has_a_program_for_the_fuzzer() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/fuzz_targets");
    for target in TARGETS {
        let text = std::fs::read_to_string(folder.join(format!("{}.rs", target.name))).unwrap_or_default();
        assert!(text.contains(&format!("run(\"{}\"", target.name)), "fuzz_targets/{}.rs", target.name);
    }
}
