//! The hygiene checks, by what they look at. Data only.

mod access;
mod operation;

use crate::check::Check;
use crate::joined::{count, joined};
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
pub const CHECKS: &[Check] = &joined::<_, { count(&KINDS) }>(&KINDS, BASE);
