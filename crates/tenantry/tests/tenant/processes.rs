//! What the system does to a process and its file: no room, no right to write, another process, signals, a file that is taken away. Each
//! has its exit code and its words; the file stays readable, and the next run finds everything as the tenant holds it.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tenantry_simulator::{Config, Plan};

use crate::proxy::{Fault, Proxy};
use crate::scenario::{churn, quick};
use crate::tables::{self, Holding};
use crate::world::World;

/// A tenant whose first run writes a few megabytes.
fn tiny() -> Config {
    Config {
        seed: 3,
        users: 60,
        tied_users: 5,
        logs: 150,
        organizations: 3,
        members_per_organization: 4,
        clients: 8,
        grants: 10,
        stats_days: 10,
        plan: Plan::Unlimited,
        ..quick()
    }
}

/// A command with the same environment and arguments as `command`, run by `words` in front of it.
fn through(words: &[&str], command: &Command) -> Command {
    let mut through = Command::new(words[0]);
    through.args(&words[1..]).arg(command.get_program()).args(command.get_args());
    through.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    through.env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
    if let Some(folder) = command.get_current_dir() {
        through.current_dir(folder);
    }
    through
}

/// Exit code, report, messages.
fn told(output: &Output) -> (i32, Value, String) {
    let report = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code().unwrap_or(-1), report, String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Ends with 5, and an error that says so, in these words.
#[track_caller]
fn is_refused(output: &Output, words: &str) {
    let (code, report, messages) = told(output);
    assert_eq!((code, &report["outcome"]), (5, &json!("destination")), "{report} {messages}");
    assert!(messages.starts_with("error: ") || messages.contains("\nerror: "), "{messages}");
    assert!(messages.contains(words), "{words}: {messages}");
}

/// The next run does all there is to do.
#[track_caller]
fn is_true_after_a_run(world: &World) {
    world.sync();
    tables::compare(&world.truth(), &world.tables(), Holding::Whatever);
}

/// Runs a sync that may write no file larger than so many kilobytes, as on a disk that is full there.
fn sync_within(world: &World, kilobytes: u64) -> Output {
    // The shell counts in blocks of 512 bytes. A process that ignores the signal gets an error from each write instead.
    let limit = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", kilobytes * 2);
    through(&["/bin/sh", "-c", &limit], &world.command(&["sync", "--json"])).output().unwrap()
}

#[test]
fn where_a_file_may_not_grow_a_run_says_so_and_the_next_one_goes_on() {
    let world = World::start(tiny());
    let mut refused = 0;
    // From a file that cannot even begin to one that is almost large enough.
    for kilobytes in [8, 12, 40, 100, 250, 260, 300, 600, 1_000, 1_500, 2_000, 3_000] {
        let output = sync_within(&world, kilobytes);
        if output.status.code() == Some(0) {
            break;
        }
        is_refused(&output, "make room, then run the same command again: nothing was lost");
        refused += 1;
        if world.file().exists() {
            // What there is can be read, and holds each key once.
            let (code, rows, messages) = world.run(&["status", "--json"]);
            assert_eq!(code, 0, "{rows} {messages}");
        }
    }
    assert!(refused >= 4, "{refused}");
    is_true_after_a_run(&world);
    world.churn_within_the_hour(&churn(3, 2));
    let held = world.tables();
    let size = fs::metadata(world.file()).unwrap().len() / 1_024;
    // The file itself may not grow; its log may a little, or not at all.
    for kilobytes in [size, size / 2, 64, 16, 4] {
        let output = sync_within(&world, kilobytes);
        if output.status.code() != Some(0) {
            is_refused(&output, "make room");
            let now = world.tables();
            assert!(held.iter().all(|(table, rows)| rows.keys().all(|key| now[table].contains_key(key))));
        }
        world.churn_within_the_hour(&churn(kilobytes, 1));
    }
    is_true_after_a_run(&world);
}

#[test]
fn a_disk_that_is_full_is_said_and_the_next_run_goes_on_once_there_is_room() {
    let world = World::start(tiny());
    let folder = world.file().parent().unwrap().to_owned();
    let mount = |options: &str| {
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&folder).output();
        done.is_ok_and(|done| done.status.success())
    };
    if !mount("size=16k") {
        println!(
            "SKIPPED: no right to mount a disk of its own; the limit of a file's size is tried by the other test"
        );
        return;
    }
    let unmount = Unmount(&folder);
    let mut refused = 0;
    for kilobytes in (16..2_000).step_by(24) {
        assert!(mount(&format!("remount,size={kilobytes}k")), "{kilobytes}");
        let output = world.command(&["sync", "--json"]).output().unwrap();
        if output.status.code() == Some(0) {
            break;
        }
        is_refused(&output, "make room, then run the same command again: nothing was lost");
        refused += 1;
    }
    assert!(refused >= 2, "{refused}");
    assert!(mount("remount,size=64m"));
    is_true_after_a_run(&world);
    drop(unmount);
}

struct Unmount<'a>(&'a Path);

impl Drop for Unmount<'_> {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(self.0).output());
    }
}

