//! The sockets that hear adverts, which the loop reads itself: behind one descriptor that wakes it.

use std::collections::BTreeMap;
use std::future::{pending, poll_fn};
use std::io;

use socket2::Socket;
use tokio::io::unix::AsyncFd;

use crate::sys::poll::{self, Set};
use crate::text::reason;
use crate::vrrp::node::{Endpoint, Input};
use crate::vrrp::packet::Received;

use super::sockets::{BATCH, receive};

/// In a row; a socket that fails for good must not spin.
const FAILURES: u32 = 16;
/// Sockets that one system call names.
const SOCKETS: usize = 32;

/// Tells the receivers of one process apart.
pub(super) type Number = u64;

/// All of them.
pub(super) struct Receivers {
    receivers: BTreeMap<Number, Receiver>,
    last: Number,
    /// All sockets.
    all: AsyncFd<Set>,
    /// Packets wait, as the last look has seen.
    more: bool,
    packets: Vec<Received>,
}

struct Receiver {
    endpoint: Endpoint,
    socket: Socket,
    /// In a row.
    failures: u32,
}

impl Receivers {
    pub(super) fn new() -> io::Result<Self> {
        let all = poll::register(Set::new()?)?;
        Ok(Self { receivers: BTreeMap::new(), last: 0, all, more: false, packets: Vec::new() })
    }

    /// Begins to hear.
    pub(super) fn add(&mut self, endpoint: Endpoint, socket: Socket) -> io::Result<Number> {
        self.last += 1;
        self.all.get_ref().add(&socket, self.last)?;
        self.receivers.insert(self.last, Receiver { endpoint, socket, failures: 0 });
        Ok(self.last)
    }

    /// Hears no more; the socket is to be closed where that may wait.
    pub(super) fn remove(&mut self, number: Number) -> Option<Socket> {
        let Receiver { socket, .. } = self.receivers.remove(&number)?;
        // One that failed is out of it.
        let _ = self.all.get_ref().remove(&socket);
        Some(socket)
    }

    /// Makes the receive buffer that large.
    pub(super) fn size(&self, number: Number, bytes: u32) -> io::Result<()> {
        let receiver = self.receivers.get(&number);
        receiver.map_or(Ok(()), |one| {
            one.socket.set_recv_buffer_size(usize::try_from(bytes).unwrap_or(usize::MAX))
        })
    }

    /// Whether packets wait, as the last look has seen.
    pub(super) fn has_more(&self) -> bool {
        self.more
    }

    /// Returns when it is to be read.
    pub(super) async fn ready(&self) {
        if self.more {
            // The others have their turn, too.
            return tokio::task::yield_now().await;
        }
        match poll_fn(|context| self.all.poll_read_ready(context)).await {
            Ok(mut ready) => ready.clear_ready(),
            // The runtime ends.
            Err(_) => pending().await,
        }
    }

    /// Reads what is there, about `most` packets at most.
    pub(super) fn read(&mut self, most: usize, heard: &mut Vec<Input>) {
        let mut count = 0;
        self.more = true;
        while self.more && count < most {
            self.more = self.read_some(&mut count, heard);
        }
    }

    /// False: no more is there.
    fn read_some(&mut self, count: &mut usize, heard: &mut Vec<Input>) -> bool {
        let ready = match self.receivers.len() {
            // It is asked itself.
            0 | 1 => self.receivers.keys().copied().collect(),
            // A call that was interrupted is made again.
            _ => match self.all.get_ref().ready::<SOCKETS>() {
                Ok(ready) => ready,
                Err(error) => return error.kind() == io::ErrorKind::Interrupted,
            },
        };
        let mut more = ready.len() == SOCKETS;
        for number in ready {
            more |= self.read_one(number, count, heard);
        }
        more
    }

