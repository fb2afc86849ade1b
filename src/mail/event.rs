//! What there is to say of the mail alerts: the lines of the log.

use std::fmt;

use serde::Serialize;

use crate::report::Level;

/// One thing worth a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Event {
    /// No mail goes out; said once until one does.
    Fails {
        /// The reason.
        why: String,
        /// Events that wait for it.
        waiting: usize,
    },
    /// Mails go out again.
    Works {
        /// Tries in vain.
        tries: u32,
    },
    /// The server does not take mail for one of the recipients; said once until it does.
    Refused {
        /// Whom.
        recipient: String,
        /// Its answer.
        why: String,
    },
    /// It takes mail for him again.
    Taken {
        /// Whom.
        recipient: String,
    },
    /// The configuration no longer sends mails, while events waited.
    Off {
        /// How many.
        dropped: usize,
    },
    /// The daemon stopped before everything was sent.
    Left {
        /// Events that nobody was told of.
        left: usize,
    },
}

impl Event {
    /// How loud it is.
    pub fn level(&self) -> Level {
        match self {
            Self::Works { .. } | Self::Taken { .. } => Level::Info,
            Self::Fails { .. } | Self::Refused { .. } | Self::Off { .. } | Self::Left { .. } => {
                Level::Warning
            }
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fails { why, waiting } => {
                let events = if *waiting == 1 { "event waits" } else { "events wait" };
                write!(f, "mail alerts: {why}; {waiting} {events}, tried again")
            }
            Self::Works { tries: 1 } => f.write_str("mail alerts are sent again, after 1 try in vain"),
            Self::Works { tries } => write!(f, "mail alerts are sent again, after {tries} tries in vain"),
            Self::Refused { recipient, why } => {
                write!(f, "mail alerts: no mail for {recipient}: {why}; the others get theirs")
            }
            Self::Taken { recipient } => write!(f, "mail alerts: {recipient} gets mail again"),
            Self::Off { dropped } => {
                write!(
                    f,
                    "mail alerts: {dropped} events waited and are dropped, as no mail is to be sent any more"
                )
            }
            Self::Left { left } => {
                write!(f, "mail alerts: {left} events could not be mailed before the stop")
            }
        }
    }
}
