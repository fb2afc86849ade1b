//! What there is to tell of the connection synchronisation.

use std::fmt;

use crate::report::{Level, errno_text};

use super::{Operation, RETRY, Role, Running, Settings};

/// One thing worth a line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Event {
    /// It runs as it is wanted.
    Started { role: Role, settings: Settings },
    /// It is wanted no more, and has gone.
    Stopped { role: Role },
    /// Another program did something; it is set back.
    SetBack(Found),
    /// It did not succeed.
    Refused { operation: Operation, why: String },
    /// The kernel's IPVS cannot be reached.
    Unavailable { why: String },
    /// It can be reached now.
    Available,
}

/// What another program did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A daemon that is wanted does not run.
    Stopped(Role),
    /// It runs in another way.
    Otherwise(Role, Running),
    /// One runs that is not wanted.
    Started(Role),
}

impl Event {
    /// How loud it is.
    pub fn level(&self) -> Level {
        match self {
            Self::Started { .. } | Self::Stopped { .. } | Self::Available => Level::Info,
            Self::SetBack(_) => Level::Warning,
            Self::Refused { .. } | Self::Unavailable { .. } => Level::Error,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IPVS sync daemon: ")?;
        match self {
            Self::Started { role, settings } => write!(f, "{role} on {settings}"),
            Self::Stopped { role } => write!(f, "{role} stopped"),
            Self::SetBack(Found::Stopped(role)) => {
                write!(f, "another program stopped the {role}, started again")
            }
            Self::SetBack(Found::Otherwise(role, running)) => {
                write!(f, "another program has the {role} on {running}, set back")
            }
            Self::SetBack(Found::Started(role)) => write!(f, "another program started the {role}, stopped"),
            Self::Refused { operation, why } => {
                write!(f, "{operation}: {why}; tried again every {} s", RETRY.as_secs())
            }
            Self::Unavailable { why } => {
                write!(f, "connections are not synchronised: {why}; tried again every {} s", RETRY.as_secs())
            }
            Self::Available => write!(f, "IPVS is available"),
        }
    }
}

/// What an errno means for an operation, as `ip_vs_sync.c` uses it.
pub(super) fn explain(operation: &Operation, errno: i32) -> String {
    match (errno, operation) {
        (libc::ENODEV, Operation::Start(_, settings)) => {
            format!("interface {} does not exist", settings.interface)
        }
        (libc::EADDRNOTAVAIL, Operation::Start(_, settings)) => {
            format!("interface {} has no address of the group's family: give it one", settings.interface)
        }
        (libc::EEXIST, _) => "one runs already".to_owned(),
        (libc::EPERM, _) => "not permitted: directord needs CAP_NET_ADMIN".to_owned(),
        (libc::EINVAL, _) => {
            "the kernel refuses it: a value, or real servers of another family than their virtual server, which the \
             protocol does not know"
                .to_owned()
        }
        (libc::ENOMEM, _) => "the kernel is out of memory".to_owned(),
        _ => errno_text(errno),
    }
}
