//! Programs of the administrator: as whom they run, whether they may be run at all, and how they end.
//!
//! Pure: [`account`] chooses the user, [`security`] judges what lies on the way to the file. `io/` looks both up and runs
//! the program. Who has something to run says what and for how long, and is told an [`Ending`].

pub mod account;
pub mod io;
pub mod security;

use std::fmt;

use serde::Serialize;

/// As whom a program runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

impl Identity {
    /// Whether it may do what root may.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.uid == 0 || self.gid == 0
    }

    fn is_member(&self, gid: u32) -> bool {
        self.gid == gid || self.groups.contains(&gid)
    }
}

/// A program that can be run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Program {
    /// Path of the program, and its arguments.
    pub arguments: Vec<String>,
    /// As whom.
    pub identity: Identity,
}

impl Program {
    /// The same with further arguments behind its own.
    #[must_use]
    pub fn with(&self, more: impl IntoIterator<Item = String>) -> Self {
        let mut program = self.clone();
        program.arguments.extend(more);
        program
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Ending {
    /// By itself, with this status.
    Exited(i32),
    /// By a signal that was not ours.
    Signalled(i32),
    /// It ran out of time, and was ended with its whole process group.
    TimedOut,
    /// Nobody wanted it any more, and it was ended with its whole process group.
    Stopped,
    /// It could not be started: why.
    NotStarted(String),
    /// It is no program for this machine, and the shell could not make anything of it, or of what it calls.
    NotExecutable {
        /// That of the shell: 126 or 127.
        status: i32,
    },
}

impl Ending {
    /// Whether it did what it was meant to do.
    #[must_use]
    pub fn is_success(&self) -> bool {
        *self == Self::Exited(0)
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exited with status {status}"),
            Self::Signalled(signal) => write!(f, "was ended by signal {signal}"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Stopped => f.write_str("was stopped"),
            Self::NotExecutable { status } => write!(
                f,
                "could not be executed (status {status} of the shell): it is no program for this machine, and no script \
                 that begins with `#!` and its interpreter"
            ),
            Self::NotStarted(why) => write!(f, "could not be started: {why}"),
        }
    }
}

/// Why a program is not run, or not safely, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trouble {
    /// What is wrong, and with what.
    pub what: String,
    /// Mostly a command.
    pub fix: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; to mend it: {}", self.what, self.fix)
    }
}
