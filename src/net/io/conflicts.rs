//! Hears who else says that he has addresses of ours: ARP of one interface, and neighbour advertisements of IPv6.
//!
//! The kernel's packet filter lets nothing pass but what names one of the addresses and is not sent by the interface itself, so
//! that the ARP of a large network costs next to nothing. With more addresses than a program has room for, all announcements
//! pass, and are read here.

use std::collections::BTreeSet;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::os::fd::{AsRawFd as _, RawFd};

use nix::sys::socket::{SockaddrIn6, recvfrom};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};

use crate::net::conflict::{self, ADVERTISEMENT, Conflict, SOLICITATION};
use crate::net::link::Mac;
use crate::sys::filter::{
    FOR_WHOM, IF_EQUAL, IF_KEPT, INTERFACE, KEEP, LOAD_BYTE, LOAD_HALF, LOAD_WORD, OF_NETWORK, leave, step,
    take,
};
use crate::sys::link_frame;

/// The kernel takes up to 32 bytes for each, and has 20 KiB for a program and the one that follows it (`optmem_max`).
const MOST: usize = 250;
/// What is read of a message: neither is longer.
const LARGEST: usize = 128;
const ARP: u16 = 0x0806;

/// A socket that hears of one family on one interface.
#[derive(Debug)]
pub(crate) struct Ear {
    socket: Socket,
    ipv6: bool,
    index: u32,
}

impl Ear {
    /// Opens it. `name`, `index`, `mac`: of the interface; `addresses`: of the family.
    pub(crate) fn open(
        (index, name): (u32, &str),
        mac: Mac,
        ipv6: bool,
        addresses: &BTreeSet<IpAddr>,
    ) -> io::Result<Self> {
        let program = program(mac, ipv6, addresses);
        if !ipv6 {
            let program: Vec<SockFilter> = for_all(index).into_iter().chain(program).collect();
            return Ok(Self { socket: link_frame::frames_of(index, ARP, &program)?, ipv6, index });
        }
        let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
        socket.set_nonblocking(true)?;
        socket.attach_filter(&program)?;
        socket.bind_device(Some(name.as_bytes()))?;
        // What came before is of any interface.
        while socket.recv(&mut []).is_ok() {}
        Ok(Self { socket, ipv6, index })
    }

    /// The addresses, or that of the interface, are others.
    pub(crate) fn listen_for(&self, mac: Mac, addresses: &BTreeSet<IpAddr>) -> io::Result<()> {
        let program = program(mac, self.ipv6, addresses);
        let head = if self.ipv6 { Vec::new() } else { for_all(self.index) };
        self.socket.attach_filter(&head.into_iter().chain(program).collect::<Vec<SockFilter>>())
    }

    /// The same socket once more: it is closed when both are gone.
    pub(crate) fn again(&self) -> io::Result<Self> {
        Ok(Self { socket: self.socket.try_clone()?, ..*self })
    }

    /// The next message; inner `None`: it claims nothing. Error: `WouldBlock` when there is none.
    pub(crate) fn hear(&self) -> io::Result<Option<Conflict>> {
        let mut bytes = [0; LARGEST];
        if !self.ipv6 {
            let length = (&self.socket).read(&mut bytes)?;
            return Ok(bytes.get(..length).and_then(conflict::arp));
        }
        let (length, source) = recvfrom::<SockaddrIn6>(self.socket.as_raw_fd(), &mut bytes)?;
        let message = bytes.get(..length).zip(source);
        Ok(message.and_then(|(message, source)| conflict::neighbour(source.ip(), message)))
    }
}

