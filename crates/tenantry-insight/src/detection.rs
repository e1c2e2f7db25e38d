//! A detection: what should make somebody look, with what cannot be told and what to do.

use tenantry_replication::catalog::Text;

use crate::column::{Column, Role};
use crate::filter::{Filter, Pick};
use crate::render::{Source, Values, render};
use crate::text;

/// Something that should make somebody look. A row of the answer is a finding.
#[derive(Debug, Clone, Copy)]
pub struct Detection {
    /// Name in addresses and on the command line, in kebab case.
    pub id: &'static str,
    /// What was found, short enough for a heading.
    pub title: Text,
    /// What exactly makes a finding, and what harmless thing can look the same.
    pub about: Text,
    /// How soon somebody should look.
    pub severity: Severity,
    /// What to do about a finding.
    pub fix: Text,
    /// What of the question these tables cannot tell, and why; `None` where they answer all of it.
    pub lacks: Option<Text>,
    /// The questions of Auth0's published detection catalogue that it answers, by their names there.
    pub published: &'static [&'static str],
    /// Tables that it reads: without them it has no answer.
    pub tables: &'static [&'static str],
    /// The columns of a finding, in order.
    pub columns: &'static [Column],
    /// The text that [`Detection::sql`] renders.
    pub(crate) text: &'static str,
}

/// How soon somebody should look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// When there is time.
    Low,
    /// Today.
    Medium,
    /// Now.
    High,
}

impl Severity {
    /// All of them, gravest first.
    pub const ALL: [Self; 3] = [Self::High, Self::Medium, Self::Low];

    /// Name in data and on the command line.
    pub const fn id(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }

    /// Its name for people.
    pub const fn title(self) -> Text {
        match self {
            Self::High => text("high", "高"),
            Self::Medium => text("medium", "中"),
            Self::Low => text("low", "低"),
        }
    }
}

impl Detection {
    /// The SQL whose rows are the findings in the filter's range of time, newest first. Application and connection are not heeded.
    pub fn sql(&self, filter: &Filter) -> String {
        let range = (filter.since, filter.until);
        let values =
            Values { filter, range, pick: &Pick::default(), limit: FINDINGS_MAX, source: Source::Tables };
        render(self.text, &[], &values)
    }

    /// The column that tells when. A detection has one: what is so without a time is a hygiene check.
    pub fn time(&self) -> Option<&'static str> {
        let tells = |column: &&Column| matches!(column.role, Role::Instant | Role::Time(_));
        self.columns.iter().find(tells).map(|column| column.name)
    }
}

/// Most findings of one detection.
pub const FINDINGS_MAX: usize = 1_000;
