//! What this process is called, and whether another one is still there: for the lease on a destination.
//!
//! Takes nothing for granted: a process counts as dead only where the system would have shown it.

use std::fs;
use std::path::Path;
use std::process;

use tenantry_replication::destination::Holder;

/// Bytes that a file of the system is read to.
const SYSTEM_FILE_BYTES_MAX: u64 = 4 << 10;

/// This process, as others get to know it.
pub(crate) fn this(command: &str) -> Holder {
    let process = process::id();
    let host = system("/proc/sys/kernel/hostname").unwrap_or_else(|| "a host without a name".to_owned());
    Holder { name: format!("`tenantry {command}` (process {process} on {host})"), place: place(), process }
}

/// Whether a process of this place is gone for certain. One with our own number is: we are another.
pub(crate) fn is_dead(holder: &Holder) -> bool {
    let is_here = holder.place.is_some() && holder.place == place();
    // Where not even the first process is shown, others may be hidden as well.
    let sees_all = is_shown(1);
    is_here && (holder.process == process::id() || (sees_all && !is_shown(holder.process)))
}

fn is_shown(process: u32) -> bool {
    Path::new("/proc").join(process.to_string()).exists()
}

/// Where process numbers mean what they mean here: this machine since it started, and what it keeps apart on it. `None` on systems that
/// do not tell.
fn place() -> Option<String> {
    let started = system("/proc/sys/kernel/random/boot_id")?;
    let apart = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{started} {}", apart.display()))
}

fn system(path: &str) -> Option<String> {
    let text = super::read_limited(Path::new(path), SYSTEM_FILE_BYTES_MAX).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn only_what_would_be_seen_here_is_known_to_be_dead() {
        let ours = this("sync");
        assert!(
            ours.name.contains(&format!("`tenantry sync` (process {} on ", process::id())),
            "{}",
            ours.name
        );
        let of = |process| Holder { process, ..ours.clone() };
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        assert!(!is_dead(&of(child.id())));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(is_dead(&of(child.id())));
        assert!(is_dead(&of(process::id())), "it had this number before us");
        assert!(!is_dead(&Holder { place: Some("elsewhere".to_owned()), ..of(child.id()) }));
        assert!(!is_dead(&Holder { place: None, ..of(child.id()) }));
    }
}
