//! A question: what is asked, how the answer is drawn, what its columns mean, and which rows are behind a number.

use tenantry_replication::catalog::Text;

use crate::aggregate::{Aggregate, Grain};
use crate::column::{Column, EVENTS};
use crate::filter::{Filter, Pick};
use crate::render::{Source, Values, render};
use crate::text;

/// A question that people ask of the tables.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// Name in addresses and on the command line, in kebab case.
    pub id: &'static str,
    /// Where it stands among the others.
    pub group: Group,
    /// What it asks, short enough for a heading.
    pub title: Text,
    /// What exactly is counted, and what to keep in mind.
    pub about: Text,
    /// How the answer is drawn.
    pub chart: Chart,
    /// Which parts of a filter change the answer.
    pub takes: Takes,
    /// The aggregates that it reads.
    pub reads: &'static [&'static Aggregate],
    /// The columns of the answer, in order.
    pub columns: &'static [Column],
    /// Words for the values of a column whose role is [`crate::Role::Step`].
    pub steps: &'static [Step],
    /// The rows behind a number.
    pub rows: Rows,
    /// The text that [`Question::sql`] renders.
    pub(crate) text: &'static str,
}

/// A value of ours in an answer, and what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The value.
    pub id: &'static str,
    /// What it means.
    pub title: Text,
}

/// Groups of questions, in the order in which people look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Logins, sign-ups, active users.
    Activity,
    /// Failed logins.
    Failures,
    /// Attack protection and multi-factor authentication.
    Protection,
    /// Users, identities and organizations.
    People,
    /// Applications, connections, grants and tokens.
    Applications,
    /// Administrators, actions, log streams.
    Administration,
}

impl Group {
    /// All groups in order.
    pub const ALL: [Self; 6] = [
        Self::Activity,
        Self::Failures,
        Self::Protection,
        Self::People,
        Self::Applications,
        Self::Administration,
    ];

    /// Name in addresses.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Activity => "activity",
            Self::Failures => "failures",
            Self::Protection => "protection",
            Self::People => "people",
            Self::Applications => "applications",
            Self::Administration => "administration",
        }
    }

    /// Its heading.
    pub const fn title(self) -> Text {
        match self {
            Self::Activity => text("Logins and sign-ups", "ログインと登録"),
            Self::Failures => text("Failed logins", "ログイン失敗"),
            Self::Protection => text("Attack protection and MFA", "攻撃防御と多要素認証"),
            Self::People => text("Users and organizations", "ユーザーと組織"),
            Self::Applications => text("Applications and access", "アプリケーションとアクセス権"),
            Self::Administration => text("Administration", "管理操作"),
        }
    }
}

/// How an answer is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chart {
    /// Lines over time: one for each value column.
    Lines,
    /// Bars: one for each label, and for each value column where there are several.
    Bars,
    /// A table as it is.
    Table,
    /// One row of numbers, each shown large with its heading.
    Numbers,
    /// Steps in order, each a part of the one before.
    Funnel,
}

/// Which parts of a filter change an answer. The others are not heeded, and whoever renders should say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Takes {
    /// The range of time; the state as it is now otherwise.
    pub time: bool,
    /// The application.
    pub client: bool,
    /// The connection.
    pub connection: bool,
}

impl Takes {
    pub(crate) const ALL: Self = Self { time: true, client: true, connection: true };
    pub(crate) const TIME: Self = Self { time: true, client: false, connection: false };
    pub(crate) const TIME_AND_CLIENT: Self = Self { time: true, client: true, connection: false };
    pub(crate) const CONNECTION: Self = Self { time: false, client: false, connection: true };
    pub(crate) const CLIENT: Self = Self { time: false, client: true, connection: false };
    pub(crate) const NOTHING: Self = Self { time: false, client: false, connection: false };
}

/// How the rows behind a number are listed.
#[derive(Debug, Clone, Copy)]
pub enum Rows {
    /// The answer's rows are rows of tables themselves.
    Itself,
    /// Log events in the range that meet this condition, newest first.
    Events(&'static str),
    /// This text.
    List {
        /// The text that is rendered.
        text: &'static str,
        /// The columns of the list, in order.
        columns: &'static [Column],
    },
}

impl Question {
    /// The SQL that answers it. The same for DuckDB and PostgreSQL (whose session has to be in UTC).
    ///
    /// Questions over aggregates widen the filter's range to whole hours or days ([`Question::grain`]), wherever they read.
    pub fn sql(&self, filter: &Filter, source: Source<'_>) -> String {
        let pick = Pick::default();
        let values =
            Values { filter, range: filter.range(self.grain()), pick: &pick, limit: LINES_MAX, source };
        render(self.text, self.reads, &values)
    }

    /// What the range of time is widened to.
    pub fn grain(&self) -> Grain {
        self.reads.iter().map(|read| read.grain).max().unwrap_or(Grain::Instant)
    }

    /// The SQL that lists at most `limit` rows behind what was picked; `None` where the answer itself is such a list.
    pub fn rows_sql(&self, filter: &Filter, pick: &Pick, limit: usize) -> Option<String> {
        let (since, until) = filter.range(self.grain());
        let widened = Filter { since, until, ..filter.clone() }.within(pick.span);
        let range = (widened.since, widened.until);
        let values = Values { filter, range, pick, limit, source: Source::Tables };
        let of_events;
        let text = match self.rows {
            Rows::Itself => return None,
            Rows::List { text, .. } => text,
            Rows::Events(condition) => {
                of_events = EVENTS_BEHIND.replace("{condition}", condition);
                &of_events
            }
        };
        Some(render(text, &[], &values))
    }

    /// The columns of that list.
    pub fn rows_columns(&self) -> &'static [Column] {
        match self.rows {
            Rows::Itself => self.columns,
            Rows::Events(_) => EVENTS,
            Rows::List { columns, .. } => columns,
        }
    }
}

/// Most lines of an answer that is a table.
const LINES_MAX: usize = 500;

const EVENTS_BEHIND: &str = r#"select log_id, "date", type, description, client_id, connection_id, user_id, ip
from auth0.logs
where "date" >= {since} and "date" < {until} and {condition}{client: and client_id = ?}{connection: and connection_id = ?}
order by "date" desc, log_id desc
limit {limit}"#;
