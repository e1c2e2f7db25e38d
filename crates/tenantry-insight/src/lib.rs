//! What people ask of the replicated tables, as data: questions with their charts, detections of attacks and mistakes, hygiene checks with
//! a score.
//!
//! Everything here is text that a destination answers, and words about it in English and Japanese; the shell and the console render
//! both. This crate runs nothing, opens nothing, prints nothing, and reads neither clock nor environment: whoever asks brings the time.
//!
//! - [`QUESTIONS`]: what a page shows. One SQL text each, for DuckDB and PostgreSQL alike, with the meaning of each of its columns.
//! - [`DETECTIONS`]: what should make somebody look. A row of the answer is a finding.
//! - [`CHECKS`]: what a setting should be. A row of the answer is an offender; [`posture`] makes a score of them.
//! - [`UNANSWERED`]: what is asked as well, and why these tables cannot tell.
//! - [`AGGREGATES`]: small tables that a reader makes once per run, so that questions over ten million log events stay quick.
//! - [`events`]: the event codes of the log by family.
//!
//! The crate names replicated tables and columns, which else only the catalog may: its tests prepare every text against the catalog's own
//! tables, and look up every link in it.

mod aggregate;
mod check;
mod column;
mod detection;
pub mod events;
mod filter;
mod joined;
mod page;
mod question;
mod render;
mod unanswered;

mod checks;
mod detections;
mod questions;

pub use aggregate::{AGGREGATES, Aggregate, Grain};
pub use check::{Check, OFFENDERS_MAX, Verdict, posture};
pub use checks::CHECKS;
pub use column::{Column, Link, Role};
pub use detection::{Detection, FINDINGS_MAX, Severity};
pub use detections::DETECTIONS;
pub use filter::{Filter, Pick};
pub use page::{detections_page, questions_page};
pub use question::{Chart, Group, Question, Rows, Step, Takes};
pub use questions::QUESTIONS;
pub use render::Source;
pub use unanswered::{UNANSWERED, Unanswered};

use tenantry_replication::catalog::Text;

/// Words in both languages.
const fn text(en: &'static str, ja: &'static str) -> Text {
    Text { en, ja }
}

/// The question of this id.
pub fn question(id: &str) -> Option<&'static Question> {
    QUESTIONS.iter().find(|question| question.id == id)
}

/// The detection of this id.
pub fn detection(id: &str) -> Option<&'static Detection> {
    DETECTIONS.iter().find(|detection| detection.id == id)
}

/// The hygiene check of this id.
pub fn check(id: &str) -> Option<&'static Check> {
    CHECKS.iter().find(|check| check.id == id)
}
