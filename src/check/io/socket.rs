//! Sockets with the options of a check, and whose fault it is when they do not connect.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

use crate::check::Failure;
use crate::config::model::Connect;
use crate::report::plain;

use super::Stopped;

/// A socket with the options of a check, not yet connected; it does not block.
pub(super) fn prepare(options: &Connect, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let domain = Domain::for_address(options.to);
    let socket = Socket::new(domain, kind.nonblocking(), Some(protocol))?;
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
            // The other side closed and then broke the connection off, all before it was looked at.
            | libc::EPIPE
            | libc::ETIMEDOUT,
        ) => Stopped::Failed(Failure::Connect(plain(error))),
        _ => Stopped::Local(plain(error)),
    }
}
