//! Raw sockets of protocol 112, or 51 with an authentication header: for each endpoint one that sends and one that receives.

use std::cell::RefCell;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd as _;
use std::time::Instant;

use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrIn6, SockaddrStorage,
    recvmmsg, sendmsg,
};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockAddr, SockFilter, Socket, Type};
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::sys::poll;
use crate::text::reason;
use crate::vrrp::ah;
use crate::vrrp::node::{Endpoint, Input};
use crate::vrrp::packet::{self, Outgoing, Received};

use super::pace::{FLOOD, Pace, TICK};

/// Internet control, for frames and queues on the way out.
const PRIORITY: u32 = 6;
/// A VRRP packet of 255 IPv6 addresses takes 4088 bytes.
const LARGEST: usize = 8192;
/// Packets that one system call takes.
const BATCH: usize = 8;
/// In a row; a socket that fails for good must not spin.
const RECEIVE_FAILURES: u32 = 16;
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

/// The sockets of an endpoint in use: one sends, a task reads the other.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) sender: Sender,
    /// The same socket as the task's: it closes when both are gone.
    receiver: Socket,
    task: JoinHandle<()>,
}

impl Listening {
    /// Begins to read; what is heard, and at last why nothing more is, goes to `heard`.
    pub(super) fn start(endpoint: &Endpoint, pair: Pair, heard: mpsc::Sender<Input>) -> io::Result<Self> {
        let receiver = pair.receiver.try_clone()?;
        let socket = poll::register(pair.receiver)?;
        let task = tokio::spawn(listen(socket, endpoint.clone(), heard));
        Ok(Self { sender: pair.sender, receiver, task })
    }

