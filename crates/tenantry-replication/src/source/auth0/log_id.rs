//! Positions in the log: ids that carry a time, and ids made from one.
//!
//! An id is `900`, then `YYYYMMDDHHMMSS`, then 39 digits. That is observed, not promised: what does not look so gives no time, and the
//! server judges what we make.

use super::calendar;
use crate::clock::Micros;

/// Digits of an id.
const LENGTH: usize = 56;
/// Digits before the time.
const PREFIX_LENGTH: usize = 3;
/// Digits of the time.
const TIME_LENGTH: usize = 14;
/// What ids begin with, as far as is known.
pub(super) const PREFIX: &str = "900";

/// The time that an id carries, to the second.
pub(super) fn time_of(id: &str) -> Option<Micros> {
    if id.len() != LENGTH || !id.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    calendar::parse_compact(&id[PREFIX_LENGTH..PREFIX_LENGTH + TIME_LENGTH])
}

/// What an id begins with.
pub(super) fn prefix_of(id: &str) -> Option<&str> {
    time_of(id).map(|_| &id[..PREFIX_LENGTH])
}

/// The position before every event of a second or later.
pub(super) fn at(prefix: &str, time: Micros) -> String {
    format!("{prefix}{}{}", calendar::compact(time), "0".repeat(LENGTH - PREFIX_LENGTH - TIME_LENGTH))
}

/// Order of the log. Ids of other lengths do not occur in one tenant; numbers compare by length first.
pub(super) fn rank(id: &str) -> (usize, &str) {
    (id.len(), id)
}

/// Whether an id comes behind another in the log.
pub(super) fn is_after(id: &str, other: &str) -> bool {
    rank(id) > rank(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_carry_times() {
        let id = "90020230125174906292999107184141827692878358823194067042";
        let time = time_of(id).unwrap();
        assert_eq!(calendar::iso_millis(time), "2023-01-25T17:49:06.000Z");
        assert_eq!(prefix_of(id), Some("900"));
        assert_eq!(at(PREFIX, time).len(), LENGTH);
        assert!(is_after(id, &at(PREFIX, time)) && !is_after(id, &at(PREFIX, time + 1_000_000)));
        assert!(!is_after(id, id));
    }

    #[test]
    fn what_is_no_such_id_has_no_time() {
        let id = "90020230125174906292999107184141827692878358823194067042";
        for wrong in [
            "",
            "900",
            &id[1..],
            &id.replace("9002023", "9009999x"),
            &id.replace("0125", "1325"),
            &"é".repeat(28),
        ] {
            assert_eq!(time_of(wrong), None, "{wrong}");
        }
    }
}
