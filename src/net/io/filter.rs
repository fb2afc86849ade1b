//! What of the kernel's notifications reaches us at all: a routing daemon's thousands of routes would fill the queue in
//! which the loss of an address is told. A program for the kernel's packet filter (`SO_ATTACH_FILTER`).

use socket2::SockFilter;

use crate::net::object::PROTOCOL;
use crate::net::rtnetlink::{DAEMONS, RTM_DELROUTE, RTM_NEWROUTE};
use crate::sys::filter::{IF_EQUAL, IF_SET, LOAD_BYTE, LOAD_HALF, leave, step, take};
use crate::sys::netlink::REPLACE;

/// Offsets in a message: type, flags, family of the route, its protocol.
const KIND: u32 = 4;
const FLAGS: u32 = 6;
const FAMILY: u32 = 16;
const ROUTE_PROTOCOL: u32 = 21;

/// Everything but routes that `rtnetlink::read` passes over.
pub(super) fn program() -> Vec<SockFilter> {
    // The filter loads in network order what is in that of the host.
    let half = |value: u16| u32::from(u16::from_be_bytes(value.to_ne_bytes()));
    let mut program = vec![
        step(LOAD_HALF, KIND, 0, 0),
        step(IF_EQUAL, half(RTM_NEWROUTE), 2, 0),
        step(IF_EQUAL, half(RTM_DELROUTE), 1, 0),
        take(),
        step(LOAD_BYTE, FAMILY, 0, 0),
        step(IF_EQUAL, libc::AF_INET as u32, 0, 6),
        // IPv4: ours, and what may have replaced ours.
        step(LOAD_BYTE, ROUTE_PROTOCOL, 0, 0),
        step(IF_EQUAL, PROTOCOL.into(), 2, 0),
        step(LOAD_HALF, FLAGS, 0, 0),
        step(IF_SET, half(REPLACE), 0, 1),
        take(),
        leave(),
        // IPv6: all but those of routing daemons.
        step(LOAD_BYTE, ROUTE_PROTOCOL, 0, 0),
    ];
    for protocol in DAEMONS {
        program.extend([step(IF_EQUAL, protocol.into(), 0, 1), leave()]);
    }
    program.push(take());
    program
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;
    use socket2::SockRef;

    #[test]
    fn what_may_concern_us_is_heard_and_the_rest_is_not() {
        let (sender, receiver) = UnixDatagram::pair().unwrap();
        receiver.set_nonblocking(true).unwrap();
        SockRef::from(&receiver).attach_filter(&program()).unwrap();
        let heard = |kind: u16, flags: u16, family: i32, protocol: u8| {
            let mut message = vec![0; 28];
            message[4..6].copy_from_slice(&kind.to_ne_bytes());
            message[6..8].copy_from_slice(&flags.to_ne_bytes());
            message[16] = family as u8;
            message[21] = protocol;
            // A Unix socket says that a filter took a datagram away.
            let _ = sender.send(&message);
            receiver.recv(&mut [0; 64]).is_ok()
        };
        assert!(heard(16, 0, 0, 186), "a link");
        assert!(heard(20, 0, libc::AF_INET, 186), "an address");
        assert!(heard(32, 0, libc::AF_INET, 186), "a rule");
        for kind in [RTM_NEWROUTE, RTM_DELROUTE] {
            assert!(heard(kind, 0, libc::AF_INET, PROTOCOL));
            assert!(!heard(kind, 0, libc::AF_INET, 4));
            assert!(heard(kind, REPLACE, libc::AF_INET, 4));
            assert!(heard(kind, 0, libc::AF_INET6, 4));
            assert!(heard(kind, 0, libc::AF_INET6, PROTOCOL));
            assert!(DAEMONS.iter().all(|protocol| !heard(kind, 0, libc::AF_INET6, *protocol)));
        }
    }
}