    /// Makes the receive buffer that large.
    pub(super) fn size(&self, bytes: u32) -> io::Result<()> {
        self.receiver.set_recv_buffer_size(usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    /// Ends the task; what is left is to be dropped where closing may wait.
    pub(super) async fn end(self) -> (Sender, Socket) {
        self.task.abort();
        // It was aborted: there is nothing else to learn.
        let _ = self.task.await;
        (self.sender, self.receiver)
    }
}

/// Reads one socket as long as there is a listener.
struct Reader {
    endpoint: Endpoint,
    heard: mpsc::Sender<Input>,
    pace: Pace,
    failures: u32,
    packets: Vec<Received>,
}

/// Why nothing more is read. `None`: nobody listens.
type End = Option<String>;

async fn listen(mut socket: AsyncFd<Socket>, endpoint: Endpoint, heard: mpsc::Sender<Input>) {
    let pace = Pace::new(Instant::now());
    let mut reader = Reader { endpoint, heard, pace, failures: 0, packets: Vec::new() };
    let end = loop {
        if let Err(end) = reader.as_they_come(&socket).await {
            break end;
        }
        // Otherwise each packet wakes the thread all the same.
        let unregistered = socket.into_inner();
        if let Err(end) = reader.by_the_clock(&unregistered).await {
            break end;
        }
        socket = match poll::register(unregistered) {
            Ok(socket) => socket,
            Err(error) => break Some(reason(&error)),
        };
    };
    if let Some(why) = end {
        let _ = reader.heard.send(Input::Closed { endpoint: reader.endpoint, why }).await;
    }
}

impl Reader {
    /// Until there are so many that a clock is better.
    async fn as_they_come(&mut self, socket: &AsyncFd<Socket>) -> Result<(), End> {
        loop {
            let mut ready = socket.readable().await.map_err(|error| Some(reason(&error)))?;
            let mut found = 0;
            match ready.try_io(|socket| receive(socket.get_ref(), self.endpoint.local, &mut self.packets)) {
                Err(_would_block) => continue,
                Ok(Ok(count)) => {
                    (self.failures, found) = (0, count);
                    // No more was there: what has come since makes the socket ready anew.
                    if count < BATCH {
                        ready.clear_ready();
                    }
                }
                Ok(Err(error)) => self.failed(&error)?,
            }
            drop(ready);
            if self.tell(found).await? {
                return Ok(());
            }
        }
    }

    /// Until there are few again, or a flood.
    async fn by_the_clock(&mut self, socket: &Socket) -> Result<(), End> {
        loop {
            tokio::time::sleep(TICK).await;
            let mut found = 0;
            while found < FLOOD {
                match receive(socket, self.endpoint.local, &mut self.packets) {
                    Ok(count) => {
                        self.failures = 0;
                        found += count;
                        if count < BATCH {
                            break;
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => self.failed(&error)?,
                }
            }
            if !self.tell(found).await? {
                return Ok(());
            }
        }
    }

    /// A link that goes down reports itself here once.
    fn failed(&mut self, error: &io::Error) -> Result<(), End> {
        self.failures += 1;
        if self.failures > RECEIVE_FAILURES { Err(Some(reason(error))) } else { Ok(()) }
    }

    /// Hands on what was read. True: the next look is by the clock.
    async fn tell(&mut self, found: usize) -> Result<bool, End> {
        let routers = self.packets.iter().filter_map(Received::vrid);
        let by_the_clock = self.pace.found(Instant::now(), found, routers);
        for packet in self.packets.drain(..) {
            let input = Input::Heard { endpoint: self.endpoint.clone(), packet };
            self.heard.send(input).await.map_err(|_nobody| None)?;
        }
        Ok(by_the_clock)
    }
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
fn receive(socket: &Socket, local: IpAddr, packets: &mut Vec<Received>) -> io::Result<usize> {
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
    use std::time::Duration;

    use super::*;

    /// A socket without rights, with what datagrams that look like packets go to it from: as a raw socket's.
    fn receiver() -> (Socket, impl Fn(u8)) {
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        receiver.set_nonblocking(true).unwrap();
        let to = receiver.local_addr().unwrap();
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let advertise = move |vrid| {
            let mut packet = [0; 28];
            packet[0] = 0x45;
            packet[3] = 28;
            packet[8] = 255;
            packet[9] = 112;
            packet[12..16].copy_from_slice(&[10, 0, 0, 2]);
            packet[16..20].copy_from_slice(&[224, 0, 0, 18]);
            packet[21] = vrid;
            sender.send_to(&packet, to).unwrap();
        };
        (Socket::from(receiver), advertise)
    }

    const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18));

    #[test]
    fn places_for_packets_are_used_again_and_again() {
        let (receiver, advertise) = receiver();
        for round in 0..20_u8 {
            let sent = 1 + usize::from(round) % BATCH;
            (0..sent).for_each(|_packet| advertise(round));
            let mut packets = Vec::new();
            assert_eq!(receive(&receiver, GROUP, &mut packets).unwrap(), sent, "round {round}");
            let heard: Vec<_> = packets.iter().map(|one| (one.source, one.vrid())).collect();
            assert_eq!(heard, vec![(IpAddr::from([10, 0, 0, 2]), Some(round)); sent]);
            let none = receive(&receiver, GROUP, &mut packets).unwrap_err();
            assert_eq!(none.kind(), io::ErrorKind::WouldBlock);
        }
    }

    /// Of a time of many packets that has just ended, at the next tick; and of a flood no more than that.
    #[tokio::test]
    async fn what_came_between_two_ticks_is_heard() {
        for (sent, expected) in [(0, 0), (1, 1), (3 * BATCH, 3 * BATCH), (2 * FLOOD, FLOOD)] {
            let (receiver, advertise) = receiver();
            (0..sent).for_each(|number| advertise(number as u8));
            let (heard, mut inputs) = mpsc::channel(4 * FLOOD);
            let local = GROUP;
            let endpoint = Endpoint { interface: None, index: 0, local, ah: false };
            let pace = Pace::new(Instant::now().checked_sub(Duration::from_secs(10)).unwrap());
            let mut reader = Reader { endpoint, heard, pace, failures: 0, packets: Vec::new() };
            assert_eq!(reader.by_the_clock(&receiver).await, Ok(()), "there are few again");
            let mut routers = Vec::new();
            while let Ok(Input::Heard { packet, .. }) = inputs.try_recv() {
                routers.push(usize::from(packet.vrid().unwrap()));
            }
            assert_eq!(routers, (0..expected).collect::<Vec<_>>());
            drop(inputs);
            advertise(1);
            let mut end = Ok(());
            while end == Ok(()) {
                end = reader.by_the_clock(&receiver).await;
            }
            assert_eq!(end, Err(None), "nobody listens");
        }
    }
}
