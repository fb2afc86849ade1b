//! Talks to the kernel: reads its tables, carries operations out, sends announcements. Every call may wait for the
//! kernel's configuration lock, so none of them belongs on a thread that must be on time.

pub(crate) mod conflicts;
mod filter;
mod firewall;
pub(crate) mod local;
pub(crate) mod settings;

use std::io;

use neli::consts::socket::NlFamily;

use crate::config::model::NetlinkBuffer;
use crate::sys::link_frame::FrameSocket;
use crate::sys::netlink::{Client, Monitor, Request};

use super::firewall::Batch;
use super::kernel::{Change, Reading};
use super::object::Operation;
use super::rtnetlink::{
    MONITOR_GROUPS, dump_addresses, dump_links, dump_routes, dump_rules, outcome, read, requests,
};

/// Tables that change all the time are read this often; what is missing in one reading is in another.
const ATTEMPTS: usize = 8;

/// The links and the addresses of this machine, as they are just now.
pub(crate) fn links() -> io::Result<Vec<Change>> {
    let mut client = Client::connect(NlFamily::Route)?;
    let mut found = Vec::new();
    for request in [dump_links(), dump_addresses()] {
        client.read(&request, |message| found.extend(read(message)))?;
    }
    Ok(found)
}

/// A client that changes the kernel's network configuration, and the socket of announcements.
pub(crate) struct Network {
    client: Client,
    frames: FrameSocket,
    /// Opened when it is needed: who uses no packet filter is not to load its modules.
    firewall: Option<firewall::Client>,
}

/// A socket that hears of every change from now on.
pub(crate) fn monitor(buffer: Option<NetlinkBuffer>) -> io::Result<Monitor> {
    let monitor = Monitor::connect(NlFamily::Route, &MONITOR_GROUPS)?;
    if let Some(NetlinkBuffer { bytes, force }) = buffer {
        monitor.size(bytes, force)?;
    }
    monitor.filter(&filter::program())?;
    Ok(monitor)
}

impl Network {
    /// Opens the sockets.
    pub(crate) fn open(buffer: Option<NetlinkBuffer>) -> io::Result<Self> {
        let client = Client::connect(NlFamily::Route)?;
        if let Some(NetlinkBuffer { bytes, force }) = buffer {
            client.size(bytes, force)?;
        }
        Ok(Self { client, frames: FrameSocket::open()?, firewall: None })
    }

    /// Reads links, addresses, and the routes and rules that matter to us.
    pub(crate) fn read(&mut self) -> io::Result<Reading> {
        let mut reading = Reading { found: Vec::new(), complete: true };
        for request in [dump_links(), dump_addresses()] {
            let (found, complete) = self.table(&request)?;
            reading.found.extend(found);
            reading.complete &= complete;
        }
        reading.found.extend(self.routes()?);
        match self.table(&dump_rules()) {
            Ok((found, complete)) => {
                reading.found.extend(found);
                reading.complete &= complete;
            }
            // A kernel without policy routing has no rules.
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
            Err(error) => return Err(error),
        }
        Ok(reading)
    }

    /// The routes that matter to us. Where a routing daemon works, the table changes all the time: what concerns us is
    /// told, and what one reading misses another finds.
    fn routes(&mut self) -> io::Result<Vec<Change>> {
        let mut found = Vec::new();
        self.client.read(&dump_routes(), |message| found.extend(read(message)))?;
        Ok(found)
    }

    /// One table; false: it changed during every attempt, and what was found in any of them comes back.
    fn table(&mut self, request: &Request) -> io::Result<(Vec<Change>, bool)> {
        let mut all = Vec::new();
        for _attempt in 0..ATTEMPTS {
            let mut found = Vec::new();
            if self.client.read(request, |message| found.extend(read(message)))? {
                return Ok((found, true));
            }
            all.append(&mut found);
        }
        Ok((all, false))
    }

    /// Carries `operations` out in order, and returns each one's answer (an errno; 0: done). A failing one stops no
    /// other. When the socket itself fails, so do all: what was carried out is unknown then.
    pub(crate) fn change(&mut self, operations: &[Operation]) -> Vec<i32> {
        let of_each: Vec<Vec<Request>> = operations.iter().map(requests).collect();
        let counts: Vec<usize> = of_each.iter().map(Vec::len).collect();
        let requests: Vec<Request> = of_each.into_iter().flatten().collect();
        match self.client.transact(&requests) {
            Ok(answers) => {
                let mut answers = answers.iter().map(|answer| answer.as_ref().map_or_else(errno, |()| 0));
                let answer = |(operation, count): (&Operation, usize)| {
                    outcome(operation, &answers.by_ref().take(count).collect::<Vec<i32>>())
                };
                operations.iter().zip(counts).map(answer).collect()
            }
            Err(error) => vec![errno(&error); operations.len()],
        }
    }

    /// Carries `batch` out, all of it or nothing; the answer (an errno; 0: done).
    pub(crate) fn filter(&mut self, batch: &Batch) -> i32 {
        let client = match &mut self.firewall {
            Some(client) => client,
            none => match firewall::Client::open() {
                Ok(client) => none.insert(client),
                Err(error) => return errno(&error),
            },
        };
        client.carry_out(batch).map_or_else(|error| errno(&error), |()| 0)
    }

    /// Sends each frame out of its interface, round by round. A frame that fails stops no other. Error: the first
    /// round was not complete; how many frames of it failed, and why the last one did.
    pub(crate) fn announce(&self, frames: &[(u32, Vec<u8>)], rounds: u32) -> Result<(), (usize, io::Error)> {
        let mut failed = None;
        for round in 0..rounds {
            for (index, frame) in frames {
                if let (Err(error), 0) = (self.frames.send(*index, frame), round) {
                    let before = failed.take().map_or(0, |(count, _)| count);
                    failed = Some((before + 1, error));
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

fn errno(error: &io::Error) -> i32 {
    match error.kind() {
        io::ErrorKind::TimedOut => libc::ETIMEDOUT,
        _ => error.raw_os_error().unwrap_or(libc::EIO),
    }
}
