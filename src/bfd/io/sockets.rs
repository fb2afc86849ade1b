//! UDP sockets: one that sends for each session, one that listens for each family and port.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::AsRawFd as _;
use std::task::{Context, Poll};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv4RecvTtl, Ipv6RecvPacketInfo};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt};
use socket2::{Domain, Protocol, SockAddr, SockFilter, Socket, Type};
use tokio::io::unix::AsyncFd;

use crate::bfd::event::Refusal;
use crate::bfd::packet::LARGEST;
use crate::bfd::session::Endpoint;
use crate::bfd::sessions::{Id, Received};
use crate::sys::poll;

/// RFC 5881 §4.
const ONE_HOP: u16 = 3784;
/// RFC 5883 §5.
const SEVERAL_HOPS: u16 = 4784;
/// Where packets leave from (RFC 5881 §4).
const SOURCES: std::ops::RangeInclusive<u16> = 49152..=65535;
/// Ports that are tried before a session waits.
const TRIES: u32 = 64;
/// Internet control, for frames and queues on the way out.
const PRIORITY: u32 = 6;
/// Datagrams that are read before the timers are looked at.
const AT_ONCE: usize = 1024;
/// BPF_RET | BPF_K: accept 0 bytes.
const RETURN_NOTHING: u16 = 0x06;

/// A port that is listened on: of IPv6 or not, 4784 or 3784.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Port {
    ipv6: bool,
    multihop: bool,
}

impl Port {
    fn of(endpoint: &Endpoint) -> Self {
        Self { ipv6: endpoint.neighbour.is_ipv6(), multihop: endpoint.multihop }
    }

    fn number(self) -> u16 {
        if self.multihop { SEVERAL_HOPS } else { ONE_HOP }
    }
}

/// What sends for one session.
#[derive(Debug)]
struct Sender {
    socket: Socket,
    endpoint: Endpoint,
    to: SockAddr,
    /// How the last packet left.
    last: Option<Result<(), i32>>,
}

/// All sockets.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    listening: BTreeMap<Port, AsyncFd<Socket>>,
    senders: BTreeMap<Id, Sender>,
}

impl Sockets {
    /// The socket of a session, and the one that its port needs; one that is there gets the TTL.
    pub(super) fn open(&mut self, id: Id, endpoint: Endpoint) -> Result<(), Refusal> {
        let port = Port::of(&endpoint);
        if let Entry::Vacant(listening) = self.listening.entry(port) {
            let refused = |error| Refusal::Port { port: port.number(), errno: errno(&error) };
            listening.insert(listen(port).map_err(refused)?);
        }
        if let Some(sender) = self.senders.get_mut(&id)
            && sender.last.is_none_or(|last| last.is_ok())
            && set_hops(&sender.socket, &endpoint).is_ok()
        {
            sender.endpoint = endpoint;
            return Ok(());
        }
        self.senders.remove(&id);
        let sender = Sender::open(endpoint)?;
        self.senders.insert(id, sender);
        Ok(())
    }

    /// Without a session of its port, nothing is listened to.
    pub(super) fn close(&mut self, id: Id) {
        self.senders.remove(&id);
        let senders = &self.senders;
        self.listening.retain(|port, _| senders.values().any(|sender| Port::of(&sender.endpoint) == *port));
    }

    /// Sends. `Some`: it went otherwise than the last time.
    pub(super) fn send(&mut self, id: Id, bytes: &[u8]) -> Option<Result<(), i32>> {
        let sender = self.senders.get_mut(&id)?;
        let outcome = match sender.socket.send_to(bytes, &sender.to) {
            Ok(_) => Ok(()),
            // The next one will do.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Err(error) => Err(errno(&error)),
        };
        (sender.last.replace(outcome) != Some(outcome)).then_some(outcome)
    }

    /// Ready when something may have been received.
    pub(super) fn poll_heard(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut ready = Poll::Pending;
        for socket in self.listening.values() {
            if let Poll::Ready(Ok(mut guard)) = socket.poll_read_ready(context) {
                // It is read until it is empty.
                guard.clear_ready();
                ready = Poll::Ready(());
            }
        }
        ready
    }

    /// Takes what was received. True: there may be more.
    pub(super) fn hear(&self, heard: &mut Vec<Received>) -> bool {
        let mut more = false;
        for (port, socket) in &self.listening {
            let mut read = 0;
            while read < AT_ONCE {
                match receive(*port, socket.get_ref()) {
                    Ok(received) => heard.extend(received),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // An answer of the network to what was sent: the next one is read.
                    Err(_) => {}
                }
                read += 1;
            }
            more |= read == AT_ONCE;
        }
        more
    }
}

