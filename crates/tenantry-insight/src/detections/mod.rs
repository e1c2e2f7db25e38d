//! The detections, gravest first within each kind. Data only.

mod accounts;
mod attacks;
mod operators;
mod settings;

use crate::detection::{Detection, Severity};
use crate::text;

/// What most detections have in common.
const BASE: Detection = Detection {
    id: "",
    title: text("", ""),
    about: text("", ""),
    severity: Severity::Medium,
    fix: text("", ""),
    lacks: None,
    published: &[],
    tables: &["logs"],
    columns: &[],
    text: "",
};

/// All detections.
pub const DETECTIONS: &[Detection] = &detections();

const KINDS: [&[Detection]; 4] =
    [attacks::DETECTIONS, accounts::DETECTIONS, operators::DETECTIONS, settings::DETECTIONS];

const fn count() -> usize {
    let (mut count, mut kind) = (0, 0);
    while kind < KINDS.len() {
        count += KINDS[kind].len();
        kind += 1;
    }
    count
}

/// The kinds' lists as one.
const fn detections() -> [Detection; count()] {
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
