//! How far a run is, on stderr: lines that are redrawn on a terminal, one plain line for each finished stream elsewhere.
//!
//! Only shows; a slow or closed stderr never holds up a run for longer than one write.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tenantry_replication::clock::Clock;
use tenantry_replication::sync::{Event, Observer, Outcome};

use super::{BAD, FAINT, GOOD, WARNING, paint, text};

/// Time between two drawings on a terminal.
const REDRAW_EVERY: Duration = Duration::from_millis(100);
/// Time after which a plain log says that a long stream is still being read.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(30);

/// Shows the events of one run.
pub(crate) struct Progress {
    clock: Arc<dyn Clock>,
    redraw: bool,
    shown: Mutex<Shown>,
}

/// What stands on the terminal.
#[derive(Default)]
struct Shown {
    /// Streams under way, with records and requests so far.
    active: BTreeMap<&'static str, (u64, u64)>,
    /// Lines below the last permanent one, to be drawn over.
    volatile_lines: usize,
    /// Whether there was any event.
    heard: bool,
    /// When something was last written.
    written_at: Duration,
}

impl Progress {
    /// Shows on stderr, redrawing where `redraw` says that it can be.
    pub(crate) fn new(clock: Arc<dyn Clock>, redraw: bool) -> Self {
        let shown = Shown { written_at: clock.monotonic(), ..Shown::default() };
        Self { clock, redraw, shown: Mutex::new(shown) }
    }

    /// Whether nothing has happened yet.
    pub(crate) fn is_silent(&self) -> bool {
        !self.lock().heard
    }

    /// Takes back what was only of interest during the run.
    pub(crate) fn clear(&self) {
        let mut shown = self.lock();
        shown.active.clear();
        let erase = shown.erase();
        write(&erase);
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn finished(&self, shown: &mut Shown, stream: &'static str, outcome: Outcome) {
        let (records, requests) = shown.active.remove(stream).unwrap_or_default();
        if outcome == Outcome::Frozen {
            return;
        }
        let line = finished_line(stream, outcome, records, requests);
        let below = if self.redraw { shown.draw() } else { String::new() };
        shown.written_at = self.clock.monotonic();
        write(&format!("{}{line}\n{below}", shown.erase_before(&below)));
    }

    fn going_on(&self, shown: &mut Shown) {
        let now = self.clock.monotonic();
        let every = if self.redraw { REDRAW_EVERY } else { HEARTBEAT_EVERY };
        if now.saturating_sub(shown.written_at) < every {
            return;
        }
        shown.written_at = now;
        let drawn = shown.draw();
        write(&if self.redraw { format!("{}{drawn}", shown.erase_before(&drawn)) } else { drawn });
    }
}

impl Observer for Progress {
    fn event(&self, event: &Event) {
        let mut shown = self.lock();
        shown.heard = true;
        match *event {
            Event::Started { stream } => {
                shown.active.insert(stream, (0, 0));
                self.going_on(&mut shown);
            }
            Event::Progress { stream, records, requests } => {
                shown.active.insert(stream, (records, requests));
                self.going_on(&mut shown);
            }
            Event::Finished { stream, outcome } => self.finished(&mut shown, stream, outcome),
        }
    }
}

impl Shown {
    /// The streams under way, a line each.
    fn draw(&self) -> String {
        let line = |(stream, (records, requests)): (&&str, &(u64, u64))| {
            format!("{} {stream:<28} {}\n", paint(FAINT, "…"), amounts(*records, *requests))
        };
        self.active.iter().map(line).collect()
    }

    /// Moves to the first of the volatile lines and clears from there; remembers that `next` will stand there.
    fn erase_before(&mut self, next: &str) -> String {
        let erase = self.erase();
        self.volatile_lines = next.lines().count();
        erase
    }

    fn erase(&mut self) -> String {
        match std::mem::take(&mut self.volatile_lines) {
            0 => String::new(),
            lines => format!("\u{1b}[{lines}A\u{1b}[J"),
        }
    }
}

fn finished_line(stream: &str, outcome: Outcome, records: u64, requests: u64) -> String {
    let (style, word) = match outcome {
        Outcome::Done | Outcome::Frozen => (GOOD, "done"),
        Outcome::Skipped => (WARNING, "skipped"),
        Outcome::Failed => (BAD, "failed"),
        Outcome::Stopped => (BAD, "stopped"),
    };
    let padding = " ".repeat("skipped".len() - word.len());
    format!("{}{padding} {stream:<28} {}", paint(style, word), amounts(records, requests))
}

fn amounts(records: u64, requests: u64) -> String {
    format!("{:>10} in {}", text::counted(records, "record"), text::counted(requests, "request"))
}

/// A stderr that is gone is nobody's problem.
fn write(text: &str) {
    let mut err = anstream::stderr().lock();
    drop(err.write_all(text.as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finished_stream_is_one_line() {
        let line = finished_line("people", Outcome::Skipped, 0, 1);
        assert_eq!(
            anstream::adapter::strip_str(&line).to_string(),
            "skipped people                        0 records in 1 request"
        );
    }

    #[test]
    fn lines_under_way_are_drawn_over() {
        let mut shown = Shown::default();
        shown.active.insert("people", (1500, 15));
        let drawn = shown.draw();
        assert_eq!(shown.erase_before(&drawn), "");
        assert_eq!(shown.erase_before(""), "\u{1b}[1A\u{1b}[J");
        assert_eq!(shown.erase(), "");
    }
}
