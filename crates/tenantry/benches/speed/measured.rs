//! What a process takes: seconds by the clock, CPU seconds of all its threads, and its peak of resident memory, by the kernel's account.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use rustix::time::{ClockId, clock_gettime};

/// How often the peak of memory is looked at; the kernel keeps it until the process ends.
const LOOK: Duration = Duration::from_millis(5);
/// The kernel counts CPU time of a process in hundredths of a second.
const TICKS: f64 = 100.0;

/// What a process took, and what it wrote to its standard output.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cost {
    pub(crate) wall: f64,
    pub(crate) cpu: f64,
    pub(crate) peak_mb: f64,
    pub(crate) out: String,
}

/// Runs a command to its end, which must be a good one.
pub(crate) fn run(command: &mut Command) -> Cost {
    let begun = now(ClockId::Monotonic);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_child(&child);
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let out = thread::spawn(move || std::io::read_to_string(&mut out).unwrap_or_default());
    let err = thread::spawn(move || std::io::read_to_string(&mut err).unwrap_or_default());
    let mut peak = 0;
    // The process stays a zombie, whose times can still be read.
    while waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG)
        .unwrap()
        .is_none()
    {
        peak = peak.max(peak_kb(&format!("/proc/{}/status", child.id())));
        thread::sleep(LOOK);
    }
    let wall = now(ClockId::Monotonic) - begun;
    let cpu = cpu_of(&fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap());
    let status = child.wait().unwrap();
    let (out, err) = (out.join().unwrap(), err.join().unwrap());
    assert!(status.success(), "{command:?} ended with {status}: {err}{out}");
    Cost { wall, cpu, peak_mb: peak as f64 / 1024.0, out }
}

/// The middle one by CPU of several runs.
pub(crate) fn median(runs: usize, mut run: impl FnMut() -> Cost) -> Cost {
    let mut costs: Vec<Cost> = (0..runs.max(1)).map(|_| run()).collect();
    costs.sort_by(|a, b| a.cpu.total_cmp(&b.cpu));
    costs.swap_remove(costs.len() / 2)
}

/// This bench again as a process of its own that does one part.
pub(crate) fn part(name: &str, arguments: &[&str]) -> Cost {
    run(Command::new(std::env::current_exe().unwrap()).arg("part").arg(name).args(arguments))
}

/// CPU seconds that `work` took of this process, all threads.
pub(crate) fn cpu_seconds(work: impl FnOnce()) -> f64 {
    let begun = now(ClockId::ProcessCPUTime);
    work();
    now(ClockId::ProcessCPUTime) - begun
}

pub(crate) fn now(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

pub(crate) fn megabytes(path: &Path) -> f64 {
    fs::metadata(path).map_or(0.0, |file| file.len() as f64 / 1e6)
}

fn peak_kb(path: &str) -> u64 {
    let status = fs::read_to_string(path).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// User and system time, behind the process's name in brackets.
fn cpu_of(stat: &str) -> f64 {
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / TICKS
}
