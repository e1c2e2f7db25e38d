//! What the columns of an answer mean, so that whoever renders it needs to know no question.

use tenantry_replication::catalog::Text;

use crate::aggregate::Grain;
use crate::text;

/// A column of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Name in the answer.
    pub name: &'static str,
    /// Heading.
    pub title: Text,
    /// What its values are.
    pub role: Role,
}

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The axis of time: the beginning of an hour or day, UTC.
    Time(Grain),
    /// An instant, UTC.
    Instant,
    /// A number; one line or bar for each such column.
    Value,
    /// A number from 0 to 100.
    Percent,
    /// What a bar or line stands for, where that is data: the name of an application, an IP address.
    Label,
    /// Like a label, and the code of a log event ([`crate::events::family_of`] says it in words).
    Event,
    /// Words of ours, by the id of a [`crate::question::Step`]: a step of a funnel, a bucket.
    Step,
    /// A key: leads to one row of a table.
    Key(Link),
    /// Anything else: text, yes or no.
    Note,
}

/// Where a key leads: the rows of `table` whose `column` has the value. Empty text leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Replicated table.
    pub table: &'static str,
    /// Column of its merge key.
    pub column: &'static str,
}

const fn column(name: &'static str, role: Role, en: &'static str, ja: &'static str) -> Column {
    Column { name, title: text(en, ja), role }
}

pub(crate) const fn hour() -> Column {
    column("hour", Role::Time(Grain::Hour), "hour (UTC)", "時刻（UTC）")
}

pub(crate) const fn day() -> Column {
    column("day", Role::Time(Grain::Day), "day (UTC)", "日付（UTC）")
}

pub(crate) const fn at(name: &'static str, en: &'static str, ja: &'static str) -> Column {
    column(name, Role::Instant, en, ja)
}

pub(crate) const fn value(name: &'static str, en: &'static str, ja: &'static str) -> Column {
    column(name, Role::Value, en, ja)
}

pub(crate) const fn percent(name: &'static str, en: &'static str, ja: &'static str) -> Column {
    column(name, Role::Percent, en, ja)
}

pub(crate) const fn label(name: &'static str, en: &'static str, ja: &'static str) -> Column {
    column(name, Role::Label, en, ja)
}

pub(crate) const fn step(name: &'static str, en: &'static str, ja: &'static str) -> Column {
    column(name, Role::Step, en, ja)
}

pub(crate) const fn note(name: &'static str, en: &'static str, ja: &'static str) -> Column {
    column(name, Role::Note, en, ja)
}

pub(crate) const fn event() -> Column {
    column("type", Role::Event, "event", "イベント")
}

const fn key(
    name: &'static str,
    table: &'static str,
    link: &'static str,
    en: &'static str,
    ja: &'static str,
) -> Column {
    column(name, Role::Key(Link { table, column: link }), en, ja)
}

pub(crate) const fn log() -> Column {
    key("log_id", "logs", "log_id", "log event", "ログイベント")
}

pub(crate) const fn client() -> Column {
    key("client_id", "client", "id", "application", "アプリケーション")
}

pub(crate) const fn connection() -> Column {
    key("connection_id", "connection", "id", "connection", "接続")
}

pub(crate) const fn user() -> Column {
    key("user_id", "users", "id", "user", "ユーザー")
}

pub(crate) const fn organization() -> Column {
    key("organization_id", "organization", "id", "organization", "組織")
}

pub(crate) const fn api() -> Column {
    key("api_id", "resource_server", "id", "API", "API")
}

pub(crate) const fn action() -> Column {
    key("action_id", "action", "id", "action", "アクション")
}

pub(crate) const fn grant() -> Column {
    key("grant_id", "client_grant", "id", "grant", "権限付与")
}

pub(crate) const fn stream() -> Column {
    key("log_stream_id", "log_stream", "id", "log stream", "ログストリーム")
}

/// What every list of log events shows.
pub(crate) const EVENTS: &[Column] = &[
    log(),
    at("date", "time (UTC)", "日時（UTC）"),
    event(),
    note("description", "description", "説明"),
    client(),
    connection(),
    user(),
    note("ip", "IP address", "IPアドレス"),
];

/// What every list of users shows.
pub(crate) const USERS: &[Column] = &[
    user(),
    note("email", "email", "メールアドレス"),
    at("created_at", "created (UTC)", "作成日時（UTC）"),
    at("last_login", "last login (UTC)", "最終ログイン（UTC）"),
    value("logins_count", "logins", "ログイン回数"),
    note("blocked", "blocked", "ブロック"),
];
