//! What there is to say of notifications: the lines of the log.

use std::fmt;

use serde::Serialize;

use crate::report::Level;
use crate::script::Ending;

/// One thing worth a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Event {
    /// A script did not end well; what it was told of is done with.
    Failed {
        /// Which one.
        path: String,
        /// How it ended.
        ending: Ending,
    },
    /// A script hung and was ended, as something newer was to be told.
    Hung {
        /// Which one.
        path: String,
        /// Runs that are left out for it.
        skipped: usize,
    },
    /// More waits than can be kept.
    Skipped {
        /// Runs that are left out.
        skipped: usize,
    },
}

impl Event {
    /// How loud it is.
    pub fn level(&self) -> Level {
        Level::Warning
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { path, ending } => write!(f, "notify script {path} {ending}"),
            Self::Hung { path, skipped } => {
                write!(f, "notify script {path} hung and was ended, as something newer is to be told")?;
                if *skipped == 0 {
                    Ok(())
                } else {
                    write!(f, "; {skipped} runs before the last state are left out")
                }
            }
            Self::Skipped { skipped } => {
                write!(f, "notify scripts are too slow: {skipped} runs before the last state are left out")
            }
        }
    }
}
