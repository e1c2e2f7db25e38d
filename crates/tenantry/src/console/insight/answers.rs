//! Answers that are kept until the next run: each question is asked once for what it heeds of a filter, however often its page is looked at.
//!
//! A page waits a moment for an answer that is not there yet. What takes longer goes on without it: the page says so, and comes again
//! when the answer is there.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use maud::{Markup, html};
use tenantry_insight::{AGGREGATES, CHECKS, Check, DETECTIONS, Detection, QUESTIONS, Question, Source};
use tenantry_replication::destination::Answer;
use tenantry_replication::error::DestinationResult;
use tokio::sync::watch;

use super::super::Console;
use super::super::kept::Figures;
use super::super::reply::Trouble;
use super::super::sql::asked;
use super::super::visit::Visit;
use super::filter::Chosen;

/// Answers that are kept or under way at a time; what more is asked for is asked each time.
const KEPT_MAX: usize = 400;
/// Rows of an answer.
pub(super) const ROWS_MAX: usize = 2_000;
/// Where aggregates stand as tables.
const KEPT: &str = "kept.main";
/// How long a page waits for its answers, all together.
const PATIENCE: Duration = Duration::from_millis(150);

/// An answer, or why there is none.
pub(super) type Found = Result<Arc<Answer>, Trouble>;

/// Answers by what was asked.
#[derive(Default)]
pub(in crate::console) struct Answers {
    asked: Mutex<HashMap<String, Asked>>,
    /// Whether a page was sent without an answer that is under way.
    is_missed: AtomicBool,
}

/// How far something that was asked has come.
enum Asked {
    /// Ends with its sender.
    UnderWay(watch::Receiver<()>),
    There(Found),
}

impl Answers {
    fn locked(&self) -> MutexGuard<'_, HashMap<String, Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer, where it is there. A failure is told once: whoever comes next asks again.
    fn peek(&self, key: &str) -> Option<Found> {
        let mut asked = self.locked();
        let found = match asked.get(key)? {
            Asked::UnderWay(_) => return None,
            Asked::There(found) => found.clone(),
        };
        if found.is_err() {
            asked.remove(key);
        }
        Some(found)
    }

    fn put(&self, key: String, found: Found) {
        self.locked().insert(key, Asked::There(found));
    }

    /// Whether nothing is under way that a page was sent without; forgets that there was.
    fn take_missed(&self) -> bool {
        let is_idle = !self.locked().values().any(|asked| matches!(asked, Asked::UnderWay(_)));
        is_idle && self.is_missed.swap(false, Ordering::AcqRel)
    }
}

/// What a page of many answers waits for: each in its turn, all together no longer than [`PATIENCE`].
pub(super) struct Waiting<'a> {
    console: &'a Arc<Console>,
    figures: &'a Arc<Figures>,
    until: Duration,
    /// Whether others come after it: then one after the other is asked, and the page's own are not held up by them.
    is_one_of_many: bool,
}

impl<'a> Waiting<'a> {
    /// For a page of one answer.
    pub(super) fn one(console: &'a Arc<Console>, figures: &'a Arc<Figures>) -> Self {
        let until = console.clock.monotonic() + PATIENCE;
        Self { console, figures, until, is_one_of_many: false }
    }

    /// For a page of many.
    pub(super) fn many(console: &'a Arc<Console>, figures: &'a Arc<Figures>) -> Self {
        Self { is_one_of_many: true, ..Self::one(console, figures) }
    }

    /// The answer to a question; `None` while it is still being counted.
    pub(super) async fn question(&self, question: &'static Question, chosen: &Chosen) -> Option<Found> {
        let heeded = chosen.heeded(question.takes);
        let source = source(self.figures);
        self.soon(key_of(question, &heeded), || question.sql(&heeded.filter, source)).await
    }

    /// What a detection finds.
    pub(super) async fn detection(&self, detection: &'static Detection, chosen: &Chosen) -> Option<Found> {
        let key = key_of_detection(detection, chosen);
        self.soon(key, || detection.sql(&chosen.filter)).await
    }

