//! The questions by group, in the order in which a page shows them. Data only.

mod activity;
mod administration;
mod applications;
mod failures;
mod people;
mod protection;

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
pub const QUESTIONS: &[Question] = &questions();

const GROUPS: [&[Question]; 6] = [
    activity::QUESTIONS,
    failures::QUESTIONS,
    protection::QUESTIONS,
    people::QUESTIONS,
    applications::QUESTIONS,
    administration::QUESTIONS,
];

const fn count() -> usize {
    let (mut count, mut group) = (0, 0);
    while group < GROUPS.len() {
        count += GROUPS[group].len();
        group += 1;
    }
    count
}

/// The groups' lists as one.
const fn questions() -> [Question; count()] {
    let mut all = [BASE; count()];
    let (mut at, mut group) = (0, 0);
    while group < GROUPS.len() {
        let mut one = 0;
        while one < GROUPS[group].len() {
            all[at] = GROUPS[group][one];
            at += 1;
            one += 1;
        }
        group += 1;
    }
    all
}
