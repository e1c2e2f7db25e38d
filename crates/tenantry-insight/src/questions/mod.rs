//! The questions by group, in the order in which a page shows them. Data only.

mod activity;
mod administration;
mod applications;
mod failures;
mod people;
mod protection;

use crate::joined::{count, joined};
use crate::question::{Chart, Group, Question, Rows, Takes};
use crate::text;

/// What most questions have in common.
const BASE: Question = Question {
    id: "",
    group: Group::Activity,
    title: text("", ""),
    about: text("", ""),
    chart: Chart::Table,
    takes: Takes::ALL,
    reads: &[],
    columns: &[],
    steps: &[],
    rows: Rows::Itself,
    text: "",
};

/// All questions.
pub const QUESTIONS: &[Question] = &joined::<_, { count(&GROUPS) }>(&GROUPS, BASE);

const GROUPS: [&[Question]; 6] = [
    activity::QUESTIONS,
    failures::QUESTIONS,
    protection::QUESTIONS,
    people::QUESTIONS,
    applications::QUESTIONS,
    administration::QUESTIONS,
];
