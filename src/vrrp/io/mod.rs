//! The VRRP thread: it reads, feeds the node, and carries its actions out. What may wait for the kernel is done by a
//! second thread beside it.

mod handle;
mod monitor;
mod outward;
mod reports;
mod sockets;
mod thread;
mod worker;

pub(crate) use handle::{Command, Handle, StartError, start};
pub(crate) use reports::log;

/// Enough to run before everything that is not a realtime task.
const REALTIME_PRIORITY: i32 = 1;
