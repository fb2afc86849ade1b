//! VRRP for IPv4, versions 2 (RFC 3768) and 3 (RFC 9568).
//!
//! [`packet`] turns bytes into values and back, [`receive`] decides whether a packet may touch the machine,
//! [`instance`] is the state machine of one virtual router, [`announce`] its schedule of gratuitous ARP.
//! `io/` owns the sockets and the thread.

pub mod announce;
pub mod event;
pub mod instance;
pub mod io;
pub mod packet;
pub mod receive;
pub mod repeats;
