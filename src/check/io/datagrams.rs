//! Datagrams to one server and back, and the dialogues over them.
//!
//! The socket is connected: what another host sends does not arrive.

use std::io;

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Protocol, SockAddr, SockFilter, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use crate::check::dialogue::{Dialogue, Heard, Step};
use crate::config::model::Connect;
use crate::report::plain;

use super::socket::{judge, prepare};
use super::{BUFFER, Stopped};

/// Leads `dialogue` to its end over a socket of this kind; `connect_timeout` is the limit of the whole, however many
/// datagrams come that do not end it.
pub(super) async fn exchange<D: Dialogue>(
    options: &Connect,
    kind: Type,
    protocol: Protocol,
    dialogue: &mut D,
) -> Result<D::Answer, Stopped> {
    let socket = open(options, kind, protocol, &[]).map_err(|error| judge(&error))?;
    carry_out(&socket, options, dialogue).await
}

/// A socket that is connected to the server, and hears what the filter lets pass.
pub(super) fn open(
    options: &Connect,
    kind: Type,
    protocol: Protocol,
    filter: &[SockFilter],
) -> io::Result<UdpSocket> {
    let socket = prepare(options, kind, protocol)?;
    if !filter.is_empty() {
        socket.attach_filter(filter)?;
    }
    hear_of_errors(&socket, options)?;
    socket.connect(&SockAddr::from(options.to))?;
    UdpSocket::from_std(socket.into())
}

/// Leads `dialogue` to its end over this socket, likewise.
pub(super) async fn carry_out<D: Dialogue>(
    socket: &UdpSocket,
    options: &Connect,
    dialogue: &mut D,
) -> Result<D::Answer, Stopped> {
    let limit = options.timeout;
    let deadline = Instant::now() + limit;
    let mut step = dialogue.next(Heard::Connected);
    loop {
        step = match step {
            Step::Done(result) => return result.map_err(Stopped::Failed),
            Step::Send(bytes) => match timeout_at(deadline, socket.send(&bytes)).await {
                Ok(Ok(_)) => dialogue.next(Heard::Sent),
                Ok(Err(error)) => return Err(judge(&error)),
                Err(_) => dialogue.next(Heard::Silence(limit)),
            },
            // One datagram after the other is read without a wait while there are any.
            Step::Read if Instant::now() >= deadline => dialogue.next(Heard::Silence(limit)),
            Step::Read => match timeout_at(deadline, read(socket, dialogue)).await {
                Ok(Ok(step)) => step,
                // Whatever is reported here is what a host or a router on the way has answered.
                Ok(Err(error)) => dialogue.next(Heard::Reset(plain(&error))),
                Err(_) => dialogue.next(Heard::Silence(limit)),
            },
        }
    }
}

/// That the server cannot be reached is reported at once, and not for its port alone.
fn hear_of_errors(socket: &Socket, options: &Connect) -> io::Result<()> {
    match options.to.is_ipv6() {
        true => setsockopt(socket, sockopt::Ipv6RecvErr, &true)?,
        false => setsockopt(socket, sockopt::Ipv4RecvErr, &true)?,
    }
    Ok(())
}

/// The next datagram is heard. Error: what is reported of an earlier one that was sent.
async fn read<D: Dialogue>(socket: &UdpSocket, dialogue: &mut D) -> io::Result<Step<D::Answer>> {
    // A report is none of the things that make a socket readable.
    let interest = Interest::READABLE | Interest::ERROR;
    loop {
        let ready = socket.ready(interest).await?;
        let heard = match ready.is_readable() {
            true => BUFFER.with_borrow_mut(|buffer| {
                let length = socket.try_recv(buffer)?;
                Ok(dialogue.next(Heard::Bytes(buffer.get(..length).unwrap_or_default())))
            }),
            false => socket.try_io(Interest::ERROR, || {
                Err(SockRef::from(socket).take_error()?.unwrap_or_else(|| io::ErrorKind::WouldBlock.into()))
            }),
        };
        match heard {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            heard => return heard,
        }
    }
}