/// Runs a sync without the right of an administrator to write where the modes forbid it; `None` where that cannot be had.
#[expect(clippy::print_stdout, reason = "what is not tried has to be said")]
fn sync_by_the_modes(world: &World) -> Option<Output> {
    let command = world.command(&["sync", "--json"]);
    let am_root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if !am_root {
        return Some({ command }.output().unwrap());
    }
    let without = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"];
    match through(&without, &command).output() {
        Ok(output) if output.status.code() != Some(127) => Some(output),
        _ => {
            println!("SKIPPED: an administrator may write anywhere, and there is no setpriv");
            None
        }
    }
}

#[test]
fn a_folder_or_file_that_may_only_be_read_is_said() {
    let world = World::start(tiny());
    let folder = world.file().parent().unwrap().to_owned();
    let allow = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    allow(&folder, 0o555);
    let output = sync_by_the_modes(&world);
    allow(&folder, 0o755);
    let Some(output) = output else { return };
    is_refused(&output, "Permission denied");
    assert!(!world.file().exists(), "nothing was left behind");
    is_true_after_a_run(&world);

    world.churn_within_the_hour(&churn(4, 1));
    let held = world.tables();
    allow(&world.file(), 0o400);
    let output = sync_by_the_modes(&world).unwrap();
    allow(&world.file(), 0o600);
    is_refused(&output, "Permission denied");
    allow(&folder, 0o555);
    // The file may be written, but no log beside it.
    let output = sync_by_the_modes(&world).unwrap();
    allow(&folder, 0o755);
    is_refused(&output, "Permission denied");
    assert_eq!(world.tables(), held);
    is_true_after_a_run(&world);
}

/// A tenant behind a proxy that keeps one answer back until the process is done with.
fn held_up(at: &'static str) -> (World, Proxy) {
    let world = World::start(tiny());
    let proxy = Proxy::before(world.address());
    let world = world.behind(proxy.url());
    world.sync();
    world.churn(&churn(5, 1));
    proxy.once(at, Fault::Stall(0));
    (world, proxy)
}

fn until(what: impl Fn() -> bool) {
    let begun = now();
    while !what() {
        assert!(begun.elapsed() < Duration::from_secs(20), "nothing came of it");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_file_that_is_replaced_or_removed_under_a_run_is_said_and_both_files_stay_whole() {
    for is_replaced in [true, false] {
        let (world, proxy) = held_up("/api/v2/roles");
        let aside = world.file().with_file_name("aside.duckdb");
        let copy = world.file().with_file_name("copy.duckdb");
        fs::copy(world.file(), &copy).unwrap();
        let asked = proxy.asked("/api/v2/roles");
        let world = world.with("TENANTRY_TIMEOUT", "2s");
        let child = world.command(&["sync", "--json", "--full"]);
        let child = { child }.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        until(|| proxy.asked("/api/v2/roles") > asked);
        fs::rename(world.file(), &aside).unwrap();
        if is_replaced {
            fs::rename(&copy, world.file()).unwrap();
        }
        let output = child.wait_with_output().unwrap();
        is_refused(&output, "the file was moved, removed or replaced while it was open");
        is_true_after_a_run(&world);
        // The other one is as whole.
        let other = world.file().with_file_name("current.duckdb");
        fs::rename(world.file(), &other).unwrap();
        fs::rename(&aside, world.file()).unwrap();
        is_true_after_a_run(&world);
    }
}

#[test]
fn a_second_signal_ends_a_run_at_once_and_nothing_is_lost() {
    for signals in [["-INT", "-INT"], ["-TERM", "-TERM"], ["-INT", "-TERM"], ["-TERM", "-INT"]] {
        let (world, proxy) = held_up("/api/v2/roles");
        let asked = proxy.asked("/api/v2/roles");
        let command = world.command(&["sync", "--json", "--full"]);
        let child = { command }.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        until(|| proxy.asked("/api/v2/roles") > asked);
        let begun = now();
        for signal in signals {
            // The second may find nobody.
            drop(Command::new("kill").args([signal, &child.id().to_string()]).output());
        }
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(130),
            "{signals:?} {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(begun.elapsed() < Duration::from_secs(3), "{signals:?} took {:?}", begun.elapsed());
        is_true_after_a_run(&world);
    }
}

#[test]
fn of_two_processes_that_begin_at_once_one_does_the_work_and_the_other_names_it() {
    let world = World::start(tiny());
    for round in 0..4 {
        let begin = || {
            let command = world.command(&["sync", "--json"]);
            { command }.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let both = [begin(), begin()];
        let ids = [both[0].id(), both[1].id()];
        let ended = both.map(|child| child.wait_with_output().unwrap());
        let codes = [told(&ended[0]).0, told(&ended[1]).0];
        assert!(codes.contains(&0), "{codes:?} {:?}", [told(&ended[0]).2, told(&ended[1]).2]);
        for (at, output) in ended.iter().enumerate().filter(|(_, output)| output.status.code() != Some(0)) {
            is_refused(output, &format!("process {}", ids[1 - at]));
        }
        tables::compare(&world.truth(), &world.tables(), Holding::Whatever);
        world.churn_within_the_hour(&churn(60 + round, 1));
    }
    is_true_after_a_run(&world);
}

#[expect(clippy::disallowed_methods, reason = "how long a process takes is real time")]
fn now() -> Instant {
    Instant::now()
}
