//! Raw sockets of protocol 112, or 51 with an authentication header: for each endpoint one that sends and one that receives.

use std::cell::RefCell;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd as _;

use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrIn6, SockaddrStorage,
    recvmmsg, sendmsg,
};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockAddr, SockFilter, Socket, Type};

use crate::vrrp::ah;
use crate::vrrp::node::Endpoint;
use crate::vrrp::packet::{self, Outgoing, Received};

/// Internet control, for frames and queues on the way out.
const PRIORITY: u32 = 6;
/// A VRRP packet of 255 IPv6 addresses takes 4088 bytes.
const LARGEST: usize = 8192;
/// Packets that one system call takes.
pub(super) const BATCH: usize = 8;
/// BPF_RET | BPF_K: accept 0 bytes.
const RETURN_NOTHING: u16 = 0x06;

/// The sockets of one endpoint.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) sender: Sender,
    pub(super) receiver: Socket,
}

/// Opens them. Joining a group waits for the kernel's configuration lock.
pub(super) fn open(endpoint: &Endpoint) -> io::Result<Pair> {
    let receiver = match endpoint.local {
        IpAddr::V4(local) => receiver_v4(endpoint, local)?,
        IpAddr::V6(local) => receiver_v6(endpoint, local)?,
    };
    Ok(Pair { sender: Sender::open(endpoint)?, receiver })
}

/// Sends whole packets out of one interface.
#[derive(Debug)]
pub(super) struct Sender {
    socket: Socket,
    index: u32,
}

impl Sender {
    fn open(endpoint: &Endpoint) -> io::Result<Self> {
        let socket = raw_socket(endpoint)?;
        match endpoint.local {
            IpAddr::V4(_) => {
                socket.set_header_included_v4(true)?;
                socket.set_multicast_loop_v4(false)?;
                socket.set_multicast_all_v4(false)?;
            }
            IpAddr::V6(_) => {
                socket.set_header_included_v6(true)?;
                socket.set_multicast_loop_v6(false)?;
                socket.set_multicast_all_v6(false)?;
                // The address below that of a virtual router.
                socket.set_freebind_v6(true)?;
            }
        }
        socket.set_priority(PRIORITY)?;
        // It would otherwise collect every packet of the protocol, unread.
        socket.attach_filter(&[SockFilter::new(RETURN_NOTHING, 0, 0, 0)])?;
        Ok(Self { socket, index: endpoint.index })
    }

