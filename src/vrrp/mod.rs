//! VRRP for IPv4, versions 2 (RFC 3768) and 3 (RFC 9568).
//!
//! [`packet`] turns bytes into values and back, [`receive`] decides whether a packet may touch the machine,
//! [`instance`] is the state machine of one virtual router, [`announce`] its schedule of gratuitous ARP.
//! `io/` owns the sockets and the thread.

use std::net::{IpAddr, Ipv4Addr};

pub mod announce;
pub mod event;
pub mod instance;
pub mod io;
pub mod packet;
pub mod receive;
pub mod repeats;

/// The address when it is one of IPv4, as all of a running instance are.
fn only_v4(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}