impl Sender {
    fn open(endpoint: Endpoint) -> Result<Self, Refusal> {
        let failed = |error: io::Error| Refusal::Socket { errno: errno(&error) };
        let scope = scope(&endpoint)?;
        let with_scope = |address: IpAddr, port: u16| match address {
            IpAddr::V4(_) => SocketAddr::new(address, port),
            IpAddr::V6(v6) => SocketAddr::V6(SocketAddrV6::new(v6, port, 0, scope)),
        };
        let domain = if endpoint.neighbour.is_ipv6() { Domain::IPV6 } else { Domain::IPV4 };
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP)).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        set_hops(&socket, &endpoint).map_err(failed)?;
        // Nobody reads it.
        socket.attach_filter(&[SockFilter::new(RETURN_NOTHING, 0, 0, 0)]).map_err(failed)?;
        socket.set_priority(PRIORITY).map_err(failed)?;
        let any = if endpoint.neighbour.is_ipv6() {
            IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        } else {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        };
        let source = endpoint.source.unwrap_or(any);
        let mut outcome = Err(io::Error::from_raw_os_error(libc::EADDRINUSE));
        for _try in 0..TRIES {
            outcome = socket.bind(&with_scope(source, fastrand::u16(SOURCES)).into());
            if !matches!(&outcome, Err(error) if error.kind() == io::ErrorKind::AddrInUse) {
                break;
            }
        }
        match outcome {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                return Err(Refusal::NotHere(source));
            }
            Err(error) => return Err(failed(error)),
        }
        let to = with_scope(endpoint.neighbour, Port::of(&endpoint).number()).into();
        Ok(Self { socket, endpoint, to, last: None })
    }
}

fn set_hops(socket: &Socket, endpoint: &Endpoint) -> io::Result<()> {
    match endpoint.neighbour {
        IpAddr::V4(_) => socket.set_ttl_v4(endpoint.ttl.into()),
        IpAddr::V6(_) => socket.set_unicast_hops_v6(endpoint.ttl.into()),
    }
}

/// Of an address of a link, the link: that which has the source. 0: it needs none.
fn scope(endpoint: &Endpoint) -> Result<u32, Refusal> {
    let of_link =
        |address: &IpAddr| matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
    if !of_link(&endpoint.neighbour) {
        return Ok(0);
    }
    let source = endpoint.source.filter(of_link).ok_or(Refusal::NoLink(endpoint.neighbour))?;
    let all = getifaddrs().map_err(|errno| Refusal::Socket { errno: errno as i32 })?;
    let has = |storage: &SockaddrStorage| {
        storage.as_sockaddr_in6().is_some_and(|address| IpAddr::V6(address.ip()) == source)
    };
    let mut found = all.filter(|one| one.address.as_ref().is_some_and(has));
    let name = found.next().map(|one| one.interface_name);
    name.and_then(|name| if_nametoindex(name.as_str()).ok()).ok_or(Refusal::NotHere(source))
}

fn listen(port: Port) -> io::Result<AsyncFd<Socket>> {
    let domain = if port.ipv6 { Domain::IPV6 } else { Domain::IPV4 };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    let any = if port.ipv6 {
        socket.set_only_v6(true)?;
        socket.set_recv_hoplimit_v6(true)?;
        setsockopt(&socket, Ipv6RecvPacketInfo, &true)?;
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, port.number()))
    } else {
        setsockopt(&socket, Ipv4RecvTtl, &true)?;
        setsockopt(&socket, Ipv4PacketInfo, &true)?;
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, port.number()))
    };
    socket.bind(&any.into())?;
    poll::register(socket)
}

/// The next datagram. `None`: it does not say where it comes from.
fn receive(port: Port, socket: &Socket) -> io::Result<Option<Received>> {
    let mut buffer = [0; LARGEST];
    let mut beside = nix::cmsg_space!(libc::in6_pktinfo, libc::c_int);
    let mut parts = [IoSliceMut::new(&mut buffer)];
    let flags = MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut beside), flags)?;
    let (mut hops, mut destination) = (0, None);
    for one in message.cmsgs()? {
        match one {
            ControlMessageOwned::Ipv4Ttl(ttl) | ControlMessageOwned::Ipv6HopLimit(ttl) => {
                hops = u8::try_from(ttl).unwrap_or_default();
            }
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                destination = Some(IpAddr::from(u32::from_be(info.ipi_addr.s_addr).to_be_bytes()));
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                destination = Some(IpAddr::from(info.ipi6_addr.s6_addr));
            }
            _ => {}
        }
    }
    let length = message.bytes;
    let source = message.address.and_then(|address| {
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    });
    let bytes = buffer.get(..length).unwrap_or_default().to_vec();
    let Some(source) = source else { return Ok(None) };
    Ok(Some(Received { source, destination, multihop: port.multihop, hops, bytes }))
}

fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}
