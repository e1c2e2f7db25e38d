//! Answers that hold what other readers choke on, from the tenant's socket to the tables: each value has the outcome that
//! `docs/hostile-data.md` tells, and what stands beside it arrives.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::json;
use tenantry_simulator::{Config, Plan};

use crate::proxy::{Proxy, change};
use crate::scenario::quick;
use crate::tables::{self, Holding};
use crate::world::World;

const CLIENTS: &str = "/api/v2/clients";
const FILE: &str = "/exports/*";
/// Nesting that ends other readers.
const DEEP: usize = 10_000;
/// Bytes of a large value.
const LARGE: usize = 1 << 20;

/// A row that has to be there: table, what picks it, column, and the cell.
type Cell = (&'static str, &'static str, &'static str, Option<String>);

/// An application as it stands in the list, the cells that come of it, and why it is quarantined where it is.
struct Case {
    record: Vec<u8>,
    cells: Vec<Cell>,
    refused: Option<(&'static str, &'static str)>,
}

fn client(record: impl Into<Vec<u8>>, cells: impl Into<Vec<Cell>>) -> Case {
    Case { record: record.into(), cells: cells.into(), refused: None }
}

/// A record that is quarantined for this reason, under this table.
fn refused(record: impl Into<Vec<u8>>, table: &'static str, reason: &'static str) -> Case {
    Case { record: record.into(), cells: Vec::new(), refused: Some((table, reason)) }
}

#[expect(clippy::unnecessary_wraps, reason = "a cell may be NULL")]
fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn applications() -> Vec<Case> {
    let deep = "[".repeat(DEEP) + &"]".repeat(DEEP);
    let large = "x".repeat(LARGE);
    let name = |id: &'static str, name: &str| ("client", id, "name", some(name));
    let value = |id: &'static str, value: &str| ("client_metadata", id, "value", some(value));
    vec![
        client(br#"{"client_id":"lone","name":"a\ud800b"}"#, [name("id = 'lone'", "a\u{fffd}b")]),
        client(br#"{"client_id":"nul","name":"a\u0000b"}"#, [name("id = 'nul'", "a\u{fffd}b")]),
        client(b"{\"client_id\":\"bytes\",\"name\":\"\xff\xc3\x28\"}", [name("id = 'bytes'", "\u{fffd}\u{fffd}(")]),
        client(br#"{"client_id":"numbers","name":1e400,"allowed_origins":[18446744073709551616]}"#, [
            name("id = 'numbers'", "1e400"),
            ("client", "id = 'numbers'", "allowed_origins", some("[18446744073709551616]")),
        ]),
        refused(
            br#"{"client_id":"infinite","jwt_configuration":{"lifetime_in_seconds":1e400}}"#,
            "client",
            "jwt_configuration_lifetime_in_seconds: not a whole number of 64 bits",
        ),
        refused(
            br#"{"client_id":"beyond","jwt_configuration":{"lifetime_in_seconds":9223372036854775808}}"#,
            "client",
            "jwt_configuration_lifetime_in_seconds: not a whole number of 64 bits",
        ),
        client(br#"{"client_id":"other","name":"first","client_id":"doubled","name":"last"}"#, [name("id = 'doubled'", "last")]),
        client(format!(r#"{{"client_id":"deep","allowed_origins":{deep},"unknown":{deep}}}"#), [
            ("client", "id = 'deep'", "allowed_origins", Some(deep.clone())),
        ]),
        client(format!(r#"{{"client_id":"large","name":"{large}","client_metadata":{{"large":"{large}"}}}}"#), [
            name("id = 'large'", &large),
            value("client_id = 'large'", &large),
        ]),
        client(br#"{"client_id":"cases","client_metadata":{"Plan":"a","plan":"b","PLAN":"c","plan ":"d"}}"#, [
            value("client_id = 'cases' AND name = 'Plan'", "a"),
            value("client_id = 'cases' AND name = 'plan'", "b"),
            value("client_id = 'cases' AND name = 'PLAN'", "c"),
            value("client_id = 'cases' AND name = 'plan '", "d"),
        ]),
        client(br#"{"client_id":"sql","name":"'); DROP TABLE client; --","client_metadata":{"\"; DROP TABLE client; --":"x","":"empty","twice":"1","twice":"2"}}"#, [
            name("id = 'sql'", "'); DROP TABLE client; --"),
            value("client_id = 'sql' AND name = '\"; DROP TABLE client; --'", "x"),
            value("client_id = 'sql' AND name = ''", "empty"),
            value("client_id = 'sql' AND name = 'twice'", "2"),
        ]),
        client(br#"{"client_id":"again","name":"earlier","callbacks":["https://one.example.com"]}"#, []),
        client(br#"{"client_id":"again","name":"later","callbacks":["https://two.example.com"]}"#, [name("id = 'again'", "later")]),
        refused(br#"{"client_id":"k\ud800"}"#, "client", "id: a key that is not text"),
        refused(br#"{"client_id":"flag","global":"maybe"}"#, "client", "global: not a boolean"),
        client(br#"{"client_id":"child","name":"stays","callbacks":"not a list"}"#, [name("id = 'child'", "stays")]),
        refused(b"null", "client", "not an object"),
        refused(br#"{"name":"without an id"}"#, "client", "id: no key"),
        client(br#"{"client_id":"rest","name":"of the page"}"#, [name("id = 'rest'", "of the page")]),
    ]
}

/// Lines of the users' file, and why each is quarantined where it is.
const USERS: [(&[u8], Option<&str>); 8] = [
    (
        br#"{"user_id":"auth0|year0","created_at":"0000-01-01T00:00:00Z"}"#,
        Some("created_at: not a time between the years 1 and 9999"),
    ),
    (
        br#"{"user_id":"auth0|year10000","updated_at":"10000-01-01T00:00:00Z"}"#,
        Some("updated_at: not a time between the years 1 and 9999"),
    ),
    (br#"{"user_id":"auth0|year1","created_at":"0001-01-01T00:00:00Z"}"#, None),
    (br#"{"user_id":"auth0|year9999","created_at":"9999-12-31T23:59:59.999Z"}"#, None),
    (br#"{"user_id":"auth0|cut","name":"#, Some("not JSON at byte 30: an array or object does not end")),
    (b"{\"user_id\":\"auth0|bytes\",\"name\":\"\xff\",\"app_metadata\":{\"\xff\":1e400}}", None),
    (br#"{"user_id":"auth0|twice","name":"first"}"#, None),
    (br#"{"user_id":"auth0|twice","name":"last"}"#, None),
];

#[test]
fn hostile_values_have_the_documented_outcome_and_cost_nothing_beside_them() {
    let world = World::start(Config {
        users: 40,
        tied_users: 5,
        logs: 60,
        organizations: 2,
        clients: 6,
        grants: 5,
        stats_days: 5,
        plan: Plan::Unlimited,
        ..quick()
    });
    let proxy = Proxy::before(world.address());
    let world = world.behind(proxy.url());
    world.sync();
    let truth = world.truth();

    proxy.always(
        CLIENTS,
        change(|_, answer| {
            let begin = b"\"clients\":[";
            let at =
                answer.body.windows(begin.len()).position(|window| window == begin).unwrap() + begin.len();
            let records: Vec<u8> =
                applications().iter().flat_map(|case| [&case.record[..], b","].concat()).collect();
            answer.body.splice(at..at, records);
        }),
    );
    proxy.always(
        FILE,
        change(|_, answer| {
            let mut text = Vec::new();
            GzDecoder::new(&answer.body[..]).read_to_end(&mut text).unwrap();
            let lines: Vec<u8> = USERS.iter().flat_map(|(line, _)| [line, &b"\n"[..]].concat()).collect();
            let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
            packed.write_all(&[lines, text].concat()).unwrap();
            answer.body = packed.finish().unwrap();
        }),
    );
    let (code, report, messages) = world.run(&["sync", "--json", "--full"]);
    assert_eq!((code, &report["totals"]["deleted"]), (0, &json!(0)), "{report} {messages}");
    proxy.heal();
    cells_are_as_documented(&world);
    let held = world.tables();
    for (table, rows) in &truth {
        assert!(
            rows.keys().all(|key| !held[table][key].deleted),
            "{table}: what the tenant holds is there and lives"
        );
    }

    // What is no longer told is gone, and of the quarantined rows nothing was ever there.
    world.sync_with(&["--full"]);
    tables::compare(&world.truth(), &world.tables(), Holding::Whatever);
}

fn cells_are_as_documented(world: &World) {
    for (table, picks, column, expected) in applications().into_iter().flat_map(|case| case.cells) {
        let found = world.query(&format!("SELECT {column} FROM auth0.{table} WHERE {picks}"));
        assert!(found == [[expected]], "{table} where {picks}: {} rows", found.len());
    }
    let one = |sql: &str| world.query(sql)[0][0].clone();
    assert_eq!(
        world.query("SELECT callback FROM auth0.client_callback WHERE client_id = 'again' ORDER BY 1").len(),
        2,
        "children of both"
    );
    assert_eq!(one("SELECT name FROM auth0.users WHERE id = 'auth0|twice'"), some("last"));
    assert_eq!(one("SELECT name FROM auth0.users WHERE id = 'auth0|bytes'"), some("\u{fffd}"));
    assert_eq!(
        world.query("SELECT name, value FROM auth0.user_app_metadata WHERE users_id = 'auth0|bytes'"),
        [[some("\u{fffd}"), some("1e400")]]
    );
    for (user, year) in [("year1", "0001"), ("year9999", "9999")] {
        let sql = format!("SELECT strftime(created_at, '%Y') FROM auth0.users WHERE id = 'auth0|{user}'");
        assert_eq!(one(&sql), some(year));
    }
    let quarantined = world.query("SELECT \"table\", reason FROM _tenantry.quarantine ORDER BY 1, 2");
    let mut expected: Vec<Vec<Option<String>>> = Vec::new();
    expected.extend(
        applications()
            .iter()
            .filter_map(|case| case.refused)
            .map(|(table, reason)| vec![some(table), some(reason)]),
    );
    expected.extend(
        USERS.iter().filter_map(|(_, reason)| *reason).map(|reason| vec![some("users"), some(reason)]),
    );
    expected.push(vec![some("client_callback"), some("callbacks: not a list")]);
    expected.sort();
    assert_eq!(quarantined, expected);
}
