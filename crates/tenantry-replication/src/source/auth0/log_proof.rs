//! Proof that nothing expired between two pages of the log.
//!
//! A page begins with the first event behind a position that is still kept. That it is the first there ever was shows only afterwards: the
//! tenant still keeps an event at or before that position, so that at every moment until then everything behind it was kept too. To ask
//! costs a request or two, so it is asked at the pages 2, 4, 8 and so on and at the end, as long as positions are so old that they may expire at all. What is
//! not proven yet stays in the checkpoint. Sends nothing.

use super::log_id;
use crate::clock::{MICROS_PER_SECOND, Micros};

/// No plan keeps events for less than a day: a younger position cannot have been outlived. Less an hour for clocks.
pub(super) const KEPT_ALWAYS: Micros = 23 * 3600 * MICROS_PER_SECOND;

/// Up to where a read of the log is known to be without a hole.
#[derive(Debug, Default)]
pub(super) struct Proof {
    until: Option<String>,
}

impl Proof {
    /// The position up to which nothing is missing; `None` before the first page.
    pub(super) fn until(&self) -> Option<&str> {
        self.until.as_deref()
    }

    /// Whether the event at a position may have expired. A position that tells no time may.
    pub(super) fn may_expire(position: &str, now: Micros) -> bool {
        log_id::time_of(position).is_none_or(|time| now - time >= KEPT_ALWAYS)
    }

    /// Whether the oldest event has to be asked for now that the read stands at `position` after so many pages. Where it need not be, the
    /// proof moves there by itself.
    pub(super) fn asks(&mut self, position: &str, pages: u64, ended: bool, now: Micros) -> bool {
        let Some(until) = &self.until else {
            // A read begins with what is kept when its first page is answered: what is before that is not its own.
            self.until = Some(position.to_owned());
            return false;
        };
        if !Self::may_expire(until, now) {
            self.until = Some(position.to_owned());
            return false;
        }
        ended || pages.is_power_of_two() || !Self::may_expire(position, now)
    }

    /// Whether an event that is kept now shows that nothing is missing behind a position: it stands there, or before.
    pub(super) fn shown_by(kept: Option<&str>, until: &str) -> bool {
        kept.is_some_and(|kept| !log_id::is_after(kept, until))
    }

    /// Moves the proof to `position`. Where it did not hold until now, gives the position behind which events may be missing up to
    /// `oldest`; what is behind that is whole again, even where the read does not stand there yet.
    pub(super) fn take(&mut self, position: &str, oldest: Option<&str>, is_whole: bool) -> Option<String> {
        let lost = self.until.take().filter(|_| !is_whole);
        let further = oldest.filter(|oldest| lost.is_some() && log_id::is_after(oldest, position));
        self.until = Some(further.unwrap_or(position).to_owned());
        lost
    }
}
