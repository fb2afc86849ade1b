//! What the tracked objects have to tell: the lines of the log.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::report::{Again, Level};
use crate::script::Ending;

use super::Standing;

/// One thing worth a line about a tracked object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Event {
    /// A script ends in another way than the last time.
    Returns(Ending),
    /// A script amounts to something else.
    Turned {
        /// To this.
        standing: Standing,
        /// By this run.
        ending: Ending,
    },
    /// The number of tracked processes amounts to something else.
    Quorum {
        /// It is as it ought to be.
        gained: bool,
        /// It is the first time that they were counted.
        first: bool,
        /// How many run.
        running: usize,
        /// `quorum`: at least so many are expected.
        quorum: u16,
        /// `quorum_max`: at most so many are.
        most: Option<u16>,
    },
    /// A run is due, and the last one has not ended.
    StillRuns {
        /// For so long.
        running: Duration,
        /// Lines of the same kind that were not said since the last one.
        suppressed: u64,
    },
}

impl Event {
    /// How loud it is.
    pub fn level(&self) -> Level {
        match self {
            Self::Returns(_)
            | Self::Turned { standing: Standing::Up | Standing::Pending, .. }
            | Self::Quorum { gained: true, .. } => Level::Info,
            Self::Turned { standing: Standing::Down, .. }
            | Self::Quorum { gained: false, .. }
            | Self::StillRuns { .. } => Level::Warning,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Returns(ending) => write!(f, "now returning: {ending}"),
            Self::Turned { standing: Standing::Up, .. } => f.write_str("succeeded"),
            Self::Turned { ending: Ending::TimedOut, .. } => f.write_str("timed out"),
            Self::Turned { ending, .. } => write!(f, "failed ({ending})"),
            Self::Quorum { gained, first, running, quorum, most } => {
                let turned = match (gained, first) {
                    (true, _) => "gained",
                    (false, true) => "not there",
                    (false, false) => "lost",
                };
                write!(f, "{turned}: {running} run, ")?;
                match most {
                    None => write!(f, "at least {quorum} expected"),
                    Some(most) if most == quorum => write!(f, "{most} expected"),
                    Some(most) => write!(f, "{quorum} to {most} expected"),
                }
            }
            Self::StillRuns { running, suppressed } => write!(
                f,
                "has been running for {:.1} s and is not run again before it ends: give it a `timeout`, or a longer \
                 `interval`{}",
                running.as_secs_f64(),
                Again(*suppressed)
            ),
        }
    }
}
