//! The detections, gravest first within each kind. Data only.

mod accounts;
mod attacks;
mod operators;
mod settings;

use crate::detection::{Detection, Severity};
use crate::joined::{count, joined};
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
pub const DETECTIONS: &[Detection] = &joined::<_, { count(&KINDS) }>(&KINDS, BASE);

const KINDS: [&[Detection]; 4] =
    [attacks::DETECTIONS, accounts::DETECTIONS, operators::DETECTIONS, settings::DETECTIONS];
