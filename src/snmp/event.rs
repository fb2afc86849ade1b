//! What there is to tell of SNMP.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::report::Level;

/// One thing worth a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The master agent took us in.
    Up {
        /// Where it is.
        agent: String,
    },
    /// It is not there, or not any more.
    Down {
        /// Where it is looked for.
        agent: String,
        /// The reason.
        why: String,
    },
    /// It does not ask us for a part of our objects.
    NotRegistered {
        /// What their names begin with.
        subtree: String,
        /// Its answer (RFC 2741 §6.2.16).
        error: u16,
    },
    /// Traps were lost; told of the first one.
    TrapsLost,
}

impl Event {
    /// How loud it is.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::Up { .. } => Level::Info,
            Self::Down { .. } | Self::NotRegistered { .. } | Self::TrapsLost => Level::Warning,
        }
    }

    /// An error of the master agent in words.
    pub(super) fn error(error: u16) -> String {
        let words = match error {
            256 => "it opens none",
            263 => "somebody else, such as a keepalived that runs too, has registered it",
            266 => "it does not understand us",
            267 => "it does not allow it",
            268 => "it cannot do it now",
            other => return format!("error {other}"),
        };
        words.to_owned()
    }

    /// Why it closed a session (§6.2.2).
    pub(super) fn reason(reason: u8) -> &'static str {
        match reason {
            2 => "it closed the session: it did not understand us",
            3 => "it closed the session: our version is not its own",
            4 => "it closed the session: we did not answer in time",
            5 => "it stops",
            6 => "its administrator closed the session",
            _ => "it closed the session",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up { agent } => write!(f, "SNMP: the master agent at {agent} asks us from now on"),
            Self::Down { agent, why } => {
                write!(f, "SNMP: no master agent at {agent}: {why}; it is tried again, all else goes on")
            }
            Self::NotRegistered { subtree, error } => {
                write!(f, "SNMP: objects below {subtree} are not asked of us: {}", Self::error(*error))
            }
            Self::TrapsLost => f.write_str("SNMP: traps are lost, as the master agent does not take them"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let down = Event::Down { agent: "unix:/var/agentx/master".into(), why: Event::reason(5).into() };
        assert_eq!(
            down.to_string(),
            "SNMP: no master agent at unix:/var/agentx/master: it stops; it is tried again, all else goes on"
        );
        let not = Event::NotRegistered { subtree: "1.3".into(), error: 263 };
        assert!(not.to_string().starts_with("SNMP: objects below 1.3 are not asked of us: somebody else"));
    }
}
