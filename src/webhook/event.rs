//! What there is to say of a webhook: the lines of the log.

use std::fmt;

use serde::Serialize;

use crate::report::Level;

/// One thing worth a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Event {
    /// Nothing is delivered; said once until something is.
    Fails {
        /// The reason.
        why: String,
        /// Events that wait.
        waiting: usize,
    },
    /// Events are delivered again.
    Works {
        /// Tries in vain.
        tries: u32,
    },
    /// The daemon stopped, or a reload took the webhook away, before everything was delivered.
    Left {
        /// Events that were not.
        left: usize,
    },
}

impl Event {
    /// How loud it is.
    pub fn level(&self) -> Level {
        match self {
            Self::Works { .. } => Level::Info,
            Self::Fails { .. } | Self::Left { .. } => Level::Warning,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events =
            |count: &usize| if *count == 1 { "1 event".to_owned() } else { format!("{count} events") };
        match self {
            Self::Fails { why, waiting } => {
                let waits = if *waiting == 1 { "waits" } else { "wait" };
                write!(f, "{why}; {} {waits}, tried again", events(waiting))
            }
            Self::Works { tries: 1 } => f.write_str("events are delivered again, after 1 try in vain"),
            Self::Works { tries } => write!(f, "events are delivered again, after {tries} tries in vain"),
            Self::Left { left } => write!(f, "{} could not be delivered", events(left)),
        }
    }
}
