//! The kernel's errors in ipvsadm's words.

use crate::ipvs::diff::Operation;
use crate::ipvs::sync;
use crate::text::reason;

/// What was asked when the kernel refused.
#[derive(Debug, Clone, Copy)]
pub enum Asked<'a> {
    /// A change of the table.
    Change(&'a Operation),
    /// Counters from zero.
    Zero,
    /// A daemon.
    Sync(&'a sync::Operation),
    /// A list.
    List,
    /// Anything else.
    Other,
}

/// The sentence for `errno`.
pub fn text(asked: Asked<'_>, errno: i32) -> String {
    use Operation::{
        DeleteDestination, DeleteService, NewDestination, NewService, SetDestination, SetService,
    };
    let text = match (errno, asked) {
        (libc::EEXIST, Asked::Change(NewService(..))) => "Service already exists",
        (libc::ENOENT, Asked::Change(NewService(..) | SetService(..))) => {
            "Scheduler or persistence engine not found"
        }
        (libc::ESRCH, Asked::Change(SetService(..) | DeleteService(..)) | Asked::Zero | Asked::List) => {
            "No such service"
        }
        (libc::ESRCH, Asked::Change(NewDestination(..) | SetDestination(..) | DeleteDestination(..))) => {
            "Service not defined"
        }
        (libc::EEXIST, Asked::Change(NewDestination(..))) => "Destination already exists",
        (libc::ENOENT, Asked::Change(SetDestination(..) | DeleteDestination(..))) => "No such destination",
        (libc::EEXIST, Asked::Sync(sync::Operation::Start(..))) => "Daemon has already run",
        (libc::ESRCH, Asked::Sync(sync::Operation::Stop(_))) => "No daemon is running",
        (libc::EPERM, _) => "Permission denied (you must be root)",
        (libc::EINVAL, _) => "Invalid operation.  Possibly wrong module version, address not unicast, ...",
        (libc::ENOPROTOOPT, _) => "Protocol not available",
        (libc::ENOMEM, _) => "Memory allocation problem",
        (libc::EOPNOTSUPP, _) => "Operation not supported with IPv6",
        (libc::EAFNOSUPPORT, _) => "Operation not supported with specified address family",
        (libc::EMSGSIZE, _) => "Module is wrong version",
        (libc::ETIMEDOUT, Asked::List) => "Timed out: the kernel did not answer",
        (libc::ETIMEDOUT, _) => "Timed out: the kernel did not answer, and may have done it",
        (libc::EINTR, _) => "Interrupted: the table changes faster than it can be read",
        _ => return reason(&std::io::Error::from_raw_os_error(errno)),
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_come_is_called_so() {
        assert!(text(Asked::List, libc::ETIMEDOUT).starts_with("Timed out"));
        assert!(text(Asked::Zero, libc::ETIMEDOUT).contains("may have done it"));
        assert!(text(Asked::List, libc::EINTR).starts_with("Interrupted"));
    }
}
