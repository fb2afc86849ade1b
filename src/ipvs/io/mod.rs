//! The client of the kernel's table.

/// What is done by hand.
mod by_hand;

pub(crate) use by_hand::number;

use std::collections::BTreeMap;
use std::io;
use std::process::{Command, Stdio};
use std::sync::Arc;

use neli::consts::socket::NlFamily;

use crate::config::model::Service;
use crate::sys::netlink::Client;

use super::counters::{self, read_destination_counters, read_service_counters};
use super::diff::Operation;
use super::error::Unavailable;
use super::keeper::{Answer, Look, Seen};
use super::message;
use super::sync;
use super::timeouts;
use super::{Destinations, Entry, Settings, Table};

/// A connection to the IPVS of this network namespace.
pub(crate) struct Ipvs {
    client: Client,
    family: u16,
}

impl Ipvs {
    /// Finds the family; loads the module `ip_vs` when it is missing.
    pub(crate) fn open() -> Result<Self, Unavailable> {
        let mut client = Client::connect(NlFamily::Generic)?;
        let family = match find_family(&mut client) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
                load_module();
                find_family(&mut client)
            }
            other => other,
        }?;
        let mut ipvs = Self { client, family };
        ipvs.services()?;
        Ok(ipvs)
    }

    /// Looks at a part of the table.
    pub(crate) fn look(&mut self, look: &Look) -> io::Result<Seen> {
        Ok(match look {
            Look::Table => {
                let mut table = Table::new();
                for (service, settings) in self.services()? {
                    if let Some(destinations) = self.destinations(&service)? {
                        table.insert(service, Arc::new(Entry { settings, destinations }));
                    }
                }
                Seen::Table(table)
            }
            Look::Services => Seen::Services(self.services()?),
            Look::Destinations(services) => {
                let mut found = BTreeMap::new();
                for service in services {
                    found.insert(*service, self.destinations(service)?.unwrap_or_default());
                }
                Seen::Destinations(found)
            }
        })
    }

    /// What is counted of all services, and with `destinations` of those of `wanted`.
    pub(crate) fn counters(&mut self, wanted: &[Service], destinations: bool) -> io::Result<counters::All> {
        let request = message::dump_services(self.family);
        let services = self.client.dump(&request, |message| read_service_counters(message.payload))?;
        let mut all: counters::All =
            services.into_iter().map(|(service, counters)| (service, (counters, BTreeMap::new()))).collect();
        for service in wanted.iter().filter(|_| destinations) {
            let Some((_, known)) = all.get_mut(service) else { continue };
            let request = message::dump_destinations(self.family, service);
            let ipv6 = service.is_ipv6();
            let read = self.client.dump(&request, |message| read_destination_counters(message.payload, ipv6));
            match read {
                Ok(destinations) => *known = destinations.into_iter().collect(),
                // It has gone since.
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    fn services(&mut self) -> io::Result<BTreeMap<Service, Settings>> {
        let request = message::dump_services(self.family);
        let services = self.client.dump(&request, |message| message::read_service(message.payload))?;
        Ok(services.into_iter().collect())
    }

    /// `None`: the service does not exist.
    fn destinations(&mut self, service: &Service) -> io::Result<Option<Destinations>> {
        let request = message::dump_destinations(self.family, service);
        let read = self
            .client
            .dump(&request, |message| message::read_destination(message.payload, service.is_ipv6()));
        match read {
            Ok(destinations) => Ok(Some(destinations.into_iter().collect())),
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Carries `operations` out in order. Error: some may have been carried out.
    pub(crate) fn change(&mut self, operations: Vec<Operation>) -> io::Result<Vec<Answer>> {
        let requests: Vec<_> =
            operations.iter().map(|operation| message::request(self.family, operation)).collect();
        let outcomes = self.client.transact(&requests)?;
        let answer = |(operation, outcome): (Operation, io::Result<()>)| {
            let outcome = outcome.map_err(|error| error.raw_os_error().unwrap_or(libc::EIO));
            Answer { operation, outcome }
        };
        Ok(operations.into_iter().zip(outcomes).map(answer).collect())
    }

    /// The timeouts of connections.
    pub(crate) fn timeouts(&mut self) -> io::Result<timeouts::Values> {
        let mut values = None;
        self.client.ask(&timeouts::message::get(self.family), |message| {
            values = timeouts::message::read(message.payload)
        })?;
        values.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    }

    /// Sets timeouts; an errno, or 0.
    pub(crate) fn set_timeouts(&mut self, values: &timeouts::Values) -> io::Result<i32> {
        let outcomes = self.client.transact(&[timeouts::message::set(self.family, values)])?;
        let errno = |outcome: &io::Result<()>| {
            outcome.as_ref().err().map_or(0, |error| error.raw_os_error().unwrap_or(libc::EIO))
        };
        Ok(outcomes.first().map_or(libc::EIO, errno))
    }

    /// The daemons that synchronise connections.
    pub(crate) fn sync_daemons(&mut self) -> io::Result<sync::Daemons> {
        let request = sync::message::dump(self.family);
        let daemons = self.client.dump(&request, |message| sync::message::read(message.payload))?;
        Ok(daemons.into_iter().collect())
    }

    /// Carries `operations` out in order; the errno of each, or 0. Error: some may have been carried out.
    pub(crate) fn change_sync_daemons(&mut self, operations: &[sync::Operation]) -> io::Result<Vec<i32>> {
        let requests: Vec<_> =
            operations.iter().map(|operation| sync::message::request(self.family, operation)).collect();
        let errno = |outcome: io::Result<()>| {
            outcome.err().map_or(0, |error| error.raw_os_error().unwrap_or(libc::EIO))
        };
        Ok(self.client.transact(&requests)?.into_iter().map(errno).collect())
    }
}

fn find_family(client: &mut Client) -> io::Result<u16> {
    let mut family = None;
    client.ask(&message::get_family(), |message| family = message::read_family(message.payload))?;
    family.ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))
}

/// Its outcome shows when the family is asked for again.
fn load_module() {
    let modprobe = Command::new("modprobe").arg("ip_vs").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if let Err(error) = modprobe {
        tracing::debug!("modprobe ip_vs: {error}");
    }
}
