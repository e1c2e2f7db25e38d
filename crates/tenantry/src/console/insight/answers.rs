//! Answers that are kept until the next run: each question is asked once for a filter, however often its page is looked at.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tenantry_insight::{AGGREGATES, CHECKS, Check, DETECTIONS, Detection, QUESTIONS, Question, Source};
use tenantry_replication::destination::Answer;
use tenantry_replication::error::DestinationResult;

use super::super::Console;
use super::super::kept::Figures;
use super::super::reply::Trouble;
use super::super::sql::asked;
use super::filter::Chosen;

/// Answers that are kept at a time; what more is asked for is asked each time.
const KEPT_MAX: usize = 400;
/// Rows of an answer.
pub(super) const ROWS_MAX: usize = 2_000;
/// Where aggregates stand as tables.
const KEPT: &str = "kept.main";

/// Answers by what was asked.
#[derive(Default)]
pub(in crate::console) struct Answers(Mutex<HashMap<String, Arc<Answer>>>);

impl Answers {
    /// The answer, where it is there.
    pub(super) fn peek(&self, key: &str) -> Option<Arc<Answer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn put(&self, key: String, answer: &Arc<Answer>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_MAX {
            kept.insert(key, Arc::clone(answer));
        }
    }
}

/// What a question with this filter is kept under.
pub(super) fn key(question: &Question, chosen: &Chosen) -> String {
    format!("{} {}", question.id, chosen.behind(""))
}

impl Console {
    /// Makes the aggregates that questions read.
    pub(in crate::console) async fn aggregate(&self) -> DestinationResult<()> {
        for aggregate in AGGREGATES {
            self.reader.keep(aggregate.name, &aggregate.sql()).await?;
        }
        Ok(())
    }

    /// Asks what the first pages show, one after the other: they find it there then. What fails is asked again by its page, which says why.
    pub(in crate::console) async fn prepare(&self, figures: &Figures) {
        let chosen = Chosen::usual(figures.at);
        for question in QUESTIONS {
            drop(self.answer(figures, question, &chosen).await);
        }
        for check in CHECKS {
            drop(self.check(figures, check).await);
        }
        for detection in DETECTIONS {
            drop(self.detect(figures, detection, &chosen).await);
        }
    }

    /// The answer to a question.
    pub(super) async fn answer(
        &self,
        figures: &Figures,
        question: &'static Question,
        chosen: &Chosen,
    ) -> Result<Arc<Answer>, Trouble> {
        self.once(figures, key(question, chosen), || question.sql(&chosen.filter, source(figures))).await
    }

    /// What a detection finds.
    pub(super) async fn detect(
        &self,
        figures: &Figures,
        detection: &'static Detection,
        chosen: &Chosen,
    ) -> Result<Arc<Answer>, Trouble> {
        let key = format!("detection {} {}", detection.id, chosen.behind(""));
        self.once(figures, key, || detection.sql(&chosen.filter)).await
    }

    /// Who offends against a check.
    pub(super) async fn check(
        &self,
        figures: &Figures,
        check: &'static Check,
    ) -> Result<Arc<Answer>, Trouble> {
        let usual = Chosen::usual(figures.at);
        self.once(figures, format!("check {}", check.id), || check.sql(&usual.filter)).await
    }

    async fn once(
        &self,
        figures: &Figures,
        key: String,
        sql: impl FnOnce() -> String,
    ) -> Result<Arc<Answer>, Trouble> {
        if let Some(answer) = figures.answers.peek(&key) {
            return Ok(answer);
        }
        let answer = Arc::new(asked(self, &sql(), ROWS_MAX).await?);
        figures.answers.put(key, &answer);
        Ok(answer)
    }
}

/// Where questions read: the aggregates, once there are those of these figures.
fn source(figures: &Figures) -> Source<'static> {
    if figures.has_aggregates { Source::Aggregates(KEPT) } else { Source::Tables }
}
