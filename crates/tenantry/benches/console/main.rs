//! How quickly the console's pages come over a large tenant: `cargo bench -p tenantry --bench console`. docs/performance.md has the figures.
//!
//! After `--`: `--full` for 1,000,000 users and 10,000,000 log events (default is a tenth); words to measure only pages whose name holds one
//! of them. Rows are written into the file by SQL; pages are asked for over the wire from the program as it is released, each several
//! times: the first time, which nothing was kept for, stands by itself, and of the others the median counts. A page can be used when the first
//! part of its content is there. Exits with 0 also where a target is
//! missed: it measures.

#![expect(clippy::unwrap_used, reason = "a bench ends at the first failure")]
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

#[path = "../../tests/tenant/entry.rs"]
#[expect(unsafe_code, reason = "a driver's entry point is a C function")]
mod entry;
mod fill;
mod pages;
mod served;

use std::process::{Command, Stdio};

use self::pages::Page;
use self::served::{Console, now};

/// How often each page is asked for.
const TIMES: usize = 7;
/// Milliseconds to the first byte, and until the page can be used.
const TARGETS: (f64, f64) = (50.0, 300.0);

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let full = asked.iter().any(|argument| argument == "--full");
    let words: Vec<&String> = asked.iter().filter(|argument| !argument.starts_with("--")).collect();
    let (users, logs) = if full { (1_000_000_u64, 10_000_000_u64) } else { (100_000, 1_000_000) };
    let folder = tempfile::Builder::new().prefix("console").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = folder.path().join("c.duckdb");
    let url = format!("duckdb:{}", file.display());
    let demo =
        ["demo", "--json", "--users", "500", "--logs", "500", "--seed", "7", "--destination", url.as_str()];
    let made =
        Command::new(env!("CARGO_BIN_EXE_tenantry")).args(demo).stdout(Stdio::null()).status().unwrap();
    assert!(made.success());
    fill::fill(&file, users, logs);
    let begun = now();
    let console = Console::serve(folder.path(), &url);
    console.rest();
    println!(
        "{users} users, {logs} log events; answers were prepared after {:.1} s and {:.1} CPU s, {} MB at the most\n",
        now() - begun,
        console.cpu(),
        console.peak_mb()
    );
    println!(
        "{:<58} {:>9} {:>9} {:>9} {:>9} {:>9}  target",
        "page (ms; CPU ms of one view)", "1st byte", "usable", "at first", "whole", "CPU"
    );
    let mut missed = 0;
    for page in pages::all(users, logs) {
        if !words.is_empty() && !words.iter().any(|word| page.name.contains(word.as_str())) {
            continue;
        }
        missed += usize::from(!measure(&console, &page));
    }
    println!("\n{missed} missed; {} MB at the most", console.peak_mb());
}

/// Prints a page's line; whether its target is met, at first as well as later.
fn measure(console: &Console, page: &Page) -> bool {
    let path = match page.path.strip_prefix("first of ") {
        Some(table) => console.first_row(table),
        None => page.path.clone(),
    };
    let before = console.cpu();
    let mut times: Vec<[f64; 3]> = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let answer = console.get(&path);
        assert!(
            answer.head.starts_with("HTTP/1.1 200") && !answer.body.contains("notice is-bad"),
            "{path}: {}",
            answer.body
        );
        times.push([answer.first, answer.usable, answer.whole].map(|seconds| seconds * 1e3));
    }
    let cpu = (console.cpu() - before) / TIMES as f64 * 1e3;
    let at_first = times.remove(0);
    times.sort_by(|a, b| a[1].total_cmp(&b[1]));
    let [first, usable, whole] = times[times.len() / 2];
    let is_met = |first: f64, usable: f64| first < TARGETS.0 && usable < TARGETS.1;
    let met = is_met(first, usable) && is_met(at_first[0], at_first[1]);
    let word = if met { "met" } else { "missed" };
    println!(
        "{:<58} {first:>9.1} {usable:>9.1} {:>9.1} {whole:>9.1} {cpu:>9.1}  {word}",
        page.name, at_first[1]
    );
    met
}
