//! The catalog of the conformance cases: one stream with children, one with a composite key, one of events.
//!
//! Like the real one only in kind.

use crate::catalog::{
    Catalog, Column, Example, Mark, Origin, Replication, Rows, Stream, Table, Text, Type, feed::Feed, system,
};

/// What the cases run on.
pub static CATALOG: Catalog = catalog(&STREAMS);
/// The same, after a column was added to a table.
pub static WIDER: Catalog = catalog(&WIDER_STREAMS);
/// The same, with a column of another type.
pub static CONFLICTING: Catalog = catalog(&CONFLICTING_STREAMS);
/// The root of the first stream alone.
pub static ROOT_ONLY: Catalog = catalog(&ROOT_ONLY_STREAMS);

static STREAMS: [Stream; 3] = [
    stream("things", &[thing(THING), PART, LABEL], Replication::FullTable),
    stream("pairs", &[PAIR, MARK], Replication::FullTable),
    stream("events", &[EVENT], Replication::Log),
];
static WIDER_STREAMS: [Stream; 1] =
    [stream("things", &[thing(WIDER_THING), PART, LABEL], Replication::FullTable)];
static CONFLICTING_STREAMS: [Stream; 1] =
    [stream("things", &[thing(CONFLICTING_THING)], Replication::FullTable)];
static ROOT_ONLY_STREAMS: [Stream; 1] = [stream("things", &[thing(THING)], Replication::FullTable)];

/// The stream `things`: root `thing`, children `thing_part` and `thing_label`.
pub fn things() -> &'static Stream {
    &STREAMS[0]
}

/// The stream `pairs`: root `pair` with a composite key whose second part may be NULL, child `pair_mark`.
pub fn pairs() -> &'static Stream {
    &STREAMS[1]
}

/// The stream `events`: root `event`, no children.
pub fn events() -> &'static Stream {
    &STREAMS[2]
}

const TEXT: Text = Text { en: "A thing's value; it's 'quoted'.", ja: "値" };

const fn catalog(streams: &'static [Stream]) -> Catalog {
    Catalog {
        streams,
        feed: Feed::NONE,
        diagram: &[],
        relationships: &[],
        secret_members: &[],
        plain_members: &[],
    }
}

const fn stream(name: &'static str, tables: &'static [Table], replication: Replication) -> Stream {
    Stream { name, endpoint: None, replication, parent: None, tables }
}

const fn column(name: &'static str, kind: Type, origin: Origin) -> Column {
    Column { name, kind, origin, mark: Mark::None, sensitive: false, about: TEXT }
}

const fn table(
    name: &'static str,
    key: &'static [&'static str],
    rows: Rows,
    columns: &'static [Column],
) -> Table {
    Table { name, key, rows, columns, about: TEXT, tags: &[], example: Example { asks: TEXT, sql: "" } }
}

const fn thing(columns: &'static [Column]) -> Table {
    table("thing", &["id"], Rows::Record, columns)
}

// System columns stand in the middle, as in the published diagram.
const THING: &[Column] = &[
    column("id", Type::String, Origin::Field("/id")),
    system::deleted(),
    system::synced(),
    column("name", Type::String, Origin::Field("/name")),
    column("active", Type::Boolean, Origin::Field("/active")),
    column("size", Type::Integer, Origin::Field("/size")),
    column("seen_at", Type::Timestamp, Origin::Field("/seen_at")),
];

const WIDER_THING: &[Column] = &[
    column("id", Type::String, Origin::Field("/id")),
    system::deleted(),
    system::synced(),
    column("colour", Type::String, Origin::Field("/colour")),
    column("name", Type::String, Origin::Field("/name")),
    column("active", Type::Boolean, Origin::Field("/active")),
    column("size", Type::Integer, Origin::Field("/size")),
    column("seen_at", Type::Timestamp, Origin::Field("/seen_at")),
];

const CONFLICTING_THING: &[Column] = &[
    column("id", Type::String, Origin::Field("/id")),
    system::deleted(),
    system::synced(),
    column("name", Type::Integer, Origin::Field("/name")),
];

const PART: Table = table(
    "thing_part",
    &["thing_id", "name"],
    Rows::Elements("/parts"),
    &[
        column("thing_id", Type::String, Origin::Record("/id")),
        column("name", Type::String, Origin::Field("/name")),
        column("index", Type::Integer, Origin::Index),
        system::deleted(),
        system::synced(),
    ],
);

const LABEL: Table = table(
    "thing_label",
    &[system::ROW_ID],
    Rows::Elements("/labels"),
    &[
        system::row_id(&["thing_id", "value"]),
        system::deleted(),
        system::synced(),
        column("thing_id", Type::String, Origin::Record("/id")),
        column("value", Type::String, Origin::Field("")),
    ],
);

const PAIR: Table = table(
    "pair",
    &["one", "other"],
    Rows::Record,
    &[
        column("one", Type::String, Origin::Field("/one")),
        column("other", Type::Integer, Origin::Field("/other")),
        column("value", Type::String, Origin::Field("/value")),
        system::deleted(),
        system::synced(),
    ],
);

const MARK: Table = table(
    "pair_mark",
    &["pair_one", "pair_other", "mark"],
    Rows::Elements("/marks"),
    &[
        column("pair_one", Type::String, Origin::Record("/one")),
        column("pair_other", Type::Integer, Origin::Record("/other")),
        column("mark", Type::String, Origin::Field("")),
        system::deleted(),
        system::synced(),
    ],
);

const EVENT: Table = table(
    "event",
    &["id"],
    Rows::Record,
    &[
        column("id", Type::String, Origin::Field("/id")),
        system::deleted(),
        system::synced(),
        column("happened_at", Type::Timestamp, Origin::Field("/happened_at")),
    ],
);
