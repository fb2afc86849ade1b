//! The client of the kernel's table.

use std::io;
use std::process::{Command, Stdio};

use neli::consts::socket::NlFamily;

use crate::config::model::Service;
use crate::sys::netlink::Client;

use super::diff::Operation;
use super::error::{Refused, Unavailable};
use super::message;
use super::{Entry, Settings, Table};

/// A connection to the IPVS of this network namespace.
pub struct Ipvs {
    client: Client,
    family: u16,
}

impl Ipvs {
    /// Finds the family; loads the module `ip_vs` when it is missing.
    pub fn open() -> Result<Self, Unavailable> {
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

    /// The whole table.
    pub fn dump(&mut self) -> io::Result<Table> {
        let mut table = Table::new();
        for (service, settings) in self.services()? {
            if let Some(destinations) = self.destinations(&service)? {
                table.insert(service, Entry { settings, destinations });
            }
        }
        Ok(table)
    }

    /// The services alone: cheap, to see whether somebody flushed the table.
    pub fn services(&mut self) -> io::Result<Vec<(Service, Settings)>> {
        let request = message::dump_services(self.family);
        self.client.dump(&request, |message| message::read_service(message.payload))
    }

    /// The destinations of one service; `None`: the service does not exist.
    pub fn destinations(
        &mut self,
        service: &Service,
    ) -> io::Result<Option<std::collections::BTreeMap<std::net::SocketAddr, super::Destination>>> {
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

    /// Carries `operations` out in order; `table` follows what succeeded. Returns what was refused.
    /// Deleting what is gone succeeds.
    pub fn change(&mut self, operations: Vec<Operation>, table: &mut Table) -> io::Result<Vec<Refused>> {
        if operations.is_empty() {
            return Ok(Vec::new());
        }
        let requests: Vec<_> =
            operations.iter().map(|operation| message::request(self.family, operation)).collect();
        let outcomes = self.client.transact(&requests)?;
        let mut refused = Vec::new();
        for (operation, outcome) in operations.into_iter().zip(outcomes) {
            match (outcome.map_err(|error| error.raw_os_error().unwrap_or(libc::EIO)), &operation) {
                (Ok(()), _)
                | (
                    Err(libc::ENOENT | libc::ESRCH),
                    Operation::DeleteService(_) | Operation::DeleteDestination(..),
                ) => super::diff::apply(table, &operation),
                (Err(code), _) => {
                    refused.push(Refused { operation, source: io::Error::from_raw_os_error(code) });
                }
            }
        }
        Ok(refused)
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
