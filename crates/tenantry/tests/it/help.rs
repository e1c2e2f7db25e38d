//! What the program says about itself.

use crate::harness::Place;

const COMMANDS: [&str; 16] = [
    "demo", "sync", "run", "serve", "resync", "verify", "plan", "check", "status", "detect", "maintain",
    "tables", "schema", "sql", "config", "simulate",
];

#[test]
fn short_help_of_the_program() {
    let help = Place::new().run(&["-h"]).exits(0);
    insta::assert_snapshot!(help.out);
    assert_eq!(help.err, "");
}

#[test]
fn long_help_lists_environment_and_exit_codes() {
    let help = Place::new().run(&["--help"]).exits(0);
    insta::assert_snapshot!(help.out);
}

#[test]
fn short_help_of_each_command() {
    for command in COMMANDS {
        let help = Place::new().run(&[command, "-h"]).exits(0);
        insta::assert_snapshot!(format!("help_{command}"), help.out);
    }
}

#[test]
fn exactly_the_promised_commands_are_there() {
    let help = Place::new().run(&["-h"]).exits(0).out;
    let commands =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names: Vec<&str> = commands.map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(names, COMMANDS.into_iter().chain(["help"]).collect::<Vec<_>>());
}

#[test]
fn the_reference_document_is_up_to_date() {
    let made = Place::new().run(&["reference"]).exits(0).out;
    let kept = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md"))
        .unwrap_or_default();
    assert!(made == kept, "docs/cli.md is stale: run `make docs`");
}

#[test]
fn the_version_is_told() {
    let version = Place::new().run(&["--version"]).exits(0).out;
    assert_eq!(version, format!("tenantry {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_usage_ends_with_two_and_a_suggestion() {
    let wrong = Place::new().run(&["snyc"]).exits(2);
    assert!(wrong.err.contains("some similar subcommands exist: 'resync', 'sync'"), "{}", wrong.err);
    assert_eq!(wrong.out, "");
    Place::new().run(&[]).exits(2);
    Place::new().run(&["schema"]).exits(2);
    Place::new().run(&["sync", "--client-secret", "x"]).exits(2);
}
