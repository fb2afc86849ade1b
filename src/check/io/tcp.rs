//! TCP connections with the socket options of a check.

use socket2::{Protocol, Type};
use tokio::net::{TcpSocket, TcpStream};

use crate::check::Failure;
use crate::config::model::Connect;
use crate::report::plain;

use super::Stopped;
use super::limits::Limits;
use super::socket::{judge, prepare};

/// Connects within `connect_timeout`.
pub(super) async fn connect(options: &Connect, limits: &mut Limits) -> Result<TcpStream, Stopped> {
    let socket =
        prepare(options, Type::STREAM, Protocol::TCP).map_err(|error| Stopped::Local(plain(&error)))?;
    let socket = TcpSocket::from_std_stream(socket.into());
    let connected = limits.within(Failure::ConnectTimeout, socket.connect(options.to)).await?;
    connected.map_err(|error| judge(&error))
}
