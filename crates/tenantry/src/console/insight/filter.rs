//! What is looked at: a stretch of time, an application, a connection; kept in the address, so that a page can be handed on.

use maud::{Markup, html};
use tenantry_insight::{Filter, Question, Takes};
use tenantry_replication::clock::Micros;

use super::super::address::Pairs;
use super::super::visit::Visit;

/// Stretches of time that are offered, in days.
const DAYS: [u32; 5] = [1, 7, 30, 90, 365];
/// The one that counts where none is asked for.
const DAYS_USUAL: u32 = 30;

/// A filter as the address has it.
#[derive(Debug, Clone)]
pub(super) struct Chosen {
    pub(super) days: u32,
    pub(super) filter: Filter,
}

impl Chosen {
    /// Without a word of anybody's.
    pub(super) fn usual(now: Micros) -> Self {
        Self { days: DAYS_USUAL, filter: Filter::last_days(DAYS_USUAL, now) }
    }

    pub(super) fn read(query: &Pairs, now: Micros) -> Self {
        let days = query.get("days").and_then(|days| days.parse().ok()).filter(|days| DAYS.contains(days));
        let days = days.unwrap_or(DAYS_USUAL);
        let mut filter = Filter::last_days(days, now);
        filter.client = query.get("client").map(str::to_owned);
        filter.connection = query.get("conn").map(str::to_owned);
        Self { days, filter }
    }

    /// Its pairs; nothing for what is usual.
    pub(super) fn pairs(&self) -> Pairs {
        let mut pairs = Pairs::default();
        if self.days != DAYS_USUAL {
            pairs = pairs.with("days", &self.days.to_string());
        }
        for (name, value) in [("client", &self.filter.client), ("conn", &self.filter.connection)] {
            if let Some(value) = value {
                pairs = pairs.with(name, value);
            }
        }
        pairs
    }

    /// What a question heeds of it; as usual in all else, so that the same answer is asked for once.
    pub(super) fn heeded(&self, takes: Takes) -> Self {
        let mut heeded = if takes.time { self.clone() } else { Self::usual(self.filter.now) };
        heeded.filter.client = self.filter.client.clone().filter(|_| takes.client);
        heeded.filter.connection = self.filter.connection.clone().filter(|_| takes.connection);
        heeded
    }

    pub(super) fn behind(&self, path: &str) -> String {
        self.pairs().behind(path)
    }
}

/// The form of a filter; of one question, the parts that it heeds.
pub(super) fn form(visit: &Visit, chosen: &Chosen, question: Option<&Question>) -> Markup {
    let words = visit.words;
    let takes = question.map(|question| question.takes);
    let (time, client, connection) =
        takes.map_or((true, true, true), |takes| (takes.time, takes.client, takes.connection));
    html! {
        form.filters method="get" action=(visit.path) {
            @if time {
                (stretches(visit, chosen))
                input type="hidden" name="days" value=(chosen.days);
            } @else { span.fine { (words.say("As it is now; no range of time applies.", "現在の状態（期間指定なし）")) } }
            @if client {
                label.hidden-text for="client" { (words.say("Application", "アプリケーション")) }
                input #client type="search" name="client" data-focus="/" value=(chosen.filter.client.as_deref().unwrap_or_default())
                    placeholder=(words.say("application id", "アプリケーションID"));
            }
            @if connection {
                label.hidden-text for="conn" { (words.say("Connection", "接続")) }
                input #conn type="search" name="conn" value=(chosen.filter.connection.as_deref().unwrap_or_default())
                    placeholder=(words.say("connection id", "接続ID"));
            }
            @if client || connection { button.button.is-quiet type="submit" { (words.say("Filter", "絞り込む")) } }
        }
    }
}

/// Only the stretches of time.
pub(super) fn days(visit: &Visit, chosen: &Chosen) -> Markup {
    html! { div.filters { (stretches(visit, chosen)) } }
}

fn stretches(visit: &Visit, chosen: &Chosen) -> Markup {
    let words = visit.words;
    let said = |days: u32| match days {
        1 => words.say("24 hours", "24時間").to_owned(),
        365 => words.say("1 year", "1年").to_owned(),
        days => words.counted(u64::from(days), "day", "days", "日"),
    };
    html! {
        @for offered in DAYS {
            @let is_on = offered == chosen.days;
            a.chip.(if is_on { "is-on" } else { "" }) aria-current=[is_on.then_some("true")]
                href=(visit.query.clone().with("days", &offered.to_string()).behind(&visit.path)) { (said(offered)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_what_is_looked_at_and_nothing_more() {
        let now = 1_700_000_000_000_000;
        assert_eq!(Chosen::usual(now).behind("/insight"), "/insight");
        let query = Pairs::parse(b"days=7&client=a%26b&junk=1");
        let chosen = Chosen::read(&query, now);
        assert_eq!((chosen.days, chosen.filter.client.as_deref()), (7, Some("a&b")));
        assert_eq!(chosen.behind("/x"), "/x?days=7&client=a%26b");
        let takes = Takes { time: false, client: true, connection: true };
        assert_eq!(chosen.heeded(takes).behind("/x"), "/x?client=a%26b");
        assert_eq!(
            chosen.heeded(Takes { client: false, ..takes }).filter,
            Filter::last_days(DAYS_USUAL, now)
        );
        assert_eq!(Chosen::read(&Pairs::parse(b"days=8000"), now).days, DAYS_USUAL);
    }
}
