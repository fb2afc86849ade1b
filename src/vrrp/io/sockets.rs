//! Raw sockets of protocol 112: for each endpoint one that sends and one that receives.

use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockAddr, SockFilter, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::sys::poll;
use crate::text::reason;
use crate::vrrp::node::{Endpoint, Input};
use crate::vrrp::packet::{self, Outgoing, Received};

/// Internet control, for frames and queues on the way out.
const PRIORITY: u32 = 6;
/// A VRRP packet of 255 IPv4 addresses takes 1056 bytes.
const LARGEST: usize = 4096;
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
    let IpAddr::V4(local) = endpoint.local else { return Err(io::ErrorKind::Unsupported.into()) };
    Ok(Pair { sender: Sender::open(endpoint)?, receiver: receiver(endpoint, local)? })
}

/// Sends whole IPv4 packets out of one interface.
#[derive(Debug)]
pub(super) struct Sender(Socket);

impl Sender {
    fn open(endpoint: &Endpoint) -> io::Result<Self> {
        let socket = raw_socket(endpoint)?;
        socket.set_header_included_v4(true)?;
        socket.set_multicast_loop_v4(false)?;
        socket.set_multicast_all_v4(false)?;
        socket.set_priority(PRIORITY)?;
        // It would otherwise collect every packet of the protocol, unread.
        socket.attach_filter(&[SockFilter::new(RETURN_NOTHING, 0, 0, 0)])?;
        Ok(Self(socket))
    }

    pub(super) fn send(&self, packet: &Outgoing) -> io::Result<()> {
        let (IpAddr::V4(destination), Some(bytes)) = (packet.destination, packet.ipv4()) else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let flags = if destination.is_multicast() { libc::MSG_DONTROUTE } else { 0 };
        let address = SockAddr::from(SocketAddrV4::new(destination, 0));
        self.0.send_to_with_flags(&bytes, &address, flags).map(drop)
    }
}

fn receiver(endpoint: &Endpoint, local: Ipv4Addr) -> io::Result<Socket> {
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

    /// Ends the task; what is left is to be dropped where closing may wait.
    pub(super) async fn end(self) -> (Sender, Socket) {
        self.task.abort();
        // It was aborted: there is nothing else to learn.
        let _ = self.task.await;
        (self.sender, self.receiver)
    }
}

async fn listen(socket: AsyncFd<Socket>, endpoint: Endpoint, heard: mpsc::Sender<Input>) {
    let mut failures = 0;
    let why = loop {
        match receive(&socket).await {
            Ok(packet) => {
                failures = 0;
                if heard.send(Input::Heard { endpoint: endpoint.clone(), packet }).await.is_err() {
                    return;
                }
            }
            Err(error) if failures == RECEIVE_FAILURES => break reason(&error),
            // A link that goes down reports itself here once.
            Err(_) => failures += 1,
        }
    };
    let _ = heard.send(Input::Closed { endpoint, why }).await;
}

/// The next packet that is one of VRRP.
async fn receive(socket: &AsyncFd<Socket>) -> io::Result<Received> {
    let mut buffer = [0; LARGEST];
    loop {
        let read = socket.async_io(Interest::READABLE, |mut socket: &Socket| socket.read(&mut buffer));
        let length = read.await?;
        if let Ok(received) = Received::ipv4(buffer.get(..length).unwrap_or_default()) {
            return Ok(received);
        }
    }
}

fn raw_socket(endpoint: &Endpoint) -> io::Result<Socket> {
    let protocol = Protocol::from(i32::from(packet::PROTOCOL));
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(protocol))?;
    socket.set_nonblocking(true)?;
    socket.bind_device(Some(endpoint.interface.as_str().as_bytes()))?;
    Ok(socket)
}
