//! The real binary from outside: what people and programs see, and what it leaves behind.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod configuration;
mod demo;
mod detect;
mod harness;
mod help;
mod questions;
mod runs;
mod signals;
mod terminal;

/// A file in this folder that is not a module above would never run.
#[test]
fn every_file_here_is_run() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it");
    let listed = include_str!("main.rs");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(module) = name.strip_suffix(".rs").filter(|module| *module != "main") else { continue };
        assert!(listed.contains(&format!("mod {module};")), "{name} is not listed in main.rs");
    }
}
