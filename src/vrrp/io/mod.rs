//! The VRRP thread: its sockets, its timers, and the addresses that its masters hold.

mod router;
mod sockets;
mod thread;

pub use thread::{Command, Handle, Leftover, StartError, leftovers, preflight, start};
