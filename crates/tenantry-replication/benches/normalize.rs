//! How fast records become Arrow rows, beside the bare parse of the same bytes by JSON crates that are alive.
//!
//! Prints one line for each contestant: megabytes a second of CPU time, and the ratio to the fastest bare parse.
//! `cargo bench -p tenantry-replication --bench normalize`

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::hint::black_box;

use bytes::Bytes;
use tenantry_replication::catalog::{CATALOG, Replication};
use tenantry_replication::normalize::Normalizer;
use tenantry_replication::source::{Page, Records};

/// Users in the file, about 1 KB each.
const USERS: usize = 100_000;
/// Bytes of one page, cut at line ends, as the export reader hands them out.
const PAGE_BYTES: usize = 2 << 20;
/// Each contestant runs so often; the best counts.
const ROUNDS: usize = 5;

fn main() {
    let export = export();
    let megabytes = export.len() as f64 / 1e6;
    println!("{USERS} users, {megabytes:.1} MB of NDJSON");
    let bare = [
        ("serde_json, ignored", parse(&export, serde_json::from_slice::<serde::de::IgnoredAny>)),
        ("serde_json, tree", parse(&export, serde_json::from_slice::<serde_json::Value>)),
        ("sonic-rs, lazy", parse(&export, sonic_rs::from_slice::<sonic_rs::LazyValue<'_>>)),
        ("sonic-rs, tree", parse(&export, sonic_rs::from_slice::<sonic_rs::Value>)),
        ("simd-json, tape", parse_in_place(&export)),
    ];
    let floor = bare.iter().map(|(_, seconds)| *seconds).fold(f64::INFINITY, f64::min);
    for (name, seconds) in bare {
        println!("{name:<22} {seconds:7.3} s  {:7.0} MB/s", megabytes / seconds);
    }
    let pages = pages(&export);
    let seconds = time(|| {
        let stream = CATALOG
            .streams
            .iter()
            .find(|stream| stream.replication == Replication::Export)
            .expect("users are exported");
        let mut normalizer = Normalizer::new(&CATALOG, stream);
        for page in &pages {
            normalizer.page(page).expect("the page is JSON");
            black_box(normalizer.take(false));
        }
        black_box(normalizer.take(true));
    });
    println!(
        "{:<22} {seconds:7.3} s  {:7.0} MB/s  {:.2} times the fastest bare parse",
        "normalize to Arrow",
        megabytes / seconds,
        seconds / floor
    );
}

/// CPU seconds for one parser over all lines.
fn parse<'a, T>(export: &'a [u8], parser: impl Fn(&'a [u8]) -> T) -> f64 {
    time(|| {
        for line in lines(export) {
            drop(black_box(parser(line)));
        }
    })
}

/// The same for a parser that writes into its input, the copy included.
fn parse_in_place(export: &[u8]) -> f64 {
    time(|| {
        let mut copy = export.to_vec();
        for line in copy.split_mut(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            drop(black_box(simd_json::to_tape(line)));
        }
    })
}

/// CPU seconds of the best round.
fn time(mut work: impl FnMut()) -> f64 {
    (0..ROUNDS)
        .map(|_| {
            let begun = cpu_seconds();
            work();
            cpu_seconds() - begun
        })
        .fold(f64::INFINITY, f64::min)
}

/// CPU seconds of this process so far, user and system, from the kernel's own account.
fn cpu_seconds() -> f64 {
    let schedule = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    schedule.split_whitespace().next().and_then(|nanos| nanos.parse::<f64>().ok()).unwrap_or_default() / 1e9
}

fn lines(export: &[u8]) -> impl Iterator<Item = &[u8]> {
    export.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

fn pages(export: &[u8]) -> Vec<Page> {
    let mut pages = Vec::new();
    let mut rest = export;
    while !rest.is_empty() {
        let cut = rest.len().min(PAGE_BYTES);
        let end = rest[..cut].iter().rposition(|byte| *byte == b'\n').map_or(cut, |at| at + 1);
        let (page, after) = rest.split_at(end);
        pages.push(Page {
            body: Bytes::copy_from_slice(page),
            records: Records::Lines,
            parent: None,
            checkpoint: None,
        });
        rest = after;
    }
    pages
}

/// Users as an export writes them, of about 1 KB.
fn export() -> Vec<u8> {
    let mut out = Vec::new();
    for number in 0..USERS {
        let user = serde_json::json!({
            "user_id": format!("auth0|{number:024x}"),
            "email": format!("user{number}@example.com"),
            "email_verified": number % 3 == 0,
            "name": format!("Example Person {number}"),
            "nickname": format!("person{number}"),
            "picture": format!("https://images.example.com/avatars/{number:08}/large.png?d=identicon&size=480&rating=pg"),
            "created_at": "2024-03-04T05:06:07.891Z",
            "updated_at": format!("2026-01-{:02}T{:02}:{:02}:07.123Z", number % 28 + 1, number % 24, number % 60),
            "last_login": "2026-02-01T00:00:00.000Z",
            "last_ip": format!("203.0.113.{}", number % 256),
            "logins_count": number % 500,
            "identities": [{"user_id": format!("{number:024x}"), "provider": "auth0", "connection": "Username-Password-Authentication", "isSocial": false}],
            "app_metadata": {"plan": "enterprise", "roles": ["admin", "editor"], "limits": {"seats": number % 100, "projects": 12}, "customer": format!("cus_{number:014}")},
            "user_metadata": {"locale": "ja-JP", "theme": "dark", "bio": "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore"},
        });
        serde_json::to_writer(&mut out, &user).expect("writes to memory");
        out.push(b'\n');
    }
    out
}
