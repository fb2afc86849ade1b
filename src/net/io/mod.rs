//! Carries address operations out, hears of changes, and sends announcements.

use std::io;
use std::net::IpAddr;

use neli::consts::socket::NlFamily;

use crate::config::model::{Instance, VirtualAddress};
use crate::sys::link_frame::FrameSocket;
use crate::sys::netlink::{Client, Monitor, messages};

use super::address;
use super::arp;
use super::kernel::{Change, Kernel, MONITOR_GROUPS, Operation, dump_addresses, dump_links, request};

const ETHERNET: u16 = 1;

/// The kernel's network configuration: a client to change it and the state that its monitor keeps current.
pub struct Network {
    client: Client,
    frames: FrameSocket,
    /// What the kernel has.
    pub kernel: Kernel,
}

impl Network {
    /// Opens the sockets and reads the tables. The monitor comes first, so that no change falls between.
    pub fn open() -> io::Result<(Self, Monitor)> {
        let monitor = Monitor::connect(NlFamily::Route, &MONITOR_GROUPS)?;
        let client = Client::connect(NlFamily::Route)?;
        let mut network = Self { client, frames: FrameSocket::open()?, kernel: Kernel::default() };
        network.resync()?;
        Ok((network, monitor))
    }

    /// Reads the tables anew.
    pub fn resync(&mut self) -> io::Result<()> {
        let mut kernel = Kernel::default();
        for request in [dump_links(), dump_addresses()] {
            let mut attempts = 0;
            // A table that changed meanwhile is read again; the monitor tells what an earlier reading missed.
            while let Err(error) = self.client.ask(&request, |message| drop(kernel.apply(message))) {
                attempts += 1;
                if error.kind() != io::ErrorKind::Interrupted || attempts == 5 {
                    return Err(error);
                }
            }
        }
        self.kernel = kernel;
        Ok(())
    }

    /// Takes everything in that the monitor holds; `Err(ENOBUFS)`: changes were lost, call [`Self::resync`].
    pub fn hear(
        &mut self,
        monitor: &Monitor,
        buffer: &mut [u8],
        changes: &mut Vec<Change>,
    ) -> io::Result<()> {
        loop {
            match monitor.receive(buffer) {
                Ok(bytes) => changes.extend(messages(bytes).filter_map(|message| self.kernel.apply(message))),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Carries `operations` out; returns those that failed. Adding what exists and removing what is gone succeed.
    pub fn change(&mut self, operations: Vec<Operation>) -> Vec<(Operation, io::Error)> {
        if operations.is_empty() {
            return Vec::new();
        }
        let requests: Vec<_> = operations.iter().map(request).collect();
        let outcomes = match self.client.transact(&requests) {
            Ok(outcomes) => outcomes,
            Err(error) => {
                let again = || io::Error::from_raw_os_error(error.raw_os_error().unwrap_or(libc::EIO));
                return operations.into_iter().map(|operation| (operation, again())).collect();
            }
        };
        let mut failed = Vec::new();
        for (operation, outcome) in operations.into_iter().zip(outcomes) {
            match (outcome.map_err(|error| error.raw_os_error().unwrap_or(libc::EIO)), &operation) {
                (Ok(()), _)
                | (Err(libc::EEXIST), Operation::Add(_))
                | (Err(libc::EADDRNOTAVAIL | libc::ENODEV), Operation::Remove(_)) => {
                    self.kernel.carried_out(&operation);
                }
                (Err(code), _) => failed.push((operation, io::Error::from_raw_os_error(code))),
            }
        }
        failed
    }

    /// Sends `count` gratuitous ARP frames for each address of `instance`, round by round. A frame that fails stops
    /// no other. Error: the first round was not complete; how many frames of it failed, and why the last one did.
    pub fn announce(&self, instance: &Instance, count: u32) -> Result<(), (usize, io::Error)> {
        let all = instance.all_addresses();
        let frames: Vec<(u32, Vec<u8>)> =
            all.filter_map(|address| self.announcement(instance, address)).collect();
        let mut failed = None;
        for round in 0..count {
            for (index, frame) in &frames {
                if let (Err(error), 0) = (self.frames.send(*index, frame), round) {
                    let before = failed.take().map_or(0, |(count, _)| count);
                    failed = Some((before + 1, error));
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// The frame for one address, and the index of its interface; nothing where ARP makes no sense.
    fn announcement(&self, instance: &Instance, address: &VirtualAddress) -> Option<(u32, Vec<u8>)> {
        let IpAddr::V4(ip) = address.address else { return None };
        let assigned = address::assigned(instance, address, &self.kernel)?;
        let link = self.kernel.link(assigned.index)?;
        let mac = link.mac.first_chunk::<6>()?;
        let makes_sense = link.up && !link.no_arp && link.hardware_type == ETHERNET;
        makes_sense.then(|| (assigned.index, arp::gratuitous(ip, *mac, link.hardware_type)))
    }
}