    /// Whether there may be more in this one.
    fn read_one(&mut self, number: Number, count: &mut usize, heard: &mut Vec<Input>) -> bool {
        let Some(receiver) = self.receivers.get_mut(&number) else { return false };
        let endpoint = &receiver.endpoint;
        match receive(&receiver.socket, endpoint.local, &mut self.packets) {
            Ok(read) => {
                receiver.failures = 0;
                // Those that are none of VRRP as well: they take their time.
                *count += read;
                let packets = self.packets.drain(..);
                heard.extend(packets.map(|packet| Input::Heard { endpoint: endpoint.clone(), packet }));
                read == BATCH
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                receiver.failures = 0;
                false
            }
            Err(error) if receiver.failures == FAILURES => {
                heard.push(Input::Closed { endpoint: endpoint.clone(), why: reason(&error) });
                // Only what is in it can be taken out.
                let _ = self.all.get_ref().remove(&receiver.socket);
                receiver.failures += 1;
                false
            }
            // A link that goes down reports itself here once.
            Err(_) => {
                receiver.failures = receiver.failures.saturating_add(1);
                receiver.failures <= FAILURES
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, UdpSocket};

    use super::*;

    fn packet(vrid: u8) -> [u8; 28] {
        let mut packet = [0; 28];
        packet[0] = 0x45;
        packet[3] = 28;
        packet[9] = 112;
        packet[12..16].copy_from_slice(&[10, 0, 0, 2]);
        packet[16..20].copy_from_slice(&[224, 0, 0, 18]);
        packet[21] = vrid;
        packet
    }

    /// Datagrams that look like packets, since a raw socket needs rights.
    fn socket() -> (UdpSocket, Socket) {
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        receiver.set_nonblocking(true).unwrap();
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        sender.connect(receiver.local_addr().unwrap()).unwrap();
        (sender, receiver.into())
    }

    fn endpoint(index: u32) -> Endpoint {
        Endpoint { index, interface: None, local: IpAddr::from([224, 0, 0, 18]), ah: false }
    }

    fn heard(inputs: &[Input]) -> Vec<(u32, Option<u8>)> {
        inputs
            .iter()
            .map(|input| match input {
                Input::Heard { endpoint, packet } => (endpoint.index, packet.vrid()),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    /// Alone and among others: none is lost.
    #[tokio::test]
    async fn every_packet_is_heard() {
        for count in [1, 3, 40] {
            let mut receivers = Receivers::new().unwrap();
            let senders: Vec<UdpSocket> = (1..=count)
                .map(|index| {
                    let (sender, receiver) = socket();
                    receivers.add(endpoint(index), receiver).unwrap();
                    sender
                })
                .collect();
            for round in 0..200_u8 {
                let from = |offset| (u32::from(round) * 7 + offset) % count;
                let mut sent = Vec::new();
                for index in (0..u32::from(round) % 3 + 1).map(from) {
                    senders[usize::try_from(index).unwrap()].send(&packet(round)).unwrap();
                    sent.push((index + 1, Some(round)));
                }
                let mut inputs = Vec::new();
                while inputs.len() < sent.len() {
                    receivers.ready().await;
                    receivers.read(64, &mut inputs);
                }
                let mut found = heard(&inputs);
                found.sort_unstable();
                sent.sort_unstable();
                assert_eq!(found, sent, "{count}");
            }
        }
    }

    #[tokio::test]
    async fn many_at_once_are_read_in_turns() {
        let mut receivers = Receivers::new().unwrap();
        let all: Vec<_> = (1..=2)
            .map(|index| {
                let (sender, receiver) = socket();
                (sender, receivers.add(endpoint(index), receiver).unwrap())
            })
            .collect();
        for vrid in 0..100 {
            for (sender, _) in &all {
                sender.send(&packet(vrid)).unwrap();
            }
        }
        let mut inputs = Vec::new();
        receivers.ready().await;
        receivers.read(64, &mut inputs);
        let first = heard(&inputs);
        assert!((64..=64 + 2 * BATCH).contains(&first.len()), "{}", first.len());
        assert!([1, 2].iter().all(|index| first.iter().any(|one| one.0 == *index)), "both have their turn");
        while inputs.len() < 200 {
            receivers.ready().await;
            receivers.read(64, &mut inputs);
        }
        // One that is gone is not heard, the other one is.
        drop(receivers.remove(all[0].1).unwrap());
        all[1].0.send(&packet(7)).unwrap();
        receivers.ready().await;
        inputs.clear();
        receivers.read(64, &mut inputs);
        assert_eq!(heard(&inputs), [(2, Some(7))]);
        assert!(receivers.remove(all[0].1).is_none());
    }

    /// A descriptor that fails for good.
    #[tokio::test]
    async fn a_socket_that_fails_is_told_of_once() {
        for others in [0, 1] {
            let mut receivers = Receivers::new().unwrap();
            for index in 0..others {
                receivers.add(endpoint(10 + index), socket().1).unwrap();
            }
            let listener = Socket::from(std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
            listener.set_nonblocking(true).unwrap();
            let address = listener.local_addr().unwrap();
            receivers.add(endpoint(1), listener).unwrap();
            let client = Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            client.connect(&address).unwrap();
            receivers.ready().await;
            let mut inputs = Vec::new();
            for _ in 0..20 {
                receivers.read(64, &mut inputs);
            }
            assert!(
                matches!(&inputs[..], [Input::Closed { endpoint, .. }] if endpoint.index == 1),
                "{inputs:?}"
            );
        }
    }
}
