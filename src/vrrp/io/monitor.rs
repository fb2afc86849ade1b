//! What the kernel tells of its links, addresses, routes and rules, without a gap that goes unnoticed.

use std::io;

use crate::net::kernel::Change;
use crate::net::rtnetlink;
use crate::sys::netlink::{Monitor, messages};
use crate::text::reason;

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) changes: Vec<Change>,
    /// Something is missing between them.
    pub(super) lost: bool,
}

/// Reads everything that `monitor` holds.
pub(super) fn drain(monitor: &Monitor, buffer: &mut [u8]) -> Heard {
    let mut heard = Heard::default();
    loop {
        match monitor.receive(buffer) {
            Ok(bytes) => heard.changes.extend(messages(bytes).filter_map(rtnetlink::read)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return heard,
            Err(error) if error.raw_os_error() == Some(libc::EINTR) => {}
            // What is behind the gap still waits: it is read to the end, so that the next readiness is seen.
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => heard.lost = true,
            Err(error) => {
                tracing::error!("cannot read changes of the network: {}", reason(&error));
                heard.lost = true;
                return heard;
            }
        }
    }
}
