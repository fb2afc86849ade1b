//! The addresses of this machine, and when they change.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

use neli::consts::socket::NlFamily;
use tokio::io::unix::AsyncFd;

use crate::net::kernel::Change;
use crate::net::object::Object;
use crate::net::rtnetlink::{dump_addresses, read};
use crate::sys::netlink::{Client, Monitor};
use crate::sys::poll;

/// Multicast groups that tell of addresses of IPv4 and IPv6.
const GROUPS: [u32; 2] = [5, 9];

/// Hears of every change of an address.
pub(crate) struct LocalAddresses {
    monitor: AsyncFd<Monitor>,
    buffer: Vec<u8>,
}

impl LocalAddresses {
    /// From now on no change goes unnoticed.
    pub(crate) fn open() -> io::Result<Self> {
        let monitor = poll::register(Monitor::connect(NlFamily::Route, &GROUPS)?)?;
        Ok(Self { monitor, buffer: vec![0; 64 * 1024] })
    }

    /// Waits until something has changed; several changes are one. To be followed by [`Self::all`].
    pub(crate) async fn changed(&mut self) {
        let Ok(mut ready) = self.monitor.readable().await else { return std::future::pending().await };
        loop {
            match ready.get_inner().receive(&mut self.buffer) {
                // What was lost is read with the rest.
                Ok(_) => {}
                Err(error) if matches!(error.raw_os_error(), Some(libc::EINTR | libc::ENOBUFS)) => {}
                Err(_) => break,
            }
        }
        ready.clear_ready();
    }

    /// Every address that this machine has.
    pub(crate) fn all() -> io::Result<BTreeSet<IpAddr>> {
        let mut client = Client::connect(NlFamily::Route)?;
        let found = client.dump(&dump_addresses(), |message| match read(message)? {
            Change::Added(Object::Address(address)) => Some(address.address),
            _ => None,
        })?;
        Ok(found.into_iter().collect())
    }
}
