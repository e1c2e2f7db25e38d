//! A fresh clone takes over what an older one at the same place has built, and nothing that was built of other sources.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

/// Runs a command in a folder to its good end.
#[track_caller]
fn run(folder: &Path, program: &str, arguments: &[&str]) {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).env("CARGO_TARGET_DIR", folder.with_file_name("target"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn written(path: &Path) -> SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

#[test]
fn files_of_a_fresh_clone_that_hold_the_same_are_as_old_as_before_and_later_builds_are_forgotten() {
    let place = std::env::temp_dir().join(format!("tenantry-sources-{}", std::process::id()));
    let (first, clone, target) = (place.join("first"), place.join("clone"), place.join("target"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/sources.sh");
    fs::create_dir_all(first.join("scripts")).unwrap();
    fs::copy(script, first.join("scripts/sources.sh")).unwrap();
    fs::write(first.join("same.rs"), "one").unwrap();
    fs::write(first.join("other.rs"), "one").unwrap();
    let by = ["-c", "user.name=Test", "-c", "user.email=test@example.com"];
    run(&first, "git", &["init", "-q"]);
    run(&first, "git", &["add", "."]);
    run(&first, "git", &[&by[..], &["commit", "-qm", "one"]].concat());
    let built_as = |name: &str| target.join("debug/.fingerprint").join(name).join("lib");
    let build = |name: &str| {
        fs::create_dir_all(built_as(name).parent().unwrap()).unwrap();
        fs::write(built_as(name), "").unwrap();
    };
    let renewed = || {
        drop(fs::remove_dir_all(&clone));
        // Times of clones are told by the second.
        std::thread::sleep(Duration::from_millis(1_100));
        run(&place, "git", &["clone", "-q", "first", "clone"]);
    };

    renewed();
    build("tenantry-1");
    let (same, other) = (written(&clone.join("same.rs")), written(&clone.join("other.rs")));
    run(&clone, "scripts/sources.sh", &["note"]);

    std::thread::sleep(Duration::from_millis(20));
    build("tenantry-2");
    build("serde-1");
    fs::write(first.join("other.rs"), "two").unwrap();
    run(&first, "git", &[&by[..], &["commit", "-qam", "two"]].concat());
    renewed();
    assert_ne!(written(&clone.join("same.rs")), same, "a clone writes every file anew");
    run(&clone, "scripts/sources.sh", &["restore"]);
    assert_eq!(written(&clone.join("same.rs")), same);
    assert!(written(&clone.join("other.rs")) > other, "what holds something else is new");
    assert!(built_as("tenantry-1").exists(), "what was built before the note is of the noted sources");
    assert!(!built_as("tenantry-2").exists(), "what was built after it may be of others");
    assert!(built_as("serde-1").exists(), "what is not ours has no sources here");

    build("tenantry-3");
    run(&clone, "scripts/sources.sh", &["note"]);
    build("tenantry-4");
    run(&clone, "scripts/sources.sh", &["restore"]);
    assert!(built_as("tenantry-4").exists(), "in one clone cargo knows by itself");
    fs::remove_dir_all(&place).unwrap();
}