    pub(super) fn send(&self, packet: &Outgoing) -> io::Result<()> {
        let Some(bytes) = packet.bytes() else { return Err(io::ErrorKind::Unsupported.into()) };
        match (packet.destination, packet.source) {
            (IpAddr::V4(to), _) => {
                let flags = if to.is_multicast() { libc::MSG_DONTROUTE } else { 0 };
                let address = SockAddr::from(SocketAddrV4::new(to, 0));
                self.socket.send_to_with_flags(&bytes, &address, flags).map(drop)
            }
            (IpAddr::V6(to), IpAddr::V6(source)) => self.send_v6(&bytes, to, source),
            (IpAddr::V6(_), IpAddr::V4(_)) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// With the source said beside the packet: the kernel looks for one otherwise, and finds none on the interface of a
    /// virtual router.
    fn send_v6(&self, bytes: &[u8], to: Ipv6Addr, source: Ipv6Addr) -> io::Result<()> {
        let address = SockaddrIn6::from(SocketAddrV6::new(to, 0, 0, self.index));
        let source = libc::in6_addr { s6_addr: source.octets() };
        let info = libc::in6_pktinfo { ipi6_addr: source, ipi6_ifindex: self.index };
        let (bytes, said) = ([IoSlice::new(bytes)], [ControlMessage::Ipv6PacketInfo(&info)]);
        sendmsg(self.socket.as_raw_fd(), &bytes, &said, MsgFlags::empty(), Some(&address))?;
        Ok(())
    }
}

fn receiver_v4(endpoint: &Endpoint, local: Ipv4Addr) -> io::Result<Socket> {
    let socket = raw_socket(endpoint)?;
    socket.set_multicast_all_v4(false)?;
    if local.is_multicast() {
        socket.join_multicast_v4_n(&local, &InterfaceIndexOrAddress::Index(endpoint.index))?;
    } else {
        socket.set_freebind_v4(true)?;
    }
    // Bound to the group or the address, it hears nothing else.
    socket.bind(&SockAddr::from(SocketAddrV4::new(local, 0)))?;
    Ok(socket)
}

fn receiver_v6(endpoint: &Endpoint, local: Ipv6Addr) -> io::Result<Socket> {
    let socket = raw_socket(endpoint)?;
    socket.set_multicast_all_v6(false)?;
    socket.set_recv_hoplimit_v6(true)?;
    if local.is_multicast() {
        socket.join_multicast_v6(&local, endpoint.index)?;
    } else {
        socket.set_freebind_v6(true)?;
    }
    socket.bind(&SockAddr::from(SocketAddrV6::new(local, 0, 0, endpoint.index)))?;
    Ok(socket)
}

/// Where packets land.
struct Landing {
    bytes: Vec<u8>,
    /// For packets of IPv4, which have their source in them.
    headers: MultiHeaders<()>,
}

thread_local! {
    /// One for the thread, as nothing waits while it is in use.
    static LANDING: RefCell<Landing> = RefCell::new(Landing {
        bytes: vec![0; BATCH * LARGEST],
        headers: MultiHeaders::preallocate(BATCH, None),
    });
}

/// What is there, at most [`BATCH`] packets, in one system call; those that are VRRP's are added to `packets`. How many
/// there were.
pub(super) fn receive(socket: &Socket, local: IpAddr, packets: &mut Vec<Received>) -> io::Result<usize> {
    LANDING.with_borrow_mut(|Landing { bytes, headers }| match local {
        IpAddr::V4(_) => receive_v4(socket, bytes, headers, packets),
        IpAddr::V6(_) => receive_v6(socket, local, bytes, packets),
    })
}

/// A place for each packet.
fn parts(bytes: &mut [u8]) -> [[IoSliceMut<'_>; 1]; BATCH] {
    let mut parts = bytes.chunks_exact_mut(LARGEST);
    std::array::from_fn(|_| [IoSliceMut::new(parts.next().unwrap_or_default())])
}

fn receive_v4(
    socket: &Socket,
    bytes: &mut [u8],
    headers: &mut MultiHeaders<()>,
    packets: &mut Vec<Received>,
) -> io::Result<usize> {
    let mut lengths = [0; BATCH];
    let mut parts = parts(bytes);
    let found = recvmmsg(socket.as_raw_fd(), headers, parts.iter_mut(), MsgFlags::MSG_DONTWAIT, None)?;
    let count = found.zip(&mut lengths).map(|(message, length)| *length = message.bytes).count();
    for (length, part) in lengths.iter().take(count).zip(bytes.chunks_exact(LARGEST)) {
        packets.extend(Received::ipv4(part.get(..*length).unwrap_or_default()));
    }
    Ok(count)
}

/// A raw socket of IPv6 gives what follows the header, and tells the rest beside it.
fn receive_v6(
    socket: &Socket,
    local: IpAddr,
    bytes: &mut [u8],
    packets: &mut Vec<Received>,
) -> io::Result<usize> {
    let beside = Some(nix::cmsg_space!(libc::c_int));
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, beside);
    let mut parts = parts(bytes);
    let found = recvmmsg(socket.as_raw_fd(), &mut headers, parts.iter_mut(), MsgFlags::MSG_DONTWAIT, None)?;
    let found: Vec<_> = found.map(|message| (message.bytes, source(&message), hops(&message))).collect();
    for ((length, source, hops), part) in found.iter().zip(bytes.chunks_exact(LARGEST)) {
        packets.push(Received {
            source: source.unwrap_or(Ipv6Addr::UNSPECIFIED).into(),
            destination: local,
            hops: hops.unwrap_or_default(),
            id: None,
            ah: None,
            payload: part.get(..*length).unwrap_or_default().to_vec(),
        });
    }
    Ok(found.len())
}

fn source(message: &RecvMsg<'_, '_, SockaddrStorage>) -> Option<Ipv6Addr> {
    Some(message.address?.as_sockaddr_in6()?.ip())
}

fn hops(message: &RecvMsg<'_, '_, SockaddrStorage>) -> Option<u8> {
    message.cmsgs().ok()?.find_map(|one| match one {
        ControlMessageOwned::Ipv6HopLimit(hops) => u8::try_from(hops).ok(),
        _ => None,
    })
}

fn raw_socket(endpoint: &Endpoint) -> io::Result<Socket> {
    let protocol = if endpoint.ah { ah::PROTOCOL } else { packet::PROTOCOL };
    let protocol = Protocol::from(i32::from(protocol));
    let domain = if endpoint.local.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::RAW, Some(protocol))?;
    socket.set_nonblocking(true)?;
    if let Some(interface) = &endpoint.interface {
        socket.bind_device(Some(interface.as_str().as_bytes()))?;
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, UdpSocket};

    use super::*;

    /// With datagrams that look like packets, since a raw socket needs rights.
    #[test]
    fn places_for_packets_are_used_again_and_again() {
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        receiver.set_nonblocking(true).unwrap();
        let to = receiver.local_addr().unwrap();
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let receiver = Socket::from(receiver);
        let mut packet = [0; 28];
        packet[0] = 0x45;
        packet[3] = 28;
        packet[8] = 255;
        packet[9] = 112;
        packet[12..16].copy_from_slice(&[10, 0, 0, 2]);
        packet[16..20].copy_from_slice(&[224, 0, 0, 18]);
        let group = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18));
        for round in 0..20_u8 {
            packet[21] = round;
            let sent = 1 + usize::from(round) % BATCH;
            for _packet in 0..sent {
                sender.send_to(&packet, to).unwrap();
            }
            let mut packets = Vec::new();
            assert_eq!(receive(&receiver, group, &mut packets).unwrap(), sent, "round {round}");
            let heard: Vec<_> = packets.iter().map(|one| (one.source, one.vrid())).collect();
            assert_eq!(heard, vec![(IpAddr::from([10, 0, 0, 2]), Some(round)); sent]);
            let none = receive(&receiver, group, &mut packets).unwrap_err();
            assert_eq!(none.kind(), io::ErrorKind::WouldBlock);
        }
    }
}
