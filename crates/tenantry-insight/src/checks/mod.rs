//! The hygiene checks, by what they look at. Data only.

mod access;
mod operation;

use crate::check::Check;
use crate::text;

/// What most checks have in common.
const BASE: Check = Check {
    id: "",
    title: text("", ""),
    about: text("", ""),
    weight: 1,
    fix: text("", ""),
    tables: &[],
    columns: &[],
    text: "",
};

const KINDS: [&[Check]; 2] = [access::CHECKS, operation::CHECKS];

/// All checks.
pub const CHECKS: &[Check] = &checks();

const fn count() -> usize {
    let (mut count, mut kind) = (0, 0);
    while kind < KINDS.len() {
        count += KINDS[kind].len();
        kind += 1;
    }
    count
}

/// The kinds' lists as one.
const fn checks() -> [Check; count()] {
    let mut all = [BASE; count()];
    let (mut at, mut kind) = (0, 0);
    while kind < KINDS.len() {
        let mut one = 0;
        while one < KINDS[kind].len() {
            all[at] = KINDS[kind][one];
            at += 1;
            one += 1;
        }
        kind += 1;
    }
    all
}
