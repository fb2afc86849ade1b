//! Raw sockets of protocol 112: one that sends and one that receives for each interface and way of sending.

use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddrV4};

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockAddr, SockFilter, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::config::model::{Instance, InterfaceName};
use crate::sys::poll;
use crate::vrrp::{only_v4, packet};

/// Internet control, for frames and queues on the way out.
const PRIORITY: u32 = 6;
/// A VRRP packet of 255 addresses takes 1056 bytes.
const LARGEST: usize = 4096;

/// Instances with equal endpoints share their sockets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Endpoint {
    pub(super) index: u32,
    /// The group, or the own address that unicast peers send to.
    pub(super) local: Ipv4Addr,
}

impl Endpoint {
    pub(super) fn of(instance: &Instance, index: u32, source: Ipv4Addr) -> Self {
        Self { index, local: instance.group().and_then(only_v4).unwrap_or(source) }
    }
}

/// Sends whole IPv4 packets out of one interface.
#[derive(Debug)]
pub(super) struct Sender(Socket);

impl Sender {
    pub(super) fn open(interface: &InterfaceName) -> io::Result<Self> {
        let socket = raw_socket(interface)?;
        socket.set_header_included_v4(true)?;
        socket.set_multicast_loop_v4(false)?;
        socket.set_multicast_all_v4(false)?;
        socket.set_priority(PRIORITY)?;
        // It would otherwise collect every packet of the protocol, unread.
        socket.attach_filter(&[SockFilter::new(RETURN_NOTHING, 0, 0, 0)])?;
        Ok(Self(socket))
    }

    pub(super) fn send(&self, destination: Ipv4Addr, packet: &[u8]) -> io::Result<()> {
        let flags = if destination.is_multicast() { libc::MSG_DONTROUTE } else { 0 };
        let address = SockAddr::from(SocketAddrV4::new(destination, 0));
        self.0.send_to_with_flags(packet, &address, flags).map(drop)
    }
}

/// BPF_RET | BPF_K: accept 0 bytes.
const RETURN_NOTHING: u16 = 0x06;

/// Receives what is sent to the endpoint's group or address.
#[derive(Debug)]
pub(super) struct Receiver(AsyncFd<Socket>);

impl Receiver {
    pub(super) fn open(interface: &InterfaceName, endpoint: &Endpoint) -> io::Result<Self> {
        let socket = raw_socket(interface)?;
        socket.set_multicast_all_v4(false)?;
        if endpoint.local.is_multicast() {
            let interface = InterfaceIndexOrAddress::Index(endpoint.index);
            socket.join_multicast_v4_n(&endpoint.local, &interface)?;
        } else {
            socket.set_freebind_v4(true)?;
        }
        // Bound to the group or the address, it hears nothing else.
        socket.bind(&SockAddr::from(SocketAddrV4::new(endpoint.local, 0)))?;
        Ok(Self(poll::register(socket)?))
    }

    /// The next packet, IP header included.
    pub(super) async fn receive(&self) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; LARGEST];
        let length =
            self.0.async_io(Interest::READABLE, |mut socket: &Socket| socket.read(&mut buffer)).await?;
        buffer.truncate(length);
        Ok(buffer)
    }
}

fn raw_socket(interface: &InterfaceName) -> io::Result<Socket> {
    let protocol = Protocol::from(i32::from(packet::PROTOCOL));
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(protocol))?;
    socket.set_nonblocking(true)?;
    socket.bind_device(Some(interface.as_str().as_bytes()))?;
    Ok(socket)
}