    /// Who offends against a check.
    pub(super) async fn check(&self, check: &'static Check) -> Option<Found> {
        let usual = Chosen::usual(self.figures.asked_at);
        self.soon(key_of_check(check), || check.sql(&usual.filter)).await
    }

    async fn soon(&self, key: String, sql: impl FnOnce() -> String) -> Option<Found> {
        let answers = &self.figures.answers;
        if let Some(found) = answers.peek(&key) {
            return Some(found);
        }
        let mut ended = self.begin(&key, sql);
        let left = self.until.saturating_sub(self.console.clock.monotonic());
        tokio::select! {
            biased;
            _ = ended.changed() => {}
            () = self.console.clock.sleep(left) => answers.is_missed.store(true, Ordering::Release),
        }
        answers.peek(&key)
    }

    /// Asks in the background, unless somebody has already.
    fn begin(&self, key: &str, sql: impl FnOnce() -> String) -> watch::Receiver<()> {
        let (console, figures) = (Arc::clone(self.console), Arc::clone(self.figures));
        let (sender, receiver) = watch::channel(());
        {
            let mut asked = figures.answers.locked();
            match asked.get(key) {
                // One that ended without an answer is asked again.
                Some(Asked::UnderWay(ended)) if ended.has_changed().is_ok() => return ended.clone(),
                _ => {}
            }
            if asked.len() >= KEPT_MAX {
                // Whatever is there can be asked again; what is under way ends by itself.
                asked.retain(|_, asked| matches!(asked, Asked::UnderWay(_)));
            }
            if asked.len() >= KEPT_MAX {
                return receiver;
            }
            asked.insert(key.to_owned(), Asked::UnderWay(receiver.clone()));
        }
        let (key, sql, in_turn) = (key.to_owned(), sql(), self.is_one_of_many);
        tokio::spawn(async move {
            // The turns end with the console alone.
            let _turn = if in_turn { console.turns.acquire().await.ok() } else { None };
            let found = asked(&console, &sql, ROWS_MAX).await.map(Arc::new);
            figures.answers.put(key, found);
            drop(sender);
            if figures.answers.take_missed() {
                console.live.tell_figures();
            }
        });
        receiver
    }
}

/// What stands in the place of an answer that is still being counted.
pub(super) fn counting(visit: &Visit) -> Markup {
    let words = visit.words;
    html! {
        div.counting role="status" {
            span.bone aria-hidden="true" {}
            p.fine {
                (words.say("Being counted; it appears here. ", "集計中です。完了すると表示されます。"))
                a href=(visit.here()) { (words.say("Look again", "再表示")) }
            }
        }
    }
}

/// What a question with what it heeds of a filter is kept under.
fn key_of(question: &Question, heeded: &Chosen) -> String {
    format!("{} {}", question.id, heeded.behind(""))
}

/// Only time narrows detections.
fn key_of_detection(detection: &Detection, chosen: &Chosen) -> String {
    format!("detection {} {}", detection.id, chosen.days)
}

fn key_of_check(check: &Check) -> String {
    format!("check {}", check.id)
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
        let chosen = Chosen::usual(figures.asked_at);
        for question in QUESTIONS {
            let heeded = chosen.heeded(question.takes);
            let sql = question.sql(&heeded.filter, source(figures));
            self.prepare_one(figures, key_of(question, &heeded), &sql).await;
        }
        for check in CHECKS {
            self.prepare_one(figures, key_of_check(check), &check.sql(&chosen.filter)).await;
        }
        for detection in DETECTIONS {
            let key = key_of_detection(detection, &chosen);
            self.prepare_one(figures, key, &detection.sql(&chosen.filter)).await;
        }
    }

    async fn prepare_one(&self, figures: &Figures, key: String, sql: &str) {
        if figures.answers.locked().contains_key(&key) {
            return;
        }
        if let Ok(answer) = asked(self, sql, ROWS_MAX).await {
            figures.answers.put(key, Ok(Arc::new(answer)));
        }
    }
}

/// Where questions read: the aggregates, once there are those of these figures.
fn source(figures: &Figures) -> Source<'static> {
    if figures.has_aggregates { Source::Aggregates(KEPT) } else { Source::Tables }
}
