//! The record of the services that we put into the kernel, so that after a kill the next start can remove what
//! is no longer configured and leave the services of others alone.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::config::model::{Protocol, Service};

/// The set of our services and the file that keeps it.
#[derive(Debug)]
pub(super) struct Owned {
    path: PathBuf,
    services: BTreeSet<Service>,
}

impl Owned {
    /// Reads the record in `directory`; lines that are not understood are skipped.
    pub(super) fn read(directory: &Path) -> Self {
        let path = directory.join("ipvs-services");
        let text = fs::read_to_string(&path).unwrap_or_default();
        Self { path, services: text.lines().filter_map(parse).collect() }
    }

    /// Our services.
    pub(super) fn services(&self) -> &BTreeSet<Service> {
        &self.services
    }

    /// Replaces the set; the file is written anew only when it differs.
    pub(super) fn set(&mut self, services: BTreeSet<Service>) -> io::Result<()> {
        if services == self.services {
            return Ok(());
        }
        self.services = services;
        if self.services.is_empty() {
            return match fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        let text: String = self.services.iter().map(|service| line(service) + "\n").collect();
        let new = self.path.with_extension("new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        options.open(&new)?.write_all(text.as_bytes())?;
        fs::rename(&new, &self.path)
    }
}

fn line(service: &Service) -> String {
    match service {
        Service::Fwmark { mark, ipv6 } => format!("fwmark {mark} {}", if *ipv6 { "inet6" } else { "inet" }),
        Service::Address { protocol, address } => format!("{} {address}", protocol.name()),
    }
}

fn parse(line: &str) -> Option<Service> {
    let mut words = line.split_whitespace();
    let (kind, value) = (words.next()?, words.next()?);
    let protocol = match kind {
        "fwmark" => {
            return Some(Service::Fwmark { mark: value.parse().ok()?, ipv6: words.next()? == "inet6" });
        }
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        _ => return None,
    };
    let address: SocketAddr = value.parse().ok()?;
    Some(Service::Address { protocol, address })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_survives_a_kill() {
        let directory = tempfile::tempdir().unwrap();
        let services = BTreeSet::from([
            Service::Fwmark { mark: 3, ipv6: true },
            Service::Address { protocol: Protocol::Udp, address: "[2001:db8::1]:53".parse().unwrap() },
            Service::Address { protocol: Protocol::Tcp, address: "10.0.0.1:80".parse().unwrap() },
        ]);
        Owned::read(directory.path()).set(services.clone()).unwrap();
        let mut again = Owned::read(directory.path());
        assert_eq!(again.services(), &services);
        again.set(BTreeSet::new()).unwrap();
        assert!(Owned::read(directory.path()).services().is_empty());
    }
}
