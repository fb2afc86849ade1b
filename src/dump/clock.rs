//! Moments of the monotonic clock as those of the one on the wall.

use std::time::{Duration, Instant};

/// The time at which a text is made.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// The monotonic clock.
    pub now: Instant,
    /// The clock on the wall, since 1970.
    pub shown: Duration,
    /// A moment in seconds since 1970 as date and time of day of this machine's time zone, `Wed Nov 25 20:08:46 2026`.
    pub civil: fn(u64) -> String,
}

impl Clock {
    /// Since 1970.
    pub(super) fn at(&self, then: Instant) -> Duration {
        match then.checked_duration_since(self.now) {
            Some(ahead) => self.shown + ahead,
            None => self.shown.saturating_sub(self.now - then),
        }
    }

    /// `1795637326.850213`.
    pub(super) fn seconds(&self, then: Instant) -> String {
        let at = self.at(then);
        format!("{}.{:06}", at.as_secs(), at.subsec_micros())
    }

    /// `1795637326.850213 (Wed Nov 25 20:08:46.850213 2026)`.
    pub(super) fn show(&self, then: Instant) -> String {
        let at = self.at(then);
        let civil = (self.civil)(at.as_secs());
        let micros = at.subsec_micros();
        let civil = match civil.rsplit_once(' ') {
            Some((time, year)) => format!("{time}.{micros:06} {year}"),
            None => civil,
        };
        format!("{} ({civil})", self.seconds(then))
    }
}
