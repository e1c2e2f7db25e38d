//! A hygiene check: what a setting should be, who offends, and the score that all checks make.

use tenantry_replication::catalog::Text;

use crate::column::Column;
use crate::filter::{Filter, Pick};
use crate::render::{Source, Values, render};

/// What a setting should be. A row of the answer is an offender; no row is a pass.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// Name in addresses and on the command line, in kebab case.
    pub id: &'static str,
    /// What holds when it passes.
    pub title: Text,
    /// Why it matters.
    pub about: Text,
    /// How much it counts in the score: 1 to 5.
    pub weight: u32,
    /// What to do about an offender.
    pub fix: Text,
    /// Tables that it reads: without them it has no answer.
    pub tables: &'static [&'static str],
    /// The columns of an offender, in order.
    pub columns: &'static [Column],
    /// The text that [`Check::sql`] renders.
    pub(crate) text: &'static str,
}

impl Check {
    /// The SQL whose rows are the offenders, as the tables are now.
    pub fn sql(&self, filter: &Filter) -> String {
        let range = (filter.since, filter.until);
        let values =
            Values { filter, range, pick: &Pick::default(), limit: OFFENDERS_MAX, source: Source::Tables };
        render(self.text, &[], &values)
    }
}

/// Most offenders of one check.
pub const OFFENDERS_MAX: usize = 1_000;

/// How one check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody offends.
    Pass,
    /// So many offend.
    Fail(u64),
    /// A table that it reads was never filled.
    Unknown,
}

/// The posture score, from 0 to 100: the weights of the checks that passed, as a part of the weights of all that have an answer, in percent
/// and rounded down. `None` where no check has an answer.
///
/// A check passes or fails as a whole: ten offenders count like one, so that the score says what is left to do and not how large the tenant
/// is. A check without an answer counts on neither side.
pub fn posture<'a>(verdicts: impl IntoIterator<Item = (&'a Check, Verdict)>) -> Option<u32> {
    let (mut passed, mut answered) = (0, 0);
    for (check, verdict) in verdicts {
        if verdict == Verdict::Pass {
            passed += check.weight;
        }
        if verdict != Verdict::Unknown {
            answered += check.weight;
        }
    }
    (passed * 100).checked_div(answered)
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Fail, Pass, Unknown};
    use super::*;
    use crate::CHECKS;

    #[test]
    fn the_score_is_the_weight_of_what_passed() {
        let weighed = |verdicts: [Verdict; 3]| {
            let checks: Vec<Check> = [5, 3, 1].map(|weight| Check { weight, ..CHECKS[0] }).into();
            posture(checks.iter().zip(verdicts))
        };
        assert_eq!(weighed([Pass, Pass, Pass]), Some(100));
        assert_eq!(weighed([Fail(9), Pass, Pass]), Some(44), "4 of 9");
        assert_eq!(weighed([Fail(1), Pass, Pass]), Some(44), "however many offend");
        assert_eq!(weighed([Unknown, Pass, Fail(1)]), Some(75), "3 of 4");
        assert_eq!(weighed([Unknown, Unknown, Unknown]), None);
    }
}