impl std::os::fd::AsRawFd for Ear {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

fn program(mac: Mac, ipv6: bool, addresses: &BTreeSet<IpAddr>) -> Vec<SockFilter> {
    // Of IPv6 the last word: what else ends like it is told apart when it is read.
    let last_word = |address: &IpAddr| match address {
        IpAddr::V4(address) => address.to_bits(),
        IpAddr::V6(address) => u32::try_from(address.to_bits() & u128::from(u32::MAX)).unwrap_or_default(),
    };
    let words: BTreeSet<u32> = addresses.iter().map(last_word).collect();
    let mut program = if ipv6 { of_neighbours(0, OF_NETWORK) } else { of_arp(mac) };
    if words.len() <= MOST {
        program.extend(words.into_iter().flat_map(|word| [step(IF_EQUAL, word, 0, 1), take()]));
        program.push(leave());
    } else if ipv6 {
        program.push(take());
    } else {
        // Whoever announces an address asks for it himself.
        program.extend([
            step(KEEP, 0, 0, 0),
            step(LOAD_WORD, 38, 0, 0),
            step(IF_KEPT, 0, 0, 1),
            take(),
            leave(),
        ]);
    }
    program
}

/// Leaves what is for one host alone, as the answer of who answers for others to an announcement of ours: it turns no other
/// neighbour. And what has come for a VLAN on top of the interface.
fn for_all(index: u32) -> Vec<SockFilter> {
    vec![
        step(LOAD_BYTE, FOR_WHOM, 0, 0),
        step(IF_EQUAL, libc::PACKET_BROADCAST.into(), 2, 0),
        step(IF_EQUAL, libc::PACKET_MULTICAST.into(), 1, 0),
        leave(),
        step(LOAD_WORD, INTERFACE, 0, 0),
        step(IF_EQUAL, index, 1, 0),
        leave(),
    ]
}

/// Leaves what is no ARP of IPv4, and what the interface sends itself; loads the address of the sender.
fn of_arp(mac: Mac) -> Vec<SockFilter> {
    let [a, b, c, d, e, f] = mac.0;
    vec![
        // The lengths of both addresses.
        step(LOAD_HALF, 18, 0, 0),
        step(IF_EQUAL, 0x0604, 1, 0),
        leave(),
        step(LOAD_WORD, 22, 0, 0),
        step(IF_EQUAL, u32::from_be_bytes([a, b, c, d]), 0, 3),
        step(LOAD_HALF, 26, 0, 0),
        step(IF_EQUAL, u32::from_be_bytes([0, 0, e, f]), 0, 1),
        leave(),
        step(LOAD_WORD, 28, 0, 0),
    ]
}

/// Leaves what has come through a router, what is no advertisement, and solicitations of hosts that have an address; loads
/// the last word of the target. `message`, `ip`: where the two headers begin.
fn of_neighbours(message: u32, ip: u32) -> Vec<SockFilter> {
    let mut program = vec![
        step(LOAD_BYTE, ip + 7, 0, 0),
        step(IF_EQUAL, 255, 1, 0),
        leave(),
        step(LOAD_BYTE, message, 0, 0),
        step(IF_EQUAL, ADVERTISEMENT.into(), 14, 0),
        step(IF_EQUAL, SOLICITATION.into(), 1, 0),
        leave(),
    ];
    for word in [8, 12, 16, 20] {
        program.extend([step(LOAD_WORD, ip + word, 0, 0), step(IF_EQUAL, 0, 1, 0), leave()]);
    }
    program.push(step(LOAD_WORD, message + 20, 0, 0));
    program
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};
    use std::os::unix::net::UnixDatagram;

    use super::*;
    use crate::net::{arp, ndp};
    use socket2::SockRef;

    const OURS: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const THEIRS: [u8; 6] = [2, 0, 0, 0, 0, 2];

    /// Whether a program lets a frame pass.
    fn passes(program: &[SockFilter], frame: &[u8]) -> bool {
        let (sender, receiver) = UnixDatagram::pair().unwrap();
        receiver.set_nonblocking(true).unwrap();
        SockRef::from(&receiver).attach_filter(program).unwrap();
        // A Unix socket says that a filter took a datagram away.
        let _ = sender.send(frame);
        receiver.recv(&mut [0; 128]).is_ok()
    }

    fn v4(number: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(0x0a00_0000 + number)
    }

    #[test]
    fn of_arp_only_what_others_say_of_our_addresses() {
        for count in [1, 3, 250, 251] {
            let ours: BTreeSet<IpAddr> = (1..=count).map(|number| v4(number).into()).collect();
            let program = program(OURS, false, &ours);
            for address in [v4(1), v4(count)] {
                assert!(passes(&program, &arp::gratuitous(address, THEIRS, 1)), "{address} of {count}");
                assert!(!passes(&program, &arp::gratuitous(address, OURS.0, 1)), "our own");
            }
            // Only the last byte of the sender differs from ours, or the first.
            for at in [0, 5] {
                let mut mac = OURS.0;
                mac[at] ^= 0x40;
                assert!(passes(&program, &arp::gratuitous(v4(1), mac, 1)));
            }
            // The many that ask for each other.
            let mut question = arp::gratuitous(v4(5000), THEIRS, 1);
            question[41] = 7;
            assert!(!passes(&program, &question));
            let other = arp::gratuitous(v4(5000), THEIRS, 1);
            assert_eq!(passes(&program, &other), count > 250, "{count}");
            assert!(!passes(&program, &arp::gratuitous(v4(1), THEIRS, 1)[..20]));
        }
    }

    #[test]
    fn of_neighbours_only_what_is_said_of_our_addresses() {
        let address: Ipv6Addr = "2001:db8::240".parse().unwrap();
        let mut program = of_neighbours(54, 14);
        program.extend([step(IF_EQUAL, 0x240, 0, 1), take(), leave()]);
        let frame = ndp::unsolicited(address, THEIRS, false);
        assert!(passes(&program, &frame));
        let changed = |at: usize, byte: u8| {
            let mut frame = frame.clone();
            frame[at] = byte;
            frame
        };
        assert!(!passes(&program, &changed(21, 64)), "through a router");
        assert!(!passes(&program, &changed(54, 134)), "a router");
        assert!(!passes(&program, &changed(77, 0x41)), "another address");
        assert!(!passes(&program, &changed(54, SOLICITATION)), "a neighbour asks");
        let mut looks = changed(54, SOLICITATION);
        looks[22..38].fill(0);
        assert!(passes(&program, &looks), "about to have it");
        for at in [22, 27, 32, 37] {
            let mut asks = looks.clone();
            asks[at] = 1;
            assert!(!passes(&program, &asks), "byte {at} of the sender");
        }
    }
}
