//! How things are told: how loud, how often, and in which words a repetition is counted.
//!
//! Everything that decides hands out events; whoever writes the log, sends mail or counts asks them here.

mod few;
pub(crate) mod io;
mod repeats;

pub(crate) use few::Few;
pub(crate) use repeats::Repeats;

use std::fmt;

use crate::text::reason;

/// How loud an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Wanted when looking for a cause.
    Debug,
    /// The normal course.
    Info,
    /// Somebody should look at it.
    Warning,
    /// Something does not work.
    Error,
}

/// What follows a line of which some were not said: `Again(3)` is ` (3 more since the last such line)`, `Again(0)`
/// is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Again(pub u64);

impl fmt::Display for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            more => write!(f, " ({more} more since the last such line)"),
        }
    }
}

/// What went wrong, as a part of a sentence.
pub(crate) fn plain(error: &std::io::Error) -> String {
    reason(error).to_lowercase()
}

/// The kernel's answer in words.
pub(crate) fn errno_text(errno: i32) -> String {
    plain(&std::io::Error::from_raw_os_error(errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_are_counted_in_one_wording() {
        assert_eq!(Again(0).to_string(), "");
        assert_eq!(Again(3).to_string(), " (3 more since the last such line)");
    }

    #[test]
    fn numbers_of_errors_are_nobodys_business() {
        assert_eq!(errno_text(libc::EINVAL), "invalid argument");
    }
}
