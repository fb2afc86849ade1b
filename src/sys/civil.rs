//! Dates and times of day, of this machine's time zone or of UTC.

use std::mem::MaybeUninit;

/// A date and a time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i32,
    /// 1 to 12.
    pub(crate) month: i32,
    /// 1 to 31. One that is too large counts into the next month.
    pub(crate) day: i32,
    pub(crate) hour: i32,
    pub(crate) minute: i32,
    pub(crate) second: i32,
}

impl Civil {
    /// What the clock on the wall shows at a moment in seconds since 1970, as the time zone has it or with `utc`.
    #[allow(unsafe_code)]
    pub(crate) fn at(moment: i64, utc: bool) -> Option<Self> {
        let mut shown = MaybeUninit::<libc::tm>::uninit();
        // SAFETY: both functions read the moment, write a whole `tm` to where they are told, and return that place, or null and
        // nothing is known of it. They read the environment, which no thread of ours changes.
        let shown = unsafe {
            let written = match utc {
                true => libc::gmtime_r(&raw const moment, shown.as_mut_ptr()),
                false => libc::localtime_r(&raw const moment, shown.as_mut_ptr()),
            };
            if written.is_null() {
                return None;
            }
            shown.assume_init()
        };
        Some(Self {
            year: shown.tm_year.checked_add(1900)?,
            month: shown.tm_mon + 1,
            day: shown.tm_mday,
            hour: shown.tm_hour,
            minute: shown.tm_min,
            second: shown.tm_sec,
        })
    }

    /// The moment, in seconds since 1970. A time that a change to summer time leaves out is one that is an hour away.
    #[allow(unsafe_code)]
    pub(crate) fn moment(self, utc: bool) -> Option<i64> {
        // SAFETY: a `tm` of zeros is one; its pointer to the name of a zone may be null.
        let mut shown: libc::tm = unsafe { MaybeUninit::zeroed().assume_init() };
        shown.tm_year = self.year.checked_sub(1900)?;
        shown.tm_mon = self.month - 1;
        shown.tm_mday = self.day;
        shown.tm_hour = self.hour;
        shown.tm_min = self.minute;
        shown.tm_sec = self.second;
        shown.tm_isdst = -1;
        // SAFETY: both read and write the `tm` that is given, and read the environment, which no thread of ours changes.
        let moment = unsafe {
            match utc {
                true => libc::timegm(&raw mut shown),
                false => libc::mktime(&raw mut shown),
            }
        };
        (moment != -1).then_some(moment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_the_moment() {
        let moment = 1_795_768_953;
        for utc in [true, false] {
            assert_eq!(Civil::at(moment, utc).and_then(|shown| shown.moment(utc)), Some(moment));
        }
        let shown = Civil { year: 2026, month: 11, day: 27, hour: 8, minute: 42, second: 33 };
        assert_eq!(Civil::at(moment, true), Some(shown));
        let next_year = Civil { month: 12, day: 32, ..shown }.moment(true);
        let new_year = next_year.and_then(|moment| Civil::at(moment, true));
        assert_eq!(new_year, Some(Civil { year: 2027, month: 1, day: 1, ..shown }));
    }
}
