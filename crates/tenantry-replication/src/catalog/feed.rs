//! What the events of a log, or of a feed of changes, tell: which streams, and which of their records, to look at again.
//!
//! Data types only; the rules of Auth0 are in `auth0/feed.rs`. A rule never says what a record looks like now, only that it must be asked for.

/// All rules of one source, and what they leave open.
#[derive(Debug, Clone)]
pub struct Feed {
    /// Name of the stream whose events these rules read.
    pub stream: &'static str,
    /// For how long events are kept at least, microseconds: younger ones are all there.
    pub kept_at_least: i64,
    /// Member of an event that names its type.
    pub kind: &'static str,
    /// Member of an event that says when it happened.
    pub time: &'static str,
    /// Types of events that record a write through the API, which [`Feed::writes`] reads.
    pub write_kinds: &'static [&'static str],
    /// Prefix of the paths in such events, to be taken off.
    pub path_prefix: &'static str,
    /// What a write to a path means; the first rule that fits counts.
    pub writes: &'static [Write],
    /// First segments of paths that no stream depends on.
    pub unrelated: &'static [&'static str],
    /// What other types of events mean.
    pub events: &'static [EventRule],
    /// What events of the feed of changes mean, which are told as they happen.
    pub heard: &'static [EventRule],
    /// Streams that change without an event: they are read in full at an interval of their own.
    pub untold: &'static [&'static str],
    /// What follows from a record's end in other streams, without an event of its own.
    pub cascades: &'static [Cascade],
    /// Streams whose records tell themselves when they last changed.
    pub timed: &'static [Timed],
}

impl Feed {
    /// No rules: nothing is told, and everything is read in full.
    pub const NONE: Self = Self {
        stream: "",
        kept_at_least: 0,
        kind: "",
        time: "",
        write_kinds: &[],
        path_prefix: "",
        writes: &[],
        unrelated: &[],
        events: &[],
        heard: &[],
        untold: &[],
        cascades: &[],
        timed: &[],
    };
}

/// What a write to a path means.
#[derive(Debug)]
pub struct Write {
    /// HTTP methods in lower case; any when empty.
    pub methods: &'static [&'static str],
    /// Path segments; `{id}` stands for the record's key, `*` for any one segment, a `**` at the end for any further ones, none included.
    pub path: &'static str,
    /// What to look at again; nothing for writes that change no row.
    pub effects: &'static [Effect],
}

/// What an event of a type means.
#[derive(Debug)]
pub struct EventRule {
    /// Types of events.
    pub kinds: &'static [&'static str],
    /// What to look at again.
    pub effects: &'static [Effect],
}

/// What to look at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// One record of this stream: changed, or gone.
    Record(&'static str, Key),
    /// One record of this stream: changed or new, and there still. Its own time of change tells of it as well.
    Renewed(&'static str, Key),
    /// The children that a fan-out stream reads for one parent record.
    Children(&'static str, Key),
    /// The whole list of this stream.
    Anything(&'static str),
}

/// Where in an event a key stands. Where it cannot be read, the whole list is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// The `{id}` segment of the path, percent-decoded once.
    Path,
    /// The segments behind this many, joined by `|`, as linked accounts are named in paths.
    PathPair(usize),
    /// Value at this path inside of the event.
    Field(&'static str),
    /// Two values inside of the event, joined by `|`.
    Pair(&'static str, &'static str),
    /// The text behind `before` in a field of the event; without a `|` in it, `provider|` from another field goes before it.
    Words {
        /// Field that holds the text.
        field: &'static str,
        /// What stands before the key.
        before: &'static str,
        /// Field with the provider.
        provider: &'static str,
    },
}

/// Rows that end with a record of another stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cascade {
    /// Stream whose record ended.
    pub of: &'static str,
    /// Stream whose root rows end with it.
    pub stream: &'static str,
    /// Column of that root table that holds the key of the record that ended.
    pub column: &'static str,
}

/// The time at which a record last changed, in the record itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timed {
    /// The stream.
    pub stream: &'static str,
    /// Column of its root table: moves with every change of the record.
    pub column: &'static str,
}
