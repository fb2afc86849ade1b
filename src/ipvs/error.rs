//! The kernel's errors in an administrator's words.

use std::io;

use crate::report::{errno_text, plain};

use super::diff::Operation;

/// An operation that the kernel refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("IPVS: {operation}: {}", explain(.operation, *.errno))]
pub struct Refused {
    /// What was asked.
    pub operation: Operation,
    /// The kernel's answer.
    pub errno: i32,
}

/// What `errno` means for `operation`, as `ip_vs_ctl.c` uses it.
fn explain(operation: &Operation, errno: i32) -> String {
    use Operation::{
        DeleteDestination, DeleteService, NewDestination, NewService, SetDestination, SetService,
    };
    let text = match (errno, operation) {
        (libc::EEXIST, NewService(..)) => "the service exists already",
        (libc::EEXIST, NewDestination(..)) => "the destination exists already",
        (libc::ENOENT, NewService(_, settings) | SetService(_, settings)) => {
            return match &settings.engine {
                Some(engine) => format!(
                    "the kernel has no scheduler {} or no persistence engine {engine}: `modprobe ip_vs_{}`",
                    settings.scheduler, settings.scheduler
                ),
                None => format!(
                    "the kernel has no scheduler {}: `modprobe ip_vs_{}`",
                    settings.scheduler, settings.scheduler
                ),
            };
        }
        (libc::ENOENT, SetDestination(..) | DeleteDestination(..)) => "no such destination",
        (libc::ESRCH, SetService(..) | DeleteService(..)) => "no such service",
        (libc::ESRCH, NewDestination(..) | SetDestination(..) | DeleteDestination(..)) => {
            "its service does not exist"
        }
        (libc::EPERM, _) => "not permitted: directord needs CAP_NET_ADMIN",
        (libc::EINVAL, NewDestination(..) | SetDestination(..)) => {
            "the kernel refuses it: the address is not unicast, or of another family without a tunnel"
        }
        (libc::EINVAL, _) => "the kernel refuses the values",
        (libc::ERANGE, _) => "weight or thresholds are out of the kernel's range",
        (libc::EOPNOTSUPP, _) => "not supported with IPv6",
        (libc::EAFNOSUPPORT, _) => "the kernel's IPVS has no IPv6",
        (libc::ENOMEM, _) => "the kernel is out of memory",
        _ => return errno_text(errno),
    };
    text.to_owned()
}

/// Why the table cannot be reached at all.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// The module is neither loaded nor loadable.
    #[error(
        "this kernel has no IPVS: `modprobe ip_vs` must succeed (package of the kernel's modules, or CONFIG_IP_VS)"
    )]
    NoModule,
    /// The process lacks the capability.
    #[error(
        "not permitted to read the IPVS table; directord needs CAP_NET_ADMIN: start it as root or through its systemd unit"
    )]
    NotPermitted,
    /// Anything else.
    #[error("cannot reach IPVS: {}", plain(.0))]
    Other(io::Error),
}

impl From<io::Error> for Unavailable {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::ENOENT) => Self::NoModule,
            Some(libc::EPERM | libc::EACCES) => Self::NotPermitted,
            _ => Self::Other(error),
        }
    }
}
