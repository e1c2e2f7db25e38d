//! Colour, redrawing and closed pipes.

use std::io::Read as _;
use std::process::Stdio;

use crate::harness::{Place, Ran, Tenant};

/// ESC, with which everything begins that is no plain text.
const ESCAPE: char = '\u{1b}';

#[test]
fn nothing_but_plain_text_goes_into_pipes_and_files() {
    let tenant = Tenant::without_scope("read:grants");
    for place in [Place::of(&tenant), Place::of(&tenant).with("TERM", "xterm-256color")] {
        for arguments in
            [&["sync"][..], &["check"], &["status"], &["tables"], &["--help"], &["sync", "--nonsense"]]
        {
            let ran = place.run(arguments);
            assert!(!ran.out.contains(ESCAPE) && !ran.err.contains(ESCAPE), "{arguments:?}: {ran:?}");
        }
    }
}

/// Runs the program on a terminal of its own, as `script` gives one.
#[cfg(target_os = "linux")]
fn on_a_terminal(place: &Place, arguments: &str) -> Option<Ran> {
    let program = env!("CARGO_BIN_EXE_tenantry");
    let shell = place.command(&[]);
    let mut command = std::process::Command::new("/usr/bin/script");
    command.args(["-qec", &format!("{program} {arguments}"), "/dev/null"]).stdin(Stdio::null()).env_clear();
    command.current_dir(shell.get_current_dir().unwrap());
    command.envs(shell.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.output().ok().map(Ran::of)
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_gets_colour_unless_it_is_not_wanted() {
    let tenant = Tenant::small();
    let colourful = Place::of(&tenant).with("TERM", "xterm-256color");
    let Some(ran) = on_a_terminal(&colourful, "sync") else { return };
    let ran = ran.exits(0);
    assert!(ran.out.contains(ESCAPE), "{}", ran.out);
    assert!(ran.out.contains("run 1: "), "{}", ran.out);
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let plain = Place::of(&tenant).with("TERM", "xterm-256color").with(name, value);
        let ran = on_a_terminal(&plain, "sync").unwrap().exits(0);
        assert!(!ran.out.contains(ESCAPE), "{name}: {}", ran.out);
        assert!(ran.out.contains("run 1: "), "{}", ran.out);
    }
}

#[test]
fn a_reader_that_had_enough_is_no_failure() {
    let place = Place::new();
    for arguments in [&["tables"][..], &["schema", "--format", "json"], &["--help"]] {
        let mut child =
            place.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""), "{arguments:?}");
    }
}
