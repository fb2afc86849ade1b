//! TCP connections with the socket options of a check.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpSocket, TcpStream};

use crate::check::Failure;
use crate::config::model::Connect;
use crate::report::plain;

use super::Stopped;
use super::limits::Limits;

/// Connects within `connect_timeout`.
pub(super) async fn connect(options: &Connect, limits: &mut Limits) -> Result<TcpStream, Stopped> {
    let socket = prepare(options).map_err(|error| Stopped::Local(plain(&error)))?;
    let socket = TcpSocket::from_std_stream(socket.into());
    let connected = limits.within(Failure::ConnectTimeout, socket.connect(options.to)).await?;
    connected.map_err(|error| judge(&error))
}

/// A socket with the options of a check, not yet connected; it does not block.
pub(super) fn prepare(options: &Connect) -> io::Result<Socket> {
    let domain = Domain::for_address(options.to);
    let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    if let Some(interface) = &options.interface {
        socket.bind_device(Some(interface.as_str().as_bytes()))?;
    }
    if options.fwmark != 0 {
        socket.set_mark(options.fwmark)?;
    }
    if options.from.is_some() || options.from_port != 0 {
        let any: IpAddr =
            if options.to.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        socket.set_reuse_address(true)?;
        socket.bind(&SocketAddr::new(options.from.unwrap_or(any), options.from_port).into())?;
    }
    Ok(socket)
}

/// Whose fault it is that a connection was not made. keepalived's list: these errors are the server's or the
/// network's, all others are this node's.
pub(super) fn judge(error: &io::Error) -> Stopped {
    match error.raw_os_error() {
        Some(
            libc::ENETUNREACH
            | libc::EHOSTUNREACH
            | libc::ECONNREFUSED
            | libc::EHOSTDOWN
            | libc::ENETDOWN
            | libc::ECONNRESET
            | libc::ECONNABORTED
            | libc::ETIMEDOUT,
        ) => Stopped::Failed(Failure::Connect(plain(error))),
        _ => Stopped::Local(plain(error)),
    }
}
