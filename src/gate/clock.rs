//! By how much the host's clock is ahead of Kinto's. Pyramid believes tickets from the future, so a clock that is ahead
//! makes tickets that are good for longer.

use std::cell::Cell;

const DAY: u64 = 86_400;

/// The difference of the two clocks, measured now and then.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    is_due: Cell<bool>,
    ahead: Cell<Option<u64>>,
}

impl Clock {
    /// Whether the next answer of Kinto should be looked at.
    pub(crate) fn is_due(&self) -> bool {
        self.is_due.get()
    }

    /// Takes the `Date` of an answer of Kinto that has come at the time `now`, in seconds since 1970. A text that is not
    /// a date (RFC 9110 section 5.6.7) is passed over.
    pub(crate) fn compare(&self, date: &[u8], now: u64) {
        self.is_due.set(false);
        self.ahead.set(seconds_of_day(date).map(|theirs| {
            // The clocks differ by less than half a day.
            let difference = (now % DAY).saturating_add(DAY).saturating_sub(theirs) % DAY;
            if difference < DAY / 2 { difference } else { 0 }
        }));
    }

    /// Returns the seconds by which the host's clock is ahead, 0 if it is not, and asks for the next comparison. `None`
    /// if nothing was compared since the last call.
    pub(crate) fn take(&self) -> Option<u64> {
        self.is_due.set(true);
        self.ahead.take()
    }
}

/// The seconds since midnight in a text such as `Sun, 06 Nov 1994 08:49:37 GMT`.
fn seconds_of_day(date: &[u8]) -> Option<u64> {
    let time = std::str::from_utf8(date).ok()?.strip_suffix(" GMT")?.rsplit(' ').next()?;
    let mut seconds = 0_u64;
    for (part, limit) in time.splitn(3, ':').zip([24, 60, 61]) {
        let part = part.parse().ok().filter(|part| *part < limit)?;
        seconds = seconds.checked_mul(60)?.checked_add(part)?;
    }
    Some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_of_two_clocks() {
        // 2027-01-15T08:00:00Z
        let now = 1_800_000_000;
        for (date, ahead) in [
            ("Fri, 15 Jan 2027 08:00:00 GMT", Some(0)),
            ("Fri, 15 Jan 2027 07:59:58 GMT", Some(2)),
            ("Fri, 15 Jan 2027 07:00:00 GMT", Some(3600)),
            ("Fri, 15 Jan 2027 08:00:03 GMT", Some(0)),
            ("Fri, 15 Jan 2027 23:00:00 GMT", Some(9 * 3600)),
            ("Fri, 15 Jan 2027 08:00:00 CET", None),
            ("Fri, 15 Jan 2027 24:00:00 GMT", None),
            ("Fri, 15 Jan 2027 08:60:00 GMT", None),
            ("now", None),
            ("", None),
        ] {
            let clock = Clock::default();
            assert!(!clock.is_due());
            assert_eq!(clock.take(), None);
            assert!(clock.is_due());
            clock.compare(date.as_bytes(), now);
            assert!(!clock.is_due());
            assert_eq!((clock.take(), clock.take()), (ahead, None), "{date}");
        }
        let clock = Clock::default();
        clock.compare(b"Thu, 14 Jan 2027 23:59:59 GMT", now - 8 * 3600 + 1);
        assert_eq!(clock.take(), Some(2), "over midnight");
    }
}
